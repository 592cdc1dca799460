"""The caller's pictures on their way into NVENC: copied into its buffers, or used where they are.

Owns: whether a picture in device memory fits as it lies, is copied or is converted by a kernel;
what goes with a picture. Must not know: calls of the driver, packets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from ..color import ColorSpec
from ..encoding.coded_color import RGB, CodedColor
from ..encoding.device_input import DevicePicture, DeviceReader, is_on_device
from ..encoding.encoder_input import Picture, host_picture
from ..errors import InvalidInput, UnsupportedConfig
from ..frame import Frame
from ..kernels import Plan, Surface, plan_to_ycbcr, plan_ycbcr_of_any
from ..kernels.settings import RGB_SOURCES, YCBCR_TARGETS
from ..pixel_format import FORMATS, PixelFormat
from ..pixels import convert
from ..types import SideData
from .encoder_messages import Payload, payloads
from .encoder_options import NO_PICTURE_OPTIONS, NvidiaPictureOptions, picture_options_of
from .encoder_settings import EncoderSettings
from .encoder_structure import b_frames_of

_ROW_ALIGNMENT: Final = 256
# A pitch that the driver takes for device memory is a multiple of this.
_PITCH_UNIT: Final = 4
_NO_SIDE_DATA: Final = SideData()
# Formats that are the same under two names.
_SAME: Final = {"yuv420p": "i420"}
# Pixels along the side of a block of the QP map, and what it may hold.
_BLOCKS: Final = {"h264": 16, "hevc": 32, "av1": 64}
_QP_RANGES: Final = {"delta": (-51, 51), "emphasis": (0, 5), "absolute": (0, 51)}
_AV1_QP_RANGES: Final = {"delta": (-128, 127), "absolute": (0, 127)}


class Inputs(Protocol):
    """What a session lends to pictures that are staged (``videohw._nvenc.Core``)."""

    @property
    def stream(self) -> int:
        """The address of the stream that NVENC's input waits for."""

    def host_buffer(self) -> Any:
        """An input buffer that is free: writable memory with ``pitch`` and ``rows``."""

    def wait_for_stream(self, stream: int) -> None:
        """Have ``stream`` of this wait for the work that another one, by its address, has."""


@dataclass(slots=True, eq=False)
class StagedPicture:
    """A picture that NVENC can take, and what goes with it.

    In host memory ``buffer`` holds a copy. In device memory ``planes`` are (address, pitch) of
    what the caller gave: ``owners`` have it, ``kept`` is what must live until it was read. It is
    used as it lies; or, into a block of ``block_bytes`` with rows ``pitch`` apart, converted by
    ``conversion`` to planes at ``offsets``; or copied, by ``copies``: (plane, bytes of a row, rows,
    offset in the block).
    ``mark_reference`` -1 and ``use_references`` 0 are none.
    """

    memory_bytes: int
    buffer: Any = None
    planes: tuple[tuple[int, int], ...] = ()
    owners: tuple[object, ...] = ()
    kept: tuple[object, ...] = ()
    conversion: Any = None
    offsets: tuple[int, ...] = ()
    copies: tuple[tuple[int, int, int, int], ...] = ()
    pitch: int = 0
    block_bytes: int = 0
    sei: tuple[Payload, ...] = ()
    qp_map: bytes | None = None
    mark_reference: int = -1
    use_references: int = 0
    intra_refresh: int = 0


class PictureStage:
    """Takes the pictures of one generation of settings. Its methods may run on any thread."""

    def __init__(self, settings: EncoderSettings, device: Any, inputs: Inputs) -> None:
        self._settings = settings
        self._device = device
        self._inputs = inputs
        # RGB that the driver converts is as good as its YCbCr, which is 4:2:0.
        name = settings.picture_format
        self._passes_rgb = FORMATS[name].rgb
        self._coded = CodedColor("nv12" if self._passes_rgb else name, settings.color)
        self._coded.check_input(settings.config.input)
        config = settings.config
        self._memory_bytes = FORMATS[name].frame_bytes(config.width, config.height)
        self._places: tuple[tuple[int, int], list[PlanePlace]] | None = None
        self._reader: DeviceReader | None = None
        self._conversions: dict[Any, Any] = {}
        # What goes with a picture that brings nothing of its own.
        self._plain = self._extra(NO_PICTURE_OPTIONS, _NO_SIDE_DATA)

    def stage(self, frame: Any, options: object = None) -> StagedPicture:
        """``frame``, anything that ``Encoder.submit`` takes, with the ``options`` of the picture.

        A picture in host memory is copied once, into a buffer of the session. One in device
        memory is not copied where NVENC takes it as it lies. :class:`InvalidInput` names what
        cannot be.
        """
        given = picture_options_of(options)
        config, extra = self._settings.config, self._plain
        side_data = frame.side_data if isinstance(frame, Frame) else _NO_SIDE_DATA
        if given is not NO_PICTURE_OPTIONS or side_data is not _NO_SIDE_DATA:
            extra = self._extra(given, side_data)
        if is_on_device(frame):
            reader = self._reader or self._new_reader()
            on_device = reader.picture(frame, config.input, config.width, config.height)
            staged = self._on_device(on_device)
        else:
            staged = self._copied(host_picture(frame, config.input, config.width, config.height))
        for name, value in extra.items():
            setattr(staged, name, value)
        return staged

    def _new_reader(self) -> DeviceReader:
        inputs = self._inputs
        self._reader = DeviceReader(self._device.ordinal, inputs.stream, inputs.wait_for_stream)
        return self._reader

    # Host memory

    def _copied(self, picture: Picture) -> StagedPicture:
        target = FORMATS[self._settings.picture_format]
        source = _SAME.get(picture.format.name, picture.format.name)
        color = self._coded.source(picture.format.rgb, picture.color)
        buffer = self._inputs.host_buffer()
        views = self._planes_of(buffer, target)
        passed = RGB if self._passes_rgb else self._coded.color
        if source == target.name and (color is passed or color == passed):
            for view, plane in zip(views, picture.planes, strict=True):
                np.copyto(view, plane)
        else:
            planes = [_readable(plane) for plane in picture.planes]
            made = None if self._passes_rgb else self._coded.color
            convert(planes, picture.format.name, target.name, color=color, output_color=made,
                    out=views)  # fmt: skip
        return StagedPicture(self._memory_bytes, buffer)

    def _planes_of(self, buffer: Any, target: PixelFormat) -> list[npt.NDArray[Any]]:
        """The planes of a picture in ``buffer``; the buffers of a session have one form."""
        form, places = (buffer.pitch, buffer.rows), self._places
        if places is None or places[0] != form:
            config = self._settings.config
            places = form, plane_places(*form, target, config.width, config.height)
            self._places = places
        return _views(buffer, places[1])

    # Device memory

    def _on_device(self, picture: DevicePicture) -> StagedPicture:
        config = self._settings.config
        target = FORMATS[self._settings.picture_format]
        source = _SAME.get(picture.format.name, picture.format.name)
        color = self._coded.source(picture.format.rgb, picture.color)
        alike = source == target.name
        staged = StagedPicture(
            self._memory_bytes
            if alike
            else picture.format.frame_bytes(config.width, config.height),
            planes=tuple((plane.address, plane.strides[0]) for plane in picture.planes),
            owners=picture.owners,
            kept=picture.kept,
        )
        coded = self._coded.color
        if alike and (color is coded or color == coded or self._passes_rgb):
            if not fits(staged.planes, target, config.height):
                self._plan_copies(staged, target)
            return staged
        self._plan_conversion(staged, picture, target, color)
        return staged

    def _plan_copies(self, staged: StagedPicture, target: PixelFormat) -> None:
        config, item = self._settings.config, target.item_bytes
        staged.pitch = -(-config.width * item * target.planes[0].channels // _ROW_ALIGNMENT)
        staged.pitch *= _ROW_ALIGNMENT
        copies = []
        for index, plane in enumerate(target.planes):
            shape = target.plane_shape(index, config.width, config.height)
            row_bytes = shape[1] * item * plane.channels
            copies.append((index, row_bytes, shape[0], staged.block_bytes))
            staged.block_bytes += _pitch_of(target, index, staged.pitch) * shape[0]
        staged.copies = tuple(copies)

    def _plan_conversion(
        self, staged: StagedPicture, picture: DevicePicture, target: PixelFormat, color: ColorSpec
    ) -> None:
        config, name = self._settings.config, picture.format.name
        pitches = tuple(pitch for _, pitch in staged.planes)
        if picture.format.channels_first:
            # One array of three planes, whose rows the kernel takes as planes.
            plane = picture.planes[0]
            staged.planes = tuple(
                (plane.address + index * plane.strides[0], plane.strides[1]) for index in range(3)
            )
            pitches = (plane.strides[1],)
        pitch = -(-config.width * target.item_bytes // _ROW_ALIGNMENT)
        pitch *= _ROW_ALIGNMENT
        key = name, pitches, color
        if key not in self._conversions:
            self._conversions[key] = self._device.plan(
                self._kernel(picture, pitches, target, pitch, color)
            )
        staged.conversion = self._conversions[key]
        staged.pitch = pitch
        offsets = []
        for index in range(len(target.planes)):
            offsets.append(staged.block_bytes)
            rows = target.plane_shape(index, config.width, config.height)[0]
            staged.block_bytes += _pitch_of(target, index, pitch) * rows
        staged.offsets = tuple(offsets)

    def _kernel(
        self, picture: DevicePicture, pitches: tuple[int, ...], target: PixelFormat, pitch: int,
        color: ColorSpec,
    ) -> Plan:  # fmt: skip
        """What makes ``target`` of a picture with such rows in ``color``, in the coded colour."""
        size = self._settings.config.width, self._settings.config.height
        name = picture.format.name
        planes = range(min(len(target.planes), 2))
        made_pitches = tuple(_pitch_of(target, index, pitch) for index in planes)
        try:
            if len(set(pitches[1:])) > 1:
                raise UnsupportedConfig("planes of chroma have pitches of their own")
            source = Surface(name, *size, pitches[:2])
            made = Surface(target.name, *size, made_pitches)
            if name in RGB_SOURCES and target.name in YCBCR_TARGETS:
                return plan_to_ycbcr(source, made, self._coded.color)
            return plan_ycbcr_of_any(source, made, color, output_color=self._coded.color)
        except (UnsupportedConfig, InvalidInput) as error:
            raise InvalidInput(
                f"frame is {name} in device memory, and no kernel makes {target.name} of it in "
                f"the encoder's colour: {error.args[0]}",
                argument="frame",
                hint="open the encoder with color=frame.color, or give frame.to_host()",
            ) from None

    # What goes with a picture

    def _extra(self, given: NvidiaPictureOptions, side_data: SideData) -> dict[str, Any]:
        settings = self._settings
        found: dict[str, Any] = {
            "sei": payloads(settings.config.codec, settings.options, given, side_data)
        }
        if given.qp_map is not None:
            found["qp_map"] = self._qp_map(given.qp_map)
        count = settings.options.long_term_references or 0
        used = given.use_references
        for name, numbers in (
            ("mark_reference", () if given.mark_reference is None else (given.mark_reference,)),
            ("use_references", () if used is None else used),
        ):
            if numbers and max(numbers) >= count:
                raise InvalidInput(
                    f"options.{name} is {max(numbers)}, the encoder has {count} of these",
                    argument=f"options.{name}",
                    hint="NvidiaEncoderOptions(long_term_references=...)",
                )
        if given.mark_reference is not None:
            found["mark_reference"] = given.mark_reference
        if used is not None:
            found["use_references"] = sum(1 << number for number in set(used))
        if given.intra_refresh is not None:
            self._check_refresh(given.intra_refresh)
            found["intra_refresh"] = given.intra_refresh
        return found

    def _check_refresh(self, pictures: int) -> None:
        settings, argument = self._settings, "options.intra_refresh"
        if not settings.answers.cap("SUPPORT_INTRA_REFRESH"):
            raise InvalidInput(
                f"{argument} is {pictures}, which this device does not do for "
                f"{settings.config.codec}",
                argument=argument,
            )
        if b_frames_of(settings.config, settings.options):
            raise InvalidInput(
                f"{argument} is {pictures}, and the encoder was opened with B-pictures",
                argument=argument,
                hint="Encoder(b_frames=0), or force_keyframe=True for this picture",
            )

    def _qp_map(self, given: Any) -> bytes:
        settings = self._settings
        config, meaning = settings.config, settings.options.qp_map
        if meaning is None:
            raise InvalidInput(
                "options.qp_map is given, and the encoder was not opened for it",
                argument="options.qp_map",
                hint='NvidiaEncoderOptions(qp_map="delta")',
            )
        block = _BLOCKS[config.codec]
        shape = (-(-config.height // block), -(-config.width // block))
        values = np.asarray(given)
        if values.dtype != np.int8 or values.shape != shape:
            raise InvalidInput(
                f"options.qp_map is {values.dtype} of shape {values.shape}, for {config.codec} of "
                f"{config.width}x{config.height} it is int8 of {shape}",
                argument="options.qp_map",
            )
        low, high = (_AV1_QP_RANGES if config.codec == "av1" else _QP_RANGES)[meaning]
        if values.min() < low or values.max() > high:
            raise InvalidInput(
                f"options.qp_map has values from {values.min()} to {values.max()}",
                argument="options.qp_map",
                hint=f"{low} to {high} where it means {meaning!r}",
            )
        return values.tobytes()


# Shape, type, offset in bytes, strides.
PlanePlace: TypeAlias = tuple[tuple[int, ...], np.dtype[Any], int, tuple[int, ...]]


def plane_places(
    pitch: int, rows: int, layout: PixelFormat, width: int, height: int
) -> list[PlanePlace]:
    """Where the planes of a picture are, as NVENC has them: planes ``rows`` rows apart, rows
    ``pitch`` bytes apart, half of it where chroma is a plane of half the columns."""
    dtype, offset, places = layout.dtype, 0, []
    for index in range(len(layout.planes)):
        shape = layout.plane_shape(index, width, height)
        row = _pitch_of(layout, index, pitch)
        inner = (
            (shape[2] * dtype.itemsize, dtype.itemsize) if len(shape) == 3 else (dtype.itemsize,)
        )
        places.append((shape, dtype, offset, (row, *inner)))
        offset += row * (rows >> layout.planes[index].shift_y)
    return places


def _views(buffer: Any, places: list[PlanePlace]) -> list[npt.NDArray[Any]]:
    return [
        np.ndarray(shape, dtype, buffer, offset, strides)
        for shape, dtype, offset, strides in places
    ]


def fits(planes: tuple[tuple[int, int], ...], layout: PixelFormat, height: int) -> bool:
    """Whether planes, as (address, pitch), lie in device memory as NVENC wants them."""
    expected, pitch = planes[0]
    if pitch % _PITCH_UNIT:
        return False
    for index, (address, own_pitch) in enumerate(planes):
        if address != expected or own_pitch != _pitch_of(layout, index, pitch):
            return False
        expected += own_pitch * (height >> layout.planes[index].shift_y)
    return True


def _pitch_of(layout: PixelFormat, index: int, pitch: int) -> int:
    plane = layout.planes[index]
    return pitch >> plane.shift_x if plane.channels == 1 else pitch


def _readable(plane: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The plane, or a copy where its values do not lie side by side in a row."""
    inner = _inner(plane.shape, plane.itemsize)
    plain = plane.strides[1:] == inner and plane.strides[0] > 0 and plane.dtype.isnative
    return plane if plain else np.ascontiguousarray(plane, plane.dtype.newbyteorder("="))


def _inner(shape: tuple[int, ...], item: int) -> tuple[int, ...]:
    """The strides of values that lie side by side in a row."""
    return (shape[2] * item, item) if len(shape) == 3 else (item,)
