"""Targets with bugs in them, which the engine must find (run in its worker processes)."""

from __future__ import annotations

import ctypes
import time

from fuzz.case import Case


def all_at_once(data: bytes) -> frozenset[str]:
    """A foreign exception, a hang and a crash, each for some inputs; else nothing."""
    case = Case.from_bytes(data)
    if case.codec == "vp8" and case.on_error == "skip":
        raise KeyError("planted")
    if case.codec == "av1" and case.on_error == "resync":
        time.sleep(3600)
    if case.codec == "jpeg" and case.on_error == "raise":
        ctypes.string_at(0)
    return frozenset({case.codec})


def does_nothing(data: bytes) -> frozenset[str]:
    """No bug."""
    return frozenset({Case.from_bytes(data).codec})
