"""With its pipeline on, a software session gives exactly what it gives without."""

from __future__ import annotations

import gc
import hashlib
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.backends.decoding import (
    PATIENCE_SECONDS,
    Decoded,
    assert_account,
    decode_bytes,
)
from tests.backends.encoding import encode, needs_encoder, nv12_pictures
from tests.corpus import data_streams
from tests.pipeline.threads import Call
from videohw.decoder import Decoder
from videohw.encoder import Encoder
from videohw.errors import InvalidInput, SessionClosed
from videohw.software import pixel_workers
from videohw.software_options import SoftwareDecoderOptions, SoftwareEncoderOptions
from videohw.types import ConstantQp

# Where a picture is cut off nobody wrote its last rows: they differ from run to run.
STREAMS = {
    each.name: each
    for each in data_streams()
    if each.frames and not each.damaged and "truncated" not in each.name
}
SWITCHES = ("VIDEO_HW_SW_PIPELINE", "VIDEO_HW_SW_PIPELINE_QUEUE")
H264 = "generated/main_cabac_b2.h264"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("av", reason="PyAV is not installed")
    for name in SWITCHES:
        monkeypatch.delenv(name, raising=False)


def described(decoded: Decoded) -> list[Any]:
    """Everything that a frame says, and a checksum of its pixels."""
    rows: list[Any] = []
    for frame in decoded.frames:
        digest = hashlib.md5(usedforsecurity=False)
        for plane in frame.planes:
            digest.update(np.ascontiguousarray(plane).tobytes())
        rows.append((
            digest.hexdigest(), frame.format, frame.width, frame.height, frame.pts, frame.color,
            frame.keyframe, frame.corrupt, frame.field_order, frame.decode_index,
            frame.sample_aspect_ratio, [plane.shape for plane in frame.planes],
        ))  # fmt: skip
    return rows


def decoded(codec: str, data: bytes, on: bool, **arguments: Any) -> Decoded:
    options = SoftwareDecoderOptions(threads=1, pipeline=on, pipeline_queue=3)
    return decode_bytes(Decoder(codec, options=options, **arguments), data)


def comparable(summary: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in summary.items() if not key.startswith("pipeline")}


@pytest.mark.parametrize("name", sorted(STREAMS))
def test_decoders_give_the_same_pictures(name: str) -> None:
    each = STREAMS[name]
    off, on = (decoded(each.codec, each.read(), on, output="rgb24") for on in (False, True))
    assert described(on) == described(off)
    assert [repr(error) for error in on.errors] == [repr(error) for error in off.errors]
    assert comparable(on.summary) == comparable(off.summary)
    assert_account(on.summary)


@pytest.mark.parametrize(
    "arguments",
    [
        {"output": "native"},
        {"output": "metadata"},
        {"output": "nv12"},
        {"output": "rgb_float32", "max_in_flight": 1},
        {"output": "native", "size": (99, 55)},
        {"output": "bgra", "crop": (3, 5, 61, 41), "size": (40, 30), "low_latency": True},
        {"output": "p010", "max_in_flight": 2},
    ],
    ids=str,
)
def test_outputs_are_the_same(arguments: dict[str, Any]) -> None:
    data = STREAMS[H264].read()
    off, on = (decoded("h264", data, on, **arguments) for on in (False, True))
    assert described(on) == described(off)
    assert comparable(on.summary) == comparable(off.summary)
    converts = arguments["output"] not in ("native", "metadata") or "size" in arguments
    assert (on.summary["pipeline_peak"] > 0) == converts
    assert (off.summary["pipeline"], off.summary["pipeline_peak"]) == (False, None)


@pytest.mark.parametrize("on_error", ["raise", "skip", "resync", "conceal"])
@pytest.mark.parametrize(
    "name", [each.name for each in data_streams() if each.damaged and each.codec == "h264"]
)
def test_damaged_streams_have_the_same_account(name: str, on_error: str) -> None:
    """Only the pixels of damaged pictures may differ: where nothing was decoded, nobody wrote."""
    each = next(each for each in data_streams() if each.name == name)
    off, on = (
        decoded(each.codec, each.read(), on, output="rgb24", on_error=on_error)
        for on in (False, True)
    )
    assert [(f.pts, f.decode_index, f.corrupt) for f in on.frames] == [
        (f.pts, f.decode_index, f.corrupt) for f in off.frames
    ]
    assert [repr(error) for error in on.errors] == [repr(error) for error in off.errors]
    assert comparable(on.summary) == comparable(off.summary)


@pytest.mark.parametrize("on", [False, True])
def test_what_cannot_be_converted_is_an_error_in_its_place(on: bool) -> None:
    """A crop outside of the picture: one error for each, counted, and the session goes on."""
    result = decoded("h264", STREAMS[H264].read(), on, output="rgb24", crop=(0, 0, 4000, 4000))
    assert result.frames == []
    assert len(result.errors) == STREAMS[H264].frames
    assert {type(error) for error in result.errors} == {InvalidInput}
    assert result.summary["reasons"] == {"undecodable": STREAMS[H264].frames}
    assert_account(result.summary)


# Encoders


@pytest.mark.parametrize(
    ("codec", "arguments"),
    [
        ("h264", {"input": "rgb24"}),
        ("h264", {"input": "bgr24", "b_frames": 2}),
        ("h264", {"input": "bgra", "max_in_flight": 1}),
        ("hevc", {"input": "rgb24", "profile": "main10"}),
        ("av1", {"input": "nv12"}),
    ],
    ids=str,
)
def test_encoders_give_the_same_bytes(codec: str, arguments: dict[str, Any]) -> None:
    needs_encoder(codec)
    width, height = 96, 64
    pictures: list[Any] = nv12_pictures(12, width, height)
    channels = {"rgb24": 3, "bgr24": 3, "bgra": 4}.get(arguments["input"])
    if channels is not None:
        rng = np.random.default_rng(4)
        pictures = [rng.integers(0, 256, (height, width, channels), np.uint8) for _ in range(12)]
    made, summaries = [], []
    for on in (False, True):
        options = SoftwareEncoderOptions(threads=1, pipeline=on, pipeline_queue=2)
        with Encoder(
            codec, width, height, fps=30, preset="fastest", rate_control=ConstantQp(30),
            options=options, **arguments,
        ) as encoder:  # fmt: skip
            made.append(encode(encoder, pictures, forced=(5,)))
            summaries.append(encoder.summary())
    off, on_ = made
    assert [(p.data, p.pts, p.dts, p.keyframe) for p in on_] == [
        (p.data, p.pts, p.dts, p.keyframe) for p in off
    ]
    assert comparable(summaries[1]) == comparable(summaries[0])
    assert summaries[1]["pipeline_peak"] >= 1


def test_pictures_that_need_no_conversion_make_no_work() -> None:
    needs_encoder("h264")
    threads = {thread.name for thread in threading.enumerate()}
    with Encoder(
        "h264", 96, 64, fps=30, input="i420", preset="fastest",
        options=SoftwareEncoderOptions(pipeline=True),
    ) as encoder:  # fmt: skip
        encode(encoder, [np.zeros((96, 96), np.uint8)] * 3)
        assert encoder.summary()["pipeline_peak"] == 0
        assert "videohw-pixels" not in {thread.name for thread in threading.enumerate()} - threads


# Switches


@pytest.mark.parametrize(
    ("environment", "options", "expected"),
    [
        ({}, {}, (False, None)),
        ({SWITCHES[0]: "1"}, {}, (True, 16)),
        ({SWITCHES[0]: "TRUE"}, {"pipeline": None}, (True, 16)),
        ({SWITCHES[0]: "yes"}, {}, (False, None)),
        ({SWITCHES[0]: "1"}, {"pipeline": False}, (False, None)),
        ({}, {"pipeline": True}, (True, 16)),
        ({SWITCHES[1]: "5"}, {"pipeline": True}, (True, 5)),
        ({SWITCHES[1]: "5"}, {"pipeline": True, "pipeline_queue": 7}, (True, 7)),
        ({SWITCHES[1]: "0"}, {"pipeline": True}, (True, 1)),
        ({SWITCHES[1]: "99999"}, {"pipeline": True}, (True, 1024)),
        ({SWITCHES[1]: "many"}, {"pipeline": True}, (True, 16)),
    ],
)
def test_an_option_wins_over_the_environment(
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    options: dict[str, Any],
    expected: tuple[bool, int | None],
) -> None:
    needs_encoder("h264")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with Decoder("h264", options=SoftwareDecoderOptions(**options)) as decoder:
        summary = decoder.summary()
    assert (summary["pipeline"], summary["pipeline_queue"]) == expected
    with Encoder(
        "h264", 64, 64, fps=30, max_in_flight=8, options=SoftwareEncoderOptions(**options)
    ) as encoder:
        summary = encoder.summary()
    assert (summary["pipeline"], summary["pipeline_queue"]) == expected


@pytest.mark.parametrize(("in_flight", "queue"), [(1, 4), (3, 6), (40, 80), (500, 128)])
def test_the_queue_follows_max_in_flight(in_flight: int, queue: int) -> None:
    options = SoftwareDecoderOptions(pipeline=True)
    with Decoder("h264", max_in_flight=in_flight, options=options) as decoder:
        assert decoder.summary()["pipeline_queue"] == queue


@pytest.mark.parametrize("options", [SoftwareDecoderOptions, SoftwareEncoderOptions])
def test_wrong_options_are_named(options: Any) -> None:
    for name, wrong in (("pipeline", 1), ("pipeline_queue", 0), ("pipeline_queue", 1025)):
        with pytest.raises(InvalidInput) as refused:
            options(**{name: wrong})
        assert refused.value.argument == f"options.{name}"


# Life


@pytest.fixture
def slow_conversions(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Conversions on workers stop until the event is set."""
    opened = threading.Event()
    begin = pixel_workers.PixelWorkers.begin

    def begin_slowly(self: Any, convert: Any, argument: Any) -> Any:
        def wait_and_convert(argument: Any) -> Any:
            assert opened.wait(PATIENCE_SECONDS)
            return convert(argument)

        return begin(self, wait_and_convert, argument)

    monkeypatch.setattr(pixel_workers.PixelWorkers, "begin", begin_slowly)
    yield opened
    opened.set()


def pipelined() -> Decoder:
    options = SoftwareDecoderOptions(threads=1, pipeline=True)
    return Decoder("h264", output="rgb24", max_in_flight=4, options=options)


def test_frames_in_work_hold_their_place_and_close_ends_the_waits(
    slow_conversions: threading.Event,
) -> None:
    decoder = pipelined()
    decoder.submit(STREAMS[H264].read())
    assert decoder.reap_timeout(0.05) is None
    waiting = [Call(lambda: decoder.reap_timeout(None)), Call(decoder.flush)]
    closing = Call(decoder.close)
    assert {type(call.outcome()) for call in waiting} == {SessionClosed}
    slow_conversions.set()
    assert closing.outcome() is None


def test_reset_settles_what_is_in_work(slow_conversions: threading.Event) -> None:
    data = STREAMS[H264].read()
    with pipelined() as decoder:
        decoder.submit(data)
        assert decoder.reap_timeout(0.05) is None
        resetting = Call(decoder.reset)
        slow_conversions.set()
        assert resetting.outcome() is None
        frames = list(decoder.decode([data]))
        assert len(frames) == STREAMS[H264].frames
        assert_account(decoder.summary())


@pytest.mark.filterwarnings("ignore:.*was not closed:ResourceWarning")
def test_a_forgotten_session_leaves_no_thread() -> None:
    before = set(threading.enumerate())
    decoder = pipelined()
    decoder.submit(STREAMS[H264].read())
    assert decoder.reap_timeout(PATIENCE_SECONDS) is not None
    mine = set(threading.enumerate()) - before
    assert len(mine) >= 2
    del decoder
    gc.collect()
    for thread in mine:
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()
