"""The switches in the environment: what is on, what is a number, what is ignored."""

from __future__ import annotations

import pytest

from videohw import environment
from videohw.backend_table import BACKENDS


@pytest.mark.parametrize(
    ("text", "on"),
    [
        ("1", True), ("true", True), ("TRUE", True), ("True", True), (" 1 ", True),
        ("0", False), ("", False), ("yes", False), ("on", False), ("2", False), ("false", False),
    ],
)  # fmt: skip
def test_one_and_true_are_on_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, text: str, on: bool
) -> None:
    monkeypatch.setenv("VIDEO_HW_NV_METRICS", text)
    assert environment.switch("nvidia", "METRICS") is on


def test_what_is_not_set_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VIDEO_HW_SW_METRICS", raising=False)
    assert not environment.switch("software", "METRICS")
    monkeypatch.delenv("VIDEO_HW_SW_PIPELINE_QUEUE", raising=False)
    assert environment.number("software", "PIPELINE_QUEUE", 1, 1024) is None


@pytest.mark.parametrize(
    ("backend", "variable"),
    [
        ("software", "VIDEO_HW_SW_PIPELINE"),
        ("nvidia", "VIDEO_HW_NV_PIPELINE"),
        ("videotoolbox", "VIDEO_HW_VT_PIPELINE"),
    ],
)
def test_each_backend_has_its_own_prefix(
    monkeypatch: pytest.MonkeyPatch, backend: str, variable: str
) -> None:
    for prefix in environment.PREFIXES.values():
        monkeypatch.delenv(f"{prefix}PIPELINE", raising=False)
    monkeypatch.setenv(variable, "1")
    assert [name for name in environment.PREFIXES if environment.switch(name, "PIPELINE")] == [
        backend
    ]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("8", 8), (" 8 ", 8), ("0", 1), ("-3", 1), ("1025", 1024), ("9" * 30, 1024),
        ("", None), ("many", None), ("8.5", None), ("0x8", None),
    ],
)  # fmt: skip
def test_numbers_are_clamped_and_other_text_counts_as_not_set(
    monkeypatch: pytest.MonkeyPatch, text: str, number: int | None
) -> None:
    monkeypatch.setenv("VIDEO_HW_VT_PIPELINE_QUEUE", text)
    assert environment.number("videotoolbox", "PIPELINE_QUEUE", 1, 1024) == number


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("1", True), (" Yes ", True), ("ON", True), ("true", True), ("0", False), ("off", False),
        ("No", False), ("false", False), ("auto", None), ("", None), ("2", None),
    ],
)  # fmt: skip
def test_a_choice_may_be_left_open(
    monkeypatch: pytest.MonkeyPatch, text: str, chosen: bool | None
) -> None:
    monkeypatch.setenv("VIDEO_HW_VT_GPU_TRANSFORM", text)
    assert environment.choice("videotoolbox", "GPU_TRANSFORM") is chosen
    monkeypatch.delenv("VIDEO_HW_VT_GPU_TRANSFORM")
    assert environment.choice("videotoolbox", "GPU_TRANSFORM") is None


def test_every_backend_of_the_table_has_a_prefix() -> None:
    assert set(BACKENDS) <= set(environment.PREFIXES)


def test_a_backend_without_a_prefix_has_no_switches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METRICS", "1")
    assert not environment.switch("another", "METRICS")
    assert environment.number("another", "METRICS", 0, 9) is None
