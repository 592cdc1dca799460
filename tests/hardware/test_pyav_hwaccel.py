"""FFmpeg's own use of NVDEC, as PyAV has it, gives the same pictures as this library does."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from typing import Any

import pytest

import videohw
from tests.backends.oracle import frame_md5
from tests.corpus import Stream, stream

pytestmark = pytest.mark.hardware


def of_pyav(each: Stream) -> Iterator[str]:
    """md5 of each picture."""
    av: Any = pytest.importorskip("av", reason="PyAV is not installed")
    from av.codec.hwaccel import HWAccel

    accelerator = HWAccel("cuda", allow_software_fallback=False)
    planar = "yuv420p10le" if "10" in each.name else "yuv420p"
    with av.open(io.BytesIO(each.read()), format=each.codec, hwaccel=accelerator) as container:
        assert container.streams.video[0].codec_context.is_hwaccel
        for frame in container.decode(video=0):
            assert frame.format.name in ("nv12", "p010le")  # as NVDEC has them
            picture = frame.reformat(format=planar).to_ndarray()
            yield hashlib.md5(picture.tobytes(), usedforsecurity=False).hexdigest()


@pytest.mark.parametrize(
    "name",
    [
        "main_cabac_b2.h264", "mbaff_tff.h264", "crop_130x98.h264", "main_320x240_b4.h265",
        "crop_322x182.h265", "fullrange_bt709.h265", "main10_320x240.h265", "hdr10.h265",
        "temporal_layers.h265",
    ],
)  # fmt: skip
def test_the_pictures_are_those_of_pyav(name: str) -> None:
    each = stream(f"generated/{name}")
    with videohw.Decoder(each.codec, backend="nvidia", output="native", memory="host") as decoder:
        ours = [frame_md5(frame) for frame in decoder.decode([each.read()])]
    assert len(ours) == each.frames
    assert ours == list(of_pyav(each))
