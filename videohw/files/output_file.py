"""A file that appears whole or not at all: a temporary name beside the target, then a rename.

Owns: names, renaming, removing. Must not know: what is written.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
from contextlib import suppress
from typing import Any

from ..errors import InvalidInput

# File systems take names of 255 bytes; leaves room for the token and the suffix.
_MAX_STEM_CHARACTERS = 60


class OutputFile:
    """Where a writer writes: ``path`` is a temporary file, or else ``stream`` takes the bytes.

    ``target`` is a path, or a binary file object, which is written in place, is never closed and
    cannot be undone. An existing regular file stays as it is until :meth:`commit`; a device or a
    named pipe is written in place. Failing to create the file is the :class:`OSError` of the
    system.
    """

    def __init__(self, target: Any) -> None:
        self.stream: Any = None
        self.path: str | None = None
        self._final = ""
        self._opened: Any = None
        if isinstance(target, (str, os.PathLike)):
            self._open_path(os.fsdecode(target))
        elif callable(getattr(target, "write", None)):
            self.stream = target
            self.name = str(getattr(target, "name", f"<{type(target).__name__}>"))
        else:
            raise InvalidInput(
                f"target is {type(target).__name__}",
                argument="target",
                hint="a path or a binary file object",
            )

    @property
    def seekable(self) -> bool:
        """False when bytes cannot be written anywhere but at the end."""
        if self.path is not None:
            return True
        if not callable(getattr(self.stream, "seek", None)):
            return False
        return bool(self.stream.seekable()) if hasattr(self.stream, "seekable") else True

    def commit(self) -> None:
        """Give the finished file its name; the permissions of a file it replaces are kept."""
        self._close_opened()
        if self.path is not None:
            with suppress(OSError):
                shutil.copymode(self._final, self.path)
            os.replace(self.path, self._final)
            self.path = None

    def discard(self) -> None:
        """Remove the temporary file; the target is as it was."""
        self._close_opened()
        if self.path is not None:
            with suppress(OSError):
                os.unlink(self.path)
            self.path = None

    def _close_opened(self) -> None:
        if self._opened is not None:
            self._opened.close()

    def _open_path(self, target: str) -> None:
        if not target:
            raise InvalidInput("target is an empty path", argument="target")
        self.name = target
        # A link is followed, so that the file it leads to is replaced and the link stays.
        final = os.path.realpath(target)
        if os.path.isdir(final):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), target)
        if os.path.exists(final) and not stat.S_ISREG(os.stat(final).st_mode):
            self.stream = self._opened = open(final, "wb", buffering=0)  # noqa: SIM115
            return
        folder, name = os.path.split(final)
        stem = name[:_MAX_STEM_CHARACTERS]
        path = os.path.join(folder, f".{stem}.{secrets.token_hex(4)}.part")
        try:
            # Created here, so that a folder that cannot be written to is known before any work.
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        except OSError as error:
            raise OSError(error.errno, error.strerror, target) from error
        self.path, self._final = path, final
