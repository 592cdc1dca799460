"""Headers of MPEG-4 part 2 video: its layer and its pictures (ISO/IEC 14496-2 6.2.2 to 6.2.5).

Field names are those of the standard, where a video object layer (VOL) is what other standards
call a sequence, and a video object plane (VOP) a picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from ..errors import InvalidBitstream
from .bits import BitReader
from .convert import as_bytes

# Start code values (table 6-3).
VIDEO_OBJECTS = range(0x20)
VIDEO_OBJECT_LAYERS = range(0x20, 0x30)
VISUAL_OBJECT_SEQUENCE = 0xB0
VISUAL_OBJECT_SEQUENCE_END = 0xB1
GROUP_OF_VOP = 0xB3
VISUAL_OBJECT = 0xB5
VOP = 0xB6

# vop_coding_type (table 6-20). A sprite (S) is predicted too: by global motion, or from one that
# was sent whole.
CODING_TYPES = "IPBS"

_PREFIX = b"\0\0\1"
_STUDIO_OBJECTS = (14, 15)  # whose headers have another syntax
_VIDEO, _TEXTURE = 1, 2  # visual_object_type with a video_signal_type
_RECTANGULAR, _BINARY_ONLY, _GRAYSCALE = 0, 2, 3
_SHAPES = ("rectangular", "binary", "binary only", "grayscale")
_STATIC_SPRITE, _GLOBAL_MOTION = 1, 2
_EXTENDED_PAR = 15
_PIXEL_ASPECTS = {
    1: Fraction(1), 2: Fraction(12, 11), 3: Fraction(10, 11), 4: Fraction(16, 11),
    5: Fraction(40, 33),
}  # fmt: skip
_MATRIX_VALUES = 64
_VBV_BITS = 79  # of vbv_parameters, markers included
# profile_and_level_indication: the profile by its high half, where that is all (table G.1).
_PROFILES = {0x0: "Simple", 0xF: "Advanced Simple"}


@dataclass(frozen=True, slots=True)
class Layer:
    """video_object_layer_header(), as far as it is needed.

    Sizes in luma samples, 0 where pictures have shapes of their own. ``ticks``:
    vop_time_increment_resolution, in which ``ticks_per_picture`` is the distance of two pictures,
    0 where that is not fixed. ``unusual`` is a coding tool, in words, that decoders of the Simple
    and Advanced Simple profiles need not have, or that hardware lacks; None as a rule. What
    follows it in the header is not read. ``profile_and_level_indication`` is None without
    headers of a visual object sequence.
    """

    width: int = 0
    height: int = 0
    sample_aspect_ratio: Fraction | None = None
    ticks: int = 1
    ticks_per_picture: int = 0
    interlaced: bool = False
    global_motion: bool = False
    low_delay: bool | None = None
    unusual: str | None = None
    profile_and_level_indication: int | None = None

    @property
    def fps(self) -> Fraction | None:
        """Pictures per second; None where their distance is not fixed."""
        return Fraction(self.ticks, self.ticks_per_picture) if self.ticks_per_picture else None

    @property
    def chroma_format(self) -> str:
        """Name of the sampling; there is only one outside of the Studio profiles."""
        return "4:2:0"

    @property
    def profile(self) -> str | None:
        """Name of the profile; None where it is not stated, or another than the two usual ones."""
        stated = self.profile_and_level_indication
        if stated is None or stated == 0xFF:
            return None
        return _PROFILES.get(stated >> 4)

    @property
    def level(self) -> str | None:
        """The level of one of these profiles."""
        stated = self.profile_and_level_indication
        if stated is None or self.profile is None:
            return None
        if not stated >> 4:  # Simple: level 0 came later
            return "0" if stated == 8 else str(stated & 15)
        return "3b" if stated == 0xF7 else str(stated & 7)

    @property
    def time_bits(self) -> int:
        """Size of vop_time_increment, in bits."""
        return max((self.ticks - 1).bit_length(), 1)


@dataclass(frozen=True, slots=True)
class PictureHeader:
    """The beginning of video_object_plane().

    ``coding_type`` is one of :data:`CODING_TYPES`; ``coded`` False: no data follow, and the
    picture before it is shown on. ``top_field_first`` is None where fields mean nothing.
    """

    coding_type: str
    coded: bool = True
    top_field_first: bool | None = None


def parse_layer(data: object) -> Layer | None:
    """The first video object layer in ``data`` that can be read; None when there is none.

    ``data`` are whole headers with their start codes. :class:`InvalidBitstream` where there are
    layers and none can be read.
    """
    octets = as_bytes(data, "data")
    profile, version, failed = None, 1, None
    position = octets.find(_PREFIX)
    while 0 <= position < len(octets) - len(_PREFIX):
        code, body = octets[position + 3], position + 4
        after = octets.find(_PREFIX, body)
        end = len(octets) if after < 0 else after
        if code == VISUAL_OBJECT_SEQUENCE and body < end:
            profile = octets[body]
        elif code == VISUAL_OBJECT and body < end:
            version = _object_version(octets[body])
        elif code in VIDEO_OBJECT_LAYERS:
            try:
                return _read_layer(octets[body:end], version, profile)
            except InvalidBitstream as error:
                failed = error
        elif code == VOP:
            break
        position = after
    if failed is not None:
        raise failed
    return None


def parse_picture(data: bytes, position: int, layer: Layer | None) -> PictureHeader | None:
    """The header of the VOP whose start code is at ``position`` of ``data``.

    None where it cannot be read. Without ``layer`` it is not known whether the picture is coded:
    then ``coded`` is True.
    """
    # The time can take as many bytes as seconds pass between two pictures, in eighths.
    bits = BitReader(data[position + 4 : position + 4 + 64], "MPEG-4 VOP")
    try:
        kind = CODING_TYPES[bits.u("vop_coding_type", 2)]
    except InvalidBitstream:
        return None
    if layer is None:
        return PictureHeader(kind)
    try:
        while bits.flag("modulo_time_base"):
            pass
        bits.flag("marker_bit")
        bits.u("vop_time_increment", layer.time_bits)
        bits.flag("marker_bit")
        if not bits.flag("vop_coded"):
            return PictureHeader(kind, coded=False)
        if layer.unusual is not None or not layer.interlaced:
            return PictureHeader(kind)
        if kind == "P" or (kind == "S" and layer.global_motion):
            bits.flag("vop_rounding_type")
        bits.u("intra_dc_vlc_thr", 3)
        return PictureHeader(kind, top_field_first=bits.flag("top_field_first"))
    except InvalidBitstream:
        return PictureHeader(kind)


def _object_version(first: int) -> int:
    """visual_object_verid, by the first byte of visual_object()."""
    return first >> 3 & 15 if first >> 7 else 1


def _read_layer(body: bytes, version: int, profile: int | None) -> Layer:
    bits = BitReader(body, "MPEG-4 VOL")
    bits.flag("random_accessible_vol")
    if bits.u("video_object_type_indication", 8) in _STUDIO_OBJECTS:
        raise InvalidBitstream("MPEG-4 VOL: it is of a Studio profile, which is not read")
    if bits.flag("is_object_layer_identifier"):
        version = bits.u("video_object_layer_verid", 4)
        bits.u("video_object_layer_priority", 3)
    aspect = _read_aspect(bits)
    low_delay = _read_control(bits)
    shape = bits.u("video_object_layer_shape", 2)
    if shape == _GRAYSCALE and version != 1:
        bits.u("video_object_layer_shape_extension", 4)
    _marker(bits)
    ticks = bits.u("vop_time_increment_resolution", 16)
    if not ticks:
        raise InvalidBitstream("MPEG-4 VOL: vop_time_increment_resolution is 0")
    _marker(bits)
    step = 0
    if bits.flag("fixed_vop_rate"):
        step = bits.u("fixed_vop_time_increment", max((ticks - 1).bit_length(), 1))
    if shape != _RECTANGULAR:
        return Layer(
            sample_aspect_ratio=aspect, ticks=ticks, ticks_per_picture=step, low_delay=low_delay,
            unusual=f"{_SHAPES[shape]} shapes", profile_and_level_indication=profile,
        )  # fmt: skip
    width, height = _read_size(bits)
    interlaced = bits.flag("interlaced")
    sprite, tool = _read_tools(bits, version)
    return Layer(
        width, height, aspect, ticks, step, interlaced, sprite == _GLOBAL_MOTION, low_delay, tool,
        profile,
    )  # fmt: skip


def _marker(bits: BitReader) -> None:
    if not bits.flag("marker_bit"):
        raise InvalidBitstream("MPEG-4 VOL: a marker_bit is 0")


def _read_aspect(bits: BitReader) -> Fraction | None:
    code = bits.u("aspect_ratio_info", 4)
    if code != _EXTENDED_PAR:
        return _PIXEL_ASPECTS.get(code)
    width, height = bits.u("par_width", 8), bits.u("par_height", 8)
    return Fraction(width, height) if width and height else None


def _read_control(bits: BitReader) -> bool | None:
    """low_delay of vol_control_parameters; None without them."""
    if not bits.flag("vol_control_parameters"):
        return None
    bits.u("chroma_format", 2)
    low_delay = bits.flag("low_delay")
    if bits.flag("vbv_parameters"):
        bits.u("vbv_parameters", _VBV_BITS)
    return low_delay


def _read_size(bits: BitReader) -> tuple[int, int]:
    _marker(bits)
    width = bits.u("video_object_layer_width", 13)
    _marker(bits)
    height = bits.u("video_object_layer_height", 13)
    _marker(bits)
    if not width or not height:
        raise InvalidBitstream(f"MPEG-4 VOL: its pictures have {width}x{height} samples")
    return width, height


def _read_tools(bits: BitReader, version: int) -> tuple[int, str | None]:
    """(sprite_enable, the first unusual tool) from obmc_disable to scalability."""
    if not bits.flag("obmc_disable"):
        return 0, "overlapped block motion compensation"
    sprite = bits.u("sprite_enable", 1 if version == 1 else 2)
    if sprite == _STATIC_SPRITE:
        return sprite, "static sprites"
    if sprite == _GLOBAL_MOTION:
        bits.u("no_of_sprite_warping_points", 6)
        bits.u("sprite_warping_accuracy", 2)
        bits.flag("sprite_brightness_change")
    elif sprite:
        raise InvalidBitstream("MPEG-4 VOL: sprite_enable is 3")
    if bits.flag("not_8_bit"):
        return sprite, "more or fewer than 8 bits"
    if bits.flag("quant_type"):
        for name in ("load_intra_quant_mat", "load_nonintra_quant_mat"):
            if bits.flag(name):
                _skip_matrix(bits)
    if version != 1:
        bits.flag("quarter_sample")
    if not bits.flag("complexity_estimation_disable"):
        return sprite, "complexity estimation"
    bits.flag("resync_marker_disable")
    if bits.flag("data_partitioned"):
        return sprite, "data partitioning"
    if version != 1:
        if bits.flag("newpred_enable"):
            return sprite, "NEWPRED"
        if bits.flag("reduced_resolution_vop_enable"):
            return sprite, "reduced resolution"
    return sprite, "scalability" if bits.flag("scalability") else None


def _skip_matrix(bits: BitReader) -> None:
    """As many values as there are before a 0, at most 64 (6.3.3)."""
    for _ in range(_MATRIX_VALUES):
        if not bits.u("quantiser matrix", 8):
            break


def with_reordering_stated(data: bytes) -> bytes:
    """``data`` with low_delay 0 in the first layer, where that says nothing of the matter.

    Then decoders have to guess whether B pictures follow, which libavcodec does by the type of
    the object: it shows pictures out of order until the first B picture proves it wrong.
    """
    position = data.find(_PREFIX)
    while 0 <= position < len(data) - len(_PREFIX) and data[position + 3] != VOP:
        body = position + 4
        after = data.find(_PREFIX, body)
        end = len(data) if after < 0 else after
        if data[position + 3] in VIDEO_OBJECT_LAYERS:
            return data[:body] + _with_control(data[body:end]) + data[end:]
        position = after
    return data


def _with_control(body: bytes) -> bytes:
    bits = BitReader(body, "MPEG-4 VOL")
    try:
        bits.u("up to video_object_type_indication", 9)
        if bits.flag("is_object_layer_identifier"):
            bits.u("version and priority", 7)
        _read_aspect(bits)
        at = bits.position
        if bits.flag("vol_control_parameters"):
            return body
    except InvalidBitstream:
        return body
    rest = 8 * len(body) - at - 1
    value = int.from_bytes(body, "big")
    # vol_control_parameters, chroma_format 1, neither low_delay nor vbv_parameters; the header
    # ends with ones, of which there are four more.
    stated = (value >> rest + 1) << 5 | 0b1_01_0_0
    value = (stated << rest | value & ((1 << rest) - 1)) << 4 | 0b1111
    changed = value.to_bytes(len(body) + 1, "big")
    return body if _PREFIX in changed else changed
