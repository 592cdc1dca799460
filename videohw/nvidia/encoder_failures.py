"""The errors that users see for what the driver refused of encoding.

Must not know: sessions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from .. import _cuda, _nvenc
from ..errors import BackendError, DeviceLost, InvalidInput, UnsupportedConfig, VideoHwError
from ..status import NVENC, backend_error, did_not_come_back

_NO_ENCODE_DEVICE: Final = 1
_UNSUPPORTED_DEVICE: Final = 2
_DEVICE_NOT_EXIST: Final = 5
_OUT_OF_MEMORY: Final = 10
_INVALID_VERSION: Final = 15
_INCOMPATIBLE_CLIENT_KEY: Final = 21
# What nvEncInitializeEncoder and nvEncReconfigureEncoder answer for settings that they do not take.
_REFUSALS: Final = (8, 12)
_OPEN: Final = "nvEncOpenEncodeSessionEx"
_SETTING: Final = (
    "nvEncInitializeEncoder", "nvEncReconfigureEncoder", "nvEncGetEncodePresetConfigEx",
)  # fmt: skip
_LOST_HINT: Final = "open a new session"


def of_opening(call: str, code: int, of_cuda: bool, detail: str) -> VideoHwError:
    """Why no encoder could be opened, on a device that encodes."""
    if of_cuda:
        return of_call(call, code, of_cuda)
    error = _own(call, code) or backend_error(NVENC, call, code, detail or None)
    text = str(error.args[0])
    if code in (_NO_ENCODE_DEVICE, _UNSUPPORTED_DEVICE):
        return UnsupportedConfig(text, argument="device", hint=error.hint)
    if call in _SETTING and code in _REFUSALS:
        return UnsupportedConfig(text, hint="a setting is outside what the encoder takes")
    return in_other_words(error)


def in_other_words(error: BackendError) -> BackendError:
    """The same error, that says what the driver means where it opens no session: for whoever opens
    an encoder, and for whoever opens a session to ask what the device encodes."""
    if error.domain == NVENC and error.code == _INVALID_VERSION:
        error.hint = _nvenc.DRIVER_HINT
    elif error.call == _OPEN and error.code in (_OUT_OF_MEMORY, _INCOMPATIBLE_CLIENT_KEY):
        error.args = (f"the device has no encoder session left: {error.args[0]}",)
        error.hint = (
            "consumer devices encode a limited number of streams at a time, of all processes "
            "together: close some encoders"
        )
    return error


def of_call(call: str | None, code: int, of_cuda: bool, about: str | None = None) -> VideoHwError:
    """A call that failed while pictures were coded."""
    call = call or "a call"
    if not of_cuda:
        own = _own(call, code, about)
        if own is not None:
            return own
        if code == _DEVICE_NOT_EXIST:
            return of_loss(call, code, of_cuda)
        return backend_error(NVENC, call, code, about)
    error: VideoHwError = _cuda.error(code, call)
    if about:
        error.args = (f"{error.args[0]}: {about}",)
    return error


def _own(call: str, code: int, about: str | None = None) -> BackendError | None:
    """For a code of ours, that no driver gave."""
    what = {
        _nvenc.NO_MEMORY: "memory ran out",
        _nvenc.NO_THREAD: "no thread could be started",
        _nvenc.NO_BUFFER: f"the driver took none of the encoder's buffers in {call}",
    }.get(code)
    if what is None:
        return None
    return BackendError(
        f"{what}: {about}" if about else what,
        domain="videohw",
        call=call,
        code=code,
        hint="a smaller size, a smaller max_in_flight, or fewer sessions",
    )


def of_loss(call: str | None, code: int, of_cuda: bool) -> DeviceLost:
    """The encoder, and with it the session, is of no use any more."""
    if of_cuda:
        error = _cuda.error(code, call or "a call")
    else:
        error = _own(call or "a call", code) or backend_error(NVENC, call or "a call", code)
    if isinstance(error, DeviceLost):
        return error
    return DeviceLost(
        str(error.args[0]), domain=error.domain, call=call, code=code, name=error.name,
        hint=_LOST_HINT,
    )  # fmt: skip


def wrong_size(
    pts: int, size: tuple[int, int], generation: int, now: tuple[int, int]
) -> InvalidInput:
    """A picture that was submitted for a switch which then failed."""
    return InvalidInput(
        f"the picture at pts {pts} is {size[0]}x{size[1]}, for session switch {generation}, which "
        f"failed; the encoder goes on with {now[0]}x{now[1]}",
        argument="frame",
        hint="submit it again in the size of the encoder",
    )


def no_packets(lost: Sequence[int]) -> BackendError:
    """Pictures, by their pts, of which nothing came until the end of the stream."""
    return BackendError(
        f"{NVENC}: no packet came for pts {', '.join(map(str, lost))}",
        domain=NVENC,
        call="nvEncLockBitstream",
    )


def no_picture(serial: int) -> BackendError:
    """A packet that belongs to no picture."""
    return BackendError(
        f"{NVENC}: a packet came with the timestamp {serial}, which no picture has",
        domain=NVENC,
        call="nvEncLockBitstream",
    )


def stuck(seconds: float, call: str | None) -> DeviceLost:
    """A thread is inside ``call`` of NVENC for so long, or inside one of CUDA where it is None."""
    return did_not_come_back(call, seconds, NVENC, "a call of CUDA")
