"""What goes with a picture: the driver gets it as the vendor's structs have it, to the byte."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.emulators.control import Emulator
from tests.nvidia.encoder_answers import version
from tests.nvidia.encoding import HEIGHT, WIDTH, emulated_encoders, nothing_left, picture
from videohw import Encoder
from videohw.errors import UnsupportedConfig
from videohw.nvidia.encoder_options import NvidiaEncoderOptions, NvidiaPictureOptions
from videohw.types import ConstantBitrate

pytest.importorskip("videohw._nvenc", reason="NVIDIA is of Linux and Windows")

# With what the emulated card does not do for AV1: nothing is really coded here.
CAPS = "SUPPORT_INTRA_REFRESH=1,NUM_MAX_LTR_FRAMES=4,WIDTH_MIN=16,HEIGHT_MIN=16"
OF_CODEC = {"h264": "h264PicParams", "hevc": "hevcPicParams", "av1": "av1PicParams"}
MAPS = {"h264": (8, 12), "hevc": (4, 6), "av1": (2, 3)}
FORCED = 2 | 4  # NV_ENC_PIC_FLAG_FORCEIDR and _OUTPUT_SPSPPS
MESSAGE = bytes(range(16)) + b"videohw"


@pytest.fixture
def noted(driver: Emulator, tmp_path: Path, api: str) -> Iterator[Path]:
    """Where the emulated driver writes what it is given with each picture."""
    path = tmp_path / "pictures"
    settings = {"NVENC_VERSION": api, "NVENC_CAPS": CAPS, "NVENC_RAW": 1, "NVENC_PICTURES": path}
    with emulated_encoders(**settings) as emulator, nothing_left(emulator):
        yield path


class Given:
    """One NV_ENC_PIC_PARAMS as the driver got it, beside one that the facts say how to write."""

    def __init__(self, facts: Any, codec: str, memory: bytes) -> None:
        self._structs = facts["structs"]
        self.own = f"NV_ENC_PIC_PARAMS_{codec.upper()}"
        self._base = self._structs["NV_ENC_PIC_PARAMS"]["fields"]["codecPicParams"][0]
        self._base += self._structs["NV_ENC_CODEC_PIC_PARAMS"]["fields"][OF_CODEC[codec]][0]
        self.memory, self.expected = memory, bytearray(len(memory))

    def has(self, name: str) -> bool:
        return name in self._structs[self.own]["fields"]

    def _place(self, name: str) -> tuple[int, list[int]]:
        if self.has(name):
            return self._base, self._structs[self.own]["fields"][name]
        return 0, self._structs["NV_ENC_PIC_PARAMS"]["fields"][name]

    def expect(self, **numbers: int) -> None:
        for name, number in numbers.items():
            base, where = self._place(name)
            if len(where) == 2:
                begin = base + where[0]
                self.expected[begin : begin + where[1]] = number.to_bytes(where[1], "little")
            else:
                bit = 8 * base + where[0]
                self.expected[bit // 8] |= number << bit % 8

    def expect_anything(self, *names: str) -> None:
        """Not null, wherever they point."""
        for name in names:
            base, (offset, size) = self._place(name)
            found = self.memory[base + offset : base + offset + size]
            assert any(found), name
            self.expected[base + offset : base + offset + size] = found


def expected_of(each: Given, facts: Any, number: int, codec: str) -> None:
    """What every picture has, by the facts."""
    each.expect(
        version=facts["versions"]["NV_ENC_PIC_PARAMS_VER"], inputWidth=WIDTH, inputHeight=HEIGHT,
        bufferFmt=facts["values"]["NV_ENC_BUFFER_FORMAT_NV12"],
        pictureStruct=facts["values"]["NV_ENC_PIC_STRUCT_FRAME"], inputTimeStamp=number,
        frameIdx=number,
    )  # fmt: skip
    each.expect_anything("inputBuffer", "outputBitstream", "inputPitch")


@pytest.mark.parametrize("api", ["12.1", "13.0"])
@pytest.mark.parametrize("codec", list(OF_CODEC))
def test_what_goes_with_a_picture_is_what_the_driver_gets(
    noted: Path, api: str, codec: str
) -> None:
    major, minor = api.split(".")
    facts = version((int(major), int(minor)))
    values = np.random.default_rng(7).integers(-9, 9, MAPS[codec], np.int8)
    remembers = (codec, api) != ("av1", "12.1")
    wanted: list[dict[str, Any]] = [{}, {"qp_map": values}, {"intra_refresh": 7}]
    if remembers:
        wanted += [{"mark_reference": 2}, {"use_references": [0, 2]}]
    wanted += [{"sei": [(4, MESSAGE)]}, {}]
    options = NvidiaEncoderOptions(qp_map="delta", long_term_references=3 if remembers else None)
    with Encoder(
        codec, WIDTH, HEIGHT, fps=30, backend="nvidia", rate_control=ConstantBitrate(500_000),
        max_in_flight=8, options=options,
    ) as encoder:  # fmt: skip
        for number, given in enumerate(wanted):
            last = number == len(wanted) - 1
            extra = NvidiaPictureOptions(**given) if given else None
            encoder.submit(picture(number), number, force_keyframe=last, options=extra)
        assert len(encoder.flush(60)) == len(wanted)

    memory, size = noted.read_bytes(), facts["structs"]["NV_ENC_PIC_PARAMS"]["size"]
    for number, given in enumerate(wanted):
        each = Given(facts, codec, memory[:size])
        memory = memory[size:]
        expected_of(each, facts, number, codec)
        if number in (0, len(wanted) - 1):  # the first of a stream by itself
            each.expect(encodePicFlags=FORCED)
        if "qp_map" in given:
            each.expect(qpDeltaMapSize=values.size)
            each.expect_anything("qpDeltaMap")
            assert memory[: values.size] == values.tobytes()
            memory = memory[values.size :]
        if "intra_refresh" in given:
            each.expect(forceIntraRefreshWithFrameCnt=7)
        if "mark_reference" in given:
            each.expect(ltrMarkFrame=1, ltrMarkFrameIdx=2)
        if "use_references" in given:
            each.expect(ltrUseFrames=1, ltrUseFrameBitmap=0b101)
        if "sei" in given:
            name = "obu" if codec == "av1" else "sei"
            each.expect(**{f"{name}PayloadArrayCnt": 1})
            each.expect_anything(f"{name}PayloadArray")
        assert each.memory == bytes(each.expected), given
    assert memory == b""


@pytest.mark.parametrize("api", ["12.1"])
def test_av1_has_no_long_term_references_before_13_0(noted: Path, api: str) -> None:
    with pytest.raises(UnsupportedConfig) as caught:
        Encoder(
            "av1", WIDTH, HEIGHT, fps=30, backend="nvidia",
            options=NvidiaEncoderOptions(long_term_references=1),
        )  # fmt: skip
    assert caught.value.argument == "options.long_term_references"
    assert "13.0" in str(caught.value)
    assert not noted.exists()
