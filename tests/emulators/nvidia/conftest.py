"""The emulated libcuda, loaded into this process, with a context that is current."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.emulators import build
from tests.emulators.control import Emulator
from tests.emulators.nvidia.client import Cuda
from tests.hardware import cuda_misuse, misuse
from tests.hardware.cuvid import Driver, primary_context

CONSUMER = {
    "NVENC": "consumer", "NVENC_VERSION": "13.0", "NVENC_SESSIONS": 8, "NVENC_LIMIT_CODE": 10,
    "NVENC_RAW": 0, "NVENC_PICTURE_US": 0, "NVENC_LOOKAHEAD": "burst", "NVENC_DEFERS": 0,
    "NVENC_END_IS_IDR": 1, "NVENC_CAPS": "",
}  # fmt: skip


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """The recorders' processes may be slow to start where many things run."""
    for recorder in (misuse, cuda_misuse):
        monkeypatch.setattr(recorder, "PATIENCE_SECONDS", 110)


@pytest.fixture(scope="session")
def cuda_folder() -> Path:
    """Where libcuda.so.1 is."""
    reason = build.missing("libcuda.so.1")
    if reason:
        pytest.skip(reason)
    return build.built("libcuda.so.1")


@pytest.fixture(scope="session")
def loaded(cuda_folder: Path) -> Emulator:
    return Emulator(cuda_folder)


@pytest.fixture
def emulator(loaded: Emulator) -> Iterator[Emulator]:
    """The controls. A test that breaks a rule takes the misuses out itself."""
    loaded.streams("late")
    loaded.crashes(False)
    with loaded.clean():
        yield loaded
        loaded.streams("late")


@pytest.fixture
def cuda(emulator: Emulator) -> Iterator[Cuda]:
    """The calls, in this thread's primary context."""
    client = Cuda(emulator.folder)
    with client.primary_context():
        yield client


@pytest.fixture(scope="session")
def cuvid_folder() -> Path:
    """Where libcuda.so.1 and libnvcuvid.so.1 are."""
    reason = build.missing()
    if reason:
        pytest.skip(reason)
    return build.built()


@pytest.fixture
def driver_paths(cuvid_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The recorder of tests/hardware, here and in processes of its own, finds the emulator."""
    monkeypatch.setenv("VIDEOHW_LIBCUDA", str(cuvid_folder / "libcuda.so.1"))
    monkeypatch.setenv("VIDEOHW_LIBNVCUVID", str(cuvid_folder / "libnvcuvid.so.1"))


@pytest.fixture
def driver(cuvid_folder: Path, driver_paths: None, emulator: Emulator) -> Iterator[Driver]:
    """Both libraries as the recorder calls them, in this thread's primary context."""
    made = Driver()
    with primary_context(made):
        yield made


@pytest.fixture(scope="session")
def encode_folder() -> Path:
    """Where libcuda.so.1 and libnvidia-encode.so.1 are."""
    reason = build.missing(build.ENCODE)
    if reason:
        pytest.skip(reason)
    return build.built(build.ENCODE)


@pytest.fixture
def context(encode_folder: Path, emulator: Emulator) -> Iterator[int]:
    """The primary context, current here, and the encoder of a consumer card."""
    emulator.encoding(**CONSUMER)
    with Cuda(encode_folder).primary_context() as made:
        yield made
    emulator.encoding(**{**CONSUMER, "NVENC_LOOKAHEAD": "auto", "NVENC_DEFERS": -1})
