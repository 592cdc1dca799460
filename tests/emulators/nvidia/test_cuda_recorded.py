"""What the emulated libcuda answers, beside what a real driver answered (tests/hardware)."""

from __future__ import annotations

import ctypes as c
import json
from pathlib import Path
from typing import Any

import pytest

from tests.emulators import build
from tests.emulators.control import Emulator
from tests.emulators.nvidia.client import Cuda
from tests.hardware import cuda_misuse
from tests.hardware.caps import ATTRIBUTES, CUDA_CALLS

RECORDED = Path(__file__).parents[1] / "traces" / "h100-580"
ENDED, CRASH = "end", "exit -11"


def recorded(name: str) -> Any:
    return json.loads((RECORDED / name).read_text(encoding="utf-8"))


ANSWERS = recorded("cuda_misuse.json")
# Where the emulator is stricter on purpose: (the real driver's answer, ours, why).
STRICTER: dict[tuple[str, str], tuple[Any, Any, str]] = {
    ("a_context_destroyed", "push again"): (0, None, "the real one crashes later"),
    ("a_primary_context_reset", "free of before"): (0, 1, "no address is given twice here"),
    ("device_memory", "free after that"): (0, 1, "the real one crashes later"),
    ("device_memory", ENDED): (CRASH, None, "the double free was refused here"),
    ("images", "empty PTX"): (0, 218, "no kernels but ours can run here"),
}


def test_the_recording_is_of_what_is_asked() -> None:
    assert list(ANSWERS) == list(cuda_misuse.GROUPS)


@pytest.mark.parametrize("name", cuda_misuse.GROUPS)
def test_a_misuse_is_answered_as_recorded(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for library in ("VIDEOHW_LIBCUDA", "VIDEOHW_LIBNVCUVID"):
        monkeypatch.setenv(library, str(emulator.folder / "libcuda.so.1"))
    wanted = dict(ANSWERS[name])
    for (group, what), (real, ours, _why) in STRICTER.items():
        if group == name:
            assert wanted.pop(what) == real
            wanted |= {} if ours is None else {what: ours}
    answer = cuda_misuse.ask(name)
    if build.SANITIZED and wanted.get(ENDED) == CRASH:  # the sanitizer ends it then
        wanted[ENDED] = "exit 1"
        answer.pop("error")
    assert answer == wanted


def test_device_and_versions_are_as_recorded(cuda: Cuda) -> None:
    facts = recorded("caps.json")
    assert cuda.made("cuDriverGetVersion", kind=c.c_int) == facts["driver_version"]
    for name, number in ATTRIBUTES.items():
        found = cuda.made("cuDeviceGetAttribute", number, 0, kind=c.c_int)
        assert found == facts["attributes"][name], name


def test_names_of_results_are_as_recorded(cuda: Cuda) -> None:
    names, found = recorded("caps.json")["error_names"], {}
    for code in range(1001):
        text = c.c_char_p()
        if cuda.cuGetErrorName(code, c.byref(text)) == 0:
            found[str(code)] = (text.value or b"").decode()
    assert found == names
    text = c.c_char_p()
    assert (cuda.cuGetErrorString(201, c.byref(text)), text.value) == (0, b"invalid context")


def test_calls_that_the_recorder_asks_for_are_there(cuda: Cuda) -> None:
    assert [name for name in CUDA_CALLS if not hasattr(cuda._library, name)] == []
