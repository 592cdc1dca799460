"""What PyAV on this machine can decode and encode, asked of its libraries and never assumed.

Owns: the names of libavcodec's codecs, the cache of answers. Must not know: sessions.
Nothing here raises because something is missing; the answer says so.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import Any, Final, Literal

from ..encoding.prores import WHO_ENCODES
from ..known_names import DECODER_CODECS
from ..pyav import INSTALL_HINT
from ..pyav import load_av as load_av  # the modules beside this one take it from here
from ..types import BackendStatus, Capability
from . import live_options
from .encoder_settings import LIBRARIES, LIVE_RATES, MAX_B_FRAMES, PROFILES
from .thread_scheduling import unchanged_scheduling

NAME: Final = "software"

# libavcodec's decoders of each codec, the preferred first. Its own "av1" is left out: it has no
# software decoding.
DECODERS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "h264": ("h264",), "hevc": ("hevc",), "av1": ("libdav1d", "libaom-av1"),
        "vp9": ("vp9", "libvpx-vp9"), "vp8": ("vp8", "libvpx"), "mpeg2": ("mpeg2video",),
        "mpeg1": ("mpeg1video",), "mpeg4": ("mpeg4",), "vc1": ("vc1",),
        "jpeg": ("mjpeg",),
    }
)  # fmt: skip

# Sizes tried when an encoder is asked for its limits: the smallest square that opens, and the
# largest width or height that opens beside a small other side.
_MIN_SIZES: Final = (2, 4, 8, 16, 32, 64, 128)
_MAX_SIZES: Final = (65536, 32768, 16384, 8192, 4096)
_PROBE_SIDE: Final = 128


def missing(device: int | str | None = None) -> tuple[str, str | None] | None:
    """(reason, hint) why PyAV cannot be used here, or None when it can."""
    try:
        load_av()
    except ModuleNotFoundError as error:
        of_it = "" if error.name == "av" else f" completely ({error})"
        return f"PyAV is not installed{of_it}", INSTALL_HINT
    except Exception as error:  # a broken installation may fail with anything
        return f"PyAV cannot be imported: {error}", INSTALL_HINT
    return None


def probe() -> BackendStatus:
    """Whether the software backend can be used, with the versions of what it stands on."""
    reason = missing()
    if reason is not None:
        return BackendStatus(
            NAME, available=False, hardware=False, reason=reason[0], hint=reason[1]
        )
    av = load_av()
    versions = {"av": av.__version__}
    versions.update(
        (name, ".".join(map(str, number))) for name, number in av.library_versions.items()
    )
    return BackendStatus(NAME, available=True, hardware=False, versions=MappingProxyType(versions))


def capabilities(
    codec: str, direction: Literal["decode", "encode"], device: int | str = 0
) -> Capability:
    """What PyAV can do with ``codec``; the first answer for each is kept.

    For a decoder ``formats`` is empty: they follow from the stream, libavcodec states none.
    """
    if device not in (0, "cpu"):
        return _refusal(codec, direction, f"there is no device {device!r}, software has only 0")
    reason = missing()
    if reason is not None:
        return _refusal(codec, direction, reason[0])
    return _ask_decoder(codec) if direction == "decode" else _ask_encoder(codec)


def _refusal(codec: str, direction: Literal["decode", "encode"], reason: str) -> Capability:
    return Capability(
        NAME, codec, direction, supported=False, hardware=False, reason=reason,
        hint=WHO_ENCODES.get(codec),
    )  # fmt: skip


@functools.cache
def decoder_name(codec: str) -> str | None:
    """libavcodec's decoder for ``codec`` in this PyAV, or None."""
    return next((name for name in DECODERS.get(codec, ()) if _codec(name, "r")), None)


def live_rates(library: str) -> tuple[str, ...]:
    """The kinds of rate control whose numbers ``library`` changes without a keyframe."""
    if not live_options.available():
        return ()
    return tuple(kind.__name__ for kind in LIVE_RATES.get(library, ()))


def _codec(name: str, mode: Literal["r", "w"]) -> Any:
    av = load_av()
    try:
        return av.Codec(name, mode)
    except av.codec.codec.UnknownCodecError:
        return None


@functools.cache
def _ask_decoder(codec: str) -> Capability:
    if codec not in DECODER_CODECS:
        return _refusal(codec, "decode", f"the software backend does not decode {codec!r}")
    name = decoder_name(codec)
    if name is None:
        wanted = " or ".join(DECODERS[codec])
        return _refusal(codec, "decode", f"this PyAV build has no decoder {wanted}")
    return Capability(
        NAME, codec, "decode", supported=True, hardware=False,
        details=MappingProxyType({"library": name, "long_name": _codec(name, "r").long_name}),
    )  # fmt: skip


@functools.cache
def _ask_encoder(codec: str) -> Capability:
    if codec not in LIBRARIES:
        return _refusal(codec, "encode", f"the software backend does not encode {codec!r}")
    name = LIBRARIES[codec]
    library = _codec(name, "w")
    if library is None:
        return _refusal(codec, "encode", f"this PyAV build has no encoder {name}")
    coded = tuple(each.name for each in library.video_formats or ())
    deep = any(each.endswith("10le") for each in coded)
    smallest = _first_that_opens(name, ((size, size) for size in _MIN_SIZES))
    if smallest is None:
        return _refusal(codec, "encode", f"{name} of this PyAV build cannot be opened")
    widest = _first_that_opens(name, ((size, _PROBE_SIDE) for size in _MAX_SIZES))
    highest = _first_that_opens(name, ((_PROBE_SIDE, size) for size in _MAX_SIZES))
    inputs = ("nv12", *(("p010",) if deep else ()), "i420", "rgb24", "bgr24", "rgba", "bgra")
    details = {
        "library": name,
        "long_name": library.long_name,
        "coded_formats": coded,
        "profiles": tuple(PROFILES[codec]),
        "switch_reconfigures": live_rates(name),
    }
    return Capability(
        NAME, codec, "encode", supported=True, hardware=False, formats=inputs,
        min_width=smallest[0], min_height=smallest[1],
        max_width=widest[0] if widest else None, max_height=highest[1] if highest else None,
        max_b_frames=MAX_B_FRAMES[codec], details=MappingProxyType(details),
    )  # fmt: skip


def _first_that_opens(name: str, sizes: Iterable[tuple[int, int]]) -> tuple[int, int] | None:
    av = load_av()
    for width, height in sizes:
        context = av.CodecContext.create(name, "w")
        context.width, context.height = width, height
        context.pix_fmt = "yuv420p"
        context.framerate = Fraction(30)
        context.time_base = Fraction(1, 30)
        context.options = {"x265-params": "log-level=none"} if name == "libx265" else {}
        try:
            with unchanged_scheduling():
                context.open()
        except av.error.FFmpegError:
            continue
        return width, height
    return None
