"""One description of a syntax structure, walked in either direction.

The readers of parameter sets are written once, as functions over :class:`Syntax` that follow
the syntax tables of the standards line by line. Walked by a :class:`SyntaxReader` they read a
structure into a named tuple, by a :class:`SyntaxWriter` they write one out; a test walks
them a third time to draw random structures. So reader and writer cannot differ.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from ..errors import InvalidBitstream, InvalidInput
from .bits import UE_MAX, BitReader, BitWriter

T = TypeVar("T")


class Syntax(ABC):
    """A walk through one syntax structure, whose fields go by their names in the standard.

    Every method names a field and returns its value in both directions, so that a structure
    reads as in the standard: ``if s.flag("vui_parameters_present_flag"): ...``. With ``index``
    the value is that element of a tuple; elements come in order. ``what`` names the structure.
    """

    what: str

    @abstractmethod
    def u(self, name: str, bits: int, *, index: int | None = None) -> int:
        """Unsigned integer of ``bits`` bits."""

    @abstractmethod
    def flag(self, name: str, *, index: int | None = None) -> bool:
        """One bit."""

    @abstractmethod
    def ue(self, name: str, maximum: int = UE_MAX, minimum: int = 0, *,
           index: int | None = None) -> int:  # fmt: skip
        """Exp-Golomb code, ``minimum`` to ``maximum``."""

    @abstractmethod
    def se(self, name: str, minimum: int, maximum: int, *, index: int | None = None) -> int:
        """Signed Exp-Golomb code, ``minimum`` to ``maximum``."""

    @abstractmethod
    def struct(self, name: str, cls: type[T], walk: Callable[..., None], *args: Any,
               index: int | None = None) -> T:  # fmt: skip
        """A structure inside this one: ``walk(syntax, *args)`` with the fields of ``cls``."""

    @abstractmethod
    def reserved(self, bits: int, value: int = 0) -> None:
        """Bits without meaning: ignored when read, written as ``value``."""

    @abstractmethod
    def fixed(self, name: str, bits: int, value: int) -> None:
        """A field that can have no other value, and is not kept."""

    @abstractmethod
    def nals(self, name: str, count_bits: int) -> None:
        """A tuple of NAL units: their number, then each behind its length in 16 bits."""

    @abstractmethod
    def derived(self, name: str, value: Any) -> None:
        """A field that follows from the others and is not coded: kept when read."""

    @abstractmethod
    def more_data(self, name: str) -> bool:
        """more_rbsp_data(); when writing, whether field ``name`` says that there is more."""

    @abstractmethod
    def enough(self, name: str, bits: int) -> bool:
        """Whether ``bits`` more bits are there; when writing, whether field ``name`` says so."""

    @abstractmethod
    def fail(self, message: str) -> NoReturn:
        """Refuse the structure: :class:`InvalidBitstream`, or InvalidInput when writing."""


class SyntaxReader(Syntax):
    """Reads a structure from ``bits``; the fields gather in ``values``."""

    __slots__ = ("bits", "values", "what")

    def __init__(self, bits: BitReader) -> None:
        self.bits = bits
        self.what = bits.what
        self.values: dict[str, Any] = {}

    def build(self, cls: type[T], **known: Any) -> T:
        """``cls`` made of the fields read; those not coded get its defaults."""
        values = {
            name: tuple(value) if type(value) is list else value
            for name, value in self.values.items()
        }
        return cls(**values, **known)

    def u(self, name: str, bits: int, *, index: int | None = None) -> int:
        """Read; see :meth:`Syntax.u`."""
        value = self.bits.u(name, bits)
        self._keep(name, value, index)
        return value

    def flag(self, name: str, *, index: int | None = None) -> bool:
        """Read; see :meth:`Syntax.flag`."""
        value = self.bits.flag(name)
        self._keep(name, value, index)
        return value

    def ue(self, name: str, maximum: int = UE_MAX, minimum: int = 0, *,
           index: int | None = None) -> int:  # fmt: skip
        """Read; see :meth:`Syntax.ue`."""
        value = self.bits.ue(name, maximum, minimum)
        self._keep(name, value, index)
        return value

    def se(self, name: str, minimum: int, maximum: int, *, index: int | None = None) -> int:
        """Read; see :meth:`Syntax.se`."""
        value = self.bits.se(name, minimum, maximum)
        self._keep(name, value, index)
        return value

    def struct(self, name: str, cls: type[T], walk: Callable[..., None], *args: Any,
               index: int | None = None) -> T:  # fmt: skip
        """Read; see :meth:`Syntax.struct`."""
        inner = SyntaxReader(self.bits)
        walk(inner, *args)
        value = inner.build(cls)
        self._keep(name, value, index)
        return value

    def reserved(self, bits: int, value: int = 0) -> None:
        """Skip; see :meth:`Syntax.reserved`."""
        self.bits.u("reserved bits", bits)

    def fixed(self, name: str, bits: int, value: int) -> None:
        """Read and compare; see :meth:`Syntax.fixed`."""
        found = self.bits.u(name, bits)
        if found != value:
            self.fail(f"{name} is {found}, not {value}")

    def nals(self, name: str, count_bits: int) -> None:
        """Read; see :meth:`Syntax.nals`."""
        bits = self.bits
        self.values[name] = tuple(
            bits.data(name, bits.u(f"length of {name}", 16))
            for _ in range(bits.u(f"number of {name}", count_bits))
        )

    def derived(self, name: str, value: Any) -> None:
        """Keep; see :meth:`Syntax.derived`."""
        self.values[name] = value

    def more_data(self, name: str) -> bool:
        """Look ahead; see :meth:`Syntax.more_data`."""
        value = self.bits.more_rbsp_data()
        self.values[name] = value
        return value

    def enough(self, name: str, bits: int) -> bool:
        """Look ahead; see :meth:`Syntax.enough`."""
        value = self.bits.bits_left >= bits
        self.values[name] = value
        return value

    def fail(self, message: str) -> NoReturn:
        """Raise :class:`InvalidBitstream`; see :meth:`Syntax.fail`."""
        raise InvalidBitstream(f"{self.what}: {message}")

    def _keep(self, name: str, value: Any, index: int | None) -> None:
        if index is None:
            self.values[name] = value
        else:
            self.values.setdefault(name, []).append(value)


class SyntaxWriter(Syntax):
    """Writes the structure ``source`` to ``bits``."""

    __slots__ = ("bits", "source", "what")

    def __init__(self, bits: BitWriter, source: object) -> None:
        self.bits = bits
        self.what = bits.what
        self.source = source

    def u(self, name: str, bits: int, *, index: int | None = None) -> int:
        """Write; see :meth:`Syntax.u`."""
        value: int = self._value(name, index)
        self.bits.u(name, value, bits)
        return value

    def flag(self, name: str, *, index: int | None = None) -> bool:
        """Write; see :meth:`Syntax.flag`."""
        value: bool = self._value(name, index)
        self.bits.flag(name, value)
        return value

    def ue(self, name: str, maximum: int = UE_MAX, minimum: int = 0, *,
           index: int | None = None) -> int:  # fmt: skip
        """Write; see :meth:`Syntax.ue`."""
        value: int = self._value(name, index)
        self.bits.ue(name, value, maximum, minimum)
        return value

    def se(self, name: str, minimum: int, maximum: int, *, index: int | None = None) -> int:
        """Write; see :meth:`Syntax.se`."""
        value: int = self._value(name, index)
        self.bits.se(name, value, minimum, maximum)
        return value

    def struct(self, name: str, cls: type[T], walk: Callable[..., None], *args: Any,
               index: int | None = None) -> T:  # fmt: skip
        """Write; see :meth:`Syntax.struct`."""
        value = self._value(name, index)
        if not isinstance(value, cls):
            raise InvalidInput(
                f"{self.what}: {name} is {value!r}, not a {cls.__name__}", argument=name
            )
        walk(SyntaxWriter(self.bits, value), *args)
        return value

    def reserved(self, bits: int, value: int = 0) -> None:
        """Write ``value``; see :meth:`Syntax.reserved`."""
        self.bits.u("reserved bits", value, bits)

    def fixed(self, name: str, bits: int, value: int) -> None:
        """Write ``value``; see :meth:`Syntax.fixed`."""
        self.bits.u(name, value, bits)

    def nals(self, name: str, count_bits: int) -> None:
        """Write; see :meth:`Syntax.nals`."""
        units = self._value(name, None)
        self.bits.u(f"number of {name}", len(units), count_bits)
        for unit in units:
            self.bits.u(f"length of {name}", len(unit), 16)
            self.bits.data(unit)

    def derived(self, name: str, value: Any) -> None:
        """Nothing to write; see :meth:`Syntax.derived`."""

    def more_data(self, name: str) -> bool:
        """Ask the field; see :meth:`Syntax.more_data`."""
        return bool(self._value(name, None))

    def enough(self, name: str, bits: int) -> bool:
        """Ask the field; see :meth:`Syntax.enough`."""
        return bool(self._value(name, None))

    def fail(self, message: str) -> NoReturn:
        """Raise :class:`InvalidInput`; see :meth:`Syntax.fail`."""
        raise InvalidInput(f"{self.what}: {message}")

    def _value(self, name: str, index: int | None) -> Any:
        value = getattr(self.source, name)
        if index is None:
            return value
        try:
            return value[index]
        except (IndexError, TypeError):
            raise InvalidInput(
                f"{self.what}: {name} has no element {index}", argument=name
            ) from None
