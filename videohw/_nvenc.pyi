import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final, final

from . import _cuda

PACKET: Final[int]
FAILED: Final[int]
INPUT_DONE: Final[int]
RECONFIGURED: Final[int]
DRAINED: Final[int]
LOST: Final[int]
NO_MEMORY: Final[int]
NO_THREAD: Final[int]
NO_BUFFER: Final[int]
WRONG_SIZE: Final[int]
KEYFRAME_TYPES: Final[tuple[int, ...]]
DRIVER_HINT: Final[str]

def max_version() -> tuple[int, int] | None: ...
def problem() -> tuple[str, str] | None: ...
def api_version() -> tuple[int, int]: ...
def struct_bytes(
    api: tuple[int, int], codec: str, fields: Mapping[str, int], guids: Mapping[str, str]
) -> tuple[bytes, bytes]: ...

@final
class Asking:
    def __new__(cls) -> Asking: ...
    @property
    def call(self) -> str | None: ...

def encoder_caps(
    device: _cuda.Device, asking: Asking | None = None
) -> dict[str, dict[str, Any]]: ...

@final
class Changes:
    def __new__(cls) -> Changes: ...
    def version(self) -> int: ...
    def wait(self, seen: int, timeout: float | None) -> None: ...
    def notify(self) -> None: ...

@final
class HostBuffer:
    rows: Final[int]
    @property
    def pitch(self) -> int: ...
    if sys.version_info >= (3, 12):  # PEP 688
        def __buffer__(self, flags: int, /) -> memoryview: ...

    def __len__(self) -> int: ...
    def seal(self) -> None: ...

@final
class DevicePicture:
    def __new__(
        cls,
        planes: Sequence[tuple[int, int]],
        *,
        total_bytes: int = 0,
        pitch: int = 0,
        copies: Sequence[tuple[int, int, int, int]] | None = None,
        conversion: _cuda.Conversion | None = None,
        offsets: Sequence[int] = (),
        watched: bool = False,
    ) -> DevicePicture: ...

@final
class Core:
    api: Final[int]
    height: Final[int]
    def __new__(
        cls,
        changes: Changes,
        device: _cuda.Device,
        api: tuple[int, int],
        *,
        codec: str,
        guids: Mapping[str, str],
        fields: Mapping[str, int],
        input_format: str,
        width: int,
        height: int,
        buffers: int,
        host_inputs: int,
        max_in_flight: int,
        held: int = 0,
        stream: int = 0,
        busy_seconds: float = 10,
    ) -> Core: ...
    def opening(self) -> tuple[str | None, int, bool, str] | None: ...
    @property
    def stream(self) -> int: ...
    def wait_for_stream(self, stream: int) -> None: ...
    def forget_memory(self, address: int) -> None: ...
    def host_buffer(self) -> HostBuffer: ...
    def push_picture(
        self,
        serial: int,
        picture: HostBuffer | DevicePicture,
        width: int,
        height: int,
        *,
        force_idr: bool = False,
        sei: Sequence[tuple[int, bytes]] = (),
        qp_map: bytes | None = None,
        mark_reference: int = -1,
        use_references: int = 0,
        intra_refresh: int = 0,
        after: Core | None = None,
    ) -> None: ...
    def push_change(
        self,
        number: int,
        guids: Mapping[str, str],
        fields: Mapping[str, int],
        *,
        reset: bool,
        force_idr: bool,
    ) -> None: ...
    def push_drain(self, number: int) -> None: ...
    def queued(self) -> int: ...
    def news(self, sent: int, ready: int, stuck_seconds: float) -> bool: ...
    def pop(
        self,
    ) -> tuple[int, int, str | None, int, bool, bytes | None, int, int, int, str | None] | None: ...
    def set_ready(self, count: int) -> None: ...
    def parameter_sets(self) -> bytes: ...
    def close(self) -> None: ...
    def ended(self) -> bool: ...
    def busy_seconds(self) -> float: ...
    def stuck_call(self) -> str | None: ...
    def counters(self) -> dict[str, int]: ...
