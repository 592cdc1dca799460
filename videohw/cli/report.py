"""The report of `inspect`: as text for a person and as data for ``--json``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..bitstream import sei
from ..bitstream.nal_types import nal_type_name
from ..color import TRANSFERS
from ..files.containers import kept_tags
from ..files.headers import sps_color
from .console import Column, Console
from .describe import DescribedSet, describe_sets, fps_text
from .sei_names import sei_name
from .streams import Sample, StreamInfo
from .survey import UNKNOWN_TYPE, SeenSet, Survey, UnitRow, nal_rows, unit_row

UNIT_COLUMNS = (
    Column("unit", right=True, width=6), Column("offset", right=True, width=10),
    Column("bytes", right=True, width=8), Column("pts", right=True, width=10),
    Column("dts", right=True, width=10), Column("type", width=4), Column("key", width=3),
    Column("access", width=14), Column("NAL units"),
)  # fmt: skip
NAL_COLUMNS = (
    Column("unit", right=True, width=6), Column("offset", right=True, width=10),
    Column("bytes", right=True, width=8), Column("type", right=True, width=4),
    Column("layer", right=True, width=5), Column("temporal", right=True, width=8),
    Column("name"),
)  # fmt: skip

# Tags that every file has and that say nothing of it.
DULL_TAGS = ("handler_name", "language")
# An encoder's settings can be a page long.
MAX_TEXT = 160

PICTURE_TYPES = ("I", "P", "B", UNKNOWN_TYPE)
_ACCESS = {
    "idr": "IDR", "cra": "CRA", "bla": "BLA", "recovery_point": "recovery point",
    "rasl": "RASL", "radl": "RADL",
}  # fmt: skip


def unit_cells(
    samples: Iterable[tuple[int, Sample]], info: StreamInfo
) -> Iterator[tuple[str, ...]]:
    """The rows of the list of access units."""
    for index, sample in samples:
        yield _unit_row(unit_row(index, sample, info))


def nal_cells(samples: Iterable[tuple[int, Sample]], info: StreamInfo) -> Iterator[tuple[str, ...]]:
    """The rows of the list of NAL units."""
    for index, sample in samples:
        for row in nal_rows(index, sample, info):
            yield (
                str(row.unit), _number(row.offset), str(row.size), str(row.type),
                str(row.layer), str(row.temporal_id), row.name,
            )  # fmt: skip


def _unit_row(row: UnitRow) -> tuple[str, ...]:
    field = "" if row.field in ("", "frame") else f" {row.field}"
    return (
        str(row.index), _number(row.offset), str(row.size), _time(row.pts), _time(row.dts),
        row.type + field, "key" if row.keyframe else "", _ACCESS.get(row.random_access or "", ""),
        ", ".join(_runs(row.nals)),
    )  # fmt: skip


def _runs(names: Sequence[str]) -> Iterator[str]:
    """``slice x8`` for eight in a row."""
    start = 0
    for index in range(1, len(names) + 1):
        if index == len(names) or names[index] != names[start]:
            count = index - start
            yield names[start] if count == 1 else f"{names[start]} x{count}"
            start = index


def _number(value: int | None) -> str:
    return "" if value is None else str(value)


def _time(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.3f}"


def as_data(name: str, survey: Survey) -> dict[str, Any]:
    """The report in the shape of ``--json``; sizes in bytes, times in seconds."""
    sets = describe_sets(survey.info.codec, [seen.nal for seen in survey.sets.values()])
    sps = _first_sps(sets)
    head = sps or survey.sequence
    fps = survey.info.fps or (head.fps if head else None)
    seconds = survey.seconds(fps)
    info = survey.info
    return {
        "file": name,
        "container": info.container,
        "codec": info.codec,
        "width": head.width if head else info.width,
        "height": head.height if head else info.height,
        "profile": head.profile if head else None,
        "level": head.level if head else None,
        "chroma_format": head.chroma_format if head else None,
        "fps": fps,
        "time_base": info.time_base,
        "seconds": seconds,
        "bytes": survey.bytes,
        "bits_per_second": round(8 * survey.bytes / seconds) if seconds else None,
        "access_units": survey.units,
        "frames": survey.frames,
        "keyframes": len(survey.keyframes),
        "gop_lengths": _spread(survey.gop_lengths()),
        "first_and_last_pts": survey.times(),
        "frame_interval": survey.intervals(),
        "picture_types": survey.types,
        "random_access": survey.access,
        "leading": survey.leading,
        "nal_types": _named(survey, survey.nals),
        "sei_values": list(survey.sei_values.values()),
        "sei": {sei_name(info.codec, kind): n for kind, n in sorted(survey.seis.items())},
        "parameter_sets": list(map(_set_data, survey.sets.values(), sets)),
        "color": sps_color(sps) if sps else None,
        "other_streams": info.others,
        "metadata": info.metadata,
        "problems": survey.problems.kept,
        "problem_count": survey.problems.count,
    }


def _set_data(seen: SeenSet, described: DescribedSet) -> dict[str, Any]:
    return {
        "name": described.name,
        "id": described.id,
        "bytes": len(seen.nal),
        "first_unit": seen.first_unit,
        "count": seen.count,
        "fields": described.sps,
        "summary": dict(described.lines),
        "error": described.error,
    }


def _named(survey: Survey, counts: Counter[int]) -> list[dict[str, Any]]:
    return [
        {
            "type": kind, "name": nal_type_name(survey.info.codec, kind), "count": count,
            "bytes": survey.nal_bytes[kind],
        }
        for kind, count in sorted(counts.items())
    ]  # fmt: skip


def _first_sps(sets: Sequence[DescribedSet]) -> Any:
    return next((one.sps for one in sets if one.sps is not None), None)


def _spread(lengths: Sequence[int]) -> dict[str, float] | None:
    if not lengths:
        return None
    mean = sum(lengths) / len(lengths)
    return {"min": min(lengths), "mean": round(mean, 2), "max": max(lengths)}


def show(console: Console, name: str, survey: Survey, units: Sequence[UnitRow]) -> None:
    """Print the report for a person, with the first units."""
    data = as_data(name, survey)
    console.line(name)
    console.labels(_overview(data, survey))
    _show_sets(console, survey)
    _show_nals(console, survey)
    if units:
        shown = "" if len(units) == survey.units else f", the first {len(units)} of {survey.units}"
        console.heading(f"Access units in decoding order{shown}")
        console.table(*_without_empty(UNIT_COLUMNS, [_unit_row(row) for row in units]))
    if len(units) < survey.units:
        console.line("  (--units lists all" + (", --nals every NAL unit)" if survey.nals else ")"))
    problems = survey.problems
    if problems.count:
        console.heading(f"Problems: {problems.count}")
        for problem in problems.kept:
            console.line(f"  {problem}")


def _overview(data: dict[str, Any], survey: Survey) -> Iterator[tuple[str, str]]:
    info = survey.info
    yield "container", info.container or "none (raw stream)"
    yield "codec", info.codec
    yield "size", f"{data['width']}x{data['height']}" if data["width"] else "not known"
    if survey.sequence is not None:
        yield "profile", f"{data['profile']}, level {data['level']}"
        yield "samples", str(data["chroma_format"])
    source = "of the container" if info.fps else "of the stream"
    yield "frame rate", f"{fps_text(data['fps'])} fps ({source})" if data["fps"] else "not stated"
    yield "duration", f"{data['seconds']:.3f} s" if data["seconds"] else "not known"
    rate = data["bits_per_second"]
    yield "coded size", f"{survey.bytes} bytes" + (f", {rate / 1000:.0f} kb/s" if rate else "")
    frames = f"{survey.frames} in {survey.units} access units, largest {survey.largest} bytes"
    yield "frames", frames
    yield "types", ", ".join(f"{n} {kind}" for kind in PICTURE_TYPES if (n := survey.types[kind]))
    yield "keyframes", _keyframes_text(data, survey)
    yield "leading", _counts(survey.leading)
    yield "fields", f"{survey.second_fields} field pairs" if survey.second_fields else ""
    yield "layers", f"{survey.layer_nals} NAL units above the base" if survey.layer_nals else ""
    temporal = survey.temporal_layers
    yield "temporal", f"{temporal} sub-layers" if temporal > 1 else ""
    yield "times", _times_text(data, info)
    yield "other streams", "; ".join(info.others)
    tags = kept_tags(info.metadata)
    yield "tags", ", ".join(f"{k}={v}" for k, v in tags.items() if k not in DULL_TAGS)
    seis = (f"{sei_name(info.codec, kind)} ({n})" for kind, n in sorted(survey.seis.items()))
    yield "SEI", ", ".join(seis)
    for value in survey.sei_values.values():
        yield from _sei_lines(value)


def _sei_lines(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, sei.MasteringDisplay):
        low, high = float(value.min_luminance), float(value.max_luminance)
        points = (value.red, value.green, value.blue, value.white_point)
        corners = " ".join(f"({float(x):.3f}, {float(y):.3f})" for x, y in points)
        yield "mastering", f"{low:g} to {high:g} cd/m2, R G B white {corners}"
    elif isinstance(value, sei.ContentLight):
        top, average = value.max_content, value.max_frame_average
        yield "light level", f"at most {top} cd/m2, {average} as average of a frame"
    elif isinstance(value, sei.AlternativeTransfer):
        code = value.preferred_transfer_characteristics
        yield "transfer", f"preferred: {TRANSFERS.get(code, code)}"
    elif isinstance(value, sei.UserDataUnregistered):
        yield "user data", _readable(value.data)


def _readable(data: bytes) -> str:
    """The text in ``data``, such as an encoder's settings; empty when it is no text."""
    text = data.split(b"\0")[0].decode("ascii", "replace")
    if not text or "\ufffd" in text or not text.isprintable():
        return ""
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 3] + "..."


def _keyframes_text(data: dict[str, Any], survey: Survey) -> str:
    count = len(survey.keyframes)
    if not count:
        return "none"
    kinds = _counts(survey.access)
    spread = data["gop_lengths"]
    low, high, mean = spread["min"], spread["max"], spread["mean"]
    every = f"{low} frames" if low == high else f"{low} to {high} frames, {mean} on average"
    return f"{count}{f' ({kinds})' if kinds else ''}, GOP of {every}"


def _counts(counts: Counter[str]) -> str:
    """``2 RASL, 1 RADL``."""
    return ", ".join(f"{n} {_ACCESS[kind]}" for kind, n in sorted(counts.items()))


def _times_text(data: dict[str, Any], info: StreamInfo) -> str:
    span = data["first_and_last_pts"]
    if span is None:
        return ""
    text = f"pts {span[0]:.3f} to {span[1]:.3f} s, time base {info.time_base}"
    steps = data["frame_interval"]
    if steps is None:
        return text
    low, high = (1000 * step for step in steps)
    even = high - low <= 1000 * float(info.time_base or 0) * 1.5
    between = f"{high:.2f} ms apart" if even else f"{low:.2f} to {high:.2f} ms apart (variable)"
    return f"{text}, pictures {between}"


def _show_sets(console: Console, survey: Survey) -> None:
    if not survey.sets:
        return
    console.heading("Parameter sets")
    seen_sets = list(survey.sets.values())
    for seen, one in zip(seen_sets, describe_sets(survey.info.codec, survey.sets), strict=True):
        where = "in the header of the file"
        if seen.first_unit is not None:
            where = f"in unit {seen.first_unit}"
        if seen.count > 1:
            where += f", {seen.count} times in all"
        number = "" if one.id is None else f" {one.id}"
        console.line(f"  {one.name}{number}: {len(seen.nal)} bytes, {where}")
        if one.error:
            console.labels((("  unreadable", one.error),))
        console.labels((f"  {label}", value) for label, value in one.lines)
    if survey.sets_left_out:
        console.line(f"  and {survey.sets_left_out} more")


def _show_nals(console: Console, survey: Survey) -> None:
    if not survey.nals:
        return
    console.heading("NAL units by type")
    rows = [
        (str(each["type"]), str(each["count"]), str(each["bytes"]), each["name"])
        for each in _named(survey, survey.nals)
    ]
    numbers = (Column(title, right=True) for title in ("type", "count", "bytes"))
    console.table((*numbers, Column("name")), rows)


def _without_empty(
    columns: Sequence[Column], rows: Sequence[Sequence[str]]
) -> tuple[list[Column], list[list[str]]]:
    """The table without the columns that hold nothing, such as times in a raw stream."""
    kept = [i for i in range(len(columns)) if any(row[i] for row in rows)]
    return [columns[i] for i in kept], [[row[i] for i in kept] for row in rows]
