"""Decoding on NVDEC: what callers see of a session whose worker never runs Python.

Owns: the step from events of the native session to frames and errors. Must not know: what
``on_error`` asks (the ledger does), how the driver is called (``_nv`` does).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from .. import _cuda, _nv
from ..backend import Account, CodedPicture, SequenceInfo
from ..decoder_config import DecoderConfig
from ..decoding.fault_policy import PictureLedger, Verdict
from ..errors import InvalidInput, VideoHwError
from ..known_names import DEFAULT_NVDEC_SURFACES
from ..sessions.core_changed import CoreChanged, join_unless_stuck
from ..sessions.open_sessions import when_all_are_closed
from ..sessions.ready_outputs import unexpected
from ..sessions.session import Control, Drain, Session
from . import devices
from .capabilities import CODECS
from .failures import lost, never_decoded, no_memory, no_plan, no_tool, refusal, repeated

if TYPE_CHECKING:
    from ..frame import Frame
    from .frames import FrameMaker
    from .options import NvidiaDecoderOptions
    from .sequences import PictureForm

_MAPPED_SURFACES: Final = 2
# A parser holds at most 16 pictures for reordering. When more are owed, some were dropped without
# a word, and the oldest is given up.
_MOST_HELD: Final = 64
# No call of the driver takes so long on one picture; a worker inside one is not waited for.
STUCK_SECONDS = 30.0
# Nor does a decoder work so long on a picture; the session goes on with another one.
DECODING_SECONDS = 20.0
_IN_ORDER_CODECS: Final = ("h264", "hevc")
# Decoding may begin with pictures that lack references, and the driver decodes them to something.
_REORDERING_CODECS: Final = ("h264", "hevc", "mpeg1", "mpeg2", "mpeg4", "vc1")
_STATUS_BAD: Final = (8, 9)  # cuvidDecodeStatus_Error, _Error_Concealed
_STATUS_GOOD: Final = 2
_EXIT_SECONDS: Final = 2.0

_Item: TypeAlias = "CodedPicture | Refusal"


def _leave_devices() -> None:
    _cuda.wait_at_most(_EXIT_SECONDS)  # nor does a driver that does not come back hold up the exit
    _nv.close_pools(_EXIT_SECONDS)
    _cuda.release_devices()


when_all_are_closed.append(_leave_devices)


def open_session(config: DecoderConfig) -> NvidiaDecoderSession:
    """A running decoder for ``config``; InvalidInput or UnsupportedConfig when it cannot be."""
    options = None if config.options is None else _checked(config.options)
    context, stream = (None, None) if options is None else (options.context, options.stream)
    device = devices.opened(config.device, context)
    devices.check_stream(device, stream)
    return NvidiaDecoderSession(config, options, device)


def _checked(options: object) -> NvidiaDecoderOptions:
    from .options import NvidiaDecoderOptions  # most sessions have none

    if not isinstance(options, NvidiaDecoderOptions):
        raise InvalidInput(
            f"options is {type(options).__name__}, the nvidia backend takes NvidiaDecoderOptions",
            argument="options",
            hint="videohw.NvidiaDecoderOptions(...), or None",
        )
    return options


class Refusal(NamedTuple):
    """An error in its place among the pictures."""

    error: VideoHwError
    queued_bytes: int = 0


class NvidiaDecoderSession(Session[_Item, "Frame"]):
    """A decoder session of the NVIDIA backend (``videohw.backend.DecoderSession``)."""

    def __init__(
        self, config: DecoderConfig, options: NvidiaDecoderOptions | None, device: _cuda.Device
    ) -> None:
        self.account = Account()
        self._config = config
        self._device = device
        self._information = device.information  # a lost device cannot be asked
        self._driver_version = _cuda.driver_version() or (0, 0)
        self._decoders = _nv.decoders_of(device)
        if options is not None:
            _limit(self._decoders, options)
        self._core = _nv.Core(
            device, self._decoders, CODECS[config.codec],
            lag=DEFAULT_NVDEC_SURFACES if options is None else options.surfaces,
            mapped=_MAPPED_SURFACES, max_ready=config.max_in_flight,
            maps=config.output != "metadata", to_host=config.memory == "host",
            decoding_seconds=DECODING_SECONDS, stream=0 if options is None else options.stream or 0,
        )  # fmt: skip
        self._ledger = PictureLedger(
            config.on_error, self.account, sees_lack=config.codec not in _REORDERING_CODECS
        )
        self._maker: FrameMaker | None = None
        self._under_way: dict[int, CodedPicture] = {}  # the worker reads their data
        self._dropped: list[dict[int, CodedPicture]] = []  # the same, until a reset is done
        self._marks: deque[_Item] = deque()
        self._forms: dict[int, PictureForm | Callable[[], VideoHwError]] = {}
        self._refused_tool: str | None = None
        self._on_host = 0
        self._why_on_host: str | None = None
        # What the parser said of each sequence, by the number that goes with its pictures.
        self._infos: dict[int, SequenceInfo] = {0: SequenceInfo()}
        self._newest_info = 0
        self._changed: CoreChanged
        self._told_ready = 0
        super().__init__(
            CoreChanged(self._core), max_ready=config.max_in_flight,
            max_queued_bytes=config.max_pending_bytes,
        )  # fmt: skip
        self._worker = threading.Thread(
            target=self._run, name=f"videohw-nvdec-{config.codec}", daemon=True
        )
        self._worker.start()

    def push(self, items: Sequence[_Item]) -> None:
        """Queue pictures; see :meth:`Session.push`."""
        super().push(items)
        for item in items:
            self.account.submitted += isinstance(item, CodedPicture)
        self._frame_maker()  # while the worker has a decoder made

    def fail(self, error: VideoHwError) -> None:
        """Queue ``error``, to be raised when every picture before it is settled."""
        self.push([Refusal(error)])

    def describe(self) -> dict[str, Any]:
        """What decodes: the device, its driver, what was done with decoders so far."""
        if self.closed:
            return {"device": self._config.device}
        device = self._information
        major, minor = self._driver_version
        return {
            "device": device.ordinal,
            "device_name": device.name,
            "driver": f"CUDA {major}.{minor}",
            "safe_lifetime": True,  # there is no other mode
            **self._core.counters(),
            "decoders_idle": self._decoders.counters()["idle"],
            "converted_on_host": self._on_host,
            "why_on_host": self._why_on_host,
        }

    # The worker

    def _run(self) -> None:
        while self._core.run():
            number = self._core.sequence()["number"]
            try:
                self._forms[number] = self._planned()
            except VideoHwError as error:
                self._core.plan_nothing()
                self._forms[number] = repeated(error)
            except Exception as error:
                self._core.plan_nothing()
                self._forms[number] = repeated(unexpected(error))

    def _planned(self) -> PictureForm:
        from .frames import planned

        current: int = self._core.sequence()["info"]
        for old in [number for number in list(self._infos) if number < current]:
            del self._infos[old]
        return planned(self._core, self._device, self._config, self._infos[current])

    # What a session asks of its worker; the lock is held

    def _send(self, items: Sequence[_Item] | Sequence[Control]) -> None:
        for item in items:
            if isinstance(item, CodedPicture):
                self._send_picture(item)
            elif isinstance(item, Refusal):
                self._mark(item)
            elif isinstance(item, Drain):
                self._core.push_drain(item.number)
            else:
                self._core.reset(item.epoch)

    def _send_picture(self, item: CodedPicture) -> None:
        tool = item.info.rare_tool
        if tool is not None and tool != self._refused_tool:
            self._refused_tool = tool
            self._mark(Refusal(no_tool(tool, item)))
        if item.keyframe and tool is None and self._refused_tool is not None:
            self._refused_tool = None
            # What comes behind it and is shown before may refer to what was refused.
            item.open_start = item.unit is None or item.unit.random_access != "idr"
        if self._refused_tool is not None and item.skip is None:
            item.skip = "undecodable"
        if item.skip is not None:
            self._mark(item)
            return
        self._under_way[item.serial] = item
        sequence, newest = item.info.sequence, self._infos[self._newest_info]
        if sequence is not newest and sequence != newest:
            self._infos[self._newest_info + 1] = item.info.sequence
            self._newest_info += 1
        in_order = self._config.low_latency and not item.info.sequence.reorders
        self._core.push_picture(
            item.data, item.sets, item.serial, item.keyframe,
            in_order and self._config.codec in _IN_ORDER_CODECS, self._newest_info,
            *(item.info.sequence.size or () if self._config.codec == "vc1" else ()),
        )  # fmt: skip

    def _mark(self, item: _Item) -> None:
        self._marks.append(item)
        self._core.push_mark()

    def _forget_input(self) -> None:
        self._dropped.append(self._under_way)
        self._under_way = {}
        self._marks.clear()
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
        self._told_ready = self._ready.count
        self._core.set_ready(self._told_ready)

    # What the worker has ready; the lock is held

    def _collect(self) -> None:
        if self._closed_reason is not None:
            return
        version, self._resets_done, busy_seconds, events = self._core.collect()
        self._changed.saw(version)
        for event in events:
            self._handle(*event)
        if self._dropped and self._resets_done == self._epoch:
            self._dropped.clear()
        # The core counts every picture that it showed, this is how many of them became outputs.
        if events or self._ready.count != self._told_ready:
            self._released(0)
        if busy_seconds > STUCK_SECONDS and not self._failed:
            from ..status import did_not_come_back  # with tables of what every code means

            self._abandon(did_not_come_back(self._core.calling(), STUCK_SECONDS))

    def _handle(
        self, kind: int, serial: int, call: str | None, code: int, sequence: int, status: int,
        progressive: bool, top_field_first: bool, left_out: bool, pixels: Any, decoded_ns: int,
        converted_ns: int,
    ) -> None:  # fmt: skip
        ledger = self._ledger
        if kind == _nv.BEGUN:
            self._begun(self._under_way[serial], left_out)
        elif kind == _nv.ENDED:
            self._ended(serial, call, code)
            self._spent("code", decoded_ns)
        elif kind == _nv.SHOWN:
            self._spent("convert", decoded_ns + converted_ns)
            ledger.give_up_before(serial)
            self._release_errors()
            if status == _nv.NOTHING_DECODED:
                ledger.give_up(serial)
                self._release_errors()
                return
            verdict = ledger.shown(serial, corrupt=status in _STATUS_BAD)
            if isinstance(verdict, Verdict):
                if verdict.corrupt is False and status != _STATUS_GOOD:
                    verdict = verdict._replace(corrupt=None)
                self._append(
                    self._made(verdict, call, code, sequence, pixels, progressive, top_field_first)
                )
            elif verdict is not None:
                self._append(verdict)
        elif kind == _nv.MARK:
            self._marked(self._marks.popleft())
        elif kind == _nv.DRAINED:
            self._spent("drain", decoded_ns)
            if code:
                ledger.refused(None, _cuda.error(code, call or "a call", "cuvid"))
            ledger.end()
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

    def _begun(self, item: CodedPicture, left_out: bool) -> None:
        if self.meter is not None:
            self.meter.started(item)
        if left_out:
            item.skip = "undecodable"
            self._ledger.skipped(item)
        else:
            self._ledger.fed(item)

    def _ended(self, serial: int, call: str | None, code: int) -> None:
        item = self._under_way.pop(serial)
        self._queued_bytes -= item.queued_bytes
        if item.skip is not None:
            return
        if code:
            self._ledger.refused(serial, refusal(item, call, code, self._core.refused()))
        self._ledger.accepted(serial)
        while self._ledger.waiting > _MOST_HELD:
            self._ledger.give_up_oldest()
            self._release_errors()

    def _marked(self, item: _Item) -> None:
        if self.meter is not None:
            self.meter.started(item)
        self._queued_bytes -= item.queued_bytes
        if isinstance(item, Refusal):
            self._ledger.input_error(item.error)
        else:
            self._ledger.skipped(item)

    def _frame_maker(self) -> FrameMaker:
        if self._maker is None:
            from .frames import FrameMaker

            self._maker = FrameMaker(self._config, self._device)
        return self._maker

    def _made(
        self, verdict: Verdict, call: str | None, code: int, sequence: int, pixels: Any,
        progressive: bool, top_field_first: bool,
    ) -> Frame | VideoHwError:  # fmt: skip
        """The frame, or the error in its place."""
        for old in [number for number in list(self._forms) if number < sequence]:
            del self._forms[old]
        try:
            form = self._forms.get(sequence, no_plan(verdict.item))
            if callable(form):
                raise form()
            if code == _nv.NEVER_DECODED:
                raise never_decoded(verdict.item)
            if code:
                raise _cuda.error(code, call or "a call", "cuvid")
            if form.later is not None:
                self._on_host += 1
                self._why_on_host = form.why_later
            return self._frame_maker().make(
                form, verdict.item, verdict.corrupt, pixels, progressive=progressive,
                top_field_first=top_field_first,
            )  # fmt: skip
        except VideoHwError as error:
            self._ledger.undeliverable()
            return error
        except MemoryError as error:
            self._ledger.undeliverable()
            return no_memory(verdict.item, error)
        except Exception as error:
            self._ledger.undeliverable()
            return unexpected(error)

    def _release_errors(self) -> None:
        if self._ledger.has_errors:
            for error in self._ledger.released():
                self._append(error)


def _limit(decoders: _nv.Decoders, options: NvidiaDecoderOptions) -> None:
    if options.idle_decoder_bytes is not None or options.idle_decoder_seconds is not None:
        most, seconds = options.idle_decoder_bytes, options.idle_decoder_seconds
        decoders.set_limits(1 << 30 if most is None else most, 30.0 if seconds is None else seconds)
