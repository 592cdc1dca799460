"""How the command starts: what it loads, and Ctrl-C while it does."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tests.cli.running import H264
from tests.cli.terminals import ROOT, clean_environment
from videohw import cli
from videohw.cli.errors import ExitCode

# A library that says when it is being imported, and then waits for a signal.
WAITING = """
import sys, time
print("loading", flush=True)
time.sleep(60)
"""
# One that makes something else of a KeyboardInterrupt, as classes with __set_name__ do.
CHANGING = """
print("loading", flush=True)
try:
    import time
    time.sleep(60)
except BaseException as error:
    raise RuntimeError("cannot be initialised") from error
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals to a process are of POSIX")
@pytest.mark.parametrize(
    ("library", "code"),
    [("numpy", WAITING), ("numpy", CHANGING), ("av", WAITING)],
    ids=["numpy", "changing", "av"],
)
@pytest.mark.parametrize("entry", ["module", "script"])
def test_an_interrupt_while_libraries_load_leaves_no_trace(tmp_path, library, code, entry):
    (tmp_path / f"{library}.py").write_text(code)
    program = {
        "module": ["-m", "videohw"],
        "script": ["-c", "import sys; from videohw.cli import main; sys.exit(main())"],
    }[entry]
    with subprocess.Popen(
        [sys.executable, *program, "decode", H264, "--frames", "1"],
        cwd=ROOT, env={**clean_environment(), "PYTHONPATH": f"{tmp_path}"},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout.readline() == b"loading\n"
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=60)
    assert (process.returncode, out, errors) == (ExitCode.INTERRUPTED, b"", b"")


def test_the_entry_knows_the_exit_code_of_an_interrupt():
    assert cli._INTERRUPTED == ExitCode.INTERRUPTED


@pytest.mark.parametrize(
    ("program", "loaded"),
    [
        ("import videohw.cli", ""),
        ("from videohw.cli import main; main(['--version'])", ""),
        ("from videohw.cli import main; main(['info', '--help'])", "numpy"),
    ],
)
def test_only_what_a_command_needs_is_loaded(program, loaded):
    program += "\nprint(*{'numpy', 'av'} & set(sys.modules))"
    ran = subprocess.run(
        [sys.executable, "-c", f"import sys\n{program}"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert ran.stdout.splitlines()[-1] == loaded


def test_the_handler_of_a_caller_is_left_as_it_was(capsys):
    before = signal.getsignal(signal.SIGINT)
    assert cli.main(["--version"]) == 0
    assert signal.getsignal(signal.SIGINT) is before
    assert capsys.readouterr().out.startswith("videohw ")
