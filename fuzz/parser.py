"""Runs one case on the parser alone.

The cut changes nothing, and wrong bytes are InvalidBitstream.
Every reader gets every piece of the input that could be its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import Any, Final, TypeVar

from videohw.bitstream import (
    AccessUnit,
    AnnexBSplitter,
    AvcConfig,
    HevcConfig,
    ParameterSets,
    convert,
    open_assembler,
    sei,
)
from videohw.bitstream.av1_sequence import find_sequence_header
from videohw.bitstream.config_record import Av1Config
from videohw.bitstream.mpeg2_sequence import parse_sequence
from videohw.bitstream.mpeg4_layer import parse_layer
from videohw.bitstream.obu import obus
from videohw.bitstream.vc1_sequence import parse_sequence as parse_vc1_sequence
from videohw.decoding.coded_input import CodedInput
from videohw.decoding.frame_headers import coded_frames
from videohw.errors import InvalidBitstream

from .case import FRAME_CODECS, Case, unpack_frames
from .finding import require

ResultT = TypeVar("ResultT")

# Small limits are met by small inputs.
_SMALL_NAL_BYTES: Final = 2000
_SMALL_UNIT_BYTES: Final = 3000
_SEI_TYPES: Final = {"h264": (6,), "hevc": (39, 40)}


def run(case: Case) -> frozenset[str]:
    """Run the parser case; what was seen on the way. Raises what should not come out."""
    rng = Random(case.seed)
    features: set[str] = set()
    if case.codec in FRAME_CODECS:
        for frame in unpack_frames(case.payload):
            for each in coded_frames(case.codec, frame):
                features.add(f"{case.codec}: key {each.keyframe} shown {each.shown}")
                require(bool(each.data), "a coded frame is empty")
        return frozenset(features)
    limits = {} if rng.random() < 0.7 else {"max_unit_bytes": _SMALL_UNIT_BYTES}
    if limits and case.codec in ("h264", "hevc"):
        limits["max_nal_bytes"] = _SMALL_NAL_BYTES
    whole = _units(case, [case.payload], limits)
    cut = _units(case, _cut(rng, case.payload), limits)
    require(whole == cut, f"the cut changes the units: {len(whole)} and {len(cut)}")
    features |= {f"{case.codec}: {item[0]} {item[4:]}" for item in whole}
    _check_numbering(case, rng)
    if case.codec in ("h264", "hevc"):
        features |= _read_nals(case, rng)
    else:
        _try(parse_sequence, case.payload)
        _try(parse_layer, case.payload)
        _try(parse_vc1_sequence, case.payload)
        _try(find_sequence_header, case.payload)
        _try(lambda: list(obus(case.payload)))
    for record in (AvcConfig, HevcConfig, Av1Config):
        config = _try(record.parse, case.payload[:600])
        if config is not None:
            features.add(f"{record.__name__} read")
            again = _try(lambda known=config: type(known).parse(known.write()))
            require(again == config, f"{record.__name__} is not what was written")
    return frozenset(features)


def _cut(rng: Random, data: bytes) -> Iterator[bytes]:
    position = 0
    while position < len(data):
        size = rng.choice((1, 1, 2, 3, 17, 500, 5000))
        yield data[position : position + size]
        position += size


def _units(case: Case, pieces: Iterable[bytes], limits: dict[str, int]) -> list[tuple[Any, ...]]:
    """What the assembler makes of the pieces: units with their facts, and errors."""
    assembler = open_assembler(case.codec, **limits)
    found: list[tuple[Any, ...]] = []
    fed = 0
    for piece in pieces:
        assembler.feed(piece)
        fed += len(piece)
        require(assembler.offset == fed, "offset is not the bytes fed")
        require(assembler.pending_bytes <= fed, "more is pending than was fed")
        found += _taken(assembler)
    assembler.finish()
    found += _taken(assembler)
    require(assembler.pending_bytes == 0, "bytes are pending after the end")
    return found


def _taken(assembler: Any) -> Iterator[tuple[Any, ...]]:
    while True:
        try:
            unit: AccessUnit | None = assembler.take()
        except InvalidBitstream as error:
            yield "error", error.offset
            continue
        if unit is None:
            return
        yield (
            "unit", unit.offset, unit.data, unit.base_layer_data(), unit.keyframe,
            unit.random_access, unit.leading, unit.picture_type, unit.reference, unit.field,
            unit.second_field, unit.has_parameter_sets,
        )  # fmt: skip


def _check_numbering(case: Case, rng: Random) -> None:
    """The step from bytes to numbered pictures does not depend on the cut either."""

    def items(pieces: Iterable[bytes]) -> list[tuple[Any, ...]]:
        source = CodedInput(case.codec)
        found = [item for piece in pieces for item in source.feed(piece, None, "annexb")]
        found += source.finish()
        require(source.pending_bytes == 0, "bytes are pending after the end")
        return [
            (str(item), item.offset)
            if isinstance(item, InvalidBitstream)
            else (
                item.serial, item.data, item.offset, item.skip, item.silent, item.keyframe,
                item.open_start, item.resumes, item.info,
            )
            for item in found
        ]  # fmt: skip

    if case.payload:
        whole = items([case.payload])
        require(whole == items(_cut(rng, case.payload)), "the cut changes the pictures")
        serials = [item[0] for item in whole if isinstance(item[0], int)]
        require(serials == list(range(len(serials))), "the numbers have gaps")


def _read_nals(case: Case, rng: Random) -> set[str]:
    splitter = AnnexBSplitter()
    nals: list[bytes] = []
    for piece in _cut(rng, case.payload):
        splitter.feed(piece)
        while (nal := splitter.take()) is not None:
            nals.append(bytes(nal.data))
    splitter.finish()
    while (nal := splitter.take()) is not None:
        nals.append(bytes(nal.data))
    sets = ParameterSets(case.codec)
    features = set()
    for data in nals:
        kind = data[0] & 31 if case.codec == "h264" else data[0] >> 1 & 63
        added = _try(sets.add, data)
        features.add(f"{case.codec} nal {kind} {added}")
        if kind in _SEI_TYPES[case.codec]:
            features |= _read_sei(case.codec, data, sets)
        plain = convert.unescape(data)
        require(convert.unescape(convert.escape(plain)) == plain, "escape is no round trip")
    _try(sets.annexb)
    _try(sets.extradata)
    _try(convert.annexb_to_length_prefixed, case.payload)
    for size in (1, 2, 4):
        _try(convert.length_prefixed_to_nals, case.payload, size)
    return features


def _read_sei(codec: str, nal: bytes, sets: ParameterSets) -> set[str]:
    features = set()
    for message in _try(sei.parse, nal, codec) or ():
        value = _try(lambda known=message: sei.decode(known, codec, sets.active_sps))
        features.add(f"{codec} sei {message.payload_type} {type(value).__name__}")
        if isinstance(value, sei.UserDataT35):
            _try(lambda known=value: known.captions)
    return features


def _try(read: Callable[..., ResultT], *arguments: Any) -> ResultT | None:
    """What ``read`` returns; None where it refuses as it may."""
    try:
        return read(*arguments)
    except InvalidBitstream:
        return None
