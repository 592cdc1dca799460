"""What goes into a decoder session."""

from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from ..types import SideData

if TYPE_CHECKING:
    from fractions import Fraction

    from ..bitstream import AccessUnit


@lru_cache(maxsize=64)
def _ratio(width: int, height: int) -> "Fraction":
    from fractions import Fraction  # a driver starts, or makes a decoder, before this is asked

    return Fraction(width, height)


class SequenceInfo(NamedTuple):
    """What a sequence says of all its pictures; None in a field means "not stated".

    ``sample_aspect``: width and height of a sample, in any unit. ``siting`` is a name of
    :data:`videohw.color.SITINGS`. ``reorders`` is False when the output order is certainly the
    decoding order; ``stated_reorder``: most pictures that may precede one
    in decoding order and follow it in output order. ``has_fields``: fields may be pictures of
    their own. ``range_extension``: it uses coding tools of the HEVC range extensions (H.265
    7.3.2.2.2). ``full_range``: what the VUI says, None when it says nothing.
    ``size``: width and height in luma samples, of codecs whose decoders forget at a change.
    ``headers``: of VC-1, those with which the sequence began; libavcodec takes them when it opens.
    """

    sample_aspect: tuple[int, int] | None = None
    siting: str | None = None
    reorders: bool = True
    stated_reorder: int | None = None
    has_fields: bool = True
    range_extension: bool = False
    full_range: bool | None = None
    size: tuple[int, int] | None = None
    headers: bytes = b""

    @property
    def sample_aspect_ratio(self) -> "Fraction | None":
        """Width of a sample through its height."""
        return None if self.sample_aspect is None else _ratio(*self.sample_aspect)


class Fields(NamedTuple):
    """Which field comes first (None: not stated) and how long a picture is shown.

    ``repeat`` counts field durations beyond the picture's own two.
    """

    top_first: bool | None = None
    repeat: int = 0


_UNKNOWN_SEQUENCE: Final = SequenceInfo()
_NO_FIELDS: Final = Fields()
_NO_SIDE_DATA: Final = SideData()


class PictureInfo(NamedTuple):
    """What the parser read about a picture that a frame hands on, or that a backend must know.

    ``rare_tool``: a coding tool of the picture that hardware decoders lack, in words, and that
    they would not notice; None as a rule. ``repeats``: the picture is not coded, but the one
    before it lasts; no decoder is given it.
    """

    sequence: SequenceInfo = _UNKNOWN_SEQUENCE
    fields: Fields = _NO_FIELDS
    side_data: SideData = _NO_SIDE_DATA
    rare_tool: str | None = None
    repeats: bool = False


UNKNOWN_PICTURE: Final = PictureInfo()


class CodedPicture:
    """One coded picture on its way into a decoder.

    ``serial`` numbers the pictures of a session from 0 and is the timestamp that a driver sees;
    the caller's ``pts`` never goes to a driver. ``data`` is what the decoder is fed (Annex-B,
    an AV1 temporal unit, or one whole picture); ``unit`` is what the parser knows of it, None
    for codecs without start codes. ``offset`` is where it began in the bytes submitted, None
    when it has no such place.

    ``skip`` is the reason why it is not decoded, ``silent`` why it gives no frame of its own
    though it is; both are reasons of :class:`Account`. ``sets``: of a keyframe whose ``data``
    brings no parameter sets, those in force, as Annex-B. ``open_start``: decoding begins here, and
    pictures shown before it lack references. ``resumes``: from here on, in output order, all
    pictures are right when decoding began at the random access point of this serial; None where
    nothing is said.
    """

    __slots__ = (
        "data", "info", "keyframe", "offset", "open_start", "pts", "resumes", "serial", "sets",
        "silent", "skip", "unit",
    )  # fmt: skip

    def __init__(
        self, serial: int, data: bytes, pts: int | None, unit: "AccessUnit | None" = None,
        offset: int | None = None, skip: str | None = None, silent: str | None = None,
        keyframe: bool = False, sets: bytes = b"", open_start: bool = False,
        resumes: int | None = None, info: PictureInfo = UNKNOWN_PICTURE,
    ) -> None:  # fmt: skip
        self.serial = serial
        self.data = data
        self.pts = pts
        self.unit = unit
        self.offset = offset
        self.skip = skip
        self.silent = silent
        self.keyframe = keyframe
        self.sets = sets
        self.open_start = open_start
        self.resumes = resumes
        self.info = info

    @property
    def queued_bytes(self) -> int:
        """Bytes of coded data that wait with this picture."""
        return len(self.data)
