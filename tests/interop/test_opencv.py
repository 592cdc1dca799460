"""OpenCV reads what we write, sees what we see, and its images are encoded as they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import videohw
from tests.interop.libraries import library
from tests.interop.pictures import (
    COUNT,
    HEIGHT,
    WIDTH,
    assert_close,
    decoded,
    encoded,
    rgb_pictures,
)

cv2 = library("cv2", "OpenCV")

# OpenCV and libswscale place chroma differently between luma samples, and round differently.
MOST, MEAN = 6, 1.5


def test_a_frame_converted_by_opencv_is_our_bgr() -> None:
    """OpenCV's YUV matrices are BT.601 limited range, which is what a small picture means."""
    for planar, packed in zip(decoded("i420"), decoded("bgr24"), strict=True):
        theirs = cv2.cvtColor(np.asarray(planar), cv2.COLOR_YUV2BGR_I420)
        assert_close(theirs, packed, MOST, MEAN)
    for semi, packed in zip(decoded("nv12"), decoded("rgb24"), strict=True):
        theirs = cv2.cvtColorTwoPlane(*semi.planes, cv2.COLOR_YUV2RGB_NV12)
        assert_close(theirs, packed, MOST, MEAN)


def test_opencv_decodes_our_file_to_our_frames(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    with videohw.VideoWriter(path, "h264", width=WIDTH, height=HEIGHT, fps=25, input="rgb24") as to:
        for picture in rgb_pictures():
            to.write(picture)
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    count = 0
    with videohw.open(path, output="bgr24") as frames:
        for frame in frames:
            read, theirs = capture.read()
            assert read
            assert_close(theirs, frame, MOST, MEAN)
            count += 1
    assert not capture.read()[0]
    capture.release()
    assert count == COUNT


def test_an_image_of_opencv_is_encoded_as_it_is() -> None:
    images = [cv2.cvtColor(picture, cv2.COLOR_RGB2BGR) for picture in rgb_pictures()]
    for frame, image in zip(decoded("bgr24", encoded(images, "bgr24")), images, strict=True):
        assert_close(frame, image, most=8, mean=2.0)
    planar = [cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420) for picture in rgb_pictures()]
    for frame, image in zip(decoded("bgr24", encoded(planar, "i420")), images, strict=True):
        assert_close(frame, image, most=8, mean=2.0)


def test_a_view_with_other_strides_is_encoded_as_what_it_shows() -> None:
    large = [cv2.resize(picture, None, fx=2, fy=2) for picture in rgb_pictures()]
    views = [image[: HEIGHT * 2 : 2, : WIDTH * 2 : 2] for image in large]
    assert not views[0].flags.c_contiguous
    assert encoded(views, "rgb24") == encoded([view.copy() for view in views], "rgb24")


def test_opencv_writes_a_frame_without_a_copy_of_ours(tmp_path: Path) -> None:
    frame = decoded("bgr24")[0]
    path = tmp_path / "frame.png"
    assert cv2.imwrite(str(path), np.asarray(frame))
    assert np.array_equal(cv2.imread(str(path)), np.asarray(frame))
