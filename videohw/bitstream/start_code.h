/* The search that every byte of an Annex-B stream passes: where may a NAL unit end or begin?
 *
 * Owns the search and nothing else: no buffers, no state, no Python. Rec. ITU-T H.264 and H.265,
 * B.1.1: a NAL unit ends before 00 00 00 or 00 00 01, and a start code is 00 00 01.
 */
#ifndef VIDEOHW_START_CODE_H
#define VIDEOHW_START_CODE_H

#include <stddef.h>
#include <stdint.h>

#if defined(__SSE2__) || defined(_M_X64) || (defined(_M_IX86_FP) && _M_IX86_FP >= 2)
#define VIDEOHW_SSE2 1
#include <emmintrin.h>
#elif (defined(__ARM_NEON) && !defined(__ARM_BIG_ENDIAN)) || defined(_M_ARM64)
#define VIDEOHW_NEON 1
#include <arm_neon.h>
#endif

#if defined(_MSC_VER)
#include <intrin.h>
#endif

/* The first i >= from with data[i..i+2] = 00 00 00 or 00 00 01 and i + 2 < end; `end` if none.
 * from <= end.
 * The plain form: the definition of the search, its last few bytes, and the only form on
 * processors without vectors. */
static inline size_t videohw_find_zeros_scalar(const uint8_t *data, size_t from, size_t end)
{
    size_t i = from;
    while (i + 2 < end) {
        if (data[i + 2] > 1)
            i += 3; /* neither this byte nor the two before it begin the pattern */
        else if (data[i] == 0 && data[i + 1] == 0)
            return i;
        else
            i += 1;
    }
    return end;
}

#if defined(VIDEOHW_SSE2) || defined(VIDEOHW_NEON)

static inline unsigned videohw_lowest_bit(uint64_t mask)
{
#if defined(_MSC_VER)
    unsigned long index;
#if defined(_WIN64)
    _BitScanForward64(&index, mask);
#else
    if (!_BitScanForward(&index, (unsigned long)mask)) {
        _BitScanForward(&index, (unsigned long)(mask >> 32));
        index += 32;
    }
#endif
    return (unsigned)index;
#else
    return (unsigned)__builtin_ctzll(mask);
#endif
}

/* A bit for each of the 32 byte pairs of 64 bytes that reads 00 00 or 00 01; bit 2k for pair k.
 * Wherever the pattern begins, one of the pairs it covers reads so: at an even place the pair
 * 00 00 that begins it, at an odd place the pair 00 00 or 00 01 that ends it. So one load and
 * one comparison for each 16 bytes find every candidate, and chance finds one in 32768 pairs. */
#if defined(VIDEOHW_SSE2)
static inline uint64_t videohw_zero_pairs(const uint8_t *block)
{
    const __m128i keep = _mm_set1_epi16((short)0xFEFF); /* 00 01 in memory is 0x0100 */
    const __m128i zero = _mm_setzero_si128();
    const __m128i *p = (const __m128i *)(const void *)block;
    __m128i a = _mm_cmpeq_epi16(_mm_and_si128(_mm_loadu_si128(p), keep), zero);
    __m128i b = _mm_cmpeq_epi16(_mm_and_si128(_mm_loadu_si128(p + 1), keep), zero);
    __m128i c = _mm_cmpeq_epi16(_mm_and_si128(_mm_loadu_si128(p + 2), keep), zero);
    __m128i d = _mm_cmpeq_epi16(_mm_and_si128(_mm_loadu_si128(p + 3), keep), zero);
    __m128i any = _mm_or_si128(_mm_or_si128(a, b), _mm_or_si128(c, d));
    if (_mm_movemask_epi8(any) == 0)
        return 0;
    return ((uint64_t)(unsigned)_mm_movemask_epi8(a) |
            (uint64_t)(unsigned)_mm_movemask_epi8(b) << 16 |
            (uint64_t)(unsigned)_mm_movemask_epi8(c) << 32 |
            (uint64_t)(unsigned)_mm_movemask_epi8(d) << 48) & 0x5555555555555555u;
}
#else
static inline uint64_t videohw_zero_pairs(const uint8_t *block)
{
    const uint16x8_t keep = vdupq_n_u16(0xFEFF); /* 00 01 in memory is 0x0100 */
    uint16x8_t lane[4], any;
    uint64_t mask = 0;
    int k, j;
    for (k = 0; k < 4; k++)
        lane[k] = vceqq_u16(
            vandq_u16(vreinterpretq_u16_u8(vld1q_u8(block + 16 * k)), keep), vdupq_n_u16(0));
    any = vorrq_u16(vorrq_u16(lane[0], lane[1]), vorrq_u16(lane[2], lane[3]));
    if ((vgetq_lane_u64(vreinterpretq_u64_u16(any), 0) |
         vgetq_lane_u64(vreinterpretq_u64_u16(any), 1)) == 0)
        return 0;
    for (k = 0; k < 4; k++) {
        /* One byte for each pair, FF or 00: its lowest bit goes to bit 2j of the mask. */
        uint64_t pairs = vget_lane_u64(vreinterpret_u64_u8(vmovn_u16(lane[k])), 0);
        for (j = 0; j < 8; j++)
            mask |= (pairs >> (8 * j) & 1u) << (16 * k + 2 * j);
    }
    return mask;
}
#endif

static inline size_t videohw_find_zeros(const uint8_t *data, size_t from, size_t end)
{
    size_t i = from;
    for (; end - i > 64; i += 64) { /* more than 64: the byte after a block's last pair exists */
        uint64_t mask = videohw_zero_pairs(data + i);
        for (; mask != 0; mask &= mask - 1) {
            size_t pair = i + videohw_lowest_bit(mask);
            if (pair > from && data[pair - 1] == 0 && data[pair] == 0)
                return pair - 1;
            if (data[pair] == 0 && data[pair + 1] == 0 && data[pair + 2] <= 1)
                return pair;
        }
    }
    return videohw_find_zeros_scalar(data, i > from ? i - 1 : from, end);
}

#else
#define videohw_find_zeros videohw_find_zeros_scalar
#endif

#endif
