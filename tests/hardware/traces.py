"""Records what the driver's parser and decoder do with a stream: every callback, in order.

usage: python -m tests.hardware.traces OUT_FOLDER STREAM...

The streams are H.264 and HEVC in Annex-B form. One JSON file a stream, with one trace for each way
of feeding it.
"""

from __future__ import annotations

import ctypes as c
import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tests.hardware.cuvid import (
    CODECS,
    END_OF_PICTURE,
    END_OF_STREAM,
    NOTIFY_END,
    SURFACES,
    TIMESTAMP,
    CreateInfo,
    DecodeCallback,
    DecodeStatus,
    DisplayCallback,
    Driver,
    Packet,
    ParserParameters,
    ProcessParameters,
    ReconfigureInfo,
    SequenceCallback,
    check,
    primary_context,
)
from videohw.bitstream import open_assembler

CHROMA_NAMES = {0: "400", 1: "420", 2: "422", 3: "444"}
MARGIN_SURFACES = 4


@dataclass(frozen=True)
class Feeding:
    """How a stream goes in: ``pieces`` of it, the flags on each, and the parser's display delay.

    ``reorder`` False takes pictures when they are decoded and asks for no display callback.
    """

    name: str
    piece: str  # "unit", "whole" or a number of bytes
    flags: int = TIMESTAMP
    display_delay: int = 0
    reorder: bool = True


FEEDINGS = (
    Feeding("units", "unit", TIMESTAMP | END_OF_PICTURE),
    Feeding("units-delay-4", "unit", TIMESTAMP | END_OF_PICTURE, display_delay=4),
    Feeding("units-no-end-of-picture", "unit"),
    Feeding("units-no-timestamp", "unit", END_OF_PICTURE),
    Feeding("whole", "whole"),
    Feeding("pieces-1000", "1000"),
    Feeding("decode-order", "unit", TIMESTAMP | END_OF_PICTURE, reorder=False),
)


def pieces(data: bytes, codec: str, piece: str) -> Iterator[bytes]:
    """``data`` in the pieces that a feeding asks for."""
    if piece == "whole":
        yield data
    elif piece == "unit":
        assembler = open_assembler(codec)
        assembler.feed(data)
        assembler.finish()
        yield from (unit.data for unit in assembler)
    else:
        step = int(piece)
        yield from (data[at : at + step] for at in range(0, len(data), step))


@dataclass
class Recorder:
    """One parser and its decoder; ``events`` holds what happened."""

    driver: Driver
    codec: str
    feeding: Feeding
    download: bool = True
    events: list[list[Any]] = field(default_factory=list)
    decoder: c.c_void_p = field(default_factory=c.c_void_p)
    format: dict[str, Any] = field(default_factory=dict)
    created: dict[str, Any] = field(default_factory=dict)
    failure: BaseException | None = None

    def run(self, data: bytes | Sequence[bytes]) -> list[list[Any]]:
        """Feed it all, and the end of the stream; a sequence is what one packet holds each."""
        callbacks = (
            SequenceCallback(self._kept(self._sequence)),
            DecodeCallback(self._kept(self._decode)),
            DisplayCallback(self._kept(self._display)),
        )
        parameters = ParserParameters(
            codec=CODECS[self.codec], max_decode_surfaces=1, error_threshold=100,
            max_display_delay=self.feeding.display_delay, pfn_sequence=callbacks[0],
            pfn_decode=callbacks[1],
        )  # fmt: skip
        if self.feeding.reorder:
            parameters.pfn_display = callbacks[2]
        parser = c.c_void_p()
        code = self.driver.cuvidCreateVideoParser(c.byref(parser), c.byref(parameters))
        self.events.append(["create_parser", code])
        if code == 0:
            self._feed(parser, data)
            self.events.append(["destroy_parser", self.driver.cuvidDestroyVideoParser(parser)])
        if self.decoder:
            self.events.append(["destroy", self.driver.cuvidDestroyDecoder(self.decoder)])
        if self.failure is not None:
            raise self.failure
        return self.events

    def _feed(self, parser: c.c_void_p, data: bytes | Sequence[bytes]) -> None:
        if isinstance(data, bytes):
            data = list(pieces(data, self.codec, self.feeding.piece))
        for number, piece in enumerate(data):
            stamp = 1000 + number if self.feeding.flags & TIMESTAMP else 0
            packet = Packet(self.feeding.flags, len(piece), piece, stamp)
            self.events.append(["packet", number, len(piece)])
            code = self.driver.cuvidParseVideoData(parser, c.byref(packet))
            self.events.append(["parsed", code])
        packet = Packet(END_OF_STREAM | NOTIFY_END, 0, None, 0)
        self.events.append(["end_of_stream"])
        self.events.append(["parsed", self.driver.cuvidParseVideoData(parser, c.byref(packet))])

    def _kept(self, callback: Any) -> Any:
        """A callback whose exception is kept and stops the parser."""

        def guarded(_user: object, info: Any) -> int:
            try:
                return int(callback(info))
            except BaseException as error:
                self.failure = self.failure or error
                return 0

        return guarded

    def _sequence(self, pointer: Any) -> int:
        facts = self.format = pointer.contents.facts()
        surfaces = facts["min_num_decode_surfaces"] + MARGIN_SURFACES
        if self.decoder and self._reconfigure(facts, surfaces):
            return surfaces
        if self.decoder:
            self.events.append(["destroy", self.driver.cuvidDestroyDecoder(self.decoder)])
        area = facts["display_area"]
        width, height = area["right"] - area["left"], area["bottom"] - area["top"]
        depth = facts["bit_depth_luma_minus8"]
        chroma = CHROMA_NAMES[facts["chroma_format"]]
        info = CreateInfo(
            width=facts["coded_width"], height=facts["coded_height"], decode_surfaces=surfaces,
            codec=facts["codec"], chroma_format=facts["chroma_format"], creation_flags=4,
            bit_depth_minus8=depth, max_width=facts["coded_width"],
            max_height=facts["coded_height"], output_format=SURFACES[chroma, depth > 0],
            target_width=width + width % 2, target_height=height + height % 2, output_surfaces=2,
        )  # fmt: skip
        for edge in ("left", "top", "right", "bottom"):
            setattr(info.display_area, edge, area[edge])
        self.created = info.facts()
        self.decoder = c.c_void_p()
        code = self.driver.cuvidCreateDecoder(c.byref(self.decoder), c.byref(info))
        self.events.append(["sequence", facts, "create", self.created, code])
        return surfaces if code == 0 else 0

    def _reconfigure(self, facts: dict[str, Any], surfaces: int) -> bool:
        """Whether the decoder takes the new sequence."""
        area = facts["display_area"]
        width, height = area["right"] - area["left"], area["bottom"] - area["top"]
        info = ReconfigureInfo(
            width=facts["coded_width"], height=facts["coded_height"], decode_surfaces=surfaces,
            target_width=width + width % 2, target_height=height + height % 2,
        )  # fmt: skip
        for edge in ("left", "top", "right", "bottom"):
            setattr(info.display_area, edge, area[edge])
        code = self.driver.cuvidReconfigureDecoder(self.decoder, c.byref(info))
        self.events.append(["sequence", facts, "reconfigure", info.facts(), code])
        self.created |= {"target_width": width + width % 2, "target_height": height + height % 2}
        return code == 0

    def _decode(self, pointer: Any) -> int:
        facts = pointer.contents.facts()
        code = self.driver.cuvidDecodePicture(self.decoder, pointer)
        self.events.append(["decode", facts, code])
        last_field = not facts["field_pic_flag"] or facts["second_field"]
        if not self.feeding.reorder and last_field and code == 0:
            self._picture(facts["picture_index"], ProcessParameters(progressive_frame=1))
        return 1

    def _display(self, pointer: Any) -> int:
        if not pointer:
            self.events.append(["display_end"])
            return 1
        facts = pointer.contents.facts()
        self.events.append(["display", facts])
        self._picture(
            facts["picture_index"],
            ProcessParameters(
                progressive_frame=facts["progressive_frame"],
                top_field_first=facts["top_field_first"],
                unpaired_field=int(facts["repeat_first_field"] < 0),
            ),
        )
        return 1

    def _picture(self, index: int, processing: Any) -> None:
        status = DecodeStatus()
        status_code = self.driver.cuvidGetDecodeStatus(self.decoder, index, c.byref(status))
        address, pitch = c.c_ulonglong(), c.c_uint()
        code = self.driver.cuvidMapVideoFrame64(
            self.decoder, index, c.byref(address), c.byref(pitch), c.byref(processing)
        )
        after = DecodeStatus()
        after_code = self.driver.cuvidGetDecodeStatus(self.decoder, index, c.byref(after))
        facts = {
            "map": code, "pitch": pitch.value, "status_before": [status_code, status.status],
            "status": [after_code, after.status],
        }  # fmt: skip
        if code == 0:
            if self.download:
                facts["md5"] = self._md5(address.value, pitch.value)
            facts["unmap"] = self.driver.cuvidUnmapVideoFrame64(self.decoder, address)
        self.events.append(["picture", index, facts])

    def _md5(self, address: int, pitch: int) -> str:
        """Of the displayed picture, planar, values in the low bits, as the corpus states it."""
        facts, rows = self.format, self.created["target_height"]
        depth = 8 + facts["bit_depth_luma_minus8"]
        dtype = np.dtype("u1" if depth == 8 else "<u2")
        chroma = CHROMA_NAMES[facts["chroma_format"]]
        lines = rows * 3 if chroma == "444" else rows * 2 if chroma == "422" else rows * 3 // 2
        buffer = np.empty(lines * pitch, np.uint8)
        check(self.driver, self.driver.cuMemcpyDtoH_v2(
            c.c_void_p(buffer.ctypes.data), c.c_ulonglong(address), c.c_size_t(buffer.nbytes)
        ), "cuMemcpyDtoH")  # fmt: skip
        area = facts["display_area"]
        width, height = area["right"] - area["left"], area["bottom"] - area["top"]
        picture = buffer.view(dtype).reshape(lines, -1) >> (0 if depth == 8 else 16 - depth)
        planes = [picture[:height, :width]]
        if chroma == "444":
            planes += [picture[rows * n : rows * n + height, :width] for n in (1, 2)]
        elif chroma != "400":
            across = (width + 1) // 2 * 2
            down = (height + 1) // 2 if chroma == "420" else height
            pairs = picture[rows : rows + down, :across]
            planes += [pairs[:, 0::2], pairs[:, 1::2]]
        return hashlib.md5(b"".join(plane.tobytes() for plane in planes)).hexdigest()


def written(traces: dict[str, list[list[Any]]]) -> str:
    """As JSON with one event a line; fields that are 0 are left out."""
    named = []
    for name, events in traces.items():
        lines = ",\n".join(json.dumps(slim(event), separators=(",", ":")) for event in events)
        named.append(f'"{name}": [\n{lines}\n]')
    return "{" + ",\n".join(named) + "}\n"


def slim(value: Any) -> Any:
    """``value`` without fields that are 0."""
    if isinstance(value, dict):
        return {name: slim(field) for name, field in value.items() if field != 0}
    return [slim(item) for item in value] if isinstance(value, list) else value


def codec_of(path: Path) -> str:
    """By the end of the name."""
    return "hevc" if path.suffix in (".h265", ".265", ".hevc") else "h264"


def main(out: Path, paths: list[Path]) -> None:
    """Record every stream in every way of feeding it."""
    driver = Driver()
    out.mkdir(parents=True, exist_ok=True)
    with primary_context(driver):
        for path in paths:
            traces = {}
            for feeding in FEEDINGS:
                recorder = Recorder(driver, codec_of(path), feeding)
                traces[feeding.name] = recorder.run(path.read_bytes())
            (out / f"{path.name}.json").write_text(written(traces))
            shown = sum(event[0] == "display" for event in traces["units"])
            print(f"{path.name}: {shown} pictures", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
