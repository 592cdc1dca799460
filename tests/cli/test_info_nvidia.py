"""``videohw info`` on machines with an NVIDIA driver, without one, and with half of one."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.cli.terminals import ROOT, command, lines_of
from tests.emulators import build
from tests.emulators.control import environment

pytest.importorskip("videohw._cuda", reason="NVIDIA is of Linux and Windows")

# Both forms of the report by one process, which loads a driver only once.
TWICE = """
from videohw.cli import main
main(["info"])
print("-- json")
main(["info", "--json"])
"""
VARIABLES = ("VIDEO_HW_BACKENDS", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES",
             "NVIDIA_DRIVER_CAPABILITIES", "COLUMNS")  # fmt: skip


class Said(NamedTuple):
    text: str
    report: dict[str, Any]

    @property
    def nvidia(self) -> dict[str, Any]:
        (found,) = [each for each in self.report["backends"] if each["name"] == "nvidia"]
        return dict(found)

    def taken(self, codec: str) -> str:
        (found,) = [
            each
            for each in self.report["auto"]
            if (each["codec"], each["direction"]) == (codec, "decode")
        ]
        return str(found["backend"])


def said(**variables: str) -> Said:
    # Other tests of this process may have left settings of the emulated drivers.
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in VARIABLES and not name.startswith("VIDEOHW_")
    }
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", TWICE],
        cwd=ROOT, env={**kept, **variables}, capture_output=True, text=True, timeout=100,
        check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    text, _, report = ran.stdout.partition("-- json\n")
    return Said(text, json.loads(report))


@pytest.fixture(scope="module")
def folder() -> Path:
    reason = build.missing()
    if reason:
        pytest.skip(reason)
    return build.built()


def with_driver(folder: Path, *, only: dict[str, str] | None = None, **settings: object) -> Said:
    """What is said on the emulated drivers with these settings and variables."""
    set_ = environment(folder, **settings)
    ours = {name: set_[name] for name in set_ if name not in VARIABLES}
    return said(**{**ours, **(only or {})})


def test_no_driver() -> None:
    seen = said(VIDEOHW_LIBCUDA="/nowhere/libcuda.so.1")
    assert not seen.nvidia["available"]
    assert "/nowhere/libcuda.so.1" in seen.nvidia["reason"]
    assert "install the NVIDIA driver, 470 or newer" in seen.text
    assert "Environment" in seen.text  # the variable that hides the real one is named
    assert seen.report["environment"] == {"VIDEOHW_LIBCUDA": "/nowhere/libcuda.so.1"}
    assert seen.report["devices"] == []
    assert "NVIDIA devices" not in seen.text
    assert seen.taken("h264") == "software"
    # The reason is not repeated for each codec.
    assert seen.text.count("/nowhere/libcuda.so.1") <= 4
    assert seen.report["problems"] == []


def test_a_driver_that_is_too_old(folder: Path) -> None:
    seen = with_driver(folder, DRIVER_VERSION=11030)
    assert "decoding needs an NVIDIA driver of CUDA 11.4; this one has 11.3" in seen.text
    assert seen.nvidia["hint"] == "install driver 470 or newer"
    assert seen.taken("h264") == "software"


def test_a_container_without_libnvcuvid(folder: Path) -> None:
    seen = with_driver(folder, only={"VIDEOHW_LIBNVCUVID": "/nowhere/libnvcuvid.so.1"})
    assert "/nowhere/libnvcuvid.so.1" in seen.nvidia["reason"]
    assert "NVIDIA_DRIVER_CAPABILITIES=video,compute,utility" in seen.text


def test_a_driver_without_a_device(folder: Path) -> None:
    seen = with_driver(folder, DEVICES=0, only={"CUDA_VISIBLE_DEVICES": ""})
    assert "CUDA_ERROR_NO_DEVICE" in seen.nvidia["reason"]
    assert seen.report["environment"]["CUDA_VISIBLE_DEVICES"] == ""


def test_a_device(folder: Path) -> None:
    seen = with_driver(folder, DEVICE_NAME="NVIDIA Test 9000")
    assert seen.nvidia["available"]
    assert "versions  CUDA driver 13.0" in seen.text
    (device,) = seen.report["devices"]
    assert device["name"] == "NVIDIA Test 9000"
    assert device["compute_capability"] == [9, 0]
    assert device["uuid"].startswith("GPU-")
    assert device["conversion"] is None
    line = next(line for line in seen.text.splitlines() if "NVIDIA Test 9000" in line)
    assert line.split() == ["0", "9.0", "80", "GiB", "7", "2", "yes", *device["name"].split()]
    assert (device["encoders"], device["encoding"]) == (2, None)
    assert f"device 0  {device['uuid']}" in seen.text
    assert [seen.taken(codec) for codec in ("h264", "hevc", "av1")] == [
        "nvidia", "nvidia", "software",
    ]  # fmt: skip
    (row,) = [line for line in seen.text.splitlines() if re.match("hevc +decode +nvidia ", line)]
    assert "144 to 8192 wide, 144 to 8192 high" in row
    assert "nv12 p010 p012 yuv444p" in row
    assert "device 0 has no decoder for av1" in seen.text
    (hevc,) = [
        each
        for each in device["capabilities"]
        if (each["codec"], each["direction"]) == ("hevc", "decode")
    ]
    assert hevc["details"]["p010"]["max_width"] == 8192
    assert seen.report["problems"] == []


def test_a_device_without_an_encoder(folder: Path) -> None:
    seen = with_driver(folder, NVENC="h100")
    (device,) = seen.report["devices"]
    assert (device["encoders"], device["encoding"]) == (
        None, "device 0 has no encoder, as its driver says",
    )  # fmt: skip
    assert "encodes nothing  device 0 has no encoder" in seen.text


def test_a_container_without_libnvidia_encode(folder: Path) -> None:
    """It decodes all the same."""
    missing = {"VIDEOHW_LIBNVIDIA_ENCODE": "/nowhere/libnvidia-encode.so.1"}
    seen = with_driver(folder, only=missing)
    assert seen.report["environment"].items() >= missing.items()
    assert seen.taken("h264") == "nvidia"
    (device,) = seen.report["devices"]
    assert "/nowhere/libnvidia-encode.so.1" in device["encoding"]
    assert "530.41.03 or newer" in device["encoding_hint"]
    assert re.search(r"encodes nothing +/nowhere.*\n +try +encoding needs the NVIDIA", seen.text)


def test_kernels_need_a_newer_driver(folder: Path) -> None:
    """It decodes, and says what it cannot do."""
    seen = with_driver(folder, DRIVER_VERSION=11040)
    assert seen.taken("h264") == "nvidia"
    (device,) = seen.report["devices"]
    assert "needs an NVIDIA driver of CUDA 11.8; this one has 11.4" in device["conversion"]
    assert device["hint"] == "install driver 520 or newer"
    assert "no RGB      converting on the device needs" in seen.text
    assert "try         install driver 520 or newer" in seen.text


def test_kernels_that_do_not_load(folder: Path) -> None:
    seen = with_driver(folder, FAULTS="cuModuleLoadData@1x0=fail:209")
    (device,) = seen.report["devices"]
    assert "cuModuleLoadData failed" in device["conversion"]
    assert seen.taken("h264") == "nvidia"


def test_two_devices(folder: Path) -> None:
    seen = with_driver(folder, DEVICES=2)
    first, second = seen.report["devices"]
    assert first["uuid"] != second["uuid"]
    assert second["uuid"] in seen.text
    assert "Capabilities (of device 0)" in seen.text
    assert "Capabilities of NVIDIA device 1" not in seen.text  # they are the same


def test_backends_chosen_by_the_environment(folder: Path) -> None:
    seen = with_driver(folder, only={"VIDEO_HW_BACKENDS": "software, cuda"})
    assert seen.nvidia["available"]
    assert seen.taken("h264") == "software"
    left_out = re.compile(
        r"not nvidia +VIDEO_HW_BACKENDS leaves it out \(all others\)"
    )  # none encodes prores
    assert left_out.search(seen.text)
    assert "VIDEO_HW_BACKENDS=software, cuda" in seen.text
    (problem,) = seen.report["problems"]
    assert "names 'cuda', which is no backend" in problem


def test_it_fits_a_terminal(folder: Path) -> None:
    given = environment(folder, DEVICE_NAME="NVIDIA RTX 9000 Some Generation", DEVICES=2)
    settings = {name: value for name, value in given.items() if name.startswith("VIDEOHW_")}
    with command("info", columns=80, **settings) as (process, terminal):
        assert process.wait(timeout=100) == 0
        text = terminal.finish()
    assert max(map(len, lines_of(text))) <= 80
    assert text.count("NVIDIA RTX 9000 Some Generation") == 2


def test_a_device_that_fails_while_it_is_asked(folder: Path) -> None:
    seen = with_driver(folder, FAULTS="cuvidGetDecoderCaps@1x0=fail:999")
    assert seen.nvidia["available"]
    assert seen.taken("h264") == "software"
    assert "cuvidGetDecoderCaps failed with CUDA_ERROR_UNKNOWN" in seen.text
