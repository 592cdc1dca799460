"""Rule 7: bytes that are no stream of the codec are an error, once, and not an empty result."""

from __future__ import annotations

import random

import pytest

from tests.backends.conftest import BackendCase
from tests.backends.damaged import ON_ERROR, clip
from tests.backends.decoding import PATIENCE_SECONDS, assert_account, decode
from tests.backends.pcm import PcmStream, gray_units, joined
from tests.coded_streams import annexb
from tests.corpus import DATA
from videohw.errors import InvalidBitstream

# AV1 tells each byte that cannot be an OBU.
CODECS = ("h264", "hevc", "mpeg4", "vc1", "mpeg2", "mpeg1")


def foreign(codec: str) -> dict[str, bytes]:
    """Bytes that a person may give by mistake."""
    other = "hevc" if codec == "h264" else "h264"
    return {
        "text": b"hello world" * 1000,
        "zeros": bytes(1000),
        "noise": random.Random(codec).randbytes(50_000),
        "another codec": b"".join(clip(other).units),
        "page": (DATA / "README.md").read_bytes(),
    }


@pytest.mark.parametrize("kind", foreign("h264"))
@pytest.mark.parametrize("codec", CODECS)
def test_what_is_no_stream_of_the_codec_is_told_once(
    backend: BackendCase, codec: str, kind: str
) -> None:
    data = foreign(codec)[kind]
    with backend.decoder(codec) as decoder:
        for at in range(0, len(data), 4096):
            decoder.submit(data[at : at + 4096])
        with pytest.raises(InvalidBitstream, match=f"{len(data)} bytes .*{codec}") as refused:
            decoder.flush(PATIENCE_SECONDS)
        assert "inspect" in str(refused.value.hint)
        assert not refused.value.fatal
        assert decoder.flush(PATIENCE_SECONDS) == []
        assert decoder.summary()["bitstream_errors"] == 1
        assert_account(decoder.summary())
        # The session goes on, and after the first headers there is nothing to tell.
        for piece in clip("mpeg2" if codec == "mpeg1" else codec).units:
            decoder.submit(piece, timeout=0)
            while decoder.try_reap() is not None:
                pass
        decoder.flush(PATIENCE_SECONDS)
        decoder.submit(b"hello world")
        assert decoder.flush(PATIENCE_SECONDS) == []


@pytest.mark.parametrize("on_error", ON_ERROR)
def test_it_is_raised_under_one_policy_and_counted_under_all(
    backend: BackendCase, on_error: str
) -> None:
    got = decode(backend.decoder("h264", on_error=on_error), [{"data": b"hello world" * 1000}])
    assert [type(error) for error in got.errors] == [InvalidBitstream] * (on_error == "raise")
    assert got.summary["bitstream_errors"] == 1
    assert got.summary["garbage_bytes"] == 11000


def test_iteration_tells_it_too(backend: BackendCase) -> None:
    with backend.decoder("h264") as decoder:
        decoder.submit(b"hello world")
        with pytest.raises(InvalidBitstream, match=r"11 bytes .11 of them garbage"):
            next(iter(decoder))


@pytest.mark.parametrize("layout", ["access_unit", "length_prefixed"])
def test_samples_whose_parameter_sets_were_left_out(backend: BackendCase, layout: str) -> None:
    """The account holds: each picture is counted, and the reason is told beside it."""
    stream_of = PcmStream()
    units = [[unit[-1]] for unit in gray_units(3, stream_of)]

    def call(unit: list[bytes]) -> dict[str, object]:
        packed = b"".join(len(nal).to_bytes(4, "big") + nal for nal in unit)
        return {"data": unit if layout == "access_unit" else packed, "layout": layout}

    got = decode(backend.decoder("h264"), map(call, units))
    assert any("no sequence parameter set" in str(error) for error in got.errors)
    assert_account(got.summary)
    extradata = annexb(*stream_of.sets)
    got = decode(backend.decoder("h264", extradata=extradata), map(call, units))
    assert got.errors == []
    assert len(got.frames) == 3


def test_what_may_be_a_stream_that_has_not_begun_is_no_error(backend: BackendCase) -> None:
    """Parameter sets alone; pictures between them and the first random access point."""
    stream_of = PcmStream()
    sets = annexb(*stream_of.sets)
    later = joined(gray_units(4, stream_of)[1:])
    for data, lost in ((sets, 0), (sets + later, 3), (sets + annexb(stream_of.sps), 0)):
        got = decode(backend.decoder("h264"), [{"data": data}])
        assert got.errors == []
        assert got.summary["reasons"] == ({"no_reference": lost} if lost else {})
        assert_account(got.summary)
    with backend.decoder("mpeg2") as decoder:
        first = clip("mpeg2").units[0]
        decoder.submit(first[: first.index(b"\0\0\1\0")])  # all before the picture header
        assert decoder.flush(PATIENCE_SECONDS) == []
    with backend.decoder("h264") as decoder:
        assert decoder.flush(PATIENCE_SECONDS) == []


def test_reset_forgets_what_came(backend: BackendCase) -> None:
    with backend.decoder("h264") as decoder:
        decoder.submit(b"hello world")
        decoder.reset()
        assert decoder.flush(PATIENCE_SECONDS) == []
