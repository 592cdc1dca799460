"""``capabilities`` and ``backends`` tell the truth, and say why not."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import pytest

from videohw.backend_table import BACKENDS
from videohw.encoder import Encoder
from videohw.errors import InvalidInput, UnsupportedCodec, UnsupportedConfig
from videohw.known_names import DECODER_CODECS, ENCODER_CODECS, PRESETS
from videohw.machine import backends, capabilities
from videohw.software import capabilities as ask_software
from videohw.types import Capability

machine = sys.modules["videohw.software.capabilities"]


@pytest.fixture
def fresh_answers() -> Iterator[None]:
    """The answers that are kept are forgotten before and after a test that bends the machine."""
    kept = [v for v in vars(machine).values() if hasattr(v, "cache_clear")]
    assert kept
    for function in kept:
        function.cache_clear()
    yield
    for function in kept:
        function.cache_clear()


def test_every_backend_and_codec_has_one_answer() -> None:
    answers = capabilities()
    asked = [(a.backend, a.codec, a.direction) for a in answers]
    assert asked == [
        (backend, codec, direction)
        for backend in BACKENDS
        for direction, codecs in (("decode", DECODER_CODECS), ("encode", ENCODER_CODECS))
        for codec in codecs
    ]
    for answer in answers:
        assert answer.supported == (answer.reason is None)


def test_answers_go_to_other_processes() -> None:
    nested = Capability("made up", "h264", "encode", True, True, formats=("nv12",),
                        details=MappingProxyType({"a": (MappingProxyType({"b": 1}),)}))  # fmt: skip
    answers = [nested, *capabilities(), *backends()]
    copies = [pickle.loads(pickle.dumps(answer)) for answer in answers]
    assert copies == copy.deepcopy(answers) == answers
    for each in (found for answer in copies for found in answer if isinstance(found, Mapping)):
        with pytest.raises(TypeError):
            each["more"] = 1  # type: ignore[index]


def test_answers_are_narrowed() -> None:
    assert {a.codec for a in capabilities("h265")} == {"hevc"}
    assert {a.backend for a in capabilities(backend="software")} == {"software"}
    assert capabilities(backend="auto") == capabilities()
    assert [a.direction for a in capabilities("vp9", "software")] == ["decode"]
    (refused,) = capabilities("vp9", "software", device=3)
    assert not refused.supported
    assert "no device 3" in (refused.reason or "")
    assert capabilities("h264", device="0") == capabilities("h264")


@pytest.mark.parametrize("device", [-1, 1.5, True, b"0"])
def test_a_device_is_a_number_or_a_name(device: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        capabilities("h264", device=device)
    assert refused.value.argument == "device"


@pytest.mark.parametrize("codec", ["theora", "", 264, b"h264"])
def test_an_unknown_codec_is_named(codec: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        capabilities(codec)
    assert refused.value.argument == "codec"


def test_an_unknown_backend_is_named() -> None:
    with pytest.raises(InvalidInput) as refused:
        capabilities(backend="quick")
    assert refused.value.argument == "backend"


@pytest.mark.parametrize("codec", [c for c in ENCODER_CODECS if c != "prores"])  # only of Macs
def test_limits_of_an_encoder_are_real(codec: str) -> None:
    answer = ask_software(codec, "encode")
    if not answer.supported:
        pytest.skip(f"software cannot encode {codec}: {answer.reason}")
    assert answer.min_width
    assert answer.min_height
    assert answer.max_width
    smallest = (answer.min_width, answer.min_height)
    Encoder(codec, *smallest, fps=30, preset="fastest").close()
    for size in ((smallest[0] // 2, 64), (64, smallest[1] // 2), (answer.max_width + 2, 64)):
        with pytest.raises((UnsupportedConfig, InvalidInput), match=r"width|height"):
            Encoder(codec, *size, fps=30, preset="fastest")
    for name in answer.formats:
        Encoder(codec, 64, 64, fps=30, preset="fastest", input=name).close()
    for profile in answer.details["profiles"]:
        Encoder(codec, 64, 64, fps=30, preset="fastest", profile=profile).close()
    for preset in PRESETS:
        for b_frames in {0, (answer.max_b_frames or 0) // 3, answer.max_b_frames or 0}:
            Encoder(codec, 64, 64, fps=30, preset=preset, b_frames=b_frames).close()


@pytest.mark.parametrize("codec", DECODER_CODECS)
def test_decoders_that_are_named_exist(codec: str) -> None:
    av = pytest.importorskip("av", reason="PyAV is not installed")
    answer = ask_software(codec, "decode")
    assert answer.supported, answer.reason
    assert av.CodecContext.create(answer.details["library"], "r") is not None
    assert not answer.hardware


def test_backends_say_what_they_stand_on() -> None:
    (software,) = [status for status in backends() if status.name == "software"]
    assert software.available
    assert not software.hardware
    assert software.reason is None
    assert set(software.versions) >= {"av", "libavcodec"}
    assert [status.name for status in backends()] == list(BACKENDS)
    assert {s.reason for s in backends(probe=False)} == {"not probed"}
    assert not any(status.available for status in backends(probe=False))


def test_a_pyav_without_an_encoder_is_told(
    fresh_answers: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = machine._codec
    monkeypatch.setattr(
        machine, "_codec", lambda name, mode: None if name == "libsvtav1" else real(name, mode)
    )
    answer = ask_software("av1", "encode")
    assert not answer.supported
    assert answer.reason == "this PyAV build has no encoder libsvtav1"
    assert ask_software("h264", "encode").supported
    with pytest.raises(UnsupportedCodec, match="no encoder libsvtav1"):
        Encoder("av1", 64, 64, fps=30)


def test_a_pyav_without_a_decoder_is_told(
    fresh_answers: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_codec", lambda name, mode: None)
    answer = ask_software("av1", "decode")
    assert answer.reason == "this PyAV build has no decoder libdav1d or libaom-av1"


def test_an_encoder_that_does_not_open_is_told(
    fresh_answers: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_MIN_SIZES", (1,))
    answer = ask_software("h264", "encode")
    assert answer.reason == "libx264 of this PyAV build cannot be opened"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ModuleNotFoundError("No module named 'av'", name="av"), "PyAV is not installed"),
        (ModuleNotFoundError("No module named 'x'", name="x"), "not installed completely"),
        (ImportError("libavcodec.so: cannot open"), "cannot be imported: libavcodec.so"),
        (OSError("bad image"), "cannot be imported: bad image"),
    ],
)
def test_why_pyav_cannot_be_used(
    error: Exception, reason: str, fresh_answers: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(name: str) -> Any:
        raise error

    monkeypatch.setattr("importlib.import_module", fails)
    status = machine.probe()
    assert not status.available
    assert reason in (status.reason or "")
    assert "pip install" in (status.hint or "")
    answer = ask_software("h264", "encode")
    assert not answer.supported
    assert reason in (answer.reason or "")


def test_a_pyav_that_is_too_old(fresh_answers: None, monkeypatch: pytest.MonkeyPatch) -> None:
    av = pytest.importorskip("av", reason="PyAV is not installed")
    monkeypatch.setattr(av, "__version__", "12.3.0")
    assert "PyAV 12.3.0 is too old" in (machine.probe().reason or "")


def test_without_pyav_everything_is_told_and_nothing_fails() -> None:
    program = """
import sys
sys.modules["av"] = None
from videohw.machine import backends, capabilities
from videohw.encoder import Encoder
from videohw.errors import UnsupportedConfig
assert not any(status.available for status in backends())
assert not any(answer.supported for answer in capabilities())
try:
    Encoder("h264", 64, 64, fps=30)
except UnsupportedConfig as error:
    print(error)
"""
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "PyAV" in ran.stdout
    assert "pip install" in ran.stdout
