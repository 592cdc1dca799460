"""What becomes of every picture that a decoder is fed, as ``on_error`` says; for every backend.

Owns: which pictures are owed, the place of errors among them, the count of those that are not
delivered. Must not know: threads, codec libraries, pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from ..backend import Account, CodedPicture
from ..errors import InvalidBitstream, VideoHwError

# What a bad picture is counted as.
_REASONS: Final = {
    "raise": "undecodable", "skip": "skipped", "resync": "resynced", "conceal": "undecodable",
}  # fmt: skip
HINT: Final = (
    'on_error="skip" leaves such pictures out, "resync" all up to the next random access point, '
    '"conceal" delivers what there is of them'
)


class Verdict(NamedTuple):
    """A picture that is delivered, and what is said of its samples (``Frame.corrupt``)."""

    item: CodedPicture
    corrupt: bool | None


class _Doubt(NamedTuple):
    """What comes out for picture ``since`` and later ones may be wrong.

    It ends with a picture that is right when decoding began at picture ``right_from`` or later.
    Pictures in doubt are counted as ``reason``; None: they are delivered, with ``corrupt`` None.
    """

    since: int
    reason: str | None
    right_from: int

    @property
    def damaged(self) -> bool:
        """True when a picture was bad; False where decoding only began without references."""
        return self.right_from > self.since


def described(item: CodedPicture) -> str:
    """Which picture it is, for messages: its number, where it begins, its pts."""
    at = "" if item.offset is None else f" at byte {item.offset}"
    pts = "" if item.pts is None else f" with pts {item.pts}"
    return f"picture {item.serial}{at}{pts}"


class PictureLedger:
    """Follows the pictures of one session from when they are fed to what becomes of them.

    A picture is owed until its frame comes, the codec refuses it, or it is given up. Errors wait
    until every picture fed before theirs is settled; :meth:`released` yields those that are due.
    """

    def __init__(self, on_error: str, account: Account, *, sees_lack: bool = True) -> None:
        """``sees_lack``: the codec refuses pictures without references, or marks them corrupt."""
        self._sees_lack = sees_lack
        self._on_error = on_error
        self._account = account
        self._owed: dict[int, CodedPicture] = {}  # in decoding order
        self._silent: dict[int, CodedPicture] = {}  # give no frame; the codec may refuse them
        self._errors: list[tuple[int, VideoHwError]] = []  # in decoding order
        # Owed pictures that the codec refused, and may yet show something of.
        self._spoiled: dict[int, VideoHwError] = {}
        self._unplaced: VideoHwError | None = None
        self._doubt: _Doubt | None = None
        self._newest = -1
        # What was fed up to here may belong before the start in output order; then its reason.
        self._start_end, self._start_reason = -1, ""
        self._right_from = -1  # all is right from this random access point on, as far as shown

    @property
    def waiting(self) -> int:
        """Pictures owed and errors that are not due."""
        return len(self._owed) + len(self._errors)

    @property
    def has_errors(self) -> bool:
        """Whether errors wait for their place."""
        return bool(self._errors)

    # What is fed

    def skipped(self, item: CodedPicture) -> None:
        """A picture that is not decoded, for the reason that it brings."""
        self._newest = item.serial
        assert item.skip is not None
        self._account.add(item.skip)

    def fed(self, item: CodedPicture) -> None:
        """A picture is given to the codec."""
        self._newest = item.serial
        if item.silent is None:
            self._owed[item.serial] = item
        else:
            self._account.add(item.silent)
            self._silent[item.serial] = item
        if item.open_start:
            self._doubt = _Doubt(item.serial, "no_reference", item.serial)

    def input_error(self, error: VideoHwError) -> None:
        """An error that stands behind all that was fed."""
        self._fail(self._newest + 1, error)

    def find(self, serial: int | None) -> CodedPicture | None:
        """The picture of this number, if it was fed and nothing was heard of it."""
        if serial is None:
            return None
        return self._owed.get(serial) or self._silent.get(serial)

    # What comes of it

    def shown(self, serial: int, *, corrupt: bool) -> Verdict | VideoHwError | None:
        """The codec shows a picture: it is delivered, or an error stands in its place, or neither.

        None as well for one that is settled: refused before, and shown all the same.
        """
        item = self._owed.pop(serial, None)
        if item is None:
            return None
        error = self._spoiled.pop(serial, None)
        corrupt = corrupt or error is not None
        doubt = self._doubt
        unsure = False
        if not corrupt and item.resumes is not None:
            self._right_from = max(self._right_from, item.resumes)
        if doubt is not None and serial >= doubt.since:
            if not corrupt and item.resumes is not None and item.resumes >= doubt.right_from:
                self._doubt = None
                if doubt.reason is not None:
                    self._start_end, self._start_reason = self._newest, doubt.reason
            elif doubt.reason is not None and (
                corrupt or doubt.reason == "resynced" or not (self._sees_lack or doubt.damaged)
            ):
                self._leave_out(item, doubt.reason, damaged=corrupt)
                return None
            unsure = self._doubt is not None and doubt.damaged
        if not corrupt:
            return Verdict(item, None if unsure else False)
        if self._on_error == "conceal":
            self._doubt_from(item)
            return Verdict(item, True)
        return self._drop(item, error or _bad_picture(item, "is damaged"))

    def undeliverable(self) -> None:
        """A picture was shown, but no frame can be made of it."""
        self._account.add("undecodable")

    def refused(self, serial: int | None, error: VideoHwError) -> None:
        """The codec gave an error for a picture, or, with None, for something while draining."""
        if serial is None:
            self._unplaced = error
            return
        item = self._owed.get(serial)
        if item is None:
            self._refused_silent(serial, error)
            return
        doubt = self._doubt
        if doubt is not None and doubt.reason is not None and _refusal_expected(item, doubt):
            self._leave_out(self._owed.pop(serial), doubt.reason, damaged=True)
        elif self._on_error == "conceal":
            self._spoiled[serial] = error
            self._doubt_from(item)
        else:
            self._fail(serial, self._drop(self._owed.pop(serial), error))

    def lacking(self, serial: int) -> None:
        """The codec has no references for a picture, and says so: it is not output."""
        if self._owed.pop(serial, None) is not None:
            self._account.add("no_reference")
        self._silent.pop(serial, None)

    def accepted(self, serial: int | None) -> None:
        """The codec is done with a picture; what it shows of it may come later."""
        if serial is not None:
            self._silent.pop(serial, None)

    def give_up_before(self, serial: int) -> None:
        """Picture ``serial`` is being shown: what must have been shown before it is lost.

        These are the pictures fed before it where the output order is the decoding order, and
        those before the last random access point that nothing precedes in decoding and follows
        in output.
        """
        if next(iter(self._owed), serial) >= serial:
            return
        barrier = -1
        for owed, item in self._owed.items():
            if owed > serial:
                break
            if not item.info.sequence.reorders or _nothing_crosses(item):
                barrier = owed
        for owed in [owed for owed in self._owed if owed < barrier]:
            self.give_up(owed)

    def give_up_oldest(self) -> None:
        """So many are owed that the codec must have dropped the first of them."""
        oldest = next(iter(self._owed), None)
        if oldest is not None:
            self.give_up(oldest)

    def give_up(self, serial: int) -> None:
        """No frame will come of a picture, if one is owed: the codec was silent for too long."""
        item = self._owed.pop(serial, None)
        if item is None:
            return
        error = self._spoiled.pop(serial, None)
        doubt = self._doubt
        if doubt is not None and doubt.reason is not None and serial >= doubt.since:
            self._leave_out(item, doubt.reason, damaged=True)
        elif serial <= self._start_end:
            self._account.add(self._start_reason)
        else:
            if error is None:
                error = _bad_picture(item, "gave no picture")
                error.__cause__ = self._unplaced
            self._fail(serial, self._drop(item, error))

    def end(self) -> None:
        """End of stream: what is still owed will not come."""
        for serial in list(self._owed):
            self.give_up(serial)
        self._silent.clear()
        self._unplaced = None
        self._doubt = None

    def forget(self) -> None:
        """Nothing is owed any more, and nothing is known of the stream."""
        self._owed.clear()
        self._silent.clear()
        self._errors.clear()
        self._spoiled.clear()
        self._unplaced = None
        self._doubt = None

    def released(self) -> Iterator[VideoHwError]:
        """The errors before which every picture is settled."""
        while self._errors and next(iter(self._owed), self._newest + 1) >= self._errors[0][0]:
            yield self._errors.pop(0)[1]

    # Inside

    def _refused_silent(self, serial: int, error: VideoHwError) -> None:
        """A picture without a frame of its own: others are damaged by its loss."""
        silent = self._silent.pop(serial, None)
        if silent is None:
            return  # it was shown or refused before
        first = next(reversed(self._owed), None)
        if silent.silent == "second_field" and first == serial - 1:
            self._spoiled[first] = error  # one picture, so one error, when its frame comes
            return
        self._doubt_from(silent)
        if self._on_error == "raise":
            self._fail(serial, error)

    def _drop(self, item: CodedPicture, error: VideoHwError) -> VideoHwError | None:
        """Count a bad picture by ``on_error``; the error when it is to be raised."""
        self._account.add(_REASONS[self._on_error])
        self._doubt_from(item)
        return error if self._on_error == "raise" else None

    def _leave_out(self, item: CodedPicture, reason: str, *, damaged: bool) -> None:
        """Count a picture in doubt."""
        self._account.add(reason)
        if damaged and reason == "resynced":
            self._doubt_from(item)

    def _doubt_from(self, item: CodedPicture) -> None:
        """What refers to this picture is not right either."""
        unit = item.unit
        resync = self._on_error == "resync"
        unused = unit is not None and unit.codec == "h264" and not unit.reference
        if item.serial < self._right_from or (unused and not resync):
            return
        reason = "resynced" if resync else None
        doubt = self._doubt
        if doubt is None:
            self._doubt = _Doubt(item.serial, reason, item.serial + 1)
        else:
            self._doubt = _Doubt(
                min(doubt.since, item.serial),
                reason or doubt.reason,
                max(doubt.right_from, item.serial + 1),
            )

    def _fail(self, serial: int, error: VideoHwError | None) -> None:
        if error is not None:
            self._errors.append((serial, error))
            self._errors.sort(key=lambda entry: entry[0])


def _refusal_expected(item: CodedPicture, doubt: _Doubt) -> bool:
    """Whether the codec may refuse a picture in doubt.

    Where decoding begins, pictures of H.264 that lack references are refused; those of other
    codecs are left out by the parser, or decode to something.
    """
    if doubt.reason == "no_reference" and not doubt.damaged:
        return item.serial > doubt.since and item.unit is not None and item.unit.codec == "h264"
    return item.serial >= doubt.since and doubt.reason == "resynced"


def _nothing_crosses(item: CodedPicture) -> bool:
    """Whether all pictures before this one in decoding order precede it in output order too."""
    return item.keyframe and (item.unit is None or item.unit.random_access != "recovery_point")


def _bad_picture(item: CodedPicture, what: str) -> InvalidBitstream:
    return InvalidBitstream(f"{described(item)} {what}", offset=item.offset, hint=HINT)
