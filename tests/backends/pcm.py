"""H.264 streams of uncompressed macroblocks (I_PCM): pictures of exactly known samples.

Every picture is one colour. They are what the corpus lacks: field pictures, stated colours, any
output order, pictures that are told apart at a glance, a hundred of them in a few kilobytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.coded_streams import I_SLICE, Bits, annexb, h264_nal, h264_recovery_point


class _Bits(Bits):
    """Bits that hold whole bytes in between."""

    def align(self) -> _Bits:
        self._text += "0" * (-len(self._text) % 8)
        return self

    def raw(self, data: bytes) -> _Bits:
        self._text += "".join(f"{byte:08b}" for byte in data)
        return self


_I_PCM = 25  # mb_type in I slices (H.264 table 7-11)
FRAME_NUM_BITS = 8
POC_BITS = 8


@dataclass(frozen=True)
class Vui:
    """Colour as in the VUI (H.264 E.1.1); ``num_reorder`` None leaves the restriction out."""

    full_range: bool = False
    primaries: int = 2
    transfer: int = 2
    matrix: int = 2
    num_reorder: int | None = None
    sar: tuple[int, int] | None = None
    siting: int | None = None

    def write(self, bits: Bits) -> None:
        bits.u(1, self.sar is not None)
        if self.sar is not None:
            bits.u(8, 255).u(16, self.sar[0]).u(16, self.sar[1])
        bits.u(1, 0).u(1, 1).u(3, 5).u(1, self.full_range).u(1, 1)
        bits.u(8, self.primaries).u(8, self.transfer).u(8, self.matrix)
        bits.u(1, self.siting is not None)
        if self.siting is not None:
            bits.ue(self.siting).ue(self.siting)
        bits.u(1, 0).u(1, 0).u(1, 0).u(1, 0)
        bits.u(1, self.num_reorder is not None)
        if self.num_reorder is not None:
            bits.u(1, 1).ue(0).ue(0).ue(16).ue(16).ue(self.num_reorder).ue(max(self.num_reorder, 1))


@dataclass
class PcmStream:
    """Makes NAL units of one stream of ``columns`` x ``rows`` macroblocks (rows of a frame)."""

    columns: int = 3  # hardware decoders take no less
    rows: int = 1
    poc_type: int = 0
    interlaced: bool = False
    vui: Vui | None = None
    _frame_num: int = field(default=0, init=False)
    _idr_id: int = field(default=0, init=False)

    @property
    def width(self) -> int:
        return 16 * self.columns

    @property
    def height(self) -> int:
        return 16 * self.rows

    @property
    def sps(self) -> bytes:
        bits = Bits().u(8, 77).u(8, 0).u(8, 40).ue(0).ue(FRAME_NUM_BITS - 4).ue(self.poc_type)
        if self.poc_type == 0:
            bits.ue(POC_BITS - 4)
        bits.ue(4).u(1, 0).ue(self.columns - 1)
        bits.ue((self.rows // 2 if self.interlaced else self.rows) - 1).u(1, not self.interlaced)
        if self.interlaced:
            bits.u(1, 0)
        bits.u(1, 1).u(1, 0).u(1, self.vui is not None)
        if self.vui is not None:
            self.vui.write(bits)
        return h264_nal(7, bits.trailing(), ref_idc=3)

    @property
    def pps(self) -> bytes:
        bits = Bits().ue(0).ue(0).u(1, 0).u(1, 0).ue(0).ue(0).ue(0).u(1, 0).u(2, 0)
        return h264_nal(8, bits.se(0).se(0).se(0).u(1, 1).u(1, 0).u(1, 0).trailing(), ref_idc=3)

    @property
    def sets(self) -> list[bytes]:
        return [self.sps, self.pps]

    def picture(
        self,
        luma: int,
        chroma: tuple[int, int] = (128, 128),
        *,
        idr: bool = False,
        poc: int = 0,
        parity: str = "frame",
        second_field: bool = False,
    ) -> bytes:
        """The one slice of a reference picture; ``poc`` is coded modulo 256."""
        if idr:
            self._frame_num = 0
            self._idr_id = (self._idr_id + 1) % 8
        bits = _Bits()
        bits.ue(0).ue(5 + I_SLICE).ue(0).u(FRAME_NUM_BITS, self._frame_num)
        if self.interlaced:
            bits.u(1, parity != "frame")
            if parity != "frame":
                bits.u(1, parity == "bottom")
        if idr:
            bits.ue(self._idr_id)
        if self.poc_type == 0:
            bits.u(POC_BITS, poc % (1 << POC_BITS))
        bits.u(2 if idr else 1, 0)  # dec_ref_pic_marking: sliding window
        bits.se(0).ue(1)  # slice_qp_delta; no deblocking
        rows = self.rows if parity == "frame" else self.rows // 2
        samples = bytes((luma,)) * 256 + bytes((chroma[0],)) * 64 + bytes((chroma[1],)) * 64
        for _ in range(self.columns * rows):
            bits.ue(_I_PCM)
            bits.align().raw(samples)
        if parity == "frame" or second_field:
            self._frame_num = (self._frame_num + 1) % (1 << FRAME_NUM_BITS)
        return h264_nal(5 if idr else 1, bits.trailing(), ref_idc=1)

    def recovery_point(self, luma: int, *, poc: int = 0, count: int = 0) -> list[bytes]:
        """A picture that is no IDR, behind a recovery point SEI message."""
        return [h264_recovery_point(count), self.picture(luma, poc=poc)]


def gray_units(count: int, stream: PcmStream | None = None, *, first: int = 0) -> list[list[bytes]]:
    """The NAL units of each picture: an IDR with parameter sets, then others that refer to none.

    Picture n has luma 16 + ``first`` + n, and they are shown in the order they are coded.
    """
    stream = stream or PcmStream()
    units = []
    for number in range(count):
        picture = stream.picture(luma_of(first + number), idr=number == 0, poc=2 * number)
        units.append([*(stream.sets if number == 0 else ()), picture])
    return units


def luma_of(number: int) -> int:
    """The luma of picture ``number``; it repeats after 200."""
    return 16 + number % 200


def number_of(luma: int) -> int:
    """The picture with this luma."""
    return luma - 16


def joined(units: list[list[bytes]]) -> bytes:
    """The units as one Annex-B stream."""
    return b"".join(annexb(*unit) for unit in units)
