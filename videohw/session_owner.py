"""What ``Decoder`` and ``Encoder`` share: each owns one session of a backend, and ends it.

Must not know: what goes into the session or comes out.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from types import NoneType, TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, TypeVar

from . import environment, metrics
from .errors import Backpressure

if TYPE_CHECKING:
    from fractions import Fraction

    from .backend import DecoderSession, EncoderSession
    from .decoder_config import DecoderConfig
    from .metrics import Direction, SessionMetrics
    from .selection import Selection
    from .types import EncoderConfig

OwnerT = TypeVar("OwnerT", bound="SessionOwner")
# How long a refused call waits for an output before it is tried again; it may be refused for
# queued input, while nothing comes out.
_RETRY_SECONDS: Final = 0.02
# Inputs that keep a worker busy however late the next ones are. What is read further ahead takes
# memory, and the interpreter from other sessions: seven that open at once took 80 ms longer.
_MOST_AHEAD: Final = 32


class SessionOwner:
    """Closes its session: by :meth:`close`, at the end of a ``with`` block, or when forgotten."""

    _config: DecoderConfig | EncoderConfig
    _selection: Selection
    _session: DecoderSession | EncoderSession
    _direction: ClassVar[Direction]
    _log_to_stderr = False

    def close(self) -> None:
        """Give everything back; outputs that were not reaped are lost. May be repeated."""
        if not self._session.closed:
            self._log("close")
        self._session.close()

    def __enter__(self: OwnerT) -> OwnerT:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        # The worker thread holds the session, so nothing else would ever end it.
        session = getattr(self, "_session", None)
        if session is not None and not session.closed:
            try:
                text = f"{self!r} was not closed"
                warnings.warn(text, ResourceWarning, source=self, stacklevel=2)
            finally:
                session.close(wait_seconds=0)

    def _through(self, submit: Callable[[], None]) -> Iterator[Any]:
        """Call ``submit`` until it is admitted; yield what is ready meanwhile and afterwards."""
        while True:
            try:
                submit()
                break
            except Backpressure:
                output = self._session.take(_RETRY_SECONDS)
                if output is not None:
                    yield output
        while True:
            far_ahead = self._far_ahead()
            output = self._session.take(_RETRY_SECONDS if far_ahead else 0)
            if output is not None:
                yield output
            elif not far_ahead:
                return

    def _far_ahead(self) -> bool:
        session = self._session
        if session.account.submitted - session.taken <= _MOST_AHEAD:
            return False  # as a rule, which costs no lock
        return session.waiting > _MOST_AHEAD

    # Metrics

    def _measure(
        self, asked: bool | None, time_base: Fraction | None, converts: bool = False
    ) -> None:
        """Have the session measured, if asked by the argument or else by the environment."""
        switched = environment.switch(self._selection.name, "METRICS")
        if switched if asked is None else asked:
            meter = metrics.Meter(self._direction, time_base=time_base, converts=converts)
            self._session.meter = meter
            self._log_to_stderr = switched

    def metrics(self) -> SessionMetrics:
        """What was measured so far, as data; see :mod:`videohw.metrics`.

        With metrics off it holds the account of pictures and the depth of the queues. It may be
        called at any time, also after :meth:`close`.
        """
        session, account = self._session, self._session.account
        meter = session.meter
        ready, _, queued_bytes = session.depth
        return metrics.SessionMetrics(
            direction=self._direction,
            codec=self._config.codec,
            backend=self._selection.name,
            enabled=meter is not None,
            submitted=account.submitted,
            delivered=session.taken,
            reasons=dict(account.reasons),
            ready=ready,
            queued_bytes=queued_bytes,
            fallbacks=len(self._selection.refused),
            **({} if meter is None else meter.measured(account.converted_bytes)),
        )

    def _log(self, event: Literal["flush", "close"]) -> None:
        if self._session.meter is not None:
            metrics.log(event, self.metrics, to_stderr=self._log_to_stderr)

    @property
    def closed(self) -> bool:
        """True once it was closed, and in a forked child."""
        return self._session.closed

    @property
    def codec(self) -> str:
        """The codec by its canonical name."""
        return self._config.codec

    @property
    def backend(self) -> str:
        """The name of the backend taken."""
        return self._selection.name


def with_time(each: Any) -> tuple[Any, int | None]:
    """What goes into a session and its pts, which may come as the second of a pair."""
    if isinstance(each, tuple) and len(each) == 2 and isinstance(each[1], (int, NoneType)):
        return each
    return each, None
