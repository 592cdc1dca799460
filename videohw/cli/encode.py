"""``videohw encode``: uncompressed pictures, or the pictures of a video file, as a coded file."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from typing import Any, BinaryIO

from ..files.containers import CONTAINERS
from ..known_names import ENCODER_INPUTS
from . import outcome, values
from .console import Console
from .errors import CommandFailed, ExitCode, UsageError
from .options import (
    SubParsers,
    add_backend,
    add_encoding,
    add_overwrite,
    add_quiet,
    argument,
    chosen_codec,
    command,
    encoder_arguments,
    raw_container,
)
from .progress import Progress
from .sources import MAGIC, RawReader, Y4mReader
from .targets import STANDARD, check_source, check_target, standard_input, standard_output
from .transcode import encode_video

PREFERRED_CODEC = "h264"
DEFAULT_FPS = Fraction(25)
# What is named so is no raw frames, even if a --size is given.
CODED = frozenset(ending for each in CONTAINERS.values() for ending in each.extensions)
# Endings of files of raw frames, and what their name says of the format.
RAW_FORMATS = {
    ".yuv": "i420", ".i420": "i420", ".raw": "i420", ".nv12": "nv12", ".p010": "p010",
    ".rgb": "rgb24", ".rgb24": "rgb24", ".bgr": "bgr24", ".bgr24": "bgr24", ".rgba": "rgba",
    ".bgra": "bgra",
}  # fmt: skip


def add_parser(commands: SubParsers) -> None:
    """Add the command to the command line."""
    parser = command(
        commands,
        "encode",
        "IN OUT",
        help="uncompressed pictures into a coded file",
        description="Encode the pictures of IN: YUV4MPEG2 (.y4m), raw frames (with --size), or\n"
        "any video file, whose sound is left out. - is standard input or output.",
        examples=(
            "videohw encode in.y4m out.mp4 --codec hevc --quality 28",
            "videohw encode in.yuv out.h264 --size 1920x1080 --fps 25 --bitrate 4M",
            "videohw encode - - --codec hevc --gop 50",
        ),
        run=run,
    )
    parser.add_argument("input", metavar="IN", help="pictures to encode")
    parser.add_argument("output", metavar="OUT", help="file to write, by its ending: mp4, mkv ...")
    raw = parser.add_argument_group("raw frames")
    raw.add_argument(
        "--size", type=argument(values.size), metavar="WxH", help="size of raw frames in pixels"
    )
    raw.add_argument(
        "--fps", type=argument(values.frame_rate), metavar="RATE",
        help="frames per second of raw frames (default: 25)",
    )  # fmt: skip
    raw.add_argument(
        "--format", choices=ENCODER_INPUTS,
        help="layout of raw frames (default: by the ending of IN, else i420)",
    )  # fmt: skip
    add_encoding(parser, PREFERRED_CODEC)
    parser.add_argument(
        "--container", choices=tuple(CONTAINERS), help="file format (default: by the ending of OUT)"
    )
    parser.add_argument(
        "--frames", type=argument(values.positive), metavar="N", help="stop after N frames"
    )
    add_backend(parser)
    add_overwrite(parser)
    add_quiet(parser)


def run(args: argparse.Namespace) -> int:
    """Encode, and say what came out."""
    data_out = args.output == STANDARD
    if data_out and args.json:
        raise UsageError("standard output cannot take both the video and JSON", hint="give OUT")
    console = Console(json=args.json, quiet=args.quiet, data_out=data_out)
    settings = encoder_arguments(args)
    check_source(args.input)
    check_target(args.input, args.output, overwrite=args.overwrite)
    with _pictures(args) as pictures:
        if pictures is None:
            return encode_video(args, console)
        return _encode(args, console, pictures, settings)


def _encode(
    args: argparse.Namespace,
    console: Console,
    pictures: RawReader | Y4mReader,
    settings: dict[str, Any],
) -> int:
    from ..writer import VideoWriter

    info = pictures.info
    if info.interlaced:
        console.note("note: interlaced pictures are coded as progressive ones")
    total = info.frames
    if args.frames is not None:
        total = args.frames if total is None else min(total, args.frames)
    codec = chosen_codec(args, preferred=PREFERRED_CODEC)
    target: Any = standard_output() if args.output == STANDARD else args.output
    container = args.container
    if container is None and args.output == STANDARD:
        container = raw_container(codec)
    with (
        Progress("encode", total, enabled=not console.quiet) as progress,
        VideoWriter(
            target, codec, width=info.width, height=info.height, fps=info.fps, input=info.input,
            color=info.color, sample_aspect_ratio=info.sample_aspect_ratio,
            container=container, **settings,
        ) as writer,
    ):  # fmt: skip
        for picture in pictures:
            writer.write(picture)
            progress.advance()
            if progress.frames == args.frames:
                break
        if not progress.frames:
            raise CommandFailed(f"{args.input} holds no whole frame", hint="check --size")
        summary = writer.summary()
    seconds = progress.seconds
    length = float(progress.frames / info.fps)
    _show(args, console, summary, progress.frames, seconds, length)
    return ExitCode.DONE


def _show(
    args: argparse.Namespace,
    console: Console,
    summary: dict[str, Any],
    frames: int,
    seconds: float,
    length: float,
) -> None:
    console.object(
        {
            "input": args.input,
            "output": args.output,
            "frames": frames,
            "seconds": round(seconds, 3),
            "fps": outcome.speed(frames, seconds),
            "bytes": outcome.file_bytes(args.output),
            "encoder": outcome.backend_data(summary),
        }
    )
    picture = f"{summary['codec']} {summary['width']}x{summary['height']}"
    lines = {
        "encoded": f"{picture}, {outcome.speed_text(frames, seconds)}",
        "encoder": outcome.backend_text(summary),
    }
    outcome.show(console, outcome.where_text(args.output, frames, length), lines)


@contextmanager
def _pictures(args: argparse.Namespace) -> Iterator[RawReader | Y4mReader | None]:
    """The uncompressed pictures of the input; None when it is a coded video file."""
    with ExitStack() as stack:
        if args.input == STANDARD:
            stream: BinaryIO = standard_input()
            length = None
        else:
            stream = stack.enter_context(open(args.input, "rb"))
            length = os.stat(args.input).st_size or None
        peeked: bytes = stream.peek(len(MAGIC))[: len(MAGIC)]  # type: ignore[attr-defined]
        ending = os.path.splitext(args.input)[1].lower()
        if peeked == MAGIC:
            _refuse_raw_options(args, "a YUV4MPEG2 file states its size, rate and format itself")
            yield Y4mReader(stream, stream_bytes=length)
        elif ending not in CODED and (args.size or args.format or ending in RAW_FORMATS):
            if args.size is None:
                raise UsageError("raw frames have no size of their own", hint="give --size WxH")
            yield RawReader(
                stream,
                size=args.size,
                fps=args.fps or DEFAULT_FPS,
                format=args.format or RAW_FORMATS.get(ending, "i420"),
                stream_bytes=length,
            )
        elif args.input == STANDARD:
            raise UsageError(
                "standard input is not YUV4MPEG2", hint="give --size and --format of raw frames"
            )
        else:
            _refuse_raw_options(
                args, "a video file states size and rate itself; videohw transcode --size scales it"
            )
            yield None


def _refuse_raw_options(args: argparse.Namespace, why: str) -> None:
    for option in ("size", "fps", "format"):
        if getattr(args, option) is not None:
            raise UsageError(f"--{option} is for raw frames", hint=why)
