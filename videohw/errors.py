"""The one tree of errors that videohw raises.

Every error is a :class:`VideoHwError` and also the builtin that a caller who never heard of
videohw would catch (``ValueError``, ``TypeError``, ``RuntimeError``). ``fatal`` says whether the
session that raised it is still usable: after a fatal error only ``close()`` is left to call.
This module imports nothing of the package, so every layer may use it.
"""

from __future__ import annotations


class VideoHwError(Exception):
    """Base of every error raised by videohw.

    ``hint`` is one sentence that says what to try, or None. ``fatal`` is True when the session
    that raised the error cannot go on.
    """

    fatal: bool = False

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message} ({self.hint})" if self.hint else message


class UnsupportedCodec(VideoHwError, ValueError):
    """No backend that was asked can decode or encode this codec."""


class UnsupportedConfig(VideoHwError, ValueError):
    """The codec is known, but not with these options on this backend or device.

    ``argument`` is the name of the argument that asks too much; None where the library or driver
    refused the whole without saying why.
    """

    def __init__(
        self, message: str, *, argument: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.argument = argument


class InvalidInput(VideoHwError, ValueError, TypeError):
    """An argument of a call is wrong: its type, value, shape, dtype, stride or size.

    ``argument`` is the name of the argument. The call took nothing, so it may be repeated.
    """

    def __init__(
        self, message: str, *, argument: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.argument = argument


class InvalidBitstream(VideoHwError, ValueError):
    """Coded data breaks the syntax of its standard, or a stated size limit.

    ``offset`` is the position in bytes, from the first byte given to the parser or session, of
    the NAL unit (or OBU, or start code) where it was noticed; None when it is not known.
    """

    def __init__(self, message: str, *, offset: int | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.offset = offset


class Backpressure(VideoHwError, RuntimeError):
    """A limit is reached and nothing was taken: reap outputs, then repeat the same call.

    ``depth`` and ``limit`` are both in outputs ready and not reaped, or both in bytes of queued
    input; the message says which.
    """

    def __init__(self, message: str, *, depth: int, limit: int, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.depth = depth
        self.limit = limit

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_backpressure, (self.args[0], self.depth, self.limit, self.hint)


def _rebuild_backpressure(message: str, depth: int, limit: int, hint: str | None) -> Backpressure:
    return Backpressure(message, depth=depth, limit=limit, hint=hint)


class BackendError(VideoHwError, RuntimeError):
    """A call into a codec library or a driver failed.

    ``domain`` names the library ("libavcodec", "cuda", "cuvid", "nvenc", "videotoolbox"),
    ``call`` the function that failed, ``code`` its status as a number and ``name`` the status
    as the library spells it (None for a code that no table knows). "videohw" is ours, for a call
    that gave no status: ``code`` is an errno then (ETIMEDOUT: it did not come back).
    """

    def __init__(
        self,
        message: str,
        *,
        domain: str | None = None,
        call: str | None = None,
        code: int | None = None,
        name: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.domain = domain
        self.call = call
        self.code = code
        self.name = name


class DeviceLost(BackendError):
    """The device or the driver's session is gone; open a new session."""

    fatal = True


class SessionClosed(VideoHwError, RuntimeError):
    """The session was closed, or belongs to the parent of this forked process."""

    fatal = True
