"""``videohw inspect``: what a stream holds, for a person or as JSON; no pixel is decoded."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeVar

from .console import Console
from .errors import CommandFailed, ExitCode, UsageError
from .options import SubParsers, argument, codec_name, command
from .targets import check_source
from .values import count

if TYPE_CHECKING:
    from .streams import Problems, VideoStream

DEFAULT_ROWS = 10
NAL_CODECS = ("h264", "hevc")
RAW_CODECS = ("h264", "hevc", "av1", "mpeg4", "vc1", "mpeg2", "mpeg1")
T = TypeVar("T")


def add_parser(commands: SubParsers) -> None:
    """Add the command to the command line."""
    parser = command(
        commands,
        "inspect",
        "FILE",
        help="NAL units, access units, parameter sets and timing of a stream",
        description="Report what a video stream holds. FILE is a raw stream (Annex-B,\n"
        "MPEG-1, 2 or 4, AV1 OBUs) or a container (with PyAV); - is standard input.\n"
        "Nothing is decoded.",
        examples=(
            "videohw inspect in.mp4",
            "videohw inspect in.h264 --nals --limit 50",
            "videohw inspect in.h265 --units --json",
        ),
        run=run,
    )
    parser.add_argument("file", metavar="FILE", help="the stream or file to look at")
    parser.add_argument("--units", action="store_true", help="list every access unit instead")
    parser.add_argument("--nals", action="store_true", help="list every NAL unit instead")
    parser.add_argument(
        "--limit", type=argument(count), metavar="N",
        help=f"rows of a list, 0: all (default: all with --units and --nals, else {DEFAULT_ROWS})",
    )  # fmt: skip
    parser.add_argument(
        "--codec", help=f"read FILE as a raw stream of this codec: {', '.join(RAW_CODECS)}"
    )
    parser.add_argument(
        "--stream", type=argument(count), default=0, metavar="N",
        help="which video stream of a container (default: 0, the first)",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Print the report, or the list that was asked for."""
    from .streams import Problems, open_stream

    if args.units and args.nals and not args.json:
        raise UsageError("--units and --nals are two lists", hint="give one, or --json for both")
    codec = None if args.codec is None else codec_name(args.codec)
    if codec is not None and codec not in RAW_CODECS:
        raise UsageError(
            f"{args.codec!r} is not a codec of raw streams", hint=f"one of {', '.join(RAW_CODECS)}"
        )
    check_source(args.file)
    console = Console(json=args.json)
    problems = Problems()
    with open_stream(args.file, codec, args.stream, problems) as stream:
        if (args.units or args.nals) and not args.json:
            _list(args, console, stream, problems)
        else:
            _report(args, console, stream, problems)
    return ExitCode.DONE


def _list(
    args: argparse.Namespace, console: Console, stream: VideoStream, problems: Problems
) -> None:
    from . import report

    codec = stream.info.codec
    if args.nals and codec not in NAL_CODECS:
        raise CommandFailed(f"{codec} has no NAL units", hint="--units lists its pictures")
    samples = enumerate(stream)
    if args.nals:
        rows = report.nal_cells(samples, stream.info)
        printed = console.listing(report.NAL_COLUMNS, _first(rows, args.limit))
    else:
        rows = report.unit_cells(samples, stream.info)
        printed = console.listing(report.UNIT_COLUMNS, _first(rows, args.limit))
    if not printed:
        raise _nothing(args.file, problems)
    for problem in problems.kept:
        console.note(f"problem: {problem}")


def _report(
    args: argparse.Namespace, console: Console, stream: VideoStream, problems: Problems
) -> None:
    from . import report
    from .survey import NalRow, Survey, UnitRow, nal_rows, unit_row

    survey = Survey(stream.info, problems)
    limit = args.limit if args.limit is not None else 0 if args.json else DEFAULT_ROWS
    units: list[UnitRow] = []
    nals: list[NalRow] = []
    for index, sample in enumerate(stream):
        survey.add(sample)
        if (args.units or not args.json) and (not limit or len(units) < limit):
            units.append(unit_row(index, sample, stream.info))
        if args.nals and (not limit or len(nals) < limit):
            nals.extend(nal_rows(index, sample, stream.info))
    if not survey.units:
        raise _nothing(args.file, problems)
    if args.json:
        data = report.as_data(args.file, survey)
        if args.units:
            data["units"] = units
        if args.nals:
            data["nals"] = nals[: limit or None]
        console.object(data)
    else:
        report.show(console, args.file, survey, units)


def _first(rows: Iterator[T], limit: int | None) -> Iterator[T]:
    return itertools.islice(rows, limit or None)


def _nothing(name: str, problems: Problems) -> CommandFailed:
    why = f": {problems.kept[0]}" if problems.kept else ""
    return CommandFailed(
        f"{name} holds no picture that can be found{why}",
        hint="--codec names the codec of a raw stream",
    )
