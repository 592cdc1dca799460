"""float16 by integer arithmetic, as the kernels make it, over all results that there are."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.kernels.host import HostRunner
from tests.kernels.memory import Array

FINITE = np.arange(65536, dtype=np.uint16).view(np.float16)
FINITE = FINITE[np.isfinite(FINITE)]


def bits(halves: Array) -> Array:
    return halves.view(np.uint16)


def rounded(floats: Array) -> Array:
    with np.errstate(over="ignore"):
        return floats.astype(np.float16)


def test_every_float16_is_itself(host: HostRunner) -> None:
    assert (bits(host.halves(FINITE.astype(np.float32))) == bits(FINITE)).all()


def test_the_middle_between_any_two_and_its_neighbours(host: HostRunner) -> None:
    ordered = np.sort(FINITE.astype(np.float32))
    middle = (ordered[:-1] + ordered[1:]) / 2
    for floats in (middle, np.nextafter(middle, np.inf), np.nextafter(middle, -np.inf)):
        found = host.halves(floats)
        assert (bits(found) == bits(rounded(floats.astype(np.float32)))).all()


def test_what_is_too_large_is_infinite(host: HostRunner) -> None:
    large = np.array([65504, 65519.996, 65520, 65536, 1e30, np.inf], np.float32)
    assert host.halves(large).tolist() == [65504, 65504, *[np.inf] * 4]
    assert host.halves(-large).tolist() == [-65504, -65504, *[-np.inf] * 4]


@given(st.lists(st.floats(allow_nan=False, width=32), min_size=1))
def test_any_float32(host: HostRunner, values: list[float]) -> None:
    floats = np.array(values, np.float32)
    assert (bits(host.halves(floats)) == bits(rounded(floats))).all()
