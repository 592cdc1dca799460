"""Signals unwind a command, once, and get through wherever they come."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from tests.cli.terminals import ROOT, clean_environment
from videohw.cli import program
from videohw.cli.signals import HungUp, Terminated, signals_end_cleanly

SIGNALS = [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)]
if hasattr(signal, "SIGHUP"):
    SIGNALS.append((signal.SIGHUP, HungUp))
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no interval timers")
PATIENCE_SECONDS = 20


class Swallows:
    """An object whose finalizer gets the signal."""

    def __init__(self, number):
        self.number = number

    def __del__(self):
        signal.raise_signal(self.number)


def swallow(number):
    """What a library does that takes any exception for its own."""
    try:
        signal.raise_signal(number)
    except BaseException:
        return


def work_on():
    """As long as the patience lasts."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        time.sleep(0.01)


@pytest.mark.parametrize(("number", "raised"), SIGNALS)
def test_a_signal_unwinds_and_the_next_does_not_disturb_it(number, raised):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    cleaned = []

    @signals_end_cleanly()
    def work():
        try:
            signal.raise_signal(number)
        finally:
            signal.raise_signal(signal.SIGINT)
            try:
                raise OSError("in the clean-up")
            except OSError:
                signal.raise_signal(signal.SIGTERM)
            cleaned.append(True)

    with pytest.raises(raised):
        work()
    assert cleaned
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


@POSIX
@pytest.mark.parametrize(("number", "raised"), SIGNALS)
@pytest.mark.parametrize("loser", [Swallows, swallow])
def test_a_signal_that_was_lost_comes_again(capsys, loser, number, raised):
    before = signal.getsignal(signal.SIGALRM), sys.unraisablehook

    @signals_end_cleanly()
    def work():
        loser(number)
        work_on()

    began = time.monotonic()
    with pytest.raises(raised):
        work()
    assert time.monotonic() - began < PATIENCE_SECONDS
    assert capsys.readouterr().err == ""
    assert (signal.getsignal(signal.SIGALRM), sys.unraisablehook) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


@pytest.mark.parametrize(("number", "raised"), SIGNALS)
def test_a_second_signal_gets_through_where_the_first_was_lost(number, raised):
    done = []

    @signals_end_cleanly()
    def work():
        swallow(number)
        signal.raise_signal(number)
        done.append(True)

    with pytest.raises(raised):
        work()
    assert not done


@POSIX
def test_a_clean_up_takes_the_time_that_it_needs():
    slept = []

    @signals_end_cleanly()
    def work():
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            time.sleep(1)
            slept.append(True)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert slept


def test_other_errors_of_finalizers_are_told(monkeypatch):
    told = []
    monkeypatch.setattr(sys, "unraisablehook", lambda lost: told.append(lost.exc_type))

    class Fails:
        def __del__(self):
            raise ValueError

    with signals_end_cleanly():
        Fails()
    assert told == [ValueError]


@pytest.mark.parametrize(("number", "raised"), SIGNALS)
def test_an_error_that_was_made_of_a_signal_is_the_signal(monkeypatch, capsys, number, raised):
    def parser():
        try:
            signal.raise_signal(number)
        except BaseException as error:
            raise RuntimeError("cannot be initialised") from error

    monkeypatch.setattr(program, "build_parser", parser)
    with pytest.raises(raised), signals_end_cleanly():
        program._run(["info"])
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(sys.platform == "win32", reason="signals to a process are of POSIX")
@pytest.mark.parametrize(("number", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_the_exit_code_holds_where_code_was_given_as_text(number, code):
    script = f"""
import signal, sys
from videohw.cli import main, program
def parser():
    exec("signal.raise_signal(signal.{number})", globals())
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
program.build_parser = parser
sys.argv = ["videohw", "info"]
sys.exit(main())
"""
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=clean_environment(),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (code, "")


@pytest.mark.parametrize("number", [number for number, _ in SIGNALS])
def test_an_ignored_signal_stays_ignored(number):
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with signals_end_cleanly():
            signal.raise_signal(number)
    finally:
        signal.signal(number, before)
