"""The NVIDIA backend: NVDEC and NVENC behind the same sessions, on the driver that the machine has.

Importing this module loads no driver: that comes when the machine is probed or a session opens.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from .capabilities import NAME, capabilities, missing, probe, supports

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..backend import DecoderSession, EncoderSession
    from ..decoder_config import DecoderConfig
    from ..types import EncoderConfig

with suppress(ImportError):  # a build without NVIDIA, as `probe` will say
    # Here, before a thread starts the driver, which would wait for the GIL while it imports them.
    from .. import _cuda, _nv  # noqa: F401

__all__ = [
    "HARDWARE", "NAME", "calling", "capabilities", "decoder_options", "load_decoder", "missing",
    "open_decoder", "open_encoder", "probe", "supports",
]  # fmt: skip

HARDWARE: Final = True


def calling() -> str | None:
    """The call of the driver that a thread is in to start it or to ask what it can; or None."""
    from .. import _cuda

    return _cuda.calling()


def decoder_options() -> type:
    """What a decoder takes as ``options``."""
    from .options import NvidiaDecoderOptions

    return NvidiaDecoderOptions


def load_decoder(config: DecoderConfig) -> Iterator[None]:
    """Import what a decoder for ``config`` needs, and then its first frame, of most streams."""
    from . import decoder  # noqa: F401

    yield
    from . import frames

    yield
    yield from frames.load(config)


def open_decoder(config: DecoderConfig) -> DecoderSession:
    """A decoder session; :class:`~videohw.errors.UnsupportedConfig` for what the device lacks."""
    from .decoder import open_session

    return open_session(config)


def open_encoder(config: EncoderConfig) -> EncoderSession:
    """An encoder session; :class:`~videohw.errors.UnsupportedConfig` for what the device lacks."""
    from .encoder import open_session

    return open_session(config)
