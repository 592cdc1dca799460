"""Coded bytes in; NAL units, access units and their syntax out. No I/O and no pixels.

    assembler = open_assembler("h264")
    for chunk in chunks:
        assembler.feed(chunk)
        for unit in assembler:
            print(unit.offset, len(unit.data), unit.picture_type, unit.keyframe)
    assembler.finish()

Bytes go in by ``feed`` in any pieces, results come out by ``take``, ``finish`` ends the stream.
Wrong bytes raise :class:`~videohw.errors.InvalidBitstream` and nothing else. Parameter sets are
read by ``h264`` and ``hevc``, SEI by ``sei``; ``convert`` changes framings, ``config_record``
reads and writes avcC and hvcC.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..lazy_names import lazy_names

if TYPE_CHECKING:
    from . import config_record, convert, h264, hevc, sei
    from .access_unit import AccessUnit, NalSpan
    from .assembler import DEFAULT_MAX_UNIT_BYTES, AccessUnitAssembler
    from .assemblers import open_assembler
    from .av1 import Av1Assembler
    from .config_record import AvcConfig, HevcConfig
    from .mpeg2 import Mpeg2Assembler
    from .mpeg4 import Mpeg4Assembler
    from .nal_types import nal_type_name
    from .parameter_sets import ParameterSets
    from .splitter import DEFAULT_MAX_NAL_BYTES, AnnexBSplitter, NalUnit
    from .vc1 import Vc1Assembler

__all__ = [
    "DEFAULT_MAX_NAL_BYTES",
    "DEFAULT_MAX_UNIT_BYTES",
    "AccessUnit",
    "AccessUnitAssembler",
    "AnnexBSplitter",
    "Av1Assembler",
    "AvcConfig",
    "HevcConfig",
    "Mpeg2Assembler",
    "Mpeg4Assembler",
    "NalSpan",
    "NalUnit",
    "ParameterSets",
    "Vc1Assembler",
    "config_record",
    "convert",
    "h264",
    "hevc",
    "nal_type_name",
    "open_assembler",
    "sei",
]

# A stream needs the syntax of its own codec alone.
_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "access_unit": ("AccessUnit", "NalSpan"),
    "assembler": ("DEFAULT_MAX_UNIT_BYTES", "AccessUnitAssembler"),
    "assemblers": ("open_assembler",),
    "av1": ("Av1Assembler",),
    "config_record": ("AvcConfig", "HevcConfig"),
    "mpeg2": ("Mpeg2Assembler",),
    "mpeg4": ("Mpeg4Assembler",),
    "nal_types": ("nal_type_name",),
    "parameter_sets": ("ParameterSets",),
    "splitter": ("DEFAULT_MAX_NAL_BYTES", "AnnexBSplitter", "NalUnit"),
    "vc1": ("Vc1Assembler",),
}
_MODULES: Final = ("config_record", "convert", "h264", "hevc", "sei")

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(__name__, _NAMES, _MODULES)
