"""What the numbers of a picture mean: matrix, range, primaries, transfer, chroma siting.

Code points are those of ITU-T H.273 (2021), clauses 8.1 to 8.3, 8.7; names follow FFmpeg.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ..errors import InvalidInput

# ITU-T H.273 table 4. 2 (unspecified) and reserved values are not listed: they mean "unknown".
MATRICES = {
    0: "identity", 1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m",
    8: "ycgco", 9: "bt2020nc", 10: "bt2020c", 11: "smpte2085", 14: "ictcp",
}  # fmt: skip
# ITU-T H.273 table 2.
PRIMARIES = {
    1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "film",
    9: "bt2020", 10: "smpte428", 11: "smpte431", 12: "smpte432", 22: "ebu3213",
}  # fmt: skip
# ITU-T H.273 table 3.
TRANSFERS = {
    1: "bt709", 4: "gamma22", 5: "gamma28", 6: "smpte170m", 7: "smpte240m", 8: "linear",
    9: "log100", 10: "log316", 11: "iec61966-2-4", 12: "bt1361e", 13: "iec61966-2-1",
    14: "bt2020-10", 15: "bt2020-12", 16: "smpte2084", 17: "smpte428", 18: "arib-std-b67",
}  # fmt: skip
# ITU-T H.264 figure E-1 / H.265 figure E.1: chroma_sample_loc_type 0 to 5.
SITINGS = {0: "left", 1: "center", 2: "topleft", 3: "top", 4: "bottomleft", 5: "bottom"}
RANGES = ("limited", "full")

_NAMES = {
    "matrix": tuple(MATRICES.values()),
    "range": RANGES,
    "primaries": tuple(PRIMARIES.values()),
    "transfer": tuple(TRANSFERS.values()),
    "siting": tuple(SITINGS.values()),
}


@dataclass(frozen=True, slots=True)
class ColorSpec:
    """Colour of a stream or a picture; None in a field means "not stated".

    ``matrix``, ``primaries``, ``transfer``, ``siting`` are names of the tables above; ``range``
    is "limited" or "full"; ``bit_depth`` is in bits per sample (8 to 16). A ColorSpec given to a
    decoder or encoder overrides the stream field by field: what is None there stays the stream's.
    """

    matrix: str | None = None
    range: str | None = None
    primaries: str | None = None
    transfer: str | None = None
    siting: str | None = None
    bit_depth: int | None = None

    def __post_init__(self) -> None:
        for field, names in _NAMES.items():
            value = getattr(self, field)
            if value is not None and value not in names:
                raise InvalidInput(
                    f"color.{field} is {value!r}",
                    argument=f"color.{field}",
                    hint=f"one of {', '.join(names)}, or None",
                )
        depth = self.bit_depth
        if depth is not None and not (isinstance(depth, int) and 8 <= depth <= 16):
            raise InvalidInput(
                f"color.bit_depth is {depth!r}", argument="color.bit_depth", hint="8 to 16"
            )

    @classmethod
    def from_code_points(
        cls,
        *,
        matrix: int | None = None,
        full_range: bool | None = None,
        primaries: int | None = None,
        transfer: int | None = None,
        siting: int | None = None,
        bit_depth: int | None = None,
    ) -> ColorSpec:
        """From the code points of a VUI, colr box or sequence header (ITU-T H.273).

        Unspecified (2) and reserved values become None.
        """
        return cls(
            matrix=MATRICES.get(matrix) if matrix is not None else None,
            range=None if full_range is None else RANGES[bool(full_range)],
            primaries=PRIMARIES.get(primaries) if primaries is not None else None,
            transfer=TRANSFERS.get(transfer) if transfer is not None else None,
            siting=SITINGS.get(siting) if siting is not None else None,
            bit_depth=bit_depth,
        )

    def overridden_by(self, other: ColorSpec | None) -> ColorSpec:
        """This spec with every field that ``other`` states taken from ``other``."""
        if other is None:
            return self
        stated: dict[str, Any] = {
            field: value for field in self.__slots__ if (value := getattr(other, field)) is not None
        }
        return replace(self, **stated)

    def resolved(self, height: int) -> ColorSpec:
        """This spec with matrix and range decided where they are not stated.

        Matrix: BT.709 for pictures of 720 lines and more, BT.601 (smpte170m) below; range:
        limited. ``height`` is in lines of the whole picture.
        """
        return replace(
            self,
            matrix=self.matrix or ("bt709" if height >= 720 else "smpte170m"),
            range=self.range or "limited",
        )
