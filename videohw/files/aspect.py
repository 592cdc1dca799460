"""The shape of a pixel, coded into the sequence parameter sets of a stream.

MPEG-TS, raw files and (through PyAV) Matroska have no other place for it, and players differ in
whom they believe, so it is coded whatever the container says beside it. AV1 has no such field.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any, Final

from ..bitstream import config_record, h264, h264_vui, hevc, hevc_vui
from ..bitstream.convert import annexb_to_nals, nals_to_annexb
from ..bitstream.vui import EXTENDED_SAR, SAMPLE_ASPECT_RATIOS
from ..types import Packet
from .headers import is_sps

CODECS: Final = ("h264", "hevc")
_MAX_SIDE: Final = 65535  # sar_width and sar_height have 16 bits (H.264 E.1.1, H.265 E.2.1)


class AspectCoder:
    """Writes ``ratio``, width through height of a pixel, into every SPS of a stream."""

    def __init__(self, codec: str, ratio: Fraction) -> None:
        self._codec = codec
        self._ratio = _coded_ratio(ratio)

    def coded(self, packet: Packet) -> Packet:
        """``packet`` with the ratio in its parameter sets and extradata, if it has any."""
        if packet.extradata is not None:
            packet = replace(packet, extradata=self._in_record(packet.extradata))
        if packet.keyframe and packet.layout == "annexb":
            nals = [self._in_nal(nal) for nal in annexb_to_nals(packet.data)]
            packet = replace(packet, data=nals_to_annexb(nals))
        return packet

    def _in_nal(self, nal: bytes) -> bytes:
        if not is_sps(self._codec, nal):
            return nal
        module: Any = h264 if self._codec == "h264" else hevc
        empty: Any = h264_vui.Vui() if self._codec == "h264" else hevc_vui.Vui()
        sps = module.parse_sps(nal)
        vui = (sps.vui or empty)._replace(
            aspect_ratio_info_present_flag=True,
            aspect_ratio_idc=_index_of(self._ratio),
            sar_width=self._ratio.numerator,
            sar_height=self._ratio.denominator,
        )
        written: bytes = module.write_sps(sps._replace(vui=vui, vui_parameters_present_flag=True))
        return written

    def _in_record(self, extradata: bytes) -> bytes:
        if self._codec == "h264":
            avc = config_record.AvcConfig.parse(extradata)
            return replace(avc, sps=tuple(map(self._in_nal, avc.sps))).write()
        record = config_record.HevcConfig.parse(extradata)
        arrays = tuple(
            replace(array, nals=tuple(map(self._in_nal, array.nals))) for array in record.arrays
        )
        return replace(record, arrays=arrays).write()


def _coded_ratio(ratio: Fraction) -> Fraction:
    """The nearest ratio that the fields can hold."""
    if ratio > 1:
        return 1 / (1 / ratio).limit_denominator(_MAX_SIDE)
    return ratio.limit_denominator(_MAX_SIDE)


def _index_of(ratio: Fraction) -> int:
    coded = ratio.as_integer_ratio()
    return SAMPLE_ASPECT_RATIOS.index(coded) if coded in SAMPLE_ASPECT_RATIOS else EXTENDED_SAR
