"""One session of VideoToolbox as an encoder session holds it, and pictures on their way into it.

Must not know: packets, the order of errors, queues.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from .. import _vt_encode
from ..backend import SessionSwitch
from ..errors import InvalidInput
from .encoder_capabilities import OPENING_SECONDS
from .encoder_failures import of_opening
from .encoder_pictures import PictureStage, StagedPicture
from .encoder_settings import EncoderSettings

MAX_TIME: Final = (1 << 63) - 1


@dataclass(slots=True, eq=False)
class Prepared:
    """Everything that the pictures of one generation need (``backend.PreparedSwitch``).

    ``reconfigures``: the running session is to take the settings; else ``compression`` was opened
    for them.
    """

    settings: EncoderSettings
    compression: _vt_encode.Compression
    stage: PictureStage
    reconfigures: bool = False

    @property
    def makes_keyframe(self) -> bool:
        """Whether the first picture is a keyframe: of a new encoder."""
        return not self.reconfigures

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of its pictures."""
        return self.settings.config.width, self.settings.config.height


class Change(NamedTuple):
    """A change of the running encoder on its way: from which picture on, and to which settings and
    generation it goes back should it fail."""

    switch: SessionSwitch
    before: int
    old: Prepared
    old_generation: int


@dataclass(slots=True, eq=False)
class Staged:
    """A picture, and for which settings it was staged."""

    picture: StagedPicture
    made: Prepared


def opened(settings: EncoderSettings) -> Prepared:
    """An encoder with all its properties; the error for what the system refuses."""
    config, options = settings.config, settings.options
    compression = _vt_encode.Compression(
        settings.codec, config.width, config.height, settings.pixel_format, settings.properties,
        held=settings.held, seconds=OPENING_SECONDS,
        requires_hardware=options.require_hardware,
        low_latency_rate_control=options.low_latency_rate_control,
    )  # fmt: skip
    failure = compression.failure()
    if failure is not None:
        raise of_opening(failure)
    return Prepared(settings, compression, PictureStage(settings, compression))


def scaled(pts: int, numerator: int) -> int:
    """``pts`` in units of 1 / denominator seconds, which must stay an int64."""
    time = pts * numerator
    if abs(time) > MAX_TIME:
        raise InvalidInput(
            f"pts {pts} is too large for VideoToolbox in a time_base with the numerator "
            f"{numerator}",
            argument="pts",
        )
    return time
