"""Rule 8: a change of size or format in the stream is followed, and frames say what they are."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tests.backends.conftest import OPTIONS, BackendCase
from tests.backends.decoding import assert_account, decode_bytes, decode_units
from tests.backends.oracle import frame_md5, frames_md5
from tests.backends.pcm import PcmStream, Vui, gray_units
from tests.backends.supported import why_refused
from tests.corpus import stream
from videohw.errors import UnsupportedConfig
from videohw.frame import Frame
from videohw.pixel_format import FORMATS

# Streams of every size, depth and chroma format, one behind the other.
H264 = (
    "generated/main_cabac_b2.h264", "generated/high444_odd.h264", "generated/tiny2x2.h264",
    "generated/mbaff_tff.h264", "generated/crop_130x98.h264", "generated/gray400.h264",
)  # fmt: skip
HEVC = (
    "generated/small144x144.h265", "generated/main10_320x240.h265", "generated/main444_8_odd.h265",
    "generated/main12_420.h265", "generated/gray400.h265", "generated/main422_10.h265",
)  # fmt: skip


@pytest.mark.parametrize("name", ["generated/res_change_ABA.h265", "generated/res_change_ABA.h264"])
def test_a_change_of_size_is_followed(backend: BackendCase, name: str) -> None:
    each = stream(name)
    got = decode_bytes(backend.decoder(each.codec), each.read())
    sizes = [f"{frame.width}x{frame.height}" for frame in got.frames]
    listed = [text.split()[0] for text in each.entry["format_sequence"]]
    assert [size for size, _ in itertools.groupby(sizes)] == listed
    assert len(set(sizes)) > 1
    assert frames_md5(got.frames) == each.yuv_md5


def test_a_sequence_that_reorders_after_one_that_does_not(backend: BackendCase) -> None:
    """The first gives each picture at once; the second states no depth and holds pictures."""
    plain, deep = PcmStream(poc_type=2), PcmStream()
    units = gray_units(4, plain)
    for number, shown in enumerate((0, 3, 1, 2, 4)):
        picture = deep.picture(100 + shown, idr=number == 0, poc=2 * shown)
        units.append([*(deep.sets if number == 0 else ()), picture])
    units += gray_units(3, plain, first=150)
    got = decode_units(backend.decoder("h264", low_latency=True), units)
    assert got.errors == []
    expected = [16, 17, 18, 19, 100, 101, 102, 103, 104, 166, 167, 168]
    assert [int(frame.planes[0][0, 0]) for frame in got.frames] == expected
    assert_account(got.summary)


@pytest.mark.parametrize("names", [H264, HEVC], ids=["h264", "hevc"])
@pytest.mark.parametrize("options", OPTIONS)
def test_streams_of_other_formats_follow_each_other(
    backend: BackendCase, names: tuple[str, ...], options: str
) -> None:
    """Nothing of the one before is lost at a seam, and each picture is what it is alone.

    What the device cannot decode is refused, and costs nothing else.
    """
    streams = [stream(name) for name in names]
    alone = [
        [described(frame) for frame in decode_bytes(backend.decoder(e.codec), e.read()).frames]
        for e in streams
    ]
    got = decode_bytes(
        backend.decoder(streams[0].codec, options=backend.options(options)),
        b"".join(e.read() for e in streams),
    )
    refused = [each for each in streams if why_refused(backend.name, each) is not None]
    assert all(isinstance(error, UnsupportedConfig) for error in got.errors)
    assert len(got.errors) >= len(refused)
    assert refused or not got.errors
    assert_account(got.summary)
    assert [described(frame) for frame in got.frames] == list(itertools.chain(*alone))
    shapes = {shape for shape, _ in itertools.chain(*alone)}
    assert len(shapes) >= min(5, len(streams) - len(refused))
    assert len(shapes) >= 3


def described(frame: Frame) -> tuple[tuple[object, ...], str]:
    """What the frame says it is, which its planes must agree with, and its pixels."""
    layout = FORMATS[frame.format]
    width, height = frame.width, frame.height
    for index, plane in enumerate(frame.planes):
        assert plane.shape == layout.plane_shape(index, width, height)
        assert plane.dtype == np.dtype(layout.dtype)
    assert frame.color.bit_depth == layout.bit_depth
    return (layout.name, width, height), frame_md5(frame)


@pytest.mark.parametrize("output", ["nv12", "rgb24"])
def test_a_change_reaches_converted_frames(backend: BackendCase, output: str) -> None:
    units = gray_units(2, PcmStream(columns=3)) + gray_units(2, PcmStream(columns=4, rows=2))
    got = decode_units(backend.decoder("h264", output=output), units)
    assert [(f.width, f.height, f.format) for f in got.frames] == [
        (48, 16, output), (48, 16, output), (64, 32, output), (64, 32, output),
    ]  # fmt: skip


def test_a_size_that_was_asked_for_is_kept_over_a_change(backend: BackendCase) -> None:
    units = gray_units(2, PcmStream(columns=3)) + gray_units(2, PcmStream(columns=4, rows=2))
    got = decode_units(backend.decoder("h264", size=(20, 10)), units)
    assert [(f.width, f.height) for f in got.frames] == [(20, 10)] * 4


def test_colour_follows_the_sequence_of_each_picture(backend: BackendCase) -> None:
    units = []
    for matrix in (1, 9, 6):
        units += gray_units(3, PcmStream(vui=Vui(matrix=matrix, full_range=matrix == 9)))
    got = decode_units(backend.decoder("h264"), units)
    assert [(f.color.matrix, f.color.range) for f in got.frames] == [
        *[("bt709", "limited")] * 3, *[("bt2020nc", "full")] * 3, *[("smpte170m", "limited")] * 3,
    ]  # fmt: skip


def test_the_summary_says_the_newest_size(backend: BackendCase) -> None:
    with backend.decoder("h264", max_in_flight=20) as decoder:
        sizes = []
        for columns in (3, 4):
            for unit in gray_units(2, PcmStream(columns=columns)):
                decoder.submit(unit, layout="access_unit")
            decoder.flush()
            summary = decoder.summary()
            sizes.append((summary["width"], summary["height"]))
    assert sizes == [(48, 16), (64, 16)]
