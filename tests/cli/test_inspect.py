"""``videohw inspect``: what it says of streams that are known, and of those that are damaged."""

from __future__ import annotations

import io
import re
import sys

import numpy as np
import pytest

from tests.cli.running import H264, units_of, write_y4m
from tests.corpus import DATA, data_streams, stream
from tests.vc1_clips import clip
from videohw.errors import VideoHwError

av = pytest.importorskip("av", reason="PyAV is not installed")

WHOLE = [s for s in data_streams() if not s.damaged]
GENERATED = DATA / "generated"


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
