"""Ctrl-C, SIGTERM and SIGHUP (the terminal was closed) end a command by unwinding it.

So it closes and removes what it opened.

Owns the handlers of the process while a command runs. Knows no command.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

# How long after a signal its exception must have begun to unwind; else it is raised again.
_LOST_AFTER_SECONDS = 0.25


class Interrupted(KeyboardInterrupt):
    """SIGINT came.

    A class of its own: Python ends a process by SIGINT, whatever its exit code, once a
    KeyboardInterrupt itself has left code that was given as text, such as a dataclass in the
    making; and libraries that are loaded late make many.
    """


class Terminated(BaseException):
    """SIGTERM came. Not an Exception, so that it passes the same way as KeyboardInterrupt."""


class HungUp(Terminated):
    """SIGHUP came: the terminal was closed, or its connection lost."""


_RAISED: dict[int, type[BaseException]] = {
    signal.SIGINT: Interrupted,
    signal.SIGTERM: Terminated,
}
if sys.platform != "win32":
    _RAISED[signal.SIGHUP] = HungUp


@contextmanager
def signals_end_cleanly(*, last: bool = False) -> Iterator[None]:
    """Let SIGTERM and SIGHUP unwind like Ctrl-C, and let no second signal disturb the unwinding.

    The clean-up that the unwinding does (closing sessions, removing the temporary file) is
    bounded; SIGKILL and SIGQUIT stay as they are. An exception that is lost on its way, in a
    finalizer or a library that swallows it, is raised again until the unwinding has begun.
    ``last`` says that the process ends behind the block, so that after one signal no other is
    heeded any more. Outside the main thread, where Python cannot set handlers, this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    unwinding = _Unwinding()
    # A caller that ignores a signal (nohup, a shell's background job) keeps it ignored.
    before = {n: h for n in _RAISED if (h := signal.getsignal(n)) is not signal.SIG_IGN}
    try:
        with unwinding.raised_again_when_lost():
            for number in before:
                signal.signal(number, unwinding.begin)
            yield
    except (KeyboardInterrupt, Terminated):
        if last:
            before = dict.fromkeys(before, signal.SIG_IGN)
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def signal_behind(error: BaseException) -> BaseException | None:
    """The exception of a signal that ``error`` was raised in place of, None without one."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, (KeyboardInterrupt, Terminated)):
        found = found.__context__
    return found


class _Unwinding:
    """What a signal has raised, and whether that is on its way out of the block."""

    def __init__(self) -> None:
        self._raised: BaseException | None = None

    def begin(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal: raise its exception, unless an earlier one unwinds already."""
        if self._raised is None:
            self._raised = _RAISED[number]()
            if hasattr(signal, "setitimer"):
                signal.setitimer(signal.ITIMER_REAL, _LOST_AFTER_SECONDS, _LOST_AFTER_SECONDS)
        if not self._begun():
            raise self._raised

    def _begun(self) -> bool:
        """Whether clean-up code runs now: no other code does while an exception passes."""
        found = sys.exc_info()[1]
        while found is not None and found is not self._raised:
            found = found.__context__
        return found is not None

    @contextmanager
    def raised_again_when_lost(self) -> Iterator[None]:
        """Look after a signal, some time later, whether its exception was lost."""
        report = sys.unraisablehook

        def hook(lost: Any) -> None:
            if lost.exc_value is None or lost.exc_value is not self._raised:
                report(lost)

        sys.unraisablehook = hook
        try:
            with _alarm(self._again):
                yield
        finally:
            sys.unraisablehook = report

    def _again(self, number: int, frame: FrameType | None) -> None:
        if self._raised is not None and not self._begun():
            raise self._raised


@contextmanager
def _alarm(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Call ``handler`` when the timer of the process ends; nothing where there is none."""
    if not hasattr(signal, "setitimer"):
        yield
        return
    before = signal.signal(signal.SIGALRM, handler)
    signal.siginterrupt(signal.SIGALRM, False)  # libraries need not know that a call was cut short
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
