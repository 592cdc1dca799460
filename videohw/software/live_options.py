"""Options of an encoder that is already open, which PyAV by itself sets at opening only.

PyAV exports, with its signature, the C function that makes a ``CodecContext`` of libavcodec's
AVCodecContext. So the latter is allocated here, its address is known, and ``av_opt_set`` of the
libavutil that PyAV itself is linked to reaches its options. Where either cannot be had (another
PyAV, a system whose loader does not look through dependencies), contexts are PyAV's own and
their options stay as they were opened. Must not know: which options are worth setting.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..pyav import load_av

# The name under which Cython exports it: a function of another signature has another name.
_WRAP: Final = "wrap_codec_context"
_SIGNATURE: Final = (
    b"struct __pyx_obj_2av_5codec_7context_CodecContext *(struct AVCodecContext *, "
    b"struct AVCodec const *, struct __pyx_obj_2av_5codec_7hwaccel_HWAccel *)"
)
_SEARCH_CHILDREN: Final = 1  # AV_OPT_SEARCH_CHILDREN of libavutil/opt.h: the library's own too


@dataclass(frozen=True, slots=True)
class _Access:
    find: Callable[[bytes], int | None]
    allocate: Callable[[int], int | None]
    wrap: Callable[[int, int, None], Any]
    set_option: Callable[[int, bytes, bytes, int], int]


def available() -> bool:
    """Whether contexts made here take options while they are open."""
    return _access() is not None


def create_context(library: str) -> tuple[Any, int | None]:
    """An encoder's ``CodecContext``, not yet open, and the address for :func:`set_options`.

    The address is valid as long as the context lives; it is None where options cannot be set.
    """
    access = _access()
    codec = access.find(library.encode()) if access else None
    address = access.allocate(codec) if access and codec else None
    if access is None or codec is None or address is None:
        return load_av().CodecContext.create(library, "w"), None
    return access.wrap(address, codec, None), address  # which frees it from now on


def set_options(address: int, options: Mapping[str, str]) -> bool:
    """Set ``options`` of the open context at ``address``; False when one is refused."""
    access = _access()
    return access is not None and all(
        access.set_option(address, name.encode(), value.encode(), _SEARCH_CHILDREN) >= 0
        for name, value in options.items()
    )


@functools.cache
def _access() -> _Access | None:
    module = load_av().codec.context
    capsule = getattr(module, "__pyx_capi__", {}).get(_WRAP)
    if capsule is None:
        return None
    get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
    get_pointer.restype = ctypes.c_void_p
    get_pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    try:
        wrap = get_pointer(capsule, _SIGNATURE)
        # Symbols that the extension's own dependencies have are found through it.
        libraries = ctypes.CDLL(module.__file__)
        find = libraries.avcodec_find_encoder_by_name
        allocate = libraries.avcodec_alloc_context3
        set_option = libraries.av_opt_set
    except (ValueError, OSError, AttributeError):
        return None
    find.restype = allocate.restype = ctypes.c_void_p
    find.argtypes = [ctypes.c_char_p]
    allocate.argtypes = [ctypes.c_void_p]
    set_option.restype = ctypes.c_int
    set_option.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int]
    prototype = ctypes.PYFUNCTYPE(
        ctypes.py_object, ctypes.c_void_p, ctypes.c_void_p, ctypes.py_object
    )
    return _Access(find, allocate, prototype(wrap), set_option)
