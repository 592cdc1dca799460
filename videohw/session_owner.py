"""What ``Decoder`` and ``Encoder`` share: each owns one session of a backend, and ends it.

Must not know: what goes into the session or comes out.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from types import NoneType, TracebackType
from typing import Any, Final, TypeVar

from .backend import DecoderSession, EncoderSession
from .errors import Backpressure
from .selection import Selection
from .types import DecoderConfig, EncoderConfig

OwnerT = TypeVar("OwnerT", bound="SessionOwner")
# How long a refused call waits for an output before it is tried again; it may be refused for
# queued input, while nothing comes out.
_RETRY_SECONDS: Final = 0.02


class SessionOwner:
    """Closes its session: by :meth:`close`, at the end of a ``with`` block, or when forgotten."""

    _config: DecoderConfig | EncoderConfig
    _selection: Selection
    _session: DecoderSession | EncoderSession

    def close(self) -> None:
        """Give everything back; outputs that were not reaped are lost. May be repeated."""
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
            warnings.warn(f"{self!r} was not closed", ResourceWarning, source=self, stacklevel=2)
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
        while (output := self._session.take(0)) is not None:
            yield output

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
