"""Names that arguments take, and limits that are taken where none is given.

Nothing is imported for them: a driver starts only after arguments were held to these.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

DECODER_CODECS: Final[tuple[str, ...]] = (
    "h264", "hevc", "av1", "vp9", "vp8", "mpeg4", "vc1", "mpeg2", "mpeg1", "jpeg",
)  # fmt: skip
ENCODER_CODECS: Final[tuple[str, ...]] = ("h264", "hevc", "av1", "prores")
# Spellings that users type, each for one name above.
CODEC_ALIASES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "avc": "h264", "h.264": "h264", "h265": "hevc", "h.265": "hevc",
        "mpeg2video": "mpeg2", "mpeg1video": "mpeg1", "mjpeg": "jpeg", "av01": "av1",
        "mp4v": "mpeg4", "vc-1": "vc1", "wvc1": "vc1",
    }
)  # fmt: skip
ON_ERROR: Final[tuple[str, ...]] = ("raise", "skip", "resync", "conceal")
DECODER_OUTPUTS: Final[tuple[str, ...]] = (
    "metadata", "native", "nv12", "i420", "p010", "rgb24", "bgr24", "rgba", "bgra",
    "rgb_planar", "rgb_float16", "rgb_float32",
)  # fmt: skip
ENCODER_INPUTS: Final[tuple[str, ...]] = ("nv12", "p010", "i420", "rgb24", "bgr24", "rgba", "bgra")
PRESETS: Final[tuple[str, ...]] = ("fastest", "fast", "balanced", "quality", "best")

DEFAULT_MAX_IN_FLIGHT_FRAMES: Final = 8
DEFAULT_MAX_IN_FLIGHT_PACKETS: Final = 6
DEFAULT_MAX_PENDING_BYTES: Final = 64 << 20
DEFAULT_NVDEC_SURFACES: Final = 4
# How a conversion makes chroma for each pixel, and how it scales.
CHROMA_METHODS: Final[tuple[str, ...]] = ("nearest", "bilinear")
RESIZE_METHODS: Final[tuple[str, ...]] = ("bilinear", "area")
