/* What is done to one row of samples: the list of row functions, one table of them for each level
 * of instructions that the processor may have.
 *
 * Owns the meaning of every row function. rows_plain.h is their definition in plain C;
 * rows_vector.h does the same, bit for bit, with vectors.
 *
 * YCbCr to RGB and back at their own size computes in 16-bit fixed point. A chroma sample is
 * weighed by sixteenths at its place in luma, so that the values "by luma" are
 * (code - middle) << (16 - bits) without any rounding up to 12 bits; luma is brought to the same
 * scale. Products are rounded once, to 1/64 of a code value of RGB; to 15 bits for YCbCr. The
 * general way computes in float.
 */
#ifndef VIDEOHW_PIXELS_ROWS_H
#define VIDEOHW_PIXELS_ROWS_H

#include <stddef.h>
#include <stdint.h>

/* How chroma columns become luma columns. */
enum {
    VIDEOHW_SAME,     /* as many of both */
    VIDEOHW_REPEATED, /* two luma columns for each, the nearest */
    VIDEOHW_COSITED,  /* two for each, the first of them in its place */
    VIDEOHW_MIDWAY    /* two for each, which lies midway between them */
};

/* Where 8-bit RGB goes. */
enum {
    VIDEOHW_PLANAR,
    VIDEOHW_PACKED3,
    VIDEOHW_PACKED4 /* with an opaque fourth byte */
};

/* Luma in memory: bytes of a sample, and the shifts, right and then left, that take its code to
 * the top of 16 bits. */
typedef struct {
    const void *samples;
    int bytes, right, left;
} videohw_luma;

/* YCbCr by luma in 16 bits to RGB in 1/64 of a code value: factors in units of 1/8192 for codes
 * at the top of 16 bits, less their middle. Red has no Cb and blue no Cr in any of the matrices.
 * The offsets hold the half that rounds. */
typedef struct {
    int16_t luma, red_cr, green_cb, green_cr, blue_cb;
    int16_t offset[3];
} videohw_fixed;

/* The same to floats, each limited after it is computed. */
typedef struct {
    float luma[3], cb[3], cr[3], offset[3], low[3], high[3];
} videohw_floating;

/* One component made of three: factors, then what is added, then the limits. */
typedef struct {
    float factor[3], offset, low, high;
} videohw_affine;

/* One component of YCbCr of RGB on a scale of 15 bits: factors in units of 1/32768, of which the
 * result has 15 bits too, in halves added for rounding; then the shifts to its code and to the
 * place of that in its word of `bytes`. */
typedef struct {
    int16_t factor[3], offset;
    int right, left, bytes;
} videohw_weights;

typedef struct {
    const char *name;

    /* YCbCr to RGB. */

    /* out[i] = (a[i] >> right) * a_weight + (b[i] >> right) * b_weight; at most 16380. */
    void (*mix8)(const uint8_t *a, const uint8_t *b, int a_weight, int b_weight, int count,
                 uint16_t *out);
    void (*mix16)(const uint16_t *a, const uint16_t *b, int right, int a_weight, int b_weight,
                  int count, uint16_t *out);
    /* Mixed chroma by luma. There is one more of them before the first and after the last. */
    void (*spread)(const uint16_t *mixed, int count, int how, int16_t *out);
    /* The same for pairs, of which the first go to `first`. */
    void (*spread_pairs)(const uint16_t *mixed, int count, int how, int16_t *first,
                         int16_t *second);
    /* RGB of a row; `out` has one place, or three with VIDEOHW_PLANAR: those of red, green and
     * blue. `swapped` packs blue first. */
    void (*rgb8)(videohw_luma luma, const int16_t *cb, const int16_t *cr,
                 const videohw_fixed *by, int count, int form, int swapped, uint8_t *const *out);
    void (*rgb_float)(videohw_luma luma, const int16_t *cb, const int16_t *cr,
                      const videohw_floating *by, int count, float *const *out);
    void (*rgb_half)(videohw_luma luma, const int16_t *cb, const int16_t *cr,
                     const videohw_floating *by, int count, uint16_t *const *out);

    /* RGB to YCbCr. */

    /* Rows mixed by mix8 with weights of 4 in all, to chroma columns on a scale of 15 bits.
     * There is one sample more before the first and after the last; `count` of chroma. */
    void (*narrow)(const uint16_t *mixed, int count, int how, int16_t *out);
    /* A component of 8-bit RGB, and of RGB on a scale of 15 bits. */
    void (*of_rgb8)(const uint8_t *const *rgb, const videohw_weights *by, int count, void *out);
    void (*of_rgb15)(const int16_t *const *rgb, const videohw_weights *by, int count, void *out);

    /* The general way. */

    /* Every second, third or fourth of the samples of a row to a row of its own. */
    void (*split8)(const uint8_t *from, int channels, int count, uint8_t *const *out);
    void (*split16)(const uint16_t *from, int count, uint16_t *const *out);
    /* out[i] = weight * (from[i] >> right), added to what is there unless `first`. */
    void (*take8)(const uint8_t *from, float weight, int first, int count, float *out);
    void (*take16)(const uint16_t *from, int right, float weight, int first, int count,
                   float *out);
    /* out[i] = sum over t of weights[t * count + i] * from[begin[i] + t]. */
    void (*combine)(const float *from, const int32_t *begin, const float *weights, int taps,
                    int count, float *out);
    /* An affine component, rounded with halves up where it becomes an integer. */
    void (*affine8)(const float *const *from, const videohw_affine *by, int count, uint8_t *out);
    void (*affine16)(const float *const *from, const videohw_affine *by, int left, int count,
                     uint16_t *out);
    void (*affine_float)(const float *const *from, const videohw_affine *by, int count,
                         float *out);
    void (*affine_half)(const float *const *from, const videohw_affine *by, int count,
                        uint16_t *out);
    /* Codes of another depth or place in the word, without rounding. */
    void (*widen)(const uint8_t *from, int left, int count, uint16_t *out);
    void (*move16)(const uint16_t *from, int right, int left, int count, uint16_t *out);
    /* Rows of samples one after the other in the order of `from`; a fourth channel is opaque. */
    void (*weave8)(const uint8_t *const *from, int channels, int count, uint8_t *out);
    void (*weave16)(const uint16_t *const *from, int count, uint16_t *out);
} videohw_rows;

#endif
