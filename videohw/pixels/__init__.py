"""Pixels in host memory: formats, colours and sizes of pictures converted in one pass.

``convert`` is the function for callers; ``plan`` decides how, ``axes`` makes the filters, and
the compiled ``kernels`` do it, without the GIL and with the vectors of the processor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..lazy_names import lazy_names

if TYPE_CHECKING:
    from .conversion import convert

__all__ = ["convert"]

# Pictures that are taken as they are need none of it.
_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "conversion": ("convert",),
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(__name__, _NAMES)
