/* The vector operations of rows_vector.h in SSE4.1: 8 words, 16 bytes, 4 floats. */
#define V16_LANES 8
#define VF_LANES 4

typedef __m128i v16, v8;
typedef __m128 vf;

static inline v16 v16_load(const void *p)
{
    return _mm_loadu_si128((const __m128i *)p);
}

static inline void v16_store(void *p, v16 a)
{
    _mm_storeu_si128((__m128i *)p, a);
}

static inline v16 v16_widen(const uint8_t *p)
{
    return _mm_cvtepu8_epi16(_mm_loadl_epi64((const __m128i *)(const void *)p));
}

static inline v16 v16_set(int a)
{
    return _mm_set1_epi16((short)a);
}

static inline v16 v16_multiply(v16 a, v16 b)
{
    return _mm_mullo_epi16(a, b);
}

static inline v16 v16_add(v16 a, v16 b)
{
    return _mm_add_epi16(a, b);
}

static inline v16 v16_add_saturated(v16 a, v16 b)
{
    return _mm_adds_epi16(a, b);
}

static inline v16 v16_product(v16 a, v16 b)
{
    return _mm_mulhrs_epi16(a, b);
}

static inline v16 v16_xor(v16 a, v16 b)
{
    return _mm_xor_si128(a, b);
}

static inline v16 v16_right(v16 a, int bits)
{
    return _mm_srl_epi16(a, _mm_cvtsi32_si128(bits));
}

static inline v16 v16_left(v16 a, int bits)
{
    return _mm_sll_epi16(a, _mm_cvtsi32_si128(bits));
}

static inline v16 v16_code(v16 a)
{
    return _mm_srai_epi16(a, 6);
}

static inline v16 v16_firsts(v16 a, v16 b)
{
    return _mm_blend_epi16(a, _mm_slli_epi32(b, 16), 0xAA);
}

static inline v16 v16_seconds(v16 a, v16 b)
{
    return _mm_blend_epi16(_mm_srli_epi32(a, 16), b, 0xAA);
}

static inline void v16_load2(const void *p, v16 *out)
{
    v16 a = v16_load(p), b = v16_load((const uint8_t *)p + 16);
    const v16 low = _mm_set1_epi32(0xFFFF);
    out[0] = _mm_packus_epi32(_mm_and_si128(a, low), _mm_and_si128(b, low));
    out[1] = _mm_packus_epi32(_mm_srli_epi32(a, 16), _mm_srli_epi32(b, 16));
}

static inline void v16_store2(void *p, v16 a, v16 b)
{
    v16_store(p, _mm_unpacklo_epi16(a, b));
    v16_store((uint8_t *)p + 16, _mm_unpackhi_epi16(a, b));
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
    return _mm_set1_epi8((char)a);
}

static inline v8 v8_pack(v16 a, v16 b)
{
    return _mm_packus_epi16(a, b);
}

static inline void v8_load2(const uint8_t *p, v8 *out)
{
    v16 a = v16_load(p), b = v16_load(p + 16);
    const v16 low = _mm_set1_epi16(0xFF);
    out[0] = v8_pack(_mm_and_si128(a, low), _mm_and_si128(b, low));
    out[1] = v8_pack(_mm_srli_epi16(a, 8), _mm_srli_epi16(b, 8));
}

static inline void v8_load3(const uint8_t *p, v8 *out)
{
    __m128i part[3];
    int k;
    for (k = 0; k < 3; k++)
        part[k] = v16_load(p + 16 * k);
    for (k = 0; k < 3; k++)
        out[k] = _mm_or_si128(
            _mm_or_si128(_mm_shuffle_epi8(part[0], v16_load(videohw_split3[k][0])),
                         _mm_shuffle_epi8(part[1], v16_load(videohw_split3[k][1]))),
            _mm_shuffle_epi8(part[2], v16_load(videohw_split3[k][2])));
}

static inline void v8_load4(const uint8_t *p, v8 *out)
{
    const __m128i mask = v16_load(videohw_split4);
    __m128i a = _mm_shuffle_epi8(v16_load(p), mask);
    __m128i b = _mm_shuffle_epi8(v16_load(p + 16), mask);
    __m128i c = _mm_shuffle_epi8(v16_load(p + 32), mask);
    __m128i d = _mm_shuffle_epi8(v16_load(p + 48), mask);
    __m128i ab = _mm_unpacklo_epi32(a, b), cd = _mm_unpacklo_epi32(c, d);
    out[0] = _mm_unpacklo_epi64(ab, cd);
    out[1] = _mm_unpackhi_epi64(ab, cd);
    ab = _mm_unpackhi_epi32(a, b);
    cd = _mm_unpackhi_epi32(c, d);
    out[2] = _mm_unpacklo_epi64(ab, cd);
    out[3] = _mm_unpackhi_epi64(ab, cd);
}

static inline void v8_store2(uint8_t *p, v8 a, v8 b)
{
    v16_store(p, _mm_unpacklo_epi8(a, b));
    v16_store(p + 16, _mm_unpackhi_epi8(a, b));
}

static inline void v8_store3(uint8_t *p, v8 a, v8 b, v8 c)
{
    int k;
    for (k = 0; k < 3; k++)
        v16_store(p + 16 * k,
                  _mm_or_si128(
                      _mm_or_si128(_mm_shuffle_epi8(a, v16_load(videohw_weave3[k][0])),
                                   _mm_shuffle_epi8(b, v16_load(videohw_weave3[k][1]))),
                      _mm_shuffle_epi8(c, v16_load(videohw_weave3[k][2]))));
}

static inline void v8_store4(uint8_t *p, v8 a, v8 b, v8 c, v8 d)
{
    __m128i ab = _mm_unpacklo_epi8(a, b), cd = _mm_unpacklo_epi8(c, d);
    v16_store(p, _mm_unpacklo_epi16(ab, cd));
    v16_store(p + 16, _mm_unpackhi_epi16(ab, cd));
    ab = _mm_unpackhi_epi8(a, b);
    cd = _mm_unpackhi_epi8(c, d);
    v16_store(p + 32, _mm_unpacklo_epi16(ab, cd));
    v16_store(p + 48, _mm_unpackhi_epi16(ab, cd));
}

static inline vf vf_set(float a)
{
    return _mm_set1_ps(a);
}

static inline vf vf_load(const float *p)
{
    return _mm_loadu_ps(p);
}

static inline void vf_store(float *p, vf a)
{
    _mm_storeu_ps(p, a);
}

static inline vf vf_add(vf a, vf b)
{
    return _mm_add_ps(a, b);
}

static inline vf vf_multiply(vf a, vf b)
{
    return _mm_mul_ps(a, b);
}

static inline vf vf_limit(vf a, vf low, vf high)
{
    return _mm_min_ps(_mm_max_ps(a, low), high);
}

static inline vf vf_low(v16 a)
{
    return _mm_cvtepi32_ps(_mm_cvtepi16_epi32(a));
}

static inline vf vf_high(v16 a)
{
    return _mm_cvtepi32_ps(_mm_cvtepi16_epi32(_mm_srli_si128(a, 8)));
}

static inline vf vf_low_unsigned(v16 a)
{
    return _mm_cvtepi32_ps(_mm_cvtepu16_epi32(a));
}

static inline vf vf_high_unsigned(v16 a)
{
    return _mm_cvtepi32_ps(_mm_cvtepu16_epi32(_mm_srli_si128(a, 8)));
}

static inline v16 vf_codes(vf a, vf b)
{
    return _mm_packus_epi32(_mm_cvttps_epi32(a), _mm_cvttps_epi32(b));
}

static inline void vf_store_half(uint16_t *p, vf a)
{
    float value[4];
    int k;
    _mm_storeu_ps(value, a);
    for (k = 0; k < 4; k++)
        p[k] = videohw_half(value[k]);
}

/* The sums of rows.h's combine for as many places as there are floats in a vector. */
static inline vf vf_combine(const float *from, const int32_t *begin, const float *weights,
                            int taps, int stride)
{
    const float *a = from + begin[0], *b = from + begin[1];
    const float *c = from + begin[2], *d = from + begin[3];
    vf sum = _mm_mul_ps(vf_load(weights), _mm_setr_ps(a[0], b[0], c[0], d[0]));
    int t;
    for (t = 1; t < taps; t++)
        sum = _mm_add_ps(sum, _mm_mul_ps(vf_load(weights + (ptrdiff_t)t * stride),
                                         _mm_setr_ps(a[t], b[t], c[t], d[t])));
    return sum;
}
