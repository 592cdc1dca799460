"""The table of backends, each imported when it is first asked.

Must not know: what a backend does (``backend`` does). It is imported before a driver starts.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final, cast

from .errors import InvalidInput

if TYPE_CHECKING:
    from .backend import Backend

# Name -> module, in the order of preference of backend="auto": hardware first.
BACKENDS: Final[dict[str, str]] = {
    "nvidia": "videohw.nvidia",
    "videotoolbox": "videohw.apple",
    "software": "videohw.software",
}
AUTO: Final = "auto"


def load(name: str) -> Backend:
    """The backend called ``name``; :class:`InvalidInput` for a name the table lacks."""
    if name not in BACKENDS:
        raise InvalidInput(
            f"backend {name!r} is not known",
            argument="backend",
            hint=f"one of {', '.join((AUTO, *BACKENDS))}",
        )
    return cast("Backend", importlib.import_module(BACKENDS[name]))
