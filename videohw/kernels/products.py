"""The files that ``kernels/build.py`` made for CUDA, as they are shipped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

from ..errors import UnsupportedConfig


@cache
def manifest() -> dict[str, Any]:
    """What ``kernels/build.py`` wrote of its products.

    ``source`` and ``products`` name files with their SHA-256; ``kernels`` the entry points;
    ``tools`` the versions that made them.
    """
    text = _read("manifest.json").decode()
    found: dict[str, Any] = json.loads(text)
    return found


def images_for(compute_capability: tuple[int, int]) -> Iterator[bytes]:
    """Images of the kernels for ``cuModuleLoadData``, each read when the one before was refused.

    The machine code of the newest chip that runs on ``compute_capability`` (major, minor), if
    there is one, and then the PTX, which the driver compiles and which ends with a zero byte.
    :class:`UnsupportedConfig` for a device older than the PTX is for.
    """
    major, minor = compute_capability
    products = manifest()["products"]
    oldest = min(tuple(each["compute_capability"]) for each in products.values())
    if (major, minor) < oldest:
        raise UnsupportedConfig(
            f"the kernels are for compute capability {oldest[0]}.{oldest[1]} and later, "
            f"not for {major}.{minor}",
            hint='take output="native" and convert on the host',
        )
    # Machine code runs on later chips of the same generation.
    fitting = [
        (each["compute_capability"][1], name)
        for name, each in products.items()
        if each["kind"] == "cubin"
        and each["compute_capability"][0] == major
        and each["compute_capability"][1] <= minor
    ]
    cubins = ((name, b"") for _, name in sorted(fitting)[-1:])
    texts = ((name, b"\0") for name, each in products.items() if each["kind"] == "ptx")
    return (_read(name) + end for name, end in chain(cubins, texts))


def _read(name: str) -> bytes:
    return Path(__file__).with_name(name).read_bytes()
