"""What ``Decoder.submit`` is given, made into numbered coded pictures; shared by all backends.

Owns: the layouts, the numbers, which pictures cannot be decoded because by the standard their
references are missing. Must not know: threads, backends.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ..backend import UNKNOWN_PICTURE, CodedPicture, PictureInfo, SequenceInfo
from ..bitstream import AccessUnit, open_assembler
from ..bitstream.convert import (
    annexb_to_nals,
    as_bytes,
    length_prefixed_to_annexb,
    nals_to_annexb,
)
from ..errors import InvalidBitstream, InvalidInput
from .picture_info import UnitReader
from .pts_marks import PtsMarks
from .stream_check import StreamCheck
from .submit_arguments import checked_nals, checked_pts

if TYPE_CHECKING:
    from .header_reader import HeaderReader

Item: TypeAlias = CodedPicture | InvalidBitstream

_LAYOUTS: Final = {
    **dict.fromkeys(("h264", "hevc"), ("annexb", "access_unit", "length_prefixed")),
    **dict.fromkeys(("av1", "mpeg4", "vc1", "mpeg2", "mpeg1"), ("annexb", "frame")),
    **dict.fromkeys(("vp9", "vp8", "jpeg"), ("frame",)),
}
# Where decoding begins without pictures that lack references: RASL pictures are left out here.
_CLEAN_STARTS: Final = ("idr", "cra", "bla")
_WITH_SETS: Final = ("h264", "hevc")  # parameter sets
# VP8, VP9 and JPEG (as AV1) show pictures in the order of their decoding. The chroma of MPEG-1
# (ISO/IEC 11172-2) and of JFIF (ITU-T T.871) lies between the luma samples, both ways.
_IN_ORDER: Final = PictureInfo(sequence=SequenceInfo(reorders=False))
_PICTURES: Final = {
    "jpeg": PictureInfo(sequence=SequenceInfo(siting="center", reorders=False)),
    **dict.fromkeys(("vp8", "vp9"), _IN_ORDER),
}
_LENGTH_BYTES: Final = 4  # without an avcC or hvcC that says otherwise
_AV1_CONFIG_BYTES: Final = 4  # of an av1C before its configOBUs (AV1 in ISO BMFF, 2.3.3)
_AV1_CONFIG_MARK: Final = 0x81
# Temporal delimiter, sequence header, metadata, padding (AV1 6.2.2).
_AV1_CONFIG_OBUS: Final = (1, 2, 5, 15)


class CodedInput:
    """Turns the calls of one session into items, in decoding order, numbered from 0.

    What the parser finds damaged is an :class:`InvalidBitstream` among the items, in its place.
    One thread at a time.
    """

    def __init__(self, codec: str, extradata: bytes | None = None) -> None:
        """``extradata``: avcC, hvcC, av1C, or headers as they stand in the stream."""
        self.layer_nals = 0
        self._codec = codec
        self._assembler: Any = None
        if "annexb" in _LAYOUTS[codec]:
            self._assembler = open_assembler(codec)
        self._reader = UnitReader(codec) if codec in _WITH_SETS else None
        self._headers_of: HeaderReader | None = None
        if self._reader is None:  # most streams are H.264 or HEVC
            from .frame_headers import coded_frames, header_reader

            self._headers_of, self._coded_frames = header_reader(codec), coded_frames
        self._any_picture = _PICTURES.get(codec, UNKNOWN_PICTURE)
        self._length_bytes = _LENGTH_BYTES
        # Where the first byte submitted lies in the assembler's stream.
        self._origin = 0
        # Of MPEG, VC-1 and AV1: goes in front of the first bytes.
        self._headers = b"" if extradata is None else self._read_extradata(extradata)
        self._check = StreamCheck(codec, headers_seen=extradata is not None)
        self._garbage_before_reset = self._garbage_at_begin = 0
        self._marks = PtsMarks(codec, self._origin)
        self._serial = 0
        # Before the first random access point; before the first bytes; after an IRAP picture
        # with NoRaslOutputFlag.
        self._awaiting = self._fresh = self._without_rasl = True
        # (serial of a keyframe, reference picture with which its recovery is complete), of those
        # under way, both rising; reference pictures are counted while there are any.
        self._recoveries: deque[tuple[int, int]] = deque()
        self._references = 0

    # In

    def check(self, data: Any, pts: Any, layout: Any) -> tuple[Any, int | None, str]:
        """The arguments of ``submit``, normalised; :class:`InvalidInput` names a wrong one."""
        layouts = _LAYOUTS[self._codec]
        if layout == "annexb" and len(layouts) == 1:
            layout = layouts[0]  # the default names what there is
        if layout not in layouts:
            raise InvalidInput(
                f"layout is {layout!r} for {self._codec}",
                argument="layout",
                hint=f"one of {', '.join(layouts)}",
            )
        if layout == "access_unit":
            return checked_nals(data), checked_pts(pts), layout
        data = as_bytes(data, "data")
        if not data:
            raise InvalidInput(
                "data is empty", argument="data", hint="call flush() at the end of the stream"
            )
        return data, checked_pts(pts), layout

    def feed(self, data: Any, pts: int | None, layout: str) -> list[Item]:
        """The items that a call, as :meth:`check` returned it, makes ready."""
        if self._assembler is None:
            return list(self._frames(data, pts))
        try:
            if layout == "access_unit":
                data = nals_to_annexb(data)
            elif layout == "length_prefixed":
                data = length_prefixed_to_annexb(data, self._length_bytes)
        except InvalidBitstream as error:
            self._check.refused()
            return [self._number(b"", pts, skip="undecodable"), error]
        self._check.submitted(len(data))
        added = 0
        if layout == "frame" and self._headers_of is not None:
            given = len(data)
            data = self._headers_of.framed(data)
            added = len(data) - given
        if self._fresh and self._reader is None:
            data = self._headers + data
            self._origin += len(self._headers)
        self._fresh = False
        self._marks.add(data, pts)
        self._assembler.feed(data, end_of_unit=layout != "annexb")
        items = list(self._ready())
        self._origin += added
        self._marks.pass_by(self._assembler.pending_start)
        return items

    def finish(self) -> list[Item]:
        """End of stream: what is held is complete, and all references are gone."""
        items: list[Item] = []
        if self._assembler is not None:
            self._note_headers()
            self._assembler.finish()
            items.extend(self._ready())
            self._marks.restart(self._assembler.offset)
            self._keep_sets()
            error = self._check.ended(self.garbage_bytes - self._garbage_at_begin)
            items += [] if error is None else [error]
        self._begin()
        return items

    def reset(self) -> None:
        """Forget what is held and all references; parameter sets and counters stay."""
        if self._assembler is not None:
            self._garbage_before_reset += self._assembler.garbage_bytes
            self._origin -= self._assembler.offset
            self._note_headers()
            self._assembler.reset()
            self._origin += self._assembler.offset
            self._marks.restart(self._assembler.offset)
            self._keep_sets()
        self._begin()

    @property
    def pts_unused(self) -> int:
        """How many pts came with a call in which no access unit began."""
        return self._marks.unused

    @property
    def garbage_bytes(self) -> int:
        """Bytes outside of any NAL unit, start code or OBU."""
        now = 0 if self._assembler is None else int(self._assembler.garbage_bytes)
        return self._garbage_before_reset + now

    @property
    def pending_bytes(self) -> int:
        """Bytes that are in no item yet."""
        return 0 if self._assembler is None else int(self._assembler.pending_bytes)

    # Pictures

    def _ready(self) -> Iterator[Item]:
        while True:
            try:
                unit = self._assembler.take()
            except InvalidBitstream as error:
                self._place(error)
                self._check.refused()
                yield error
                continue
            if unit is None:
                return
            self._check.found(unit)
            yield self._picture(unit)

    def _place(self, error: InvalidBitstream) -> None:
        """Have the error say where in the bytes submitted it is, not in the assembler's stream."""
        if error.offset is None or not self._origin:
            return
        place = max(error.offset - self._origin, 0)
        message = str(error.args[0])
        error.args = (message.replace(f"byte {error.offset}", f"byte {place}"),)
        error.offset = place

    def _picture(self, unit: AccessUnit) -> CodedPicture:
        begins = self._awaiting and unit.keyframe
        self._awaiting = self._awaiting and not begins
        self.layer_nals += unit.layer_nals
        pts = self._marks.take(unit.offset)
        offset = max(unit.offset - self._origin, 0)
        if self._awaiting:
            if self._reader is not None:
                self._reader.add_from(unit)
            elif self._headers_of is not None and unit.has_parameter_sets:
                self._headers_of.read(unit)
            return self._number(b"", pts, offset=offset, skip="no_reference")
        if self._lacks_reference(unit, begins):
            return self._number(b"", pts, offset=offset, skip="rasl")
        data, info, sets = unit.base_layer_data(), self._any_picture, b""
        silent = "second_field" if unit.second_field else None
        if self._reader is not None:
            sequence = self._reader.sequence
            info = self._reader.read(unit)
            changed = begins or info.sequence is not sequence
            if not unit.has_parameter_sets and (changed or unit.keyframe):
                sets = self._reader.sets.annexb()
                data, sets = (sets + data, b"") if changed else (data, sets)
            if self._reader.hides(unit):
                silent = "not_shown"
        elif self._headers_of is not None:
            info = self._headers_of.read(unit)
            data, sets = self._headers_of.complete(unit, fed=not info.repeats, begins=begins)
            if info.repeats:
                return self._number(b"", pts, offset=offset, skip="not_shown")
        open_start = begins and unit.random_access not in _CLEAN_STARTS
        resumes = self._resumes(unit) if unit.keyframe or self._recoveries else None
        serial, self._serial = self._serial, self._serial + 1
        return CodedPicture(
            serial, data, pts, unit, offset, None, silent, unit.keyframe, sets, open_start, resumes,
            info,
        )  # fmt: skip

    def _number(self, data: bytes, pts: int | None, **known: Any) -> CodedPicture:
        serial = self._serial
        self._serial += 1
        return CodedPicture(serial, data, pts, **known)

    def _begin(self) -> None:
        """Nothing was decoded yet: wait for a picture where decoding may start.

        That is an IDR picture or one with a recovery point SEI message in H.264 (7.4.1.2.1,
        D.2.8; an I picture alone does not say that what follows refers to nothing before it), an
        IRAP picture or a recovery point in HEVC, a keyframe elsewhere.
        """
        self._awaiting = self._fresh = self._without_rasl = True
        self._recoveries.clear()
        self._check.begin()
        self._garbage_at_begin = self.garbage_bytes

    def _lacks_reference(self, unit: AccessUnit, begins: bool) -> bool:
        """RASL pictures of an IRAP picture with NoRaslOutputFlag are not output (H.265 8.1.3).

        The flag is set for IDR and BLA pictures, and for a CRA picture that is the first in the
        stream or follows an end of sequence.
        """
        if unit.random_access in ("idr", "bla", "cra"):
            is_cra = unit.random_access == "cra"
            self._without_rasl = not is_cra or begins or unit.after_end_of_sequence
        return unit.leading == "rasl" and self._without_rasl

    def _resumes(self, unit: AccessUnit) -> int | None:
        """The newest keyframe such that all is right from here on when decoding began there.

        recovery_frame_cnt counts frame_num, so reference pictures (H.264 7.4.3, D.2.8).
        """
        recoveries = self._recoveries
        if recoveries and unit.reference and not unit.second_field:
            self._references += 1
        if unit.keyframe:
            count = unit.recovery_frame_count if unit.random_access == "recovery_point" else 0
            complete = self._references + max(count or 0, 0)
            while recoveries and recoveries[-1][1] >= complete:
                recoveries.pop()
            recoveries.append((self._serial, complete))
        begun = None
        while recoveries and recoveries[0][1] <= self._references:
            begun, _ = recoveries.popleft()
        return begun

    def _frames(self, data: bytes, pts: int | None) -> Iterator[CodedPicture]:
        """Pictures of codecs without start codes; the pts is that of the first one shown."""
        for frame in self._coded_frames(self._codec, data):
            begins = self._awaiting and frame.keyframe
            self._awaiting = self._awaiting and not begins
            own = pts if frame.shown else None
            if self._awaiting:
                yield self._number(b"", own, skip="no_reference")
            else:
                yield self._number(
                    frame.data, own, silent=None if frame.shown else "not_shown",
                    keyframe=frame.keyframe, resumes=self._serial if frame.keyframe else None,
                    info=self._any_picture,
                )  # fmt: skip
            pts = None if frame.shown else pts
        if pts is not None:
            self._marks.unused += 1

    # Headers

    def _note_headers(self) -> None:
        """Note headers behind which no picture came yet."""
        if self._reader is not None:
            seen = bool(self._assembler.parameter_sets.sps_ids)
        else:
            seen = self._assembler.sequence_known
        self._check.headers_seen = self._check.headers_seen or seen

    def _keep_sets(self) -> None:
        """Know all parameter sets of the stream so far, for the next start of decoding."""
        if self._reader is not None:
            for nal in self._assembler.parameter_sets.raw():
                self._reader.add(nal)

    def _read_extradata(self, extradata: bytes) -> bytes:
        """Learn the parameter sets; other headers, as they stand in a byte stream, are returned."""
        extradata = as_bytes(extradata, "extradata")
        if self._assembler is None:
            raise InvalidInput(
                f"{self._codec} has no extradata",
                argument="extradata",
                hint="leave it out: every picture brings what it needs",
            )
        if self._reader is None:
            return self._other_headers(extradata)
        from ..bitstream.config_record import AvcConfig, HevcConfig

        try:
            if extradata.startswith((b"\0\0\1", b"\0\0\0\1")):
                nals = annexb_to_nals(extradata)
            else:
                record = AvcConfig if self._codec == "h264" else HevcConfig
                config = record.parse(extradata)
                self._length_bytes = config.length_size
                nals = config.nals()
            headers = nals_to_annexb(nals)
        except InvalidBitstream as error:
            raise _unreadable(
                error, "avcC, hvcC or Annex-B parameter sets of this codec"
            ) from error
        # The assembler learns the sets too; they are in no access unit of the stream.
        self._assembler.feed(headers)
        self._assembler.finish()
        self._origin = self._assembler.offset
        for nal in nals:
            self._reader.add(nal)
        return b""

    def _other_headers(self, extradata: bytes) -> bytes:
        """The headers of AV1, MPEG or VC-1, as they stand in a byte stream."""
        if self._codec != "av1":
            assert self._headers_of is not None
            try:
                return self._headers_of.headers(extradata)
            except InvalidBitstream as error:
                hint = error.hint or "headers as they stand in the stream"
                raise _unreadable(error, hint) from error
        from ..bitstream.obu import obus

        if extradata[:1] == bytes((_AV1_CONFIG_MARK,)):
            extradata = extradata[_AV1_CONFIG_BYTES:]
        try:
            known = all(obu.type in _AV1_CONFIG_OBUS for obu in obus(extradata))
        except InvalidBitstream as error:
            raise _unreadable(error, "av1C, or a sequence header OBU") from error
        if not known:
            raise _unreadable("it has OBUs of pictures", "av1C, or a sequence header OBU")
        return extradata


def _unreadable(why: object, hint: str) -> InvalidInput:
    return InvalidInput(f"extradata cannot be read: {why}", argument="extradata", hint=hint)
