"""The bytes of a source: a path, bytes or a file object of the caller, read with care.

Must not know: what the bytes mean, but whether they begin a raw stream.
"""

from __future__ import annotations

import os
from io import BytesIO
from typing import Any, Final

from ..errors import InvalidInput
from .headers import raw_codec

# How much of a file is looked at to tell whether it is a raw stream: enough for any parameter
# sets. A pipe is asked for the first part only, and for more if that looks like a raw stream.
_HEAD_BYTES: Final = 256 << 10
_FIRST_BYTES: Final = 4 << 10


class SourceFile:
    """The bytes of a source: what was looked at is read again, and reads are checked.

    PyAV copies what ``read`` returns into a buffer of the size it asked for, so a file object
    that returns more would write past it. ``owned`` files are closed with it.
    """

    def __init__(self, stream: Any, name: str, *, owned: bool) -> None:
        self._stream = stream
        self._name = name
        self._owned = owned
        self._seekable = bool(stream.seekable()) if hasattr(stream, "seekable") else False
        self._ahead = b""
        if self._seekable:
            stream.seek(0)

    def look(self) -> bytes:
        """The first bytes of the file, which will be read again."""
        head = self._read(_FIRST_BYTES)
        while head.startswith(b"\0\0") and len(head) < _HEAD_BYTES and not raw_codec(head):
            more = self._read(_HEAD_BYTES - len(head))
            if not more:
                break
            head += more
        if self._seekable:
            self._stream.seek(0)
        else:
            self._ahead = head
        return head

    def read(self, count: int) -> bytes:
        """Up to ``count`` bytes, none at the end of the file."""
        if self._ahead:
            data, self._ahead = self._ahead[:count], self._ahead[count:]
            return data
        return self._read(count)

    def seekable(self) -> bool:
        """True when the file can seek."""
        return self._seekable

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position; the new position in bytes."""
        return int(self._stream.seek(offset, whence))

    def tell(self) -> int:
        """The position in bytes."""
        return int(self._stream.tell())

    def close(self) -> None:
        """Close what was opened here; the caller's object stays open."""
        if self._owned:
            self._stream.close()

    def _read(self, count: int) -> bytes:
        data = self._stream.read(count)
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise InvalidInput(
                f"{self._name}: read() returned {type(data).__name__}, not bytes",
                argument="source",
                hint="open the file in binary mode",
            )
        if len(data) > count:
            raise InvalidInput(
                f"{self._name}: read({count}) returned {len(data)} bytes", argument="source"
            )
        return bytes(data)


def source_file(source: Any) -> tuple[str, SourceFile]:
    """The name and the bytes of a path, a bytes-like object or a binary file object."""
    if isinstance(source, (str, os.PathLike)):
        name = os.fsdecode(source)
        if not name:
            raise InvalidInput("source is an empty path", argument="source")
        return name, SourceFile(open(name, "rb"), name, owned=True)
    if isinstance(source, (bytes, bytearray, memoryview)):
        name = f"<{len(source)} bytes>"
        return name, SourceFile(BytesIO(source), name, owned=True)
    if callable(getattr(source, "read", None)):
        name = str(getattr(source, "name", f"<{type(source).__name__}>"))
        return name, SourceFile(source, name, owned=False)
    raise InvalidInput(
        f"source is {type(source).__name__}",
        argument="source",
        hint="a path, bytes or a binary file object",
    )
