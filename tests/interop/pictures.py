"""What the interop tests decode: a few smooth pictures whose RGB is known."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

import videohw

WIDTH, HEIGHT, COUNT = 96, 64, 4


@cache
def rgb_pictures() -> tuple[npt.NDArray[np.uint8], ...]:
    """(HEIGHT, WIDTH, 3) each: slow ramps, which 4:2:0 and a codec keep."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    return tuple(
        np.stack([40 + columns, 60 + 2 * rows, np.full_like(rows, 50 + 30 * number)], -1).astype(
            np.uint8
        )
        for number in range(COUNT)
    )


@cache
def coded() -> bytes:
    """The pictures in H.264, nearly without loss."""
    return encoded(rgb_pictures(), "rgb24")


def encoded(pictures: Any, form: str) -> bytes:
    """What the encoder makes of ``pictures``, given in the form ``form``."""
    quality = videohw.ConstantQp(4)
    with videohw.Encoder(
        "h264", WIDTH, HEIGHT, fps=25, input=form, rate_control=quality
    ) as encoder:
        for picture in pictures:
            encoder.submit(picture, timeout=30)
        return b"".join(packet.data for packet in encoder.flush())


def decoded(output: str, data: bytes | None = None) -> list[videohw.Frame]:
    """The frames of ``data``, of :func:`coded` unless given."""
    with videohw.Decoder("h264", output=output) as decoder:
        decoder.submit(coded() if data is None else data)
        return decoder.flush()


def assert_close(one: Any, other: Any, most: int, mean: float) -> None:
    """Two uint8 pictures differ by at most ``most`` anywhere and ``mean`` on average."""
    difference = np.abs(np.asarray(one).astype(np.int16) - np.asarray(other))
    assert difference.max() <= most
    assert difference.mean() <= mean
