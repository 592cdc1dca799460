"""The emulated cuvid decodes the other codecs as libavcodec does: streams made by encoders."""

from __future__ import annotations

import ctypes as c
import hashlib
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tests.emulators.nvidia.cuvid_client import Client
from tests.hardware.cuvid import TIMESTAMP, Driver
from tests.hardware.traces import Feeding

av = pytest.importorskip("av")
Packets = list[tuple[bytes, int | None]]
# name: (encoder, decoder, cuvid's codec, what the encoder is told)
CODECS: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    "mpeg1": ("mpeg1video", "mpeg1video", "mpeg1", {"max_b_frames": 2, "gop_size": 10}),
    "mpeg2": ("mpeg2video", "mpeg2video", "mpeg2", {"max_b_frames": 2, "gop_size": 10}),
    "mpeg2 interlaced": (
        "mpeg2video", "mpeg2video", "mpeg2", {"options": {"flags": "+ildct+ilme"}, "gop_size": 10},
    ),
    "mpeg4": ("mpeg4", "mpeg4", "mpeg4", {"max_b_frames": 2, "gop_size": 10}),
    "vp8": (
        "libvpx", "vp8", "vp8",
        {"options": {"auto-alt-ref": "1", "lag-in-frames": "10", "cpu-used": "5"}},
    ),
    "vp9": ("libvpx-vp9", "vp9", "vp9", {"options": {"cpu-used": "8", "deadline": "realtime"}}),
    "jpeg": ("mjpeg", "mjpeg", "jpeg", {"pix_fmt": "yuvj420p", "options": {"qscale": "3"}}),
    "av1": ("libsvtav1", "libdav1d", "av1", {"options": {"preset": "12"}}),
}  # fmt: skip
PICTURES, WIDTH, HEIGHT = 40, 192, 144


@pytest.fixture(autouse=True)
def newer_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEOHW_EMULATOR_NVDEC", "newer")
    monkeypatch.setenv("SVT_LOG", "0")


def encoded(name: str, **more: str) -> Packets:
    """Moving stripes with noise; ``more`` options of the encoder."""
    encoder, _, _, settings = CODECS[name]
    if more:
        settings = {**settings, "options": {**settings["options"], **more}}
    context = av.CodecContext.create(encoder, "w")
    context.width, context.height, context.framerate = WIDTH, HEIGHT, 25
    context.pix_fmt, context.time_base, context.bit_rate = "yuv420p", Fraction(1, 25), 2_000_000
    for setting, value in settings.items():
        setattr(context, setting, value)
    random, packets = np.random.default_rng(1), []
    for number in range(PICTURES):
        frame = av.VideoFrame(WIDTH, HEIGHT, context.pix_fmt)
        for which, plane in enumerate(frame.planes):
            rows, columns = np.mgrid[0 : plane.height, 0 : plane.line_size]
            stripes = (columns * (which + 1) + rows * 2 + number * 5) % 200 + 20
            noise = random.integers(0, 6, stripes.shape)
            plane.update((stripes + noise).astype(np.uint8).tobytes())
        frame.pts = number
        packets += context.encode(frame)
    packets += context.encode(None)
    return [(bytes(packet), packet.pts) for packet in packets]


def by_software(decoder: str, packets: Packets) -> list[str]:
    """md5 of each picture, as libavcodec decodes it in this process; without film grain."""
    context = av.CodecContext.create(decoder, "r")
    context.thread_count = 1
    # libavcodec 62 conceals errors in intact MPEG-4 that are not there, in some processes.
    context.options = {"ec": "0"} if decoder == "mpeg4" else {"export_side_data": "film_grain"}
    frames: list[Any] = []
    for data, time in packets:
        packet = av.Packet(data)
        packet.pts = time
        frames += context.decode(packet)
    frames += context.decode(None)
    summed = []
    for frame in frames:
        digest = hashlib.md5()
        for which, plane in enumerate(frame.planes):
            width, height = (WIDTH, HEIGHT) if which == 0 else (WIDTH // 2, HEIGHT // 2)
            rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
            digest.update(rows[:height, :width].tobytes())
        summed.append(digest.hexdigest())
    return summed


@pytest.mark.parametrize("name", CODECS)
def test_pictures_and_their_times(driver: Driver, name: str) -> None:
    _, decoder, codec, _ = CODECS[name]
    packets = encoded(name)
    client = Client(driver, codec)
    assert client.decoded_packets(packets) == by_software(decoder, packets)
    if name != "vp9":
        assert client.times() == list(range(PICTURES))


def test_times_behind_a_hidden_vp9_picture(driver: Driver) -> None:
    """It takes the time of the packet that it shares with a shown one, which repeats the last."""
    client = Client(driver, "vp9")
    client.decoded_packets(encoded("vp9"))
    times = client.times()
    hidden = next(number for number, time in enumerate(times) if number != time)
    assert times[hidden] == times[hidden - 1] == hidden - 1
    assert times[hidden + 1] == hidden  # the smallest that is left
    assert times == sorted(times)


@pytest.mark.parametrize("name", ["mpeg1", "mpeg2", "mpeg4"])
def test_start_codes_in_pieces(driver: Driver, name: str) -> None:
    """Without the flag that ends a picture, cut anywhere."""
    _, decoder, codec, _ = CODECS[name]
    packets = encoded(name)
    data = b"".join(piece for piece, _ in packets)
    pieces = [(data[at : at + 777], None) for at in range(0, len(data), 777)]
    client = Client(driver, codec, Feeding("pieces", "777", TIMESTAMP))
    assert client.decoded_packets(pieces) == by_software(decoder, packets)


def test_hidden_pictures_are_displayed_when_they_are_shown(driver: Driver) -> None:
    packets = encoded("av1")
    client = Client(driver, "av1")
    client.decoded_packets(packets)
    kinds = [event[0] for event in client.events if event[0] in ("decode", "display")]
    assert (kinds.count("decode"), kinds.count("display")) == (PICTURES, PICTURES)
    assert "decode decode" in " ".join(kinds)


class WithoutGrain(Client):
    """Switches film grain off, and maps what was decoded."""

    def _decode(self, pointer: Any) -> int:
        raw = c.cast(pointer, c.POINTER(c.c_ubyte))
        numbers = c.cast(pointer, c.POINTER(c.c_int))
        shown, clean = numbers[CURRENT // 4], numbers[DECODED // 4]
        raw[GRAIN] &= 0xFE
        numbers[CURRENT // 4] = clean
        self.clean = {**getattr(self, "clean", {}), shown: clean}
        return super()._decode(pointer)

    def _picture(self, index: int, processing: Any) -> None:
        super()._picture(self.clean[index], processing)


CURRENT, DECODED, GRAIN = 8, 184 + 12, 184 + 764  # places in CUVIDPICPARAMS


def test_film_grain_is_put_into_a_surface_of_its_own(driver: Driver) -> None:
    packets = encoded("av1", **{"svtav1-params": "film-grain=50"})
    exact = by_software("libdav1d", packets)
    grained = Client(driver, "av1").decoded_packets(packets)
    assert len(grained) == len(exact) == PICTURES
    assert not set(grained) & set(exact)
    assert WithoutGrain(driver, "av1").decoded_packets(packets) == exact


def test_a_vp9_picture_is_not_shown_again(driver: Driver) -> None:
    """By a packet of its own, and in a superframe behind another picture (as recorded)."""
    packets = encoded("vp9")[:6]
    shows_slot_0 = b"\x88"
    second = packets[1][0]
    index = b"\xc9" + len(second).to_bytes(2, "little") + b"\x01\x00" + b"\xc9"
    pieces = [packets[0][0], shows_slot_0, second + shows_slot_0 + index]
    pieces += [data for data, _ in packets[2:]]
    renumbered: Packets = list(zip(pieces, range(len(pieces)), strict=True))
    client = Client(driver, "vp9")
    found = client.decoded_packets(renumbered)
    assert found == by_software("vp9", encoded("vp9")[:6])
    assert client.times() == sorted(client.times())


def test_av1_asks_for_the_operating_point(driver: Driver) -> None:
    asked = []

    def point(_user: object, info: Any) -> int:
        asked.append(bytes(info.contents)[:5])
        return 0

    callback = c.CFUNCTYPE(c.c_int, c.c_void_p, c.POINTER(c.c_ubyte * 1028))(point)
    create = driver.cuvidCreateVideoParser

    def with_callback(parser: Any, parameters: Any) -> int:
        parameters._obj.p_operating_point = c.cast(callback, c.c_void_p)
        return int(create(parser, parameters))

    driver.__dict__["cuvidCreateVideoParser"] = with_callback
    Client(driver, "av1").decoded_packets(encoded("av1"))
    assert asked == [b"\x0b\x00\x00\x00\x01"]
