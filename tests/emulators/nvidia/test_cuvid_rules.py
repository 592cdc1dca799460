"""What the emulated cuvid holds against its clients, and that it can be made to fail."""

from __future__ import annotations

import ctypes as c
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.corpus import DATA
from tests.emulators.control import Emulator
from tests.emulators.nvidia.cuvid_client import (
    UNITS,
    Client,
    Deferring,
    Downloading,
    Late,
    create_info,
    created,
    mapped,
)
from tests.hardware.cuvid import (
    DISCONTINUITY,
    END_OF_STREAM,
    TIMESTAMP,
    DecodeStatus,
    Driver,
    Packet,
    ReconfigureInfo,
    primary_context,
)
from tests.hardware.traces import Feeding, pieces

STREAM = DATA / "generated" / "main_cabac_b2.h264"
SUCCESS, ERROR = 2, 8


# Pixels and streams ------------------------------------------------------------------------------


def test_pixels_come_by_work_of_the_output_stream(emulator: Emulator, driver: Driver) -> None:
    emulator.streams("early")
    right = Downloading(driver, "h264").decoded(STREAM.read_bytes())
    emulator.streams("late")
    assert Downloading(driver, "h264").decoded(STREAM.read_bytes()) == right
    assert len(set(right)) == 25


@pytest.mark.parametrize("manners", ["another stream", "unmap before the copy"])
def test_who_does_not_wait_gets_other_pixels(
    emulator: Emulator, driver: Driver, manners: str
) -> None:
    right = Downloading(driver, "h264").decoded(STREAM.read_bytes())
    client = Downloading(driver, "h264")
    client.manners = manners
    found = client.decoded(STREAM.read_bytes())
    assert not set(found) & set(right)
    complaints = emulator.misuses()
    assert bool(complaints) == (manners == "unmap before the copy")
    assert all("before the" in line for line in complaints), complaints


def test_an_index_that_is_mapped_too_late_is_reported(emulator: Emulator, driver: Driver) -> None:
    library = c.CDLL(str(emulator.folder / "libnvcuvid.so.1"))
    library.videohw_emulator_every_picture_is_mapped(1)
    try:
        Client(driver, "h264").run(STREAM.read_bytes())
        assert emulator.misuses() == []
        Late(driver, "h264").run(STREAM.read_bytes())
    finally:
        library.videohw_emulator_every_picture_is_mapped(0)
    assert any("displayed and not mapped" in line for line in emulator.misuses())


def test_an_index_that_holds_a_later_picture_is_reported(
    emulator: Emulator, driver: Driver
) -> None:
    class Forgetful(Client):
        """Maps, when a picture is displayed, the one that was decoded last."""

        def _decode(self, pointer: Any) -> int:
            self.newest = pointer.contents.facts()["picture_index"]
            return super()._decode(pointer)

        def _picture(self, index: int, processing: Any) -> None:
            super()._picture(self.newest, processing)

    Forgetful(driver, "h264").run(STREAM.read_bytes())
    assert any("was not displayed yet" in line for line in emulator.misuses())


def test_an_index_that_nothing_was_decoded_into_has_no_picture(
    emulator: Emulator, driver: Driver
) -> None:
    decoder = created(driver)
    code, address = mapped(driver, decoder)
    pixels = c.create_string_buffer(512)
    assert (code, driver.cuMemcpyDtoH_v2(pixels, address, c.c_size_t(512))) == (0, 0)
    assert pixels.raw == b"\xdb" * 512
    driver.cuvidUnmapVideoFrame64(decoder, address)
    driver.cuvidDestroyDecoder(decoder)
    assert ["into which nothing was decoded" in line for line in emulator.misuses()] == [True]


# Calls at the wrong time --------------------------------------------------------------------------


def test_decoding_outside_of_the_callback_is_reported(emulator: Emulator, driver: Driver) -> None:
    class AfterTheCallback(Deferring):
        def _sequence(self, pointer: Any) -> int:
            return super()._sequence(pointer)

        def _feed(self, parser: c.c_void_p, data: bytes) -> None:
            super()._feed(parser, data)
            self.code = self.driver.cuvidDecodePicture(self.decoder, c.byref(self.kept))

    client = AfterTheCallback(driver, "h264")
    client.run(STREAM.read_bytes())
    assert client.code == 1
    assert ["outside of the decode callback" in line for line in emulator.misuses()] == [True]


def test_reconfiguring_outside_of_the_callback_is_reported(
    emulator: Emulator, driver: Driver
) -> None:
    decoder = created(driver)
    info = ReconfigureInfo(
        width=320, height=240, target_width=320, target_height=240, decode_surfaces=8
    )
    assert driver.cuvidReconfigureDecoder(decoder, c.byref(info)) == 0
    driver.cuvidDestroyDecoder(decoder)
    assert ["outside of the sequence" in line for line in emulator.misuses()] == [True]


def test_reconfiguring_forgets_the_pictures(emulator: Emulator, driver: Driver) -> None:
    class Changing(Client):
        """Maps what the first sequence decoded in the second one."""

        def _display(self, pointer: Any) -> int:
            return 1

        def _sequence(self, pointer: Any) -> int:
            facts = pointer.contents.facts()
            if not self.decoder:
                info = create_info(
                    codec=8, width=facts["coded_width"], height=facts["coded_height"],
                    max_width=336, max_height=240, decode_surfaces=12,
                )  # fmt: skip
                create = self.driver.cuvidCreateDecoder
                return 12 if create(c.byref(self.decoder), c.byref(info)) == 0 else 0
            info = ReconfigureInfo(
                width=facts["coded_width"], height=facts["coded_height"], target_width=320,
                target_height=180, decode_surfaces=12,
            )  # fmt: skip
            self.codes = [self.driver.cuvidReconfigureDecoder(self.decoder, c.byref(info))]
            self.codes.append(mapped(self.driver, self.decoder, 3)[0])
            status = DecodeStatus()
            self.driver.cuvidGetDecodeStatus(self.decoder, 3, c.byref(status))
            self.codes.append(status.status)
            return 12

    client = Changing(driver, "hevc")
    client.run((DATA / "generated" / "res_change_ABA.h265").read_bytes())
    assert client.codes == [0, 208, 0]  # the third sequence: index 3 is mapped since the second
    complaints = emulator.misuses()
    assert any("into which nothing was decoded" in line for line in complaints)
    assert any("with a picture mapped" in line for line in complaints)


def test_what_is_still_in_use_is_not_destroyed(emulator: Emulator, driver: Driver) -> None:
    class Impatient(Client):
        def _decode(self, pointer: Any) -> int:
            return 1

        def _display(self, pointer: Any) -> int:
            return 1

        def _sequence(self, pointer: Any) -> int:
            answer = super()._sequence(pointer)
            self.code = self.driver.cuvidDestroyVideoParser(self.parser)
            return answer

        def _feed(self, parser: c.c_void_p, data: bytes) -> None:
            self.parser = parser
            super()._feed(parser, data)

    client = Impatient(driver, "h264")
    client.run(STREAM.read_bytes())
    assert client.code == 1
    decoder = created(driver)
    mapped(driver, decoder)
    assert driver.cuvidDestroyDecoder(decoder) == 0
    complaints = emulator.misuses()
    assert "from a callback" in complaints[0]
    assert any("with a picture mapped" in line for line in complaints[1:])


def test_a_discontinuity_ends_what_is_not_whole(driver: Driver) -> None:
    class Broken(Client):
        def _feed(self, parser: c.c_void_p, data: bytes) -> None:
            whole = list(pieces(data, "h264", "unit"))
            for flags, piece, time in (
                (TIMESTAMP, whole[0], 100),
                (TIMESTAMP, whole[1][:1500], 200),
                (TIMESTAMP | DISCONTINUITY, whole[12], 5000),  # the next IDR picture
                (TIMESTAMP, whole[13], 5100),
                (END_OF_STREAM, b"", 0),
            ):
                packet = Packet(flags, len(piece), piece or None, time)
                assert self.driver.cuvidParseVideoData(parser, c.byref(packet)) == 0

    client = Broken(driver, "h264")
    client.run(STREAM.read_bytes())
    assert client.times() == [100, 200, 5000, 5100]
    sizes = [event[1]["data_bytes"] for event in client.events if event[0] == "decode"]
    assert sizes[1] == 1499


def test_sessions_on_threads_do_not_disturb_each_other(driver: Driver) -> None:
    def alone() -> list[str]:
        with primary_context(driver):
            return Client(driver, "h264").decoded(STREAM.read_bytes())

    right = alone()
    with ThreadPoolExecutor(4) as workers:
        assert list(workers.map(lambda _: alone(), range(8))) == [right] * 8


# What tests ask for ---------------------------------------------------------------------------

CALLS = (
    "cuvidCreateVideoParser", "cuvidCreateDecoder", "cuvidParseVideoData", "cuvidDecodePicture",
    "cuvidGetDecodeStatus", "cuvidMapVideoFrame64", "cuvidUnmapVideoFrame64",
    "cuvidDestroyDecoder", "cuvidDestroyVideoParser", "cuvidGetDecoderCaps",
)  # fmt: skip


@pytest.mark.parametrize("call", CALLS)
def test_every_call_can_fail(emulator: Emulator, driver: Driver, call: str) -> None:
    emulator.fault(call, "fail", 999)
    client = Client(driver, "h264")
    try:
        client.run(STREAM.read_bytes())
    except (AssertionError, RuntimeError, ValueError) as failure:
        raise AssertionError(f"the recorder takes a failing {call}") from failure
    driver.cuvidGetDecoderCaps(c.byref(c.create_string_buffer(88)))
    assert emulator.hits() == [1]
    assert "999" in str(client.events) or call == "cuvidGetDecoderCaps"
    # The recorder maps a picture that it could not decode.
    if call == "cuvidDecodePicture":
        assert ["into which nothing" in line for line in emulator.misuses()] == [True]


def test_status_is_what_a_test_plans(emulator: Emulator, driver: Driver) -> None:
    library = c.CDLL(str(emulator.folder / "libnvcuvid.so.1"))
    library.videohw_emulator_decode_status(c.c_ulonglong(3), ERROR)
    client = Client(driver, "h264", Feeding("x", "unit", UNITS.flags, reorder=False))
    client.run(STREAM.read_bytes())
    library.videohw_emulator_clear_decode_status()
    states = [event[2]["status"][1] for event in client.events if event[0] == "picture"]
    assert states == [SUCCESS, SUCCESS, ERROR, *[SUCCESS] * 22]
