"""``decode`` and ``encode``: a whole stream by one thread, whatever the limits refuse meanwhile."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.backends.conftest import BackendCase
from tests.backends.decoding import decode_bytes, pieces
from tests.backends.encoding import HEIGHT, WIDTH, nv12_pictures
from tests.corpus import stream
from videohw.encoder import Encoder
from videohw.errors import InvalidBitstream, InvalidInput
from videohw.types import Packet

STREAM = "generated/mbaff_tff.h264"


@pytest.mark.parametrize("limits", [{}, {"max_in_flight": 1}, {"max_pending_bytes": 1}])
def test_decode_gives_what_submit_and_flush_give(
    backend: BackendCase, limits: dict[str, int]
) -> None:
    data = stream(STREAM).read()
    expected = decode_bytes(backend.decoder("h264"), data)
    with backend.decoder("h264", **limits) as decoder:
        frames = list(decoder.decode(pieces(data, "decode")))
        summary = decoder.summary()
    assert [frame.decode_index for frame in frames] == [
        frame.decode_index for frame in expected.frames
    ]
    assert summary["delivered"] == summary["submitted"] == len(frames) > 10


def test_times_may_come_with_the_pieces(backend: BackendCase) -> None:
    data = stream(STREAM).read()
    with backend.decoder("h264") as decoder:
        frames = list(decoder.decode([(data[:100], 7), (data[100:], None)]))
    assert [frame.pts for frame in frames if frame.pts is not None] == [7]


def test_pieces_are_taken_as_frames_are_asked_for(backend: BackendCase) -> None:
    data = stream(STREAM).read()
    taken = 0

    def source() -> Iterator[bytes]:
        nonlocal taken
        for piece in (data[at : at + 2000] for at in range(0, len(data), 2000)):
            taken += 1
            yield piece

    with backend.decoder("h264", max_in_flight=1, max_pending_bytes=1) as decoder:
        next(decoder.decode(source()))
        assert taken < len(data) / 2000 / 2


def test_an_error_ends_the_iterator_and_not_the_decoder(backend: BackendCase) -> None:
    data = stream(STREAM).read()
    damaged = data[: len(data) // 2] + bytes(400) + data[len(data) // 2 + 400 :]
    with backend.decoder("h264") as decoder:
        with pytest.raises(InvalidBitstream):
            list(decoder.decode([damaged]))
        while True:
            try:
                decoder.flush()
                break
            except InvalidBitstream:
                pass
        assert len(list(decoder.decode([data]))) == len(
            decode_bytes(backend.decoder("h264"), data).frames
        )


@pytest.mark.parametrize("limit", [1, 6])
def test_encode_gives_every_packet(backend: BackendCase, encoded: str, limit: int) -> None:
    pictures = nv12_pictures(20)
    with backend.encoder(encoded, WIDTH, HEIGHT, max_in_flight=limit) as encoder:
        packets = list(
            encoder.encode(pictures[:10] + [(p, 100 + n) for n, p in enumerate(pictures[10:])])
        )
    assert sorted(packet.pts for packet in packets) == [*range(10), *range(100, 110)]


def test_a_refused_picture_ends_the_iterator_in_its_place(backend: BackendCase) -> None:
    packets: list[Packet] = []

    def encode_all(encoder: Encoder) -> None:
        for packet in encoder.encode([nv12_pictures(1)[0], None]):
            packets.append(packet)

    with backend.encoder("h264", WIDTH, HEIGHT) as encoder:
        with pytest.raises(InvalidInput, match="frame"):
            encode_all(encoder)
        packets += encoder.flush()
    assert [packet.pts for packet in packets] == [0]
