"""The emulated cuvid does what a real one was seen to do (traces/h100-580), call by call."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.corpus import DATA
from tests.emulators.control import Emulator
from tests.hardware import packet_traces
from tests.hardware.caps import CUVID_CALLS
from tests.hardware.cuvid import CHROMA, CODECS, Driver, caps_of
from tests.hardware.misuse import ask
from tests.hardware.traces import FEEDINGS, Recorder, codec_of, slim

RECORDED = Path(__file__).parents[1] / "traces" / "h100-580"
STREAMS = sorted(path.name.removesuffix(".json") for path in RECORDED.glob("*.h26?.json"))
# Where pixels differ from the chip's, and why; the callbacks are the same. Status too, of the
# damaged ones: the chip finds damage that libavcodec decodes without a word, and the other way
# round.
OTHER_PIXELS = {
    "bitflips20.h265": "damaged: the chip conceals in another way than libavcodec",
    "truncated_mid_slice.h265": "damaged: the chip conceals in another way than libavcodec",
    "main444_8_odd.h265": "scaled from 175x143 to 176x144: the chip's filter is not known",
}
TRANSFORM = "the chip's inverse transform is another, as its standard allows"
SECOND_FIELD = "the second field is dropped: what its rows hold is not known"
RECONFIGURED = "a reference is displayed behind a reconfiguration: what it holds is not known"
BELOW = "vectors point below a height that is no multiple of 4: the chip repeats another row there"
# The same of streams of packets: why, and the feedings that do not differ.
OTHER_PIXELS_OF_PACKETS: dict[str, tuple[str, frozenset[str]]] = {
    "mpeg1_b2.m1v": (TRANSFORM, frozenset()),
    "mpeg2_interlaced.m2v": (TRANSFORM, frozenset()),
    "mpeg2_display": (TRANSFORM, frozenset()),
    "asp_interlaced_b1.m4v": (TRANSFORM, frozenset()),
    "asp_qpel_b2.m4v": (TRANSFORM, frozenset()),
    "packed_silent_headers.m4v": (TRANSFORM, frozenset()),
    "simple_headers_once.m4v": (TRANSFORM, frozenset()),
    "mpeg4_sizes": (TRANSFORM, frozenset()),
    "pictures.mjpeg": (TRANSFORM, frozenset()),
    "vc1_fields": (SECOND_FIELD, frozenset({"units-no-end-of-picture"})),
    "vc1_sizes": (RECONFIGURED, frozenset({"decode-order"})),
    "vc1_no_multiple_of_16": (BELOW, frozenset()),
}
PACKET_STREAMS = sorted(
    path.name.removesuffix(".json") for path in RECORDED.glob("*.json")
    if path.name.removesuffix(".json") in packet_traces.STREAMS
)  # fmt: skip
# What is asked in a process of its own; a crash is one there too.
MISUSES = json.loads((RECORDED / "misuse.json").read_text(encoding="utf-8"))


def comparable(events: list[list[Any]], *, pixels: bool) -> list[Any]:
    """Without what differs from run to run, and without pixels and what became of them."""
    left_out = {"status_before"} if pixels else {"status_before", "status", "md5"}
    kept = []
    for event in json.loads(json.dumps(slim(events))):
        if event[0] == "picture":
            facts = {name: value for name, value in event[2].items() if name not in left_out}
            event = [*event[:2], facts]
        kept.append(event)
    return kept


def compared(name: str, found: dict[str, list[list[Any]]]) -> set[str]:
    """The feedings whose pixels are not those of the trace; their callbacks are."""
    wanted = json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))
    assert set(found) == set(wanted)
    for how, events in found.items():
        assert comparable(events, pixels=False) == comparable(wanted[how], pixels=False), how
    return {
        how for how, events in found.items()
        if comparable(events, pixels=True) != comparable(wanted[how], pixels=True)
    }  # fmt: skip


@pytest.mark.parametrize("name", STREAMS)
def test_callbacks_and_pixels_are_those_of_the_trace(driver: Driver, name: str) -> None:
    data, codec = (DATA / "generated" / name).read_bytes(), codec_of(Path(name))
    found = {each.name: Recorder(driver, codec, each).run(data) for each in FEEDINGS}
    other_pixels = compared(name, found)
    assert bool(other_pixels) == (name in OTHER_PIXELS), other_pixels


@pytest.mark.parametrize("name", PACKET_STREAMS)
def test_packets_give_what_the_trace_has(driver: Driver, emulator: Emulator, name: str) -> None:
    pytest.importorskip("av", reason="PyAV is not installed")
    found = packet_traces.recorded(driver, name)
    why, same = OTHER_PIXELS_OF_PACKETS.get(name, ("", frozenset(found)))
    assert bool(emulator.misuses()) == (why == RECONFIGURED)
    assert compared(name, found) == set(found) - same


@pytest.mark.parametrize("how", ["early", "seed:1", "seed:2"])
def test_the_lateness_of_streams_changes_nothing(
    emulator: Emulator, driver: Driver, how: str
) -> None:
    emulator.streams(how)
    name = "main_cabac_b2.h264"
    recorded = json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))
    for feeding in FEEDINGS:
        found = Recorder(driver, "h264", feeding).run((DATA / "generated" / name).read_bytes())
        assert comparable(found, pixels=True) == comparable(recorded[feeding.name], pixels=True)


def test_capabilities_are_those_of_the_device(driver: Driver) -> None:
    facts = json.loads((RECORDED / "caps.json").read_text(encoding="utf-8"))
    assert [name for name in CUVID_CALLS if not hasattr(driver, name)] == []
    for codec in CODECS:
        for chroma in CHROMA:
            for depth in (8, 10, 12):
                code, found = caps_of(driver, codec, chroma, depth)
                assert {"code": code, **found} == facts["decode"][f"{codec} {chroma} {depth}"]


@pytest.mark.parametrize("name", MISUSES)
def test_a_misuse_is_answered_as_the_driver_does(driver_paths: None, name: str) -> None:
    answer = ask(name, DATA / "generated" / "main_cabac_b2.h264")
    wanted = MISUSES[name]
    if isinstance(wanted, str):  # a crash, which a sanitizer turns into another exit
        assert str(answer).startswith("exit ")
    else:
        assert answer == wanted
