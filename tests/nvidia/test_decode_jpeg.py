"""JPEG: mapping does not wait for its decoder, whose surface may hold the picture before."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tests.backends.coded_clips import decoded_by_libavcodec, packets
from tests.backends.decoding import PATIENCE_SECONDS
from tests.backends.nvidia import emulated_drivers
from tests.backends.oracle import canonical_bytes
from tests.backends.waiting import wait_for
from tests.emulators.control import Emulator
from tests.nvidia.decoding import release
from videohw.decoder import Decoder
from videohw.errors import BackendError, DeviceLost, SessionClosed
from videohw.nvidia import decoder as of_nvidia

POLLS = "VIDEOHW_EMULATOR_JPEG_POLLS"
FOR_EVER = str(10**12)


@pytest.fixture(autouse=True)
def decoding(driver: Emulator) -> Iterator[Emulator]:
    """The emulated drivers; everything that a test opens is given back."""
    lost = frozenset({"decoder", "pinned memory"})
    with emulated_drivers():
        driver.streams("late")
        driver.clear_faults()
        release(driver, lost)
        driver.forget()
        before = driver.open()
        yield driver
        driver.clear_faults()
        release(driver, frozenset(before))
        assert (driver.misuses(), driver.open()) == ([], before)


def opened(**arguments: object) -> Decoder:
    settings = {"backend": "nvidia", "max_in_flight": 64, **arguments}
    return Decoder("jpeg", **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("memory", ["host", "device"])
@pytest.mark.parametrize("polls", ["0", "1", "40"])
def test_every_picture_is_its_own(monkeypatch: pytest.MonkeyPatch, memory: str, polls: str) -> None:
    """Also where it is in work when its turn to be mapped comes."""
    monkeypatch.setenv(POLLS, polls)
    with opened(memory=memory) as decoder:
        for number, picture in enumerate(packets("jpeg")):
            decoder.submit(picture, number, layout="frame")
        frames = [frame.to_host() for frame in decoder.flush(PATIENCE_SECONDS)]
    assert [frame.corrupt for frame in frames] == [False] * len(frames)
    assert [canonical_bytes(frame) for frame in frames] == [
        picture for _, picture in decoded_by_libavcodec("jpeg")
    ]


def test_metadata_waits_for_nothing(monkeypatch: pytest.MonkeyPatch, decoding: Emulator) -> None:
    monkeypatch.setenv(POLLS, FOR_EVER)
    with opened(output="metadata") as decoder:
        for picture in packets("jpeg"):
            decoder.submit(picture, layout="frame")
        assert len(decoder.flush(PATIENCE_SECONDS)) == len(packets("jpeg"))
    assert "cuvidGetDecodeStatus" not in decoding.log()


def test_a_picture_that_stays_in_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an error in its place; the next ones get another decoder."""
    monkeypatch.setattr(of_nvidia, "DECODING_SECONDS", 0.05)
    monkeypatch.setenv(POLLS, FOR_EVER)
    first, *others = packets("jpeg")
    with opened() as decoder:
        decoder.submit(first, layout="frame")
        with pytest.raises(BackendError, match="too long") as caught:
            decoder.reap_timeout(PATIENCE_SECONDS)
        assert caught.value.call == "cuvidGetDecodeStatus"
        assert (caught.value.code, caught.value.name) == (1, "cuvidDecodeStatus_InProgress")
        assert not caught.value.fatal
        monkeypatch.setenv(POLLS, "2")
        for picture in others:
            decoder.submit(picture, layout="frame")
        frames = decoder.flush(PATIENCE_SECONDS)
        summary = decoder.summary()
    assert len(frames) == len(others)
    assert np.array_equal(
        np.frombuffer(canonical_bytes(frames[0]), np.uint8),
        np.frombuffer(decoded_by_libavcodec("jpeg")[1][1], np.uint8),
    )
    assert (summary["decoders_created"], summary["parsers"]) == (2, 2)


@pytest.mark.parametrize("how", ["close", "reset"])
def test_nobody_waits_for_a_picture_in_work(
    monkeypatch: pytest.MonkeyPatch, decoding: Emulator, how: str
) -> None:
    monkeypatch.setenv(POLLS, FOR_EVER)
    decoder = opened()
    decoder.submit(packets("jpeg")[0], layout="frame")
    wait_for(lambda: decoding.report()["calls"].get("cuvidGetDecodeStatus", 0) > 2)
    getattr(decoder, how)()
    if how == "reset":
        monkeypatch.setenv(POLLS, "1")
        decoder.submit(packets("jpeg")[1], 7, layout="frame")
        (frame,) = decoder.flush(PATIENCE_SECONDS)
        assert (frame.pts, canonical_bytes(frame)) == (7, decoded_by_libavcodec("jpeg")[1][1])
        decoder.close()
    with pytest.raises(SessionClosed):
        decoder.try_reap()
    assert decoding.report()["calls"].get("cuvidDestroyDecoder", 0) == 0  # it is kept


def test_a_decoder_that_is_stuck_is_told_within_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_nvidia, "STUCK_SECONDS", 0.1)
    monkeypatch.setenv(POLLS, FOR_EVER)
    decoder = opened()
    decoder.submit(packets("jpeg")[0], layout="frame")
    with pytest.raises(DeviceLost, match="did not come back"):
        decoder.reap_timeout(PATIENCE_SECONDS)
    decoder.close()


def test_a_status_that_fails(decoding: Emulator) -> None:
    decoding.fault("cuvidGetDecodeStatus", "fail", 1)
    with opened() as decoder:
        for picture in packets("jpeg")[:3]:
            decoder.submit(picture, layout="frame")
        with pytest.raises(BackendError) as caught:
            decoder.flush(PATIENCE_SECONDS)
        assert caught.value.call == "cuvidGetDecodeStatus"
        decoder.flush(PATIENCE_SECONDS)
