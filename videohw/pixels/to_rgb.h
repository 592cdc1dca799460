/* YCbCr to RGB at its own size, in one pass without floats: the way of most pictures.
 *
 * Owns the walk over the rows; the rows themselves are rows.h. Arguments arrive checked: every
 * plane has the rows and columns that the plan reads and writes.
 */
#ifndef VIDEOHW_PIXELS_TO_RGB_H
#define VIDEOHW_PIXELS_TO_RGB_H

#include <stdlib.h>

#include "rows.h"

enum { VIDEOHW_TO_CODES, VIDEOHW_TO_FLOATS, VIDEOHW_TO_HALVES };

typedef struct {
    int left, top, columns, rows; /* the part of the picture, in luma samples */
    int bytes;                    /* of a sample */
    int luma_right, luma_left;    /* see videohw_luma */
    int chroma_planes;            /* 0 gray, 1 with pairs, 2 */
    int chroma_columns, chroma_rows;
    int step_x, step_y; /* luma samples for one of chroma: 1 or 2 */
    int spread;         /* VIDEOHW_SAME to VIDEOHW_MIDWAY */
    int phase_y;        /* place of the first chroma row below that of luma, in halves; -1: nearest */
    int chroma_right, chroma_unit; /* shift and factor that make 12 bits of a sample */
    int target, form, swapped;     /* VIDEOHW_TO_*, VIDEOHW_PLANAR to PACKED4, blue first */
    int cr_first;                  /* in pairs */
    videohw_fixed fixed;
    videohw_floating floating;
} videohw_to_rgb;

/* The two chroma rows around a luma row, and how many quarters of the second. */
static void videohw_chroma_rows(const videohw_to_rgb *plan, int row, int *a, int *b, int *quarters)
{
    int place;
    *quarters = 0;
    if (plan->step_y == 1) {
        *a = *b = row;
        return;
    }
    if (plan->phase_y < 0) {
        *a = *b = row / 2;
        return;
    }
    place = 2 * row - plan->phase_y;
    if (place < 0)
        place = 0;
    *a = place / 4;
    *b = *a + 1;
    *quarters = place % 4;
    if (*quarters == 0 || *b >= plan->chroma_rows) {
        *b = *a;
        *quarters = 0;
    }
}

typedef struct {
    int first, count;         /* chroma columns that the part needs, without their neighbours */
    int begin, end;           /* those that are read */
    int pairs;                /* samples in a column of a row: 2 in a plane of pairs */
    uint16_t *mixed[2];       /* by plane, from column begin on, one column before it free */
    int16_t *spread[2];       /* Cb and Cr by luma, from the first luma sample of `first` on */
    int a, b, quarters;       /* of what is in there now */
} videohw_chroma;

static void videohw_fill_chroma(const videohw_to_rgb *plan, const videohw_rows *rows,
                                const uint8_t *const *planes, const ptrdiff_t *pitches, int row,
                                videohw_chroma *chroma)
{
    const int pairs = chroma->pairs, samples = (chroma->end - chroma->begin) * pairs;
    int a, b, quarters, p, k;
    videohw_chroma_rows(plan, row, &a, &b, &quarters);
    if (a == chroma->a && b == chroma->b && quarters == chroma->quarters)
        return;
    chroma->a = a;
    chroma->b = b;
    chroma->quarters = quarters;
    for (p = 0; p < plan->chroma_planes; p++) {
        const ptrdiff_t skipped = (ptrdiff_t)chroma->begin * pairs * plan->bytes;
        const uint8_t *above = planes[1 + p] + a * pitches[1 + p] + skipped;
        const uint8_t *below = planes[1 + p] + b * pitches[1 + p] + skipped;
        const int second = quarters * plan->chroma_unit;
        const int first = 4 * plan->chroma_unit - second;
        uint16_t *at = chroma->mixed[p] + (ptrdiff_t)(chroma->begin - chroma->first + 1) * pairs;
        uint16_t *mixed = chroma->mixed[p] + pairs;
        if (plan->bytes == 1)
            rows->mix8(above, below, first, second, samples, at);
        else
            rows->mix16((const uint16_t *)(const void *)above,
                        (const uint16_t *)(const void *)below, plan->chroma_right, first, second,
                        samples, at);
        for (k = 0; k < pairs; k++) { /* the rim of the picture is held */
            if (chroma->begin == chroma->first)
                mixed[k - pairs] = mixed[k];
            if (chroma->end == chroma->first + chroma->count)
                mixed[chroma->count * pairs + k] = mixed[(chroma->count - 1) * pairs + k];
        }
        if (pairs == 1)
            rows->spread(mixed, chroma->count, plan->spread, chroma->spread[p]);
        else
            rows->spread_pairs(mixed, chroma->count, plan->spread,
                               chroma->spread[plan->cr_first], chroma->spread[!plan->cr_first]);
    }
}

static void videohw_to_rgb_row(const videohw_to_rgb *plan, const videohw_rows *rows,
                               videohw_luma luma, const int16_t *cb, const int16_t *cr,
                               uint8_t *const *to, const ptrdiff_t *pitches, int row)
{
    uint8_t *out[3];
    float *floats[3];
    uint16_t *halves[3];
    int k;
    for (k = 0; k < (plan->form == VIDEOHW_PLANAR ? 3 : 1); k++) {
        out[k] = to[k] + row * pitches[k];
        floats[k] = (float *)(void *)out[k];
        halves[k] = (uint16_t *)(void *)out[k];
    }
    if (plan->target == VIDEOHW_TO_FLOATS)
        rows->rgb_float(luma, cb, cr, &plan->floating, plan->columns, floats);
    else if (plan->target == VIDEOHW_TO_HALVES)
        rows->rgb_half(luma, cb, cr, &plan->floating, plan->columns, halves);
    else
        rows->rgb8(luma, cb, cr, &plan->fixed, plan->columns, plan->form, plan->swapped, out);
}

/* The rows of `part` of `parts` equal parts. Returns 0, or -1 when there is no memory. */
static int videohw_run_to_rgb(const videohw_to_rgb *plan, const videohw_rows *rows,
                              const uint8_t *const *from, const ptrdiff_t *from_pitches,
                              uint8_t *const *to, const ptrdiff_t *to_pitches, int part, int parts)
{
    const int begin = (int)((int64_t)plan->rows * part / parts);
    const int end = (int)((int64_t)plan->rows * (part + 1) / parts);
    const int step = plan->step_x, last = plan->left + plan->columns - 1;
    videohw_chroma chroma;
    videohw_luma luma;
    uint16_t *memory;
    size_t mixed, spread;
    int row, offset;
    chroma.first = plan->left / step;
    chroma.count = last / step - chroma.first + 1;
    chroma.begin = chroma.first > 0 ? chroma.first - 1 : 0;
    chroma.end = chroma.first + chroma.count;
    if (chroma.end < plan->chroma_columns)
        chroma.end += 1;
    chroma.pairs = plan->chroma_planes == 1 ? 2 : 1;
    chroma.a = chroma.b = chroma.quarters = -1;
    mixed = ((size_t)chroma.count + 2) * 2;
    spread = (size_t)chroma.count * 2;
    memory = (uint16_t *)calloc(mixed + 2 * spread, sizeof *memory);
    if (memory == NULL)
        return -1;
    chroma.mixed[0] = memory;
    chroma.mixed[1] = memory + mixed / 2;
    chroma.spread[0] = (int16_t *)(memory + mixed);
    chroma.spread[1] = (int16_t *)(memory + mixed + spread);
    offset = plan->left - chroma.first * step;
    luma.bytes = plan->bytes;
    luma.right = plan->luma_right;
    luma.left = plan->luma_left;
    for (row = begin; row < end; row++) {
        const int at = plan->top + row;
        if (plan->chroma_planes)
            videohw_fill_chroma(plan, rows, from, from_pitches, at, &chroma);
        luma.samples = from[0] + at * from_pitches[0] + (ptrdiff_t)plan->left * plan->bytes;
        videohw_to_rgb_row(plan, rows, luma, chroma.spread[0] + offset, chroma.spread[1] + offset,
                           to, to_pitches, row);
    }
    free(memory);
    return 0;
}

#endif
