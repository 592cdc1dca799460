"""Which assembler a codec has."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from ..errors import InvalidInput
from .assembler import DEFAULT_MAX_UNIT_BYTES, AccessUnitAssembler
from .splitter import DEFAULT_MAX_NAL_BYTES

if TYPE_CHECKING:
    from .av1 import Av1Assembler
    from .mpeg2 import Mpeg2Assembler
    from .mpeg4 import Mpeg4Assembler
    from .vc1 import Vc1Assembler

Assembler: TypeAlias = (
    "AccessUnitAssembler | Av1Assembler | Mpeg2Assembler | Mpeg4Assembler | Vc1Assembler"
)

CODECS = ("h264", "hevc", "mpeg1", "mpeg2", "mpeg4", "vc1", "av1")


def open_assembler(
    codec: str,
    *,
    max_nal_bytes: int = DEFAULT_MAX_NAL_BYTES,
    max_unit_bytes: int = DEFAULT_MAX_UNIT_BYTES,
) -> Assembler:
    """The assembler of ``codec``: "h264", "hevc", "mpeg1", "mpeg2", "mpeg4", "vc1"
    or "av1".

    VP8, VP9 and JPEG have no way to find a picture in a byte stream: :class:`InvalidInput`, as
    for any other name. The limits, in bytes, are those of the assemblers; ``max_nal_bytes`` is for
    the codecs that have NAL units.
    """
    if codec in ("h264", "hevc"):
        return AccessUnitAssembler(
            codec, max_nal_bytes=max_nal_bytes, max_unit_bytes=max_unit_bytes
        )
    if codec in ("mpeg1", "mpeg2"):
        from .mpeg2 import Mpeg2Assembler

        return Mpeg2Assembler(codec, max_unit_bytes=max_unit_bytes)
    if codec == "mpeg4":
        from .mpeg4 import Mpeg4Assembler

        return Mpeg4Assembler(max_unit_bytes=max_unit_bytes)
    if codec == "vc1":
        from .vc1 import Vc1Assembler

        return Vc1Assembler(max_unit_bytes=max_unit_bytes)
    if codec == "av1":
        from .av1 import Av1Assembler

        return Av1Assembler(max_unit_bytes=max_unit_bytes)
    raise InvalidInput(
        f"codec {codec!r} has no byte stream to cut",
        argument="codec",
        hint=f"one of {', '.join(CODECS)}",
    )
