"""The scheduler between real sessions gives what one loop gives, and its end ends theirs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import videohw
from tests.backends.encoding import needs_encoder
from tests.corpus import data_streams
from tests.pipeline.threads import PATIENCE_SECONDS, Call
from videohw.errors import Backpressure, InvalidInput, SessionClosed
from videohw.pipeline import KEEP_NATIVE, PipelineEvent, PipelineScheduler
from videohw.software_options import SoftwareDecoderOptions, SoftwareEncoderOptions
from videohw.types import ConstantQp, Packet

STREAMS = {each.name: each for each in data_streams()}
NAME = "generated/main_cabac_b2.h264"


@pytest.fixture(autouse=True)
def codecs() -> None:
    pytest.importorskip("av", reason="PyAV is not installed")
    needs_encoder("h264")


def encoder(**arguments: Any) -> videohw.Encoder:
    return videohw.Encoder(
        "h264", 64, 48, fps=30, input="i420", preset="fastest", rate_control=ConstantQp(30),
        options=SoftwareEncoderOptions(threads=1), **arguments,
    )  # fmt: skip


def smaller(frame: videohw.Frame) -> videohw.Frame:
    return frame.convert("i420", size=(64, 48))


def test_decoder_transform_encoder_on_one_thread_of_the_caller() -> None:
    """Bytes in, packets out: what its Backpressure asks for is to reap the encoder."""
    data, packets = STREAMS[NAME].read(), []
    options = SoftwareDecoderOptions(threads=1)
    with videohw.Decoder("h264", options=options) as decoder, encoder() as target:
        serial = list(target.encode(smaller(frame) for frame in decoder.decode([data])))
    with (
        videohw.Decoder("h264", options=options) as decoder,
        encoder(max_in_flight=2) as target,
        PipelineScheduler(target, smaller, workers=2, capacity=3) as pipeline,
    ):
        for frame in decoder.decode([data]):
            while not taken(pipeline, frame):
                packets += reaped(target)
        while not drained(pipeline):
            packets += reaped(target)
        packets += target.flush()
    assert [(p.data, p.pts) for p in packets] == [(p.data, p.pts) for p in serial]
    assert len(packets) == STREAMS[NAME].frames


def taken(pipeline: PipelineScheduler, frame: videohw.Frame) -> bool:
    try:
        pipeline.submit(frame)
    except Backpressure:
        return False
    return True


def drained(pipeline: PipelineScheduler) -> bool:
    try:
        pipeline.drain(0.01)
    except TimeoutError:
        return False
    return True


def reaped(target: videohw.Encoder) -> list[Packet]:
    packet = target.reap_timeout(0.01)
    return [] if packet is None else [packet]


@pytest.mark.parametrize("transform", [KEEP_NATIVE, lambda frame: frame], ids=["kept", "function"])
def test_reader_to_writer(tmp_path: Path, transform: Callable[[Any], Any]) -> None:
    source, target = tmp_path / "source.h264", tmp_path / "target.mp4"
    source.write_bytes(STREAMS[NAME].read())
    with videohw.open(source) as reader:
        width, height = reader.width, reader.height
    with (
        videohw.open(source) as reader,
        videohw.VideoWriter(target, codec="h264", width=width, height=height, fps=25) as writer,
        PipelineScheduler(writer.write, transform) as pipeline,
    ):
        pipeline.pump(reader)
    with videohw.open(target) as reader:
        assert sum(1 for _ in reader) == STREAMS[NAME].frames == pipeline.snapshot().delivered


def test_damage_is_told_and_the_decoder_goes_on() -> None:
    """Half of a picture is lost: its error comes between the frames, which all go on."""
    each = next(each for each in data_streams() if each.damaged and each.codec == "h264")
    seen: list[Any] = []

    def told(event: PipelineEvent) -> None:
        seen.append(event.error)

    options = SoftwareDecoderOptions(threads=1)
    with videohw.Decoder("h264", options=options, max_in_flight=1000) as decoder:
        decoder.submit(each.read())
        with PipelineScheduler(seen.append, on_event=told) as pipeline:
            pipeline.pump(decoder)
        summary = decoder.summary()
    frames = [item for item in seen if isinstance(item, videohw.Frame)]
    assert len(frames) == summary["delivered"] == pipeline.snapshot().delivered
    assert len(seen) - len(frames) == pipeline.snapshot().source_errors


def test_what_the_encoder_refuses_is_told_with_its_frame() -> None:
    events: list[PipelineEvent] = []
    with encoder() as target:
        pipeline = PipelineScheduler(target, on_event=events.append)
        with pipeline:
            pipeline.submit("no picture")
        assert [(event.reason, event.frame) for event in events] == [("sink", "no picture")]
        assert isinstance(events[0].error, InvalidInput)


def test_closing_the_encoder_stops_the_pipeline_that_waits_for_it() -> None:
    with videohw.Decoder("h264") as decoder, encoder(max_in_flight=1) as target:
        pipeline = PipelineScheduler(target, smaller, capacity=2)
        pumping = Call(lambda: pipeline.pump(decoder.decode([STREAMS[NAME].read()])))
        while True:  # until nothing moves any more, since nobody reaps
            try:
                target.submit(bytes(64 * 72), timeout=PATIENCE_SECONDS / 100)
            except Backpressure:
                break
        target.close()
        assert isinstance(pumping.outcome(), SessionClosed)
        pipeline.abort()
