/* As much of CUDA's language as the sources in kernels/ use, for a C++ compiler of the host.
 *
 * Owns the stand-ins and run_block: the threads of a block run one after the other. A kernel whose
 * threads exchange data in shared memory is written in phases with a barrier between them; every
 * thread runs through all of the code once for each phase, and does what IN_PHASE lets it.
 */
#ifndef VIDEOHW_TESTS_CUDA_SHIM_H
#define VIDEOHW_TESTS_CUDA_SHIM_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define __device__
#define __global__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __shared__ static

enum { PHASES = 3 };
#define IN_PHASE(number) (phase_of_block == (number))
static int phase_of_block;

struct dim3 { unsigned x, y, z; };
static dim3 threadIdx, blockIdx;

struct alignas(8) uint2 { unsigned x, y; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
static inline uint2 make_uint2(unsigned x, unsigned y) { return uint2{x, y}; }
static inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w)
{
    return uint4{x, y, z, w};
}

static inline void __syncwarp() {}
static inline void __syncthreads() {}

/* A device traps at an address that is not a multiple of the size; so does this. */
template <typename T> static inline T __ldg(const T *place)
{
    if ((uintptr_t)place % sizeof(T)) __builtin_trap();
    T value;
    memcpy(&value, place, sizeof value);
    return value;
}

static inline float __uint_as_float(unsigned bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline unsigned __float_as_uint(float value)
{
    unsigned bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float __saturatef(float value) { return value > 0.0f ? (value < 1.0f ? value : 1.0f) : 0.0f; }

/* Rounded down, of a sum in which one is the smallest step. */
static inline float __fadd_rd(float a, float b) { return (float)floor((double)a + b); }

static inline unsigned min(unsigned a, unsigned b) { return a < b ? a : b; }

/* Byte i of the result is the byte of b:a that nibble i of the selector names. */
static inline unsigned __byte_perm(unsigned a, unsigned b, unsigned selector)
{
    const uint64_t both = (uint64_t)b << 32 | a;
    unsigned result = 0;
    for (int i = 0; i < 4; ++i)
        result |= (unsigned)(both >> 8 * (selector >> 4 * i & 7) & 0xFF) << 8 * i;
    return result;
}

static inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned shift)
{
    return (unsigned)(((uint64_t)high << 32 | low) << (shift & 31) >> 32);
}

static inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift)
{
    return (unsigned)(((uint64_t)high << 32 | low) >> (shift & 31));
}

#endif
