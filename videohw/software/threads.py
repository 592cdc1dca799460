"""How libavcodec decodes on several threads without its account of damage becoming wrong.

Measured with libavcodec 62: with one thread, damage in H.264 and MPEG is noticed wherever syntax
breaks or macroblocks are missing. With slice threads H.264 pictures of several slices lose that.
With frame threads a frame says what was known when its turn to be shown came, which may be while
another thread still decodes it. See docs/decisions/0005. Must not know: PyAV, sessions.
"""

from __future__ import annotations

import functools
import os
from typing import Final, NamedTuple

from ..backend import SequenceInfo
from ..decoder_config import DecoderConfig
from ..software_options import SoftwareDecoderOptions

# Of these libavcodec knows which macroblocks came and which it had to make up. Pictures of the
# others that end in the middle, or have bits flipped, come out as if they were whole.
_CHECKED: Final = ("h264", "mpeg4", "vc1", "mpeg2", "mpeg1")
# Pictures that libavcodec's H.264 decoder can hold back for reordering (libavcodec/h264dec.h).
_MOST_HELD_BACK: Final = 15
# What streams that do not state how far they reorder are taken to need at most: six levels of
# B-pictures between two others.
_USUAL_REORDER: Final = 6
_MOST_THREADS: Final = 16  # libavcodec's own limit where it decides


class Setup(NamedTuple):
    """What a context is opened with; it cannot be changed afterwards.

    ``options`` are for libavcodec. ``thread_type`` is AUTO, FRAME or SLICE, ``threads`` 0 where
    libavcodec decides. ``checked``: the codec notices damage, at the latest when the picture has
    left the threads. ``headers`` are given to it beside the stream.
    """

    options: tuple[tuple[str, str], ...]
    thread_type: str
    threads: int
    checked: bool
    headers: bytes = b""


def setup_for(
    config: DecoderConfig, asked: SoftwareDecoderOptions, sequence: SequenceInfo
) -> Setup:
    """The setup that pictures of ``sequence`` need."""
    kind, threads = asked.thread_type, asked.threads or 0
    # Frame threads of libavcodec 62 decode explicit RDPCM wrongly from the second picture on.
    if config.low_latency or sequence.range_extension:
        kind = "slice"
    if config.codec != "h264":
        checked = config.codec in _CHECKED
        return Setup((), kind.upper(), threads, checked, sequence.headers)
    options: list[tuple[str, str]] = []
    if sequence.reorders:
        # libavcodec otherwise guesses the reordering depth of streams that do not state it, and
        # drops pictures until it has guessed right. Where nothing reorders it would only wait.
        options.append(("strict", "1"))
    if kind == "slice":
        threads = 1 if asked.thread_type == "auto" else threads
    elif sequence.reorders or sequence.has_fields:
        # Every picture is held back until no thread works on it any more.
        reorder = sequence.stated_reorder
        usual = _USUAL_REORDER if reorder is None else reorder
        threads = threads or _own_choice()
        if asked.thread_type == "auto":
            threads = max(min(threads, _MOST_HELD_BACK - 1 - usual), 1)
        if threads > 1:
            held = _MOST_HELD_BACK if reorder is None else reorder + threads + 1
            options.append(("has_b_frames", str(min(held, _MOST_HELD_BACK))))
    return Setup(tuple(options), kind.upper(), threads, kind != "slice" or threads == 1)


@functools.cache
def _own_choice() -> int:
    """How many threads libavcodec takes by itself."""
    try:
        cpus = len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        cpus = os.cpu_count() or 1
    return min(cpus + 1, _MOST_THREADS) if cpus > 1 else 1
