"""``low_latency``: no picture waits for another that its own coding does not need."""

from __future__ import annotations

import pytest

from tests.backends.conftest import BackendCase
from tests.backends.decoding import PATIENCE_SECONDS
from tests.backends.encoding import HEIGHT, WIDTH, encode, nv12_pictures
from tests.backends.pcm import PcmStream, Vui, gray_units, number_of
from tests.coded_streams import H264_AUD, annexb
from tests.corpus import stream
from videohw.bitstream import open_assembler
from videohw.frame import Frame


def numbers(frames: list[Frame]) -> list[int]:
    return [number_of(int(frame.planes[0][0, 0])) for frame in frames]


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
            while held > reorder:
                assert decoder.reap_timeout(PATIENCE_SECONDS) is not None
                held -= 1
        decoder.flush(PATIENCE_SECONDS)


def test_packets_come_out_while_pictures_go_in(backend: BackendCase, encoded: str) -> None:
    with backend.encoder(encoded, 64, 64, max_in_flight=4) as encoder:
        early = encode(encoder, nv12_pictures(150, 64, 64), flush=False)
        late = encoder.flush(PATIENCE_SECONDS)
    assert len(early) + len(late) == 150
    assert len(early) > 60


def test_low_latency_gives_each_packet_before_the_next_picture(
    backend: BackendCase, encoded: str
) -> None:
    with backend.encoder(encoded, WIDTH, HEIGHT, low_latency=True) as encoder:
        for index, picture in enumerate(nv12_pictures(20)):
            encoder.submit(picture, force_keyframe=index == 9)
            packet = encoder.reap_timeout(PATIENCE_SECONDS)
            assert packet is not None
            assert (packet.pts, packet.dts) == (index, index)
            assert packet.keyframe == (index in (0, 9))
        assert encoder.flush(PATIENCE_SECONDS) == []


@pytest.mark.parametrize("preset", ["fastest", "fast", "balanced", "quality", "best"])
def test_low_latency_with_every_preset(backend: BackendCase, encoded: str, preset: str) -> None:
    with backend.encoder(encoded, 64, 64, fps=30, low_latency=True, preset=preset) as encoder:
        for picture in nv12_pictures(4, 64, 64):
            encoder.submit(picture)
            assert encoder.reap_timeout(PATIENCE_SECONDS) is not None
