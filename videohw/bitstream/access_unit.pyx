# cython: auto_pickle=False, autotestdict=False
"""What the assemblers hand out: access units, and the NAL units inside of them.

Owns the values and how their NAL units are listed. Must not know how units are found.
"""

from typing import NamedTuple

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memset

from .byte_stream cimport ByteStream, at, end_here, find_end, find_start

NalSpan = NamedTuple(
    "NalSpan",
    [("start", int), ("size", int), ("type", int), ("layer_id", int), ("temporal_id", int)],
)
NalSpan.__doc__ = """One NAL unit inside of :attr:`AccessUnit.data`, in bytes.

``start`` and ``size`` are of the NAL unit with its header, without start code and trailing
zeros. ``type`` is nal_unit_type; ``layer_id`` (nuh_layer_id) and ``temporal_id`` are 0 in H.264.
"""

cdef tuple RANDOM_ACCESS_NAMES = (None, "idr", "cra", "bla", "recovery_point")
cdef tuple LEADING_NAMES = (None, "rasl", "radl")
cdef tuple FIELD_NAMES = ("frame", "top", "bottom")
# Index: the union of the slice types, 1 P, 2 B, 4 I.
cdef tuple PICTURE_TYPES = ("", "P", "B", "B", "I", "P", "B", "B")


@cython.final
@cython.freelist(16)
@cython.no_gc  # it holds bytes, text and tuples of numbers: no cycle can pass through it
cdef class AccessUnit:
    """One access unit: one primary coded picture with everything that belongs to it.

    Assemblers make them; nobody changes them. The constructor is for the assemblers of codecs
    without NAL units, whose units have no :attr:`nals`.
    """

    def __init__(
        self, str codec not None, bytes data not None, uint64_t offset, *, bint keyframe=False,
        str picture_type not None="", bint reference=True, str field not None="frame",
        bint second_field=False, int temporal_id=0, bint after_end_of_sequence=False,
        bint has_parameter_sets=False,
    ):
        self._codec = codec
        self._data = data
        self._offset = offset
        self._keyframe = keyframe
        self._second_field = second_field
        self._reference = reference
        self._after_end_of_sequence = after_end_of_sequence
        self._has_parameter_sets = has_parameter_sets
        self._temporal_id = temporal_id
        self._slice_types = PICTURE_TYPES.index(picture_type)
        self._field = FIELD_NAMES.index(field)

    @property
    def codec(self):
        """"h264", "hevc", "mpeg1", "mpeg2", "mpeg4", "vc1" or "av1"."""
        return self._codec

    @property
    def data(self):
        """The coded bytes, exactly as received.

        H.264 and H.265: Annex-B, from the first start code with its zero_byte to the next unit.
        """
        return self._data

    @property
    def offset(self):
        """Position in the stream, in bytes, of the first byte of :attr:`data`."""
        return self._offset

    @property
    def keyframe(self):
        """True when decoding may start here; :attr:`random_access` says why."""
        return self._keyframe

    @property
    def second_field(self):
        """True for the second field of a complementary field pair."""
        return self._second_field

    @property
    def reference(self):
        """True when other pictures may be predicted from this one.

        H.264 nal_ref_idc; H.265: no sub-layer non-reference picture (table 7-1).
        """
        return self._reference

    @property
    def after_end_of_sequence(self):
        """True for the first unit of a stream and after an end of sequence or stream.

        A CRA picture there has NoRaslOutputFlag 1: its RASL pictures are not output.
        """
        return self._after_end_of_sequence

    @property
    def has_parameter_sets(self):
        """True when an SPS and a PPS (H.265: and a VPS) are among the NAL units.

        MPEG-1 and MPEG-2: a sequence header; MPEG-4: a layer; VC-1: a sequence header
        and an entry point; AV1: a sequence header OBU.
        """
        return self._has_parameter_sets

    @property
    def temporal_id(self):
        """H.265 TemporalId, AV1 temporal_id, else 0."""
        return self._temporal_id

    @property
    def layer_nals(self):
        """Number of NAL units of nuh_layer_id > 0 (H.265)."""
        return self._layer_nals

    @property
    def nals(self):
        """The NAL units, a tuple of :class:`NalSpan`; empty for codecs without NAL units."""
        if self._nals is None:
            self._nals = tuple([span for span, _ in spans_of(self._data, self._codec)])
        return self._nals

    def nal_units(self):
        """The NAL units as a list of memoryviews of :attr:`data`: header first, no start code."""
        view = memoryview(self._data)
        return [view[span.start : span.start + span.size] for span in self.nals]

    def messages(self):
        """The SEI NAL units of the base layer as bytes: those before the first slice, where they
        have their place (H.264 7.4.1.2.3; H.265 7.4.2.4.4, the prefix ones)."""
        return messages_in(self._data, self._codec)

    @property
    def random_access(self):
        """Why decoding may start here: "idr", "cra", "bla", "recovery_point", or None.

        H.264 7.4.1.2.4 (IDR) and D.2.8; H.265 table 7-1 and D.3.8.
        """
        return RANDOM_ACCESS_NAMES[self._access]

    @property
    def recovery_frame_count(self):
        """Of the recovery point SEI, or None: frames until the pictures are right.

        H.264 recovery_frame_cnt (D.2.8); H.265 recovery_poc_cnt, which counts picture order and
        may be negative (D.3.8).
        """
        return self._recovery_count if self._recovery else None

    @property
    def leading(self):
        """H.265: "rasl" or "radl" for a leading picture, None for others and in H.264."""
        return LEADING_NAMES[self._leading]

    @property
    def picture_type(self):
        """"B" if any slice is B, else "P" if any is P, else "I"; "" when no slice header says."""
        return PICTURE_TYPES[self._slice_types]

    @property
    def field(self):
        """"frame", "top" or "bottom".

        H.265 codes fields as pictures of their own and says so in SEI: "frame" there.
        """
        return FIELD_NAMES[self._field]

    def base_layer_data(self):
        """:attr:`data` without the NAL units of nuh_layer_id > 0 (``data`` when there are none)."""
        if self._layer_nals == 0:
            return self._data
        kept = []
        spans = spans_of(self._data, self._codec)
        ends = [code for _, code in spans[1:]] + [len(self._data)]
        for (span, code), end in zip(spans, ends):
            if span.layer_id == 0:
                kept.append(self._data[code:end])
        return b"".join(kept)

    def __repr__(self):
        kind = self.random_access or self.picture_type or "no slice"
        return f"AccessUnit({self._codec}, offset={self._offset}, {len(self._data)} bytes, {kind})"


cdef list messages_in(bytes data, str codec):
    """The NAL units of SEI before the first slice, which ends the search."""
    cdef ByteStream s
    cdef const uint8_t *nal
    cdef bint hevc = codec == "hevc"
    cdef int kind
    cdef list found = []
    if not hevc and codec != "h264":
        return found
    memset(&s, 0, sizeof(s))
    s.data = <uint8_t *>PyBytes_AS_STRING(data)
    s.tail = PyBytes_GET_SIZE(data)
    while find_start(&s):
        if s.tail - s.payload < 2:
            break
        nal = at(&s, s.payload)
        kind = nal[0] >> 1 & 63 if hevc else nal[0] & 31
        if (kind < 32 if hevc else 1 <= kind <= 5):
            break
        if not find_end(&s):
            end_here(&s)
        if not hevc and kind == 6 or hevc and kind == 39 and not (nal[0] & 1 or nal[1] >> 3):
            found.append(data[s.payload:s.end])
    return found


cdef list spans_of(bytes data, str codec):
    """(NalSpan, position of its start code) of the NAL units in Annex-B ``data``."""
    cdef ByteStream s
    cdef const uint8_t *nal
    cdef size_t size
    cdef bint hevc = codec == "hevc"
    cdef list spans = []
    if not hevc and codec != "h264":
        return spans
    memset(&s, 0, sizeof(s))
    s.data = <uint8_t *>PyBytes_AS_STRING(data)
    s.tail = PyBytes_GET_SIZE(data)
    while find_start(&s):
        if not find_end(&s):
            end_here(&s)
        size = <size_t>(s.end - s.payload)
        if size == 0:
            continue
        nal = at(&s, s.payload)
        if hevc and size > 1:
            kind, layer, temporal = nal[0] >> 1 & 63, (nal[0] & 1) << 5 | nal[1] >> 3, nal[1] & 7
            span = NalSpan(s.payload, size, kind, layer, temporal - 1 if temporal else 0)
        else:
            span = NalSpan(s.payload, size, nal[0] >> 1 & 63 if hevc else nal[0] & 31, 0, 0)
        spans.append((span, s.code))
    return spans
