/* The vector operations of rows_vector.h in AVX2 and F16C: 16 words, 32 bytes, 8 floats.
 *
 * Most instructions of AVX2 work on two halves of 16 bytes each by themselves; the permutations
 * here put the halves back in order.
 */
#define V16_LANES 16
#define VF_LANES 8

typedef __m256i v16, v8;
typedef __m256 vf;

static inline v16 v16_load(const void *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
}

static inline void v16_store(void *p, v16 a)
{
    _mm256_storeu_si256((__m256i *)p, a);
}

static inline v16 v16_widen(const uint8_t *p)
{
    return _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(const void *)p));
}

static inline v16 v16_set(int a)
{
    return _mm256_set1_epi16((short)a);
}

static inline v16 v16_multiply(v16 a, v16 b)
{
    return _mm256_mullo_epi16(a, b);
}

static inline v16 v16_add(v16 a, v16 b)
{
    return _mm256_add_epi16(a, b);
}

static inline v16 v16_add_saturated(v16 a, v16 b)
{
    return _mm256_adds_epi16(a, b);
}

static inline v16 v16_product(v16 a, v16 b)
{
    return _mm256_mulhrs_epi16(a, b);
}

static inline v16 v16_xor(v16 a, v16 b)
{
    return _mm256_xor_si256(a, b);
}

static inline v16 v16_right(v16 a, int bits)
{
    return _mm256_srl_epi16(a, _mm_cvtsi32_si128(bits));
}

static inline v16 v16_left(v16 a, int bits)
{
    return _mm256_sll_epi16(a, _mm_cvtsi32_si128(bits));
}

static inline v16 v16_code(v16 a)
{
    return _mm256_srai_epi16(a, 6);
}

static inline v16 v16_firsts(v16 a, v16 b)
{
    return _mm256_blend_epi16(a, _mm256_slli_epi32(b, 16), 0xAA);
}

static inline v16 v16_seconds(v16 a, v16 b)
{
    return _mm256_blend_epi16(_mm256_srli_epi32(a, 16), b, 0xAA);
}

static inline void v16_load2(const void *p, v16 *out)
{
    v16 a = v16_load(p), b = v16_load((const uint8_t *)p + 32);
    const v16 low = _mm256_set1_epi32(0xFFFF);
    out[0] = _mm256_permute4x64_epi64(
        _mm256_packus_epi32(_mm256_and_si256(a, low), _mm256_and_si256(b, low)), 0xD8);
    out[1] = _mm256_permute4x64_epi64(
        _mm256_packus_epi32(_mm256_srli_epi32(a, 16), _mm256_srli_epi32(b, 16)), 0xD8);
}

/* Puts the halves (a0 a1) and (b0 b1) down as a0 b0 a1 b1. */
static inline void store_halves_avx2(void *p, v16 a, v16 b)
{
    v16_store(p, _mm256_permute2x128_si256(a, b, 0x20));
    v16_store((uint8_t *)p + 32, _mm256_permute2x128_si256(a, b, 0x31));
}

static inline void v16_store2(void *p, v16 a, v16 b)
{
    store_halves_avx2(p, _mm256_unpacklo_epi16(a, b), _mm256_unpackhi_epi16(a, b));
}

static inline v8 v8_load(const uint8_t *p)
{
    return v16_load(p);
}

static inline void v8_store(uint8_t *p, v8 a)
{
    v16_store(p, a);
}

static inline v8 v8_set(int a)
{
    return _mm256_set1_epi8((char)a);
}

static inline v8 v8_pack(v16 a, v16 b)
{
    return _mm256_permute4x64_epi64(_mm256_packus_epi16(a, b), 0xD8);
}

static inline void v8_load2(const uint8_t *p, v8 *out)
{
    v16 a = v16_load(p), b = v16_load(p + 32);
    const v16 low = _mm256_set1_epi16(0xFF);
    out[0] = v8_pack(_mm256_and_si256(a, low), _mm256_and_si256(b, low));
    out[1] = v8_pack(_mm256_srli_epi16(a, 8), _mm256_srli_epi16(b, 8));
}

static inline __m256i twice_avx2(const uint8_t *mask)
{
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)mask));
}

static inline void v8_load3(const uint8_t *p, v8 *out)
{
    __m256i part[3];
    int k;
    for (k = 0; k < 3; k++) {
        const __m128i *at = (const __m128i *)(const void *)(p + 16 * k);
        part[k] = _mm256_inserti128_si256(
            _mm256_castsi128_si256(_mm_loadu_si128(at)), _mm_loadu_si128(at + 3), 1);
    }
    for (k = 0; k < 3; k++)
        out[k] = _mm256_or_si256(
            _mm256_or_si256(_mm256_shuffle_epi8(part[0], twice_avx2(videohw_split3[k][0])),
                            _mm256_shuffle_epi8(part[1], twice_avx2(videohw_split3[k][1]))),
            _mm256_shuffle_epi8(part[2], twice_avx2(videohw_split3[k][2])));
}

static inline void v8_load4(const uint8_t *p, v8 *out)
{
    const __m256i mask = twice_avx2(videohw_split4);
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    __m256i a = _mm256_shuffle_epi8(v16_load(p), mask);
    __m256i b = _mm256_shuffle_epi8(v16_load(p + 32), mask);
    __m256i c = _mm256_shuffle_epi8(v16_load(p + 64), mask);
    __m256i d = _mm256_shuffle_epi8(v16_load(p + 96), mask);
    __m256i ab = _mm256_unpacklo_epi32(a, b), cd = _mm256_unpacklo_epi32(c, d);
    out[0] = _mm256_permutevar8x32_epi32(_mm256_unpacklo_epi64(ab, cd), order);
    out[1] = _mm256_permutevar8x32_epi32(_mm256_unpackhi_epi64(ab, cd), order);
    ab = _mm256_unpackhi_epi32(a, b);
    cd = _mm256_unpackhi_epi32(c, d);
    out[2] = _mm256_permutevar8x32_epi32(_mm256_unpacklo_epi64(ab, cd), order);
    out[3] = _mm256_permutevar8x32_epi32(_mm256_unpackhi_epi64(ab, cd), order);
}

static inline void v8_store2(uint8_t *p, v8 a, v8 b)
{
    store_halves_avx2(p, _mm256_unpacklo_epi8(a, b), _mm256_unpackhi_epi8(a, b));
}

static inline void v8_store3(uint8_t *p, v8 a, v8 b, v8 c)
{
    __m256i part[3];
    int k;
    for (k = 0; k < 3; k++)
        part[k] = _mm256_or_si256(
            _mm256_or_si256(_mm256_shuffle_epi8(a, twice_avx2(videohw_weave3[k][0])),
                            _mm256_shuffle_epi8(b, twice_avx2(videohw_weave3[k][1]))),
            _mm256_shuffle_epi8(c, twice_avx2(videohw_weave3[k][2])));
    v16_store(p, _mm256_permute2x128_si256(part[0], part[1], 0x20));
    v16_store(p + 32, _mm256_permute2x128_si256(part[2], part[0], 0x30));
    v16_store(p + 64, _mm256_permute2x128_si256(part[1], part[2], 0x31));
}

static inline void v8_store4(uint8_t *p, v8 a, v8 b, v8 c, v8 d)
{
    __m256i ab = _mm256_unpacklo_epi8(a, b), cd = _mm256_unpacklo_epi8(c, d);
    __m256i first = _mm256_unpacklo_epi16(ab, cd), second = _mm256_unpackhi_epi16(ab, cd);
    __m256i third, fourth;
    ab = _mm256_unpackhi_epi8(a, b);
    cd = _mm256_unpackhi_epi8(c, d);
    third = _mm256_unpacklo_epi16(ab, cd);
    fourth = _mm256_unpackhi_epi16(ab, cd);
    v16_store(p, _mm256_permute2x128_si256(first, second, 0x20));
    v16_store(p + 32, _mm256_permute2x128_si256(third, fourth, 0x20));
    v16_store(p + 64, _mm256_permute2x128_si256(first, second, 0x31));
    v16_store(p + 96, _mm256_permute2x128_si256(third, fourth, 0x31));
}

static inline vf vf_set(float a)
{
    return _mm256_set1_ps(a);
}

static inline vf vf_load(const float *p)
{
    return _mm256_loadu_ps(p);
}

static inline void vf_store(float *p, vf a)
{
    _mm256_storeu_ps(p, a);
}

static inline vf vf_add(vf a, vf b)
{
    return _mm256_add_ps(a, b);
}

static inline vf vf_multiply(vf a, vf b)
{
    return _mm256_mul_ps(a, b);
}

static inline vf vf_limit(vf a, vf low, vf high)
{
    return _mm256_min_ps(_mm256_max_ps(a, low), high);
}

static inline vf vf_low(v16 a)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(_mm256_castsi256_si128(a)));
}

static inline vf vf_high(v16 a)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(_mm256_extracti128_si256(a, 1)));
}

static inline vf vf_low_unsigned(v16 a)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(_mm256_castsi256_si128(a)));
}

static inline vf vf_high_unsigned(v16 a)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(_mm256_extracti128_si256(a, 1)));
}

static inline v16 vf_codes(vf a, vf b)
{
    return _mm256_permute4x64_epi64(
        _mm256_packus_epi32(_mm256_cvttps_epi32(a), _mm256_cvttps_epi32(b)), 0xD8);
}

static inline void vf_store_half(uint16_t *p, vf a)
{
    _mm_storeu_si128((__m128i *)(void *)p, _mm256_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT));
}

/* The sums of rows.h's combine for as many places as there are floats in a vector. Places near
 * to each other are picked out of one or two vectors, which is faster than to gather them. */
static inline vf vf_combine(const float *from, const int32_t *begin, const float *weights,
                            int taps, int stride)
{
    const __m256i first = _mm256_set1_epi32(begin[0]);
    const __m256i place = _mm256_sub_epi32(v16_load(begin), first);
    const int span = begin[7] - begin[0];
    vf sum = _mm256_setzero_ps();
    int t;
    if (span < 0 || span >= 16) {
        sum = _mm256_mul_ps(vf_load(weights), _mm256_i32gather_ps(from, v16_load(begin), 4));
        for (t = 1; t < taps; t++)
            sum = _mm256_add_ps(
                sum, _mm256_mul_ps(vf_load(weights + (ptrdiff_t)t * stride),
                                   _mm256_i32gather_ps(from + t, v16_load(begin), 4)));
        return sum;
    }
    from += begin[0];
    for (t = 0; t < taps; t++) {
        vf picked = _mm256_permutevar8x32_ps(vf_load(from + t), place), part;
        if (span >= 8) {
            const vf far = _mm256_permutevar8x32_ps(vf_load(from + t + 8), place);
            /* The eights' bit of the place, as the sign that chooses. */
            picked = _mm256_blendv_ps(picked, far,
                                      _mm256_castsi256_ps(_mm256_slli_epi32(place, 28)));
        }
        part = _mm256_mul_ps(vf_load(weights + (ptrdiff_t)t * stride), picked);
        sum = t ? _mm256_add_ps(sum, part) : part;
    }
    return sum;
}
