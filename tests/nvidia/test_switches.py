"""The environment's switches of this backend: what they do, and those that change nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.corpus import DATA
from tests.emulators import build
from tests.emulators.control import environment

pytest.importorskip("videohw._nv", reason="NVIDIA is of Linux and Windows")

DECODE = """
import hashlib, json, sys
import numpy as np
import videohw
from pathlib import Path

summed = hashlib.md5()
with videohw.Decoder("h264", backend=sys.argv[2], output="rgb24") as decoder:
    for frame in decoder.decode([Path(sys.argv[1]).read_bytes()]):
        summed.update(np.asarray(frame).tobytes())
    summary, metrics = decoder.summary(), decoder.metrics()
print(json.dumps([summary, metrics.enabled, summed.hexdigest()]))
"""
STREAM = DATA / "generated" / "main_cabac_b2.h264"


@pytest.fixture(scope="module")
def folder() -> Path:
    reason = build.missing()
    if reason:
        pytest.skip(reason)
    return build.built()


def decoded(
    folder: Path, backend: str = "nvidia", **variables: str
) -> tuple[dict[str, Any], bool, str, str]:
    """The summary, whether it was measured, the pixels' MD5, what was said on stderr."""
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", DECODE, str(STREAM), backend],
        env={**environment(folder), **variables}, capture_output=True, text=True, timeout=100,
        check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    summary, measured, pixels = json.loads(ran.stdout)
    return summary, measured, pixels, ran.stderr


def test_those_of_old_change_nothing(folder: Path) -> None:
    plain, measured, pixels, said = decoded(folder)
    assert plain["safe_lifetime"] is True
    assert (plain["backend"], measured, said) == ("nvidia", False, "")
    for value in ("1", "0"):
        switched = {
            "VIDEO_HW_NV_SAFE_LIFETIME": value, "VIDEO_HW_NV_PIPELINE": value,
            "VIDEO_HW_NV_PIPELINE_QUEUE": value,
        }  # fmt: skip
        summary, _, same, _ = decoded(folder, **switched)
        assert summary["safe_lifetime"] is True
        assert summary["delivered"] == plain["delivered"] == 25
        assert same == pixels


def test_metrics(folder: Path) -> None:
    _, measured, _, said = decoded(folder, VIDEO_HW_NV_METRICS="true")
    assert measured
    assert "backend=nvidia" in said


def test_those_of_another_backend(folder: Path) -> None:
    _, measured, _, said = decoded(folder, VIDEO_HW_SW_METRICS="1", VIDEO_HW_VT_METRICS="1")
    assert (measured, said) == (False, "")


def test_auto_takes_the_device_unless_it_is_left_out(folder: Path) -> None:
    for listed, taken in (("", "nvidia"), ("nvidia,software", "nvidia"), ("software", "software")):
        summary, *_ = decoded(folder, "auto", VIDEO_HW_BACKENDS=listed)
        assert summary["backend"] == taken
    assert summary["refused"]["nvidia"] == "VIDEO_HW_BACKENDS leaves it out"
