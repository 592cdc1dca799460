"""The matrices between sample codes and R'G'B', computed from Kr, Kb, range and bit depth.

ITU-T H.273 (2021), clause 8.3, gives the codes of a picture from E'R, E'G, E'B between 0 and 1.
All arithmetic here is exact; the results are rounded once, to float64.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from types import MappingProxyType
from typing import Final, TypeAlias

from ..errors import InvalidInput, UnsupportedConfig
from .spec import ColorSpec

Rows: TypeAlias = tuple[tuple[float, float, float], ...]
Triple: TypeAlias = tuple[float, float, float]
_Exact: TypeAlias = list[list[Fraction]]

# (Kr, Kb) of ITU-T H.273 table 4, as the standards that it names write them.
_LUMA_WEIGHTS: Final = MappingProxyType(
    {
        "bt709": ("0.2126", "0.0722"),
        "fcc": ("0.30", "0.11"),
        "bt470bg": ("0.299", "0.114"),
        "smpte170m": ("0.299", "0.114"),
        "smpte240m": ("0.212", "0.087"),
        "bt2020nc": ("0.2627", "0.0593"),
    }
)
# The matrices that :func:`to_rgb` knows. The others are not linear in R'G'B' (constant luminance,
# ICtCp), or not in use for YCbCr video.
COMPUTED_MATRICES: Final = (*_LUMA_WEIGHTS, "identity")
# Two names for one matrix.
_MATRIX_TWINS: Final = MappingProxyType({"bt470bg": "smpte170m"})


@dataclass(frozen=True, slots=True)
class Affine:
    """``matrix @ x + offset`` on the three components of a picture element."""

    matrix: Rows
    offset: Triple


def to_rgb(color: ColorSpec, bit_depth: int = 8) -> Affine:
    """From the codes (Y, Cb, Cr) of ``bit_depth`` bits to (R, G, B), where 0..1 is black to white.

    ``color`` states matrix and range (:meth:`ColorSpec.resolved`). Codes outside of the nominal
    range give values outside of 0..1. :class:`InvalidInput` when a field is missing,
    :class:`UnsupportedConfig` for a matrix that is not one of :data:`COMPUTED_MATRICES`.
    """
    forward, offset = _forward(color, bit_depth)
    inverse = _inverse(forward)
    moved = [-sum((row[k] * offset[k] for k in range(3)), Fraction(0)) for row in inverse]
    return _rounded(inverse, moved)


def from_rgb(color: ColorSpec, bit_depth: int = 8) -> Affine:
    """From (R, G, B), where 0..1 is black to white, to codes (Y, Cb, Cr), not yet rounded.

    The inverse of :func:`to_rgb`, with the same errors.
    """
    return _rounded(*_forward(color, bit_depth))


def between(source: ColorSpec, source_depth: int, target: ColorSpec, target_depth: int) -> Affine:
    """From the codes of one colour to those of another, not yet rounded.

    Components are (Y, Cb, Cr), or (G, B, R) with the matrix "identity". Both colours state their
    range. Where both have the same matrix only range and depth change and any matrix will do;
    else the errors are those of :func:`to_rgb`.
    """
    if source.matrix is not None and _MATRIX_TWINS.get(source.matrix, source.matrix) == (
        _MATRIX_TWINS.get(target.matrix or "", target.matrix)
    ):
        any_known = "identity" if source.matrix == "identity" else "bt709"
        source = replace(source, matrix=any_known)
        target = replace(target, matrix=any_known)
    forward, offset = _forward(target, target_depth)
    back, back_offset = _forward(source, source_depth)
    inverse = _inverse(back)
    matrix = [
        [sum((forward[i][j] * inverse[j][k] for j in range(3)), Fraction(0)) for k in range(3)]
        for i in range(3)
    ]
    moved = [offset[i] - sum(matrix[i][k] * back_offset[k] for k in range(3)) for i in range(3)]
    return _rounded(matrix, moved)


def _forward(color: ColorSpec, bit_depth: int) -> tuple[_Exact, list[Fraction]]:
    if not isinstance(bit_depth, int) or not 8 <= bit_depth <= 16:
        raise InvalidInput(f"bit_depth is {bit_depth!r}", argument="bit_depth", hint="8 to 16")
    if color.matrix is None or color.range is None:
        field = "matrix" if color.matrix is None else "range"
        raise InvalidInput(
            f"color.{field} is not stated",
            argument=f"color.{field}",
            hint="ColorSpec.resolved(height) decides what a stream leaves open",
        )
    if color.matrix == "identity":
        analog, differences = _GBR, 0
    elif color.matrix in _LUMA_WEIGHTS:
        analog, differences = _analog(*_LUMA_WEIGHTS[color.matrix]), 2
    else:
        raise UnsupportedConfig(
            f"the matrix {color.matrix} is not one that is converted to or from RGB",
            hint=f"one of {', '.join(COMPUTED_MATRICES)}; or take the native planes",
        )
    scale, offset = _quantisation(color.range, bit_depth, differences)
    rows = [[scale[i] * analog[i][k] for k in range(3)] for i in range(3)]
    return rows, offset


# Identity: the planes are G, B, R, all on the scale of luma.
_GBR: Final = [
    [Fraction(0), Fraction(1), Fraction(0)],
    [Fraction(0), Fraction(0), Fraction(1)],
    [Fraction(1), Fraction(0), Fraction(0)],
]


def _analog(red: str, blue: str) -> _Exact:
    """E'Y, E'PB, E'PR from E'R, E'G, E'B."""
    kr, kb = Fraction(red), Fraction(blue)
    luma = [kr, 1 - kr - kb, kb]
    cb = [(Fraction(k == 2) - luma[k]) / (2 * (1 - kb)) for k in range(3)]
    cr = [(Fraction(k == 0) - luma[k]) / (2 * (1 - kr)) for k in range(3)]
    return [luma, cb, cr]


def _quantisation(
    range_: str, bit_depth: int, differences: int
) -> tuple[list[Fraction], list[Fraction]]:
    """Scale and offset of each component.

    ``differences``: how many of the components are colour differences, the last ones.
    """
    step = Fraction(1 << (bit_depth - 8))
    peak = Fraction((1 << bit_depth) - 1)
    middle = Fraction(1 << (bit_depth - 1))
    luma = (219 * step, 16 * step) if range_ == "limited" else (peak, Fraction(0))
    difference = (224 * step, middle) if range_ == "limited" else (peak, middle)
    each = [luma] * (3 - differences) + [difference] * differences
    return [scale for scale, _ in each], [offset for _, offset in each]


def _inverse(m: _Exact) -> _Exact:
    """The inverse of a 3 x 3 matrix by its adjugate."""

    def minor(i: int, j: int) -> Fraction:
        rows = [row for k, row in enumerate(m) if k != i]
        (a, b), (c, d) = ([value for k, value in enumerate(row) if k != j] for row in rows)
        return a * d - b * c

    determinant = sum((-1) ** j * m[0][j] * minor(0, j) for j in range(3))
    return [[(-1) ** (i + j) * minor(j, i) / determinant for j in range(3)] for i in range(3)]


def _rounded(matrix: _Exact, offset: list[Fraction]) -> Affine:
    rows = tuple((float(a), float(b), float(c)) for a, b, c in matrix)
    return Affine(rows, (float(offset[0]), float(offset[1]), float(offset[2])))
