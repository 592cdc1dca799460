/* The levels of row functions in this build, and which of them this processor can run.
 *
 * GCC and Clang compile a level for its instructions whatever the rest is compiled for; MSVC
 * takes the intrinsics of any. On other compilers and processors there is the plain level only.
 */
#ifndef VIDEOHW_PIXELS_LEVELS_H
#define VIDEOHW_PIXELS_LEVELS_H

#include "rows_plain.h"

#if defined(__x86_64__) || defined(_M_X64)

#include <immintrin.h>
#include "shuffles.h"
#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#else
#include <cpuid.h>
#endif

#define VIDEOHW_LEVEL sse41
#define VIDEOHW_LEVEL_NAME "sse4.1"
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("sse4.1"))), apply_to = function)
#elif defined(__GNUC__)
#pragma GCC push_options
#pragma GCC target("sse4.1")
#endif
#include "vector_names.h"
#include "vectors_sse41.h"
#include "rows_vector.h"
#if defined(__clang__)
#pragma clang attribute pop
#elif defined(__GNUC__)
#pragma GCC pop_options
#endif
#undef VIDEOHW_LEVEL
#undef VIDEOHW_LEVEL_NAME

#define VIDEOHW_LEVEL avx2
#define VIDEOHW_LEVEL_NAME "avx2"
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,f16c"))), apply_to = function)
#elif defined(__GNUC__)
#pragma GCC push_options
#pragma GCC target("avx2,f16c")
#endif
#include "vector_names.h"
#include "vectors_avx2.h"
#include "rows_vector.h"
#if defined(__clang__)
#pragma clang attribute pop
#elif defined(__GNUC__)
#pragma GCC pop_options
#endif
#undef VIDEOHW_LEVEL
#undef VIDEOHW_LEVEL_NAME

/* Asked of the processor itself: what compilers have for it relies on a start-up routine of
 * theirs, which is not linked in everywhere. */
static void videohw_cpuid(unsigned leaf, unsigned *a, unsigned *b, unsigned *c)
{
#if defined(_MSC_VER) && !defined(__clang__)
    int out[4];
    __cpuidex(out, (int)leaf, 0);
    *a = (unsigned)out[0];
    *b = (unsigned)out[1];
    *c = (unsigned)out[2];
#else
    unsigned d;
    __cpuid_count(leaf, 0, *a, *b, *c, d);
    (void)d;
#endif
}

/* Does the system keep the wide registers of every thread? (XCR0) */
static int videohw_keeps_avx(void)
{
#if defined(_MSC_VER) && !defined(__clang__)
    return (_xgetbv(0) & 6) == 6;
#else
    unsigned low, high;
    __asm__ volatile(".byte 0x0F, 0x01, 0xD0" /* xgetbv */ : "=a"(low), "=d"(high) : "c"(0));
    (void)high;
    return (low & 6) == 6;
#endif
}

static int videohw_has_sse41(void)
{
    unsigned a, b, c;
    videohw_cpuid(1, &a, &b, &c);
    return (int)(c >> 19 & 1) && (int)(c >> 9 & 1); /* SSE4.1 and SSSE3 */
}

static int videohw_has_avx2(void)
{
    unsigned a, b, c;
    videohw_cpuid(0, &a, &b, &c);
    if (a < 7)
        return 0;
    videohw_cpuid(1, &a, &b, &c);
    if (!(c >> 27 & 1) || !(c >> 29 & 1) || !videohw_keeps_avx()) /* OSXSAVE, F16C */
        return 0;
    videohw_cpuid(7, &a, &b, &c);
    return (int)(b >> 5 & 1);
}

#elif (defined(__aarch64__) && !defined(__AARCH64EB__)) || defined(_M_ARM64)

#include <arm_neon.h>

#define VIDEOHW_LEVEL neon
#define VIDEOHW_LEVEL_NAME "neon"
#include "vector_names.h"
#include "vectors_neon.h"
#include "rows_vector.h"
#undef VIDEOHW_LEVEL
#undef VIDEOHW_LEVEL_NAME
#define VIDEOHW_HAS_NEON 1

#endif

#define VIDEOHW_MOST_LEVELS 3

/* The levels that run here, the plain one first, the fastest last; returns how many. */
static int videohw_levels(const videohw_rows **out)
{
    int count = 0;
    out[count++] = &videohw_rows_plain;
#if defined(__x86_64__) || defined(_M_X64)
    if (videohw_has_sse41())
        out[count++] = &videohw_rows_sse41;
    if (count == 2 && videohw_has_avx2())
        out[count++] = &videohw_rows_avx2;
#elif defined(VIDEOHW_HAS_NEON)
    out[count++] = &videohw_rows_neon;
#endif
    return count;
}

#endif
