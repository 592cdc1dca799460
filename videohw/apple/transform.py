"""Which images Metal converts, and how: the step from a stream's form to a dispatch.

Owns: what ``VIDEO_HW_VT_GPU_TRANSFORM`` and the option ``gpu_transform`` ask for, and why the
processor converts where Metal does not. Must not know: sessions, how Metal is called.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from .. import _vt
from ..environment import choice
from ..errors import InvalidInput, UnsupportedConfig
from ..frame import Conversion, Frame
from ..frame_pixels import Task
from ..kernels import Surface, metal
from ..kernels.settings import TARGET_FORMS
from ..pixel_format import FORMATS
from .capabilities import NAME

SWITCH: Final = "GPU_TRANSFORM"
_VARIABLE: Final = "VIDEO_HW_VT_GPU_TRANSFORM"
_PLAIN: Final = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
HINT: Final = (
    'memory="host", with gpu_transform and VIDEO_HW_VT_GPU_TRANSFORM unset: the processor converts'
)


@dataclass(frozen=True, slots=True)
class PlannedImage:
    """How images of one sequence are converted: what ``_vt`` is told, and the array that comes."""

    conversion: Any
    shape: tuple[int, ...]
    typestr: str


class Transform:
    """What converts the images of one decoder to ``request``.

    ``wanted``: True where Metal has to, False where it must not, None where it may. ``required``:
    it has to, for the frames are to be in device memory.
    ``kernels``: those that it uses, until a session takes them over. ``converts``: whether it
    converts; ``why``: why not, where it might have been expected to; :class:`UnsupportedConfig`
    says so where it has to.
    """

    def __init__(
        self, request: Conversion, *, converts: bool, wanted: bool | None, required: bool
    ) -> None:
        self._wanted = choice(NAME, SWITCH) if wanted is None else wanted
        self.required = required or bool(self._wanted)
        self.kernels: Any = None
        self.why: str | None = None
        self._request = request
        self._max_threads: dict[str, int] = {}
        self.converts = False
        if not converts:
            return
        self.why = self._open()
        self.converts = self.why is None
        if self.why is not None and self.required:
            raise UnsupportedConfig(
                f"Metal does not convert: {self.why}", argument="output", hint=HINT
            )

    def _open(self) -> str | None:
        """Compile what may be used; why that is not to be."""
        output = self._request.output
        if self._wanted is False:
            return f"gpu_transform, or {_VARIABLE}, says so"
        if output not in TARGET_FORMS:
            return f"no kernel makes {output}"
        libraries = metal.metal_libraries()
        found = _vt.metal_kernels(libraries[-1].data, libraries[0].path)
        if isinstance(found, str):
            return found
        names = [f"textures_{TARGET_FORMS[output]}"]
        if self._request.size is not None:
            names.append("textures_any")
        for kernel in names:
            threads = found.max_threads(kernel)
            if isinstance(threads, str):
                return threads
            if threads < metal.LANES:
                return f"{kernel} takes {threads} threads, and needs {metal.LANES}"
            self._max_threads[kernel] = threads
        self.kernels = found
        return None

    def plan(self, frame: Frame, pixel_format: int) -> PlannedImage | None:
        """How images of ``pixel_format`` are converted that make a frame like ``frame``, which has
        no planes; None where the processor does."""
        if not self.converts:
            return None
        # What cannot be asked of these images is refused when a frame is made.
        with suppress(InvalidInput, UnsupportedConfig):
            return self._planned(Task.of(frame, self._request), pixel_format)
        return None

    def _planned(self, task: Task, pixel_format: int) -> PlannedImage:
        request, frame, layout = self._request, task.frame, FORMATS[task.target]
        mean, std = request.mean or _PLAIN[0], request.std or _PLAIN[1]
        shape = layout.plane_shape(0, *task.size)
        dtype = layout.dtype
        size = dtype.itemsize * int(np.prod(shape))
        planned = metal.plan_to_rgb(
            Surface(frame.format, frame.width, frame.height),
            Surface(task.target, *task.size),
            frame.color, from_textures=True, crop=task.crop, chroma=request.chroma,
            resize=request.resize, mean=mean, std=std,
        )  # fmt: skip
        step = size // 3 if layout.channels_first else 0
        offsets = [step * index for index in range(planned.target_buffers)]
        launch = planned.launch((0,), offsets, self._max_threads[planned.kernel])
        conversion = _vt.Conversion(
            pixel_format,
            (frame.width, frame.height),
            planned.source_textures,
            (
                launch.kernel, launch.threadgroups, launch.threads, launch.threadgroup_bytes,
                bytes(launch.arguments),
            ),
            (size, offsets),
            (metal.SOURCE_TEXTURE, metal.TARGET_BUFFER, metal.ARGUMENTS_BUFFER),
        )  # fmt: skip
        return PlannedImage(conversion, shape, dtype.str)
