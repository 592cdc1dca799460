"""After a fork: old sessions say that they are the parent's, new ones work, the parent goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.backends.conftest import BackendCase

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

# What the programs share. A child that hangs is ended by its alarm, which its parent sees.
COMMON = """
import os, signal, sys, threading, time, warnings
import numpy as np
from videohw.decoder import Decoder
from videohw.encoder import Encoder
from videohw.errors import SessionClosed, VideoHwError
from tests.backends.pcm import gray_units, joined

warnings.simplefilter("ignore", DeprecationWarning)  # of fork with threads, which is the point
BACKEND, ENCODES, CHILDREN_OPEN = sys.argv[1], sys.argv[2] == "True", sys.argv[3] == "True"
PICTURE = np.random.default_rng(1).integers(0, 255, (384, 256), np.uint8)

def opened_encoder(**more):
    return Encoder("h264", 256, 256, fps=30, preset="fastest", backend=BACKEND, **more)

def coded(count):
    return joined(gray_units(count))

def frames_of(data):
    with Decoder("h264", backend=BACKEND, max_in_flight=1000) as decoder:
        decoder.submit(data)
        return len(decoder.flush(30))

def in_a_child(run):
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        try:
            run()
            code = 7
        except BaseException as error:
            print("in the child:", repr(error), file=sys.stderr, flush=True)
            code = 1
        sys.stdout.flush()
        os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7

def refused(*calls):
    for call in calls:
        try:
            call()
        except SessionClosed as error:
            assert "parent of this forked process" in str(error), error
        else:
            raise AssertionError(call)

def until(condition):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)
"""


def run(backend: BackendCase, program: str) -> str:
    ran = subprocess.run(
        [
            sys.executable, "-c", COMMON + program,
            backend.name, str(backend.encodes), str(backend.works_in_children),
        ],
        cwd=ROOT, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


def test_a_decoder_in_the_child_is_refused_and_the_parent_goes_on(backend: BackendCase) -> None:
    program = """
data = coded(10)
decoder = Decoder("h264", backend=BACKEND)
decoder.submit(data)

def child():
    assert decoder.closed
    refused(lambda: decoder.submit(data), decoder.try_reap, lambda: decoder.reap_timeout(5),
            decoder.flush, lambda: list(decoder), decoder.reset)
    assert decoder.summary()["backend"] == BACKEND
    decoder.close()
    with decoder:
        pass

in_a_child(child)
print(len(decoder.flush(30)))
decoder.close()
"""
    assert run(backend, program) == "10\n"


INSIDE_OF = """
data = coded(400)
flushing = Decoder("h264", backend=BACKEND, max_in_flight=1000)
resetting = Decoder("h264", backend=BACKEND, max_in_flight=1000)
waiting = Decoder("h264", backend=BACKEND, max_in_flight=1)
encoding = opened_encoder(max_in_flight=1) if ENCODES else None
for decoder in (flushing, resetting, waiting):
    decoder.submit(data)
until(lambda: waiting.summary()["ready"] == 1)

def fill():
    while ENCODES:
        encoding.submit(PICTURE, timeout=None)

def swallowed(call):
    def run():
        try:
            call()
        except SessionClosed:
            pass
    return threading.Thread(target=run)

threads = [swallowed(call) for call in (
    flushing.flush, resetting.reset, lambda: waiting.submit(data, timeout=None), fill,
    lambda: waiting.reap_timeout(0.001),
)]
for thread in threads:
    thread.start()

def child():
    for decoder in (flushing, resetting, waiting):
        refused(lambda: decoder.submit(data, timeout=None), decoder.reset, decoder.flush,
                lambda: decoder.reap_timeout(None))
        decoder.summary()
        decoder.close()
    if ENCODES:
        refused(lambda: encoding.submit(PICTURE, timeout=None), encoding.flush,
                lambda: encoding.reap_timeout(None))
        encoding.summary()
        encoding.close()

for _ in range(30):
    in_a_child(child)
for session in filter(None, (flushing, resetting, waiting, encoding)):
    session.close()
for thread in threads:
    thread.join(30)
    assert not thread.is_alive()
print("done")
"""


def test_sessions_that_other_threads_are_inside_of(backend: BackendCase) -> None:
    """What those threads hold locked in the parent is held for ever in the child."""
    assert run(backend, INSIDE_OF) == "done\n"


def test_a_new_session_in_the_child_works_while_the_parent_is_at_work(
    backend: BackendCase,
) -> None:
    """Or is refused by a clear error, where the driver works in one process only."""
    program = """
data = coded(30)
assert frames_of(data) == 30  # a fork during the first open could copy a lock of Python's import
stop = threading.Event()

def work():
    while not stop.is_set():
        assert frames_of(data) == 30

threads = [threading.Thread(target=work) for _ in range(2)]
for thread in threads:
    thread.start()

def child():
    if not CHILDREN_OPEN:  # the driver does not work there, and says so
        for _ in range(2):
            try:
                frames_of(data)
            except VideoHwError as error:
                assert "forked process" in str(error), error
            else:
                raise AssertionError("a session in a forked child")
        return
    assert frames_of(data) == 30
    assert frames_of(coded(10)) == 10
    with opened_encoder() as encoder:
        assert len(list(encoder.encode([PICTURE] * 10))) == 10

for _ in range(4):
    in_a_child(child)
stop.set()
for thread in threads:
    thread.join()
print(frames_of(data))
"""
    assert run(backend, program) == "30\n"


def test_a_child_that_ends_like_any_process_is_quiet(backend: BackendCase) -> None:
    program = """
data = coded(10)
decoder = Decoder("h264", backend=BACKEND)
encoder = opened_encoder() if ENCODES else None
decoder.submit(data)
if ENCODES:
    encoder.submit(PICTURE)
child = os.fork()
if child == 0:
    signal.alarm(30)
    sys.exit(7)  # with the exit handlers and destructors of an interpreter
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
print(len(decoder.flush(30)))
decoder.close()
if ENCODES:
    assert len(encoder.flush(30)) == 1
    encoder.close()
"""
    assert run(backend, program) == "10\n"
