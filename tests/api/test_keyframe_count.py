"""Where a switch that waits for a keyframe acts: at the pictures that the encoder makes keyframes,
whatever becomes of the switches before, and whenever that is known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from videohw.backend import SessionSwitch
from videohw.encoding.encoder_config import encoder_config
from videohw.encoding.session_switch import SwitchMode, SwitchPlan, SwitchRequest
from videohw.types import EncoderConfig

SIZES: Final = ((64, 64), (96, 96), (128, 96))
RATE: Final = SwitchRequest({"fps": 25})
WAITS: Final = SwitchRequest({"fps": 25}, SwitchMode.ON_NEXT_KEYFRAME)


@dataclass(frozen=True)
class Made:
    """What a backend prepared: a change of the running encoder, or a new one."""

    reconfigures: bool
    makes_keyframe: bool


@dataclass
class Item:
    """A picture as the encoder gets it, behind the switch that it starts, if any."""

    switch: SessionSwitch
    starts: bool
    begins: bool  # a stream
    forced: bool


class Encoder:
    """The encoder that the pictures go to, one by one, with all that happens to it."""

    def __init__(self, config: EncoderConfig) -> None:
        self.config = config
        self.position = 0  # in its GOP
        self.begins = True  # a stream

    def changed(self, switch: SessionSwitch) -> None:
        """Told to go on with other settings: a new one, or it refuses, or it takes them."""
        made, resized = switch.prepared, size_of(switch.config) != size_of(self.config)
        assert made is not None
        if switch.state == "failed":
            self.begins |= made.reconfigures and resized
        elif made.reconfigures:
            self.begins |= resized or made.makes_keyframe
            self.config = switch.config
        else:
            self.config, self.position, self.begins = switch.config, 0, True

    def next_is_keyframe(self) -> bool:
        gop = self.config.gop
        return self.begins or (gop not in (None, 0) and self.position == gop)

    def coded(self, item: Item) -> None:
        """A picture comes; one of another size is refused, and counts for nothing."""
        if item.starts:
            self.changed(item.switch)
        self.begins |= item.begins
        if size_of(item.switch.config) != size_of(self.config):
            return
        if self.next_is_keyframe() or item.forced:
            self.position, self.begins = 0, False
        self.position += 1


def size_of(config: EncoderConfig) -> tuple[int, int]:
    return config.width, config.height


def opened(gop: int | None) -> EncoderConfig:
    return encoder_config(
        "h264", *SIZES[0], fps=30, input="nv12", device=0, rate_control=None, gop=gop, b_frames=0,
        profile=None, preset="fast", low_latency=False, color=None, layout="annexb",
        time_base=None, max_in_flight=6, options=None,
    )  # fmt: skip


@st.composite
def switched(draw: st.DrawFn, base: EncoderConfig) -> tuple[EncoderConfig, Made]:
    """Other settings than ``base``, and how they come."""
    kind = draw(st.sampled_from(["rate", "size", "new", "new size"]))
    config = base
    if "size" in kind:
        width, height = draw(st.sampled_from([each for each in SIZES if each != size_of(base)]))
        config = replace(config, width=width, height=height)
    if "new" in kind:
        config = replace(config, gop=draw(st.sampled_from([None, 0, 2, 3])))
        return config, Made(reconfigures=False, makes_keyframe=True)
    return config, Made(reconfigures=True, makes_keyframe=kind == "size")


STEPS: Final = st.lists(
    st.sampled_from(["picture", "picture", "picture", "force", "flush", "ask", "fail", "do"]),
    min_size=4, max_size=40,
)  # fmt: skip


@settings(max_examples=600)  # a switch, its pictures and its end have to meet; 2 seconds
@given(st.sampled_from([None, 0, 1, 2, 3, 5]), STEPS, st.data())
def test_keyframes_are_counted_as_the_encoder_makes_them(
    gop: int | None, steps: list[str], data: st.DataObject
) -> None:
    config = opened(gop)
    plan, items, stream = SwitchPlan(config), [], 0
    queued: list[SessionSwitch] = []
    for step in steps:
        if step in ("picture", "force"):
            forced = step == "force"
            begins = plan.starts(stream)
            starting = plan.due(stream, forced)
            switch = starting or plan.in_force
            plan.took(stream, forced, switch, starting)
            items.append(Item(switch, starting is not None, begins, forced))
            if starting is not None:
                queued.append(starting)
        elif step == "flush":
            stream += 1
        elif step == "ask":
            changed, made = data.draw(switched(plan.in_force.config))
            plan.ask(RATE, SessionSwitch(plan.next_generation, changed, made))
        elif queued:  # what became of the oldest comes to be known
            queued.pop(0).state = "failed" if step == "fail" else "active"
        if plan.due(stream) is not None:
            continue  # a switch that does not wait
        encoder = Encoder(config)
        for item in items:
            encoder.coded(item)
        asked = SessionSwitch(plan.next_generation, plan.in_force.config)
        plan.ask(WAITS, asked)
        expected = plan.starts(stream) or encoder.next_is_keyframe()
        assert (plan.due(stream) is asked) == expected
        plan._pending = None
