"""The emulated drivers' controls, as tests use them: faults, lateness, the ledger, misuses.

Everything is of the process that the library is loaded in. Another process is steered by its
environment (``environment``), and writes its report to a file.
"""

from __future__ import annotations

import ctypes as c
import gc
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PREFIX = "VIDEOHW_EMULATOR_"


class Controls:
    """What every emulated library has, by the name of its file."""

    def __init__(self, folder: Path, library: str) -> None:
        self.folder = folder
        self._library = c.CDLL(str(folder / library))
        for name in ("report", "misuses", "log"):
            getattr(self._library, f"videohw_emulator_{name}").restype = c.c_char_p
        self._library.videohw_emulator_fault.restype = c.c_bool
        self._library.videohw_emulator_clear_faults.restype = c.c_long

    def fault(self, call: str, kind: str, value: int, first: int = 1, count: int = 1) -> None:
        """Calls of ``call`` (``*``: all, ``A|B``: both) fail, from ``first`` on, ``count`` of them.

        ``kind``: ``fail`` and ``sticky`` with a result code, ``stall`` with milliseconds, 0 until
        the plan ends. ``count`` 0 is for ever.
        """
        text = f"{call}@{first}x{count}={kind}:{value}"
        if not self._library.videohw_emulator_fault(text.encode()):
            raise ValueError(text)

    def clear_faults(self) -> int:
        """End the plan, stalled calls and a sticky error; how many calls failed or stalled."""
        return int(self._library.videohw_emulator_clear_faults())

    def hits(self) -> list[int]:
        """How often each fault of the plan came, in the order of the plan."""
        found: list[int] = self.report()["fault_hits"]
        return found

    def stalled(self) -> int:
        """Calls that are stalled now."""
        return int(self._library.videohw_emulator_stalled())

    def report(self) -> dict[str, Any]:
        """The ledger (``open``, ``handles``, ``lost``), ``misuses``, ``calls`` and more."""
        found: dict[str, Any] = json.loads(self._library.videohw_emulator_report())
        return found

    def open(self) -> dict[str, int]:
        """How many handles of each kind are open."""
        found: dict[str, int] = self.report()["open"]
        return found

    def misuses(self) -> list[str]:
        """Rules broken since the last time."""
        return str(self._library.videohw_emulator_misuses().decode()).splitlines()

    def log(self) -> list[str]:
        """Names of the calls since ``forget``, in order."""
        lines = self._library.videohw_emulator_log().decode().splitlines()
        return [line.split(" ", 1)[1] for line in lines]

    def forget(self) -> None:
        """Forget misuses, counts, the log and what was lost."""
        self._library.videohw_emulator_forget()

    @contextmanager
    def clean(self) -> Iterator[None]:
        """What runs within leaves no handle, no loss and no misuse behind."""
        self.clear_faults()
        self.forget()
        gc.collect()  # what an earlier test left to be collected
        before = self.open()
        yield
        self.clear_faults()
        report = self.report()
        found = {name: report[name] for name in ("misuses", "lost", "open")}
        if found != {"misuses": [], "lost": {}, "open": before}:
            raise AssertionError(f"{found}, before: {before}, now: {report['handles']}")


class Emulator(Controls):
    """The controls of a loaded ``libcuda.so.1``."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "libcuda.so.1")
        self._library.videohw_emulator_streams.restype = c.c_bool

    def encoding(self, **settings: object) -> None:
        """Settings of the encoder, for sessions that are opened from now on.

        ``NVENC``: ``consumer``, or ``h100``, which has no encoder. ``NVENC_VERSION``: the newest
        API, ``13.0`` or ``12.1``. ``NVENC_SESSIONS``: how many may be open, ``NVENC_LIMIT_CODE``
        what one more is answered (10 or 21). ``NVENC_RAW``: 1 codes nothing, for measurements: a
        packet is a unit with the number and a checksum of its picture. ``NVENC_PICTURE_US``: how
        many microseconds the device's one engine takes for a picture, at least. ``NVENC_CAPS``:
        caps by the vendor's names that differ from the table, ``WIDTH_MIN=16,HEIGHT_MIN=16``.
        ``NVENC_LOOKAHEAD``: ``burst`` gives success when all that was submitted can be locked,
        ``lag`` while the newest pictures are still looked at, ``seed`` one of both.
        ``NVENC_DEFERS``: 1 lets success come later than it could, by chance. Left alone (``auto``,
        -1), both go by the seed where streams do, and are ``burst`` and 0 elsewhere.
        ``NVENC_END_IS_IDR``: 0 has the picture after the end of a stream go on with it, unless a
        keyframe is forced. ``NVENC_PICTURES``: a file to which NV_ENC_PIC_PARAMS of each picture
        is added as it was given, with its map of quantisers behind it; empty for none.
        """
        library = c.CDLL(str(self.folder / "libnvidia-encode.so.1"))
        library.videohw_emulator_encoding.restype = c.c_bool
        for name, value in settings.items():
            if not library.videohw_emulator_encoding(f"{name}={value}".encode()):
                raise ValueError(f"{name}={value}")

    def streams(self, how: str) -> None:
        """When work of streams runs: ``early``, ``late`` or ``seed:NUMBER``."""
        if not self._library.videohw_emulator_streams(how.encode()):
            raise ValueError(how)

    def crashes(self, does: bool) -> None:
        """Whether the process ends where the real driver crashes."""
        self._library.videohw_emulator_crashes(int(does))


class AppleEmulator(Controls):
    """The controls of the emulated frameworks.

    Kinds of faults: ``fail`` with a code; ``lost`` with the code that the session then answers to
    every call; ``gone``, the same, and no session can be made until the plan ends; ``drop`` (of
    ``decode`` and ``encode``, the work on one frame, or ``work``, which is either, only);
    ``stall``. What a frame of asynchronous work meets comes with its callback.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "libvideohw_apple.so")

    def set(self, name: str, value: str | None) -> None:
        """A setting (emulator.cpp lists them); None: as it is from the start."""
        self._library.videohw_emulator_set(name.encode(), value and value.encode())

    @contextmanager
    def having(self, **settings: str) -> Iterator[None]:
        """Settings for what runs within."""
        for name, value in settings.items():
            self.set(name, value)
        try:
            yield
        finally:
            for name in settings:
                self.set(name, None)


def environment(folder: Path, **settings: object) -> dict[str, str]:
    """The environment of a process that uses the emulated drivers by name and by path.

    ``settings``: ``DEVICES``, ``DRIVER_VERSION``, ``COMPUTE_CAPABILITY``, ``MEMORY_BYTES``,
    ``MEMORY_POOLS``, ``DEVICE_NAME``, ``NVDEC``, ``JPEG_POLLS``, ``STREAMS``, ``FAULTS`` (of
    ``CALL@FIRSTxCOUNT=KIND:VALUE``, with ``;`` between), ``CRASHES``, ``REPORT`` and ``CRASH_LOG``
    (files), ``VERBOSE``.
    """
    paths = [str(folder), os.environ.get("LD_LIBRARY_PATH", "")]
    # Settings of this process, which another test may have left, are not those of the other.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return {
        **kept,
        "LD_LIBRARY_PATH": ":".join(filter(None, paths)),
        "VIDEOHW_LIBCUDA": str(folder / "libcuda.so.1"),
        "VIDEOHW_LIBNVCUVID": str(folder / "libnvcuvid.so.1"),
        "VIDEOHW_LIBNVIDIA_ENCODE": str(folder / "libnvidia-encode.so.1"),
        **{PREFIX + name: str(value) for name, value in settings.items()},
    }
