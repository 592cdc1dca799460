"""The kernels on a real device, through the driver API by ctypes."""

from __future__ import annotations

import ctypes as c
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from tests.hardware.cuvid import Driver, check, primary_context
from tests.kernels.memory import Planes
from videohw.kernels import Launch, Plan, images_for

CAPABILITY_MAJOR, CAPABILITY_MINOR, L2_BYTES = 75, 76, 38  # CUdevice_attribute


class Device:
    """The first device with the kernels loaded. Made by :func:`opened`."""

    def __init__(self, driver: Driver, image: bytes) -> None:
        self.driver = driver
        self.module = c.c_void_p()
        self.call("cuModuleLoadData", c.byref(self.module), image)
        self.functions: dict[str, c.c_void_p] = {}

    def call(self, name: str, *arguments: Any) -> None:
        check(self.driver, getattr(self.driver, name)(*arguments), name)

    def function(self, name: str) -> c.c_void_p:
        if name not in self.functions:
            self.functions[name] = c.c_void_p()
            self.call(
                "cuModuleGetFunction", c.byref(self.functions[name]), self.module, name.encode()
            )
        return self.functions[name]

    def launch(self, launch: Launch) -> None:
        """On the default stream; returns at once."""
        parameters = (c.c_void_p * 1)(c.addressof(launch.arguments))
        self.call(
            "cuLaunchKernel", self.function(launch.kernel), *launch.grid, *launch.block, 0, None,
            parameters, None,
        )  # fmt: skip

    def allocate(self, size: int) -> int:
        place = c.c_uint64()
        self.call("cuMemAlloc_v2", c.byref(place), c.c_size_t(size))
        return place.value

    def free(self, place: int) -> None:
        self.call("cuMemFree_v2", c.c_uint64(place))

    def upload(self, place: int, data: np.ndarray) -> None:
        self.call(
            "cuMemcpyHtoD_v2", c.c_uint64(place), c.c_void_p(data.ctypes.data),
            c.c_size_t(data.nbytes),
        )  # fmt: skip

    def download(self, place: int, data: np.ndarray) -> None:
        """Waits for all work before."""
        self.call(
            "cuMemcpyDtoH_v2", c.c_void_p(data.ctypes.data), c.c_uint64(place),
            c.c_size_t(data.nbytes),
        )  # fmt: skip

    def run(self, plan: Plan, pictures: Sequence[tuple[Planes, Planes]]) -> None:
        """See :class:`tests.kernels.memory.Runner`; what lies around the rows goes along."""
        planes = [plane for pair in pictures for side in pair for plane in side.planes]
        places = {}
        try:
            for plane in planes:
                places[plane] = self.allocate(len(plane.memory))
                self.upload(places[plane], plane.memory)
            addresses = [
                (
                    [places[plane] + plane.start for plane in source.planes],
                    [places[plane] + plane.start for plane in target.planes],
                )
                for source, target in pictures
            ]
            for launch in plan.launches(addresses):
                self.launch(launch)
            for plane, place in places.items():
                self.download(place, plane.memory)
        finally:
            for place in places.values():
                self.free(place)


def capability(driver: Driver) -> tuple[int, int]:
    """The compute capability of the first device."""
    major, minor = (
        driver.number("cuDeviceGetAttribute", number, 0)
        for number in (CAPABILITY_MAJOR, CAPABILITY_MINOR)
    )
    return major, minor


@contextmanager
def opened(image: int = 0) -> Iterator[Device]:
    """The device with one of the images that there are for it: 0 the first, -1 the last (PTX)."""
    driver = Driver()
    with primary_context(driver):
        device = Device(driver, list(images_for(capability(driver)))[image])
        try:
            yield device
        finally:
            device.call("cuModuleUnload", device.module)
