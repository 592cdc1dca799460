"""Rule 9, session switch, where libavcodec has a say: opening, reconfiguring, forked children."""

from __future__ import annotations

import os
import sys
import weakref
from typing import Any

import pytest

from tests.backends.encoding import codec
from tests.backends.switching import SIDE, Run
from videohw.encoder import Encoder
from videohw.encoding.session_switch import SwitchMode
from videohw.errors import UnsupportedConfig, VideoHwError
from videohw.machine import capabilities
from videohw.software import live_options
from videohw.software.encoder_context import EncodingContext
from videohw.types import ConstantBitrate, ConstantQuality

__all__ = ["codec"]

SLOW, QUICK = ConstantBitrate(900_000), ConstantBitrate(300_000)


def opened(codec: str, **arguments: Any) -> Encoder:
    arguments = {"rate_control": SLOW, "fps": 30, "preset": "fastest", "gop": 0, **arguments}
    return Encoder(codec, SIDE, SIDE, backend="software", **arguments)


def details(codec: str) -> Any:
    (answer,) = [c for c in capabilities(codec, "software") if c.direction == "encode"]
    return answer.details


def test_x264_takes_new_numbers_while_it_runs() -> None:
    reachable = live_options.available()
    assert reachable or sys.platform != "linux"
    expected = ("ConstantBitrate", "ConstantQuality") if reachable else ()
    assert details("h264")["switch_reconfigures"] == expected
    assert details("hevc")["switch_reconfigures"] == ()
    with opened("h264") as encoder:
        assert encoder.summary()["switch_reconfigures"] == expected


@pytest.fixture
def no_access(monkeypatch: pytest.MonkeyPatch) -> None:
    """A PyAV whose contexts cannot be reached, or a loader that does not find libavutil."""
    monkeypatch.setattr(live_options, "_access", lambda: None)


@pytest.mark.usefixtures("no_access")
def test_without_access_to_options_a_bitrate_takes_one_keyframe(codec: str) -> None:
    with opened(codec) as encoder:
        assert encoder.summary()["switch_reconfigures"] == ()
        run = Run(encoder)
        run.submit(5)
        run.switch(rate_control=QUICK)
        assert not encoder.summary()["switch"]["reconfigures"]
        run.submit(5)
        run.flush()
        run.check()
    assert run.keys == [0, 5]


def test_an_option_that_the_library_refuses_takes_a_new_encoder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with opened("h264") as encoder:
        run = Run(encoder)
        run.submit(5)
        monkeypatch.setattr(EncodingContext, "reconfigure", lambda context, options: False)
        run.switch(rate_control=QUICK)
        run.submit(5)
        run.flush()
        run.check()
        assert encoder.summary()["switch"]["state"] == "active"
    assert run.keys == [0, 5]


def test_lossless_is_entered_and_left_by_a_new_encoder() -> None:
    with opened("h264", rate_control=ConstantQuality(0)) as encoder:
        run = Run(encoder)
        run.submit(4)
        run.switch(rate_control=ConstantQuality(30))
        run.submit(4)
        run.switch(rate_control=ConstantQuality(0))
        run.submit(4)
        run.flush()
        run.check()
    assert run.keys == [0, 4, 8]


def refusing(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on libavcodec opens no encoder."""

    def refuse(*_: Any) -> None:
        raise UnsupportedConfig("planted", hint="a test")

    monkeypatch.setattr(EncodingContext, "__init__", refuse)


@pytest.mark.parametrize("mode", SwitchMode, ids=lambda mode: mode.value)
def test_what_the_library_does_not_open_is_refused_by_the_request(
    codec: str, mode: SwitchMode, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(codec) as encoder:
        run = Run(encoder)
        run.submit(3)
        with monkeypatch.context() as patched:
            refusing(patched)
            with pytest.raises(UnsupportedConfig, match="planted"):
                run.switch(mode, width=128, height=112)
            run.submit(3)
            assert (encoder.width, encoder.height) == (SIDE, SIDE)
            assert encoder.summary()["switch"] is None
        run.flush()
        run.check()
    assert run.keys == [0]


def test_an_encoder_that_does_not_open_in_its_turn_is_rolled_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The library took the numbers when asked, but has to be opened anew when its turn comes."""
    with opened("h264") as encoder:
        run = Run(encoder)
        run.submit(3)
        with monkeypatch.context() as patched:
            refusing(patched)
            patched.setattr(EncodingContext, "reconfigure", lambda context, options: False)
            run.switch(rate_control=QUICK)
            run.submit(3)
            with pytest.raises(UnsupportedConfig, match="planted") as refused:
                run.flush()
        assert not refused.value.fatal
        run.flush()
        for each in run.submitted:
            each.generation = 0
        run.check()
        assert encoder.summary()["switch"]["state"] == "failed"
        assert encoder.summary()["rate_control"] == SLOW
    assert run.keys == [0]


def test_a_prepared_encoder_is_freed_when_it_is_not_needed(
    codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive: weakref.WeakSet[EncodingContext] = weakref.WeakSet()
    create = EncodingContext.__init__

    def creating(context: EncodingContext, *arguments: Any) -> None:
        create(context, *arguments)
        alive.add(context)

    monkeypatch.setattr(EncodingContext, "__init__", creating)
    with opened(codec) as encoder:
        run = Run(encoder)
        run.submit(2)
        for fps in range(20, 25):
            run.switch(fps=fps)
            assert len(alive) == 2
        run.submit(2)
        run.flush()
        assert not alive
        run.switch(fps=15)
        with pytest.raises(VideoHwError):
            run.switch(fps=60)
        assert len(alive) == 1
        run.submit(2)
        run.switch(SwitchMode.ON_NEXT_KEYFRAME, fps=10)
    assert not alive


def test_a_switch_that_begins_meanwhile_is_built_upon(
    codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another thread submits the first picture of one while the next is being opened."""
    with opened(codec) as encoder:
        run = Run(encoder)
        run.submit(2)
        assert run.switch(width=128, height=112) == 1
        session = encoder._session
        prepare = session.prepare

        def preparing(*arguments: Any, **options: Any) -> Any:
            monkeypatch.undo()
            prepared = prepare(*arguments, **options)
            run.submit(2)
            return prepared

        monkeypatch.setattr(session, "prepare", preparing)
        assert run.switch(fps=25) == 2
        assert (encoder.width, encoder.height, encoder.fps) == (128, 112, 25)
        run.submit(2)
        run.flush()
        run.check()
    assert [each.generation for each in run.submitted] == [0, 0, 1, 1, 2, 2]
    assert run.keys == [0, 2, 4]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_ends_while_a_switch_is_pending(codec: str) -> None:
    encoder = opened(codec)
    run = Run(encoder)
    run.submit(3)
    run.switch(fps=25)
    run.submit(1)
    run.switch(fps=20)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            try:
                run.switch(fps=15)
            except VideoHwError as error:
                status = 0 if "forked" in str(error) else 2
            del run, encoder
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    run.flush()
    run.check()
    encoder.close()
