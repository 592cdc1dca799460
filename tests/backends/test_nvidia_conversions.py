"""NVIDIA: ``Frame.convert`` of frames in device memory, held to that of frames in host memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from tests.backends.compared import EVERY, assert_close, by_software, decoded
from tests.backends.conftest import BackendCase, on_nvidia
from tests.backends.decoding import decode_bytes
from tests.backends.nvidia import calls_of
from tests.corpus import stream
from videohw.color import ColorSpec
from videohw.errors import InvalidInput, UnsupportedConfig
from videohw.frame import Frame

STREAMS = (
    "generated/crop_130x98.h264", "generated/main10_320x240.h265", "generated/main12_420.h265",
    "generated/main444_8_odd.h265",
)  # fmt: skip
NV12, *_, ODD_444 = STREAMS
RGB = ("rgb24", "bgr24", "rgba", "bgra", "rgb_planar", "rgb_float16", "rgb_float32")
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
REQUESTS: tuple[dict[str, Any], ...] = (
    {"size": (97, 61)}, {"crop": (7, 3, 101, 75)}, {"crop": (8, 2, 50, 60), "size": (40, 90)},
    {"size": (64, 48), "resize": "area"}, {"size": (200, 150), "chroma": "nearest"},
    {"color": ColorSpec(matrix="bt2020nc", range="full")},
)  # fmt: skip
pytestmark = on_nvidia


def some(frames: Sequence[Frame]) -> Sequence[Frame]:
    """Enough of them for it to show when one is taken for another."""
    return frames[: 3 * EVERY : EVERY]


def pairs(backend: BackendCase, name: str, **arguments: Any) -> list[tuple[Frame, Frame]]:
    """Some frames in device memory, and the same in host memory by software."""
    on_device = decoded(backend, name, memory="device", **arguments)
    return list(zip(some(on_device), some(by_software(name)), strict=True))


def assert_converts(frame: Frame, right: Frame, output: str, **request: Any) -> Frame:
    """``frame`` in device memory comes to what ``right`` comes to in host memory."""
    made = frame.convert(output, **request)
    assert made.memory == "device"
    assert made.decode_index == right.decode_index
    wanted = right.convert(output, **request)
    assert_close(made.to_host(), wanted, output)
    for plane, exact in zip(made.planes, wanted.planes, strict=True):
        assert plane.__dlpack_device__() == (2, 0)
        assert plane.shape == exact.shape
        assert plane.read_only
    return made


@pytest.mark.parametrize("name", STREAMS)
def test_rgb_of_every_format(backend: BackendCase, name: str) -> None:
    for frame, right in pairs(backend, name):
        for output in RGB if name == NV12 else RGB[::4]:
            made = assert_converts(frame, right, output)
            one = np.from_dlpack(made, device="cpu")
            np.testing.assert_array_equal(one, np.asarray(made.to_host()))


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda each: "-".join(each))
@pytest.mark.parametrize("name", [NV12, ODD_444])
def test_size_crop_and_color(backend: BackendCase, name: str, request_: dict[str, Any]) -> None:
    for frame, right in pairs(backend, name):
        for output in ("rgb24", "rgb_planar"):
            assert_converts(frame, right, output, **request_)


def test_mean_and_std(backend: BackendCase) -> None:
    for frame, right in pairs(backend, NV12):
        made = frame.convert("rgb_float32", **IMAGENET).to_host()
        wanted = right.convert("rgb_float32", **IMAGENET)
        difference = np.abs(made.planes[0] - wanted.planes[0]).max(axis=(1, 2))
        assert (difference <= 1.01 / 255 / np.array(IMAGENET["std"])).all()


def test_another_request_is_another_plan(backend: BackendCase) -> None:
    """The plan of the conversion before is not taken for this one."""
    (frame, right), *_ = pairs(backend, NV12)
    for request in (*REQUESTS, *REQUESTS):
        for output in ("rgb24", "bgra"):
            assert_converts(frame, right, output, **request)


# What is cut out without a computation


@pytest.mark.parametrize("output", ["native", "rgb24", "rgb_planar"])
def test_a_crop_is_a_view(backend: BackendCase, output: str) -> None:
    crop = (6, 4, 51, 33)
    for frame in some(decoded(backend, NV12, output=output, memory="device")):
        before = calls_of("cuLaunchKernel")
        cut = frame.convert("native", crop=crop)
        assert calls_of("cuLaunchKernel") == before
        wanted = frame.to_host().convert("native", crop=crop)
        assert (cut.memory, cut.format, cut.width, cut.height) == ("device", frame.format, 51, 33)
        for plane, whole, exact in zip(cut.planes, frame.planes, wanted.planes, strict=True):
            inside = plane.pointer - whole.pointer
            assert 0 < inside < whole.nbytes * 2
            assert plane.strides == whole.strides
            np.testing.assert_array_equal(plane.to_host(), exact)


def test_a_view_is_converted_on(backend: BackendCase) -> None:
    for frame, right in pairs(backend, NV12):
        cut = frame.convert("native", crop=(6, 4, 51, 33))
        exact = right.convert("native", crop=(6, 4, 51, 33))
        assert_converts(cut, exact, "rgb24", crop=(3, 1, 40, 30), size=(20, 20))


@pytest.mark.parametrize("crop", [(7, 4, 50, 40), (6, 3, 50, 40)])
def test_a_crop_between_samples_of_chroma(backend: BackendCase, crop: Any) -> None:
    frame = decoded(backend, NV12, memory="device")[0]
    with pytest.raises(InvalidInput, match="chroma") as caught:
        frame.convert("native", crop=crop)
    assert caught.value.argument == "crop"
    frame.convert("rgb24", crop=crop)


# From RGB


@pytest.mark.parametrize("crop", [None, (7, 3, 51, 34)])
@pytest.mark.parametrize("source", ["rgb24", "bgr24", "rgba", "bgra", "rgb_planar"])
@pytest.mark.parametrize("output", ["nv12", "p010"])
def test_ycbcr_of_rgb(backend: BackendCase, source: str, output: str, crop: Any) -> None:
    for frame in some(decoded(backend, NV12, output=source, memory="device"))[:2]:
        assert_converts(frame, frame.to_host(), output, crop=crop)


# YCbCr of YCbCr, and of RGB in another size

YCBCR_REQUESTS: tuple[dict[str, Any], ...] = (
    {}, {"size": (97, 61)}, {"crop": (8, 2, 51, 60), "size": (40, 90)},
    {"size": (64, 48), "resize": "area"}, {"size": (200, 150), "chroma": "nearest"},
    {"color": ColorSpec(matrix="bt2020nc", range="full"), "size": (60, 60)},
)  # fmt: skip


@pytest.mark.parametrize("request_", YCBCR_REQUESTS, ids=lambda each: "-".join(each) or "whole")
@pytest.mark.parametrize("name", STREAMS)
def test_ycbcr_of_every_format(backend: BackendCase, name: str, request_: dict[str, Any]) -> None:
    for frame, right in pairs(backend, name)[:2]:
        for output in ("nv12", "i420", "p010"):
            if output != frame.format or "size" in request_:
                made = assert_converts(frame, right, output, **request_)
                assert made.color == right.convert(output, **request_).color
        if "size" in request_:  # "native": the software backend's own is another
            native = frame.convert("native", **request_)
            wanted = right.convert("nv12", **request_)
            assert native.format == frame.format
            assert_close(native.convert("nv12").to_host(), wanted, "nv12", 2)


@pytest.mark.parametrize("source", ["rgb24", "bgra", "rgb_planar"])
@pytest.mark.parametrize("output", ["nv12", "i420", "p010"])
def test_ycbcr_of_rgb_in_another_size(backend: BackendCase, source: str, output: str) -> None:
    for frame in some(decoded(backend, NV12, output=source, memory="device"))[:2]:
        for request in (
            {"size": (64, 48)}, {"crop": (7, 3, 51, 34), "size": (90, 61)},
            {"color": ColorSpec(range="limited")},
        ):  # fmt: skip
            assert_converts(frame, frame.to_host(), output, **request)


# What is refused


@pytest.mark.parametrize(
    ("made", "output", "request_"),
    [
        ("rgb24", "bgr24", {}), ("rgb24", "rgb24", {"size": (64, 48)}), ("bgra", "rgb_float16", {}),
    ],
)  # fmt: skip
def test_what_no_kernel_makes(
    backend: BackendCase, made: str, output: str, request_: dict[str, Any]
) -> None:
    frame = decoded(backend, NV12, output=made, memory="device")[0]
    with pytest.raises(UnsupportedConfig, match=f"{output} of ") as caught:
        frame.convert(output, **request_)
    assert "to_host()" in str(caught.value.hint)
    assert caught.value.argument == "output"
    assert frame.to_host().convert(output, **request_).format == output


def test_floats_are_refused_as_on_the_host(backend: BackendCase) -> None:
    frame = decoded(backend, NV12, output="rgb_float16", memory="device")[0]
    with pytest.raises(UnsupportedConfig, match="rgb24 of rgb_float16"):
        frame.convert("rgb24")


def test_wrong_arguments(backend: BackendCase) -> None:
    frame = decoded(backend, NV12, memory="device")[0]
    with pytest.raises(InvalidInput) as caught:
        frame.convert("rgb24", crop=(100, 0, 100, 50))
    assert caught.value.argument == "crop"
    with pytest.raises(UnsupportedConfig, match="ictcp"):
        frame.convert("rgb24", color=ColorSpec(matrix="ictcp"))


def test_frames_of_a_closed_session(backend: BackendCase) -> None:
    each = stream(NV12)
    got = decode_bytes(backend.decoder(each.codec, memory="device"), each.read())
    for frame, right in zip(some(got.frames), some(by_software(NV12)), strict=True):
        assert_converts(frame, right, "rgb24", size=(64, 48))
