"""``videohw inspect`` of containers: times, streams, headers, and those that are damaged."""

from __future__ import annotations

import io
import json
import re
import sys

import numpy as np
import pytest

from tests.cli.running import H264, HEVC, run_without, units_of
from tests.cli.terminals import command, lines_of

av = pytest.importorskip("av", reason="PyAV is not installed")


@pytest.fixture(scope="module")
def mp4(tmp_path_factory):
    """The H.264 stream in MP4, with silence beside it."""
    return remuxed(H264, tmp_path_factory.mktemp("inspect") / "in.mp4", audio=True)


def remuxed(source, target, *, audio=False):
    with av.open(str(source)) as given, av.open(str(target), "w") as made:
        video = given.streams.video[0]
        copy = made.add_stream_from_template(video)
        sound = made.add_stream("aac", rate=48000) if audio else None
        packets = [packet for packet in given.demux(video) if packet.size]
        for index, packet in enumerate(packets):
            packet.stream = copy
            if packet.pts is None:
                packet.pts = packet.dts = index * round(1 / video.average_rate / packet.time_base)
            made.mux(packet)
        if sound is not None:
            silence = np.zeros((1, 2048), np.int16)
            frame = av.AudioFrame.from_ndarray(silence, format="s16", layout="stereo")
            frame.sample_rate = 48000
            made.mux(sound.encode(frame) + sound.encode(None))
    return target


def test_a_container_gives_its_times_and_streams(run, mp4):
    report = run("inspect", mp4, "--json", "--units").json()
    assert report["container"].startswith("mov,mp4")
    assert report["frames"] == 25
    raw = units_of(H264, "h264")
    assert [row["keyframe"] for row in report["units"]] == [unit.keyframe for unit in raw]
    times = [row["dts"] for row in report["units"]]
    assert times == sorted(times)
    assert any("audio aac 48000 Hz" in each for each in report["other_streams"])
    sets = report["parameter_sets"]
    assert [(each["name"], each["first_unit"]) for each in sets[:2]] == [
        ("SPS", None),
        ("PPS", None),
    ]
    with av.open(str(mp4)) as file:
        packets = [p for p in file.demux(video=0) if p.size]
        assert [row["pts"] for row in report["units"]] == pytest.approx(
            [float(p.pts * p.time_base) for p in packets]
        )
    out = run("inspect", mp4).out
    assert "in the header of the file" in out
    assert re.search(r"times +pts \d", out)


@pytest.mark.parametrize("ending", [".mkv", ".ts"])
@pytest.mark.parametrize("source", [H264, HEVC], ids=["h264", "hevc"])
def test_other_containers_give_the_same_pictures(run, tmp_path, source, ending):
    codec = "h264" if source == H264 else "hevc"
    report = run("inspect", remuxed(source, tmp_path / f"in{ending}"), "--json", "--units").json()
    raw = units_of(source, codec)
    assert report["problems"] == []
    assert [row["type"] for row in report["units"]] == [unit.picture_type for unit in raw]
    assert [row["keyframe"] for row in report["units"]] == [unit.keyframe for unit in raw]
    assert report["parameter_sets"][0]["error"] is None


def test_the_header_of_a_container_tells_of_its_pictures(run, tmp_path):
    """HEVC whose samples bring no parameter sets, with an SEI message in the header."""
    path, made = tmp_path / "in.mp4", np.random.default_rng(5)
    with av.open(str(path), "w") as file:
        video = file.add_stream("libx265", rate=25, options={"x265-params": "log-level=none"})
        video.width = video.height = 96
        for _ in range(12):
            picture = made.integers(0, 255, (96, 96, 3), np.uint8)
            file.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(video.encode(None))
    with av.open(str(path)) as file:
        kinds = ["?IPB"[int(frame.pict_type)] for frame in file.decode(video=0)]
    report = run("inspect", path, "--json").json()
    assert not {"32", "33", "34", "39"} & {str(each["type"]) for each in report["nal_types"]}
    assert report["picture_types"] == {kind: kinds.count(kind) for kind in sorted(set(kinds))}
    assert [each["name"] for each in report["parameter_sets"]] == ["VPS", "SPS", "PPS"]
    assert report["sei"] == {"user data (unregistered)": 1}
    assert report["problem_count"] == 0
    assert "unknown" not in run("inspect", path).out


def test_a_cut_container_is_reported(run, mp4, tmp_path):
    data = mp4.read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(data[: len(data) // 2])
    ran = run("inspect", path, "--json")
    assert ran.code in (0, 1)
    assert json.loads(ran.out)
    assert "Traceback" not in ran.err


def test_damaged_samples_of_a_container_are_named_with_their_place(run, mp4, tmp_path):
    with av.open(str(mp4)) as file:
        third = [packet for packet in file.demux(video=0) if packet.size][2]
    data = bytearray(mp4.read_bytes())
    data[third.pos : third.pos + 4] = b"\xff\xff\xff\xff"  # the length of its first NAL unit
    path = tmp_path / "in.mp4"
    path.write_bytes(bytes(data))
    report = run("inspect", path, "--json", "--units").json()
    assert report["problem_count"] == 1
    assert report["problems"][0]["offset"] == third.pos
    assert len(report["units"]) == 25
    out = run("inspect", path).out
    assert f"at byte {third.pos}: " in out
    listed = run("inspect", path, "--units")
    assert f"problem: at byte {third.pos}: " in listed.err


def test_a_damaged_header_of_a_container_is_reported(run, mp4, tmp_path):
    data = bytearray(mp4.read_bytes())
    at = data.index(b"avcC") + 4
    data[at + 6 : at + 8] = b"\xff\xff"  # the size of the SPS
    path = tmp_path / "in.mp4"
    path.write_bytes(bytes(data))
    report = run("inspect", path, "--json").json()
    assert any("avcC" in each["message"] for each in report["problems"])


def test_a_container_as_standard_input(run, monkeypatch, mp4):
    with mp4.open("rb") as file:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(file))
        ran = run("inspect", "-", "--json")
    expected = run("inspect", mp4, "--json").json()
    assert ran.json() == {**expected, "file": "-"}


def test_a_second_video_stream_is_chosen_by_number(run, mp4):
    ran = run("inspect", mp4, "--stream", 1)
    assert ran.code == 1
    assert "--stream counts from 0" in ran.error()


def test_containers_need_pyav_and_raw_streams_do_not(mp4):
    assert run_without(["av"], "inspect", H264).code == 0
    ran = run_without(["av"], "inspect", mp4)
    assert ran.code == 1
    assert "needs PyAV" in ran.error()
    assert "pip install" in ran.error()


@pytest.mark.parametrize("columns", [80, 120])
def test_it_fits_a_terminal(mp4, columns):
    with command("inspect", str(mp4), columns=columns) as (process, terminal):
        assert process.wait(timeout=60) == 0
        text = terminal.finish()
    assert max(map(len, lines_of(text))) <= columns
    assert any("IDR slice" in line for line in lines_of(text))
