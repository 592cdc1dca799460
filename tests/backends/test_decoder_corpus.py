"""Every stream of the corpus, cut anywhere, against the checksums of its manifest."""

from __future__ import annotations

import hashlib

import pytest

from tests.backends.conftest import BackendCase
from tests.backends.decoding import assert_account, decode_bytes, outputs, pieces
from tests.backends.oracle import canonical_bytes
from tests.backends.supported import why_refused
from tests.corpus import Stream, all_streams, stream
from videohw.errors import UnsupportedConfig
from videohw.frame import Frame
from videohw.known_names import ON_ERROR

STREAMS = {each.name: each for each in all_streams()}
INTACT = sorted(name for name, each in STREAMS.items() if not each.damaged)
DAMAGED = sorted(name for name, each in STREAMS.items() if each.damaged)

# Streams whose pixels are not compared, and why. Their frames are counted.
COUNT_ONLY = {
    "generated/truncated_mid_slice.h265": "the last slice is cut: how the rest of its picture is "
    "filled is the decoder's own choice, and differs between versions of libavcodec",
}
# Frames by the standard, where the oracle (libavcodec 59) shows more than may be output.
FRAMES_BY_THE_STANDARD = {
    # 24 pictures: 8 before the first IRAP picture, a CRA, and its 3 RASL pictures (H.265 8.1.3).
    "generated/starts_without_idr.h265": 13,
}


def md5_and_count(case: BackendCase, each: Stream) -> tuple[str, int, dict[str, object]]:
    digest, count = hashlib.md5(usedforsecurity=False), 0
    # Whether a cut slice is damage is a decoder's own choice too.
    on_error = "conceal" if each.name in COUNT_ONLY else "raise"
    with case.decoder(each.codec, on_error=on_error) as decoder:
        calls = ({"data": piece} for piece in pieces(each.read(), each.name))
        for item in outputs(decoder, calls):
            if not isinstance(item, Frame):
                raise item
            assert item.corrupt is not True or each.name in COUNT_ONLY
            digest.update(canonical_bytes(item))
            count += 1
        summary = decoder.summary()
    return digest.hexdigest(), count, summary


def assert_refused(case: BackendCase, each: Stream, reason: str) -> None:
    """Nothing comes of the stream but UnsupportedConfig, which says what the device lacks."""
    got = decode_bytes(case.decoder(each.codec), each.read(), seed=each.name)
    assert got.frames == [], reason
    assert got.errors, reason
    for error in got.errors:
        assert isinstance(error, UnsupportedConfig), reason
        assert not error.fatal
        assert error.hint
    assert_account(got.summary)


@pytest.mark.parametrize("name", INTACT)
def test_intact_streams_are_exact(backend: BackendCase, name: str) -> None:
    """Or refused, where :mod:`tests.backends.supported` finds that the backend cannot do it."""
    each = STREAMS[name]
    reason = why_refused(backend.name, each)
    if reason is not None:
        assert_refused(backend, each, reason)
        return
    digest, count, summary = md5_and_count(backend, each)
    assert count == each.frames
    assert_account(summary)
    assert summary["bitstream_errors"] == 0
    disputed = any(
        not entry.get("ffmpeg_matches", True) for entry in each.entry.get("upstream", ())
    )
    if each.frames and name not in COUNT_ONLY and (backend.is_oracle or not disputed):
        assert digest == each.yuv_md5


@pytest.mark.parametrize("name", sorted(FRAMES_BY_THE_STANDARD))
def test_frames_by_the_standard(backend: BackendCase, name: str) -> None:
    _, count, summary = md5_and_count(backend, stream(name))
    assert count == FRAMES_BY_THE_STANDARD[name]
    assert_account(summary)


# Raw bytes through libavcodec's own guess of the reordering depth lose frames here, without a
# word: 2 of 9 come out of the first three, 41 of 43 of the last.
@pytest.mark.parametrize(
    ("name", "frames"),
    [
        ("cisco__openh264/Cisco_Men_whisper_640x320_CABAC_Bframe_9.264", 9),
        ("cisco__openh264/Cisco_Men_whisper_640x320_CAVLC_Bframe_9.264", 9),
        ("cisco__openh264/Cisco_Adobe_PDF_sample_a_1024x768_CAVLC_Bframe_9.264", 9),
        ("jcodec__jcodec/seq_poc0/test.264", 43),
    ],
)
@pytest.mark.parametrize("low_latency", [False, True])
def test_no_frame_is_lost_without_reorder_limits(
    backend: BackendCase, name: str, frames: int, low_latency: bool
) -> None:
    each = stream(name)
    got = decode_bytes(
        backend.decoder(each.codec, low_latency=low_latency, options=None), each.read()
    )
    assert got.errors == []
    assert len(got.frames) == frames
    assert got.summary["submitted"] == frames


@pytest.mark.parametrize("on_error", ON_ERROR)
@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_streams_end_in_frames_or_typed_errors(
    backend: BackendCase, name: str, on_error: str
) -> None:
    each = STREAMS[name]
    got = decode_bytes(backend.decoder(each.codec, on_error=on_error), each.read(), seed=name)
    assert_account(got.summary)
    if on_error != "raise" and backend.is_oracle:
        assert got.errors == []
    # What the device cannot decode at all is no damage, which ``on_error`` is about.
    assert on_error == "raise" or all(isinstance(e, UnsupportedConfig) for e in got.errors)
    if on_error != "conceal":
        assert not any(frame.corrupt for frame in got.frames)


@pytest.mark.parametrize("name", sorted(n for n in STREAMS if n.startswith("chromeos__")))
def test_frames_agree_with_another_project(backend: BackendCase, name: str) -> None:
    """cros-codecs publishes the md5 of each frame as NV12, made by other decoders."""
    each = STREAMS[name]
    if why_refused(backend.name, each) is not None:
        assert_refused(backend, each, "too small")
        return
    (listed,) = (e["values"] for e in each.entry["upstream"] if "NV12" in e["algo"])
    got = decode_bytes(backend.decoder(each.codec, output="nv12"), each.read())
    digests = [
        hashlib.md5(b"".join(p.tobytes() for p in f.planes), usedforsecurity=False).hexdigest()
        for f in got.frames
    ]
    assert digests == listed
