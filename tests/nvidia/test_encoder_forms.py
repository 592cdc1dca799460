"""How pictures go into NVENC and how they are coded: profiles, chroma, depth, colour, siting."""

from __future__ import annotations

from typing import Any

import pytest

from tests.nvidia.encoder_answers import ROOTS, made
from videohw.color import ColorSpec
from videohw.nvidia.encoder_limits import API_12_1, API_13_0

FORMS = [
    # codec, api, arguments: profile, input format, ours, chroma_format_idc, in bits, out bits
    ("h264", API_12_1, {}, "H264_PROFILE_HIGH", "NV12", 1, 8, 8),
    ("h264", API_13_0, {"input": "i420"}, "H264_PROFILE_HIGH", "IYUV", 1, 8, 8),
    ("h264", API_13_0, {"input": "rgb24"}, "H264_PROFILE_HIGH", "NV12", 1, 8, 8),
    ("h264", API_13_0, {"profile": "baseline"}, "H264_PROFILE_BASELINE", "NV12", 1, 8, 8),
    ("h264", API_13_0, {"input": "p010"}, "H264_PROFILE_HIGH_10", "YUV420_10BIT", 1, 10, 10),
    ("h264", API_13_0, {"profile": "high10"}, "H264_PROFILE_HIGH_10", "YUV420_10BIT", 1, 10, 10),
    ("h264", API_13_0, {"profile": "high422"}, "H264_PROFILE_HIGH_422", "NV16", 2, 8, 8),
    ("h264", API_12_1, {"profile": "high444"}, "H264_PROFILE_HIGH_444", "YUV444", 3, 8, 8),
    ("hevc", API_12_1, {}, "HEVC_PROFILE_MAIN", "NV12", 1, 8, 8),
    ("hevc", API_12_1, {"profile": "main10"}, "HEVC_PROFILE_MAIN10", "NV12", 1, 8, 10),
    ("hevc", API_13_0, {"profile": "main10"}, "HEVC_PROFILE_MAIN10", "NV12", 1, 8, 10),
    ("hevc", API_13_0, {"input": "p010"}, "HEVC_PROFILE_MAIN10", "YUV420_10BIT", 1, 10, 10),
    ("hevc", API_13_0, {"input": "bgra", "profile": "main10"}, "HEVC_PROFILE_MAIN10",
     "YUV420_10BIT", 1, 10, 10),
    ("hevc", API_13_0, {"profile": "main422-10"}, "HEVC_PROFILE_FREXT", "P210", 2, 10, 10),
    ("hevc", API_12_1, {"profile": "main444-8"}, "HEVC_PROFILE_FREXT", "YUV444", 3, 8, 8),
    ("hevc", API_12_1, {"profile": "main444-10"}, "HEVC_PROFILE_FREXT", "YUV444_10BIT", 3, 10, 10),
    ("av1", API_12_1, {"input": "p010"}, "AV1_PROFILE_MAIN", "YUV420_10BIT", 1, 10, 10),
    ("av1", API_13_0, {}, "AV1_PROFILE_MAIN", "NV12", 1, 8, 8),
]  # fmt: skip


@pytest.mark.parametrize(
    ("codec", "api", "given", "profile", "form", "chroma", "before", "after"), FORMS
)
def test_profiles_and_formats(
    codec: str, api: tuple[int, int], given: dict[str, Any], profile: str, form: str, chroma: int,
    before: int, after: int,
) -> None:  # fmt: skip
    settings = made(codec, api, **given)
    assert settings.guids["codec"] == f"NV_ENC_CODEC_{codec.upper()}_GUID"
    assert settings.guids["profile"] == f"NV_ENC_{profile}_GUID"
    assert settings.input_format == f"NV_ENC_BUFFER_FORMAT_{form}"
    root, fields = ROOTS[codec], settings.fields
    assert fields[root + "chromaFormatIDC"] == chroma
    if api == API_13_0:
        assert (fields[root + "inputBitDepth"], fields[root + "outputBitDepth"]) == (before, after)
    elif codec != "h264":
        assert fields[root + "pixelBitDepthMinus8"] == after - 8


@pytest.mark.parametrize(
    ("input_format", "color", "expected"),
    [
        ("bgra", ColorSpec(matrix="smpte170m"), "ARGB"),
        ("rgba", ColorSpec(matrix="bt470bg", range="limited"), "ABGR"),
        ("bgra", None, "NV12"),  # 720 lines are BT.709
        ("bgra", ColorSpec(matrix="smpte170m", range="full"), "NV12"),
        ("bgra", ColorSpec(matrix="smpte170m", siting="left"), "NV12"),
        ("rgb24", ColorSpec(matrix="smpte170m"), "NV12"),
    ],
)
def test_the_drivers_own_conversion_is_for_what_it_does(
    input_format: str, color: ColorSpec | None, expected: str
) -> None:
    settings = made(input=input_format, color=color)
    assert settings.input_format == f"NV_ENC_BUFFER_FORMAT_{expected}"


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize(
    ("color", "height", "expected"),
    [
        (None, 720, (1, 0, 2, 2)),
        (None, 718, (6, 0, 2, 2)),
        (ColorSpec(matrix="bt2020nc", primaries="bt2020", transfer="smpte2084"), 720,
         (9, 0, 9, 16)),
        (ColorSpec(range="full", primaries="bt709", transfer="iec61966-2-1"), 1080,
         (1, 1, 1, 13)),
    ],
)  # fmt: skip
def test_vui(codec: str, color: ColorSpec | None, height: int, expected: tuple[int, ...]) -> None:
    fields = made(codec, height=height, color=color).fields
    root = ROOTS[codec] + ("h264VUIParameters." if codec == "h264" else "hevcVUIParameters.")
    assert fields[root + "videoSignalTypePresentFlag"] == 1
    assert fields[root + "colourDescriptionPresentFlag"] == 1
    assert fields[root + "videoFormat"] == 5  # unspecified (H.264 table E-2, H.265 table E.2)
    names = ("colourMatrix", "videoFullRangeFlag", "colourPrimaries", "transferCharacteristics")
    assert tuple(fields[root + name] for name in names) == expected
    assert root + "chromaSampleLocationFlag" not in fields


def test_siting() -> None:
    root = ROOTS["h264"] + "h264VUIParameters.chromaSampleLocation"
    fields = made(color=ColorSpec(siting="topleft")).fields
    assert [fields[root + name] for name in ("Flag", "Top", "Bot")] == [1, 2, 2]
    fields = made("av1", color=ColorSpec(siting="topleft")).fields
    assert fields[ROOTS["av1"] + "chromaSamplePosition"] == 2


def test_av1_colour() -> None:
    color = ColorSpec(matrix="bt2020nc", range="full", primaries="bt2020", transfer="smpte2084")
    fields = made("av1", color=color).fields
    names = ("matrixCoefficients", "colorRange", "colorPrimaries", "transferCharacteristics")
    assert [fields[ROOTS["av1"] + name] for name in names] == [9, 1, 9, 16]
