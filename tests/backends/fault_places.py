"""Which of the calls of a run the fault tests have fail."""

from __future__ import annotations

from tests.conftest import PROFILE


def places(count: int, *, neighbours: bool = True) -> list[int]:
    """Numbers of the calls that fail, in turn, of ``count``: the first, one in the middle, the
    last, with ``neighbours`` also those beside them; all of them by the deep profile."""
    if PROFILE == "deep":
        return list(range(1, count + 1))
    chosen = {1, count // 2 + 1, count}
    if neighbours:
        chosen |= {2, count // 2, count - 1}
    return sorted(chosen & set(range(1, count + 1)))
