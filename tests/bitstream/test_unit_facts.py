"""What a unit says of its picture, and what the assembler makes of parameter sets and damage."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.bitstream.feeding import assemble, nals_of, run
from tests.bitstream.small_units import (
    AVC,
    AVC_HEAD,
    H264_SEI,
    HEVC,
    HEVC_HEAD,
    cuts_into,
)
from tests.coded_streams import (
    B_SLICE,
    I_SLICE,
    P_SLICE,
    SI_SLICE,
    SP_SLICE,
    annexb,
    h264_nal,
    h264_recovery_point,
    h264_sei,
    hevc_recovery_point,
)
from videohw.bitstream import AccessUnitAssembler, NalSpan


def test_random_access_points_of_h264() -> None:
    units = cuts_into(
        "h264",
        [*AVC_HEAD, AVC.idr()],
        [AVC.slice(frame_num=1, poc_lsb=2)],
        [H264_SEI, h264_recovery_point(7), AVC.slice(frame_num=2, slice_type=I_SLICE)],
        [AVC.slice(frame_num=3, slice_type=I_SLICE)],
        [h264_recovery_point(0), AVC.idr()],
    )
    assert [u.random_access for u in units] == ["idr", None, "recovery_point", None, "idr"]
    assert [u.keyframe for u in units] == [True, False, True, False, True]
    assert [u.recovery_frame_count for u in units] == [None, None, 7, None, 0]


def test_a_recovery_point_is_found_behind_other_messages_and_escaped_zeros() -> None:
    messages = [(5, bytes(600)), (130, b"\0\0\1" * 90), (6, b"\xc4\x80")]
    units = assemble("h264", annexb(*AVC_HEAD, h264_sei(*messages), AVC.slice(slice_type=I_SLICE)))
    assert units[0].random_access == "recovery_point"
    units = assemble(
        "h264", annexb(*AVC_HEAD, h264_sei(*messages[:2]), AVC.slice(slice_type=I_SLICE))
    )
    assert units[0].random_access is None


def test_random_access_points_of_hevc() -> None:
    kinds = {16: "bla", 17: "bla", 18: "bla", 19: "idr", 20: "idr", 21: "cra", 1: None}
    for nal_type, kind in kinds.items():
        (unit,) = assemble("hevc", annexb(*HEVC_HEAD, HEVC.slice(nal_type=nal_type)))
        assert unit.random_access == kind
        assert unit.keyframe == (kind is not None)
    (unit,) = assemble("hevc", annexb(*HEVC_HEAD, hevc_recovery_point(-3), HEVC.slice()))
    assert (unit.random_access, unit.recovery_frame_count, unit.keyframe) == (
        "recovery_point", -3, True,
    )  # fmt: skip


def test_leading_reference_and_temporal_id_of_hevc() -> None:
    units = cuts_into(
        "hevc",
        [*HEVC_HEAD, HEVC.slice(nal_type=21)],
        *([HEVC.slice(nal_type=n, temporal_id=n % 3)] for n in (8, 9, 6, 7, 0, 1, 2, 3)),
    )
    assert [u.leading for u in units[1:]] == ["rasl", "rasl", "radl", "radl"] + [None] * 4
    assert [u.reference for u in units] == [True] + [False, True] * 4
    assert [u.temporal_id for u in units] == [0, 2, 0, 0, 1, 0, 1, 2, 0]


@pytest.mark.parametrize(
    ("types", "letter"),
    [
        ((I_SLICE,), "I"),
        ((SI_SLICE,), "I"),
        ((P_SLICE,), "P"),
        ((SP_SLICE,), "P"),
        ((I_SLICE, P_SLICE), "P"),
        ((P_SLICE, I_SLICE, B_SLICE), "B"),
        ((I_SLICE + 5,), "I"),
        ((P_SLICE + 5,), "P"),
        ((B_SLICE + 5,), "B"),
    ],
)
def test_picture_type_is_that_of_the_slice_that_needs_most(
    types: tuple[int, ...], letter: str
) -> None:
    slices = [AVC.slice(first_mb=9 * n, slice_type=kind) for n, kind in enumerate(types)]
    (unit,) = cuts_into("h264", [*AVC_HEAD, *slices])
    assert unit.picture_type == letter


def test_reference_pictures_of_h264() -> None:
    units = cuts_into(
        "h264", [*AVC_HEAD, AVC.idr()], [AVC.slice(frame_num=1, ref_idc=0, poc_lsb=2)]
    )
    assert [unit.reference for unit in units] == [True, False]


def test_parameter_sets_in_a_unit_are_noted_when_they_are_complete() -> None:
    for codec, head, slice_ in (("h264", AVC_HEAD, AVC.idr()), ("hevc", HEVC_HEAD, HEVC.slice())):
        assert assemble(codec, annexb(*head, slice_))[0].has_parameter_sets
        assert not assemble(codec, annexb(*head[1:], slice_))[0].has_parameter_sets
        assert not assemble(codec, annexb(slice_))[0].has_parameter_sets


def test_spans_say_where_the_nal_units_lie() -> None:
    data = b"\0\0\0\1" + AVC.sps + b"\0\0\0\0\1" + AVC.pps + b"\0\0\1" + AVC.idr()
    (unit,) = assemble("h264", data)
    for span, nal in zip(unit.nals, (AVC.sps, AVC.pps, AVC.idr()), strict=True):
        assert unit.data[span.start : span.start + span.size] == nal
    assert unit.nals[0] == NalSpan(4, len(AVC.sps), 7, 0, 0)
    assert unit.nals is unit.nals
    assert all(isinstance(view, memoryview) and view.readonly for view in unit.nal_units())


# Parameter sets


def test_several_sets_by_id_give_each_slice_its_own_syntax() -> None:
    """The predecessor kept only the last PPS."""
    wide = replace(AVC, sps_id=3, pps_id=7, frame_num_bits=16, poc_lsb_bits=16)
    units = cuts_into(
        "h264",
        [*AVC_HEAD, wide.sps, wide.pps, AVC.idr()],
        [AVC.slice(frame_num=1, poc_lsb=2), AVC.slice(first_mb=40, frame_num=1, poc_lsb=2)],
        [wide.slice(first_mb=mb, frame_num=900, poc_lsb=9000) for mb in (0, 5)],
        [wide.slice(first_mb=6, frame_num=900, poc_lsb=9001)],
    )
    assert len(units) == 4


def test_a_new_set_under_an_old_id_changes_the_syntax_from_there_on() -> None:
    wide = replace(AVC, frame_num_bits=16)
    assembler = AccessUnitAssembler("h264")
    units = run(
        assembler,
        [annexb(*AVC_HEAD, AVC.idr(), wide.sps, wide.idr(), wide.slice(frame_num=300),
                wide.slice(first_mb=3, frame_num=301))],
    )  # fmt: skip
    assert len(units) == 4
    assert assembler.parameter_sets.raw() == [wide.sps, AVC.pps]


def test_a_pps_may_come_before_its_sps() -> None:
    cuts_into("h264", [AVC.pps, AVC.sps, AVC.idr()], [AVC.slice(first_mb=9, frame_num=1)])


def test_the_active_set_is_the_one_that_the_last_picture_used() -> None:
    other = replace(AVC, sps_id=5, pps_id=6)
    assembler = AccessUnitAssembler("h264")
    run(assembler, [annexb(*AVC_HEAD, other.sps, other.pps, AVC.idr())])
    assert assembler.parameter_sets.active_sps.seq_parameter_set_id == 0  # type: ignore[union-attr]
    run(assembler, [annexb(other.idr())])
    assert assembler.parameter_sets.active_sps.seq_parameter_set_id == 5  # type: ignore[union-attr]


def test_without_parameter_sets_pictures_are_told_apart_by_what_needs_none() -> None:
    units = cuts_into(
        "h264",
        [AVC.idr(), AVC.idr(first_mb=40)],
        [AVC.slice(frame_num=1), AVC.slice(first_mb=40, frame_num=1)],
        [AVC.slice(frame_num=2)],
    )
    assert [unit.picture_type for unit in units] == ["I", "P", "P"]
    units = cuts_into("hevc", [HEVC.slice(nal_type=19), HEVC.slice(nal_type=19, first=False)])
    assert units[0].picture_type == ""


def test_a_damaged_set_makes_no_error_and_its_slices_are_told_apart_all_the_same() -> None:
    assembler = AccessUnitAssembler("h264")
    damaged = h264_nal(7, b"\x4d\x00\x1e\x80")
    units = run(assembler, [annexb(damaged, AVC.pps, AVC.idr(), AVC.slice(frame_num=1))])
    assert len(units) == 2


def test_a_set_of_a_megabyte_is_not_kept() -> None:
    assembler = AccessUnitAssembler("h264")
    run(assembler, [annexb(AVC.sps + b"\x80" * (1 << 20), AVC.sps, AVC.pps, AVC.idr())])
    assert assembler.parameter_sets.raw() == [AVC.sps, AVC.pps]


def test_emulation_prevention_inside_of_a_slice_header_is_removed() -> None:
    wide = replace(AVC, frame_num_bits=16, poc_lsb_bits=16)
    slices = [wide.slice(first_mb=mb, frame_num=0, poc_lsb=lsb) for lsb in (0, 1) for mb in (0, 20)]
    assert all(b"\0\0\3" in nal[:12] for nal in slices)
    cuts_into("h264", [wide.sps, wide.pps, *slices[:2]], slices[2:])


# Damage


@pytest.mark.parametrize(
    ("codec", "nal"),
    [("h264", b"\xe5\x88\x84\x80"), ("hevc", b"\xa6\x01\xaf\x80"), ("hevc", b"\x26\x00\xaf\x80"),
     ("hevc", b"\x26"), ("h264", b"\x65"), ("hevc", b"\x26\x01")],
)  # fmt: skip
def test_a_nal_unit_with_a_forbidden_or_missing_header_begins_nothing(
    codec: str, nal: bytes
) -> None:
    sets: Any = AVC if codec == "h264" else HEVC
    head = AVC_HEAD if codec == "h264" else HEVC_HEAD
    first = AVC.idr() if codec == "h264" else HEVC.slice(nal_type=19)
    (unit,) = cuts_into(codec, [*head, first, nal])
    assert unit.keyframe
    assert assemble(codec, annexb(nal)) == []
    assert sets.pps in unit.data


def test_leftover_sets_without_a_picture_are_no_unit_and_are_counted() -> None:
    assembler = AccessUnitAssembler("h264")
    units = run(assembler, [annexb(*AVC_HEAD, AVC.idr(), H264_SEI, *AVC_HEAD)])
    assert [nals_of(unit) for unit in units] == [[*AVC_HEAD, AVC.idr()]]
    assert assembler.discarded_nals == 3
    assert run(assembler, [annexb(*AVC_HEAD)]) == []
    assert assembler.discarded_nals == 5


def test_leading_garbage_is_counted_and_in_no_unit() -> None:
    assembler = AccessUnitAssembler("h264")
    (unit,) = run(assembler, [b"garbage\0\0\2" + annexb(*AVC_HEAD, AVC.idr())])
    assert unit.offset == 10
    assert assembler.garbage_bytes == 10
