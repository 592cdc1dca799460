"""The VideoToolbox backend: Apple's decoders behind the same sessions.

Importing this module loads none of the frameworks: that comes when the machine is probed or a
session opens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..errors import UnsupportedConfig
from ..types import DecoderConfig, EncoderConfig
from .capabilities import NAME, capabilities, probe

if TYPE_CHECKING:
    from ..backend import DecoderSession, EncoderSession

__all__ = ["HARDWARE", "NAME", "capabilities", "open_decoder", "open_encoder", "probe"]

HARDWARE: Final = True


def open_decoder(config: DecoderConfig) -> DecoderSession:
    """A decoder session; :class:`~videohw.errors.UnsupportedConfig` for what it cannot do."""
    from .decoder import open_session

    return open_session(config)


def open_encoder(config: EncoderConfig) -> EncoderSession:
    """:class:`~videohw.errors.UnsupportedConfig`: this backend decodes only."""
    raise UnsupportedConfig(
        f"the videotoolbox backend does not encode {config.codec}",
        argument="backend",
        hint='backend="software", or "auto" to take the first that can',
    )
