"""Which backend does a job: one rule for decoders and encoders, that says why the others do not.

Must not know: any backend by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from .backend import AUTO, BACKENDS, Backend, load
from .errors import InvalidInput, UnsupportedCodec, UnsupportedConfig
from .types import CODEC_ALIASES, DECODER_CODECS, ENCODER_CODECS, Capability

_CODECS: Final = {"decode": DECODER_CODECS, "encode": ENCODER_CODECS}


@dataclass(frozen=True, slots=True)
class Selection:
    """The backend taken, what it says of the codec, and the others with why they were not.

    ``refused`` holds (name, reason) pairs in the order of preference; backends that come after
    the one taken were not asked, and say so.
    """

    name: str
    backend: Backend
    capability: Capability
    refused: tuple[tuple[str, str], ...] = ()


def canonical_codec(codec: object, direction: Literal["decode", "encode"]) -> str:
    """The name of ``codec`` in our tables; "h265", "H.264", "avc" and the like are understood.

    :class:`UnsupportedCodec` for a name that no backend knows, :class:`InvalidInput` for
    anything but text.
    """
    if not isinstance(codec, str):
        raise InvalidInput(
            f"codec is {type(codec).__name__}, not text", argument="codec", hint='such as "h264"'
        )
    name = codec.lower()
    name = CODEC_ALIASES.get(name, name)
    if name not in _CODECS[direction]:
        raise UnsupportedCodec(
            f"codec {codec!r} cannot be {direction}d by any backend",
            hint=f"one of {', '.join(_CODECS[direction])}",
        )
    return name


def select(
    codec: str,
    direction: Literal["decode", "encode"],
    backend: str = AUTO,
    require_hardware: bool = False,
    device: int | str = 0,
) -> Selection:
    """The first backend of the table that is available, allowed and does ``codec``.

    ``codec`` is a canonical name. ``backend`` names one, or "auto" takes the first that can.
    :class:`UnsupportedCodec` when every backend asked works but none does this codec, else
    :class:`UnsupportedConfig`; both name each backend with what was missing.
    """
    names = tuple(BACKENDS) if backend == AUTO else (backend,)
    refused: list[tuple[str, str]] = []
    hints: list[str] = []
    lacks_codec_only = True
    for position, name in enumerate(names):
        module = load(name)
        if require_hardware and not module.HARDWARE:
            refused.append((name, "it is software and require_hardware=True"))
            lacks_codec_only = False
            continue
        status = module.probe()
        if not status.available:
            refused.append((name, status.reason or "it is not available"))
            hints.extend([status.hint] if status.hint else [])
            lacks_codec_only = False
            continue
        capability = module.capabilities(codec, direction, device)
        if capability.supported:
            later = ((other, f"not asked, {name} comes first") for other in names[position + 1 :])
            return Selection(name, module, capability, (*refused, *later))
        refused.append((name, capability.reason or f"it does not {direction} {codec}"))
    raise _refusal(codec, direction, require_hardware, refused, hints, lacks_codec_only)


def _refusal(
    codec: str,
    direction: str,
    require_hardware: bool,
    refused: list[tuple[str, str]],
    hints: list[str],
    lacks_codec_only: bool,
) -> UnsupportedCodec | UnsupportedConfig:
    kind = UnsupportedCodec if lacks_codec_only else UnsupportedConfig
    what = "no hardware backend can" if require_hardware else "no backend can"
    reasons = "; ".join(f"{name}: {reason}" for name, reason in refused)
    if require_hardware and not any(load(name).HARDWARE for name in BACKENDS):
        reasons += "; this build has no hardware backend"
    return kind(f"{what} {direction} {codec}: {reasons}", hint="; ".join(hints) or None)
