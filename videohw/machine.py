"""What each backend on this machine can do, and why another cannot: the truth, asked now.

Never raises because a library or a driver is missing, and never warns.
"""

from __future__ import annotations

from typing import Final, Literal

from . import arguments
from .backend_table import AUTO, BACKENDS, load
from .errors import InvalidInput
from .known_names import CODEC_ALIASES, DECODER_CODECS, ENCODER_CODECS
from .types import BackendStatus, Capability

_CODECS: Final[tuple[tuple[Literal["decode", "encode"], tuple[str, ...]], ...]] = (
    ("decode", DECODER_CODECS),
    ("encode", ENCODER_CODECS),
)


def backends(probe: bool = True) -> list[BackendStatus]:
    """Every backend in the order that ``backend="auto"`` prefers, hardware first.

    With the reason and a hint where one cannot be used. ``probe`` False asks nothing of the
    machine and lists the known backends as not available, "not probed".
    """
    found = []
    for name in BACKENDS:
        backend = load(name)
        if probe:
            found.append(backend.probe())
        else:
            found.append(BackendStatus(name, False, backend.HARDWARE, reason="not probed"))
    return found


def capabilities(
    codec: str | None = None, backend: str | None = None, device: int | str | None = None
) -> list[Capability]:
    """What each backend says of each codec, decoding and encoding, in order of preference.

    ``codec``, ``backend`` and ``device`` narrow the answer; None asks all codecs and backends,
    and device 0. A refusal stands in the list, with ``supported`` False and its ``reason``.
    :class:`InvalidInput` for a codec or backend that videohw does not know, and for a device that
    is neither a number nor a name.
    """
    if codec is not None:
        codec = _known_codec(codec)
    if backend == AUTO:
        backend = None
    names = BACKENDS if backend is None else (backend,)
    where = 0 if device is None else arguments.device(device)
    return [
        load(name).capabilities(each, direction, where)
        for name in names
        for direction, codecs in _CODECS
        for each in codecs
        if codec in (None, each)
    ]


def _known_codec(codec: object) -> str:
    name = codec.lower() if isinstance(codec, str) else ""
    name = CODEC_ALIASES.get(name, name)
    known = tuple(dict.fromkeys((*DECODER_CODECS, *ENCODER_CODECS)))
    if name not in known:
        raise InvalidInput(
            f"codec {codec!r} is not known", argument="codec", hint=f"one of {', '.join(known)}"
        )
    return name
