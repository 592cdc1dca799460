/* Any picture to any other: every component by filters along both axes, then an affine map.
 *
 * Chroma to the places of luma, crop, scale, and chroma of the target at its own places are all
 * sums of samples with weights along one axis at a time; the caller multiplies them into one
 * filter for each axis of each plane (axes.py). The target's planes lie on one grid, or on two
 * where chroma has fewer samples. Owns the walk over the rows of a grid; the rows themselves are
 * rows.h. Arguments arrive checked.
 */
#ifndef VIDEOHW_PIXELS_GENERAL_H
#define VIDEOHW_PIXELS_GENERAL_H

#include <stdlib.h>

#include "rows.h"

#define VIDEOHW_MOST_PLANES 4
#define VIDEOHW_MOST_CHANNELS 4

/* Along one axis, how each of `count` places is made of `taps` samples, from begin[i] on. */
typedef struct {
    int count, taps;
    int plain; /* one tap of weight 1, each begin the one before and 1 */
    const int32_t *begin;
    const float *weights; /* [taps][count] */
} videohw_axis;

/* One plane of samples: what its channels are, as numbers of components; -1 is none (alpha). */
typedef struct {
    int channels, bytes, shift;
    int component[VIDEOHW_MOST_CHANNELS];
} videohw_plane;

typedef struct {
    int rows, columns;
    int copies;                  /* every component is one of the source, its codes shifted */
    int source[3];               /* which one, where it is */
    int left;                    /* shift of its code, with `copies` */
    int used[VIDEOHW_MOST_PLANES];
    /* By plane of the source. `across` counts from column first_column of columns_read. */
    videohw_axis across[VIDEOHW_MOST_PLANES], down[VIDEOHW_MOST_PLANES];
    int first_column[VIDEOHW_MOST_PLANES], columns_read[VIDEOHW_MOST_PLANES];
} videohw_grid;

enum { VIDEOHW_CODES, VIDEOHW_FLOATS, VIDEOHW_HALVES };

typedef struct {
    int source_planes, target_planes, grids;
    videohw_plane source[VIDEOHW_MOST_PLANES], target[VIDEOHW_MOST_PLANES];
    int grid_of[VIDEOHW_MOST_PLANES]; /* by plane of the target */
    int kind;                         /* of the target: VIDEOHW_CODES ... */
    videohw_affine affine[3];         /* by component of the target */
    videohw_grid grid[2];
    int widest; /* samples of the longest row, of any plane or grid */
} videohw_general;

/* Memory for the rows in work, each of `widest` samples. */
typedef struct {
    uint8_t *split[VIDEOHW_MOST_CHANNELS]; /* samples of 8 or 16 bits, by channel */
    uint8_t *made[VIDEOHW_MOST_CHANNELS];
    float *loaded, *values[3], *zeros;
} videohw_scratch;

static void *videohw_open_scratch(const videohw_general *plan, videohw_scratch *scratch)
{
    /* Whole cache lines, so that no two rows share one. */
    const size_t words = (((size_t)plan->widest * 2 + 63) / 64 + 1) * 64;
    const size_t floats = 2 * words;
    uint8_t *memory =
        (uint8_t *)calloc(2 * VIDEOHW_MOST_CHANNELS * words + 5 * floats, 1), *at = memory;
    int k;
    if (memory == NULL)
        return NULL;
    for (k = 0; k < VIDEOHW_MOST_CHANNELS; k++, at += 2 * words) {
        scratch->split[k] = at;
        scratch->made[k] = at + words;
    }
    scratch->loaded = (float *)(void *)at;
    scratch->zeros = (float *)(void *)(at + floats);
    for (k = 0; k < 3; k++)
        scratch->values[k] = (float *)(void *)(at + (size_t)(2 + k) * floats);
    return memory;
}

/* The samples of each channel of a row, in the plane itself or in `split`. */
static void videohw_split(const videohw_plane *plane, const videohw_rows *rows,
                          const uint8_t *samples, int count, videohw_scratch *scratch,
                          const uint8_t **out)
{
    int k;
    if (plane->channels == 1) {
        out[0] = samples;
        return;
    }
    if (plane->bytes == 1) {
        rows->split8(samples, plane->channels, count, scratch->split);
    } else {
        uint16_t *to[2];
        to[0] = (uint16_t *)(void *)scratch->split[0];
        to[1] = (uint16_t *)(void *)scratch->split[1];
        rows->split16((const uint16_t *)(const void *)samples, count, to);
    }
    for (k = 0; k < plane->channels; k++)
        out[k] = scratch->split[k];
}

/* A row of each component that plane `p` of the source has, on the grid, in `values`. */
static void videohw_values(const videohw_general *plan, const videohw_grid *grid, int p,
                           const videohw_rows *rows, const uint8_t *samples, ptrdiff_t pitch,
                           int row, videohw_scratch *scratch, const float **values)
{
    const videohw_plane *plane = &plan->source[p];
    const videohw_axis *across = &grid->across[p], *down = &grid->down[p];
    const int count = grid->columns_read[p];
    const ptrdiff_t skipped = (ptrdiff_t)grid->first_column[p] * plane->channels * plane->bytes;
    float *loaded[3];
    int t, k, first = 1;
    /* What is read lies in `values` where no filter along the row follows. */
    for (k = 0; k < 3; k++)
        loaded[k] = scratch->values[k];
    for (t = 0; t < down->taps; t++) {
        const float weight = down->weights[(ptrdiff_t)t * down->count + row];
        const uint8_t *channel[VIDEOHW_MOST_CHANNELS];
        if (weight == 0.0f && !(first && t == down->taps - 1))
            continue;
        videohw_split(plane, rows, samples + (down->begin[row] + t) * pitch + skipped, count,
                      scratch, channel);
        for (k = 0; k < plane->channels; k++) {
            const int c = plane->component[k];
            if (c < 0)
                continue;
            if (plane->bytes == 1)
                rows->take8(channel[k], weight, first, count, loaded[c]);
            else
                rows->take16((const uint16_t *)(const void *)channel[k], plane->shift, weight,
                             first, count, loaded[c]);
        }
        first = 0;
    }
    for (k = 0; k < plane->channels; k++) {
        const int c = plane->component[k];
        if (c < 0)
            continue;
        values[c] = loaded[c] + (across->plain ? across->begin[0] : 0);
        if (!across->plain) {
            /* The row that was loaded and the one that is made of it change places. */
            float *made = scratch->loaded;
            rows->combine(loaded[c], across->begin, across->weights, across->taps, across->count,
                          made);
            scratch->loaded = scratch->values[c];
            scratch->values[c] = made;
            values[c] = made;
        }
    }
}

/* One component of the target, as the samples of its plane. */
static void videohw_make(const videohw_general *plan, const videohw_plane *plane,
                         const videohw_rows *rows, const float *const *values, int component,
                         int count, uint8_t *out)
{
    const videohw_affine *by = &plan->affine[component];
    if (plan->kind == VIDEOHW_FLOATS)
        rows->affine_float(values, by, count, (float *)(void *)out);
    else if (plan->kind == VIDEOHW_HALVES)
        rows->affine_half(values, by, count, (uint16_t *)(void *)out);
    else if (plane->bytes == 1)
        rows->affine8(values, by, count, out);
    else
        rows->affine16(values, by, plane->shift, count, (uint16_t *)(void *)out);
}

/* A component of the source as the samples of a plane of the target, without rounding. */
static const uint8_t *videohw_copied(const videohw_plane *source, const videohw_plane *target,
                                     const videohw_rows *rows, int left, const uint8_t *samples,
                                     int count, uint8_t *out)
{
    uint16_t *words = (uint16_t *)(void *)out;
    if (source->bytes == 1 && target->bytes == 1)
        return samples;
    if (source->bytes == 1)
        rows->widen(samples, left + target->shift, count, words);
    else
        rows->move16((const uint16_t *)(const void *)samples, source->shift, left + target->shift,
                     count, words);
    return out;
}

static void videohw_weave(const videohw_plane *plane, const videohw_rows *rows,
                          const uint8_t *const *made, int count, uint8_t *out)
{
    if (plane->channels == 1) {
        if (made[0] != out)
            memcpy(out, made[0], (size_t)count * (size_t)plane->bytes);
    } else if (plane->bytes == 1) {
        rows->weave8(made, plane->channels, count, out);
    } else {
        const uint16_t *words[2];
        words[0] = (const uint16_t *)(const void *)made[0];
        words[1] = (const uint16_t *)(const void *)made[1];
        rows->weave16(words, count, (uint16_t *)(void *)out);
    }
}

/* Row `row` of each plane of the target that lies on grid `g`. */
static void videohw_general_row(const videohw_general *plan, int g, const videohw_rows *rows,
                                const uint8_t *const *from, const ptrdiff_t *from_pitches,
                                uint8_t *const *to, const ptrdiff_t *to_pitches, int row,
                                videohw_scratch *scratch)
{
    const videohw_grid *grid = &plan->grid[g];
    const float *values[3];
    const uint8_t *samples[3] = {NULL, NULL, NULL};
    const videohw_plane *plane_of[3] = {NULL, NULL, NULL};
    int p, k;
    values[0] = values[1] = values[2] = scratch->zeros;
    for (p = 0; p < plan->source_planes; p++) {
        const uint8_t *channel[VIDEOHW_MOST_CHANNELS];
        const videohw_plane *plane = &plan->source[p];
        const ptrdiff_t skipped =
            (ptrdiff_t)grid->first_column[p] * plane->channels * plane->bytes;
        if (!grid->used[p])
            continue;
        if (!grid->copies) {
            videohw_values(plan, grid, p, rows, from[p], from_pitches[p], row, scratch, values);
            continue;
        }
        videohw_split(plane, rows,
                      from[p] + grid->down[p].begin[row] * from_pitches[p] + skipped,
                      grid->columns_read[p], scratch, channel);
        for (k = 0; k < plane->channels; k++)
            if (plane->component[k] >= 0) {
                samples[plane->component[k]] = channel[k];
                plane_of[plane->component[k]] = plane;
            }
    }
    for (p = 0; p < plan->target_planes; p++) {
        const videohw_plane *plane = &plan->target[p];
        const uint8_t *made[VIDEOHW_MOST_CHANNELS];
        uint8_t *out = to[p] + row * to_pitches[p];
        if (plan->grid_of[p] != g)
            continue;
        for (k = 0; k < plane->channels; k++) {
            const int c = plane->component[k];
            uint8_t *at = plane->channels == 1 ? out : scratch->made[k];
            if (c < 0)
                continue;
            if (grid->copies) {
                const int s = grid->source[c];
                made[k] = videohw_copied(plane_of[s], plane, rows, grid->left, samples[s],
                                         grid->columns, at);
            } else {
                videohw_make(plan, plane, rows, values, c, grid->columns, at);
                made[k] = at;
            }
        }
        videohw_weave(plane, rows, made, grid->columns, out);
    }
}

/* The rows of `part` of `parts` equal parts. Returns 0, or -1 when there is no memory. */
static int videohw_run_general(const videohw_general *plan, const videohw_rows *rows,
                               const uint8_t *const *from, const ptrdiff_t *from_pitches,
                               uint8_t *const *to, const ptrdiff_t *to_pitches, int part,
                               int parts)
{
    videohw_scratch scratch;
    void *memory = videohw_open_scratch(plan, &scratch);
    int g;
    if (memory == NULL)
        return -1;
    for (g = 0; g < plan->grids; g++) {
        const int count = plan->grid[g].rows;
        const int end = (int)((int64_t)count * (part + 1) / parts);
        int row = (int)((int64_t)count * part / parts);
        for (; row < end; row++)
            videohw_general_row(plan, g, rows, from, from_pitches, to, to_pitches, row, &scratch);
    }
    free(memory);
    return 0;
}

#endif
