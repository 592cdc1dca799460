"""What a session's worker drives: the contract of an engine that codes one picture a call.

Must not know: threads, queues, codecs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar

from ..errors import VideoHwError

if TYPE_CHECKING:
    from concurrent.futures import Future

ItemContra = TypeVar("ItemContra", contravariant=True)
ResultCo = TypeVar("ResultCo", covariant=True)
Outputs: TypeAlias = "Iterable[ResultCo | VideoHwError | Future[ResultCo]]"


class Queued(Protocol):
    """What can be queued: it says how many bytes it holds until it is processed."""

    @property
    def queued_bytes(self) -> int:
        """Bytes counted against the limit on queued input."""
        ...


class Engine(Protocol[ItemContra, ResultCo]):
    """Codes pictures, always on the same thread.

    ``process`` and ``drain`` yield results and errors in output order: an error that is yielded
    takes its place and the call goes on, one that is raised ends the call. A future holds its
    place while another thread finishes it. A generator may be left unfinished, when a reset or
    close comes between two of its results.
    """

    def process(self, item: ItemContra) -> Outputs[ResultCo]:
        """Code one item; yield what became ready."""
        ...

    def drain(self) -> Outputs[ResultCo]:
        """End of stream: yield everything still held, and be ready for a new stream."""
        ...

    def reset(self) -> None:
        """Forget everything held, without output."""
        ...

    def close(self) -> None:
        """Free what the engine owns; called once, last."""
        ...
