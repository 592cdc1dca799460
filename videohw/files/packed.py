"""MPEG-4 part 2 as DivX wrote it to AVI: B pictures packed behind others, and taken apart again.

A packet holds a picture and the first B picture behind it, whose own place is taken by a picture
that is not coded. Demuxers guess times by the pictures that packets begin with, so these are
guessed anew. Must not know: sessions, how a container is opened.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable
from typing import Any, Final

_VOP: Final = b"\0\0\1\xb6"
# User data in which the encoder names itself, and that it packs.
_NAME: Final = re.compile(rb"\x00\x00\x01\xb2DivX\d+(?:b|Build)\d+p")
_HEADERS_BYTES: Final = 1024
_B_PICTURE: Final = 2  # vop_coding_type, the first two bits (ISO/IEC 14496-2 table 6-20)


class Unpacker:
    """One picture a packet, of the packets of one stream; others pass.

    ``packed``: there are two in one, so that times are not what the container said.
    """

    def __init__(self, av: Any, stream: Any) -> None:
        self._filter = av.bitstream.BitStreamFilterContext("mpeg4_unpack_bframes", stream)
        self._index = stream.index
        self.packed = _NAME.search(bytes(stream.codec_context.extradata or b"")) is not None

    def apart(self, packets: Iterable[Any]) -> Generator[Any, None, None]:
        """The packets of a file from here on; what was held of those before is dropped."""
        self._filter.flush()
        group: list[Any] = []  # a picture that others refer to, and the B pictures behind it
        for packet in packets:
            if packet.stream_index != self._index:
                yield packet
            elif not packet.size:  # the end
                yield from timed(group, None)
                group = []
                yield packet
            else:
                self.packed = self.packed or _has_two(bytes(packet))
                for single in self._filter.filter(packet):
                    if not self.packed:
                        yield single
                        continue
                    if not _is_b(bytes(single)):
                        yield from timed(group, single)
                        group = []
                    group.append(single)
        yield from timed(group, None)


def _has_two(data: bytes) -> bool:
    return data.count(_VOP) > 1 or _NAME.search(data, 0, _HEADERS_BYTES) is not None


def timed(group: list[Any], following: Any) -> Iterable[Any]:
    """The packets with the times of their pictures.

    A B picture is shown when it is decoded, another when the ``following`` of its kind is decoded;
    the last of the file behind those before it.
    """
    if group and group[0].dts is not None:
        for packet in group[1:]:
            packet.pts = packet.dts
        last = group[-1]
        if following is not None:
            group[0].pts = following.dts
        elif last.dts is not None:
            group[0].pts = last.dts + max(last.duration or 0, 1)
    return group


def _is_b(data: bytes) -> bool:
    at = data.find(_VOP) + len(_VOP)
    return len(_VOP) <= at < len(data) and data[at] >> 6 == _B_PICTURE
