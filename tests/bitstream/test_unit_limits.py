"""When a unit is ready, what is refused, and what an assembler keeps."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from tests.bitstream.feeding import (
    assemble,
    drained,
    nals_of,
    run,
)
from tests.bitstream.small_units import (
    AVC,
    AVC_HEAD,
    H264_SEI,
    HEVC,
    HEVC_HEAD,
)
from tests.coded_streams import (
    FILLING,
    annexb,
    every,
    h264_sei,
    joined,
)
from videohw.bitstream import AccessUnit, AccessUnitAssembler, ParameterSets, convert
from videohw.errors import InvalidBitstream, InvalidInput


def test_a_unit_is_ready_with_the_first_bytes_of_the_next_and_not_before() -> None:
    """One picture of delay saved: the slice header is read before the slice is complete."""
    assembler = AccessUnitAssembler("h264")
    following = AVC.slice(frame_num=1, poc_lsb=2, rest=FILLING * 1000)
    assert assembler.feed(annexb(*AVC_HEAD, AVC.idr()) + b"\0\0\0\1") == 0
    assert assembler.feed(following[:1]) == 0
    assert assembler.feed(following[1:8]) == 1
    assembler = AccessUnitAssembler("hevc")
    assert assembler.feed(annexb(*HEVC_HEAD, HEVC.slice(nal_type=19)) + b"\0\0\1\2\1") == 0
    assert assembler.feed(HEVC.slice()[2:4]) == 1


def test_end_of_unit_gives_the_unit_at_once() -> None:
    assembler = AccessUnitAssembler("h264")
    assert assembler.feed(annexb(*AVC_HEAD), end_of_unit=True) == 0
    assert assembler.feed(annexb(AVC.idr()), end_of_unit=True) == 1
    unit = assembler.take()
    assert unit is not None
    assert nals_of(unit) == [*AVC_HEAD, AVC.idr()]
    assert assembler.feed(annexb(AVC.slice(frame_num=1), H264_SEI), end_of_unit=True) == 1
    unit = assembler.take()
    assert unit is not None
    assert nals_of(unit) == [AVC.slice(frame_num=1), H264_SEI]
    assert assembler.feed(b"", end_of_unit=True) == 0


def test_end_of_unit_with_several_pictures_closes_the_last_too() -> None:
    assembler = AccessUnitAssembler("h264")
    slices = [AVC.slice(frame_num=n) for n in range(3)]
    assert assembler.feed(annexb(*AVC_HEAD, *slices), end_of_unit=True) == 3


def test_units_know_their_place_in_the_stream() -> None:
    """So that a caller's pts goes to the unit that began in the call, not to the one that ended."""
    units = [[*AVC_HEAD, AVC.idr()], [AVC.slice(frame_num=1)], [AVC.slice(frame_num=2)]]
    data = joined(units)
    for size in (1, 3, len(data)):
        found = assemble("h264", *every(data, size))
        starts = [0, len(joined(units[:1])), len(joined(units[:2]))]
        assert [unit.offset for unit in found] == starts
    assembler = AccessUnitAssembler("h264")
    assembler.feed(data[: starts[1] + 2])
    assert assembler.pending_start == 0
    assembler.feed(data[starts[1] + 2 : starts[2] - 1])
    assert assembler.pending_start == starts[1]


def test_length_prefixed_samples_of_every_length_size_give_the_same_units() -> None:
    samples = [[*AVC_HEAD, AVC.idr()], [AVC.slice(frame_num=1)], [AVC.slice(frame_num=2)]]
    for length_size in (1, 2, 4):
        assembler = AccessUnitAssembler("h264")
        for sample in samples:
            packed = convert.nals_to_length_prefixed(sample, length_size)
            data = convert.length_prefixed_to_annexb(packed, length_size)
            assembler.feed(data, end_of_unit=True)
            assert [nals_of(unit) for unit in drained(assembler)] == [sample]


# Limits


def huge(size: int) -> bytes:
    return AVC.slice(frame_num=1, poc_lsb=2, rest=b"\x99" * size)


@pytest.mark.parametrize("size", [1, 100, 5000])
def test_a_nal_unit_over_the_limit_is_an_error_in_its_place_and_the_stream_goes_on(
    size: int,
) -> None:
    data = annexb(*AVC_HEAD, AVC.idr(), huge(3000), AVC.slice(frame_num=2, poc_lsb=4))
    items = assemble("h264", *every(data, size), max_nal_bytes=2000)
    assert [type(item) for item in items] == [AccessUnit, InvalidBitstream, AccessUnit]
    assert items[1].offset == len(annexb(*AVC_HEAD, AVC.idr()))
    assert "max_nal_bytes=2000" in str(items[1])
    assert len(assemble("h264", data)) == 3


def test_an_access_unit_over_the_limit_is_an_error_and_the_stream_goes_on() -> None:
    slices = [AVC.slice(first_mb=n, frame_num=1, poc_lsb=2) for n in range(150)]
    data = annexb(*AVC_HEAD, AVC.idr(), *slices, AVC.slice(frame_num=2, poc_lsb=4))
    items = assemble("h264", data, max_unit_bytes=2000)
    kinds = [type(item) for item in items]
    assert kinds[0] is kinds[-1] is AccessUnit
    assert kinds.count(InvalidBitstream) == 2  # one picture of almost 6000 bytes
    assert "max_unit_bytes=2000" in str(next(i for i in items if isinstance(i, InvalidBitstream)))


def test_a_complete_picture_is_not_lost_to_a_huge_sei_behind_it() -> None:
    data = annexb(*AVC_HEAD, AVC.idr(), h264_sei((5, b"\x77" * 3000)), AVC.slice(frame_num=1))
    for size in (1, 700, len(data)):
        items = assemble("h264", *every(data, size), max_nal_bytes=2000)
        assert [type(item) for item in items] == [AccessUnit, InvalidBitstream, AccessUnit]
        assert nals_of(items[0]) == [*AVC_HEAD, AVC.idr()]


def test_a_stream_of_sets_without_a_picture_takes_bounded_memory() -> None:
    assembler = AccessUnitAssembler("h264", max_unit_bytes=5000)
    errors = 0
    for _ in range(2000):
        assembler.feed(annexb(*AVC_HEAD, H264_SEI))
        errors += sum(isinstance(item, InvalidBitstream) for item in drained(assembler))
        assert assembler.pending_bytes <= 5000 + 70
    assert errors > 10


def test_zeros_without_end_behind_a_picture_do_not_lose_it() -> None:
    assembler = AccessUnitAssembler("h264", max_unit_bytes=4096)
    assembler.feed(annexb(*AVC_HEAD, AVC.idr()))
    for _ in range(10):
        assembler.feed(bytes(1000))
    items = drained(assembler)
    assert nals_of(items[0]) == [*AVC_HEAD, AVC.idr()]
    assert isinstance(items[1], InvalidBitstream)
    assert assembler.pending_bytes <= 3


# Arguments and life


@pytest.mark.parametrize("codec", ["vp9", "H264", "", None, 264, ["h264"]])
def test_other_codecs_are_refused(codec: Any) -> None:
    with pytest.raises(InvalidInput):
        AccessUnitAssembler(codec)


@pytest.mark.parametrize("name", ["max_nal_bytes", "max_unit_bytes"])
@pytest.mark.parametrize("limit", [0, -5, 100, True, 2.5, "1000", None])
def test_wrong_limits_are_refused_by_name(name: str, limit: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        AccessUnitAssembler("h264", **{name: limit})
    assert caught.value.argument == name


@pytest.mark.parametrize("data", [None, "text", 3, np.zeros(9), memoryview(b"abcd")[::2]])
def test_what_is_no_bytes_is_refused_and_the_assembler_goes_on(data: Any) -> None:
    assembler = AccessUnitAssembler("h264")
    with pytest.raises(InvalidInput):
        assembler.feed(data)
    assert len(run(assembler, [annexb(*AVC_HEAD, AVC.idr())])) == 1


def test_every_kind_of_bytes_is_taken() -> None:
    data = annexb(*AVC_HEAD, AVC.idr())
    for kind in (bytearray, memoryview, lambda d: np.frombuffer(d, np.uint8)):
        (unit,) = assemble("h264", kind(data))
        assert unit.data == data


def test_reset_forgets_bytes_and_keeps_parameter_sets() -> None:
    assembler = AccessUnitAssembler("h264")
    assembler.feed(b"xx" + annexb(*AVC_HEAD, AVC.idr(), AVC.slice(frame_num=1)))
    assembler.reset()
    assert assembler.take() is None
    assert (assembler.offset, assembler.pending_bytes, assembler.garbage_bytes) == (0, 0, 0)
    slices = [AVC.slice(first_mb=mb, frame_num=4) for mb in (30, 0)]
    (unit,) = run(assembler, [annexb(*slices)])
    assert unit.after_end_of_sequence
    assert unit.offset == 0


def test_a_unit_made_by_hand_has_what_it_is_given() -> None:
    unit = AccessUnit("av1", b"\x12\0", 7, keyframe=True, picture_type="I", field="bottom")
    assert (unit.codec, unit.data, unit.offset, unit.keyframe) == ("av1", b"\x12\0", 7, True)
    assert (unit.picture_type, unit.field, unit.nals, unit.nal_units()) == ("I", "bottom", (), [])
    assert unit.base_layer_data() == unit.data
    assert "av1" in repr(unit)


def test_an_assembler_is_usable_after_an_error_that_is_not_about_the_bitstream(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Memory that is out in the middle of a call: nothing may point at bytes that are gone."""
    data = annexb(*AVC_HEAD, AVC.idr())
    for fed_before in (b"", data[:9]):
        assembler = AccessUnitAssembler("h264")
        assembler.feed(fed_before)

        def fail(*_: object) -> bool:
            raise MemoryError

        with monkeypatch.context() as patched:
            patched.setattr(ParameterSets, "add", fail)
            with pytest.raises(MemoryError):
                assembler.feed(data[len(fed_before) :])
        assert assembler.offset == len(data)
        (unit,) = run(assembler, [data])
        assert (unit.data, unit.offset) == (data, len(data))


def test_a_call_without_the_gil_keeps_other_threads_out() -> None:
    slices = [AVC.slice(frame_num=n, rest=b"\x99" * 2000) for n in range(8)]
    piece = annexb(*AVC_HEAD, *slices * 200)
    assembler = AccessUnitAssembler("h264")
    outcomes = []

    def feed() -> None:
        for _ in range(8):
            try:
                assembler.feed(piece, end_of_unit=True)
            except InvalidInput as error:
                outcomes.append(str(error))
            else:
                outcomes.append("")

    threads = [threading.Thread(target=feed) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 24
    assert {text for text in outcomes if text} <= {
        "another thread is feeding this assembler (use a lock)"
    }
    assert len(drained(assembler)) == 1600 * outcomes.count("")
