"""Who runs the kernels: the host, always; a device those of CUDA, with ``-m hardware``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kernels.device import opened
from tests.kernels.host import HostRunner, compiled, compiler
from tests.kernels.memory import Runner
from tests.kernels.metal_host import MetalRunner


@pytest.fixture(scope="session")
def metal(tmp_path_factory: pytest.TempPathFactory) -> MetalRunner:
    """The Metal kernels compiled by the host's C++ compiler."""
    if compiler() is None:
        pytest.skip("there is no C++ compiler here")
    return MetalRunner(tmp_path_factory.mktemp("metal"))


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> HostRunner:
    """The CUDA kernels compiled by the host's C++ compiler."""
    if compiler() is None:
        pytest.skip("there is no C++ compiler here")
    return HostRunner(compiled(tmp_path_factory.mktemp("kernels")))


@pytest.fixture(
    scope="session",
    params=[
        "host",
        pytest.param("device", marks=pytest.mark.hardware),
        pytest.param("device-ptx", marks=pytest.mark.hardware),
    ],
)
def runner(request: pytest.FixtureRequest) -> Iterator[Runner]:
    """Each thing that runs kernels; on a device the machine code, and the PTX."""
    if request.param == "host":
        yield request.getfixturevalue("host")
    else:
        with opened(-1 if request.param == "device-ptx" else 0) as device:
            yield device
