"""The public decoder: coded bytes in by any cut, pictures out in presentation order.

Owns: the arguments, the order of calls, the account. Must not know: any backend by name.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from . import arguments
from .backend_table import AUTO
from .conversion_request import checked_conversion
from .decoder_config import DecoderConfig
from .errors import Backpressure, InvalidInput, SessionClosed, VideoHwError
from .known_names import DEFAULT_MAX_IN_FLIGHT_FRAMES, DEFAULT_MAX_PENDING_BYTES, ON_ERROR
from .selection import EarlyProbe, canonical_codec, checked_options, select
from .session_owner import SessionOwner, with_time
from .sessions.deadline import deadline_after, remaining

if TYPE_CHECKING:
    from fractions import Fraction

    from .backend import CodedPicture, DecoderSession
    from .color import ColorSpec
    from .decoding.coded_input import CodedInput, Item
    from .frame import Crop, Frame, Size
    from .metrics import Meter


class Decoder(SessionOwner):
    """Decodes one stream of coded pictures into :class:`~videohw.frame.Frame`.

    Bytes go in by :meth:`submit`, in any pieces; frames come out by :meth:`try_reap`,
    :meth:`reap_timeout`, :meth:`flush` or iteration, in presentation order on every backend.
    Every method may be called from any thread; decoding runs on a thread of the session.
    Closing (or leaving the ``with`` block) does not touch frames that were handed out.

    - ``codec``: "h264", "hevc", "av1", "vp9", "vp8", "mpeg4", "vc1", "mpeg2", "mpeg1" or
      "jpeg". VC-1 is that of the Advanced profile.
    - ``backend``: "auto" takes the first that can, hardware first; :meth:`summary` says which,
      and why not the others. ``require_hardware`` refuses software. ``device``: number or name.
    - ``output``: "native" (what the backend makes, named by ``Frame.format``), "nv12", "i420",
      "p010", "rgb24", "bgr24", "rgba", "bgra", "rgb_planar", "rgb_float16", "rgb_float32" (see
      :meth:`Frame.convert`), or "metadata" for frames without pixels. ``memory``: where they
      are, "host" or "device". ``crop`` (left, top, width, height) is cut out of each picture
      and scaled to ``size`` (width, height). ``color`` overrides what the stream states;
      ``chroma``, ``resize``, ``mean`` and ``std`` are those of :meth:`Frame.convert`.
    - ``low_latency``: no frame of delay beyond what the stream's reordering needs.
    - ``on_error``, for pictures that are damaged or refused: "raise" raises in their place,
      "skip" leaves them out, "resync" leaves out everything to the next random access point,
      "conceal" delivers what there is, marked ``corrupt``. All are counted in :meth:`summary`.
    - ``time_base``: seconds per unit of pts, only handed on to ``Frame.time_base``.
    - ``max_in_flight``: outputs that may wait to be reaped. ``max_pending_bytes``: coded bytes
      that may wait to be decoded. Pictures that the codec itself holds do not count.
    - ``extradata``: avcC, hvcC, av1C, or headers as they stand in the stream. Parameter sets in
      the stream win. ``options``: the backend's own, such as :class:`SoftwareDecoderOptions`.
    - ``metrics``: whether :meth:`metrics` measures; None as ``VIDEO_HW_*_METRICS`` says.

    Raises :class:`InvalidInput` for a wrong argument, :class:`UnsupportedCodec` and
    :class:`UnsupportedConfig` with what was missing on each backend.
    """

    _config: DecoderConfig
    _session: DecoderSession
    _direction = "decode"

    def __init__(
        self,
        codec: str,
        *,
        backend: str = AUTO,
        output: str = "native",
        memory: str = "host",
        device: int | str = 0,
        require_hardware: bool = False,
        size: Size | None = None,
        crop: Crop | None = None,
        color: ColorSpec | None = None,
        chroma: str = "bilinear",
        resize: str = "bilinear",
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        low_latency: bool = False,
        on_error: str = "raise",
        time_base: Fraction | tuple[int, int] | None = None,
        max_in_flight: int = DEFAULT_MAX_IN_FLIGHT_FRAMES,
        max_pending_bytes: int = DEFAULT_MAX_PENDING_BYTES,
        extradata: bytes | None = None,
        metrics: bool | None = None,
        options: object | None = None,
    ) -> None:
        check = arguments
        wish = checked_conversion(
            output, size=size, crop=crop, color=color, chroma=chroma, resize=resize, mean=mean,
            std=std,
        )  # fmt: skip
        self._config = config = DecoderConfig(
            codec=canonical_codec(codec, "decode"),
            output=wish.output,
            memory=check.one_of("memory", memory, ("host", "device")),
            device=check.device(device),
            size=wish.size,
            crop=wish.crop,
            color=wish.color,
            chroma=wish.chroma,
            resize=wish.resize,
            mean=wish.mean,
            std=wish.std,
            low_latency=check.boolean("low_latency", low_latency),
            on_error=check.one_of("on_error", on_error, ON_ERROR),
            time_base=check.time_base(time_base),
            max_in_flight=check.integer("max_in_flight", max_in_flight, 1),
            max_pending_bytes=check.integer("max_pending_bytes", max_pending_bytes, 1, 1 << 62),
            extradata=extradata,
            options=checked_options(backend, options),
            require_hardware=check.boolean("require_hardware", require_hardware),
        )
        if config.output == "metadata" and (config.size or config.crop):
            wrong = "size" if config.size else "crop"
            raise InvalidInput(f'{wrong} is for pixels, and output is "metadata"', argument=wrong)
        measured = None if metrics is None else check.boolean("metrics", metrics)
        self._requested_backend = backend
        # No driver is started for arguments that are wrong.
        headers = None if extradata is None else _coded_input(config.codec, extradata)
        early = _first_imports(backend, config)
        self._input = _coded_input(config.codec) if headers is None else headers
        self._selection = select(
            config.codec, "decode", backend, config.require_hardware, config.device, early
        )
        self._feeding = threading.Lock()
        self._bitstream_errors = 0
        self._last_picture: tuple[int, int, str] | None = None
        self._session = self._selection.backend.open_decoder(config)
        converts = config.output not in ("native", "metadata") or config.size or config.crop
        self._measure(measured, config.time_base, bool(converts))

    # Input

    def submit(
        self,
        data: bytes | Sequence[bytes],
        pts: int | None = None,
        *,
        layout: str = "annexb",
        timeout: float | None = 0,
    ) -> None:
        """Queue coded bytes, all of them; they are copied.

        ``layout`` says what they are:

        - "annexb": a piece of a byte stream, cut anywhere. H.264 and HEVC with start codes,
          MPEG-1, MPEG-2, MPEG-4 and VC-1, AV1 as low-overhead OBUs with temporal delimiters.
        - "access_unit" (H.264, HEVC): a list of the raw NAL units of one access unit.
        - "length_prefixed" (H.264, HEVC): one sample of MP4, lengths of 1, 2 or 4 bytes as
          ``extradata`` says, 4 without.
        - "frame": one coded picture (VP8, VP9, JPEG, where it is the only layout and "annexb"
          means the same), one temporal unit of AV1, one picture of MPEG or VC-1
          (of that also without its start code, as AVI and ASF have it).

        All but "annexb" end a picture, so that it is decoded at once; the picture at the end of
        an annexb piece waits for the start of the next, or for :meth:`flush`.

        ``pts``: any int64, returned untouched on the picture of the first access unit that
        starts in these bytes (its start code, zero_byte included); further ones get None. One
        that no access unit takes is counted (``pts_unused`` of :meth:`summary`).

        ``timeout``: seconds to wait while a limit is reached, None for ever. Then
        :class:`Backpressure` is raised; nothing was taken, so the call may be repeated.
        :class:`InvalidInput` for a wrong argument, :class:`SessionClosed`. Errors in the coded
        data are raised by the calls that reap.
        """
        checked = self._input.check(data, pts, layout)
        deadline = deadline_after(arguments.seconds("timeout", timeout))
        meter = self._session.meter
        if meter is None:
            self._submit(partial(self._input.feed, *checked), deadline)
            return
        began = meter.now()
        try:
            self._submit(partial(self._measured_feed, meter, began, checked), deadline)
        except Backpressure:
            meter.refused()
            raise
        data = checked[0]
        meter.taken(began, sum(map(len, data)) if isinstance(data, list) else len(data))

    def _submit(self, feed: Callable[[], list[Item]], deadline: float | None) -> None:
        session = self._session
        if session.closed:  # in a forked child the lock may be held for ever
            session.admit(0)  # says why not
        while True:
            with self._feeding:
                try:
                    session.admit(0)
                except Backpressure:
                    left = remaining(deadline)
                    if left == 0:
                        raise
                else:
                    self._queue(feed())
                    return
            # Waiting happens without the lock, so that another thread can flush meanwhile.
            session.admit(left)

    def _measured_feed(
        self, meter: Meter, began: int, checked: tuple[Any, int | None, str]
    ) -> list[Item]:
        since = meter.now()
        items = self._input.feed(*checked)
        meter.prepared(began, since)
        return items

    def _queue(self, items: list[Item]) -> None:
        pictures: list[CodedPicture] = []
        for item in items:
            if not isinstance(item, VideoHwError):
                pictures.append(item)
                continue
            self._bitstream_errors += 1
            if self._config.on_error == "raise":
                self._session.push(pictures)
                pictures = []
                self._session.fail(item)
        self._session.push(pictures)

    # Output

    def try_reap(self) -> Frame | None:
        """The next frame if it is ready, else None; never waits.

        Raises the error that stands next in presentation order, once; the session goes on
        unless the error is ``fatal``.
        """
        return self._noted(self._session.take(0))

    def reap_timeout(self, seconds: float | None) -> Frame | None:
        """The next frame, waiting up to ``seconds`` (None: for ever) for it; else None."""
        return self._noted(self._session.take(arguments.seconds("seconds", seconds)))

    def flush(self, timeout: float | None = None) -> list[Frame]:
        """End of stream: every frame still to come, in presentation order.

        An error in the stream is raised in its place, and :class:`TimeoutError` when it takes
        longer than ``timeout`` seconds; both keep everything, and the next call goes on. Bytes
        of which none could ever be decoded, without any headers of the codec, are such an error.
        The decoder takes bytes again afterwards. References are gone then: pictures before the next
        random access point are counted as "no_reference". Parameter sets are kept.
        """
        deadline = deadline_after(arguments.seconds("timeout", timeout))
        self._end_stream(deadline)
        frames = self._session.drain(remaining(deadline))
        self._noted(frames[-1] if frames else None)
        self._log("flush")
        return frames

    def __iter__(self) -> Iterator[Frame]:
        """End of stream like :meth:`flush`, one frame at a time."""
        self._end_stream(None)
        for frame in self._session.draining():
            self._noted(frame)
            yield frame
        self._log("flush")

    def decode(
        self,
        pieces: Iterable[bytes | Sequence[bytes] | tuple[bytes | Sequence[bytes], int | None]],
        *,
        layout: str = "annexb",
    ) -> Iterator[Frame]:
        """Every frame of a whole stream, in presentation order, by the calling thread alone.

        ``pieces`` are what :meth:`submit` takes, each alone or as (data, pts). They are taken
        from their source as fast as frames are asked for, within the limits of the decoder and
        none while 32 pictures wait to be decoded. At their end the stream ends, as by
        :meth:`flush`. An error is raised in its place and ends this iterator, not the decoder.
        """
        for piece in pieces:
            data, pts = with_time(piece)
            for frame in self._through(partial(self.submit, data, pts, layout=layout)):
                self._noted(frame)
                yield frame
        yield from self

    def _end_stream(self, deadline: float | None) -> None:
        if self._session.closed:  # in a forked child the lock may be held for ever
            return
        left = remaining(deadline)
        if not self._feeding.acquire(timeout=-1 if left is None else left):
            raise TimeoutError("another thread is submitting; call flush again")
        try:
            if not self._session.closed:
                if self._session.meter is not None:
                    self._session.meter.ending()
                with suppress(SessionClosed):  # it failed, and what waits to be reaped says why
                    self._queue(self._input.finish())
        finally:
            self._feeding.release()

    def _noted(self, frame: Frame | None) -> Frame | None:
        if frame is not None:
            self._last_picture = frame.width, frame.height, frame.format
        return frame

    # Life

    def reset(self) -> None:
        """Drop what is queued and held, and begin anew; pictures under way count as "reset".

        As after :meth:`flush`, decoding goes on at a random access point, and parameter sets are
        kept.
        """
        if self._session.closed:  # in a forked child the lock may be held for ever
            self._session.reset()  # says why not
        with self._feeding:
            self._session.reset()
            self._input.reset()
            account = self._session.account
            settled = self._session.taken + sum(account.reasons.values())
            account.add("reset", account.submitted - settled)

    def __repr__(self) -> str:
        state = " closed" if self.closed else ""
        return f"<Decoder {self.codec} to {self._config.output} on {self.backend}{state}>"

    # State

    def summary(self) -> dict[str, Any]:
        """What decodes and why, and what became of every picture so far.

        ``submitted == delivered + sum(reasons.values())`` after every flush. Reasons: "rasl",
        "no_reference", "second_field" and "not_shown" by the standards; "undecodable",
        "skipped" and "resynced" by ``on_error``; "reset". ``delivered`` counts frames handed
        out, ``bitstream_errors`` what the parser refused, ``garbage_bytes`` bytes outside of
        any unit, ``layer_nals`` NAL units of enhancement layers that were left out.
        ``width``, ``height`` and ``format`` are those of the last frame handed out.
        ``abandoned``: a call of the driver did not come back, and what it holds is left to it.
        """
        config, account = self._config, self._session.account
        width, height, pixel_format = self._last_picture or (None, None, None)
        ready, _, queued_bytes = self._session.depth
        return {
            "codec": config.codec,
            "direction": "decode",
            "backend": self._selection.name,
            "requested_backend": self._requested_backend,
            "hardware": self._selection.capability.hardware,
            "refused": dict(self._selection.refused),
            "output": config.output,
            "memory": config.memory,
            "width": width,
            "height": height,
            "format": pixel_format,
            "on_error": config.on_error,
            **self._session.describe(),
            "submitted": account.submitted,
            "delivered": self._session.taken,
            "reasons": dict(account.reasons),
            "pts_unused": self._input.pts_unused,
            "bitstream_errors": self._bitstream_errors,
            "garbage_bytes": self._input.garbage_bytes,
            "layer_nals": self._input.layer_nals,
            "pending_bytes": self._input.pending_bytes,
            "ready": ready,
            "queued_bytes": queued_bytes,
            "max_in_flight": config.max_in_flight,
            "abandoned": self._session.abandoned,
        }


def _coded_input(codec: str, extradata: bytes | None = None) -> CodedInput:
    from .decoding.coded_input import CodedInput  # while the driver starts, see below

    return CodedInput(codec, extradata)


_first_import = threading.Lock()  # whoever takes it keeps it


def _first_imports(backend: str, config: DecoderConfig) -> EarlyProbe | None:
    """Import what a decoder needs while the driver starts; None when that was done before."""
    if not isinstance(backend, str) or not _first_import.acquire(blocking=False):
        return None
    with EarlyProbe(backend, config.codec, "decode", config.device) as early:
        from .decoding import coded_input  # noqa: F401

        # The first parameter sets would import these.
        if early.running and config.codec == "h264":
            from .bitstream import h264  # noqa: F401
        elif early.running and config.codec == "hevc":
            from .bitstream import hevc  # noqa: F401
        early.load_decoder(config)
        if early.running:
            from .bitstream.sei import values  # noqa: F401
    return early
