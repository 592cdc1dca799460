"""Options that several commands share, and what they become for the API."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import Any, TypeVar

from ..backend_table import AUTO, BACKENDS
from ..errors import InvalidInput
from ..files.containers import CONTAINERS
from ..known_names import CODEC_ALIASES, ENCODER_CODECS, PRESETS
from ..types import ConstantBitrate, ConstantQp, ConstantQuality, RateControl, VariableBitrate
from . import values
from .errors import UsageError

T = TypeVar("T")
SubParsers = Any  # argparse._SubParsersAction, which argparse does not make public


def argument(read: Callable[[str], T]) -> Callable[[str], T]:
    """``read`` in the form that argparse shows the message of."""

    def convert(text: str) -> T:
        try:
            return read(text)
        except InvalidInput as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert


def command(
    commands: SubParsers,
    name: str,
    operands: str = "",
    *,
    help: str,
    description: str,
    examples: tuple[str, ...],
    run: Callable[[argparse.Namespace], int],
) -> argparse.ArgumentParser:
    """A sub-command with its examples and the options that every command has.

    ``operands`` are its positional arguments as the usage line shows them.
    """
    shown = "".join(f"  {example}\n" for example in examples)
    heading = "examples" if len(examples) > 1 else "example"
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        usage=f"videohw {name} [options] {operands}".rstrip(),
        help=help,
        description=description,
        epilog=f"{heading}:\n{shown}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(run=run)
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object on standard output"
    )
    return parser


def add_quiet(parser: argparse.ArgumentParser) -> None:
    """``--quiet``: no progress and no summary."""
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress bar and no summary")


def add_overwrite(parser: argparse.ArgumentParser) -> None:
    """``--overwrite``: an existing target may be replaced."""
    parser.add_argument(
        "-y",
        "--overwrite",
        action="store_true",
        help="replace the output file if it exists (only once the new one is complete)",
    )


def add_source(parser: argparse.ArgumentParser) -> None:
    """The video to read, ``--stream``, ``--input-format`` and ``--fps``."""
    parser.add_argument("input", metavar="IN", help="video file, or raw H.264 or HEVC stream")
    parser.add_argument(
        "--stream", type=argument(values.count), default=0, metavar="N",
        help="which video stream of a container (default: 0, the first)",
    )  # fmt: skip
    parser.add_argument(
        "--input-format", metavar="NAME",
        help="format of IN where it cannot be told: h264, hevc (raw), else FFmpeg's name",
    )  # fmt: skip
    parser.add_argument(
        "--fps", type=argument(values.frame_rate), metavar="RATE",
        help="frames per second of a raw stream (default: what it states, else 25)",
    )  # fmt: skip


def add_backend(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """``--backend``, ``--device`` and ``--require-hardware``; the group that they are in."""
    group = parser.add_argument_group("backend")
    group.add_argument(
        "--backend",
        choices=(AUTO, *BACKENDS),
        default=AUTO,
        help="who does the work (default: auto, hardware first; `videohw info` lists them)",
    )
    group.add_argument(
        "--device",
        type=argument(values.device),
        default=0,
        metavar="N",
        help="which device of the backend, by its number or UUID (default: 0)",
    )
    group.add_argument(
        "--require-hardware", action="store_true", help="fail rather than use software"
    )
    return group


def add_encoding(parser: argparse.ArgumentParser, preferred: str) -> None:
    """Codec (by default ``preferred``), rate control, GOP and preset of an encoder."""
    group = parser.add_argument_group("encoding")
    group.add_argument(
        "--codec",
        type=argument(_encoder_codec),
        help=f"{', '.join(ENCODER_CODECS)} (default: {preferred}, if OUT can hold it)",
    )
    rate = group.add_mutually_exclusive_group()
    rate.add_argument(
        "--bitrate", type=argument(values.bitrate), metavar="BPS",
        help="average bits per second: 4M, 2500k",
    )  # fmt: skip
    rate.add_argument(
        "--quality", type=argument(values.quality), metavar="Q",
        help="constant quality on the codec's scale, 0 is best (default: 23, hevc 28, av1 35)",
    )  # fmt: skip
    rate.add_argument(
        "--qp", type=argument(values.quantisers), metavar="QP[:P:B]",
        help="fixed quantiser: 28, or one for each of I:P:B",
    )  # fmt: skip
    group.add_argument(
        "--max-bitrate", type=argument(values.bitrate), metavar="BPS",
        help="with --bitrate: never more than this; the same as --bitrate holds it constant",
    )  # fmt: skip
    group.add_argument("--preset", choices=PRESETS, help="speed or quality (default: balanced)")
    group.add_argument(
        "--profile", help="profile by its name, like high, main10 or, of prores, hq"
    )  # fmt: skip
    group.add_argument(
        "--gop", type=argument(values.count), metavar="FRAMES",
        help="frames between keyframes, 0: only the first (default: the backend's)",
    )  # fmt: skip
    group.add_argument(
        "--b-frames", type=argument(values.count), metavar="N",
        help="B-frames between two others (default: 0)",
    )  # fmt: skip


def source_arguments(args: argparse.Namespace) -> dict[str, Any]:
    """What the options say of the video to read."""
    return {"stream": args.stream, "format": args.input_format, "fps": args.fps}


def rate_control(args: argparse.Namespace) -> RateControl | None:
    """The rate control that the options ask for, None when they ask for none."""
    if args.max_bitrate is not None and args.bitrate is None:
        raise UsageError("--max-bitrate needs --bitrate", hint="give both, or --quality alone")
    if args.max_bitrate is not None and args.max_bitrate < args.bitrate:
        raise UsageError("--max-bitrate is below --bitrate")
    if args.bitrate is not None:
        if args.max_bitrate == args.bitrate:
            return ConstantBitrate(args.bitrate)
        return VariableBitrate(args.bitrate, args.max_bitrate)
    if args.quality is not None:
        return ConstantQuality(args.quality)
    if args.qp is not None:
        return ConstantQp(*args.qp)
    return None


def encoder_arguments(args: argparse.Namespace) -> dict[str, Any]:
    """What the options say to an encoder; those that were not given keep the API's defaults."""
    given = {
        "rate_control": rate_control(args),
        "preset": args.preset,
        "profile": args.profile,
        "gop": args.gop,
        "b_frames": args.b_frames,
    }
    chosen = {name: value for name, value in given.items() if value is not None}
    return {**chosen, **backend_arguments(args)}


def backend_arguments(args: argparse.Namespace) -> dict[str, Any]:
    """What the options say of the backend."""
    return {
        "backend": args.backend,
        "device": args.device,
        "require_hardware": args.require_hardware,
    }


def chosen_codec(args: argparse.Namespace, *, preferred: str) -> str:
    """The codec asked for, else ``preferred``, else what the output's container can hold."""
    if args.codec is not None:
        return str(args.codec)
    ending = os.path.splitext(args.output)[1].lower()
    for name, container in CONTAINERS.items():
        if args.container == name or (args.container is None and ending in container.extensions):
            return preferred if preferred in container.codecs else container.codecs[0]
    return preferred


def raw_container(codec: str) -> str:
    """The container that is the coded stream alone."""
    raw = (c.name for c in CONTAINERS.values() if c.muxer is None and codec in c.codecs)
    found = next(raw, None)
    if found is None:
        raise UsageError(f"{codec} has no stream without a container", hint="give --container")
    return found


def codec_name(text: str) -> str:
    """The codec that ``text`` names, in any of its usual spellings."""
    lower = text.strip().lower()
    return CODEC_ALIASES.get(lower, lower)


def _encoder_codec(text: str) -> str:
    name = codec_name(text)
    if name not in ENCODER_CODECS:
        raise InvalidInput(
            f"{text!r} is not a codec to encode to", hint=f"one of {', '.join(ENCODER_CODECS)}"
        )
    return name
