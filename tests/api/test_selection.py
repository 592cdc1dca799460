"""Which backend is taken, and what is said of the others, on made-up machines."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any, TypeAlias

import pytest

from videohw import selection
from videohw.decoder_config import DecoderConfig
from videohw.errors import InvalidInput, UnsupportedCodec, UnsupportedConfig
from videohw.selection import EarlyProbe, canonical_codec, select
from videohw.types import Capability

Missing: TypeAlias = "tuple[str, str | None] | None"


def machine(
    monkeypatch: pytest.MonkeyPatch, **backends: tuple[bool, str | None, tuple[str, ...]]
) -> None:
    """Backends as (hardware, reason why it is not available or None, codecs), in this order."""

    def make(name: str, hardware: bool, lacks: str | None, codecs: tuple[str, ...]) -> Any:
        def capabilities(codec: str, direction: str, device: int | str = 0) -> Capability:
            there = device == 0
            return Capability(
                name, codec, direction, supported=there and codec in codecs, hardware=hardware,  # type: ignore[arg-type]
                reason=None if there else f"there is no device {device}",
            )  # fmt: skip

        def missing(device: int | str | None = None) -> Missing:
            return (lacks, f"install {name}") if lacks else None

        return SimpleNamespace(HARDWARE=hardware, missing=missing, supports=capabilities)

    monkeypatch.delenv("VIDEO_HW_BACKENDS", raising=False)
    modules = {name: make(name, *facts) for name, facts in backends.items()}
    monkeypatch.setattr(selection, "BACKENDS", dict.fromkeys(modules, ""))
    monkeypatch.setattr(selection, "load", modules.__getitem__)


def test_the_first_that_can_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(
        monkeypatch,
        nvidia=(True, "there is no libcuda", ("h264",)),
        apple=(True, None, ("hevc",)),
        software=(False, None, ("h264", "av1")),
        other=(False, None, ("h264",)),
    )
    taken = select("h264", "decode")
    assert taken.name == "software"
    assert taken.capability.backend == "software"
    assert dict(taken.refused) == {
        "nvidia": "there is no libcuda",
        "apple": "it does not decode h264",
        "other": "software comes first",
    }


@pytest.mark.parametrize(
    ("listed", "taken", "reason"),
    [
        ("software", "software", "VIDEO_HW_BACKENDS leaves it out"),
        (" software , other", "software", "VIDEO_HW_BACKENDS leaves it out"),
        ("nvidia", "nvidia", None),
        ("", "nvidia", None),
        ("unknown", "nvidia", None),
    ],
)
def test_the_environment_says_which_auto_may_take(
    listed: str, taken: str, reason: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(monkeypatch, nvidia=(True, None, ("h264",)), software=(False, None, ("h264",)))
    monkeypatch.setenv("VIDEO_HW_BACKENDS", listed)
    found = select("h264", "decode")
    assert found.name == taken
    assert dict(found.refused).get("nvidia") == reason
    assert select("h264", "decode", "nvidia").name == "nvidia"
    with pytest.raises(UnsupportedCodec):
        select("av1", "decode")


def test_one_that_is_named_is_the_only_one_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, nvidia=(True, None, ("h264",)), software=(False, None, ("h264",)))
    assert select("h264", "decode", "software").refused == ()
    assert select("h264", "decode").name == "nvidia"


def test_one_hint_of_several_backends_is_given_once(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, nvidia=(True, "no driver", ()), software=(False, "no library", ()))
    for name in ("nvidia", "software"):
        monkeypatch.setattr(selection.load(name), "missing", lambda: ("not here", "buy a Mac"))
    with pytest.raises(UnsupportedConfig) as refused:
        select("h264", "decode")
    assert refused.value.hint == "buy a Mac"


def test_hardware_that_is_required_is_never_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(
        monkeypatch,
        nvidia=(True, "there is no libcuda", ("h264",)),
        software=(False, None, ("h264",)),
    )
    with pytest.raises(UnsupportedConfig) as refused:
        select("h264", "decode", require_hardware=True)
    text = str(refused.value)
    assert "no hardware backend can decode h264" in text
    assert "nvidia: there is no libcuda" in text
    assert "software: it is software" in text
    assert refused.value.hint == "install nvidia"
    with pytest.raises(UnsupportedConfig, match="it is software"):
        select("h264", "decode", "software", require_hardware=True)


def test_a_question_that_failed_says_nothing_of_the_codec(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, nvidia=(True, None, ()))
    module: Any = selection.load("nvidia")
    asked = module.supports

    def failed(*arguments: Any) -> Capability:
        return asked(*arguments)._replace(failed=True, reason="cuvidGetDecoderCaps failed")

    module.supports = failed
    with pytest.raises(UnsupportedConfig, match="cuvidGetDecoderCaps failed"):
        select("h264", "decode")


def test_an_early_probe_stands_for_that_of_its_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(
        monkeypatch,
        nvidia=(True, "there is no libcuda", ("h264",)),
        software=(False, None, ("h264",)),
    )
    asked: list[tuple[str, bool]] = []
    for name in ("nvidia", "software"):
        module: Any = selection.load(name)

        def missing(
            device: int | str | None = None, name: str = name, told: Any = module.missing
        ) -> Missing:
            asked.append((name, threading.current_thread() is threading.main_thread()))
            answer: Missing = told()
            return answer

        module.missing = missing
    with EarlyProbe("auto", "h264", "decode", 0) as early:
        pass
    assert select("h264", "decode", early=early).refused == (("nvidia", "there is no libcuda"),)
    assert asked == [("nvidia", False), ("software", True)]
    for name in ("software", "nothing"):  # neither starts a driver, and the one is told later
        with EarlyProbe(name, "h264", "decode", 0) as early:
            pass
        assert (early.asked, early.missing, early.answer) == (False, None, None)
    assert len(asked) == 2


def test_an_early_answer_is_not_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, nvidia=(True, None, ("h264",)))
    module: Any = selection.load("nvidia")
    with EarlyProbe("auto", "h264", "decode", 0) as early:
        pass
    module.missing = module.supports = None
    assert select("h264", "decode", early=early).capability is early.answer


def test_a_build_without_the_backend_is_told_by_the_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, nvidia=(True, "this build has no NVIDIA support", ()))
    module: Any = selection.load("nvidia")
    told, tried = module.missing, threading.Event()

    def missing(device: int | str | None = None) -> Missing:
        assert tried.wait(30)
        answer: Missing = told()
        return answer

    def load_decoder(config: DecoderConfig) -> None:
        tried.set()
        raise ImportError("_nv")

    module.missing, module.load_decoder = missing, load_decoder
    with EarlyProbe("nvidia", "h264", "decode", 0) as early:
        early.load_decoder(DecoderConfig("h264"))
    assert early.missing is not None
    assert early.missing[0] == "this build has no NVIDIA support"


def test_no_backend_has_the_codec(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, software=(False, None, ("h264",)))
    with pytest.raises(UnsupportedCodec, match="software: it does not encode av1"):
        select("av1", "encode")


def test_a_missing_device_is_no_missing_codec(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, software=(False, None, ("h264",)))
    with pytest.raises(UnsupportedConfig, match="no device 3") as refused:
        select("h264", "decode", device=3)
    assert refused.value.argument == "device"


def test_the_argument_that_asks_too_much_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, software=(False, None, ("h264",)))
    with pytest.raises(UnsupportedConfig) as refused:
        select("h264", "decode", require_hardware=True)
    assert refused.value.argument == "require_hardware"


def test_the_reason_and_the_hint_of_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, software=(False, "PyAV is not installed", ("h264",)))
    with pytest.raises(UnsupportedConfig, match="PyAV is not installed") as refused:
        select("h264", "decode")
    assert refused.value.hint == "install software"


@pytest.mark.parametrize("name", ["cuda", "", None, 3, ["software"]])
def test_unknown_backends(name: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        select("h264", "decode", name)
    assert refused.value.argument == "backend"


def test_codecs_of_each_direction() -> None:
    assert canonical_codec("VP9", "decode") == "vp9"
    with pytest.raises(UnsupportedCodec, match="h264, hevc, av1"):
        canonical_codec("vp9", "encode")
    with pytest.raises(InvalidInput) as refused:
        canonical_codec(None, "encode")
    assert refused.value.argument == "codec"
