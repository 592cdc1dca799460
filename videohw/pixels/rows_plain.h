/* The row functions of rows.h in plain C: their definition, the ends of rows for the vector
 * levels, and the whole of them on processors without vectors.
 */
#ifndef VIDEOHW_PIXELS_ROWS_PLAIN_H
#define VIDEOHW_PIXELS_ROWS_PLAIN_H

#include "half.h"
#include "rows.h"

#if defined(__GNUC__) || defined(__clang__)
/* The vector levels call these for a few samples: not worth a copy of their own in each. */
#define VIDEOHW_PLAIN static __attribute__((noinline))
#else
#define VIDEOHW_PLAIN static
#endif

VIDEOHW_PLAIN void mix8_plain(const uint8_t *a, const uint8_t *b, int a_weight, int b_weight,
                              int count, uint16_t *out)
{
    int i;
    for (i = 0; i < count; i++)
        out[i] = (uint16_t)(a[i] * a_weight + b[i] * b_weight);
}

VIDEOHW_PLAIN void mix16_plain(const uint16_t *a, const uint16_t *b, int right, int a_weight,
                               int b_weight, int count, uint16_t *out)
{
    int i;
    for (i = 0; i < count; i++)
        out[i] = (uint16_t)((a[i] >> right) * a_weight + (b[i] >> right) * b_weight);
}

/* Sixteenths, which fill 16 bits, less the middle. */
static inline int16_t centred_plain(unsigned sixteenths)
{
    return (int16_t)(uint16_t)(sixteenths ^ 0x8000u);
}

/* The two luma columns of one chroma sample, whose neighbours lie `step` before and after it. */
static inline void spread_one_plain(const uint16_t *mixed, int step, int how, int16_t *out)
{
    unsigned before = mixed[-step], here = mixed[0], after = mixed[step];
    switch (how) {
    case VIDEOHW_REPEATED:
        out[0] = out[1] = centred_plain(4 * here);
        break;
    case VIDEOHW_COSITED:
        out[0] = centred_plain(4 * here);
        out[1] = centred_plain(2 * (here + after));
        break;
    default:
        out[0] = centred_plain(before + 3 * here);
        out[1] = centred_plain(3 * here + after);
    }
}

VIDEOHW_PLAIN void spread_plain(const uint16_t *mixed, int count, int how, int16_t *out)
{
    int i;
    if (how == VIDEOHW_SAME)
        for (i = 0; i < count; i++)
            out[i] = centred_plain(4u * mixed[i]);
    else
        for (i = 0; i < count; i++)
            spread_one_plain(mixed + i, 1, how, out + 2 * i);
}

VIDEOHW_PLAIN void spread_pairs_plain(const uint16_t *mixed, int count, int how, int16_t *first,
                                      int16_t *second)
{
    int i;
    for (i = 0; i < count; i++) {
        if (how == VIDEOHW_SAME) {
            first[i] = centred_plain(4u * mixed[2 * i]);
            second[i] = centred_plain(4u * mixed[2 * i + 1]);
        } else {
            spread_one_plain(mixed + 2 * i, 2, how, first + 2 * i);
            spread_one_plain(mixed + 2 * i + 1, 2, how, second + 2 * i);
        }
    }
}

static inline int16_t luma_plain(videohw_luma luma, int i)
{
    unsigned word = luma.bytes == 1 ? ((const uint8_t *)luma.samples)[i]
                                    : ((const uint16_t *)luma.samples)[i];
    return centred_plain((word >> luma.right << luma.left) & 0xFFFFu);
}

static inline videohw_luma luma_after(videohw_luma luma, int count)
{
    luma.samples = (const uint8_t *)luma.samples + (ptrdiff_t)count * luma.bytes;
    return luma;
}

/* The product of two fractions of 15 bits, rounded with halves up. */
static inline int product_plain(int a, int b)
{
    return (a * b + 0x4000) >> 15;
}

static inline int saturated_plain(int value)
{
    return value < -32768 ? -32768 : value > 32767 ? 32767 : value;
}

/* 1/64 of code values, with the half added already, to a code. */
static inline uint8_t code_plain(int value)
{
    value >>= 6;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

VIDEOHW_PLAIN void rgb8_plain(videohw_luma luma, const int16_t *cb, const int16_t *cr,
                              const videohw_fixed *by, int count, int form, int swapped,
                              uint8_t *const *out)
{
    const int red = form != VIDEOHW_PLANAR && swapped ? 2 : 0;
    int i;
    for (i = 0; i < count; i++) {
        int y = product_plain(luma_plain(luma, i), by->luma);
        int r = saturated_plain(y + by->offset[0] + product_plain(cr[i], by->red_cr));
        int g = saturated_plain(y + by->offset[1] + product_plain(cb[i], by->green_cb));
        int b = saturated_plain(y + by->offset[2] + product_plain(cb[i], by->blue_cb));
        uint8_t codes[4];
        g = saturated_plain(g + product_plain(cr[i], by->green_cr));
        codes[red] = code_plain(r);
        codes[1] = code_plain(g);
        codes[2 - red] = code_plain(b);
        codes[3] = 255;
        if (form == VIDEOHW_PLANAR) {
            out[0][i] = codes[0];
            out[1][i] = codes[1];
            out[2][i] = codes[2];
        } else {
            int bytes = form == VIDEOHW_PACKED3 ? 3 : 4;
            memcpy(out[0] + (ptrdiff_t)bytes * i, codes, (size_t)bytes);
        }
    }
}

static inline float limited_plain(float value, float low, float high)
{
    value = value > low ? value : low;
    return value < high ? value : high;
}

static inline float floating_plain(float y, float cb, float cr, const videohw_floating *by, int k)
{
    float value = y * by->luma[k] + by->offset[k];
    value = value + cb * by->cb[k];
    value = value + cr * by->cr[k];
    return limited_plain(value, by->low[k], by->high[k]);
}

VIDEOHW_PLAIN void rgb_float_plain(videohw_luma luma, const int16_t *cb, const int16_t *cr,
                                   const videohw_floating *by, int count, float *const *out)
{
    int i, k;
    for (i = 0; i < count; i++)
        for (k = 0; k < 3; k++)
            out[k][i] = floating_plain(luma_plain(luma, i), cb[i], cr[i], by, k);
}

VIDEOHW_PLAIN void rgb_half_plain(videohw_luma luma, const int16_t *cb, const int16_t *cr,
                                  const videohw_floating *by, int count, uint16_t *const *out)
{
    int i, k;
    for (i = 0; i < count; i++)
        for (k = 0; k < 3; k++)
            out[k][i] = videohw_half(floating_plain(luma_plain(luma, i), cb[i], cr[i], by, k));
}

VIDEOHW_PLAIN void narrow_plain(const uint16_t *mixed, int count, int how, int16_t *out)
{
    int i;
    for (i = 0; i < count; i++) {
        const uint16_t *at = mixed + 2 * i;
        if (how == VIDEOHW_SAME)
            out[i] = (int16_t)(mixed[i] * 32);
        else if (how == VIDEOHW_COSITED)
            out[i] = (int16_t)((at[-1] + 2 * at[0] + at[1]) * 8);
        else
            out[i] = (int16_t)((at[0] + at[1]) * 16);
    }
}

/* One component of RGB on a scale of 15 bits, to the bits of its word. */
static inline unsigned of_rgb_plain(int r, int g, int b, const videohw_weights *by)
{
    int sum = product_plain(r, by->factor[0]) + product_plain(g, by->factor[1]);
    sum = saturated_plain(sum + product_plain(b, by->factor[2]) + by->offset);
    return (unsigned)sum >> by->right << by->left;
}

VIDEOHW_PLAIN void of_rgb8_plain(const uint8_t *const *rgb, const videohw_weights *by, int count,
                                 void *out)
{
    int i;
    for (i = 0; i < count; i++) {
        unsigned word = of_rgb_plain(rgb[0][i] << 7, rgb[1][i] << 7, rgb[2][i] << 7, by);
        if (by->bytes == 1)
            ((uint8_t *)out)[i] = (uint8_t)word;
        else
            ((uint16_t *)out)[i] = (uint16_t)word;
    }
}

VIDEOHW_PLAIN void of_rgb15_plain(const int16_t *const *rgb, const videohw_weights *by, int count,
                                  void *out)
{
    int i;
    for (i = 0; i < count; i++) {
        unsigned word = of_rgb_plain(rgb[0][i], rgb[1][i], rgb[2][i], by);
        if (by->bytes == 1)
            ((uint8_t *)out)[i] = (uint8_t)word;
        else
            ((uint16_t *)out)[i] = (uint16_t)word;
    }
}

VIDEOHW_PLAIN void split8_plain(const uint8_t *from, int channels, int count, uint8_t *const *out)
{
    int i, k;
    for (k = 0; k < channels; k++)
        for (i = 0; i < count; i++)
            out[k][i] = from[channels * i + k];
}

VIDEOHW_PLAIN void split16_plain(const uint16_t *from, int count, uint16_t *const *out)
{
    int i;
    for (i = 0; i < count; i++) {
        out[0][i] = from[2 * i];
        out[1][i] = from[2 * i + 1];
    }
}

VIDEOHW_PLAIN void take8_plain(const uint8_t *from, float weight, int first, int count,
                               float *out)
{
    int i;
    if (first)
        for (i = 0; i < count; i++)
            out[i] = weight * (float)from[i];
    else
        for (i = 0; i < count; i++)
            out[i] = out[i] + weight * (float)from[i];
}

VIDEOHW_PLAIN void take16_plain(const uint16_t *from, int right, float weight, int first,
                                int count, float *out)
{
    int i;
    if (first)
        for (i = 0; i < count; i++)
            out[i] = weight * (float)(from[i] >> right);
    else
        for (i = 0; i < count; i++)
            out[i] = out[i] + weight * (float)(from[i] >> right);
}

VIDEOHW_PLAIN void combine_plain(const float *from, const int32_t *begin, const float *weights,
                                 int taps, int count, float *out)
{
    int i, t;
    for (i = 0; i < count; i++) {
        const float *at = from + begin[i];
        float sum = weights[i] * at[0];
        for (t = 1; t < taps; t++)
            sum = sum + weights[(ptrdiff_t)t * count + i] * at[t];
        out[i] = sum;
    }
}

static inline float affine_plain(const float *const *from, const videohw_affine *by, int i)
{
    float value = from[0][i] * by->factor[0] + by->offset;
    value = value + from[1][i] * by->factor[1];
    value = value + from[2][i] * by->factor[2];
    return limited_plain(value, by->low, by->high);
}

VIDEOHW_PLAIN void affine8_plain(const float *const *from, const videohw_affine *by, int count,
                                 uint8_t *out)
{
    int i;
    for (i = 0; i < count; i++)
        out[i] = (uint8_t)(int)(affine_plain(from, by, i) + 0.5f);
}

VIDEOHW_PLAIN void affine16_plain(const float *const *from, const videohw_affine *by, int left,
                                  int count, uint16_t *out)
{
    int i;
    for (i = 0; i < count; i++)
        out[i] = (uint16_t)((unsigned)(int)(affine_plain(from, by, i) + 0.5f) << left);
}

VIDEOHW_PLAIN void affine_float_plain(const float *const *from, const videohw_affine *by,
                                      int count, float *out)
{
    int i;
    for (i = 0; i < count; i++)
        out[i] = affine_plain(from, by, i);
}

VIDEOHW_PLAIN void affine_half_plain(const float *const *from, const videohw_affine *by,
                                     int count, uint16_t *out)
{
    int i;
    for (i = 0; i < count; i++)
        out[i] = videohw_half(affine_plain(from, by, i));
}

VIDEOHW_PLAIN void widen_plain(const uint8_t *from, int left, int count, uint16_t *out)
{
    int i;
    for (i = 0; i < count; i++)
        out[i] = (uint16_t)((unsigned)from[i] << left);
}

VIDEOHW_PLAIN void move16_plain(const uint16_t *from, int right, int left, int count,
                                uint16_t *out)
{
    int i;
    for (i = 0; i < count; i++)
        out[i] = (uint16_t)((unsigned)from[i] >> right << left);
}

VIDEOHW_PLAIN void weave8_plain(const uint8_t *const *from, int channels, int count, uint8_t *out)
{
    int i, k;
    for (i = 0; i < count; i++)
        for (k = 0; k < channels; k++)
            out[channels * i + k] = k < 3 ? from[k][i] : 255;
}

VIDEOHW_PLAIN void weave16_plain(const uint16_t *const *from, int count, uint16_t *out)
{
    int i;
    for (i = 0; i < count; i++) {
        out[2 * i] = from[0][i];
        out[2 * i + 1] = from[1][i];
    }
}

static const videohw_rows videohw_rows_plain = {
    "plain", mix8_plain, mix16_plain, spread_plain, spread_pairs_plain, rgb8_plain,
    rgb_float_plain, rgb_half_plain, narrow_plain, of_rgb8_plain, of_rgb15_plain, split8_plain,
    split16_plain, take8_plain, take16_plain, combine_plain, affine8_plain, affine16_plain,
    affine_float_plain, affine_half_plain, widen_plain, move16_plain, weave8_plain,
    weave16_plain,
};

#endif
