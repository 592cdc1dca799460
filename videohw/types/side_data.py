"""What comes with pictures beside their pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .hdr import ContentLight, MasteringDisplay


class SideData(NamedTuple):
    """What came with a picture beside its pixels; None where the stream says nothing.

    ``captions`` are the caption constructs of the picture, three bytes each: flags with cc_type,
    then the two bytes of CTA-608 or CTA-708 data (ATSC A/53 part 4, 6.2.3).
    """

    mastering_display: MasteringDisplay | None = None
    content_light: ContentLight | None = None
    captions: bytes | None = None
