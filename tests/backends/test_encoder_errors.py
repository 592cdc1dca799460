"""Errors of the software encoder: in their place, counted, and nothing else is lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.backends.encoding import PATIENCE_SECONDS, codec, encode
from videohw.encoder import Encoder
from videohw.errors import BackendError

__all__ = ["codec"]

FAST: dict[str, Any] = {"preset": "fastest", "fps": 30}
PICTURE = np.full((96, 64), 77, np.uint8)


def test_an_error_of_the_library_is_raised_in_its_place_and_the_session_goes_on(
    codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    av = pytest.importorskip("av", reason="PyAV is not installed")
    with Encoder(codec, 64, 64, low_latency=True, **FAST) as encoder:
        engine = encoder._session._engine  # type: ignore[attr-defined]
        real = engine._encode

        def failing(frame: Any) -> Iterator[Any]:
            if frame is not None and frame.pts == 2:
                raise av.error.ArgumentError(22, "Invalid argument", "avcodec_send_frame()")
            return real(frame)

        monkeypatch.setattr(engine, "_encode", failing)
        for _ in range(5):
            encoder.submit(PICTURE)
        got: list[Any] = []
        for _ in range(5):
            try:
                packet = encoder.reap_timeout(PATIENCE_SECONDS)
                assert packet is not None
                got.append(packet.pts)
            except BackendError as error:
                got.append((error.domain, error.name, error.code, error.call, error.fatal))
                message = str(error)
        failure = ("libavcodec", "EINVAL", -22, "avcodec_send_frame", False)
        assert "pts 2" in message
        assert got == [0, 1, failure, 3, 4]
        assert encoder.flush(PATIENCE_SECONDS) == []
        summary = encoder.summary()
    assert summary["reasons"] == {"error": 1}
    assert summary["submitted"] == summary["delivered"] + 1 == 5


def test_a_picture_that_the_library_drops_is_reported_with_its_pts(
    codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Encoder(codec, 64, 64, **FAST) as encoder:
        engine = encoder._session._engine  # type: ignore[attr-defined]

        class Dropping:
            """The library's context, but for the packet of one picture."""

            def __init__(self, context: Any) -> None:
                self._context = context

            def encode(self, frame: Any) -> Iterator[Any]:
                return (p for p in self._context.encode(frame) if p.pts != 3)

        monkeypatch.setattr(engine, "_context", Dropping(engine._context))
        for _ in range(6):
            encoder.submit(PICTURE)
        with pytest.raises(BackendError, match="no packet for pts 3"):
            encoder.flush(PATIENCE_SECONDS)
        packets = encoder.flush(PATIENCE_SECONDS)
        packets += encode(encoder, [PICTURE] * 4)
        summary = encoder.summary()
    assert [packet.pts for packet in packets] == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert all(packet.dts <= packet.pts for packet in packets)
    # The time of the lost picture is not carried on into the next stream.
    assert [packet.dts for packet in packets[5:]] == [6, 7, 8, 9]
    assert summary["reasons"] == {"dropped": 1}
    assert summary["submitted"] == summary["delivered"] + 1 == 10
