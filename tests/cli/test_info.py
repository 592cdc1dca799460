"""``videohw info``: the truth about this machine, whatever is missing on it."""

from __future__ import annotations

import importlib
import sys

import pytest

import videohw
from tests.cli.running import run_without
from tests.cli.terminals import command, lines_of
from videohw.backend_table import BACKENDS
from videohw.cli import info
from videohw.errors import VideoHwError
from videohw.known_names import DECODER_CODECS, ENCODER_CODECS
from videohw.selection import select
from videohw.types import Capability


def test_the_report_has_every_part(run):
    ran = run("info")
    assert ran.code == 0
    assert ran.err == ""
    for text in ("videohw ", "Python", "NumPy", "PyAV", "Backends", "software",
                 "What backend=auto takes", "Capabilities", "formats or reason"):  # fmt: skip
        assert text in ran.out


def test_json_agrees_with_the_api(run):
    report = run("info", "--json").json()
    assert [each["name"] for each in report["backends"]] == list(BACKENDS)
    assert report["problems"] == []
    jobs = [(each["codec"], each["direction"]) for each in report["auto"]]
    assert jobs == [
        *((codec, "decode") for codec in DECODER_CODECS),
        *((codec, "encode") for codec in ENCODER_CODECS),
    ]
    for each in report["auto"]:
        if each["backend"] is None:
            with pytest.raises(VideoHwError):
                select(each["codec"], each["direction"])
        else:
            assert each["backend"] == select(each["codec"], each["direction"]).name
    asked = videohw.capabilities()
    assert [(each["codec"], each["supported"]) for each in report["capabilities"]] == [
        (each.codec, each.supported) for each in asked
    ]
    assert report["versions"]["pyav"]
    assert "libavcodec" in report["versions"]["libav"]


def test_refusals_are_grouped_with_their_reason(run, monkeypatch):
    auto = [
        {"codec": "h264", "direction": "decode", "backend": "software", "hardware": False,
         "refused": {"nvidia": "no driver"}, "why": None},
        {"codec": "h264", "direction": "encode", "backend": None, "hardware": False,
         "refused": {}, "why": "no backend can encode h264"},
    ]  # fmt: skip
    monkeypatch.setattr(info, "choices", lambda: auto)
    out = run("info").out
    assert "not nvidia  no driver (h264 decode)" in out
    assert "none        no backend can encode h264 (h264 encode)" in out


def test_a_broken_installation_is_reported_not_raised(run, monkeypatch):
    def broken():
        raise ImportError("libavcodec.so: undefined symbol")

    monkeypatch.setattr(sys.modules["videohw.machine"], "backends", broken)
    ran = run("info")
    assert ran.code == 0
    assert "problem: the backends cannot be asked: ImportError: libavcodec.so" in ran.out


def test_a_bitstream_core_that_is_not_built_is_reported(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "videohw.bitstream", None)
    ran = run("info")
    assert ran.code == 0
    assert "problem: the compiled bitstream core cannot be imported" in ran.out


@pytest.mark.parametrize("missing", [("av",), ("rich",), ("av", "rich")])
def test_a_bare_machine_is_told_what_to_install(missing):
    ran = run_without(missing, "info")
    assert (ran.code, ran.err) == (0, "")
    if "av" in missing:
        assert "software: refused (software)" in ran.out
        assert "videohw[av]" in ran.out
    if "rich" in missing:
        assert "not installed (pip install 'videohw[cli]')" in ran.out


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({}, "any"),
        ({"min_width": 16, "max_width": 64, "min_height": 8, "max_height": 32},
         "16 to 64 wide, 8 to 32 high"),
        ({"max_width": 64, "min_height": 8}, "up to 64 wide, from 8 high"),
    ],
)  # fmt: skip
def test_each_side_is_said_by_itself(run, monkeypatch, limits, said):
    """They were asked one at a time: the largest of both together may be refused."""
    answer = Capability("b", "h264", "encode", supported=True, hardware=False, **limits)
    machine = importlib.import_module("videohw.machine")
    monkeypatch.setattr(machine, "capabilities", lambda *args, **named: [answer])
    assert said in run("info").out


@pytest.mark.parametrize("columns", [80, 120])
def test_it_fits_a_terminal(columns):
    with command("info", columns=columns) as (process, terminal):
        assert process.wait(timeout=60) == 0
        text = terminal.finish()
    assert max(map(len, lines_of(text))) <= columns
    assert any("hevc" in line and "encode" in line for line in lines_of(text))
