"""Pictures converted by Metal: on an emulated device, which runs the shader's own source, later."""

from __future__ import annotations

import gc
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import videohw
from tests.apple.facts import FACTS
from tests.apple.test_decoder import PATIENCE_SECONDS, SMALL, idr_units, opened
from tests.backends.decoding import Decoded, assert_account, decode_bytes, decode_units
from tests.backends.waiting import wait_for
from tests.corpus import stream
from tests.emulators.control import AppleEmulator
from videohw.errors import BackendError, InvalidInput, UnsupportedConfig
from videohw.frame import Frame

NATIVE = Path(videohw.__file__).parent / "_native"
VARIABLE = "VIDEO_HW_VT_GPU_TRANSFORM"
TEN_BITS = "generated/main10_320x240.h265"
NORMALISED = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


def options(gpu: bool | None) -> Any:
    from videohw.apple.options import AppleDecoderOptions

    return AppleDecoderOptions(gpu_transform=gpu)


def decoded(name: str, gpu: bool | None, **arguments: Any) -> Decoded:
    each = stream(name)
    return decode_bytes(opened(each.codec, options=options(gpu), **arguments), each.read())


def assert_close(one: Frame, other: Frame) -> None:
    """The same picture, as far as two roundings go, and the same said of it."""
    assert (one.format, one.width, one.height, one.pts) == (
        other.format, other.width, other.height, other.pts,
    )  # fmt: skip
    assert one.color == other.color
    assert one.sample_aspect_ratio == other.sample_aspect_ratio
    got, wanted = np.asarray(one), np.asarray(other)
    assert (got.shape, got.dtype) == (wanted.shape, wanted.dtype)
    assert not got.flags.writeable
    if got.dtype == np.uint8:
        assert int(np.abs(got.astype(np.int16) - wanted).max()) <= 1
    else:
        assert float(np.abs(got.astype(np.float32) - wanted).max()) < 0.01


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        (SMALL, {"output": "rgb24"}),
        (SMALL, {"output": "bgr24"}),
        ("generated/crop_322x182.h265", {"output": "rgba"}),
        ("generated/crop_130x98.h264", {"output": "bgra"}),
    ],
)
def test_what_metal_makes(frameworks: AppleEmulator, name: str, arguments: dict[str, Any]) -> None:
    """It is what the processor makes, within one code value, and counted."""
    got, wanted = decoded(name, True, **arguments), decoded(name, False, **arguments)
    assert got.errors == wanted.errors == []
    assert len(got.frames) == stream(name).frames
    for one, other in zip(got.frames, wanted.frames, strict=True):
        assert_close(one, other)
    count = len(got.frames)
    counted = ("converted_on_device", "converted_on_host", "why_on_host")
    assert [got.summary[each] for each in counted] == [count, 0, None]
    assert [wanted.summary[each] for each in counted[:2]] == [0, count]
    assert "gpu_transform" in wanted.summary["why_on_host"]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        (TEN_BITS, {"output": "rgb24"}),
        (TEN_BITS, {"output": "rgb_planar", "crop": (7, 5, 101, 99)}),
        ("generated/main444_8_odd.h265", {"output": "rgba", "chroma": "nearest"}),
        ("generated/crop_322x182.h265", {"output": "rgb_float32", **NORMALISED}),
        (SMALL, {"output": "rgb_float16", "size": (99, 201), "resize": "area", **NORMALISED}),
        (SMALL, {"output": "bgra", "size": (77, 55), "crop": (3, 1, 100, 121)}),
        (SMALL, {"output": "rgb24", "size": (50, 40), "crop": (10, 10, 50, 40)}),
    ],
)
def test_every_form(frameworks: AppleEmulator, name: str, arguments: dict[str, Any]) -> None:
    with frameworks.having(METAL_THREADS="96", PADDING="192"):
        got, wanted = decoded(name, True, **arguments), decoded(name, False, **arguments)
    assert got.errors == wanted.errors == []
    assert len(got.frames) == stream(name).frames
    for one, other in zip(got.frames, wanted.frames, strict=True):
        assert_close(one, other)
    assert got.summary["converted_on_device"] == len(got.frames)


def test_images_of_the_coded_size(frameworks: AppleEmulator) -> None:
    """What is below and at the right of the picture is not looked at."""
    name = "generated/crop_130x98.h264"
    with frameworks.having(CROPPING="coded"):
        got, wanted = (decoded(name, gpu, output="rgb24") for gpu in (True, False))
    for one, other in zip(got.frames, wanted.frames, strict=True):
        assert_close(one, other)
    assert got.summary["converted_on_device"] == len(got.frames) > 0


def test_a_change_of_size_on_the_way(frameworks: AppleEmulator) -> None:
    name = "generated/res_change_ABA.h265"
    got, wanted = (decoded(name, gpu, output="rgb24") for gpu in (True, False))
    assert len({frame.width for frame in got.frames}) == 2
    for one, other in zip(got.frames, wanted.frames, strict=True):
        assert_close(one, other)
    assert frameworks.report()["calls"]["CVMetalTextureCacheFlush"] == 3


# Who converts


@pytest.mark.parametrize(
    ("value", "option", "on_device"),
    [
        ("0", None, False), ("off", None, False), ("auto", None, True), ("", None, True),
        ("1", None, True), ("1", False, False), ("0", True, True),
    ],
)  # fmt: skip
def test_who_converts_is_said(
    frameworks: AppleEmulator, monkeypatch: pytest.MonkeyPatch, value: str, option: bool | None,
    on_device: bool,
) -> None:  # fmt: skip
    """By the environment, and by the option, which wins."""
    monkeypatch.setenv(VARIABLE, value)
    decoder = opened(output="rgb24", options=options(option))
    summary = decode_units(decoder, idr_units(2)).summary
    assert (summary["converted_on_device"], summary["converted_on_host"]) == (
        (2, 0) if on_device else (0, 2)
    )
    assert frameworks.report()["calls"].get("MTLCreateSystemDefaultDevice", 0) == on_device


def test_nothing_is_asked_of_metal_without_need(
    frameworks: AppleEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "1")
    for output in ("native", "metadata"):
        summary = decode_units(opened(output=output), idr_units(2)).summary
        counted = ("converted_on_device", "converted_on_host", "why_on_host")
        assert [summary[each] for each in counted] == [0, 0, None]
    assert "MTLCreateSystemDefaultDevice" not in frameworks.report()["calls"]


def test_outputs_without_a_kernel(
    frameworks: AppleEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = decode_units(opened(output="i420"), idr_units(2)).summary
    assert summary["converted_on_host"] == 2
    assert summary["why_on_host"] == "no kernel makes i420"
    monkeypatch.setenv(VARIABLE, "1")
    with pytest.raises(UnsupportedConfig, match="no kernel makes i420"):
        opened(output="i420")


@pytest.mark.parametrize(
    ("call", "why"),
    [
        ("MTLCreateSystemDefaultDevice", "no Metal device"),
        ("newCommandQueue", "no command queue"),
        ("new", "does not compile"),
        ("newLibraryWithSource:options:error:", "a planted error"),
        ("newFunctionWithName:", "no kernel textures_rgb24"),
        ("newComputePipelineStateWithFunction:error:", "a planted error"),
        ("maxTotalThreadsPerThreadgroup", "takes 1 threads"),
    ],
)
def test_a_system_whose_metal_does_not_do(frameworks: AppleEmulator, call: str, why: str) -> None:
    frameworks.fault(call, "fail", 1)
    summary = decode_units(opened(output="rgb24"), idr_units(2)).summary
    assert (summary["converted_on_device"], summary["converted_on_host"]) == (0, 2)
    assert why in summary["why_on_host"]
    frameworks.clear_faults()
    frameworks.fault(call, "fail", 1)
    with pytest.raises(UnsupportedConfig, match=why):
        opened(output="rgb24", options=options(True))


# Faults on the way


@pytest.mark.parametrize("required", [False, True])
@pytest.mark.parametrize(
    ("call", "named"),
    [
        ("CVMetalTextureCacheCreate", "CVMetalTextureCacheCreate"),
        ("CVMetalTextureCacheCreateTextureFromImage", "TextureFromImage"),
        ("CVMetalTextureGetTexture", "CVMetalTextureGetTexture"),
        ("newBufferWithLength:options:", "newBufferWithLength"),
        ("commandBuffer", "commandBuffer"),
        ("computeCommandEncoder", "computeCommandEncoder"),
        ("convert", "commit"),
    ],
)
def test_a_picture_that_metal_does_not_convert(
    frameworks: AppleEmulator, call: str, named: str, required: bool
) -> None:
    """The processor does, and it is counted; where Metal has to, it is an error in its place."""
    frameworks.fault(call, "fail", 8)
    decoder = opened(output="rgb24", options=options(required or None))
    got = decode_units(decoder, idr_units(4))
    assert_account(got.summary)
    assert got.summary["converted_on_device"] == 3
    assert named in got.summary["why_on_host"]
    levels = [int(np.asarray(frame)[0, 0, 0]) for frame in got.frames]
    assert levels == sorted(levels)
    if required:
        (error,) = got.errors
        assert isinstance(error, BackendError)
        assert not error.fatal
        assert named in str(error)
        assert len(got.frames) == 3
    else:
        assert got.errors == []
        assert got.summary["converted_on_host"] == 1
        assert len(got.frames) == 4


def test_metal_that_does_not_come_back(
    frameworks: AppleEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No picture waits for it for ever, and no more are given to it."""
    monkeypatch.setattr("videohw.apple.decoder.CONVERSION_SECONDS", 0.2)
    frameworks.fault("convert", "stall", 0)
    with opened(output="rgb24", low_latency=True) as decoder:
        for unit in idr_units(6):
            decoder.submit(unit, layout="access_unit")
            assert decoder.reap_timeout(10) is not None
        summary = decoder.summary()
    assert (summary["converted_on_device"], summary["converted_on_host"]) == (0, 6)
    assert "did not end" in summary["why_on_host"]
    frameworks.clear_faults()
    wait_for(lambda: not frameworks.open())  # what Metal has is let go when it comes back


def test_nobody_waits_for_metal(frameworks: AppleEmulator) -> None:
    """Pictures are taken while it works; those that it converts come when it is done."""
    frameworks.fault("convert", "stall", 0)
    with opened(output="rgb24", max_in_flight=8) as decoder:
        for unit in idr_units(4):
            decoder.submit(unit, layout="access_unit")
        wait_for(lambda: frameworks.report()["calls"].get("commit", 0) == 4)
        assert decoder.try_reap() is None
        with pytest.raises(TimeoutError):
            decoder.flush(0.01)
        frameworks.clear_faults()
        assert len(decoder.flush(PATIENCE_SECONDS)) == 4
        assert decoder.summary()["converted_on_device"] == 4


@pytest.mark.parametrize("how", ["reset", "close"])
def test_what_is_dropped_while_metal_works(frameworks: AppleEmulator, how: str) -> None:
    frameworks.fault("convert", "stall", 0)
    with opened(output="rgb24") as decoder:
        for unit in idr_units(3):
            decoder.submit(unit, layout="access_unit")
        wait_for(lambda: frameworks.stalled() == 1)
        if how == "reset":
            decoder.reset()
        else:
            decoder.close()
        frameworks.clear_faults()
        if how == "reset":
            decoder.submit(idr_units(1)[0], layout="access_unit")
            assert len(decoder.flush(PATIENCE_SECONDS)) == 1
    wait_for(lambda: not frameworks.open())


# Memory


def test_pixels_are_kept_as_long_as_an_array(frameworks: AppleEmulator) -> None:
    """Also after the session is closed; the images go back at once."""
    each = stream(SMALL)
    with opened(each.codec, output="rgb24") as decoder:
        frames = list(decoder.decode([each.read()]))
    open_now = frameworks.open()
    assert "CVPixelBuffer" not in open_now
    assert open_now["MTLBuffer"] == each.frames
    plane = frames[3].planes[0]
    copied, kept = np.array(plane), plane[10:20]
    del frames, plane
    gc.collect()
    assert frameworks.open() == {"MTLBuffer": 1}
    assert np.array_equal(kept, copied[10:20])


def test_memory_is_used_again(frameworks: AppleEmulator) -> None:
    with opened(output="rgb24", max_in_flight=4) as decoder:
        for unit in idr_units(60):
            decoder.submit(unit, layout="access_unit")
            assert decoder.reap_timeout(PATIENCE_SECONDS) is not None
        assert decoder.summary()["converted_on_device"] == 60
    assert frameworks.report()["ever"]["MTLBuffer"] == 1


def test_sessions_share_the_kernels(frameworks: AppleEmulator) -> None:
    with opened(output="rgb24") as one, opened(output="bgra") as other:
        for decoder in (one, other):
            decoder.submit(idr_units(1)[0], layout="access_unit")
            assert len(decoder.flush(PATIENCE_SECONDS)) == 1
        calls = frameworks.report()["calls"]
    assert calls["newLibraryWithSource:options:error:"] == 1
    assert calls["newComputePipelineStateWithFunction:error:"] == 2


def test_the_option_is_checked() -> None:
    with pytest.raises(InvalidInput, match="gpu_transform"):
        options("yes")  # type: ignore[arg-type]


def test_methods_that_are_called_have_facts() -> None:
    """Metal's, by the SDK; those of every object and of NSError are older than it."""
    text = "".join(path.read_text(encoding="utf-8") for path in sorted(NATIVE.glob("metal*.hpp")))
    called = set(re.findall(r'objc_send<[^(]*\([^"]*?"([\w:]+)"', text, re.DOTALL))
    called -= {"MTLCompileOptions"}  # a class
    assert called - {"new", "localizedDescription", "code"} == set(FACTS["selectors"])
    assert len(called) > 20
