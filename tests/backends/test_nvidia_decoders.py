"""NVIDIA: decoders kept between sessions, changes of the sequence, a driver that is stuck."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.backends.conftest import BackendCase, on_nvidia
from tests.backends.damaged import everything
from tests.backends.decoding import PATIENCE_SECONDS, Decoded, assert_account, decode_bytes
from tests.backends.faults import Faults
from tests.backends.oracle import frames_md5
from tests.backends.pcm import PcmStream, Vui, gray_units, joined, number_of
from tests.backends.waiting import Call, wait_for
from tests.corpus import stream
from videohw.decoder import Decoder
from videohw.errors import Backpressure, DeviceLost, SessionClosed, VideoHwError
from videohw.nvidia.options import NvidiaDecoderOptions

LARGE, SMALL = "generated/mbaff_tff.h264", "generated/main_cabac_b2.h264"  # 352x288, 320x240
HEVC = "generated/main_320x240_b4.h265"
pytestmark = on_nvidia


@pytest.fixture(autouse=True)
def nothing_kept(backend: BackendCase) -> None:
    """No decoder is left of another test, and the limits are those at first."""
    with backend.decoder("h264", options=NvidiaDecoderOptions(idle_decoder_bytes=0)) as decoder:
        wait_for(lambda: decoder.summary()["decoders_idle"] == 0)
    options = NvidiaDecoderOptions(idle_decoder_bytes=1 << 30, idle_decoder_seconds=30.0)
    backend.decoder("h264", options=options).close()


def decoded(backend: BackendCase, name: str, **arguments: Any) -> Decoded:
    """What a session makes of a stream, which must be exact."""
    each = stream(name)
    got = decode_bytes(backend.decoder(each.codec, **arguments), each.read())
    assert got.errors == []
    assert_account(got.summary)
    assert frames_md5(got.frames) == each.yuv_md5
    return got


def idle(backend: BackendCase) -> int:
    with backend.decoder("h264") as decoder:
        return int(decoder.summary()["decoders_idle"])


def made(got: Decoded) -> tuple[int, int]:
    return got.summary["decoders_created"], got.summary["decoders_adopted"]


def test_the_next_session_adopts_the_decoder(backend: BackendCase) -> None:
    assert made(decoded(backend, SMALL)) == (1, 0)
    assert idle(backend) == 1
    assert made(decoded(backend, SMALL)) == (0, 1)
    assert idle(backend) == 1


def test_a_smaller_stream_fits_into_the_decoder_of_a_larger(backend: BackendCase) -> None:
    decoded(backend, LARGE)
    smaller = decoded(backend, SMALL)
    assert made(smaller) == (0, 1)
    assert smaller.summary["decoders_reconfigured"] == 1
    assert made(decoded(backend, LARGE)) == (0, 1)  # it is as large as ever


def test_a_larger_stream_needs_its_own(backend: BackendCase) -> None:
    decoded(backend, SMALL)
    assert made(decoded(backend, LARGE)) == (1, 0)
    assert idle(backend) == 2


def test_another_codec_needs_its_own(backend: BackendCase) -> None:
    decoded(backend, SMALL)
    assert made(decoded(backend, HEVC)) == (1, 0)
    assert made(decoded(backend, "generated/main10_320x240.h265")) == (1, 0)
    assert idle(backend) == 3


def test_two_sessions_at_once_have_a_decoder_each(backend: BackendCase) -> None:
    each = stream(SMALL)
    decoders = [backend.decoder("h264", max_in_flight=100) for _ in range(2)]
    for decoder in decoders:
        decoder.submit(each.read())
    for decoder in decoders:
        assert frames_md5(decoder.flush(PATIENCE_SECONDS)) == each.yuv_md5
        assert decoder.summary()["decoders_created"] == 1
        decoder.close()
    assert idle(backend) == 2


def test_a_decoder_that_saw_an_error_is_not_kept(backend: BackendCase, faults: Faults) -> None:
    each = stream(SMALL)
    faults.arm("refuse", after=3)
    got = decode_bytes(backend.decoder("h264", on_error="skip"), each.read())
    assert got.summary["reasons"]
    assert idle(backend) == 0
    assert made(decoded(backend, SMALL)) == (1, 0)


def test_bytes_limit_what_is_kept(backend: BackendCase) -> None:
    options = NvidiaDecoderOptions(idle_decoder_bytes=0)
    for _ in range(2):
        assert made(decoded(backend, SMALL, options=options)) == (1, 0)
    assert idle(backend) == 0


def test_time_limits_what_is_kept(backend: BackendCase) -> None:
    decoded(backend, SMALL, options=NvidiaDecoderOptions(idle_decoder_seconds=0.05))
    wait_for(lambda: idle(backend) == 0)
    assert made(decoded(backend, SMALL)) == (1, 0)


# Changes of the sequence


@pytest.mark.parametrize(
    ("widths", "created", "reconfigured"),
    [
        ((8, 4, 8, 4), 1, 3),  # within the largest size
        ((4, 8, 4, 8), 2, 2),  # the second is larger than the decoder was made for
        ((4, 8, 12), 3, 0),
        ((4, 4, 4), 1, 0),
    ],
)
def test_sizes_change_by_reconfiguring_where_they_fit(
    backend: BackendCase, widths: tuple[int, ...], created: int, reconfigured: int
) -> None:
    units = [unit for width in widths for unit in gray_units(5, PcmStream(columns=width, rows=2))]
    got = decode_bytes(backend.decoder("h264"), joined(units))
    assert got.errors == []
    assert [frame.width for frame in got.frames] == [16 * w for w in widths for _ in range(5)]
    lumas = [number_of(int(frame.planes[0][0, 0])) for frame in got.frames]
    assert lumas == list(range(5)) * len(widths)
    summary = got.summary
    assert (summary["decoders_created"], summary["decoders_reconfigured"]) == (
        created, reconfigured,
    )  # fmt: skip


def test_a_change_of_the_crop_alone_is_followed(backend: BackendCase) -> None:
    """130x98 of 144x112, then all of it: the decoder stays."""
    each = stream("generated/crop_130x98.h264")
    whole = joined(gray_units(5, PcmStream(columns=9, rows=7)))
    got = decode_bytes(backend.decoder("h264"), each.read() + whole + each.read())
    assert got.errors == []
    count = each.frames
    assert [(frame.width, frame.height) for frame in got.frames] == [
        *[(130, 98)] * count, *[(144, 112)] * 5, *[(130, 98)] * count,
    ]  # fmt: skip
    assert frames_md5(got.frames[:count]) == frames_md5(got.frames[-count:]) == each.yuv_md5
    assert got.summary["decoders_created"] == 1
    assert got.summary["decoders_reconfigured"] == 2


def test_what_our_parser_alone_knows_of_a_sequence_is_followed(backend: BackendCase) -> None:
    """Chroma siting is not in CUVIDEOFORMAT."""
    units = [
        unit for place in (2, 0, 2) for unit in gray_units(3, PcmStream(vui=Vui(siting=place)))
    ]
    got = decode_bytes(backend.decoder("h264"), joined(units))
    assert [frame.color.siting for frame in got.frames] == [
        *["topleft"] * 3, *["left"] * 3, *["topleft"] * 3,
    ]  # fmt: skip


# Bounds


@pytest.mark.parametrize("memory", ["host", "device"])
@pytest.mark.parametrize("surfaces", [1, 16])
def test_surfaces_are_bounded(backend: BackendCase, memory: str, surfaces: int) -> None:
    """A hundred access units in one call, and room for one output."""
    units = gray_units(100, PcmStream(vui=Vui(num_reorder=0)))
    options = NvidiaDecoderOptions(surfaces=surfaces)
    with backend.decoder("h264", max_in_flight=1, memory=memory, options=options) as decoder:
        decoder.submit(joined(units))
        wait_for(lambda: decoder.summary()["ready"] == 1)
        with pytest.raises(Backpressure):
            decoder.submit(joined(units[:1]))
        frames = decoder.flush(PATIENCE_SECONDS)
        assert decoder.summary()["decoders_created"] == 1
    lumas = [number_of(int(frame.to_host().planes[0][0, 0])) for frame in frames]
    assert lumas == list(range(100))


def one_by_one(backend: BackendCase, **arguments: Any) -> None:
    with backend.decoder("h264", low_latency=True, **arguments) as decoder:
        for number, unit in enumerate(gray_units(30, PcmStream(vui=Vui(num_reorder=0)))):
            decoder.submit(unit, number, layout="access_unit")
            frame = decoder.reap_timeout(PATIENCE_SECONDS)
            assert frame is not None
            assert frame.pts == number


@pytest.mark.parametrize("memory", ["host", "device"])
@pytest.mark.parametrize("output", ["native", "rgb_planar", "metadata"])
def test_low_latency_of_every_output(backend: BackendCase, memory: str, output: str) -> None:
    """A picture is there before the next access unit is given."""
    one_by_one(backend, memory=memory, output=output)


# Closing, and a driver that does not come back


@pytest.mark.parametrize("state", ["idle", "reaping", "flushing", "submitting", "full"])
def test_close_ends_every_wait(backend: BackendCase, state: str) -> None:
    decoder = backend.decoder("h264", max_in_flight=1)
    if state in ("submitting", "full", "flushing"):
        decoder.submit(joined(gray_units(50)))
        wait_for(lambda: decoder.summary()["ready"] == 1)
    waits = {
        "reaping": lambda: decoder.reap_timeout(None),
        "flushing": lambda: list(iter(lambda: time.sleep(0) or decoder.flush(), None)),
        "submitting": lambda: decoder.submit(b"\0\0\1\x65", timeout=None),
    }
    waiter = Call(waits[state]).until_it_waits() if state in waits else None
    decoder.close()
    if waiter is not None:
        waiter.wait()
        assert isinstance(waiter.raised, SessionClosed)
    with pytest.raises(SessionClosed):
        decoder.try_reap()


def test_close_ends_waits_while_the_driver_is_stuck(backend: BackendCase, faults: Faults) -> None:
    decoder = backend.decoder("h264")
    faults.arm("stall", after=1)
    decoder.submit(joined(gray_units(5)))
    assert faults.wait_until_stalled(PATIENCE_SECONDS)
    reaping = Call(lambda: [decoder.reap_timeout(None) for _ in range(9)]).until_it_waits()
    closing = Call(decoder.close)
    reaping.wait()  # though the worker is inside of the driver
    assert isinstance(reaping.raised, SessionClosed)
    assert not closing.ended
    faults.release()
    closing.join()


def use(decoder: Decoder, call: str) -> None:
    """Until it raises."""
    while True:
        if call == "flush":
            decoder.flush()
        elif call == "submit":
            decoder.submit(b"\0\0\1\x65", timeout=None)
        else:
            decoder.reap_timeout(None)


@pytest.mark.parametrize("call", ["reap", "flush", "submit"])
def test_a_stuck_driver_is_told_within_its_bound(
    backend: BackendCase, faults: Faults, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    decoder = backend.decoder("h264", max_pending_bytes=1)
    faults.arm("stall", after=2)
    decoder.submit(joined(gray_units(5)))
    assert faults.wait_until_stalled(PATIENCE_SECONDS)
    # Not before: other calls may take as long on a machine with other work.
    monkeypatch.setattr("videohw.nvidia.decoder.STUCK_SECONDS", 0.2)
    began = time.monotonic()
    with pytest.raises(VideoHwError) as told:
        use(decoder, call)
    if call != "submit":
        assert isinstance(told.value, DeviceLost)
        assert "did not come back" in str(told.value)
        assert decoder.summary()["abandoned"]
    decoder.close()  # does not wait for the driver
    assert time.monotonic() - began < PATIENCE_SECONDS / 3
    other = Call(lambda: decoded(backend, HEVC))
    faults.release()
    other.join()
    assert idle(backend) >= 1


def test_errors_under_conceal_leave_the_rest_exact(backend: BackendCase, faults: Faults) -> None:
    """A picture that the driver refused is not mapped: nothing of it can be shown."""
    each = stream(SMALL)
    faults.arm("refuse", after=10)
    with backend.decoder("h264", on_error="conceal", max_in_flight=100) as decoder:
        decoder.submit(each.read())
        frames = everything(decoder)
        summary = decoder.summary()
    assert len(frames) == each.frames - 1
    assert summary["reasons"] == {"undecodable": 1}
