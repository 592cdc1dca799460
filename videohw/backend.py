"""The contract of a backend, and the table of backends, each imported when it is first asked.

What every backend keeps is written once, on the protocols below; differences between backends
are data (:class:`~videohw.types.Capability`), never missing methods.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, cast

from .errors import InvalidInput, UnsupportedCodec, UnsupportedConfig, VideoHwError
from .types import BackendStatus, Capability, DecoderConfig, EncoderConfig, Packet

if TYPE_CHECKING:
    from .bitstream import AccessUnit
    from .frame import Frame


@dataclass(slots=True)
class CodedPicture:
    """One coded picture on its way into a decoder.

    ``serial`` numbers the pictures of a session from 0 and is the timestamp that a driver sees;
    the caller's ``pts`` never goes to a driver. ``data`` is what the decoder is fed (Annex-B,
    an AV1 temporal unit, or one whole picture); ``unit`` is what the parser knows of it, None
    for codecs without start codes. ``skip`` is the reason why it must not be shown, or None.
    """

    serial: int
    data: bytes
    pts: int | None
    unit: AccessUnit | None = None
    skip: str | None = None

    @property
    def queued_bytes(self) -> int:
        return len(self.data)


@dataclass(slots=True)
class InputPicture:
    """One picture on its way into an encoder: pixels that the encoder owns, its pts and flags.

    ``pixels`` is of the backend's own type, made by :meth:`EncoderSession.stage`.
    """

    serial: int
    pixels: Any
    pts: int
    duration: int
    force_keyframe: bool
    queued_bytes: int


class Account:
    """What became of every picture submitted: delivered, or not, for a reason that is counted.

    ``submitted == delivered + sum(reasons.values())`` holds after every flush.
    """

    __slots__ = ("delivered", "reasons", "submitted")

    def __init__(self) -> None:
        self.submitted = 0
        self.delivered = 0
        self.reasons: dict[str, int] = {}

    def add(self, reason: str, count: int = 1) -> None:
        """Count ``count`` pictures that end without output for ``reason``."""
        if count:
            self.reasons[reason] = self.reasons.get(reason, 0) + count


class DecoderSession(Protocol):
    """A decoder of one backend. All methods may be called from any thread.

    ``admit`` raises :class:`~videohw.errors.Backpressure` while a limit is reached and takes
    nothing; after it returned, ``push`` takes everything. Frames come in presentation order.
    """

    account: Account

    def admit(self, timeout: float | None = 0) -> None: ...
    def push(self, items: Sequence[CodedPicture]) -> None: ...
    def fail(self, error: VideoHwError) -> None: ...
    def take(self, timeout: float | None = 0) -> Frame | None: ...
    def drain(self, timeout: float | None = None) -> list[Frame]: ...
    def draining(self) -> Iterator[Frame]: ...
    def reset(self, timeout: float | None = None) -> None: ...
    def close(self, reason: str = ...) -> None: ...
    def describe(self) -> dict[str, Any]: ...
    @property
    def closed(self) -> bool: ...
    @property
    def depth(self) -> tuple[int, int]: ...


class EncoderSession(Protocol):
    """An encoder of one backend. All methods may be called from any thread.

    ``stage`` copies or registers the caller's pixels, so that the caller may change them as soon
    as it returns. Packets come in decode order.
    """

    account: Account

    def admit(self, timeout: float | None = 0) -> None: ...
    def stage(self, frame: object) -> tuple[Any, int]: ...
    def push(self, items: Sequence[InputPicture]) -> None: ...
    def take(self, timeout: float | None = 0) -> Packet | None: ...
    def drain(self, timeout: float | None = None) -> list[Packet]: ...
    def draining(self) -> Iterator[Packet]: ...
    def close(self, reason: str = ...) -> None: ...
    def describe(self) -> dict[str, Any]: ...
    @property
    def extradata(self) -> bytes | None: ...
    @property
    def closed(self) -> bool: ...
    @property
    def depth(self) -> tuple[int, int]: ...


class Backend(Protocol):
    """A module that implements a backend. ``probe`` never raises and never warns."""

    NAME: str
    HARDWARE: bool

    def probe(self) -> BackendStatus: ...
    def capabilities(
        self, codec: str, direction: Literal["decode", "encode"], device: int | str = 0
    ) -> Capability: ...
    def open_decoder(self, config: DecoderConfig) -> DecoderSession: ...
    def open_encoder(self, config: EncoderConfig) -> EncoderSession: ...


# Name -> module, in the order of preference of backend="auto": hardware first.
BACKENDS: Final[dict[str, str]] = {
    "software": "videohw.software",
}
AUTO: Final = "auto"


def load(name: str) -> Backend:
    """The backend called ``name``; :class:`InvalidInput` for a name the table lacks."""
    if name not in BACKENDS:
        raise InvalidInput(
            f"backend {name!r} is not known",
            argument="backend",
            hint=f"one of {', '.join((AUTO, *BACKENDS))}",
        )
    return cast(Backend, importlib.import_module(BACKENDS[name]))
