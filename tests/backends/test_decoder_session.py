"""Limits, threads, ownership and life of a decoder (DESIGN 3, rules 4, 5 and 6)."""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
import threading
import time
import warnings

import numpy as np
import pytest

from tests.backends.conftest import BackendCase
from tests.backends.decoding import PATIENCE_SECONDS, assert_account, decode_bytes
from tests.backends.oracle import canonical_bytes
from tests.backends.pcm import PcmStream, Vui, gray_units, joined, number_of
from tests.coded_streams import H264_AUD, annexb
from tests.corpus import stream
from videohw.errors import Backpressure, SessionClosed, VideoHwError
from videohw.frame import Frame


def numbers(frames: list[Frame]) -> list[int]:
    return [number_of(int(frame.planes[0][0, 0])) for frame in frames]


# Limits


def test_submit_takes_the_whole_call_or_nothing(backend: BackendCase) -> None:
    units = gray_units(30, PcmStream(vui=Vui(num_reorder=0)))
    frames = []
    with backend.decoder("h264", max_in_flight=2) as decoder:
        for number, unit in enumerate(units):
            if number >= 2:
                wait_for(lambda: decoder.summary()["ready"] == 2)
                with pytest.raises(Backpressure) as refused:
                    decoder.submit(unit, number, layout="access_unit")
                assert (refused.value.depth, refused.value.limit) == (2, 2)
                assert decoder.summary()["submitted"] == number
                frame = decoder.reap_timeout(PATIENCE_SECONDS)
                assert frame is not None
                frames.append(frame)
            decoder.submit(unit, number, layout="access_unit")
        frames += decoder.flush(PATIENCE_SECONDS)
    assert numbers(frames) == [frame.pts for frame in frames] == list(range(30))


def test_a_hundred_units_in_one_call_at_one_in_flight(backend: BackendCase) -> None:
    with backend.decoder("h264", max_in_flight=1) as decoder:
        decoder.submit(joined(gray_units(100)))
        frames = decoder.flush(PATIENCE_SECONDS)
        assert numbers(frames) == list(range(100))
        assert_account(decoder.summary())


def test_backpressure_waits_and_then_says_so(backend: BackendCase) -> None:
    with backend.decoder("h264", max_in_flight=1) as decoder:
        decoder.submit(joined(gray_units(40)))
        wait_for(lambda: decoder.summary()["ready"] == 1)
        began = time.monotonic()
        with pytest.raises(Backpressure, match="max_in_flight=1"):
            decoder.submit(b"\0\0\1\x09\xf0", timeout=0.2)
        assert 0.15 < time.monotonic() - began < PATIENCE_SECONDS
        assert len(decoder.flush(PATIENCE_SECONDS)) == 40


def test_queued_bytes_are_limited(backend: BackendCase) -> None:
    units = gray_units(60)
    with backend.decoder("h264", max_in_flight=1, max_pending_bytes=1) as decoder:
        decoder.submit(joined(units[:40]))
        with pytest.raises(Backpressure):
            decoder.submit(joined(units[40:]))
        frame = decoder.reap_timeout(PATIENCE_SECONDS)
        while frame is not None and decoder.summary()["queued_bytes"]:
            frame = decoder.reap_timeout(PATIENCE_SECONDS)
        decoder.try_reap()  # the frame of the last queued unit may be ready by now
        decoder.submit(joined(units[40:]), timeout=PATIENCE_SECONDS)
        decoder.flush(PATIENCE_SECONDS)
        assert decoder.summary()["delivered"] == 60


def wait_for(condition: object) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_flush_that_runs_out_of_time_keeps_everything(backend: BackendCase) -> None:
    each = stream("generated/main_cabac_b2.h264")
    with backend.decoder(each.codec, max_in_flight=1) as decoder:
        decoder.submit(each.read() * 20)
        tries = 0
        frames: list[Frame] = []
        while not frames:
            tries += 1
            try:
                frames = decoder.flush(0.001 * tries)
            except TimeoutError:
                assert decoder.summary()["delivered"] == 0
        assert tries > 1
        assert len(frames) == 20 * each.frames
        assert [frame.decode_index for frame in frames[: each.frames]] != list(range(each.frames))


@pytest.mark.parametrize("how", ["access_unit", "aud"])
@pytest.mark.parametrize("name", ["poc_type_2", "num_reorder_0"])
def test_low_latency_adds_no_frame_of_delay(backend: BackendCase, how: str, name: str) -> None:
    """On streams that do not reorder, each picture is there before the next is submitted."""
    stream_of = PcmStream(poc_type=2) if name == "poc_type_2" else PcmStream(vui=Vui(num_reorder=0))
    with backend.decoder("h264", low_latency=True, options=None) as decoder:
        if how == "aud":
            decoder.submit(annexb(H264_AUD))
        for number, unit in enumerate(gray_units(40, stream_of)):
            if how == "access_unit":
                decoder.submit(unit, number, layout="access_unit")
            else:
                decoder.submit(annexb(*unit, H264_AUD), number)
            frame = decoder.reap_timeout(PATIENCE_SECONDS)
            assert frame is not None
            assert numbers([frame]) == [number]


def test_low_latency_of_hevc_without_reordering(backend: BackendCase) -> None:
    each = stream("generated/slices4_aud_hrd.h265")
    from videohw.bitstream import open_assembler

    assembler = open_assembler("hevc")
    assembler.feed(each.read())
    assembler.finish()
    units = [[bytes(nal) for nal in unit.nal_units()] for unit in assembler]
    reorder = assembler.parameter_sets.active_sps.max_num_reorder
    held = 0
    with backend.decoder("hevc", low_latency=True, options=None) as decoder:
        for unit in units:
            decoder.submit(unit, layout="access_unit", timeout=PATIENCE_SECONDS)
            held += 1
            wait_for(lambda: decoder.summary()["queued_bytes"] == 0)
            while decoder.try_reap() is not None:
                held -= 1
            assert held <= reorder
        decoder.flush(PATIENCE_SECONDS)


# Threads


def test_one_thread_submits_and_another_reaps(backend: BackendCase) -> None:
    each = stream("generated/main_cabac_b2.h264")
    data = each.read() * 8
    failures: list[BaseException] = []
    done = threading.Event()

    def submit() -> None:
        try:
            for at in range(0, len(data), 3000):
                decoder.submit(data[at : at + 3000], at, timeout=PATIENCE_SECONDS)
        except BaseException as error:
            failures.append(error)
        done.set()

    with backend.decoder(each.codec, max_in_flight=2) as decoder:
        thread = threading.Thread(target=submit)
        thread.start()
        frames = []
        while not done.is_set():
            frame = decoder.reap_timeout(0.02)
            frames += [frame] if frame is not None else []
        thread.join()
        frames += decoder.flush(PATIENCE_SECONDS)
        assert not failures
        assert len(frames) == 8 * each.frames
        assert_account(decoder.summary())


def test_flush_while_another_thread_waits_to_submit(backend: BackendCase) -> None:
    """The waiting submit holds nothing that the flush needs."""
    units = gray_units(40)
    with backend.decoder("h264", max_in_flight=1) as decoder:
        decoder.submit(joined(units))
        wait_for(lambda: decoder.summary()["ready"] == 1)
        more = PcmStream()
        late = joined([[*more.sets, more.picture(240, idr=True)]])
        thread = threading.Thread(target=lambda: decoder.submit(late, timeout=None))
        thread.start()
        frames = decoder.flush(PATIENCE_SECONDS)
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()
        frames += decoder.flush(PATIENCE_SECONDS)
        assert len(frames) == 41


@pytest.mark.parametrize("call", ["reap_timeout", "submit", "flush"])
def test_close_ends_every_wait_at_once(backend: BackendCase, call: str) -> None:
    raised: list[BaseException] = []
    decoder = backend.decoder("h264", max_in_flight=1)
    if call == "submit":
        decoder.submit(joined(gray_units(40)))
        wait_for(lambda: decoder.summary()["ready"] == 1)

    def wait() -> None:
        try:
            if call == "reap_timeout":
                decoder.reap_timeout(PATIENCE_SECONDS)
            elif call == "submit":
                decoder.submit(b"\0\0\1\x09\xf0", timeout=None)
            else:
                while True:
                    decoder.flush(None)
                    decoder.reap_timeout(PATIENCE_SECONDS)
        except VideoHwError as error:
            raised.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.05)
    began = time.monotonic()
    decoder.close()
    thread.join(PATIENCE_SECONDS)
    assert time.monotonic() - began < 5
    assert [type(error) for error in raised] == [SessionClosed]


def test_several_decoders_at_once(backend: BackendCase) -> None:
    each = stream("generated/main_320x240_b4.h265")
    digests: list[list[bytes]] = []

    def run(seed: int) -> None:
        got = decode_bytes(backend.decoder(each.codec), each.read(), seed=seed)
        digests.append([canonical_bytes(frame) for frame in got.frames])

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(digests) == 4
    assert all(other == digests[0] for other in digests)


# Ownership


def test_frames_outlive_the_session_and_never_change(backend: BackendCase) -> None:
    each = stream("generated/main_cabac_b2.h264")
    with backend.decoder(each.codec, max_in_flight=200) as decoder:
        decoder.submit(each.read())
        first = decoder.flush(PATIENCE_SECONDS)
        copies = [[plane.copy() for plane in frame.planes] for frame in first]
        decoder.submit(each.read() * 3)
        decoder.flush(PATIENCE_SECONDS)
    gc.collect()
    for frame, copy in zip(first, copies, strict=True):
        for plane, kept in zip(frame.planes, copy, strict=True):
            np.testing.assert_array_equal(plane, kept)


def test_planes_cannot_be_written(backend: BackendCase) -> None:
    each = stream("generated/main_cabac_b2.h264")
    (frame, *_) = decode_bytes(backend.decoder(each.codec), each.read()).frames
    for plane in frame.planes:
        with pytest.raises(ValueError, match="read-only"):
            plane[0, 0] = 0
        with pytest.raises(ValueError, match="WRITEABLE"):
            plane.flags.writeable = True


def test_a_frame_is_freed_with_its_last_reference(backend: BackendCase) -> None:
    """No reference cycle keeps pixels until the garbage collector runs."""
    each = stream("generated/main_cabac_b2.h264")
    decoder = backend.decoder(each.codec)
    gc.collect()
    before = live_frames()
    gc.disable()
    try:
        got = decode_bytes(decoder, each.read())
        rgb = [frame.convert("rgb24") for frame in got.frames[:3]]
        assert live_frames() >= before + len(got.frames) + len(rgb)
        decoder.close()  # joins the worker, which holds the last frame until it looks for work
        del got, rgb
        after = live_frames()
    finally:
        gc.enable()
    assert after <= before


def live_frames() -> int:
    return sum(type(item) is Frame for item in gc.get_objects())


# Life


def test_use_after_close(backend: BackendCase) -> None:
    decoder = backend.decoder("h264")
    decoder.close()
    decoder.close()
    assert decoder.closed
    for call in (
        lambda: decoder.submit(b"\0\0\1\x09\xf0"),
        decoder.try_reap,
        lambda: decoder.reap_timeout(1),
        decoder.flush,
        lambda: list(decoder),
        decoder.reset,
    ):
        with pytest.raises(SessionClosed, match="closed"):
            call()
    assert decoder.summary()["submitted"] == 0
    assert "closed" in repr(decoder)


def test_a_forgotten_decoder_warns_and_ends(backend: BackendCase) -> None:
    before = threading.active_count()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        decoder = backend.decoder("h264")
        decoder.submit(joined(gray_units(2)))
        del decoder
        gc.collect()
    assert [warning.category for warning in caught] == [ResourceWarning]
    wait_for(lambda: threading.active_count() == before)


def test_closing_in_the_middle_of_work(backend: BackendCase) -> None:
    each = stream("generated/main_cabac_b2.h264")
    for _ in range(10):
        decoder = backend.decoder(each.codec, max_in_flight=1, options=None)
        decoder.submit(each.read())
        decoder.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_gets_a_clear_error_and_can_exit(backend: BackendCase) -> None:
    each = stream("generated/main_cabac_b2.h264")
    with backend.decoder(each.codec, options=None, max_in_flight=2) as decoder:
        decoder.submit(each.read())
        assert decoder.reap_timeout(PATIENCE_SECONDS) is not None
        context = multiprocessing.get_context("fork")
        receiving, sending = context.Pipe(duplex=False)

        def child() -> None:
            try:
                decoder.try_reap()
            except SessionClosed as error:
                sending.send(str(error))
            decoder.close()

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # fork with threads, from 3.12
            process = context.Process(target=child)
            process.start()
        assert receiving.poll(PATIENCE_SECONDS)
        assert "forked" in receiving.recv()
        process.join(PATIENCE_SECONDS)
        assert process.exitcode == 0
        assert len(decoder.flush(PATIENCE_SECONDS)) == each.frames - 1


def test_an_interpreter_that_ends_with_an_open_decoder_ends_well(backend: BackendCase) -> None:
    import subprocess

    each = stream("generated/main_cabac_b2.h264")
    program = (
        "from videohw.decoder import Decoder\n"
        f"decoder = Decoder({each.codec!r}, backend={backend.name!r}, max_in_flight=1)\n"
        f"decoder.submit(open({str(each.path)!r}, 'rb').read())\n"
        "decoder.reap_timeout(30)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
