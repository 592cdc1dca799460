from collections.abc import Sequence
from typing import Any, Final, TypeAlias, final

BEGUN: Final[int]
ENDED: Final[int]
MARK: Final[int]
DRAINED: Final[int]
LOST: Final[int]
NEEDS_ACCESS_POINT: Final[int]
NO_IMAGE: Final[int]
NO_MEMORY: Final[int]
NO_SETS: Final[int]
FRAME_DROPPED: Final[int]

_Event: TypeAlias = tuple[
    int, int, str | None, int, int, Image | None, Pixels | tuple[str, int] | None, int, int
]
_PlaneLayout: TypeAlias = tuple[int, int, tuple[int, ...], tuple[int, ...], str]

def forked() -> bool: ...
def hardware_decodes(codec: int) -> bool: ...
def register_decoder(codec: int) -> None: ...

@final
class Image:
    pixel_format: int
    clean: tuple[int, int, int, int]
    size: tuple[int, int]
    attached: tuple[int, int, int, int]
    aspect: tuple[int, int] | None
    def planes(self, layout: Sequence[_PlaneLayout]) -> tuple[Any, ...]: ...
    def device_planes(self, layout: Sequence[_PlaneLayout]) -> tuple[DeviceArray, ...]: ...
    def capsule(self) -> object: ...

def whole_image(planes: Sequence[Any]) -> Image | None: ...

@final
class Kernels:
    def max_threads(self, kernel: str) -> int | str: ...

def metal_kernels(source: bytes, path: str | None) -> Kernels | str: ...

@final
class Conversion:
    def __new__(
        cls,
        pixel_format: int,
        size: tuple[int, int],
        texture_formats: Sequence[str],
        launch: tuple[str, Sequence[int], Sequence[int], Sequence[int], bytes],
        target: tuple[int, Sequence[int]],
        places: tuple[int, int, int],
    ) -> Conversion: ...

@final
class Pixels:
    def array(self, shape: tuple[int, ...], typestr: str) -> Any: ...
    def device_array(self, shape: tuple[int, ...], typestr: str) -> DeviceArray: ...

@final
class DeviceArray:
    shape: tuple[int, ...]
    typestr: str
    index: int
    @property
    def metal_buffer(self) -> int | None: ...
    @property
    def pixel_buffer(self) -> int | None: ...
    @property
    def io_surface(self) -> int | None: ...
    def to_host(self) -> Any: ...
    def joined(self, planes: Sequence[Any]) -> DeviceArray | None: ...
    def __dlpack_device__(self) -> tuple[int, int]: ...
    def __dlpack__(
        self,
        *,
        stream: int | None = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> object: ...

@final
class Core:
    def __new__(
        cls,
        codec: int,
        *,
        under_way: int,
        max_ready: int,
        keeps_images: bool,
        requires_hardware: bool,
        kernels: Kernels | None = None,
        conversion_seconds: float = 5.0,
    ) -> Core: ...
    def version(self) -> int: ...
    def wait(self, seen: int, timeout: float | None) -> None: ...
    def notify(self) -> None: ...
    def push_sequence(
        self,
        number: int,
        pixel_format: int,
        sets: Sequence[bytes],
        width: int,
        height: int,
        conversion: Conversion | None = None,
    ) -> None: ...
    def push_picture(
        self, data: bytes, serial: int, time: int, random_access: bool, sequence: int
    ) -> None: ...
    def push_mark(self) -> None: ...
    def push_drain(self, number: int) -> None: ...
    def pop(self) -> _Event | None: ...
    def queued(self) -> int: ...
    def set_ready(self, count: int) -> None: ...
    def reset(self, number: int) -> None: ...
    def resets_done(self) -> int: ...
    def close(self) -> None: ...
    def busy_seconds(self) -> float: ...
    def counters(self) -> dict[str, Any]: ...
    def run(self) -> None: ...
