"""The emulated encoder codes what it is given: its packets, decoded by libavcodec, are the pictures
that went in, in the order in which they went in.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.emulators.control import Emulator
from tests.emulators.nvidia.nvenc_client import (
    HIGH_QUALITY,
    IDR,
    NEED_MORE_INPUT,
    SUCCESS,
    Api,
    B,
    P,
    session,
)
from tests.emulators.nvidia.nvenc_pictures import decoded, nv12, worst

GROUPS = {"gopLength": 10, "codec__idrPeriod": 10}
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "one in, one out": {},
    "two B": {"tuning": HIGH_QUALITY, **GROUPS},
    "three B, the middle referred to": {
        "tuning": HIGH_QUALITY, "frameIntervalP": 4, "codec__useBFramesAsRef": 2, **GROUPS,
    },
    "lookahead": {
        "tuning": HIGH_QUALITY, "rcParams__enableLookahead": 1, "rcParams__lookaheadDepth": 4,
        **GROUPS,
    },
}  # fmt: skip


@pytest.mark.parametrize("streams", ["late", "early", "seed:3"])
@pytest.mark.parametrize("codec", ["H264", "HEVC"])
@pytest.mark.parametrize("version", ["13.0", "12.1"])
def test_what_is_coded_is_what_was_given(
    version: str, codec: str, streams: str, context: int, emulator: Emulator, encode_folder: Path
) -> None:
    emulator.streams(streams)
    for name, changes in CONFIGURATIONS.items():
        with session(Api(encode_folder, version), context, codec) as client:
            client.begin(**changes)
            for number in range(12):
                client.encode(nv12(number))
            packets = client.end()
        assert sorted(packet.timestamp for packet in packets) == [*range(1000, 1012)], name
        frames = decoded(codec, b"".join(packet.data for packet in packets))
        assert worst(frames, range(12)) > 40, name


def test_b_pictures_come_after_what_they_refer_to(context: int, encode_folder: Path) -> None:
    with session(Api(encode_folder), context) as client:
        client.begin(**CONFIGURATIONS["two B"])
        for number in range(10):
            client.encode(nv12(number))
        taken = client.end()
    more, done = NEED_MORE_INPUT, SUCCESS
    assert client.statuses == [done, more, more, done, more, more, done, more, more, done]
    assert [packet.type for packet in taken] == [IDR, P, B, B, P, B, B, P, B, B]
    assert [packet.timestamp - 1000 for packet in taken] == [0, 3, 1, 2, 6, 4, 5, 9, 7, 8]
