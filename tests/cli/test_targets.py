"""Where a command writes: whole files or none, and never over a file by mistake."""

from __future__ import annotations

import os
import stat

import pytest

from tests.cli.running import leftovers
from videohw.cli.errors import CommandFailed, UsageError
from videohw.cli.targets import check_source, check_target, writing


def test_a_file_appears_when_it_is_complete(tmp_path):
    target = tmp_path / "out.yuv"
    with writing(str(target), overwrite=False) as stream:
        stream.write(b"abc")
        stream.flush()
        assert not target.exists()
        assert leftovers(tmp_path)
    assert target.read_bytes() == b"abc"
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("overwrite", [True, False])
def test_nothing_is_left_of_a_failure(tmp_path, error, overwrite):
    target = tmp_path / "out.yuv"
    if overwrite:
        target.write_bytes(b"old")

    def fail():
        with writing(str(target), overwrite=overwrite) as stream:
            stream.write(b"half")
            raise error

    with pytest.raises(error):
        fail()
    assert leftovers(tmp_path) == []
    assert (target.read_bytes() if target.exists() else None) == (b"old" if overwrite else None)


def test_a_file_that_came_up_meanwhile_is_kept(tmp_path):
    target = tmp_path / "out.yuv"

    def write():
        with writing(str(target), overwrite=False) as stream:
            stream.write(b"new")
            target.write_bytes(b"other")

    with pytest.raises(CommandFailed, match="exists by now"):
        write()
    assert target.read_bytes() == b"other"
    assert leftovers(tmp_path) == []


@pytest.mark.skipif(os.name == "nt", reason="named pipes are of POSIX")
def test_a_named_pipe_is_written_in_place(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        check_target("-", str(pipe), overwrite=False)
        with writing(str(pipe), overwrite=False) as stream:
            stream.write(b"abc")
        assert os.read(reader, 10) == b"abc"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_refusals_before_any_work(tmp_path):
    source = tmp_path / "in.mp4"
    source.write_bytes(b"x")
    other = tmp_path / "other.mp4"
    other.write_bytes(b"y")
    link = tmp_path / "link.mp4"
    os.link(source, link)
    for same in (source, link, tmp_path / "." / "in.mp4"):
        with pytest.raises(UsageError, match="is the input too"):
            check_target(str(source), str(same), overwrite=True)
    with pytest.raises(CommandFailed, match=r"exists \(-y replaces it\)"):
        check_target(str(source), str(other), overwrite=False)
    check_target(str(source), str(other), overwrite=True)
    with pytest.raises(CommandFailed, match="is a folder"):
        check_target(str(source), str(tmp_path), overwrite=True)
    with pytest.raises(CommandFailed, match="no such folder"):
        check_target(str(source), str(tmp_path / "no" / "out.mp4"), overwrite=True)
    with pytest.raises(CommandFailed, match="no such file"):
        check_source(str(tmp_path / "none.mp4"))
    with pytest.raises(CommandFailed, match="is a folder"):
        check_source(str(tmp_path))
