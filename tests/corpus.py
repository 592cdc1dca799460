"""The test streams and what is expected of them.

A small set lies in ``tests/data``. The full corpus is not part of the repository: it is found
through the environment variable ``VIDEOHW_CORPUS``, or in ``../shared/corpus`` beside the checkout.
Both have manifests of one form: an entry per stream with its source, licence and features, with
``packets`` (what libavcodec's parser makes of it) and ``oracle`` (what its decoder makes of it).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

DATA = Path(__file__).parent / "data"
_BESIDE_CHECKOUT = Path(__file__).resolve().parents[2] / "shared" / "corpus"


@dataclass(frozen=True)
class Stream:
    """One stream: ``name`` is its path below the manifest, ``entry`` all that the manifest says."""

    name: str
    path: Path
    entry: Mapping[str, Any]

    @property
    def codec(self) -> str:
        codec: str = self.entry["codec"]
        return codec

    @property
    def features(self) -> frozenset[str]:
        return frozenset(self.entry["features"])

    @property
    def packet_sizes(self) -> list[int]:
        """Bytes of each packet of libavcodec's parser."""
        return list(self.entry["packets"]["sizes"])

    @property
    def key_indexes(self) -> list[int]:
        """Which of these packets libavcodec's parser calls key frames."""
        return list(self.entry["packets"]["key_indexes"])

    @property
    def frames(self) -> int:
        """Frames that libavcodec's decoder puts out."""
        return int(self.entry["oracle"]["frames"])

    @property
    def yuv_md5(self) -> str | None:
        """md5 of all frames, cropped, planar, in output order; None when nothing decodes."""
        digest: str | None = self.entry["oracle"].get("yuv_md5")
        return digest

    @property
    def damaged(self) -> bool:
        """True when decoding meets errors, so that neither packets nor frames are the truth."""
        return bool(self.features & {"decoder_errors", "fuzz", "undecodable_by_ffmpeg"})

    def read(self) -> bytes:
        """The bytes of the stream."""
        return self.path.read_bytes()

    def frame_md5s(self) -> list[str] | None:
        """md5 of each frame in output order, where the corpus has them; else None."""
        listing = self.path.parents[self.name.count("/")] / "frame_md5" / f"{self.name}.md5"
        if not listing.is_file():
            return None
        return [line.split()[-1] for line in listing.read_text().splitlines() if line.strip()]


def corpus_root() -> Path | None:
    """Directory of the full corpus, or None when it is not here."""
    named = os.environ.get("VIDEOHW_CORPUS")
    root = Path(named) if named else _BESIDE_CHECKOUT
    if (root / "manifest.json").is_file():
        return root
    if named:
        raise FileNotFoundError(f"VIDEOHW_CORPUS is {named}, which has no manifest.json")
    return None


@cache
def data_streams() -> tuple[Stream, ...]:
    """The streams of ``tests/data``; names as in the full corpus."""
    return tuple(_read_manifest(DATA, ""))


@cache
def corpus_streams() -> tuple[Stream, ...]:
    """The streams of the full corpus, real ones and then ``generated/``; empty without it."""
    root = corpus_root()
    if root is None:
        return ()
    return (*_read_manifest(root, ""), *_read_manifest(root, "generated/"))


def all_streams() -> tuple[Stream, ...]:
    """The full corpus when it is here, and the streams of ``tests/data`` that it lacks."""
    known = {each.name for each in corpus_streams()}
    return (*corpus_streams(), *(each for each in data_streams() if each.name not in known))


def stream(name: str) -> Stream:
    """The stream of this name; skips the test when only the full corpus has it."""
    for candidate in (*data_streams(), *corpus_streams()):
        if candidate.name == name:
            return candidate
    if corpus_root() is None:
        pytest.skip("the full corpus is not here")
    raise KeyError(name)


def needs_corpus() -> pytest.MarkDecorator:
    """Marks a test that runs over the full corpus only."""
    return pytest.mark.skipif(corpus_root() is None, reason="the full corpus is not here")


def _read_manifest(root: Path, below: str) -> Iterator[Stream]:
    manifest = json.loads((root / below / "manifest.json").read_text(encoding="utf-8"))
    for entry in manifest["files"]:
        name = below + entry["file"]
        yield Stream(name=name, path=root / name, entry=entry)
