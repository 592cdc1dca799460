"""NVIDIA: every output, held to the conversions on the CPU of what software decodes."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tests.backends.compared import assert_alike, by_software, decoded
from tests.backends.conftest import BackendCase, on_nvidia
from tests.backends.decoding import decode_bytes
from tests.backends.nvidia import calls_of
from tests.backends.oracle import frames_md5
from tests.corpus import stream
from videohw.errors import InvalidInput

STREAMS = (
    "generated/main_cabac_b2.h264", "generated/crop_130x98.h264", "generated/mbaff_tff.h264",
    "generated/crop_322x182.h265", "generated/main10_320x240.h265", "generated/main12_420.h265",
    "generated/main444_8_odd.h265", "generated/res_change_ABA.h265",
)  # fmt: skip
RGB = ("rgb24", "bgra", "rgb_planar", "rgb_float32", "rgb_float16")
pytestmark = on_nvidia


@pytest.mark.parametrize("output", RGB)
@pytest.mark.parametrize("name", STREAMS)
def test_rgb_is_that_of_the_cpu(backend: BackendCase, name: str, output: str) -> None:
    assert_alike(decoded(backend, name, output=output), name, output)


@pytest.mark.parametrize("output", ["rgb24", "rgb_planar"])
@pytest.mark.parametrize(
    "request_",
    [
        {"size": (97, 61)}, {"crop": (7, 3, 101, 75)}, {"crop": (7, 3, 101, 75), "size": (40, 90)},
        {"size": (64, 48), "resize": "area"}, {"size": (500, 300), "chroma": "nearest"},
    ],
    ids=lambda each: "-".join(each),
)  # fmt: skip
@pytest.mark.parametrize("name", STREAMS[:5:2])
def test_size_and_crop_are_those_of_the_cpu(
    backend: BackendCase, name: str, request_: dict[str, Any], output: str
) -> None:
    assert_alike(decoded(backend, name, output=output, **request_), name, output, **request_)


@pytest.mark.parametrize("output", ["native", "bgra", "rgb_planar", "rgb_float16"])
@pytest.mark.parametrize("name", STREAMS[1:8:2])
def test_device_memory_holds_what_host_memory_gets(
    backend: BackendCase, name: str, output: str
) -> None:
    on_device = decoded(backend, name, output=output, memory="device", max_in_flight=4)
    on_host = decoded(backend, name, output=output)
    for frame, right in zip(on_device, on_host, strict=True):
        assert (frame.memory, frame.format) == ("device", right.format)
        for plane, exact in zip(frame.planes, right.planes, strict=True):
            assert plane.__dlpack_device__() == (2, 0)  # kDLCUDA, the first device
            assert tuple(plane.shape) == exact.shape
            assert plane.__cuda_array_interface__["typestr"] == exact.dtype.str
        brought = frame.to_host()
        assert brought.memory == "host"
        for plane, exact in zip(brought.planes, right.planes, strict=True):
            np.testing.assert_array_equal(plane, exact)


def test_planar_rgb_is_one_array_in_the_order_r_g_b(backend: BackendCase) -> None:
    """4:4:4 with the identity matrix; its planes are G, B, R in either memory."""
    av = pytest.importorskip("av", reason="PyAV is not installed")
    context = av.CodecContext.create("libx265", "w")
    context.width, context.height, context.pix_fmt = 160, 144, "gbrp"
    context.time_base = Fraction(1, 25)
    context.options = {"x265-params": "lossless=1:log-level=none:pools=none:frame-threads=1"}
    levels = np.array([40, 90, 200], np.uint8)  # of red, green and blue
    picture = av.VideoFrame.from_ndarray(np.full((144, 160, 3), levels), format="rgb24")
    packets = context.encode(picture.reformat(format="gbrp")) + context.encode(None)
    got = decode_bytes(
        backend.decoder("hevc", memory="device"), b"".join(bytes(each) for each in packets)
    )
    (frame,) = got.frames
    assert frame.format == "gbrp"
    for seen in (np.from_dlpack(frame, device="cpu"), np.asarray(frame.to_host())):
        assert seen.shape == (3, 144, 160)
        assert [np.unique(plane).tolist() for plane in seen] == [[40], [90], [200]]


@pytest.mark.parametrize("name", STREAMS)
def test_metadata_maps_nothing(backend: BackendCase, name: str) -> None:
    before = calls_of("cuvidMapVideoFrame64")
    frames = decoded(backend, name, output="metadata")
    assert calls_of("cuvidMapVideoFrame64") == before
    for frame, right in zip(frames, by_software(name), strict=True):
        assert frame.planes == ()
        assert frame.corrupt is None
        assert (frame.decode_index, frame.width, frame.height, frame.keyframe) == (
            right.decode_index, right.width, right.height, right.keyframe,
        )  # fmt: skip


def test_times_of_metadata_are_those_of_the_pictures(backend: BackendCase) -> None:
    each = stream(STREAMS[0])
    with backend.decoder(each.codec, output="metadata", max_in_flight=100) as decoder:
        decoder.submit(each.read(), pts=-7)
        frames = decoder.flush()
    assert [frame.pts for frame in frames if frame.pts is not None] == [-7]
    assert len(frames) == each.frames


@pytest.mark.parametrize("memory", ["host", "device"])
@pytest.mark.parametrize("output", ["native", "by name"])
@pytest.mark.parametrize("name", STREAMS[1:6:2])
def test_a_crop_alone_is_copied(backend: BackendCase, name: str, output: str, memory: str) -> None:
    """The part that is wanted and no more; it is that of the whole picture."""
    crop = (6, 4, 101, 75)
    whole = decoded(backend, name)[::7]
    if output == "by name":
        output = whole[0].format if whole[0].format in ("nv12", "p010") else "native"
    cut = decoded(backend, name, output=output, crop=crop, memory=memory)[::7]
    for frame, right in zip(cut, whole, strict=True):
        exact = right.convert("native", crop=crop)
        assert (frame.memory, frame.format, frame.width) == (memory, right.format, 101)
        assert frame.color == exact.color
        for plane, wanted in zip(frame.to_host().planes, exact.planes, strict=True):
            np.testing.assert_array_equal(plane, wanted)
            assert plane.strides[0] < whole[0].planes[0].strides[0]


@pytest.mark.parametrize("memory", ["host", "device"])
def test_a_crop_between_samples_of_chroma(backend: BackendCase, memory: str) -> None:
    each = stream(STREAMS[0])
    for output in ("native", "i420"):
        decoder = backend.decoder(each.codec, output=output, crop=(3, 4, 50, 40), memory=memory)
        got = decode_bytes(decoder, each.read())
        assert [type(error) for error in got.errors] == [InvalidInput] * each.frames
        refused = {error.argument for error in got.errors if isinstance(error, InvalidInput)}
        assert refused == {"crop"}


def test_a_size_that_is_the_picture_s_own(backend: BackendCase) -> None:
    for memory in ("host", "device"):
        frames = decoded(backend, STREAMS[0], size=(320, 240), memory=memory)
        assert frames_md5(frame.to_host() for frame in frames) == stream(STREAMS[0]).yuv_md5


@pytest.mark.parametrize("memory", ["host", "device"])
@pytest.mark.parametrize(
    ("output", "request_"),
    [
        ("nv12", {}), ("i420", {}), ("p010", {}), ("nv12", {"size": (96, 62)}),
        ("i420", {"crop": (8, 2, 101, 75)}),
        ("nv12", {"crop": (7, 3, 101, 75), "size": (41, 91), "resize": "area"}),
        ("p010", {"size": (500, 300), "chroma": "nearest"}),
    ],
    ids=lambda each: each if isinstance(each, str) else "-".join(each),
)  # fmt: skip
@pytest.mark.parametrize("name", STREAMS[:7:2])
def test_ycbcr_is_that_of_the_cpu(
    backend: BackendCase, name: str, output: str, request_: dict[str, Any], memory: str
) -> None:
    """Made on the device, in either memory: within one code value of the processor's."""
    frames = decoded(backend, name, output=output, memory=memory, **request_)
    assert {frame.memory for frame in frames} == {memory}
    assert_alike([frame.to_host() for frame in frames], name, output, **request_)
    if (name, output, request_) == (STREAMS[0], "i420", {}):
        assert frames_md5(frame.to_host() for frame in frames) == stream(name).yuv_md5


@pytest.mark.parametrize("size", [(96, 62), (333, 201)])
@pytest.mark.parametrize("name", [STREAMS[1], *STREAMS[4:7]])
def test_native_in_another_size(backend: BackendCase, name: str, size: tuple[int, int]) -> None:
    """In its own format, never through the host's memory, which the driver's calls say."""
    copied = calls_of("cuMemcpy2DAsync_v2"), calls_of("cuMemcpyDtoHAsync_v2")
    frames = decoded(backend, name, size=size, memory="device")
    assert (calls_of("cuMemcpy2DAsync_v2"), calls_of("cuMemcpyDtoHAsync_v2")) == copied
    native = decoded(backend, name, memory="device")[0].format
    wanted = [right.convert("i420", size=size) for right in by_software(name)]
    for frame, exact in list(zip(frames, wanted, strict=True))[::7]:
        assert (frame.format, frame.width, frame.height) == (native, *size)
        assert frame.sample_aspect_ratio == exact.sample_aspect_ratio
        made = np.asarray(frame.to_host().convert("i420").planes[0], int)
        assert np.abs(made - exact.planes[0]).max() <= 1


@pytest.mark.parametrize("memory", ["host", "device"])
def test_nothing_is_left_to_the_processor(backend: BackendCase, memory: str) -> None:
    each = stream(STREAMS[0])
    for output in ("native", "nv12", "i420", "p010"):
        decoder = backend.decoder(each.codec, output=output, size=(64, 48), memory=memory)
        summary = decode_bytes(decoder, each.read()).summary
        assert (summary["converted_on_host"], summary["why_on_host"]) == (0, None)


def test_frames_outlive_the_session_and_its_blocks_are_not_written_again(
    backend: BackendCase,
) -> None:
    each = stream(STREAMS[0])
    for memory in ("host", "device"):
        kept = decoded(backend, each.name, memory=memory)
        decoded(backend, each.name, memory=memory)
        assert frames_md5(frame.to_host() for frame in kept) == each.yuv_md5
