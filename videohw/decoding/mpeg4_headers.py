"""What the headers of MPEG-4 part 2 say of a picture, and which of them a decoder still needs.

Must not know: sessions, backends' libraries, pixels.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from ..backend import UNKNOWN_PICTURE, Fields, PictureInfo, SequenceInfo
from ..bitstream import AccessUnit
from ..bitstream.mpeg4_layer import (
    GROUP_OF_VOP,
    VOP,
    Layer,
    parse_layer,
    parse_picture,
    with_reordering_stated,
)
from ..errors import InvalidBitstream
from .header_reader import HeaderReader

_START_CODE: Final = b"\0\0\1"
_PICTURE: Final = _START_CODE + bytes((VOP,))
_GROUP: Final = _START_CODE + bytes((GROUP_OF_VOP,))
_GLOBAL_MOTION: Final = "global motion compensation"


class Mpeg4Reader(HeaderReader):
    """Follows one stream, unit by unit: shape of a pixel, field order, tools, what is not coded.

    Streams may bring their headers once, in the first unit or beside the stream, so those in
    force are kept for whoever begins to decode later.
    """

    def __init__(self) -> None:
        self._headers = b""
        self._due = False  # they came with a unit that no decoder is given
        self._layer: Layer | None = None
        self._usual = UNKNOWN_PICTURE  # of a picture with nothing of its own to say

    def read(self, unit: AccessUnit) -> PictureInfo:
        """Of the picture in ``unit``; units come in order."""
        data = unit.data
        if unit.has_parameter_sets:
            self._keep(data)
        header = parse_picture(data, data.find(_PICTURE), self._layer)
        if header is None:
            return self._usual
        if not header.coded:
            return self._usual._replace(repeats=True)
        info = self._usual
        if header.coding_type == "S" and info.rare_tool is None:
            info = info._replace(rare_tool=_GLOBAL_MOTION)
        if header.top_field_first is not None:
            info = info._replace(fields=Fields(header.top_field_first))
        return info

    def complete(self, unit: AccessUnit, *, fed: bool, begins: bool) -> tuple[bytes, bytes]:
        """(what a decoder is given for ``unit``, the headers in force that are not in it).

        ``fed`` False: it is not given this one. ``begins``: it decodes nothing before.
        """
        needs = begins or self._due
        self._due = not fed and (self._due or unit.has_parameter_sets)
        if unit.has_parameter_sets:
            states = self._layer is None or self._layer.low_delay is not None
            return unit.data if states else with_reordering_stated(unit.data), b""
        if needs:
            return self._headers + unit.data, b""
        return unit.data, self._headers if unit.keyframe else b""

    def _keep(self, data: bytes) -> None:
        ends = [end for end in (data.find(_GROUP), data.find(_PICTURE)) if end >= 0]
        headers = data[: min(ends, default=len(data))]
        with suppress(InvalidBitstream):
            layer = parse_layer(headers)
            if layer is not None:
                self._headers, self._layer = with_reordering_stated(headers), layer
                ratio = layer.sample_aspect_ratio
                sequence = SequenceInfo(
                    sample_aspect=None if ratio is None else ratio.as_integer_ratio(),
                    size=(layer.width, layer.height),
                )
                self._usual = PictureInfo(sequence, rare_tool=layer.unusual)
