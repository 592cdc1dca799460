"""A client of the emulated frameworks: ctypes made of the facts, as strict or as wrong as wanted.

It shares no declaration with the emulator, which is compiled with videohw/_native/apple.h.
"""

from __future__ import annotations

import ctypes as c
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.apple.facts import FACTS

LIBRARY = "libvideohw_apple.so"
VALUES: dict[str, int] = FACTS["constants"]
POISON = 0xDB
_SCALARS: dict[str, Any] = {
    "void": None, "int": c.c_int, "unsigned int": c.c_uint, "long": c.c_long, "double": c.c_double,
    "unsigned long": c.c_ulong, "long long": c.c_longlong, "unsigned char": c.c_ubyte,
    "unsigned long long": c.c_ulonglong, "const char *": c.c_char_p, "char *": c.c_char_p,
}  # fmt: skip


def _structure(name: str) -> type[c.Structure]:
    facts = FACTS["structs"][name]
    fields = [(each, _type(kind)) for each, (_, _, kind) in facts["fields"].items()]
    made = type(name, (c.Structure,), {"_pack_": facts["align"], "_fields_": fields})
    assert c.sizeof(made) == facts["size"]
    return made


def _type(kind: str) -> Any:
    if kind in _SCALARS:
        return _SCALARS[kind]
    if "*" in kind:
        return c.c_void_p
    return STRUCTURES[kind.removeprefix("struct ")]


STRUCTURES: dict[str, Any] = {}
for _name in FACTS["structs"]:  # parts come before what has them
    STRUCTURES[_name] = _structure(_name)
Time = STRUCTURES["CMTime"]
DECODED = c.CFUNCTYPE(
    None, c.c_void_p, c.c_void_p, c.c_int, c.c_uint, c.c_void_p, Time, Time
)  # fmt: skip


class Apple:
    """The functions by name, and helpers, which want success."""

    def __init__(self, folder: Path) -> None:
        self._library = c.CDLL(str(folder / LIBRARY))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("k"):  # a variable that is a reference
            return c.c_void_p.in_dll(self._library, name).value
        function, facts = getattr(self._library, name), FACTS["functions"][name]
        function.restype = _type(facts["returns"])
        function.argtypes = [_type(kind) for kind in facts["parameters"]]
        setattr(self, name, function)
        return function

    def address(self, name: str) -> int:
        """Of a variable that is a structure."""
        return c.addressof(c.c_char.in_dll(self._library, name))

    def made(self, name: str, *arguments: Any) -> int:
        """What a call writes through its last argument."""
        value = c.c_void_p()
        code = getattr(self, name)(*arguments, c.byref(value))
        assert code == 0, f"{name}: {code}"
        return int(value.value or 0)

    @contextmanager
    def kept(self, reference: int) -> Iterator[int]:
        """Released at the end."""
        try:
            yield reference
        finally:
            self.CFRelease(reference)

    # Values

    def string(self, text: str) -> int:
        made = self.CFStringCreateWithCString(None, text.encode(), VALUES["kCFStringEncodingUTF8"])
        return int(made)

    def number(self, value: float) -> int:
        if isinstance(value, int):
            kind, held = "kCFNumberSInt64Type", c.c_int64(value)
        else:
            kind, held = "kCFNumberFloat64Type", c.c_double(value)  # type: ignore[assignment]
        return int(self.CFNumberCreate(None, VALUES[kind], c.byref(held)))

    def whole(self, number: int) -> int:
        held = c.c_int64()
        assert self.CFNumberGetValue(number, VALUES["kCFNumberSInt64Type"], c.byref(held))
        return held.value

    def text(self, string: int) -> str:
        buffer = c.create_string_buffer(256)
        assert self.CFStringGetCString(string, buffer, 256, VALUES["kCFStringEncodingUTF8"])
        return buffer.value.decode()

    def dictionary(self, values: dict[str, Any]) -> int:
        """Of names of variables to numbers, booleans or dictionaries."""
        made = self.CFDictionaryCreateMutable(
            None, 0, self.address("kCFTypeDictionaryKeyCallBacks"),
            self.address("kCFTypeDictionaryValueCallBacks"),
        )  # fmt: skip
        for name, value in values.items():
            if isinstance(value, bool):
                key = "kCFBooleanTrue" if value else "kCFBooleanFalse"
                self.CFDictionarySetValue(made, getattr(self, name), getattr(self, key))
                continue
            held = self.dictionary(value) if isinstance(value, dict) else self.number(value)
            self.CFDictionarySetValue(made, getattr(self, name), held)
            self.CFRelease(held)
        return int(made)

    # Coded data

    def description(self, codec: str, sets: Sequence[bytes], length_bytes: int = 4) -> int:
        """A format description of parameter sets."""
        pointers = (c.c_char_p * len(sets))(*sets)
        sizes = (c.c_size_t * len(sets))(*map(len, sets))
        more = (None,) if codec == "hevc" else ()
        kind = {"h264": "H264", "hevc": "HEVC"}[codec]
        return self.made(
            f"CMVideoFormatDescriptionCreateFrom{kind}ParameterSets", None, len(sets), pointers,
            sizes, length_bytes, *more,
        )  # fmt: skip

    def sample(self, description: int, data: bytes, number: int = 0) -> int:
        """A sample of its own memory; ``number`` is its time in thirtieths."""
        block = self.made(
            "CMBlockBufferCreateWithMemoryBlock", None, None, len(data), None, None, 0, len(data),
            VALUES["kCMBlockBufferAssureMemoryNowFlag"],
        )  # fmt: skip
        assert self.CMBlockBufferReplaceDataBytes(data, block, 0, len(data)) == 0
        invalid = Time.in_dll(self._library, "kCMTimeInvalid")
        timing = STRUCTURES["CMSampleTimingInfo"](
            self.CMTimeMake(1, 30), self.CMTimeMake(number, 30), invalid
        )
        size = c.c_size_t(len(data))
        made = self.made(
            "CMSampleBufferCreateReady", None, block, description, 1, 1, c.byref(timing), 1,
            c.byref(size),
        )  # fmt: skip
        self.CFRelease(block)
        return made

    # Pixels

    def planes(self, image: int) -> list[bytes]:
        """The rows of each plane, without padding, while it is locked."""
        read_only = VALUES["kCVPixelBufferLock_ReadOnly"]
        wide = self.CVPixelBufferGetPixelFormatType(image) >> 24 == ord("x")
        width, height = self.CVPixelBufferGetWidth(image), self.CVPixelBufferGetHeight(image)
        assert self.CVPixelBufferLockBaseAddress(image, read_only) == 0
        found = []
        for plane in range(self.CVPixelBufferGetPlaneCount(image)):
            pitch = self.CVPixelBufferGetBytesPerRowOfPlane(image, plane)
            address = self.CVPixelBufferGetBaseAddressOfPlane(image, plane)
            columns = (width + 1) // 2 * 2 if plane else width
            rows = (height + 1) // 2 if plane else height
            row_bytes = columns * (2 if wide else 1)
            found.append(
                b"".join(c.string_at(address + row * pitch, row_bytes) for row in range(rows))
            )
        assert self.CVPixelBufferUnlockBaseAddress(image, read_only) == 0
        return found


@dataclass
class Output:
    """One callback."""

    frame: int
    status: int
    flags: int
    image: int | None  # a reference of the client's own
    time: int
    thread: int


@dataclass
class Decompression:
    """A decoding session that keeps what its callbacks bring."""

    apple: Apple
    description: int
    attributes: dict[str, Any] = field(default_factory=dict)
    specification: dict[str, Any] = field(default_factory=dict)
    outputs: list[Output] = field(default_factory=list)
    inside: Callable[[], None] | None = None  # is called within each callback

    def __enter__(self) -> Decompression:
        self._callback = DECODED(self._decoded)
        record = STRUCTURES["VTDecompressionOutputCallbackRecord"](
            c.cast(self._callback, c.c_void_p), 77
        )
        with (
            self.apple.kept(self.apple.dictionary(self.attributes)) as attributes,
            self.apple.kept(self.apple.dictionary(self.specification)) as specification,
        ):
            self.session = self.apple.made(
                "VTDecompressionSessionCreate", None, self.description, specification, attributes,
                c.byref(record),
            )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        self.apple.VTDecompressionSessionInvalidate(self.session)
        self.apple.CFRelease(self.session)
        self.give_back()

    def _decoded(
        self, own: int, frame: int | None, status: int, flags: int, image: int | None, time: Any,
        duration: Any,
    ) -> None:  # fmt: skip
        assert own == 77
        if image:
            self.apple.CFRetain(image)
        if self.inside is not None:
            self.inside()
        self.outputs.append(
            Output(frame or 0, status, flags, image, time.value, threading.get_ident())
        )

    def decode(self, sample: int, frame: int = 0, flags: int = 1) -> int:
        """The status of the call."""
        info = c.c_uint()
        return int(
            self.apple.VTDecompressionSessionDecodeFrame(
                self.session, sample, flags, frame, c.byref(info)
            )
        )

    def wait(self) -> int:
        return int(self.apple.VTDecompressionSessionWaitForAsynchronousFrames(self.session))

    def give_back(self) -> None:
        """Release the images."""
        for output in self.outputs:
            if output.image:
                self.apple.CFRelease(output.image)
                output.image = None
