"""The CUDA driver and cuvid through ctypes, for asking a driver what it does.

No part of videohw is used here: what is recorded with it is what the driver answers, and the
emulated driver is asked in the very same way. Layouts are those of 64-bit Linux.
"""

from __future__ import annotations

import ctypes as c
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

CODECS = {
    "mpeg1": 0, "mpeg2": 1, "mpeg4": 2, "vc1": 3, "h264": 4, "jpeg": 5, "hevc": 8, "vp8": 9,
    "vp9": 10, "av1": 11,
}  # fmt: skip
CHROMA = {"400": 0, "420": 1, "422": 2, "444": 3}
# Surface formats by (chroma, more than 8 bits).
SURFACES = {
    ("400", False): 0, ("400", True): 1, ("420", False): 0, ("420", True): 1,
    ("422", False): 4, ("422", True): 5, ("444", False): 2, ("444", True): 3,
}  # fmt: skip
END_OF_STREAM, TIMESTAMP, DISCONTINUITY, END_OF_PICTURE, NOTIFY_END = 1, 2, 4, 8, 16


class Struct(c.Structure):
    """A foreign structure that can be written down."""

    def facts(self) -> dict[str, Any]:
        """The fields by name, without pointers and reserved words."""
        facts: dict[str, Any] = {}
        for name, kind, *_ in self._fields_:  # type: ignore[misc]
            value = getattr(self, name)
            if isinstance(value, Struct):
                facts[name] = value.facts()
            elif not name.startswith(("reserved", "p_", "pfn")) and not issubclass(kind, c.Array):
                facts[name] = value
        return facts


def _struct(name: str, *fields: tuple[Any, ...]) -> type[Struct]:
    return type(name, (Struct,), {"_fields_": list(fields)})


_int, _uint, _ulong, _u8 = c.c_int, c.c_uint, c.c_ulong, c.c_ubyte
Rational = _struct("Rational", ("numerator", _uint), ("denominator", _uint))
Area = _struct("Area", ("left", _int), ("top", _int), ("right", _int), ("bottom", _int))
ShortArea = _struct(
    "ShortArea",
    ("left", c.c_short),
    ("top", c.c_short),
    ("right", c.c_short),
    ("bottom", c.c_short),
)
Ratio = _struct("Ratio", ("x", _int), ("y", _int))
Signal = _struct(
    "Signal", ("format_and_range", _u8), ("primaries", _u8), ("transfer", _u8), ("matrix", _u8)
)
VideoFormat = _struct(
    "VideoFormat",
    ("codec", _int), ("frame_rate", Rational), ("progressive_sequence", _u8),
    ("bit_depth_luma_minus8", _u8), ("bit_depth_chroma_minus8", _u8),
    ("min_num_decode_surfaces", _u8), ("coded_width", _uint), ("coded_height", _uint),
    ("display_area", Area), ("chroma_format", _int), ("bitrate", _uint),
    ("display_aspect_ratio", Ratio), ("signal", Signal), ("seqhdr_data_length", _uint),
)  # fmt: skip
DisplayInfo = _struct(
    "DisplayInfo",
    ("picture_index", _int), ("progressive_frame", _int), ("top_field_first", _int),
    ("repeat_first_field", _int), ("timestamp", c.c_longlong),
)  # fmt: skip
PictureParameters = _struct(
    "PictureParameters",
    ("width_in_mbs", _int), ("height_in_mbs", _int), ("picture_index", _int),
    ("field_pic_flag", _int), ("bottom_field_flag", _int), ("second_field", _int),
    ("data_bytes", _uint), ("p_data", c.c_void_p), ("slices", _uint), ("p_slices", c.c_void_p),
    ("ref_pic_flag", _int), ("intra_pic_flag", _int), ("reserved", _uint * 30),
    ("reserved_codec", _u8 * 4096),
)  # fmt: skip
SequenceCallback = c.CFUNCTYPE(_int, c.c_void_p, c.POINTER(VideoFormat))
DecodeCallback = c.CFUNCTYPE(_int, c.c_void_p, c.POINTER(PictureParameters))
DisplayCallback = c.CFUNCTYPE(_int, c.c_void_p, c.POINTER(DisplayInfo))
ParserParameters = _struct(
    "ParserParameters",
    ("codec", _int), ("max_decode_surfaces", _uint), ("clock_rate", _uint),
    ("error_threshold", _uint), ("max_display_delay", _uint), ("flags", _uint),
    ("reserved1", _uint * 4), ("p_user", c.c_void_p), ("pfn_sequence", SequenceCallback),
    ("pfn_decode", DecodeCallback), ("pfn_display", DisplayCallback),
    ("p_operating_point", c.c_void_p), ("p_sei", c.c_void_p), ("reserved2", c.c_void_p * 5),
    ("p_extended", c.c_void_p),
)  # fmt: skip
Packet = _struct(
    "Packet", ("flags", _ulong), ("size", _ulong), ("p_data", c.c_char_p),
    ("timestamp", c.c_longlong),
)  # fmt: skip
Caps = _struct(
    "Caps",
    ("codec", _int), ("chroma_format", _int), ("bit_depth_minus8", _uint),
    ("reserved1", _uint * 3), ("is_supported", _u8), ("nvdec_count", _u8),
    ("output_format_mask", c.c_ushort), ("max_width", _uint), ("max_height", _uint),
    ("max_mb_count", _uint), ("min_width", c.c_ushort), ("min_height", c.c_ushort),
    ("histogram_supported", _u8), ("counter_bit_depth", _u8), ("max_histogram_bins", c.c_ushort),
    ("reserved3", _uint * 10),
)  # fmt: skip
CreateInfo = _struct(
    "CreateInfo",
    ("width", _ulong), ("height", _ulong), ("decode_surfaces", _ulong), ("codec", _int),
    ("chroma_format", _int), ("creation_flags", _ulong), ("bit_depth_minus8", _ulong),
    ("intra_only", _ulong), ("max_width", _ulong), ("max_height", _ulong), ("reserved1", _ulong),
    ("display_area", ShortArea), ("output_format", _int), ("deinterlace_mode", _int),
    ("target_width", _ulong), ("target_height", _ulong), ("output_surfaces", _ulong),
    ("p_lock", c.c_void_p), ("target_rect", ShortArea), ("enable_histogram", _ulong),
    ("reserved2", _ulong * 4),
)  # fmt: skip
ReconfigureInfo = _struct(
    "ReconfigureInfo",
    ("width", _uint), ("height", _uint), ("target_width", _uint), ("target_height", _uint),
    ("decode_surfaces", _uint), ("reserved1", _uint * 12), ("display_area", ShortArea),
    ("target_rect", ShortArea), ("reserved2", _uint * 11),
)  # fmt: skip
ProcessParameters = _struct(
    "ProcessParameters",
    ("progressive_frame", _int), ("second_field", _int), ("top_field_first", _int),
    ("unpaired_field", _int), ("reserved_flags", _uint), ("reserved_zero", _uint),
    ("raw_input", c.c_ulonglong), ("raw_input_pitch", _uint), ("raw_input_format", _uint),
    ("raw_output", c.c_ulonglong), ("raw_output_pitch", _uint), ("reserved1", _uint),
    ("p_output_stream", c.c_void_p), ("reserved", _uint * 46), ("p_histogram", c.c_void_p),
    ("reserved2", c.c_void_p * 1),
)  # fmt: skip
DecodeStatus = _struct(
    "DecodeStatus",
    ("status", _int),
    ("reserved", _uint * 31),
    ("reserved_pointers", c.c_void_p * 8),
)
SIZES = {
    VideoFormat: 64, DisplayInfo: 24, PictureParameters: 4280, ParserParameters: 136, Packet: 32,
    Caps: 88, CreateInfo: 176, ReconfigureInfo: 128, ProcessParameters: 264, DecodeStatus: 192,
}  # fmt: skip


class Driver:
    """libcuda and libnvcuvid; every call returns the driver's result code.

    ``VIDEOHW_LIBCUDA`` and ``VIDEOHW_LIBNVCUVID`` name other libraries, such as emulated ones.
    """

    def __init__(self) -> None:
        self._cuda = c.CDLL(os.environ.get("VIDEOHW_LIBCUDA", "libcuda.so.1"))
        self._cuvid = c.CDLL(os.environ.get("VIDEOHW_LIBNVCUVID", "libnvcuvid.so.1"))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cuvid if name.startswith("cuvid") else self._cuda, name)

    def name_of(self, code: int) -> str:
        """A result code as the driver names it."""
        text = c.c_char_p()
        self.cuGetErrorName(code, c.byref(text))
        return text.value.decode() if text.value else str(code)

    def text(self, name: str, *before: Any) -> str:
        """What a call writes into a buffer of characters."""
        buffer = c.create_string_buffer(256)
        check(self, getattr(self, name)(buffer, 256, *before), name)
        return buffer.value.decode()

    def number(self, name: str, *after: Any) -> int:
        """What a call writes into its first argument, an int."""
        value = c.c_int()
        check(self, getattr(self, name)(c.byref(value), *after), name)
        return value.value


def check(driver: Driver, code: int, call: str) -> None:
    """Raise for a result code other than success."""
    if code:
        raise RuntimeError(f"{call}: {driver.name_of(code)} ({code})")


@contextmanager
def primary_context(driver: Driver, device: int = 0) -> Iterator[c.c_void_p]:
    """The device's primary context, current in this thread."""
    check(driver, driver.cuInit(0), "cuInit")
    context = c.c_void_p()
    check(driver, driver.cuDevicePrimaryCtxRetain(c.byref(context), device), "retain")
    check(driver, driver.cuCtxPushCurrent_v2(context), "push")
    try:
        yield context
    finally:
        driver.cuCtxPopCurrent_v2(c.byref(c.c_void_p()))
        driver.cuDevicePrimaryCtxRelease_v2(device)


def caps_of(driver: Driver, codec: str, chroma: str, bit_depth: int) -> tuple[int, dict[str, Any]]:
    """(result code, what the driver says of one codec and format)."""
    caps = Caps(codec=CODECS[codec], chroma_format=CHROMA[chroma], bit_depth_minus8=bit_depth - 8)
    return driver.cuvidGetDecoderCaps(c.byref(caps)), caps.facts()
