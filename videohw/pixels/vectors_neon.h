/* The vector operations of rows_vector.h in NEON of 64-bit ARM: 8 words, 16 bytes, 4 floats. */
#define V16_LANES 8
#define VF_LANES 4

typedef int16x8_t v16;
typedef uint8x16_t v8;
typedef float32x4_t vf;

static inline v16 v16_load(const void *p)
{
    return vld1q_s16((const int16_t *)p);
}

static inline void v16_store(void *p, v16 a)
{
    vst1q_s16((int16_t *)p, a);
}

static inline v16 v16_widen(const uint8_t *p)
{
    return vreinterpretq_s16_u16(vmovl_u8(vld1_u8(p)));
}

static inline v16 v16_set(int a)
{
    return vdupq_n_s16((int16_t)a);
}

static inline v16 v16_multiply(v16 a, v16 b)
{
    return vmulq_s16(a, b);
}

static inline v16 v16_add(v16 a, v16 b)
{
    return vaddq_s16(a, b);
}

static inline v16 v16_add_saturated(v16 a, v16 b)
{
    return vqaddq_s16(a, b);
}

static inline v16 v16_product(v16 a, v16 b)
{
    return vqrdmulhq_s16(a, b);
}

static inline v16 v16_xor(v16 a, v16 b)
{
    return veorq_s16(a, b);
}

static inline v16 v16_right(v16 a, int bits)
{
    return vreinterpretq_s16_u16(
        vshlq_u16(vreinterpretq_u16_s16(a), vdupq_n_s16((int16_t)-bits)));
}

static inline v16 v16_left(v16 a, int bits)
{
    return vshlq_s16(a, vdupq_n_s16((int16_t)bits));
}

static inline v16 v16_code(v16 a)
{
    return vshrq_n_s16(a, 6);
}

static inline v16 v16_firsts(v16 a, v16 b)
{
    return vtrn1q_s16(a, b);
}

static inline v16 v16_seconds(v16 a, v16 b)
{
    return vtrn2q_s16(a, b);
}

static inline void v16_load2(const void *p, v16 *out)
{
    int16x8x2_t pair = vld2q_s16((const int16_t *)p);
    out[0] = pair.val[0];
    out[1] = pair.val[1];
}

static inline void v16_store2(void *p, v16 a, v16 b)
{
    int16x8x2_t pair;
    pair.val[0] = a;
    pair.val[1] = b;
    vst2q_s16((int16_t *)p, pair);
}

static inline v8 v8_load(const uint8_t *p)
{
    return vld1q_u8(p);
}

static inline void v8_store(uint8_t *p, v8 a)
{
    vst1q_u8(p, a);
}

static inline v8 v8_set(int a)
{
    return vdupq_n_u8((uint8_t)a);
}

static inline v8 v8_pack(v16 a, v16 b)
{
    return vcombine_u8(vqmovun_s16(a), vqmovun_s16(b));
}

static inline void v8_load2(const uint8_t *p, v8 *out)
{
    uint8x16x2_t pair = vld2q_u8(p);
    out[0] = pair.val[0];
    out[1] = pair.val[1];
}

static inline void v8_load3(const uint8_t *p, v8 *out)
{
    uint8x16x3_t three = vld3q_u8(p);
    out[0] = three.val[0];
    out[1] = three.val[1];
    out[2] = three.val[2];
}

static inline void v8_load4(const uint8_t *p, v8 *out)
{
    uint8x16x4_t four = vld4q_u8(p);
    out[0] = four.val[0];
    out[1] = four.val[1];
    out[2] = four.val[2];
    out[3] = four.val[3];
}

static inline void v8_store2(uint8_t *p, v8 a, v8 b)
{
    uint8x16x2_t pair;
    pair.val[0] = a;
    pair.val[1] = b;
    vst2q_u8(p, pair);
}

static inline void v8_store3(uint8_t *p, v8 a, v8 b, v8 c)
{
    uint8x16x3_t three;
    three.val[0] = a;
    three.val[1] = b;
    three.val[2] = c;
    vst3q_u8(p, three);
}

static inline void v8_store4(uint8_t *p, v8 a, v8 b, v8 c, v8 d)
{
    uint8x16x4_t four;
    four.val[0] = a;
    four.val[1] = b;
    four.val[2] = c;
    four.val[3] = d;
    vst4q_u8(p, four);
}

static inline vf vf_set(float a)
{
    return vdupq_n_f32(a);
}

static inline vf vf_load(const float *p)
{
    return vld1q_f32(p);
}

static inline void vf_store(float *p, vf a)
{
    vst1q_f32(p, a);
}

static inline vf vf_add(vf a, vf b)
{
    return vaddq_f32(a, b);
}

static inline vf vf_multiply(vf a, vf b)
{
    return vmulq_f32(a, b);
}

static inline vf vf_limit(vf a, vf low, vf high)
{
    return vminq_f32(vmaxq_f32(a, low), high);
}

static inline vf vf_low(v16 a)
{
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(a)));
}

static inline vf vf_high(v16 a)
{
    return vcvtq_f32_s32(vmovl_s16(vget_high_s16(a)));
}

static inline vf vf_low_unsigned(v16 a)
{
    return vcvtq_f32_u32(vmovl_u16(vget_low_u16(vreinterpretq_u16_s16(a))));
}

static inline vf vf_high_unsigned(v16 a)
{
    return vcvtq_f32_u32(vmovl_u16(vget_high_u16(vreinterpretq_u16_s16(a))));
}

static inline v16 vf_codes(vf a, vf b)
{
    return vreinterpretq_s16_u16(
        vcombine_u16(vmovn_u32(vcvtq_u32_f32(a)), vmovn_u32(vcvtq_u32_f32(b))));
}

static inline void vf_store_half(uint16_t *p, vf a)
{
    vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(a)));
}

static inline vf gathered_neon(const float *from, const int32_t *begin)
{
    const float value[4] = {from[begin[0]], from[begin[1]], from[begin[2]], from[begin[3]]};
    return vld1q_f32(value);
}

/* The sums of rows.h's combine for as many places as there are floats in a vector. */
static inline vf vf_combine(const float *from, const int32_t *begin, const float *weights,
                            int taps, int stride)
{
    vf sum = vmulq_f32(vf_load(weights), gathered_neon(from, begin));
    int t;
    for (t = 1; t < taps; t++)
        sum = vaddq_f32(sum, vmulq_f32(vf_load(weights + (ptrdiff_t)t * stride),
                                       gathered_neon(from + t, begin)));
    return sum;
}
