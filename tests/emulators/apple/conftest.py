"""The emulated frameworks, loaded into this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.emulators import build
from tests.emulators.apple.client import LIBRARY, Apple
from tests.emulators.control import AppleEmulator


@pytest.fixture(scope="session")
def apple_folder() -> Path:
    """Where the library is."""
    reason = build.missing(LIBRARY)
    if reason:
        pytest.skip(reason)
    return build.built(LIBRARY)


@pytest.fixture
def frameworks(apple_folder: Path) -> Iterator[AppleEmulator]:
    """The controls; a test leaves no object and no misuse behind."""
    controls = AppleEmulator(apple_folder)
    with controls.clean():
        yield controls


@pytest.fixture
def apple(frameworks: AppleEmulator) -> Apple:
    """The functions."""
    return Apple(frameworks.folder)
