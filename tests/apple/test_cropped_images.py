"""Images of which less is to be seen than they hold, from another place on than their corner."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest
from av.bitstream import BitStreamFilterContext

from tests.apple.test_decoder import SMALL, opened
from tests.apple.test_transform import assert_close, decoded, options
from tests.backends.decoding import assert_account, decode_bytes
from tests.corpus import stream
from tests.emulators.control import AppleEmulator
from videohw.apple.image_info import AppleImageInfo
from videohw.errors import BackendError


def cut_at_left_and_top(name: str, left: int, top: int) -> bytes:
    """The stream with a cropping window that begins further in: the same pictures, cut."""
    each = stream(name)
    with av.open(io.BytesIO(each.read()), format=each.codec) as container:
        track = container.streams.video[0]
        window = f"{each.codec}_metadata=crop_left={left}:crop_top={top}"
        rewriter = BitStreamFilterContext(window, track)
        packets = container.demux(track)
        return b"".join(
            bytes(cut)
            for packet in packets
            for cut in rewriter.filter(packet if packet.size else None)
        )


@pytest.mark.parametrize(
    ("name", "left", "top"),
    [
        ("generated/crop_322x182.h265", 6, 0),
        ("generated/crop_130x98.h264", 0, 10),
        ("generated/crop_130x98.h264", 14, 6),
    ],
)
@pytest.mark.parametrize("output", ["native", "rgb24", "rgb_planar", "i420"])
def test_images_cut_at_the_left_or_the_top(
    frameworks: AppleEmulator, name: str, left: int, top: int, output: str
) -> None:
    """The processor converts what begins within its image, and that is counted; Metal does where
    the system cuts by itself."""
    codec, data = stream(name).codec, cut_at_left_and_top(name, left, top)
    luma = [frame.planes[0][top:, left:] for frame in decoded(name, False).frames]
    for who in ("coded", "cropped"):
        with frameworks.having(CROPPING=who):
            got = decode_bytes(opened(codec, output=output), data)
        assert got.errors == []
        assert got.summary["attachments_disagreed"] == 0
        assert len(got.frames) == len(luma) > 0
        for frame, seen in zip(got.frames, luma, strict=True):
            if output in ("native", "i420"):
                assert np.array_equal(frame.planes[0], seen)
        if who == "coded":
            within = got
            counted = [0, 0 if output == "native" else len(luma)]
        else:
            for one, other in zip(within.frames, got.frames, strict=True):
                if output in ("native", "i420"):
                    assert all(map(np.array_equal, one.planes, other.planes))
                else:
                    assert_close(one, other)
            if output.startswith("rgb"):
                counted.reverse()
        assert [got.summary[f"converted_on_{each}"] for each in ("device", "host")] == counted
    if output.startswith("rgb"):
        assert "cut at its left or its top" in within.summary["why_on_host"]
        with frameworks.having(CROPPING="coded"):
            refused = decode_bytes(opened(codec, output=output, options=options(True)), data)
        assert refused.frames == []
        assert {type(each) for each in refused.errors} == {BackendError}
        assert len(refused.errors) == len(luma)
        assert_account(refused.summary)


def test_an_image_that_is_cut_elsewhere_than_its_stream_says(frameworks: AppleEmulator) -> None:
    data = cut_at_left_and_top(SMALL, 16, 0)
    with frameworks.having(CROPPING="misplaced"):
        got = decode_bytes(opened(), data)
    assert got.summary["attachments_disagreed"] == len(got.frames) > 0
    for frame in got.frames:
        told = frame.backend_info
        assert isinstance(told, AppleImageInfo)
        assert (told.clean, told.disagreements) == ((0, 0, 128, 144), ("origin",))
