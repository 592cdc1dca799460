"""An encoder session from its opening to its end, as the fault tests run it again and again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tests.backends.told import Told
from videohw import Encoder, SwitchRequest
from videohw.errors import SessionClosed, VideoHwError
from videohw.types import Packet

PATIENCE_SECONDS = 60.0


@dataclass
class Outcome(Told):
    """What came of a run, in order."""

    packets: list[Packet] = field(default_factory=list)


def run_encoder(
    opened: Callable[[], Encoder],
    picture: Callable[[int], Any],
    pictures: int,
    switches: Sequence[tuple[int, dict[str, Any]]] = (),
) -> Outcome:
    """Open, encode, flush, encode again, flush, close. ``switches``: before which picture what
    changes."""
    outcome = Outcome()
    try:
        with opened() as encoder:
            for numbers in (range(pictures // 2), range(pictures // 2, pictures)):
                _submitted(encoder, picture, numbers, switches, outcome)
                _flushed(encoder, outcome)
            outcome.summary = encoder.summary()
    except VideoHwError as error:  # of opening
        outcome.add(error)
    return outcome


def _submitted(
    encoder: Encoder,
    picture: Callable[[int], Any],
    numbers: range,
    switches: Sequence[tuple[int, dict[str, Any]]],
    outcome: Outcome,
) -> None:
    for number in numbers:
        for before, changes in switches:
            if before == number:
                try:
                    encoder.request_session_switch(SwitchRequest(changes))
                except SessionClosed:
                    return
                except VideoHwError as error:
                    outcome.add(error)
        try:
            encoder.submit(picture(number), number)
        except SessionClosed:  # after an error that ended the session
            return
        except VideoHwError as error:
            outcome.add(error)


def _flushed(encoder: Encoder, outcome: Outcome) -> None:
    while not outcome.fatal:
        try:
            outcome.packets += encoder.flush(PATIENCE_SECONDS)
            return
        except VideoHwError as error:
            outcome.add(error)
    with suppress(SessionClosed):
        while (packet := encoder.try_reap()) is not None:
            outcome.packets.append(packet)
