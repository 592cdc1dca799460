"""The emulated Metal: what a client may do, and that what it may not do is written down."""

from __future__ import annotations

import ctypes as c
from collections.abc import Iterator
from typing import Any

import pytest

from tests.emulators.apple.client import VALUES, Apple
from tests.emulators.control import AppleEmulator
from tests.kernels.metal_source import SOURCE

ID = c.c_void_p


@pytest.fixture
def device(apple: Apple) -> Iterator[int]:
    """The system's device."""
    made = apple.MTLCreateSystemDefaultDevice()
    yield made
    release(apple, made)


def release(apple: Apple, *objects: int) -> None:
    for each in objects:
        apple.CFRelease(each)


def send(
    apple: Apple, target: int, name: str, *arguments: Any, types: Any = (), result: Any = ID
) -> Any:
    """What the method returns."""
    selector = apple.sel_registerName(name.encode())
    code = apple.class_getMethodImplementation(apple.object_getClass(target), selector)
    return c.CFUNCTYPE(result, ID, ID, *types)(code)(target, selector, *arguments)


def library(apple: Apple, device: int, text: str) -> tuple[int | None, str]:
    """(the library of a source, what the error says)."""
    error = ID()
    options = send(apple, apple.objc_getClass(b"MTLCompileOptions"), "new")
    version = VALUES["MTLLanguageVersion2_3"]
    send(apple, options, "setLanguageVersion:", version, types=[c.c_ulong], result=None)
    send(apple, options, "setFastMathEnabled:", 0, types=[c.c_byte], result=None)
    with apple.kept(apple.string(text)) as source:
        found = send(
            apple, device, "newLibraryWithSource:options:error:", source, options, c.byref(error),
            types=[ID, ID, ID],
        )  # fmt: skip
    release(apple, options)
    said = apple.text(send(apple, error.value, "localizedDescription")) if error.value else ""
    return found, said


@pytest.fixture
def pool(apple: Apple) -> Iterator[None]:
    """What is autoreleased goes at the end."""
    push, pop = apple._library.objc_autoreleasePoolPush, apple._library.objc_autoreleasePoolPop
    push.restype, pop.argtypes = ID, [ID]
    made = push()
    yield
    pop(made)


def test_only_the_shipped_source_compiles(apple: Apple, pool: None, device: int) -> None:
    text = SOURCE.read_text(encoding="utf-8")
    found, said = library(apple, device, text)
    assert (bool(found), said) == (True, "")
    wrong, said = library(apple, device, text.replace("uint", "int", 1))
    assert wrong is None
    assert "not the source" in said
    with apple.kept(apple.string("textures_rgb24")) as name:
        function = send(apple, found, "newFunctionWithName:", name, types=[ID])
    with apple.kept(apple.string("textures_rgb25")) as name:
        assert send(apple, found, "newFunctionWithName:", name, types=[ID]) is None
    release(apple, function, found)


def test_a_method_that_is_not_there_is_misuse(
    apple: Apple, frameworks: AppleEmulator, device: int
) -> None:
    assert send(apple, device, "newComandQueue") is None
    (said,) = frameworks.misuses()
    assert "MTLDevice has no method newComandQueue" in said


def test_one_release_too_many_is_misuse(apple: Apple, frameworks: AppleEmulator) -> None:
    made = apple.MTLCreateSystemDefaultDevice()
    release(apple, made, made)
    (said,) = frameworks.misuses()
    assert "an object that is gone" in said


def test_without_a_pool_nothing_is_autoreleased(
    apple: Apple, frameworks: AppleEmulator, device: int
) -> None:
    queue = send(apple, device, "newCommandQueue")
    commands = send(apple, queue, "commandBuffer")
    (said,) = frameworks.misuses()
    assert "without a pool" in said
    release(apple, commands, queue)


def test_buffers_are_of_the_kind_that_is_asked_for(
    apple: Apple, frameworks: AppleEmulator, device: int
) -> None:
    made = send(
        apple, device, "newBufferWithLength:options:", 64, 32, types=[c.c_ulong, c.c_ulong]
    )  # fmt: skip
    (said,) = frameworks.misuses()
    assert "64 bytes with the options 32" in said
    release(apple, made)


def test_a_dispatch_is_given_what_its_kernel_declares(
    apple: Apple, frameworks: AppleEmulator, pool: None, device: int
) -> None:
    error = ID()
    found, _ = library(apple, device, SOURCE.read_text(encoding="utf-8"))
    with apple.kept(apple.string("textures_rgb24")) as name:
        function = send(apple, found, "newFunctionWithName:", name, types=[ID])
    pipeline = send(
        apple, device, "newComputePipelineStateWithFunction:error:", function, c.byref(error),
        types=[ID, ID],
    )  # fmt: skip
    queue = send(apple, device, "newCommandQueue")
    encoder = send(apple, send(apple, queue, "commandBuffer"), "computeCommandEncoder")
    size = c.c_ulong * 3

    class Size(c.Structure):
        _fields_ = (("sides", size),)

    send(apple, encoder, "setComputePipelineState:", pipeline, types=[ID], result=None)
    send(
        apple, encoder, "dispatchThreadgroups:threadsPerThreadgroup:", Size(size(1, 1, 1)),
        Size(size(32, 8, 1)), types=[Size, Size], result=None,
    )  # fmt: skip
    (said,) = frameworks.misuses()
    assert "declares buffer 3;buffer 6;texture 0;texture 1;" in said
    send(apple, encoder, "endEncoding", result=None)
    release(apple, queue, pipeline, function, found)
