"""Decoding through PyAV's libavcodec, behind a worker thread.

Owns: what becomes of every picture, and the frames made of those that come out. Must not know:
arguments of the public classes, layouts; they arrive checked.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from ..backend import Account, CodedPicture
from ..errors import (
    BackendError,
    InvalidBitstream,
    InvalidInput,
    UnsupportedConfig,
    VideoHwError,
)
from ..frame import Conversion, Frame
from ..pixel_format import FORMATS
from ..session import WorkerSession
from ..status import from_ffmpeg
from ..types import DecoderConfig, SoftwareDecoderOptions
from .capabilities import decoder_name, load_av
from .context import DecodingContext, Outcome, setup_for
from .convert import Swscale
from .frames import color_of, format_name, planes_of

# libavcodec holds at most 16 pictures for reordering, and one for each frame thread. When more
# are owed, some were dropped without a word, and the oldest is given up.
_MOST_HELD: Final = 64
# What a bad picture is counted as.
_REASONS: Final = {
    "raise": "undecodable", "skip": "skipped", "resync": "resynced", "conceal": "undecodable",
}  # fmt: skip
_PARSED: Final = ("h264", "hevc")  # codecs whose sequences our parser describes
_FIELD_ORDERS: Final = {True: "tff", False: "bff", None: None}


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
        )
    if config.memory != "host":
        raise UnsupportedConfig(
            f"memory={config.memory!r}: the software backend decodes into host memory",
            hint='memory="host"',
        )
    if config.low_latency and options.thread_type == "frame":
        raise UnsupportedConfig(
            "options.thread_type is frame with low_latency=True: each thread adds a frame of delay",
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


class _Doubt(NamedTuple):
    """From picture ``since`` on, what comes out may lack references, until one that resumes."""

    since: int
    reason: str


class _Engine:
    """Drives one context, and decides about every picture by ``on_error``.

    A picture is pending from when it is fed until its frame comes, the codec refuses it, or it
    is given up. Errors wait until every picture fed before theirs is settled.
    """

    def __init__(
        self, config: DecoderConfig, options: SoftwareDecoderOptions, account: Account
    ) -> None:
        self._config = config
        self._options = options
        self._account = account
        self._context: DecodingContext | None = None
        self._pending: dict[int, CodedPicture] = {}  # in decoding order
        self._errors: list[tuple[int, VideoHwError]] = []  # in decoding order
        self._concealed: set[int] = set()  # refused by the codec, which may yet show something
        self._doubt: _Doubt | None = None
        self._newest = -1
        self._start_end = -1  # what was fed up to here may belong before the start in output order
        self._frames = FrameMaker(config)

    def process(self, item: CodedPicture | _Refusal) -> Iterator[Frame | VideoHwError]:
        """Decode one picture, or take an error in its place."""
        if isinstance(item, _Refusal):
            self._fail(self._newest + 1, item.error)
            yield from self._release()
            return
        self._newest = item.serial
        if item.skip is not None:
            self._account.add(item.skip)
            return
        yield from self._suitable(item)
        context = self._context
        assert context is not None
        if item.silent is not None:
            self._account.add(item.silent)
        else:
            self._pending[item.serial] = item
        if item.open_start:
            self._doubt = _Doubt(item.serial, "no_reference")
        yield from self._settle(context.decode(item.data, item.serial))
        while len(self._pending) + len(self._errors) > _MOST_HELD + context.delay:
            if self._pending:
                self._give_up(self._oldest_pending())
            yield from self._release()

    def drain(self) -> Iterator[Frame | VideoHwError]:
        """End of stream."""
        if self._context is not None:
            for outcome in self._context.drain():
                yield from self._settle(outcome)
        for serial in list(self._pending):
            self._give_up(serial)
        yield from self._release()
        self._doubt = None

    def reset(self) -> None:
        """Forget everything held, without output."""
        if self._context is not None:
            self._context.reset()
        self._pending.clear()
        self._errors.clear()
        self._concealed.clear()
        self._doubt = None

    def close(self) -> None:
        """Free the context."""
        self.reset()
        self._context = None

    def describe(self) -> dict[str, Any]:
        """Library, decoder and threads; None while nothing was decoded."""
        version = load_av().library_versions["libavcodec"]
        context = self._context
        return {
            "library": f"libavcodec {'.'.join(map(str, version))}",
            "decoder": decoder_name(self._config.codec),
            "threads": context.threads if context is not None else None,
            "delay": context.delay if context is not None else None,
        }

    # The context

    def _suitable(self, item: CodedPicture) -> Iterator[Frame | VideoHwError]:
        """Have a context that suits the item; sequences change where nothing before is needed."""
        threads = self._options.thread_type.upper()
        setup = setup_for(self._config, threads, item.info.sequence)
        context = self._context
        if context is not None and context.setup != setup:
            access = item.unit.random_access if item.unit is not None else None
            if context.idle or access in ("idr", "bla"):
                yield from self.drain()
                self.close()
        if self._context is None:
            try:
                self._context = DecodingContext(self._config, self._options.threads, setup)
            except VideoHwError:
                self._account.add(item.silent or "undecodable")
                raise

    # What becomes of pictures

    def _settle(self, outcome: Outcome) -> Iterator[Frame | VideoHwError]:
        for av_frame in outcome.frames:
            yield from self._release()
            made = self._judge(av_frame)
            if made is not None:
                yield made
        if outcome.error is not None:
            self._refuse(outcome.serial, outcome.error)
        yield from self._release()

    def _release(self) -> Iterator[VideoHwError]:
        """The errors before which every picture is settled."""
        while self._errors and self._oldest_pending() >= self._errors[0][0]:
            yield self._errors.pop(0)[1]

    def _oldest_pending(self) -> int:
        return next(iter(self._pending), self._newest + 1)

    def _judge(self, av_frame: Any) -> Frame | VideoHwError | None:
        """The frame of a pending picture, or the error that stands in its place, or nothing."""
        item = self._pending.pop(av_frame.pts, None)
        if item is None:
            return None  # settled before: the codec refused it and shows it all the same
        corrupt = av_frame.is_corrupt or item.serial in self._concealed
        self._concealed.discard(item.serial)
        doubt = self._doubt
        if doubt is not None and item.serial >= doubt.since:
            if item.resumes and not corrupt:
                self._doubt = None
                self._start_end = self._newest
            elif corrupt or doubt.reason == "resynced":
                self._account.add(doubt.reason)
                return None
        if corrupt and self._config.on_error != "conceal":
            return self._drop(item.serial, _bad_picture(item, "is damaged"))
        try:
            return self._frames.make(av_frame, item, corrupt, self._context)
        except (VideoHwError, MemoryError) as error:
            self._account.add("undecodable")
            return error if isinstance(error, VideoHwError) else _no_memory(item, error)

    def _refuse(self, serial: int | None, cause: Exception) -> None:
        """The codec gave an error for a picture, or, with None, for something while draining."""
        item = self._pending.get(-1 if serial is None else serial)
        offset = item.offset if item is not None else None
        error = from_ffmpeg(cause, "avcodec_receive_frame", doing="decode", offset=offset)
        doubt = self._doubt
        if item is None:
            if self._config.on_error == "raise":
                self._fail(self._newest if serial is None else serial, error)
        elif doubt is not None and item.serial >= doubt.since:
            del self._pending[item.serial]
            self._account.add(doubt.reason)
        elif self._config.on_error == "conceal":
            self._concealed.add(item.serial)
        else:
            del self._pending[item.serial]
            self._fail(item.serial, self._drop(item.serial, error))

    def _give_up(self, serial: int) -> None:
        """The codec was silent about a picture for so long that no frame will come."""
        item = self._pending.pop(serial)
        concealed = serial in self._concealed
        self._concealed.discard(serial)
        doubt = self._doubt
        if doubt is not None and serial >= doubt.since:
            self._account.add(doubt.reason)
        elif serial <= self._start_end:
            self._account.add("no_reference")
        elif concealed:
            self._account.add("undecodable")
        else:
            self._fail(serial, self._drop(serial, _bad_picture(item, "gave no picture")))

    def _drop(self, serial: int, error: VideoHwError) -> VideoHwError | None:
        """Count a bad picture by ``on_error``; the error when it is to be raised."""
        on_error = self._config.on_error
        self._account.add(_REASONS[on_error])
        if on_error == "resync":
            self._doubt = _Doubt(serial, "resynced")
        return error if on_error == "raise" else None

    def _fail(self, serial: int, error: VideoHwError | None) -> None:
        if error is not None:
            insort(self._errors, (serial, error), key=lambda entry: entry[0])


def _bad_picture(item: CodedPicture, what: str) -> InvalidBitstream:
    at = "" if item.offset is None else f" at byte {item.offset}"
    return InvalidBitstream(
        f"picture {item.serial}{at} {what}",
        offset=item.offset,
        hint='on_error="conceal" delivers it as far as it could be decoded, marked corrupt',
    )


def _no_memory(item: CodedPicture, cause: MemoryError) -> BackendError:
    error = BackendError(
        f"memory ran out for picture {item.serial}", domain="videohw", hint="a smaller size"
    )
    error.__cause__ = cause
    return error


class FrameMaker:
    """Makes our frames of libavcodec's, in the form that the decoder was asked for."""

    def __init__(self, config: DecoderConfig) -> None:
        self._config = config
        self._metadata = config.output == "metadata"
        convert = config.output not in ("native", "metadata") or config.size or config.crop
        self._conversion = Conversion(config.output, config.size, config.crop) if convert else None

    def make(
        self, av_frame: Any, item: CodedPicture, corrupt: bool, context: DecodingContext | None
    ) -> Frame:
        """The frame of ``item``; :class:`UnsupportedConfig` for what cannot be converted."""
        name = format_name(av_frame.format.name)
        color = color_of(
            int(av_frame.colorspace), int(av_frame.color_range), int(av_frame.color_primaries),
            int(av_frame.color_trc), item.info.sequence.siting, name,
        )  # fmt: skip
        aspect = item.info.sequence.sample_aspect_ratio
        if self._config.codec not in _PARSED and context is not None:
            aspect = context.sample_aspect_ratio
        top_first = item.info.fields.top_first if av_frame.interlaced_frame else True
        frame = Frame(
            planes=() if self._metadata else planes_of(av_frame, FORMATS[name]),
            format=name,
            width=av_frame.width,
            height=av_frame.height,
            pts=item.pts,
            time_base=self._config.time_base,
            color=color.overridden_by(self._config.color) if self._config.color else color,
            keyframe=item.keyframe,
            corrupt=corrupt,
            field_order=_FIELD_ORDERS[top_first] if av_frame.interlaced_frame else "progressive",
            repeat=item.info.fields.repeat,
            sample_aspect_ratio=aspect,
            decode_index=item.serial,
            side_data=item.info.side_data,
            converter=None if self._metadata else Swscale(av_frame),
        )
        return frame if self._conversion is None else Swscale(av_frame)(frame, self._conversion)
