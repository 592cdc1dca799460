"""The typed snapshot, its merging, and its forms: dict, log line, Prometheus text."""

from __future__ import annotations

import json
import logging
import math
import pickle
from dataclasses import FrozenInstanceError, fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.metrics.scraping import samples
from videohw.errors import InvalidInput
from videohw.metrics import Histogram, SessionMetrics, log, merge, prometheus

MS = 1_000_000


def seen(unit: Any, *values: int) -> Any:
    histogram = Histogram(unit)
    histogram.extend(values)
    return histogram.snapshot()


def full(**changes: Any) -> SessionMetrics:
    """A snapshot in which every field was measured."""
    known: dict[str, Any] = {
        "direction": "decode", "codec": "h264", "backend": "software", "enabled": True,
        "submitted": 12, "delivered": 9, "reasons": {"rasl": 2, "skipped": 1}, "ready": 1,
        "queued_bytes": 50, "fallbacks": 1, "submit_calls": 5, "backpressure": 2, "errors": 3,
        "keyframes": 4, "pool_hits": 7, "bytes_in": 1000, "bytes_out": 90_000,
        "copied_bytes": {"input": 1000, "feed": 900},
        "stages": {"submit": seen("seconds", 1 * MS, 3 * MS), "code": seen("seconds", 5 * MS)},
        "latency": seen("seconds", 4 * MS), "arrival_jitter": seen("seconds", 2 * MS),
        "depths": {"ready": seen("items", 0, 2), "queued_bytes": seen("bytes", 100)},
    }  # fmt: skip
    return SessionMetrics(**(known | changes))


def bare(**changes: Any) -> SessionMetrics:
    """What a session with metrics off gives."""
    known: dict[str, Any] = {
        "direction": "encode", "codec": "hevc", "backend": "software", "enabled": False,
        "submitted": 3,
    }  # fmt: skip
    return SessionMetrics(**(known | changes))


def value(text: str, name: str, **labels: str) -> float:
    own = {"direction": "decode", "codec": "h264", "backend": "software"}
    return samples(text)[f"videohw_{name}", frozenset((own | labels).items())]


# Immutable


@pytest.mark.parametrize("name", [each.name for each in fields(SessionMetrics)])
def test_no_field_can_be_set(name: str) -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(full(), name, None)


def test_mappings_are_copies_that_cannot_be_changed() -> None:
    reasons = {"rasl": 1}
    snapshot = full(reasons=reasons)
    reasons["rasl"] = 5
    assert snapshot.reasons == {"rasl": 1}
    for mapping in (snapshot.reasons, snapshot.copied_bytes, snapshot.stages, snapshot.depths):
        with pytest.raises(TypeError):
            mapping["more"] = 1  # type: ignore[index]


@pytest.mark.parametrize("snapshot", [full(), bare()], ids=["full", "bare"])
def test_a_snapshot_survives_pickling(snapshot: SessionMetrics) -> None:
    assert pickle.loads(pickle.dumps(snapshot)) == snapshot


# Merging


def test_merging_adds_counts_and_joins_distributions() -> None:
    one = full()
    other = full(
        submitted=100, reasons={"rasl": 1, "reset": 4}, pool_hits=None,
        stages={"submit": seen("seconds", 2 * MS), "drain": seen("seconds", 1 * MS)},
    )  # fmt: skip
    both = merge([one, other])
    assert both.labels == one.labels
    assert (both.submitted, both.bytes_in, both.pool_hits) == (112, 2000, 7)
    assert both.reasons == {"rasl": 3, "skipped": 1, "reset": 4}
    assert both.stages["submit"] == seen("seconds", 1 * MS, 3 * MS, 2 * MS)
    assert set(both.stages) == {"submit", "code", "drain"}
    assert both.latency.count == 2


def test_merging_keeps_what_nobody_measured_unmeasured() -> None:
    both = merge([bare(), bare()])
    assert (both.submitted, both.bytes_in, both.enabled) == (6, None, False)
    assert not both.latency.count


def test_merging_one_changes_nothing() -> None:
    assert merge([full()]) == full()


@pytest.mark.parametrize("snapshots", [[], [full(), bare()], [full(), full(codec="av1")]])
def test_only_sessions_of_one_kind_merge(snapshots: list[SessionMetrics]) -> None:
    with pytest.raises(InvalidInput) as caught:
        merge(snapshots)
    assert caught.value.argument == "snapshots"


# Forms


@pytest.mark.parametrize("snapshot", [full(), bare()], ids=["full", "bare"])
def test_the_dict_has_every_field_and_is_ready_for_json(snapshot: SessionMetrics) -> None:
    known = snapshot.as_dict()
    assert list(known) == [each.name for each in fields(SessionMetrics)]
    assert json.loads(json.dumps(known, allow_nan=False)) == known


def test_the_dict_is_in_base_units() -> None:
    known = full().as_dict()
    assert known["stages"]["submit"]["unit"] == "seconds"
    assert known["stages"]["submit"]["max"] == 0.003
    assert known["latency"]["mean"] == 0.004
    assert known["depths"]["queued_bytes"]["max"] == 100


def test_the_log_line_is_one_line_of_pairs() -> None:
    line = full().log_line()
    assert "\n" not in line
    pairs = dict(pair.split("=") for pair in line.split(" "))
    assert pairs["submitted"] == "12"
    assert pairs["reason_rasl"] == "2"
    assert pairs["copied_feed"] == "900"
    assert pairs["submit_max_ms"] == "3.000"
    assert pairs["depth_ready_max"] == "2"
    assert {f"latency_{name}_ms" for name in ("p50", "p95", "p99", "max")} <= set(pairs)


def test_the_log_line_leaves_out_what_was_not_measured() -> None:
    line = bare().log_line()
    assert line == (
        "direction=encode codec=hevc backend=software submitted=3 delivered=0 fallbacks=0"
    )


def test_the_prometheus_text_says_what_the_snapshot_says() -> None:
    text = full().prometheus()
    assert value(text, "pictures_submitted_total") == 12
    assert value(text, "pictures_without_output_total", reason="rasl") == 2
    assert value(text, "pool_hits_total") == 7
    assert value(text, "copied_bytes_total", place="feed") == 900
    assert value(text, "ready_outputs") == 1
    assert value(text, "stage_seconds_sum", stage="submit") == 0.004
    assert value(text, "stage_seconds_count", stage="submit") == 2
    assert value(text, "stage_seconds", stage="code", quantile="0.99") == 0.005
    assert value(text, "latency_seconds_max") == 0.004
    assert value(text, "queue_depth_max", queue="ready") == 2
    assert value(text, "queue_depth_bytes_sum", queue="queued_bytes") == 100


def test_the_prometheus_text_leaves_out_what_was_not_measured() -> None:
    names = {name for name, _ in samples(bare().prometheus())}
    assert names == {
        f"videohw_{name}"
        for name in (
            "pictures_submitted_total", "outputs_delivered_total", "fallbacks_total",
            "ready_outputs", "queued_bytes",
        )
    }  # fmt: skip


def test_one_text_for_many_sessions_declares_each_metric_once() -> None:
    text = prometheus([full(), bare(), full(delivered=1), full(codec="hevc")])
    declared = [line for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(declared) == len(set(declared))
    assert value(text, "outputs_delivered_total") == 10
    assert value(text, "outputs_delivered_total", codec="hevc") == 9
    assert value(text, "pictures_submitted_total", direction="encode", codec="hevc") == 3


def test_no_session_is_an_empty_text() -> None:
    assert prometheus([]) == ""


@given(st.text(st.characters(codec="utf-8"), max_size=20))
def test_any_label_value_is_escaped(text: str) -> None:
    found = samples(full().prometheus({"camera": text}))
    assert {dict(labels)["camera"] for _, labels in found} == {text}


@pytest.mark.parametrize("name", ["", "1st", "a-b", "__own", "codec", "stage", "quantile", 5])
def test_a_label_must_have_a_name_of_its_own(name: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        full().prometheus({name: "x"})
    assert caught.value.argument == "labels"


def test_a_label_value_is_text() -> None:
    with pytest.raises(InvalidInput):
        full().prometheus({"camera": 5})  # type: ignore[dict-item]


# The log


@pytest.fixture
def quiet_logging(monkeypatch: pytest.MonkeyPatch) -> logging.Logger:
    """The logger as in a program that never configured logging."""
    logger = logging.getLogger("videohw.metrics")
    monkeypatch.setattr(logger, "propagate", False)
    monkeypatch.setattr(logger, "handlers", [])
    return logger


def test_a_configured_logger_gets_the_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "videohw.metrics"):
        log("flush", full, to_stderr=True)
    assert [record.getMessage() for record in caplog.records] == [
        f"event=flush {full().log_line()}"
    ]


def test_without_logging_the_line_is_on_stderr_when_that_was_asked(
    quiet_logging: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    log("close", full, to_stderr=True)
    assert capsys.readouterr().err == f"videohw.metrics event=close {full().log_line()}\n"


def test_without_logging_nothing_is_made_for_nobody(
    quiet_logging: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    log("close", lambda: pytest.fail("nobody reads it"), to_stderr=False)
    assert capsys.readouterr().err == ""


def test_a_reader_that_is_gone_is_no_error(
    quiet_logging: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Gone:
        def write(self, text: str) -> None:
            raise BrokenPipeError

    for stderr in (Gone(), None):
        monkeypatch.setattr("sys.stderr", stderr)
        log("close", full, to_stderr=True)


def test_no_number_is_infinite_or_missing() -> None:
    assert all(math.isfinite(number) for number in samples(full().prometheus()).values())
