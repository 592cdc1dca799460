"""The CUDA and Metal kernels as they are shipped, and how one is called.

``images_for`` reads the products of ``kernels/build.py`` for a CUDA device; ``launch`` makes the
arguments and the grid of a conversion, ``ycbcr`` of one to YCbCr of any form. ``metal_libraries``
and ``metal`` are the same for Metal. Nothing here calls a driver.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..lazy_names import lazy_names

if TYPE_CHECKING:
    from .launch import Conversion, Launch, Picture, Plan, plan_to_rgb, plan_to_ycbcr
    from .metal import MetalLaunch, MetalLibrary, MetalPlan, metal_libraries
    from .products import images_for, manifest
    from .settings import Surface
    from .ycbcr import plan_ycbcr_of_any

__all__ = [
    "Conversion",
    "Launch",
    "MetalLaunch",
    "MetalLibrary",
    "MetalPlan",
    "Picture",
    "Plan",
    "Surface",
    "images_for",
    "manifest",
    "metal_libraries",
    "plan_to_rgb",
    "plan_to_ycbcr",
    "plan_ycbcr_of_any",
]

# Pictures that are taken as they are need none of it, and nobody needs both CUDA and Metal.
_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "launch": ("Conversion", "Launch", "Picture", "Plan", "plan_to_rgb", "plan_to_ycbcr"),
    "metal": ("MetalLaunch", "MetalLibrary", "MetalPlan", "metal_libraries"),
    "products": ("images_for", "manifest"),
    "settings": ("Surface",),
    "ycbcr": ("plan_ycbcr_of_any",),
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(__name__, _NAMES)
