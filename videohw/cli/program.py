"""The parser of the command line and the way a command ends.

Each command is a module with ``add_parser`` and ``run``; what they do is done by the public API,
which this package only calls.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from types import ModuleType
from typing import NoReturn

from .. import __version__
from ..errors import VideoHwError
from .errors import (
    ExitCode,
    UsageError,
    debugging,
    exit_code_of,
    one_line,
)
from .signals import HungUp, Terminated, signal_behind, signals_end_cleanly

_VERSION = f"videohw {__version__}"
_DESCRIPTION = """\
One API over video codec hardware, with an open software backend.

examples:
  videohw info
  videohw transcode in.mp4 out.mp4 --codec hevc
"""
_EPILOG = """\
exit codes: 0 done, 1 failed, 2 wrong use, 129 the terminal was closed, 130 interrupted (Ctrl-C),
141 the reader of a pipe went away, 143 terminated. VIDEOHW_DEBUG=1 shows the traceback of an error.
"""


class _Parser(argparse.ArgumentParser):
    """argparse, except that a wrong argument is an exception with one line."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, hint=f"see {self.prog} --help")


def commands() -> tuple[ModuleType, ...]:
    """The modules of all commands; the first call loads them and most of what they need."""
    from . import decode, encode, info, inspect_, transcode

    return info, inspect_, decode, encode, transcode


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line; ``namespace.run`` is the command's function."""
    parser = _Parser(
        prog="videohw",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=_VERSION)
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in commands():
        command.add_parser(subparsers)
    return parser


def needs_commands(arguments: Sequence[str]) -> bool:
    """Whether more is asked than can be answered at once."""
    return list(arguments) != ["--version"]


def run(arguments: list[str], *, last: bool) -> int:
    """Run one command and return its exit code; see :func:`videohw.cli.main`.

    ``last`` says that the process ends behind it.
    """
    _open_standard_streams()
    if hasattr(sys.stdout, "reconfigure"):  # a file name may hold what the encoding lacks
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with signals_end_cleanly(last=last):
            return _flushed(_run(arguments))
    except HungUp:
        return ExitCode.HUNG_UP
    except Terminated:
        return ExitCode.TERMINATED
    except BrokenPipeError:
        _drop_stdout()
        return ExitCode.PIPE_CLOSED


def _run(arguments: list[str]) -> int:
    if not needs_commands(arguments):
        print(_VERSION)
        return ExitCode.DONE
    if not arguments:
        build_parser().print_help(sys.stderr)
        return ExitCode.WRONG_USE
    try:
        namespace = build_parser().parse_args(arguments)
        return int(namespace.run(namespace))
    except SystemExit as end:  # --help and --version
        return int(end.code or 0)
    except BrokenPipeError:
        raise
    except Exception as error:
        ended_by = signal_behind(error)  # some code of Python makes a RuntimeError of it
        if ended_by is not None:
            raise ended_by from None
        return _report(error, as_json="--json" in arguments)


def _flushed(code: int) -> int:
    """``code``, once standard output has taken what was printed."""
    if sys.stdout is None:
        return code
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:  # a full disk
        _drop_stdout()
        if code == ExitCode.DONE:
            return _report(error, as_json=False)
    return code


def _report(error: Exception, *, as_json: bool) -> ExitCode:
    """Say what went wrong, on one line, and for ``--json`` as an object too."""
    if debugging():
        traceback.print_exc()
    code = exit_code_of(error)
    text = one_line(error)
    print(f"videohw: error: {text}", file=sys.stderr)
    if as_json and code is not ExitCode.WRONG_USE:
        hint = error.hint if isinstance(error, VideoHwError) else None
        fault = {"type": type(error).__name__, "message": text, "hint": hint}
        with suppress(OSError):  # standard output itself may be what failed
            print(json.dumps({"error": fault}, indent=2))
    return code


def _open_standard_streams() -> None:
    """Nothing that a command opens becomes the standard stream that its caller closed.

    What is printed for people goes nowhere then, and not to standard output, which may be data.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (for good)


def _drop_stdout() -> None:
    # What is still buffered has no reader; without this, Python complains about it at exit.
    with suppress(OSError, ValueError):  # it is not a file here, as in a test
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
