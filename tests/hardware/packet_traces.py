"""Records what the driver does with streams of packets: the codecs other than H.264 and HEVC.

usage: python -m tests.hardware.packet_traces OUT_FOLDER [NAME...]

One JSON file a stream, as ``tests/hardware/traces.py`` writes them. The streams are those of
:data:`STREAMS`: files of tests/data, which PyAV takes apart, and clips that the tests write.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tests.corpus import DATA
from tests.hardware.cuvid import Driver, primary_context
from tests.hardware.traces import FEEDINGS, Recorder, written
from tests.vc1_clips import FORMATS, PLAIN, USUAL, clip
from tests.vc1_headers import FIELD, START, Format

PACKET_FEEDINGS = tuple(each for each in FEEDINGS if each.piece == "unit")
INTERLACED = Format(64, 64, interlace=True)
REPEATED_FIELD = Format(64, 64, interlace=True, pulldown=True, repeat_first_field=True)
CODEC_OF_SUFFIX: Mapping[str, str] = {
    ".m1v": "mpeg1", ".m2v": "mpeg2", ".m4v": "mpeg4", ".mjpeg": "jpeg",
}  # fmt: skip
FILES = (
    "packets/mpeg1_b2.m1v", "packets/mpeg2_interlaced.m2v",
    "packets/pictures.mjpeg", "packets/vp8_altref.ivf",
    "packets/vp9_altref.ivf", "mpeg4/asp_interlaced_b1.m4v", "mpeg4/asp_qpel_b2.m4v",
    "mpeg4/packed_silent_headers.m4v", "mpeg4/simple_headers_once.m4v",
)  # fmt: skip


def packets(path: Path) -> list[bytes]:
    """The coded pictures of a file, as libavformat has them."""
    import av

    formats = {".m1v": "mpegvideo", ".m2v": "mpegvideo", ".m4v": "m4v", ".mjpeg": "mjpeg"}
    data = io.BytesIO(path.read_bytes())
    with av.open(data, format=formats.get(path.suffix, "ivf")) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def codec_of(path: Path) -> str:
    """By the end of the name; that of an IVF file begins with its codec."""
    return CODEC_OF_SUFFIX.get(path.suffix) or path.name[:3]


def _vc1(types: str, form: Format) -> Sequence[bytes]:
    return clip(types, form).units


def _described() -> Sequence[bytes]:
    """With a display extension that states 144x112, a part of the picture."""
    whole, part = (bytes.fromhex(f"000001b52b020202{size}") for size in ("02820400", "02420380"))
    each = packets(DATA / "packets/mpeg2_interlaced.m2v")
    assert each[0].count(whole) == 1
    return [data.replace(whole, part) for data in each]


def _sizes() -> Sequence[bytes]:
    clips = [clip("IPBPB", Format(*size)) for size in ((160, 128), (96, 80), (160, 128))]
    return [unit for each in clips for unit in each.units]


def _mpeg4_sizes() -> Sequence[bytes]:
    names = ("simple_headers_once", "asp_qpel_b2", "simple_headers_once")
    return [each for name in names for each in packets(DATA / f"mpeg4/{name}.m4v")[:4]]


def _shown_again() -> Sequence[bytes]:
    """The third packet shows the first picture once more (show_existing_frame of slot 0)."""
    each = packets(DATA / "packets/vp9_altref.ivf")
    return [*each[:2], b"\x88", *each[2:5]]


def _fields_apart() -> Sequence[bytes]:
    """A packet for each field."""
    second = START + bytes((FIELD,))
    parts = [unit.partition(second) for unit in clip("IFBFP", INTERLACED).units]
    return [part for first, found, rest in parts for part in (first, found + rest) if part]


# By name: the codec, and its packets in decoding order.
STREAMS: Mapping[str, tuple[str, Callable[[], Sequence[bytes]]]] = {
    **{
        Path(name).name: (codec_of(Path(name)), partial(packets, DATA / name)) for name in FILES
    },
    "mpeg2_display": ("mpeg2", _described),
    "vc1_usual": ("vc1", partial(_vc1, USUAL, PLAIN)),
    "vc1_fields": ("vc1", partial(_vc1, "IFBFP", INTERLACED)),
    "vc1_fields_apart": ("vc1", _fields_apart),
    "vc1_interlaced_40": ("vc1", partial(_vc1, "IPBP", Format(64, 40, interlace=True))),
    "vc1_repeated_field": ("vc1", partial(_vc1, "IPBP", REPEATED_FIELD)),
    "vc1_sizes": ("vc1", _sizes),
    "mpeg4_sizes": ("mpeg4", _mpeg4_sizes),
    "vp9_shown_again": ("vp9", _shown_again),
    **{
        f"vc1_{name.replace(' ', '_')}": ("vc1", partial(_vc1, "IPBPSP", form))
        for name, form in (FORMATS | {"no multiple of 16": Format(70, 58)}).items()
        if form != PLAIN
    },
}  # fmt: skip


def recorded(driver: Driver, name: str) -> dict[str, list[list[Any]]]:
    """The events of each feeding."""
    codec, read = STREAMS[name]
    data = read()
    return {feeding.name: Recorder(driver, codec, feeding).run(data) for feeding in PACKET_FEEDINGS}


def main(out: Path, names: Sequence[str]) -> None:
    """Record the streams in every way of feeding them."""
    driver = Driver()
    out.mkdir(parents=True, exist_ok=True)
    with primary_context(driver):
        for name in names or STREAMS:
            traces = recorded(driver, name)
            (out / f"{name}.json").write_text(written(traces))
            shown = sum(event[0] == "display" for event in traces["units"])
            print(f"{name}: {shown} pictures", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
