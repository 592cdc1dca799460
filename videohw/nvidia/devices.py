"""The device that a session works on: the one named, in its primary context or the caller's own."""

from __future__ import annotations

from typing import Final

from .. import _cuda, _nv
from ..errors import BackendError, InvalidInput

# CUDA_ERROR_INVALID_VALUE, _INVALID_CONTEXT, _INVALID_HANDLE, _CONTEXT_IS_DESTROYED.
_NO_STREAM: Final = (1, 201, 400, 709)


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


def check_stream(device: _cuda.Device, stream: int | None) -> None:
    """:class:`InvalidInput` for the address of what is no CUstream of the context of ``device``."""
    if stream is None:
        return
    refused: BackendError | None = None
    try:
        if _nv.stream_is_of(device, stream):
            return
    except BackendError as error:
        if error.code not in _NO_STREAM:
            raise
        refused = error
    reason = "is of another context" if refused is None else f"is no stream ({refused.args[0]})"
    raise InvalidInput(
        f"options.stream is {stream:#x}, which {reason}",
        argument="options.stream",
        hint="a stream of the device's primary context, or of options.context",
    ) from refused
