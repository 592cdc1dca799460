"""Encoding on VideoToolbox: what callers see of a session whose worker never runs Python.

Owns: the step from events of the native session to packets and errors, their order, times and
generations. Must not know: how settings become properties, how the frameworks are called
(``_vt_encode``).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

from .. import _vt, _vt_encode
from ..backend import (
    Account,
    EncoderItem,
    EndOfGeneration,
    InputPicture,
    PreparedSwitch,
    SessionSwitch,
)
from ..encoding.encoder_session import QueueOfPictures, queue_bytes
from ..errors import BackendError, VideoHwError
from ..sessions.core_changed import CoreChanged, join_unless_stuck
from ..sessions.ready_outputs import unexpected
from ..sessions.session import Control, Drain
from ..types import EncoderConfig
from .encoder_capabilities import LIVE_RATES
from .encoder_cores import MAX_TIME, Change, Prepared, Staged, opened, scaled
from .encoder_failures import Failure, of_call, of_loss, stuck, wrong_size
from .encoder_order import PacketOrder
from .encoder_pictures import PictureStage
from .encoder_settings import is_live, settings_of

# No call takes so long on one picture; a worker inside one is not waited for.
STUCK_SECONDS = 30.0
# Drains that no caller asked for, at the end of a generation.
_OUR_OWN: Final = -1


def open_session(config: EncoderConfig) -> AppleEncoderSession:
    """A running encoder for ``config``; UnsupportedCodec or UnsupportedConfig when it cannot."""
    return AppleEncoderSession(opened(settings_of(config)))


class AppleEncoderSession(QueueOfPictures):
    """An encoder session of the VideoToolbox backend (``videohw.backend.EncoderSession``)."""

    def __init__(self, made: Prepared) -> None:
        config = made.settings.config
        self.account = Account()
        self._opened = self._active = made
        self._core = _vt_encode.Core(made.compression, max_ready=config.max_in_flight)
        self._order = PacketOrder(config, made.settings.reorder_delay, self.account)
        self._sent: deque[InputPicture] = deque()  # not begun, as far as is known
        self._waiting: list[Prepared] = []  # opened for switches that have not come
        self._drains: deque[tuple[int, int]] = deque()  # (number, the serial that comes after)
        self._switches: deque[Change] = deque()
        self._next_serial = 0
        self._copied_bytes = self._uncopied = 0
        super().__init__(
            CoreChanged(self._core),
            max_ready=config.max_in_flight,
            max_queued_bytes=queue_bytes(config, made.settings.picture_format),
        )  # fmt: skip
        self._worker = threading.Thread(
            target=self._core.run, name=f"videohw-vt-{config.codec}", daemon=True
        )
        self._worker.start()

    # Input

    def stage(
        self, frame: object, switch: SessionSwitch, options: object = None
    ) -> tuple[Staged, int]:
        """A copy of ``frame``'s pixels, and the bytes it holds."""
        made = self._made_for(switch)
        try:
            picture = made.stage.stage(frame, options)
        except BackendError:
            with self._changed:
                self._check_usable()  # another thread may have closed
            raise
        return Staged(picture, made), picture.memory_bytes

    # Switches

    def prepare(self, config: EncoderConfig, base: SessionSwitch, *, rebuild: bool) -> Prepared:
        """A switch from the settings of ``base`` to ``config``, opened unless properties do."""
        with self._changed:
            self._check_usable()
        settings = settings_of(config)
        old = self._made_for(base)
        if self.account.submitted:
            distance = old.settings.config.fps, old.settings.config.time_base
            self._order.clock.check_distance(settings.reorder_delay, *distance)
        if not rebuild and is_live(old.settings, settings):
            stage = PictureStage(settings, old.compression)
            return Prepared(settings, old.compression, stage, reconfigures=True)
        prepared = opened(settings)
        try:
            with self._changed:
                self._check_usable()
                self._waiting.append(prepared)
        except VideoHwError:
            prepared.compression.close()
            raise
        return prepared

    def discard(self, prepared: PreparedSwitch) -> None:
        """Close what a switch that does not come to be has opened."""
        assert isinstance(prepared, Prepared)
        with self._changed:
            self._give_back(prepared)

    def _give_back(self, prepared: Prepared) -> None:
        if prepared in self._waiting:
            self._waiting.remove(prepared)
            prepared.compression.close()

    def _made_for(self, switch: SessionSwitch) -> Prepared:
        made = switch.prepared
        return made if isinstance(made, Prepared) else self._opened

    def _limit_after(self, switch: SessionSwitch) -> int:
        return queue_bytes(switch.config, self._made_for(switch).settings.picture_format)

    # What is known of the stream

    @property
    def extradata(self) -> bytes | None:
        """The avcC or hvcC record, told with the first packet; ProRes has none."""
        return self._order.extradata

    @property
    def parameter_sets(self) -> bytes | None:
        """Parameter sets as Annex-B."""
        return self._order.parameter_sets

    def describe(self) -> dict[str, Any]:
        """What is coded with now: formats, CoreMedia's four characters of the codec (``fourcc``,
        of ProRes its flavour's), the kinds of rate control whose numbers change without
        a keyframe, what was done so far, what the encoder dropped last (``dropped_pts``), the
        bytes of pictures that were copied (``host_bytes``) and how many were not (``uncopied``)."""
        settings = self._active.settings
        found: dict[str, Any] = {
            "device": 0,
            "library": "VideoToolbox",
            "rate_mode": settings.rate_mode,
            "properties": tuple(sorted(settings.values)),
            "coded_format": settings.picture_format,
            "fourcc": settings.fourcc,
            "color": settings.color,
            "switch_reconfigures": LIVE_RATES if settings.rate_mode is not None else (),
            "host_bytes": self._copied_bytes,
            "uncopied": self._uncopied,
            "dropped_pts": tuple(self._order.dropped_pts),
        }
        found["creations_retried"] = self._active.compression.retries()
        return found if self.closed else {**found, **self._core.counters()}

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
                assert isinstance(item, Drain), "an encoder is not reset"
                self._drain_core(item.number)
        self._append_due(self._order.due())

    def _send_picture(self, item: InputPicture) -> None:
        staged = item.pixels
        assert isinstance(staged, Staged)
        item.pixels = None
        self._next_serial = item.serial + 1
        owed = self._order.took(item, staged.made.size, staged.picture.messages)
        base = self._active.settings.config.time_base
        try:
            time, duration = scaled(item.pts, base.numerator), item.duration * base.numerator
            if staged.made.size != self._active.size:
                raise wrong_size(item.pts, owed.size, item.generation, self._active.size)
            self._order.pushed(item)
            self._core.push_picture(
                item.serial, staged.picture.buffer, time, min(duration, MAX_TIME),
                base.denominator,
                force_keyframe=item.force_keyframe or self._order.packet_lost,
            )  # fmt: skip
        except Exception as error:
            self._queued_bytes -= item.queued_bytes
            told = error if isinstance(error, VideoHwError) else unexpected(error)
            self._order.fail(item.serial, told)
            return
        self._order.packet_lost = False
        self._sent.append(item)
        if staged.picture.copied:
            self._copied_bytes += staged.picture.memory_bytes
        else:
            self._uncopied += 1
        if staged.picture.converted:
            self.account.converted_bytes += staged.picture.memory_bytes

    def _drain_core(self, number: int) -> None:
        self._drains.append((number, self._next_serial))
        self._core.push_drain(len(self._drains))

    def _switch(self, switch: SessionSwitch) -> None:
        prepared, old = switch.prepared, self._active
        assert isinstance(prepared, Prepared)
        assert switch.first_pts is not None
        delay = prepared.settings.reorder_delay
        try:
            self._order.clock.check_room(delay, switch.first_pts)
        except VideoHwError as error:
            self._refuse(switch, self._next_serial, error)
            self._give_back(prepared)
            return
        if prepared.reconfigures:
            # Of what was in force when it was prepared, only such changes may have failed since.
            assert prepared.compression is old.compression
            self._switches.append(Change(switch, self._next_serial, old, self._order.generation))
            self._core.push_change(switch.generation, prepared.settings.live)
        else:
            self._swap(prepared, switch)
        self._order.clock.widen(delay, switch.first_pts)
        self._active = prepared
        self._order.generation = switch.generation

    def _swap(self, prepared: Prepared, switch: SessionSwitch) -> None:
        if prepared in self._waiting:
            self._waiting.remove(prepared)
        self._drain_core(_OUR_OWN)
        self._core.push_swap(switch.generation, prepared.compression)
        switch.state = "active"

    def _refuse(self, switch: SessionSwitch, before: int, error: VideoHwError) -> None:
        switch.error, switch.state = error, "failed"
        self._order.hold(before, error)

    def _forget_input(self) -> None:
        self._order.forget()
        self._sent.clear()
        if self._closed_reason is not None:
            self._core.close()
            for prepared in self._waiting:
                prepared.compression.close()
            self._waiting.clear()

    def _waiting_items(self) -> int:
        return self._core.queued()

    def _join(self, seconds: float) -> None:
        if _vt.forked():  # the worker is not here, and may have held its lock
            return
        join_unless_stuck(self._worker, seconds, self._is_stuck)

    def _is_stuck(self) -> bool:
        return self._core.busy_seconds() > STUCK_SECONDS

    def _released(self, count: int) -> None:
        self._core.set_ready(self._ready.count)

    # What the encoder has ready; the lock is held

    def _collect(self) -> None:
        if self._closed_reason is not None:
            return
        assert isinstance(self._changed, CoreChanged)
        self._changed.look()
        # Pictures that were held back come several at a time.
        self._append_due(self._order.due())
        while self._ready.count < self._max_ready and (event := self._core.pop()) is not None:
            self._note_begun()  # before its packet
            self._handle(*event)
        self._note_begun()
        self._core.set_ready(self._ready.count)
        if not self._failed and self._core.busy_seconds() > STUCK_SECONDS:
            self._abandon(stuck(STUCK_SECONDS))

    def _note_begun(self) -> None:
        queued = self._core.queued() if self._sent else 0
        while len(self._sent) > queued:
            item = self._sent.popleft()
            self._queued_bytes -= item.queued_bytes
            if self.meter is not None:
                self.meter.started(item)

    def _handle(
        self, kind: int, serial: int, failure: Failure | None, keyframe: bool,
        data: bytes | None, nanoseconds: int,
    ) -> None:  # fmt: skip
        if kind == _vt_encode.PACKET:
            assert data is not None
            if self.meter is not None:
                self.meter.spent("code", nanoseconds)
            output = self._order.packet(serial, data, keyframe)
            if output is not None:
                self._append(output)
        elif kind == _vt_encode.DROPPED:
            tell = self._active.settings.options.on_drop == "raise"
            self._order.drop(serial, tell=tell)
        elif kind == _vt_encode.FAILED:
            self._failed_picture(serial, failure)
        elif kind == _vt_encode.CHANGED:
            self._changed_settings(failure)
        elif kind == _vt_encode.DRAINED:
            self._drained(nanoseconds)
        else:
            assert failure is not None
            self._append(of_loss(failure))
        self._append_due(self._order.due())

    def _failed_picture(self, serial: int, failure: Failure | None) -> None:
        owed = self._order.owed.get(serial)
        assert failure is not None
        if owed is None:
            return
        error: VideoHwError
        if failure[1] == _vt_encode.WRONG_PICTURE:
            error = wrong_size(owed.pts, owed.size, owed.generation + 1, self._active.size)
        else:
            error = of_call(failure, f"pts {owed.pts}")
            self._order.packet_lost |= error.domain == "videohw"  # it was coded
        self._order.fail(serial, error)

    def _changed_settings(self, failure: Failure | None) -> None:
        switch, before, old, generation = self._switches.popleft()
        if failure is None:
            switch.state = "active"
            return
        self._refuse(switch, before, of_call(failure))
        if self._active is switch.prepared:
            self._active = old
        if self._switches and self._switches[0].old is switch.prepared:
            behind = self._switches.popleft()
            self._switches.appendleft(behind._replace(old=old, old_generation=generation))
        self._order.undone(switch.generation, generation)

    def _drained(self, nanoseconds: int) -> None:
        number, before = self._drains.popleft()
        error = self._order.drained(before)
        self._append_due(self._order.due(), all_of_them=True)
        if error is not None:
            self._append(error)
        if number != _OUR_OWN:
            if self.meter is not None:
                self.meter.spent("drain", nanoseconds)
            self._ready.append_drained(number)
