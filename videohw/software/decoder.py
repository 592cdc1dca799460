"""Decoding through PyAV's libavcodec, behind a worker thread.

Owns: the step from coded pictures to frames. Must not know: what ``on_error`` asks (the ledger
does); arguments of the public classes, layouts: they arrive checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from ..backend import Account, CodedPicture
from ..decoder_config import DecoderConfig
from ..decoding.fault_policy import HINT, PictureLedger, Verdict, described
from ..errors import (
    BackendError,
    DeviceLost,
    InvalidBitstream,
    InvalidInput,
    UnsupportedConfig,
    VideoHwError,
)
from ..frame import Frame
from ..sessions.ready_outputs import unexpected
from ..sessions.worker_session import WorkerSession
from ..software_options import SoftwareDecoderOptions
from ..status import from_ffmpeg
from .capabilities import decoder_name, load_av
from .context import DecodingContext, Outcome
from .frame_maker import FrameMaker
from .pixel_workers import describe, pixel_workers
from .threads import setup_for

# libavcodec holds at most 16 pictures for reordering, and one for each frame thread. When more
# are owed, some were dropped without a word, and the oldest is given up.
_MOST_HELD: Final = 64
_CALL: Final = "avcodec_receive_frame"
# No picture takes so long. Frame threads of libavcodec wait for each other for ever on some
# damaged streams of HEVC.
STUCK_SECONDS: Final = 15.0
_Output: TypeAlias = "Frame | VideoHwError | Future[Frame]"


def open_session(config: DecoderConfig) -> SoftwareDecoderSession:
    """A running decoder for ``config``; InvalidInput or UnsupportedConfig when it cannot be."""
    options = config.options
    if options is None:
        options = SoftwareDecoderOptions()
    if not isinstance(options, SoftwareDecoderOptions):
        raise InvalidInput(
            f"options is {type(options).__name__}, the software backend takes "
            "SoftwareDecoderOptions",
            argument="options",
            hint="videohw.SoftwareDecoderOptions(threads=...), or None",
        )
    if config.memory != "host":
        raise UnsupportedConfig(
            f"memory={config.memory!r}: the software backend decodes into host memory",
            argument="memory",
            hint='memory="host"',
        )
    if config.low_latency and options.thread_type == "frame":
        raise UnsupportedConfig(
            "options.thread_type is frame with low_latency=True: each thread adds a frame of delay",
            argument="options.thread_type",
            hint="slice or auto",
        )
    return SoftwareDecoderSession(config, options)


@dataclass(slots=True)
class _Refusal:
    """An error in its place among the pictures."""

    error: VideoHwError
    queued_bytes: int = 0


class SoftwareDecoderSession(WorkerSession[CodedPicture | _Refusal, Frame]):
    """A decoder session of the software backend (``videohw.backend.DecoderSession``)."""

    def __init__(self, config: DecoderConfig, options: SoftwareDecoderOptions) -> None:
        self.account = Account()
        self._own_engine = _Engine(config, options, self.account)
        super().__init__(
            self._own_engine,
            max_ready=config.max_in_flight,
            max_queued_bytes=config.max_pending_bytes,
            name=f"videohw-decode-{config.codec}",
            stuck_seconds=STUCK_SECONDS,
        )

    def push(self, items: Sequence[CodedPicture | _Refusal]) -> None:
        """Queue pictures; see :meth:`WorkerSession.push`."""
        super().push(items)
        self.account.submitted += sum(isinstance(item, CodedPicture) for item in items)

    def fail(self, error: VideoHwError) -> None:
        """Queue ``error``, to be raised when every picture before it is settled."""
        self.push([_Refusal(error)])

    def describe(self) -> dict[str, Any]:
        """What decodes: library, its decoder, its threads."""
        return self._own_engine.describe()


class _Engine:
    """Drives one context; what becomes of the pictures is the ledger's to say."""

    def __init__(
        self, config: DecoderConfig, options: SoftwareDecoderOptions, account: Account
    ) -> None:
        self._config = config
        self._options = options
        self._account = account
        self._context: DecodingContext | None = None
        self._size: tuple[int, int] | None = None
        self._ledger = PictureLedger(config.on_error, account)
        self._frames = FrameMaker(config)
        self._workers = pixel_workers(options, config.max_in_flight)

    def process(self, item: CodedPicture | _Refusal) -> Iterator[_Output]:
        """Decode one picture, or take an error in its place."""
        ledger = self._ledger
        if isinstance(item, _Refusal):
            ledger.input_error(item.error)
        elif item.skip is not None:
            ledger.skipped(item)
        else:
            yield from self._suitable(item)
            ledger.fed(item)
            yield from self._settle(self._decode(item))
            assert self._context is not None
            while ledger.waiting > _MOST_HELD + self._context.delay:
                ledger.give_up_oldest()
                yield from ledger.released()
        yield from ledger.released()

    def drain(self) -> Iterator[_Output]:
        """End of stream."""
        if self._context is not None:
            for outcome in self._context.drain():
                yield from self._settle(outcome)
        self._ledger.end()
        yield from self._ledger.released()

    def reset(self) -> None:
        """Forget everything held, without output."""
        if self._context is not None:
            self._context.reset()
        if self._workers is not None:
            self._workers.settle()
        self._ledger.forget()

    def close(self) -> None:
        """Free the context, and end the threads."""
        self.reset()
        self._context = None
        if self._workers is not None:
            self._workers.close()

    def describe(self) -> dict[str, Any]:
        """Library, decoder and threads; None while nothing was decoded."""
        version = load_av().library_versions["libavcodec"]
        context = self._context
        return {
            "library": f"libavcodec {'.'.join(map(str, version))}",
            "decoder": decoder_name(self._config.codec),
            "threads": context.threads if context is not None else None,
            "delay": context.delay if context is not None else None,
            **describe(self._workers),
        }

    # The context

    def _suitable(self, item: CodedPicture) -> Iterator[_Output]:
        """Have a context that suits the item; sequences change where nothing before is needed."""
        setup = setup_for(self._config, self._options, item.info.sequence)
        context = self._context
        if context is not None and context.setup != setup:
            access = item.unit.random_access if item.unit is not None else None
            renewed = item.keyframe and setup.headers != context.setup.headers
            if context.idle or renewed or access in ("idr", "bla"):
                yield from self.drain()
                context.reset()
                self._context = None
        elif context is not None and item.keyframe and (context.stuck or self._resized(item)):
            yield from self.drain()
        self._size = item.info.sequence.size
        if self._context is not None and self._context.stale:
            self._context = None
        if self._context is None:
            try:
                self._context = DecodingContext(self._config, setup)
            except VideoHwError:
                self._account.add(item.silent or "undecodable")
                raise

    def _resized(self, item: CodedPicture) -> bool:
        """Whether libavcodec would let go of pictures that it holds, for those of another size."""
        return self._size not in (None, item.info.sequence.size)

    def _decode(self, item: CodedPicture) -> Outcome:
        assert self._context is not None
        try:
            return self._context.decode(item.data, item.serial)
        except DeviceLost:
            raise
        except Exception as error:
            return Outcome([], item.serial, error)

    # What came out

    def _settle(self, outcome: Outcome) -> Iterator[_Output]:
        ledger = self._ledger
        for av_frame in outcome.frames:
            if av_frame.pts is None:
                continue  # of MPEG-4: one that was shown before, because the last was damaged
            ledger.give_up_before(av_frame.pts)
            yield from ledger.released()
            verdict = ledger.shown(av_frame.pts, corrupt=av_frame.is_corrupt)
            if isinstance(verdict, Verdict):
                if verdict.corrupt is False and av_frame.pts in outcome.unsure:
                    verdict = verdict._replace(corrupt=None)
                yield self._made(av_frame, verdict)
            elif verdict is not None:
                yield verdict
        if outcome.error is not None:
            item = ledger.find(outcome.serial)
            ledger.refused(outcome.serial, _refusal(outcome.error, item))
        ledger.accepted(outcome.serial)
        yield from ledger.released()

    def _made(self, av_frame: Any, verdict: Verdict) -> _Output:
        """The frame, or the error in its place; or it is on its way."""
        item = verdict.item
        try:
            with self._counting(item):
                frame = self._frames.make(av_frame, item, verdict.corrupt, self._context)
            if not self._frames.converts:
                return frame
            work = (frame, item)
            future = None if self._workers is None else self._workers.begin(self._convert, work)
            return self._convert(work) if future is None else future
        except VideoHwError as error:
            return error

    def _convert(self, work: tuple[Frame, CodedPicture]) -> Frame:
        """The frame as it was asked for; on this thread or a worker's."""
        frame, item = work
        with self._counting(item):
            return self._frames.convert(frame)

    @contextmanager
    def _counting(self, item: CodedPicture) -> Iterator[None]:
        """Count a picture of which no frame can be made."""
        try:
            yield
        except VideoHwError:
            self._ledger.undeliverable()
            raise
        except MemoryError as error:
            self._ledger.undeliverable()
            raise _no_memory(item, error) from error


def _refusal(cause: Exception, item: CodedPicture | None) -> VideoHwError:
    """The error for what libavcodec, or the step into it, raised about a picture."""
    if not isinstance(cause, load_av().error.FFmpegError):
        return _no_memory(item, cause) if isinstance(cause, MemoryError) else unexpected(cause)
    call = str(cause.filename or _CALL).removesuffix("()")
    about = None if item is None else described(item)
    offset = None if item is None else item.offset
    error = from_ffmpeg(cause, call, doing="decode", offset=offset, about=about)
    if isinstance(error, InvalidBitstream):
        error.hint = HINT
    return error


def _no_memory(item: CodedPicture | None, cause: MemoryError) -> BackendError:
    about = "while draining" if item is None else f"for {described(item)}"
    error = BackendError(
        f"memory ran out {about}",
        domain="videohw",
        hint="a smaller size, a smaller max_in_flight, or fewer sessions",
    )
    error.__cause__ = cause
    return error
