"""Rule 7: a device that is lost, and errors of the encoder, in their place; both by faults."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest

from tests.backends.conftest import BackendCase
from tests.backends.damaged import everything
from tests.backends.decoding import PATIENCE_SECONDS
from tests.backends.encoding import witness
from tests.backends.faults import Faults, Kind
from tests.backends.pcm import PcmStream, Vui, gray_units
from videohw.encoder import Encoder
from videohw.errors import BackendError, DeviceLost, SessionClosed, VideoHwError
from videohw.frame import Frame
from videohw.types import Packet

PICTURE = np.full((96, 64), 77, np.uint8)


def units(count: int) -> list[list[bytes]]:
    return gray_units(count, PcmStream(vui=Vui(num_reorder=0)))


def test_a_lost_device_ends_the_decoder_and_a_new_one_works(
    backend: BackendCase, faults: Faults
) -> None:
    with backend.decoder("h264", max_in_flight=20, low_latency=True) as decoder:
        frames = []
        if backend.has_device:  # what is still on it is lost with it
            for number, unit in enumerate(units(4)):
                decoder.submit(unit, number, layout="access_unit")
                frames.append(decoder.reap_timeout(PATIENCE_SECONDS))
        faults.arm("lost", after=4 - len(frames))
        with suppress(SessionClosed):  # when the device is lost before all are submitted
            for number, unit in list(enumerate(units(8)))[len(frames) :]:
                decoder.submit(unit, number, layout="access_unit")
        frames += [decoder.reap_timeout(PATIENCE_SECONDS) for _ in range(4 - len(frames))]
        # What came before it is not lost with it.
        assert [frame.pts for frame in frames if frame is not None] == [0, 1, 2, 3]
        with pytest.raises(DeviceLost) as lost:
            decoder.reap_timeout(PATIENCE_SECONDS)
        error = lost.value
        assert error.fatal
        if backend.name == "software":
            assert (error.call, error.code, error.name) == ("codec", 999, "LOST")
        assert error.call
        assert error.code
        assert error.name
        assert error.domain
        assert "new" in str(error.hint)
        for use in (
            decoder.try_reap,
            decoder.flush,
            lambda: decoder.reap_timeout(PATIENCE_SECONDS),
            lambda: decoder.submit(b"\0\0\1\x65"),
        ):
            with pytest.raises(SessionClosed, match="failed earlier"):
                use()
        assert decoder.summary()["delivered"] == 4
    assert [kind for kind, _ in faults.hits] == ["lost"]
    faults.disarm()
    with backend.decoder("h264", max_in_flight=20) as decoder:
        with suppress(SessionClosed):  # when the device is lost before all are submitted
            for unit in units(8):
                decoder.submit(unit, layout="access_unit")
        assert len(decoder.flush(PATIENCE_SECONDS)) == 8


def test_a_device_lost_during_flush_keeps_the_frames_before(
    backend: BackendCase, faults: Faults
) -> None:
    faults.arm("lost", after=4)
    with backend.decoder("h264", max_in_flight=20) as decoder:
        with suppress(SessionClosed):  # when the device is lost before all are submitted
            for unit in units(8):
                decoder.submit(unit, layout="access_unit")
        with pytest.raises(DeviceLost):
            decoder.flush(PATIENCE_SECONDS)
        indexes = []
        with suppress(SessionClosed):
            while (frame := decoder.try_reap()) is not None:
                indexes.append(frame.decode_index)
        with pytest.raises(SessionClosed):
            decoder.try_reap()
        assert indexes == list(range(len(indexes)))
        assert backend.has_device or len(indexes) == 4


def test_a_lost_device_takes_the_sessions_on_it_and_no_other(
    backend: BackendCase, faults: Faults
) -> None:
    with backend.decoder("h264", max_in_flight=20) as other:
        other.submit(units(1)[0], layout="access_unit")
        assert other.reap_timeout(PATIENCE_SECONDS) is not None
        faults.arm("lost")
        with backend.decoder("h264") as decoder:
            decoder.submit(units(1)[0], layout="access_unit")
            with pytest.raises(DeviceLost):
                decoder.reap_timeout(PATIENCE_SECONDS)
        if backend.has_device:
            faults.disarm()
            with suppress(SessionClosed):  # when its worker has noticed already
                other.submit(units(1)[0], layout="access_unit")
            with pytest.raises(DeviceLost):
                other.flush(PATIENCE_SECONDS)
        else:
            other.submit(units(1)[0], layout="access_unit")
            assert other.reap_timeout(PATIENCE_SECONDS) is not None


# The encoder


def submitted(encoder: Encoder, count: int) -> None:
    for _ in range(count):
        encoder.submit(PICTURE, timeout=PATIENCE_SECONDS)


def everything_of(encoder: Encoder) -> list[Packet | VideoHwError]:
    """All that a flush gives, past every error."""
    found: list[Packet | VideoHwError] = []
    while True:
        try:
            found += encoder.flush(PATIENCE_SECONDS)
        except VideoHwError as error:
            found.append(error)
        else:
            return found


@pytest.mark.parametrize("kind", ["refuse", "bug"])
def test_an_error_of_the_encoder_is_raised_once_and_costs_one_picture(
    backend: BackendCase, faults: Faults, encoded: str, kind: Kind
) -> None:
    with backend.encoder(encoded, 64, 64, max_in_flight=20) as encoder:
        faults.arm(kind, after=3)
        submitted(encoder, 8)
        got = everything_of(encoder)
        (error,) = [item for item in got if not isinstance(item, Packet)]
        assert isinstance(error, BackendError)
        assert not error.fatal
        if kind == "refuse":
            assert "pts 3" in str(error)
            assert error.call
            assert error.name
            assert isinstance(error.code, int)
        assert [item.pts for item in got if isinstance(item, Packet)] == [0, 1, 2, 4, 5, 6, 7]
        summary = encoder.summary()
        assert summary["submitted"] == 8 == summary["delivered"] + sum(summary["reasons"].values())
        submitted(encoder, 4)
        assert [packet.pts for packet in encoder.flush(PATIENCE_SECONDS)] == [8, 9, 10, 11]


def test_what_the_encoder_gives_after_an_error_decodes(
    backend: BackendCase, faults: Faults, encoded: str
) -> None:
    with backend.encoder(encoded, 64, 64, max_in_flight=20) as encoder:
        faults.arm("refuse", after=3)
        submitted(encoder, 8)
        packets = [item for item in everything_of(encoder) if isinstance(item, Packet)]
        assert len(witness(encoded, packets)) == 7


def test_a_lost_device_ends_the_encoder_and_a_new_one_works(
    backend: BackendCase, faults: Faults, encoded: str
) -> None:
    with backend.encoder(encoded, 64, 64, low_latency=True, max_in_flight=20) as encoder:
        submitted(encoder, 4)
        # What a device has coded and not given is lost with it.
        packets = [encoder.reap_timeout(PATIENCE_SECONDS) for _ in range(4)]
        assert [packet.pts for packet in packets if packet is not None] == [0, 1, 2, 3]
        faults.arm("lost")
        with suppress(SessionClosed):  # when the device is lost before all are submitted
            submitted(encoder, 4)
        with pytest.raises(DeviceLost) as lost:
            encoder.reap_timeout(PATIENCE_SECONDS)
        assert lost.value.fatal
        with pytest.raises(SessionClosed):
            encoder.submit(PICTURE)
    faults.disarm()
    with backend.encoder(encoded, 64, 64, max_in_flight=20) as encoder:
        submitted(encoder, 3)
        assert [packet.pts for packet in encoder.flush(PATIENCE_SECONDS)] == [0, 1, 2]


def test_a_stalled_codec_delays_and_loses_nothing(backend: BackendCase, faults: Faults) -> None:
    """The time given to flush is kept while the codec is stuck, and the next flush goes on."""
    faults.arm("stall", after=3)
    with backend.decoder("h264", max_in_flight=20) as decoder:
        for unit in units(6):
            decoder.submit(unit, layout="access_unit")
        assert faults.wait_until_stalled(PATIENCE_SECONDS)
        with pytest.raises(TimeoutError):
            decoder.flush(0.05)
        faults.release()
        frames = everything(decoder)
        assert [f.decode_index for f in frames if isinstance(f, Frame)] == [0, 1, 2, 3, 4, 5]
