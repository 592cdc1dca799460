"""The commands on an NVIDIA device, which is an emulated one: the same results as in software."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import videohw
from tests.cli.running import H264, HEVC
from tests.cli.terminals import ROOT
from tests.emulators import build
from tests.emulators.control import environment

pytest.importorskip("videohw._nv", reason="NVIDIA is of Linux and Windows")


@pytest.fixture(scope="module")
def device() -> dict[str, str]:
    reason = build.missing()
    if reason:
        pytest.skip(reason)
    return environment(build.built())


def videohw_command(variables: dict[str, str], *words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "videohw", *map(str, words)],
        cwd=ROOT, env=variables, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("path", "options"),
    [
        (H264, ()),
        (HEVC, ()),
        (H264, ("--size", "160x120")),
        (HEVC, ("--output-format", "i420")),
    ],
)
def test_decode(device: dict[str, str], path: Path, options: tuple[str, ...]) -> None:
    """Where the device has no kernel for it, the pixels are converted on the host."""
    sums = [
        videohw_command(device, "decode", path, "--md5", "--backend", backend, *options)
        for backend in ("nvidia", "software")
    ]
    assert [(ran.returncode, ran.stderr) for ran in sums] == [(0, "")] * 2
    assert sums[0].stdout == sums[1].stdout


def test_the_planes_of_444_are_those_of_software(device: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "in.hevc"
    noise = np.random.default_rng(0).integers(0, 256, (3, 144, 176, 3), np.uint8)
    with videohw.VideoWriter(
        path, "hevc", width=176, height=144, fps=25, input="rgb24", profile="main444-10",
        backend="software",
    ) as writer:  # fmt: skip
        for picture in noise:
            writer.write(picture)
    written = []
    for backend in ("nvidia", "software"):
        target = tmp_path / f"{backend}.y4m"
        ran = videohw_command(device, "decode", path, "-o", target, "--backend", backend)
        assert ran.returncode == 0, ran.stderr
        written.append(target.read_bytes())
    assert b" C444p10" in written[0][:80]
    assert written[0] == written[1]


def test_decode_on_a_device_by_its_uuid(device: dict[str, str]) -> None:
    uuid = "GPU-656d756c-6174-6564-2d64-657669636531"
    two = {**device, "VIDEOHW_EMULATOR_DEVICES": "2"}
    ran = videohw_command(two, "decode", H264, "--backend", "nvidia", "--device", uuid, "--json")
    assert ran.returncode == 0, ran.stderr
    assert '"frames": 25' in ran.stdout
    missing = videohw_command(device, "decode", H264, "--backend", "nvidia", "--device", uuid)
    assert missing.returncode == 1
    assert uuid in missing.stderr


@pytest.mark.parametrize("name", ["h264", "hevc"])
def test_transcode_on_the_device(device: dict[str, str], tmp_path: Path, name: str) -> None:
    target = tmp_path / "o.mp4"
    words = ("transcode", H264, target, "--codec", name, "--backend", "nvidia")
    ran = videohw_command(device, *words)
    assert ran.returncode == 0, ran.stderr
    assert "decoder  nvidia, as asked" in ran.stdout
    assert "encoder  nvidia" in ran.stdout
    with videohw.open(target) as video:
        assert video.codec == name
        assert sum(1 for _ in video) == 25


def test_transcode_asks_for_another_encoder(device: dict[str, str], tmp_path: Path) -> None:
    """Where the device has none, such as the one of the traces."""
    device = {**device, "VIDEOHW_EMULATOR_NVENC": "h100"}
    target = tmp_path / "o.mp4"
    words = ("transcode", H264, target, "--codec", "h264", "--backend", "nvidia")
    refused = videohw_command(device, *words)
    assert refused.returncode == 1
    assert "device 0 has no encoder" in refused.stderr
    assert "--encoder-backend auto" in refused.stderr
    assert not target.exists()
    ran = videohw_command(device, *words, "--encoder-backend", "software")
    assert ran.returncode == 0, ran.stderr
    assert "decoder  nvidia, as asked" in ran.stdout
    assert "encoder  software (libx264)" in ran.stdout
    with videohw.open(target) as video:
        assert sum(1 for _ in video) == 25


def test_transcode_takes_what_there_is(device: dict[str, str], tmp_path: Path) -> None:
    device = {name: value for name, value in device.items() if name != "VIDEO_HW_BACKENDS"}
    device["VIDEOHW_EMULATOR_NVENC"] = "h100"
    ran = videohw_command(device, "transcode", H264, tmp_path / "o.mp4", "--codec", "h264")
    assert ran.returncode == 0, ran.stderr
    decoder = next(line for line in ran.stdout.splitlines() if "decoder  nvidia; " in line)
    assert "not videotoolbox: nvidia comes first" in decoder
    assert "not nvidia: device 0 has no encoder" in ran.stdout


@pytest.mark.parametrize("suffix", ["h264", "h265"])
def test_encode(device: dict[str, str], tmp_path: Path, suffix: str) -> None:
    raw, target = tmp_path / "in.yuv", tmp_path / f"out.{suffix}"
    raw.write_bytes(bytes(range(256)) * (160 * 144 * 3 // 2 * 5 // 256))
    ran = videohw_command(
        device, "encode", raw, target, "--size", "160x144", "--format", "i420", "--fps", "25",
        "--backend", "nvidia", "--bitrate", "1M",
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    with videohw.open(target) as video:
        assert sum(1 for _ in video) == 5


def test_no_device_and_hardware_required() -> None:
    variables = {**os.environ, "VIDEOHW_LIBCUDA": "/nowhere/libcuda.so.1"}
    ran = videohw_command(variables, "decode", H264, "--backend", "nvidia")
    assert ran.returncode == 1
    assert "/nowhere/libcuda.so.1" in ran.stderr
    ran = videohw_command(variables, "decode", H264, "--require-hardware")
    assert ran.returncode == 1
    assert "no hardware backend can decode h264" in ran.stderr
