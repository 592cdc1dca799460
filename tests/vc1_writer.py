"""VC-1 streams of the Advanced profile (SMPTE ST 421), written with the pixels that they mean.

libavcodec has no encoder of VC-1. This one knows no search and no rate: it is told what each
macroblock is. The inverse transform of VC-1 is exact, and vectors here point to whole samples of
luma and chroma, so that the decoded pictures are known to the bit without any decoder.
``tests/vc1_headers.py`` writes the headers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from tests.vc1_headers import FIELD, FRAME, Bits, Format, entry_point, sequence_header, unit
from tests.vc1_tables import (
    AC_ESCAPE,
    AC_SCALE,
    ALL_BLOCKS,
    DC_ESCAPE,
    DC_SCALE,
    DC_ZERO,
    INTRA,
    INTRA_PATTERNS,
    PQINDEX,
    SAME_VECTOR,
    VECTOR,
    inverse,
)

Planes = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
Vector = tuple[int, int]
Mode = Literal["quarter", "half", "bilinear"]  # of half samples: bicubic, or bilinear
_MODES: Final[dict[Mode, tuple[int, int]]] = {"quarter": (1, 1), "half": (1, 3), "bilinear": (0, 4)}


@dataclass
class Macroblock:
    """One of a P picture. ``blocks``: six blocks of coefficients; None: no residuals.

    "skip" has the predicted vector. Vectors are in quarter samples, multiples of 8 up to 8.
    """

    kind: Literal["skip", "vector", "intra"]
    vector: Vector = (0, 0)
    blocks: Sequence[Sequence[int]] | None = None


@dataclass
class Vc1Writer:
    """Writes pictures in decoding order, and keeps what they mean.

    ``format`` is what its headers say; each writing method returns the bytes of a picture with
    its start code, and appends its planes, cropped, to ``pictures``. Below a reference its last row
    goes on, that of its height rounded up to a multiple of ``rows_end_at``.
    """

    format: Format
    rows_end_at: int = 1
    pictures: list[Planes] = field(default_factory=list)
    _anchors: list[Planes] = field(default_factory=list)
    _woven: bool = False  # the last anchor was coded as two fields

    @property
    def columns(self) -> int:
        """Macroblocks in a row."""
        return (self.format.width + 15) // 16

    @property
    def rows(self) -> int:
        """Rows of macroblocks of a frame picture."""
        return (self.format.height + 15) // 16

    def headers(self, **entry: object) -> bytes:
        """Sequence header and entry point."""
        return sequence_header(self.format) + entry_point(self.format, **entry)  # type: ignore[arg-type]

    def intra(self, levels: Callable[[int, int, int], Sequence[int]], kind: str = "I") -> bytes:
        """An I or BI picture: up to three coefficients a block, by (plane, row, column)."""
        bits = Bits()
        self._frame_header(bits, kind)
        planes = self._intra_data(bits, levels, self.rows)
        self._keep(planes, anchor=kind == "I")
        return unit(FRAME, bits)

    def intra_fields(
        self, levels: Callable[[int, int, int], Sequence[int]], *, top_first: bool = True
    ) -> bytes:
        """An interlaced picture of two I fields; rows of ``levels`` are those of both, in turn."""
        rows = (self.format.height // 2 + 15) // 16
        found = []
        data = b""
        for number in range(2):
            bits = Bits()
            if number == 0:
                self._frame_header(bits, "fields", top_first=top_first)
            else:
                self._quantizer(bits)
            found.append(self._intra_data(bits, _of_field(levels, number), rows))
            data += unit(FIELD if number else FRAME, bits)
        top, bottom = found if top_first else found[::-1]
        planes = []
        for one, other in zip(top, bottom, strict=True):
            both = np.empty((2 * one.shape[0], one.shape[1]), np.int64)
            both[::2], both[1::2] = one, other
            planes.append(both)
        self._keep((planes[0], planes[1], planes[2]), anchor=True)
        self._woven = True
        return data

    def predicted(self, choose: Callable[[int, int], Macroblock], mode: Mode = "quarter") -> bytes:
        """A P picture, by (row, column) of its macroblocks.

        ``mode``: how its vectors point between samples; other than "quarter" they are even.
        """
        bits = Bits()
        self._frame_header(bits, "P")
        bits.put(*_MODES[mode])  # MVMODE: one vector
        bits.put(0, 5)  # SKIPMB raw
        bits.put(0, 4)  # MVTAB, CBPTAB
        bits.put(3, 2)  # TRANSACFRM 2
        bits.put(0, 1)  # TRANSDCTAB
        unit_of_vectors = 1 if mode == "quarter" else 2
        reference = self._anchors[-1]
        planes = self._blank(self.rows)
        vectors = np.zeros((self.rows + 1, self.columns + 2, 2), int)
        dc: dict[tuple[int, int, int], int] = {}
        for row in range(self.rows):
            for column in range(self.columns):
                block = choose(row, column)
                expected = self._expected(vectors, row, column)
                vector = (0, 0) if block.kind == "intra" else block.vector
                if block.kind == "skip":
                    vector = expected
                vectors[row + 1, column + 1] = vector
                bits.put(block.kind == "skip", 1)
                if block.kind == "intra":
                    bits.put(*INTRA)
                    bits.put(0, 1)  # ACPRED
                    assert block.blocks is not None
                    for at in range(6):
                        place = _place(at, row, column)
                        self._intra_block(
                            bits, planes, dc, place, block.blocks[at][:1], coded=False
                        )
                    continue
                self._move(planes, reference, row, column, vector)
                if block.kind == "vector":
                    bits.put(*_vector(vector, expected, block.blocks is not None, unit_of_vectors))
                if block.blocks is not None:
                    bits.put(*ALL_BLOCKS)
                    for at in range(6):
                        plane, y, x = _place(at, row, column)
                        self._coefficients(bits, block.blocks[at])
                        _add(planes[plane], y, x, inverse(block.blocks[at], AC_SCALE))
        self._keep(planes, anchor=True)
        return unit(FRAME, bits)

    def bidirectional(self, choose: Callable[[int, int], str], *, fraction: int = 0) -> bytes:
        """A B picture of skipped macroblocks: "forward", "backward", "both" or "direct" each.

        ``fraction``: BFRACTION of three bits, 0 is a half. The picture behind it in output order
        must be without motion where macroblocks are direct.
        """
        bits = Bits()
        self._frame_header(bits, "B", fraction=fraction)
        bits.put(1, 1)  # MVMODE
        bits.put(0, 5)  # DIRECTMB raw
        bits.put(0b1010, 4)  # SKIPMB: inverted rows that are skipped
        bits.put(0, self.rows)
        bits.put(0, 4)
        bits.put(3, 2)
        bits.put(0, 1)
        planes = self._blank(self.rows)
        before, behind = self._anchors[-2:]
        likely = "backward" if fraction in (0, 2, 4) else "forward"  # a half and more
        for row in range(self.rows):
            for column in range(self.columns):
                kind = choose(row, column)
                bits.put(kind == "direct", 1)
                if kind == "both":
                    bits.put(3, 2)
                elif kind != "direct":
                    bits.put(*((0, 1) if kind == likely else (2, 2)))
                sources = {"forward": (before,), "backward": (behind,)}.get(kind, (before, behind))
                for plane in range(3):
                    size = 8 if plane else 16
                    at = np.s_[size * row : size * (row + 1), size * column : size * (column + 1)]
                    total = sum(source[plane][at] for source in sources)
                    planes[plane][at] = (total + len(sources) - 1) // len(sources)
        self._keep(planes, anchor=False)
        return unit(FRAME, bits)

    def skipped(self) -> bytes:
        """A P picture that is the one before, again."""
        bits = Bits()
        self._frame_header(bits, "skipped")
        self._keep(self._anchors[-1], anchor=True)
        return unit(FRAME, bits)

    # Syntax

    def _frame_header(
        self, bits: Bits, kind: str, *, fraction: int = 0, top_first: bool = True
    ) -> None:
        """Of a picture (7.1.1), with the quantizer."""
        form = self.format
        if form.interlace:
            bits.put(*((3, 2) if kind == "fields" else (0, 1)))  # FCM
        code = {"P": "0", "B": "10", "I": "110", "BI": "1110", "skipped": "1111", "fields": "000"}
        bits.put(int(code[kind], 2), len(code[kind]))
        if form.frame_counter:
            bits.put(len(self.pictures) & 255, 8)
        if form.pulldown:
            if form.interlace and not form.segmented:
                bits.put(top_first if kind == "fields" else form.top_first, 1)
                bits.put(form.repeat_first_field, 1)
            else:
                bits.put(form.repeat_frames, 2)
        if kind == "skipped":
            return
        bits.put(0, 1)  # RNDCTRL
        if form.interlace:
            bits.put(0, 1)  # UVSAMP
        if kind == "B":
            bits.put(fraction, 3)
        self._quantizer(bits)

    def _quantizer(self, bits: Bits) -> None:
        bits.put(PQINDEX, 5)
        bits.put(0, 1)  # HALFQP

    def _intra_data(
        self, bits: Bits, levels: Callable[[int, int, int], Sequence[int]], rows: int
    ) -> Planes:
        bits.put(0b0010, 4)  # ACPRED: rows that are skipped
        bits.put(0, rows)
        if self.format.overlap:
            bits.put(2, 2)  # CONDOVER: all blocks
        bits.put(3, 2)  # TRANSACFRM 2
        bits.put(3, 2)  # TRANSACFRM2 2
        bits.put(0, 1)  # TRANSDCTAB
        planes = self._blank(rows)
        dc: dict[tuple[int, int, int], int] = {}
        coded: dict[tuple[int, int], bool] = {}
        for row in range(rows):
            for column in range(self.columns):
                places = [_place(at, row, column) for at in range(6)]
                blocks = [list(levels(*place)) for place in places]
                pattern = 0
                for (plane, y, x), block in zip(places, blocks, strict=True):
                    has = any(block[1:])
                    guess = False
                    if not plane:
                        left, corner, above = (
                            coded.get(place, False)
                            for place in ((y, x - 1), (y - 1, x - 1), (y - 1, x))
                        )
                        guess = left if corner == above else above
                        coded[y, x] = has
                    pattern = pattern << 1 | (has ^ guess)
                bits.put(*INTRA_PATTERNS[pattern])
                for place, block in zip(places, blocks, strict=True):
                    self._intra_block(bits, planes, dc, place, block, coded=any(block[1:]))
        return planes

    def _intra_block(
        self,
        bits: Bits,
        planes: Planes,
        dc: dict[tuple[int, int, int], int],
        place: tuple[int, int, int],
        block: Sequence[int],
        *,
        coded: bool,
    ) -> None:
        plane, y, x = place
        left, corner, above = (
            dc.get(each) for each in ((plane, y, x - 1), (plane, y - 1, x - 1), (plane, y - 1, x))
        )
        if left is not None and above is not None:
            expected = left if abs(above - (corner or 0)) <= abs((corner or 0) - left) else above
        else:
            expected = (left if above is None else above) or 0
        dc[place] = block[0]
        difference = block[0] - expected
        table = min(plane, 1)
        if difference:
            bits.put(*DC_ESCAPE[table])
            bits.put(abs(difference), 8)
            bits.put(difference < 0, 1)
        else:
            bits.put(*DC_ZERO[table])
        if coded:
            self._coefficients(bits, (0, *block[1:]), first=1)
        _put(planes[plane], y, x, 128 + inverse(block, AC_SCALE, DC_SCALE))

    def _coefficients(self, bits: Bits, block: Sequence[int], first: int = 0) -> None:
        """Run and level of each that is not 0, by the third escape mode."""
        found = [(at, value) for at, value in enumerate(block) if value]
        before = first - 1
        for number, (at, value) in enumerate(found):
            bits.put(*AC_ESCAPE)
            bits.put(0, 2)
            bits.put(number == len(found) - 1, 1)
            if not bits.escaped:
                bits.put(7, 3)  # levels have 7 bits
                bits.put(0, 2)  # runs have 3
                bits.escaped = True
            bits.put(at - before - 1, 3)
            bits.put(value < 0, 1)
            bits.put(abs(value), 7)
            before = at

    def _expected(self, vectors: NDArray[np.int64], row: int, column: int) -> Vector:
        """The predicted vector, of a picture with one each (8.3.5.3.2)."""
        if row == 0:
            found = vectors[1, column]
        elif self.columns == 1:
            found = vectors[row, 1]
        else:
            beside = column + (0 if column == self.columns - 1 else 2)
            three = [vectors[row, column + 1], vectors[row, beside], vectors[row + 1, column]]
            found = np.median(three, axis=0)
        pulled = []
        for value, at, count in zip(found, (column, row), (self.columns, self.rows), strict=True):
            pulled.append(min(max(int(value), -60 - 64 * at), 64 * (count - at) - 4))
        return (pulled[0], pulled[1])

    # Pictures

    def _blank(self, rows: int) -> Planes:
        luma = np.zeros((16 * rows, 16 * self.columns), np.int64)
        chroma = luma[::2, ::2]
        return luma, chroma.copy(), chroma.copy()

    def _move(
        self, planes: Planes, reference: Planes, row: int, column: int, vector: Vector
    ) -> None:
        """Samples of the reference; what is outside of it is its nearest sample."""
        for plane, source, half in zip(planes, reference, (1, 2, 2), strict=True):
            size, step = 16 // half, 4 * half
            ys = np.arange(size * row, size * (row + 1))
            xs = np.arange(size * column, size * (column + 1))
            rows = -(-self.format.height // self.rows_end_at) * self.rows_end_at
            from_y, last = ys + vector[1] // step, rows // half - 1
            if self._woven:  # each field goes on by itself
                from_y = np.where(from_y < 0, from_y & 1, from_y)
                from_y = np.where(from_y > last, last - 1 + (from_y & 1), from_y)
            from_y = from_y.clip(0, last)
            from_x = (xs + vector[0] // step).clip(0, self.format.width // half - 1)
            plane[np.ix_(ys, xs)] = source[np.ix_(from_y, from_x)]

    def _keep(self, planes: Planes, *, anchor: bool) -> None:
        planes = tuple(plane.clip(0, 255) for plane in planes)  # type: ignore[assignment]
        if anchor:
            self._anchors.append(planes)
            self._woven = False
        width, height = self.format.width, self.format.height
        luma, *chroma = planes
        cut = [plane[: height // 2, : width // 2] for plane in chroma]
        self.pictures.append((luma[:height, :width], cut[0], cut[1]))


def _of_field(
    levels: Callable[[int, int, int], Sequence[int]], number: int
) -> Callable[[int, int, int], Sequence[int]]:
    return lambda plane, row, column: levels(plane, 2 * row + number, column)


def _vector(vector: Vector, expected: Vector, residuals: bool, unit: int) -> tuple[int, int]:
    """MVDATA with its difference, in a code and its bits."""
    if residuals and vector == expected:
        return SAME_VECTOR
    code, bits = VECTOR[residuals]
    for value, guess, size in zip(vector, expected, (512 // unit, 256 // unit), strict=True):
        code = code * size + ((value - guess) // unit & (size - 1))
        bits += size.bit_length() - 1
    return code, bits


def _place(at: int, row: int, column: int) -> tuple[int, int, int]:
    """(plane, row, column) of block ``at`` of a macroblock."""
    return (0, 2 * row + at // 2, 2 * column + at % 2) if at < 4 else (at - 3, row, column)


def _put(plane: NDArray[np.int64], y: int, x: int, block: NDArray[np.int64]) -> None:
    plane[8 * y : 8 * y + 8, 8 * x : 8 * x + 8] = block.clip(0, 255)


def _add(plane: NDArray[np.int64], y: int, x: int, block: NDArray[np.int64]) -> None:
    _put(plane, y, x, plane[8 * y : 8 * y + 8, 8 * x : 8 * x + 8] + block)
