"""What a stream holds: counts, sizes, keyframes, times, parameter sets, gathered in one pass.

Memory is a few bytes a picture (its time and the length of its GOP), never its data.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

from ..bitstream import AccessUnit, sei
from ..bitstream.av1_sequence import SequenceHeader, find_sequence_header
from ..bitstream.mpeg2_sequence import Sequence, parse_sequence
from ..bitstream.mpeg4_layer import Layer, parse_layer
from ..bitstream.nal_types import nal_type, nal_type_name
from ..bitstream.vc1_sequence import Sequence as Vc1Sequence
from ..bitstream.vc1_sequence import parse_sequence as parse_vc1_sequence
from ..errors import InvalidBitstream
from .streams import Problems, Sample, StreamInfo

SET_TYPES = {"h264": (7, 8, 13, 15), "hevc": (32, 33, 34)}
SEI_TYPES = {"h264": (6,), "hevc": (39, 40)}
# SEI messages that say one thing of the whole stream.
SHOWN_SEI = (
    sei.MASTERING_DISPLAY, sei.CONTENT_LIGHT, sei.ALTERNATIVE_TRANSFER, sei.USER_DATA_UNREGISTERED,
)  # fmt: skip
# What such a stream says of all its pictures.
_HEADERS: dict[str, Callable[[bytes], SequenceHeader | Sequence | Layer | Vc1Sequence | None]] = {
    "av1": find_sequence_header, "mpeg4": parse_layer, "vc1": parse_vc1_sequence,
}  # fmt: skip
# A unit without a slice header that can be read; in AV1 and MPEG-4 one that shows an earlier
# picture.
UNKNOWN_TYPE = "unknown"
# A stream may send other parameter sets with each picture; more than these are only counted.
MAX_SETS = 64


@dataclass(frozen=True, slots=True)
class UnitRow:
    """One access unit as it is listed. ``offset`` and ``size`` in bytes, times in seconds."""

    index: int
    offset: int | None
    size: int
    type: str
    keyframe: bool
    random_access: str | None
    field: str
    pts: float | None
    dts: float | None
    nals: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NalRow:
    """One NAL unit as it is listed. ``offset`` is that of its payload in the stream (in a
    container: that of its packet); ``size`` in bytes without start code."""

    unit: int
    offset: int | None
    size: int
    type: int
    name: str
    layer: int
    temporal_id: int


@dataclass(slots=True)
class SeenSet:
    """A parameter set: its bytes, in how many units it came, and the first of them
    (None: the header of the container)."""

    nal: bytes
    first_unit: int | None
    count: int = 0


class Survey:
    """Adds up the samples of one stream."""

    def __init__(self, info: StreamInfo, problems: Problems) -> None:
        self.info = info
        self.problems = problems
        self.units = 0
        self.frames = 0
        self.bytes = 0
        self.largest = 0
        self.types: Counter[str] = Counter()
        self.access: Counter[str] = Counter()
        self.leading: Counter[str] = Counter()
        self.nals: Counter[int] = Counter()
        self.nal_bytes: Counter[int] = Counter()
        self.seis: Counter[int] = Counter()
        self.sei_values: dict[int, Any] = {}  # the first of each type worth showing
        self.temporal_layers = 0
        self.layer_nals = 0
        self.second_fields = 0
        self.keyframes = array("q")  # index of the frame, in decoding order
        self.sets: dict[bytes, SeenSet] = {}
        self.sets_left_out = 0
        # Of AV1, MPEG and VC-1.
        self.sequence: SequenceHeader | Sequence | Layer | Vc1Sequence | None = None
        self._pts = array("q")
        self._end = 0
        for nal in info.header_nals:
            if nal_type(info.codec, nal) in SEI_TYPES[info.codec]:
                self._see_sei(nal, None)
            else:
                self._see_set(nal, None)

    def add(self, sample: Sample) -> None:
        """Count one sample."""
        unit = sample.unit
        second = unit is not None and unit.second_field
        if sample.keyframe and not second:
            self.keyframes.append(self.frames)
        self.bytes += sample.size
        self.largest = max(self.largest, sample.size)
        if sample.pts is not None:
            self._pts.append(sample.pts)
            self._end = max(self._end, sample.pts + (sample.duration or 0))
        if unit is not None:
            self._add_unit(unit, sample.offset)
        self.units += 1
        self.frames += not second

    def _add_unit(self, unit: AccessUnit, offset: int | None) -> None:
        self.types[unit.picture_type or UNKNOWN_TYPE] += 1
        if unit.random_access:
            self.access[unit.random_access] += 1
        if unit.leading:
            self.leading[unit.leading] += 1
        self.second_fields += unit.second_field
        self.temporal_layers = max(self.temporal_layers, unit.temporal_id + 1)
        self.layer_nals += unit.layer_nals
        codec = self.info.codec
        if codec not in SET_TYPES:
            if self.sequence is None and unit.has_parameter_sets:
                self._see_sequence(unit, offset)
            return
        for span in unit.nals:
            self.nals[span.type] += 1
            self.nal_bytes[span.type] += span.size
            if span.type in SET_TYPES[codec]:
                self._see_set(payload(unit, span), self.units)
            elif span.type in SEI_TYPES[codec]:
                self._see_sei(payload(unit, span), offset)

    def _see_sequence(self, unit: AccessUnit, offset: int | None) -> None:
        find = _HEADERS.get(self.info.codec, parse_sequence)
        try:
            self.sequence = find(unit.data)
        except InvalidBitstream as error:
            self.problems.add(error, offset)

    def _see_set(self, nal: bytes, unit: int | None) -> None:
        seen = self.sets.get(nal)
        if seen is None:
            if len(self.sets) >= MAX_SETS:
                self.sets_left_out += 1
                return
            seen = self.sets[nal] = SeenSet(nal, unit)
        seen.count += 1

    def _see_sei(self, nal: bytes, offset: int | None) -> None:
        try:
            for message in sei.parse(nal, self.info.codec):
                kind = message.payload_type
                self.seis[kind] += 1
                if kind in SHOWN_SEI and kind not in self.sei_values:
                    self.sei_values[kind] = sei.decode(message, self.info.codec)
        except InvalidBitstream as error:
            self.problems.add(error, offset)

    # What follows from the counts

    def gop_lengths(self) -> list[int]:
        """Frames from each keyframe to the next, the last one to the end."""
        return [end - start for start, end in pairwise([*self.keyframes, self.frames])]

    def intervals(self) -> tuple[float, float] | None:
        """Shortest and longest time from a picture to the next in seconds; None without times."""
        base = self.info.time_base
        if base is None or len(self._pts) < 2:
            return None
        ordered = sorted(self._pts)
        steps = [b - a for a, b in pairwise(ordered)]
        return float(min(steps) * base), float(max(steps) * base)

    def times(self) -> tuple[float, float] | None:
        """First and last pts in seconds; None without times."""
        base = self.info.time_base
        if base is None or not self._pts:
            return None
        return float(min(self._pts) * base), float(max(self._pts) * base)

    def seconds(self, fps: Fraction | None) -> float | None:
        """How long the pictures last: by their times, else by ``fps``; None when unknown."""
        base = self.info.time_base
        if base is not None and len(self._pts) > 1:
            first, last = min(self._pts), max(self._pts)
            step = (last - first) / (len(self._pts) - 1)
            return float(max(self._end - first, last - first + step) * base)
        return float(self.frames / fps) if fps else None


def unit_row(index: int, sample: Sample, info: StreamInfo) -> UnitRow:
    """How ``sample`` is listed."""
    unit = sample.unit
    base = info.time_base
    pts = None if sample.pts is None or base is None else float(sample.pts * base)
    dts = None if sample.dts is None or base is None else float(sample.dts * base)
    if unit is None:
        return UnitRow(
            index, sample.offset, sample.size, "", sample.keyframe, None, "", pts, dts, ()
        )
    names: tuple[str, ...] = ()
    if info.codec in SET_TYPES:
        names = tuple(nal_type_name(info.codec, span.type) for span in unit.nals)
    return UnitRow(
        index, sample.offset, sample.size, unit.picture_type, unit.keyframe,
        unit.random_access or unit.leading, unit.field, pts, dts, names,
    )  # fmt: skip


def nal_rows(index: int, sample: Sample, info: StreamInfo) -> Iterator[NalRow]:
    """How the NAL units of ``sample`` are listed."""
    unit = sample.unit
    if unit is None or info.codec not in SET_TYPES:
        return
    for span in unit.nals:
        offset = sample.offset if info.container else unit.offset + span.start
        yield NalRow(
            index, offset, span.size, span.type, nal_type_name(info.codec, span.type),
            span.layer_id, span.temporal_id,
        )  # fmt: skip


def payload(unit: AccessUnit, span: Any) -> bytes:
    """The bytes of one NAL unit of ``unit``."""
    return bytes(unit.data[span.start : span.start + span.size])
