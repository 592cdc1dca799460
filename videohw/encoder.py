"""``Encoder``: pictures in, coded packets out, on any backend.

Owns: the public class, the choice of backend, the settings of each picture. Must not know: any
codec library or driver.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import partial
from typing import Any

from . import arguments
from .backend import EncoderSession, EndOfGeneration, InputPicture, SessionSwitch
from .backend_table import AUTO
from .color import ColorSpec
from .encoding.encoder_config import FrameRate, encoder_config, switched_config
from .encoding.input_times import InputTimes
from .encoding.session_switch import SwitchMode, SwitchPlan, SwitchRequest
from .errors import Backpressure, InvalidInput
from .known_names import DEFAULT_MAX_IN_FLIGHT_PACKETS
from .selection import canonical_codec, select
from .session_owner import SessionOwner, with_time
from .sessions.deadline import deadline_after, remaining
from .types import EncoderConfig, Packet, RateControl


class Encoder(SessionOwner):
    """Codes pictures into :class:`~videohw.types.Packet`.

    Pictures go in by :meth:`submit`; packets come out by :meth:`try_reap`, :meth:`reap_timeout`,
    :meth:`flush` or iteration, in decode order, while pictures still go in. Every method may be
    called from any thread; coding runs on a thread of the session.

    - ``codec``: "h264", "hevc", "av1" or "prores". ``width``, ``height``: pixels.
    - ``fps``: nominal frames per second, as an int, a Fraction, (numerator, denominator) or a
      float (29.97 is taken as 30000/1001). It steers the rate control and is the step of a pts
      that is not given. ``time_base``: seconds per unit of pts, None is 1/fps.
    - ``backend``: "auto" takes the first that can, hardware first; :meth:`summary` says which,
      and why not the others. ``require_hardware`` refuses software. ``device``: number or name.
    - ``input``: format of the arrays given to :meth:`submit`, named by byte order in memory:
      "nv12", "p010", "i420", "rgb24", "bgr24", "rgba", "bgra" (alpha is ignored).
    - ``rate_control``: ConstantBitrate, VariableBitrate, ConstantQuality or ConstantQp. None is
      ConstantQuality at 23 (H.264), 28 (HEVC), 35 (AV1); ProRes takes none, nor a ``gop``.
    - ``gop``: frames between keyframes, 0 only the first, None as the backend likes.
      ``b_frames``: consecutive B-pictures at most. ``low_latency``: each picture's packet comes
      before the next picture is needed.
    - ``profile``: "high", "main10" and so on (``capabilities`` lists them). One with 10 bits,
      4:2:2 or 4:4:4 decides the coded format; without, it is 4:2:0 in the depth of ``input``.
      ``preset``: "fastest", "fast", "balanced", "quality", "best".
    - ``color``: what is written into the stream, and the matrix that RGB is converted with. What
      it leaves out is BT.709 from 720 lines up, BT.601 below, limited range. Its ``bit_depth``
      is not used.
    - ``layout``: "annexb", where keyframes carry their parameter sets, or "length_prefixed" with
      4-byte lengths and the sets only in :attr:`extradata`, as MP4 wants it. AV1 is temporal
      units of OBUs in both, ProRes frames: its packets have the layout "frame".
    - ``max_in_flight``: packets that may wait to be reaped, and pictures that may wait to be
      coded. ``options``: the backend's own, such as :class:`SoftwareEncoderOptions`.
    - ``metrics``: whether :meth:`metrics` measures; None as ``VIDEO_HW_*_METRICS`` says.

    Raises :class:`InvalidInput` for a wrong argument, :class:`UnsupportedCodec` and
    :class:`UnsupportedConfig` with what was missing on each backend, or what it cannot do.
    """

    _config: EncoderConfig
    _session: EncoderSession
    _direction = "encode"

    def __init__(
        self,
        codec: str,
        width: int,
        height: int,
        *,
        fps: FrameRate,
        backend: str = AUTO,
        input: str = "nv12",
        device: int | str = 0,
        require_hardware: bool = False,
        rate_control: RateControl | None = None,
        gop: int | None = None,
        b_frames: int = 0,
        profile: str | None = None,
        preset: str = "balanced",
        low_latency: bool = False,
        color: ColorSpec | None = None,
        layout: str = "annexb",
        time_base: Fraction | tuple[int, int] | None = None,
        max_in_flight: int = DEFAULT_MAX_IN_FLIGHT_PACKETS,
        metrics: bool | None = None,
        options: object | None = None,
    ) -> None:
        codec = canonical_codec(codec, "encode")
        require_hardware = arguments.boolean("require_hardware", require_hardware)
        if metrics is None:  # an option of the predecessor has another name for it
            metrics = getattr(options, "report_metrics", None)
        measured = None if metrics is None else arguments.boolean("metrics", metrics)
        self._config = encoder_config(
            codec, width, height, fps=fps, input=input, device=device, rate_control=rate_control,
            gop=gop, b_frames=b_frames, profile=profile, preset=preset, low_latency=low_latency,
            color=color, layout=layout, time_base=time_base, max_in_flight=max_in_flight,
            options=options,
        )  # fmt: skip
        self._requested_backend = backend
        self._selection = select(codec, "encode", backend, require_hardware, self._config.device)
        self._submitting = threading.Lock()
        self._plan = SwitchPlan(self._config)
        self._times = InputTimes(self._config.time_base)
        self._serial = 0
        # Last, so that one that Ctrl-C interrupts here is whole, and can be given up.
        self._session = self._selection.backend.open_encoder(self._config)
        self._measure(measured, self._config.time_base)

    # Input

    def submit(
        self,
        frame: Any,
        pts: int | None = None,
        *,
        force_keyframe: bool = False,
        options: object | None = None,
        timeout: float | None = 0,
    ) -> None:
        """Queue one picture; its pixels are copied, so the caller may change them at once.

        ``frame``, by the ``input`` format: rgb24 and bgr24 (height, width, 3), rgba and bgra
        (height, width, 4), nv12, p010 and i420 (height * 3 // 2, width), all uint8, p010 uint16
        with the value in the upper ten bits. Or a tuple of planes: (Y, UV) with UV (height / 2,
        width / 2, 2) or (height / 2, width), or (Y, U, V). Or bytes of exactly one picture.
        Arrays may have any strides, and may be anything in host memory with ``__dlpack__``. A
        :class:`Frame` or ``av.VideoFrame`` comes in its own pixel format and colour and is
        converted to the encoder's.

        ``pts`` in ``time_base``, above the last one. None takes the frame's own pts when it has
        one with a time base, else the previous one plus one frame (0 for the first).
        ``force_keyframe`` makes this picture a keyframe that decoding may start at.
        ``options``: the backend's own for this picture, such as :class:`NvidiaPictureOptions`.
        ``timeout``: seconds to wait while a limit is reached, None for ever. The thread that
        reaped last does not wait for itself: with ``max_in_flight`` packets ready it gets
        Backpressure at once, whatever the timeout.

        :class:`Backpressure` when a limit is still reached, :class:`InvalidInput` for a wrong
        argument: nothing was taken and the call may be repeated. :class:`SessionClosed`.
        """
        force_keyframe = arguments.boolean("force_keyframe", force_keyframe)
        deadline = deadline_after(arguments.seconds("timeout", timeout))
        meter = self._session.meter
        began = 0 if meter is None else meter.now()
        try:
            byte_count = self._submit(frame, pts, force_keyframe, options, deadline, began)
        except Backpressure:
            if meter is not None:
                meter.refused()
            raise
        if meter is not None:
            meter.taken(began, byte_count)

    def _submit(
        self, frame: Any, pts: int | None, force_keyframe: bool, options: object | None,
        deadline: float | None, began: int,
    ) -> int:  # fmt: skip
        """Queue the picture; its bytes. No other thread waits while it is staged."""
        plan, session = self._plan, self._session
        meter, spent = session.meter, 0
        staged: tuple[Any, int] = None, 0
        made_for: SessionSwitch | None = None
        while True:
            serial = self._serial
            session.admit(remaining(deadline))
            switch = plan.due(session.stream, force_keyframe) or plan.in_force
            if switch is not made_for:
                since = 0 if meter is None else meter.now()
                staged, made_for = session.stage(frame, switch, options), switch
                spent += 0 if meter is None else meter.now() - since
            with self._submitting:
                if self._serial != serial:  # another thread was faster
                    try:
                        session.admit(0)
                    except Backpressure:
                        if remaining(deadline) == 0:
                            raise
                        continue
                if meter is not None:
                    meter.pushing(began)
                if self._pushed(frame, pts, force_keyframe, switch, *staged):
                    if meter is not None:
                        meter.staged(spent)
                    return staged[1]

    def _pushed(
        self, frame: Any, given_pts: int | None, force_keyframe: bool, switch: SessionSwitch,
        pixels: Any, queued_bytes: int,
    ) -> bool:  # fmt: skip
        """Queue what was staged for ``switch``, unless a flush or another switch came between."""
        plan, stream = self._plan, self._session.stream
        starting = plan.due(stream, force_keyframe)
        if (starting or plan.in_force) is not switch:
            return False
        exact, pts = self._times.of(frame, given_pts)
        picture = InputPicture(
            serial=self._serial,
            pixels=pixels,
            pts=pts,
            duration=round(switch.frame_duration),
            force_keyframe=force_keyframe,
            queued_bytes=queued_bytes,
            generation=switch.generation,
        )
        items: list[InputPicture | SessionSwitch] = [picture]
        if starting is not None:
            starting.first_pts = pts
            items.insert(0, starting)
        if not self._session.push_into(stream, items):
            if starting is not None and starting.state == "failed":  # it went alone
                plan.refused(starting)
            return False
        plan.took(stream, force_keyframe, switch, starting)
        self._times.took(exact, pts, switch.frame_duration)
        self._serial += 1
        return True

    def request_session_switch(self, request: SwitchRequest) -> int:
        """Change settings while the encoder runs; the generation that the switch will become.

        ``request`` says what changes, and from which picture on (:class:`SwitchMode`). Packets
        of that picture and of those after it carry the generation returned. No packet is lost,
        pts stay, dts go on increasing. Where the running encoder takes the new settings (other
        numbers of the same kind of rate control, as :meth:`summary` says in
        ``switch_reconfigures``) no keyframe is made, except by DRAIN_THEN_SWAP. A size that it
        takes begins with a keyframe (IDR), and so does a new encoder, which all else needs: the
        only one that a switch makes. Pictures must have the size in force, see :attr:`width`.

        The new encoder is opened here, beside the running one, so what it refuses is raised here
        and changes nothing: :class:`InvalidInput`, or :class:`UnsupportedConfig` with the
        argument where it is known, :class:`SessionClosed`. Until its first picture is submitted
        the switch is pending, and another request replaces it. Should it fail then, the encoder
        goes on with the settings before, and the error is raised, once and not fatal, by the
        reap or flush that reaches this place. :meth:`summary` shows the newest in ``switch``.
        """
        if not isinstance(request, SwitchRequest):
            raise InvalidInput(
                f"request is {type(request).__name__}",
                argument="request",
                hint='SwitchRequest({"rate_control": ConstantBitrate(1_000_000)})',
            )
        rebuild = request.mode is SwitchMode.DRAIN_THEN_SWAP
        while True:
            base = self._plan.in_force
            config = switched_config(base.config, request.changes)
            prepared = self._session.prepare(config, base, rebuild=rebuild)
            with self._submitting:
                if self._plan.in_force is base:
                    return self._ask(request, SessionSwitch(0, config, prepared))
            self._session.discard(prepared)  # made for settings that are not in force any more

    def _ask(self, request: SwitchRequest, switch: SessionSwitch) -> int:
        plan = self._plan
        drains = request.mode is SwitchMode.DRAIN_THEN_SWAP
        if drains and not plan.starts(self._session.stream):
            self._session.push([EndOfGeneration()])
            plan.drained()
        switch.generation = plan.next_generation
        replaced = plan.ask(request, switch)
        if replaced is not None and replaced.prepared is not None:
            self._session.discard(replaced.prepared)
        return switch.generation

    # Output

    def try_reap(self) -> Packet | None:
        """The next packet in decode order, or None when none is ready.

        Raises the error that stands next in that order, once; the session goes on unless the
        error is ``fatal``.
        """
        return self._session.take(0)

    def reap_timeout(self, seconds: float | None) -> Packet | None:
        """The next packet, waiting up to ``seconds`` (None: for ever) for it; else None."""
        return self._session.take(arguments.seconds("seconds", seconds))

    def flush(self, timeout: float | None = None) -> list[Packet]:
        """End of stream: every packet still to come, in decode order.

        :class:`TimeoutError` when that takes longer than ``timeout`` seconds: nothing is lost,
        the next call goes on. The encoder takes pictures again afterwards; the next one is a
        keyframe with parameter sets, and its pts must be above the last.
        """
        packets = self._session.drain(arguments.seconds("timeout", timeout))
        self._log("flush")
        return packets

    def __iter__(self) -> Iterator[Packet]:
        """End of stream like :meth:`flush`, one packet at a time."""
        yield from self._session.draining()
        self._log("flush")

    def encode(self, pictures: Iterable[Any]) -> Iterator[Packet]:
        """Every packet of a whole stream, in decode order, by the calling thread alone.

        ``pictures`` are what :meth:`submit` takes, each alone or as (picture, pts). They are
        taken from their source as fast as packets are asked for, with no more than the limits
        of the encoder under way. At their end the stream ends, as by :meth:`flush`. An error is
        raised in its place and ends this iterator, not the encoder.
        """
        for each in pictures:
            picture, pts = with_time(each)
            yield from self._through(partial(self.submit, picture, pts))
        yield from self

    # Life

    def __repr__(self) -> str:
        state = " closed" if self.closed else ""
        config = self._next
        return f"<Encoder {config.codec} {config.width}x{config.height} on {self.backend}{state}>"

    @property
    def _next(self) -> EncoderConfig:
        """The settings of the next picture, if it is not forced to be a keyframe."""
        plan = self._plan
        return (plan.due(self._session.stream) or plan.in_force).config

    @property
    def width(self) -> int:
        """Width in pixels that the next picture must have.

        With a switch ON_NEXT_KEYFRAME to another size pending, one that is submitted with
        ``force_keyframe`` must have that size already.
        """
        return self._next.width

    @property
    def height(self) -> int:
        """Height in pixels that the next picture must have; see :attr:`width`."""
        return self._next.height

    @property
    def fps(self) -> Fraction:
        """Nominal frames per second from the next picture on."""
        return self._next.fps

    @property
    def time_base(self) -> Fraction:
        """Seconds per unit of pts, dts and duration."""
        return self._config.time_base

    @property
    def extradata(self) -> bytes | None:
        """The configuration record of the newest parameter sets: avcC, hvcC (ISO/IEC 14496-15)
        or av1C. None until the first keyframe is coded, and of ProRes."""
        return self._session.extradata

    @property
    def parameter_sets(self) -> bytes | None:
        """The newest parameter sets as Annex-B NAL units (AV1: the sequence header OBU). None
        until the first keyframe is coded."""
        return self._session.parameter_sets

    def summary(self) -> dict[str, Any]:
        """What was opened, why on this backend, and what became of the pictures so far.

        ``submitted == delivered + sum(reasons.values())`` after every flush. Reasons: "error",
        which was raised, and "dropped" by the codec library, raised too. ``delivered`` counts
        packets handed out. ``generation`` is that of the newest picture, ``switch`` the newest
        request: its state ("pending", "active" from its first picture on, "failed"), generation,
        mode, changes, whether it reconfigures the running encoder, and the error of a failed
        one; None when there was none. ``abandoned``: a call of the driver did not come back, and
        what it holds is left to it.
        """
        config, account = self._next, self._session.account
        ready, _, queued_bytes = self._session.depth
        return {
            "codec": config.codec,
            "direction": "encode",
            "backend": self._selection.name,
            "requested_backend": self._requested_backend,
            "hardware": self._selection.capability.hardware,
            "refused": dict(self._selection.refused),
            "width": config.width,
            "height": config.height,
            "fps": config.fps,
            "time_base": config.time_base,
            "input": config.input,
            "layout": config.layout,
            "rate_control": config.rate_control,
            **self._session.describe(),
            "generation": self._plan.in_force.generation,
            "switch": self._plan.describe(),
            "submitted": account.submitted,
            "delivered": self._session.taken,
            "reasons": dict(account.reasons),
            "ready": ready,
            "queued_bytes": queued_bytes,
            "max_in_flight": config.max_in_flight,
            "abandoned": self._session.abandoned,
        }
