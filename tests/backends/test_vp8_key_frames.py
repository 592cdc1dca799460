"""A key frame of VP8 is decoded as if nothing had been before it (RFC 6386, 9.3, 9.6 and 9.11)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.backends.coded_clips import decoded_by_libavcodec, packets
from tests.backends.conftest import BackendCase
from tests.backends.decoding import PATIENCE_SECONDS, Decoded, assert_account, decode
from tests.backends.oracle import canonical_bytes
from tests.backends.vp8_frames import frame

OTHERS = (None, None, None)
FEATURES = {
    "quantizer": frame(quantizer=(-20, *OTHERS)),
    "quantizer_of_another_segment": frame(quantizer=(None, -20, *OTHERS[1:])),
    "loop_filter": frame(loop_filter=(-10, *OTHERS)),
    "absolute": frame(quantizer=(20, *OTHERS), absolute=True),
    "deltas_of_references": frame(deltas=(10, 20, -10, -20, None, None, None, None)),
    "deltas_of_modes": frame(deltas=(None, None, None, None, 5, -5, 15, -15)),
}


def decoded(backend: BackendCase, data: Sequence[bytes]) -> Decoded:
    calls = ({"data": each, "pts": number} for number, each in enumerate(data))
    got = decode(backend.decoder("vp8", on_error="conceal"), calls)
    assert_account(got.summary)
    return got


def assert_clean(got: Decoded, begin: int) -> None:
    """From the picture with the number ``begin`` on it is the clip."""
    shown = [canonical_bytes(frame) for frame in got.frames if frame.pts is not None]
    at = [frame.pts for frame in got.frames].index(begin)
    assert shown[at:] == [data for _, data in decoded_by_libavcodec("vp8")]


@pytest.mark.parametrize("features", FEATURES)
def test_features_of_frames_before_do_not_last(backend: BackendCase, features: str) -> None:
    clip = packets("vp8")
    assert_clean(decoded(backend, [clip[0], FEATURES[features], *clip]), 2)


@pytest.mark.parametrize("features", FEATURES)
def test_features_do_not_reach_the_next_session(backend: BackendCase, features: str) -> None:
    clip = packets("vp8")
    decoded(backend, [clip[0], FEATURES[features]])
    assert_clean(decoded(backend, clip), 0)


@pytest.mark.parametrize("between", ["flush", "reset"])
def test_features_do_not_last_over_a_new_beginning(backend: BackendCase, between: str) -> None:
    clip = packets("vp8")
    with backend.decoder("vp8", on_error="conceal") as decoder:
        decoder.submit(clip[0])
        decoder.submit(FEATURES["quantizer"])
        decoder.flush(PATIENCE_SECONDS)
        if between == "reset":
            decoder.reset()
        for data in clip:
            decoder.submit(data, timeout=PATIENCE_SECONDS)
        shown = [canonical_bytes(frame) for frame in decoder.flush(PATIENCE_SECONDS)]
    assert shown == [data for _, data in decoded_by_libavcodec("vp8")]


def test_a_frame_without_its_partitions_costs_no_key_frame(backend: BackendCase) -> None:
    """Their sizes say that there is more than there is."""
    clip = packets("vp8")
    assert_clean(decoded(backend, [*clip[:3], frame(partitions=8), *clip[3:6], *clip]), 7)


def test_key_frames_that_say_all_need_no_other_decoder(backend: BackendCase) -> None:
    """Encoders state their deltas of the loop filter with each; a new decoder takes time."""
    got = decoded(backend, packets("vp8") * 2)
    assert sum(frame.keyframe for frame in got.frames) >= 4
    assert got.summary.get("decoders_created", 1) == 1
