"""How a session accounts for what it was given."""

from __future__ import annotations

import threading


class Account:
    """What became of every picture submitted: delivered, or not, for a reason that is counted.

    ``submitted == taken + sum(reasons.values())`` holds after every flush, where the session
    counts what was ``taken`` from it. ``converted_bytes`` counts pixels that the engine had to
    convert before it could code them.
    """

    __slots__ = ("_adding", "converted_bytes", "reasons", "submitted")

    def __init__(self) -> None:
        self.submitted = 0
        self.reasons: dict[str, int] = {}
        self.converted_bytes = 0
        self._adding = threading.Lock()

    def add(self, reason: str, count: int = 1) -> None:
        """Count ``count`` pictures that end without output for ``reason``; on any thread."""
        with self._adding:
            if count:
                self.reasons[reason] = self.reasons.get(reason, 0) + count
