"""Rule 6, processes: a forked child is told, and sessions that are left open end well."""

from __future__ import annotations

import gc
import multiprocessing
import os
import subprocess
import sys
import threading
import warnings
from typing import Any

import numpy as np
import pytest

from tests.backends.conftest import BackendCase, needs_any_encoder
from tests.backends.pcm import gray_units, joined
from tests.backends.waiting import PATIENCE_SECONDS, wait_for
from tests.corpus import stream
from videohw.errors import SessionClosed

PICTURE = np.full((96, 64), 77, np.uint8)
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def in_child(work: Any) -> Any:
    """What ``work`` returns in a forked child, which then exits as a process does."""
    context = multiprocessing.get_context("fork")
    receiving, sending = context.Pipe(duplex=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # fork with threads, from 3.12
        process = context.Process(target=lambda: sending.send(work()))
        process.start()
    assert receiving.poll(PATIENCE_SECONDS)
    told = receiving.recv()
    process.join(PATIENCE_SECONDS)
    assert process.exitcode == 0
    return told


def told_by(*calls: Any) -> list[str]:
    """What SessionClosed says in each of the calls; "" for one that says nothing."""
    told = []
    for call in calls:
        try:
            call()
            told.append("")
        except SessionClosed as error:
            told.append(str(error))
    return told


@needs_fork
def test_a_forked_child_gets_a_clear_error_and_can_exit(backend: BackendCase) -> None:
    """Even one that is forked while the parent's worker decodes on threads of the codec."""
    each = stream("generated/main_cabac_b2.h264")
    with backend.decoder(each.codec, options=None, max_in_flight=2) as decoder:
        decoder.submit(each.read())
        assert decoder.reap_timeout(PATIENCE_SECONDS) is not None

        def child() -> list[str]:
            told = told_by(
                decoder.try_reap,
                lambda: decoder.reap_timeout(None),
                lambda: decoder.submit(b"\0\0\1", timeout=None),
                decoder.flush,
                lambda: list(decoder),
                decoder.reset,
            )
            assert decoder.closed
            decoder.close()
            return told

        told = in_child(child)
        assert len(told) == 6
        assert all("parent of this forked process" in each for each in told)
        assert len(decoder.flush(PATIENCE_SECONDS)) == each.frames - 1


@needs_fork
def test_a_forked_child_is_told_of_encoders_too(backend: BackendCase, encoded: str) -> None:
    with backend.encoder(encoded, 64, 64) as encoder:
        encoder.submit(PICTURE)

        def child() -> list[str]:
            told = told_by(
                lambda: encoder.submit(PICTURE, timeout=None),
                encoder.try_reap,
                lambda: encoder.reap_timeout(None),
                encoder.flush,
                lambda: list(encoder),
            )
            encoder.close()
            return told

        told = in_child(child)
        assert len(told) == 5
        assert all("parent of this forked process" in each for each in told)
        encoder.submit(PICTURE)
        assert len(encoder.flush(PATIENCE_SECONDS)) == 2


@pytest.mark.parametrize("kind", ["decoder", "encoder"])
def test_an_interpreter_that_ends_with_an_open_session_ends_well(
    backend: BackendCase, kind: str
) -> None:
    if kind == "encoder":
        needs_any_encoder(backend)
    each = stream("generated/main_cabac_b2.h264")
    program = {
        "decoder": (
            "from videohw.decoder import Decoder\n"
            f"decoder = Decoder({each.codec!r}, backend={backend.name!r}, max_in_flight=1)\n"
            f"decoder.submit(open({str(each.path)!r}, 'rb').read())\n"
            "decoder.reap_timeout(30)\n"
        ),
        "encoder": (
            "from videohw.encoder import Encoder\n"
            f"encoder = Encoder('h264', 64, 64, fps=30, backend={backend.name!r})\n"
            "for _ in range(5):\n"
            "    encoder.submit(bytes(64 * 96))\n"
        ),
    }[kind]
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize("kind", ["decoder", "encoder"])
def test_a_forgotten_session_warns_and_ends(backend: BackendCase, kind: str) -> None:
    before = threading.active_count()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        session: Any
        if kind == "decoder":
            session = backend.decoder("h264")
            session.submit(joined(gray_units(2)))
        else:
            session = backend.encoder("h264", 64, 64)
            session.submit(PICTURE)
        del session
        gc.collect()
    assert [warning.category for warning in caught] == [ResourceWarning]
    assert "was not closed" in str(caught[0].message)
    wait_for(lambda: threading.active_count() == before)
