"""Rule 10: metrics are data, exact where something is counted, and off costs no meaning."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from time import perf_counter
from typing import Any

import pytest

from tests.backends.conftest import BackendCase
from tests.backends.decoding import PATIENCE_SECONDS, outputs
from tests.backends.encoding import HEIGHT, WIDTH, nv12_pictures
from tests.backends.pcm import PcmStream, gray_units, joined
from tests.backends.waiting import wait_for
from tests.metrics.scraping import samples
from videohw.environment import PREFIXES
from videohw.errors import Backpressure, InvalidInput, VideoHwError
from videohw.metrics import SessionMetrics, merge, prometheus

PICTURES = 6
Switch = Callable[[str | None], None]


@pytest.fixture
def switch(backend: BackendCase, monkeypatch: pytest.MonkeyPatch) -> Switch:
    """Sets the METRICS switch of the backend; None takes it away, which is how a test begins."""
    name = f"{PREFIXES[backend.name]}METRICS"
    monkeypatch.delenv(name, raising=False)
    return lambda text: (
        monkeypatch.setenv(name, text) if text is not None else monkeypatch.delenv(name, False)
    )


@pytest.fixture
def unconfigured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Logging as in a program that never configured it."""
    logger = logging.getLogger("videohw.metrics")
    monkeypatch.setattr(logger, "propagate", False)
    monkeypatch.setattr(logger, "handlers", [])


def counts(metrics: SessionMetrics) -> dict[str, int]:
    """How often each stage was timed, with latency."""
    return {**{name: seen.count for name, seen in metrics.stages.items()},
            "latency": metrics.latency.count}  # fmt: skip


# Known workloads


def test_a_known_decode_is_counted_exactly(backend: BackendCase) -> None:
    units = gray_units(PICTURES)
    with backend.decoder("h264", metrics=True, max_in_flight=100) as decoder:
        for number, unit in enumerate(units):
            decoder.submit(unit, pts=number, layout="access_unit", timeout=PATIENCE_SECONDS)
        frames = decoder.flush(PATIENCE_SECONDS)
        known = decoder.metrics()
    assert (known.direction, known.codec, known.backend) == ("decode", "h264", backend.name)
    assert known.enabled
    assert (known.submitted, known.delivered, known.submit_calls) == (PICTURES,) * 3
    assert (known.backpressure, known.errors, known.reasons) == (0, 0, {})
    assert known.keyframes == sum(frame.keyframe for frame in frames)
    assert known.bytes_in == sum(len(nal) for unit in units for nal in unit)
    assert known.bytes_out == sum(plane.nbytes for frame in frames for plane in frame.planes)
    mapped = {"convert": PICTURES} if backend.has_device else {}
    assert counts(known) == {
        "submit": PICTURES, "parse": PICTURES, "queue": PICTURES, "code": PICTURES, **mapped,
        "drain": 1, "reap": PICTURES, "latency": PICTURES,
    }  # fmt: skip
    # Without a time base each spacing is compared with the one before.
    assert known.arrival_jitter.count == PICTURES - 2
    assert known.copied_bytes["input"] == known.bytes_in
    assert known.copied_bytes["feed"] >= known.bytes_in  # start codes were added
    assert known.copied_bytes["convert"] == 0


def test_a_converted_output_is_a_copy(backend: BackendCase) -> None:
    with backend.decoder("h264", metrics=True, output="rgb24", max_in_flight=100) as decoder:
        for unit in gray_units(2):
            decoder.submit(unit, layout="access_unit", timeout=PATIENCE_SECONDS)
        (frame, _) = decoder.flush(PATIENCE_SECONDS)
        known = decoder.metrics()
    assert known.bytes_out == known.copied_bytes["convert"] == 2 * frame.planes[0].nbytes


def test_a_known_encode_is_counted_exactly(backend: BackendCase) -> None:
    with backend.encoder("h264", WIDTH, HEIGHT, metrics=True, max_in_flight=100) as encoder:
        for picture in nv12_pictures(PICTURES):
            encoder.submit(picture)
        packets = encoder.flush(PATIENCE_SECONDS)
        known = encoder.metrics()
    assert (known.direction, known.codec, known.backend) == ("encode", "h264", backend.name)
    assert (known.submitted, known.delivered, known.submit_calls) == (PICTURES,) * 3
    assert (known.backpressure, known.errors, known.reasons) == (0, 0, {})
    assert known.keyframes == sum(packet.keyframe for packet in packets) == 1
    assert known.bytes_out == sum(len(packet) for packet in packets)
    assert known.bytes_in == PICTURES * WIDTH * HEIGHT * 3 // 2
    assert counts(known) == {
        "submit": PICTURES, "stage": PICTURES, "queue": PICTURES, "code": PICTURES,
        "drain": 1, "reap": PICTURES, "latency": PICTURES,
    }  # fmt: skip
    assert known.arrival_jitter.count == PICTURES - 1  # against the pts
    assert known.copied_bytes["input"] == known.bytes_in
    assert known.copied_bytes["output"] == known.bytes_out


def test_a_picture_whose_push_is_repeated_is_staged_once(
    backend: BackendCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    with backend.encoder("h264", WIDTH, HEIGHT, metrics=True) as encoder:
        session = encoder._session
        push = session.push_into
        answers = iter([False, True])  # a flush by another thread came between
        monkeypatch.setattr(session, "push_into", lambda *items: next(answers) and push(*items))
        encoder.submit(next(iter(nv12_pictures(1))))
        assert len(encoder.flush(PATIENCE_SECONDS)) == 1
        known = counts(encoder.metrics())
    assert (known["submit"], known["stage"], known["queue"]) == (1, 1, 1)


def test_times_lie_within_those_of_the_whole_run(backend: BackendCase) -> None:
    """Every stage of every picture fits between the first call and the last return."""
    with backend.decoder("h264", metrics=True, max_in_flight=100) as decoder:
        began = perf_counter()
        for unit in gray_units(PICTURES):
            decoder.submit(unit, layout="access_unit", timeout=PATIENCE_SECONDS)
        decoder.flush(PATIENCE_SECONDS)
        elapsed = perf_counter() - began
        known = decoder.metrics()
    times = {**known.stages, "latency": known.latency}
    assert all((seen.min or 0) >= 0 and (seen.max or 0) <= elapsed for seen in times.values())
    assert known.stages["submit"].sum <= elapsed
    assert known.stages["parse"].sum <= known.stages["submit"].sum
    assert known.stages["code"].sum + known.stages["drain"].sum <= elapsed
    assert known.latency.sum > 0


def test_refused_calls_are_backpressure(backend: BackendCase) -> None:
    units = gray_units(20)
    with backend.decoder("h264", metrics=True, max_in_flight=1) as decoder:
        decoder.submit(joined(units))
        wait_for(lambda: decoder.metrics().ready == 1)
        for _ in range(3):
            with pytest.raises(Backpressure):
                decoder.submit(b"\0\0\1")
        with pytest.raises(Backpressure):
            decoder.submit(b"\0\0\1", timeout=0.01)
        decoder.flush(PATIENCE_SECONDS)
        known = decoder.metrics()
    assert (known.backpressure, known.submit_calls) == (4, 1)
    assert known.bytes_in == len(joined(units))


def test_errors_and_drops_by_reason_are_those_of_the_account(backend: BackendCase) -> None:
    """Pictures without a reference, and bytes that are no sample."""
    coded = PcmStream()
    calls: list[dict[str, Any]] = [
        {"data": unit, "layout": "access_unit"} for unit in gray_units(3, coded)
    ]
    calls[1:1] = [{"data": b"\0\0\0\x09a", "layout": "length_prefixed"}]
    with backend.decoder("h264", metrics=True) as decoder:
        decoder.submit([coded.picture(9, poc=2)], layout="access_unit")
        came = list(outputs(decoder, calls))
        known, summary = decoder.metrics(), decoder.summary()
    raised = sum(isinstance(each, VideoHwError) for each in came)
    assert known.errors == raised > 0
    assert known.reasons == summary["reasons"]
    assert sum(known.reasons.values()) >= 2
    assert known.submitted == known.delivered + sum(known.reasons.values())


# Switches


@pytest.mark.parametrize(
    ("argument", "environment", "enabled"),
    [
        (None, None, False), (None, "1", True), (None, "TRUE", True), (None, "0", False),
        (True, None, True), (True, "0", True), (False, "1", False),
    ],
)  # fmt: skip
def test_an_argument_wins_over_the_environment(
    backend: BackendCase,
    switch: Switch,
    unconfigured: None,
    argument: bool | None,
    environment: str | None,
    enabled: bool,
) -> None:
    switch(environment)
    with backend.decoder("h264", metrics=argument) as decoder:
        switch("0" if enabled else "1")  # read once, at opening
        assert decoder.metrics().enabled is enabled
    switch(environment)
    with backend.encoder("h264", WIDTH, HEIGHT, metrics=argument) as encoder:
        assert encoder.metrics().enabled is enabled


@pytest.mark.parametrize("wrong", [1, "yes", 0.5])
def test_metrics_is_a_bool_or_none(backend: BackendCase, wrong: Any) -> None:
    for opening in (
        lambda: backend.decoder("h264", metrics=wrong),
        lambda: backend.encoder("h264", WIDTH, HEIGHT, metrics=wrong),
    ):
        with pytest.raises(InvalidInput) as caught:
            opening()
        assert caught.value.argument == "metrics"


def test_off_is_the_account_and_nothing_that_looks_measured(
    backend: BackendCase, switch: Switch
) -> None:
    with backend.decoder("h264") as decoder:
        for unit in gray_units(2):
            decoder.submit(unit, layout="access_unit", timeout=PATIENCE_SECONDS)
        decoder.flush(PATIENCE_SECONDS)
        known = decoder.metrics()
    assert (known.enabled, known.submitted, known.delivered) == (False, 2, 2)
    assert not known.distributions
    assert set(known.counters) == {"submitted", "delivered", "fallbacks"}
    assert known.bytes_in is None
    assert known.latency.p99 is None


# Views


def test_the_switch_writes_a_line_for_each_flush_and_for_closing(
    backend: BackendCase,
    switch: Switch,
    unconfigured: None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    switch("1")
    with backend.decoder("h264", max_in_flight=100) as decoder:
        for unit in gray_units(2):
            decoder.submit(unit, layout="access_unit", timeout=PATIENCE_SECONDS)
        decoder.flush(PATIENCE_SECONDS)
        list(decoder)
        decoder.close()
    with backend.encoder("h264", WIDTH, HEIGHT) as encoder:
        encoder.flush(PATIENCE_SECONDS)
        list(encoder)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[1:3] for line in lines] == [
        [f"event={event}", f"direction={direction}"]
        for direction in ("decode", "encode")
        for event in ("flush", "flush", "close")
    ]
    assert all("submitted=2 delivered=2" in line for line in lines[:3])


def test_an_argument_alone_writes_to_the_logger_only(
    backend: BackendCase,
    switch: Switch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with backend.decoder("h264", metrics=True):
        pass
    assert not caplog.records
    with caplog.at_level(logging.INFO, "videohw.metrics"):
        with backend.decoder("h264", metrics=True):
            pass
        with backend.decoder("h264", metrics=False):
            pass
    assert [record.name for record in caplog.records] == ["videohw.metrics"]
    assert capsys.readouterr().err == ""


def test_a_program_sees_the_line_without_configuring_anything(backend: BackendCase) -> None:
    program = f"import videohw\nvideohw.Decoder('h264', backend={backend.name!r}).close()\n"
    said = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True, text=True, timeout=60, check=True,
        env={**os.environ, f"{PREFIXES[backend.name]}METRICS": "true"},
    )  # fmt: skip
    assert said.stderr.startswith("videohw.metrics event=close direction=decode codec=h264 ")
    assert len(said.stderr.splitlines()) == 1


def test_metrics_can_be_read_by_any_thread_while_pictures_pass(backend: BackendCase) -> None:
    stop = threading.Event()
    seen: list[SessionMetrics] = []

    with backend.decoder("h264", metrics=True) as decoder:

        def watch() -> None:
            while not stop.is_set():
                seen.append(decoder.metrics())
                seen[-1].prometheus()

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            frames = list(decoder.decode(gray_units(40), layout="access_unit"))
        finally:
            stop.set()
            watcher.join()
    final = decoder.metrics()  # a closed session keeps what it counted
    assert len(frames) == final.delivered == final.stages["reap"].count == 40
    for earlier, later in zip(seen, [*seen[1:], final], strict=True):
        assert earlier.delivered <= later.delivered
        assert earlier.latency.count <= later.latency.count
        assert (earlier.bytes_in or 0) <= (later.bytes_in or 0)


def test_sessions_are_scraped_together(backend: BackendCase) -> None:
    measured = []
    for pictures in (2, 3):
        with backend.decoder("h264", metrics=True, max_in_flight=100) as decoder:
            for unit in gray_units(pictures):
                decoder.submit(unit, layout="access_unit", timeout=PATIENCE_SECONDS)
            decoder.flush(PATIENCE_SECONDS)
            measured.append(decoder.metrics())
    labels = frozenset(
        {"direction": "decode", "codec": "h264", "backend": backend.name, "host": "a"}.items()
    )
    found = samples(prometheus(measured, {"host": "a"}))
    assert found["videohw_outputs_delivered_total", labels] == 5
    assert found["videohw_latency_seconds_count", labels] == 5
    assert merge(measured).delivered == 5
