"""The contract of a backend: its sessions, what goes into them, and what it says of itself.

What every backend keeps is written once, on the protocols below; differences between backends
are data (:class:`~videohw.types.Capability`), never missing methods.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Protocol, TypeAlias

from .decoder_config import DecoderConfig
from .errors import VideoHwError
from .types import BackendStatus, Capability, EncoderConfig, Packet, SideData

if TYPE_CHECKING:
    from .bitstream import AccessUnit
    from .frame import Frame
    from .metrics import Meter


@dataclass(frozen=True, slots=True)
class SequenceInfo:
    """What a sequence says of all its pictures; None in a field means "not stated".

    ``siting`` is a name of :data:`videohw.color.SITINGS`. ``reorders`` is False when the output
    order is certainly the decoding order; ``stated_reorder``: most pictures that may precede one
    in decoding order and follow it in output order. ``has_fields``: fields may be pictures of
    their own. ``range_extension``: it uses coding tools of the HEVC range extensions (H.265
    7.3.2.2.2). ``full_range``: what the VUI says, None when it says nothing.
    ``size``: width and height in luma samples, of codecs whose decoders forget at a change.
    ``headers``: of VC-1, those with which the sequence began; libavcodec takes them when it opens.
    """

    sample_aspect_ratio: Fraction | None = None
    siting: str | None = None
    reorders: bool = True
    stated_reorder: int | None = None
    has_fields: bool = True
    range_extension: bool = False
    full_range: bool | None = None
    size: tuple[int, int] | None = None
    headers: bytes = b""


class Fields(NamedTuple):
    """Which field comes first (None: not stated) and how long a picture is shown.

    ``repeat`` counts field durations beyond the picture's own two.
    """

    top_first: bool | None = None
    repeat: int = 0


_UNKNOWN_SEQUENCE: Final = SequenceInfo()
_NO_FIELDS: Final = Fields()
_NO_SIDE_DATA: Final = SideData()


@dataclass(frozen=True, slots=True)
class PictureInfo:
    """What the parser read about a picture that a frame hands on, or that a backend must know.

    ``rare_tool``: a coding tool of the picture that hardware decoders lack, in words, and that
    they would not notice; None as a rule. ``repeats``: the picture is not coded, but the one
    before it lasts; no decoder is given it.
    """

    sequence: SequenceInfo = _UNKNOWN_SEQUENCE
    fields: Fields = _NO_FIELDS
    side_data: SideData = _NO_SIDE_DATA
    rare_tool: str | None = None
    repeats: bool = False


UNKNOWN_PICTURE: Final = PictureInfo()


@dataclass(slots=True)
class CodedPicture:
    """One coded picture on its way into a decoder.

    ``serial`` numbers the pictures of a session from 0 and is the timestamp that a driver sees;
    the caller's ``pts`` never goes to a driver. ``data`` is what the decoder is fed (Annex-B,
    an AV1 temporal unit, or one whole picture); ``unit`` is what the parser knows of it, None
    for codecs without start codes. ``offset`` is where it began in the bytes submitted, None
    when it has no such place.

    ``skip`` is the reason why it is not decoded, ``silent`` why it gives no frame of its own
    though it is; both are reasons of :class:`Account`. ``sets``: of a keyframe whose ``data``
    brings no parameter sets, those in force, as Annex-B. ``open_start``: decoding begins here, and
    pictures shown before it lack references. ``resumes``: from here on, in output order, all
    pictures are right when decoding began at the random access point of this serial; None where
    nothing is said.
    """

    serial: int
    data: bytes
    pts: int | None
    unit: AccessUnit | None = None
    offset: int | None = None
    skip: str | None = None
    silent: str | None = None
    keyframe: bool = False
    sets: bytes = b""
    open_start: bool = False
    resumes: int | None = None
    info: PictureInfo = UNKNOWN_PICTURE

    @property
    def queued_bytes(self) -> int:
        """Bytes of coded data that wait with this picture."""
        return len(self.data)


@dataclass(slots=True)
class InputPicture:
    """One picture on its way into an encoder: pixels that the encoder owns, its pts and flags.

    ``pixels`` is of the backend's own type, made by :meth:`EncoderSession.stage`. ``generation``
    is that of the switch in force when it was submitted.
    """

    serial: int
    pixels: Any
    pts: int
    duration: int
    force_keyframe: bool
    queued_bytes: int
    generation: int = 0


class PreparedSwitch(Protocol):
    """What a backend made ready for a switch. ``reconfigures``: the running encoder takes the
    new settings. ``makes_keyframe``: its first picture is a keyframe, whatever comes before."""

    @property
    def reconfigures(self) -> bool: ...
    @property
    def makes_keyframe(self) -> bool: ...


@dataclass(eq=False)
class SessionSwitch:
    """New settings on their way into an encoder, queued right before their first picture.

    ``prepared`` comes from :meth:`EncoderSession.prepare`; None stands for the settings that the
    session was opened with. ``first_pts`` is the pts of the first picture, known when the switch
    is queued. The worker sets ``state``: "active", or "failed" with ``error``, which it also
    yields at this place; the settings before then stay, and pictures of this generation are
    coded with them as far as their size fits.
    """

    generation: int
    config: EncoderConfig
    prepared: PreparedSwitch | None = None
    first_pts: int | None = None
    state: Literal["queued", "active", "failed"] = "queued"
    error: VideoHwError | None = None

    @cached_property
    def frame_duration(self) -> Fraction | int:
        """How long a picture lasts, in units of the time base, 1 or more; an int where it is
        whole, with which to count is faster."""
        exact = 1 / (self.config.fps * self.config.time_base)
        return exact.numerator if exact.denominator == 1 else exact

    @property
    def queued_bytes(self) -> int:
        """None: it holds no pictures."""
        return 0


class EndOfGeneration:
    """Queued to have every packet of the pictures before it; the next picture starts anew."""

    @property
    def queued_bytes(self) -> int:
        """None: it holds no pictures."""
        return 0


EncoderItem: TypeAlias = InputPicture | SessionSwitch | EndOfGeneration


class Account:
    """What became of every picture submitted: delivered, or not, for a reason that is counted.

    ``submitted == taken + sum(reasons.values())`` holds after every flush, where the session
    counts what was ``taken`` from it. ``converted_bytes`` counts pixels that the engine had to
    convert before it could code them.
    """

    __slots__ = ("_adding", "converted_bytes", "reasons", "submitted")

    def __init__(self) -> None:
        self.submitted = 0
        self.reasons: dict[str, int] = {}
        self.converted_bytes = 0
        self._adding = threading.Lock()

    def add(self, reason: str, count: int = 1) -> None:
        """Count ``count`` pictures that end without output for ``reason``; on any thread."""
        with self._adding:
            if count:
                self.reasons[reason] = self.reasons.get(reason, 0) + count


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
    """A module that implements a backend. ``probe`` never raises and never warns; ``device`` is
    what its caller goes on to use, which a backend may make ready meanwhile.

    ``supports`` answers as ``capabilities`` does, as far as whoever takes a backend must know it:
    formats, sizes and details may be left out where asking for them takes time. ``calling``
    names the call of the driver that a thread is in to answer these, None where it is not known.
    ``decoder_options`` is the type of what a decoder takes as ``options``; to ask starts nothing.
    ``load_decoder`` imports what a decoder of that config will: it is called while ``probe`` and
    ``supports`` wait for a driver, and raises ImportError in a build without the backend.
    """

    NAME: str
    HARDWARE: bool

    def probe(self, device: int | str | None = None) -> BackendStatus: ...
    def capabilities(
        self, codec: str, direction: Literal["decode", "encode"], device: int | str = 0
    ) -> Capability: ...
    def supports(
        self, codec: str, direction: Literal["decode", "encode"], device: int | str = 0
    ) -> Capability: ...
    def calling(self) -> str | None: ...
    def decoder_options(self) -> type: ...
    def load_decoder(self, config: DecoderConfig) -> None: ...
    def open_decoder(self, config: DecoderConfig) -> DecoderSession: ...
    def open_encoder(self, config: EncoderConfig) -> EncoderSession: ...
