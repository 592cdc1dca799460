"""Filters along one axis of a picture: chroma to luma, crop, scale, luma to chroma, as one.

Each step makes every place of its axis of a few neighbouring places of the step before, with
weights; steps multiply into one filter. What each step does is that of ``color.reference``. All
arithmetic is float64 until the filter is handed over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Step:
    """Place i is the sum over t of ``weights[i, t]`` x place ``begin[i] + t`` of the step before.

    ``begin``: int64 (count,), ``weights``: float64 (count, taps).
    """

    begin: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float64]

    @property
    def count(self) -> int:
        """How many places it makes."""
        return len(self.begin)

    def after(self, inner: Step) -> Step:
        """This step on the places that ``inner`` makes, as one step."""
        taps, inner_taps = self.weights.shape[1], inner.weights.shape[1]
        # Where the weight is 0 they may be outside.
        places = np.clip(self.begin[:, None] + np.arange(taps), 0, inner.count - 1)
        counted = self.weights != 0
        starts = inner.begin[places]
        begin = np.where(counted, starts, np.iinfo(np.int64).max).min(axis=1)
        ends = np.where(counted, starts + inner_taps, 0).max(axis=1)
        weights = np.zeros((self.count, int((ends - begin).max())))
        at = np.where(counted, starts - begin[:, None], 0)[..., None] + np.arange(inner_taps)
        products = self.weights[..., None] * inner.weights[places]
        rows = np.broadcast_to(np.arange(self.count)[:, None, None], at.shape)
        np.add.at(weights, (rows, at), products)
        return Step(begin, weights)


@dataclass(frozen=True, slots=True)
class Taps:
    """A step as the kernels take it: ``begin`` int32 (count,), ``weights`` float32 (taps, count).

    ``plain``: every place is one sample as it is, each the one after the last.
    """

    begin: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]
    plain: bool


def same(begin: int, count: int) -> Step:
    """``count`` places as they are, from ``begin`` on."""
    return Step(begin + np.arange(count), np.ones((count, 1)))


def between(places: npt.NDArray[np.floating[Any]], count: int) -> Step:
    """Linear between the neighbours of each place among ``count``; the rim is held."""
    places = np.clip(places, 0, count - 1)
    low = np.floor(places).astype(np.int64)
    part = places - low
    return Step(low, np.stack([1 - part, part], axis=1))


def chroma_at_luma(
    begin: int, count: int, *, samples: int, step: int, phase: float, method: str
) -> Step:
    """Chroma at ``count`` luma places from ``begin`` on.

    ``samples`` of chroma in all, each for ``step`` of luma, the first at ``phase``.
    """
    places = begin + np.arange(count)
    if method == "nearest":
        return Step(places // step, np.ones((count, 1)))
    return between((places - phase) / step, samples)


def scaled(old: int, count: int, method: str) -> Step:
    """``old`` places scaled to ``count``, by half-pixel centres."""
    if method == "bilinear":
        return between((np.arange(count) + 0.5) * (old / count) - 0.5, old)
    # In units of which a new place covers `old` and an old one `count`: no rounding.
    first = np.arange(count, dtype=np.int64) * old
    begin = first // count
    taps = int((-(-(first + old) // count) - begin).max())
    edges = (begin[:, None] + np.arange(taps + 1)) * count
    covered = np.clip(edges, first[:, None], (first + old)[:, None])
    return Step(begin, np.diff(covered, axis=1) / old)


def chroma_of_luma(luma: int, *, step: int, phase: float) -> Step:
    """Chroma places made of ``luma`` places, one for ``step`` of them; places beyond are the rim.

    One that lies on a luma place weighs its neighbours by a tent, one between them evenly.
    """
    around = np.arange(1 - step, step) if phase == int(phase) else np.arange(step)
    tent = step - np.abs(around) if phase == int(phase) else np.ones(step)
    at = np.arange(-(-luma // step))[:, None] * step + (int(phase) if phase == int(phase) else 0)
    places = np.clip(at + around, 0, luma - 1)
    begin = places[:, 0]
    weights = np.zeros((len(begin), int((places[:, -1] - begin).max()) + 1))
    rows = np.arange(len(begin))[:, None]
    np.add.at(weights, (rows, places - begin[:, None]), tent / tent.sum())
    return Step(begin, weights)


def taps_of(step: Step) -> tuple[int, int, Taps]:
    """(first sample that is needed, how many from there on, the step counted from the first).

    No tap lies outside of these samples, whatever its weight.
    """
    used = step.weights != 0
    index = np.arange(step.weights.shape[1])
    ends = step.begin + np.where(used, index + 1, 0).max(axis=1)
    first, last = int(step.begin.min()), int(ends.max())
    count = min(int((ends - step.begin).max()), last - first)
    begin = np.minimum(step.begin, last - count)
    weights = np.zeros((step.count, count))
    rows, columns = np.nonzero(used)
    weights[rows, columns + (step.begin - begin)[rows]] = step.weights[rows, columns]
    plain = count == 1 and bool((np.diff(begin) == 1).all()) and bool((weights == 1).all())
    return (
        first,
        last - first,
        Taps(
            np.ascontiguousarray(begin - first, np.int32),
            np.ascontiguousarray(weights.T, np.float32),
            plain,
        ),
    )
