"""The command line as a whole: help, examples, versions, exit codes, errors, closed pipes."""

from __future__ import annotations

import argparse
import io
import os
import re
import shlex
import subprocess
import sys

import pytest

import videohw
from tests.cli.running import H264, write_y4m
from tests.cli.terminals import ROOT, clean_environment
from videohw.cli import info
from videohw.cli.program import build_parser

COMMANDS = ("info", "inspect", "decode", "encode", "transcode")
EXAMPLE = re.compile(r"^  (videohw .+)$", re.MULTILINE)


def videohw_process(*arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "videohw", *map(str, arguments)],
        cwd=ROOT, env=clean_environment(), stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE, **{"stdout": subprocess.PIPE, **options},
    )  # fmt: skip


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)])
def test_help_shows_examples_that_parse(run, command):
    ran = run(*command, "--help")
    assert ran.code == 0
    assert ran.err == ""
    examples = EXAMPLE.findall(ran.out)
    assert examples
    for example in examples:
        arguments = shlex.split(example)[1:]
        assert not command or arguments[0] == command[0]
        assert callable(build_parser().parse_args(arguments).run)


def test_help_fits_a_terminal_of_80_columns(run):
    for command in COMMANDS:
        lines = run(command, "--help").out.splitlines()
        wide = [line for line in lines if len(line) > 80 and not EXAMPLE.match(line)]
        assert wide == []


def test_every_option_says_what_it_does():
    kind = argparse._SubParsersAction
    (commands,) = (each for each in build_parser()._actions if isinstance(each, kind))
    assert tuple(commands.choices) == COMMANDS
    for parser in commands.choices.values():
        for action in parser._actions:
            assert action.help, f"{parser.prog} {action.option_strings}"


def test_version(run):
    assert run("--version") == (0, f"videohw {videohw.__version__}\n", "")


def test_nothing_asked_shows_the_help_and_is_wrong_use(run):
    ran = run()
    assert ran.code == 2
    assert ran.out == ""
    assert ran.err.startswith("usage: videohw")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["frobnicate"], "invalid choice: 'frobnicate'"),
        (["inspect"], "required: FILE"),
        (["decode", "a", "--nope"], "unrecognized arguments: --nope"),
        (["decode", "a", "--size", "44"], "'44' is not a size (WIDTHxHEIGHT"),
        (["decode", "a", "--frames", "0"], "'0' is not a number"),
        (["decode", "a", "--md5", "--frames-md5"], "not allowed with argument"),
        (["decode", "a", "-o", "b.foo"], "does not say what to write"),
        (["decode", "a", "-o", "b.png"], "one file for all pictures"),
        (["decode", "a", "-o", "-", "--md5"], "cannot take both"),
        (["decode", "a", "-o", "-", "--json"], "cannot take both"),
        (["decode", "a", "-o", "-", "--as", "npy"], "cannot be written to a pipe"),
        (["decode", "a", "-o", "%d.png", "--output-format", "nv12"], "does not fit PNG"),
        (["decode", "a", "--as", "y4m"], "--as needs -o"),
        (["encode", "a", "b", "--codec", "vp9"], "'vp9' is not a codec to encode to"),
        (["encode", "a", "b", "--bitrate", "4M", "--quality", "3"], "not allowed with argument"),
        (["transcode", "a", "b", "--max-bitrate", "4M"], "--max-bitrate needs --bitrate"),
        (["transcode", "a", "b", "--start", "5", "--end", "4"], "--end is not after --start"),
        (["transcode", "a", "-", "--json"], "cannot take both"),
        (["inspect", "a", "--units", "--nals"], "are two lists"),
        (["inspect", "a", "--codec", "theora"], "'theora' is not a codec of raw streams"),
    ],
)
def test_wrong_use_is_one_line_and_code_2(run, monkeypatch, tmp_path, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").write_bytes(b"\0\0\0\1")
    ran = run(*arguments)
    assert ran.code == 2
    assert ran.out == ""
    assert message in ran.error()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a"]


@pytest.mark.parametrize("command", COMMANDS[1:])
def test_a_missing_input_is_failure(run, tmp_path, command):
    output = [str(tmp_path / "o.mp4")] if command in ("encode", "transcode") else []
    ran = run(command, tmp_path / "none.mp4", *output)
    assert ran.code == 1
    assert "none.mp4: no such file (check the path)" in ran.error()


def test_an_error_is_json_too_when_asked(run, tmp_path):
    ran = run("decode", tmp_path / "none.mp4", "--json")
    assert ran.code == 1
    fault = ran.json()["error"]
    assert fault["type"] == "CommandFailed"
    assert fault["hint"] == "check the path"
    assert "no such file" in ran.error()


@pytest.mark.parametrize("debug", [True, False])
def test_a_bug_shows_its_traceback_only_when_asked(run, monkeypatch, debug):
    def broken() -> None:
        raise RuntimeError("unforeseen")

    monkeypatch.setattr(info, "collect", broken)
    if debug:
        monkeypatch.setenv("VIDEOHW_DEBUG", "1")
    ran = run("info")
    assert ran.code == 1
    assert ("Traceback" in ran.err) is debug
    last = ran.err.splitlines()[-1]
    assert last.startswith("videohw: error: unexpected RuntimeError: unforeseen")


@pytest.mark.parametrize("arguments", [("info",), ("inspect", H264, "--nals")])
def test_a_closed_pipe_ends_the_command_quietly(arguments):
    read, write = os.pipe()
    os.close(read)
    with videohw_process(*arguments, stdout=write) as process:
        os.close(write)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 141
    assert errors == b""


def test_head_ends_a_long_list_early(tmp_path):
    long = tmp_path / "long.h264"
    long.write_bytes(H264.read_bytes() * 40)
    with videohw_process("inspect", long, "--nals") as process:
        first = process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read()
        process.wait(timeout=60)
    assert b"name" in first
    assert (process.returncode, errors) == (141, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
@pytest.mark.parametrize(
    "arguments", [("info",), ("info", "--json"), ("decode", H264, "--as", "raw", "-o", "/dev/full")]
)
def test_a_full_disk_is_one_line(arguments):
    with open("/dev/full", "wb") as full, videohw_process(*arguments, stdout=full) as process:
        errors = process.stderr.read().decode()
        process.wait(timeout=60)
    assert process.returncode == 1
    assert len(errors.splitlines()) == 1
    assert "No space left on device" in errors


def test_a_name_that_the_encoding_lacks_is_shown_escaped(tmp_path):
    path = tmp_path / "\N{SNOWMAN}.h264"
    path.write_bytes(H264.read_bytes())
    ran = subprocess.run(
        [sys.executable, "-m", "videohw", "inspect", path], cwd=ROOT, capture_output=True,
        env={**clean_environment(), "PYTHONIOENCODING": "ascii"}, timeout=60, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert b"\\u2603.h264" in ran.stdout


def test_the_module_runs_as_the_command():
    with videohw_process("--version") as process:
        out, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, b"")
    assert out.split() == [b"videohw", videohw.__version__.encode()]


@pytest.mark.skipif(os.name == "nt", reason="a shell of POSIX closes them")
@pytest.mark.parametrize(
    ("closed", "arguments", "code", "out", "error"),
    [
        (">&-", "info", 0, False, ""),
        (">&-", "inspect {clip} --nals", 0, False, ""),
        (">&-", "decode {clip} -o -", 1, False, "standard output is closed"),
        (">&-", "transcode {clip} -", 1, False, "standard output is closed"),
        (">&-", "encode {raw} -", 1, False, "standard output is closed"),
        (">&-", "decode {clip} -q -o {folder}/out.y4m", 0, False, ""),
        ("<&-", "decode -", 1, False, "standard input is closed"),
        ("<&-", "transcode - {folder}/out.mp4", 1, False, "standard input is closed"),
        ("<&-", "encode - {folder}/out.mp4", 1, False, "standard input is closed"),
        ("<&-", "inspect -", 1, False, "standard input is closed"),
        ("2>&-", "encode {raw} - --codec h264 --frames 2", 0, True, ""),
        ("2>&-", "decode nowhere.mp4", 1, False, ""),
    ],
)
def test_a_closed_standard_stream(tmp_path, closed, arguments, code, out, error):
    raw = write_y4m(tmp_path / "in.y4m", 3)
    words = arguments.format(clip=H264, raw=raw, folder=tmp_path)
    ran = subprocess.run(
        ["sh", "-c", f"exec {sys.executable} -m videohw {words} {closed}"],
        cwd=ROOT, env=clean_environment(), capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert ran.returncode == code
    lines = ran.stderr.decode().splitlines()
    assert (error in lines[-1] and len(lines) == 1) if error else (">" in closed or not lines)
    assert "Traceback" not in ran.stderr.decode()
    if out:  # the coded video and nothing else
        (tmp_path / "out.h264").write_bytes(ran.stdout)
        with videohw.open(tmp_path / "out.h264", backend="software") as video:
            assert len(list(video)) == 2
        assert b"standard output" not in ran.stdout
    else:
        assert ran.stdout == b""


@pytest.mark.parametrize("options", [(), ("--codec", "h264")])
@pytest.mark.parametrize("name", ["a.mp4", "a.h264", "-"])
def test_inspect_calls_an_empty_file_empty(run, tmp_path, monkeypatch, name, options):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    (tmp_path / "a.mp4").touch()
    (tmp_path / "a.h264").touch()
    monkeypatch.chdir(tmp_path)
    ran = run("inspect", name, *options)
    assert (ran.code, ran.error()) == (1, f"{name} is empty")
