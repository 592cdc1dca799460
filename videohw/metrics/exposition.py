"""The text exposition format of Prometheus (version 0.0.4).

Owns: names, help texts and labels of the exported metrics. Base units throughout: seconds, bytes.
Must not know: what a snapshot is beyond the fields that it names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from ..errors import InvalidInput
from .histogram import QUANTILES, Distribution, Unit

PREFIX: Final = "videohw_"
_LABEL_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_OWN_LABELS: Final = (
    "direction",
    "codec",
    "backend",
    "stage",
    "reason",
    "place",
    "queue",
    "quantile",
)
_ESCAPES: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


@dataclass(frozen=True, slots=True)
class _Family:
    """One exported metric: ``field`` of a snapshot, and the label that tells its entries apart.

    Of a field with distributions of several units, those of ``unit``.
    """

    field: str
    name: str
    kind: Literal["counter", "gauge", "summary"]
    help: str
    label: str | None = None
    unit: Unit | None = None


_FAMILIES: Final = (
    _Family("submitted", "pictures_submitted_total", "counter", "Pictures submitted."),
    _Family("delivered", "outputs_delivered_total", "counter", "Frames or packets handed out."),
    _Family("reasons", "pictures_without_output_total", "counter",
            "Pictures that ended without output, by reason.", "reason"),
    _Family("submit_calls", "submit_calls_total", "counter", "Calls of submit that were taken."),
    _Family("backpressure", "backpressure_total", "counter",
            "Calls of submit that were refused because a limit was reached."),
    _Family("errors", "errors_total", "counter", "Errors raised in the place of an output."),
    _Family("keyframes", "keyframes_total", "counter", "Keyframes among the outputs."),
    _Family("fallbacks", "fallbacks_total", "counter",
            "Preferred backends that could not be taken."),
    _Family("pool_hits", "pool_hits_total", "counter", "Buffers taken from a pool."),
    _Family("bytes_in", "input_bytes_total", "counter", "Bytes submitted."),
    _Family("bytes_out", "output_bytes_total", "counter", "Bytes of the outputs handed out."),
    _Family("copied_bytes", "copied_bytes_total", "counter",
            "Bytes copied inside of the session, by place.", "place"),
    _Family("ready", "ready_outputs", "gauge", "Outputs that wait to be reaped."),
    _Family("queued_bytes", "queued_bytes", "gauge", "Bytes of the pictures that wait."),
    _Family("stages", "stage_seconds", "summary",
            "Seconds spent in each stage of a session, over its whole life.", "stage"),
    _Family("latency", "latency_seconds", "summary",
            "Seconds from submitting a picture until its output is ready."),
    _Family("arrival_jitter", "arrival_jitter_seconds", "summary",
            "Seconds by which the spacing of arrivals differs from that of the pictures."),
    _Family("depths", "queue_depth", "summary",
            "Items that arriving pictures find in each queue.", "queue", "items"),
    _Family("depths", "queue_depth_bytes", "summary",
            "Bytes that arriving pictures find in each queue.", "queue", "bytes"),
)  # fmt: skip


class Measured(Protocol):
    """What can be written: the labels of a session; the fields of the table are read by name."""

    @property
    def labels(self) -> dict[str, str]:
        """Labels of every sample; no two sessions in one text have the same."""
        ...


def exposition(sessions: Sequence[Measured], labels: Mapping[str, str]) -> str:
    """The text of ``sessions``, with ``labels`` on every sample.

    :class:`~videohw.errors.InvalidInput` for a label that has no name of its own.
    """
    extra = _checked_labels(labels)
    lines: list[str] = []
    for family in _FAMILIES:
        samples = [
            (each.labels | extra | own, value)
            for each in sessions
            for own, value in _entries(family, each)
        ]
        if samples:
            lines += _lines(family, samples)
    return "".join(f"{line}\n" for line in lines)


def _entries(
    family: _Family, session: Measured
) -> Iterator[tuple[dict[str, str], int | Distribution]]:
    """(own labels, value) of what was measured."""
    value = getattr(session, family.field)
    entries = (
        [({}, value)]
        if family.label is None
        else [({family.label: name}, each) for name, each in sorted(value.items())]
    )
    for own, each in entries:
        if isinstance(each, Distribution):
            if each.count and family.unit in (None, each.unit):
                yield own, each
        elif each is not None:
            yield own, each


def _lines(
    family: _Family, samples: list[tuple[dict[str, str], int | Distribution]]
) -> Iterator[str]:
    name = PREFIX + family.name
    yield f"# HELP {name} {family.help}"
    yield f"# TYPE {name} {family.kind}"
    largest: list[str] = []
    for labels, value in samples:
        if not isinstance(value, Distribution):
            yield _sample(name, labels, value)
            continue
        for fraction in QUANTILES:
            yield _sample(name, labels | {"quantile": str(fraction)}, value.quantile(fraction))
        yield _sample(f"{name}_sum", labels, value.sum)
        yield _sample(f"{name}_count", labels, value.count)
        largest.append(_sample(f"{name}_max", labels, value.max))
    if largest:
        yield f"# HELP {name}_max Largest value of {name}."
        yield f"# TYPE {name}_max gauge"
        yield from largest


def _sample(name: str, labels: Mapping[str, str], value: float | None) -> str:
    written = ",".join(f'{key}="{text.translate(_ESCAPES)}"' for key, text in labels.items())
    return f"{name}{{{written}}} {value}"


def _checked_labels(labels: Mapping[Any, Any]) -> dict[str, str]:
    for name, value in labels.items():
        if not isinstance(name, str) or not _LABEL_NAME.fullmatch(name) or name.startswith("__"):
            problem = "is no label name of Prometheus"
        elif name in _OWN_LABELS:
            problem = "is used by videohw itself"
        elif not isinstance(value, str):
            problem = f"has the value {value!r}, which is no text"
        else:
            continue
        raise InvalidInput(f"label {name!r} {problem}", argument="labels")
    return dict(labels)
