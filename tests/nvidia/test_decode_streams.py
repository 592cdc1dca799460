"""Decoding on a stream of the caller's: its frames are ordered on that stream with no more word,
no other stream is waited for or used, and a stream of another context is refused."""

from __future__ import annotations

import ctypes as c
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest

from tests.backends.decoding import PATIENCE_SECONDS
from tests.backends.nvidia import emulated_drivers
from tests.emulators.control import Emulator
from tests.nvidia.consumer import Cuda
from tests.nvidia.decoding import NATIVE, release
from videohw.decoder import Decoder
from videohw.errors import InvalidInput
from videohw.frame import Frame
from videohw.nvidia.options import NvidiaDecoderOptions

LEFT = frozenset({"decoder", "pinned memory"})  # by tests that lose a context
PINNED_BYTES = 1 << 16


@pytest.fixture
def cuda(driver: Emulator) -> Iterator[Cuda]:
    """Another library, with the primary context; work runs when something waits for it."""
    with emulated_drivers():
        driver.streams("late")
        driver.clear_faults()
        release(driver, LEFT)
        driver.forget()
        before = driver.open()
        made = Cuda(driver)
        context = c.c_void_p()
        made.call("cuInit", 0)
        made.call("cuDevicePrimaryCtxRetain", c.byref(context), 0)
        with made.using(context.value or 0):
            yield made
        made.call("cuDevicePrimaryCtxRelease_v2", 0)
        release(driver, frozenset(before))
        report = driver.report()
        assert (report["misuses"], report["open"], report["lost"]) == ([], before, {})


def decoded(output: str, **options: Any) -> list[Frame]:
    with Decoder(
        NATIVE.codec, backend="nvidia", output=output, memory="device", max_in_flight=64,
        options=NvidiaDecoderOptions(**options),
    ) as decoder:  # fmt: skip
        for unit in NATIVE.units():
            decoder.submit(unit)
        return decoder.flush(PATIENCE_SECONDS)


@pytest.mark.parametrize("output", ["native", "rgb_planar"])
def test_frames_are_ordered_on_the_callers_stream(
    cuda: Cuda, driver: Emulator, output: str
) -> None:
    """What it queues there next reads them: no event, no wait on the host."""
    wanted = [[np.array(plane) for plane in frame.to_host().planes] for frame in decoded(output)]
    assert len(wanted) == len(NATIVE.units())
    with ExitStack() as kept:
        ours, other = kept.enter_context(cuda.stream()), kept.enter_context(cuda.stream())
        written, got = (kept.enter_context(cuda.pinned(PINNED_BYTES)) for _ in range(2))
        target = c.c_uint64()
        cuda.call("cuMemAlloc_v2", c.byref(target), c.c_size_t(1))
        kept.callback(cuda.call, "cuMemFree_v2", target)
        written[0] = 7  # waited for meanwhile, the copy would read this
        cuda.call("cuMemcpyHtoDAsync_v2", target, written, c.c_size_t(1), c.c_void_p(other))
        driver.forget()
        frames = decoded(output, stream=ours)
        assert "cuStreamCreate" not in driver.log()
        for frame, planes in zip(frames, wanted, strict=True):
            for plane, right in zip(frame.planes, planes, strict=True):
                read = (c.c_uint8 * (plane.shape[0] * plane.strides[0])).from_buffer(got)
                cuda.read_later(read, plane.pointer, ours)
                cuda.finish(ours)
                assert np.array_equal(np.ndarray(right.shape, "u1", got, 0, plane.strides), right)
        written[0] = 9
        cuda.read_later((c.c_uint8 * 1).from_buffer(got), target.value, other)
        cuda.finish(other)
        assert got[0] == 9
        del frames


@pytest.mark.parametrize("wrong", ["1", 1.0, True, 0, -1, b"stream"])
def test_a_stream_is_an_address(wrong: Any) -> None:
    with pytest.raises(InvalidInput, match=r"options\.stream is") as refused:
        NvidiaDecoderOptions(stream=wrong)
    assert refused.value.argument == "options.stream"
    assert refused.value.hint


def test_a_stream_of_another_context_is_refused(cuda: Cuda, driver: Emulator) -> None:
    """By its name, before anything is decoded. With its own context it works, and that may go as
    soon as the session and its frames are gone: no decoder is kept in it."""
    with cuda.stream() as primary:
        for _ in range(3):
            with cuda.own_context() as context, cuda.using(context), cuda.stream() as own:
                for options in ({"stream": own}, {"stream": primary, "context": context}):
                    with pytest.raises(InvalidInput, match="is of another context") as refused:
                        decoded("native", **options)
                    assert refused.value.argument == "options.stream"
                    assert "options.context" in str(refused.value.hint)
                    del refused
                driver.forget()
                assert len(decoded("native", stream=own, context=context)) == len(NATIVE.units())
                assert driver.log().count("cuvidDestroyDecoder") == 1


def test_what_is_no_stream_is_refused(cuda: Cuda, driver: Emulator) -> None:
    with cuda.stream() as primary:
        decoded("metadata", stream=primary)
        driver.fault("cuStreamGetCtx", "fail", 400)  # CUDA_ERROR_INVALID_HANDLE
        with pytest.raises(InvalidInput, match=r"is no stream .*cuStreamGetCtx.*\(400\)"):
            decoded("metadata", stream=primary)
        driver.clear_faults()
