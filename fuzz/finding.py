"""What fuzzing looks for."""

from __future__ import annotations

import traceback
from pathlib import Path

_HERE = Path(__file__).parent


class Violation(AssertionError):
    """The contract is broken: what was promised and what happened instead."""


def require(condition: bool, message: str) -> None:
    """:class:`Violation` unless ``condition``."""
    if not condition:
        raise Violation(message)


def signature(error: BaseException) -> str:
    """The same for findings of one cause: the kind, and where it came from or what it says."""
    if isinstance(error, Violation):
        return f"Violation: {str(error).partition(':')[0]}"
    frames = traceback.extract_tb(error.__traceback__)
    where = [frame for frame in frames if _HERE not in Path(frame.filename).parents] or frames
    last = where[-1] if where else None
    place = f"{Path(last.filename).name}:{last.name}" if last else "nowhere"
    return f"{type(error).__name__} in {place}"
