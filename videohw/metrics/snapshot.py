"""What a session measured, as data: typed, immutable, and in the forms that others read.

Must not know: sessions, how anything is measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

from ..errors import InvalidInput
from .exposition import exposition
from .histogram import Distribution

Direction: TypeAlias = Literal["decode", "encode"]

# In the order in which a picture passes them.
STAGES: Final = ("submit", "parse", "stage", "queue", "code", "drain", "reset", "convert", "reap")
_LABELS: Final = ("direction", "codec", "backend")
_COUNTERS: Final = (
    "submitted", "delivered", "submit_calls", "backpressure", "errors", "keyframes", "fallbacks",
    "pool_hits", "bytes_in", "bytes_out",
)  # fmt: skip
_MILLISECONDS: Final = 1e3
_NO_SECONDS: Final = Distribution("seconds")


def _no_counts() -> Mapping[str, int]:
    return MappingProxyType({})


def _no_distributions() -> Mapping[str, Distribution]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class SessionMetrics:
    """What one session did so far, or several of one kind together (:func:`merge`).

    ``submitted``, ``delivered`` and ``reasons`` are the account of pictures that every session
    keeps; ``ready`` and ``queued_bytes`` are its queues at this moment; ``fallbacks`` are the
    backends preferred to this one that could not be taken. All else is measured while metrics
    are on (``enabled``): None, or no entry, is "not measured", never zero. ``docs/metrics.md``
    defines every field.

    - ``submit_calls`` that were taken, ``backpressure``: calls refused by a limit. ``errors``
      raised in the place of outputs. ``keyframes`` among the outputs. ``pool_hits``: buffers
      used again, where the backend has a pool.
    - ``bytes_in`` and ``bytes_out``: coded bytes on one side, bytes of pixels on the other.
      ``copied_bytes``: what was copied on the way, by place.
    - ``stages``: seconds of each of :data:`STAGES` that occurred. ``latency``: seconds from
      submit to ready. ``arrival_jitter``: seconds. ``depths``: what a picture that arrives finds
      in the queues ("ready", "queued_items", "queued_bytes").
    """

    direction: Direction
    codec: str
    backend: str
    enabled: bool
    submitted: int = 0
    delivered: int = 0
    reasons: Mapping[str, int] = field(default_factory=_no_counts)
    ready: int = 0
    queued_bytes: int = 0
    fallbacks: int = 0
    submit_calls: int | None = None
    backpressure: int | None = None
    errors: int | None = None
    keyframes: int | None = None
    pool_hits: int | None = None
    bytes_in: int | None = None
    bytes_out: int | None = None
    copied_bytes: Mapping[str, int] = field(default_factory=_no_counts)
    stages: Mapping[str, Distribution] = field(default_factory=_no_distributions)
    latency: Distribution = _NO_SECONDS
    arrival_jitter: Distribution = _NO_SECONDS
    depths: Mapping[str, Distribution] = field(default_factory=_no_distributions)

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, Mapping):
                object.__setattr__(self, each.name, MappingProxyType(dict(value)))

    def __reduce__(self) -> tuple[object, ...]:
        # A read-only view of a dict cannot be pickled, and sessions live in many processes.
        return _rebuild, ({each.name: _plain(getattr(self, each.name)) for each in fields(self)},)

    @property
    def labels(self) -> dict[str, str]:
        """``direction``, ``codec`` and ``backend``."""
        return {name: getattr(self, name) for name in _LABELS}

    @property
    def counters(self) -> dict[str, int]:
        """The counters that were measured, by name; not those by reason or place."""
        values = ((name, getattr(self, name)) for name in _COUNTERS)
        return {name: value for name, value in values if value is not None}

    @property
    def distributions(self) -> dict[str, Distribution]:
        """Everything that is measured as a distribution and was seen at least once.

        Names are those of the stages, ``latency``, ``arrival_jitter`` and ``depth_NAME``.
        """
        found = dict(self.stages)
        found |= {"latency": self.latency, "arrival_jitter": self.arrival_jitter}
        found |= {f"depth_{name}": seen for name, seen in self.depths.items()}
        return {name: seen for name, seen in found.items() if seen.count}

    def as_dict(self) -> dict[str, Any]:
        """All fields, ready for JSON; a distribution as :meth:`Distribution.as_dict` has it."""
        return {each.name: _for_json(getattr(self, each.name)) for each in fields(self)}

    def log_line(self) -> str:
        """One line of ``key=value``: counts, bytes, and times in milliseconds.

        What was not measured, and reasons that did not occur, are left out.
        """
        parts = [f"{name}={value}" for name, value in self.labels.items()]
        parts += [f"{name}={value}" for name, value in self.counters.items()]
        parts += [f"reason_{name}={count}" for name, count in sorted(self.reasons.items())]
        parts += [f"copied_{place}={count}" for place, count in sorted(self.copied_bytes.items())]
        for name, seen in self.distributions.items():
            timed = seen.unit == "seconds"
            scale, unit, digits = (_MILLISECONDS, "_ms", 3) if timed else (1, "", 0)
            for statistic in ("p50", "p95", "p99", "max"):
                value = getattr(seen, statistic) * scale
                parts.append(f"{name}_{statistic}{unit}={value:.{digits}f}")
        return " ".join(parts)

    def prometheus(self, labels: Mapping[str, str] | None = None) -> str:
        """The text that a Prometheus server scrapes, for this session alone.

        ``labels`` are put on every sample, beside direction, codec and backend. Texts of several
        sessions must not be joined: :func:`prometheus` writes one for all.
        """
        return prometheus([self], labels)


def merge(snapshots: Iterable[SessionMetrics]) -> SessionMetrics:
    """The snapshots of several sessions as one: counts added, distributions merged.

    All of one direction, codec and backend, and at least one, else
    :class:`~videohw.errors.InvalidInput`. A value that only some measured is theirs alone.
    """
    merged: SessionMetrics | None = None
    for each in snapshots:
        merged = each if merged is None else _merged(merged, each)
    if merged is None:
        raise InvalidInput("there is no snapshot to merge", argument="snapshots")
    return merged


def prometheus(snapshots: Iterable[SessionMetrics], labels: Mapping[str, str] | None = None) -> str:
    """The text that a Prometheus server scrapes (content type ``text/plain; version=0.0.4``).

    Snapshots of one direction, codec and backend are merged, since samples must differ in their
    labels. ``labels`` are put on every sample; :class:`~videohw.errors.InvalidInput` for a name
    that is none, or that is used already. Quantiles are those since the session began, within
    0.8 %; ``_max`` is a gauge beside each summary.
    """
    groups: dict[tuple[str, ...], list[SessionMetrics]] = {}
    for each in snapshots:
        groups.setdefault(tuple(each.labels.values()), []).append(each)
    return exposition([merge(group) for group in groups.values()], labels or {})


def _merged(one: SessionMetrics, other: SessionMetrics) -> SessionMetrics:
    if one.labels != other.labels:
        raise InvalidInput(
            f"{other.labels} does not merge into {one.labels}",
            argument="snapshots",
            hint="merge those of one direction, codec and backend",
        )
    values: dict[str, Any] = dict(one.labels)
    for each in fields(SessionMetrics):
        if each.name not in values:
            values[each.name] = _joined(getattr(one, each.name), getattr(other, each.name))
    return SessionMetrics(**values)


def _joined(one: Any, other: Any) -> Any:
    if one is None or other is None:
        return other if one is None else one
    if isinstance(one, bool):
        return one or other
    if isinstance(one, int):
        return one + other
    if isinstance(one, Distribution):
        return one.merged(other)
    return {name: _joined(one.get(name), other.get(name)) for name in {**one, **other}}


def _rebuild(values: dict[str, Any]) -> SessionMetrics:
    return SessionMetrics(**values)


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else value


def _for_json(value: Any) -> Any:
    if isinstance(value, Distribution):
        return value.as_dict()
    if isinstance(value, Mapping):
        return {name: _for_json(each) for name, each in value.items()}
    return value
