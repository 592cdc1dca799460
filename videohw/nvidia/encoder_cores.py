"""One NVENC encoder as a session holds it: opened, its pictures under way, its end.

Owns: what is kept of each picture until the driver is done with it, and of encoders that end by
themselves. Must not know: packets, the order of errors.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from .. import _cuda, _nvenc
from ..backend import InputPicture, SessionSwitch
from ..pixel_format import FORMATS
from ..sessions.open_sessions import awaited_at_exit
from ..types import EncoderConfig
from .encoder_capabilities import answers
from .encoder_failures import of_opening, stuck
from .encoder_pictures import PictureStage, StagedPicture
from .encoder_settings import EncoderSettings, Reconfigure, settings_of
from .watched_memory import WatchedMemory

# No call of the driver takes so long on one picture; a thread inside one is not waited for.
STUCK_SECONDS = 30.0
# How long a driver is asked again that answers that it is busy.
BUSY_SECONDS = 10.0
_LOOK_SECONDS: Final = 0.25


class Drain(NamedTuple):
    """A drain that was queued: its number, and the serial of the first picture after it."""

    number: int
    before: int


class _Lent(threading.local):
    """The buffers that a thread writes to."""

    def __init__(self) -> None:
        self.buffers: list[_nvenc.HostBuffer] = []


class Inputs:
    """What an encoder lends to pictures that are staged (``encoder_pictures.Inputs``)."""

    def __init__(self, core: _nvenc.Core) -> None:
        self._core = core
        self._lent = _Lent()

    @property
    def stream(self) -> int:
        """The address of the stream that NVENC's input waits for."""
        return self._core.stream

    def host_buffer(self) -> _nvenc.HostBuffer:
        """An input buffer that is free: writable memory with ``pitch`` and ``rows``."""
        buffer = self._core.host_buffer()
        self._lent.buffers.append(buffer)
        return buffer

    def wait_for_stream(self, stream: int) -> None:
        """Have the input wait for the work that another stream, by its address, has."""
        self._core.wait_for_stream(stream)

    def wrote(self) -> None:
        """This thread does not write any more to what was lent to it."""
        lent = self._lent.buffers
        while lent:
            lent.pop().seal()


@dataclass(slots=True, eq=False)
class EncoderCore:
    """An encoder, and what is kept of its pictures; the session's lock guards all of it."""

    core: _nvenc.Core
    changes: _nvenc.Changes
    inputs: Inputs
    memory: WatchedMemory
    sent: deque[InputPicture] = field(default_factory=deque)  # not begun, as far as is known
    owners: dict[int, object] = field(default_factory=dict)  # of device memory, by serial
    decode_times: deque[tuple[int, int]] = field(default_factory=deque)  # (serial, dts)
    drains: deque[Drain] = field(default_factory=deque)
    switches: deque[Change] = field(default_factory=deque)
    retires: bool = False  # another encoder follows, after its last drain

    def close(self) -> None:
        """Have it end by itself."""
        self.core.close()
        if (self.owners or self.memory) and not self.core.ended():
            _endings.keep(self)

    def join(self, changes: _nvenc.Changes, seconds: float) -> None:
        """Wait until it has ended, but not for a thread that is stuck in the driver."""
        deadline = time.monotonic() + seconds
        while True:
            seen = changes.version()
            left = deadline - time.monotonic()
            if self.core.ended() or left <= 0 or self.core.busy_seconds() > STUCK_SECONDS:
                break
            changes.wait(seen, min(left, _LOOK_SECONDS))
        if self.core.ended():
            self.owners.clear()


class _Endings:
    """Encoders that were closed while their threads could still read what pictures lie in, or have
    it registered: kept until they have ended, however long a call of the driver takes."""

    def __init__(self) -> None:
        self._kept: list[EncoderCore] = []
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def keep(self, core: EncoderCore) -> None:
        """Let go of ``core`` when it has ended: a thread waits for that."""
        with self._lock:
            self._kept.append(core)
            if self._thread is not None and self._thread.is_alive():
                return
            self._thread = threading.Thread(
                target=self._wait, name="videohw-nvenc-endings", daemon=True
            )
            try:
                self._thread.start()
                awaited_at_exit.add(self._thread)
            except RuntimeError:  # the interpreter ends, or has no more threads: kept for good
                self._thread = None

    def _wait(self) -> None:
        while True:
            with self._lock:
                ended = [each for each in self._kept if each.core.ended()]
                self._kept = [each for each in self._kept if each not in ended]
                last = self._kept[-1] if self._kept else None
                if last is None:
                    self._thread = None
            for each in ended:  # without the lock, since that may run any code
                each.owners.clear()
            ended.clear()
            if last is None:
                return
            seen = last.changes.version()
            if not last.core.ended():
                last.changes.wait(seen, _LOOK_SECONDS)


_endings = _Endings()


@dataclass(slots=True, eq=False)
class Prepared:
    """Everything that the pictures of one generation need (``backend.PreparedSwitch``).

    ``change`` is what makes ``core``, which runs, an encoder of ``settings``; None where it was
    opened for them.
    """

    settings: EncoderSettings
    core: EncoderCore
    stage: PictureStage
    change: Reconfigure | None = None
    config: EncoderConfig = field(init=False)  # the settings as they were asked for
    size: tuple[int, int] = field(init=False)  # width and height of its pictures

    def __post_init__(self) -> None:
        self.config = self.settings.config
        self.size = self.config.width, self.config.height

    @property
    def reconfigures(self) -> bool:
        """Whether the running encoder takes the settings."""
        return self.change is not None

    @property
    def makes_keyframe(self) -> bool:
        """Whether the first picture is a keyframe: of a new encoder, or of another size."""
        return self.change is None or self.change.force_idr


class Change(NamedTuple):
    """A change of the running encoder on its way: from which picture on, and to which settings and
    generation it goes back should it fail."""

    switch: SessionSwitch
    before: int
    old: Prepared
    old_generation: int


@dataclass(slots=True, eq=False)
class Staged:
    """A picture, and for which settings it was staged."""

    picture: StagedPicture
    made: Prepared

    def fits(self, other: Prepared) -> bool:
        """Whether another encoder than that which it was staged for can take it: it is in device
        memory, and in the format of both."""
        formats = {each.settings.picture_format for each in (self.made, other)}
        return self.picture.buffer is None and len(formats) == 1


def checked_settings(config: EncoderConfig, device: _cuda.Device) -> EncoderSettings:
    """The settings for ``config``; refused is what the device lacks, before anything is opened."""
    return settings_of(config, answers(config.codec, device))


def opened(settings: EncoderSettings, device: _cuda.Device, changes: _nvenc.Changes) -> Prepared:
    """An encoder that runs; the error for what the driver refuses."""
    config, fields = settings.config, settings.fields
    core = _nvenc.Core(
        changes, device, settings.answers.api, codec=config.codec, guids=settings.guids,
        fields=fields, input_format=settings.input_format, width=fields["maxEncodeWidth"],
        height=fields["maxEncodeHeight"], buffers=settings.buffers,
        host_inputs=settings.buffers + config.max_in_flight + 1,
        max_in_flight=config.max_in_flight, held=settings.held,
        stream=settings.options.stream or 0, busy_seconds=BUSY_SECONDS,
    )  # fmt: skip
    made = EncoderCore(core, changes, Inputs(core), WatchedMemory(core.forget_memory))
    seen = changes.version()
    try:
        while (outcome := core.opening()) is None:
            if core.busy_seconds() > STUCK_SECONDS:
                raise stuck(STUCK_SECONDS, core.stuck_call())
            changes.wait(seen, _LOOK_SECONDS)
            seen = changes.version()
        call, code, of_cuda, detail = outcome
        if call is not None:
            raise of_opening(call, code, of_cuda, detail)
        return Prepared(settings, made, PictureStage(settings, device, made.inputs))
    except BaseException:
        made.close()
        raise


def reconfigured(
    old: Prepared, settings: EncoderSettings, change: Reconfigure, device: _cuda.Device
) -> Prepared:
    """The same encoder with other settings, of which ``change`` is made when the switch comes."""
    settings = replace(settings, fields=change.fields)
    stage = PictureStage(settings, device, old.core.inputs)
    return Prepared(settings, old.core, stage, change)


def pushed(item: InputPicture, staged: Staged, active: Prepared, *, force_keyframe: bool) -> None:
    """Queue a picture for the encoder of ``active``."""
    picture = staged.picture
    after = None  # whose input the memory was to be ready for, which no call may tell here
    if staged.made.core is not active.core:
        assert staged.fits(active), "else it is staged anew"
        after = staged.made.core.core
    native = picture.buffer
    if native is None:
        native = _in_device_memory(picture, active)
        active.core.owners[item.serial] = picture.kept
    width, height = staged.made.size
    active.core.core.push_picture(
        item.serial, native, width, height, force_idr=force_keyframe, sei=picture.sei,
        qp_map=picture.qp_map, mark_reference=picture.mark_reference,
        use_references=picture.use_references, intra_refresh=picture.intra_refresh,
        after=after,
    )  # fmt: skip
    active.core.sent.append(item)


def _in_device_memory(picture: StagedPicture, active: Prepared) -> _nvenc.DevicePicture:
    if picture.conversion is not None:
        return _nvenc.DevicePicture(
            picture.planes, total_bytes=picture.block_bytes, pitch=picture.pitch,
            conversion=picture.conversion, offsets=picture.offsets,
        )  # fmt: skip
    if not picture.copies:
        watched = active.core.memory.watch(picture.owners, picture.planes[0][0])
        return _nvenc.DevicePicture(picture.planes, watched=watched)
    layout = FORMATS[active.settings.picture_format]
    copies: list[tuple[int, int, int, int]] = []
    for index, row_bytes, rows, offset in picture.copies:
        plane = layout.planes[index]
        pitch = picture.pitch >> plane.shift_x if plane.channels == 1 else picture.pitch
        copies.append((row_bytes, rows, offset, pitch))
    return _nvenc.DevicePicture(
        picture.planes, total_bytes=picture.block_bytes, pitch=picture.pitch, copies=copies
    )
