"""The emulated driver, in this process, for what is under a backend: devices, memory, kernels."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator

import pytest

from tests.emulators import build
from tests.emulators.control import Emulator

NEEDED = "libcuda.so.1"


@pytest.fixture(scope="session")
def driver() -> Emulator:
    """The controls of the emulated libcuda, which ``videohw._cuda`` has loaded."""
    reason = build.missing(NEEDED)
    if reason:
        pytest.skip(reason)
    folder = build.built(NEEDED)
    cuda = pytest.importorskip("videohw._cuda", reason="NVIDIA is of Linux and Windows")
    kept = os.environ.get("VIDEOHW_LIBCUDA")
    os.environ["VIDEOHW_LIBCUDA"] = str(folder / NEEDED)
    try:
        assert cuda.driver_version() == (13, 0)
    finally:
        if kept is None:
            del os.environ["VIDEOHW_LIBCUDA"]
        else:
            os.environ["VIDEOHW_LIBCUDA"] = kept
    return Emulator(folder)


@pytest.fixture
def emulator(driver: Emulator) -> Iterator[Emulator]:
    """The same, with nothing open before; a test leaves no handle and no misuse behind."""
    from videohw import _cuda

    _cuda.release_devices()
    driver.streams("late")
    with driver.clean():
        yield driver
        driver.clear_faults()
        _cuda.release_devices()
        if driver.open():
            gc.collect()  # an error that a test caught keeps what its frames had


@pytest.fixture
def losing(driver: Emulator) -> Iterator[Emulator]:
    """The same for tests that lose a context: what goes with it is not given back."""
    from videohw import _cuda

    _cuda.release_devices()
    driver.streams("late")
    driver.clear_faults()
    driver.forget()
    before = set(driver.open())  # what a test that failed has left
    yield driver
    driver.clear_faults()
    gc.collect()
    _cuda.release_devices()
    assert driver.misuses() == []
    assert set(driver.open()) <= before | {"pinned memory"}


# They lose contexts on purpose, which leaves this process with handles that nobody can give back.
_LAST = ("test_decode_faults", "test_decode_stalls")
_LAST_OF_ALL = ("test_encode_faults", "test_encode_stalls")  # those leave encoders behind too


# Last of all hooks: pytest itself puts tests together that share a fixture of the session.
@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that break the driver's state come last."""
    items.sort(
        key=lambda item: (
            item.path.stem in _LAST_OF_ALL,
            item.path.stem in _LAST
            or (item.path.parent.name == "backends" and "nvidia" in item.nodeid),
        )
    )
