"""``videohw decode``: a video's pictures as raw frames, checksums, or only counted."""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ..known_names import DECODER_OUTPUTS, ON_ERROR
from . import outcome, values
from .console import Console
from .errors import CommandFailed, ExitCode, UsageError
from .options import (
    SubParsers,
    add_backend,
    add_overwrite,
    add_quiet,
    add_source,
    argument,
    backend_arguments,
    command,
    source_arguments,
)
from .progress import Progress
from .sinks import PLANAR, Checksums, FrameSink, NpySink, Picture, PngSink, RawSink, Y4mSink
from .targets import STANDARD, check_source, check_target, source_of, writing

if TYPE_CHECKING:
    from ..reader import VideoReader

FORMATS = (PLANAR, *(name for name in DECODER_OUTPUTS if name != "metadata"))
# Ending of the output -> kind of file, and the format of the frames where none is asked for.
ENDINGS = {
    ".y4m": ("y4m", PLANAR), ".yuv": ("raw", PLANAR), ".raw": ("raw", PLANAR),
    ".i420": ("raw", "i420"), ".nv12": ("raw", "nv12"), ".p010": ("raw", "p010"),
    ".rgb": ("raw", "rgb24"), ".rgb24": ("raw", "rgb24"), ".bgr": ("raw", "bgr24"),
    ".bgr24": ("raw", "bgr24"), ".rgba": ("raw", "rgba"), ".bgra": ("raw", "bgra"),
    ".npy": ("npy", "rgb24"), ".png": ("png", "rgb24"),
}  # fmt: skip
KINDS = {"y4m": PLANAR, "raw": PLANAR, "npy": "rgb24", "png": "rgb24"}
# Kinds that do not hold every format: their names, and what they hold.
HOLDS = {
    "png": ("PNG", ("rgb24", "rgba")),
    "y4m": ("YUV4MPEG2", (PLANAR, "native", "nv12", "i420", "p010")),
}
# A YUV4MPEG2 header must state a rate.
ASSUMED_FPS = Fraction(25)


def add_parser(commands: SubParsers) -> None:
    """Add the command to the command line."""
    parser = command(
        commands,
        "decode",
        "IN [-o OUT]",
        help="pictures of a video as raw frames, PNG files or checksums",
        description="Decode the pictures of IN. Without -o and without a checksum they are only\n"
        "decoded and counted. - is standard input or output.",
        examples=(
            "videohw decode in.mp4 -o out.y4m",
            "videohw decode in.h264 --frames-md5",
            "videohw decode in.mp4 -o frame-%05d.png --frames 10 --size 640x360",
        ),
        run=run,
    )
    add_source(parser)
    parser.add_argument(
        "-o", "--output", metavar="OUT",
        help="file to write: .y4m, .yuv .nv12 .rgb (raw frames), .npy, or a pattern like %%05d.png",
    )  # fmt: skip
    parser.add_argument(
        "--as", dest="kind", choices=tuple(KINDS),
        help="what to write (default: by the ending of OUT; y4m for -)",
    )  # fmt: skip
    parser.add_argument(
        "--output-format", choices=FORMATS, metavar="FORMAT",
        help=f"{', '.join(FORMATS)} (default: by OUT, else {PLANAR}: the video's own samples, "
        "one plane a component, the same bytes on every backend)",
    )  # fmt: skip
    sums = parser.add_mutually_exclusive_group()
    sums.add_argument("--md5", action="store_true", help="print the MD5 of all frames")
    sums.add_argument("--frames-md5", action="store_true", help="print the MD5 of each frame")
    parser.add_argument(
        "--frames", type=argument(values.positive), metavar="N", help="stop after N frames"
    )
    parser.add_argument(
        "--size", type=argument(values.size), metavar="WxH", help="scale the pictures to this size"
    )
    parser.add_argument(
        "--crop", type=argument(values.crop), metavar="WxH+X+Y", help="cut this out, before --size"
    )
    parser.add_argument(
        "--on-error", choices=ON_ERROR, default="raise",
        help="damaged pictures: fail, leave out, leave out to the next keyframe, or show",
    )  # fmt: skip
    add_backend(parser)
    add_overwrite(parser)
    add_quiet(parser)


def run(args: argparse.Namespace) -> int:
    """Decode, and say what came out."""
    plan = _Plan(args)
    console = Console(json=args.json, quiet=args.quiet, data_out=plan.takes_stdout)
    check_source(args.input)
    plan.check_targets()
    from ..reader import open as open_video

    reader = open_video(
        source_of(args.input), output=plan.output, size=args.size, crop=args.crop,
        on_error=args.on_error, **source_arguments(args), **backend_arguments(args),
    )  # fmt: skip
    with reader:
        total = _total(reader, args.frames)
        with (
            plan.sink(reader) as sink,
            Progress("decode", total, enabled=not console.quiet) as progress,
        ):
            tally = _Tally()
            for frame in reader:
                plan.take(frame, sink)
                tally.add(frame)
                progress.advance()
                if progress.frames == args.frames:
                    break
            if not progress.frames:
                raise CommandFailed(f"{args.input}: no picture came out of it")
        seconds = progress.seconds
        _show(args, console, plan, tally, reader.summary(), seconds)
    return ExitCode.DONE


class _Plan:
    """What is to be done with the frames, from the options."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._args = args
        self._overwrite = bool(args.overwrite)
        self.kind, self.format = self._choose()
        self.planar = self.format == PLANAR or self.kind == "y4m"
        self.sums = Checksums(each=args.frames_md5) if args.md5 or args.frames_md5 else None
        wanted = args.output is not None or self.sums is not None or args.output_format is not None
        self.output = "native" if self.format == PLANAR else self.format
        if not wanted and args.size is None and args.crop is None:
            self.output = "metadata"
        self.takes_stdout = args.output == STANDARD
        if self.takes_stdout and (args.json or self.sums is not None):
            raise UsageError("standard output cannot take both the frames and another result")
        if self.takes_stdout and self.kind in ("npy", "png"):
            raise UsageError(f"--as {self.kind} cannot be written to a pipe", hint="give -o a file")
        if self.kind in HOLDS and self.format not in HOLDS[self.kind][1]:
            name, formats = HOLDS[self.kind]
            raise UsageError(
                f"--output-format {self.format} does not fit {name}",
                hint=f"one of {', '.join(formats)}",
            )

    def _choose(self) -> tuple[str | None, str]:
        args = self._args
        kind, by_name = args.kind, None
        if args.output is not None and kind is None:
            if args.output == STANDARD:
                kind = "y4m"
            else:
                ending = os.path.splitext(args.output)[1].lower()
                kind, by_name = ENDINGS.get(ending, (None, None))
                if kind is None:
                    raise UsageError(
                        f"the name {args.output} does not say what to write",
                        hint=f"--as one of {', '.join(KINDS)}, or an ending of {' '.join(ENDINGS)}",
                    )
        if args.output is None and kind is not None:
            raise UsageError("--as needs -o", hint="-o names the file")
        return kind, args.output_format or by_name or KINDS.get(kind or "", PLANAR)

    def check_targets(self) -> None:
        """Refuse an output that exists or cannot be written, before any work."""
        target = self._args.output
        if target is None:
            return
        if self.kind == "png":
            target = _first_name(target)
        check_target(self._args.input, target, overwrite=self._overwrite)

    @contextmanager
    def sink(self, reader: VideoReader) -> Iterator[FrameSink | None]:
        """Where the frames go; the file gets its name when the block ends without an error."""
        target = self._args.output
        if target is None:
            yield None
        elif self.kind == "png":
            yield PngSink(target, overwrite=self._overwrite)
        else:
            with writing(target, overwrite=self._overwrite) as stream:
                sink: FrameSink
                if self.kind == "y4m":
                    sink = Y4mSink(stream, reader.fps or ASSUMED_FPS)
                else:
                    sink = NpySink(stream) if self.kind == "npy" else RawSink(stream)
                yield sink
                sink.finish()

    def take(self, frame: Any, sink: FrameSink | None) -> None:
        """Write and sum up one frame."""
        if sink is None and self.sums is None:
            return
        picture = Picture(frame, planar=self.planar)
        if sink is not None:
            sink.write(picture)
        if self.sums is not None:
            one = self.sums.write(picture)
            if one is not None and not self._args.json:
                print(one)


class _Tally:
    """What the frames were."""

    def __init__(self) -> None:
        self.frames = self.keyframes = self.corrupt = 0
        self.kinds: Counter[tuple[int, int, str]] = Counter()

    def add(self, frame: Any) -> None:
        """Count one frame."""
        self.frames += 1
        self.keyframes += bool(frame.keyframe)
        self.corrupt += frame.corrupt is True
        self.kinds[frame.width, frame.height, frame.format] += 1

    def text(self) -> str:
        """``640x360 yuv420p``, all of them where they change."""
        return ", ".join(f"{w}x{h} {name}".rstrip() for w, h, name in self.kinds)


def _first_name(pattern: str) -> str:
    try:
        first = pattern % 0
    except (TypeError, ValueError):
        first = pattern
    if first == pattern:
        raise UsageError(
            f"{pattern} names one file for all pictures", hint="use a pattern like frame-%05d.png"
        )
    return first


def _total(reader: VideoReader, limit: int | None) -> int | None:
    total = reader.frame_count
    if total is None and reader.duration is not None and reader.fps is not None:
        total = round(reader.duration * reader.fps)
    if limit is None:
        return total
    return limit if total is None else min(limit, total)


def _show(
    args: argparse.Namespace,
    console: Console,
    plan: _Plan,
    tally: _Tally,
    summary: dict[str, Any],
    seconds: float,
) -> None:
    sums = plan.sums
    if sums is not None and args.md5 and not args.json:
        print(sums.whole)
    console.object(
        {
            "input": args.input,
            "output": args.output,
            "frames": tally.frames,
            "keyframes": tally.keyframes,
            "corrupt": tally.corrupt,
            "pictures": [
                {"width": w, "height": h, "format": name, "frames": n}
                for (w, h, name), n in tally.kinds.items()
            ],
            "seconds": round(seconds, 3),
            "fps": outcome.speed(tally.frames, seconds),
            "md5": sums.whole if sums is not None else None,
            "frames_md5": sums.frames if sums is not None and args.frames_md5 else None,
            "decoder": outcome.backend_data(summary),
        }
    )
    if sums is not None:
        return  # checksums are the whole output, for scripts that compare it
    reasons = summary.get("reasons") or {}
    lines = {
        "decoded": f"{summary['codec']}, {outcome.speed_text(tally.frames, seconds)}",
        "pictures": tally.text(),
        "corrupt": f"{tally.corrupt} of {tally.frames} frames" if tally.corrupt else "",
        "not shown": ", ".join(f"{n} {why}" for why, n in reasons.items()),
        "decoder": outcome.backend_text(summary),
    }
    first = f"{args.input}: {tally.frames} frames"
    if args.output is not None and plan.kind != "png":
        first = outcome.where_text(args.output, tally.frames, None)
    elif args.output is not None:
        first = f"{args.output}: {tally.frames} pictures"
    outcome.show(console, first, lines)
