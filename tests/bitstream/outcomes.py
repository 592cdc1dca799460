"""What a call comes to on bytes that may be anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from videohw.errors import InvalidBitstream

P = ParamSpec("P")
T = TypeVar("T")


def outcome(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | InvalidBitstream:
    """The value of a call, or the error that it may raise; any other error fails the test."""
    try:
        return call(*args, **kwargs)
    except InvalidBitstream as error:
        return error
