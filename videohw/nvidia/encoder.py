"""Encoding on NVENC: what callers see of a session whose threads never run Python.

Owns: the step from events of the native encoders to packets and errors, their order, times and
generations. Must not know: how settings become fields, how the driver is called (``_nvenc``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, Final

from .. import _cuda, _nv, _nvenc
from ..backend import (
    Account,
    EncoderItem,
    EndOfGeneration,
    InputPicture,
    PreparedSwitch,
    SessionSwitch,
)
from ..encoding.encoder_session import QueueOfPictures, queue_bytes
from ..errors import VideoHwError
from ..sessions.core_changed import CoreChanged
from ..sessions.open_sessions import when_all_are_closed
from ..sessions.ready_outputs import unexpected
from ..sessions.session import Control
from ..sessions.session import Drain as DrainRequest
from ..types import EncoderConfig
from . import devices, encoder_cores
from .encoder_capabilities import live_rates
from .encoder_cores import (
    Change,
    Drain,
    EncoderCore,
    Prepared,
    Staged,
    checked_settings,
    opened,
    pushed,
    reconfigured,
)
from .encoder_failures import of_call, of_loss, stuck, wrong_size
from .encoder_options import named, options_of
from .encoder_order import PacketOrder
from .encoder_rates import mode_name
from .encoder_settings import change

# Drains that no caller asked for, at the end of a generation.
_OUR_OWN: Final = -1
_EXIT_SECONDS: Final = 2.0


def _leave_devices() -> None:
    _cuda.wait_at_most(_EXIT_SECONDS)  # a driver that does not come back does not hold up the exit
    _cuda.release_devices()


when_all_are_closed.append(_leave_devices)


def open_session(config: EncoderConfig) -> NvidiaEncoderSession:
    """A running encoder for ``config``; UnsupportedCodec or UnsupportedConfig when it cannot."""
    options = options_of(config.options)
    device = devices.opened(config.device, options.context)
    devices.check_stream(device, options.stream)
    settings = checked_settings(config, device)
    changes = _nvenc.Changes()
    return NvidiaEncoderSession(opened(settings, device, changes), device, changes)


class NvidiaEncoderSession(QueueOfPictures):
    """An encoder session of the NVIDIA backend (``videohw.backend.EncoderSession``).

    Queued input is limited to the bytes of ``max_in_flight`` pictures of the size last pushed.
    """

    def __init__(self, made: Prepared, device: _cuda.Device, changes: _nvenc.Changes) -> None:
        config = made.config
        self.account = Account()
        self._device = device
        self._information = device.information  # a lost device cannot be asked
        self._changes = changes
        self._opened = self._active = made
        # Packets come from the first until that is drained; pictures go to the last.
        self._cores: deque[EncoderCore] = deque([made.core])
        self._waiting: list[Prepared] = []  # made for switches that have not come
        self._useless: list[EncoderCore] = []  # made for switches that failed
        self._order = PacketOrder(made, self.account)
        self._order.begins_with(made.core.core.parameter_sets())
        self._next_serial = 0
        self._host_bytes = 0
        super().__init__(
            CoreChanged(changes),
            max_ready=config.max_in_flight, max_queued_bytes=queue_bytes(config),
        )  # fmt: skip

    # Input

    def stage(
        self, frame: object, switch: SessionSwitch, options: object = None
    ) -> tuple[Staged, int]:
        """A copy of ``frame``'s pixels, or its device memory, and the bytes it holds."""
        made = self._made_for(switch)
        try:
            picture = made.stage.stage(frame, options)
        finally:
            made.core.inputs.wrote()
        return Staged(picture, made), picture.memory_bytes

    def push_into(self, stream: int, items: Sequence[EncoderItem]) -> bool:
        """Queue ``items`` as every session does. Where they begin with a switch that fails at once,
        and the picture behind it is in buffers of the encoder that does not come, that switch goes
        alone, and the answer is False: to stage the picture anew takes no lock."""
        with self._changed:
            if stream == self.stream and self._order.in_vain(items, self._active):
                super().push_into(stream, items[:1])
                return False
            return super().push_into(stream, items)

    # Switches

    def prepare(self, config: EncoderConfig, base: SessionSwitch, *, rebuild: bool) -> Prepared:
        """A switch from the settings of ``base`` to ``config``, opened unless it reconfigures."""
        with self._changed:
            self._check_usable()
        settings = checked_settings(config, self._device)
        old = self._made_for(base)
        if self.account.submitted:
            distance = old.config.fps, old.config.time_base
            self._order.clock.check_distance(settings.reorder_delay, *distance)
        live = None if rebuild else change(old.settings, settings)
        if live is not None:
            return reconfigured(old, settings, live, self._device)
        prepared = opened(settings, self._device, self._changes)
        try:
            with self._changed:
                self._check_usable()
                self._waiting.append(prepared)
        except VideoHwError:
            prepared.core.close()
            raise
        return prepared

    def discard(self, prepared: PreparedSwitch) -> None:
        """Close what a switch that does not come to be has opened."""
        assert isinstance(prepared, Prepared)
        with self._changed:
            if prepared in self._waiting:
                self._waiting.remove(prepared)
                prepared.core.close()

    def _made_for(self, switch: SessionSwitch) -> Prepared:
        made = switch.prepared
        return made if isinstance(made, Prepared) else self._opened

    # What is known of the stream

    @property
    def extradata(self) -> bytes | None:
        """The avcC, hvcC or av1C record."""
        return self._order.extradata

    @property
    def parameter_sets(self) -> bytes | None:
        """Parameter sets as Annex-B, or AV1's sequence header OBU."""
        return self._order.parameter_sets

    def describe(self) -> dict[str, Any]:
        """What is coded with now, the kinds of rate control whose numbers change without a
        keyframe, and what was done so far."""
        settings = self._active.settings
        device, config = self._information, settings.config
        assert config.rate_control is not None, "ProRes alone has none"
        found: dict[str, Any] = {
            "device": device.ordinal,
            "device_name": device.name,
            "nvenc": ".".join(map(str, settings.answers.api)),
            "preset": settings.guids["preset"],
            "rate_mode": mode_name(config.rate_control),
            "options": named(settings.options),
            "coded_format": settings.picture_format,
            "color": settings.color,
            "buffers": settings.buffers,
            "host_bytes": self._host_bytes,  # of pixels that came through memory of the host
            "safe_lifetime": True,  # there is no other mode
            "switch_reconfigures": live_rates(settings.answers),
        }
        return found if self.closed else {**found, **self._active.core.core.counters()}

    # What a session asks of its worker; the lock is held

    def _send(self, items: Sequence[EncoderItem] | Sequence[Control]) -> None:
        for item in items:
            if isinstance(item, InputPicture):
                self._send_picture(item)
            elif isinstance(item, SessionSwitch):
                self._switch(item)
            elif isinstance(item, EndOfGeneration):
                self._drain_core(_OUR_OWN)
            else:
                assert isinstance(item, DrainRequest), "an encoder is not reset"
                self._drain_core(item.number)
        # A picture right behind a switch that failed lay in that encoder's buffers until here.
        for core in self._useless:
            core.close()
        self._useless.clear()
        if self._order.holds:
            self._append_due(self._order.due())

    def _send_picture(self, item: InputPicture) -> None:
        active, staged = self._active, item.pixels
        assert isinstance(staged, Staged)
        item.pixels = None
        self._next_serial = item.serial + 1
        if staged.picture.buffer is not None:
            self._host_bytes += staged.picture.memory_bytes
        self._order.took(item, staged.made.size)
        try:
            if staged.made.size != active.size:
                now = self._confirmed().size
                raise wrong_size(item.pts, staged.made.size, item.generation, now)
            forced = item.force_keyframe or self._order.packet_lost
            pushed(item, staged, active, force_keyframe=forced)
        except Exception as error:
            self._queued_bytes -= item.queued_bytes
            told = error if isinstance(error, VideoHwError) else unexpected(error)
            self._order.fail(item.serial, told)
            return
        self._order.packet_lost = False
        self._order.pushed(item, active.core)

    def _drain_core(self, number: int) -> None:
        core = self._active.core
        core.drains.append(Drain(number, self._next_serial))
        core.core.push_drain(len(core.drains))

    def _switch(self, switch: SessionSwitch) -> None:
        prepared = switch.prepared
        assert isinstance(prepared, Prepared)
        if prepared in self._waiting:
            self._waiting.remove(prepared)
        if (error := self._order.refusal(prepared, switch)) is not None:
            self._refuse(switch, self._next_serial, error)
            if prepared.change is None:
                self._useless.append(prepared.core)
            return
        old = self._active
        if prepared.change is not None and prepared.core is old.core:
            made = prepared.change
            back_to = self._order.generation
            old.core.switches.append(Change(switch, self._next_serial, old, back_to))
            old.core.core.push_change(
                switch.generation, prepared.settings.guids, made.fields, reset=made.reset,
                force_idr=made.force_idr,
            )  # fmt: skip
        else:
            self._drain_core(_OUR_OWN)
            old.core.retires = True
            self._cores.append(prepared.core)
            switch.state = "active"
        self._order.widen(prepared, switch)
        self._active = prepared
        self._order.generation = switch.generation

    def _confirmed(self) -> Prepared:
        """The newest settings that the encoder is known to have."""
        on_their_way = self._active.core.switches
        return on_their_way[0].old if on_their_way else self._active

    def _refuse(self, switch: SessionSwitch, before: int, error: VideoHwError) -> None:
        switch.error, switch.state = error, "failed"
        self._order.hold(before, error)

    def _forget_input(self) -> None:
        self._order.forget()
        if self._closed_reason is not None:
            for core in self._cores:
                core.close()
            for prepared in self._waiting:
                prepared.core.close()

    def _waiting_items(self) -> int:
        return sum(core.core.queued() for core in self._cores)

    def _join(self, seconds: float) -> None:
        if _nv.forked():
            return  # its threads are not here, and its lock may be held for ever
        for core in self._cores:
            core.join(self._changes, seconds)

    def _released(self, count: int) -> None:
        self._cores[0].core.set_ready(self._ready.count)

    # What the encoders have ready; the lock is held

    def _collect(self) -> None:
        if self._closed_reason is not None:
            return
        assert isinstance(self._changed, CoreChanged)
        self._changed.look()
        first = self._cores[0]
        if not (self._order.holds or len(self._cores) > 1) and not first.core.news(
            len(first.sent), self._ready.count, encoder_cores.STUCK_SECONDS
        ):
            return  # as it is most of the time
        # Errors of pictures that were held back come several at a time.
        if self._order.holds:
            self._append_due(self._order.due())
        # An encoder that follows another one may have as many ready as the one before.
        while self._ready.count < self._max_ready:
            event = self._cores[0].core.pop()
            if event is None:
                break
            self._note_begun(self._cores[0])  # before its packet
            self._handle(self._cores[0], *event)
        for core in self._cores:
            self._note_begun(core)
        self._cores[0].core.set_ready(self._ready.count)
        for core in self._cores:
            if not self._failed and core.core.busy_seconds() > encoder_cores.STUCK_SECONDS:
                self._abandon(stuck(encoder_cores.STUCK_SECONDS, core.core.stuck_call()))

    def _note_begun(self, core: EncoderCore) -> None:
        if not core.sent:
            return
        queued = core.core.queued()
        while len(core.sent) > queued:
            item = core.sent.popleft()
            self._queued_bytes -= item.queued_bytes
            if self.meter is not None:
                self.meter.started(item)

    def _handle(
        self, core: EncoderCore, kind: int, serial: int, call: str | None, code: int,
        of_cuda: bool, data: bytes | None, picture_type: int, qp: int, nanoseconds: int,
        detail: str | None,
    ) -> None:  # fmt: skip
        if kind == _nvenc.PACKET:
            assert data is not None
            if self.meter is not None:
                self.meter.spent("code", nanoseconds)
            self._append(self._order.packet(core, serial, data, picture_type))
        elif kind == _nvenc.FAILED:
            self._failed_picture(serial, call, code, of_cuda)
        elif kind == _nvenc.INPUT_DONE:
            core.owners.pop(serial, None)
        elif kind == _nvenc.RECONFIGURED:
            self._changed_settings(core, call, code, of_cuda, detail)
        elif kind == _nvenc.DRAINED:
            self._drained(core, nanoseconds)
        else:
            self._append(of_loss(call, code, of_cuda))
        if self._order.holds:
            self._append_due(self._order.due())

    def _failed_picture(self, serial: int, call: str | None, code: int, of_cuda: bool) -> None:
        owed = self._order.owed[serial]
        error: VideoHwError
        if code == _nvenc.WRONG_SIZE and not of_cuda:
            error = wrong_size(owed.pts, owed.size, owed.asked, self._confirmed().size)
        else:
            error = of_call(call, code, of_cuda, f"pts {owed.pts}")
            self._order.packet_lost |= call == "nvEncLockBitstream"
        self._order.fail(serial, error)

    def _changed_settings(
        self, core: EncoderCore, call: str | None, code: int, of_cuda: bool, detail: str | None
    ) -> None:
        switch, before, old, generation = core.switches.popleft()
        if call is None:
            switch.state = "active"
            self._order.begins_with(core.core.parameter_sets())
            return
        self._refuse(switch, before, of_call(call, code, of_cuda, detail))
        if self._active is switch.prepared:
            self._active = old
        if core.switches and core.switches[0].old is switch.prepared:
            behind = core.switches.popleft()
            core.switches.appendleft(behind._replace(old=old, old_generation=generation))
        self._order.undone(switch.generation, generation)

    def _drained(self, core: EncoderCore, nanoseconds: int) -> None:
        drain = core.drains.popleft()
        error = self._order.drained(core, drain.before)
        self._append_due(self._order.due(), all_of_them=True)
        if error is not None:
            self._append(error)
        if drain.number != _OUR_OWN:
            if self.meter is not None:
                self.meter.spent("drain", nanoseconds)
            self._ready.append_drained(drain.number)
        if core.retires and not core.drains:
            self._cores.popleft()
            core.close()
