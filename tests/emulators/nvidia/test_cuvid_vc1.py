"""The emulated cuvid decodes VC-1: pictures, times, sequences, of streams with known pixels."""

from __future__ import annotations

import hashlib
import itertools

import pytest

from tests.emulators.nvidia.cuvid_client import Client
from tests.hardware.cuvid import TIMESTAMP, Driver
from tests.hardware.traces import Feeding
from tests.vc1_clips import FORMATS, USUAL, Clip, clip, picture
from tests.vc1_headers import Format, sequence_header

pytest.importorskip("av", reason="PyAV is not installed")


def sums(made: Clip) -> list[str]:
    return [hashlib.md5(frame).hexdigest() for frame in made.frames()]


def client_of(driver: Driver, made: Clip) -> Client:
    client = Client(driver, "vc1")
    found = client.decoded_packets([(unit, number) for number, unit in enumerate(made.units)])
    assert found == sums(made)
    return client


@pytest.mark.parametrize("name", FORMATS)
def test_pictures_and_their_times(driver: Driver, name: str) -> None:
    made = clip(USUAL, FORMATS[name])
    assert client_of(driver, made).times() == sorted(range(len(made.units)))


def test_two_fields_are_one_picture(driver: Driver) -> None:
    made = clip("IFBFP", Format(64, 64, interlace=True))
    client_of(driver, made)


def test_start_codes_in_pieces(driver: Driver) -> None:
    """Without the flag that ends a picture, cut anywhere."""
    made = clip()
    data = b"".join(made.units)
    pieces = [(data[at : at + 777], None) for at in range(0, len(data), 777)]
    client = Client(driver, "vc1", Feeding("pieces", "777", TIMESTAMP))
    assert client.decoded_packets(pieces) == sums(made)


def test_what_the_sequence_says(driver: Driver) -> None:
    made = clip("IP", FORMATS["described"])
    (told,) = [event[1] for event in client_of(driver, made).events if event[0] == "sequence"]
    assert (told["coded_width"], told["coded_height"], told["progressive_sequence"]) == (64, 48, 1)
    assert (told["frame_rate"]["numerator"], told["frame_rate"]["denominator"]) == (25000, 1001)


def test_pictures_without_headers_are_left_out(driver: Driver) -> None:
    made = clip("IPIP")
    for head in (b"", sequence_header(Format())):
        first = head + picture(made.units[0])
        packets = [(unit, number) for number, unit in enumerate((first, *made.units[1:]))]
        client = Client(driver, "vc1")
        assert client.decoded_packets(packets) == sums(made)[2:]


def test_a_sequence_of_another_size(driver: Driver) -> None:
    clips = [clip("IPB", Format(*size)) for size in ((64, 48), (96, 80), (64, 48))]
    units = [unit for each in clips for unit in each.units]
    client = Client(driver, "vc1")
    found = client.decoded_packets([(unit, number) for number, unit in enumerate(units)])
    assert found == [digest for each in clips for digest in sums(each)]
    widths = [event[1]["coded_width"] for event in client.events if event[0] == "sequence"]
    assert [width for width, _ in itertools.groupby(widths)] == [64, 96, 64]
