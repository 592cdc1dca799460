"""Frames in device memory converted where they are: ``Frame.convert`` of them.

Owns: which kernel makes what of a frame. Must not know: sessions, where the frame came from.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from .. import kernels
from ..errors import UnsupportedConfig
from ..frame import Conversion, Frame
from ..frame_pixels import Task, color_in
from ..pixel_format import FORMATS
from .layouts import BlockPlan, kernel_source, plan_rgb, plan_ycbcr

_NEUTRAL_WORD: Final = 1 << 15  # chroma of no colour, in the high bits of a word


class DeviceConverter:
    """Converts frames that lie in the memory of ``device`` (``videohw._cuda.Device``).

    The result is queued on the device behind the frame's own making, and nothing is waited for.
    What no kernel makes is refused.
    """

    def __init__(self, device: Any) -> None:
        self._device = device
        # The last of each, for the frames that follow: whoever converts one converts many.
        self._planned: tuple[object, BlockPlan, Any] | None = None
        self._neutral: tuple[object, Any] | None = None

    def __call__(self, frame: Frame, request: Conversion) -> Frame:
        """``frame`` as ``request`` says, in device memory.

        As :meth:`Frame.convert` in host memory: views of the planes where nothing is computed.
        :class:`UnsupportedConfig` for what no kernel makes, and for a driver without kernels.
        """
        task = Task.of(frame, request)
        views = task.views()
        if views is not None:
            return views
        if FORMATS[task.target].rgb:
            source = self._surface(frame)
            sources, crop = self._sources(frame), task.crop
        else:  # these kernels take all of a picture
            cut = task.cut()
            source = self._surface(cut)
            sources, crop = self._sources(cut), (0, 0, *task.size)
        key = source, request, crop, task.frame.color
        planned = self._planned
        if planned is None or planned[0] != key:
            plan = self._plan(task, request, source)
            planned = self._planned = key, plan, self._device.plan(plan.plan)
        _, made, conversion = planned
        planes = self._device.convert(conversion, sources, made.bytes, made.offsets, made.layout)
        return task.result(planes)

    def _plan(self, task: Task, request: Conversion, source: kernels.Surface) -> BlockPlan:
        frame = task.frame
        try:
            if FORMATS[task.target].rgb:
                return plan_rgb(source, request, frame.color, task.crop, task.size)
            if not task.scales and frame.color.range == "full":
                return plan_ycbcr(source, task.target, color_in(FORMATS[task.target], frame))
        except UnsupportedConfig as error:
            if error.argument not in ("source", "target"):
                raise
        raise UnsupportedConfig(
            f"no kernel makes {task.target} of {frame.format}"
            + (" in another size" if task.scales else ""),
            argument="output",
            hint="frame.to_host().convert(...), or ask the decoder for that output",
        )

    def _surface(self, frame: Frame) -> kernels.Surface:
        """The frame as the kernels see it."""
        name, depth = kernel_source(frame.format)
        planes = frame.planes
        rows = 1 if FORMATS[frame.format].channels_first else 0
        pitches = tuple(plane.strides[rows] for plane in planes[:2])
        if frame.format.startswith("gray"):
            pitches += (self._neutral_chroma(frame).strides[0],)
        return kernels.Surface(name, frame.width, frame.height, pitches, depth)

    def _sources(self, frame: Frame) -> tuple[Any, ...]:
        """The planes that the kernels read."""
        if FORMATS[frame.format].channels_first:
            return tuple(frame.planes[0][index : index + 1] for index in range(3))
        if frame.format.startswith("gray"):
            return *frame.planes, self._neutral_chroma(frame)
        return frame.planes

    def _neutral_chroma(self, frame: Frame) -> Any:
        """Chroma pairs for a gray picture, of no colour."""
        dtype = np.dtype(FORMATS[frame.format].dtype)
        shape = (-(-frame.height // 2), -(-frame.width // 2), 2)
        key = dtype, shape
        kept = self._neutral
        if kept is None or kept[0] != key:
            value = _NEUTRAL_WORD if dtype.itemsize > 1 else _NEUTRAL_WORD >> 8
            kept = self._neutral = key, self._device.upload(np.full(shape, value, dtype))
        return kept[1]
