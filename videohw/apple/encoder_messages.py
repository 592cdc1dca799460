"""What goes into the stream with one picture: SEI messages, which VideoToolbox does not write.

Must not know: sessions, the frameworks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..bitstream.convert import escape
from ..encoding.hdr_payloads import captions
from ..errors import InvalidInput
from ..types import SideData

_ITU_T_T35, _UNREGISTERED = 4, 5
_UUID_BYTES: Final = 16
# The header of a unit of SEI (of HEVC: one before the picture), by codec.
_HEADERS: Final = {"h264": b"\x06", "hevc": b"\x4e\x01"}
_PREFIX: Final = b"\0\0\1"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplePictureOptions:
    """What goes with one picture into an encoder of VideoToolbox: ``Encoder.submit(options=)``.

    - ``captions``: caption constructs of three bytes each, as :class:`SideData` has them; None
      takes those of the :class:`Frame`, ``b""`` none.
    - ``user_data``: payloads of user data SEI (unregistered), each a UUID of 16 bytes and more.
    - ``sei``: other payloads, as (payload type, bytes without emulation prevention).

    :class:`InvalidInput` names the option that is wrong.
    """

    captions: bytes | None = None
    user_data: Sequence[bytes] = ()
    sei: Sequence[tuple[int, bytes]] = ()

    def __post_init__(self) -> None:
        constructs = self.captions
        fits = constructs is None or (isinstance(constructs, bytes) and len(constructs) % 3 == 0)
        _check("captions", constructs, fits, "bytes, three of each construct")
        for name in ("user_data", "sei"):
            value = getattr(self, name)
            _check(name, value, isinstance(value, Collection), "a sequence")
        for payload in self.user_data:
            fits = isinstance(payload, bytes) and len(payload) >= _UUID_BYTES
            _check("user_data", payload, fits, "bytes that begin with a UUID of 16 bytes")
        for each in self.sei:
            _check("sei", each, _is_payload(each), "(payload type, bytes)")


def picture_options_of(options: object) -> ApplePictureOptions:
    """The options of one picture, or none for None; :class:`InvalidInput` for another type."""
    if options is None:
        return ApplePictureOptions()
    if not isinstance(options, ApplePictureOptions):
        raise InvalidInput(
            f"options of the picture is {type(options).__name__}, the videotoolbox backend takes "
            "ApplePictureOptions",
            argument="options",
            hint="videohw.ApplePictureOptions(...), or None",
        )
    return options


def message_unit(codec: str, options: ApplePictureOptions, brought: SideData | None) -> bytes:
    """The unit of SEI for a picture, without start code; empty where nothing is to be said.

    ``brought`` is what the caller's frame has of its own.
    """
    constructs = options.captions
    if constructs is None and brought is not None and codec in _HEADERS:
        constructs = brought.captions
    payloads = [(_ITU_T_T35, captions(constructs))] if constructs else []
    payloads += [(_UNREGISTERED, each) for each in options.user_data]
    payloads += options.sei
    if not payloads:
        return b""
    if codec not in _HEADERS:
        raise InvalidInput(f"options are given, and {codec} has no messages", argument="options")
    written = b"".join(
        _number(kind) + _number(len(payload)) + payload for kind, payload in payloads
    )
    return _HEADERS[codec] + escape(written + b"\x80")


def before_the_picture(unit: bytes, data: bytes, codec: str) -> bytes:
    """``data``, an access unit as Annex-B, with ``unit`` before the first unit of the picture."""
    for start, kind in _units(data, codec):
        if (1 <= kind <= 5) if codec == "h264" else kind < 32:
            return data[:start] + b"\0" + _PREFIX + unit + data[start:]
    return data


def _units(data: bytes, codec: str) -> Iterator[tuple[int, int]]:
    """Where each unit begins, with the zero before its start code, and its type."""
    at = data.find(_PREFIX)
    while at >= 0:
        first = data[at + 3]
        has_zero = at > 0 and data[at - 1] == 0
        yield at - has_zero, first & 31 if codec == "h264" else first >> 1 & 63
        at = data.find(_PREFIX, at + 3)


def _number(value: int) -> bytes:
    """As SEI has types and sizes: 255 for each 255 in it, and the rest."""
    return b"\xff" * (value // 255) + bytes((value % 255,))


def _is_payload(each: Any) -> bool:
    pair = isinstance(each, tuple) and len(each) == 2
    is_type = pair and isinstance(each[0], int) and not isinstance(each[0], bool)
    return is_type and 0 <= each[0] < 1 << 16 and isinstance(each[1], bytes)


def _check(name: str, value: object, fits: bool, hint: str) -> None:
    if not fits:
        raise InvalidInput(f"options.{name} is {value!r}", argument=f"options.{name}", hint=hint)
