"""``videohw info``: what this machine has, what was refused and why, and what to do about it.

Never fails: whatever cannot be asked becomes a line of the report.
"""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import sys
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from .. import __version__
from ..backend_table import BACKENDS
from ..errors import VideoHwError
from ..known_names import DECODER_CODECS, ENCODER_CODECS
from ..types import BackendStatus, Capability
from . import devices
from .console import Column, Console
from .errors import ExitCode
from .options import SubParsers, command

PIP_AV = "pip install 'videohw[av]'"
CHOSEN_BY = "VIDEO_HW_BACKENDS"
# Variables that change what is found or taken: ours, and those of CUDA and of containers.
OURS = "VIDEO_HW_"
OTHERS = (
    "VIDEOHW_LIBCUDA", "VIDEOHW_LIBNVCUVID", "VIDEOHW_LIBNVIDIA_ENCODE", "CUDA_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES",
)  # fmt: skip


def add_parser(commands: SubParsers) -> None:
    """Add the command to the command line."""
    command(
        commands,
        "info",
        help="what was found on this machine, what was refused and why",
        description="Report versions, backends with the reason of each refusal, which backend\n"
        "`auto` takes for each codec, and what each backend can do.",
        examples=("videohw info", "videohw info --json"),
        run=run,
    )


def run(args: argparse.Namespace) -> int:
    """Print the report."""
    console = Console(json=args.json)
    report = collect()
    console.object(report)
    _show_versions(console, report["versions"], report["environment"])
    _show_backends(console, report["backends"], shown={"av", *report["versions"]["libav"]})
    devices.show(console, report["devices"])
    _show_choice(console, report["auto"])
    refused = {status.name for status in report["backends"] if not status.available}
    able = [each for each in report["capabilities"] if each.backend not in refused]
    title = "Capabilities" if len(report["devices"]) < 2 else "Capabilities (of device 0)"
    _show_capabilities(console, title, able)
    for title, of_device in devices.others(report["devices"]):
        _show_capabilities(console, title, of_device)
    for problem in report["problems"]:
        console.line(f"\nproblem: {problem}")
    return ExitCode.DONE


def collect() -> dict[str, Any]:
    """The report as data; the fields are those of ``--json``."""
    problems: list[str] = []
    statuses: Sequence[BackendStatus] = ()
    able: Sequence[Capability] = ()
    auto: Sequence[dict[str, Any]] = ()
    found: Sequence[dict[str, Any]] = ()
    try:
        from ..machine import backends, capabilities

        statuses, able, auto = backends(), capabilities(), choices()
        if any(status.name == "nvidia" and status.available for status in statuses):
            found = devices.collect()
    except Exception as error:  # a broken installation is what this report is for
        problems.append(f"the backends cannot be asked: {type(error).__name__}: {error}")
    problems += _unknown_names()
    if (broken := _bitstream_problem()) is not None:
        problems.append(broken)
    return {
        "versions": _versions(),
        "environment": _environment(),
        "backends": statuses,
        "devices": found,
        "auto": auto,
        "capabilities": able,
        "problems": problems,
    }


def choices() -> list[dict[str, Any]]:
    """What ``backend="auto"`` takes for each codec and direction, and why not the others.

    ``backend`` is None where none can; ``refused`` maps the other backends to the reason.
    """
    from ..selection import select

    found = []
    for direction, codecs in (("decode", DECODER_CODECS), ("encode", ENCODER_CODECS)):
        for codec in codecs:
            choice: dict[str, Any] = {"codec": codec, "direction": direction}
            try:
                taken = select(codec, direction)  # type: ignore[arg-type]
            except VideoHwError as error:
                choice |= {"backend": None, "hardware": False, "refused": {}, "why": str(error)}
            else:
                choice |= {
                    "backend": taken.name,
                    "hardware": taken.capability.hardware,
                    "refused": dict(taken.refused),
                    "why": None,
                }
            found.append(choice)
    return found


def _environment() -> dict[str, str]:
    """What is set of the variables that change what this report finds."""
    return {
        name: value
        for name, value in sorted(os.environ.items())
        if name.startswith(OURS) or name in OTHERS
    }


def _unknown_names() -> Iterator[str]:
    listed = [name.strip() for name in os.environ.get(CHOSEN_BY, "").split(",")]
    for name in filter(None, listed):
        if name not in BACKENDS:
            known = ", ".join(BACKENDS)
            yield f"{CHOSEN_BY} names {name!r}, which is no backend of this version ({known})"


def _versions() -> dict[str, Any]:
    versions: dict[str, Any] = {
        "videohw": __version__,
        "python": platform.python_version(),
        "executable": sys.executable,
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
    }
    for label, module in (("numpy", "numpy"), ("pyav", "av"), ("rich", "rich")):
        versions[label] = _module_version(module)
    try:
        av = importlib.import_module("av")
        libraries = av.library_versions
        versions["libav"] = {name: ".".join(map(str, libraries[name])) for name in libraries}
    except Exception:  # absent or broken: the line above and the backend say so
        versions["libav"] = {}
    return versions


def _module_version(name: str) -> str | None:
    try:
        module = importlib.import_module(name)
    except ImportError:
        return None
    except Exception as error:  # a broken installation must not end the report that would show it
        return f"broken ({type(error).__name__}: {error})"
    version = getattr(module, "__version__", None)
    if version is None:
        from importlib.metadata import PackageNotFoundError, version as installed_version  # noqa: I001

        try:
            version = installed_version(name)
        except PackageNotFoundError:
            version = "unknown"
    return str(version)


def _bitstream_problem() -> str | None:
    try:
        importlib.import_module("videohw.bitstream")
    except Exception as error:
        return (
            f"the compiled bitstream core cannot be imported: {error} "
            "(install a wheel, or build in place with: make)"
        )
    return None


def _show_versions(console: Console, versions: dict[str, Any], environment: dict[str, str]) -> None:
    console.line(f"videohw {versions['videohw']}")
    av = versions["pyav"]
    codec_library = versions["libav"].get("libavcodec")
    console.labels(
        (
            ("Python", f"{versions['python']} ({versions['executable']})"),
            ("Platform", f"{versions['platform']}, {versions['cpus']} CPUs"),
            ("NumPy", versions["numpy"] or "not installed"),
            ("PyAV", av or f"not installed ({PIP_AV})"),
            ("libavcodec", codec_library or ""),
            ("rich", versions["rich"] or "not installed (pip install 'videohw[cli]')"),
            ("Environment", " ".join(f"{name}={value}" for name, value in environment.items())),
        )
    )


def _show_backends(
    console: Console, statuses: Sequence[BackendStatus], shown: Collection[str]
) -> None:
    console.heading("Backends")
    for status in statuses:
        versions = {
            k: v
            for k, v in status.versions.items()
            if k not in shown and not k.startswith("device ")  # they have a table
        }
        kind = "hardware" if status.hardware else "software"
        verdict = "available" if status.available else "refused"
        console.line(f"  {status.name}: {verdict} ({kind})")
        console.labels(
            (
                ("  why", status.reason or ""),
                ("  try", status.hint or ""),
                ("  versions", ", ".join(f"{k} {v}" for k, v in versions.items())),
            )
        )
    if not any(status.hardware for status in statuses):
        console.line("  This version has no hardware backend; all work is done in software.")


def _show_choice(console: Console, auto: Sequence[dict[str, Any]]) -> None:
    if not auto:
        return
    console.heading("What backend=auto takes")
    taken = {(each["codec"], each["direction"]): each["backend"] or "none" for each in auto}
    rows = [
        (codec, taken.get((codec, "decode"), "-"), taken.get((codec, "encode"), "-"))
        for codec in dict.fromkeys(codec for codec, _ in taken)
    ]
    console.table((Column("codec"), Column("decode"), Column("encode")), rows)
    reasons: dict[tuple[str, str], list[str]] = {}
    for each in auto:
        job = f"{each['codec']} {each['direction']}"
        if each["why"]:
            reasons.setdefault(("none", each["why"]), []).append(job)
        for name, why in each["refused"].items():
            reasons.setdefault((f"not {name}", why), []).append(job)
    able = sum(each["backend"] is not None for each in auto)

    def named(verdict: str, jobs: list[str]) -> str:
        if len(jobs) == len(auto):
            return "all"
        return "all others" if verdict != "none" and len(jobs) == able > 1 else ", ".join(jobs)

    console.labels(
        (verdict, f"{why} ({named(verdict, jobs)})") for (verdict, why), jobs in reasons.items()
    )


def _show_capabilities(console: Console, title: str, capabilities: Sequence[Capability]) -> None:
    console.heading(title)
    if not capabilities:
        console.line("  No backend is available.")
    rows = [
        (
            each.codec,
            each.direction,
            each.backend,
            "yes" if each.supported else "no",
            _sizes(each),
            " ".join(each.formats) if each.supported else _why(each),
        )
        for each in capabilities
    ]
    columns = (
        Column("codec"), Column("direction"), Column("backend"), Column("can"),
        Column("sizes"), Column("formats or reason"),
    )  # fmt: skip
    console.table(columns, rows)


def _why(each: Capability) -> str:
    reason = each.reason or ""
    return f"{reason} ({each.hint})" if each.hint else reason


def _sizes(each: Capability) -> str:
    """What is known of each side by itself; not every pair of them need be possible."""
    sides = ((each.min_width, each.max_width, "wide"), (each.min_height, each.max_height, "high"))
    known = [f"{_range(low, high)} {side}" for low, high, side in sides if low or high]
    return ", ".join(known) or "any"


def _range(low: int | None, high: int | None) -> str:
    if low and high:
        return f"{low} to {high}"
    return f"up to {high}" if high else f"from {low}"
