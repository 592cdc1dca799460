"""Rule 7 over real streams: cut, spliced, reordered and with bits flipped, under each policy.

The contract that each run is held to is the fuzz target's: only promised errors, no wait without
end, no picture and no pts twice, order and account kept, and a clean stream decodes exactly in
the same session afterwards.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from random import Random
from types import FunctionType

import pytest

from fuzz import target
from fuzz.case import FRAME_CODECS, Case
from fuzz.mutate import MUTATIONS, flip_bits, splice, truncate
from fuzz.seeds import Seed, clips, join, load
from tests.backends.conftest import INEXACT, BackendCase, decodes, needs_decoder
from tests.conftest import PROFILE
from videohw.known_names import ON_ERROR

DEEP_ROUNDS = 40 if PROFILE == "deep" else 1
DAMAGES = {"cut": truncate, "spliced": splice, "flipped": flip_bits}
PARTS = 8


@functools.cache
def seeds() -> tuple[Seed, ...]:
    return load()


def damaged(rng: Random, seed: Seed, steps: Sequence[str]) -> Case:
    """A case of ``seed`` with these kinds of damage, and settings by chance."""
    units = list(seed.units)
    others = rng.choice([other for other in seeds() if other.codec == seed.codec]).units
    for step in steps:
        units = DAMAGES[step](rng, units, others) or units
    return Case(
        codec=seed.codec,
        layout="annexb",
        threads=rng.choice((1, None)),
        max_in_flight=rng.choice((1, 8)),
        clean_after=True,
        seed=rng.getrandbits(32),
        payload=join(seed.codec, units),
    )


@pytest.mark.parametrize("part", range(PARTS))
def test_every_stream_damaged_under_a_policy(backend: BackendCase, part: int) -> None:
    """Each stream meets two kinds of damage and two policies; all pairs meet on many streams."""
    for number, seed in enumerate(seeds()):
        if number % PARTS != part or not comparable(backend, seed.codec):
            continue
        for turn in range(2 * DEEP_ROUNDS):
            rng = Random(f"{seed.name} {turn}")
            at = (number // PARTS + turn) % len(DAMAGES)
            case = damaged(rng, seed, list(DAMAGES)[at : at + 1 + turn // 2])
            on_error = ON_ERROR[(number // PARTS + 2 * turn + turn // 2) % len(ON_ERROR)]
            run(replace(case, on_error=on_error), backend)


@pytest.mark.parametrize("codec", sorted({seed.codec for seed in clips()}))
@pytest.mark.parametrize("on_error", ON_ERROR)
def test_clips_of_the_other_codecs(backend: BackendCase, codec: str, on_error: str) -> None:
    needs_decoder(backend, codec)
    if not comparable(backend, codec):
        pytest.skip(f"{backend} decodes {codec} to other bits: its inverse transform is its own")
    (seed,) = (seed for seed in clips() if seed.codec == codec)
    for turn in range(6 * DEEP_ROUNDS):
        rng = Random(f"{codec} {on_error} {turn}")
        run(replace(damaged(rng, seed, [list(DAMAGES)[turn % 3]]), on_error=on_error), backend)


@pytest.mark.parametrize("mutation", sorted(set(MUTATIONS), key=lambda each: each.__name__))
def test_each_kind_of_damage(backend: BackendCase, mutation: FunctionType) -> None:
    rng = Random(mutation.__name__)
    for codec in filter(
        partial(comparable, backend), ("h264", "hevc", "av1", "mpeg2", *FRAME_CODECS)
    ):
        seed = rng.choice([seed for seed in seeds() if seed.codec == codec])
        units = mutation(rng, list(seed.units), seed.units) or list(seed.units)
        case = replace(damaged(rng, seed, []), payload=join(codec, units))
        run(replace(case, on_error=rng.choice(ON_ERROR)), backend)


def comparable(backend: BackendCase, codec: str) -> bool:
    """Whether clean streams come out of the backend as they come out of libavcodec."""
    return decodes(backend, codec) and (backend.exact_idct or codec not in INEXACT)


def run(case: Case, backend: BackendCase) -> None:
    try:
        target.run(case.to_bytes(), backend.name)
    except Exception as error:  # say which input it was, whatever came out
        raise AssertionError(f"{replace(case, payload=b'')!r} {case.payload.hex()}") from error
