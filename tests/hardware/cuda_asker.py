"""How libcuda is asked by :mod:`tests.hardware.cuda_misuse`: calls, answers, groups of them."""

from __future__ import annotations

import ctypes as c
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.hardware.cuvid import Driver

WORK_SECONDS = 0.3
Size, Place, Pointer = c.c_size_t, c.c_uint64, c.c_void_p
HostFunction = c.CFUNCTYPE(None, c.c_void_p)


class Asker:
    """The calls of a driver; answers are printed as they come, since the next may be a crash."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.over = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.driver, name)

    def say(self, what: str, answer: Any) -> None:
        print("ANSWER", json.dumps([what, answer]), flush=True)

    def made(self, name: str, *arguments: Any, kind: Any = Pointer) -> Any:
        value = kind()
        code = getattr(self.driver, name)(c.byref(value), *arguments)
        assert code == 0, (name, code)
        return value

    def memory(self, size: int = 1024) -> c.c_uint64:
        place: c.c_uint64 = self.made("cuMemAlloc_v2", Size(size), kind=Place)
        return place

    def stream(self) -> c.c_void_p:
        handle: c.c_void_p = self.made("cuStreamCreate", 1)
        return handle

    def event(self, flags: int = 2) -> c.c_void_p:
        handle: c.c_void_p = self.made("cuEventCreate", flags)
        return handle

    def upload(self, place: c.c_uint64, data: bytes) -> None:
        self.driver.cuMemcpyHtoD_v2(place, data, Size(len(data)))

    def download(self, place: c.c_uint64, size: int) -> bytes:
        buffer = c.create_string_buffer(size)
        self.driver.cuMemcpyDtoH_v2(buffer, place, Size(size))
        return buffer.raw

    @contextmanager
    def work_in(self, stream: c.c_void_p | None) -> Iterator[None]:
        """A stream is busy from here on, until the end or for WORK_SECONDS."""
        self.over, release = False, threading.Event()

        def work(_user: object) -> None:
            release.wait(WORK_SECONDS)
            self.over = True

        function = HostFunction(work)
        assert self.driver.cuLaunchHostFunc(stream, function, None) == 0
        yield
        release.set()
        self.driver.cuStreamSynchronize(stream)

    def timed(self, what: str, call: Callable[[], int]) -> None:
        """The answer of a call, and whether it came after the work."""
        code = call()
        self.say(what, [code, "waits" if self.over else "does not wait"])


Group = Callable[[Asker], None]
GROUPS: dict[str, Group] = {}


def group(ask: Group) -> Group:
    GROUPS[ask.__name__] = ask
    return ask
