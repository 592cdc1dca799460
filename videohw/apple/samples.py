"""Coded pictures as VideoToolbox takes them: samples as in a file, parameter sets beside them.

Owns: what is left out of a sample, which parameter sets are in force, the place of a picture in
the order of presentation, the pixels that it is decoded to. Must not know: sessions.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from ..backend import CodedPicture
from ..bitstream import ParameterSets, h264, hevc
from ..bitstream.convert import annexb_to_nals
from ..bitstream.picture_order import PictureOrder
from ..errors import InvalidBitstream
from .capabilities import four_characters, pixel_form
from .picture_form import PictureForm

_LENGTH_BYTES: Final = 4
# Parameter sets; delimiters, ends, filler; H.264: extensions for several views and layers.
_LEFT_OUT: Final = {
    "h264": frozenset({7, 8, 9, 10, 11, 12, 13, 14, 15, 20, 21}),
    "hevc": frozenset({32, 33, 34, 35, 36, 37, 38}),
}
_SET_TYPES: Final = {"h264": (7, 8, 13), "hevc": (32, 33, 34)}
_TYPE_OF: Final[dict[str, Callable[[bytes], int]]] = {
    "h264": lambda nal: nal[0] & 31,
    "hevc": lambda nal: nal[0] >> 1 & 63,
}
# Counts of pictures are within 32 bits; sequences come one after the other.
_SEQUENCE_SHIFT: Final = 33


@dataclass(slots=True)
class Sample:
    """One picture, or both fields of one, as the native session takes it.

    ``new_sets``, where they differ from those of the sample before: (pixel format, NAL units).
    ``lacks``: what of it VideoToolbox does not decode, in words. ``sequence``, ``count`` and
    ``reorder`` are its place (:class:`~videohw.bitstream.picture_order.PicturePlace`); ``format``
    is the name of its frames, ``planned`` how Metal converts its image, None where it does not.
    """

    items: list[CodedPicture]
    data: bytes
    sets_number: int = 0
    new_sets: tuple[int, list[bytes]] | None = None
    sequence: int = 0
    count: int = 0
    reorder: int = 0
    sps: h264.Sps | hevc.Sps | PictureForm | None = None
    format: str = "nv12"
    lacks: str | None = None
    planned: Any = None

    @property
    def serial(self) -> int:
        """That of its first picture."""
        return self.items[0].serial

    @property
    def time(self) -> int:
        """A number that grows in the order of presentation."""
        return (self.sequence << _SEQUENCE_SHIFT) + self.count

    @property
    def waits(self) -> bool:
        """Whether it is a first field, and a second one may come."""
        unit = self.items[0].unit
        alone = len(self.items) == 1
        return alone and unit is not None and unit.field != "frame" and not unit.second_field

    @property
    def is_shown(self) -> bool:
        """Whether something comes of it as it is."""
        return True

    @property
    def goes_with_last(self) -> bool:
        """Whether it is the second field of the picture before."""
        unit = self.items[0].unit
        return unit is not None and unit.second_field

    def join(self, second: Sample) -> None:
        """The second field of the same frame."""
        self.items += second.items
        self.data += second.data
        if second.new_sets is not None:
            self.sets_number, self.new_sets = second.sets_number, second.new_sets
            self.planned = second.planned
        self.count = min(self.count, second.count)


class SampleReader:
    """Follows the pictures of one decoder, in decoding order."""

    def __init__(self, codec: str) -> None:
        self._codec = codec
        self._sets = ParameterSets(codec)
        self._order = PictureOrder(codec, self._sets)
        self._place = (0, 0, 0)
        self._sps: h264.Sps | hevc.Sps | None = None
        self._form = (0, "nv12")
        self._changed = True
        self._number = 0

    def begin(self) -> None:
        """References are gone: what comes next is presented after all before."""
        self._order.begin()

    def read(self, item: CodedPicture) -> Sample:
        """``item`` as a sample; one that is skipped is only looked at for parameter sets."""
        unit = item.unit
        sample = Sample([item], b"")
        # What is not in the unit may stand before it: sets that came without a picture.
        nals = annexb_to_nals(item.data) if item.data else []
        self._keep_sets(nals + (annexb_to_nals(item.sets) if item.sets else []))
        if unit is None or item.skip is not None:
            return sample
        sample.data = self._joined(nals)
        sequence, count, reorder = self._place
        sps = self._sps
        try:
            sequence, count, reorder, sps = self._order.read(unit)
        except InvalidBitstream:  # it is for the decoder to refuse; it comes behind the last
            count += 1
        self._place = sample.sequence, sample.count, sample.reorder = sequence, count, reorder
        self._activate(sps, sample)
        sample.lacks = sample.lacks or item.info.rare_tool
        if self._changed and sample.lacks is None and sps is not None:
            self._changed = False
            self._number += 1
            sample.new_sets = self._form[0], self._in_force(sps)
        sample.sps, sample.format = sps, self._form[1]
        sample.sets_number = self._number
        return sample

    def _keep_sets(self, nals: list[bytes]) -> None:
        kind_of, kinds = _TYPE_OF[self._codec], _SET_TYPES[self._codec]
        for nal in nals:
            if kind_of(nal) in kinds:
                with suppress(InvalidBitstream):
                    self._changed = self._sets.add(nal) or self._changed

    def _joined(self, nals: list[bytes]) -> bytes:
        """The NAL units that decode to the picture, behind their lengths."""
        kind_of, left_out = _TYPE_OF[self._codec], _LEFT_OUT[self._codec]
        parts = []
        for nal in nals:
            if kind_of(nal) not in left_out:
                parts += [len(nal).to_bytes(_LENGTH_BYTES, "big"), nal]
        return b"".join(parts)

    def _activate(self, sps: h264.Sps | hevc.Sps | None, sample: Sample) -> None:
        if sps is None:
            return
        chroma = sps.chroma_format_idc
        depth = max(sps.bit_depth_luma, sps.bit_depth_chroma)
        full = bool(sps.full_range)
        form = pixel_form(chroma, depth, sps.matrix_coefficients, full_range=full)
        if form is None:
            sample.lacks = f"{sps.chroma_format} with {depth} bits"
            if chroma == 3 and sps.matrix_coefficients == 0:
                sample.lacks = "4:4:4 of red, green and blue"
            return
        code = four_characters(form.code)
        self._changed = self._changed or sps is not self._sps or code != self._form[0]
        self._sps, self._form = sps, (code, form.name)

    def _in_force(self, active: h264.Sps | hevc.Sps) -> list[bytes]:
        """All parameter sets that can be read, the sequence parameter set in force first of its
        kind: by that one VideoToolbox knows the pictures."""
        nals: list[bytes] = []
        first_sps = 0
        for read, nal in self._sets.readable():
            if read is active:
                nals.insert(first_sps, nal)
            else:
                nals.append(nal)
            if isinstance(read, hevc.Vps):
                first_sps = len(nals)
        return nals
