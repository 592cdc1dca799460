"""Where a command writes: a file that appears whole or not at all, or standard output.

Owns the policy on existing files: they are never touched unless ``--overwrite`` was given, and
then only replaced once the new file is complete.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from ..files.output_file import OutputFile
from .errors import CommandFailed, UsageError

STANDARD = "-"


def source_of(name: str) -> str | BinaryIO:
    """What the API is given for the input ``name``: the path, or standard input."""
    return standard_input() if name == STANDARD else name


def standard_input() -> BinaryIO:
    """The bytes of standard input; :class:`CommandFailed` in a process that has none."""
    if sys.stdin is None:
        raise CommandFailed("standard input is closed", hint="give the name of a file")
    return sys.stdin.buffer


def standard_output() -> BinaryIO:
    """The bytes of standard output; :class:`CommandFailed` in a process that has none."""
    if sys.stdout is None:
        raise CommandFailed("standard output is closed", hint="give the name of a file")
    return sys.stdout.buffer


def check_source(source: str) -> None:
    """Refuse an input that cannot be read, with the plain reason."""
    if source == STANDARD:
        return
    if os.path.isdir(source):
        raise CommandFailed(f"{source} is a folder", hint="give a video file")
    if not os.path.exists(source):
        raise CommandFailed(f"{source}: no such file", hint="check the path")
    if not os.access(source, os.R_OK):
        raise CommandFailed(f"{source} cannot be read", hint="check the permissions")


def check_target(source: str, target: str, *, overwrite: bool) -> None:
    """Refuse a target that is the input, that exists, or that cannot be created.

    Called before any work, so that an hour of coding does not end in this message.
    """
    if target == STANDARD or is_special(target):
        return
    if source != STANDARD and os.path.exists(target) and os.path.samefile(source, target):
        raise UsageError(f"{target} is the input too", hint="write to another name")
    if os.path.isdir(target):
        raise CommandFailed(f"{target} is a folder", hint="give the name of a file")
    if os.path.exists(target) and not overwrite:
        raise CommandFailed(f"{target} exists", hint="-y replaces it")
    folder = os.path.dirname(target) or "."
    if not os.path.isdir(folder):
        raise CommandFailed(f"{folder}: no such folder", hint="create it first")
    if not os.access(folder, os.W_OK):
        raise CommandFailed(f"{folder} cannot be written to", hint="check the permissions")


def is_special(path: str) -> bool:
    """True for a device or a named pipe, such as /dev/null, which must be written in place."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


@contextmanager
def writing(target: str, *, overwrite: bool) -> Iterator[BinaryIO]:
    """A binary stream to ``target``; "-" is standard output, which is written as it comes.

    A file gets its name when the block ends; on any error or signal nothing is left of it and
    an existing file is as it was.
    """
    if target == STANDARD:
        stream = standard_output()
        yield stream
        stream.flush()
        return
    if is_special(target):
        with open(target, "wb") as stream:
            yield stream
        return
    output = OutputFile(target)
    assert output.path is not None
    try:
        with open(output.path, "wb") as stream:
            yield stream
        if os.path.exists(target) and not overwrite:
            raise CommandFailed(f"{target} exists by now", hint="-y replaces it")
        output.commit()
    except BaseException:
        output.discard()
        raise
