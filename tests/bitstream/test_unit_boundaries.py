"""Where one picture ends and the next begins, one symptom a test; numbers name clauses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.bitstream.feeding import assemble
from tests.bitstream.small_units import (
    AVC,
    AVC_HEAD,
    HEVC,
    HEVC_HEAD,
    cuts_into,
    idr_first,
)
from tests.coded_streams import (
    H264_AUD,
    HEVC_AUD,
    HEVC_B,
    HEVC_I,
    I_SLICE,
    P_SLICE,
    HevcSets,
    annexb,
    every,
    h264_sei,
    joined,
)
from tests.corpus import stream
from videohw.bitstream import AccessUnitAssembler

SLICES = "generated/slices8_aud.h264"

# Several slices a picture


def test_multi_slice_pictures_without_delimiters_are_one_unit_each() -> None:
    pictures = [
        [AVC.slice(first_mb=mb, frame_num=n, poc_lsb=2 * n) for mb in (0, 33, 66)]
        for n in (1, 2, 3)
    ]
    cuts_into("h264", *idr_first(*pictures))


def test_hevc_multi_slice_pictures_without_delimiters_are_one_unit_each() -> None:
    sets = HevcSets(dependent_slices=True)
    picture = [
        sets.slice(),
        sets.slice(first=False, address=40, dependent=True),
        sets.slice(first=False, address=80, slice_type=HEVC_B),
    ]
    first = [sets.vps, sets.sps, sets.pps, sets.slice(nal_type=19, slice_type=HEVC_I)]
    units = cuts_into("hevc", first, picture, picture)
    assert [unit.picture_type for unit in units] == ["I", "B", "B"]


def test_slices_in_arbitrary_order_are_one_unit() -> None:
    pictures = [
        [AVC.slice(first_mb=mb, frame_num=n, poc_lsb=2 * n) for mb in order]
        for n, order in ((1, (66, 0, 33)), (2, (33, 66, 0)), (3, (0, 66, 33)))
    ]
    cuts_into("h264", *idr_first(*pictures))


def test_a_picture_whose_first_slice_is_lost_is_a_unit_of_its_own() -> None:
    cuts_into(
        "h264",
        *idr_first(
            [AVC.slice(first_mb=mb, frame_num=1, poc_lsb=2) for mb in (0, 50)],
            [AVC.slice(first_mb=60, frame_num=2, poc_lsb=4)],
            [AVC.slice(first_mb=70, frame_num=3, poc_lsb=6)],
        ),
    )


# The comparison of H.264 7.4.1.2.4: each field alone tells two pictures apart

POC_FRAMES = replace(AVC, bottom_field_poc=True)
POC_DELTAS = replace(AVC, poc_type=1, bottom_field_poc=True)
FIELDS = replace(AVC, frame_mbs_only=False)
OTHER_PPS = replace(AVC, pps_id=9)
DIFFERENCES: dict[str, tuple[bytes, bytes]] = {
    "frame_num": (AVC.slice(frame_num=1), AVC.slice(first_mb=9, frame_num=2)),
    "pic_parameter_set_id": (AVC.slice(), OTHER_PPS.slice(first_mb=9)),
    "nal_ref_idc": (AVC.slice(ref_idc=0), AVC.slice(first_mb=9, ref_idc=1)),
    "pic_order_cnt_lsb": (AVC.slice(poc_lsb=2), AVC.slice(first_mb=9, poc_lsb=4)),
    "IdrPicFlag": (AVC.slice(), AVC.slice(first_mb=9, nal_type=5)),
    "idr_pic_id": (AVC.idr(), AVC.idr(first_mb=9, idr_pic_id=1)),
    "delta_pic_order_cnt_bottom": (
        POC_FRAMES.slice(), POC_FRAMES.slice(first_mb=9, delta_bottom=-3),
    ),
    "delta_pic_order_cnt[0]": (
        POC_DELTAS.slice(), POC_DELTAS.slice(first_mb=9, delta_poc=(1, 0)),
    ),
    "delta_pic_order_cnt[1]": (
        POC_DELTAS.slice(), POC_DELTAS.slice(first_mb=9, delta_poc=(0, -1)),
    ),
    "field_pic_flag": (FIELDS.slice(), FIELDS.slice(first_mb=9, field="top")),
    "bottom_field_flag": (
        FIELDS.slice(field="top"), FIELDS.slice(first_mb=9, field="bottom"),
    ),
}  # fmt: skip
SETS_OF = {
    "delta_pic_order_cnt_bottom": POC_FRAMES, "delta_pic_order_cnt[0]": POC_DELTAS,
    "delta_pic_order_cnt[1]": POC_DELTAS, "field_pic_flag": FIELDS, "bottom_field_flag": FIELDS,
}  # fmt: skip


@pytest.mark.parametrize("field", DIFFERENCES)
def test_a_difference_in_one_field_begins_a_picture(field: str) -> None:
    sets = SETS_OF.get(field, AVC)
    first, second = DIFFERENCES[field]
    cuts_into("h264", [sets.sps, sets.pps, OTHER_PPS.pps, first], [second])


def test_reference_pictures_of_different_nal_ref_idc_may_be_one() -> None:
    cuts_into("h264", [*AVC_HEAD, AVC.slice(ref_idc=3), AVC.slice(first_mb=9, ref_idc=1)])


def test_equal_headers_at_one_place_are_two_pictures() -> None:
    """Streams of IDR pictures that never change idr_pic_id are common, and against 7.4.3.

    Of a still scene their bytes are equal too.
    """
    cuts_into("h264", *idr_first([AVC.idr()], [AVC.idr()]))


def test_a_lost_picture_between_equal_headers_costs_no_other() -> None:
    cuts_into(
        "h264",
        *idr_first(
            [AVC.slice(frame_num=1, poc_lsb=2, rest=b"one")],
            [AVC.slice(frame_num=1, poc_lsb=2, rest=b"two")],
            [AVC.slice(frame_num=1, poc_lsb=2, rest=b"three")],
            [AVC.slice(frame_num=1, poc_lsb=2, rest=b"on")],
        ),
    )


def test_a_slice_that_is_sent_twice_stays_with_its_picture() -> None:
    """Which of a picture's slices it is: the newest, or the first once all of them were sent."""
    slices = [AVC.slice(first_mb=mb, frame_num=1, poc_lsb=2) for mb in (0, 33, 66)]
    for doubled in ([0, 0, 1, 2], [0, 1, 1, 2], [0, 1, 2, 2], [0, 1, 2, 0], [0, 1, 2, 0, 1, 2]):
        picture = [slices[number] for number in doubled]
        units = idr_first(picture, [AVC.slice(frame_num=2, poc_lsb=4)])
        found = cuts_into("h264", *units)
        for size in (1, 7):
            again = assemble("h264", *every(joined(units), size))
            assert [unit.data for unit in again] == [unit.data for unit in found]


def test_a_slice_of_a_real_stream_that_is_sent_twice() -> None:
    """But for the first of an IDR picture, which may be a still picture's successor."""
    units = [
        [nal for nal in map(bytes, unit.nal_units()) if nal[0] & 31 != 9]  # no delimiters
        for unit in assemble("h264", stream(SLICES).read())
    ]
    for number in (0, 1, 12, 13):
        slices = [i for i, nal in enumerate(units[number]) if nal[0] & 31 in (1, 5)]
        assert len(slices) == 8
        is_idr = units[number][slices[0]][0] & 31 == 5
        for place in slices[is_idr:]:
            doubled = [*units[number][: place + 1], *units[number][place:]]
            data = joined([*units[:number], doubled, *units[number + 1 :]])
            assert len(assemble("h264", data)) == 25


def test_an_equal_slice_behind_what_begins_a_picture_is_another_one() -> None:
    picture = AVC.slice(frame_num=1, poc_lsb=2)
    cuts_into("h264", *idr_first([picture], [h264_sei((5, b"x" * 20)), picture]))


def test_equal_slices_without_their_parameter_sets() -> None:
    """Then first_mb_in_slice decides, and the bytes where it is the same."""
    slices = [AVC.slice(first_mb=mb, frame_num=1) for mb in (0, 40)]
    cuts_into("h264", [slices[0], slices[0], slices[1]], [AVC.slice(frame_num=2)])


def test_waiting_for_a_repeated_slice_takes_bounded_memory() -> None:
    """It may be as long as the one before it and no longer."""
    first = AVC.slice(frame_num=1, rest=b"\x99" * 3000)
    assembler = AccessUnitAssembler("h264")
    # One is ready, the IDR picture: the other two slices may be one.
    assert assembler.feed(annexb(*AVC_HEAD, AVC.idr(), first, first)) == 1
    begun = assembler.pending_bytes
    assert assembler.feed(b"\x99") == 2
    assert assembler.pending_bytes < begun - 3000


def test_the_three_colour_planes_of_a_picture_are_one_unit() -> None:
    sets = replace(AVC, separate_planes=True)
    planes = [sets.slice(nal_type=5, slice_type=I_SLICE, colour_plane=plane) for plane in range(3)]
    cuts_into("h264", [sets.sps, sets.pps, *planes], [sets.slice(frame_num=1, poc_lsb=2)])


def test_redundant_slices_stay_with_their_primary_picture() -> None:
    sets = replace(AVC, redundant_count=True)
    other = replace(sets, pps_id=3)
    cuts_into(
        "h264",
        [sets.sps, sets.pps, other.pps, sets.idr(), sets.idr(redundant=1), other.idr(redundant=2)],
        [sets.slice(frame_num=1, poc_lsb=2), sets.slice(frame_num=1, poc_lsb=2, redundant=1)],
        [sets.slice(frame_num=2, poc_lsb=4)],
    )


@pytest.mark.parametrize("order", [("top", "bottom"), ("bottom", "top")])
def test_the_two_fields_of_a_frame_are_two_units_that_know_each_other(
    order: tuple[str, str],
) -> None:
    units = cuts_into(
        "h264",
        [FIELDS.sps, FIELDS.pps, FIELDS.idr(field=order[0])],
        [FIELDS.slice(field=order[1], slice_type=P_SLICE)],
        [FIELDS.slice(field=order[0], frame_num=1, poc_lsb=2)],
        [FIELDS.slice(field=order[1], frame_num=1, poc_lsb=2)],
        [FIELDS.slice(frame_num=2, poc_lsb=4)],
    )
    assert [unit.field for unit in units] == [*order, *order, "frame"]
    assert [unit.second_field for unit in units] == [False, True, False, True, False]
    assert [unit.keyframe for unit in units] == [True, False, False, False, False]


def test_a_field_without_a_partner_is_no_second_field() -> None:
    def field(parity: str, frame_num: int, ref_idc: int = 1) -> bytes:
        return FIELDS.slice(
            field=parity, frame_num=frame_num, poc_lsb=2 * frame_num, ref_idc=ref_idc
        )

    units = cuts_into(
        "h264",
        [FIELDS.sps, FIELDS.pps, field("top", 1)],
        [field("bottom", 2)],  # of another frame
        [field("bottom", 3)],
        [field("top", 3, ref_idc=0)],  # reference and not do not pair (3.30, 3.31)
        [field("bottom", 3, ref_idc=0)],
    )
    assert [unit.second_field for unit in units] == [False, False, False, False, True]


# Delimiters


def test_a_delimiter_at_the_start_only_does_not_join_all_pictures() -> None:
    cuts_into(
        "h264",
        [H264_AUD, *AVC_HEAD, AVC.idr()],
        *([AVC.slice(frame_num=n, poc_lsb=2 * n)] for n in (1, 2, 3)),
    )


def test_delimiters_at_idr_pictures_only_do_not_join_what_follows() -> None:
    group = [
        [H264_AUD, *AVC_HEAD, AVC.idr()],
        [AVC.slice(frame_num=1, poc_lsb=2)],
        [AVC.slice(frame_num=2, poc_lsb=4)],
    ]
    cuts_into("h264", *group, *group)
    group = [[HEVC_AUD, *HEVC_HEAD, HEVC.slice(nal_type=19)], [HEVC.slice()], [HEVC.slice()]]
    cuts_into("hevc", *group, *group)


def test_a_delimiter_closes_the_unit_before_it_at_once() -> None:
    for codec, head, aud in (
        ("h264", (*AVC_HEAD, AVC.idr()), H264_AUD),
        ("hevc", (*HEVC_HEAD, HEVC.slice(nal_type=19)), HEVC_AUD),
    ):
        assembler = AccessUnitAssembler(codec)
        assert assembler.feed(annexb(*head)) == 0
        assert assembler.feed(b"\0\0\0\1" + aud[:2]) == 1


def test_a_delimiter_alone_goes_to_the_next_picture() -> None:
    cuts_into(
        "h264", [H264_AUD, H264_AUD, *AVC_HEAD, AVC.idr()], [H264_AUD, AVC.slice(frame_num=1)]
    )
