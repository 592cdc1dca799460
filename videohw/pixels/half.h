/* float32 to IEEE 754 binary16 by integer arithmetic, to the nearest, halves to even.
 *
 * Owns this one function, which every path without an instruction of its own for it uses.
 */
#ifndef VIDEOHW_PIXELS_HALF_H
#define VIDEOHW_PIXELS_HALF_H

#include <stdint.h>
#include <string.h>

static inline uint16_t videohw_half(float value)
{
    uint32_t bits, sign, low, half_of_step;
    unsigned shift;
    memcpy(&bits, &value, sizeof bits);
    sign = bits >> 16 & 0x8000u;
    bits &= 0x7FFFFFFFu;
    if (bits > 0x7F800000u)
        return (uint16_t)(sign | 0x7E00u); /* not a number */
    if (bits >= 0x477FF000u)
        return (uint16_t)(sign | 0x7C00u); /* 65520 and more round to infinity */
    if (bits >= 0x38800000u) {
        /* Normal: the exponent loses its bias of 112, the fraction its 13 lowest bits. A carry
         * out of the fraction goes into the exponent, as it must. */
        bits += 0x0FFFu + (bits >> 13 & 1u);
        return (uint16_t)(sign | (bits - 0x38000000u) >> 13);
    }
    if (bits <= 0x33000000u)
        return (uint16_t)sign; /* up to 2^-25, a half of the smallest step */
    /* Subnormal: the fraction with its hidden bit, in steps of 2^-24. */
    shift = 126u - (bits >> 23);
    bits = (bits & 0x7FFFFFu) | 0x800000u;
    low = bits & ((1u << shift) - 1u);
    half_of_step = 1u << (shift - 1u);
    bits >>= shift;
    bits += low > half_of_step || (low == half_of_step && (bits & 1u));
    return (uint16_t)(sign | bits);
}

#endif
