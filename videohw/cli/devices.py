"""What ``videohw info`` says of NVIDIA devices: which there are, and what each can do by trying it.

Never fails: what cannot be asked is said in words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import VideoHwError
from ..types import Capability
from .console import Column, Console

_GIB = 1 << 30


def collect() -> list[dict[str, Any]]:
    """One dict for each device, in the driver's order; for a backend that is available.

    ``conversion`` is None where the kernels that convert pixels run, else why they do not, with
    ``hint``. ``engines`` counts the device's decoders and ``encoders`` its encoders, None where
    the driver does not say; ``encoding`` is None where it encodes anything, else why it does not,
    with ``encoding_hint``.
    """
    from .. import _cuda

    return [_asked(_cuda, information) for information in _cuda.devices()]


def _asked(cuda: Any, information: Any) -> dict[str, Any]:
    from ..color import ColorSpec
    from ..kernels import Surface, plan_to_rgb
    from ..machine import capabilities

    found = {"backend": "nvidia", **information._asdict(), "conversion": None, "hint": None}
    small, color = Surface("nv12", 16, 16), ColorSpec().resolved(16)
    try:
        cuda.device(information.ordinal).plan(plan_to_rgb(small, Surface("rgb24", 16, 16), color))
    except VideoHwError as error:
        found |= {"conversion": str(error.args[0]), "hint": error.hint}
    answers = capabilities(backend="nvidia", device=information.ordinal)
    counts = [
        answer["decoders"]
        for each in answers
        if each.direction == "decode"
        for answer in each.details.values()
        if answer
    ]
    encoding = [each for each in answers if each.direction == "encode"]
    caps = [each.details["caps"] for each in encoding if each.supported]
    encoders = max((each.get("NUM_ENCODER_ENGINES", 0) for each in caps), default=0)
    return found | {
        "engines": max(counts, default=None),
        "encoders": encoders or None,
        "encoding": None if caps else encoding[0].reason,
        "encoding_hint": None if caps else encoding[0].hint,
        "capabilities": answers,
    }


def show(console: Console, devices: Sequence[dict[str, Any]]) -> None:
    """The table of devices, their UUIDs, and why one makes no RGB."""
    if not devices:
        return
    console.heading("NVIDIA devices")
    columns = (
        Column("device", right=True), Column("compute"), Column("memory", right=True),
        Column("NVDEC", right=True), Column("NVENC", right=True), Column("RGB"), Column("name"),
    )  # fmt: skip
    rows = [
        (
            str(each["ordinal"]),
            ".".join(map(str, each["compute_capability"])),
            f"{each['memory_bytes'] / _GIB:.0f} GiB",
            str(each["engines"] or "?"),
            "no" if each["encoding"] else str(each["encoders"] or "?"),
            "no" if each["conversion"] else "yes",
            each["name"],
        )
        for each in devices
    ]
    console.table(columns, rows)
    for each in devices:
        console.labels(_words(each))


def _words(device: dict[str, Any]) -> list[tuple[str, str]]:
    said = [(f"device {device['ordinal']}", device["uuid"])]
    if device["encoding"]:
        said += [("encodes nothing", device["encoding"]), ("try", device["encoding_hint"] or "")]
    if device["conversion"]:
        said += [
            ("no RGB", device["conversion"]),
            ("try", device["hint"] or ""),
            ("until then", 'output="native", and Frame.convert() of frames in host memory'),
        ]
    return said


def others(devices: Sequence[dict[str, Any]]) -> list[tuple[str, Sequence[Capability]]]:
    """(title, capabilities) of the devices after the first, which are not the first's."""
    if not devices:
        return []
    first = devices[0]["capabilities"]
    return [
        (f"Capabilities of NVIDIA device {each['ordinal']}", each["capabilities"])
        for each in devices[1:]
        if not _alike(first, each["capabilities"])
    ]


def _alike(first: Sequence[Capability], other: Sequence[Capability]) -> bool:
    return [(each.supported, each.details) for each in first] == [
        (each.supported, each.details) for each in other
    ]
