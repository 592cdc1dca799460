/* 8-bit RGB to YCbCr of up to 12 bits at its own size, in one pass without floats.
 *
 * Chroma of half the rows is the mean of two, as for all sitings but those on a row; the general
 * way does the others. Owns the walk over the rows; the rows themselves are rows.h. Arguments
 * arrive checked.
 */
#ifndef VIDEOHW_PIXELS_FROM_RGB_H
#define VIDEOHW_PIXELS_FROM_RGB_H

#include <stdlib.h>

#include "rows.h"

typedef struct {
    int left, top, columns, rows; /* the part of the picture */
    int channels;                 /* 3 or 4 of a packed pixel, 1 of three planes */
    int place[3];                 /* of red, green and blue: channel of a pixel, or plane */
    int chroma_planes;            /* 0 gray, 1 with pairs, 2 */
    int cr_first;                 /* in pairs */
    int step_x, step_y;           /* luma samples for one of chroma: 1 or 2 */
    int narrow;                   /* VIDEOHW_SAME, COSITED or MIDWAY */
    videohw_weights weights[3];   /* of Y, Cb and Cr */
} videohw_from_rgb;

typedef struct {
    uint8_t *split[2][4]; /* by row of two, by channel */
    uint16_t *mixed[3];   /* by red, green and blue, from the first column on, one before it free */
    int16_t *narrow[3];
    uint8_t *made[2]; /* Cb and Cr of a plane of pairs, samples of 8 or 16 bits */
} videohw_rgb_rows;

static void *videohw_open_rgb_rows(const videohw_from_rgb *plan, videohw_rgb_rows *work)
{
    /* Whole cache lines, so that no two rows share one. */
    const size_t row = (((size_t)plan->columns * 2 + 2 * sizeof(uint16_t)) / 64 + 1) * 64;
    uint8_t *memory = (uint8_t *)calloc(16, row), *at = memory;
    int k;
    if (memory == NULL)
        return NULL;
    for (k = 0; k < 4; k++, at += 2 * row) {
        work->split[0][k] = at;
        work->split[1][k] = at + row;
    }
    for (k = 0; k < 3; k++, at += 2 * row) {
        work->mixed[k] = (uint16_t *)(void *)at + 1;
        work->narrow[k] = (int16_t *)(void *)(at + row);
    }
    work->made[0] = at;
    work->made[1] = at + row;
    return memory;
}

/* Red, green and blue of a row, and its luma. */
static void videohw_luma_row(const videohw_from_rgb *plan, const videohw_rows *rows,
                             const uint8_t *const *from, const ptrdiff_t *from_pitches, int row,
                             uint8_t *const *split, const uint8_t **rgb, uint8_t *out)
{
    int k;
    if (plan->channels == 1) {
        for (k = 0; k < 3; k++) {
            const int p = plan->place[k];
            rgb[k] = from[p] + (plan->top + row) * from_pitches[p] + plan->left;
        }
    } else {
        rows->split8(from[0] + (plan->top + row) * from_pitches[0] +
                         (ptrdiff_t)plan->left * plan->channels,
                     plan->channels, plan->columns, split);
        for (k = 0; k < 3; k++)
            rgb[k] = split[plan->place[k]];
    }
    rows->of_rgb8(rgb, &plan->weights[0], plan->columns, out);
}

/* A row of Cb and of Cr out of one row of RGB or of two. */
static void videohw_chroma_row(const videohw_from_rgb *plan, const videohw_rows *rows,
                               const uint8_t *const *above, const uint8_t *const *below,
                               videohw_rgb_rows *work, uint8_t *const *to,
                               const ptrdiff_t *to_pitches, int row)
{
    const int columns = plan->columns, count = (columns + plan->step_x - 1) / plan->step_x;
    const int bytes = plan->weights[1].bytes, first = plan->cr_first;
    uint8_t *out[2];
    int k;
    for (k = 0; k < 2; k++)
        out[k] = plan->chroma_planes == 1 ? work->made[k] : to[1 + k] + row * to_pitches[1 + k];
    if (plan->step_x == 1 && plan->step_y == 1) {
        for (k = 0; k < 2; k++)
            rows->of_rgb8(above, &plan->weights[1 + k], count, out[k]);
    } else {
        for (k = 0; k < 3; k++) {
            uint16_t *mixed = work->mixed[k];
            rows->mix8(above[k], below[k], 2, 2, columns, mixed);
            mixed[-1] = mixed[0]; /* the rim of the part is held */
            mixed[columns] = mixed[columns - 1];
            rows->narrow(mixed, count, plan->narrow, work->narrow[k]);
        }
        for (k = 0; k < 2; k++)
            rows->of_rgb15((const int16_t *const *)work->narrow, &plan->weights[1 + k], count,
                           out[k]);
    }
    if (plan->chroma_planes == 2)
        return;
    if (bytes == 1) {
        const uint8_t *pair[2];
        pair[0] = out[first];
        pair[1] = out[!first];
        rows->weave8(pair, 2, count, to[1] + row * to_pitches[1]);
    } else {
        const uint16_t *pair[2];
        pair[0] = (const uint16_t *)(void *)out[first];
        pair[1] = (const uint16_t *)(void *)out[!first];
        rows->weave16(pair, count, (uint16_t *)(void *)(to[1] + row * to_pitches[1]));
    }
}

/* The chroma rows of `part` of `parts` equal parts, and the luma rows of these. Returns 0, or -1
 * when there is no memory. */
static int videohw_run_from_rgb(const videohw_from_rgb *plan, const videohw_rows *rows,
                                const uint8_t *const *from, const ptrdiff_t *from_pitches,
                                uint8_t *const *to, const ptrdiff_t *to_pitches, int part,
                                int parts)
{
    const int step = plan->step_y, count = (plan->rows + step - 1) / step;
    const int end = (int)((int64_t)count * (part + 1) / parts);
    int row = (int)((int64_t)count * part / parts);
    videohw_rgb_rows work;
    void *memory = videohw_open_rgb_rows(plan, &work);
    if (memory == NULL)
        return -1;
    for (; row < end; row++) {
        const int luma = row * step;
        const uint8_t *above[3], *second[3], *const *below = above;
        videohw_luma_row(plan, rows, from, from_pitches, luma, work.split[0], above,
                         to[0] + luma * to_pitches[0]);
        if (step == 2 && luma + 1 < plan->rows) {
            videohw_luma_row(plan, rows, from, from_pitches, luma + 1, work.split[1], second,
                             to[0] + (luma + 1) * to_pitches[0]);
            below = second;
        }
        if (plan->chroma_planes)
            videohw_chroma_row(plan, rows, above, below, &work, to, to_pitches, row);
    }
    free(memory);
    return 0;
}

#endif
