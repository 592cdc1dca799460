"""VC-1 of the Advanced profile on a device, tool by tool.

The inverse transform of VC-1 is exact and so are its filters, so that each picture is to be that of
the writer of the streams (tests/vc1_writer.py), or libavcodec's, to the bit; the writer knows that
NVDEC has references end below at a multiple of four rows, where libavcodec has the height itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

import videohw
from tests.backends.oracle import canonical_bytes
from tests.emulators.nvidia.cuvid_client import Client
from tests.hardware.cuvid import Driver, primary_context
from tests.vc1_clips import FORMATS, PLAIN, TOOLS, USUAL, bare, clip, picture
from tests.vc1_clips import decoded as by_libavcodec
from tests.vc1_headers import FIELD, SEQUENCE_END, Format
from videohw.frame import Frame

pytestmark = pytest.mark.hardware

# Pictures of each kind alone, and those that refer to them.
KINDS = {
    "I": "II",
    "P": "IPPP",
    "skipped": "IPSP",
    "B": "IPBPB",
    "BI": "IPbPb",
    "B behind a skipped one": "IPSBPB",
    "open entry point": "IPBIBPB",
    "all": USUAL,
}
INTERLACED = Format(64, 64, interlace=True)
ROWS_END_AT = 4


@pytest.fixture
def driver() -> Iterator[Driver]:
    """The driver without this library in between."""
    made = Driver()
    with primary_context(made):
        yield made


def fields(unit: bytes) -> list[bytes]:
    """The fields of a picture that has two; headers stay with the first."""
    first, *second = unit.split(b"\0\0\1" + bytes((FIELD,)))
    return [first, *(b"\0\0\1" + bytes((FIELD,)) + each for each in second)]


def decoded(units: Sequence[bytes], **arguments: object) -> list[Frame]:
    """All frames of the device; an error fails the test."""
    with videohw.Decoder("vc1", backend="nvidia", max_in_flight=64, **arguments) as decoder:  # type: ignore[arg-type]
        for number, unit in enumerate(units):
            decoder.submit(unit, number, layout="frame")
        frames = decoder.flush(30)
        summary = decoder.summary()
        assert summary["submitted"] == summary["delivered"] + sum(summary["reasons"].values())
    return frames


def assert_same(frames: Sequence[Frame], expected: Sequence[bytes]) -> None:
    """To the bit; else which pictures differ, by how much and where first."""
    assert len(frames) == len(expected)
    wrong = {}
    for frame, data in zip(frames, expected, strict=True):
        ours = np.frombuffer(canonical_bytes(frame), np.uint8).astype(int)
        differences = np.abs(ours - np.frombuffer(data, np.uint8))
        if differences.any():
            first = int(np.flatnonzero(differences)[0])
            wrong[frame.decode_index] = (
                int(differences.max()),
                int((differences > 0).sum()),
                first,
            )
    assert wrong == {}, "decode_index: (largest difference, samples, first of them)"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(64, 48), (160, 128), (322, 182)], ids=str)
def test_each_kind_of_picture(kind: str, size: tuple[int, int]) -> None:
    made = clip(KINDS[kind], Format(*size), rows_end_at=ROWS_END_AT)
    frames = decoded(made.units)
    assert [frame.decode_index for frame in frames] == list(made.order)
    assert_same(frames, made.frames())


@pytest.mark.parametrize("name", FORMATS)
def test_each_format(name: str) -> None:
    made = clip("IPBPBPSP", FORMATS[name])
    assert_same(decoded(made.units), made.frames())


@pytest.mark.parametrize("name", TOOLS)
def test_tools_whose_pictures_libavcodec_knows(name: str) -> None:
    form, fine = TOOLS[name]
    made = clip("IPPBPBIPBP", form, fine=fine)
    expected = [data for _, data, _ in by_libavcodec(made.units, made.headers)]
    assert_same(decoded(made.units), expected)


@pytest.mark.parametrize("size", [(70, 58), (66, 50), (78, 62), (64, 46)], ids=str)
def test_what_is_below_a_picture(size: tuple[int, int]) -> None:
    """Vectors point there, over and over."""
    made = clip("IPPPPPPPPP", Format(*size), rows_end_at=ROWS_END_AT)
    assert made.frames() != clip("IPPPPPPPPP", Format(*size)).frames()
    assert_same(decoded(made.units), made.frames())


@pytest.mark.parametrize("types", ["F", "FF", "IF", "FI", "FP", "IFBFP"])
def test_pictures_of_two_fields(types: str) -> None:
    """Both come in one call."""
    made = clip(types, INTERLACED)
    assert_same(decoded(made.units), made.frames())


def test_headers_come_once_or_beside_the_stream() -> None:
    made = clip("IPBPBIBPB")
    bodies = [picture(unit) for unit in made.units]
    assert_same(decoded([made.units[0], *bodies[1:]]), made.frames())
    assert_same(decoded(bodies, extradata=made.headers), made.frames())
    assert_same(decoded([bare(unit) for unit in made.units], extradata=made.headers), made.frames())


def test_the_end_of_a_sequence() -> None:
    made = clip("IPBP")
    frames = decoded([*made.units[:-1], made.units[-1] + SEQUENCE_END, *made.units])
    assert_same(frames, 2 * made.frames())


@pytest.mark.parametrize("where", ["sequence", "entry point"])
def test_pictures_of_another_size(where: str) -> None:
    sizes = ((160, 128), (96, 80), (160, 128))
    largest = (160, 128) if where == "entry point" else None
    clips = [clip("IPBPB", Format(*size, largest=largest)) for size in sizes]
    frames = decoded([unit for each in clips for unit in each.units])
    assert_same(frames, [data for each in clips for data in each.frames()])


def test_the_size_of_the_chip() -> None:
    """As large as its caps say."""
    (answer,) = (
        each for each in videohw.capabilities("vc1", "nvidia") if each.direction == "decode"
    )
    assert answer.supported, answer.reason
    assert answer.max_width is not None
    assert answer.max_height is not None
    if answer.max_width >= 1920 and answer.max_height >= 1088:
        made = clip("IP", Format(1920, 1080))
        assert_same(decoded(made.units), made.frames())


# What the driver itself does


def test_what_the_parser_tells(driver: Driver) -> None:
    """In the order of presentation, each with its time."""
    made = clip(USUAL, PLAIN)
    client = Client(driver, "vc1")
    client.decoded_packets([(unit, number) for number, unit in enumerate(made.units)])
    assert client.times() == sorted(range(len(made.units)))


@pytest.mark.parametrize("whole", [True, False])
def test_a_packet_that_ends_a_picture_ends_it_with_the_first_field(
    driver: Driver, whole: bool
) -> None:
    """So that the two are to come in two packets."""
    made = clip("FFI", INTERLACED)
    packets = [(unit, number) for number, unit in enumerate(made.units)]
    if not whole:
        packets = [(each, number) for unit, number in packets for each in fields(unit)]
    client = Client(driver, "vc1")
    client.decoded_packets(packets)
    kinds = [event[0] for event in client.events]
    assert kinds.count("decode") == (3 if whole else 5)
    assert kinds.count("display") == len(made.units)
