"""Rule 6: a session is used from any threads, and sessions do not wait for each other."""

from __future__ import annotations

import itertools
import threading
from typing import Any

import numpy as np

from tests.backends.conftest import ENCODED, BackendCase, needs_encoder
from tests.backends.decoding import PATIENCE_SECONDS, assert_account, decode_bytes, outputs
from tests.backends.encoding import check_times, encode, nv12_pictures, witness
from tests.backends.faults import Faults
from tests.backends.oracle import canonical_bytes, frames_md5
from tests.backends.pcm import PcmStream, Vui, gray_units, joined, number_of
from tests.backends.waiting import Call, together, wait_for
from tests.corpus import stream
from videohw.frame import Frame
from videohw.types import Packet

PICTURE = np.full((96, 64), 77, np.uint8)
PLAIN = Vui(num_reorder=0)


def lumas(frames: list[Frame]) -> list[int]:
    return [number_of(int(frame.planes[0][0, 0])) for frame in frames]


# One session


def test_one_thread_submits_and_another_reaps(backend: BackendCase) -> None:
    each = stream("generated/main_cabac_b2.h264")
    data = each.read() * 8
    done = threading.Event()
    frames: list[Frame] = []

    def submit() -> None:
        for at in range(0, len(data), 3000):
            decoder.submit(data[at : at + 3000], at, timeout=PATIENCE_SECONDS)
        done.set()

    def reap() -> None:
        while not done.is_set():
            frame = decoder.reap_timeout(0.02)
            frames.extend([frame] if frame is not None else [])

    with backend.decoder(each.codec, max_in_flight=2) as decoder:
        together(submit, reap)
        frames += decoder.flush(PATIENCE_SECONDS)
        assert len(frames) == 8 * each.frames
        assert frames_md5(frames[: each.frames]) == each.yuv_md5
        assert_account(decoder.summary())


def test_frames_that_several_threads_reap_are_in_order_for_each(backend: BackendCase) -> None:
    """Together they get every frame once, and none sees time go back."""
    done = threading.Event()

    def submit() -> None:
        for turn in range(5):
            decoder.submit(joined(gray_units(60, first=60 * turn)), timeout=PATIENCE_SECONDS)
        done.set()

    def reap() -> list[int]:
        got = []
        while not (done.is_set() and decoder.summary()["ready"] == 0):
            frame = decoder.reap_timeout(0.01)
            got += [] if frame is None else [frame.decode_index]
        return got

    with backend.decoder("h264", max_in_flight=4, max_pending_bytes=30_000) as decoder:
        _, *reaped_by = together(submit, reap, reap, reap)
        rest = [frame.decode_index for frame in decoder.flush(PATIENCE_SECONDS)]
    assert all(got == sorted(got) for got in reaped_by)
    assert sorted(sum(reaped_by, rest)) == list(range(300))


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


def test_closing_in_the_middle_of_work(backend: BackendCase) -> None:
    each = stream("generated/main_cabac_b2.h264")
    for _ in range(10):
        decoder = backend.decoder(each.codec, max_in_flight=1, options=None)
        decoder.submit(each.read())
        decoder.close()


def test_several_threads_may_submit(backend: BackendCase, encoded: str) -> None:
    """Each picture gets a time of its own, whichever thread was first."""
    threads, each = 4, 12
    done = threading.Event()
    packets: list[Packet] = []

    def submit() -> None:
        for _ in range(each):
            encoder.submit(PICTURE, timeout=PATIENCE_SECONDS)

    def reap() -> None:
        while not done.is_set():
            packet = encoder.reap_timeout(0.01)
            packets.extend([packet] if packet is not None else [])

    with backend.encoder(encoded, 64, 64) as encoder:
        reaper = Call(reap)
        together(*[submit] * threads)
        done.set()
        reaper.join()
        packets += encoder.flush(PATIENCE_SECONDS)
    check_times(packets, range(threads * each))


def test_every_call_may_come_from_a_thread_that_is_new(backend: BackendCase) -> None:
    """Nothing is bound to the thread that opened the session, or to one that was there before."""

    def fresh(call: Any) -> Any:
        return Call(call).join()

    decoder = fresh(lambda: backend.decoder("h264", max_in_flight=10))
    encoder = (
        fresh(lambda: backend.encoder("h264", 64, 64, max_in_flight=10))
        if backend.encodes
        else None
    )
    for unit in gray_units(6, PcmStream(vui=PLAIN)):
        fresh(lambda unit=unit: decoder.submit(unit, layout="access_unit"))
        if encoder is not None:
            fresh(lambda: encoder.submit(PICTURE))
    first = fresh(lambda: decoder.reap_timeout(PATIENCE_SECONDS))
    frames = [first, *fresh(lambda: decoder.flush(PATIENCE_SECONDS))]
    assert lumas(frames) == list(range(6))
    assert fresh(lambda: frames[5].convert("rgb24")).format == "rgb24"
    fresh(decoder.reset)
    assert fresh(decoder.summary)["delivered"] == 6
    fresh(decoder.close)
    assert decoder.closed
    if encoder is not None:
        assert [p.pts for p in fresh(lambda: encoder.flush(PATIENCE_SECONDS))] == list(range(6))
        fresh(encoder.close)
        assert encoder.closed


def test_time_of_a_flush_and_of_submits_beside_it(backend: BackendCase) -> None:
    """Each picture comes out of exactly one flush, and all of them come."""
    done = threading.Event()
    packets: list[list[int]] = []

    def submit() -> None:
        for _ in range(120):
            encoder.submit(PICTURE, timeout=None)
        done.set()

    def flush() -> None:
        while not done.is_set():
            packets.append([packet.pts for packet in encoder.flush(PATIENCE_SECONDS)])

    with backend.encoder("h264", 64, 64, max_in_flight=3) as encoder:
        together(submit, flush)
        packets.append([packet.pts for packet in encoder.flush(PATIENCE_SECONDS)])
        assert encoder.summary()["delivered"] == encoder.summary()["submitted"] == 120
    assert list(itertools.chain(*packets)) == list(range(120))


# Several sessions


def test_several_decoders_at_once(backend: BackendCase) -> None:
    each = stream("generated/main_320x240_b4.h265")

    def run(seed: int) -> list[bytes]:
        got = decode_bytes(backend.decoder(each.codec), each.read(), seed=seed)
        return [canonical_bytes(frame) for frame in got.frames]

    digests = together(*[lambda seed=seed: run(seed) for seed in range(4)])
    assert all(other == digests[0] for other in digests)


def test_a_pool_of_eight_threads_on_eight_sessions_loses_nothing(backend: BackendCase) -> None:
    """Decoders and encoders of all codecs, each driven by its thread over several streams."""
    names = [needs_encoder(backend, name) for name in ENCODED] if backend.encodes else []
    pictures = nv12_pictures(30, 64, 64)

    def decoding(seed: int) -> None:
        data = joined(gray_units(50))
        with backend.decoder("h264", max_in_flight=2, options=None) as decoder:
            for turn in range(4):
                size = 100 + 37 * seed + turn
                calls = ({"data": data[at : at + size]} for at in range(0, len(data), size))
                frames.setdefault(seed, []).extend(outputs(decoder, calls))
            assert_account(decoder.summary())

    def encoding(seed: int) -> None:
        codec = names[seed % len(names)]
        with backend.encoder(codec, 64, 64, max_in_flight=2) as encoder:
            packets = [packet for _ in range(3) for packet in encode(encoder, pictures)]
        check_times(packets, range(90))
        coded[seed] = (codec, packets)

    frames: dict[int, list[Any]] = {}
    coded: dict[int, tuple[str, list[Packet]]] = {}
    together(
        *[lambda seed=seed: decoding(seed) for seed in range(4)],
        *[lambda seed=seed: encoding(seed) for seed in range(4 if names else 0)],
    )
    assert {seed: lumas(got) for seed, got in frames.items()} == {
        seed: list(range(50)) * 4 for seed in range(4)
    }
    for codec, packets in coded.values():
        assert len(witness(codec, packets)) == 90


def test_a_session_that_stands_still_holds_up_no_other(
    backend: BackendCase, encoded: str, faults: Faults
) -> None:
    """No lock is shared: one codec does not come back, and others open, work and close."""
    faults.arm("stall")
    with backend.decoder("h264") as stuck:
        stuck.submit(joined(gray_units(3)))
        assert faults.wait_until_stalled(PATIENCE_SECONDS)
        with backend.decoder("h264", max_in_flight=30) as decoder:
            decoder.submit(joined(gray_units(20)))
            assert len(decoder.flush(PATIENCE_SECONDS)) == 20
        with backend.encoder(encoded, 64, 64) as encoder:
            assert len(encode(encoder, [PICTURE] * 10)) == 10
        assert stuck.try_reap() is None
        faults.release()
        assert len(stuck.flush(PATIENCE_SECONDS)) == 3
