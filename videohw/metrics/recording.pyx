# cython: auto_pickle=False, autotestdict=False
"""What a session calls while it works, when metrics are on: compiled, since it counts itself.

Owns: the buckets, which moments of a session are looked at, and what is made of them. Must not
know: codecs, libraries, locks. All times are nanoseconds of one monotonic clock.

A number is put into its bucket without a call of Python in between, so under the GIL any thread
may do it, and nothing waits.
"""

from concurrent.futures import Future
from fractions import Fraction

cimport cython
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.time cimport perf_counter
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

from ..errors import InvalidInput
from .histogram import LARGEST, SUBBUCKET_BITS, UNITS, Distribution

cdef int64_t _LARGEST = LARGEST
cdef int _SUB_BITS = SUBBUCKET_BITS
cdef int64_t _CARRY = 1 << 62
cdef Py_ssize_t _GROWTH = 256  # buckets: four octaves
# Pictures inside of a codec are far fewer (16 for reordering, 250 for lookahead, one for each
# thread). What is older gave no output, and is forgotten.
cdef Py_ssize_t _MOST_HELD = 4096
cdef double _NS_PER_SECOND = 1e9


@cython.final
cdef class Histogram:
    """Counts whole numbers by size; may be used from any number of threads.

    ``unit`` is "seconds", which is recorded in nanoseconds, "bytes" or "items". Values are taken
    as 0 to LARGEST (2**50 - 1: 13 days, 1 PiB), what is beyond as the nearer of these;
    :class:`~videohw.errors.InvalidInput` for what is no number of 64 bits.
    """

    cdef str _unit
    cdef int64_t *_counts
    cdef Py_ssize_t _size
    cdef int64_t _sum, _carries, _min, _max

    def __cinit__(self, str unit):
        if unit not in UNITS:
            raise InvalidInput(
                f"unit is {unit!r}", argument="unit", hint=f"one of {', '.join(UNITS)}"
            )
        self._unit = unit
        self._min = _LARGEST

    def __dealloc__(self):
        PyMem_Free(self._counts)

    def record(self, value):
        """Count one value."""
        cdef int64_t number
        try:
            number = value
        except (OverflowError, TypeError):
            raise InvalidInput(
                f"value is {value!r}", argument="value", hint="a signed number of 64 bits"
            ) from None
        self.put(number)

    def extend(self, values):
        """Count every one of ``values``."""
        for value in values:
            self.record(value)

    cdef int put(self, int64_t value) except -1:
        cdef int shift = 0
        cdef Py_ssize_t number
        cdef int64_t above
        value = min(max(value, 0), _LARGEST)
        above = value >> (_SUB_BITS + 1)
        while above >> 8:
            shift += 8
            above >>= 8
        while above:
            shift += 1
            above >>= 1
        number = (<Py_ssize_t>shift << _SUB_BITS) + <Py_ssize_t>(value >> shift)
        if number >= self._size:
            self.grow(number + _GROWTH)
        self._counts[number] += 1
        self._sum += value
        if self._sum >= _CARRY:
            self._sum -= _CARRY
            self._carries += 1
        self._min = min(self._min, value)
        self._max = max(self._max, value)
        return 0

    cdef int grow(self, Py_ssize_t size) except -1:
        cdef int64_t *counts = <int64_t *>PyMem_Realloc(self._counts, size * sizeof(int64_t))
        if counts == NULL:
            raise MemoryError
        memset(counts + self._size, 0, (size - self._size) * sizeof(int64_t))
        self._counts = counts
        self._size = size
        return 0

    def snapshot(self):
        """What was recorded so far, as a :class:`Distribution`."""
        # Making objects may let other threads in, so all is copied first.
        cdef Py_ssize_t size = self._size, number
        cdef int64_t total = 0, low = self._min, high = self._max
        cdef int64_t below = self._sum, carries = self._carries
        cdef int64_t *counts
        if not size:
            return Distribution(self._unit)
        counts = <int64_t *>PyMem_Malloc(size * sizeof(int64_t))
        if counts == NULL:
            raise MemoryError
        try:
            memcpy(counts, self._counts, size * sizeof(int64_t))
            buckets = []
            for number in range(size):
                if counts[number]:
                    total += counts[number]
                    buckets.append((number, counts[number]))
        finally:
            PyMem_Free(counts)
        raw_sum = carries * (1 << 62) + below
        return Distribution(self._unit, total, raw_sum, low, high, tuple(buckets))


@cython.final
cdef class ArrivalJitter:
    """How far the spacing of arrivals is from that of the pictures themselves.

    The difference D of RFC 3550, 6.4.1, without its smoothing: abs((spacing of the arrivals of a
    picture and the one before) - (spacing of their pts)). Where that is not known (no pts, no
    time base, or pts that go back, as those of B-pictures do in decoding order: from the first
    such picture until :meth:`restart`), the spacing before takes its place. ``histogram`` has
    the differences.
    """

    cdef readonly Histogram histogram
    cdef double _ns_per_tick  # 0: not known
    cdef int64_t _arrival, _spacing, _pts
    cdef bint _began, _spaced, _timed, _reorders

    def __cinit__(self, time_base):
        self.histogram = Histogram("seconds")
        self._ns_per_tick = 0 if time_base is None else float(time_base * Fraction(10**9))

    cpdef restart(self):
        """The next picture has none before it."""
        self._began = self._spaced = self._timed = self._reorders = False

    cpdef arrived(self, int64_t now, pts):
        """A picture with ``pts`` arrived at ``now``; pictures come one after the other."""
        cdef int64_t own = 0 if pts is None else pts
        cdef int64_t spacing = now - self._arrival, expected = self._spacing
        cdef bint known = self._spaced
        if self._began:
            if self._ns_per_tick and self._timed and pts is not None and not self._reorders:
                if own > self._pts:
                    expected = <int64_t>(
                        (<double>own - <double>self._pts) * self._ns_per_tick + 0.5
                    )
                    known = True
                else:
                    self._reorders = True
            if known:
                self.histogram.put(abs(spacing - expected))
            self._spacing = spacing
            self._spaced = True
        self._began = True
        self._arrival = now
        self._pts = own
        self._timed = pts is not None


@cython.final
cdef class Meter:
    """The measurements of one session; ``docs/metrics.md`` says what each one is.

    ``direction`` "decode" or "encode" says what goes in and comes out; ``time_base`` is that of
    the pts that go in, None when it is not known; ``converts`` that outputs are written once
    more, into the form that was asked for. ``clock`` gives nanoseconds; None is
    ``time.perf_counter``, read without a call of Python. ``held`` is how many
    pictures are remembered because something of them is still to come: queued, in the codec, in
    work behind it, ready.

    A call of submit reads the clock when it begins, and again when it is let in; then, while no
    other call is, it is :meth:`prepared`, and in the end :meth:`taken` or :meth:`refused`. The
    session holds its lock where a method is about its queues.
    """

    cdef object _clock
    cdef bint _decodes, _converts
    cdef str _prepare_name
    cdef Histogram _call, _prepare, _queue, _code, _drain, _reset, _convert, _reap
    cdef Histogram _latency, _call_bytes, _found_ready, _found_items, _found_bytes
    cdef ArrivalJitter _jitter
    # What is queued next: when its call began, and when it was ready to be queued.
    cdef int64_t _arrival, _prepared
    cdef int64_t _refused, _errors, _keyframes, _bytes_fed, _bytes_out
    # By their addresses, which are theirs as long as the session holds them.
    cdef dict _queued  # item: when it arrived, was queued, and what its output is known by
    cdef dict _coding  # what an output is known by: when its picture arrived
    cdef dict _in_work  # future: when it was delivered
    cdef dict _ready  # output: when it was ready

    def __cinit__(self, direction, *, time_base, bint converts=False, clock=None):
        self._clock = clock
        self._decodes = direction == "decode"
        self._converts = converts
        self._prepare_name = "parse" if self._decodes else "stage"
        self._call, self._prepare = Histogram("seconds"), Histogram("seconds")
        self._queue, self._code = Histogram("seconds"), Histogram("seconds")
        self._drain, self._reset = Histogram("seconds"), Histogram("seconds")
        self._convert, self._reap = Histogram("seconds"), Histogram("seconds")
        self._latency, self._call_bytes = Histogram("seconds"), Histogram("bytes")
        self._found_ready, self._found_items = Histogram("items"), Histogram("items")
        self._found_bytes = Histogram("bytes")
        self._jitter = ArrivalJitter(time_base)
        self._queued, self._coding, self._in_work, self._ready = {}, {}, {}, {}

    cpdef int64_t now(self) except? -1:
        """The time that all others are compared with, in nanoseconds."""
        if self._clock is None:
            return <int64_t>(perf_counter() * _NS_PER_SECOND)
        return self._clock()

    # Submitting

    def prepared(self, int64_t began, int64_t since):
        """What the call that began at ``began`` queues now was parsed or staged from ``since``."""
        self._arrival = began
        self._prepared = self.now()
        self._prepare.put(self._prepared - since)

    def pushing(self, int64_t began):
        """The call that began at ``began`` tries to queue now what it staged."""
        self._arrival = began
        self._prepared = self.now()

    def staged(self, int64_t spent):
        """It was queued; to stage it took ``spent``, again where a switch came between."""
        self._prepare.put(spent)

    def ending(self):
        """What is queued now is the rest of a stream."""
        self._arrival = self._prepared = self.now()

    def taken(self, int64_t began, int64_t byte_count):
        """A call that began at ``began`` was taken, with ``byte_count`` bytes."""
        self._call.put(self.now() - began)
        self._call_bytes.put(byte_count)

    def refused(self):
        """A call was not taken, because a limit was reached."""
        self._refused += 1

    # The session's queues

    def queued(self, items, int64_t ready, int64_t item_count, int64_t byte_count):
        """``items`` go behind so many ready outputs, and queued items and bytes."""
        if not items:
            return
        self._found_ready.put(ready)
        self._found_items.put(item_count)
        self._found_bytes.put(byte_count)
        for item in items:
            # Errors and requests to switch are queued, too: they have no output.
            if not self._decodes:
                key = getattr(item, "pts", None)
            else:
                key = item.serial if getattr(item, "silent", "error") is None else None
            self._queued[<Py_ssize_t><void *>item] = self._arrival, self._prepared, key
            if key is not None:
                self._jitter.arrived(self._arrival, item.pts)

    def started(self, item):
        """The worker takes ``item``, which may be one of the session's own requests."""
        queued = self._queued.pop(<Py_ssize_t><void *>item, None)
        if queued is None:
            return
        arrival, since, key = queued
        self._queue.put(self.now() - <int64_t>since)
        self._bytes_fed += item.queued_bytes
        if key is not None:
            put_bounded(self._coding, key, arrival)

    def delivered(self, output):
        """``output`` has its place: it is ready, an error, or in work by another thread."""
        if isinstance(output, Exception):
            return
        if isinstance(output, Future):
            self._in_work[<Py_ssize_t><void *>output] = self.now()
        else:
            self.is_ready(output, self.now())

    def finished(self, output):
        """The work on an output that was delivered is done."""
        cdef int64_t now = self.now()
        since = self._in_work.pop(<Py_ssize_t><void *>output, None)
        if since is None:
            return  # dropped meanwhile
        self._convert.put(now - since)
        if not output.cancelled() and output.exception() is None:
            self.is_ready(output.result(), now)

    cdef int is_ready(self, output, int64_t now) except -1:
        put_bounded(self._ready, <Py_ssize_t><void *>output, now)
        arrival = self._coding.pop(output.decode_index if self._decodes else output.pts, None)
        if arrival is not None:
            self._latency.put(now - arrival)
        return 0

    def reaped(self, output):
        """``output`` is handed out, or raised."""
        if isinstance(output, Exception):
            self._errors += 1
            return
        since = self._ready.pop(<Py_ssize_t><void *>output, None)
        if since is not None:
            self._reap.put(self.now() - <int64_t>since)
        self.count(output, 1)

    def put_back(self, outputs):
        """``outputs`` were not handed out after all; their time was, when they were reaped."""
        for output in outputs:
            self.count(output, -1)

    cdef int count(self, output, int sign) except -1:
        cdef int64_t byte_count = 0
        if self._decodes:
            for plane in output.planes:
                byte_count += plane.nbytes
        else:
            byte_count = len(output.data)
        self._bytes_out += sign * byte_count
        if output.keyframe:
            self._keyframes += sign
        return 0

    def stream_ended(self):
        """A drain goes behind what was queued: the next picture has none before it."""
        self._jitter.restart()

    def dropped(self):
        """The queues were emptied, by a reset or by closing."""
        for held in (self._queued, self._coding, self._in_work, self._ready):
            held.clear()
        self._jitter.restart()

    @property
    def held(self):
        return len(self._queued), len(self._coding), len(self._in_work), len(self._ready)

    # The worker

    def coded(self, str stage, run):
        """What ``run`` gives, timed as ``stage`` without what happens between two of them.

        ``stage`` is "code", "drain" or "reset".
        """
        cdef int64_t elsewhere = 0, left
        cdef int64_t began = self.now()
        try:
            for output in run():
                left = self.now()
                try:
                    yield output
                finally:
                    elsewhere += self.now() - left
        finally:
            self.worked(stage).put(self.now() - began - elsewhere)
        if stage == "drain" and not self._in_work:
            self._coding.clear()  # what is left there had no output

    def spent(self, str stage, int64_t nanoseconds):
        """The same for a worker that took the time itself; "convert" is one more stage."""
        self.worked(stage).put(nanoseconds)
        if stage == "drain":
            self._coding.clear()

    cdef Histogram worked(self, str stage):
        if stage == "code":
            return self._code
        if stage == "convert":
            return self._convert
        return self._drain if stage == "drain" else self._reset

    # What it all comes to

    def measured(self, int64_t converted_bytes):
        """Fields of :class:`~videohw.metrics.SessionMetrics`.

        ``converted_bytes``: pixels that an encoder's engine converted before it coded them.
        """
        calls = self._call_bytes.snapshot()
        if self._decodes:
            converted_bytes = self._bytes_out if self._converts else 0
            copied = {"feed": self._bytes_fed}
        else:
            copied = {"output": self._bytes_out}
        stages = {
            "submit": self._call, self._prepare_name: self._prepare, "queue": self._queue,
            "code": self._code, "drain": self._drain, "reset": self._reset,
            "convert": self._convert, "reap": self._reap,
        }
        seen = {name: (<Histogram>histogram).snapshot() for name, histogram in stages.items()}
        return {
            "submit_calls": calls.count,
            "backpressure": self._refused,
            "errors": self._errors,
            "keyframes": self._keyframes,
            "bytes_in": calls.raw_sum,
            "bytes_out": self._bytes_out,
            "copied_bytes": {"input": calls.raw_sum, "convert": converted_bytes, **copied},
            "stages": {name: each for name, each in seen.items() if each.count},
            "latency": self._latency.snapshot(),
            "arrival_jitter": self._jitter.histogram.snapshot(),
            "depths": {
                "ready": self._found_ready.snapshot(),
                "queued_items": self._found_items.snapshot(),
                "queued_bytes": self._found_bytes.snapshot(),
            },
        }


cdef int put_bounded(dict times, key, value) except -1:
    times[key] = value
    if len(times) > _MOST_HELD:
        del times[next(iter(times))]
    return 0
