"""Which backend does a job: one rule for decoders and encoders, that says why the others do not.

Must not know: any backend by name.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from .backend_table import AUTO, BACKENDS, load
from .environment import automatic_backends
from .errors import BackendError, InvalidInput, UnsupportedCodec, UnsupportedConfig
from .known_names import CODEC_ALIASES, DECODER_CODECS, ENCODER_CODECS
from .sessions.open_sessions import awaited_at_exit

if TYPE_CHECKING:
    from .backend import Backend
    from .decoder_config import DecoderConfig
    from .types import Capability

_CODECS: Final = {"decode": DECODER_CODECS, "encode": ENCODER_CODECS}
# No driver takes so long to start; whoever asks is told then that it does not.
STUCK_SECONDS = 30.0
# The backend that is asked first comes with this module: who opens something then waits for nothing
# but its driver.
load(next(iter(BACKENDS)))
# Backends with hardware that answered once, and those that are asked for the first time now.
_answered: Final[set[str]] = set()
_under_way: Final[dict[str, EarlyProbe]] = {}


class Selection(NamedTuple):
    """The backend taken, what its ``supports`` says, and the others with why they were not.

    ``refused`` holds (name, reason) pairs in the order of preference; backends that come after
    the one taken were not asked.
    """

    name: str
    backend: Backend
    capability: Capability
    refused: tuple[tuple[str, str], ...] = ()


def canonical_codec(codec: object, direction: Literal["decode", "encode"]) -> str:
    """The name of ``codec`` in our tables; "h265", "H.264", "avc" and the like are understood.

    :class:`UnsupportedCodec` for a name that no backend knows, :class:`InvalidInput` for
    anything but text.
    """
    if not isinstance(codec, str):
        raise InvalidInput(
            f"codec is {type(codec).__name__}, not text", argument="codec", hint='such as "h264"'
        )
    name = codec.lower()
    name = CODEC_ALIASES.get(name, name)
    if name not in _CODECS[direction]:
        raise UnsupportedCodec(
            f"codec {codec!r} cannot be {direction}d by any backend",
            hint=f"one of {', '.join(_CODECS[direction])}",
        )
    return name


def checked_options(backend: object, options: object) -> object:
    """``options`` of a decoder; InvalidInput where no backend that may be taken knows their type.

    What one of several knows is left to the one that is taken.
    """
    if options is None or not isinstance(backend, str):
        return options
    known: dict[str, str] = {}
    for name in _names(backend):
        taken = load(name).decoder_options()
        if isinstance(options, taken):
            return options
        known[name] = taken.__name__
    takers = ", ".join(f"the {name} backend takes {taken}" for name, taken in known.items())
    raise InvalidInput(
        f"options is {type(options).__name__}, {takers}",
        argument="options",
        hint="".join(f"videohw.{taken}(...), " for taken in known.values()) + "or None",
    )


class EarlyProbe:
    """The first backend to be asked is asked on a thread of its own, which the block waits for.

    A driver takes long to start and needs no interpreter for it: in a process's first ``with``
    block modules are imported meanwhile. The arguments are those of :func:`select`. Only of
    hardware: others are not ``asked``. Then there is what is ``missing``, as (reason, hint), or
    else the ``answer``. A driver that does not come back for :data:`STUCK_SECONDS` is missing.
    """

    def __init__(
        self, backend: str, codec: str, direction: Literal["decode", "encode"], device: int | str
    ) -> None:
        self.name = next(iter(_names(backend)), None)
        self.asked = False
        self.missing: tuple[str, str | None] | None = None
        self.answer: Capability | None = None
        self._job = codec, direction, device
        self._found: tuple[tuple[str, str | None] | None, Capability | None] | None = None
        self._thread = threading.Thread(target=self._probe, name="videohw-probe", daemon=True)

    def __enter__(self) -> EarlyProbe:
        if self.name in BACKENDS and load(self.name).HARDWARE and self.name not in _under_way:
            _under_way[self.name] = self
            self._thread.start()
            awaited_at_exit.add(self._thread)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._thread.ident is not None and error is None:  # Ctrl-C does not wait
            late = self.late()
            found = self._found if late is None else (late, None)
            if found is not None:
                self.asked = True
                self.missing, self.answer = found

    def late(self) -> tuple[str, str | None] | None:
        """Wait for the driver; what is missing when it does not come back, or None."""
        self._thread.join(STUCK_SECONDS)
        if self.name is None or not self._thread.is_alive():
            return None
        call = load(self.name).calling()
        return (
            f"the driver did not start within {STUCK_SECONDS:g} seconds"
            + (f": {call} does not come back" if call else ""),
            "see the system's log; restart the process, and the machine if that does not help",
        )

    @property
    def running(self) -> bool:
        """Whether the driver is still starting, so is there."""
        return self._thread.is_alive()

    def load_decoder(self, config: DecoderConfig) -> None:
        """Import what the backend decodes with, as long as it is :attr:`running`."""
        if self.name is not None and self.running:
            from .types import capability  # noqa: F401  # before the driver is there and answers

            with suppress(ImportError):  # a build without that backend, as the probe will say
                for _ in load(self.name).load_decoder(config):
                    if not self._thread.is_alive():
                        break

    def _probe(self) -> None:
        if self.name is None:
            return
        try:
            module = load(self.name)
            missing = module.missing(self._job[2])
            self._found = missing, None if missing else module.supports(*self._job)
            _answered.add(self.name)
        except Exception:  # asked again by `select`, where it is seen
            self._found = None
        finally:
            _under_way.pop(self.name, None)


def _first_answer(
    name: str, codec: str, direction: Literal["decode", "encode"], device: int | str
) -> EarlyProbe | None:
    """Ask a backend that never answered, for so long; None when it can be asked without."""
    if name in _answered:
        return None
    asked = EarlyProbe(name, codec, direction, device)
    other = _under_way.get(name)
    if other is None or not other.running:  # in a forked child it is not
        _under_way.pop(name, None)
        with asked:
            return asked
    asked.missing = other.late()
    asked.asked = asked.missing is not None
    return asked


def _names(backend: str) -> tuple[str, ...]:
    """The backends that are asked, in this order."""
    return tuple(automatic_backends(BACKENDS)) if backend == AUTO else (backend,)


def select(
    codec: str,
    direction: Literal["decode", "encode"],
    backend: str = AUTO,
    require_hardware: bool = False,
    device: int | str = 0,
    early: EarlyProbe | None = None,
) -> Selection:
    """The first backend of the table that is available, allowed and does ``codec``.

    ``codec`` is a canonical name. ``backend`` names one, or "auto" takes the first that can, of
    those that VIDEO_HW_BACKENDS allows (:func:`~videohw.environment.automatic_backends`).
    :class:`UnsupportedCodec` when every backend asked works but none does this codec, else
    :class:`UnsupportedConfig`; both name each backend with what was missing. Its cause is the
    :class:`BackendError` where the one backend asked failed to answer. ``early``, of the same
    arguments, has the answers of its backend.
    """
    if not isinstance(backend, str):
        raise InvalidInput(
            f"backend is {type(backend).__name__}, not text", argument="backend", hint='or "auto"'
        )
    names = _names(backend)
    left_out = [name for name in BACKENDS if backend == AUTO and name not in names]
    # That they were left out says nothing of the codec.
    refused = [
        _Refused(name, "VIDEO_HW_BACKENDS leaves it out", lacks_codec=True) for name in left_out
    ]
    for position, name in enumerate(names):
        module = load(name)
        answer = _ask(name, module, codec, direction, require_hardware, device, early)
        if not isinstance(answer, _Refused):
            reasons = [(other.name, other.reason) for other in refused]
            reasons += [(later, f"{name} comes first") for later in names[position + 1 :]]
            return Selection(name, module, answer, tuple(reasons))
        refused.append(answer)
    what = "no hardware backend can" if require_hardware else "no backend can"
    text = "; ".join(f"{each.name}: {each.reason}" for each in refused)
    if require_hardware and not any(load(name).HARDWARE for name in BACKENDS):
        text += "; this build has no hardware backend"
    hint = "; ".join(dict.fromkeys(each.hint for each in refused if each.hint)) or None
    lacks_codec = all(each.lacks_codec for each in refused)
    message = f"{what} {direction} {codec}: {text}"
    if lacks_codec:
        raise UnsupportedCodec(message, hint=hint)
    arguments = {each.argument for each in refused}
    raise UnsupportedConfig(
        message, argument=arguments.pop() if len(arguments) == 1 else None, hint=hint
    ) from (refused[0].error if len(refused) == 1 else None)


class _Refused(NamedTuple):
    """Why a backend does not do a job. ``lacks_codec``: it works, but not for this codec.

    ``argument`` is the one that asks for what it has not, ``error`` what asking failed with.
    """

    name: str
    reason: str
    hint: str | None = None
    lacks_codec: bool = False
    argument: str | None = None
    error: BackendError | None = None


def _ask(
    name: str,
    module: Backend,
    codec: str,
    direction: Literal["decode", "encode"],
    require_hardware: bool,
    device: int | str,
    early: EarlyProbe | None,
) -> Capability | _Refused:
    if require_hardware and not module.HARDWARE:
        reason = "it is software and require_hardware=True"
        return _Refused(name, reason, argument="require_hardware")
    asked = early if early is not None and early.name == name else None
    if module.HARDWARE and not (asked and asked.asked):
        asked = _first_answer(name, codec, direction, device)
    missing = asked.missing if asked and asked.asked else module.missing()
    if missing is not None:
        return _Refused(name, *missing)
    answer = (asked and asked.answer) or module.supports(codec, direction, device)
    if answer.supported and (answer.hardware or not require_hardware):
        return answer
    if answer.failed:
        reason = answer.reason or "it could not be asked"
        return _Refused(name, reason, answer.hint, error=answer.error)
    if answer.supported:
        reason = "it does so in software here, and require_hardware=True"
        return _Refused(name, reason, argument="require_hardware")
    lacks_codec = device == 0 or not module.supports(codec, direction, 0).supported
    reason = answer.reason or f"it does not {direction} {codec}"
    argument = None if lacks_codec else "device"
    return _Refused(name, reason, answer.hint, lacks_codec=lacks_codec, argument=argument)
