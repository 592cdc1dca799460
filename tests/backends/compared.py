"""Frames of a backend, compared with conversions on the CPU of what software decodes."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from tests.backends.conftest import BackendCase
from tests.backends.decoding import assert_account, decode_bytes
from tests.corpus import stream
from videohw.decoder import Decoder
from videohw.frame import Frame
from videohw.pixel_format import FORMATS

EVERY = 5  # so many pictures are decoded for one that is compared


@functools.cache
def by_software(name: str) -> tuple[Frame, ...]:
    each = stream(name)
    return tuple(decode_bytes(Decoder(each.codec, backend="software"), each.read()).frames)


def decoded(backend: BackendCase, name: str, **arguments: Any) -> list[Frame]:
    each = stream(name)
    got = decode_bytes(backend.decoder(each.codec, **arguments), each.read())
    assert got.errors == []
    assert_account(got.summary)
    assert len(got.frames) == each.frames
    return got.frames


def assert_alike(frames: list[Frame], name: str, output: str, **request: Any) -> None:
    """Some of the frames are what the CPU makes of those of software."""
    for frame, native in list(zip(frames, by_software(name), strict=True))[::EVERY]:
        assert_close(frame, native.convert(output, **request), output)


def assert_close(frame: Frame, right: Frame, output: str, codes: int = 1) -> None:
    """The same frame but for its memory, each sample within one code value, or so many."""
    assert (frame.format, frame.width, frame.height) == (output, right.width, right.height)
    assert (frame.pts, frame.color.matrix) == (right.pts, right.color.matrix)
    assert frame.sample_aspect_ratio == right.sample_aspect_ratio
    layout = FORMATS[output]
    bound = 1.01 / 255
    if np.dtype(layout.dtype).kind != "f":
        bound = float(codes << layout.shift)
    elif output == "rgb_float16":
        bound += 1e-3
    for plane, exact in zip(frame.planes, right.planes, strict=True):
        difference = np.abs(np.asarray(plane, np.float64) - np.asarray(exact, np.float64))
        assert difference.max() <= bound
