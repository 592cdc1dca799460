"""What a backend says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from ..errors import BackendError


@dataclass(frozen=True, slots=True)
class Capability:
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
    details: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    failed: bool = False
    hint: str | None = None
    error: BackendError | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class BackendStatus:
    """Whether a backend can be used on this machine, and if not, why and what to do."""

    name: str
    available: bool
    hardware: bool
    reason: str | None = None
    hint: str | None = None
    versions: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
