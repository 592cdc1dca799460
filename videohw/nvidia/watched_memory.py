"""Device memory of other libraries, of which an encoder must know when it goes away.

NVENC keeps memory registered that a picture came in, so that the next picture there costs
nothing; that must end before the memory does. Owns: the weak references that tell of it. Must not
know: the driver, pictures.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable


class WatchedMemory:
    """Calls ``forget(address)`` when an object dies that has the memory there.

    A weak reference tells of the end of an object before its memory is given back: on whatever
    thread that is, whatever locks it has. So ``forget`` takes no lock that is held while Python
    runs, and returns within a bound. The objects do not keep this alive, nor this them.
    """

    def __init__(self, forget: Callable[[int], None]) -> None:
        self._forget = forget
        self._watches: dict[int, tuple[_Watch, ...]] = {}

    def __len__(self) -> int:
        return len(self._watches)

    def watch(self, owners: tuple[object, ...], address: int) -> bool:
        """Whether the end of the first of ``owners`` is told, who have the memory together.

        False for objects that take no weak references. Others that had the same memory before are
        not watched any more: it lasts as long as these.
        """
        known = self._watches.get(address, ())
        if len(known) == len(owners) and all(
            watch() is owner for watch, owner in zip(known, owners, strict=True)
        ):
            return True
        try:
            watches = tuple(_Watch(owner, _died) for owner in owners)
        except TypeError:
            return False
        for watch in watches:
            watch.memory, watch.address = weakref.ref(self), address
        self._watches[address] = watches
        return True

    def ends(self, watch: _Watch) -> None:
        """An object died; when this returns nobody uses its memory any more."""
        if any(each is watch for each in self._watches.get(watch.address, ())):
            self._watches.pop(watch.address, None)
        self._forget(watch.address)


class _Watch(weakref.ref[object]):
    """A weak reference to who has the memory at an address."""

    __slots__ = ("address", "memory")
    address: int
    memory: weakref.ref[WatchedMemory]


def _died(watch: weakref.ref[object]) -> None:
    assert isinstance(watch, _Watch)
    memory = watch.memory()
    if memory is not None:
        memory.ends(watch)
