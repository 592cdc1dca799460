"""From bytes to numbered pictures: what is known of each before any backend decodes it."""

from __future__ import annotations

import pytest

from tests.backends.pcm import PcmStream, Vui, gray_units, joined
from tests.coded_streams import HEVC_I, HevcSets, annexb
from tests.vc1_headers import Format, entry_point, sequence_header
from videohw.backend import CodedPicture
from videohw.decoding.coded_input import CodedInput
from videohw.errors import InvalidBitstream, InvalidInput


def pictures(codec: str, data: bytes) -> list[CodedPicture]:
    source = CodedInput(codec)
    items = [*source.feed(data, None, "annexb"), *source.finish()]
    assert all(isinstance(item, CodedPicture) for item in items)
    return [item for item in items if isinstance(item, CodedPicture)]


@pytest.mark.parametrize("extra_header_bits", [0, 2])
def test_pictures_that_are_not_output_give_no_frame(extra_header_bits: int) -> None:
    """pic_output_flag 0 (H.265 7.4.7.1); where the PPS has no such flag, all are output."""
    sets = HevcSets(output_flags=True, extra_header_bits=extra_header_bits)
    plain = HevcSets(pps_id=1)
    slices = [
        sets.slice(nal_type=19, slice_type=HEVC_I),
        sets.slice(shown=False),
        sets.slice(shown=True),
        plain.slice(),
    ]
    found = pictures("hevc", annexb(sets.vps, sets.sps, sets.pps, plain.pps, *slices))
    assert [picture.silent for picture in found] == [None, "not_shown", None, None]


def test_where_pictures_resume_and_since_when() -> None:
    """A recovery counts from its own message; one that ends sooner and began later replaces it."""
    stream = PcmStream(vui=Vui(num_reorder=0))
    units = gray_units(2, stream)
    units.append(stream.recovery_point(50, poc=4, count=5))  # 2: complete with 7
    units.append([stream.picture(51, poc=6)])
    units.append(stream.recovery_point(52, poc=8, count=2))  # 4: complete with 6
    units += [[stream.picture(53 + n, poc=10 + 2 * n)] for n in range(4)]
    found = pictures("h264", joined(units))
    assert {p.serial: p.resumes for p in found if p.resumes is not None} == {0: 0, 6: 4}


def test_recoveries_side_by_side_are_each_told() -> None:
    stream = PcmStream(vui=Vui(num_reorder=0))
    units = gray_units(1, stream)
    units.append(stream.recovery_point(50, poc=2, count=2))  # 1: complete with 3
    units.append(stream.recovery_point(51, poc=4, count=3))  # 2: complete with 5
    units += [[stream.picture(52 + n, poc=6 + 2 * n)] for n in range(4)]
    found = pictures("h264", joined(units))
    assert {p.serial: p.resumes for p in found if p.resumes is not None} == {0: 0, 3: 1, 5: 2}


def test_errors_say_where_in_the_bytes_submitted_they_are() -> None:
    """Past a reset and headers in front, which the assembler counts otherwise."""
    broken = b"\x12\0\x80"  # a temporal delimiter, then obu_forbidden_bit
    header = b"\x0a\x01\x00"
    source = CodedInput("av1", header)
    assert source.feed(b"\x12\0", None, "annexb") == []
    source.reset()
    items = source.feed(broken, None, "annexb")
    (error,) = items
    assert isinstance(error, InvalidBitstream)
    assert error.offset == 4
    assert "at byte 4" in str(error)


@pytest.mark.parametrize(
    ("codec", "extradata"),
    [
        ("av1", b"\x0a\xff"),
        ("av1", b"\x81\0\0\0\x0a"),
        ("av1", bytes(range(64, 90))),
        ("av1", b"\x32\x01\0"),  # an OBU of a frame
        ("mpeg2", b"no start code"),
        ("mpeg2", b"\1\2\0\0\1\xb3"),
        ("mpeg4", b"\1\2\0\0\1\xb3"),
        ("vc1", b"\x4e\x11\x0a\x01"),  # Main profile
        ("vc1", sequence_header(Format())),
        ("vc1", sequence_header(Format(profile=1)) + entry_point(Format())),
        ("vc1", b"\0\0\1\x0f\xc0"),
        ("vp9", b"\1"),
    ],
)
def test_headers_that_are_none_are_refused(codec: str, extradata: bytes) -> None:
    with pytest.raises(InvalidInput) as refused:
        CodedInput(codec, extradata)
    assert refused.value.argument == "extradata"
    assert refused.value.hint


@pytest.mark.parametrize(
    ("codec", "extradata"), [("mpeg2", b"\0\0\0\1\xb3"), ("mpeg2", b""), ("av1", b"\x81\0\0\0")]
)
def test_headers_as_they_stand_in_a_stream_are_taken(codec: str, extradata: bytes) -> None:
    CodedInput(codec, extradata)
