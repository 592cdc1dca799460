"""A stream of ProRes in a file that is written: what its first frame and its flavour say of it.

Must not know: packets, the container.
"""

from __future__ import annotations

from typing import Any, Final

from ..encoding.prores import DEFAULT_FLAVOUR, FLAVOURS, frame_header

# FFmpeg's numbers of the flavours are their places in the table.
_NAMES: Final = tuple(FLAVOURS)


def add_prores(muxer: Any, frame: bytes, profile: str | None) -> Any:
    """A new stream of ``muxer`` for frames like ``frame`` of the flavour ``profile``."""
    header, name = frame_header(frame), profile or DEFAULT_FLAVOUR
    stream = muxer.add_stream("prores_ks", options={"profile": str(_NAMES.index(name))})
    context = stream.codec_context
    context.width, context.height = header.width, header.height
    context.pix_fmt = "yuv444p10le" if header.is_444 else "yuv422p10le"
    context.color_primaries, context.color_trc = header.primaries, header.transfer
    context.colorspace = header.matrix
    return stream
