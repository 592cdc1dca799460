"""What is taken from the environment: the switches of each backend, and which "auto" may take.

A switch is the backend's prefix and a name, such as ``VIDEO_HW_NV_METRICS``. It is read when a
session is opened, and never again; an explicit argument of the session wins. The environment
belongs to the person who runs a program, not to the one who wrote it, so no value in it makes an
opening fail, but for a :func:`choice` that asks for just that: what cannot be read counts as not
set. Must not know: what a switch does.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final

PREFIXES: Final = {
    "nvidia": "VIDEO_HW_NV_",
    "videotoolbox": "VIDEO_HW_VT_",
    "software": "VIDEO_HW_SW_",
}
_ON: Final = ("1", "true")
_CHOSEN: Final = {
    **dict.fromkeys(("1", "true", "on", "yes"), True),
    **dict.fromkeys(("0", "false", "off", "no"), False),
}
_BACKENDS: Final = "VIDEO_HW_BACKENDS"


def automatic_backends(known: Iterable[str]) -> tuple[str, ...]:
    """Those of ``known`` that ``backend="auto"`` may take: the ones that VIDEO_HW_BACKENDS lists.

    Names with commas between. All of them when it lists none of them, or is not set.
    """
    known = tuple(known)
    listed = [name.strip() for name in os.environ.get(_BACKENDS, "").split(",")]
    return tuple(name for name in known if name in listed) or known


def switch(backend: str, name: str) -> bool:
    """True when the switch ``name`` ("METRICS", "PIPELINE") of ``backend`` is on.

    ``1`` and ``true`` in any case are on; anything else, and nothing, is off. Blanks around the
    value do not count. A backend that is not in :data:`PREFIXES` has no switches.
    """
    text = _text(backend, name)
    return text is not None and text.lower() in _ON


def choice(backend: str, name: str) -> bool | None:
    """Of a switch ("GPU_TRANSFORM") that is on, off, or left to us: None.

    ``1``, ``true``, ``on``, ``yes`` in any case are True: what it is about has to be, or the
    opening fails. ``0``, ``false``, ``off``, ``no`` are False. Anything else, such as ``auto``,
    and nothing, is None.
    """
    return _CHOSEN.get((_text(backend, name) or "").lower())


def number(backend: str, name: str, low: int, high: int) -> int | None:
    """The whole number that ``name`` ("PIPELINE_QUEUE") of ``backend`` is set to, else None.

    A number outside of ``low`` to ``high`` is taken as the nearer of them; text that is no whole
    decimal number counts as not set.
    """
    text = _text(backend, name)
    try:
        return None if text is None else min(max(int(text), low), high)
    except ValueError:
        return None


def _text(backend: str, name: str) -> str | None:
    prefix = PREFIXES.get(backend)
    value = None if prefix is None else os.environ.get(prefix + name)
    return None if value is None else value.strip()
