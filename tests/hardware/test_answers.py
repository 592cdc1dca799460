"""A real driver answers as the one that the emulated drivers were made from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.corpus import DATA
from tests.hardware import cuda_misuse, misuse, nvenc

# What becomes of a context that was destroyed: one or the other, by what its memory is used for.
VARIES = {("a_context_destroyed_twice", "destroy again"): (201, 709)}
# The driver reads what was freed: it answers or crashes, by what that memory is used for, and so
# may the rest of its process.
READS_FREED = {
    "a_primary_context_reset": {"free of before", "event of before", "stream of before", "end"}
}
CRASH = "exit -11"
pytestmark = pytest.mark.hardware
RECORDED = Path(__file__).parents[1] / "emulators" / "traces" / "h100-580"


def recorded(name: str) -> Any:
    return json.loads((RECORDED / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", cuda_misuse.GROUPS)
def test_libcuda(name: str) -> None:
    answer, wanted = cuda_misuse.ask(name), recorded("cuda_misuse.json")[name]
    for (group, what), either in VARIES.items():
        if group == name:
            assert answer.pop(what) in either
            wanted.pop(what)
    for what in READS_FREED.get(name, ()):
        for answers in (answer, wanted):
            answers.pop(what, None)
    assert answer == wanted


@pytest.mark.parametrize("name", misuse.MISUSES)
def test_libnvcuvid(name: str) -> None:
    answer = misuse.ask(name, DATA / "generated" / "main_cabac_b2.h264")
    wanted = recorded("misuse.json")[name]
    if name == "decoder_used_after_destroy" and str(answer).startswith(CRASH):
        return  # it was read after it was freed
    if isinstance(wanted, str):  # how the process ended, and what it said
        wanted, answer = wanted.split(":")[0], str(answer).split(":")[0]
    assert answer == wanted


def test_libnvidia_encode() -> None:
    """Its versions are at least those of the device that was asked; a session opens or not."""
    answer, wanted = nvenc.answers_of_device(), recorded("nvenc.json")
    assert answer["lists"] == wanted["lists"]
    assert [*map(int, answer["max_version"].split("."))] >= [13, 0]
    assert answer["open"] in (0, wanted["open"])
