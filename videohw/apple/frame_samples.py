"""Coded pictures of AV1 and VP9 as VideoToolbox takes them: samples and records as in a file.

Owns: what goes into a sample (AV1 in ISO BMFF 2.4; VP Codec in ISO BMFF), the record that stands
for the parameter sets, the pixels that a picture is decoded to. Both codecs show pictures in the
order of their decoding. Must not know: sessions.
"""

from __future__ import annotations

from typing import Final

from ..backend import CodedPicture
from ..bitstream.av1_sequence import SequenceHeader, parse_sequence_header
from ..bitstream.bits import BitReader
from ..bitstream.config_record import Av1Config
from ..bitstream.obu import OBU_SEQUENCE_HEADER, obus
from ..errors import InvalidBitstream
from .capabilities import four_characters, pixel_form
from .picture_form import CHROMA_IDC, UNSTATED, PictureForm
from .samples import Sample, SampleReader

# obu_type of what does not belong into a sample: temporal delimiters, padding.
_LEFT_OUT: Final = (2, 15)
# VP9 7.2.2: color_space as matrix_coefficients of H.273.
_VP9_MATRICES: Final = {1: 5, 2: 1, 3: 6, 4: 7, 5: 9, 7: 0}
_VP9_RGB: Final = 7
_VP9_SYNC: Final = 0x498342
# VP9 annex A: luma samples of a picture at most, and ten times the level.
_VP9_LEVELS: Final = (
    (36864, 10), (73728, 11), (122880, 20), (245760, 21), (552960, 30), (983040, 31),
    (2228224, 40), (8912896, 50), (35651584, 60),
)  # fmt: skip
_SUPERFRAME: Final = 0b110 << 5
_SIZE_BYTES: Final = 4


class FrameSampleReader:
    """Follows the pictures of one decoder of AV1 or VP9 (see ``samples.SampleReader``)."""

    def __init__(self, codec: str) -> None:
        self._codec = codec
        self._stated: tuple[int, bytes, int, int] | None = None  # pixel format, record, size
        self._form: PictureForm | None = None
        self._format = "nv12"
        self._lacks: str | None = None
        self._number = self._count = 0

    def begin(self) -> None:
        """References are gone: the next keyframe states everything anew."""
        self._stated = None

    def read(self, item: CodedPicture) -> Sample:
        """``item`` as a sample."""
        sample = Sample([item], item.data) if self._codec == "av1" else Vp9Sample([item], item.data)
        if item.skip is not None:
            return sample
        try:
            found = self._read_av1(sample) if self._codec == "av1" else _read_vp9(item)
        except InvalidBitstream:  # it is for the decoder to refuse
            found = None
        self._count += 1
        sample.count = self._count
        if found is not None:
            self._activate(sample, *found)
        sample.sps, sample.format, sample.lacks = self._form, self._format, self._lacks
        sample.sets_number = self._number
        return sample

    def _read_av1(self, sample: Sample) -> tuple[PictureForm, bytes] | None:
        found, parts = None, []
        for obu in obus(sample.data):
            if obu.type not in _LEFT_OUT:
                parts.append(obu.data)
            if obu.type == OBU_SEQUENCE_HEADER:
                header = parse_sequence_header(obu.payload)
                found = _av1_form(header), Av1Config.from_obus(obu.data).write()
        sample.data = b"".join(parts)
        return found

    def _activate(self, sample: Sample, form: PictureForm, record: bytes) -> None:
        made = pixel_form(
            form.chroma_format_idc, form.bit_depth_luma, form.matrix_coefficients,
            full_range=form.full_range,
        )  # fmt: skip
        self._form = form
        self._lacks = None
        if made is None:
            self._lacks = f"{form.chroma_format} with {form.bit_depth_luma} bits"
            return
        code = four_characters(made.code)
        self._format = made.name
        stated = code, record, form.width, form.height  # a vpcC has no size
        if self._stated != stated:
            self._stated = stated
            self._number += 1
            sample.new_sets = code, [record]


class Vp9Sample(Sample):
    """One shown VP9 frame with the hidden ones before it, as a superframe (annex B)."""

    @property
    def serial(self) -> int:
        """That of the frame that is shown."""
        return self.items[-1].serial

    @property
    def waits(self) -> bool:
        """Whether its last frame is hidden."""
        return self.items[-1].silent is not None

    @property
    def is_shown(self) -> bool:
        """Whether there is a frame to show."""
        return not self.waits

    @property
    def goes_with_last(self) -> bool:
        """Every frame goes with the hidden ones before it."""
        return True

    def join(self, second: Sample) -> None:
        """The next frame, which comes into the same sample."""
        frames = [each.data for each in (*self.items, *second.items)]
        self.items += second.items
        marker = bytes((_SUPERFRAME | (_SIZE_BYTES - 1) << 3 | len(frames) - 1,))
        sizes = b"".join(len(frame).to_bytes(_SIZE_BYTES, "little") for frame in frames)
        self.data = b"".join((*frames, marker, sizes, marker))
        self.count = second.count
        self.sps, self.format, self.lacks = second.sps, second.format, second.lacks
        self.sets_number, self.planned = second.sets_number, second.planned


def reader_for(codec: str) -> SampleReader | FrameSampleReader:
    """What follows the pictures of a decoder."""
    return FrameSampleReader(codec) if codec in ("av1", "vp9") else SampleReader(codec)


def _av1_form(header: SequenceHeader) -> PictureForm:
    return PictureForm(
        header.width, header.height, header.chroma_format, header.bit_depth, header.full_range,
        header.matrix_coefficients, header.color_primaries, header.transfer_characteristics,
    )  # fmt: skip


def _read_vp9(item: CodedPicture) -> tuple[PictureForm, bytes] | None:
    """The form of a keyframe with its vpcC, by the uncompressed header (VP9 6.2)."""
    bits = BitReader(item.data[:16], "VP9 frame header")
    bits.u("frame_marker", 2)
    profile = bits.u("profile_low_bit", 1) | bits.u("profile_high_bit", 1) << 1
    if profile == 3:
        bits.u("reserved_zero", 1)
    if bits.flag("show_existing_frame") or bits.flag("frame_type"):
        return None
    bits.u("show_frame and error_resilient_mode", 2)
    if bits.u("frame_sync_code", 24) != _VP9_SYNC:
        raise InvalidBitstream("VP9: a keyframe without the sync code")
    depth = 8
    if profile >= 2:
        depth = 12 if bits.flag("ten_or_twelve_bit") else 10
    space, full, chroma = bits.u("color_space", 3), True, "4:4:4"
    if space != _VP9_RGB:
        full, chroma = bits.flag("color_range"), "4:2:0"
        if profile & 1:
            pair = bits.u("subsampling_x and subsampling_y", 2)
            chroma = {0b10: "4:2:2", 0b00: "4:4:4"}.get(pair, f"subsampling {pair:02b}")
            bits.u("reserved_zero", 1)
    elif profile & 1:
        bits.u("reserved_zero", 1)
    if chroma not in CHROMA_IDC:  # 4:4:0, which has no number
        chroma, depth = "4:0:0", 16
    width, height = (bits.u(name, 16) + 1 for name in ("width_minus_1", "height_minus_1"))
    form = PictureForm(width, height, chroma, depth, full, _VP9_MATRICES.get(space, UNSTATED))
    return form, _vpcc(profile, form)


def _vpcc(profile: int, form: PictureForm) -> bytes:
    """The record of VP Codec in ISO BMFF, of version 1, with the bytes of a full box."""
    area = form.width * form.height
    level = next((each for most, each in _VP9_LEVELS if area <= most), 62)
    chroma = {1: 0, 2: 2, 3: 3}.get(form.chroma_format_idc, 0)
    return bytes(
        (
            1, 0, 0, 0, profile, level,
            (form.bit_depth_luma & 15) << 4 | chroma << 1 | form.full_range,
            form.colour_primaries, form.transfer_characteristics, form.matrix_coefficients, 0, 0,
        )
    )  # fmt: skip
