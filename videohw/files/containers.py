"""Containers that can be written: what each holds, its file names, which tags stay true.

Tables and look-ups only; :mod:`videohw.files.mux` does the writing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..errors import InvalidInput, UnsupportedConfig


@dataclass(frozen=True, slots=True)
class Container:
    """A file format: FFmpeg's muxer (None: the bytes alone), codecs, layout of its samples.

    ``tagged``: it has a place for tags, chapters and a display matrix. ``shaped``: codecs whose
    pixel shape it keeps.
    """

    name: str
    muxer: str | None
    codecs: tuple[str, ...]
    layout: str
    extensions: tuple[str, ...]
    tagged: bool = False
    shaped: tuple[str, ...] = ("h264", "hevc")  # coded into the stream itself


_MPEG: Final = ("h264", "hevc")
_ALL: Final = (*_MPEG, "av1")
CONTAINERS: Final[Mapping[str, Container]] = {
    c.name: c
    for c in (
        Container("mp4", "mp4", _ALL, "length_prefixed", (".mp4", ".m4v"), True, _ALL),
        # libavformat refuses AV1 in QuickTime files.
        Container(
            "mov",
            "mov",
            (*_MPEG, "prores"),
            "length_prefixed",
            (".mov", ".qt"),
            True,
            (*_MPEG, "prores"),
        ),
        Container("mkv", "matroska", _ALL, "length_prefixed", (".mkv",), True),
        Container("webm", "webm", ("av1",), "length_prefixed", (".webm",), True),
        Container("ts", "mpegts", _MPEG, "annexb", (".ts", ".m2ts", ".mts")),
        Container("h264", None, ("h264",), "annexb", (".h264", ".264", ".avc")),
        Container("hevc", None, ("hevc",), "annexb", (".hevc", ".h265", ".265")),
        Container("obu", None, ("av1",), "annexb", (".obu",)),
    )
}
_ALIASES: Final = {"matroska": "mkv", "mpegts": "ts", "quicktime": "mov"}
# What FFmpeg has a stream type for in MPEG-TS. It writes anything else too, as private data that
# no reader knows.
TS_COPIES: Final = frozenset(
    {
        "h264", "hevc", "mpeg1video", "mpeg2video", "mpeg4", "mp1", "mp2", "mp3", "aac",
        "aac_latm", "ac3", "eac3", "dts", "truehd", "opus", "dvb_subtitle", "dvb_teletext", "klv",
        "timed_id3", "scte_35",
    }
)  # fmt: skip
# What a muxer writes by itself, or what was true of the old file only.
_OWN_TAGS: Final = frozenset(
    {"major_brand", "minor_version", "compatible_brands", "encoder", "duration", "vendor_id"}
)
_STATISTICS: Final = ("_statistics_", "bps", "number_of_", "duration-", "bps-")
# The keys that libavformat writes as iTunes tags; any other key needs QuickTime's mdta form.
ITUNES_TAGS: Final = frozenset(
    {
        "title", "artist", "album_artist", "composer", "album", "date", "comment", "genre",
        "copyright", "grouping", "lyrics", "description", "synopsis", "show", "episode_id",
        "network", "keywords", "track", "disc", "compilation", "creation_time", "timecode",
    }
)  # fmt: skip
# QuickTime knows languages by the codes of the Macintosh, which libavformat spells so.
MAC_LANGUAGES: Final = {
    "deu": "ger", "nld": "dut", "swe": "sve", "ell": "gre", "isl": "ice", "zho": "chi",
    "sqi": "alb", "fre": "fra", "cze": "ces", "slo": "slk",
}  # fmt: skip


def container_for(target: Any, container: str | None, codec: str) -> Container:
    """The container that the argument or the target's extension names, if it holds ``codec``."""
    if container is not None:
        name = _ALIASES.get(str(container).lower(), str(container).lower())
        found = CONTAINERS.get(name)
    else:
        path = target if isinstance(target, (str, os.PathLike)) else getattr(target, "name", "")
        text = os.fsdecode(path) if isinstance(path, (str, bytes, os.PathLike)) else ""
        extension = os.path.splitext(text)[1].lower()
        found = next((c for c in CONTAINERS.values() if extension in c.extensions), None)
    if found is None:
        said = f"container is {container!r}" if container else "the target's name says no container"
        raise InvalidInput(
            said, argument="container", hint=f"container= one of {', '.join(CONTAINERS)}"
        )
    if codec not in found.codecs:
        fitting = ", ".join(c.name for c in CONTAINERS.values() if codec in c.codecs)
        raise UnsupportedConfig(
            f"a {found.name} file cannot hold {codec}",
            argument="codec",
            hint=f"{codec} goes into {fitting}",
        )
    return found


def places_missing(
    container: Container, codec: str, *, rotation: bool, chapters: bool, tags: bool, shape: bool
) -> tuple[str, ...]:
    """What of these a file of ``codec`` in ``container`` has no place for, with the reason."""
    wanted = {
        "rotation": rotation and not container.tagged,
        "chapters": chapters and not container.tagged,
        "tags": tags and not container.tagged,
        "pixel shape": shape and codec not in container.shaped,
    }
    return tuple(
        f"{container.name} has no place for {what}" + (" of AV1" if what == "pixel shape" else "")
        for what, lost in wanted.items()
        if lost
    )


def kept_tags(metadata: Mapping[str, str]) -> dict[str, str]:
    """The tags that stay true in another file: no brands, no encoder, no statistics."""
    return {
        key: value
        for key, value in metadata.items()
        if key.lower() not in _OWN_TAGS and not key.lower().startswith(_STATISTICS)
    }
