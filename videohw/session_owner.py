"""What ``Decoder`` and ``Encoder`` share: each owns one session of a backend, and ends it.

Must not know: what goes into the session or comes out.
"""

from __future__ import annotations

import warnings
from types import TracebackType
from typing import TypeVar

from .backend import DecoderSession, EncoderSession
from .selection import Selection
from .types import DecoderConfig, EncoderConfig

OwnerT = TypeVar("OwnerT", bound="SessionOwner")


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
