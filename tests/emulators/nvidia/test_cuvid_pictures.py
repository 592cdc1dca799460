"""What becomes of pictures in the emulated cuvid: fields, cropping, scaling, messages."""

from __future__ import annotations

import ctypes as c
from typing import Any

import pytest

from tests.backends.pcm import PcmStream
from tests.coded_streams import annexb
from tests.corpus import DATA
from tests.emulators.nvidia.cuvid_client import (
    Client,
    create_info,
    mapped,
)
from tests.hardware.cuvid import (
    CreateInfo,
    Driver,
)

STREAM = DATA / "generated" / "main_cabac_b2.h264"
SUCCESS, ERROR = 2, 8


@pytest.mark.parametrize(("codec", "name"), [("h264", "mbaff_tff.h264"), ("hevc", "hdr10.h265")])
def test_messages_come_with_their_picture(driver: Driver, codec: str, name: str) -> None:
    class Message(c.Structure):
        _fields_ = [("type", c.c_ubyte), ("reserved", c.c_ubyte * 3), ("size", c.c_uint)]

    class Messages(c.Structure):
        _fields_ = [
            ("data", c.c_void_p), ("each", c.POINTER(Message)), ("count", c.c_uint),
            ("picture", c.c_uint),
        ]  # fmt: skip

    seen: list[Any] = []

    def take(_user: object, info: Any) -> int:
        found = info.contents
        seen.append((found.picture, [found.each[at].type for at in range(found.count)]))
        return 1

    callback = c.CFUNCTYPE(c.c_int, c.c_void_p, c.POINTER(Messages))(take)
    create = driver.cuvidCreateVideoParser

    def with_callback(parser: Any, parameters: Any) -> int:
        parameters._obj.p_sei = c.cast(callback, c.c_void_p)
        return int(create(parser, parameters))

    driver.__dict__["cuvidCreateVideoParser"] = with_callback
    client = Client(driver, codec)
    client.run((DATA / "generated" / name).read_bytes())
    wanted = {5} if codec == "h264" else {5, 137, 144}
    picture, types = seen[0]
    assert picture == 0
    assert wanted <= set(types)


# Fields ---------------------------------------------------------------------------------------


class Woven(Client):
    """Keeps one luma sample of each of the first two rows, and of a chroma row of each field."""

    def _picture(self, index: int, processing: Any) -> None:
        _, address = mapped(self.driver, self.decoder, index)
        pixels = c.create_string_buffer(512 * 48)
        assert self.driver.cuMemcpyDtoH_v2(pixels, address, c.c_size_t(512 * 48)) == 0
        self.driver.cuvidUnmapVideoFrame64(self.decoder, address)
        rows = (0, 1, 30, 31, 32, 33)
        self.events.append(["rows", [pixels.raw[512 * row] for row in rows]])


@pytest.mark.parametrize("top_first", [True, False])
def test_two_fields_are_one_picture(driver: Driver, top_first: bool) -> None:
    made = PcmStream(3, 2, interlaced=True)
    first, second = ("top", "bottom") if top_first else ("bottom", "top")
    units: list[bytes] = []
    for number in range(4):
        fields = (
            made.picture(40 + number, (60, 60), idr=number == 0, poc=4 * number, parity=first),
            made.picture(
                80 + number, (90, 90), poc=4 * number + 1, parity=second, second_field=True
            ),
        )
        units.append(annexb(*(made.sets if number == 0 else []), fields[0]))
        units.append(annexb(fields[1]))
    client = Woven(driver, "h264")
    client.run_packets([(unit, 100 * at) for at, unit in enumerate(units)])
    fields = [event[1] for event in client.events if event[0] == "decode"]
    assert [each["field_pic_flag"] for each in fields] == [1] * 8
    assert [each["second_field"] for each in fields] == [0, 1] * 4
    assert [each["bottom_field_flag"] for each in fields] == [not top_first, top_first] * 4
    assert [each["picture_index"] for each in fields] == [0, 0, 1, 1, 2, 2, 3, 3]
    shown = [event[1] for event in client.events if event[0] == "display"]
    assert [each["timestamp"] for each in shown] == [0, 200, 400, 600]
    assert {each["top_field_first"] for each in shown} == {int(top_first)}
    assert {each["repeat_first_field"] for each in shown} == {0}
    for number, (_, rows) in enumerate(each for each in client.events if each[0] == "rows"):
        luma, chroma = [40 + number, 80 + number], [60, 90]
        assert rows == (2 * luma + chroma if top_first else 2 * luma[::-1] + chroma[::-1])


def test_a_field_without_its_pair(driver: Driver) -> None:
    made = PcmStream(3, 2, interlaced=True)
    units = [
        annexb(*made.sets, made.picture(40, idr=True, parity="top", second_field=True)),
        annexb(made.picture(50, poc=4, parity="top")),
        annexb(made.picture(60, poc=5, parity="bottom", second_field=True)),
    ]
    client = Woven(driver, "h264")
    client.run_packets([(unit, 100 * at) for at, unit in enumerate(units)])
    shown = [event[1] for event in client.events if event[0] == "display"]
    assert [each["repeat_first_field"] for each in shown] == [-1, 0]
    assert [each["timestamp"] for each in shown] == [0, 100]


# Cropping and scaling -------------------------------------------------------------------------


@pytest.mark.parametrize("scaled", [False, True])
def test_display_area_and_target(driver: Driver, scaled: bool) -> None:
    class Cropping(Client):
        def _sequence(self, pointer: Any) -> int:
            info = create_info(target_width=64 * (1 + scaled), target_height=48 * (1 + scaled))
            area: Any = info.display_area
            area.left, area.top, area.right, area.bottom = 32, 16, 96, 64
            assert isinstance(info, CreateInfo)
            code = self.driver.cuvidCreateDecoder(c.byref(self.decoder), c.byref(info))
            return 8 * (code == 0)

        def _picture(self, index: int, processing: Any) -> None:
            code, address = mapped(self.driver, self.decoder, index)
            pixels = c.create_string_buffer(512 * 72 * (1 + scaled))
            self.driver.cuMemcpyDtoH_v2(pixels, address, c.c_size_t(len(pixels) - 1))
            self.driver.cuvidUnmapVideoFrame64(self.decoder, address)
            self.events.append(["pixels", code, pixels.raw])

    class Whole(Client):
        def _picture(self, index: int, processing: Any) -> None:
            _, address = mapped(self.driver, self.decoder, index)
            pixels = c.create_string_buffer(512 * 360)
            self.driver.cuMemcpyDtoH_v2(pixels, address, c.c_size_t(len(pixels)))
            self.driver.cuvidUnmapVideoFrame64(self.decoder, address)
            self.events.append(["pixels", 0, pixels.raw])

    def first(client: Client) -> bytes:
        events = client.run(STREAM.read_bytes())
        pixels: bytes = next(event[2] for event in events if event[0] == "pixels")
        return pixels

    cropped, whole = first(Cropping(driver, "h264")), first(Whole(driver, "h264"))
    rows = [whole[512 * y + 32 : 512 * y + 96] for y in range(16, 64)]
    pairs = [whole[512 * (240 + y) + 32 : 512 * (240 + y) + 96] for y in range(8, 32)]
    if not scaled:
        assert [cropped[512 * y : 512 * y + 64] for y in range(72)] == rows + pairs
        return
    for y in range(96):  # twice the size: every sample lies between its neighbours
        for x in range(128):
            near = [
                rows[min(max(y // 2 + down, 0), 47)][min(max(x // 2 + across, 0), 63)]
                for down in (-1, 0, 1)
                for across in (-1, 0, 1)
            ]
            assert min(near) <= cropped[512 * y + x] <= max(near)
