"""The examples that decode streams: from a socket, several at once, into tensors on a GPU."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.corpus import stream
from tests.emulators import build
from tests.emulators.control import environment
from tests.interop.libraries import library

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
# On the emulated drivers the backend is asked for by name, so that a GPU beside it is not taken.
BACKENDS = ["software", "nvidia"]


def drivers(backend: str) -> dict[str, str]:
    """The environment in which the backend is found."""
    if backend == "software":
        return dict(os.environ)
    reason = build.missing()
    if reason:
        pytest.skip(reason)
    return environment(build.built())


def run(name: str, *arguments: object, env: dict[str, str]) -> list[str]:
    ran = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *map(str, arguments)],
        capture_output=True, text=True, timeout=100, check=False, env=env,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


def send(server: socket.socket, data: bytes) -> None:
    connection, _ = server.accept()
    with connection:
        for at in range(0, len(data), 1000):
            connection.sendall(data[at : at + 1000])


@pytest.mark.parametrize("backend", BACKENDS)
def test_socket_to_frames(backend: str) -> None:
    data = stream("generated/small144x144.h264").read()
    env = drivers(backend)
    with socket.create_server(("127.0.0.1", 0)) as server:
        sender = threading.Thread(target=send, args=(server, data))
        sender.start()
        port = server.getsockname()[1]
        lines = run("socket_to_frames.py", "127.0.0.1", port, "--backend", backend, env=env)
        sender.join()
    assert lines[0].startswith("144x144") and lines[0].endswith(f"on {backend}")  # noqa: PT018
    assert lines[1].startswith("25 pictures in ")
    assert lines[1].endswith(", 0 left out")


@pytest.mark.parametrize("backend", BACKENDS)
def test_eight_streams(backend: str) -> None:
    names = ("generated/small144x144.h264", "generated/small144x144.h265")
    paths = [stream(name).path for name in names]
    lines = run("eight_streams.py", *paths, "--backend", backend, env=drivers(backend))
    assert lines[:-1] == [
        f"{paths[n % 2]}: {(25, 15)[n % 2]} pictures on {backend}" for n in range(8)
    ]
    assert lines[-1].startswith("160 pictures in ")


@pytest.mark.hardware
def test_gpu_tensors() -> None:
    library("torch", "PyTorch")
    path = stream("generated/main_cabac_b2.h264").path
    lines = run("gpu_tensors.py", path, env=dict(os.environ))
    assert lines[0].startswith("(16, 3, 224, 224) torch.float16 on cuda:0, mean ")
    assert lines[1].startswith("(9, 3, 224, 224) torch.float16 on cuda:0, mean ")
    assert lines[2] == "25 pictures"
