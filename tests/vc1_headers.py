"""Headers of VC-1 streams, Advanced profile, written field by field (SMPTE ST 421, 6.1, 6.2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

START: Final = b"\0\0\1"
END, SLICE, FIELD, FRAME, ENTRY_POINT, SEQUENCE = range(0x0A, 0x10)
SEQUENCE_END: Final = START + bytes((END,))


@dataclass
class Bits:
    """Bits, written most significant first; ``escaped`` is the writer's note for one picture."""

    text: list[str] = field(default_factory=list)
    escaped: bool = False

    def put(self, value: int, bits: int) -> None:
        """Append ``value`` in ``bits`` bits."""
        assert 0 <= value < 1 << bits or not bits, (value, bits)
        self.text.append(f"{int(value):0{bits}b}" if bits else "")

    def data(self) -> bytes:
        """The bytes with trailing_bits: a 1 and zeros."""
        whole = "".join(self.text) + "1"
        whole += "0" * (-len(whole) % 8)
        return int(whole, 2).to_bytes(len(whole) // 8, "big")


def unit(code: int, bits: Bits) -> bytes:
    """A bitstream data unit: start code and the bits, with emulation prevention (annex E)."""
    out = bytearray(START + bytes((code,)))
    zeros = 0
    for byte in bits.data():
        if zeros >= 2 and byte <= 3:
            out.append(3)
            zeros = 0
        out.append(byte)
        zeros = 0 if byte else zeros + 1
    return bytes(out)


@dataclass(frozen=True)
class Format:
    """What sequence header and entry point say; sizes in luma samples, even numbers."""

    width: int = 64
    height: int = 48
    level: int = 1
    largest: tuple[int, int] | None = None  # MAX_CODED_WIDTH and _HEIGHT, where they differ
    interlace: bool = False
    segmented: bool = False  # PSF
    pulldown: bool = False
    top_first: bool = True
    repeat_first_field: bool = False
    repeat_frames: int = 0
    frame_counter: bool = False  # TFCNTRFLAG
    display: tuple[int, int] | None = None
    aspect: tuple[int, ...] = ()  # (code,) or (15, width, height)
    rate: tuple[int, ...] = ()  # (FRAMERATENR, FRAMERATEDR) or (FRAMERATEEXP,)
    color: tuple[int, int, int] | None = None
    buckets: int = 0
    loop_filter: bool = False
    overlap: bool = False
    fast_chroma: bool = False  # FASTUVMC
    profile: int = 3
    chroma: int = 1

    @property
    def extended(self) -> bool:
        """Whether there is a display extension."""
        return bool(self.display or self.aspect or self.rate or self.color)


def _size(bits: Bits, size: tuple[int, int]) -> None:
    for samples in size:
        bits.put(samples // 2 - 1, 12)


def sequence_header(form: Format) -> bytes:
    """SEQUENCE_LAYER (6.1)."""
    bits = Bits()
    bits.put(form.profile, 2)
    bits.put(form.level, 3)
    bits.put(form.chroma, 2)
    bits.put(0, 8)  # FRMRTQ_POSTPROC, BITRTQ_POSTPROC
    bits.put(0, 1)  # POSTPROCFLAG
    _size(bits, form.largest or (form.width, form.height))
    for flag in (form.pulldown, form.interlace, form.frame_counter, False, True, form.segmented):
        bits.put(flag, 1)
    bits.put(form.extended, 1)
    if form.extended:
        for samples in form.display or (form.width, form.height):
            bits.put(samples - 1, 14)
        bits.put(bool(form.aspect), 1)
        if form.aspect:
            bits.put(form.aspect[0], 4)
            for each in form.aspect[1:]:
                bits.put(each - 1, 8)
        bits.put(bool(form.rate), 1)
        if len(form.rate) == 2:
            bits.put(0, 1)
            bits.put(form.rate[0], 8)
            bits.put(form.rate[1], 4)
        elif form.rate:
            bits.put(1, 1)
            bits.put(form.rate[0], 16)
        bits.put(form.color is not None, 1)
        for value in form.color or ():
            bits.put(value, 8)
    bits.put(form.buckets > 0, 1)
    if form.buckets:
        bits.put(form.buckets, 5)
        bits.put(0, 8)
        for _ in range(form.buckets):
            bits.put(99, 16)
            bits.put(99, 16)
    return unit(SEQUENCE, bits)


def entry_point(
    form: Format,
    *,
    closed: bool = True,
    broken: bool = False,
    mapped: tuple[int, int] | None = None,
) -> bytes:
    """ENTRYPOINT_LAYER (6.2), of the uniform quantizer; ``mapped``: RANGE_MAPY and RANGE_MAPUV."""
    bits = Bits()
    bits.put(broken, 1)
    bits.put(closed, 1)
    bits.put(0, 2)  # PANSCAN_FLAG, REFDIST_FLAG
    bits.put(form.loop_filter, 1)
    bits.put(form.fast_chroma, 1)
    bits.put(0, 1)  # EXTENDED_MV
    bits.put(0, 2)  # DQUANT
    bits.put(0, 1)  # VSTRANSFORM
    bits.put(form.overlap, 1)
    bits.put(3, 2)  # QUANTIZER: uniform
    for _ in range(form.buckets):
        bits.put(255, 8)
    coded = form.largest is not None
    bits.put(coded, 1)
    if coded:
        _size(bits, (form.width, form.height))
    for each in mapped or (None, None):
        bits.put(each is not None, 1)
        if each is not None:
            bits.put(each, 3)
    return unit(ENTRY_POINT, bits)
