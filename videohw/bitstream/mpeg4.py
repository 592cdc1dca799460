"""Coded pictures of MPEG-4 part 2 video streams (ISO/IEC 14496-2), any pieces.

Owns where a picture (video object plane, VOP) with its headers begins and ends.
"""

from __future__ import annotations

from contextlib import suppress

from ..errors import InvalidBitstream
from .access_unit import AccessUnit
from .assembler import DEFAULT_MAX_UNIT_BYTES
from .mpeg4_layer import (
    GROUP_OF_VOP,
    VIDEO_OBJECT_LAYERS,
    VIDEO_OBJECTS,
    VISUAL_OBJECT,
    VISUAL_OBJECT_SEQUENCE,
    VISUAL_OBJECT_SEQUENCE_END,
    VOP,
    Layer,
    parse_layer,
    parse_picture,
)
from .start_code_units import StartCodeUnits

_TYPES = {"I": "I", "P": "P", "B": "B", "S": "P"}
_UNIT_STARTERS = frozenset(
    (
        *VIDEO_OBJECTS, *VIDEO_OBJECT_LAYERS, VISUAL_OBJECT_SEQUENCE, VISUAL_OBJECT, GROUP_OF_VOP,
        VOP,
    )
)  # fmt: skip


class Mpeg4Assembler(StartCodeUnits):
    """Cuts an MPEG-4 part 2 video stream into coded pictures with the headers before them.

    A unit begins with a visual object sequence, a visual or video object, a layer, a group or a
    picture, once the open one has a picture; everything else stays in it, user data and the end
    of the sequence included. ``picture_type`` of a picture predicted by global motion is "P", of
    one that is not coded "". A key picture is a coded I picture for whose layer headers were
    seen, at any time: they last beyond the end of a stream, to the next. Further arguments as
    :class:`~videohw.bitstream.unit_queue.UnitQueue`.
    """

    _unit_starters = _UNIT_STARTERS
    _picture_code = VOP
    _layer: Layer | None = None
    _layer_at: int  # the first layer of the open unit, -1 before it

    def __init__(self, *, max_unit_bytes: int = DEFAULT_MAX_UNIT_BYTES) -> None:
        super().__init__("mpeg4", max_unit_bytes=max_unit_bytes)

    @property
    def sequence_known(self) -> bool:
        """Whether headers of a layer were seen since the stream began."""
        if self._sequence_known:
            return True
        return self._layer_at >= 0 and _layer_in(bytes(self._pending)) is not None

    def _note(self, position: int, code: int) -> None:
        if code in VIDEO_OBJECT_LAYERS and self._layer_at < 0:
            self._layer_at = position
        elif code == VISUAL_OBJECT_SEQUENCE_END:
            self._ended = True

    def _unit(self, data: bytes) -> AccessUnit:
        layer = _layer_in(data) if self._layer_at >= 0 else None
        if layer is not None:
            self._layer, self._sequence_known = layer, True
        header = parse_picture(data, self._picture_at, self._layer)
        kind = "" if header is None or not header.coded else _TYPES[header.coding_type]
        return AccessUnit(
            self.codec,
            data,
            self._pending_offset,
            keyframe=kind == "I" and self._layer is not None,
            picture_type=kind,
            reference=kind in ("I", "P"),
            after_end_of_sequence=self._after_end,
            has_parameter_sets=layer is not None,
        )

    def _open_unit(self) -> None:
        super()._open_unit()
        self._layer_at = -1


def _layer_in(data: bytes) -> Layer | None:
    with suppress(InvalidBitstream):
        return parse_layer(data)
    return None
