"""Encoding on a stream of the caller's: its pictures are ordered there with no more word, and what
is no stream of the session's context is refused before an encoder is opened."""

from __future__ import annotations

import ctypes as c
import gc
from collections.abc import Iterator
from typing import Any

import pytest

from tests.emulators.control import Emulator
from tests.nvidia.consumer import Cuda
from tests.nvidia.encoding import (
    HEIGHT,
    PATIENCE_SECONDS,
    WIDTH,
    check_pictures,
    emulated_encoders,
    nothing_left,
    picture,
)
from tests.nvidia.producer import Producer
from videohw import Encoder, NvidiaEncoderOptions
from videohw.errors import BackendError, InvalidInput
from videohw.types import ConstantQp, Packet

BYTES = WIDTH * HEIGHT * 3 // 2
OPENS = "nvEncOpenEncodeSessionEx"


@pytest.fixture
def producer(driver: Emulator) -> Iterator[Producer]:
    """Another library, with the primary context; work runs when something waits for it."""
    with emulated_encoders() as emulator, nothing_left(emulator):
        emulator.streams("late")
        with Producer(emulator).begun(BYTES) as library:
            yield library


@pytest.fixture
def cuda(producer: Producer) -> Cuda:
    return producer.cuda


def opened(**options: Any) -> Encoder:
    return Encoder(
        "h264", WIDTH, HEIGHT, fps=30, backend="nvidia", rate_control=ConstantQp(20, 20, 20),
        options=NvidiaEncoderOptions(**options),
    )  # fmt: skip


def encoded(**options: Any) -> list[Packet]:
    """One picture, by an encoder that is gone afterwards: its context may go, too."""
    with opened(**options) as encoder:
        encoder.submit(picture(1), 1)
        return encoder.flush(PATIENCE_SECONDS)


class Silent:
    """An array that names no stream: its work is on that of the encoder."""

    def __init__(self, array: Any) -> None:
        self.__cuda_array_interface__ = {**array.__cuda_array_interface__, "stream": None}
        self._kept = array


def test_pictures_are_ordered_on_the_callers_stream(producer: Producer, driver: Emulator) -> None:
    """They are grey until the stream comes to them, and nothing but the encoder waits for it."""
    with opened(stream=producer.stream) as encoder:
        driver.forget()
        arrays = [producer.tensor(picture(number)) for number in range(5)]
        packets = list(encoder.encode(Silent(each) for each in arrays))
        assert "cuStreamSynchronize" not in driver.log()
    assert len(packets) == 5
    check_pictures(packets, "h264", {pts: pts for pts in range(5)})


@pytest.mark.parametrize("wrong", ["1", 1.0, True, 0, -1, b"stream"])
def test_a_stream_is_an_address(wrong: Any) -> None:
    with pytest.raises(InvalidInput, match=r"options\.stream is") as refused:
        NvidiaEncoderOptions(stream=wrong)
    assert refused.value.argument == "options.stream"
    assert refused.value.hint


def test_a_stream_of_another_context_is_refused(cuda: Cuda, driver: Emulator) -> None:
    """By its name, and no encoder is opened for it; with its own context it encodes."""
    opened().close()  # so that what the device encodes is known
    with (
        cuda.stream() as primary, cuda.own_context() as context, cuda.using(context),
        cuda.stream() as own,
    ):  # fmt: skip
        driver.forget()
        for options in ({"stream": own}, {"stream": primary, "context": context}):
            with pytest.raises(InvalidInput, match="is of another context") as refused:
                opened(**options)
            assert refused.value.argument == "options.stream"
            assert "options.context" in str(refused.value.hint)
            del refused
        assert OPENS not in driver.log()
        packets = encoded(stream=own, context=context)
    check_pictures(packets, "h264", {1: 1})


def test_what_is_no_stream_is_refused(cuda: Cuda, driver: Emulator) -> None:
    with cuda.stream() as primary:
        opened(stream=primary).close()
        driver.forget()
        driver.fault("cuStreamGetCtx", "fail", 400)  # CUDA_ERROR_INVALID_HANDLE
        with pytest.raises(InvalidInput, match=r"is no stream .*cuStreamGetCtx.*\(400\)"):
            opened(stream=primary)
        driver.clear_faults()
        assert OPENS not in driver.log()


def test_a_stream_given_as_the_legacy_one_is_taken(cuda: Cuda) -> None:
    """1 is CUDA's name of the default stream, which every context has."""
    check_pictures(encoded(stream=1), "h264", {1: 1})


def test_the_address_is_not_changed(cuda: Cuda) -> None:
    with cuda.stream() as primary, opened(stream=primary) as encoder:
        core = encoder._session._opened.core.core  # type: ignore[attr-defined]
        assert core.stream == c.c_void_p(primary).value


@pytest.mark.parametrize("fails", [False, True])
def test_a_context_may_go_as_soon_as_its_encoder_is_closed(
    cuda: Cuda, driver: Emulator, fails: bool
) -> None:
    """Also where it was not opened: no thread comes back to the context later."""
    encoded()  # so that what the device encodes is known
    for _ in range(12):
        with cuda.own_context() as context, cuda.using(context):
            if not fails:
                assert len(encoded(context=context)) == 1
                continue
            driver.fault("nvEncInitializeEncoder", "fail", 10)
            with pytest.raises(BackendError) as refused:
                encoded(context=context)
            del refused
            driver.clear_faults()
            gc.collect()
