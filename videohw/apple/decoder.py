"""Decoding on VideoToolbox: what callers see of a session whose worker never runs Python.

Owns: the step from coded pictures to samples, and from events of the native session to frames
and errors, in the order of presentation. Must not know: what ``on_error`` asks (the ledger does),
how the frameworks are called (``_vt`` does).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from .. import _vt
from ..backend import Account, CodedPicture
from ..decoder_config import DecoderConfig
from ..decoding.fault_policy import PictureLedger, Verdict
from ..errors import InvalidInput, VideoHwError
from ..frame import Frame
from ..sessions.core_changed import CoreChanged, join_unless_stuck
from ..sessions.ready_outputs import unexpected
from ..sessions.session import Control, Drain, Session
from .capabilities import CODECS
from .failures import REFERENCE_MISSING, dropped, lost, no_form, no_memory, refusal, stuck
from .frame_samples import reader_for
from .frames import FrameMaker
from .options import AppleDecoderOptions
from .presentation import OutputOrder
from .samples import Sample
from .transform import PlannedImage

# Nothing takes so long on one picture; a worker inside a call is not waited for.
STUCK_SECONDS = 30.0
# Nor does Metal take so long to convert one; those that it has are converted by the processor.
CONVERSION_SECONDS = 5.0

_Item: TypeAlias = "CodedPicture | Refusal"


def open_session(config: DecoderConfig) -> AppleDecoderSession:
    """A running decoder for ``config``; InvalidInput or UnsupportedConfig when it cannot be."""
    options = config.options
    if options is None:
        options = AppleDecoderOptions()
    if not isinstance(options, AppleDecoderOptions):
        raise InvalidInput(
            f"options is {type(options).__name__}, the videotoolbox backend takes "
            "AppleDecoderOptions",
            argument="options",
            hint="videohw.AppleDecoderOptions(...), or None",
        )
    return AppleDecoderSession(config, options)


@dataclass(slots=True)
class Refusal:
    """An error in its place among the pictures."""

    error: VideoHwError
    queued_bytes: int = 0


@dataclass(slots=True)
class _Decoded:
    """What came of a sample: an image, or none, and what Metal made of it."""

    sample: Sample
    image: Any
    made: Any
    shown: bool
    flags: int


class AppleDecoderSession(Session[_Item, Frame]):
    """A decoder session of the VideoToolbox backend (``videohw.backend.DecoderSession``)."""

    def __init__(self, config: DecoderConfig, options: AppleDecoderOptions) -> None:
        self.account = Account()
        self._maker = FrameMaker(config, options)
        self._core = _vt.Core(
            CODECS[config.codec], under_way=options.under_way, max_ready=config.max_in_flight,
            keeps_images=config.output != "metadata", requires_hardware=config.require_hardware,
            kernels=self._maker.take_kernels(), conversion_seconds=CONVERSION_SECONDS,
        )  # fmt: skip
        # Decoding may begin with pictures that lack references, and become something all the same.
        self._ledger = PictureLedger(config.on_error, self.account, sees_lack=False)
        self._samples = reader_for(config.codec)
        self._order: OutputOrder[_Decoded] = OutputOrder()
        self._planned: PlannedImage | None = None  # for the parameter sets in force
        self._held: Sample | None = None  # what goes with it may come
        self._under_way: dict[int, Sample] = {}  # the worker reads their data
        self._dropped: list[dict[int, Sample]] = []  # the same, until a reset is done
        self._marks: deque[_Item] = deque()
        self._refused: str | None = None
        self._frames_dropped = 0
        super().__init__(
            CoreChanged(self._core), max_ready=config.max_in_flight,
            max_queued_bytes=config.max_pending_bytes,
        )  # fmt: skip
        self._worker = threading.Thread(
            target=self._core.run, name=f"videohw-vt-{config.codec}", daemon=True
        )
        self._worker.start()

    def push(self, items: Sequence[_Item]) -> None:
        """Queue pictures; see :meth:`Session.push`."""
        super().push(items)
        self.account.submitted += sum(isinstance(item, CodedPicture) for item in items)

    def fail(self, error: VideoHwError) -> None:
        """Queue ``error``, to be raised when every picture before it is settled."""
        self.push([Refusal(error)])

    def describe(self) -> dict[str, Any]:
        """What decodes, and what was done with sessions of VideoToolbox so far."""
        known: dict[str, Any] = {
            "device": 0, "library": "VideoToolbox", "frames_dropped": self._frames_dropped,
            "attachments_disagreed": self._maker.disagreements, **self._maker.summary(),
        }  # fmt: skip
        return known if self.closed else {**known, **self._core.counters()}

    # What a session asks of its worker; the lock is held

    def _send(self, items: Sequence[_Item] | Sequence[Control]) -> None:
        for item in items:
            if isinstance(item, CodedPicture):
                self._send_picture(item)
                continue
            self._send_held()
            if isinstance(item, Refusal):
                self._mark(item)
            elif isinstance(item, Drain):
                self._order.end()
                self._samples.begin()
                self._core.push_drain(item.number)
            else:
                self._core.reset(item.epoch)

    def _send_picture(self, item: CodedPicture) -> None:
        sample = self._samples.read(item)
        if sample.lacks is not None and sample.lacks != self._refused:
            self._refused = sample.lacks
            self._send_held()
            self._mark(Refusal(no_form(item, sample.lacks)))
        if item.keyframe and sample.lacks is None:
            self._refused = None
        if self._refused is not None and item.skip is None:
            item.skip = "undecodable"
        if item.skip is not None:
            self._send_held()
            self._mark(item)
        else:
            if sample.new_sets is not None:
                assert sample.sps is not None
                size = sample.sps.width, sample.sps.height
                self._planned = self._maker.plan(sample)
                conversion = None if self._planned is None else self._planned.conversion
                self._core.push_sequence(sample.sets_number, *sample.new_sets, *size, conversion)
            sample.planned = self._planned
            if self._held is not None and sample.goes_with_last:
                self._held.join(sample)
            else:
                self._send_held()
                self._held = sample
            if not self._held.waits:
                self._send_held()

    def _send_held(self) -> None:
        """What waits for another part, with what was joined to it."""
        sample, self._held = self._held, None
        if sample is None:
            return
        if sample.is_shown:
            self._send_sample(sample)
            return
        for item in sample.items:  # nothing refers to them any more
            item.skip = item.silent
            self._mark(item)

    def _send_sample(self, sample: Sample) -> None:
        self._under_way[sample.serial] = sample
        self._order.add(sample.serial, sample.sequence, sample.count, sample.reorder)
        self._core.push_picture(
            sample.data, sample.serial, sample.time, sample.items[0].keyframe, sample.sets_number
        )

    def _mark(self, item: _Item) -> None:
        self._marks.append(item)
        self._core.push_mark()

    def _forget_input(self) -> None:
        self._dropped.append(self._under_way)
        self._under_way = {}
        self._held = None
        self._marks.clear()
        self._order.clear()
        self._samples.begin()
        self._ledger.forget()
        if self._closed_reason is not None:
            self._core.close()

    def _waiting_items(self) -> int:
        return int(self._core.queued())

    def _join(self, seconds: float) -> None:
        # In a forked child it is not alive, and the lock of the core may be held for ever.
        if self._worker.is_alive() and self._worker is not threading.current_thread():
            join_unless_stuck(self._worker, seconds, self._is_stuck)
        if not self._worker.is_alive():
            self._dropped.clear()

    def _is_stuck(self) -> bool:
        return self._core.busy_seconds() > STUCK_SECONDS

    def _released(self, count: int) -> None:
        self._core.set_ready(self._ready.count)

    # What the worker has ready; the lock is held

    def _collect(self) -> None:
        if self._closed_reason is not None:
            return
        assert isinstance(self._changed, CoreChanged)
        self._changed.look()
        # What may not be shown yet for lack of room is held, and with it all that came later.
        while self._show_ready():
            stale = self._core.resets_done() != self._epoch  # what comes is of before a reset
            event = self._core.pop()
            if event is None:
                break
            if not stale:
                self._handle(*event)
        if self._dropped and self._core.resets_done() == self._epoch:
            self._dropped.clear()
        self._resets_done = self._core.resets_done()
        self._core.set_ready(self._ready.count)
        if not self._failed and self._core.busy_seconds() > STUCK_SECONDS:
            self._abandon(stuck(STUCK_SECONDS))

    def _handle(
        self, kind: int, serial: int, call: str | None, code: int, flags: int, image: Any,
        made: Any, nanoseconds: int, converting: int,
    ) -> None:  # fmt: skip
        if kind == _vt.BEGUN:
            self._begun(serial)
        elif kind == _vt.ENDED:
            self._ended(serial, call, code, flags, image, made)
            self._spent("code", nanoseconds)
            self._spent("convert", converting)
        elif kind == _vt.MARK:
            self._marked(self._marks.popleft())
        elif kind == _vt.DRAINED:
            self._spent("drain", nanoseconds)
            self._ledger.end()
            self._release_errors()
            self._ready.append_drained(serial)
            return
        else:
            self._append(lost(call, code))
            return
        self._release_errors()

    def _spent(self, stage: str, nanoseconds: int) -> None:
        if self.meter is not None and nanoseconds:
            self.meter.spent(stage, nanoseconds)

    def _begun(self, serial: int) -> None:
        sample = self._under_way.get(serial)
        for item in sample.items if sample is not None else ():
            if self.meter is not None:
                self.meter.started(item)
            self._ledger.fed(item)

    def _ended(
        self, serial: int, call: str | None, code: int, flags: int, image: Any, made: Any
    ) -> None:
        sample = self._under_way.pop(serial, None)
        if sample is None:
            return  # dropped by a reset before it came
        self._queued_bytes -= sum(item.queued_bytes for item in sample.items)
        if code == REFERENCE_MISSING:
            self._ledger.lacking(serial)
        elif code:
            self._ledger.refused(serial, refusal(sample.items[0], call, code))
        elif flags & _vt.FRAME_DROPPED:
            self._frames_dropped += 1
            self._ledger.refused(serial, dropped(sample.items[0]))
        for item in sample.items:
            self._ledger.accepted(item.serial)
        shown = not code and not flags & _vt.FRAME_DROPPED
        self._order.put(serial, _Decoded(sample, image, made, shown, flags))

    def _show_ready(self) -> bool:
        """Show the pictures whose turn it is; False where there is no room for all of them."""
        while self._order.is_ready:
            if self._ready.count >= self._max_ready:
                return False
            self._show(*self._order.pop())
            self._release_errors()
        return True

    def _show(self, serial: int, decoded: _Decoded) -> None:
        """A picture whose turn it is."""
        if not decoded.shown:
            self._ledger.give_up(serial)
            return
        verdict = self._ledger.shown(serial, corrupt=False)
        if isinstance(verdict, Verdict):
            self._append(self._made(verdict, decoded))
        elif verdict is not None:
            self._append(verdict)

    def _marked(self, item: _Item) -> None:
        if self.meter is not None:
            self.meter.started(item)
        self._queued_bytes -= item.queued_bytes
        if isinstance(item, Refusal):
            self._ledger.input_error(item.error)
        else:
            self._ledger.skipped(item)

    def _made(self, verdict: Verdict, decoded: _Decoded) -> Frame | VideoHwError:
        """The frame, or the error in its place."""
        try:
            return self._maker.make(
                verdict.item, verdict.corrupt, decoded.sample, decoded.flags, decoded.image,
                decoded.made,
            )  # fmt: skip
        except VideoHwError as error:
            self._ledger.undeliverable()
            return error.with_traceback(None)  # which would keep the image
        except MemoryError:
            self._ledger.undeliverable()
            return no_memory(verdict.item)
        except Exception as error:
            self._ledger.undeliverable()
            return unexpected(error)

    def _release_errors(self) -> None:
        for error in self._ledger.released():
            self._append(error)
