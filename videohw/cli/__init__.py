"""The command line: ``videohw info | inspect | decode | encode | transcode``.

Only its entry, which loads nothing before it has seen to Ctrl-C; ``program`` is the whole.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

_INTERRUPTED = 130  # ExitCode.INTERRUPTED, which is not loaded yet


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; never raises.

    ``argv`` is without the program's name, None for that of the process. Results go to standard
    output, errors as one line to standard error. Exit codes: :class:`videohw.cli.errors.ExitCode`.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        handler = signal.getsignal(signal.SIGINT)
        if argv is None and handler is signal.default_int_handler:
            # Nothing has begun that would need to be cleaned up, and not every library lets a
            # KeyboardInterrupt through while it is imported.
            signal.signal(signal.SIGINT, lambda number, frame: os._exit(_INTERRUPTED))
            _load(arguments)
            signal.signal(signal.SIGINT, handler)
        from . import program

        return program.run(arguments, last=argv is None)
    except KeyboardInterrupt:
        return _INTERRUPTED


def _load(arguments: Sequence[str]) -> None:
    """Import what the command needs."""
    from . import program

    if program.needs_commands(arguments):
        program.commands()
