"""The sets, slices and units that the tests of the assembler share."""

from __future__ import annotations

from tests.bitstream.feeding import assemble, nals_of
from tests.coded_streams import H264Sets, HevcSets, h264_sei, hevc_sei, joined
from videohw.bitstream import AccessUnit

AVC = H264Sets()
HEVC = HevcSets()
USER_DATA = (5, bytes(range(20)))
H264_SEI = h264_sei(USER_DATA)
HEVC_SEI = hevc_sei(USER_DATA)
AVC_HEAD = (AVC.sps, AVC.pps)
HEVC_HEAD = (HEVC.vps, HEVC.sps, HEVC.pps)


def cuts_into(codec: str, *units: list[bytes]) -> list[AccessUnit]:
    """Assert that a stream of these units' NAL units is cut into them, and return what came."""
    found = assemble(codec, joined(units))
    assert [nals_of(unit) for unit in found] == [list(unit) for unit in units]
    return found


def idr_first(*units: list[bytes], sets: H264Sets = AVC) -> list[list[bytes]]:
    return [[sets.sps, sets.pps, sets.idr()], *units]
