"""Surfaces, blocks and decoders that are used again: by the next picture, after a reset, by the
next session, by another one at the same time. Work in streams runs as late as it may."""

from __future__ import annotations

import ctypes as c
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from tests.backends.coded_clips import packets
from tests.backends.decode_runs import Scenario, run
from tests.backends.decoding import PATIENCE_SECONDS
from tests.backends.nvidia import emulated_drivers
from tests.backends.oracle import canonical_bytes, frames_md5
from tests.backends.waiting import Call, wait_for
from tests.corpus import stream
from tests.emulators.control import Emulator
from tests.nvidia.decoding import NATIVE, SCENARIOS, SMALL, release
from videohw.bitstream import open_assembler
from videohw.bitstream.convert import annexb_to_nals, escape, nals_to_annexb, unescape
from videohw.bitstream.hevc import parse_sps
from videohw.decoder import Decoder
from videohw.errors import Backpressure, InvalidBitstream, UnsupportedConfig
from videohw.frame import Frame
from videohw.nvidia.capabilities import forget
from videohw.nvidia.options import NvidiaDecoderOptions

OUT_OF_MEMORY = 2
SPS = 33  # SPS_NUT of HEVC
STATUS_ERROR = 8  # cuvidDecodeStatus_Error
PLANAR, DOWNLOADED, RESIZED = SCENARIOS[1:]


@pytest.fixture(autouse=True)
def decoding(driver: Emulator) -> Iterator[Emulator]:
    """The emulated drivers; everything that a test opens is given back, by the rules."""
    lost = frozenset({"decoder", "pinned memory"})
    with emulated_drivers():
        driver.streams("late")
        driver.clear_faults()
        release(driver, lost)
        driver.forget()
        before = driver.open()
        yield driver
        driver.clear_faults()
        release(driver, frozenset(before))
        report = driver.report()
        assert (report["misuses"], report["open"], report["lost"]) == ([], before, {})


def opened(codec: str, **arguments: Any) -> Decoder:
    return Decoder(codec, backend="nvidia", **{"max_in_flight": 64, **arguments})


def pixels(frames: list[Frame]) -> list[bytes]:
    return [canonical_bytes(frame.to_host()) for frame in frames]


def whole(name: str, **arguments: Any) -> dict[str, Any]:
    """Decode a stream, which must be exact; the summary."""
    each = stream(name)
    with opened(each.codec, **arguments) as decoder:
        decoder.submit(each.read())
        frames = [frame.to_host() for frame in decoder.flush()]
        assert frames_md5(frames) == each.yuv_md5
        return decoder.summary()


@pytest.mark.parametrize("memory", ["host", "device"])
@pytest.mark.parametrize("surfaces", [1, 4, 16])
@pytest.mark.parametrize(
    "name",
    [
        "generated/small144x144.h264",
        "generated/main_cabac_b2.h264",
        "generated/main_320x240_b4.h265",
    ],
)
def test_no_surface_is_decoded_into_before_it_is_copied(
    name: str, surfaces: int, memory: str
) -> None:
    summary = whole(name, memory=memory, options=NvidiaDecoderOptions(surfaces=surfaces))
    assert summary["decoders_created"] == 1


def test_pictures_that_wait_have_surfaces_of_their_own() -> None:
    # Between its IDR pictures; those show all that waits at once.
    units = Scenario("", "generated/main_cabac_b2.h264", tuple(range(12))).units()
    with opened("h264") as decoder:
        for unit in units:
            decoder.submit(unit)
        assert len(decoder.flush()) == 12
        assert decoder.summary()["mapped_early"] == 0


def test_decoders_of_other_streams_are_adopted_exactly() -> None:
    made = [
        whole(name)["decoders_created"]
        for name in (
            "generated/crop_322x182.h265",
            "generated/main_320x240_b4.h265",  # narrower, but higher
            "generated/main10_320x240.h265",
            "generated/main12_420.h265",
            "generated/main_320x240_b4.h265",
            "generated/main_cabac_b2.h264",
            "generated/crop_130x98.h264",
            "generated/crop_322x182.h265",
        )
    ]
    assert made == [1, 1, 1, 1, 0, 1, 0, 0]


def test_a_frame_on_the_device_is_read_behind_its_copy(decoding: Emulator) -> None:
    (right,) = pixels(_frames(PLANAR, 1))
    release(decoding)  # memory that holds this very picture would hide what is wrong
    decoding.fault("cuEventSynchronize", "stall", 0)  # the worker, before it unmaps
    with PLANAR.decoder() as decoder:
        decoder.submit(PLANAR.units()[0])
        with pytest.raises(TimeoutError):
            decoder.flush(0.01)
        wait_for(decoding.stalled)
        frame = decoder.try_reap()
        assert frame is not None
        assert pixels([frame]) == [right]
        decoding.clear_faults()


def _frames(scenario: Scenario, count: int) -> list[Frame]:
    with scenario.decoder() as decoder:
        for unit in scenario.units()[:count]:
            decoder.submit(unit)
        return decoder.flush()


def test_a_block_is_written_again_when_all_that_read_it_is_done(decoding: Emulator) -> None:
    """One session's picture waits to be downloaded while another uses the same device memory."""
    (right,) = pixels(_frames(DOWNLOADED, 1))
    with DOWNLOADED.decoder() as slow, DOWNLOADED.decoder() as fast:
        decoding.fault("cuEventSynchronize", "stall", 0)
        slow.submit(DOWNLOADED.units()[0])
        waiting = Call(slow.flush)
        wait_for(decoding.stalled)
        for unit in DOWNLOADED.units():
            fast.submit(unit)
        assert len(fast.flush(PATIENCE_SECONDS)) == 3
        decoding.clear_faults()
        assert pixels(waiting.join()) == [right]


def test_memory_of_decoders_is_given_up_for_frames(decoding: Emulator) -> None:
    run(RESIZED)  # leaves a decoder of HEVC
    decoding.forget()
    decoding.fault("cuMemAlloc_v2", "fail", OUT_OF_MEMORY)
    outcome = run(PLANAR)
    assert outcome.errors == []
    assert len(outcome.pictures) == len(PLANAR.units())
    assert "cuvidDestroyDecoder" in decoding.log()


def test_memory_of_decoders_is_given_up_for_another(decoding: Emulator) -> None:
    run(RESIZED)
    decoding.forget()
    decoding.fault("cuvidCreateDecoder", "fail", OUT_OF_MEMORY)
    outcome = run(NATIVE)
    assert outcome.errors == []
    assert len(outcome.pictures) == len(NATIVE.units())
    log = decoding.log()
    first = log.index("cuvidCreateDecoder")
    assert "cuvidDestroyDecoder" in log[first : log.index("cuvidCreateDecoder", first + 1)]


def test_a_flush_with_a_full_queue_gives_everything() -> None:
    right = pixels(_frames(NATIVE, 8))
    with opened("h264", max_in_flight=2) as decoder:
        decoder.submit(b"".join(NATIVE.units()))
        with pytest.raises(TimeoutError):
            decoder.flush(0)
        wait_for(lambda: decoder.summary()["ready"] >= 2)
        assert pixels(decoder.flush(PATIENCE_SECONDS)) == right


def test_a_reset_frees_the_place_of_what_was_ready() -> None:
    right = pixels(_frames(NATIVE, 8))
    with opened("h264", max_in_flight=2) as decoder:
        with suppress(Backpressure):  # as soon as two are ready
            for unit in NATIVE.units():
                decoder.submit(unit)
        wait_for(lambda: decoder.summary()["ready"] >= 2)
        decoder.reset()
        assert decoder.summary()["ready"] == 0
        frames: list[Frame] = []
        for unit in NATIVE.units():
            decoder.submit(unit)
            while (frame := decoder.try_reap()) is not None:
                frames.append(frame)
        frames += decoder.flush(PATIENCE_SECONDS)
        assert pixels(frames) == right


@pytest.mark.parametrize(
    "call", ["cuvidMapVideoFrame64", "cuvidParseVideoData", "cuvidDecodePicture"]
)
def test_nothing_of_before_a_reset_comes_after_it(decoding: Emulator, call: str) -> None:
    right = pixels(_frames(NATIVE, 8))
    decoding.fault(call, "stall", 0, 5)
    with NATIVE.decoder() as decoder:
        for unit in NATIVE.units():
            decoder.submit(unit)
        wait_for(decoding.stalled)
        resetting = Call(decoder.reset).until_it_waits()
        decoding.clear_faults()
        resetting.join()
        for unit in NATIVE.units():
            decoder.submit(unit)
        assert pixels(decoder.flush(PATIENCE_SECONDS)) == right


def test_a_close_while_a_reset_is_under_way(decoding: Emulator) -> None:
    decoding.fault("cuvidDecodePicture", "stall", 0, 5)
    decoder = NATIVE.decoder()
    for unit in NATIVE.units():
        decoder.submit(unit)
    wait_for(decoding.stalled)
    resetting = Call(decoder.reset).until_it_waits()
    closing = Call(decoder.close)
    resetting.wait()  # it does not wait for the driver
    assert resetting.raised is not None
    decoding.clear_faults()
    closing.join()


def test_pictures_that_are_left_out_take_no_room(decoding: Emulator) -> None:
    """All are damaged, and more of them are shown than outputs may wait."""
    library = c.CDLL(str(decoding.folder / "libnvcuvid.so.1"))
    units = Scenario("", SMALL, tuple(range(12))).units()
    for number in range(1, len(units) + 1):
        library.videohw_emulator_decode_status(c.c_ulonglong(number), STATUS_ERROR)
    try:
        with opened("h264", on_error="skip", max_in_flight=2) as decoder:
            for number, unit in enumerate(units):
                decoder.submit(unit, number)
            assert decoder.flush(PATIENCE_SECONDS) == []
            assert decoder.summary()["reasons"] == {"skipped": len(units)}
    finally:
        library.videohw_emulator_clear_decode_status()


def test_a_picture_without_its_first_slice_is_decoded(decoding: Emulator) -> None:
    """The parser is told not to drop pictures of which much is lost: ``on_error`` decides."""
    each = stream("jcodec__jcodec/seq_flat_10slices/test.264")
    units = open_assembler("h264")
    units.feed(each.read())
    units.finish()
    damaged, lost = [list(map(bytes, unit.nal_units())) for unit in units], 1
    first = next(number for number, nal in enumerate(damaged[lost]) if nal[0] & 31 in (1, 5))
    assert len(damaged[lost]) > first + 1
    del damaged[lost][first]
    with opened("h264", on_error="conceal") as decoder:
        for number, nals in enumerate(damaged):
            decoder.submit(nals, number, layout="access_unit")
        frames = decoder.flush(PATIENCE_SECONDS)
    assert [frame.pts for frame in frames] == list(range(len(damaged)))
    assert frames[lost].corrupt


def with_chroma_of_8_bits(data: bytes) -> bytes:
    """A stream of HEVC in 10 bits whose SPS states 8 for chroma."""
    nals = annexb_to_nals(data)
    place = next(index for index, nal in enumerate(nals) if nal[0] >> 1 & 63 == SPS)
    width = parse_sps(nals[place]).width
    text = "".join(f"{byte:08b}" for byte in unescape(nals[place]))
    at = -1
    while (at := text.index("011011", at + 1)) >= 0:  # bit_depth_luma_minus8, the same of chroma: 2
        changed = text[: at + 3] + "1" + text[at + 6 :]
        changed += "0" * (-len(changed) % 8)
        made = bytes(int(changed[k : k + 8], 2) for k in range(0, len(changed), 8))
        with suppress(InvalidBitstream):
            new = parse_sps(escape(made))
            if (new.bit_depth_luma, new.bit_depth_chroma, new.width) == (10, 8, width):
                nals[place] = escape(made)
                return nals_to_annexb(nals)
    raise AssertionError("no depths in the SPS")


def test_another_depth_for_chroma_is_refused() -> None:
    data = with_chroma_of_8_bits(stream("generated/main10_320x240.h265").read())
    with opened("hevc") as decoder:
        decoder.submit(data)
        with pytest.raises(UnsupportedConfig, match="10 bits for luma and 8 for chroma"):
            decoder.flush(PATIENCE_SECONDS)


def test_the_device_is_asked_for_a_format_once(decoding: Emulator) -> None:
    forget()
    before = decoding.report()["calls"].get("cuvidGetDecoderCaps", 0)
    for _ in range(3):
        with opened(stream(SMALL).codec) as decoder:
            for _ in range(3):
                decoder.submit(stream(SMALL).read())
                assert decoder.flush(PATIENCE_SECONDS)
    # Whether the device has the codec at all, which is the format of this stream.
    assert decoding.report()["calls"].get("cuvidGetDecoderCaps", 0) - before == 1


def test_the_first_picture_does_not_wait_until_the_chip_has_more(decoding: Emulator) -> None:
    with opened(stream(SMALL).codec) as decoder:
        for _ in range(2):
            decoding.forget()
            decoder.submit(stream(SMALL).read())
            assert decoder.reap_timeout(PATIENCE_SECONDS)
            log = decoding.log()
            decoded = log[: log.index("cuvidMapVideoFrame64")].count("cuvidDecodePicture")
            assert decoded == 3  # two follow it in the order of the stream
            decoder.reset()


@pytest.mark.parametrize("memory", ["host", "device"])
def test_a_vp9_picture_that_is_still_read_is_shown_again(memory: str) -> None:
    """The driver maps a picture once at a time."""
    calls = [packets("vp9")[0], *[b"\x88"] * 4]
    with opened("vp9", memory=memory) as decoder:
        for data in calls:
            decoder.submit(data)
        frames = decoder.flush(PATIENCE_SECONDS)
        assert len(set(pixels(frames))) == 1
    assert len(frames) == len(calls)
