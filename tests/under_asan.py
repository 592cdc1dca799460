"""A pytest plugin for runs under AddressSanitizer (``make asan`` loads it): no AV1 encoder.

SVT-AV1 4.1 of PyAV's wheel crashes there in a thread of its own while it is opened, without any
code of ours: with PYTHONMALLOC=malloc open ``libx264`` by ``av`` at a few sizes, forget it, open
``libsvtav1``. A test that asks for it skips by that reason.
"""

from __future__ import annotations

import functools
import importlib
from typing import Any

import pytest

REASON = "SVT-AV1 crashes by itself under AddressSanitizer"
# These ask in a process of their own, which this plugin does not reach.
IN_THEIR_OWN_PROCESS = {
    "test_an_encoder_leaves_the_scheduling_of_threads_alone",
    "test_nothing_is_printed",
}


def pytest_configure(config: pytest.Config) -> None:
    # Its package has a function of the same name.
    software: Any = importlib.import_module("videohw.software.capabilities")
    ask = software._ask_encoder

    @functools.wraps(ask)
    def ask_for_another(codec: str) -> Any:
        return pytest.skip(REASON) if codec == "av1" else ask(codec)

    software._ask_encoder = ask_for_another


def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    for item in items:
        if item.originalname in IN_THEIR_OWN_PROCESS:
            item.add_marker(pytest.mark.skip(reason=REASON))
