"""Decoders of the VideoToolbox backend on the emulated frameworks, in this process."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from tests.backends.apple import emulated_frameworks, emulator
from tests.emulators.control import AppleEmulator


@pytest.fixture(scope="session")
def backend_loaded() -> Iterator[None]:
    """``videohw._vt`` can be imported."""
    with emulated_frameworks():
        yield


@pytest.fixture
def frameworks(backend_loaded: None) -> Iterator[AppleEmulator]:
    """The controls; a test leaves no object and no misuse behind."""
    controls = emulator()
    with controls.clean():
        yield controls
        controls.clear_faults()
        gc.collect()  # an error that a test caught keeps what its frames had
