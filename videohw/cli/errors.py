"""How a command of the CLI ends: exit codes, and one line on standard error.

Owns the translation from exceptions to what a shell and a person see. Knows no command.
"""

from __future__ import annotations

import errno
import os
import re
from enum import IntEnum

from ..errors import InvalidInput, VideoHwError

DEBUG_VARIABLE = "VIDEOHW_DEBUG"


class ExitCode(IntEnum):
    """What the shell gets: done, failed, wrong use; or 128 plus the signal that ended it."""

    DONE = 0
    FAILED = 1
    WRONG_USE = 2
    HUNG_UP = 129
    INTERRUPTED = 130
    PIPE_CLOSED = 141
    TERMINATED = 143


class UsageError(InvalidInput):
    """The command line itself is wrong; nothing was read or written."""


class CommandFailed(VideoHwError, RuntimeError):
    """The command line is right, but the command cannot be done."""


# Argument of the API -> option of the command line, where they are spelt differently.
_OPTIONS = {
    "rate_control.bps": "--bitrate",
    "rate_control.max_bps": "--max-bitrate",
    "rate_control.q": "--quality",
    "rate_control.i": "--qp",
    "rate_control.p": "--qp",
    "rate_control.b": "--qp",
    "output": "--output-format",
    "input": "--format",
    "format": "--input-format",
    "width": "--size",
    "height": "--size",
}
_SAME_NAME = frozenset(
    {
        "backend", "b_frames", "codec", "container", "crop", "device", "encoder_backend", "end",
        "fps", "gop",
        "on_error", "preset", "profile", "require_hardware", "size", "start", "stream", "strict",
    }
)  # fmt: skip


def in_options(text: str) -> str:
    """``text`` of the API with its arguments as options: ``strict=False`` is "no --strict"."""

    def spell(match: re.Match[str]) -> str:
        option = option_for(match[1])
        if option is None:
            return match[0]
        if match[3] in ("True", "False"):
            return option if match[3] == "True" else f"no {option}"
        return f"{option} {match[3]}".strip()

    return re.sub(r"\b([a-z_]+)=([\"']?)(\w*)\2", spell, text)


def option_for(argument: str | None) -> str | None:
    """The option that feeds ``argument`` of the API, None when no option does."""
    if argument is None:
        return None
    if argument in _OPTIONS:
        return _OPTIONS[argument]
    root = argument.partition(".")[0]
    return "--" + root.replace("_", "-") if root in _SAME_NAME else None


def exit_code_of(error: BaseException) -> ExitCode:
    """Wrong use where an option of the command line is to blame, else failed."""
    if isinstance(error, UsageError):
        return ExitCode.WRONG_USE
    if isinstance(error, InvalidInput) and option_for(error.argument) is not None:
        return ExitCode.WRONG_USE
    return ExitCode.FAILED


def one_line(error: BaseException) -> str:
    """``message (hint)`` of ``error``, on one line and without control characters."""
    if isinstance(error, VideoHwError):
        text = in_options(str(error))
        option = option_for(getattr(error, "argument", None))
        if option is not None and not isinstance(error, UsageError):
            text = f"{option}: {text}"
    elif isinstance(error, OSError):
        text = _os_error_text(error)
    elif isinstance(error, MemoryError):
        text = "out of memory (try a smaller --size)"
    else:
        text = (
            f"unexpected {type(error).__name__}: {error} "
            f"(this is a bug of videohw, please report it; {DEBUG_VARIABLE}=1 shows where)"
        )
    text = " ".join(text.split())
    return "".join(c if c.isprintable() else "?" for c in text)


def _os_error_text(error: OSError) -> str:
    reason = os.strerror(error.errno) if error.errno else str(error) or type(error).__name__
    text = f"{error.filename}: {reason}" if error.filename else reason
    hints = {
        errno.ENOENT: "check the path",
        errno.EACCES: "check the permissions",
        errno.EISDIR: "give a file, not a folder",
        errno.ENOSPC: "free some space, or write elsewhere",
    }
    hint = hints.get(error.errno or 0)
    return f"{text} ({hint})" if hint else text


def debugging() -> bool:
    """True when the user asked for tracebacks by setting VIDEOHW_DEBUG=1."""
    return os.environ.get(DEBUG_VARIABLE, "") not in ("", "0")
