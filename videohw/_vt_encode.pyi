from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeAlias, final

PACKET: Final[int]
DROPPED: Final[int]
FAILED: Final[int]
CHANGED: Final[int]
DRAINED: Final[int]
LOST: Final[int]
NO_MEMORY: Final[int]
NO_SUCH_NAME: Final[int]
NO_PACKET: Final[int]
KEYFRAME_DISPUTED: Final[int]
WRONG_PICTURE: Final[int]
BAD_SAMPLE: Final[int]
NOT_HARDWARE: Final[int]
NO_RETURN: Final[int]

_Failure: TypeAlias = tuple[str | None, int, str]
_Property: TypeAlias = tuple[str, str, Any, bool]
_Event: TypeAlias = tuple[int, int, _Failure | None, bool, bytes | None, int]
_PlaneLayout: TypeAlias = tuple[tuple[int, ...], tuple[int, ...], str]

def is_named(name: str) -> bool: ...
def supported(
    codec: int,
    width: int,
    height: int,
    names: Iterable[str],
    *,
    seconds: float,
    requires_hardware: bool = False,
    low_latency_rate_control: bool = False,
) -> tuple[frozenset[str] | None, _Failure | None]: ...

@final
class PixelBuffer:
    def planes(
        self, layout: Sequence[_PlaneLayout]
    ) -> tuple[tuple[Any, ...], None] | tuple[None, _Failure]: ...
    def seal(self) -> None: ...

def borrowed_buffer(capsule: object) -> PixelBuffer: ...

@final
class Compression:
    def __new__(
        cls,
        codec: int,
        width: int,
        height: int,
        pixel_format: int,
        properties: Iterable[_Property],
        *,
        held: int,
        seconds: float,
        requires_hardware: bool = False,
        low_latency_rate_control: bool = False,
    ) -> Compression: ...
    def failure(self) -> _Failure | None: ...
    def hardware(self) -> bool | None: ...
    def retries(self) -> int: ...
    def buffer(self) -> tuple[PixelBuffer, None] | tuple[None, _Failure]: ...
    def close(self) -> None: ...

@final
class Core:
    def __new__(cls, first: Compression, *, max_ready: int) -> Core: ...
    def version(self) -> int: ...
    def wait(self, seen: int, timeout: float | None) -> None: ...
    def notify(self) -> None: ...
    def push_picture(
        self,
        serial: int,
        buffer: PixelBuffer,
        time: int,
        duration: int,
        timescale: int,
        *,
        force_keyframe: bool = False,
    ) -> None: ...
    def push_change(self, number: int, properties: Iterable[_Property]) -> None: ...
    def push_swap(self, number: int, next: Compression) -> None: ...
    def push_drain(self, number: int) -> None: ...
    def pop(self) -> _Event | None: ...
    def queued(self) -> int: ...
    def set_ready(self, count: int) -> None: ...
    def close(self) -> None: ...
    def busy_seconds(self) -> float: ...
    def counters(self) -> dict[str, Any]: ...
    def run(self) -> None: ...
