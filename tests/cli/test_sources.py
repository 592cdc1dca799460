"""Uncompressed input: YUV4MPEG2 and raw frames, whole, cut short and wrong."""

from __future__ import annotations

import io
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videohw.cli.sources import RawReader, Y4mReader
from videohw.errors import VideoHwError
from videohw.pixel_format import pixel_format

HEADER = b"YUV4MPEG2 W4 H2 F30000:1001 Ip A1:1 C420mpeg2 XCOLORRANGE=FULL\n"
FRAME = bytes(range(12))


class Trickle(io.RawIOBase):
    """A stream that gives one byte a read, as a slow pipe may."""

    def __init__(self, data):
        self._data = io.BytesIO(data)

    def read(self, size=-1):
        return self._data.read(min(size, 1))

    def readline(self, size=-1):
        return self._data.readline(size)


def y4m(frames, header=HEADER, marker=b"FRAME\n"):
    return header + b"".join(marker + frame for frame in frames)


@pytest.mark.parametrize("stream", [io.BytesIO, Trickle])
def test_y4m_frames(stream):
    data = y4m([FRAME, FRAME[::-1]])
    reader = Y4mReader(stream(data), stream_bytes=len(data))
    info = reader.info
    assert (info.width, info.height, info.fps) == (4, 2, Fraction(30000, 1001))
    assert (info.format, info.input, info.frames) == ("i420", "i420", 2)
    assert (info.color.range, info.color.siting) == ("full", "left")
    assert list(reader) == [FRAME, FRAME[::-1]]


def test_y4m_frame_parameters_are_allowed():
    assert list(Y4mReader(io.BytesIO(y4m([FRAME], marker=b"FRAME Ip\n")))) == [FRAME]


@pytest.mark.parametrize(
    ("layout", "name", "taken_as"),
    [("420p10", "yuv420p10", "p010"), ("422", "yuv422p", "i420"), ("mono", "gray", "i420"),
     ("444p12", "yuv444p12", "p010"), ("411", "yuv411p", "i420")],
)  # fmt: skip
def test_y4m_of_other_layouts_gives_frames_that_say_so(layout, name, taken_as):
    form = pixel_format(name)
    data = bytes(index % 4 for index in range(form.frame_bytes(4, 2)))
    header = f"YUV4MPEG2 W4 H2 F25:1 A4:3 C{layout} XCOLORRANGE=FULL\n".encode()
    reader = Y4mReader(io.BytesIO(y4m([data], header)))
    assert (reader.info.format, reader.info.input) == (name, taken_as)
    assert reader.info.sample_aspect_ratio == Fraction(4, 3)
    (picture,) = reader
    assert (picture.format, picture.width, picture.height) == (name, 4, 2)
    assert picture.color.range == "full"
    assert [plane.shape for plane in picture.planes] == [
        form.plane_shape(index, 4, 2) for index in range(len(form.planes))
    ]
    assert b"".join(plane.tobytes() for plane in picture.planes) == data


def test_y4m_of_odd_size_keeps_its_last_chroma_column():
    frame = bytes(range(15 + 6 + 6))
    assert list(Y4mReader(io.BytesIO(y4m([frame], b"YUV4MPEG2 W5 H3 F25:1\n")))) == [frame]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a line of text"),
        (b"YUV4MPEG2 W4 H2 F25:1", "not a line of text"),
        (b"RIFF W4 H2\n", "does not begin with YUV4MPEG2"),
        (b"YUV4MPEG2 W4 F25:1\n", "not a size"),
        (b"YUV4MPEG2 W4 H2\n", "not a frame rate"),
        (b"YUV4MPEG2 W4 H2 F25:1 C444alpha\n", "C444alpha cannot be encoded"),
        (b"YUV4MPEG2 W0 H2 F25:1\n", "not a size"),
    ],
)
def test_a_wrong_header_is_refused(data, message):
    with pytest.raises(VideoHwError, match=message):
        Y4mReader(io.BytesIO(data))


@pytest.mark.parametrize("tail", [b"FRAME\n" + FRAME[:-1], b"FRAME\n", b"FRAM\n" + FRAME, b"FRAME"])
def test_what_came_whole_is_given_before_the_error(tail):
    reader = iter(Y4mReader(io.BytesIO(y4m([FRAME]) + tail)))
    assert next(reader) == FRAME
    with pytest.raises(VideoHwError):
        next(reader)


@given(st.binary(max_size=80))
def test_any_bytes_give_frames_or_the_typed_error(tail):
    try:
        for frame in Y4mReader(io.BytesIO(HEADER + tail)):
            assert len(frame) == 12
    except VideoHwError:
        pass


@pytest.mark.parametrize(
    ("name", "size"), [("i420", 12), ("nv12", 12), ("rgb24", 24), ("p010", 24)]
)
def test_raw_frames(name, size):
    data = bytes(range(2 * size))
    reader = RawReader(
        io.BytesIO(data), size=(4, 2), fps=Fraction(25), format=name, stream_bytes=len(data)
    )
    assert reader.info.frames == 2
    assert list(reader) == [data[:size], data[size:]]


def test_a_raw_frame_cut_short_says_where():
    reader = iter(RawReader(io.BytesIO(FRAME + b"x"), size=(4, 2), fps=Fraction(25), format="i420"))
    assert next(reader) == FRAME
    with pytest.raises(VideoHwError, match="frame 1 has 1 of 12 bytes") as caught:
        next(reader)
    assert caught.value.offset == 12
