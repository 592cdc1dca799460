"""videohw: one Python API over video codec hardware, with an open software backend.

Names only. Files: :func:`open`, :class:`VideoWriter`, :func:`transcode`. Streams:
:class:`Decoder`, :class:`Encoder`. This machine: :func:`backends`, :func:`capabilities`.
Building blocks: :mod:`videohw.bitstream`. Importing touches no driver and needs none.
"""

from . import bitstream
from .capabilities import backends, capabilities
from .color import ColorSpec
from .decoder import Decoder
from .encoder import Encoder
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
from .reader import VideoReader, open
from .transcode import DroppedStream, TranscodeProgress, TranscodeResult, transcode
from .types import (
    BackendStatus,
    Capability,
    ConstantBitrate,
    ConstantQp,
    ConstantQuality,
    ContentLight,
    MasteringDisplay,
    Packet,
    SoftwareDecoderOptions,
    SoftwareEncoderOptions,
    VariableBitrate,
)
from .writer import VideoWriter

__version__ = "0.1.0"

__all__ = [
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
    "Packet",
    "SessionClosed",
    "SoftwareDecoderOptions",
    "SoftwareEncoderOptions",
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
    "open",
    "transcode",
]
