"""PyAV, the one library that is no hard dependency and that more than one part stands on.

Owns: how it is imported, which versions will do, how to get it. Must not know: what it is for.
"""

from __future__ import annotations

import functools
import importlib
import os
from typing import Any, Final

MIN_PYAV: Final = (17,)
INSTALL_HINT: Final = 'pip install "videohw[av]"'


@functools.cache
def load_av() -> Any:
    """PyAV. :class:`ImportError` with the reason when it is missing, broken or too old."""
    # SVT-AV1 writes to stderr unless this is set before its first use; 0 leaves fatal errors.
    os.environ.setdefault("SVT_LOG", "0")
    av = importlib.import_module("av")
    version = tuple(int(part) for part in av.__version__.split(".")[:1])
    if version < MIN_PYAV:
        raise ImportError(f"PyAV {av.__version__} is too old, {MIN_PYAV[0]} or later is needed")
    return av
