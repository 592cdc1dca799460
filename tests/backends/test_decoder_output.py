"""Every output form, in size, crop and colour (DESIGN 4), and what a frame says of itself."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.backends.colors import SAMPLES, rgb_of
from tests.backends.conftest import BackendCase
from tests.backends.decoding import decode_bytes, decode_units
from tests.backends.oracle import canonical_planes, frames_md5
from tests.backends.pcm import PcmStream, Vui, gray_units
from tests.backends.supported import why_refused
from tests.corpus import stream
from videohw.color import ColorSpec
from videohw.color.reference import rgb_from_ycbcr
from videohw.errors import InvalidInput, UnsupportedConfig, VideoHwError
from videohw.frame import Frame
from videohw.pixel_format import FORMATS
from videohw.types import ContentLight

# H.273 code points of the matrices and the name that ColorSpec has for each.
MATRICES = {1: "bt709", 6: "smpte170m", 5: "bt470bg", 9: "bt2020nc"}
RGB_OUTPUTS = ("rgb24", "bgr24", "rgba", "bgra", "rgb_planar", "rgb_float16", "rgb_float32")
# Code values that an 8-bit result may differ from the exact formula: rounding, and a little.
TOLERANCE = 0.7


def as_rgb(frame: Frame) -> npt.NDArray[np.float64]:
    """(rows, columns, 3) in the order R, G, B, in 8-bit code values."""
    array = np.asarray(frame).astype(np.float64)
    if frame.format.startswith("rgb_"):
        array = array.transpose(1, 2, 0)
        return array * 255 if "float" in frame.format else array
    if frame.format.startswith("bgr"):
        return array[..., 2::-1]
    return array[..., :3]


def one_colour(sample: tuple[int, int, int], vui: Vui | None) -> list[list[bytes]]:
    stream_of = PcmStream(columns=3, rows=2, vui=vui)
    picture = stream_of.picture(sample[0], sample[1:], idr=True)
    return [[*stream_of.sets, picture]]


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("matrix", sorted(MATRICES))
@pytest.mark.parametrize("output", RGB_OUTPUTS)
def test_known_colours(backend: BackendCase, output: str, matrix: int, full_range: bool) -> None:
    range_ = "full" if full_range else "limited"
    for sample in SAMPLES:
        units = one_colour(sample, Vui(matrix=matrix, full_range=full_range))
        (frame,) = decode_units(backend.decoder("h264", output=output), units).frames
        rgb = as_rgb(frame)
        assert rgb.shape == (32, 48, 3)
        expected = 255 * rgb_of(sample, MATRICES[matrix], range_)
        assert np.abs(rgb - expected).max() <= TOLERANCE, (sample, rgb[0, 0], expected)


@pytest.mark.parametrize("rows", [44, 45])
def test_what_is_not_stated_follows_the_height(backend: BackendCase, rows: int) -> None:
    """BT.601 below 720 lines, BT.709 from there on, limited range."""
    sample = (81, 90, 240)
    stream_of = PcmStream(columns=3, rows=rows)
    units = [[*stream_of.sets, stream_of.picture(sample[0], sample[1:], idr=True)]]
    (native,) = decode_units(backend.decoder("h264"), units).frames
    assert (native.color.matrix, native.color.range) == (None, None)
    frame = native.convert("rgb24")
    expected = 255 * rgb_of(sample, "bt709" if rows >= 45 else "smpte170m", "limited")
    assert np.abs(as_rgb(frame) - expected).max() <= TOLERANCE


def test_the_caller_overrides_the_stream_field_by_field(backend: BackendCase) -> None:
    sample = (81, 90, 240)
    units = one_colour(sample, Vui(matrix=1, full_range=True, transfer=1))
    for color, matrix, range_ in (
        (ColorSpec(matrix="smpte170m"), "smpte170m", "full"),
        (ColorSpec(range="limited"), "bt709", "limited"),
        (ColorSpec(matrix="bt2020nc", range="limited"), "bt2020nc", "limited"),
    ):
        got = decode_units(backend.decoder("h264", color=color), units)
        (native,) = got.frames
        assert (native.color.matrix, native.color.range) == (matrix, range_)
        assert native.color.transfer == "bt709"
        frame = native.convert("rgb24")
        expected = 255 * rgb_of(sample, matrix, range_)
        assert np.abs(as_rgb(frame) - expected).max() <= TOLERANCE
        (plain,) = decode_units(backend.decoder("h264"), units).frames
        other = plain.convert("rgb24", color=color)
        np.testing.assert_array_equal(np.asarray(other), np.asarray(frame))


def test_the_stream_says_its_colour_and_shape(backend: BackendCase) -> None:
    vui = Vui(full_range=True, primaries=9, transfer=16, matrix=9, sar=(4, 3), siting=2)
    (frame,) = decode_units(backend.decoder("h264"), one_colour((100, 120, 130), vui)).frames
    assert frame.color == ColorSpec(
        matrix="bt2020nc", range="full", primaries="bt2020", transfer="smpte2084",
        siting="topleft", bit_depth=8,
    )  # fmt: skip
    assert frame.sample_aspect_ratio == Fraction(4, 3)
    assert (frame.field_order, frame.repeat, frame.corrupt) == ("progressive", 0, False)
    assert frame.keyframe
    assert (frame.memory, frame.generation) == ("host", 0)
    assert frame.to_host() is frame


@pytest.mark.parametrize("output", ["native", "nv12", "i420", "p010"])
def test_yuv_outputs_keep_the_samples(backend: BackendCase, output: str) -> None:
    """The names differ and the layout; the values are the same, two bits up in P010."""
    each = stream("generated/main_cabac_b2.h264")
    native = decode_bytes(backend.decoder(each.codec), each.read()).frames
    got = decode_bytes(backend.decoder(each.codec, output=output), each.read()).frames
    assert len(got) == each.frames
    for frame, original in zip(got, native, strict=True):
        if output != "native":
            assert frame.format == output
        for plane, exact in zip(canonical_planes(frame), canonical_planes(original), strict=True):
            shift = FORMATS[frame.format].bit_depth - 8
            np.testing.assert_array_equal(plane, exact.astype(plane.dtype) << shift)
    if output in ("nv12", "i420"):
        assert frames_md5(got) == each.yuv_md5


def test_p010_of_ten_bits(backend: BackendCase) -> None:
    each = stream("generated/main10_320x240.h265")
    got = decode_bytes(backend.decoder(each.codec, output="p010"), each.read()).frames
    assert {frame.format for frame in got} == {"p010"}
    assert frames_md5(got) == each.yuv_md5


def test_metadata_touches_no_pixels(backend: BackendCase) -> None:
    each = stream("generated/main_cabac_b2.h264")
    got = decode_bytes(backend.decoder(each.codec, output="metadata"), each.read())
    native = decode_bytes(backend.decoder(each.codec), each.read())
    assert len(got.frames) == each.frames
    for frame, other in zip(got.frames, native.frames, strict=True):
        assert frame.planes == ()
        assert (frame.width, frame.height, frame.keyframe) == (
            other.width, other.height, other.keyframe,
        )  # fmt: skip
        with pytest.raises(InvalidInput, match="no pixels"):
            frame.convert("rgb24")
        with pytest.raises(InvalidInput):
            np.asarray(frame)


@pytest.mark.parametrize("output", RGB_OUTPUTS)
def test_rgb_outputs_agree_with_each_other(backend: BackendCase, output: str) -> None:
    each = stream("generated/main_cabac_b2.h264")
    plain = decode_bytes(backend.decoder(each.codec, output="rgb24"), each.read()).frames[3]
    frame = decode_bytes(backend.decoder(each.codec, output=output), each.read()).frames[3]
    assert frame.format == output
    # Floats are not rounded to codes: they lie within the rounding of these.
    bound = {"rgb_float16": TOLERANCE, "rgb_float32": TOLERANCE}.get(output, 0)
    assert np.abs(as_rgb(frame) - as_rgb(plain)).max() <= bound
    if output in ("rgba", "bgra"):
        assert (np.asarray(frame)[..., 3] == 255).all()
    assert (frame.color.matrix, frame.color.range) == ("identity", "full")


@pytest.mark.parametrize(
    "name",
    [
        "generated/main10_320x240.h265", "generated/main422_10.h265",
        "generated/main444_8_odd.h265", "generated/high444_odd.h264", "generated/main12_420.h265",
        "generated/gray400.h264", "generated/gray400.h265", "generated/crop_322x182.h265",
        "generated/tiny2x2.h264", "generated/mbaff_tff.h264",
    ],
)  # fmt: skip
def test_every_format_and_odd_size_becomes_rgb(backend: BackendCase, name: str) -> None:
    """Against the formula on the native samples, where chroma is flat enough to compare."""
    each = stream(name)
    got = decode_bytes(backend.decoder(each.codec), each.read())
    if why_refused(backend.name, each) is not None:
        assert {type(error) for error in got.errors} == {UnsupportedConfig}
        return
    frame = got.frames[0]
    rgb = as_rgb(frame.convert("rgb24"))
    assert rgb.shape == (frame.height, frame.width, 3)
    exact, flat = exact_rgb(frame)
    assert flat.any() or min(rgb.shape[:2]) < 8
    assert np.abs(rgb - exact)[flat].max(initial=0) <= TOLERANCE


def exact_rgb(frame: Frame) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """RGB of every pixel with its nearest chroma, and where the chroma around is all the same."""
    color = frame.color.resolved(frame.height)
    assert color.matrix is not None
    assert color.range is not None
    bits = FORMATS[frame.format].bit_depth
    luma, *chroma = canonical_planes(frame)
    rows, columns = np.mgrid[0 : frame.height, 0 : frame.width]
    samples = [luma.astype(np.int64)]
    flat = np.ones(luma.shape, bool)
    for plane in chroma or [np.full(luma.shape, 1 << (bits - 1))] * 2:
        y = np.minimum(rows * plane.shape[0] // luma.shape[0], plane.shape[0] - 1)
        x = np.minimum(columns * plane.shape[1] // luma.shape[1], plane.shape[1] - 1)
        full = plane.astype(np.int64)[y, x]
        samples.append(full)
        low = high = full
        for axis in (0, 1):
            low = np.min([np.roll(low, step, axis) for step in range(-3, 4)], axis=0)
            high = np.max([np.roll(high, step, axis) for step in range(-3, 4)], axis=0)
        flat &= low == high
    flat[:3] = flat[-3:] = flat[:, :3] = flat[:, -3:] = False
    exact = np.zeros((*luma.shape, 3))
    for place in zip(*np.nonzero(flat), strict=True):
        sample = tuple(int(plane[place]) for plane in samples)
        exact[place] = 255 * rgb_of(sample, color.matrix, color.range, bits)  # type: ignore[arg-type]
    return exact, flat


# Size and crop


@pytest.mark.parametrize("output", ["native", "nv12", "rgb24", "rgb_planar", "rgb_float32"])
def test_size_scales(backend: BackendCase, output: str) -> None:
    each = stream("generated/main_cabac_b2.h264")
    decoder = backend.decoder(each.codec, output=output, size=(161, 77))
    frame = decode_bytes(decoder, each.read()).frames[5]
    assert (frame.width, frame.height) == (161, 77)
    layout = FORMATS[frame.format]
    assert [plane.shape for plane in frame.planes] == [
        layout.plane_shape(index, 161, 77) for index in range(len(layout.planes))
    ]
    # Pixels were square; the picture keeps its shape.
    assert frame.sample_aspect_ratio == Fraction(320, 240) / Fraction(161, 77)


@pytest.mark.parametrize("resize", ["bilinear", "area"])
@pytest.mark.parametrize("chroma", ["nearest", "bilinear"])
def test_pixels_are_those_of_the_reference(backend: BackendCase, chroma: str, resize: str) -> None:
    """Crop, chroma and scale as the float64 reference has them, 4:2:0 with its siting."""
    each = stream("generated/main_cabac_b2.h264")
    crop, size = (7, 3, 200, 150), (90, 211)
    native = decode_bytes(backend.decoder(each.codec), each.read()).frames[5]
    decoder = backend.decoder(
        each.codec, output="rgb24", crop=crop, size=size, chroma=chroma, resize=resize
    )
    frame = decode_bytes(decoder, each.read()).frames[5]
    color = native.color.resolved(native.height)
    exact = rgb_from_ycbcr(
        *canonical_planes(native), color, chroma=chroma, crop=crop, size=size, resize=resize
    )
    assert np.abs(as_rgb(frame) - 255 * np.clip(exact, 0, 1)).max() <= TOLERANCE
    converted = native.convert("rgb24", crop=crop, size=size, chroma=chroma, resize=resize)
    # On a device other code does it, as exactly.
    atol = backend.has_device or backend.name == "videotoolbox"
    np.testing.assert_allclose(
        np.asarray(converted).astype(int), np.asarray(frame).astype(int), atol=atol
    )


@pytest.mark.parametrize("output", ["rgb_float16", "rgb_float32"])
def test_mean_and_std(backend: BackendCase, output: str) -> None:
    each = stream("generated/main_cabac_b2.h264")
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    plain = decode_bytes(backend.decoder(each.codec, output="rgb_float32"), each.read()).frames[2]
    decoder = backend.decoder(each.codec, output=output, mean=mean, std=std)
    frame = decode_bytes(decoder, each.read()).frames[2]
    wanted = (np.asarray(plain) - np.reshape(mean, (3, 1, 1))) / np.reshape(std, (3, 1, 1))
    bound = 1e-5 if output == "rgb_float32" else 2e-3
    assert np.abs(np.asarray(frame).astype(float) - wanted).max() <= bound
    for wrong in ({"mean": (0, 0)}, {"std": (1, 0, 1)}):
        with pytest.raises(InvalidInput) as refused:
            backend.decoder(each.codec, output=output, **wrong)
        assert refused.value.argument in wrong
    with pytest.raises(InvalidInput, match="not float"):
        backend.decoder(each.codec, output="rgb24", mean=mean)


@pytest.mark.parametrize("output", ["native", "nv12", "rgb24", "rgb_planar", "rgb_float16"])
def test_crop_cuts(backend: BackendCase, output: str) -> None:
    each = stream("generated/main_cabac_b2.h264")
    whole = decode_bytes(backend.decoder(each.codec, output=output), each.read()).frames[5]
    decoder = backend.decoder(each.codec, output=output, crop=(20, 10, 101, 55))
    frame = decode_bytes(decoder, each.read()).frames[5]
    assert (frame.width, frame.height) == (101, 55)
    if output.startswith("rgb"):
        expected = np.asarray(whole)
        expected = expected[:, 10:65, 20:121] if expected.shape[0] == 3 else expected[10:65, 20:121]
        np.testing.assert_array_equal(np.asarray(frame), expected)
    else:
        for index, (plane, other) in enumerate(
            zip(canonical_planes(frame), canonical_planes(whole), strict=True)
        ):
            x, y = (10, 5) if index else (20, 10)
            np.testing.assert_array_equal(
                plane, other[y : y + plane.shape[0], x : x + plane.shape[1]]
            )


def test_crop_at_any_pixel_for_rgb_and_on_chroma_samples_else(backend: BackendCase) -> None:
    each = stream("generated/main_cabac_b2.h264")
    (frame, *_) = decode_bytes(backend.decoder(each.codec), each.read()).frames
    whole = np.asarray(frame.convert("rgb24"))
    cut = np.asarray(frame.convert("rgb24", crop=(3, 5, 11, 7)))
    np.testing.assert_array_equal(cut, whole[5:12, 3:14])
    assert frame.convert("bgra", crop=(3, 5, 11, 7), size=(40, 20)).planes[0].shape == (20, 40, 4)
    with pytest.raises(InvalidInput, match="chroma sample"):
        frame.convert("nv12", crop=(3, 4, 8, 8))
    with pytest.raises(InvalidInput, match="not inside"):
        frame.convert("nv12", crop=(0, 0, 321, 8))


def test_a_crop_outside_the_picture_is_told_for_each_picture(backend: BackendCase) -> None:
    got = decode_units(backend.decoder("h264", crop=(0, 0, 49, 16)), gray_units(2))
    assert [type(error) for error in got.errors] == [InvalidInput] * 2
    assert got.summary["reasons"] == {"undecodable": 2}


@pytest.mark.parametrize("output", ["native", "rgb24", "rgb_float32"])
def test_a_size_past_all_measure_is_refused_at_once(backend: BackendCase, output: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        backend.decoder("h264", output=output, size=(1 << 20, 1 << 20))
    assert refused.value.argument == "size"


def test_a_matrix_that_is_not_computed_is_told_for_each_picture(backend: BackendCase) -> None:
    decoder = backend.decoder("h264", output="rgb24", color=ColorSpec(matrix="ictcp"))
    got = decode_units(decoder, gray_units(2))
    assert [type(error) for error in got.errors] == [UnsupportedConfig] * 2
    assert got.summary["reasons"] == {"undecodable": 2}


def test_interlaced_pictures_stay_woven(backend: BackendCase) -> None:
    each = stream("generated/mbaff_tff.h264")
    got = decode_bytes(backend.decoder(each.codec), each.read())
    # As its picture timing SEI messages say: pic_struct 3, and 4 from the eighteenth on.
    assert [frame.field_order for frame in got.frames] == ["tff"] * 17 + ["bff"] * 8
    assert frames_md5(got.frames) == each.yuv_md5


def test_light_of_hdr_streams(backend: BackendCase) -> None:
    each = stream("generated/hdr10.h265")
    (frame, *_) = decode_bytes(backend.decoder(each.codec), each.read()).frames
    assert (frame.color.matrix, frame.color.transfer) == ("bt2020nc", "smpte2084")
    assert frame.color.bit_depth == 10
    assert frame.side_data.content_light == ContentLight(1000, 400)
    display = frame.side_data.mastering_display
    assert display is not None
    assert display.max_luminance == 1000
    assert float(display.white_point[0]) == pytest.approx(0.3127, abs=1e-4)
    assert float(display.red[0]) > float(display.green[0])


def test_captions(backend: BackendCase) -> None:
    each = stream("androidx__media/fragmented_captions.mp4.h264")
    got = decode_bytes(backend.decoder(each.codec), each.read())
    captions = [frame.side_data.captions for frame in got.frames if frame.side_data.captions]
    assert captions
    assert all(len(caption) % 3 == 0 for caption in captions)


# Frame as an array


SHAPES: dict[str, tuple[tuple[int, ...], Any]] = {
    "native": ((360, 320), np.uint8), "nv12": ((360, 320), np.uint8),
    "i420": ((360, 320), np.uint8), "p010": ((360, 320), np.uint16),
    "rgb24": ((240, 320, 3), np.uint8), "bgra": ((240, 320, 4), np.uint8),
    "rgb_planar": ((3, 240, 320), np.uint8), "rgb_float16": ((3, 240, 320), np.float16),
    "rgb_float32": ((3, 240, 320), np.float32),
}  # fmt: skip


@pytest.mark.parametrize("output", sorted(SHAPES))
def test_a_frame_is_one_array(backend: BackendCase, output: str) -> None:
    each = stream("generated/main_cabac_b2.h264")
    frame = decode_bytes(backend.decoder(each.codec, output=output), each.read()).frames[7]
    array = np.asarray(frame)
    assert (array.shape, array.dtype) == (SHAPES[output][0], SHAPES[output][1])
    flat = np.concatenate([plane.reshape(-1) for plane in frame.planes])
    np.testing.assert_array_equal(array.reshape(-1), flat)
    shared = np.from_dlpack(frame)  # type: ignore[arg-type]
    np.testing.assert_array_equal(shared, array)
    if len(frame.planes) == 1 and np.lib.NumpyVersion(np.__version__) >= "2.1.0":
        assert np.shares_memory(array, frame.planes[0])
        assert not shared.flags.writeable


def test_errors_of_the_conversion_are_typed(backend: BackendCase) -> None:
    each = stream("generated/main_cabac_b2.h264")
    (frame, *_) = decode_bytes(backend.decoder(each.codec), each.read()).frames
    with pytest.raises(UnsupportedConfig, match="ycgco"):
        frame.convert("rgb24", color=ColorSpec(matrix="ycgco"))
    with pytest.raises(UnsupportedConfig, match="rgb_float32"):
        frame.convert("rgb_float32").convert("rgb24")
    assert issubclass(UnsupportedConfig, VideoHwError)
    again = frame.convert("rgb_planar").convert("rgb24")
    np.testing.assert_array_equal(np.asarray(again), np.asarray(frame.convert("rgb24")))
