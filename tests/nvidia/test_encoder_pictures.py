"""What the caller's pictures become before NVENC: copied once, used where they lie, or refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.emulators.control import Emulator
from tests.nvidia.encoder_answers import answers, config, opts
from videohw.color import ColorSpec
from videohw.errors import InvalidInput
from videohw.frame import Frame
from videohw.nvidia.encoder_options import NvidiaPictureOptions
from videohw.nvidia.encoder_pictures import PictureStage, StagedPicture, fits, plane_places
from videohw.nvidia.encoder_settings import settings_of
from videohw.pixel_format import FORMATS, PixelFormat
from videohw.pixels import convert
from videohw.software_options import SoftwareEncoderOptions
from videohw.types import SideData

_cuda = pytest.importorskip("videohw._cuda", reason="NVIDIA is of Linux and Windows")

WIDTH, HEIGHT = 162, 64
PITCH, ROWS = 704, 66
STREAM = 1  # the default stream
RNG = np.random.default_rng(5)


class Buffer(np.ndarray):
    """Memory like a locked input buffer, with gaps behind rows and below planes."""

    pitch, rows = PITCH, ROWS


def planes_in(
    buffer: Any, pitch: int, rows: int, layout: PixelFormat, width: int, height: int
) -> list[Any]:
    """Arrays of the planes of a picture in ``buffer``."""
    return [
        np.ndarray(shape, dtype, buffer, offset, strides)
        for shape, dtype, offset, strides in plane_places(pitch, rows, layout, width, height)
    ]


class Inputs:
    """A session that lends buffers, and notes whom it waits for."""

    stream = STREAM

    def __init__(self) -> None:
        self.waited: list[int] = []

    def host_buffer(self) -> Any:
        return np.full(3 * PITCH * ROWS, 0xA5, np.uint8).view(Buffer)

    def wait_for_stream(self, stream: int) -> None:
        self.waited.append(stream)


class Interface:
    """Memory that is told of by the CUDA array interface alone."""

    def __init__(self, array: Any, stream: int | None, **other: Any) -> None:
        self._array = array
        self.told = {**array.__cuda_array_interface__, "stream": stream, **other}

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return self.told


def stage_of(codec: str = "h264", device: Any = None, **given: Any) -> PictureStage:
    settings = settings_of(config(codec, WIDTH, HEIGHT, **given), answers(codec))
    return PictureStage(settings, device, Inputs())


def picture(name: str, width: int = WIDTH, height: int = HEIGHT) -> list[Any]:
    layout = FORMATS[name]
    shapes = [layout.plane_shape(index, width, height) for index in range(len(layout.planes))]
    top = 1 << layout.bit_depth
    planes = [RNG.integers(0, top, shape, layout.dtype) for shape in shapes]
    return [plane << layout.shift for plane in planes]


def in_buffer(staged: StagedPicture, name: str) -> list[Any]:
    return planes_in(staged.buffer, PITCH, ROWS, FORMATS[name], WIDTH, HEIGHT)


def same(found: list[Any], expected: Any) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


# Host memory


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({}, "nv12"), ({"input": "i420"}, "i420"), ({"input": "p010"}, "p010"),
        ({"input": "bgra", "color": ColorSpec(matrix="smpte170m")}, "bgra"),
        ({"input": "rgba", "color": ColorSpec(matrix="smpte170m")}, "rgba"),
    ],
)  # fmt: skip
def test_a_picture_in_the_buffers_format_is_copied(given: dict[str, Any], name: str) -> None:
    planes = picture(name)
    staged = stage_of(**given).stage(tuple(planes))
    assert same(in_buffer(staged, name), planes)
    assert staged.memory_bytes == FORMATS[name].frame_bytes(WIDTH, HEIGHT)
    gaps = np.array(staged.buffer)
    for view in planes_in(gaps, PITCH, ROWS, FORMATS[name], WIDTH, HEIGHT):
        view[...] = 0xA5 if view.itemsize == 1 else 0xA5A5
    assert (gaps == 0xA5).all()


def test_planes_lie_as_the_driver_has_them() -> None:
    memory = np.arange(PITCH * ROWS, dtype=np.uint32).view(np.uint8)
    begin = memory.__array_interface__["data"][0]
    for name, offsets, pitches in (
        ("nv12", (0, PITCH * ROWS), (PITCH, PITCH)),
        ("i420", (0, PITCH * ROWS, PITCH * ROWS * 5 // 4), (PITCH, PITCH // 2, PITCH // 2)),
        ("p010", (0, PITCH * ROWS), (PITCH, PITCH)),
        ("nv16", (0, PITCH * ROWS), (PITCH, PITCH)),
        ("yuv444p", (0, PITCH * ROWS, PITCH * ROWS * 2), (PITCH,) * 3),
        ("bgra", (0,), (PITCH,)),
    ):
        views = planes_in(memory, PITCH, ROWS, FORMATS[name], 80, HEIGHT)
        places = [view.__array_interface__["data"][0] - begin for view in views]
        assert (tuple(places), tuple(view.strides[0] for view in views)) == (offsets, pitches)


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize("name", ["rgb24", "bgra"])
@pytest.mark.parametrize("profile", [None, "444"])
def test_rgb_is_converted_with_the_streams_matrix_and_range(
    codec: str, name: str, profile: str | None
) -> None:
    profile = profile and {"h264": "high444", "hevc": "main444-8"}[codec]
    color = ColorSpec(matrix="bt2020nc", range="full", siting="topleft")
    rgb = picture(name)[0]
    staged = stage_of(codec, input=name, color=color, profile=profile).stage(rgb)
    target = "yuv444p" if profile else "nv12"
    assert same(in_buffer(staged, target), convert(rgb, name, target, output_color=color))


def test_frames_are_converted_from_their_own_format_and_colour() -> None:
    own = ColorSpec(matrix="smpte170m", range="full", siting="left")
    frame = Frame(tuple(picture("yuv444p")), "yuv444p", WIDTH, HEIGHT, color=own)
    coded = ColorSpec(matrix="bt709", range="limited", siting="left")
    staged = stage_of(color=coded).stage(frame)
    expected = convert(frame.planes, "yuv444p", "nv12", color=own, output_color=coded)
    assert same(in_buffer(staged, "nv12"), expected)


def test_arrays_of_any_strides_are_taken() -> None:
    array = RNG.integers(0, 256, (HEIGHT * 3 // 2, WIDTH), np.uint8)
    expected = in_buffer(stage_of().stage(array), "nv12")
    wide = np.zeros((HEIGHT * 3 // 2, WIDTH + 7), np.uint8)
    wide[:, 3 : 3 + WIDTH] = array
    for given in (wide[:, 3 : 3 + WIDTH], array[::-1].copy()[::-1], np.asfortranarray(array)):
        assert same(in_buffer(stage_of().stage(given), "nv12"), expected)
    mirrored = RNG.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)[:, ::-1]
    staged = stage_of(input="rgb24").stage(mirrored)
    coded = ColorSpec().resolved(HEIGHT)
    rgb = convert(np.ascontiguousarray(mirrored), "rgb24", "nv12", output_color=coded)
    assert same(in_buffer(staged, "nv12"), rgb)


@pytest.mark.parametrize(
    "wrong", [np.zeros((HEIGHT, WIDTH), np.uint8), b"short", None, np.zeros((96, WIDTH), "u2")]
)
def test_what_does_not_fit_is_named(wrong: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        stage_of().stage(wrong)
    assert caught.value.argument == "frame"


# Device memory


def upload(emulator: Emulator, planes: list[Any]) -> list[Any]:
    return [_cuda.device().upload(plane) for plane in planes]


def test_one_array_is_used_where_it_lies(emulator: Emulator) -> None:
    array = RNG.integers(0, 256, (HEIGHT * 3 // 2, WIDTH + 2), np.uint8)
    device = _cuda.device()
    on_device = device.upload(array)
    stage = PictureStage(
        settings_of(config("h264", WIDTH + 2, HEIGHT), answers()), device, Inputs()
    )
    for given in (on_device, Interface(on_device, None)):
        staged = stage.stage(given)
        begin, pitch = on_device.pointer, WIDTH + 2
        assert staged.planes == ((begin, pitch), (begin + pitch * HEIGHT, pitch))
        assert (staged.buffer, staged.copies, staged.conversion) == (None, (), None)
        assert staged.owners


def test_rows_that_no_pitch_fits_and_planes_apart_are_copied(emulator: Emulator) -> None:
    device = _cuda.device()
    stage = stage_of(device=device)
    array = RNG.integers(0, 256, (HEIGHT * 3 // 2, WIDTH), np.uint8)  # 162 is no multiple of 4
    planes = upload(emulator, picture("nv12"))
    for given in (device.upload(array), tuple(planes)):
        staged = stage.stage(given)
        assert staged.copies == (
            (0, WIDTH, HEIGHT, 0), (1, WIDTH, HEIGHT // 2, 256 * HEIGHT)
        )  # fmt: skip
        assert (staged.pitch, staged.block_bytes) == (256, 256 * HEIGHT * 3 // 2)
    assert staged.planes == tuple((plane.pointer, WIDTH) for plane in planes)


def test_planar_pictures_on_the_device(emulator: Emulator) -> None:
    device = _cuda.device()
    settings = settings_of(config("h264", 160, HEIGHT, input="i420"), answers())
    stage = PictureStage(settings, device, Inputs())
    whole = device.upload(RNG.integers(0, 256, (HEIGHT * 3 // 2, 160), np.uint8))
    staged = stage.stage(whole)
    begin = whole.pointer
    places = (0, 160 * HEIGHT, 160 * HEIGHT * 5 // 4)
    assert staged.planes == tuple(
        (begin + place, pitch) for place, pitch in zip(places, (160, 80, 80), strict=True)
    )
    assert staged.copies == ()
    apart = stage.stage(tuple(upload(emulator, picture("i420", 160))))
    assert apart.copies == (
        (0, 160, HEIGHT, 0), (1, 80, HEIGHT // 2, 256 * HEIGHT),
        (2, 80, HEIGHT // 2, 256 * HEIGHT * 5 // 4),
    )  # fmt: skip


def test_rgb_on_the_device_is_for_a_kernel(emulator: Emulator) -> None:
    device = _cuda.device()
    stage = stage_of(device=device, input="rgb24")
    first, second = (stage.stage(device.upload(picture("rgb24")[0])) for _ in range(2))
    assert first.conversion is not None
    assert first.conversion is second.conversion
    assert (first.pitch, first.offsets) == (256, (0, 256 * HEIGHT))
    assert first.block_bytes == 256 * HEIGHT * 3 // 2
    assert len(first.planes) == 1
    planar = Frame(
        (device.upload(picture("rgb_planar")[0]),), "rgb_planar", WIDTH, HEIGHT, memory="device"
    )
    staged = stage.stage(planar)
    assert [pitch for _, pitch in staged.planes] == [WIDTH] * 3
    assert staged.planes[1][0] - staged.planes[0][0] == WIDTH * HEIGHT


def test_the_stream_of_an_array_interface_is_waited_for(emulator: Emulator) -> None:
    device = _cuda.device()
    inputs = Inputs()
    stage = PictureStage(settings_of(config("h264", 160, HEIGHT), answers()), device, inputs)
    array = device.upload(RNG.integers(0, 256, (HEIGHT * 3 // 2, 160), np.uint8))
    stage.stage(Interface(array, 2))
    stage.stage(Interface(array, None))
    stage.stage(Interface(array, 0x5000))
    assert inputs.waited == [2, 0x5000]


def test_device_pictures_that_cannot_be(emulator: Emulator) -> None:
    device = _cuda.device()
    stage = stage_of(device=device)
    nv12 = device.upload(RNG.integers(0, 256, (HEIGHT * 3 // 2, WIDTH), np.uint8))
    wrong_size = device.upload(np.zeros((HEIGHT, WIDTH), np.uint8))
    deep = device.upload(np.zeros((HEIGHT * 3 // 2, WIDTH), np.uint16))
    planes = tuple(upload(emulator, picture("nv12")))
    strided = Interface(nv12, None, shape=(HEIGHT * 3 // 2, WIDTH), strides=(2 * WIDTH, 2))
    frames = {
        "shape": wrong_size,
        "dtype": deep,
        "strides": strided,
        "planes": planes[:1] * 3,
        "100x64": Frame(planes, "nv12", 100, HEIGHT, memory="device"),
        "format": Frame(planes, "rgb_float32", WIDTH, HEIGHT, memory="device"),
        "one that is": (planes[0], picture("nv12")[1]),
    }
    for text, given in frames.items():
        with pytest.raises(InvalidInput, match=text) as caught:
            stage.stage(given)
        assert caught.value.argument == "frame"


class Elsewhere:
    """A tensor on another device, that its library cannot export."""

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, 7

    def __dlpack__(self, **given: Any) -> object:
        raise RuntimeError("no such device")


def test_what_the_exporter_says_is_told() -> None:
    with pytest.raises(InvalidInput, match="no such device"):
        stage_of(device=type("Device", (), {"ordinal": 0})()).stage(Elsewhere())


def test_another_device_is_named(emulator: Emulator) -> None:
    array = _cuda.device().upload(np.zeros((HEIGHT * 3 // 2, WIDTH), np.uint8))
    with pytest.raises(InvalidInput, match="CUDA device 3"):
        stage_of(device=type("Device", (), {"ordinal": 3})()).stage(array)


def test_what_fits() -> None:
    nv12, i420 = FORMATS["nv12"], FORMATS["i420"]
    assert fits(((1000, 256), (1000 + 256 * 64, 256)), nv12, 64)
    assert not fits(((1000, 256), (1000 + 256 * 66, 256)), nv12, 64)
    assert not fits(((1000, 256), (1000 + 256 * 64, 512)), nv12, 64)
    assert not fits(((1000, 162), (1000 + 162 * 64, 162)), nv12, 64)
    planes = ((0, 256), (256 * 64, 128), (256 * 80, 128))
    assert fits(planes, i420, 64)
    assert not fits((*planes[:2], (256 * 96, 128)), i420, 64)
    assert fits(((4, 640),), FORMATS["bgra"], 64)


# What goes with a picture


def test_a_picture_brings_its_messages() -> None:
    side_data = SideData(captions=b"\xfc\x94\x20")
    frame = Frame(tuple(picture("nv12")), "nv12", WIDTH, HEIGHT, side_data=side_data)
    assert [kind for kind, _ in stage_of().stage(frame).sei] == [4]
    assert stage_of(**opts(side_data=False)).stage(frame).sei == ()


def test_qp_maps_have_the_shape_of_the_blocks() -> None:
    nv12 = tuple(picture("nv12"))
    for codec, shape in (("h264", (4, 11)), ("hevc", (2, 6)), ("av1", (1, 3))):
        values = RNG.integers(-20, 20, shape, np.int8)
        stage = stage_of(codec, **opts(qp_map="delta"))
        staged = stage.stage(nv12, NvidiaPictureOptions(qp_map=values))
        assert staged.qp_map == values.tobytes()
        for wrong in (values[:, :-1], values.astype(np.int16), np.full(shape, 127, np.int8)):
            if codec == "av1" and wrong.max() == 127 and wrong.dtype == np.int8:
                continue
            with pytest.raises(InvalidInput) as caught:
                stage.stage(nv12, NvidiaPictureOptions(qp_map=wrong))
            assert caught.value.argument == "options.qp_map"
    with pytest.raises(InvalidInput, match="not opened for it"):
        stage_of().stage(nv12, NvidiaPictureOptions(qp_map=values))


def test_references_and_refresh_of_a_picture() -> None:
    nv12 = tuple(picture("nv12"))
    stage = stage_of(**opts(long_term_references=3))
    given = NvidiaPictureOptions(mark_reference=2, use_references=[0, 2], intra_refresh=5)
    staged = stage.stage(nv12, given)
    assert (staged.mark_reference, staged.use_references, staged.intra_refresh) == (2, 5, 5)
    plain = stage.stage(nv12)
    assert (plain.mark_reference, plain.use_references, plain.intra_refresh) == (-1, 0, 0)
    for name, value in (("mark_reference", 3), ("use_references", [1, 3])):
        with pytest.raises(InvalidInput) as caught:
            stage.stage(nv12, NvidiaPictureOptions(**{name: value}))  # type: ignore[arg-type]
        assert caught.value.argument == f"options.{name}"
    with pytest.raises(InvalidInput, match="NvidiaPictureOptions"):
        stage.stage(nv12, SoftwareEncoderOptions())


@pytest.mark.parametrize("given", [{"b_frames": 1}, opts(frame_interval_p=2)])
def test_a_refresh_among_b_pictures_is_refused(given: dict[str, Any]) -> None:
    stage, nv12 = stage_of(**given), tuple(picture("nv12"))
    stage.stage(nv12)
    with pytest.raises(InvalidInput, match="B-pictures") as caught:
        stage.stage(nv12, NvidiaPictureOptions(intra_refresh=5))
    assert caught.value.argument == "options.intra_refresh"
    assert caught.value.hint
