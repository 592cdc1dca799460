# cython: auto_pickle=False, autotestdict=False
"""The compiled conversions of pixels, over C of our own: to_rgb.h, from_rgb.h, general.h, rows.h.

Owns: how a plan in Python's numbers becomes one in C, and where the planes of arrays lie. Must
not know: formats, colours. Everything arrives checked from ``conversion.py``: planes have the
rows and columns that their plan reads and writes.
"""

cimport cython
from cpython.buffer cimport (
    PyBUF_STRIDES,
    PyBUF_WRITABLE,
    PyBuffer_Release,
    PyObject_GetBuffer,
)
from libc.math cimport INFINITY
from libc.stdint cimport int16_t, int32_t, uint8_t, uint16_t


cdef extern from "levels.h" nogil:
    ctypedef struct videohw_fixed:
        int16_t luma, red_cr, green_cb, green_cr, blue_cb
        int16_t offset[3]

    ctypedef struct videohw_floating:
        float luma[3]
        float cb[3]
        float cr[3]
        float offset[3]
        float low[3]
        float high[3]

    ctypedef struct videohw_weights:
        int16_t factor[3]
        int16_t offset
        int right, left, bytes

    ctypedef struct videohw_affine:
        float factor[3]
        float offset, low, high

    ctypedef struct videohw_rows:
        const char *name
        void (*affine_half)(
            const float *const *values, const videohw_affine *by, int count, uint16_t *out
        ) noexcept nogil

    int VIDEOHW_MOST_LEVELS
    int videohw_levels(const videohw_rows **out)


cdef extern from "to_rgb.h" nogil:
    ctypedef struct videohw_to_rgb:
        int left, top, columns, rows
        int bytes
        int luma_right, luma_left
        int chroma_planes
        int chroma_columns, chroma_rows
        int step_x, step_y
        int spread
        int phase_y
        int chroma_right, chroma_unit
        int target, form, swapped
        int cr_first
        videohw_fixed fixed
        videohw_floating floating

    int videohw_run_to_rgb(
        const videohw_to_rgb *plan, const videohw_rows *rows, const uint8_t *const *planes,
        const Py_ssize_t *pitches, uint8_t *const *to, const Py_ssize_t *to_pitches, int part,
        int parts,
    )


cdef extern from "from_rgb.h" nogil:
    ctypedef struct videohw_from_rgb:
        int left, top, columns, rows
        int channels
        int place[3]
        int chroma_planes
        int cr_first
        int step_x, step_y
        int narrow
        videohw_weights weights[3]

    int videohw_run_from_rgb(
        const videohw_from_rgb *plan, const videohw_rows *rows, const uint8_t *const *planes,
        const Py_ssize_t *pitches, uint8_t *const *to, const Py_ssize_t *to_pitches, int part,
        int parts,
    )


cdef extern from "general.h" nogil:
    int VIDEOHW_MOST_PLANES
    int VIDEOHW_MOST_CHANNELS

    ctypedef struct videohw_axis:
        int count, taps, plain
        const int32_t *begin
        const float *weights

    ctypedef struct videohw_plane:
        int channels, bytes, shift
        int component[4]

    ctypedef struct videohw_grid:
        int rows, columns, copies
        int source[3]
        int left
        int used[4]
        videohw_axis across[4]
        videohw_axis down[4]
        int first_column[4]
        int columns_read[4]

    ctypedef struct videohw_general:
        int source_planes, target_planes, grids
        videohw_plane source[4]
        videohw_plane target[4]
        int grid_of[4]
        int kind
        videohw_affine affine[3]
        videohw_grid grid[2]
        int widest

    int videohw_run_general(
        const videohw_general *plan, const videohw_rows *rows, const uint8_t *const *planes,
        const Py_ssize_t *pitches, uint8_t *const *to, const Py_ssize_t *to_pitches, int part,
        int parts,
    )


cdef const videohw_rows *_levels[3]
cdef int _level_count = videohw_levels(_levels)
cdef int _level = _level_count - 1


def levels():
    """The names of the levels of instructions that this processor runs, "plain" first."""
    return tuple(_levels[i].name.decode() for i in range(_level_count))


def use_level(str name not None):
    """Use one of :func:`levels` from now on, in all threads; returns the one before.

    For the tests: the last is used from the start, and all give the same bytes.
    """
    global _level
    before = levels()[_level]
    _level = levels().index(name)
    return before


def halves(const float[::1] values not None, uint16_t[::1] out not None):
    """``values`` as the bits of float16 in ``out``, by the level in use: for the tests."""
    cdef videohw_affine by
    cdef const float *rows[3]
    cdef Py_ssize_t count = min(values.shape[0], out.shape[0])
    by.factor[0] = 1
    by.factor[1] = by.factor[2] = 0
    by.offset = 0
    by.low = -INFINITY
    by.high = INFINITY
    if count:
        rows[0] = rows[1] = rows[2] = &values[0]
        _levels[_level].affine_half(rows, &by, <int>count, &out[0])


cdef struct Places:
    # Where the planes of one side of a conversion lie.
    int count
    Py_buffer view[4]
    uint8_t *planes[4]
    Py_ssize_t pitches[4]


cdef int open_places(Places *places, tuple arrays, int flags) except -1:
    """Fill ``places`` from arrays whose rows are their first axis; release_places gives back."""
    cdef int i
    places.count = 0
    for i in range(len(arrays)):
        PyObject_GetBuffer(arrays[i], &places.view[i], PyBUF_STRIDES | flags)
        places.count += 1
        places.planes[i] = <uint8_t *>places.view[i].buf
        # NumPy gives an axis of one any stride.
        places.pitches[i] = places.view[i].strides[0] if places.view[i].shape[0] > 1 else 0
    return 0


cdef void release_places(Places *places) noexcept:
    cdef int i
    for i in range(places.count):
        PyBuffer_Release(&places.view[i])


cdef enum Way:
    TO_RGB
    FROM_RGB
    GENERAL


cdef union Numbers:
    videohw_to_rgb to_rgb
    videohw_from_rgb from_rgb
    videohw_general general


@cython.final
cdef class Plan:
    """A conversion that is ready to run on any pictures of its sizes, from any threads."""

    cdef Way _way
    cdef Numbers _numbers
    cdef list _filters  # the arrays that a general plan points into

    def run(self, tuple sources not None, tuple targets not None, int part=0, int parts=1):
        """Convert the rows of ``part`` of ``parts`` equal parts, without the GIL.

        ``sources`` and ``targets`` are arrays, plane by plane as the plan counts them.
        """
        cdef Places read, written
        cdef const videohw_rows *rows = _levels[_level]
        cdef int result
        read.count = written.count = 0
        try:
            open_places(&read, sources, 0)
            open_places(&written, targets, PyBUF_WRITABLE)
            with nogil:
                result = run_plan(self, rows, &read, &written, part, parts)
        finally:
            release_places(&read)
            release_places(&written)
        if result:
            raise MemoryError("no memory for the rows in work")


cdef int run_plan(
    Plan plan, const videohw_rows *rows, Places *read, Places *written, int part, int parts
) noexcept nogil:
    cdef const uint8_t *const *planes = <const uint8_t *const *>read.planes
    if plan._way == TO_RGB:
        return videohw_run_to_rgb(
            &plan._numbers.to_rgb, rows, planes, read.pitches, written.planes, written.pitches,
            part, parts,
        )
    if plan._way == FROM_RGB:
        return videohw_run_from_rgb(
            &plan._numbers.from_rgb, rows, planes, read.pitches, written.planes, written.pitches,
            part, parts,
        )
    return videohw_run_general(
        &plan._numbers.general, rows, planes, read.pitches, written.planes, written.pitches, part,
        parts,
    )


def to_rgb_plan(dict settings not None, tuple fixed not None, tuple floating not None):
    """A plan of YCbCr to RGB at its own size: a ``videohw_to_rgb`` of to_rgb.h.

    ``settings`` has its whole numbers by name; ``fixed`` the five factors and three offsets of
    videohw_fixed; ``floating`` the six triples of videohw_floating.
    """
    cdef Plan made = Plan.__new__(Plan)
    cdef videohw_to_rgb *plan = &made._numbers.to_rgb
    cdef int k
    made._way = TO_RGB
    plan.left, plan.top = settings["left"], settings["top"]
    plan.columns, plan.rows = settings["columns"], settings["rows"]
    plan.bytes = settings["bytes"]
    plan.luma_right, plan.luma_left = settings["luma_right"], settings["luma_left"]
    plan.chroma_planes = settings["chroma_planes"]
    plan.chroma_columns, plan.chroma_rows = settings["chroma_columns"], settings["chroma_rows"]
    plan.step_x, plan.step_y = settings["step_x"], settings["step_y"]
    plan.spread, plan.phase_y = settings["spread"], settings["phase_y"]
    plan.chroma_right, plan.chroma_unit = settings["chroma_right"], settings["chroma_unit"]
    plan.target, plan.form = settings["target"], settings["form"]
    plan.swapped, plan.cr_first = settings["swapped"], settings["cr_first"]
    (
        plan.fixed.luma, plan.fixed.red_cr, plan.fixed.green_cb, plan.fixed.green_cr,
        plan.fixed.blue_cb,
    ) = fixed[:5]
    luma, cb, cr, offset, low, high = floating
    for k in range(3):
        plan.fixed.offset[k] = fixed[5 + k]
        plan.floating.luma[k] = luma[k]
        plan.floating.cb[k] = cb[k]
        plan.floating.cr[k] = cr[k]
        plan.floating.offset[k] = offset[k]
        plan.floating.low[k] = low[k]
        plan.floating.high[k] = high[k]
    return made


def from_rgb_plan(dict settings not None, tuple weights not None):
    """A plan of 8-bit RGB to YCbCr at its own size: a ``videohw_from_rgb`` of from_rgb.h.

    ``settings`` has its whole numbers by name, and ``place``; ``weights`` has, for each
    component, its three factors and offset, and the shifts and bytes of its words.
    """
    cdef Plan made = Plan.__new__(Plan)
    cdef videohw_from_rgb *plan = &made._numbers.from_rgb
    cdef int i, k
    made._way = FROM_RGB
    plan.left, plan.top = settings["left"], settings["top"]
    plan.columns, plan.rows = settings["columns"], settings["rows"]
    plan.channels = settings["channels"]
    plan.chroma_planes, plan.cr_first = settings["chroma_planes"], settings["cr_first"]
    plan.step_x, plan.step_y = settings["step_x"], settings["step_y"]
    plan.narrow = settings["narrow"]
    for i in range(3):
        plan.place[i] = settings["place"][i]
        factors, offset, right, left, size = weights[i]
        for k in range(3):
            plan.weights[i].factor[k] = factors[k]
        plan.weights[i].offset = offset
        plan.weights[i].right, plan.weights[i].left = right, left
        plan.weights[i].bytes = size
    return made


def general_plan(
    tuple source not None, tuple target not None, tuple grid_of not None, int kind,
    tuple affine not None, tuple grids not None,
):
    """A plan of any conversion: a ``videohw_general`` of general.h, of the classes of plan.py."""
    cdef Plan made = Plan.__new__(Plan)
    cdef videohw_general *plan = &made._numbers.general
    cdef int i, k
    made._way = GENERAL
    made._filters = []
    plan.source_planes, plan.target_planes = len(source), len(target)
    plan.grids = len(grids)
    plan.kind = kind
    plan.widest = 1
    for i in range(plan.source_planes):
        set_plane(&plan.source[i], source[i])
    for i in range(plan.target_planes):
        set_plane(&plan.target[i], target[i])
        plan.grid_of[i] = grid_of[i]
    for i in range(len(affine)):
        factor, offset, low, high = affine[i]
        for k in range(3):
            plan.affine[i].factor[k] = factor[k]
        plan.affine[i].offset, plan.affine[i].low, plan.affine[i].high = offset, low, high
    for i in range(plan.grids):
        set_grid(made, &plan.grid[i], grids[i])
    return made


cdef int set_plane(videohw_plane *plane, object given) except -1:
    cdef int k
    plane.channels, plane.bytes, plane.shift = len(given.components), given.bytes, given.shift
    for k in range(plane.channels):
        plane.component[k] = given.components[k]
    return 0


cdef int set_grid(Plan made, videohw_grid *grid, object given) except -1:
    cdef videohw_general *plan = &made._numbers.general
    cdef int p, k
    grid.rows, grid.columns = given.rows, given.columns
    grid.copies = given.copied is not None
    if given.copied is not None:
        grid.left = given.copied.left
        for k in range(len(given.copied.source)):
            grid.source[k] = given.copied.source[k]
    plan.widest = max(plan.widest, grid.columns)
    for p in range(plan.source_planes):
        filters = given.filters[p]
        grid.used[p] = filters is not None
        if filters is None:
            continue
        grid.first_column[p], grid.columns_read[p] = filters.first_column, filters.columns_read
        set_axis(made, &grid.across[p], filters.across)
        set_axis(made, &grid.down[p], filters.down)
        plan.widest = max(plan.widest, grid.columns_read[p])
    return 0


cdef int set_axis(Plan made, videohw_axis *axis, object taps) except -1:
    cdef const int32_t[::1] begin = taps.begin
    cdef const float[:, ::1] weights = taps.weights
    axis.count, axis.taps = begin.shape[0], weights.shape[0]
    axis.plain = taps.plain
    axis.begin = &begin[0]
    axis.weights = &weights[0, 0]
    made._filters.append((taps.begin, taps.weights))
    return 0
