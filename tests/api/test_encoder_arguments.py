"""Arguments of ``Encoder``: what is understood, and the typed error that names a wrong one."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from videohw.apple.encoder_messages import ApplePictureOptions
from videohw.color import ColorSpec
from videohw.encoder import Encoder
from videohw.encoding.encoder_config import encoder_config, frame_rate
from videohw.encoding.session_switch import SwitchMode, SwitchRequest
from videohw.errors import InvalidInput, UnsupportedCodec, UnsupportedConfig, VideoHwError
from videohw.nvidia.encoder_options import NvidiaPictureOptions
from videohw.software_options import SoftwareEncoderOptions
from videohw.types import ConstantQuality

GIVEN: dict[str, Any] = {
    "codec": "h264", "width": 64, "height": 48, "fps": 30, "backend": "software",
}  # fmt: skip
NTSC = [(15000, 14.985), (24000, 23.976), (24000, 23.98), (24000, 23.976023976), (30000, 29.97),
        (30000, 29.97003), (60000, 59.94), (120000, 119.88), (48000, 47.952)]  # fmt: skip


@pytest.mark.parametrize(
    ("fps", "expected"),
    [
        (25, Fraction(25)),
        (np.int32(25), Fraction(25)),
        (30.0, Fraction(30)),
        (12.5, Fraction(25, 2)),
        (0.5, Fraction(1, 2)),
        (33.333, Fraction(33333, 1000)),
        (100 / 3, Fraction(100, 3)),
        (Fraction(30000, 1001), Fraction(30000, 1001)),
        ((30000, 1001), Fraction(30000, 1001)),
        ((50, 2), Fraction(25)),
        *((written, Fraction(rate, 1001)) for rate, written in NTSC),
    ],
)
def test_frame_rates(fps: Any, expected: Fraction) -> None:
    assert frame_rate(fps) == expected


WRONG: list[tuple[str, Any]] = [
    *(("fps", v) for v in (0, -1, 0.0, -29.97, float("nan"), float("inf"), None, "30", True,
                           (30,), (30, 0), (0, 1), (30, 1, 1), (30.0, 1), Fraction(0), 1 << 40,
                           29.1234567, [30, 1], np.float32(np.nan))),
    *(("width", v) for v in (0, -2, 64.0, "64", None, True, 1 << 31, [64])),
    *(("height", v) for v in (0, -48, 48.5, "48", None, False, 1 << 40)),
    *(("time_base", v) for v in (0, Fraction(0), Fraction(-1, 30), 1 / 30, (1, 0), "1/30",
                                 Fraction(1, 20), Fraction(1, 1 << 40))),
    *(("input", v) for v in ("yuv420p", "RGB24", "", None, 3, ["nv12"])),
    *(("gop", v) for v in (-1, 1.5, "30", True, 1 << 31)),
    *(("b_frames", v) for v in (-1, 1.0, None, "2", True)),
    *(("profile", v) for v in (100, b"high", ["high"])),
    *(("preset", v) for v in ("medium", "", None, 5)),
    *(("low_latency", v) for v in (1, None, "yes")),
    *(("require_hardware", v) for v in (1, None, "no")),
    *(("color", v) for v in ("bt709", 1, {"matrix": "bt709"})),
    *(("layout", v) for v in ("avcc", "access_unit", "frame", None, 4)),
    *(("max_in_flight", v) for v in (0, -1, 2.0, None, True)),
    *(("device", v) for v in (-1, 1.0, None, True)),
    *(("rate_control", v) for v in (4_000_000, "cbr", (1, 2))),
    *(("backend", v) for v in ("ffmpeg", "", "Software", None, 3)),
    *(("options", v) for v in ({"threads": 1}, 1, "threads=1", ColorSpec())),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), WRONG, ids=[f"{n}={v!r}" for n, v in WRONG])
def test_a_wrong_argument_is_named(name: str, value: Any) -> None:
    arguments = {**GIVEN, name: value}
    with pytest.raises(InvalidInput) as refused:
        Encoder(arguments.pop("codec"), arguments.pop("width"), arguments.pop("height"),
                **arguments)  # fmt: skip
    assert refused.value.argument == name
    assert name in str(refused.value)


@pytest.mark.parametrize("codec", ["vp9", "mpeg2", "", "h263"])
def test_a_codec_that_cannot_be_encoded(codec: str) -> None:
    with pytest.raises(UnsupportedCodec, match=r"h264, hevc, av1"):
        Encoder(codec, 64, 48, fps=30)


@pytest.mark.parametrize("codec", [None, 264, b"h264", ["h264"]])
def test_a_codec_that_is_no_name(codec: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        Encoder(codec, 64, 48, fps=30)
    assert refused.value.argument == "codec"


@pytest.mark.parametrize(("alias", "name"), [("H.264", "h264"), ("avc", "h264"), ("H265", "hevc")])
def test_spellings_of_codecs(alias: str, name: str) -> None:
    with Encoder(alias, 64, 48, fps=30) as encoder:
        assert encoder.codec == name


@pytest.mark.parametrize(
    ("more", "error", "words"),
    [
        ({"width": 63}, UnsupportedConfig, "width is 63.*even.*crop or pad to 62 or 64"),
        ({"width": 1}, UnsupportedConfig, "width is 1, libx264 takes 2 to"),
        ({"height": 47}, UnsupportedConfig, "height is 47.*even"),
        ({"width": 63, "input": "rgb24"}, UnsupportedConfig, "even width"),
        ({"height": 47, "input": "rgb24", "profile": "high422"}, None, ""),
        ({"width": 63, "input": "rgb24", "profile": "high422"}, UnsupportedConfig, "4:2:2"),
        ({"width": 63, "input": "nv12", "profile": "high444"}, UnsupportedConfig, "even"),
        ({"width": 1 << 20}, UnsupportedConfig, "width is 1048576, libx264 takes 2 to"),
        ({"codec": "hevc", "width": 8}, UnsupportedConfig, "width is 8, libx265 takes 16 to"),
        ({"b_frames": 17}, UnsupportedConfig, "b_frames is 17, libx264 takes up to 16"),
        ({"codec": "av1", "b_frames": 1}, UnsupportedConfig, "b_frames is 1, libsvtav1"),
        ({"profile": "main10"}, UnsupportedConfig, "profile 'main10' is not known for h264"),
        ({"profile": "high", "input": "p010"}, UnsupportedConfig, "codes 8 bits, input p010"),
        ({"profile": "baseline", "b_frames": 1}, UnsupportedConfig, "baseline has no B-pictures"),
        ({"profile": "high", "rate_control": ConstantQuality(0)}, UnsupportedConfig, "lossless"),
        ({"low_latency": True, "b_frames": 1}, InvalidInput, "b_frames is 1 with low_latency"),
        ({"device": 1}, VideoHwError, "no device 1"),
        ({"device": "cuda:0"}, VideoHwError, "no device 'cuda:0'"),
        ({"device": "cpu"}, None, ""),
        ({"require_hardware": True}, UnsupportedConfig, "software: it is software"),
        ({"backend": "auto", "require_hardware": True}, UnsupportedConfig, "hardware"),
        ({"backend": "auto"}, None, ""),
    ],
)
def test_what_the_software_backend_can_do(
    more: dict[str, Any], error: type[Exception] | None, words: str
) -> None:
    arguments = {**GIVEN, **more}
    where = arguments.pop("codec"), arguments.pop("width"), arguments.pop("height")
    if error is None:
        Encoder(*where, **arguments).close()
        return
    with pytest.raises(error, match=words):
        Encoder(*where, **arguments)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"threads": 0}, "options.threads"),
        ({"threads": 1.5}, "options.threads"),
        ({"threads": True}, "options.threads"),
        ({"codec_options": "preset=fast"}, "options.codec_options"),
        ({"codec_options": {1: "a"}}, "options.codec_options"),
        ({"codec_options": {"a": None}}, "options.codec_options"),
    ],
)
def test_options_of_the_software_backend_check_themselves(
    arguments: dict[str, Any], name: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        SoftwareEncoderOptions(**arguments)
    assert refused.value.argument == name


@pytest.mark.parametrize(
    ("codec_options", "error", "words"),
    [
        ({"bf": 2}, InvalidInput, "use b_frames"),
        ({"x264-params": "keyint=9:bframes=2"}, InvalidInput, "use b_frames"),
        ({"flags": "+global_header"}, InvalidInput, "use layout"),
        ({"preset": "slow"}, InvalidInput, "use preset"),
        ({"no_such_option": 1}, UnsupportedConfig, "libx264 has no option no_such_option"),
        ({"crf": "many"}, UnsupportedConfig, "avcodec_open2"),
        ({"aq-mode": 3, "x264-params": "me=dia"}, None, ""),
    ],
)
def test_codec_options(
    codec_options: dict[str, Any], error: type[Exception] | None, words: str
) -> None:
    options = SoftwareEncoderOptions(codec_options=codec_options)
    if error is None:
        with Encoder("h264", 64, 48, fps=30, options=options) as encoder:
            told = encoder.summary()["options"]
        assert told["aq-mode"] == "3"
        assert told["x264-params"] == "me=dia"
        return
    with pytest.raises(error, match=words):
        Encoder("h264", 64, 48, fps=30, options=options)


def test_tune_is_free_but_with_low_latency() -> None:
    options = SoftwareEncoderOptions(codec_options={"tune": "film"})
    Encoder("h264", 64, 48, fps=30, options=options).close()
    with pytest.raises(InvalidInput, match="use low_latency"):
        Encoder("h264", 64, 48, fps=30, options=options, low_latency=True)


@pytest.mark.parametrize("pts", [1.0, "1", True, 1 << 63, -(1 << 63), b"1", [1]])
def test_a_pts_that_is_no_time(pts: Any) -> None:
    picture = np.zeros((72, 64), np.uint8)
    with Encoder("h264", 64, 48, fps=30) as encoder:
        with pytest.raises(InvalidInput) as refused:
            encoder.submit(picture, pts)
        assert refused.value.argument == "pts"
        encoder.submit(picture, np.int64(-5))
        assert [packet.pts for packet in encoder.flush(30)] == [-5]


@pytest.mark.parametrize("wait", [-1, "1", True, float("nan"), [0]])
def test_a_wait_that_is_no_time(wait: Any) -> None:
    picture = np.zeros((72, 64), np.uint8)
    with Encoder("h264", 64, 48, fps=30) as encoder:
        for call in (
            lambda: encoder.submit(picture, timeout=wait),
            lambda: encoder.reap_timeout(wait),
            lambda: encoder.flush(wait),
        ):
            with pytest.raises(InvalidInput, match="seconds, 0 or more, or None"):
                call()
        with pytest.raises(InvalidInput) as refused:
            encoder.submit(picture, force_keyframe=1)  # type: ignore[arg-type]
        assert refused.value.argument == "force_keyframe"
        encoder.submit(picture, timeout=float("inf"))
        assert len(encoder.flush(float("inf"))) == 1


def test_defaults_are_those_of_the_contract() -> None:
    config = encoder_config(
        "h264", 64, 48, fps=29.97, input="nv12", device=0, rate_control=None, gop=None,
        b_frames=0, profile=None, preset="balanced", low_latency=False, color=None,
        layout="annexb", time_base=None, max_in_flight=6, options=None,
    )  # fmt: skip
    assert config.fps == Fraction(30000, 1001)
    assert config.time_base == Fraction(1001, 30000)
    assert config.rate_control == ConstantQuality(23)
    with Encoder("h264", 64, 48, fps=29.97) as encoder:
        summary = encoder.summary()
        assert (encoder.width, encoder.height, encoder.fps) == (64, 48, config.fps)
        assert encoder.time_base == config.time_base
    assert summary["max_in_flight"] == 6
    assert (summary["input"], summary["layout"]) == ("nv12", "annexb")


def test_options_of_a_picture_are_the_backends() -> None:
    picture = np.zeros((72, 64), np.uint8)
    with Encoder(**GIVEN) as encoder:
        with pytest.raises(InvalidInput) as caught:
            encoder.submit(picture, options=NvidiaPictureOptions())
        assert caught.value.argument == "options"
        encoder.submit(picture)


@pytest.mark.parametrize("kind", [NvidiaPictureOptions, ApplePictureOptions])
@pytest.mark.parametrize("name", ["user_data", "sei", "use_references"])
@pytest.mark.parametrize("value", [True, 5, iter(())])
def test_what_is_no_sequence_is_refused_by_name(kind: Any, name: str, value: Any) -> None:
    if name in kind.__dataclass_fields__:
        with pytest.raises(InvalidInput) as caught:
            kind(**{name: value})
        assert caught.value.argument == f"options.{name}"


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
def test_a_switch_goes_to_another_process(copied: Callable[[Any], Any]) -> None:
    request = SwitchRequest({"fps": 25, "gop": None}, SwitchMode.DRAIN_THEN_SWAP)
    assert copied(request) == request


@pytest.mark.parametrize("asked", [True, False])
def test_the_predecessors_name_for_metrics(asked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SoftwareEncoderOptions, "report_metrics", asked, raising=False)
    given = {**GIVEN, "options": SoftwareEncoderOptions()}
    for metrics, expected in ((None, asked), (not asked, not asked)):
        with Encoder(**given, metrics=metrics) as encoder:
            assert encoder.metrics().enabled is expected
