/* The row functions of rows.h with vectors, for the level that vector_names.h gave its name.
 *
 * Each does whole vectors and leaves the rest to its plain twin, so that no byte outside of a row
 * is read or written. Both do the same operations in the same order: results are equal in every
 * bit. Factors are copied first: of what lies behind a pointer the compiler must think that every
 * store could change it. There is no guard, since each level includes this.
 */

#define PIXELS (2 * V16_LANES) /* as many as bytes of a vector */

static void VIDEOHW_NAME(mix8)(const uint8_t *a, const uint8_t *b, int a_weight, int b_weight,
                               int count, uint16_t *out)
{
    const v16 wa = v16_set(a_weight), wb = v16_set(b_weight);
    int i;
    for (i = 0; i + V16_LANES <= count; i += V16_LANES)
        v16_store(out + i, v16_add(v16_multiply(v16_widen(a + i), wa),
                                   v16_multiply(v16_widen(b + i), wb)));
    mix8_plain(a + i, b + i, a_weight, b_weight, count - i, out + i);
}

static void VIDEOHW_NAME(mix16)(const uint16_t *a, const uint16_t *b, int right, int a_weight,
                                int b_weight, int count, uint16_t *out)
{
    const v16 wa = v16_set(a_weight), wb = v16_set(b_weight);
    int i;
    for (i = 0; i + V16_LANES <= count; i += V16_LANES)
        v16_store(out + i, v16_add(v16_multiply(v16_right(v16_load(a + i), right), wa),
                                   v16_multiply(v16_right(v16_load(b + i), right), wb)));
    mix16_plain(a + i, b + i, right, a_weight, b_weight, count - i, out + i);
}

/* Both luma columns of chroma whose neighbours lie `step` away; not with VIDEOHW_SAME. */
static inline void VIDEOHW_NAME(spread_both)(const uint16_t *mixed, int step, int how, v16 *even,
                                             v16 *odd)
{
    const v16 middle = v16_set(-32768);
    const v16 here = v16_load(mixed), twice = v16_add(here, here);
    v16 after, thrice;
    if (how == VIDEOHW_REPEATED) {
        *even = *odd = v16_xor(v16_add(twice, twice), middle);
        return;
    }
    after = v16_load(mixed + step);
    if (how == VIDEOHW_COSITED) {
        const v16 sum = v16_add(here, after);
        *even = v16_xor(v16_add(twice, twice), middle);
        *odd = v16_xor(v16_add(sum, sum), middle);
        return;
    }
    thrice = v16_add(twice, here);
    *even = v16_xor(v16_add(thrice, v16_load(mixed - step)), middle);
    *odd = v16_xor(v16_add(thrice, after), middle);
}

static void VIDEOHW_NAME(spread)(const uint16_t *mixed, int count, int how, int16_t *out)
{
    const v16 middle = v16_set(-32768);
    v16 even, odd;
    int i;
    if (how == VIDEOHW_SAME) {
        for (i = 0; i + V16_LANES <= count; i += V16_LANES)
            v16_store(out + i, v16_xor(v16_left(v16_load(mixed + i), 2), middle));
        spread_plain(mixed + i, count - i, how, out + i);
        return;
    }
    for (i = 0; i + V16_LANES <= count; i += V16_LANES) {
        VIDEOHW_NAME(spread_both)(mixed + i, 1, how, &even, &odd);
        v16_store2(out + 2 * i, even, odd);
    }
    spread_plain(mixed + i, count - i, how, out + 2 * i);
}

static void VIDEOHW_NAME(spread_pairs)(const uint16_t *mixed, int count, int how, int16_t *first,
                                       int16_t *second)
{
    const v16 middle = v16_set(-32768);
    v16 pair[2];
    int i;
    if (how == VIDEOHW_SAME) {
        for (i = 0; i + V16_LANES <= count; i += V16_LANES) {
            v16_load2(mixed + 2 * i, pair);
            v16_store(first + i, v16_xor(v16_left(pair[0], 2), middle));
            v16_store(second + i, v16_xor(v16_left(pair[1], 2), middle));
        }
        spread_pairs_plain(mixed + 2 * i, count - i, how, first + i, second + i);
        return;
    }
    for (i = 0; i + V16_LANES / 2 <= count; i += V16_LANES / 2) {
        VIDEOHW_NAME(spread_both)(mixed + 2 * i, 2, how, &pair[0], &pair[1]);
        v16_store(first + 2 * i, v16_firsts(pair[0], pair[1]));
        v16_store(second + 2 * i, v16_seconds(pair[0], pair[1]));
    }
    spread_pairs_plain(mixed + 2 * i, count - i, how, first + 2 * i, second + 2 * i);
}

static inline v16 VIDEOHW_NAME(luma16)(videohw_luma luma, int bytes, int i)
{
    v16 word;
    if (bytes == 1)
        word = v16_left(v16_widen((const uint8_t *)luma.samples + i), 8);
    else
        word = v16_left(v16_right(v16_load((const uint16_t *)luma.samples + i), luma.right),
                        luma.left);
    return v16_xor(word, v16_set(-32768));
}

/* Red, green and blue of as many pixels as there are words in a vector. */
static inline void VIDEOHW_NAME(rgb16)(v16 y, v16 cb, v16 cr, const videohw_fixed *by, v16 *rgb)
{
    v16 green;
    y = v16_product(y, v16_set(by->luma));
    rgb[0] = v16_code(v16_add_saturated(v16_add(y, v16_set(by->offset[0])),
                                        v16_product(cr, v16_set(by->red_cr))));
    green = v16_add_saturated(v16_add(y, v16_set(by->offset[1])),
                              v16_product(cb, v16_set(by->green_cb)));
    rgb[1] = v16_code(v16_add_saturated(green, v16_product(cr, v16_set(by->green_cr))));
    rgb[2] = v16_code(v16_add_saturated(v16_add(y, v16_set(by->offset[2])),
                                        v16_product(cb, v16_set(by->blue_cb))));
}

static inline int VIDEOHW_NAME(rgb8_vectors)(videohw_luma luma, int bytes, const int16_t *cb,
                                             const int16_t *cr, const videohw_fixed *by,
                                             int count, int form, int swapped,
                                             uint8_t *const *out)
{
    const videohw_fixed own = *by;
    uint8_t *const first = out[0];
    uint8_t *const second = form == VIDEOHW_PLANAR ? out[1] : NULL;
    uint8_t *const third = form == VIDEOHW_PLANAR ? out[2] : NULL;
    v16 low[3], high[3];
    int i;
    for (i = 0; i + PIXELS <= count; i += PIXELS) {
        v8 red, green, blue;
        VIDEOHW_NAME(rgb16)(VIDEOHW_NAME(luma16)(luma, bytes, i), v16_load(cb + i),
                            v16_load(cr + i), &own, low);
        VIDEOHW_NAME(rgb16)(VIDEOHW_NAME(luma16)(luma, bytes, i + V16_LANES),
                            v16_load(cb + i + V16_LANES), v16_load(cr + i + V16_LANES), &own,
                            high);
        red = v8_pack(low[swapped ? 2 : 0], high[swapped ? 2 : 0]);
        green = v8_pack(low[1], high[1]);
        blue = v8_pack(low[swapped ? 0 : 2], high[swapped ? 0 : 2]);
        if (form == VIDEOHW_PACKED3) {
            v8_store3(first + (ptrdiff_t)3 * i, red, green, blue);
        } else if (form == VIDEOHW_PACKED4) {
            v8_store4(first + (ptrdiff_t)4 * i, red, green, blue, v8_set(255));
        } else {
            v8_store(first + i, red);
            v8_store(second + i, green);
            v8_store(third + i, blue);
        }
    }
    return i;
}

/* A loop of its own for every form that pixels have. */
#define FORM(form, swapped)                                                                       \
    (luma.bytes == 1                                                                              \
         ? VIDEOHW_NAME(rgb8_vectors)(luma, 1, cb, cr, by, count, form, swapped, out)             \
         : VIDEOHW_NAME(rgb8_vectors)(luma, 2, cb, cr, by, count, form, swapped, out))

static void VIDEOHW_NAME(rgb8)(videohw_luma luma, const int16_t *cb, const int16_t *cr,
                               const videohw_fixed *by, int count, int form, int swapped,
                               uint8_t *const *out)
{
    uint8_t *rest[3];
    int i, k, step = 1;
    if (form == VIDEOHW_PLANAR) {
        i = FORM(VIDEOHW_PLANAR, 0);
    } else if (form == VIDEOHW_PACKED3) {
        i = swapped ? FORM(VIDEOHW_PACKED3, 1) : FORM(VIDEOHW_PACKED3, 0);
        step = 3;
    } else {
        i = swapped ? FORM(VIDEOHW_PACKED4, 1) : FORM(VIDEOHW_PACKED4, 0);
        step = 4;
    }
    for (k = 0; k < (form == VIDEOHW_PLANAR ? 3 : 1); k++)
        rest[k] = out[k] + (ptrdiff_t)step * i;
    rgb8_plain(luma_after(luma, i), cb + i, cr + i, by, count - i, form, swapped, rest);
}
#undef FORM

static inline vf VIDEOHW_NAME(floating)(vf y, vf cb, vf cr, const videohw_floating *by, int k)
{
    vf value = vf_add(vf_multiply(y, vf_set(by->luma[k])), vf_set(by->offset[k]));
    value = vf_add(value, vf_multiply(cb, vf_set(by->cb[k])));
    value = vf_add(value, vf_multiply(cr, vf_set(by->cr[k])));
    return vf_limit(value, vf_set(by->low[k]), vf_set(by->high[k]));
}

static void VIDEOHW_NAME(rgb_float)(videohw_luma luma, const int16_t *cb, const int16_t *cr,
                                    const videohw_floating *by, int count, float *const *out)
{
    const videohw_floating own = *by;
    float *rest[3];
    int i, k;
    for (i = 0; i + V16_LANES <= count; i += V16_LANES) {
        const v16 y = VIDEOHW_NAME(luma16)(luma, luma.bytes, i);
        const v16 b = v16_load(cb + i), r = v16_load(cr + i);
        for (k = 0; k < 3; k++) {
            vf_store(out[k] + i, VIDEOHW_NAME(floating)(vf_low(y), vf_low(b), vf_low(r), &own, k));
            vf_store(out[k] + i + VF_LANES,
                     VIDEOHW_NAME(floating)(vf_high(y), vf_high(b), vf_high(r), &own, k));
        }
    }
    for (k = 0; k < 3; k++)
        rest[k] = out[k] + i;
    rgb_float_plain(luma_after(luma, i), cb + i, cr + i, by, count - i, rest);
}

static void VIDEOHW_NAME(rgb_half)(videohw_luma luma, const int16_t *cb, const int16_t *cr,
                                   const videohw_floating *by, int count, uint16_t *const *out)
{
    const videohw_floating own = *by;
    uint16_t *rest[3];
    int i, k;
    for (i = 0; i + V16_LANES <= count; i += V16_LANES) {
        const v16 y = VIDEOHW_NAME(luma16)(luma, luma.bytes, i);
        const v16 b = v16_load(cb + i), r = v16_load(cr + i);
        for (k = 0; k < 3; k++) {
            vf_store_half(out[k] + i,
                          VIDEOHW_NAME(floating)(vf_low(y), vf_low(b), vf_low(r), &own, k));
            vf_store_half(out[k] + i + VF_LANES,
                          VIDEOHW_NAME(floating)(vf_high(y), vf_high(b), vf_high(r), &own, k));
        }
    }
    for (k = 0; k < 3; k++)
        rest[k] = out[k] + i;
    rgb_half_plain(luma_after(luma, i), cb + i, cr + i, by, count - i, rest);
}

static void VIDEOHW_NAME(narrow)(const uint16_t *mixed, int count, int how, int16_t *out)
{
    v16 pair[2], before[2];
    int i;
    for (i = 0; i + V16_LANES <= count; i += V16_LANES) {
        if (how == VIDEOHW_SAME) {
            v16_store(out + i, v16_left(v16_load(mixed + i), 5));
            continue;
        }
        v16_load2(mixed + 2 * i, pair);
        if (how == VIDEOHW_COSITED) {
            v16_load2(mixed + 2 * i - 1, before);
            pair[1] = v16_add(before[0], pair[1]);
            pair[0] = v16_add(pair[0], pair[0]);
            v16_store(out + i, v16_left(v16_add(pair[0], pair[1]), 3));
        } else {
            v16_store(out + i, v16_left(v16_add(pair[0], pair[1]), 4));
        }
    }
    narrow_plain(how == VIDEOHW_SAME ? mixed + i : mixed + 2 * i, count - i, how, out + i);
}

/* One component of RGB on a scale of 15 bits, in its place in the word. */
static inline v16 VIDEOHW_NAME(of_rgb)(v16 r, v16 g, v16 b, const videohw_weights *by)
{
    v16 sum = v16_add(v16_product(r, v16_set(by->factor[0])),
                      v16_product(g, v16_set(by->factor[1])));
    sum = v16_add_saturated(v16_add(sum, v16_product(b, v16_set(by->factor[2]))),
                            v16_set(by->offset));
    return v16_left(v16_right(sum, by->right), by->left);
}

static inline v16 VIDEOHW_NAME(of_rgb8_at)(const uint8_t *const *rgb, const videohw_weights *by,
                                           int i)
{
    return VIDEOHW_NAME(of_rgb)(v16_left(v16_widen(rgb[0] + i), 7),
                                v16_left(v16_widen(rgb[1] + i), 7),
                                v16_left(v16_widen(rgb[2] + i), 7), by);
}

static void VIDEOHW_NAME(of_rgb8)(const uint8_t *const *rgb, const videohw_weights *by, int count,
                                  void *out)
{
    const videohw_weights own = *by;
    const uint8_t *const from[3] = {rgb[0], rgb[1], rgb[2]};
    const uint8_t *rest[3];
    int i, k;
    for (i = 0; i + PIXELS <= count; i += PIXELS) {
        const v16 low = VIDEOHW_NAME(of_rgb8_at)(from, &own, i);
        const v16 high = VIDEOHW_NAME(of_rgb8_at)(from, &own, i + V16_LANES);
        if (own.bytes == 1) {
            v8_store((uint8_t *)out + i, v8_pack(low, high));
        } else {
            v16_store((uint16_t *)out + i, low);
            v16_store((uint16_t *)out + i + V16_LANES, high);
        }
    }
    for (k = 0; k < 3; k++)
        rest[k] = rgb[k] + i;
    of_rgb8_plain(rest, by, count - i, (uint8_t *)out + (ptrdiff_t)i * by->bytes);
}

static inline v16 VIDEOHW_NAME(of_rgb15_at)(const int16_t *const *rgb, const videohw_weights *by,
                                            int i)
{
    return VIDEOHW_NAME(of_rgb)(v16_load(rgb[0] + i), v16_load(rgb[1] + i), v16_load(rgb[2] + i),
                                by);
}

static void VIDEOHW_NAME(of_rgb15)(const int16_t *const *rgb, const videohw_weights *by,
                                   int count, void *out)
{
    const videohw_weights own = *by;
    const int16_t *const from[3] = {rgb[0], rgb[1], rgb[2]};
    const int16_t *rest[3];
    int i, k;
    for (i = 0; i + PIXELS <= count; i += PIXELS) {
        const v16 low = VIDEOHW_NAME(of_rgb15_at)(from, &own, i);
        const v16 high = VIDEOHW_NAME(of_rgb15_at)(from, &own, i + V16_LANES);
        if (own.bytes == 1) {
            v8_store((uint8_t *)out + i, v8_pack(low, high));
        } else {
            v16_store((uint16_t *)out + i, low);
            v16_store((uint16_t *)out + i + V16_LANES, high);
        }
    }
    for (k = 0; k < 3; k++)
        rest[k] = rgb[k] + i;
    of_rgb15_plain(rest, by, count - i, (uint8_t *)out + (ptrdiff_t)i * by->bytes);
}

static void VIDEOHW_NAME(split8)(const uint8_t *from, int channels, int count,
                                 uint8_t *const *out)
{
    uint8_t *rest[4];
    v8 part[4];
    int i, k;
    for (i = 0; i + PIXELS <= count; i += PIXELS) {
        if (channels == 2)
            v8_load2(from + (ptrdiff_t)2 * i, part);
        else if (channels == 3)
            v8_load3(from + (ptrdiff_t)3 * i, part);
        else
            v8_load4(from + (ptrdiff_t)4 * i, part);
        for (k = 0; k < channels; k++)
            v8_store(out[k] + i, part[k]);
    }
    for (k = 0; k < channels; k++)
        rest[k] = out[k] + i;
    split8_plain(from + (ptrdiff_t)channels * i, channels, count - i, rest);
}

static void VIDEOHW_NAME(split16)(const uint16_t *from, int count, uint16_t *const *out)
{
    uint16_t *rest[2];
    v16 part[2];
    int i;
    for (i = 0; i + V16_LANES <= count; i += V16_LANES) {
        v16_load2(from + 2 * i, part);
        v16_store(out[0] + i, part[0]);
        v16_store(out[1] + i, part[1]);
    }
    rest[0] = out[0] + i;
    rest[1] = out[1] + i;
    split16_plain(from + 2 * i, count - i, rest);
}

/* out[0..] of floats, weighed, put down or added. */
static inline void VIDEOHW_NAME(put)(vf value, vf weight, int first, float *out)
{
    value = vf_multiply(weight, value);
    vf_store(out, first ? value : vf_add(vf_load(out), value));
}

static void VIDEOHW_NAME(take8)(const uint8_t *from, float weight, int first, int count,
                                float *out)
{
    const vf w = vf_set(weight);
    int i;
    for (i = 0; i + V16_LANES <= count; i += V16_LANES) {
        const v16 codes = v16_widen(from + i);
        VIDEOHW_NAME(put)(vf_low(codes), w, first, out + i);
        VIDEOHW_NAME(put)(vf_high(codes), w, first, out + i + VF_LANES);
    }
    take8_plain(from + i, weight, first, count - i, out + i);
}

static void VIDEOHW_NAME(take16)(const uint16_t *from, int right, float weight, int first,
                                 int count, float *out)
{
    const vf w = vf_set(weight);
    int i;
    for (i = 0; i + V16_LANES <= count; i += V16_LANES) {
        const v16 codes = v16_right(v16_load(from + i), right);
        VIDEOHW_NAME(put)(vf_low_unsigned(codes), w, first, out + i);
        VIDEOHW_NAME(put)(vf_high_unsigned(codes), w, first, out + i + VF_LANES);
    }
    take16_plain(from + i, right, weight, first, count - i, out + i);
}

static void VIDEOHW_NAME(combine)(const float *from, const int32_t *begin, const float *weights,
                                  int taps, int count, float *out)
{
    int i, t;
    for (i = 0; i + VF_LANES <= count; i += VF_LANES)
        vf_store(out + i, vf_combine(from, begin + i, weights + i, taps, count));
    for (; i < count; i++) {
        float sum = weights[i] * from[begin[i]];
        for (t = 1; t < taps; t++)
            sum = sum + weights[(ptrdiff_t)t * count + i] * from[begin[i] + t];
        out[i] = sum;
    }
}

static inline vf VIDEOHW_NAME(affine)(const float *const *from, const videohw_affine *by, int i)
{
    vf value = vf_add(vf_multiply(vf_load(from[0] + i), vf_set(by->factor[0])),
                      vf_set(by->offset));
    value = vf_add(value, vf_multiply(vf_load(from[1] + i), vf_set(by->factor[1])));
    value = vf_add(value, vf_multiply(vf_load(from[2] + i), vf_set(by->factor[2])));
    return vf_limit(value, vf_set(by->low), vf_set(by->high));
}

/* The nearest codes of as many values as there are words in a vector. */
static inline v16 VIDEOHW_NAME(affine_codes)(const float *const *from, const videohw_affine *by,
                                             int i)
{
    const vf half = vf_set(0.5f);
    return vf_codes(vf_add(VIDEOHW_NAME(affine)(from, by, i), half),
                    vf_add(VIDEOHW_NAME(affine)(from, by, i + VF_LANES), half));
}

static void VIDEOHW_NAME(affine8)(const float *const *from, const videohw_affine *by, int count,
                                  uint8_t *out)
{
    const videohw_affine own = *by;
    const float *const values[3] = {from[0], from[1], from[2]};
    const float *rest[3];
    int i, k;
    for (i = 0; i + PIXELS <= count; i += PIXELS)
        v8_store(out + i, v8_pack(VIDEOHW_NAME(affine_codes)(values, &own, i),
                                  VIDEOHW_NAME(affine_codes)(values, &own, i + V16_LANES)));
    for (k = 0; k < 3; k++)
        rest[k] = from[k] + i;
    affine8_plain(rest, by, count - i, out + i);
}

static void VIDEOHW_NAME(affine16)(const float *const *from, const videohw_affine *by, int left,
                                   int count, uint16_t *out)
{
    const videohw_affine own = *by;
    const float *const values[3] = {from[0], from[1], from[2]};
    const float *rest[3];
    int i, k;
    for (i = 0; i + V16_LANES <= count; i += V16_LANES)
        v16_store(out + i, v16_left(VIDEOHW_NAME(affine_codes)(values, &own, i), left));
    for (k = 0; k < 3; k++)
        rest[k] = from[k] + i;
    affine16_plain(rest, by, left, count - i, out + i);
}

static void VIDEOHW_NAME(affine_float)(const float *const *from, const videohw_affine *by,
                                       int count, float *out)
{
    const videohw_affine own = *by;
    const float *const values[3] = {from[0], from[1], from[2]};
    const float *rest[3];
    int i, k;
    for (i = 0; i + VF_LANES <= count; i += VF_LANES)
        vf_store(out + i, VIDEOHW_NAME(affine)(values, &own, i));
    for (k = 0; k < 3; k++)
        rest[k] = from[k] + i;
    affine_float_plain(rest, by, count - i, out + i);
}

static void VIDEOHW_NAME(affine_half)(const float *const *from, const videohw_affine *by,
                                      int count, uint16_t *out)
{
    const videohw_affine own = *by;
    const float *const values[3] = {from[0], from[1], from[2]};
    const float *rest[3];
    int i, k;
    for (i = 0; i + VF_LANES <= count; i += VF_LANES)
        vf_store_half(out + i, VIDEOHW_NAME(affine)(values, &own, i));
    for (k = 0; k < 3; k++)
        rest[k] = from[k] + i;
    affine_half_plain(rest, by, count - i, out + i);
}

static void VIDEOHW_NAME(widen)(const uint8_t *from, int left, int count, uint16_t *out)
{
    int i;
    for (i = 0; i + V16_LANES <= count; i += V16_LANES)
        v16_store(out + i, v16_left(v16_widen(from + i), left));
    widen_plain(from + i, left, count - i, out + i);
}

static void VIDEOHW_NAME(move16)(const uint16_t *from, int right, int left, int count,
                                 uint16_t *out)
{
    int i;
    for (i = 0; i + V16_LANES <= count; i += V16_LANES)
        v16_store(out + i, v16_left(v16_right(v16_load(from + i), right), left));
    move16_plain(from + i, right, left, count - i, out + i);
}

static void VIDEOHW_NAME(weave8)(const uint8_t *const *from, int channels, int count,
                                 uint8_t *out)
{
    const uint8_t *rest[3];
    int i, k;
    for (i = 0; i + PIXELS <= count; i += PIXELS) {
        uint8_t *at = out + (ptrdiff_t)channels * i;
        const v8 a = v8_load(from[0] + i), b = v8_load(from[1] + i);
        if (channels == 2)
            v8_store2(at, a, b);
        else if (channels == 3)
            v8_store3(at, a, b, v8_load(from[2] + i));
        else
            v8_store4(at, a, b, v8_load(from[2] + i), v8_set(255));
    }
    for (k = 0; k < (channels < 3 ? channels : 3); k++)
        rest[k] = from[k] + i;
    weave8_plain(rest, channels, count - i, out + (ptrdiff_t)channels * i);
}

static void VIDEOHW_NAME(weave16)(const uint16_t *const *from, int count, uint16_t *out)
{
    const uint16_t *rest[2];
    int i;
    for (i = 0; i + V16_LANES <= count; i += V16_LANES)
        v16_store2(out + 2 * i, v16_load(from[0] + i), v16_load(from[1] + i));
    rest[0] = from[0] + i;
    rest[1] = from[1] + i;
    weave16_plain(rest, count - i, out + 2 * i);
}

#define ROW(name) VIDEOHW_NAME(name)
static const videohw_rows VIDEOHW_NAME(videohw_rows) = {
    VIDEOHW_LEVEL_NAME, ROW(mix8), ROW(mix16), ROW(spread), ROW(spread_pairs), ROW(rgb8),
    ROW(rgb_float), ROW(rgb_half), ROW(narrow), ROW(of_rgb8), ROW(of_rgb15), ROW(split8),
    ROW(split16), ROW(take8), ROW(take16), ROW(combine), ROW(affine8), ROW(affine16),
    ROW(affine_float), ROW(affine_half), ROW(widen), ROW(move16), ROW(weave8), ROW(weave16),
};
#undef ROW
#undef PIXELS
#undef V16_LANES
#undef VF_LANES
