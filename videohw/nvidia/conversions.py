"""Frames in device memory converted where they are: ``Frame.convert`` of them.

Owns: which kernel makes what of a frame. Must not know: sessions, where the frame came from.
"""

from __future__ import annotations

from typing import Any, Final

from .. import kernels
from ..errors import UnsupportedConfig
from ..frame import Conversion, Crop, Frame
from ..frame_pixels import Task, color_in
from ..pixel_format import FORMATS
from .layouts import BlockPlan, kernel_source, plan_rgb, plan_ycbcr

_RGB: Final = tuple(name for name, each in FORMATS.items() if each.rgb)
_AS_PAIRS: Final = Conversion("nv12")
_PLANS_KEPT: Final = 4
_NEUTRAL_WORD: Final = 1 << 15  # chroma of no colour, in the high bits of a word


def _is_packed(name: str) -> bool:
    """Whether the kernels to RGB make it; planes of green, blue and red are made as YCbCr is."""
    return FORMATS[name].rgb and (FORMATS[name].channels_first or len(FORMATS[name].planes) == 1)


class DeviceConverter:
    """Converts frames that lie in the memory of ``device`` (``videohw._cuda.Device``).

    The result is queued on the device behind the frame's own making, and nothing is waited for.
    What no kernel makes is refused.
    """

    def __init__(self, device: Any) -> None:
        self._device = device
        # The last ones, for the frames that follow: whoever converts one converts many.
        self._planned: dict[object, tuple[BlockPlan, Any]] = {}
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
        cut, crop = frame, task.crop
        if task.frame.format in _RGB:  # parts of which are pictures of their own
            cut, crop = task.cut(), (0, 0, *task.crop[2:])
        to_rgb = _is_packed(task.target)
        if to_rgb and frame.format == "i420":  # which the kernels to RGB do not read
            return self(self(frame, _AS_PAIRS), request)
        source = self._surface(cut, to_rgb)
        sources = self._sources(cut, to_rgb)
        key = source, request, crop, task.frame.color, frame.height
        planned = self._planned.get(key)
        if planned is None:
            plan = self._plan(task, request, source, crop)
            planned = plan, self._device.plan(plan.plan)
            kept = list(self._planned.items())[1 - _PLANS_KEPT :]
            self._planned = {**dict(kept), key: planned}
        made, conversion = planned
        planes = self._device.convert(conversion, sources, made.bytes, made.offsets, made.layout)
        return task.result(planes)

    def _plan(
        self, task: Task, request: Conversion, source: kernels.Surface, crop: Crop
    ) -> BlockPlan:
        frame = task.frame
        request = request._replace(output=task.target)
        try:
            if _is_packed(task.target):
                return plan_rgb(source, request, frame.color, crop, task.size)
            made = color_in(FORMATS[task.target], frame)
            return plan_ycbcr(source, request, frame.color, made, crop, task.size)
        except UnsupportedConfig as error:
            if error.argument not in ("source", "target"):
                raise
        raise UnsupportedConfig(
            f"no kernel makes {task.target} of {frame.format}"
            + (" in another size" if task.scales else ""),
            argument="output",
            hint="frame.to_host().convert(...), or ask the decoder for that output",
        )

    def _surface(self, frame: Frame, to_rgb: bool) -> kernels.Surface:
        """The frame as the kernels see it."""
        name, depth = kernel_source(frame.format) if to_rgb else (frame.format, None)
        planes = frame.planes
        rows = 1 if FORMATS[frame.format].channels_first else 0
        pitches = tuple(plane.strides[rows] for plane in planes[:2])
        if to_rgb and frame.format.startswith("gray"):
            pitches += (self._neutral_chroma(frame).strides[0],)
        return kernels.Surface(name, frame.width, frame.height, pitches, depth)

    def _sources(self, frame: Frame, to_rgb: bool) -> tuple[Any, ...]:
        """The planes that the kernels read."""
        if FORMATS[frame.format].channels_first:
            return tuple(frame.planes[0][index : index + 1] for index in range(3))
        if to_rgb and frame.format.startswith("gray"):
            return *frame.planes, self._neutral_chroma(frame)
        return frame.planes

    def _neutral_chroma(self, frame: Frame) -> Any:
        """Chroma pairs for a gray picture, of no colour."""
        layout = FORMATS[frame.format]
        shape = (-(-frame.height // 2), -(-frame.width // 2), 2)
        key = layout.typestr, shape
        kept = self._neutral
        if kept is None or kept[0] != key:
            import numpy as np  # of all that is converted only this needs it

            value = _NEUTRAL_WORD if layout.item_bytes > 1 else _NEUTRAL_WORD >> 8
            kept = self._neutral = key, self._device.upload(np.full(shape, value, layout.dtype))
        return kept[1]
