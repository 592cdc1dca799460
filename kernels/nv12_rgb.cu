// Surfaces of YCbCr to RGB and back on an NVIDIA device, each in one pass over the pictures.
//
// Owns the arithmetic on the device. Which coefficients, sitings and rectangles there are is the
// caller's to say, in one struct passed by value; the meaning of all of them is that of
// videohw/color/reference.py. Nothing is included: NVRTC brings no headers, and the tests compile
// this very file for the host, where the threads of a block run one after the other.
//
//   SOURCE_TARGET  crop, chroma to the places of luma, matrix, clamp, round
//     SOURCE: nv12, p016 (pairs of Cb and Cr of 8 or 16 bits, 4:2:0 or 4:2:2), yuv444, yuv444p16
//     TARGET: rgb24, rgba, rgb_planar (8 bits), rgb_float16, rgb_float32 (three planes)
//   SOURCE_any     the same to any of these targets with a resize before the matrix, bilinear or
//                  area; also the quicker one where nothing is resized but rows are not aligned
//   SOURCE_TARGET  the other way, chroma halved in both directions
//     SOURCE: rgb24, rgba, rgb_planar;  TARGET: nv12, p016
//
// The order of the components (BGR, NV21) is that of the rows and columns of the matrix. Blocks
// are of 32 x 8 threads, blockIdx.z is the picture. Nothing but the pixels is read or written, at
// any pitch; alignment only decides how fast it goes (samples of 2 and 4 bytes lie at multiples of
// their size). There is no kernel from NV12 to NV12: a crop that begins at an even place is a copy
// of rectangles, and one that begins at an odd place has no form in NV12, since its chroma would
// lie between samples.

typedef unsigned char Byte;
typedef unsigned short Short;
typedef unsigned int Word;
typedef unsigned long long Address;

#define INLINE __device__ __forceinline__
// The host's shim takes all threads of a block through a phase before the next.
#ifndef IN_PHASE
#define IN_PHASE(number) true
#endif

enum { MAX_PICTURES = 16, LANES = 32, ROWS_OF_BLOCK = 8, ROWS_OF_ANY = 32 };
enum { RGB24, RGBA, RGB_PLANAR, RGB_FLOAT16, RGB_FLOAT32 };

struct Picture {
    const Byte *from[3];  // Y, CbCr; Y, Cb, Cr; the packed pixels; or R, G, B
    Byte *to[3];          // the packed pixels; three planes; or Y, CbCr
};

// To RGB: matrix and offset take codes to 0..1; floats become clamped * scale + bias.
// To YCbCr: matrix and offset take 0..255 to 0..1 on the scale of codes that ends at `peak`.
struct Conversion {
    float matrix[3][3], offset[3], scale[3], bias[3];
    float across[4], down[4];  // to YCbCr: weights of the places -1, 0, 1, 2 from 2 * chroma's
    float peak;                // to YCbCr: the highest code
    int shift;                 // to YCbCr: how far a code of 16 bits is shifted left
    int width, height;         // of the target
    int from_width, from_height;             // of the whole source
    int left, top, crop_width, crop_height;  // what is converted of it, in luma samples
    Word from_pitch[2], to_pitch[2];         // bytes from row to row: luma or RGB, chroma
    Word sample_bits;      // of two 16-bit samples side by side: the bits that carry the codes
    int phase_x, phase_y;  // the first chroma sample, in halves of a luma sample from the first
    int chroma_rows;       // luma rows for one of chroma: 1 or 2
    int nearest, area;     // chroma by repetition; resize by area
    int target;            // of SOURCE_any: RGB24 to RGB_FLOAT32
    Picture pictures[MAX_PICTURES];
};

// ---------------------------------------------------------------------------- memory

template <int COUNT> struct Words { Word at[COUNT]; };

INLINE bool is_aligned(const void *place, int bytes) { return ((Address)place & (bytes - 1)) == 0; }
INLINE int held(int index, int last) { return index < 0 ? 0 : index > last ? last : index; }

// The words are one long number, and get a byte at its low end.
template <int COUNT> INLINE void push_byte(Words<COUNT> &words, Word byte) {
#pragma unroll
    for (int i = COUNT - 1; i > 0; --i)
        words.at[i] = __funnelshift_l(words.at[i - 1], words.at[i], 8);
    words.at[0] = words.at[0] << 8 | byte;
}

// Words at a multiple of 4.
template <int COUNT> INLINE Words<COUNT> load_words(const Byte *place) {
    Words<COUNT> words;
    if (COUNT % 4 == 0 && is_aligned(place, 16)) {
#pragma unroll
        for (int i = 0; i + 3 < COUNT; i += 4) {
            const uint4 four = __ldg((const uint4 *)(place + 4 * i));
            words.at[i] = four.x;
            words.at[i + 1] = four.y;
            words.at[i + 2] = four.z;
            words.at[i + 3] = four.w;
        }
    } else if (COUNT % 2 == 0 && is_aligned(place, 8)) {
#pragma unroll
        for (int i = 0; i + 1 < COUNT; i += 2) {
            const uint2 two = __ldg((const uint2 *)(place + 4 * i));
            words.at[i] = two.x;
            words.at[i + 1] = two.y;
        }
    } else {
#pragma unroll
        for (int i = 0; i < COUNT; ++i) words.at[i] = __ldg((const Word *)(place + 4 * i));
    }
    return words;
}

// COUNT elements of a row of last + 1, from `first` on; those beyond the row are its last.
template <int BYTES, int COUNT>
INLINE Words<BYTES * COUNT / 4> load_held(const Byte *row, int first, int last) {
    enum { WORDS = BYTES * COUNT / 4 };
    const Byte *const place = row + (Address)first * BYTES;
    if (first + COUNT - 1 <= last && is_aligned(place, 4)) return load_words<WORDS>(place);
    Words<WORDS> words;
#pragma unroll
    for (int i = 0; i < WORDS; ++i) words.at[i] = 0;
#pragma unroll 1
    for (int i = COUNT - 1; i >= 0; --i) {
        const Byte *const element = row + (Address)held(first + i, last) * BYTES;
#pragma unroll
        for (int k = BYTES - 1; k >= 0; --k) push_byte(words, __ldg(element + k));
    }
    return words;
}

// Words to a multiple of 4.
template <int COUNT> INLINE void store_words(Byte *place, const Words<COUNT> &words) {
    if (COUNT % 4 == 0 && is_aligned(place, 16)) {
#pragma unroll
        for (int i = 0; i + 3 < COUNT; i += 4)
            *(uint4 *)(place + 4 * i) =
                make_uint4(words.at[i], words.at[i + 1], words.at[i + 2], words.at[i + 3]);
    } else {
#pragma unroll
        for (int i = 0; i < COUNT; ++i) *(Word *)(place + 4 * i) = words.at[i];
    }
}

// The words, or the first `bytes` of them where these are less.
template <int COUNT> INLINE void store_held(Byte *place, const Words<COUNT> &words, int bytes) {
    if (bytes >= 4 * COUNT && is_aligned(place, 4)) return store_words(place, words);
#pragma unroll
    for (int i = 0; i < 4 * COUNT; ++i)
        if (i < bytes) place[i] = (Byte)(words.at[i / 4] >> 8 * (i % 4));
}

// ---------------------------------------------------------------------------- numbers

// A float of this size counts in ones: its low bits are the count.
INLINE float counting() { return 8388608.0f; }
// Byte or 16 bits `index` of a word.
INLINE float byte_of(Word word, int index) {
    return __uint_as_float(__byte_perm(word, 0x4B000000u, 0x7440 | (index & 3))) - counting();
}
INLINE float short_of(Word word, int index) {
    const Word bits = __byte_perm(word, 0x4B000000u, index & 1 ? 0x7432 : 0x7410);
    return __uint_as_float(bits) - counting();
}

template <typename Sample> struct Samples;  // codes of Y, Cb or Cr in a word
template <> struct Samples<Byte> {
    typedef Short Pair;
    INLINE static float of(const Conversion &, Word word, int index) {
        return byte_of(word, index);
    }
};
template <> struct Samples<Short> {
    typedef Word Pair;
    INLINE static float of(const Conversion &by, Word word, int index) {
        return short_of(word & by.sample_bits, index);
    }
};

template <typename Sample, int COUNT>
INLINE float sample(const Conversion &by, const Words<COUNT> &words, int index) {
    return Samples<Sample>::of(by, words.at[index * (int)sizeof(Sample) / 4], index);
}

// 0..1 as a code of 0..peak in the low bits, below others. The sum is rounded once, to the
// nearest; the only tie, at the middle of the scale, goes to the even code above.
INLINE Word code(float part, float peak) { return __float_as_uint(fmaf(part, peak, counting())); }

INLINE Word four_bytes(Word a, Word b, Word c, Word d) {
    return __byte_perm(__byte_perm(a, b, 0x0040), __byte_perm(c, d, 0x0040), 0x5410);
}

INLINE Word two_shorts(Word a, Word b) { return __byte_perm(a, b, 0x5410); }

// IEEE 754 binary16, to the nearest, halves to even; from 65520 on infinity. Not for NaN.
INLINE Word half_bits(float value) {
    const Word bits = __float_as_uint(value), size = min(bits & 0x7FFFFFFFu, 0x47800000u);
    // Normal: the exponent loses 112 of its bias, the fraction its 13 lowest bits. A carry out of
    // the fraction goes into the exponent, as it must, up to infinity.
    Word half = (size - 0x37FFF001u + (size >> 13 & 1)) >> 13;
    // Subnormal: a sum with 0.5 counts in steps of 2^-24, and is rounded as it is wanted here.
    if (size < 0x38800000u) half = __float_as_uint(__uint_as_float(size) + 0.5f) - 0x3F000000u;
    return half | (bits >> 16 & 0x8000u);
}

INLINE float between(float low, float high, float part) { return fmaf(part, high - low, low); }
// What two components add to a third.
INLINE float tint(const Conversion &by, int row, float b, float c) {
    return fmaf(by.matrix[row][1], b, fmaf(by.matrix[row][2], c, by.offset[row]));
}

// One component, limited to 0..1.
INLINE float component(const Conversion &by, int row, float a, float tint) {
    return __saturatef(fmaf(by.matrix[row][0], a, tint));
}

// ---------------------------------------------------------------------------- YCbCr in memory

// COUNT luma places side by side: codes of Y, and what Cb and Cr add to each component.
template <int COUNT> struct Tinted { float y[COUNT], tint[3][COUNT]; };

// The place of a luma sample among chroma samples that are `step` luma samples apart, in quarters
// of their distance.
INLINE int chroma_place(const Conversion &by, int luma, int phase, int step) {
    return step == 1 ? 4 * luma : by.nearest ? 4 * (luma >> 1) : 2 * luma - phase;
}

INLINE int last_chroma_row(const Conversion &by) {
    return (by.from_height - 1) >> (by.chroma_rows - 1);
}

INLINE const Byte *luma_row(const Conversion &by, const Picture &picture, int row) {
    return picture.from[0] + (Address)row * by.from_pitch[0];
}

INLINE const Byte *chroma_row(const Conversion &by, const Picture &picture, int plane, int row) {
    return picture.from[plane] + (Address)row * by.from_pitch[1];
}

// Y, and pairs of Cb and Cr, half as many across.
template <typename SampleType> struct Pairs {
    typedef SampleType Sample;
    enum { STEP = 2, BYTES = 2 * sizeof(Sample) };

    // Cb and Cr as they lie in memory; `value` makes numbers of them. These are apart, so that
    // many can be on their way.
    typedef Word Raw;

    INLINE static Word raw(const Conversion &by, const Picture &picture, int row, int column) {
        const Byte *const line = chroma_row(by, picture, 1, row);
        if ((((Address)picture.from[1] | by.from_pitch[1]) & (BYTES - 1)) == 0)
            return aligned_raw(line, column);
        const Sample *const pair = (const Sample *)line + 2 * column;
        return __ldg(pair) | (Word)__ldg(pair + 1) << 8 * sizeof(Sample);
    }

    INLINE static Word aligned_raw(const Byte *line, int column) {
        return __ldg((const typename Samples<Sample>::Pair *)line + column);
    }

    INLINE static float value(const Conversion &by, Word raw, int which) {
        return Samples<Sample>::of(by, raw, which);
    }

    // The places that `codes` reads, for their alignment; an odd column would be none.
    INLINE static Address places(const Conversion &by, const Picture &picture, int row,
                                 int column) {
        const Address luma = (Address)luma_row(by, picture, row) + column * sizeof(Sample);
        const Address pairs = (Address)picture.from[1] + (column >> 1) * BYTES;
        return luma | pairs | by.from_pitch[1] | (column & 1);
    }

    // Chroma is tinted before it is brought to the places of luma, since there is less of it.
    template <int COUNT>
    INLINE static void codes(const Conversion &by, const Picture &picture, int row, int column,
                             Tinted<COUNT> &to) {
        enum { PAIRS = COUNT / 2 };
        const int first = column >> 1, last = (by.from_width - 1) >> 1;
        const int place = chroma_place(by, row, by.phase_y, by.chroma_rows);
        const int rows[2] = {held(place >> 2, last_chroma_row(by)),
                             held((place >> 2) + (place & 3 ? 1 : 0), last_chroma_row(by))};
        const float down = 0.25f * (place & 3);
        const Byte *const high = chroma_row(by, picture, 1, rows[0]);
        const Byte *const low = chroma_row(by, picture, 1, rows[1]);
        const auto luma = load_words<COUNT * (int)sizeof(Sample) / 4>(
            luma_row(by, picture, row) + (Address)column * sizeof(Sample));
        const auto above = load_words<PAIRS * BYTES / 4>(high + (Address)first * BYTES);
        const auto below = load_words<PAIRS * BYTES / 4>(low + (Address)first * BYTES);
        // An even luma column lies `back` before the pair of half its number, an odd one `ahead`
        // behind it.
        const float back = by.nearest ? 0.0f : 0.25f * by.phase_x;
        const float ahead = by.nearest ? 0.0f : 0.5f - 0.25f * by.phase_x;
        // Pairs first - 1 to first + PAIRS, of which the first is seldom needed.
        float tints[3][PAIRS + 2];
        const int before = held(first - 1, last), after = held(first + PAIRS, last);
        const Word rims[4] = {back != 0.0f ? aligned_raw(high, before) : 0u,
                              back != 0.0f ? aligned_raw(low, before) : 0u,
                              aligned_raw(high, after), aligned_raw(low, after)};
#pragma unroll
        for (int i = 1; i <= PAIRS + 1; ++i) {
            float both[2];
#pragma unroll
            for (int k = 0; k < 2; ++k)
                both[k] = i <= PAIRS ? between(sample<Sample>(by, above, (2 * i - 2 + k) % COUNT),
                                               sample<Sample>(by, below, (2 * i - 2 + k) % COUNT),
                                               down)
                                     : between(value(by, rims[2], k), value(by, rims[3], k), down);
#pragma unroll
            for (int k = 0; k < 3; ++k) tints[k][i] = tint(by, k, both[0], both[1]);
        }
#pragma unroll
        for (int i = 0; i < COUNT; ++i) to.y[i] = sample<Sample>(by, luma, i);
#pragma unroll
        for (int i = 0; i < 3 * PAIRS; ++i) {
            const float *const pair = tints[i % 3] + i / 3 + 1;
            to.tint[i % 3][i / 3 * 2] = pair[0];
            to.tint[i % 3][i / 3 * 2 + 1] = between(pair[0], pair[1], ahead);
        }
        if (back == 0.0f) return;
#pragma unroll
        for (int k = 0; k < 3; ++k)
            tints[k][0] = tint(by, k, between(value(by, rims[0], 0), value(by, rims[1], 0), down),
                               between(value(by, rims[0], 1), value(by, rims[1], 1), down));
#pragma unroll
        for (int i = 0; i < 3 * PAIRS; ++i) {
            const float *const pair = tints[i % 3] + i / 3 + 1;
            to.tint[i % 3][i / 3 * 2] = between(pair[0], pair[-1], back);
        }
    }
};

// Y, Cb, Cr, all of one size.
template <typename SampleType> struct Planes {
    typedef SampleType Sample;
    enum { STEP = 1 };

    struct Raw { Word cb, cr; };

    INLINE static Raw raw(const Conversion &by, const Picture &picture, int row, int column) {
        const Raw both = {__ldg((const Sample *)chroma_row(by, picture, 1, row) + column),
                          __ldg((const Sample *)chroma_row(by, picture, 2, row) + column)};
        return both;
    }

    INLINE static float value(const Conversion &by, const Raw &raw, int which) {
        return Samples<Sample>::of(by, which ? raw.cr : raw.cb, 0);
    }

    INLINE static Address places(const Conversion &by, const Picture &picture, int row,
                                 int column) {
        const Address rows = (Address)luma_row(by, picture, row) |
                             (Address)chroma_row(by, picture, 1, row) |
                             (Address)chroma_row(by, picture, 2, row);
        return rows | column * sizeof(Sample);
    }

    template <int COUNT>
    INLINE static void codes(const Conversion &by, const Picture &picture, int row, int column,
                             Tinted<COUNT> &to) {
        enum { WORDS = COUNT * sizeof(Sample) / 4 };
        const Address skipped = (Address)column * sizeof(Sample);
        const auto y = load_words<WORDS>(luma_row(by, picture, row) + skipped);
        const auto cb = load_words<WORDS>(chroma_row(by, picture, 1, row) + skipped);
        const auto cr = load_words<WORDS>(chroma_row(by, picture, 2, row) + skipped);
#pragma unroll
        for (int i = 0; i < COUNT; ++i) {
            to.y[i] = sample<Sample>(by, y, i);
#pragma unroll
            for (int k = 0; k < 3; ++k)
                to.tint[k][i] = tint(by, k, sample<Sample>(by, cb, i), sample<Sample>(by, cr, i));
        }
    }
};

// Codes, or sums of codes by their weights.
struct Codes {
    float y, cb, cr;

    template <class Source>
    INLINE void add_luma(const Conversion &by, Word raw, float weight) {
        y = fmaf(weight, Samples<typename Source::Sample>::of(by, raw, 0), y);
    }

    template <class Source>
    INLINE void add_chroma(const Conversion &by, const typename Source::Raw &raw, float weight) {
        cb = fmaf(weight, Source::value(by, raw, 0), cb);
        cr = fmaf(weight, Source::value(by, raw, 1), cr);
    }

    INLINE void add(const Codes &row, float weight) {
        y = fmaf(weight, row.y, y);
        cb = fmaf(weight, row.cb, cb);
        cr = fmaf(weight, row.cr, cr);
    }
};

template <class Source>
INLINE Word luma_at(const Conversion &by, const Picture &picture, int row, int column) {
    return __ldg((const typename Source::Sample *)luma_row(by, picture, row) + column);
}

// Chroma samples beyond the rim are those of the rim.
template <class Source>
INLINE typename Source::Raw chroma_at(const Conversion &by, const Picture &picture, int row,
                                      int column) {
    return Source::raw(by, picture, held(row, last_chroma_row(by)),
                       held(column, (by.from_width - 1) / Source::STEP));
}

// The codes at one luma place.
template <class Source>
INLINE Codes codes_at(const Conversion &by, const Picture &picture, int row, int column) {
    const int across = chroma_place(by, column, by.phase_x, Source::STEP);
    const int down = chroma_place(by, row, by.phase_y, by.chroma_rows);
    Codes sum = {0.0f, 0.0f, 0.0f};
    sum.add_luma<Source>(by, luma_at<Source>(by, picture, row, column), 1.0f);
#pragma unroll 1
    for (int i = 0; i < 4; ++i)
        sum.add_chroma<Source>(
            by, chroma_at<Source>(by, picture, (down >> 2) + i / 2, (across >> 2) + i % 2),
            0.0625f * (i / 2 ? down & 3 : 4 - (down & 3)) *
                (i % 2 ? across & 3 : 4 - (across & 3)));
    return sum;
}

// ---------------------------------------------------------------------------- RGB into memory

// What a thread writes: PIXELS pixels by `put`, or one by `put_one`. Components are 0..1.
template <int PIXELS> struct Pixels { float rgb[3][PIXELS]; };

INLINE Byte *target_at(const Conversion &by, const Picture &picture, int plane, int x, int y,
                       int bytes_of_pixel) {
    return picture.to[plane] + (Address)y * by.to_pitch[0] + (Address)x * bytes_of_pixel;
}

struct Packed3 {
    enum { PIXELS = 16, VECTORS = 3 * PIXELS / 16 };

    INLINE static Address places(const Conversion &by, const Picture &picture, int x, int y) {
        return (Address)target_at(by, picture, 0, x, y, 3);
    }

    // The pixels of a warp lie side by side: they go through shared memory, so that its threads
    // write whole lines of memory together. Every thread comes here; `aligned` is the same for all
    // of a warp, and `whole` is true for the first of them, those that have all their pixels.
    INLINE static void put(const Conversion &by, const Picture &picture, int x, int y,
                           bool aligned, bool whole, const Pixels<PIXELS> &pixels) {
        __shared__ uint4 staged[ROWS_OF_BLOCK][LANES * VECTORS];
        uint4 *const line = staged[threadIdx.y];
        const int lane = threadIdx.x, start = x - lane * PIXELS;
        if (IN_PHASE(0) && whole) {
#pragma unroll
            for (int i = 0; i < VECTORS; ++i)
                line[lane * VECTORS + i] = make_uint4(word(pixels, 4 * i), word(pixels, 4 * i + 1),
                                                      word(pixels, 4 * i + 2),
                                                      word(pixels, 4 * i + 3));
        }
        __syncwarp();
        if (!IN_PHASE(1) || y >= by.height || !aligned) return;
        const int vectors = (by.width - start) / PIXELS * VECTORS;
#pragma unroll
        for (int i = 0; i < LANES * VECTORS; i += LANES) {
            const uint4 four = line[i + lane];
            const Words<4> words = {{four.x, four.y, four.z, four.w}};
            if (i + lane < vectors)
                store_words(target_at(by, picture, 0, start, y, 3) + 16 * (i + lane), words);
        }
    }

    INLINE static Word word(const Pixels<PIXELS> &pixels, int at) {
        return four_bytes(byte(pixels, 4 * at), byte(pixels, 4 * at + 1), byte(pixels, 4 * at + 2),
                          byte(pixels, 4 * at + 3));
    }

    INLINE static Word byte(const Pixels<PIXELS> &pixels, int at) {
        return code(pixels.rgb[at % 3][at / 3], 255.0f);
    }

    INLINE static void put_one(const Conversion &by, const Picture &picture, int x, int y,
                               const float *rgb) {
        Byte *const pixel = target_at(by, picture, 0, x, y, 3);
#pragma unroll
        for (int i = 0; i < 3; ++i) pixel[i] = (Byte)code(rgb[i], 255.0f);
    }
};

// Red, green, blue, and 255.
struct Packed4 {
    enum { PIXELS = 4 };

    INLINE static Address places(const Conversion &by, const Picture &picture, int x, int y) {
        return (Address)target_at(by, picture, 0, x, y, 4);
    }

    INLINE static void put(const Conversion &by, const Picture &picture, int x, int y, bool,
                           bool whole, const Pixels<PIXELS> &pixels) {
        if (!IN_PHASE(0) || !whole) return;
        Words<PIXELS> words;
#pragma unroll
        for (int i = 0; i < PIXELS; ++i)
            words.at[i] = pixel(pixels.rgb[0][i], pixels.rgb[1][i], pixels.rgb[2][i]);
        store_words(target_at(by, picture, 0, x, y, 4), words);
    }

    INLINE static Word pixel(float a, float b, float c) {
        return four_bytes(code(a, 255.0f), code(b, 255.0f), code(c, 255.0f), 255u);
    }

    INLINE static void put_one(const Conversion &by, const Picture &picture, int x, int y,
                               const float *rgb) {
        const Words<1> word = {{pixel(rgb[0], rgb[1], rgb[2])}};
        store_held(target_at(by, picture, 0, x, y, 4), word, 4);
    }
};

struct Bytes {
    enum { SIZE = 1, PIXELS = 16 };
    INLINE static Word bits(const Conversion &, int, float part) { return code(part, 255.0f); }
    INLINE static Word word(const Word *bits) {
        return four_bytes(bits[0], bits[1], bits[2], bits[3]);
    }
};

struct Halves {
    enum { SIZE = 2, PIXELS = 8 };
    INLINE static Word bits(const Conversion &by, int plane, float part) {
        return half_bits(fmaf(part, by.scale[plane], by.bias[plane]));
    }
    INLINE static Word word(const Word *bits) { return two_shorts(bits[0], bits[1]); }
};

struct Floats {
    enum { SIZE = 4, PIXELS = 4 };
    INLINE static Word bits(const Conversion &by, int plane, float part) {
        return __float_as_uint(fmaf(part, by.scale[plane], by.bias[plane]));
    }
    INLINE static Word word(const Word *bits) { return bits[0]; }
};

// Three planes of numbers of one kind, which 16 bytes hold PIXELS of.
template <class Number> struct Separate {
    enum { PIXELS = Number::PIXELS, SIZE = Number::SIZE };

    INLINE static Address places(const Conversion &by, const Picture &picture, int x, int y) {
        return (Address)target_at(by, picture, 0, x, y, SIZE) |
               (Address)target_at(by, picture, 1, x, y, SIZE) |
               (Address)target_at(by, picture, 2, x, y, SIZE);
    }

    INLINE static void put(const Conversion &by, const Picture &picture, int x, int y, bool,
                           bool whole, const Pixels<PIXELS> &pixels) {
        if (!IN_PHASE(0) || !whole) return;
#pragma unroll
        for (int plane = 0; plane < 3; ++plane) {
            Word bits[PIXELS];
            Words<4> words;
#pragma unroll
            for (int i = 0; i < PIXELS; ++i)
                bits[i] = Number::bits(by, plane, pixels.rgb[plane][i]);
#pragma unroll
            for (int i = 0; i < 4; ++i) words.at[i] = Number::word(bits + i * PIXELS / 4);
            store_words(target_at(by, picture, plane, x, y, SIZE), words);
        }
    }

    INLINE static void put_one(const Conversion &by, const Picture &picture, int x, int y,
                               const float *rgb) {
#pragma unroll
        for (int plane = 0; plane < 3; ++plane) {
            Byte *const place = target_at(by, picture, plane, x, y, SIZE);
            const Word bits = Number::bits(by, plane, rgb[plane]);
            if (SIZE == 1) *place = (Byte)bits;
            if (SIZE == 2) *(Short *)place = (Short)bits;
            if (SIZE == 4) *(Word *)place = bits;
        }
    }
};

// ---------------------------------------------------------------------------- to RGB

template <class Target>
INLINE void convert_one(const Conversion &by, const Picture &picture, int x, int y,
                        const Codes &codes) {
    float rgb[3];
#pragma unroll
    for (int k = 0; k < 3; ++k) rgb[k] = component(by, k, codes.y, tint(by, k, codes.cb, codes.cr));
    Target::put_one(by, picture, x, y, rgb);
}

template <class Source, class Target> INLINE void straight(const Conversion &by) {
    enum { PIXELS = Target::PIXELS };
    const Picture &picture = by.pictures[blockIdx.z];
    const int x = (blockIdx.x * LANES + threadIdx.x) * PIXELS;
    const int y = blockIdx.y * ROWS_OF_BLOCK + threadIdx.y;
    const int column = by.left + x, row = by.top + y;
    // Of a row, these are the same for all threads.
    const bool aligned = ((Source::places(by, picture, row, column) |
                           Target::places(by, picture, x, y)) & 3) == 0;
    const bool whole = aligned && y < by.height && x + PIXELS <= by.width;
    Pixels<PIXELS> pixels;
    if (IN_PHASE(0) && whole) {
        Tinted<PIXELS> codes;
        Source::codes(by, picture, row, column, codes);
#pragma unroll
        for (int i = 0; i < PIXELS; ++i)
#pragma unroll
            for (int k = 0; k < 3; ++k)
                pixels.rgb[k][i] = component(by, k, codes.y[i], codes.tint[k][i]);
    }
    Target::put(by, picture, x, y, aligned, whole, pixels);
    if (!IN_PHASE(0) || whole || y >= by.height) return;
#pragma unroll 1
    for (int i = 0; i < PIXELS && x + i < by.width; ++i)
        convert_one<Target>(by, picture, x + i, y,
                            codes_at<Source>(by, picture, row, column + i));
}

// A run of samples and their weights: of the first two, of the last two, and one for all between.
struct Run {
    int first, last;
    float edges[4], inner;

    INLINE bool is_edge(int at) const { return at < first + 2 || at > last - 2; }
    INLINE float weight(int at) const {
        return at < first + 2 ? edges[at - first] : at > last - 2 ? edges[3 + at - last] : inner;
    }
};

// The luma samples of number `at` of `count` new ones, which are made of `old` from `start` on.
// Places are fractions of whole numbers below 2^32, so that only the weights are rounded.
INLINE Run luma_run(int at, int count, int old, int start, bool area) {
    int first, last;
    float begin, end;
    if (area) {
        const Word low = (Word)at * old, high = low + old;
        const Word rest = low % count, over = high % count;
        first = (int)(low / count);
        last = (int)(high / count) - (over ? 0 : 1);
        begin = first == last ? 1.0f : (float)(count - rest) / (float)old;
        end = (float)(over ? over : (Word)count) / (float)old;
    } else {
        // The place of its centre, plus 1 to be above zero, in units of 1 / (2 * count).
        const Word place = (2 * (Word)at + 1) * old + count, unit = 2 * (Word)count;
        const Word rest = place % unit;
        const int low = (int)(place / unit) - 1;
        const bool rim = low < 0 || low >= old - 1 || rest == 0;
        first = held(low, old - 1);
        last = first + (rim ? 0 : 1);
        end = (float)rest / (float)unit;
        begin = rim ? 1.0f : 1.0f - end;
    }
    const int more = last - first;
    const float inner = (float)count / (float)old;
    const Run run = {first + start, last + start,
                     {begin, more == 0 ? 0.0f : more == 1 ? end : inner, inner, end}, inner};
    return run;
}

// The weight of one chroma sample: those of the luma samples around it, by their distance.
INLINE float chroma_weight(const Conversion &by, const Run &luma, int at, int phase, int step) {
    float sum = 0.0f;
#pragma unroll 1
    for (int i = step * at - step + 1; i <= step * at + step; ++i) {
        const int quarters = chroma_place(by, i, phase, step) - 4 * at;
        const int near = 4 - (quarters < 0 ? -quarters : quarters);
        if (i >= luma.first && i <= luma.last && near > 0)
            sum = fmaf(luma.weight(i), 0.25f * near, sum);
    }
    return sum;
}

struct Axis {
    Run luma, chroma;

    // The chroma samples that the luma samples need.
    INLINE void set_chroma(const Conversion &by, int phase, int step) {
        chroma.first = chroma_place(by, luma.first, phase, step) >> 2;
        chroma.last = (chroma_place(by, luma.last, phase, step) + 3) >> 2;
        chroma.inner = luma.inner * step;
#pragma unroll 1
        for (int i = 0; i < 4; ++i) {
            const int at = i < 2 ? chroma.first + i : chroma.last + i - 3;
            chroma.edges[i] = at > chroma.last ? 0.0f : chroma_weight(by, luma, at, phase, step);
        }
    }
};

// Of two luma samples at most in each direction, and so of three chroma samples.
template <class Source>
INLINE Codes gathered_short(const Conversion &by, const Picture &picture, const Axis &across,
                            const Axis &down) {
    const bool wide = across.chroma.last - across.chroma.first == 2;
    const bool tall = down.chroma.last - down.chroma.first == 2;
    Word luma[2][2];
    typename Source::Raw chroma[3][3];
#pragma unroll
    for (int i = 0; i < 4; ++i)
        luma[i / 2][i % 2] =
            luma_at<Source>(by, picture, i / 2 ? down.luma.last : down.luma.first,
                            i % 2 ? across.luma.last : across.luma.first);
#pragma unroll
    for (int i = 0; i < 9; ++i)
        if ((i / 3 < 2 || tall) && (i % 3 < 2 || wide))
            chroma[i / 3][i % 3] =
                chroma_at<Source>(by, picture, down.chroma.first + i / 3,
                                  across.chroma.first + i % 3);
    Codes sum = {0.0f, 0.0f, 0.0f};
#pragma unroll
    for (int j = 0; j < 3; ++j) {
        if (j == 2 && !tall) break;
        Codes chroma_line = {0.0f, 0.0f, 0.0f};
#pragma unroll
        for (int i = 0; i < 3; ++i)
            if (i < 2 || wide)
                chroma_line.add_chroma<Source>(by, chroma[j][i], across.chroma.edges[i + i / 2]);
        sum.add(chroma_line, down.chroma.edges[j + j / 2]);
    }
#pragma unroll
    for (int j = 0; j < 2; ++j) {
        Codes luma_line = {0.0f, 0.0f, 0.0f};
        luma_line.add_luma<Source>(by, luma[j][0], across.luma.edges[0]);
        luma_line.add_luma<Source>(by, luma[j][1], across.luma.edges[1]);
        sum.add(luma_line, down.luma.edges[j]);
    }
    return sum;
}

// Of any number of samples. What has one weight is added up before, which for most is exact.
template <class Source, bool LUMA>
INLINE Codes gathered(const Conversion &by, const Picture &picture, const Run &across,
                      const Run &down) {
    const Codes none = {0.0f, 0.0f, 0.0f};
    Codes sum = none, inner_lines = none;
#pragma unroll 1
    for (int y = down.first; y <= down.last; ++y) {
        Codes line = none, inner = none;
#pragma unroll 2
        for (int x = across.first; x <= across.last; ++x) {
            const bool edge = across.is_edge(x);
            Codes one = none;
            if (LUMA)
                one.add_luma<Source>(by, luma_at<Source>(by, picture, y, x), 1.0f);
            else
                one.add_chroma<Source>(by, chroma_at<Source>(by, picture, y, x), 1.0f);
            line.add(one, edge ? across.weight(x) : 0.0f);
            inner.add(one, edge ? 0.0f : 1.0f);
        }
        line.add(inner, across.inner);
        sum.add(line, down.is_edge(y) ? down.weight(y) : 0.0f);
        inner_lines.add(line, down.is_edge(y) ? 0.0f : 1.0f);
    }
    sum.add(inner_lines, down.inner);
    return sum;
}

template <class Source> INLINE void any(const Conversion &by) {
    __shared__ Axis columns[LANES], rows[ROWS_OF_ANY];
    const Picture &picture = by.pictures[blockIdx.z];
    const int lane = threadIdx.x, x = blockIdx.x * LANES + lane, top = blockIdx.y * ROWS_OF_ANY;
    // What is not in the picture any more gets the places of the last sample.
    if (IN_PHASE(0) && threadIdx.y == 0) {
        columns[lane].luma =
            luma_run(held(x, by.width - 1), by.width, by.crop_width, by.left, by.area);
        columns[lane].set_chroma(by, by.phase_x, Source::STEP);
    }
    if (IN_PHASE(0) && threadIdx.y == 1) {
        rows[lane].luma =
            luma_run(held(top + lane, by.height - 1), by.height, by.crop_height, by.top, by.area);
        rows[lane].set_chroma(by, by.phase_y, by.chroma_rows);
    }
    __syncthreads();
    if (!IN_PHASE(1) || x >= by.width) return;
    const Axis &across = columns[lane];
#pragma unroll 1
    for (int row = threadIdx.y; row < ROWS_OF_ANY && top + row < by.height; row += ROWS_OF_BLOCK) {
        const Axis &down = rows[row];
        Codes codes;
        if (across.luma.last - across.luma.first <= 1 && down.luma.last - down.luma.first <= 1) {
            codes = gathered_short<Source>(by, picture, across, down);
        } else {
            codes = gathered<Source, true>(by, picture, across.luma, down.luma);
            codes.add(gathered<Source, false>(by, picture, across.chroma, down.chroma), 1.0f);
        }
        const int y = top + row;
        switch (by.target) {
        case RGB24: convert_one<Packed3>(by, picture, x, y, codes); break;
        case RGBA: convert_one<Packed4>(by, picture, x, y, codes); break;
        case RGB_PLANAR: convert_one<Separate<Bytes> >(by, picture, x, y, codes); break;
        case RGB_FLOAT16: convert_one<Separate<Halves> >(by, picture, x, y, codes); break;
        case RGB_FLOAT32: convert_one<Separate<Floats> >(by, picture, x, y, codes); break;
        }
    }
}

// ---------------------------------------------------------------------------- to YCbCr

// COUNT pixels of a row and one more at each side, as bytes: CHANNELS of a pixel side by side, or
// red, green and blue in planes of their own where that is one.
template <int CHANNELS> struct Rgb {
    template <int COUNT> struct Line {
        enum { PLANES = CHANNELS == 1 ? 3 : 1 };
        Words<CHANNELS * COUNT / 4> words[PLANES];
        Word before[PLANES], after[PLANES];

        INLINE Line(const Conversion &by, const Picture &picture, int row, int first) {
            const int last = by.from_width - 1;
#pragma unroll
            for (int plane = 0; plane < PLANES; ++plane) {
                const Byte *const line = picture.from[plane] + (Address)row * by.from_pitch[0];
                words[plane] = load_held<CHANNELS, COUNT>(line, first, last);
                before[plane] = pixel(line + (Address)held(first - 1, last) * CHANNELS);
                after[plane] = pixel(line + (Address)held(first + COUNT, last) * CHANNELS);
            }
        }

        INLINE static Word pixel(const Byte *at) {
            if (CHANNELS == 1) return __ldg(at);
            return __ldg(at) | (Word)__ldg(at + 1) << 8 | (Word)__ldg(at + 2) << 16;
        }

        // `at` is -1 for the pixel before the others.
        INLINE float get(int at, int channel) const {
            const int plane = channel % PLANES, part = CHANNELS == 1 ? 0 : channel;
            if (at < 0) return byte_of(before[plane], part);
            if (at >= COUNT) return byte_of(after[plane], part);
            return byte_of(words[plane].at[(at * CHANNELS + part) / 4], at * CHANNELS + part);
        }
    };
};

// Codes side by side as they lie in memory.
template <typename Sample, int COUNT>
INLINE void put_codes(const Conversion &by, Byte *place, const Word *codes, int samples) {
    Words<COUNT * (int)sizeof(Sample) / 4> words;
#pragma unroll
    for (int i = 0; i < COUNT * (int)sizeof(Sample) / 4; ++i) {
        if (sizeof(Sample) == 1)
            words.at[i] = four_bytes(codes[4 * i], codes[4 * i + 1], codes[(4 * i + 2) % COUNT],
                                     codes[(4 * i + 3) % COUNT]);
        else
            words.at[i] = two_shorts(codes[2 * i], codes[2 * i + 1]) << by.shift;
    }
    store_held(place, words, samples * (int)sizeof(Sample));
}

// Two rows of luma and one of chroma. The matrix is linear, so that RGB is halved in its place.
template <class Source, typename Sample> INLINE void halved(const Conversion &by) {
    enum { PIXELS = 16 / sizeof(Sample), PAIRS = PIXELS / 2 };
    const Picture &picture = by.pictures[blockIdx.z];
    const int x = (blockIdx.x * LANES + threadIdx.x) * PIXELS;
    const int y = 2 * (blockIdx.y * ROWS_OF_BLOCK + threadIdx.y);
    if (!IN_PHASE(0) || x >= by.width || y >= by.height) return;
    float rgb[3][PAIRS];
#pragma unroll
    for (int i = 0; i < 3 * PAIRS; ++i) rgb[i % 3][i / 3] = 0.0f;
#pragma unroll 1
    for (int j = 0; j < 4; ++j) {
        const int row = y + j - 1;
        const bool own = (j == 1 || j == 2) && row < by.height;
        if (!own && by.down[j] == 0.0f) continue;
        const typename Source::template Line<PIXELS> line(by, picture, held(row, by.height - 1), x);
#pragma unroll
        for (int i = 0; i < 3 * PAIRS; ++i) {
            float sum = 0.0f;
#pragma unroll
            for (int k = 0; k < 4; ++k)
                sum = fmaf(by.across[k], line.get(2 * (i / 3) + k - 1, i % 3), sum);
            rgb[i % 3][i / 3] = fmaf(by.down[j], sum, rgb[i % 3][i / 3]);
        }
        if (!own) continue;
        Word codes[PIXELS];
#pragma unroll
        for (int i = 0; i < PIXELS; ++i)
            codes[i] = code(component(by, 0, line.get(i, 0),
                                      tint(by, 0, line.get(i, 1), line.get(i, 2))), by.peak);
        put_codes<Sample, PIXELS>(by, picture.to[0] + (Address)row * by.to_pitch[0] +
                                          (Address)x * sizeof(Sample), codes, by.width - x);
    }
    Word codes[PIXELS];
#pragma unroll
    for (int i = 0; i < PIXELS; ++i)
        codes[i] = code(component(by, 1 + i % 2, rgb[0][i / 2],
                                  tint(by, 1 + i % 2, rgb[1][i / 2], rgb[2][i / 2])), by.peak);
    put_codes<Sample, PIXELS>(by, picture.to[1] + (Address)(y / 2) * by.to_pitch[1] +
                                      (Address)x * sizeof(Sample), codes,
                              by.width + (by.width & 1) - x);
}

// ---------------------------------------------------------------------------- entry points

#define KERNEL(name, body)                                                                         \
    extern "C" __global__ void __launch_bounds__(LANES * ROWS_OF_BLOCK)                            \
        name(const Conversion conversion) { body(conversion); }
#define COMMA ,
#define TO_RGB(source, Source)                                                                     \
    KERNEL(source##_rgb24, straight<Source COMMA Packed3>)                                         \
    KERNEL(source##_rgba, straight<Source COMMA Packed4>)                                          \
    KERNEL(source##_rgb_planar, straight<Source COMMA Separate<Bytes> >)                           \
    KERNEL(source##_rgb_float16, straight<Source COMMA Separate<Halves> >)                         \
    KERNEL(source##_rgb_float32, straight<Source COMMA Separate<Floats> >)                         \
    KERNEL(source##_any, any<Source>)
#define TO_YCBCR(source, Source)                                                                   \
    KERNEL(source##_nv12, halved<Source COMMA Byte>)                                               \
    KERNEL(source##_p016, halved<Source COMMA Short>)

TO_RGB(nv12, Pairs<Byte>)
TO_RGB(p016, Pairs<Short>)
TO_RGB(yuv444, Planes<Byte>)
TO_RGB(yuv444p16, Planes<Short>)
TO_YCBCR(rgb24, Rgb<3>)
TO_YCBCR(rgba, Rgb<4>)
TO_YCBCR(rgb_planar, Rgb<1>)
