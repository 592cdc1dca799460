"""Pixels in host memory: formats, colours and sizes of pictures converted in one pass.

``convert`` is the function for callers; ``plan`` decides how, ``axes`` makes the filters, and
the compiled ``kernels`` do it, without the GIL and with the vectors of the processor.
"""

from __future__ import annotations

from .conversion import convert

__all__ = ["convert"]
