"""The device that a session works on: the one named, in its primary context or the caller's own."""

from __future__ import annotations

from .. import _cuda
from ..errors import InvalidInput


def opened(device: int | str, context: int | None) -> _cuda.Device:
    """The device ``device``, in ``context`` (the address of a CUcontext) where that is given.

    :class:`InvalidInput` for a context of another device: what was asked of ``device`` before
    would not hold for it.
    """
    if context is None:
        return _cuda.device(device)
    found = _cuda.adopt(context)
    if found.ordinal != _cuda.resolve(device):
        raise InvalidInput(
            f"options.context is a context of device {found.ordinal}, and device is {device!r}",
            argument="options.context",
            hint=f"device={found.ordinal}",
        )
    return found
