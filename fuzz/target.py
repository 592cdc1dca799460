"""Runs one case on a decoder and holds it to the contract.

Promised for any bytes: only the errors that are documented, no wait without end, no picture
twice, every picture accounted for, and a session that decodes a clean stream exactly afterwards.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, Final

from tests.backends.oracle import frame_md5
from tests.backends.pcm import gray_units, joined
from tests.corpus import stream
from videohw.decoder import Decoder
from videohw.errors import Backpressure, InvalidBitstream, InvalidInput, VideoHwError
from videohw.frame import Frame
from videohw.software_options import SoftwareDecoderOptions

from . import parser
from .case import FRAME_CODECS, Case, unpack_frames
from .finding import Violation, require
from .seeds import clips

# A wait that no case should come near: the codec has a few dozen kilobytes to decode.
PATIENCE_SECONDS: Final = 20.0
_IN_ORDER: Final = ("av1", "vp9", "vp8", "jpeg")
_START_CODE: Final = re.compile(rb"\x00?\x00\x00\x01")
_PIECE_BYTES: Final = (1, 7, 188, 1000, 4096, 1 << 20)
Features = frozenset[str]


def run(data: bytes, backend: str = "software") -> Features:
    """Run the case that ``data`` means on a backend; what was seen of the decoder on the way.

    Raises :class:`Violation`, or whatever came out that should not.
    """
    case = Case.from_bytes(data)
    if case.parser_only:
        return parser.run(case)
    decoder = _opened(case, backend)
    if decoder is None:
        return Features({f"{case.codec}: extradata refused"})
    with decoder:
        return _Run(case, decoder).whole()


def _opened(case: Case, backend: str) -> Decoder | None:
    try:
        return Decoder(
            case.codec,
            backend=backend,
            output=case.output,
            on_error=case.on_error,
            low_latency=case.low_latency,
            max_in_flight=case.max_in_flight,
            extradata=case.payload[:200] if case.with_extradata else None,
            options=_options(backend, case.threads, case.low_latency),
        )
    except InvalidInput as error:
        if error.argument != "extradata":
            raise
        return None


def _options(backend: str, threads: int | None, low_latency: bool = False) -> object:
    if backend != "software":
        return None
    # Without a number, on threads that hold pictures back, which is the harder case.
    by_frame = threads is None and not low_latency
    return SoftwareDecoderOptions(threads=threads, thread_type="frame" if by_frame else "auto")


class _Run:
    """One case on an open decoder."""

    def __init__(self, case: Case, decoder: Decoder) -> None:
        self._case = case
        self._decoder = decoder
        self._rng = Random(case.seed)
        self._given: set[int] = set()  # pts that were submitted
        self._seen_pts: set[int] = set()
        self._seen: set[int] = set()  # decode_index of frames
        self._kept: list[Frame] | None = None  # frames, while somebody wants them
        self._newest = -1
        self._first_of_stream = 0
        self._features: set[str] = set()

    def whole(self) -> Features:
        """Everything, with an end that suits the case, or to where libavcodec does not come back:
        frame threads wait for each other for ever on some damaged streams."""
        try:
            return self._whole()
        except VideoHwError:
            if not self._decoder.summary()["abandoned"]:
                raise
            return self._noted()

    def _whole(self) -> Features:
        for call in self._calls():
            self._submit(call)
            self._aside()
        ending = self._rng.randrange(4)
        if ending == 0:  # close in the middle
            return self._noted()
        if ending == 1:
            self._decoder.reset()
            self._first_of_stream = self._decoder.summary()["submitted"]
        else:
            self._flush()
        self._check_account()
        # Headers given as extradata stay in force: with wrong ones nothing decodes.
        if self._case.clean_after and not self._case.with_extradata:
            self._check_usable()
        return self._noted()

    # What is called

    def _calls(self) -> Iterator[dict[str, Any]]:
        case, rng = self._case, self._rng
        if case.codec in FRAME_CODECS:
            pieces: Iterator[Any] = iter(unpack_frames(case.payload))
            layout = "frame"
        elif case.codec in ("h264", "hevc") and case.layout != "annexb":
            pieces = self._samples()
            layout = case.layout
        else:
            pieces = self._cut(case.payload)
            layout = "frame" if case.layout == "access_unit" else "annexb"
            if case.codec in ("h264", "hevc"):
                layout = "annexb"
        for number, piece in enumerate(pieces):
            pts = None if rng.random() < 0.3 else 3 * number - (1 << rng.choice((4, 40, 62)))
            if pts in self._given:
                pts = None
            yield {"data": piece, "pts": pts, "layout": layout}

    def _cut(self, payload: bytes) -> Iterator[bytes]:
        sizes = [self._rng.choice(_PIECE_BYTES) for _ in range(3)]
        position = 0
        while position < len(payload):
            size = max(self._rng.choice(sizes), len(payload) // 400)
            yield payload[position : position + size]
            position += size

    def _samples(self) -> Iterator[Any]:
        """NAL units by the handful, as a list or behind lengths that may be wrong."""
        nals = [nal for nal in _START_CODE.split(self._case.payload) if nal]
        position = 0
        while position < len(nals):
            count = self._rng.choice((1, 1, 2, 4))
            unit = nals[position : position + count]
            position += count
            if self._case.layout == "access_unit":
                yield unit
                continue
            sample = b"".join(len(nal).to_bytes(4, "big") + nal for nal in unit)
            if self._rng.random() < 0.05:
                sample = sample[: self._rng.randrange(len(sample)) + 1]
            yield sample

    def _submit(self, call: dict[str, Any]) -> None:
        while True:
            try:
                self._decoder.submit(**call)
            except Backpressure as error:
                require(error.depth >= error.limit, f"Backpressure below its limit: {error!r}")
                if not self._reap(lambda: self._decoder.reap_timeout(PATIENCE_SECONDS)):
                    raise Violation(f"no output in {PATIENCE_SECONDS} s: {error!r}") from error
            else:
                break
        if call["pts"] is not None:
            self._given.add(call["pts"])

    def _aside(self) -> None:
        """What a caller may do between two calls of submit."""
        chance = self._rng.random()
        if chance < 0.02:
            self._flush()
        elif chance < 0.03:
            self._decoder.reset()
            self._first_of_stream = self._decoder.summary()["submitted"]
        elif chance < 0.3:
            self._reap(self._decoder.try_reap)
        elif chance < 0.32:
            self._decoder.summary()

    # What comes out

    def _reap(self, reap: Callable[[], Frame | None]) -> bool:
        """One output, a frame or an error; whether there was one."""
        try:
            frame = reap()
        except VideoHwError as error:
            self._error(error)
            return True
        if frame is not None:
            self._frame(frame)
        return frame is not None

    def _flush(self) -> None:
        """To the end of the stream, past every error, each of which takes the stream on."""
        most = 10 + 2 * self._decoder.summary()["submitted"] + self._bitstream_errors()
        for _ in range(most):
            try:
                for frame in self._decoder.flush(PATIENCE_SECONDS):
                    self._frame(frame)
            except VideoHwError as error:
                self._error(error)
            else:
                break
        else:
            raise Violation(f"flush raised {most} errors and does not end")
        self._check_account()
        require(self._decoder.flush(PATIENCE_SECONDS) == [], "a second flush gave frames")
        self._first_of_stream = self._decoder.summary()["submitted"]

    def _frame(self, frame: Frame) -> None:
        index = frame.decode_index
        require(index not in self._seen, f"a picture came twice: {index}")
        require(index >= self._first_of_stream, f"a picture of the stream before: {index}")
        if self._case.codec in _IN_ORDER:
            require(index > self._newest, f"pictures out of order: {index} after {self._newest}")
        self._seen.add(index)
        self._newest = index
        if self._kept is not None:
            self._kept.append(frame)
        if frame.pts is not None:
            require(frame.pts in self._given, f"a pts that nobody gave: {frame.pts}")
            require(frame.pts not in self._seen_pts, f"a pts came twice: {frame.pts}")
            self._seen_pts.add(frame.pts)
        if frame.corrupt:
            require(self._case.on_error == "conceal", f"a corrupt frame: {frame!r}")
            self._features.add(f"{self._case.codec}: corrupt frame")

    def _error(self, error: VideoHwError) -> None:
        if error.fatal and self._decoder.summary()["abandoned"]:
            raise error
        require(not error.fatal, f"a fatal error: {error!r}")
        if isinstance(error, InvalidBitstream):
            require(self._case.on_error == "raise", f"raised though told not to: {error!r}")
        else:
            planned = getattr(error, "domain", None) != "videohw" or "memory" in str(error)
            require(planned, f"unexpected in the worker: {error!r} of {error.__cause__!r}")
        kind = re.sub(r"\d+|0x[0-9a-f]+", "N", str(error))[:80]
        self._features.add(f"{self._case.codec}: {type(error).__name__} {kind}")

    # What must hold

    def _check_account(self) -> None:
        summary = self._decoder.summary()
        settled = summary["delivered"] + sum(summary["reasons"].values())
        require(summary["submitted"] == settled, f"the account is open: {summary}")
        require(summary["delivered"] == len(self._seen), f"delivered is wrong: {summary}")
        held = summary["ready"], summary["queued_bytes"], summary["pending_bytes"]
        require(held == (0, 0, 0), f"something is left: {summary}")

    def _check_usable(self) -> None:
        calls, expected = clean(self._case.codec, self._decoder.backend)
        self._kept = []
        for data in calls:
            self._submit({"data": data, "pts": None})
        self._flush()
        require(
            len(self._kept) == len(expected),
            f"a clean stream gives {len(self._kept)} frames afterwards, not {len(expected)}",
        )
        if self._case.output == "native":
            digests = tuple(frame_md5(frame) for frame in self._kept)
            require(digests == expected, f"a clean stream decodes differently: {self._case.codec}")

    def _bitstream_errors(self) -> int:
        return int(self._decoder.summary()["bitstream_errors"])

    def _noted(self) -> Features:
        summary = self._decoder.summary()
        case = self._case
        for reason in summary["reasons"]:
            self._features.add(f"{case.codec} {case.on_error}: {reason}")
        self._features.add(f"{case.codec}: {summary['format']} {summary['width']}")
        if summary["bitstream_errors"]:
            self._features.add(f"{case.codec}: bitstream errors")
        if summary["layer_nals"]:
            self._features.add(f"{case.codec}: layers")
        return Features(self._features)


@functools.cache
def clean(codec: str, backend: str) -> tuple[tuple[bytes, ...], tuple[str, ...]]:
    """(calls of a short intact stream, md5 of each of its pictures)."""
    if codec == "h264":
        data: tuple[bytes, ...] = (joined(gray_units(6)),)
    elif codec == "hevc":
        data = (stream("generated/small144x144.h265").read(),)
    else:
        units = next(seed.units for seed in clips() if seed.codec == codec)
        data = units if codec in FRAME_CODECS else (b"".join(units),)
    options = _options(backend, 1)
    with Decoder(codec, backend=backend, options=options, max_in_flight=100) as decoder:
        for piece in data:
            decoder.submit(piece)
        return data, tuple(frame_md5(frame) for frame in decoder.flush(PATIENCE_SECONDS))
