"""PyAV's frames go in, and ours become PyAV's."""

from __future__ import annotations

import numpy as np
import pytest

import videohw
from tests.interop.libraries import library
from tests.interop.pictures import (
    COUNT,
    HEIGHT,
    WIDTH,
    assert_close,
    coded,
    decoded,
    encoded,
    rgb_pictures,
)

av = library("av", "PyAV")


def test_frames_of_pyav_are_encoded() -> None:
    frames = [av.VideoFrame.from_ndarray(picture, "rgb24") for picture in rgb_pictures()]
    assert encoded(frames, "rgb24") == coded()


@pytest.mark.parametrize(("form", "theirs"), [("i420", "yuv420p"), ("nv12", "nv12")])
def test_what_pyav_decoded_is_encoded_without_conversion(form: str, theirs: str) -> None:
    context = av.CodecContext.create("h264", "r")
    pictures = [
        frame.reformat(format=theirs)
        for packet in [*context.parse(coded()), *context.parse(b""), None]
        for frame in context.decode(packet)
    ]
    assert len(pictures) == COUNT
    again = decoded(form, encoded(pictures, form))
    for frame, picture in zip(again, pictures, strict=True):
        for ours, plane in zip(frame.planes, picture.planes, strict=True):
            rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
            width = ours[0].size
            assert_close(ours.reshape(len(ours), width), rows[:, :width], most=6, mean=1.5)


def test_our_frames_are_frames_of_pyav() -> None:
    for picture, packed, planar in zip(
        rgb_pictures(), decoded("rgb24"), decoded("i420"), strict=True
    ):
        theirs = av.VideoFrame.from_ndarray(np.asarray(packed), "rgb24")
        assert (theirs.width, theirs.height) == (WIDTH, HEIGHT)
        assert_close(theirs.to_ndarray(), picture, most=8, mean=2.0)
        theirs = av.VideoFrame.from_ndarray(np.asarray(planar), "yuv420p")
        assert_close(theirs.to_ndarray(format="rgb24"), picture, most=8, mean=2.0)


def test_a_frame_of_another_format_is_converted() -> None:
    frames = [
        av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="yuv444p")
        for picture in rgb_pictures()
    ]
    for frame, picture in zip(
        decoded("rgb24", encoded(frames, "nv12")), rgb_pictures(), strict=True
    ):
        assert_close(frame, picture, most=8, mean=2.0)


def test_a_frame_of_another_size_is_refused_by_name() -> None:
    picture = av.VideoFrame(WIDTH * 2, HEIGHT, "yuv420p")
    with (
        videohw.Encoder("h264", WIDTH, HEIGHT, fps=25, input="i420") as encoder,
        pytest.raises(videohw.InvalidInput, match=f"{WIDTH * 2}x{HEIGHT}"),
    ):
        encoder.submit(picture)
