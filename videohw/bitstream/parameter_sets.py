"""The parameter sets of a stream by id, the newest of each kept.

Feed it every NAL unit, or only those of the right types: others are left alone. The syntax of a
codec is imported with the first set of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from ..errors import InvalidBitstream
from .bits import BitReader
from .convert import as_bytes, nals_to_annexb, unescape
from .nal_types import check_codec

if TYPE_CHECKING:
    from . import h264, hevc

_VPS, _SPS, _SPS_EXT, _PPS = "VPS", "SPS", "SPS extension", "PPS"
# nal_unit_type -> kind, in the order in which a decoder needs them.
_KINDS = {
    "h264": {7: _SPS, 13: _SPS_EXT, 8: _PPS},
    "hevc": {32: _VPS, 33: _SPS, 34: _PPS},
}
# An id lies within the first bytes of its NAL unit: behind profile_tier_level() of at most
# 12 + 2 + 6 * 12 bytes (H.265 7.3.3), of which half as many again can be emulation prevention.
_HEAD_BYTES = 192


class ParameterSets:
    """Parameter sets of one H.264 or HEVC stream.

    Sets of enhancement layers (nuh_layer_id above 0, H.264 subset SPS) are not kept. Values are
    read when they are asked for; a PPS is read again when its SPS has changed. The lookups
    raise :class:`InvalidBitstream` for a set that cannot be read.
    """

    def __init__(self, codec: str) -> None:
        """``codec`` is "h264" or "hevc", else :class:`InvalidInput`."""
        check_codec(codec)
        self.codec = codec
        self._raw: dict[tuple[str, int], bytes] = {}
        self._known: set[bytes] = set()
        self._parsed: dict[tuple[str, int], Any] = {}
        self._newest_sps_id = -1
        self._active_pps_id = -1

    def add(self, nal: bytes) -> bool:
        """Keep a parameter set; True when it is new or differs from the one with its id.

        ``nal``: with header, escaped, no start code. Other NAL units are ignored (False).
        :class:`InvalidBitstream` when the id cannot be read, and then nothing changes; any other
        fault shows when the set is asked for.
        """
        data = as_bytes(nal, "nal").rstrip(b"\0")
        if data in self._known:
            return False
        kind = self._kind(data)
        if kind is None:
            return False
        key = (kind, _read_id(self.codec, kind, data))
        self._known.discard(self._raw.get(key, b""))
        self._known.add(data)
        self._raw[key] = data
        self._parsed.pop(key, None)
        if kind is _SPS:
            self._newest_sps_id = key[1]
            # What a PPS means may depend on its SPS.
            for pps_id in self._ids(_PPS):
                self._parsed.pop((_PPS, pps_id), None)
        return True

    def activate(self, pps_id: int) -> None:
        """Note that a slice refers to this PPS, and so to its SPS; see :attr:`active_sps`."""
        self._active_pps_id = pps_id

    def clear(self) -> None:
        """Forget all."""
        self._raw.clear()
        self._known.clear()
        self._parsed.clear()
        self._newest_sps_id = self._active_pps_id = -1

    def sps(self, sps_id: int) -> h264.Sps | hevc.Sps | None:
        """The SPS with this id, None when there is none."""
        sps: h264.Sps | hevc.Sps | None = self._get(_SPS, sps_id)
        return sps

    def pps(self, pps_id: int) -> h264.Pps | hevc.Pps | None:
        """The PPS with this id, None when there is none."""
        pps: h264.Pps | hevc.Pps | None = self._get(_PPS, pps_id)
        return pps

    def vps(self, vps_id: int) -> hevc.Vps | None:
        """The VPS with this id, None when there is none, as always in H.264."""
        vps: hevc.Vps | None = self._get(_VPS, vps_id)
        return vps

    @property
    def sps_ids(self) -> tuple[int, ...]:
        """Ids of the SPS, ascending."""
        return self._ids(_SPS)

    @property
    def pps_ids(self) -> tuple[int, ...]:
        """Ids of the PPS, ascending."""
        return self._ids(_PPS)

    @property
    def vps_ids(self) -> tuple[int, ...]:
        """Ids of the VPS, ascending."""
        return self._ids(_VPS)

    @property
    def complete(self) -> bool:
        """Whether there is at least one of each kind that decoding needs."""
        kinds = {kind for kind, _ in self._raw}
        return kinds >= set(_KINDS[self.codec].values()) - {_SPS_EXT}

    @property
    def active_sps(self) -> h264.Sps | hevc.Sps | None:
        """The SPS that a slice referred to last, or the newest; None before the first."""
        pps = self.pps(self._active_pps_id)
        sps = None if pps is None else self._sps_of(pps)
        if sps is not None:
            return sps
        return self.sps(self._newest_sps_id)

    def raw(self) -> list[bytes]:
        """The NAL units: VPS, SPS, SPS extensions, PPS, each kind by ascending id."""
        order = list(_KINDS[self.codec].values())
        keys = sorted(self._raw, key=lambda key: (order.index(key[0]), key[1]))
        return [self._raw[key] for key in keys]

    def readable(self) -> Iterator[tuple[Any, bytes]]:
        """(what is in it, NAL unit) of every VPS, SPS and PPS that can be read, in that order, each
        kind by ascending id; a PPS whose SPS is not there cannot be."""
        for kind in (_VPS, _SPS, _PPS):
            for set_id in self._ids(kind):
                with suppress(InvalidBitstream):
                    read = self._get(kind, set_id)
                    if kind is not _PPS or self._sps_of(read) is not None:
                        yield read, self._raw[kind, set_id]

    def annexb(self) -> bytes:
        """The NAL units behind 4-byte start codes."""
        return nals_to_annexb(self.raw())

    def extradata(self, length_size: int = 4) -> bytes:
        """The avcC or hvcC record; :class:`InvalidBitstream` when there is no SPS."""
        from .config_record import AvcConfig, HevcConfig

        if self.codec == "h264":
            return AvcConfig.from_parameter_sets(
                self._of(_SPS), self._of(_PPS), self._of(_SPS_EXT), length_size=length_size
            ).write()
        return HevcConfig.from_parameter_sets(
            self._of(_VPS), self._of(_SPS), self._of(_PPS), length_size=length_size
        ).write()

    def _sps_of(self, pps: h264.Pps | hevc.Pps) -> h264.Sps | hevc.Sps | None:
        if self.codec == "h264":
            return self.sps(cast("h264.Pps", pps).seq_parameter_set_id)
        return self.sps(cast("hevc.Pps", pps).pps_seq_parameter_set_id)

    def _of(self, kind: str) -> list[bytes]:
        return [self._raw[kind, set_id] for set_id in self._ids(kind)]

    def _ids(self, kind: str) -> tuple[int, ...]:
        return tuple(sorted(set_id for found, set_id in self._raw if found == kind))

    def _kind(self, data: bytes) -> str | None:
        if self.codec == "h264":
            return _KINDS["h264"].get(data[0] & 0x1F) if data else None
        if len(data) < 2 or (data[0] & 1) << 5 | data[1] >> 3:
            return None
        return _KINDS["hevc"].get(data[0] >> 1 & 0x3F)

    def _get(self, kind: str, set_id: int) -> Any:
        key = (kind, set_id)
        if key not in self._parsed:
            data = self._raw.get(key)
            if data is None:
                return None
            self._parsed[key] = self._parse(kind, data)
        return self._parsed[key]

    def _parse(self, kind: str, data: bytes) -> Any:
        if self.codec == "h264":
            from . import h264

            if kind is _SPS:
                return h264.parse_sps(data)
            return h264.parse_pps(data, self._readable_sps())
        from . import hevc

        if kind is _VPS:
            return hevc.parse_vps(data)
        return hevc.parse_sps(data) if kind is _SPS else hevc.parse_pps(data)

    def _readable_sps(self) -> dict[int, h264.Sps]:
        found = {}
        for sps_id in self._ids(_SPS):
            # A PPS does not fail for an SPS that it may not even refer to.
            with suppress(InvalidBitstream):
                found[sps_id] = self._get(_SPS, sps_id)
        return found


def _read_id(codec: str, kind: str, data: bytes) -> int:
    payload = unescape(data[:_HEAD_BYTES])
    if codec == "h264":
        from . import h264

        bits = BitReader(payload[1:], f"H.264 {kind}")
        if kind is _SPS:
            bits.u("profile_idc, constraint_set_flags, level_idc", 24)
        return bits.ue("id", h264.MAX_PPS_ID if kind is _PPS else h264.MAX_SPS_ID)
    from . import hevc
    from .hevc_ptl import ProfileTierLevel, walk_profile_tier_level
    from .syntax import SyntaxReader

    bits = BitReader(payload[2:], f"H.265 {kind}")
    if kind is _PPS:
        return bits.ue("pps_pic_parameter_set_id", hevc.MAX_PPS_ID)
    first = bits.u("video parameter set id", 4)
    if kind is _VPS:
        return first
    sub_layers_minus1 = bits.u("sps_max_sub_layers_minus1", 3)
    bits.flag("sps_temporal_id_nesting_flag")
    if sub_layers_minus1 > 6:
        raise InvalidBitstream("H.265 SPS: sps_max_sub_layers_minus1 is 7, not in 0 to 6")
    SyntaxReader(bits).struct("profile_tier_level", ProfileTierLevel, walk_profile_tier_level,
                              sub_layers_minus1)  # fmt: skip
    return bits.ue("sps_seq_parameter_set_id", hevc.MAX_SPS_ID)
