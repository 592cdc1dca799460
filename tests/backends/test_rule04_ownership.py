"""Rule 4: what is handed out is the caller's, and what the caller hands in stays so."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.backends.conftest import BackendCase
from tests.backends.decoding import PATIENCE_SECONDS, decode_bytes
from tests.backends.encoding import (
    HEIGHT,
    WIDTH,
    encode,
    nv12_pictures,
    nv12_planes,
    psnr,
    witness,
)
from tests.backends.oracle import canonical_bytes
from tests.backends.pcm import gray_units, joined, luma_of
from tests.corpus import stream
from videohw.frame import Frame

OUTPUTS = ("native", "nv12", "p010", "rgb24", "rgb_planar", "rgb_float32")


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


def test_the_caller_may_change_its_pixels_at_once(backend: BackendCase, encoded: str) -> None:
    pictures = nv12_pictures(8)
    buffer = np.empty_like(pictures[0])
    with backend.encoder(encoded, WIDTH, HEIGHT) as encoder:
        packets = []
        for picture in pictures:
            buffer[:] = picture
            packets += encode(encoder, [buffer], flush=False)
            buffer[:] = 0
        seen = witness(encoded, packets + encoder.flush(PATIENCE_SECONDS))
    for given, shown in zip(pictures, seen, strict=True):
        assert psnr(nv12_planes(given), shown.planes) > 28


@pytest.mark.parametrize("output", OUTPUTS)
def test_frames_of_every_form_outlive_the_session(backend: BackendCase, output: str) -> None:
    """Converted ones too, which may share memory of the codec or of the conversion."""
    with backend.decoder("h264", output=output, max_in_flight=20) as decoder:
        decoder.submit(joined(gray_units(6)))
        first = decoder.flush(PATIENCE_SECONDS)
        kept = [np.asarray(frame).copy() for frame in first]
        decoder.submit(joined(gray_units(16, first=100)))
        decoder.flush(PATIENCE_SECONDS)
    gc.collect()
    for frame, before in zip(first, kept, strict=True):
        np.testing.assert_array_equal(np.asarray(frame), before)
    assert len({before.tobytes() for before in kept}) == 6


@pytest.mark.parametrize(
    "view",
    [
        lambda frame: frame.planes[0],
        lambda frame: memoryview(frame.planes[0]),
        lambda frame: np.from_dlpack(frame),
        lambda frame: np.asarray(frame),
        lambda frame: frame.planes[0][4:, ::2].T,
    ],
    ids=["plane", "memoryview", "dlpack", "array", "slice"],
)
def test_a_view_keeps_the_memory_of_its_frame(
    backend: BackendCase, view: Callable[[Frame], Any]
) -> None:
    """The frame is gone and its session decodes on: buffers that come free would be used again."""
    views = []
    with backend.decoder("h264", output="rgb24", max_in_flight=8) as decoder:
        for turn in range(4):
            decoder.submit(joined(gray_units(8, first=40 * turn)))
            frame = decoder.flush(PATIENCE_SECONDS)[3]
            views.append((view(frame), np.array(view(frame))))
            del frame
    gc.collect()
    for each, before in views:
        np.testing.assert_array_equal(np.asarray(each), before)
    assert len({before.tobytes() for _, before in views}) == 4


def test_a_frame_converts_after_its_session_is_closed(backend: BackendCase) -> None:
    each = stream("generated/main_cabac_b2.h264")
    with backend.decoder(each.codec, max_in_flight=100) as decoder:
        decoder.submit(each.read())
        frame = decoder.flush(PATIENCE_SECONDS)[7]
        before = np.asarray(frame.convert("rgb24", size=(64, 48))).copy()
    gc.collect()
    np.testing.assert_array_equal(np.asarray(frame.convert("rgb24", size=(64, 48))), before)


def test_a_frame_that_waits_does_not_hold_up_the_session(backend: BackendCase) -> None:
    """However many are kept: frames handed out are the caller's, not of a pool that runs dry."""
    with backend.decoder("h264", max_in_flight=1) as decoder:
        frames = []
        for turn in range(10):
            decoder.submit(joined(gray_units(20, first=20 * turn)))
            frames += decoder.flush(PATIENCE_SECONDS)
    assert [int(frame.planes[0][0, 0]) for frame in frames] == [luma_of(n) for n in range(200)]


def test_a_session_that_is_closed_is_freed_while_its_frames_live(backend: BackendCase) -> None:
    decoder = backend.decoder("h264", max_in_flight=20)
    decoder.submit(joined(gray_units(3)))
    frames = decoder.flush(PATIENCE_SECONDS)
    decoder.close()
    gone = weakref.ref(decoder)
    del decoder
    gc.collect()
    assert gone() is None
    assert [canonical_bytes(frame)[0] for frame in frames] == [16, 17, 18]


def test_packets_cannot_be_changed_and_outlive_the_session(
    backend: BackendCase, encoded: str
) -> None:
    with backend.encoder(encoded, 64, 64) as encoder:
        packets = encode(encoder, nv12_pictures(6, 64, 64))
        before = [bytes(packet) for packet in packets]
        encode(encoder, nv12_pictures(12, 64, 64))
    gc.collect()
    assert [bytes(packet) for packet in packets] == before
    assert memoryview(packets[0].data).readonly
    with pytest.raises(AttributeError):
        packets[0].pts = 5  # type: ignore[misc]


def test_pixels_are_the_encoders_own_while_it_waits(backend: BackendCase, encoded: str) -> None:
    """What is queued and not yet coded does not change with the caller's array either."""
    pictures = nv12_pictures(6, 64, 64)
    buffer = pictures[0].copy()
    with backend.faults() as faults, backend.encoder(encoded, 64, 64, preset="fast") as encoder:
        faults.arm("stall")
        for picture in pictures:
            buffer[:] = picture
            encoder.submit(buffer)
        assert faults.wait_until_stalled(PATIENCE_SECONDS)
        buffer[:] = 0
        faults.release()
        packets = encoder.flush(PATIENCE_SECONDS)
    for given, shown in zip(pictures, witness(encoded, packets), strict=True):
        assert psnr(nv12_planes(given), shown.planes) > 28
