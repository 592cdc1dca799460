"""The VideoToolbox backend: Apple's decoders and encoders behind the same sessions.

Importing this module loads none of the frameworks: that comes when the machine is probed or a
session opens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from ..decoder_config import DecoderConfig
from ..types import Capability, EncoderConfig
from .capabilities import NAME, missing, probe
from .capabilities import capabilities as _of_decoders
from .encoder_capabilities import capabilities as _of_encoders

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..backend import DecoderSession, EncoderSession

__all__ = [
    "HARDWARE", "NAME", "calling", "capabilities", "decoder_options", "load_decoder", "missing",
    "open_decoder", "open_encoder", "probe", "supports",
]  # fmt: skip

HARDWARE: Final = True


def capabilities(
    codec: str, direction: Literal["decode", "encode"], device: int | str = 0
) -> Capability:
    """What the system does with ``codec``, asked of it as far as it answers."""
    return (_of_encoders if direction == "encode" else _of_decoders)(codec, direction, device)


supports = capabilities


def calling() -> str | None:
    """None: it is not known."""
    return None


def decoder_options() -> type:
    """What a decoder takes as ``options``."""
    from .options import AppleDecoderOptions

    return AppleDecoderOptions


def load_decoder(config: DecoderConfig) -> Iterator[None]:
    """Import what a decoder for ``config`` needs."""
    from . import decoder  # noqa: F401

    yield


def open_decoder(config: DecoderConfig) -> DecoderSession:
    """A decoder session; :class:`~videohw.errors.UnsupportedConfig` for what it cannot do."""
    from .decoder import open_session

    return open_session(config)


def open_encoder(config: EncoderConfig) -> EncoderSession:
    """An encoder session; :class:`~videohw.errors.UnsupportedConfig` for what it cannot do."""
    from .encoder import open_session

    return open_session(config)
