"""``videohw transcode``: a video file into another codec or container, everything else kept."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from ..backend_table import AUTO, BACKENDS
from ..errors import VideoHwError
from ..files.containers import CONTAINERS
from ..known_names import ON_ERROR
from . import outcome, values
from .console import Console
from .errors import ExitCode, UsageError
from .options import (
    SubParsers,
    add_backend,
    add_encoding,
    add_overwrite,
    add_quiet,
    add_source,
    argument,
    chosen_codec,
    command,
    encoder_arguments,
    raw_container,
    source_arguments,
)
from .progress import Progress
from .targets import STANDARD, check_source, check_target, source_of, standard_output

if TYPE_CHECKING:
    from ..transcode_file import TranscodeResult
    from ..transcode_job import TranscodeProgress

# As in the API: what people transcode for is a smaller file.
PREFERRED_CODEC = "hevc"


def add_parser(commands: SubParsers) -> None:
    """Add the command to the command line."""
    parser = command(
        commands,
        "transcode",
        "IN OUT",
        help="a video file into another codec; sound and the rest are kept",
        description="Decode the video of IN and encode it into OUT. Sound, subtitles, tags and\n"
        "rotation are copied. OUT appears when it is complete.",
        examples=(
            "videohw transcode in.mp4 out.mp4 --codec hevc",
            "videohw transcode in.mkv out.mp4 --codec hevc --bitrate 4M --preset fast",
            "videohw transcode in.mp4 out.mp4 --quality 28 --start 1:00 --end 1:30 --size 1280x720",
        ),
        run=run,
    )
    add_source(parser)
    parser.add_argument("output", metavar="OUT", help="file to write, by its ending: mp4, mkv ...")
    add_encoding(parser, PREFERRED_CODEC)
    part = parser.add_argument_group("pictures")
    part.add_argument(
        "--start", type=argument(values.time), metavar="TIME", help="begin here: 83.5 or 1:23.5"
    )
    part.add_argument("--end", type=argument(values.time), metavar="TIME", help="end here")
    part.add_argument(
        "--size", type=argument(values.size), metavar="WxH", help="scale the pictures to this size"
    )
    part.add_argument(
        "--crop", type=argument(values.crop), metavar="WxH+X+Y", help="cut this out, before --size"
    )
    part.add_argument(
        "--on-error", choices=ON_ERROR, default="raise",
        help="damaged pictures: fail, leave out, leave out to the next keyframe, or show",
    )  # fmt: skip
    rest = parser.add_argument_group("other streams")
    rest.add_argument("--video-only", action="store_true", help="leave out sound and the rest")
    rest.add_argument(
        "--strict", action="store_true", help="fail if OUT cannot hold a stream, not leave it out"
    )
    parser.add_argument(
        "--container", choices=tuple(CONTAINERS), help="file format (default: by the ending of OUT)"
    )
    add_backend(parser).add_argument(
        "--encoder-backend", choices=(AUTO, *BACKENDS), metavar="NAME",
        help="who encodes, if not --backend (which may only decode)",
    )  # fmt: skip
    add_overwrite(parser)
    add_quiet(parser)


def run(args: argparse.Namespace) -> int:
    """Transcode, and say what came out."""
    if args.end is not None and args.end <= (args.start or 0.0):
        raise UsageError("--end is not after --start")
    data_out = args.output == STANDARD
    if data_out and args.json:
        raise UsageError("standard output cannot take both the video and JSON", hint="give OUT")
    console = Console(json=args.json, quiet=args.quiet, data_out=data_out)
    options = {
        "start": args.start, "end": args.end, "size": args.size, "crop": args.crop,
        "on_error": args.on_error, "strict": args.strict,
        "streams": "video" if args.video_only else "all",
        "encoder_backend": args.encoder_backend, **source_arguments(args),
    }  # fmt: skip
    return _run(args, console, options, preferred=PREFERRED_CODEC)


def encode_video(args: argparse.Namespace, console: Console) -> int:
    """What ``encode`` does with a coded video: its pictures alone."""
    if args.frames is not None:
        raise UsageError(
            "--frames is for uncompressed pictures", hint="use videohw transcode --end TIME"
        )
    try:
        return _run(args, console, {"streams": "video"}, preferred="h264")
    except VideoHwError as error:  # some hints name options that encode has not
        if error.hint and "format=" in error.hint:
            error.hint = "raw frames need --size; videohw transcode can be told the format"
        elif error.hint and "encoder_backend=" in error.hint:
            error.hint = "videohw transcode may encode on another backend than it decodes on"
        raise


def _run(
    args: argparse.Namespace, console: Console, options: dict[str, Any], *, preferred: str
) -> int:
    settings = encoder_arguments(args)
    check_source(args.input)
    check_target(args.input, args.output, overwrite=args.overwrite)
    codec = chosen_codec(args, preferred=preferred)
    container = args.container
    target: Any = args.output
    if args.output == STANDARD:
        target = standard_output()
        container = container or raw_container(codec)
    from ..transcode_file import transcode

    with Progress("transcode", None, enabled=not console.quiet) as progress:

        def tell(done: TranscodeProgress) -> None:
            progress.update(done.frames, done.total)

        result = transcode(
            source_of(args.input), target, codec=codec, container=container, progress=tell,
            **options, **settings,
        )  # fmt: skip
    _show(args, console, result)
    return ExitCode.DONE


def _show(args: argparse.Namespace, console: Console, result: TranscodeResult) -> None:
    dropped = [
        {"index": each.stream.index, "kind": each.stream.kind, "reason": each.reason}
        for each in result.dropped_streams
    ]
    console.object(
        {
            "input": args.input,
            "output": args.output,
            "container": result.container,
            "codec": result.codec,
            "width": result.width,
            "height": result.height,
            "frames_in": result.frames_in,
            "frames_out": result.frames_out,
            "seconds": round(result.seconds, 3),
            "fps": round(result.fps, 2),
            "bytes": result.bytes,
            "duration": round(float(result.duration), 6),
            "copied_packets": result.copied,
            "dropped_streams": dropped,
            "retimed": result.retimed,
            "decoder": outcome.backend_data(result.decoder),
            "encoder": outcome.backend_data(result.encoder),
        }
    )
    for each in dropped:
        console.note(f"note: left out {each['kind']} stream {each['index']}: {each['reason']}")
    lost = result.frames_in - result.frames_out
    reasons = result.decoder.get("reasons") or {}
    lines = {
        "frames": f"{result.frames_in} in, {result.frames_out} out"
        + (f" ({lost} outside --start and --end)" if lost > 0 else ""),
        "not shown": ", ".join(f"{n} {why}" for why, n in reasons.items()),
        "coded": f"{result.codec} {result.width}x{result.height}, "
        + outcome.speed_text(result.frames_out, result.seconds),
        "copied": f"{len(result.copied)} other stream{'s' * (len(result.copied) > 1)}"
        if result.copied
        else "",
        "retimed": f"{result.retimed} pictures had no time of their own" if result.retimed else "",
        "decoder": outcome.backend_text(result.decoder),
        "encoder": outcome.backend_text(result.encoder),
    }
    where = outcome.where_text(args.output, result.frames_out, float(result.duration))
    outcome.show(console, where, lines)
