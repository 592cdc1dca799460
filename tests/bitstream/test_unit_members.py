"""Which NAL units belong to which picture, one symptom a test; numbers name clauses."""

from __future__ import annotations

import pytest

from tests.bitstream.feeding import assemble, drained, nals_of
from tests.bitstream.small_units import (
    AVC,
    AVC_HEAD,
    H264_SEI,
    HEVC,
    HEVC_HEAD,
    HEVC_SEI,
    USER_DATA,
    cuts_into,
)
from tests.coded_streams import (
    H264_AUD,
    H264_END_OF_SEQUENCE,
    H264_END_OF_STREAM,
    H264_FILLER,
    H264_PREFIX,
    HEVC_END_OF_BITSTREAM,
    HEVC_END_OF_SEQUENCE,
    HEVC_FILLER,
    HEVC_SUFFIX_SEI,
    annexb,
    h264_nal,
    hevc_nal,
    hevc_sei,
)
from videohw.bitstream import AccessUnitAssembler


def test_parameter_sets_and_sei_before_a_picture_are_in_its_unit() -> None:
    cuts_into(
        "h264",
        [*AVC_HEAD, H264_SEI, AVC.idr()],
        [AVC.slice(frame_num=1, poc_lsb=2)],
        [*AVC_HEAD, H264_SEI, AVC.idr(idr_pic_id=1)],
    )
    cuts_into("hevc", [*HEVC_HEAD, HEVC_SEI, HEVC.slice(nal_type=19)], [HEVC_SEI, HEVC.slice()])


def test_parameter_sets_and_sei_before_the_first_delimiter_are_kept() -> None:
    cuts_into(
        "h264", [*AVC_HEAD, H264_SEI, H264_AUD, AVC.idr()], [H264_AUD, AVC.slice(frame_num=1)]
    )


@pytest.mark.parametrize("nal_type", [6, 14, 15, 16, 17, 18])
def test_what_opens_a_unit_is_held_until_the_next_slice_decides(nal_type: int) -> None:
    """7.4.1.2.3: behind the last slice it begins a unit, between two slices it does not."""
    held = h264_nal(nal_type, b"\x40\x80\x07\x80", 1)
    cuts_into(
        "h264",
        [*AVC_HEAD, AVC.idr(), held, AVC.idr(first_mb=40)],
        [held, AVC.slice(frame_num=1, poc_lsb=2)],
    )


@pytest.mark.parametrize("nal_type", [32, 33, 34, 39, 41, 44, 48, 55])
def test_hevc_what_opens_a_unit_is_held_until_the_next_slice_decides(nal_type: int) -> None:
    held = hevc_nal(nal_type, b"\x55\x80")
    cuts_into(
        "hevc",
        [
            *HEVC_HEAD,
            HEVC.slice(nal_type=19),
            held,
            HEVC.slice(nal_type=19, first=False, address=9),
        ],
        [held, HEVC.slice()],
    )


@pytest.mark.parametrize("nal_type", [0, 12, 13, 19, 20, 21, 22, 24, 31])
def test_what_follows_a_picture_stays_in_its_unit(nal_type: int) -> None:
    after = h264_nal(nal_type, b"\x40\x80\x07\x88\x80", 1)
    cuts_into("h264", [*AVC_HEAD, AVC.idr(), after], [AVC.slice(frame_num=1, poc_lsb=2), after])


@pytest.mark.parametrize("nal_type", [10, 15, 22, 31, 38, 40, 45, 47, 56, 62, 63])
def test_hevc_what_follows_a_picture_stays_in_its_unit(nal_type: int) -> None:
    """7.4.2.4.4; the reserved types of slices are to be ignored, so they begin nothing."""
    after = hevc_nal(nal_type, b"\x88\x80")
    cuts_into("hevc", [*HEVC_HEAD, HEVC.slice(nal_type=19), after], [HEVC.slice(), after])


def test_data_partitions_and_auxiliary_slices_do_not_begin_units() -> None:
    def partitions(frame_num: int) -> list[bytes]:
        made = []
        for first_mb in (0, 50):
            slice_ = AVC.slice(first_mb=first_mb, frame_num=frame_num, poc_lsb=2 * frame_num)
            made += [b"\x22" + slice_[1:], h264_nal(3, b"\x95\x80", 1), h264_nal(4, b"\x95\x80", 1)]
        return made

    auxiliary = h264_nal(19, b"\x99\x80")
    cuts_into("h264", [*AVC_HEAD, AVC.idr(), auxiliary], partitions(1), [*partitions(2), auxiliary])


def test_scalable_and_multiview_units_stay_with_their_base_picture() -> None:
    extension = h264_nal(20, b"\x40\x80\x07\x88\x80", 2)
    subset_sps = b"\x6f" + AVC.sps[1:]
    cuts_into(
        "h264",
        [*AVC_HEAD, subset_sps, H264_PREFIX, AVC.idr(), extension, extension],
        [H264_PREFIX, AVC.slice(frame_num=1, poc_lsb=2), extension],
        [H264_PREFIX, AVC.slice(frame_num=2, poc_lsb=4), H264_SEI, extension],
    )


def test_other_layers_never_begin_a_unit() -> None:
    enhancement = [
        hevc_nal(33, b"\x01\x80", layer_id=1),
        hevc_sei(USER_DATA, layer_id=1),
        HEVC.slice(nal_type=19, layer_id=1),
        HEVC.slice(layer_id=1, first=False, address=4),
    ]
    first, second = cuts_into(
        "hevc",
        [*HEVC_HEAD, HEVC.slice(nal_type=19), *enhancement],
        [HEVC_SEI, HEVC.slice(), *enhancement],
    )
    assert first.layer_nals == second.layer_nals == 4
    assert first.base_layer_data() == annexb(*HEVC_HEAD, HEVC.slice(nal_type=19))
    assert second.base_layer_data() == annexb(HEVC_SEI, HEVC.slice())
    assert [span.layer_id for span in second.nals] == [0, 0, 1, 1, 1, 1]


def test_a_base_layer_set_before_a_slice_of_another_layer_stays() -> None:
    """F.7.4.2.4.4: a unit begins behind the last slice of any layer."""
    cuts_into(
        "hevc",
        [*HEVC_HEAD, HEVC.slice(nal_type=19), HEVC.pps, HEVC.slice(nal_type=19, layer_id=1)],
        [HEVC.pps, HEVC.slice()],
    )


def test_units_without_other_layers_give_their_data_itself() -> None:
    (unit,) = assemble("hevc", annexb(*HEVC_HEAD, HEVC.slice(nal_type=19)))
    assert unit.base_layer_data() is unit.data


def test_filler_suffix_sei_and_ends_belong_to_the_picture_before_them() -> None:
    units = cuts_into(
        "hevc",
        [*HEVC_HEAD, HEVC.slice(nal_type=20), HEVC_SUFFIX_SEI, HEVC_FILLER, HEVC_END_OF_SEQUENCE],
        [HEVC.slice(nal_type=21)],
        [HEVC.slice(), HEVC_END_OF_SEQUENCE, HEVC_END_OF_BITSTREAM],
        [*HEVC_HEAD, HEVC.slice(nal_type=16)],
    )
    assert [unit.after_end_of_sequence for unit in units] == [True, True, False, True]
    units = cuts_into(
        "h264",
        [*AVC_HEAD, AVC.idr(), H264_FILLER, H264_END_OF_SEQUENCE, H264_END_OF_STREAM],
        [H264_SEI, AVC.idr()],
        [AVC.slice(frame_num=1), H264_END_OF_SEQUENCE],
        [AVC.idr(first_mb=9)],
    )
    assert [unit.after_end_of_sequence for unit in units] == [True, True, False, True]


def test_after_an_end_of_sequence_the_next_slice_begins_a_unit_whatever_it_says() -> None:
    cuts_into(
        "hevc",
        [*HEVC_HEAD, HEVC.slice(nal_type=19), HEVC_END_OF_SEQUENCE],
        [HEVC.slice(nal_type=19, first=False, address=7)],
    )


def test_an_end_of_sequence_that_comes_late_still_counts_for_the_next_unit() -> None:
    """A unit closed early by its caller cannot take it in."""
    assembler = AccessUnitAssembler("hevc")
    assembler.feed(annexb(*HEVC_HEAD, HEVC.slice(nal_type=19)), end_of_unit=True)
    assembler.feed(annexb(HEVC_END_OF_SEQUENCE, HEVC.slice(nal_type=21)), end_of_unit=True)
    first, second = drained(assembler)
    assert nals_of(second)[0] == HEVC_END_OF_SEQUENCE
    assert first.after_end_of_sequence
    assert second.after_end_of_sequence
