"""What a backend says of itself."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from ..errors import BackendError

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class Capability(NamedTuple):
    """What one backend says of one codec in one direction.

    ``supported`` False comes with ``reason`` and perhaps ``hint``; ``failed``: to ask failed, by
    ``error``. Sizes in pixels, None without a limit. ``formats`` come out of a decoder as
    ``native``, or go into an encoder; ``hardware`` says who works; ``details`` is all else.
    """

    backend: str
    codec: str
    direction: Literal["decode", "encode"]
    supported: bool
    hardware: bool
    reason: str | None = None
    formats: tuple[str, ...] = ()
    max_width: int | None = None
    max_height: int | None = None
    min_width: int | None = None
    min_height: int | None = None
    max_b_frames: int | None = None
    details: Mapping[str, Any] = _NOTHING
    failed: bool = False
    hint: str | None = None
    error: "BackendError | None" = None

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (Capability, _plain(tuple(self)))


class BackendStatus(NamedTuple):
    """Whether a backend can be used on this machine, and if not, why and what to do."""

    name: str
    available: bool
    hardware: bool
    reason: str | None = None
    hint: str | None = None
    versions: Mapping[str, str] = _NOTHING

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (BackendStatus, _plain(tuple(self)))


# A read-only view of a dict cannot be pickled, and sessions live in many processes.
def _plain(value: Any) -> Any:
    if isinstance(value, MappingProxyType):
        value = dict(value)
    if type(value) is dict:
        return {key: _plain(each) for key, each in value.items()}
    return tuple(map(_plain, value)) if type(value) is tuple else value


def _views(value: Any) -> Any:
    if type(value) is dict:
        return MappingProxyType({key: _views(each) for key, each in value.items()})
    return tuple(map(_views, value)) if type(value) is tuple else value


def _rebuild(kind: Callable[..., object], values: tuple[object, ...]) -> object:
    return kind(*_views(values))
