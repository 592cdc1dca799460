"""What is said of a codec when the driver fails to answer, and when it answers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.backends.nvidia import emulated_drivers
from tests.emulators.control import Emulator
from tests.nvidia.decoding import release
from videohw.decoder import Decoder
from videohw.errors import UnsupportedCodec, UnsupportedConfig
from videohw.machine import capabilities
from videohw.nvidia.capabilities import forget

OUT_OF_MEMORY = 2


@pytest.fixture(autouse=True)
def asking(driver: Emulator) -> Iterator[Emulator]:
    with emulated_drivers():
        driver.clear_faults()
        release(driver, frozenset({"decoder", "pinned memory"}))
        forget()
        yield driver
        driver.clear_faults()
        forget()


@pytest.mark.parametrize("call", ["cuvidGetDecoderCaps", "cuDevicePrimaryCtxRetain"])
def test_a_question_that_fails(asking: Emulator, call: str) -> None:
    """It is no answer: the codec is not said to be lacking, and the next question is a new one."""
    asking.fault(call, "fail", OUT_OF_MEMORY, count=0)
    (answer,) = (each for each in capabilities("hevc", "nvidia") if each.direction == "decode")
    assert (answer.supported, answer.failed) == (False, True)
    assert "CUDA_ERROR_OUT_OF_MEMORY" in str(answer.reason)
    with pytest.raises(UnsupportedConfig, match="CUDA_ERROR_OUT_OF_MEMORY"):
        Decoder("hevc", backend="nvidia")
    asking.clear_faults()
    (answer,) = (each for each in capabilities("hevc", "nvidia") if each.direction == "decode")
    assert (answer.supported, answer.failed) == (True, False)
    Decoder("hevc", backend="nvidia").close()


def test_a_codec_that_is_lacking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEOHW_EMULATOR_NVDEC", "h100")
    (answer,) = (each for each in capabilities("av1", "nvidia") if each.direction == "decode")
    assert (answer.supported, answer.failed) == (False, False)
    with pytest.raises(UnsupportedCodec, match="has no decoder for av1"):
        Decoder("av1", backend="nvidia")
