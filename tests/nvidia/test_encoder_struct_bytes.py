"""Settings as bytes in the driver's structs, placed by facts of the vendor's headers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.nvidia.encoder_answers import APIS, ROOTS, STRUCTS, answers, config, version
from tests.nvidia.test_encoder_settings import EVERYTHING, older
from videohw.color import ColorSpec
from videohw.nvidia.encoder_limits import API_12_1
from videohw.nvidia.encoder_settings import settings_of
from videohw.types import ConstantBitrate

_nvenc = pytest.importorskip("videohw._nvenc", reason="NVIDIA is of Linux and Windows")

GIVEN: dict[str, dict[str, Any]] = {
    codec: {
        **options, "b_frames": 4, "rate_control": ConstantBitrate(4_000_000), "fps": (30000, 1001),
        "color": ColorSpec("bt2020nc", "full", "bt2020", "smpte2084", "topleft"),
    }
    for codec, options in EVERYTHING.items()
}  # fmt: skip


def place(memory: bytearray, structure: str, names: list[str], number: int, facts: Any) -> None:
    """Write ``number`` where the facts say that the field is."""
    base = 0
    for part in names[:-1]:
        inner = STRUCTS[part]
        if inner != "NV_ENC_CONFIG":  # that one is behind a pointer
            union = structure == "NV_ENC_CODEC_CONFIG"
            base += 0 if union else facts["structs"][structure]["fields"][part][0]
        structure = inner
    where = facts["structs"][structure]["fields"][names[-1]]
    if len(where) == 2:
        memory[base + where[0] : base + where[0] + where[1]] = number.to_bytes(where[1], "little")
        return
    for bit in range(where[1]):
        at = 8 * base + where[0] + bit
        memory[at // 8] |= (number >> bit & 1) << at % 8


@pytest.mark.parametrize("api", APIS, ids=str)
@pytest.mark.parametrize("codec", list(ROOTS))
def test_every_field_lies_where_the_vendor_has_it(codec: str, api: tuple[int, int]) -> None:
    given = dict(GIVEN[codec])
    if api == API_12_1:  # all that it has
        given["options"] = older(codec, given["options"])
    told = answers(codec, api, LEVEL_MAX=255)
    settings = settings_of(config(codec, **given), told)
    init, encode = _nvenc.struct_bytes(api, codec, dict(settings.fields), dict(settings.guids))
    facts = version(api)
    expected = [bytearray(len(init)), bytearray(len(encode))]
    assert len(init) == facts["structs"]["NV_ENC_INITIALIZE_PARAMS"]["size"]
    assert len(encode) == facts["structs"]["NV_ENC_CONFIG"]["size"]
    for name, number in settings.fields.items():
        parts = name.split(".")
        if parts[0] == "encodeConfig":
            place(expected[1], "NV_ENC_CONFIG", parts[1:], number, facts)
        else:
            place(expected[0], "NV_ENC_INITIALIZE_PARAMS", parts, number, facts)
    words = facts["versions"]
    place(expected[0], "NV_ENC_INITIALIZE_PARAMS", ["version"],
          words["NV_ENC_INITIALIZE_PARAMS_VER"], facts)  # fmt: skip
    place(expected[1], "NV_ENC_CONFIG", ["version"], words["NV_ENC_CONFIG_VER"], facts)
    place(expected[1], "NV_ENC_CONFIG", ["rcParams", "version"], words["NV_ENC_RC_PARAMS_VER"],
          facts)  # fmt: skip
    for at, structure, key, field in (
        (0, "NV_ENC_INITIALIZE_PARAMS", "codec", "encodeGUID"),
        (0, "NV_ENC_INITIALIZE_PARAMS", "preset", "presetGUID"),
        (1, "NV_ENC_CONFIG", "profile", "profileGUID"),
    ):
        offset, size = facts["structs"][structure]["fields"][field]
        guid = bytes.fromhex(facts["guids"][settings.guids[key]])
        expected[at][offset : offset + size] = guid
    assert init == bytes(expected[0])
    assert encode == bytes(expected[1])
