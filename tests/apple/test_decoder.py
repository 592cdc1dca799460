"""Decoders on VideoToolbox: what the contract suite cannot ask of every backend."""

from __future__ import annotations

import threading
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tests.apple.facts import FACTS
from tests.backends.decoding import Decoded, assert_account, decode_bytes, decode_units
from tests.backends.oracle import frame_md5, frames_md5
from tests.backends.pcm import PcmStream, Vui, gray_units
from tests.backends.waiting import wait_for
from tests.corpus import stream
from tests.emulators.control import AppleEmulator
from videohw.apple.image_info import AppleImageInfo
from videohw.color import SITINGS, ColorSpec
from videohw.decoder import Decoder
from videohw.errors import (
    BackendError,
    DeviceLost,
    InvalidBitstream,
    InvalidInput,
    UnsupportedConfig,
)
from videohw.frame import Frame

SMALL = "generated/small144x144.h264"
INVALID_SESSION, MALFUNCTION, REMOVED, SESSION_MALFUNCTION = -12903, -12911, -17690, -17691
BAD_DATA, REFERENCE_MISSING, NOT_NOW = -12909, -17694, -12913
PATIENCE_SECONDS = 30.0
VALUES: dict[str, int] = FACTS["constants"]


def opened(codec: str = "h264", **arguments: Any) -> Decoder:
    return Decoder(codec, backend="videotoolbox", **arguments)


def decoded(name: str, **arguments: Any) -> Decoded:
    each = stream(name)
    return decode_bytes(opened(each.codec, **arguments), each.read())


def idr_units(count: int, stream_of: PcmStream | None = None) -> list[list[bytes]]:
    """Pictures of which each begins anew."""
    stream_of = stream_of or PcmStream(vui=Vui(num_reorder=0))
    return [[*stream_of.sets, stream_of.picture(16 + number, idr=True)] for number in range(count)]


# Callbacks


@pytest.mark.parametrize("how", ["other", "caller", "shuffled:1", "shuffled:2"])
@pytest.mark.parametrize("name", [SMALL, "generated/main_320x240_b4.h265"])
def test_output_does_not_depend_on_how_callbacks_come(
    frameworks: AppleEmulator, name: str, how: str
) -> None:
    with frameworks.having(CALLBACKS=how):
        got = decoded(name)
    assert got.errors == []
    assert frames_md5(got.frames) == stream(name).yuv_md5


def test_frames_under_way_are_bounded(frameworks: AppleEmulator) -> None:
    from videohw.apple.options import AppleDecoderOptions

    options = AppleDecoderOptions(under_way=3)
    with opened(options=options, max_in_flight=100) as decoder:
        frameworks.fault("decode", "stall", 0)
        for unit in gray_units(20):
            decoder.submit(unit, layout="access_unit")
        wait_for(lambda: frameworks.stalled() == 1)
        frameworks.clear_faults()
        assert len(decoder.flush(PATIENCE_SECONDS)) == 20
    # One that is being called back still counts there.
    assert frameworks.report()["peak"]["frames being decoded"] <= 4


def test_frames_look_at_the_image_and_keep_it(frameworks: AppleEmulator) -> None:
    """Without a copy; also after the session is closed."""
    each = stream(SMALL)
    with opened(each.codec) as decoder:
        frames = list(decoder.decode([each.read()]))
    assert frameworks.open()["CVPixelBuffer"] == each.frames
    sums = [frame_md5(frame) for frame in frames]
    plane = frames[3].planes[0]
    assert not plane.flags.writeable
    assert plane.strides[0] > plane.shape[1]  # the image's own rows
    kept = plane[10:20]
    copied = np.array(kept)
    del frames, plane
    assert frameworks.open()["CVPixelBuffer"] == 1
    assert np.array_equal(kept, copied)
    assert len(set(sums)) == each.frames


def test_metadata_keeps_no_image(frameworks: AppleEmulator) -> None:
    each = stream(SMALL)
    with opened(each.codec, output="metadata") as decoder:
        frames = list(decoder.decode([each.read()]))
        assert "CVPixelBuffer" not in frameworks.open()
    assert len(frames) == each.frames
    assert {(frame.width, frame.height, frame.format) for frame in frames} == {(144, 144, "nv12")}


@pytest.mark.parametrize(
    "name",
    ["generated/crop_322x182.h265", "generated/crop_130x98.h264", "generated/main444_8_odd.h265"],
)
def test_images_of_the_coded_size_are_cut(frameworks: AppleEmulator, name: str) -> None:
    with frameworks.having(CROPPING="coded"):
        got = decoded(name)
    assert frames_md5(got.frames) == stream(name).yuv_md5


# Sessions


def test_a_change_of_size_makes_another_session(frameworks: AppleEmulator) -> None:
    got = decoded("generated/res_change_ABA.h265")
    assert frames_md5(got.frames) == stream("generated/res_change_ABA.h265").yuv_md5
    assert got.summary["sessions_created"] == 3


@pytest.mark.parametrize("rule", ["same", "identical"])
def test_other_sets_of_the_same_form(frameworks: AppleEmulator, rule: str) -> None:
    """They go on with the session where it takes them, and with another one where it does not."""
    first, second = (PcmStream(vui=Vui(num_reorder=0, sar=sar)) for sar in (None, (4, 3)))
    units = idr_units(3, first) + idr_units(3, second)
    with frameworks.having(ACCEPTS=rule):
        got = decode_units(opened(), units)
    assert len(got.frames) == 6
    assert got.summary["sessions_created"] == (1 if rule == "same" else 2)


def test_hardware_is_what_the_system_says(frameworks: AppleEmulator) -> None:
    assert decode_units(opened(), idr_units(1)).summary["using_hardware"] is True
    with frameworks.having(HARDWARE="0"):
        got = decode_units(opened(), idr_units(1))
        assert got.summary["using_hardware"] is False
        assert len(got.frames) == 1
        with pytest.raises(UnsupportedConfig, match="require_hardware"):
            opened(require_hardware=True)
    # The system may say otherwise when the session is made: it is told what is asked.
    required = opened(require_hardware=True)
    with frameworks.having(HARDWARE="0"):
        got = decode_units(required, idr_units(1))
        assert [type(error) for error in got.errors] == [UnsupportedConfig]


def test_a_decoder_that_is_busy_is_asked_again(frameworks: AppleEmulator) -> None:
    frameworks.fault("VTDecompressionSessionCreate", "fail", NOT_NOW, count=3)
    got = decode_units(opened(), idr_units(2))
    assert len(got.frames) == 2
    assert got.summary["creations_retried"] == 3


def test_a_decoder_that_stays_busy_is_an_error(frameworks: AppleEmulator) -> None:
    frameworks.fault("VTDecompressionSessionCreate", "fail", NOT_NOW, count=0)
    got = decode_units(opened(on_error="raise"), idr_units(1))
    (error,) = got.errors
    assert isinstance(error, BackendError)
    assert (error.code, error.name) == (NOT_NOW, "kVTVideoDecoderNotAvailableNowErr")
    assert not error.fatal
    assert_account(got.summary)


@pytest.mark.parametrize("code", [INVALID_SESSION, MALFUNCTION, REMOVED, SESSION_MALFUNCTION])
@pytest.mark.parametrize("where", ["decode", "VTDecompressionSessionDecodeFrame"])
@pytest.mark.parametrize("on_error", ["raise", "skip", "resync"])
def test_a_lost_session_is_made_anew(
    frameworks: AppleEmulator, code: int, where: str, on_error: str
) -> None:
    """And decoding goes on at the next random access point."""
    frameworks.fault(where, "lost", code, first=3)
    stream_of = PcmStream(vui=Vui(num_reorder=0))
    units = gray_units(6, stream_of) + gray_units(6, stream_of, first=100)
    got = decode_units(opened(on_error=on_error, max_in_flight=1), units)
    assert [frame.decode_index for frame in got.frames] == [0, 1, 6, 7, 8, 9, 10, 11]
    assert [int(frame.planes[0][0, 0]) for frame in got.frames[2:4]] == [116, 117]
    assert got.summary["sessions_lost"] == 1
    assert got.summary["sessions_created"] == 2
    assert_account(got.summary)
    if on_error == "raise":
        assert len(got.errors) == 4
        assert isinstance(got.errors[0], BackendError)
        assert got.errors[0].code == code
        assert all(isinstance(error, InvalidBitstream) for error in got.errors[1:])
        assert not any(error.fatal for error in got.errors)
    else:
        assert got.errors == []


def test_a_codec_that_is_gone_is_a_lost_device(frameworks: AppleEmulator) -> None:
    frameworks.fault("decode", "gone", REMOVED, first=2)
    with opened(low_latency=True, max_in_flight=1) as decoder:
        units = idr_units(4)
        decoder.submit(units[0], layout="access_unit")
        assert decoder.reap_timeout(PATIENCE_SECONDS) is not None
        decoder.submit(units[1], layout="access_unit")
        with pytest.raises(DeviceLost, match="VTDecompressionSessionCreate") as lost:
            decoder.reap_timeout(PATIENCE_SECONDS)
    assert (lost.value.code, lost.value.name) == (REMOVED, "kVTVideoDecoderRemovedErr")


# Single pictures


def test_a_missing_reference_is_no_error(frameworks: AppleEmulator) -> None:
    frameworks.fault("decode", "fail", REFERENCE_MISSING, first=3)
    got = decode_units(opened(), gray_units(6))
    assert got.errors == []
    assert len(got.frames) == 5
    assert got.summary["reasons"] == {"no_reference": 1}


@pytest.mark.parametrize(
    ("on_error", "reason"),
    [("raise", "undecodable"), ("skip", "skipped"), ("resync", "resynced"),
     ("conceal", "undecodable")],
)  # fmt: skip
def test_a_dropped_frame_is_told(frameworks: AppleEmulator, on_error: str, reason: str) -> None:
    frameworks.fault("decode", "drop", 0, first=3)
    units = gray_units(6) + gray_units(2, first=100)
    got = decode_units(opened(on_error=on_error), units)
    assert got.summary["frames_dropped"] == 1
    lost = 4 if on_error == "resync" else 1
    assert got.summary["reasons"] == {reason: lost}
    assert len(got.frames) == 8 - lost
    assert [type(error) for error in got.errors] == [InvalidBitstream] * (on_error == "raise")
    if on_error == "raise":
        assert "kVTDecodeInfo_FrameDropped" in str(got.errors[0])
    assert_account(got.summary)


# What the system says of pictures


def info(frame: Frame) -> AppleImageInfo:
    assert isinstance(frame.backend_info, AppleImageInfo)
    return frame.backend_info


def test_flags_of_decoding_are_told(frameworks: AppleEmulator) -> None:
    units = idr_units(2)
    assert [info(frame).decode_info_flags for frame in decode_units(opened(), units).frames] == [
        VALUES["kVTDecodeInfo_Asynchronous"]
    ] * 2
    with frameworks.having(CALLBACKS="caller", MODIFIABLE="1"):
        got = [info(frame) for frame in decode_units(opened(), units).frames]
    assert {each.decode_info_flags for each in got} == {
        VALUES["kVTDecodeInfo_ImageBufferModifiable"]
    }
    assert [(each.asynchronous, each.modifiable) for each in got] == [(False, True)] * 2
    (frame, *_) = decode_units(opened(output="metadata"), units).frames
    assert info(frame) == AppleImageInfo(VALUES["kVTDecodeInfo_Asynchronous"])
    assert info(frame).asynchronous


@pytest.mark.parametrize("siting", range(6))
def test_what_is_attached_is_told(frameworks: AppleEmulator, siting: int) -> None:
    vui = Vui(primaries=9, transfer=16, matrix=9, num_reorder=0, sar=(4, 3), siting=siting)
    got = decode_units(opened(), idr_units(1, PcmStream(vui=vui)))
    (frame,) = got.frames
    told = info(frame)
    assert told.color == ColorSpec(
        matrix="bt2020nc", primaries="bt2020", transfer="smpte2084", siting=SITINGS[siting]
    )
    assert told.sample_aspect_ratio == Fraction(4, 3)
    assert told.clean == (0, 0, 48, 16)
    assert told.disagreements == ()
    assert got.summary["attachments_disagreed"] == 0
    stated = (frame.color.matrix, frame.color.primaries, frame.color.transfer, frame.color.siting)
    assert stated == ("bt2020nc", "bt2020", "smpte2084", SITINGS[siting])


def test_the_stream_decides_and_a_guess_of_the_system_does_not(frameworks: AppleEmulator) -> None:
    vui = Vui(primaries=9, transfer=16, matrix=2, num_reorder=0)
    with frameworks.having(COLOURS="bt709"):
        got = decode_units(opened(), idr_units(2, PcmStream(vui=vui)))
    for frame in got.frames:
        color = frame.color
        assert (color.matrix, color.primaries, color.transfer) == (None, "bt2020", "smpte2084")
        told = info(frame)
        assert (told.color.matrix, told.color.primaries) == ("bt709", "bt709")
        assert told.disagreements == ("primaries", "transfer")
    assert got.summary["attachments_disagreed"] == 2


def test_names_that_stand_for_several_code_points_agree(frameworks: AppleEmulator) -> None:
    vui = Vui(primaries=1, transfer=6, matrix=1, num_reorder=0)
    with frameworks.having(COLOURS="bt709"):
        (frame,) = decode_units(opened(), idr_units(1, PcmStream(vui=vui))).frames
    assert frame.color.transfer == "smpte170m"
    assert info(frame).disagreements == ()


def test_what_videotoolbox_does_not_decode(frameworks: AppleEmulator) -> None:
    for name in ("generated/main12_420.h265", "generated/gray400.h265"):
        got = decoded(name)
        assert got.frames == []
        assert {type(error) for error in got.errors} == {UnsupportedConfig}
        assert_account(got.summary)


# Life


def test_three_hundred_sessions_leave_nothing(frameworks: AppleEmulator) -> None:
    (unit,) = idr_units(1)
    for number in range(300):
        with opened() as decoder:
            if number % 3:
                decoder.submit(unit, layout="access_unit")
            if number % 3 == 2:
                assert len(decoder.flush(PATIENCE_SECONDS)) == 1
    assert frameworks.open() == {}
    assert frameworks.report()["ever"]["VTDecompressionSession"] >= 100


def test_a_session_that_does_not_come_back_is_left(
    frameworks: AppleEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("videohw.apple.decoder.STUCK_SECONDS", 0.2)
    before = set(threading.enumerate())
    decoder = opened()
    assert not decoder.summary()["abandoned"]
    frameworks.fault("VTDecompressionSessionDecodeFrame", "stall", 0)
    decoder.submit(idr_units(1)[0], layout="access_unit")
    with pytest.raises(DeviceLost, match="did not come back"):
        decoder.reap_timeout(PATIENCE_SECONDS)
    assert decoder.summary()["abandoned"]
    decoder.close()
    frameworks.clear_faults()
    wait_for(lambda: set(threading.enumerate()) <= before)


def test_options_are_checked(frameworks: AppleEmulator) -> None:
    from videohw.apple.options import AppleDecoderOptions

    for wrong in (0, 33, True, "6"):
        with pytest.raises(InvalidInput, match="under_way"):
            AppleDecoderOptions(under_way=wrong)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="AppleDecoderOptions"):
        opened(options=object())
