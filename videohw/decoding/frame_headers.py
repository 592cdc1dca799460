"""What the headers of MPEG-2, AV1, VP8 and VP9 say of a picture, for the frames made of them.

Must not know: sessions, backends' libraries, pixels. What is damaged reads as not stated; the
decoder will refuse it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from typing import Final, NamedTuple

from ..backend import Fields, PictureInfo, SequenceInfo
from ..bitstream import AccessUnit, sei
from ..bitstream.av1_sequence import parse_sequence_header
from ..bitstream.bits import BitReader
from ..bitstream.obu import OBU_SEQUENCE_HEADER, obus
from ..errors import InvalidBitstream
from ..types import ContentLight, MasteringDisplay, SideData
from .header_reader import HeaderReader
from .mpeg4_headers import Mpeg4Reader
from .vc1_headers import Vc1Reader

# H.262 6.2.2.2.1, tables 6-1, 6-2 and 6-14.
_START_CODE: Final = b"\0\0\1"
_USER_DATA, _EXTENSION = 0xB2, 0xB5
_FIRST_SLICE, _LAST_SLICE = 0x01, 0xAF
_SEQUENCE_EXTENSION, _PICTURE_CODING_EXTENSION = 1, 8
_TOP_FIELD, _FRAME_PICTURE = 1, 3
_SEQUENCE_HEADER: Final = 0xB3
# aspect_ratio_information: of the picture in MPEG-2 (H.262 table 6-3), of a pixel in MPEG-1, where
# the table (ISO/IEC 11172-2 2.4.3.2) has height by width. Chroma lies between the luma samples of
# MPEG-1 both ways.
_MPEG2_DISPLAYS: Final = {2: Fraction(4, 3), 3: Fraction(16, 9), 4: Fraction(221, 100)}
_MPEG1_SHAPES: Final = {
    code: 1 / Fraction(height)
    for code, height in enumerate(
        ("1", "0.6735", "0.7031", "0.7615", "0.8055", "0.8437", "0.8935", "0.9157", "0.9815",
         "1.0255", "1.0695", "1.0950", "1.1575", "1.2015"), 1
    )
}  # fmt: skip
_MPEG_SEQUENCES: Final = (SequenceInfo(siting="center"), SequenceInfo())
_T35_USA: Final = 0xB5
_T35_ATSC: Final = b"\0\x31"
# AV1 6.2.2, 6.4.2 and 6.7.1.
_OBU_METADATA: Final = 5
_AV1_SITINGS: Final = {1: "left", 2: "topleft"}  # CSP_VERTICAL, CSP_COLOCATED
_AV1_SEQUENCE: Final = SequenceInfo(reorders=False)
_HDR_CLL, _HDR_MDCV, _ITUT_T35 = 1, 2, 4
_VP9_PROFILE_3: Final = 3
_SUPERFRAME_MARKER: Final = 6
_NO_SIDE_DATA: Final = SideData()


class CodedFrame(NamedTuple):
    """One frame of a codec without start codes. ``shown`` False: it gives no picture itself."""

    data: bytes
    keyframe: bool
    shown: bool


class Mpeg2Reader(HeaderReader):
    """What the headers say of MPEG-2 pictures (H.262 6.2.2.1, 6.2.3.1; ATSC A/53 part 4).

    The shape of a pixel, field order, repeat and captions.
    """

    _mpeg2 = True

    def __init__(self) -> None:
        self._progressive_sequence = False
        self._sequence = _MPEG_SEQUENCES[self._mpeg2]

    def read(self, unit: AccessUnit) -> PictureInfo:
        """Of the picture in ``unit``, which may begin with a sequence header."""
        data, fields, captions = unit.data, Fields(), None
        position = data.find(_START_CODE)
        while 0 <= position < len(data) - len(_START_CODE):
            code, body = data[position + 3], data[position + 4 : position + 9]
            after = data.find(_START_CODE, position + 3)
            if _FIRST_SLICE <= code <= _LAST_SLICE:
                break
            if code == _SEQUENCE_HEADER and len(body) >= 4:
                self._begin(body)
            elif code == _EXTENSION and len(body) == 5:
                if body[0] >> 4 == _SEQUENCE_EXTENSION:
                    self._progressive_sequence = bool(body[1] >> 3 & 1)
                elif body[0] >> 4 == _PICTURE_CODING_EXTENSION:
                    fields = self._fields(body)
            elif code == _USER_DATA:
                user_data = data[position + 4 : None if after < 0 else after]
                captions = sei.UserDataT35(_T35_USA, _T35_ATSC + user_data).captions or captions
            position = after
        return PictureInfo(self._sequence, fields, SideData(captions=captions))

    def _begin(self, header: bytes) -> None:
        """A sequence, by its header: size and aspect_ratio_information."""
        width, height = header[0] << 4 | header[1] >> 4, (header[1] & 15) << 8 | header[2]
        code = header[3] >> 4
        shape = None
        if not self._mpeg2:
            shape = _MPEG1_SHAPES.get(code)
        elif code == 1:
            shape = Fraction(1)
        elif code in _MPEG2_DISPLAYS and width and height:
            shape = _MPEG2_DISPLAYS[code] * Fraction(height, width)
        self._sequence = _MPEG_SEQUENCES[self._mpeg2]._replace(
            sample_aspect=None if shape is None else shape.as_integer_ratio()
        )

    def _fields(self, body: bytes) -> Fields:
        structure, top_first = body[2] & 3, bool(body[3] >> 7)
        if structure != _FRAME_PICTURE:
            return Fields(top_first=structure == _TOP_FIELD)
        if not body[3] >> 1 & 1:  # repeat_first_field
            return Fields(top_first)
        if self._progressive_sequence:  # the whole frame is shown two or three times (6.3.10)
            return Fields(repeat=4 if top_first else 2)
        return Fields(top_first, repeat=1)


class Mpeg1Reader(Mpeg2Reader):
    """The same of MPEG-1 (ISO/IEC 11172-2 2.4.3.2), which has no fields and captions."""

    _mpeg2 = False


class Av1Reader(HeaderReader):
    """What AV1 temporal units say of a picture beside its samples.

    Chroma siting (sequence header, 6.4.2), mastering display, light level and captions (metadata
    OBUs, 5.8).
    """

    def __init__(self) -> None:
        # For the coded video sequence (6.7.3, 6.7.4).
        self._lasting = _NO_SIDE_DATA
        self._sequence = _AV1_SEQUENCE

    def read(self, unit: AccessUnit) -> PictureInfo:
        """Of the picture that ``unit`` shows."""
        if unit.has_parameter_sets:
            self._lasting, self._sequence = _NO_SIDE_DATA, _AV1_SEQUENCE
        captions = None
        with suppress(InvalidBitstream):
            for obu in obus(unit.data):
                if obu.type == OBU_SEQUENCE_HEADER:
                    position = parse_sequence_header(obu.payload).chroma_sample_position
                    self._sequence = _AV1_SEQUENCE._replace(siting=_AV1_SITINGS.get(position))
                elif obu.type == _OBU_METADATA and len(obu.payload) > 1:
                    captions = self._read_metadata(obu.payload) or captions
        side_data = self._lasting if captions is None else self._lasting._replace(captions=captions)
        return PictureInfo(sequence=self._sequence, side_data=side_data)

    def _read_metadata(self, payload: bytes) -> bytes | None:
        """Keep what lasts; the captions, if these are some."""
        kind, bits = payload[0], BitReader(payload[1:], "AV1 metadata")
        if kind == _HDR_CLL:
            light = ContentLight(bits.u("max_cll", 16), bits.u("max_fall", 16))
            self._lasting = self._lasting._replace(content_light=light)
        elif kind == _HDR_MDCV:
            red, green, blue, white = (_chromaticity(bits) for _ in range(4))
            display = MasteringDisplay(
                red, green, blue, white,
                max_luminance=Fraction(bits.u("luminance_max", 32), 1 << 8),
                min_luminance=Fraction(bits.u("luminance_min", 32), 1 << 14),
            )  # fmt: skip
            self._lasting = self._lasting._replace(mastering_display=display)
        elif kind == _ITUT_T35 and payload[1] == _T35_USA:
            return sei.UserDataT35(_T35_USA, payload[2:]).captions
        return None


def _chromaticity(bits: BitReader) -> tuple[Fraction, Fraction]:
    return (
        Fraction(bits.u("chromaticity_x", 16), 1 << 16),
        Fraction(bits.u("chromaticity_y", 16), 1 << 16),
    )


def header_reader(codec: str) -> HeaderReader | None:
    """A new reader for ``codec``; None for those whose headers say nothing more of a picture."""
    readers: dict[str, Callable[[], HeaderReader]] = {
        "av1": Av1Reader, "mpeg1": Mpeg1Reader, "mpeg2": Mpeg2Reader, "mpeg4": Mpeg4Reader,
        "vc1": Vc1Reader,
    }  # fmt: skip
    return readers[codec]() if codec in readers else None


def coded_frames(codec: str, data: bytes) -> list[CodedFrame]:
    """The frames in one call's data of VP8, VP9 (a superframe may hold several) or JPEG."""
    if codec == "vp9":
        return [_vp9_frame(frame) for frame in _split_superframe(data)]
    if codec == "vp8":  # RFC 6386, 9.1: the frame tag
        return [CodedFrame(data, not data[0] & 1, bool(data[0] >> 4 & 1))]
    return [CodedFrame(data, keyframe=True, shown=True)]


def _vp9_frame(data: bytes) -> CodedFrame:
    """By the uncompressed header (VP9 bitstream specification, 6.2)."""
    bits = BitReader(data[:2], "VP9 frame header")
    try:
        bits.u("frame_marker", 2)
        if bits.u("profile", 2) == _VP9_PROFILE_3:  # bits in the order low, high: 3 both ways
            bits.flag("reserved_zero")
        if bits.flag("show_existing_frame"):
            return CodedFrame(data, keyframe=False, shown=True)
        return CodedFrame(data, keyframe=not bits.flag("frame_type"), shown=bits.flag("show_frame"))
    except InvalidBitstream:
        return CodedFrame(data, keyframe=False, shown=True)


def _split_superframe(data: bytes) -> list[bytes]:
    """The frames of a VP9 superframe (annex B), or the one frame that ``data`` is."""
    marker = data[-1]
    count, size_bytes = (marker & 7) + 1, (marker >> 3 & 3) + 1
    index_bytes = 2 + count * size_bytes
    if marker >> 5 != _SUPERFRAME_MARKER or data[-index_bytes:][:1] != data[-1:]:
        return [data]
    end = len(data) - index_bytes
    frames, position = [], 0
    for start in range(end + 1, len(data) - 1, size_bytes):
        size = int.from_bytes(data[start : start + size_bytes], "little")
        if size > end - position:
            return [data]
        frames.append(data[position : position + size])
        position += size
    return [frame for frame in frames if frame] or [data]
