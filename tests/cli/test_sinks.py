"""Where decoded frames go: raw bytes, YUV4MPEG2, .npy, PNG, checksums."""

from __future__ import annotations

import hashlib
import io
from fractions import Fraction

import numpy as np
import pytest

from videohw.cli.sinks import Checksums, NpySink, Picture, PngSink, RawSink, Y4mSink
from videohw.cli.sources import Y4mReader
from videohw.color import ColorSpec
from videohw.errors import VideoHwError
from videohw.frame import Frame
from videohw.pixel_format import pixel_format

Y, U, V = np.arange(16, dtype=np.uint8).reshape(4, 4), np.full((2, 2), 90), np.full((2, 2), 200)
PLANAR = Y.tobytes() + bytes([90] * 4) + bytes([200] * 4)


def frame(name, width=4, height=4, seed=0, **fields):
    """A frame of random pixels whose rows are padded, as those of libavcodec are."""
    rng = np.random.default_rng(seed)
    layout = pixel_format(name)
    planes = []
    for index in range(len(layout.planes)):
        shape = layout.plane_shape(index, width, height)
        dtype = np.dtype(layout.dtype)
        if dtype.kind == "f":
            plane = rng.random((*shape[:-1], shape[-1] + 3)).astype(dtype)[..., : shape[-1]]
        else:
            top = min(layout.bit_depth, 8 * dtype.itemsize)
            wide = (*shape[:1], shape[1] + 3, *shape[2:])
            values = rng.integers(0, 1 << top, wide) << layout.shift
            plane = values.astype(dtype)[:, : shape[1]]
        planes.append(plane)
    return Frame(tuple(planes), name, width, height, **fields)


def nv12():
    return Frame((Y, np.stack([U, V], axis=-1).astype(np.uint8)), "nv12", 4, 4)


def written(sink_type, frames, *arguments, planar=True):
    stream = io.BytesIO()
    sink = sink_type(stream, *arguments)
    for each in frames:
        sink.write(Picture(each, planar=planar))
    sink.finish()
    return stream.getvalue()


def test_raw_planar_is_the_same_for_every_layout_of_memory():
    i420 = Frame((Y, U.astype(np.uint8), V.astype(np.uint8)), "yuv420p", 4, 4)
    nv21 = Frame((Y, np.stack([V, U], axis=-1).astype(np.uint8)), "nv21", 4, 4)
    for one in (i420, nv12(), nv21):
        assert written(RawSink, [one]) == PLANAR


def test_raw_native_keeps_the_layout():
    chroma = bytes([90, 200] * 4)
    assert written(RawSink, [nv12()], planar=False) == Y.tobytes() + chroma


@pytest.mark.parametrize(
    "name", [f"{name}{bits}" for name in ("gray", "yuv444p", "gbrp") for bits in (10, 12)]
)
def test_planes_of_a_device_become_samples_in_the_low_bits(name):
    one = frame(f"{name}msb")
    picture = Picture(one, planar=True)
    assert picture.format.name == name
    for plane, given in zip(picture.planes, one.planes, strict=True):
        np.testing.assert_array_equal(plane, given >> pixel_format(f"{name}msb").shift)


def test_p010_becomes_ten_bits_in_the_low_bits():
    one = frame("p010")
    picture = Picture(one, planar=True)
    assert picture.format.name == "yuv420p10"
    assert max(int(plane.max()) for plane in picture.planes) < 1024
    np.testing.assert_array_equal(picture.planes[1], one.planes[1][..., 0] >> 6)


@pytest.mark.parametrize(
    "name", ["yuv420p", "yuv422p10", "yuv444p", "gray", "rgb24", "rgb_float32"]
)
def test_raw_has_no_padding(name):
    one = frame(name, 6, 4)
    data = written(RawSink, [one, one], planar=False)
    assert data == b"".join(np.ascontiguousarray(p).tobytes() for p in one.planes) * 2
    assert len(data) == 2 * pixel_format(name).frame_bytes(6, 4)


def test_y4m_reads_back():
    color = ColorSpec(range="full", siting="center")
    one = frame("yuv420p", 6, 4, color=color, sample_aspect_ratio=Fraction(4, 3))
    data = written(Y4mSink, [one, one], Fraction(30000, 1001))
    header = data.split(b"\n")[0]
    assert header == b"YUV4MPEG2 W6 H4 F30000:1001 Ip A4:3 C420jpeg XCOLORRANGE=FULL"
    pictures = list(Y4mReader(io.BytesIO(data)))
    assert pictures == [written(RawSink, [one])] * 2


@pytest.mark.parametrize(
    ("name", "layout"),
    [("nv12", "420mpeg2"), ("p010", "420p10"), ("yuv422p", "422"), ("yuv444p10", "444p10"),
     ("gray", "mono"), ("yuv422p12", "422p12")],
)  # fmt: skip
def test_y4m_layouts(name, layout):
    assert f" C{layout}\n".encode() in written(Y4mSink, [frame(name)], Fraction(25))


@pytest.mark.parametrize(("order", "letter"), [("tff", "t"), ("bff", "b"), ("progressive", "p")])
def test_y4m_says_the_field_order(order, letter):
    data = written(Y4mSink, [frame("yuv420p", field_order=order)], Fraction(25))
    assert f" I{letter} ".encode() in data


def test_y4m_refuses_rgb():
    with pytest.raises(VideoHwError, match="no layout for rgb24"):
        written(Y4mSink, [frame("rgb24")], Fraction(25))


@pytest.mark.parametrize(
    ("name", "shape"),
    [("rgb24", (3, 4, 6, 3)), ("rgb_planar", (3, 3, 4, 6)), ("rgb_float16", (3, 3, 4, 6)),
     ("gray10", (3, 4, 6))],
)  # fmt: skip
def test_npy_is_one_array(name, shape):
    frames = [frame(name, 6, 4, seed) for seed in range(3)]
    array = np.load(io.BytesIO(written(NpySink, frames, planar=False)))
    assert array.shape == shape
    np.testing.assert_array_equal(array, np.stack([each.planes[0] for each in frames]))


def test_npy_refuses_pictures_of_several_planes():
    with pytest.raises(VideoHwError, match="3 planes") as caught:
        written(NpySink, [frame("yuv420p")])
    assert "--output-format" in caught.value.hint


@pytest.mark.parametrize(("sink", "arguments"), [(Y4mSink, (Fraction(25),)), (NpySink, ())])
def test_one_header_cannot_hold_two_sizes(sink, arguments):
    name = "gray"
    with pytest.raises(VideoHwError, match="change from 4x4 gray to 6x4 gray"):
        written(sink, [frame(name), frame(name, 6, 4)], *arguments)


def test_raw_holds_any_sizes():
    frames = [frame("gray"), frame("gray", 6, 4)]
    assert len(written(RawSink, frames)) == 16 + 24


def test_png_reads_back(tmp_path):
    av = pytest.importorskip("av", reason="PyAV is not installed")
    one = frame("rgb24", 6, 4)
    sink = PngSink(str(tmp_path / "f-%03d.png"), overwrite=False)
    for _ in range(2):
        sink.write(Picture(one, planar=False))
    sink.finish()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["f-000.png", "f-001.png"]
    with av.open(str(tmp_path / "f-001.png")) as file:
        (picture,) = file.decode(video=0)
        np.testing.assert_array_equal(picture.to_ndarray(format="rgb24"), one.planes[0])


def test_checksums_are_over_the_bytes_without_padding():
    frames = [frame("yuv420p", 6, 4, seed) for seed in range(2)]
    data = [written(RawSink, [each]) for each in frames]
    sums = Checksums(each=True)
    for each in frames:
        sums.write(Picture(each, planar=True))
    assert sums.frames == [hashlib.md5(part).hexdigest() for part in data]
    assert sums.whole == hashlib.md5(b"".join(data)).hexdigest()
    only_whole = Checksums(each=False)
    assert only_whole.write(Picture(frames[0], planar=True)) is None
