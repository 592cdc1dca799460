"""The emulated cuvid decodes VC-1: pictures, times, sequences, of streams with known pixels."""

from __future__ import annotations

import ctypes as c
import hashlib
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from tests.emulators.control import Emulator
from tests.emulators.nvidia.cuvid_client import UNITS, Client
from tests.hardware.cuvid import END_OF_STREAM, TIMESTAMP, Driver, Packet
from tests.hardware.traces import Feeding
from tests.vc1_clips import FORMATS, USUAL, Clip, clip, picture, samples
from tests.vc1_headers import FIELD, START, Format, sequence_header

pytest.importorskip("av", reason="PyAV is not installed")
FIELDS = Format(64, 64, interlace=True)


def sums(made: Clip, display: tuple[int, int] | None = None) -> list[str]:
    """md5 of each picture, or of the part of it that is displayed."""
    found = []
    for number in made.order:
        planes = made.pictures[number]
        if display:
            sizes = [display, *2 * [(display[0] // 2, display[1] // 2)]]
            planes = tuple(
                plane[:height, :width]
                for plane, (width, height) in zip(planes, sizes, strict=True)
            )  # fmt: skip
        found.append(hashlib.md5(samples(planes)).hexdigest())
    return found


def client_of(driver: Driver, made: Clip, display: tuple[int, int] | None = None) -> Client:
    client = Client(driver, "vc1")
    found = client.decoded_packets([(unit, number) for number, unit in enumerate(made.units)])
    assert found == sums(made, display)
    return client


def in_fields(units: Sequence[bytes]) -> list[tuple[bytes, int | None]]:
    """A packet for each field."""
    second = START + bytes((FIELD,))
    parts = [(unit.partition(second), number) for number, unit in enumerate(units)]
    return [
        packet for (first, found, rest), number in parts
        for packet in ((first, number), (found + rest, None)) if packet[0]
    ]  # fmt: skip


class Rows(Client):
    """Keeps the luma of each picture."""

    def _md5(self, address: int, pitch: int) -> str:
        height, width = self.created["target_height"], self.created["target_width"]
        buffer = np.empty((height, pitch), np.uint8)
        size = c.c_size_t(buffer.nbytes)
        self.driver.cuMemcpyDtoH_v2(c.c_void_p(buffer.ctypes.data), c.c_ulonglong(address), size)
        self.luma: list[Any] = [*getattr(self, "luma", []), buffer[:, :width]]
        return ""


@pytest.mark.parametrize("name", FORMATS)
def test_pictures_and_their_times(driver: Driver, name: str) -> None:
    made = clip(USUAL, FORMATS[name])
    client = client_of(driver, made, FORMATS[name].display)
    assert client.times() == sorted(range(len(made.units)))


@pytest.mark.parametrize("flags", [UNITS.flags, TIMESTAMP])
def test_two_fields_are_one_picture(driver: Driver, flags: int) -> None:
    """In a packet each; in one packet where it is not said to end a picture."""
    made = clip("IFBFP", FIELDS)
    client = Client(driver, "vc1", Feeding("fields", "unit", flags))
    assert client.decoded_packets(in_fields(made.units)) == sums(made)
    told = [event[1] for event in client.events if event[0] == "decode"]
    fields = [
        (each["picture_index"], each["bottom_field_flag"], each["second_field"])
        for each in told if each["field_pic_flag"]
    ]  # fmt: skip
    assert fields == [(1, 0, 0), (1, 1, 1), (3, 0, 0), (3, 1, 1)]
    whole = Client(driver, "vc1", Feeding("pictures", "unit", TIMESTAMP))
    assert whole.decoded_packets([(unit, None) for unit in made.units]) == sums(made)


def test_a_packet_that_ends_a_picture_ends_it_with_its_first_field(driver: Driver) -> None:
    made = clip("IFI", FIELDS)
    client = Rows(driver, "vc1")
    client.decoded_packets([(unit, number) for number, unit in enumerate(made.units)])
    told = [event[1]["second_field"] for event in client.events if event[0] == "decode"]
    assert told == [0, 0, 0]
    for number, found in enumerate(client.luma):
        wanted = made.pictures[number][0]
        assert (found[::2] == wanted[::2]).all()
        assert bool((found[1::2] == wanted[1::2]).all()) == (number != 1)


@pytest.mark.parametrize("size", [5, 6, 8, 20, 100])
def test_a_first_field_that_ends_early(driver: Driver, size: int) -> None:
    """Its picture comes, whatever it holds, and those behind it are right."""
    made = clip("IFIP", FIELDS)
    cut = made.units[1].index(picture(made.units[1])) + size
    units = [made.units[0], made.units[1][:cut], *made.units[2:]]
    client = Client(driver, "vc1")
    found = client.decoded_packets([(unit, number) for number, unit in enumerate(units)])
    wanted = sums(made)
    assert [each == wanted[number] for number, each in enumerate(found)] == [1, 0, 1, 1]


def test_start_codes_in_pieces(driver: Driver) -> None:
    """Without the flag that ends a picture, cut anywhere."""
    made = clip()
    data = b"".join(made.units)
    pieces = [(data[at : at + 777], None) for at in range(0, len(data), 777)]
    client = Client(driver, "vc1", Feeding("pieces", "777", TIMESTAMP))
    assert client.decoded_packets(pieces) == sums(made)


def test_what_the_sequence_says(driver: Driver) -> None:
    made = clip("IP", FORMATS["described"])
    events = client_of(driver, made, (60, 40)).events
    (told,) = [event[1] for event in events if event[0] == "sequence"]
    assert (told["coded_width"], told["coded_height"], told["progressive_sequence"]) == (64, 48, 1)
    assert (told["frame_rate"]["numerator"], told["frame_rate"]["denominator"]) == (25000, 1001)


def test_pictures_without_headers_are_left_out(driver: Driver) -> None:
    made = clip("IPIP")
    for head in (b"", sequence_header(Format())):
        first = head + picture(made.units[0])
        packets = [(unit, number) for number, unit in enumerate((first, *made.units[1:]))]
        client = Client(driver, "vc1")
        assert client.decoded_packets(packets) == sums(made)[2:]


class Ending(Client):
    """Ends the stream before a sequence."""

    def _feed(self, parser: c.c_void_p, data: bytes | Sequence[bytes]) -> None:
        for piece, time in self.packets or ():
            if piece.startswith(sequence_header(Format())[:4]):
                packet = Packet(END_OF_STREAM, 0, None, 0)
                assert self.driver.cuvidParseVideoData(parser, c.byref(packet)) == 0
            packet = Packet(self.feeding.flags, len(piece), piece, time or 0)
            assert self.driver.cuvidParseVideoData(parser, c.byref(packet)) == 0
        packet = Packet(END_OF_STREAM, 0, None, 0)
        assert self.driver.cuvidParseVideoData(parser, c.byref(packet)) == 0


@pytest.mark.parametrize("kind", [Client, Ending])
def test_a_sequence_of_another_size(driver: Driver, emulator: Emulator, kind: type[Client]) -> None:
    """The last picture before it is lost to who does not end the stream there."""
    clips = [clip("IPB", Format(*size)) for size in ((64, 48), (96, 80), (64, 48))]
    units = [unit for each in clips for unit in each.units]
    client = kind(driver, "vc1")
    found = client.decoded_packets([(unit, number) for number, unit in enumerate(units)])
    wanted = [digest for each in clips for digest in sums(each)]
    lost = [number for number, digest in enumerate(found) if digest != wanted[number]]
    assert lost == ([] if kind is Ending else [2, 5])
    assert len(emulator.misuses()) == len(lost)
    widths = [event[1]["coded_width"] for event in client.events if event[0] == "sequence"]
    assert [width for width, _ in itertools.groupby(widths)] == [64, 96, 64]
