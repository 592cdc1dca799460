"""What an encoder library writes, in the layout that was asked for, with its parameter sets.

Every encoder backend hands its Annex-B pictures (AV1: temporal units) through here, so keyframes
carry their parameter sets in one layout and the configuration record is right in the other.
Must not know: sessions, pixels, the library that coded the picture.
"""

from __future__ import annotations

from ..bitstream.config_record import Av1Config
from ..bitstream.convert import annexb_to_nals, nals_to_length_prefixed
from ..bitstream.obu import OBU_SEQUENCE_HEADER, obus
from ..bitstream.parameter_sets import ParameterSets

# NAL unit types of parameter sets. H.264 table 7-1: SPS, PPS, SPS extension, subset SPS;
# H.265 table 7-1: VPS, SPS, PPS.
_H264_SETS = frozenset({7, 8, 13, 15})
_HEVC_SETS = frozenset({32, 33, 34})
_WITH_UNITS = ("h264", "hevc")


class PacketLayout:
    """Lays out coded pictures of one stream and keeps the newest parameter sets.

    ``codec`` is h264, hevc, av1 or prores; ``layout`` annexb or length_prefixed (no difference for
    AV1), of ProRes frame: its packets are as they are, and both of these stay None.
    ``extradata`` is the avcC, hvcC or av1C record (ISO/IEC 14496-15; AV1 ISOBMFF binding 2.3) and
    ``parameter_sets`` the same sets as Annex-B NAL units or a sequence header OBU; both are None
    until the first keyframe.
    """

    __slots__ = ("_length_prefixed", "_sets", "codec", "extradata", "parameter_sets")

    def __init__(self, codec: str, layout: str) -> None:
        self.codec = codec
        self._length_prefixed = layout == "length_prefixed" and codec in _WITH_UNITS
        self._sets = ParameterSets(codec) if codec in _WITH_UNITS else None
        self.extradata: bytes | None = None
        self.parameter_sets: bytes | None = None

    def lay_out(self, data: bytes, keyframe: bool) -> tuple[bytes, bytes | None]:
        """``data`` of one picture in the layout, and ``extradata`` where it changed, else None.

        In annexb a keyframe whose parameter sets are missing gets them; in length_prefixed the
        sets are taken out, since an avc1 or hvc1 sample has them in the record only.
        """
        known = self._sets
        if known is None:
            return data, self._note_av1(data) if keyframe and self.codec == "av1" else None
        if not keyframe and not self._length_prefixed:
            return data, None
        types = _H264_SETS if self.codec == "h264" else _HEVC_SETS
        sets: list[bytes] = []
        rest: list[bytes] = []
        for nal in annexb_to_nals(data):
            (sets if self._type(nal) in types else rest).append(nal)
        changed = self._note(known, sets)
        if self._length_prefixed:
            data = nals_to_length_prefixed(rest)
        elif not sets and self.parameter_sets is not None:
            data = self.parameter_sets + data
        return data, changed

    def _type(self, nal: bytes) -> int:
        return nal[0] & 31 if self.codec == "h264" else nal[0] >> 1 & 63

    def _note(self, known: ParameterSets, sets: list[bytes]) -> bytes | None:
        if not [nal for nal in sets if known.add(nal)]:
            return None
        self.parameter_sets = known.annexb()
        return self._replace(known.extradata())

    def _note_av1(self, data: bytes) -> bytes | None:
        for obu in obus(data):
            if obu.type == OBU_SEQUENCE_HEADER:
                self.parameter_sets = obu.data
                return self._replace(Av1Config.from_obus(obu.data).write())
        return None

    def _replace(self, extradata: bytes) -> bytes | None:
        if extradata == self.extradata:
            return None
        self.extradata = extradata
        return extradata
