"""What every backend keeps: its sessions, and what it says of itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from ..decoder_config import DecoderConfig
    from ..errors import VideoHwError
    from ..frame import Frame
    from ..metrics import Meter
    from ..types import BackendStatus, Capability, EncoderConfig, Packet
    from .account import Account
    from .coded_picture import CodedPicture
    from .input_picture import EncoderItem, SessionSwitch


class PreparedSwitch(Protocol):
    """What a backend made ready for a switch. ``reconfigures``: the running encoder takes the
    new settings. ``makes_keyframe``: its first picture is a keyframe, whatever comes before."""

    @property
    def reconfigures(self) -> bool: ...
    @property
    def makes_keyframe(self) -> bool: ...


class DecoderSession(Protocol):
    """A decoder of one backend. All methods may be called from any thread.

    ``admit`` raises :class:`~videohw.errors.Backpressure` while a limit is reached and takes
    nothing; after it returned, ``push`` takes everything. Frames come in presentation order.
    ``fail`` puts an error among the pictures pushed: it is raised when every picture before it
    is settled. ``taken`` counts the frames handed out.
    ``meter``, set before the first call, measures; None does not.
    """

    account: Account
    taken: int
    abandoned: bool
    meter: Meter | None

    def admit(self, timeout: float | None = 0) -> None: ...
    def push(self, items: Sequence[CodedPicture]) -> None: ...
    def fail(self, error: VideoHwError) -> None: ...
    def take(self, timeout: float | None = 0) -> Frame | None: ...
    def drain(self, timeout: float | None = None) -> list[Frame]: ...
    def draining(self) -> Iterator[Frame]: ...
    def reset(self, timeout: float | None = None) -> None: ...
    def close(self, reason: str = ..., wait_seconds: float = ...) -> None: ...
    def describe(self) -> dict[str, Any]: ...
    @property
    def closed(self) -> bool: ...
    @property
    def waiting(self) -> int: ...
    @property
    def depth(self) -> tuple[int, int, int]: ...


class EncoderSession(Protocol):
    """An encoder of one backend. All methods may be called from any thread.

    ``stage`` copies or registers the caller's pixels, so that the caller may change them as soon
    as it returns; they must fit the settings of ``switch``. ``options`` are the backend's own for
    this picture, None without. Packets come in decode order.

    ``stream`` counts the ends of stream asked for so far, and ``push_into`` queues nothing and
    answers False when it is no longer ``stream``: so the caller knows of each picture whether it
    is the first after a flush, whichever thread flushes.

    ``prepare`` makes a switch from the settings of ``base`` to ``config`` ready: what can fail
    at opening fails here, with the session as it was. ``rebuild`` asks for a new encoder even
    where the running one could be reconfigured. ``discard`` gives back what was not used.
    """

    account: Account
    taken: int
    abandoned: bool
    meter: Meter | None

    def admit(self, timeout: float | None = 0) -> None: ...
    def stage(
        self, frame: object, switch: SessionSwitch, options: object | None = None
    ) -> tuple[Any, int]: ...
    def push(self, items: Sequence[EncoderItem]) -> None: ...
    def push_into(self, stream: int, items: Sequence[EncoderItem]) -> bool: ...
    def prepare(
        self, config: EncoderConfig, base: SessionSwitch, *, rebuild: bool
    ) -> PreparedSwitch: ...
    def discard(self, prepared: PreparedSwitch) -> None: ...
    @property
    def stream(self) -> int: ...
    def take(self, timeout: float | None = 0) -> Packet | None: ...
    def drain(self, timeout: float | None = None) -> list[Packet]: ...
    def draining(self) -> Iterator[Packet]: ...
    def close(self, reason: str = ..., wait_seconds: float = ...) -> None: ...
    def describe(self) -> dict[str, Any]: ...
    @property
    def extradata(self) -> bytes | None: ...
    @property
    def parameter_sets(self) -> bytes | None: ...
    @property
    def closed(self) -> bool: ...
    @property
    def waiting(self) -> int: ...
    @property
    def depth(self) -> tuple[int, int, int]: ...


class Backend(Protocol):
    """A module that implements a backend. ``missing`` is (reason, hint) why it cannot be used on
    this machine, or None; ``device`` is what its caller goes on to use, which a backend may make
    ready meanwhile. ``probe`` says the same with versions. Neither raises or warns.

    ``supports`` answers as ``capabilities`` does, as far as whoever takes a backend must know it:
    formats, sizes and details may be left out where asking for them takes time. ``calling``
    names the call of the driver that a thread is in to answer these, None where it is not known.
    ``decoder_options`` is the type of what a decoder takes as ``options``; to ask starts nothing.
    ``load_decoder`` imports what a decoder of that config will, step by step, what is needed first
    before the rest: while ``missing`` and ``supports`` wait for a driver. It raises ImportError in
    a build without the backend.
    """

    NAME: str
    HARDWARE: bool

    def missing(self, device: int | str | None = None) -> tuple[str, str | None] | None: ...
    def probe(self) -> BackendStatus: ...
    def capabilities(
        self, codec: str, direction: Literal["decode", "encode"], device: int | str = 0
    ) -> Capability: ...
    def supports(
        self, codec: str, direction: Literal["decode", "encode"], device: int | str = 0
    ) -> Capability: ...
    def calling(self) -> str | None: ...
    def decoder_options(self) -> type: ...
    def load_decoder(self, config: DecoderConfig) -> Iterator[None]: ...
    def open_decoder(self, config: DecoderConfig) -> DecoderSession: ...
    def open_encoder(self, config: EncoderConfig) -> EncoderSession: ...
