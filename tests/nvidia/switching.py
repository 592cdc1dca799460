"""Runs of an encoder on the emulated NVENC with session switches in them."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from tests.nvidia.encoding import (
    HEIGHT,
    PATIENCE_SECONDS,
    WIDTH,
    check_pictures,
    check_times,
    picture,
)
from videohw import Encoder, SwitchMode, SwitchRequest
from videohw.errors import Backpressure, VideoHwError
from videohw.types import ConstantBitrate, Packet


def opened(**given: Any) -> Encoder:
    settings = {"rate_control": ConstantBitrate(400_000), "codec": "h264", **given}
    return Encoder(width=WIDTH, height=HEIGHT, fps=30, backend="nvidia", **settings)


def encoded(
    encoder: Encoder, count: int, requests: dict[int, SwitchRequest], forced: set[int] | None = None
) -> tuple[list[Packet], list[VideoHwError]]:
    """Packets and errors of ``count`` pictures, with requests before some of them."""
    packets: list[Packet] = []
    errors: list[VideoHwError] = []
    for number in range(count):
        if number in requests:
            encoder.request_session_switch(requests[number])
        submit(encoder, number, number in (forced or ()), packets, errors)
        while (packet := taken(encoder, errors)) is not None:
            packets.append(packet)
    while True:
        try:
            return [*packets, *encoder.flush(PATIENCE_SECONDS)], errors
        except VideoHwError as error:
            errors.append(error)


def submit(
    encoder: Encoder, number: int, forced: bool, packets: list[Packet], errors: list[VideoHwError]
) -> None:
    given = picture(number, encoder.width, encoder.height)
    while True:
        packet = taken(encoder, errors)  # who reaped last does not wait for itself
        packets += [] if packet is None else [packet]
        with suppress(Backpressure):
            encoder.submit(given, number, force_keyframe=forced, timeout=PATIENCE_SECONDS)
            return


def taken(encoder: Encoder, errors: list[VideoHwError]) -> Packet | None:
    while True:
        try:
            return encoder.try_reap()
        except VideoHwError as error:
            errors.append(error)


def check(packets: list[Packet], count: int, codec: str = "h264") -> None:
    assert sorted(each.pts for each in packets) == list(range(count))
    check_times(packets)
    check_pictures(packets, codec, {pts: pts for pts in range(count)})


def encoded_from(
    encoder: Encoder, first: int, count: int, request: SwitchRequest
) -> tuple[list[Packet], list[VideoHwError]]:
    """All packets and errors, of ``count`` more pictures behind ``request`` and of those before."""
    encoder.request_session_switch(request)
    packets: list[Packet] = []
    errors: list[VideoHwError] = []
    for number in range(first, first + count):
        submit(encoder, number, False, packets, errors)
    while True:
        try:
            return [*packets, *encoder.flush(PATIENCE_SECONDS)], errors
        except VideoHwError as error:
            errors.append(error)


def switched_at_the_next_keyframe(encoder: Encoder, numbers: Iterable[int]) -> list[Packet]:
    """The packets of pictures by their number, ten units of pts apart, behind such a request."""
    rate = SwitchRequest({"rate_control": ConstantBitrate(200_000)}, SwitchMode.ON_NEXT_KEYFRAME)
    encoder.request_session_switch(rate)
    size = encoder.width, encoder.height
    return list(encoder.encode((picture(number, *size), 10 * number) for number in numbers))
