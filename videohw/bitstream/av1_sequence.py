"""The AV1 sequence header (5.5 of the AV1 specification). Field names are those of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from .bits import BitReader, BitWriter
from .convert import as_bytes
from .obu import OBU_SEQUENCE_HEADER, obus
from .syntax import Syntax, SyntaxReader, SyntaxWriter

_PROFILES = ("Main", "High", "Professional")
# seq_level_idx 31: no limits (A.3).
_MAXIMUM_LEVEL = 31
_SELECT = 2
# color_primaries, transfer_characteristics, matrix_coefficients of sRGB, which has neither
# subsampling nor a choice of range (5.5.2).
_SRGB = (1, 13, 0)


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """What a decoder needs for one choice of layers."""

    operating_point_idc: int = 0
    seq_level_idx: int = 0
    seq_tier: int = 0
    decoder_model_present_for_this_op: bool = False
    decoder_buffer_delay: int = 0
    encoder_buffer_delay: int = 0
    low_delay_mode_flag: bool = False
    initial_display_delay_present_for_this_op: bool = False
    initial_display_delay_minus_1: int = 0


@dataclass(frozen=True, slots=True)
class SequenceHeader:
    """sequence_header_obu() (5.5.1); what is not coded has the value that it infers."""

    seq_profile: int = 0
    still_picture: bool = False
    reduced_still_picture_header: bool = False
    timing_info_present_flag: bool = False
    num_units_in_display_tick: int = 0
    time_scale: int = 0
    equal_picture_interval: bool = False
    num_ticks_per_picture_minus_1: int = 0
    decoder_model_info_present_flag: bool = False
    buffer_delay_length_minus_1: int = 0
    num_units_in_decoding_tick: int = 0
    buffer_removal_time_length_minus_1: int = 0
    frame_presentation_time_length_minus_1: int = 0
    initial_display_delay_present_flag: bool = False
    operating_points_cnt_minus_1: int = 0
    operating_points: tuple[OperatingPoint, ...] = field(default=(OperatingPoint(),))
    frame_width_bits_minus_1: int = 0
    frame_height_bits_minus_1: int = 0
    max_frame_width_minus_1: int = 0
    max_frame_height_minus_1: int = 0
    frame_id_numbers_present_flag: bool = False
    delta_frame_id_length_minus_2: int = 0
    additional_frame_id_length_minus_1: int = 0
    use_128x128_superblock: bool = False
    enable_filter_intra: bool = False
    enable_intra_edge_filter: bool = False
    enable_interintra_compound: bool = False
    enable_masked_compound: bool = False
    enable_warped_motion: bool = False
    enable_dual_filter: bool = False
    enable_order_hint: bool = False
    enable_jnt_comp: bool = False
    enable_ref_frame_mvs: bool = False
    seq_choose_screen_content_tools: bool = False
    seq_force_screen_content_tools: int = _SELECT
    seq_choose_integer_mv: bool = False
    seq_force_integer_mv: int = _SELECT
    order_hint_bits_minus_1: int = 0
    enable_superres: bool = False
    enable_cdef: bool = False
    enable_restoration: bool = False
    high_bitdepth: bool = False
    twelve_bit: bool = False
    mono_chrome: bool = False
    color_description_present_flag: bool = False
    color_primaries: int = 2
    transfer_characteristics: int = 2
    matrix_coefficients: int = 2
    color_range: bool = False
    subsampling_x: int = 0
    subsampling_y: int = 0
    chroma_sample_position: int = 0
    separate_uv_delta_q: bool = False
    film_grain_params_present: bool = False

    @property
    def width(self) -> int:
        """Largest width of a frame in pixels."""
        return self.max_frame_width_minus_1 + 1

    @property
    def height(self) -> int:
        """Largest height of a frame in pixels."""
        return self.max_frame_height_minus_1 + 1

    @property
    def bit_depth(self) -> int:
        """Bits of a sample: 8, 10 or 12."""
        return 12 if self.twelve_bit else 10 if self.high_bitdepth else 8

    @property
    def chroma_format(self) -> str:
        """Name of the sampling: "4:0:0", "4:2:0", "4:2:2" or "4:4:4"."""
        if self.mono_chrome:
            return "4:0:0"
        return {(1, 1): "4:2:0", (1, 0): "4:2:2"}.get(
            (self.subsampling_x, self.subsampling_y), "4:4:4"
        )

    @property
    def full_range(self) -> bool:
        """True: full range, False: limited ("studio") range."""
        return self.color_range

    @property
    def fps(self) -> Fraction | None:
        """Frames per second; None when the stream does not say, or has no constant rate."""
        ticks = self.num_units_in_display_tick * (self.num_ticks_per_picture_minus_1 + 1)
        known = self.equal_picture_interval and ticks and self.time_scale
        return Fraction(self.time_scale, ticks) if known else None

    @property
    def profile(self) -> str:
        """Name of the profile: "Main", "High" or "Professional"."""
        return _PROFILES[self.seq_profile]

    @property
    def level(self) -> str:
        """Name of the level of operating point 0: "4.0", "5.1", or "maximum" (A.3)."""
        index = self.operating_points[0].seq_level_idx
        return "maximum" if index == _MAXIMUM_LEVEL else f"{2 + (index >> 2)}.{index & 3}"

    @property
    def tier(self) -> str:
        """Name of the tier of operating point 0: "Main" or "High"."""
        return "High" if self.operating_points[0].seq_tier else "Main"


def parse_sequence_header(payload: bytes) -> SequenceHeader:
    """The sequence header in the payload of an OBU. :class:`InvalidBitstream`."""
    reader = SyntaxReader(BitReader(as_bytes(payload, "payload"), "AV1 sequence header"))
    walk_sequence_header(reader)
    return reader.build(SequenceHeader)


def find_sequence_header(data: bytes) -> SequenceHeader | None:
    """The first sequence header among the OBUs of ``data``, None when there is none."""
    for obu in obus(data):
        if obu.type == OBU_SEQUENCE_HEADER:
            return parse_sequence_header(obu.payload)
    return None


def write_sequence_header(header: SequenceHeader) -> bytes:
    """The payload that :func:`parse_sequence_header` reads as ``header``, with trailing bits.

    :class:`InvalidInput`, naming the field, for a value out of its range.
    """
    writer = SyntaxWriter(BitWriter("AV1 sequence header"), header)
    walk_sequence_header(writer)
    return writer.bits.rbsp_bytes()


def walk_sequence_header(s: Syntax) -> None:
    """sequence_header_obu(), 5.5.1."""
    profile = s.u("seq_profile", 3)
    if profile >= len(_PROFILES):
        s.fail(f"seq_profile is {profile}, not in 0 to 2")
    s.flag("still_picture")
    reduced = s.flag("reduced_still_picture_header")
    if reduced:
        s.struct("operating_points", OperatingPoint, _walk_reduced_point, index=0)
    else:
        _walk_operating_points(s)
    width_bits = s.u("frame_width_bits_minus_1", 4) + 1
    height_bits = s.u("frame_height_bits_minus_1", 4) + 1
    s.u("max_frame_width_minus_1", width_bits)
    s.u("max_frame_height_minus_1", height_bits)
    if not reduced and s.flag("frame_id_numbers_present_flag"):
        s.u("delta_frame_id_length_minus_2", 4)
        s.u("additional_frame_id_length_minus_1", 3)
    s.flag("use_128x128_superblock")
    s.flag("enable_filter_intra")
    s.flag("enable_intra_edge_filter")
    if not reduced:
        _walk_inter_tools(s)
    s.flag("enable_superres")
    s.flag("enable_cdef")
    s.flag("enable_restoration")
    _walk_color_config(s, profile)
    s.flag("film_grain_params_present")


def _walk_reduced_point(s: Syntax) -> None:
    s.u("seq_level_idx", 5)


def _walk_operating_points(s: Syntax) -> None:
    delay_bits = 0
    if s.flag("timing_info_present_flag"):
        s.u("num_units_in_display_tick", 32)
        s.u("time_scale", 32)
        if s.flag("equal_picture_interval"):
            s.ue("num_ticks_per_picture_minus_1")
        if s.flag("decoder_model_info_present_flag"):
            delay_bits = s.u("buffer_delay_length_minus_1", 5) + 1
            s.u("num_units_in_decoding_tick", 32)
            s.u("buffer_removal_time_length_minus_1", 5)
            s.u("frame_presentation_time_length_minus_1", 5)
    delay_present = s.flag("initial_display_delay_present_flag")
    for i in range(s.u("operating_points_cnt_minus_1", 5) + 1):
        s.struct("operating_points", OperatingPoint, _walk_point, delay_bits, delay_present,
                 index=i)  # fmt: skip


def _walk_point(s: Syntax, delay_bits: int, delay_present: bool) -> None:
    s.u("operating_point_idc", 12)
    if s.u("seq_level_idx", 5) > 7:
        s.u("seq_tier", 1)
    if delay_bits and s.flag("decoder_model_present_for_this_op"):
        s.u("decoder_buffer_delay", delay_bits)
        s.u("encoder_buffer_delay", delay_bits)
        s.flag("low_delay_mode_flag")
    if delay_present and s.flag("initial_display_delay_present_for_this_op"):
        s.u("initial_display_delay_minus_1", 4)


def _walk_inter_tools(s: Syntax) -> None:
    s.flag("enable_interintra_compound")
    s.flag("enable_masked_compound")
    s.flag("enable_warped_motion")
    s.flag("enable_dual_filter")
    order_hint = s.flag("enable_order_hint")
    if order_hint:
        s.flag("enable_jnt_comp")
        s.flag("enable_ref_frame_mvs")
    screen_content = _SELECT
    if not s.flag("seq_choose_screen_content_tools"):
        screen_content = s.u("seq_force_screen_content_tools", 1)
    if screen_content and not s.flag("seq_choose_integer_mv"):
        s.u("seq_force_integer_mv", 1)
    if order_hint:
        s.u("order_hint_bits_minus_1", 3)


def _walk_color_config(s: Syntax, profile: int) -> None:
    """color_config(), 5.5.2."""
    high = s.flag("high_bitdepth")
    twelve = profile == 2 and high and s.flag("twelve_bit")
    mono = profile != 1 and s.flag("mono_chrome")
    codes = (2, 2, 2)
    if s.flag("color_description_present_flag"):
        codes = (
            s.u("color_primaries", 8),
            s.u("transfer_characteristics", 8),
            s.u("matrix_coefficients", 8),
        )
    if mono:
        s.flag("color_range")
        s.derived("subsampling_x", 1)
        s.derived("subsampling_y", 1)
        return
    if codes == _SRGB:
        s.derived("color_range", True)
    else:
        s.flag("color_range")
        x, y = ((1, 1), (0, 0), (1, 0))[profile]
        if twelve:
            x = s.u("subsampling_x", 1)
            y = s.u("subsampling_y", 1) if x else 0
        s.derived("subsampling_x", x)
        s.derived("subsampling_y", y)
        if x and y:
            s.u("chroma_sample_position", 2)
    s.flag("separate_uv_delta_q")
