"""``videohw inspect``: what it says of streams that are known, and of those that are damaged."""

from __future__ import annotations

import io
import json
import re
import sys

import numpy as np
import pytest

from tests.cli.running import H264, HEVC, run_without, write_y4m
from tests.cli.terminals import command, lines_of
from tests.corpus import DATA, data_streams, stream
from tests.vc1_clips import clip
from videohw.bitstream import open_assembler
from videohw.errors import VideoHwError

av = pytest.importorskip("av", reason="PyAV is not installed")

WHOLE = [s for s in data_streams() if not s.damaged]
GENERATED = DATA / "generated"


def units_of(path, codec):
    assembler = open_assembler(codec)
    assembler.feed(path.read_bytes())
    assembler.finish()
    return list(assembler)


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


@pytest.mark.parametrize("known", WHOLE, ids=lambda s: s.name)
def test_json_agrees_with_the_parser(run, known):
    ran = run("inspect", known.path, "--codec", known.codec, "--json", "--units", "--nals")
    assert (ran.code, ran.err) == (0, "")
    report = ran.json()
    units = units_of(known.path, known.codec)
    assert report["codec"] == known.codec
    assert report["access_units"] == len(units)
    assert [row["size"] for row in report["units"]] == [len(unit.data) for unit in units]
    assert [row["offset"] for row in report["units"]] == [unit.offset for unit in units]
    assert [row["keyframe"] for row in report["units"]] == [unit.keyframe for unit in units]
    assert report["bytes"] == sum(len(unit.data) for unit in units)
    spans = [span for unit in units for span in unit.nals]
    assert [row["type"] for row in report["nals"]] == [span.type for span in spans]
    assert sum(each["count"] for each in report["nal_types"]) == len(spans)
    assert sum(report["picture_types"].values()) == len(units)
    assert report["problems"] == []
    data = known.path.read_bytes()
    for row in report["nals"]:
        first = data[row["offset"]]
        assert (first & 31 if known.codec == "h264" else first >> 1 & 63) == row["type"]


# Without parameter sets nothing in the bytes tells.
TELLING = [known for known in WHOLE if "no_parameter_sets" not in known.name]


@pytest.mark.parametrize("known", TELLING, ids=lambda s: s.name)
def test_the_codec_is_found_by_content(run, known):
    assert run("inspect", known.path, "--json").json()["codec"] == known.codec


def test_a_person_can_read_it(run):
    out = run("inspect", GENERATED / "crop_322x182.h265").out
    for text in (
        r"container +none \(raw stream\)", r"size +322x182", r"profile +Main, Main tier, level",
        r"322x182 \(coded \d+x\d+, crop", r"samples +4:2:0, 8 bit", r"frame rate +25 fps",
        r"keyframes +\d+ \(.*IDR.*\), GOP of", r"Parameter sets", r"VPS 0: \d+ bytes, in unit 0",
        r"NAL units by type", r" 33 .* SPS", r"Access units in decoding order, the first 10 of",
        r"VPS, SPS, PPS",
    ):  # fmt: skip
        assert re.search(text, out), text
    assert "Problems" not in out


def test_hdr_is_named(run):
    path = GENERATED / "hdr10.h265"
    out = run("inspect", path).out
    assert "matrix bt2020nc, primaries bt2020, transfer smpte2084, limited range" in out
    assert "0.005 to 1000 cd/m2" in out
    assert "at most 1000 cd/m2, 400 as average of a frame" in out
    report = run("inspect", path, "--json").json()
    assert report["color"]["transfer"] == "smpte2084"
    assert report["sei"]["mastering display"] >= 1
    assert {"max_content": 1000, "max_frame_average": 400} in report["sei_values"]


def test_raw_timing_comes_from_the_vui(run):
    report = run("inspect", H264, "--json").json()
    assert report["fps"] == "25"
    assert report["seconds"] == pytest.approx(report["frames"] / 25)
    assert report["first_and_last_pts"] is None
    size = H264.stat().st_size
    assert report["bits_per_second"] == pytest.approx(8 * size / report["seconds"], abs=1)


@pytest.mark.parametrize("limit", [None, 0, 3])
@pytest.mark.parametrize("what", ["--units", "--nals"])
def test_lists_have_one_line_a_row(run, what, limit):
    units = units_of(H264, "h264")
    total = len(units) if what == "--units" else sum(len(unit.nals) for unit in units)
    options = [] if limit is None else ["--limit", limit]
    ran = run("inspect", H264, what, *options)
    header, *rows = ran.out.splitlines()
    assert len(rows) == (limit or total)
    assert header.split()[:3] == ["unit", "offset", "bytes"]
    assert [int(row.split()[0]) for row in rows] == sorted(int(row.split()[0]) for row in rows)
    sizes = [len(u.data) for u in units] if what == "--units" else [
        span.size for u in units for span in u.nals
    ]  # fmt: skip
    assert [int(row.split()[2]) for row in rows] == sizes[: len(rows)]


def test_limit_of_the_overview(run):
    out = run("inspect", H264, "--limit", 2).out
    assert "the first 2 of 25" in out
    assert "--units lists all" in out
    assert "--units lists all" not in run("inspect", H264, "--limit", 0).out


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


def test_codecs_without_nal_units_are_listed_by_packet(run, tmp_path):
    path = tmp_path / "in.webm"
    with av.open(str(path), "w") as file:
        vp8 = file.add_stream("libvpx", rate=25, options={"deadline": "realtime"})
        vp8.width, vp8.height, vp8.pix_fmt = 64, 48, "yuv420p"
        for index in range(5):
            frame = av.VideoFrame(64, 48, "yuv420p")
            frame.pts = index
            file.mux(vp8.encode(frame))
        file.mux(vp8.encode(None))
    report = run("inspect", path, "--json", "--units").json()
    assert (report["codec"], report["frames"], report["width"]) == ("vp8", 5, 64)
    assert report["keyframes"] >= 1
    assert run("inspect", path).code == 0
    ran = run("inspect", path, "--nals")
    assert ran.code == 1
    assert "has no NAL units" in ran.error()


def encoded_raw(path, encoder, container, frames=6):
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream(encoder, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(np.full((72, 64), 9 * index, np.uint8), "yuv420p")
            frame.pts = index
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("name", "encoder", "container", "codec"),
    [
        ("in.m2v", "mpeg2video", "mpeg2video", "mpeg2"),
        ("in.m1v", "mpeg1video", "mpeg1video", "mpeg1"),
        ("in.m4v", "mpeg4", "m4v", "mpeg4"),
        ("in.obu", None, None, "av1"),
        ("in.vc1", None, None, "vc1"),
    ],
)
def test_raw_streams_without_nal_units(run, tmp_path, name, encoder, container, codec):
    path = tmp_path / name
    if codec == "vc1":
        path.write_bytes(b"".join(clip("IPBPBP").units))
    elif encoder is None:
        y4m = write_y4m(tmp_path / "in.y4m", 6)
        assert run("encode", y4m, path, "--preset", "fastest").code == 0
    else:
        encoded_raw(path, encoder, container)
    report = run("inspect", path, "--json").json()
    assert (report["codec"], report["width"], report["height"]) == (codec, 64, 48)
    assert report["frames"] == 6
    assert report["keyframes"] >= 1
    assert report["chroma_format"] == "4:2:0"
    assert report["problems"] == []
    out = run("inspect", path).out
    assert re.search(r"size +64x48", out)
    assert "--nals" not in out


def test_damage_is_reported_not_raised(run):
    for known in data_streams():
        ran = run("inspect", known.path, "--codec", known.codec)
        assert ran.code in (0, 1), known.name
        assert "Traceback" not in ran.err
        if ran.code:
            assert "holds no picture" in ran.error()


@pytest.mark.parametrize("cut", [5, 10, 100])
def test_a_parameter_set_that_is_cut_says_so(run, tmp_path, cut):
    data = H264.read_bytes()
    start = data.index(b"\0\0\0\1\x67") + 5
    end = data.index(b"\0\0\0\1", start)
    path = tmp_path / "broken.h264"
    path.write_bytes(data[: max(end - cut, start + 2)] + data[end:])
    ran = run("inspect", path)
    assert ran.code == 0
    assert "unreadable" in ran.out
    sets = run("inspect", path, "--json").json()["parameter_sets"]
    assert any(each["error"] for each in sets)


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


def test_damage_in_av1_is_reported_and_passed(run, tmp_path):
    path = tmp_path / "in.obu"
    y4m = write_y4m(tmp_path / "in.y4m", 12)
    assert run("encode", y4m, path, "--preset", "fastest").code == 0
    units = run("inspect", path, "--json", "--units").json()["units"]
    data = bytearray(path.read_bytes())
    size = units[5]["offset"] + 3  # of an OBU, leb128: past the end of its unit
    data[size : size + 4] = b"\xff\xff\xff\x7f"
    path.write_bytes(bytes(data))
    report = run("inspect", path, "--json").json()
    assert report["problem_count"] >= 1
    assert report["access_units"] >= 6


@pytest.mark.parametrize("data", [b"\0", b"text\n" * 99, b"\0\0\1\x09\x10", b"\0\0\1" * 50])
def test_what_is_no_video_is_one_line(run, tmp_path, data):
    path = tmp_path / "what"
    path.write_bytes(data)
    ran = run("inspect", path)
    assert ran.code == 1
    assert "--codec names the codec of a raw stream" in ran.error()


def test_standard_input(run, monkeypatch):
    class Input:
        buffer = io.BytesIO(H264.read_bytes())

    monkeypatch.setattr(sys, "stdin", Input)
    assert run("inspect", "-", "--json").json()["frames"] == 25


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


def test_a_stream_without_keyframes_has_no_gop(run, tmp_path):
    units = units_of(H264, "h264")
    first = units[0].data
    sets = first[: first.index(b"\0\0\1\x06") - 1]
    path = tmp_path / "in.h264"
    path.write_bytes(sets + b"".join(unit.data for unit in units[1:5]))
    report = run("inspect", path, "--json").json()
    assert (report["frames"], report["keyframes"], report["gop_lengths"]) == (4, 0, None)
    assert re.search(r"keyframes +none", run("inspect", path).out)


def test_a_field_pair_is_one_frame(run):
    known = stream("generated/field_seq.h265")
    report = run("inspect", known.path, "--json").json()
    assert report["access_units"] == len(units_of(known.path, "hevc"))


def test_no_text_of_a_stream_reaches_the_terminal_raw(run, tmp_path):
    data = H264.read_bytes()
    at = data.index(b"x264 - core")
    path = tmp_path / "evil.h264"
    path.write_bytes(data[:at] + b"\x1b[2J" + data[at + 4 :])
    try:
        assert "\x1b" not in run("inspect", path).out
    except VideoHwError as error:  # pragma: no cover - run never raises
        raise AssertionError from error
