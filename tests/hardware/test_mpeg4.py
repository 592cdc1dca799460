"""MPEG-4 part 2 on a device: pictures, their order, and what its parser does with rare headers.

The inverse transform is left open within bounds (ISO/IEC 14496-2 annex A), so pictures drift
from libavcodec's until the next that is coded by itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

import videohw
from tests.backends.coded_clips import decoded_packets, packets
from tests.backends.oracle import canonical_bytes
from tests.emulators.nvidia.cuvid_client import Client
from tests.hardware.cuvid import Driver, primary_context
from tests.mpeg4_headers import (
    USER_DATA,
    VISUAL_OBJECTS,
    coded_part,
    headers,
    layer,
    not_coded,
)
from videohw.frame import Frame

pytestmark = pytest.mark.hardware

# Within a group of 8 pictures. Pictures of the clip differ by far more from each other.
FLOOR_DB = 45.0
CLIPS: dict[str, tuple[tuple[str, str], ...]] = {
    "plain": (),
    "quarter-pel": (("flags", "+qpel"),),
    "four vectors": (("flags", "+mv4+aic"),),
    "interlaced": (("flags", "+ildct+ilme"),),
    "matrices": (("mpeg_quant", "1"),),
    "video packets": (("ps", "200"),),
}


@pytest.fixture
def driver() -> Iterator[Driver]:
    """The driver without this library in between."""
    made = Driver()
    with primary_context(made):
        yield made


def psnr(one: bytes, other: bytes) -> float:
    """Of two pictures, in decibels; infinite where they are the same."""
    difference = np.frombuffer(one, np.uint8).astype(int) - np.frombuffer(other, np.uint8)
    error = float(np.mean(difference**2))
    return math.inf if not error else 10 * math.log10(255**2 / error)


def decoded(units: Sequence[bytes], **arguments: object) -> list[Frame]:
    """All frames of the device; an error fails the test."""
    with videohw.Decoder("mpeg4", backend="nvidia", max_in_flight=64, **arguments) as decoder:  # type: ignore[arg-type]
        for number, unit in enumerate(units):
            decoder.submit(unit, number, layout="frame")
        frames = decoder.flush(30)
        summary = decoder.summary()
        assert summary["submitted"] == summary["delivered"] + sum(summary["reasons"].values())
    return frames


def assert_close(frames: Sequence[Frame], units: tuple[bytes, ...]) -> float:
    """The frames are libavcodec's, in its order; the worst of their PSNRs."""
    expected = decoded_packets("mpeg4", units)
    assert [frame.decode_index for frame in frames] == [number for number, _ in expected]
    found = [
        psnr(canonical_bytes(frame), data)
        for frame, (_, data) in zip(frames, expected, strict=True)
    ]
    assert min(found) > FLOOR_DB, found
    return min(found)


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("size", [(160, 128), (176, 144), (322, 182), (720, 576)], ids=str)
def test_the_pictures_are_close_to_those_of_libavcodec(name: str, size: tuple[int, int]) -> None:
    units = packets("mpeg4", options=CLIPS[name], size=size)
    worst = assert_close(decoded(units), units)
    print(f"{name} {size[0]}x{size[1]}: worst picture {worst:.1f} dB")


def test_intra_pictures_are_all_but_the_same() -> None:
    """Nothing drifts there: rounding of the transform alone."""
    units = packets("mpeg4", gop=1)
    for frame, (_, data) in zip(decoded(units), decoded_packets("mpeg4", units), strict=True):
        ours = np.frombuffer(canonical_bytes(frame), np.uint8).astype(int)
        assert np.abs(ours - np.frombuffer(data, np.uint8)).max() <= 1


@pytest.mark.parametrize("kind", [1, 17])
def test_order_where_the_headers_do_not_state_it(kind: int) -> None:
    units = packets("mpeg4")
    head = VISUAL_OBJECTS + layer(kind=kind, control=None)
    silent = [head + coded_part(unit) if headers(unit) else unit for unit in units]
    assert_close(decoded(silent), units)


def test_headers_come_once() -> None:
    units = packets("mpeg4")
    frames = decoded([units[0], *map(coded_part, units[1:])])
    assert_close(frames, units)
    assert_close(decoded([*map(coded_part, units)], extradata=headers(units[0])), units)


@pytest.mark.parametrize("sizes", [((160, 128), (320, 240)), ((320, 240), (160, 128))])
def test_a_layer_of_another_size(sizes: tuple[tuple[int, int], ...]) -> None:
    clips = [packets("mpeg4", frames=8, size=size) for size in sizes]
    frames = decoded([unit for clip in clips for unit in clip])
    assert [(frame.width, frame.height) for frame in frames] == [
        size for size in sizes for _ in range(8)
    ]
    for number, clip in enumerate(clips):
        for frame, (_, data) in zip(
            frames[8 * number :], decoded_packets("mpeg4", clip), strict=False
        ):
            assert psnr(canonical_bytes(frame), data) > FLOOR_DB


def test_the_size_of_the_chip() -> None:
    """As large as its caps say, and no larger."""
    (answer,) = (
        each for each in videohw.capabilities("mpeg4", "nvidia") if each.direction == "decode"
    )
    assert answer.supported, answer.reason
    assert answer.max_width is not None
    assert answer.max_height is not None
    units = packets("mpeg4", frames=2, size=(1920, 1088))
    if answer.max_width >= 1920 and answer.max_height >= 1088:
        assert_close(decoded(units), units)


# What the driver itself does, where the backend does not let it come to that


def displays(driver: Driver, units: Sequence[bytes]) -> list[int]:
    """The timestamps that the driver's own parser displays, of units with those 0, 1, 2 ..."""
    client = Client(driver, "mpeg4")
    client.decoded_packets([(unit, number) for number, unit in enumerate(units)])
    return client.times()


def test_what_the_parser_does_with_pictures_that_are_not_coded(driver: Driver) -> None:
    """It has them decoded as a copy of the last reference picture, which takes a place among those:
    B pictures behind it come out of other ones. The emulated parser leaves them out.
    """
    units = list(packets("mpeg4"))
    plain = displays(driver, units)
    assert len(plain) == len(units)
    mixed = [*units[:4], not_coded(), *units[4:]]
    shown = displays(driver, mixed)
    print(f"plain {plain}\nwith one that is not coded behind the fourth {shown}")
    assert len(shown) == len(mixed)


def test_what_the_parser_takes_silent_headers_for(driver: Driver) -> None:
    """The backend never lets it guess; the emulated parser takes them for reordered ones."""
    head = VISUAL_OBJECTS + layer(control=None) + USER_DATA + b"encoder"
    units = [head + coded_part(unit) if headers(unit) else unit for unit in packets("mpeg4")]
    shown = displays(driver, units)
    print(f"silent headers: {shown}")
    assert shown == sorted(shown)
