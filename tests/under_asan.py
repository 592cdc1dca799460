"""A pytest plugin for runs under AddressSanitizer, which ``make asan`` loads.

``VIDEOHW_ASAN_SHARE=N``: of the variants of each test function, on each backend, the first and
every N-th after it; the rest is deselected. 1, or nothing: all.

No AV1 encoder of the software backend:
SVT-AV1 4.1 of PyAV's wheel crashes there in a thread of its own while it is opened, without any
code of ours: with PYTHONMALLOC=malloc open ``libx264`` by ``av`` at a few sizes, forget it, open
``libsvtav1``. A test that asks for it skips by that reason.
"""

from __future__ import annotations

import functools
import importlib
import os
from collections import Counter
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


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Function]) -> None:
    for item in items:
        if item.originalname in IN_THEIR_OWN_PROCESS:
            item.add_marker(pytest.mark.skip(reason=REASON))
    left_out = beyond_share(items, int(os.environ.get("VIDEOHW_ASAN_SHARE") or 1))
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        gone = set(left_out)
        items[:] = [item for item in items if item not in gone]


def beyond_share(items: list[pytest.Function], share: int) -> list[pytest.Function]:
    """What is not the first, nor every ``share``-th after it, of a test function's variants."""
    seen: Counter[tuple[str, str]] = Counter()
    left_out = []
    for item in items:
        variant = getattr(item, "callspec", None)
        backend = getattr(variant and variant.params.get("backend"), "id", "")
        function = (item.nodeid.partition("[")[0], backend)
        if seen[function] % share:
            left_out.append(item)
        seen[function] += 1
    return left_out
