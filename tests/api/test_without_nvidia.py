"""A build without the NVIDIA modules, as on a Mac: nothing fails, and the reason is said."""

from __future__ import annotations

import json
import subprocess
import sys

# As where they were never built: importing one is an ImportError.
HIDDEN = "import sys; sys.modules['videohw._cuda'] = sys.modules['videohw._nv'] = None; "


def run(program: str, *words: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", HIDDEN + program, *words],
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


def test_every_name_is_there() -> None:
    said = run(
        "import videohw; print(*(getattr(videohw, name) for name in videohw.__all__));"
        "print(videohw.NvidiaDecoderOptions(surfaces=2).surfaces)"
    )
    assert said.splitlines()[-1] == "2"


def test_the_backend_says_why() -> None:
    said = json.loads(
        run(
            "import json, videohw;"
            "status = videohw.backends()[0];"
            "able = videohw.capabilities('h264', 'nvidia');"
            "print(json.dumps([status.name, status.available, status.reason, able[0].supported]))"
        )
    )
    name, available, reason, supported = said
    assert (name, available, supported) == ("nvidia", False, False)
    assert "this build of videohw has no NVIDIA support" in reason


def test_a_decoder_is_refused_by_that_reason() -> None:
    said = run(
        "import videohw\n"
        "try: videohw.Decoder('h264', backend='nvidia', options=videohw.NvidiaDecoderOptions())\n"
        "except videohw.UnsupportedConfig as error: print(error)"
    )
    assert "has no NVIDIA support" in said


def test_auto_takes_software() -> None:
    said = run(
        "import os, videohw; os.environ.pop('VIDEO_HW_BACKENDS', None)\n"
        "with videohw.Decoder('h264') as decoder: print(decoder.summary()['backend'])"
    )
    assert said.strip() == "software"


def test_info() -> None:
    report = json.loads(run("from videohw.cli import main; main(['info', '--json'])"))
    assert report["devices"] == []
    assert report["problems"] == []
    assert "no NVIDIA support" in report["backends"][0]["reason"]
