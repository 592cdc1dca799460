"""Asks libnvidia-encode for its versions, and to open a session.

usage: python -m tests.hardware.nvenc OUT.json

A device without an encoder refuses the session. No part of videohw is used here.
"""

from __future__ import annotations

import ctypes as c
import json
import os
import sys
from pathlib import Path
from typing import Any

from tests.hardware.cuvid import Driver, primary_context

# The words that lists of functions and the parameters of a session begin with, by version.
LISTS = {"11.1": 0x7102000B, "12.1": 0x7102000C, "13.0": 0x7002000D}
SESSIONS = {"12.1": 0x7101000C, "13.0": 0x7001000D}
LIST_BYTES, SESSION_BYTES, OPEN_SLOT = 2552, 1552, 240
CUDA = 1


def library() -> Any:
    return c.CDLL(os.environ.get("VIDEOHW_LIBNVIDIA_ENCODE") or "libnvidia-encode.so.1")


def max_version(encode: Any) -> str:
    """As MAJOR.MINOR."""
    word = c.c_uint32()
    assert encode.NvEncodeAPIGetMaxSupportedVersion(c.byref(word)) == 0
    return f"{word.value >> 4}.{word.value & 15}"


def filled(encode: Any, version: str) -> tuple[int, Any]:
    """The answer to a list of functions of a version, and the list."""
    room = c.create_string_buffer(LISTS[version].to_bytes(4, "little"), LIST_BYTES)
    return int(encode.NvEncodeAPICreateInstance(room)), room


def opened(encode: Any, context: int, version: str = "13.0") -> int:
    """The answer to a session in a context; one that opens is closed by the process's end."""
    status, room = filled(encode, version)
    assert status == 0
    address = int.from_bytes(room.raw[OPEN_SLOT : OPEN_SLOT + 8], "little")
    asked = c.create_string_buffer(SESSION_BYTES)
    words = (SESSIONS[version], CUDA, context & 0xFFFFFFFF, context >> 32, 0, 0)
    major, minor = version.split(".")
    packed = [*words, int(major) | int(minor) << 24]
    asked[: 4 * len(packed)] = b"".join(word.to_bytes(4, "little") for word in packed)
    handle = c.c_void_p()
    return int(c.CFUNCTYPE(c.c_int)(address)(asked, c.byref(handle)))


def answers(context: int) -> dict[str, Any]:
    encode = library()
    return {
        "max_version": max_version(encode),
        "lists": {version: filled(encode, version)[0] for version in LISTS},
        "open": opened(encode, context),
    }


def answers_of_device() -> dict[str, Any]:
    with primary_context(Driver()) as context:
        return answers(context.value or 0)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(answers_of_device(), indent=1) + "\n", encoding="utf-8")
