"""Libraries that the interop tests meet: absent they skip, but ``make test-interop`` insists.

``VIDEOHW_INTEROP=1``: everything has to be here, and a missing library is an error.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from typing import Any

import pytest

INSIST = os.environ.get("VIDEOHW_INTEROP", "") not in ("", "0")


def library(module: str, name: str) -> Any:
    """The module, imported; where it is not installed, the tests of the calling file skip."""
    if not INSIST and importlib.util.find_spec(module) is None:
        pytest.skip(f"{name} is not installed", allow_module_level=True)
    return importlib.import_module(module)
