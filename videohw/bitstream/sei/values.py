"""What SEI messages say (H.264 Annex D, H.265 Annex D)."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast

from ..bits import BitReader
from ..nal_types import check_codec
from .messages import (
    ALTERNATIVE_TRANSFER,
    CONTENT_LIGHT,
    MASTERING_DISPLAY,
    PIC_TIMING,
    RECOVERY_POINT,
    USER_DATA_T35,
    USER_DATA_UNREGISTERED,
    SeiMessage,
)

if TYPE_CHECKING:
    from uuid import UUID

    from .. import h264, hevc

# Largest frame distance that recovery_frame_cnt can state: MaxFrameNum - 1 (D.2.8).
_MAX_FRAME_NUM = (1 << 16) - 1
_MAX_POC = (1 << 15) - 1
# NumClockTS by pic_struct (H.264 table D-1).
_CLOCK_TIMESTAMPS = (1, 1, 1, 2, 2, 3, 3, 2, 3)
# Time of a picture on the screen in fields, by pic_struct (H.264 table D-1, H.265 table D.2).
_DISPLAY_FIELDS = (2, 1, 1, 2, 2, 3, 3, 4, 6, 1, 1, 1, 1)
_TOP_FIRST = {1: True, 2: False, 3: True, 4: False, 5: True, 6: False}


class RecoveryPoint(NamedTuple):
    """Decoding may begin here, and pictures are right after a distance in output order.

    ``recovery_count`` counts frame_num in H.264 (recovery_frame_cnt, 0 or more) and picture
    order count in HEVC (recovery_poc_cnt, may be negative).
    """

    recovery_count: int
    exact_match: bool
    broken_link: bool


class MasteringDisplay(NamedTuple):
    """Colour volume of the mastering display (H.264 D.2.29, H.265 D.3.28).

    ``red``, ``green``, ``blue`` and ``white_point`` are CIE 1931 (x, y); luminances in candelas
    per square metre.
    """

    red: tuple[Fraction, Fraction]
    green: tuple[Fraction, Fraction]
    blue: tuple[Fraction, Fraction]
    white_point: tuple[Fraction, Fraction]
    max_luminance: Fraction
    min_luminance: Fraction


class ContentLight(NamedTuple):
    """Light level of the content in candelas per square metre (H.264 D.2.31, H.265 D.3.35)."""

    max_content: int
    max_frame_average: int


class AlternativeTransfer(NamedTuple):
    """Transfer characteristics to use in place of the VUI's (H.264 D.2.32, H.265 D.3.36)."""

    preferred_transfer_characteristics: int


class ClockTimestamp(NamedTuple):
    """A time code (H.264 D.2.3); None where it is not stated.

    ``drop_frame``: counting_type 4, numbers of frames are left out as in NTSC.
    """

    hours: int | None
    minutes: int | None
    seconds: int | None
    n_frames: int
    counting_type: int
    discontinuity: bool
    time_offset: int = 0

    @property
    def drop_frame(self) -> bool:
        """Whether the count leaves out frame numbers 0 and 1 at most full minutes."""
        return self.counting_type == 4


class PicTiming(NamedTuple):
    """Picture timing (H.264 D.2.3, H.265 D.3.3); None for what the stream does not state.

    The delays are in clock ticks. ``source_scan_type`` (HEVC): 0 interlaced, 1 progressive,
    2 unknown. ``clock_timestamps`` (H.264): one for each field or frame time, None when absent.
    """

    pic_struct: int | None = None
    cpb_removal_delay: int | None = None
    dpb_output_delay: int | None = None
    source_scan_type: int | None = None
    duplicate: bool = False
    clock_timestamps: tuple[ClockTimestamp | None, ...] = ()

    @property
    def display_fields(self) -> int | None:
        """How long the picture is shown, in field times: 2 for a frame, 3 with a repeat."""
        if self.pic_struct is None or self.pic_struct >= len(_DISPLAY_FIELDS):
            return None
        return _DISPLAY_FIELDS[self.pic_struct]

    @property
    def top_field_first(self) -> bool | None:
        """Which field comes first; None for progressive pictures and when not stated."""
        return None if self.pic_struct is None else _TOP_FIRST.get(self.pic_struct)


class UserDataT35(NamedTuple):
    """User data registered by ITU-T T.35; ``data`` begin behind the country code.

    ``country_code`` is 0xFF00 plus the extension byte when it is extended.
    """

    country_code: int
    data: bytes

    @property
    def captions(self) -> bytes | None:
        """cc_data of ATSC A/53 part 4 (6.2.3), three bytes for each construct; None if other.

        Byte 0: marker and cc_valid, cc_type; bytes 1 and 2: the caption bytes (CTA-708, CTA-608).
        """
        # United States, ATSC, user_identifier, user_data_type_code of captions.
        if self.country_code != 0xB5 or not self.data.startswith(b"\0\x31GA94\3"):
            return None
        body = self.data[7:]
        if not body or not body[0] & 0x40:
            return None
        constructs = body[2 : 2 + 3 * (body[0] & 0x1F)]
        return constructs[: len(constructs) // 3 * 3]


class UserDataUnregistered(NamedTuple):
    """User data that a UUID names; encoders put their settings here."""

    uuid: UUID
    data: bytes


SeiValue: TypeAlias = (
    RecoveryPoint | MasteringDisplay | ContentLight | AlternativeTransfer | PicTiming
    | UserDataT35 | UserDataUnregistered
)  # fmt: skip


def decode(
    message: SeiMessage,
    codec: str,
    sps: h264.Sps | hevc.Sps | None = None,
    vps: hevc.Vps | None = None,
) -> SeiValue | None:
    """The value of a message; None for a type that is not known here.

    Picture timing needs the active ``sps``, and for HEVC the ``vps`` when the lengths of its
    fields are there; it is None without. :class:`InvalidBitstream` for a payload that is cut.
    """
    check_codec(codec)
    bits = BitReader(message.payload, f"SEI type {message.payload_type}")
    kind = message.payload_type
    if kind == PIC_TIMING:
        if not isinstance(sps, _sps_class(codec)):
            return None
        if codec == "h264":
            return _h264_pic_timing(bits, cast("h264.Sps", sps))
        return _hevc_pic_timing(bits, cast("hevc.Sps", sps), vps)
    if kind == RECOVERY_POINT:
        return _recovery_point(bits, codec)
    if kind == MASTERING_DISPLAY:
        return _mastering_display(bits)
    if kind == CONTENT_LIGHT:
        return ContentLight(
            bits.u("max_content_light_level", 16), bits.u("max_pic_average_light_level", 16)
        )
    if kind == ALTERNATIVE_TRANSFER:
        return AlternativeTransfer(bits.u("preferred_transfer_characteristics", 8))
    if kind == USER_DATA_T35:
        country = bits.u("itu_t_t35_country_code", 8)
        if country == 0xFF:
            country = 0xFF00 | bits.u("itu_t_t35_country_code_extension_byte", 8)
        return UserDataT35(country, message.payload[bits.position >> 3 :])
    if kind == USER_DATA_UNREGISTERED:
        uuid = bits.u("uuid_iso_iec_11578", 128)
        from uuid import UUID  # which loads much, and pictures are decoded without

        return UserDataUnregistered(UUID(int=uuid), message.payload[16:])
    return None


def _recovery_point(bits: BitReader, codec: str) -> RecoveryPoint:
    if codec == "h264":
        count = bits.ue("recovery_frame_cnt", _MAX_FRAME_NUM)
    else:
        count = bits.se("recovery_poc_cnt", -_MAX_POC - 1, _MAX_POC)
    return RecoveryPoint(count, bits.flag("exact_match_flag"), bits.flag("broken_link_flag"))


def _mastering_display(bits: BitReader) -> MasteringDisplay:
    def chromaticity(name: str) -> tuple[Fraction, Fraction]:
        x, y = bits.u(f"{name}_x", 16), bits.u(f"{name}_y", 16)
        return Fraction(x, 50000), Fraction(y, 50000)

    # The order green, blue, red is the one that D.3.28 suggests and all writers use.
    green, blue, red, white = map(chromaticity, ("green", "blue", "red", "white_point"))
    return MasteringDisplay(
        red=red,
        green=green,
        blue=blue,
        white_point=white,
        max_luminance=Fraction(bits.u("max_display_mastering_luminance", 32), 10000),
        min_luminance=Fraction(bits.u("min_display_mastering_luminance", 32), 10000),
    )


@cache
def _sps_class(codec: str) -> Any:
    """Imported when it is asked for: a stream needs the syntax of its own codec alone."""
    if codec == "h264":
        from .. import h264

        return h264.Sps
    from .. import hevc

    return hevc.Sps


def _h264_pic_timing(bits: BitReader, sps: h264.Sps) -> PicTiming:
    vui = sps.vui
    hrd = vui.hrd if vui is not None else None
    removal = output = pic_struct = None
    if hrd is not None:
        removal = bits.u("cpb_removal_delay", hrd.cpb_removal_delay_length_minus1 + 1)
        output = bits.u("dpb_output_delay", hrd.dpb_output_delay_length_minus1 + 1)
    clocks: list[ClockTimestamp | None] = []
    if vui is not None and vui.pic_struct_present_flag:
        pic_struct = bits.u("pic_struct", 4)
        offset_bits = hrd.time_offset_length if hrd is not None else 24
        # 9 to 15 are reserved; what would follow them is unknown.
        count = _CLOCK_TIMESTAMPS[pic_struct] if pic_struct < len(_CLOCK_TIMESTAMPS) else 0
        for _ in range(count):
            present = bits.flag("clock_timestamp_flag")
            clocks.append(_clock_timestamp(bits, offset_bits) if present else None)
    return PicTiming(pic_struct, removal, output, clock_timestamps=tuple(clocks))


def _clock_timestamp(bits: BitReader, offset_bits: int) -> ClockTimestamp:
    bits.u("ct_type, nuit_field_based_flag", 3)
    counting_type = bits.u("counting_type", 5)
    full = bits.flag("full_timestamp_flag")
    discontinuity = bits.flag("discontinuity_flag")
    bits.flag("cnt_dropped_flag")
    n_frames = bits.u("n_frames", 8)
    hours = minutes = seconds = None
    if full or bits.flag("seconds_flag"):
        seconds = bits.u("seconds_value", 6)
        if full or bits.flag("minutes_flag"):
            minutes = bits.u("minutes_value", 6)
            if full or bits.flag("hours_flag"):
                hours = bits.u("hours_value", 5)
    offset = bits.u("time_offset", offset_bits) if offset_bits else 0
    if offset_bits and offset >> (offset_bits - 1):
        offset -= 1 << offset_bits
    return ClockTimestamp(hours, minutes, seconds, n_frames, counting_type, discontinuity, offset)


def _hevc_pic_timing(bits: BitReader, sps: hevc.Sps, vps: hevc.Vps | None) -> PicTiming:
    vui = sps.vui
    pic_struct = scan = removal = output = None
    duplicate = False
    if vui is not None and vui.frame_field_info_present_flag:
        pic_struct = bits.u("pic_struct", 4)
        scan = bits.u("source_scan_type", 2)
        duplicate = bits.flag("duplicate_flag")
    hrd = vui.hrd if vui is not None else None
    if hrd is None and vps is not None and vps.hrd:
        hrd = vps.hrd[0]
    if hrd is not None and hrd.cpb_dpb_delays_present:
        bits_removal = hrd.au_cpb_removal_delay_length_minus1 + 1
        removal = bits.u("au_cpb_removal_delay_minus1", bits_removal) + 1
        output = bits.u("pic_dpb_output_delay", hrd.dpb_output_delay_length_minus1 + 1)
    return PicTiming(pic_struct, removal, output, scan, duplicate)
