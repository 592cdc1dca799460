"""New inputs of old ones: damage as it happens to streams, and as nobody would expect it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import Final, TypeAlias

from videohw.known_names import ON_ERROR

from .case import FRAME_CODECS, LAYOUTS, MAX_PAYLOAD_BYTES, OUTPUTS, Case
from .seeds import Seed, join, split

Units: TypeAlias = list[bytes]

_MOST_STEPS: Final = 6
_HEAD_BYTES: Final = 40  # where headers and parameter sets have their fields
_PARSER_ONLY_SHARE: Final = 0.3
_INTERESTING: Final = (0, 1, 3, 0x7F, 0x80, 0xFE, 0xFF)


def fresh_case(rng: Random, seeds: Sequence[Seed]) -> Case:
    """A case of one or two seeds, damaged or now and then whole, under any settings."""
    codec = rng.choice(sorted({seed.codec for seed in seeds} | {"h264", "hevc"}))
    seed = rng.choice([each for each in seeds if each.codec == codec] or seeds)
    units = list(seed.units)
    if rng.random() < 0.25:  # a piece of it
        begin = rng.randrange(len(units))
        units = units[begin : begin + rng.randrange(1, 60)]
    same = [other for other in seeds if other.codec == seed.codec]
    for _ in range(rng.randrange(_MOST_STEPS)):
        units = rng.choice(MUTATIONS)(rng, list(units), rng.choice(same).units) or units
    return _settings(rng, Case(codec=seed.codec, payload=_payload(seed.codec, units)))


def mutated(rng: Random, case: Case, seeds: Sequence[Seed]) -> Case:
    """A case that was worth keeping, changed once more."""
    units = split(case.codec, case.payload) if case.codec not in FRAME_CODECS else None
    if units:
        same = [seed for seed in seeds if seed.codec == case.codec] or list(seeds)
        for _ in range(1 + rng.randrange(_MOST_STEPS)):
            units = rng.choice(MUTATIONS)(rng, list(units), rng.choice(same).units) or units
        case = replace(case, payload=_payload(case.codec, units))
    elif case.payload:
        case = replace(case, payload=_flipped(rng, case.payload, len(case.payload)))
    return _settings(rng, case) if rng.random() < 0.5 else case


def _payload(codec: str, units: Sequence[bytes]) -> bytes:
    return join(codec, units)[:MAX_PAYLOAD_BYTES]


def _settings(rng: Random, case: Case) -> Case:
    return replace(
        case,
        parser_only=rng.random() < _PARSER_ONLY_SHARE,
        on_error=rng.choice(ON_ERROR),
        output=rng.choice((*OUTPUTS, "native", "native")),
        threads=rng.choice((1, 1, None)),
        low_latency=rng.random() < 0.2,
        layout=rng.choice(LAYOUTS),
        max_in_flight=rng.choice((1, 2, 8, 16)),
        with_extradata=rng.random() < 0.1,
        clean_after=rng.random() < 0.3,
        seed=rng.getrandbits(32),
    )


# Mutations: (source of chance, units, units of another stream of the codec) -> units


def flip_bits(rng: Random, units: Units, _: Sequence[bytes]) -> Units:
    """Bits of one unit flipped, as by a bad line."""
    at = rng.randrange(len(units))
    units[at] = _flipped(rng, units[at], len(units[at]))
    return units


def flip_header_bits(rng: Random, units: Units, _: Sequence[bytes]) -> Units:
    """Bits of the first bytes of one unit: its type, a parameter set, a slice header."""
    at = rng.randrange(len(units))
    units[at] = _flipped(rng, units[at], _HEAD_BYTES)
    return units


def set_byte(rng: Random, units: Units, _: Sequence[bytes]) -> Units:
    """One byte made extreme."""
    at = rng.randrange(len(units))
    data = bytearray(units[at])
    if data:
        data[rng.randrange(min(len(data), 2 * _HEAD_BYTES))] = rng.choice(_INTERESTING)
    units[at] = bytes(data)
    return units


def truncate(rng: Random, units: Units, _: Sequence[bytes]) -> Units:
    """One unit cut short, at its end or at its beginning."""
    at = rng.randrange(len(units))
    keep = rng.randrange(len(units[at]) + 1)
    units[at] = units[at][:keep] if rng.random() < 0.8 else units[at][keep:]
    return units


def cut_tail(rng: Random, units: Units, _: Sequence[bytes]) -> Units:
    """The stream ends early."""
    return units[: rng.randrange(len(units)) + 1]


def cut_head(rng: Random, units: Units, _: Sequence[bytes]) -> Units:
    """The stream begins late."""
    return units[rng.randrange(len(units)) :]


def delete(rng: Random, units: Units, _: Sequence[bytes]) -> Units:
    """Units are lost."""
    at = rng.randrange(len(units))
    del units[at : at + 1 + rng.randrange(3)]
    return units


def duplicate(rng: Random, units: Units, _: Sequence[bytes]) -> Units:
    """A unit comes again, at once or later."""
    unit = rng.choice(units)
    for _number in range(rng.choice((1, 1, 2, 30))):
        units.insert(rng.randrange(len(units) + 1), unit)
    return units


def reorder(rng: Random, units: Units, _: Sequence[bytes]) -> Units:
    """Two units change places."""
    one, other = rng.randrange(len(units)), rng.randrange(len(units))
    units[one], units[other] = units[other], units[one]
    return units


def splice(rng: Random, units: Units, others: Sequence[bytes]) -> Units:
    """Another stream goes on from somewhere."""
    return units[: rng.randrange(len(units)) + 1] + list(others[rng.randrange(len(others)) :])


def insert_other(rng: Random, units: Units, others: Sequence[bytes]) -> Units:
    """A unit of another stream in between, such as its parameter sets."""
    at = rng.randrange(len(units) + 1)
    other = rng.choice(others[:8] if rng.random() < 0.5 else others)
    return [*units[:at], other, *units[at:]]


def damage_start_code(rng: Random, units: Units, _: Sequence[bytes]) -> Units:
    """A start code lost, longer, or where none belongs."""
    at = rng.randrange(len(units))
    unit = units[at]
    where = rng.randrange(len(unit) + 1)
    units[at] = rng.choice(
        (
            unit[4:], b"\0" * rng.randrange(1, 9) + unit, unit + b"\0\0\1", unit + b"\0\0\0",
            unit[:where] + b"\0\0\1" + unit[where:], unit[:where] + b"\0\0\3" + unit[where:],
        )
    )  # fmt: skip
    return units


def insert_bytes(rng: Random, units: Units, _: Sequence[bytes]) -> Units:
    """Bytes put in, which move all behind them: lengths no longer agree."""
    at = rng.randrange(len(units))
    where = rng.randrange(min(len(units[at]), 2 * _HEAD_BYTES) + 1)
    new = rng.choice((b"\0", b"\xff", b"\0\0\1", rng.randbytes(rng.randrange(1, 9))))
    units[at] = units[at][:where] + new * rng.choice((1, 1, 3, 200)) + units[at][where:]
    return units


def remove_bytes(rng: Random, units: Units, _: Sequence[bytes]) -> Units:
    """Bytes missing in the middle."""
    at = rng.randrange(len(units))
    where = rng.randrange(len(units[at]) + 1)
    units[at] = units[at][:where] + units[at][where + 1 + rng.randrange(16) :]
    return units


def edit_length(rng: Random, units: Units, _: Sequence[bytes]) -> Units:
    """A number in the first bytes a little more or less: sizes, counts, Exp-Golomb codes."""
    at = rng.randrange(len(units))
    data = bytearray(units[at])
    if data:
        where = rng.randrange(min(len(data), _HEAD_BYTES))
        data[where] = (data[where] + rng.choice((-16, -2, -1, 1, 2, 16, 64))) % 256
    units[at] = bytes(data)
    return units


def garbage(rng: Random, units: Units, _: Sequence[bytes]) -> Units:
    """A unit of chance bytes."""
    units.insert(rng.randrange(len(units) + 1), rng.randbytes(rng.randrange(1, 400)))
    return units


MUTATIONS: Final[tuple[Callable[[Random, Units, Sequence[bytes]], Units], ...]] = (
    flip_bits, flip_header_bits, flip_header_bits, set_byte, truncate, cut_tail, cut_head, delete,
    duplicate, reorder, splice, insert_other, damage_start_code, insert_bytes, remove_bytes,
    edit_length, garbage,
)  # fmt: skip


def _flipped(rng: Random, data: bytes, among: int) -> bytes:
    changed = bytearray(data)
    if changed:
        for _ in range(rng.choice((1, 1, 2, 8, 50))):
            changed[rng.randrange(min(len(changed), max(among, 1)))] ^= 1 << rng.randrange(8)
    return bytes(changed)
