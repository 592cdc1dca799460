"""videohw: one Python API over video codec hardware, with an open software backend.

Names only. Files: :func:`open`, :class:`VideoWriter`, :func:`transcode`. Streams:
:class:`Decoder`, :class:`Encoder`. This machine: :func:`backends`, :func:`capabilities`.
Building blocks: :mod:`videohw.bitstream`, :mod:`videohw.color`, :mod:`videohw.pixels`,
:mod:`videohw.pipeline`, :mod:`videohw.metrics`. Importing touches no driver, needs none, and
loads nothing: each name is imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .lazy_names import lazy_names

if TYPE_CHECKING:
    from . import bitstream, color, metrics, pipeline, pixels
    from .apple.encoder_messages import ApplePictureOptions
    from .apple.encoder_options import AppleEncoderOptions
    from .apple.image_info import AppleImageInfo
    from .apple.options import AppleDecoderOptions
    from .color import ColorSpec
    from .decoder import Decoder
    from .encoder import Encoder
    from .encoding.session_switch import SwitchMode, SwitchRequest
    from .errors import (
        BackendError,
        Backpressure,
        DeviceLost,
        InvalidBitstream,
        InvalidInput,
        SessionClosed,
        UnsupportedCodec,
        UnsupportedConfig,
        VideoHwError,
    )
    from .frame import Frame
    from .machine import backends, capabilities
    from .nvidia.encoder_options import NvidiaEncoderOptions, NvidiaPictureOptions
    from .nvidia.options import NvidiaDecoderOptions
    from .reader import VideoReader, open
    from .software_options import SoftwareDecoderOptions, SoftwareEncoderOptions
    from .transcode_file import DroppedStream, TranscodeProgress, TranscodeResult, transcode
    from .types import (
        BackendStatus,
        Capability,
        ConstantBitrate,
        ConstantQp,
        ConstantQuality,
        ContentLight,
        MasteringDisplay,
        Packet,
        VariableBitrate,
    )
    from .writer import VideoWriter

__version__ = "0.1.0"

__all__ = [
    "AppleDecoderOptions",
    "AppleEncoderOptions",
    "AppleImageInfo",
    "ApplePictureOptions",
    "BackendError",
    "BackendStatus",
    "Backpressure",
    "Capability",
    "ColorSpec",
    "ConstantBitrate",
    "ConstantQp",
    "ConstantQuality",
    "ContentLight",
    "Decoder",
    "DeviceLost",
    "DroppedStream",
    "Encoder",
    "Frame",
    "InvalidBitstream",
    "InvalidInput",
    "MasteringDisplay",
    "NvidiaDecoderOptions",
    "NvidiaEncoderOptions",
    "NvidiaPictureOptions",
    "Packet",
    "SessionClosed",
    "SoftwareDecoderOptions",
    "SoftwareEncoderOptions",
    "SwitchMode",
    "SwitchRequest",
    "TranscodeProgress",
    "TranscodeResult",
    "UnsupportedCodec",
    "UnsupportedConfig",
    "VariableBitrate",
    "VideoHwError",
    "VideoReader",
    "VideoWriter",
    "backends",
    "bitstream",
    "capabilities",
    "color",
    "metrics",
    "open",
    "pipeline",
    "pixels",
    "transcode",
]

# Module -> the names that are taken from it.
_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "apple.image_info": ("AppleImageInfo",),
    "apple.options": ("AppleDecoderOptions",),
    "color": ("ColorSpec",),
    "decoder": ("Decoder",),
    "encoder": ("Encoder",),
    "errors": (
        "BackendError", "Backpressure", "DeviceLost", "InvalidBitstream", "InvalidInput",
        "SessionClosed", "UnsupportedCodec", "UnsupportedConfig", "VideoHwError",
    ),
    "frame": ("Frame",),
    "machine": ("backends", "capabilities"),
    "apple.encoder_messages": ("ApplePictureOptions",),
    "apple.encoder_options": ("AppleEncoderOptions",),
    "nvidia.encoder_options": ("NvidiaEncoderOptions", "NvidiaPictureOptions"),
    "nvidia.options": ("NvidiaDecoderOptions",),
    "reader": ("VideoReader", "open"),
    "software_options": ("SoftwareDecoderOptions", "SoftwareEncoderOptions"),
    "encoding.session_switch": ("SwitchMode", "SwitchRequest"),
    "transcode_file": ("DroppedStream", "TranscodeProgress", "TranscodeResult", "transcode"),
    "types": (
        "BackendStatus", "Capability", "ConstantBitrate", "ConstantQp", "ConstantQuality",
        "ContentLight", "MasteringDisplay", "Packet", "VariableBitrate",
    ),
    "writer": ("VideoWriter",),
}  # fmt: skip
_MODULES: Final = ("bitstream", "color", "errors", "metrics", "pipeline", "pixels", "types")

if not TYPE_CHECKING:  # a type checker would take any name for one of ours
    __getattr__, __dir__ = lazy_names(__name__, _NAMES, _MODULES)
