"""Decoder configuration records: avcC, hvcC, av1C.

What an MP4 file, and a decoder that takes length-prefixed samples, know of a stream: the
parameter sets, and some of their fields again. Sources, with their field names: ISO/IEC 14496-15
5.3.3 and 8.3.3; AV1 Codec ISO Media File Format Binding 2.3. NAL units are bytes with header,
escaped, without start code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_
from typing import NoReturn

from ..errors import InvalidBitstream
from . import h264, hevc
from .av1_sequence import parse_sequence_header
from .bits import BitReader, BitWriter
from .convert import LENGTH_SIZES, as_bytes
from .obu import OBU_SEQUENCE_HEADER, obus
from .syntax import Syntax, SyntaxReader, SyntaxWriter

# Profiles whose avcC ends behind the PPS; all others may have the chroma tail (5.3.3.1.2).
_PROFILES_WITHOUT_TAIL = (66, 77, 88)


@dataclass(frozen=True, slots=True)
class AvcConfig:
    """AVCDecoderConfigurationRecord.

    ``chroma_info_present`` says whether the fields from ``chroma_format`` on are there: not in
    the Baseline, Main and Extended profiles, and left out by some writers. ``sps_ext`` are NAL
    units of type 13.
    """

    avc_profile_indication: int
    profile_compatibility: int
    avc_level_indication: int
    length_size_minus_one: int = 3
    sps: tuple[bytes, ...] = ()
    pps: tuple[bytes, ...] = ()
    chroma_info_present: bool = False
    chroma_format: int = 1
    bit_depth_luma_minus8: int = 0
    bit_depth_chroma_minus8: int = 0
    sps_ext: tuple[bytes, ...] = ()

    @property
    def length_size(self) -> int:
        """Bytes of the length before each NAL unit of a sample: 1, 2 or 4."""
        return self.length_size_minus_one + 1

    @classmethod
    def parse(cls, data: bytes) -> AvcConfig:
        """Read a record; bytes behind it are ignored. :class:`InvalidBitstream`."""
        reader = _open(data, "avcC")
        walk_avcc(reader)
        return reader.build(cls)

    @classmethod
    def from_parameter_sets(
        cls,
        sps: Sequence[bytes],
        pps: Sequence[bytes],
        sps_ext: Sequence[bytes] = (),
        *,
        length_size: int = 4,
    ) -> AvcConfig:
        """The record of a stream with these NAL units, at least one SPS.

        With several SPS the profile is that of the first, the level the highest, and a
        compatibility flag is set when all have it. :class:`InvalidBitstream`.
        """
        parsed = [h264.parse_sps(nal) for nal in sps] or _no_sps("avcC")
        first = parsed[0]
        tail = first.profile_idc not in _PROFILES_WITHOUT_TAIL
        return cls(
            avc_profile_indication=first.profile_idc,
            profile_compatibility=reduce(and_, (each.constraint_set_flags for each in parsed)),
            avc_level_indication=max(each.level_idc for each in parsed),
            length_size_minus_one=length_size - 1,
            sps=tuple(sps),
            pps=tuple(pps),
            chroma_info_present=tail,
            chroma_format=first.chroma_format_idc,
            bit_depth_luma_minus8=first.bit_depth_luma_minus8,
            bit_depth_chroma_minus8=first.bit_depth_chroma_minus8,
            sps_ext=tuple(sps_ext) if tail else (),
        )

    def write(self) -> bytes:
        """The record. :class:`InvalidInput`, naming the field, for what does not fit."""
        writer = SyntaxWriter(BitWriter("avcC"), self)
        walk_avcc(writer)
        return writer.bits.aligned_bytes()

    def nals(self) -> list[bytes]:
        """All parameter sets, in the order in which a decoder needs them."""
        return [*self.sps, *self.sps_ext, *self.pps]


def walk_avcc(s: Syntax) -> None:
    """AVCDecoderConfigurationRecord, 5.3.3.1.2."""
    s.fixed("configurationVersion", 8, 1)
    profile = s.u("avc_profile_indication", 8)
    s.u("profile_compatibility", 8)
    s.u("avc_level_indication", 8)
    s.reserved(6, 0x3F)
    _walk_length_size(s)
    s.reserved(3, 7)
    s.nals("sps", 5)
    s.nals("pps", 8)
    if profile not in _PROFILES_WITHOUT_TAIL and s.enough("chroma_info_present", 32):
        s.reserved(6, 0x3F)
        s.u("chroma_format", 2)
        s.reserved(5, 0x1F)
        s.u("bit_depth_luma_minus8", 3)
        s.reserved(5, 0x1F)
        s.u("bit_depth_chroma_minus8", 3)
        s.nals("sps_ext", 8)


@dataclass(frozen=True, slots=True)
class NalArray:
    """NAL units of one type in an hvcC.

    ``array_completeness``: the samples themselves hold no NAL unit of this type.
    """

    array_completeness: bool
    nal_unit_type: int
    nals: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class HevcConfig:
    """HEVCDecoderConfigurationRecord.

    ``general_constraint_indicator_flags`` are 48 bits; ``avg_frame_rate`` counts frames per 256
    seconds, 0 when it is not stated.
    """

    general_profile_space: int = 0
    general_tier_flag: bool = False
    general_profile_idc: int = 1
    general_profile_compatibility_flags: int = 0
    general_constraint_indicator_flags: int = 0
    general_level_idc: int = 0
    min_spatial_segmentation_idc: int = 0
    parallelism_type: int = 0
    chroma_format_idc: int = 1
    bit_depth_luma_minus8: int = 0
    bit_depth_chroma_minus8: int = 0
    avg_frame_rate: int = 0
    constant_frame_rate: int = 0
    num_temporal_layers: int = 1
    temporal_id_nested: bool = False
    length_size_minus_one: int = 3
    num_of_arrays: int = 0
    arrays: tuple[NalArray, ...] = ()

    @property
    def length_size(self) -> int:
        """Bytes of the length before each NAL unit of a sample: 1, 2 or 4."""
        return self.length_size_minus_one + 1

    @classmethod
    def parse(cls, data: bytes) -> HevcConfig:
        """Read a record; bytes behind it are ignored. :class:`InvalidBitstream`."""
        reader = _open(data, "hvcC")
        walk_hvcc(reader)
        return reader.build(cls)

    @classmethod
    def from_parameter_sets(
        cls,
        vps: Sequence[bytes],
        sps: Sequence[bytes],
        pps: Sequence[bytes],
        *,
        length_size: int = 4,
        complete: bool = True,
    ) -> HevcConfig:
        """The record of a stream with these NAL units, at least one SPS.

        With several SPS the level is the highest of the highest tier, and a compatibility or
        constraint flag is set when all have it. ``complete`` says that the samples hold no
        parameter sets. :class:`InvalidBitstream`.
        """
        parsed = [hevc.parse_sps(nal) for nal in sps] or _no_sps("hvcC")
        first = parsed[0]
        levels = [each.profile_tier_level for each in parsed]
        highest = max(levels, key=lambda ptl: (ptl.general_tier_flag, ptl.general_level_idc))
        segmentation = min(
            each.vui.min_spatial_segmentation_idc if each.vui is not None else 0 for each in parsed
        )
        arrays = tuple(
            NalArray(complete, nal_type, tuple(nals))
            for nal_type, nals in ((32, vps), (33, sps), (34, pps))
            if nals
        )
        return cls(
            general_profile_space=levels[0].general_profile_space,
            general_tier_flag=highest.general_tier_flag,
            general_profile_idc=max(ptl.general_profile_idc for ptl in levels),
            general_profile_compatibility_flags=reduce(
                and_, (ptl.general_profile_compatibility_flags for ptl in levels)
            ),
            general_constraint_indicator_flags=reduce(
                and_, (ptl.general_constraint_flags for ptl in levels)
            ),
            general_level_idc=highest.general_level_idc,
            min_spatial_segmentation_idc=segmentation,
            parallelism_type=_parallelism_type(pps) if segmentation else 0,
            chroma_format_idc=first.chroma_format_idc,
            bit_depth_luma_minus8=first.bit_depth_luma_minus8,
            bit_depth_chroma_minus8=first.bit_depth_chroma_minus8,
            num_temporal_layers=max(each.sps_max_sub_layers_minus1 for each in parsed) + 1,
            temporal_id_nested=all(each.sps_temporal_id_nesting_flag for each in parsed),
            length_size_minus_one=length_size - 1,
            num_of_arrays=len(arrays),
            arrays=arrays,
        )

    def write(self) -> bytes:
        """The record. :class:`InvalidInput`, naming the field, for what does not fit."""
        writer = SyntaxWriter(BitWriter("hvcC"), self)
        walk_hvcc(writer)
        return writer.bits.aligned_bytes()

    def nals(self) -> list[bytes]:
        """All NAL units of the record (parameter sets, SEI), in its order."""
        return [nal for array in self.arrays for nal in array.nals]


def walk_hvcc(s: Syntax) -> None:
    """HEVCDecoderConfigurationRecord, 8.3.3.1.2."""
    s.fixed("configurationVersion", 8, 1)
    s.u("general_profile_space", 2)
    s.flag("general_tier_flag")
    s.u("general_profile_idc", 5)
    s.u("general_profile_compatibility_flags", 32)
    s.u("general_constraint_indicator_flags", 48)
    s.u("general_level_idc", 8)
    s.reserved(4, 0xF)
    s.u("min_spatial_segmentation_idc", 12)
    s.reserved(6, 0x3F)
    s.u("parallelism_type", 2)
    s.reserved(6, 0x3F)
    s.u("chroma_format_idc", 2)
    s.reserved(5, 0x1F)
    s.u("bit_depth_luma_minus8", 3)
    s.reserved(5, 0x1F)
    s.u("bit_depth_chroma_minus8", 3)
    s.u("avg_frame_rate", 16)
    s.u("constant_frame_rate", 2)
    s.u("num_temporal_layers", 3)
    s.flag("temporal_id_nested")
    _walk_length_size(s)
    for i in range(s.u("num_of_arrays", 8)):
        s.struct("arrays", NalArray, _walk_array, index=i)


def _walk_array(s: Syntax) -> None:
    s.flag("array_completeness")
    s.reserved(1)
    s.u("nal_unit_type", 6)
    s.nals("nals", 16)


@dataclass(frozen=True, slots=True)
class Av1Config:
    """AV1CodecConfigurationRecord. ``config_obus``: a sequence header, perhaps metadata OBUs."""

    seq_profile: int = 0
    seq_level_idx_0: int = 0
    seq_tier_0: int = 0
    high_bitdepth: bool = False
    twelve_bit: bool = False
    mono_chrome: bool = False
    subsampling_x: int = 0
    subsampling_y: int = 0
    chroma_sample_position: int = 0
    initial_presentation_delay_present: bool = False
    initial_presentation_delay_minus_one: int = 0
    config_obus: bytes = b""

    @classmethod
    def parse(cls, data: bytes) -> Av1Config:
        """Read a record. :class:`InvalidBitstream`."""
        data = as_bytes(data, "data")
        reader = SyntaxReader(BitReader(data[:4], "av1C"))
        walk_av1c(reader)
        return reader.build(cls, config_obus=data[4:])

    @classmethod
    def from_obus(cls, data: bytes) -> Av1Config:
        """The record of a stream that begins with these OBUs; it keeps the sequence header.

        Without presentation delay. :class:`InvalidBitstream` when there is no sequence header.
        """
        for obu in obus(data):
            if obu.type == OBU_SEQUENCE_HEADER:
                header = parse_sequence_header(obu.payload)
                return cls(
                    seq_profile=header.seq_profile,
                    seq_level_idx_0=header.operating_points[0].seq_level_idx,
                    seq_tier_0=header.operating_points[0].seq_tier,
                    high_bitdepth=header.high_bitdepth,
                    twelve_bit=header.twelve_bit,
                    mono_chrome=header.mono_chrome,
                    subsampling_x=header.subsampling_x,
                    subsampling_y=header.subsampling_y,
                    chroma_sample_position=header.chroma_sample_position,
                    config_obus=obu.data,
                )
        raise InvalidBitstream("av1C: no sequence header among the OBUs")

    def write(self) -> bytes:
        """The record. :class:`InvalidInput`, naming the field, for what does not fit."""
        writer = SyntaxWriter(BitWriter("av1C"), self)
        walk_av1c(writer)
        return writer.bits.aligned_bytes() + self.config_obus


def walk_av1c(s: Syntax) -> None:
    """AV1CodecConfigurationRecord up to its OBUs, 2.3.3."""
    s.fixed("marker and version", 8, 0x81)
    s.u("seq_profile", 3)
    s.u("seq_level_idx_0", 5)
    s.u("seq_tier_0", 1)
    s.flag("high_bitdepth")
    s.flag("twelve_bit")
    s.flag("mono_chrome")
    s.u("subsampling_x", 1)
    s.u("subsampling_y", 1)
    s.u("chroma_sample_position", 2)
    s.reserved(3)
    if s.flag("initial_presentation_delay_present"):
        s.u("initial_presentation_delay_minus_one", 4)
    else:
        s.reserved(4)


def _walk_length_size(s: Syntax) -> None:
    size = s.u("length_size_minus_one", 2) + 1
    if size not in LENGTH_SIZES:
        s.fail(f"lengths of {size} bytes do not exist")


def _open(data: bytes, what: str) -> SyntaxReader:
    data = as_bytes(data, "data")
    if data[:3] in (b"\0\0\0", b"\0\0\1"):
        raise InvalidBitstream(
            f"{what}: the data begin with a start code",
            hint="these are Annex-B parameter sets: read them with annexb_to_nals",
        )
    return SyntaxReader(BitReader(data, what))


def _no_sps(what: str) -> NoReturn:
    raise InvalidBitstream(f"{what}: no SPS", hint="feed the stream up to its first keyframe")


def _parallelism_type(pps: Sequence[bytes]) -> int:
    """What a decoder can do in parallel (8.3.3.1.3): 1 slices, 2 tiles, 3 rows, 0 mixed."""
    kinds = set()
    for nal in pps:
        parsed = hevc.parse_pps(nal)
        rows, tiles = parsed.entropy_coding_sync_enabled_flag, parsed.tiles_enabled_flag
        kinds.add(0 if rows and tiles else 3 if rows else 2 if tiles else 1)
    return kinds.pop() if len(kinds) == 1 else 0
