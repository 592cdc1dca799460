"""What a device answers of its encoder for one codec, and refusals that name option and limit.

Must not know: how settings become fields, the driver.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ..errors import UnsupportedConfig

API_12_1: Final = (12, 1)
API_13_0: Final = (13, 0)
# The first driver of each version of NVENC's API: Linux and Windows (nv-codec-headers).
DRIVERS: Final = {API_12_1: "530 (Windows: 531)", API_13_0: "570"}
_PREFIX: Final = "NV_ENC_BUFFER_FORMAT_"


@dataclass(frozen=True, slots=True)
class Answers:
    """The driver's answers for ``codec``, of the API version ``api`` (major, minor).

    ``profiles`` and ``presets`` are names of GUIDs, ``formats`` of buffer formats without their
    prefix, ``caps`` values by name without NV_ENC_CAPS_.
    """

    codec: str
    api: tuple[int, int]
    profiles: frozenset[str]
    presets: frozenset[str]
    formats: frozenset[str]
    caps: Mapping[str, int]

    @classmethod
    def of(cls, codec: str, api: tuple[int, int], found: Mapping[str, object]) -> Answers:
        """From what the native module found: names in tuples, and ``caps``."""
        names = {
            key: frozenset(str(name).removeprefix(_PREFIX) for name in values)
            for key in ("profiles", "presets", "formats")
            if isinstance(values := found[key], (tuple, list))
        }
        caps = found["caps"]
        assert isinstance(caps, Mapping)
        return cls(codec, api, **names, caps=dict(caps))

    def cap(self, name: str) -> int:
        """The value of a cap; 0 where the driver's API does not have it."""
        return self.caps.get(name, 0)

    def require(self, cap: str, argument: str, what: str, hint: str | None = None) -> None:
        """:class:`UnsupportedConfig` for ``argument`` where the device has nothing of ``cap``."""
        if not self.cap(cap):
            raise refused(argument, f"{what}, which this device does not do for {self.codec}", hint)

    def require_api(self, needed: tuple[int, int], argument: str, what: str) -> None:
        """:class:`UnsupportedConfig` for ``argument`` where the driver's API is older."""
        if self.api < needed:
            raise refused(
                argument,
                f"{what}, which needs API {needed[0]}.{needed[1]} of NVENC; this driver has "
                f"{self.api[0]}.{self.api[1]}",
                f"an NVIDIA driver {DRIVERS[needed]} or newer",
            )

    def require_codec(self, codecs: tuple[str, ...], argument: str, what: str) -> None:
        """:class:`UnsupportedConfig` for ``argument`` of a codec that is none of ``codecs``."""
        if self.codec not in codecs:
            raise refused(argument, f"{what}, which {self.codec} does not have")

    def limit(
        self, argument: str, value: int, low: int, high: int, hint: str | None = None
    ) -> None:
        """:class:`UnsupportedConfig` with the limits where ``value`` is not within them."""
        if not low <= value <= high:
            raise refused(
                argument,
                f"{argument} is {value}, this device takes {low} to {high} for {self.codec}",
                hint,
            )


def refused(argument: str, what: str, hint: str | None = None) -> UnsupportedConfig:
    """The error for an argument or option that cannot be here."""
    return UnsupportedConfig(what, argument=argument, hint=hint)
