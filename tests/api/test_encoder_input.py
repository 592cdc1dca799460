"""What may be given to an encoder: the shapes that are taken, and the name of each refusal."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from videohw.color import ColorSpec
from videohw.encoding.encoder_input import Picture, host_picture
from videohw.errors import InvalidInput
from videohw.frame import Frame
from videohw.known_names import ENCODER_INPUTS

WIDTH, HEIGHT = 24, 12
RNG = np.random.default_rng(1)
PACKED = {"rgb24": 3, "bgr24": 3, "rgba": 4, "bgra": 4}


def samples(shape: tuple[int, ...], name: str = "nv12") -> Any:
    if name == "p010":
        return RNG.integers(0, 1024, shape, np.uint16) << 6
    return RNG.integers(0, 256, shape, np.uint8)


def whole(name: str) -> Any:
    shape = (HEIGHT, WIDTH, PACKED[name]) if name in PACKED else (HEIGHT * 3 // 2, WIDTH)
    return samples(shape, name)


def planes_of(name: str, array: Any) -> list[Any]:
    """The planes of an input by the definition of its format, one sample after the other."""
    if name in PACKED:
        return [array]
    luma, chroma = array[:HEIGHT], array[HEIGHT:].ravel()
    if name == "i420":
        return [luma, *chroma.reshape(2, HEIGHT // 2, WIDTH // 2)]
    return [luma, chroma.reshape(HEIGHT // 2, WIDTH // 2, 2)]


def check(picture: Picture, name: str, array: Any) -> None:
    assert picture.format.name == name
    expected = planes_of(name, array)
    assert len(picture.planes) == len(expected)
    for got, wanted in zip(picture.planes, expected, strict=True):
        assert got.shape == wanted.shape
        assert np.array_equal(got, wanted)


@pytest.mark.parametrize("name", ENCODER_INPUTS)
def test_every_way_to_give_a_picture(name: str) -> None:
    array = whole(name)
    height = len(array)
    wide = np.zeros((height, WIDTH + 9, *array.shape[2:]), array.dtype)
    wide[:, 4 : 4 + WIDTH] = array
    ways = {
        "array": array,
        "read-only": array.copy(),
        "pitched": wide[:, 4 : 4 + WIDTH],
        "every second row": np.repeat(array, 2, axis=0)[::2],
        "upside down": array[::-1].copy()[::-1],
        "mirrored": array[:, ::-1].copy()[:, ::-1],
        "columns first": np.asfortranarray(array),
        "other byte order": array.astype(array.dtype.newbyteorder()),
        "subclass": array.view(np.ma.MaskedArray).view(np.recarray),
        "flat": array.ravel(),
        "bytes": array.tobytes(),
        "bytearray": bytearray(array.tobytes()),
        "memoryview": memoryview(array.tobytes()),
        "planes": tuple(planes_of(name, array)),
        "list of planes": list(planes_of(name, array)),
        "dlpack": Exporter(array),
        "planes by dlpack": tuple(Exporter(plane) for plane in planes_of(name, array)),
    }
    ways["read-only"].flags.writeable = False
    for given in ways.values():
        picture = host_picture(given, name, WIDTH, HEIGHT)
        check(picture, name, array)
        assert picture.color is None


def test_a_picture_of_one_colour_may_be_broadcast() -> None:
    array = np.broadcast_to(np.array([1, 2, 3], np.uint8), (HEIGHT, WIDTH, 3))
    assert array.strides[:2] == (0, 0)
    check(host_picture(array, "rgb24", WIDTH, HEIGHT), "rgb24", array)


@pytest.mark.parametrize("name", ["nv12", "p010"])
def test_chroma_plane_as_rows(name: str) -> None:
    array = whole(name)
    check(host_picture((array[:HEIGHT], array[HEIGHT:]), name, WIDTH, HEIGHT), name, array)


class Exporter:
    """Anything with DLPack that is no NumPy array."""

    def __init__(self, array: Any, device: tuple[int, int] = (1, 0)) -> None:
        self._array = array
        self._device = device

    def __dlpack__(self, **options: Any) -> Any:
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._device


class Unwilling(Exporter):
    """A tensor that cannot be exported, such as one that needs a gradient."""

    def __dlpack__(self, **options: Any) -> Any:
        raise RuntimeError("Can't export tensors that require gradient")


class OnCuda:
    """What CuPy arrays look like to somebody without CUDA."""

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {"shape": (HEIGHT, WIDTH, 3)}


def frame(**fields: Any) -> Frame:
    planes = tuple(planes_of("nv12", whole("nv12")))
    known = {"planes": planes, "format": "nv12", "width": WIDTH, "height": HEIGHT}
    return Frame(**{**known, **fields})


NV12 = whole("nv12")
RGB = whole("rgb24")
DEEP = whole("p010")

WRONG = [
    # (what, input, words of the message)
    (None, "nv12", "frame is NoneType"),
    ("text", "nv12", "frame is str"),
    (7, "nv12", "frame is int"),
    (object(), "rgb24", "frame is object"),
    ({"y": NV12}, "nv12", "frame is dict"),
    (NV12[:-1], "nv12", r"shape \(17, 24\), nv12 needs \(18, 24\)"),
    (NV12[:, :-1], "nv12", r"shape \(18, 23\)"),
    (NV12.T, "nv12", r"shape \(24, 18\)"),
    (NV12[..., None], "nv12", r"shape \(18, 24, 1\)"),
    (NV12[None], "i420", r"shape \(1, 18, 24\)"),
    (NV12[0, 0], "nv12", r"frame is uint8"),
    (np.zeros((), np.uint8), "nv12", r"shape \(\)"),
    (RGB, "nv12", r"shape \(12, 24, 3\), nv12 needs \(18, 24\)"),
    (RGB, "rgba", r"shape \(12, 24, 3\), rgba needs \(12, 24, 4\)"),
    (whole("bgra"), "bgr24", r"shape \(12, 24, 4\), bgr24 needs \(12, 24, 3\)"),
    (RGB.transpose(2, 0, 1), "rgb24", r"shape \(3, 12, 24\)"),
    (RGB[:, :, 0], "rgb24", r"shape \(12, 24\)"),
    (np.zeros((0, 24), np.uint8), "nv12", r"shape \(0, 24\)"),
    (NV12.astype(np.int8), "nv12", "dtype int8, nv12 needs uint8"),
    (NV12.astype(np.uint16), "nv12", "dtype uint16"),
    (RGB.astype(np.float32), "rgb24", "dtype float32, rgb24 needs uint8"),
    (RGB > 9, "rgb24", "dtype bool"),
    (NV12.astype(object), "nv12", "dtype object"),
    (DEEP.astype(np.int16), "p010", "dtype int16, p010 needs uint16"),
    (NV12, "p010", "dtype uint8, p010 needs uint16"),
    (NV12.ravel()[:-1], "nv12", "frame has 431 bytes, one nv12 picture of 24x12 has 432"),
    (NV12.tobytes()[:-1], "nv12", "431 bytes"),
    (NV12.tobytes() + b"\0", "i420", "433 bytes"),
    (b"", "nv12", "0 bytes"),
    (DEEP.tobytes()[:-1], "p010", "863 bytes cannot be read"),
    (DEEP.tobytes()[:-2], "p010", "862 bytes, one p010 picture of 24x12 has 864"),
    (memoryview(NV12.tobytes() * 2)[::2], "nv12", "cannot be read"),
    ((), "nv12", r"0 planes, nv12 has 2 \(Y, UV\)"),
    ((NV12,), "nv12", r"1 planes"),
    (planes_of("nv12", NV12), "i420", r"2 planes, i420 has 3 \(Y, U, V\)"),
    ([1, 2], "nv12", "frame plane Y is int"),
    ((NV12[:HEIGHT], NV12), "nv12", r"plane UV has shape \(18, 24\)"),
    ((NV12[:HEIGHT], NV12[HEIGHT:].astype(float)), "nv12", "plane UV has dtype float64"),
    ((NV12[:HEIGHT], None), "nv12", "plane UV is NoneType"),
    ((NV12[:HEIGHT],) * 3, "i420", r"plane U has shape \(12, 24\), i420 needs \(6, 12\)"),
    (Exporter(NV12, (2, 0)), "nv12", r"DLPack device \(2, 0\).*host memory"),
    (Exporter(NV12[:-1]), "nv12", r"shape \(17, 24\)"),
    (Unwilling(NV12), "nv12", "require gradient"),
    (OnCuda(), "rgb24", "__cuda_array_interface__"),
    (frame(width=26), "nv12", "frame is 26x12, the encoder 24x12"),
    (frame(height=10), "rgb24", "frame is 24x10"),
    (frame(memory="device"), "nv12", "memory 'device'"),
    (frame(planes=()), "nv12", "cannot be encoded"),
    (frame(format="rgb_float32"), "nv12", "rgb_float32"),
]


@pytest.mark.parametrize(("given", "name", "message"), WRONG, ids=[m for _, _, m in WRONG])
def test_what_is_wrong_is_refused_by_name(given: Any, name: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message) as refused:
        host_picture(given, name, WIDTH, HEIGHT)
    assert refused.value.argument == "frame"
    assert not refused.value.fatal


def test_a_frame_comes_in_its_own_format_and_colour() -> None:
    color = ColorSpec(matrix="bt709", range="limited")
    given = frame(color=color)
    picture = host_picture(given, "rgb24", WIDTH, HEIGHT)
    assert picture.format.name == "nv12"
    assert picture.color == color
    assert all(map(np.shares_memory, picture.planes, given.planes))


@pytest.mark.parametrize(
    ("planes", "name", "message"),
    [
        ((NV12[:HEIGHT],), "nv12", "1 planes, nv12 has 2"),
        ((NV12[: HEIGHT - 1], NV12[HEIGHT:]), "nv12", "plane Y has shape"),
        ((NV12[:1], NV12[HEIGHT:]), "nv12", "plane Y has shape"),
        ((NV12[:HEIGHT].astype(np.uint16), NV12[HEIGHT:]), "nv12", "dtype uint16"),
        ((NV12[:HEIGHT], NV12[HEIGHT:].astype(np.float32)), "nv12", "dtype float32"),
        (([1], [2]), "nv12", "plane Y is list"),
        ((samples((2, HEIGHT, WIDTH)),), "rgb_planar", r"shape \(2, 12, 24\)"),
        ((samples((3, HEIGHT, WIDTH)).astype(np.float32),), "rgb_float32", "rgb_float32"),
        ((NV12,), "nv99", "nv99"),
    ],
)
def test_a_frame_whose_planes_are_not_its_picture(planes: Any, name: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message) as refused:
        host_picture(frame(planes=planes, format=name), "nv12", WIDTH, HEIGHT)
    assert refused.value.argument == "frame"


def test_planar_rgb_is_taken_by_its_channels() -> None:
    channels = samples((3, HEIGHT, WIDTH))
    picture = host_picture(frame(planes=(channels,), format="rgb_planar"), "nv12", WIDTH, HEIGHT)
    assert picture.format.name == "gbrp"
    for plane, index in zip(picture.planes, (1, 2, 0), strict=True):
        assert np.array_equal(plane, channels[index])


def test_jpeg_formats_are_full_range_of_the_plain_ones() -> None:
    given = frame(format="yuvj420p", planes=tuple(planes_of("i420", NV12)))
    picture = host_picture(given, "nv12", WIDTH, HEIGHT)
    assert picture.format.name == "yuv420p"
    assert picture.color == ColorSpec(range="full")


@pytest.mark.parametrize(
    ("name", "ours"),
    [("yuv420p", "yuv420p"), ("nv12", "nv12"), ("yuvj422p", "yuv422p"), ("p010le", "p010"),
     ("yuv444p10le", "yuv444p10"), ("rgb24", "rgb24"), ("bgra", "bgra"), ("gray", "gray")],
)  # fmt: skip
def test_av_frames_are_seen_without_their_padding(name: str, ours: str) -> None:
    av = pytest.importorskip("av", reason="PyAV is not installed")
    width, height = 34, 18  # rows of libavutil's frames are padded to more than that
    made = av.VideoFrame(width, height, name)
    expected = []
    for index, plane in enumerate(made.planes):
        np.frombuffer(plane, np.uint8)[:] = index + 1
        expected.append(index + 1)
    picture = host_picture(made, "nv12", width, height)
    assert picture.format.name == ours
    for index, (plane, value) in enumerate(zip(picture.planes, expected, strict=True)):
        assert plane.shape == picture.format.plane_shape(index, width, height)
        assert set(plane.tobytes()) == {value}
    with pytest.raises(InvalidInput, match="34x18, the encoder 36x18"):
        host_picture(made, "nv12", width + 2, height)


@pytest.mark.parametrize("name", ["yuv420p", "nv12", "p010le", "rgb24"])
def test_an_av_frame_with_rows_upwards_is_seen_as_it_is(name: str) -> None:
    """vflip only turns pointers: the rows of its frames lie before the address of the plane."""
    av = pytest.importorskip("av", reason="PyAV is not installed")
    made = av.VideoFrame(34, 18, name)
    for plane in made.planes:
        memory = np.frombuffer(plane, np.uint8)
        memory[:] = RNG.integers(0, 256, len(memory), np.uint8)
    upright = [np.array(plane) for plane in host_picture(made, "nv12", 34, 18).planes]
    made.pts, made.time_base = 0, Fraction(1, 25)
    graph = av.filter.Graph()
    source = graph.add_buffer(width=34, height=18, format=name, time_base=made.time_base)
    graph.link_nodes(source, graph.add("vflip"), graph.add("buffersink")).configure()
    graph.push(made)
    flipped = graph.pull()
    assert flipped.planes[0].line_size < 0
    picture = host_picture(flipped, "nv12", 34, 18)
    for plane, wanted in zip(picture.planes, upright, strict=True):
        assert np.array_equal(plane, wanted[::-1])


def test_an_av_frame_of_an_unlisted_format_is_refused_here() -> None:
    av = pytest.importorskip("av", reason="PyAV is not installed")
    with pytest.raises(InvalidInput, match="yuyv422"):
        host_picture(av.VideoFrame(WIDTH, HEIGHT, "yuyv422"), "nv12", WIDTH, HEIGHT)
