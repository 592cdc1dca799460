"""The open software backend: the same sessions on PyAV's codecs, chosen openly, never silently.

Importing this module imports no PyAV: that comes when the machine is probed or a session opens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..decoder_config import DecoderConfig
from ..types import EncoderConfig
from .capabilities import NAME, capabilities, missing, probe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..backend import DecoderSession, EncoderSession

__all__ = [
    "HARDWARE", "NAME", "calling", "capabilities", "decoder_options", "load_decoder", "missing",
    "open_decoder", "open_encoder", "probe", "supports",
]  # fmt: skip

HARDWARE: Final = False

supports = capabilities


def calling() -> str | None:
    """None: it is not known."""
    return None


def decoder_options() -> type:
    """What a decoder takes as ``options``."""
    from ..software_options import SoftwareDecoderOptions

    return SoftwareDecoderOptions


def load_decoder(config: DecoderConfig) -> Iterator[None]:
    """Import what a decoder for ``config`` needs."""
    from . import decoder  # noqa: F401

    yield


def open_decoder(config: DecoderConfig) -> DecoderSession:
    """A decoder session; :class:`~videohw.errors.UnsupportedConfig` for what PyAV cannot do."""
    from .decoder import open_session

    return open_session(config)


def open_encoder(config: EncoderConfig) -> EncoderSession:
    """An encoder session; :class:`~videohw.errors.UnsupportedConfig` for what PyAV cannot do."""
    from .encoder import open_session

    return open_session(config)
