"""What H.264 and HEVC access units say of their pictures, for the frames made of them.

Owns: sample shape, chroma siting, field order, repeat, mastering display, light level and
captions, from parameter sets and SEI. Must not know: sessions, backends' libraries, pixels.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from ..backend import UNKNOWN_PICTURE, Fields, PictureInfo, SequenceInfo
from ..bitstream import AccessUnit, NalSpan, ParameterSets, sei
from ..bitstream.bits import BitReader
from ..bitstream.convert import unescape
from ..errors import InvalidBitstream
from ..types import SideData

if TYPE_CHECKING:
    from ..bitstream import h264, hevc

# first_mb_in_slice, slice_type and pic_parameter_set_id (H.264 7.3.3), or what precedes
# slice_pic_parameter_set_id (H.265 7.3.6.1), with the NAL unit header and emulation prevention.
_SLICE_HEAD_BYTES: Final = 40
_H264_SLICES: Final = (1, 2, 5)
# Baseline and Extended, but not Constrained Baseline, have them (H.264 A.2.1, A.2.3): slice data
# partitions, and the slice types SP and SI, modulo 5 (table 7-6).
_H264_BASELINE: Final = 66
_H264_RARE_PROFILES: Final = (_H264_BASELINE, 88)
_CONSTRAINT_SET1: Final = 0x40
_H264_PARTITIONS: Final = (2, 3, 4)
_H264_SWITCHING: Final = (3, 4)
_HEVC_NON_SLICES: Final = 32
_HEVC_IRAPS: Final = range(16, 24)
_UNKNOWN: Final = SequenceInfo()
# SEI messages that frames tell of.
_MESSAGES: Final = (
    sei.PIC_TIMING, sei.USER_DATA_T35, sei.MASTERING_DISPLAY, sei.CONTENT_LIGHT,
)  # fmt: skip
_NO_FIELDS: Final = Fields()
_NO_SIDE_DATA: Final = SideData()

_Sps: TypeAlias = "h264.Sps | hevc.Sps"


class UnitReader:
    """Follows one H.264 or HEVC stream, unit by unit.

    It keeps parameter sets of its own, since an assembler knows those of units nobody took yet.
    """

    def __init__(self, codec: str) -> None:
        self.sets = ParameterSets(codec)
        self.sequence = _UNKNOWN
        self._codec = codec
        self._sps: _Sps | None = None
        self._lasting = _NO_SIDE_DATA  # what holds for the pictures that follow too
        self._last = UNKNOWN_PICTURE
        self._may_hide = False  # a PPS says that slices have pic_output_flag

    def add(self, nal: bytes) -> None:
        """Keep a parameter set; what cannot be read is left to the decoder to refuse."""
        with suppress(InvalidBitstream):
            self.sets.add(nal)

    def add_from(self, unit: AccessUnit) -> None:
        """Keep the parameter sets in ``unit``."""
        for nal in unit.nal_units():
            self.add(bytes(nal))

    def read(self, unit: AccessUnit) -> PictureInfo:
        """What ``unit`` says of its picture; units come in order."""
        if unit.keyframe or unit.has_parameter_sets:
            self.add_from(unit)
            self._activate(unit)
            self._may_hide = self._codec == "hevc" and self._has_output_flags()
        if unit.random_access in ("idr", "bla"):
            # The messages hold for a coded video sequence (H.264 D.2.29, H.265 D.3.28).
            self._lasting = _NO_SIDE_DATA
        parity = unit.field
        fields = _NO_FIELDS
        if parity != "frame":
            fields = Fields(top_first=(parity == "top") != unit.second_field)
        side_data = self._lasting
        for nal in unit.messages():
            with suppress(InvalidBitstream):
                for message in sei.parse(nal, self._codec):
                    if message.payload_type not in _MESSAGES:
                        continue
                    side_data, fields = self._apply(message, side_data, fields, parity)
        tool = self._rare_tool(unit)
        last = self._last  # one object for pictures that say the same
        if (
            last.sequence is not self.sequence
            or last.side_data is not side_data
            or last.fields != fields
            or last.rare_tool != tool
        ):
            last = self._last = PictureInfo(self.sequence, fields, side_data, tool)
        return last

    def _rare_tool(self, unit: AccessUnit) -> str | None:
        """What only the Baseline and Extended profiles of H.264 have (A.2.1, A.2.3)."""
        if self._codec != "h264" or self._sps is None:
            return None
        sps = cast("h264.Sps", self._sps)
        if sps.profile_idc not in _H264_RARE_PROFILES:
            return None
        if sps.profile_idc == _H264_BASELINE and sps.constraint_set_flags & _CONSTRAINT_SET1:
            return None
        next_macroblock = 0
        with suppress(InvalidBitstream):
            for span in unit.nals:
                if span.type in _H264_PARTITIONS:
                    return "data partitioning"
                if span.type not in _H264_SLICES:
                    continue
                bits = self._slice_bits(unit, span, header_bytes=1)
                first, kind = bits.ue("first_mb_in_slice"), bits.ue("slice_type")
                pps = cast("h264.Pps | None", self.sets.pps(bits.ue("pic_parameter_set_id")))
                if pps is not None and pps.num_slice_groups_minus1 > 0:
                    return "flexible macroblock ordering"
                if kind % 5 in _H264_SWITCHING:
                    return "SP and SI slices"
                redundant = pps is not None and pps.redundant_pic_cnt_present_flag
                if first < next_macroblock and not redundant:
                    return "arbitrary slice order"
                next_macroblock = first
        return None

    def hides(self, unit: AccessUnit) -> bool:
        """Whether the first slice says that its picture is not output (H.265 7.4.7.1).

        To be asked after ``unit`` was read.
        """
        if not self._may_hide:
            return False
        with suppress(InvalidBitstream):
            for span in unit.nals:
                if span.type < _HEVC_NON_SLICES and span.layer_id == 0:
                    bits = self._slice_bits(unit, span, header_bytes=2)
                    pps = cast("hevc.Pps | None", self.sets.pps(_hevc_pps_id(bits, span.type)))
                    if pps is None or not pps.output_flag_present_flag:
                        return False
                    bits.u("slice_reserved_flag", pps.num_extra_slice_header_bits)
                    bits.ue("slice_type")
                    return not bits.flag("pic_output_flag")
        return False

    def _has_output_flags(self) -> bool:
        for pps_id in self.sets.pps_ids:
            with suppress(InvalidBitstream):
                pps = cast("hevc.Pps | None", self.sets.pps(pps_id))
                if pps is not None and pps.output_flag_present_flag:
                    return True
        return False

    def _apply(
        self, message: sei.SeiMessage, side_data: SideData, fields: Fields, parity: str
    ) -> tuple[SideData, Fields]:
        sps, vps = self._sps, None
        if sps is not None and self._codec == "hevc":
            vps = self.sets.vps(cast("hevc.Sps", sps).sps_video_parameter_set_id)
        value = sei.decode(message, self._codec, sps, vps)
        if isinstance(value, sei.PicTiming):
            if parity == "frame" and value.pic_struct is not None:
                repeat = max((value.display_fields or 2) - 2, 0)
                fields = Fields(value.top_field_first, repeat)
        elif isinstance(value, sei.UserDataT35):
            side_data = side_data._replace(captions=value.captions or side_data.captions)
        elif isinstance(value, (sei.MasteringDisplay, sei.ContentLight)):
            side_data = _with_light(side_data, value)
            self._lasting = _with_light(self._lasting, value)
        return side_data, fields

    def _activate(self, unit: AccessUnit) -> None:
        """Sequences begin at keyframes (H.264 7.4.1.2.1, H.265 7.4.2.4.2)."""
        try:
            sps = self._sps_of(unit)
        except InvalidBitstream:
            sps = None
        if sps is not self._sps:
            self._sps = sps
            self.sequence = _UNKNOWN if sps is None else _sequence_info(sps, self._codec)

    def _sps_of(self, unit: AccessUnit) -> _Sps | None:
        pps = self.sets.pps(self._pps_id(unit))
        if pps is None:
            return self.sets.active_sps
        if self._codec == "hevc":
            return self.sets.sps(cast("hevc.Pps", pps).pps_seq_parameter_set_id)
        return self.sets.sps(cast("h264.Pps", pps).seq_parameter_set_id)

    def _pps_id(self, unit: AccessUnit) -> int:
        """The PPS that the first slice of ``unit`` names, -1 when there is none."""
        for span in unit.nals:
            if self._codec == "h264" and span.type in _H264_SLICES:
                bits = self._slice_bits(unit, span, header_bytes=1)
                bits.ue("first_mb_in_slice")
                bits.ue("slice_type")
                return bits.ue("pic_parameter_set_id")
            if self._codec == "hevc" and span.type < _HEVC_NON_SLICES and span.layer_id == 0:
                return _hevc_pps_id(self._slice_bits(unit, span, header_bytes=2), span.type)
        return -1

    def _slice_bits(self, unit: AccessUnit, span: NalSpan, header_bytes: int) -> BitReader:
        head = unit.data[span.start : span.start + min(span.size, _SLICE_HEAD_BYTES)]
        return BitReader(unescape(head)[header_bytes:], f"{self._codec} slice header")


def _hevc_pps_id(bits: BitReader, nal_type: int) -> int:
    """The PPS that a slice names; ``bits`` stand behind it then (H.265 7.3.6.1)."""
    bits.flag("first_slice_segment_in_pic_flag")
    if nal_type in _HEVC_IRAPS:
        bits.flag("no_output_of_prior_pics_flag")
    return bits.ue("slice_pic_parameter_set_id")


def _sequence_info(sps: _Sps, codec: str) -> SequenceInfo:
    frames_only, extended = False, False
    if codec == "h264":
        frames_only = cast("h264.Sps", sps).frame_mbs_only_flag
    else:
        extended = cast("hevc.Sps", sps).range_extension is not None
    siting = None
    if sps.chroma_sample_loc_type is not None:
        from ..color import SITINGS  # most streams do not state it

        siting = SITINGS.get(sps.chroma_sample_loc_type)
    return SequenceInfo(
        sample_aspect=sps.sample_aspect,
        siting=siting,
        reorders=sps.reorders,
        stated_reorder=sps.stated_num_reorder if sps.reorders else 0,
        has_fields=not frames_only,
        range_extension=extended,
        full_range=_full_range(sps),
    )


def _full_range(sps: _Sps) -> bool | None:
    vui = sps.vui
    if vui is None or not vui.video_signal_type_present_flag:
        return None
    return vui.video_full_range_flag


def _with_light(side_data: SideData, value: sei.MasteringDisplay | sei.ContentLight) -> SideData:
    from ..types import ContentLight, MasteringDisplay  # few streams have them

    if isinstance(value, sei.ContentLight):
        light = ContentLight(value.max_content, value.max_frame_average)
        return side_data._replace(content_light=light)
    display = MasteringDisplay(
        value.red, value.green, value.blue, value.white_point, value.max_luminance,
        value.min_luminance,
    )  # fmt: skip
    return side_data._replace(mastering_display=display)
