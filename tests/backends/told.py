"""What a session told in a run with faults."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from videohw.errors import VideoHwError


@dataclass
class Told:
    """Errors, in order and without tracebacks, which would keep frames; the last summary."""

    errors: list[VideoHwError] = field(default_factory=list)
    summary: dict[str, Any] | None = None

    @property
    def fatal(self) -> bool:
        return any(error.fatal for error in self.errors)

    def add(self, error: VideoHwError) -> None:
        cause: BaseException | None = error
        while cause is not None:
            cause = cause.with_traceback(None).__context__
        self.errors.append(error)
