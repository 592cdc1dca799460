// Surfaces of YCbCr to RGB and back on an NVIDIA device, each in one pass over the pictures.
//
// Owns the arithmetic on the device. Which coefficients, sitings and rectangles there are is the
// caller's to say, in one struct passed by value; the meaning of all of them is that of
// videohw/color/reference.py. Nothing is included: NVRTC brings no headers, and the tests compile
// this very file for the host, where the threads of a block run one after the other.
//
//   SOURCE_rgb8    crop, chroma to the places of luma, matrix, clamp, round, for eight pixels of
//                  two rows a thread: to rgb24, rgb_planar (8 bits) or rgb_float16 (three planes)
//   SOURCE_rgb4    the same for four pixels of two rows: to rgba or rgb_float32 (three planes)
//   SOURCE_any     to any of these with a resize before the matrix, bilinear or area; also where
//                  nothing is resized but a crop begins between two samples of chroma
//     SOURCE: nv12, p016 (pairs of Cb and Cr of 8 or 16 bits, 4:2:0 or 4:2:2), yuv444, yuv444p16
//   SOURCE_ycbcr   the other way, chroma halved in both directions: to nv12 or p016
//     SOURCE: rgb24, rgba, rgb_planar
//
// The order of the components (BGR, NV21) is that of the rows and columns of the matrix. Blocks
// are of 32 x 4 threads, blockIdx.z is the picture. Nothing but the pixels is read or written, at
// any pitch and place; these only decide how fast it goes (samples of 2 and 4 bytes lie at
// multiples of their size). From YCbCr to YCbCr, and from RGB to any YCbCr in any size, are the
// kernels of ycbcr.cu, which is compiled behind this file, as one unit with it.

typedef unsigned char Byte;
typedef unsigned short Short;
typedef unsigned int Word;
typedef unsigned long long Address;

#define INLINE __device__ __forceinline__
// The host's shim takes all threads of a block through a phase before the next.
#ifndef IN_PHASE
#define IN_PHASE(number) true
#endif

enum { MAX_PICTURES = 32, LANES = 32, ROWS_OF_BLOCK = 4 };
enum { RGB24, RGBA, RGB_PLANAR, RGB_FLOAT16, RGB_FLOAT32, NV12, P016 };

// Samples of one component in a picture: the plane, in bytes where its first one is and from one to
// the next.
struct Component { int plane, offset, stride; };

struct Picture {
    const Byte *from[3];  // Y, CbCr; Y, Cb, Cr; the packed pixels; or R, G, B
    Byte *to[3];          // the packed pixels; three planes; or Y, CbCr
};

// To RGB: matrix and offset take codes to 0..1; floats become clamped * scale + bias.
// To YCbCr: matrix and offset take 0..255 to 0..1 on the scale of codes that ends at `peak`.
struct Conversion {
    float matrix[3][3], offset[3], scale[3], bias[3];
    // To YCbCr: weights of the luma samples -1, 0, 1, 2 from the place of one of chroma.
    float across[4], down[4];
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
    int target;            // RGB24 to P016
    // Same size: where a luma sample lies between samples of chroma, as a part of their distance:
    // an even column before the pair of half its number, an odd column behind it, and the two rows
    // of a thread, which lie between the same two rows of chroma.
    float back, ahead;
    int parts[2];     // of the distance in quarters
    int lead;         // how many of the first two rows are above the picture: 0 or 1
    int chroma_top;   // the upper row of chroma of the first two rows
    int chroma_pace;  // from there to that of the next two
    // Scaled: what a block makes, whether the source of it goes through shared memory, and whether
    // moreover no sample is made of more than two by two.
    int tile_columns, tile_rows, staged, brief;
    // Of ycbcr.cu alone, and explained there.
    Component from_component[3], to_component[3];
    int from_step[2], from_place[2], to_step[2], to_place[2], kept[2];
    int used[2], taps[2][2], luma_blocks, plain;
    Picture pictures[MAX_PICTURES];
};

// ---------------------------------------------------------------------------- memory

template <int COUNT> struct Words { Word at[COUNT]; };

INLINE bool is_aligned(const void *place, int bytes) { return ((Address)place & (bytes - 1)) == 0; }
INLINE int held(int index, int last) { return index < 0 ? 0 : index > last ? last : index; }
// The widest access that so many words can be made of.
INLINE constexpr int access_bytes(int words) {
    return words % 4 == 0 ? 16 : words % 2 == 0 ? 8 : 4;
}

// The words are one long number, which gets new low bits and loses the high ones, or the other
// way round.
template <int BITS, int COUNT> INLINE void push(Words<COUNT> &words, Word low) {
#pragma unroll
    for (int i = COUNT - 1; i > 0; --i)
        words.at[i] = __funnelshift_l(words.at[i - 1], words.at[i], BITS);
    words.at[0] = words.at[0] << BITS | low;
}
template <int BITS, int COUNT> INLINE void pop(Words<COUNT> &words) {
#pragma unroll
    for (int i = 0; i < COUNT; ++i) {
        const Word above = i + 1 < COUNT ? words.at[i + 1] : 0;
        words.at[i] = BITS == 32 ? above : __funnelshift_r(words.at[i], above, BITS & 31);
    }
}

template <int COUNT> INLINE Words<COUNT> load_words(const Byte *place) {
    Words<COUNT> words;
#pragma unroll
    for (int i = 0; i < COUNT; i += access_bytes(COUNT) / 4) {
        if (access_bytes(COUNT) == 16) {
            const uint4 four = __ldg((const uint4 *)(place + 4 * i));
            words.at[i] = four.x;
            words.at[(i + 1) % COUNT] = four.y;
            words.at[(i + 2) % COUNT] = four.z;
            words.at[(i + 3) % COUNT] = four.w;
        } else if (access_bytes(COUNT) == 8) {
            const uint2 two = __ldg((const uint2 *)(place + 4 * i));
            words.at[i] = two.x;
            words.at[(i + 1) % COUNT] = two.y;
        } else {
            words.at[i] = __ldg((const Word *)(place + 4 * i));
        }
    }
    return words;
}

// COUNT elements of UNITS each, of a row of last + 1, from `first` on; those beyond the row are
// its last.
template <typename Unit, int UNITS, int COUNT>
INLINE Words<sizeof(Unit) * UNITS * COUNT / 4> load_held(const Byte *row, int first, int last) {
    enum { BYTES = sizeof(Unit) * UNITS, WORDS = BYTES * COUNT / 4 };
    Words<WORDS> words;
#pragma unroll
    for (int i = 0; i < WORDS; ++i) words.at[i] = 0;
#pragma unroll 1
    for (int i = COUNT - 1; i >= 0; --i) {
        const Unit *const element = (const Unit *)(row + (Address)held(first + i, last) * BYTES);
#pragma unroll
        for (int k = UNITS - 1; k >= 0; --k) push<8 * sizeof(Unit)>(words, __ldg(element + k));
    }
    return words;
}

// The words, or the first `units` of them where these are less.
template <typename Unit, int COUNT>
INLINE void store_held(Byte *place, Words<COUNT> words, int units) {
    enum { UNITS = 4 * COUNT / sizeof(Unit) };
    if (units >= UNITS && is_aligned(place, access_bytes(COUNT))) {
        if (access_bytes(COUNT) == 16)
            *(uint4 *)place = make_uint4(words.at[0], words.at[1 % COUNT], words.at[2 % COUNT],
                                         words.at[3 % COUNT]);
        else
            *(uint2 *)place = make_uint2(words.at[0], words.at[1 % COUNT]);
        return;
    }
#pragma unroll 1
    for (int i = 0; i < (units < UNITS ? units : UNITS); ++i) {
        ((Unit *)place)[i] = (Unit)words.at[0];
        pop<8 * sizeof(Unit)>(words);
    }
}

// ---------------------------------------------------------------------------- numbers

template <typename Sample> struct Samples;  // codes of Y, Cb or Cr in a word
template <> struct Samples<Byte> {
    typedef Short Pair;
    INLINE static float of(const Conversion &, Word word, int index) {
        return (float)(word >> 8 * (index & 3) & 0xFF);
    }
};
template <> struct Samples<Short> {
    typedef Word Pair;
    INLINE static float of(const Conversion &by, Word word, int index) {
        return (float)((word & by.sample_bits) >> 16 * (index & 1) & 0xFFFF);
    }
};

template <typename Sample, int COUNT>
INLINE float sample(const Conversion &by, const Words<COUNT> &words, int index) {
    return Samples<Sample>::of(by, words.at[index * (int)sizeof(Sample) / 4], index);
}

// 0..1 as a code of 0..peak in the low bits, below others. A float of this size counts in ones.
// The sum is rounded once, to the nearest; the only tie, at the middle of the scale, goes to the
// even code above.
INLINE Word code(float part, float peak) { return __float_as_uint(fmaf(part, peak, 8388608.0f)); }

INLINE Word four_bytes(Word a, Word b, Word c, Word d) {
    return __byte_perm(__byte_perm(a, b, 0x0040), __byte_perm(c, d, 0x0040), 0x5410);
}

INLINE Word two_shorts(Word a, Word b) { return __byte_perm(a, b, 0x5410); }

// IEEE 754 binary16, to the nearest, halves to even; from 65520 on infinity. Not for NaN.
INLINE Word half_bits(float value) {
#ifdef __CUDA_ARCH__
    Short half;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(half) : "f"(value));
    return half;
#else
    const Word bits = __float_as_uint(value), size = min(bits & 0x7FFFFFFFu, 0x47800000u);
    // Normal: the exponent loses 112 of its bias, the fraction its 13 lowest bits. A carry out of
    // the fraction goes into the exponent, as it must, up to infinity.
    Word half = (size - 0x37FFF001u + (size >> 13 & 1)) >> 13;
    // Subnormal: a sum with 0.5 counts in steps of 2^-24, and is rounded as it is wanted here.
    if (size < 0x38800000u) half = __float_as_uint(__uint_as_float(size) + 0.5f) - 0x3F000000u;
    return half | (bits >> 16 & 0x8000u);
#endif
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

INLINE int last_chroma_row(const Conversion &by) {
    return (by.from_height - 1) >> (by.chroma_rows - 1);
}

INLINE const Byte *luma_row(const Conversion &by, const Picture &picture, int row) {
    return picture.from[0] + (Address)(Word)row * by.from_pitch[0];
}

INLINE const Byte *chroma_row(const Conversion &by, const Picture &picture, int plane, int row) {
    return picture.from[plane] + (Address)(Word)row * by.from_pitch[1];
}

// Cb and Cr between two rows, in quarters: `part` is that of the row below.
INLINE void mix(const Conversion &, Byte, Word above, Word below, int index, int part,
                float *both) {
    // Side by side in one word, which holds both sums.
    const Word selector = index & 1 ? 0x4342 : 0x4140;
    const Word sums = __byte_perm(above, 0, selector) * (4 - part) +
                      __byte_perm(below, 0, selector) * part;
    both[0] = (float)(sums & 0xFFFF);
    both[1] = (float)(sums >> 16);
}
INLINE void mix(const Conversion &by, Short, Word above, Word below, int, int part, float *both) {
#pragma unroll
    for (int k = 0; k < 2; ++k)
        both[k] = fmaf(Samples<Short>::of(by, below, k), (float)part,
                       Samples<Short>::of(by, above, k) * (float)(4 - part));
}

// Y, and pairs of Cb and Cr, half as many across.
template <typename SampleType> struct Pairs {
    typedef SampleType Sample;
    typedef typename Samples<Sample>::Pair Pair;
    enum { STEP = 2, PLANES = 2, UNITS = 2, ROWS_AT_ONCE = 2 / sizeof(Sample) };

    // Two rows of luma from an even column on, and the rows of chroma above and below, as they
    // lie in memory. Cb and Cr are in quarters here, and so are the coefficients for them.
    template <int COUNT> struct Lines {
        enum { PAIRS = COUNT / 2, WORDS = COUNT * sizeof(Sample) / 4 };
        Words<WORDS> luma, second, above, below;
        Word before[2], behind[2];  // pairs beside these, above and below
        int part, second_part;

        INLINE Lines(const Conversion &by, const Picture &picture, int pair, int row, int column) {
            const int last = by.from_width - 1, first = column >> 1, last_pair = last >> 1;
            const int place = by.chroma_top + pair * by.chroma_pace;
            const int bottom = by.from_height - 1, chroma_bottom = last_chroma_row(by);
            const Byte *const high = chroma_row(by, picture, 1, held(place, chroma_bottom));
            const Byte *const low = chroma_row(by, picture, 1, held(place + 1, chroma_bottom));
            const Byte *const top = luma_row(by, picture, row < 0 ? 0 : row);
            const Byte *const next = luma_row(by, picture, row < bottom ? row + 1 : bottom);
            part = by.parts[0];
            second_part = by.parts[1];
            const Byte *const pairs = high + (Word)first * 2 * sizeof(Sample);
            const Byte *const pairs_below = low + (Word)first * 2 * sizeof(Sample);
            const Byte *const y = top + (Word)column * sizeof(Sample);
            const Byte *const y_below = next + (Word)column * sizeof(Sample);
            before[0] = before[1] = 0;
            if (column + COUNT <= by.from_width &&
                is_aligned((const Byte *)((Address)pairs | (Address)pairs_below | (Address)y |
                                          (Address)y_below), access_bytes(WORDS))) {
                luma = load_words<WORDS>(y);
                second = load_words<WORDS>(y_below);
                above = load_words<WORDS>(pairs);
                below = load_words<WORDS>(pairs_below);
                const bool ends = first + PAIRS > last_pair;
                if (!ends) {
                    behind[0] = __ldg((const Pair *)pairs + PAIRS);
                    behind[1] = __ldg((const Pair *)pairs_below + PAIRS);
                }
                if (by.back != 0.0f) {
                    const int back = first == 0 ? 0 : -1;
                    before[0] = __ldg((const Pair *)pairs + back);
                    before[1] = __ldg((const Pair *)pairs_below + back);
                }
                // Only now, when all the rest is on its way.
                if (ends) {
                    behind[0] = end(above);
                    behind[1] = end(below);
                }
            } else {
                luma = load_held<Sample, 1, COUNT>(top, column, last);
                second = load_held<Sample, 1, COUNT>(next, column, last);
                above = load_held<Sample, 2, PAIRS>(high, first, last_pair);
                below = load_held<Sample, 2, PAIRS>(low, first, last_pair);
                behind[0] = at(high, held(first + PAIRS, last_pair));
                behind[1] = at(low, held(first + PAIRS, last_pair));
                before[0] = at(high, held(first - 1, last_pair));
                before[1] = at(low, held(first - 1, last_pair));
            }
        }

        INLINE static Word at(const Byte *row, int pair) {
            const Sample *const both = (const Sample *)row + 2 * pair;
            return __ldg(both) | (Word)__ldg(both + 1) << 8 * sizeof(Sample);
        }
        INLINE static Word end(const Words<WORDS> &pairs) {
            return sizeof(Sample) == 1 ? pairs.at[WORDS - 1] >> 16 : pairs.at[WORDS - 1];
        }

        INLINE void next() {
            luma = second;
            part = second_part;
        }

        // What the pair in these words adds to each component.
        INLINE void tint_of(const Conversion &by, Word above, Word below, int index,
                            float *tints, int stride) const {
            float both[2];
            mix(by, Sample(), above, below, index, part, both);
#pragma unroll
            for (int k = 0; k < 3; ++k) tints[k * stride] = tint(by, k, both[0], both[1]);
        }

        // Chroma is tinted before it is brought to the places of luma, since there is less of it.
        INLINE void tinted(const Conversion &by, Tinted<COUNT> &to) const {
            float tints[3][PAIRS + 1];
#pragma unroll
            for (int i = 0; i < PAIRS; ++i) {
                const int word = i * 2 * (int)sizeof(Sample) / 4;
                tint_of(by, above.at[word], below.at[word], i, &tints[0][i], PAIRS + 1);
            }
            tint_of(by, behind[0], behind[1], 0, &tints[0][PAIRS], PAIRS + 1);
#pragma unroll
            for (int i = 0; i < COUNT; ++i) to.y[i] = sample<Sample>(by, luma, i);
#pragma unroll
            for (int i = 0; i < 3 * PAIRS; ++i) {
                const float *const pair = tints[i % 3] + i / 3;
                to.tint[i % 3][i / 3 * 2] = pair[0];
                to.tint[i % 3][i / 3 * 2 + 1] = between(pair[0], pair[1], by.ahead);
            }
            if (by.back == 0.0f) return;
            float first[3];
            tint_of(by, before[0], before[1], 0, first, 1);
            // In place, from the last to the first.
#pragma unroll
            for (int i = 3 * PAIRS - 1; i >= 0; --i) {
                const float other = i < 3 ? first[i] : to.tint[i % 3][i / 3 * 2 - 2];
                to.tint[i % 3][i / 3 * 2] = between(to.tint[i % 3][i / 3 * 2], other, by.back);
            }
        }
    };
};

// Y, Cb, Cr, all of one size.
template <typename SampleType> struct Planes {
    typedef SampleType Sample;
    typedef SampleType Pair;  // one of the two
    enum { STEP = 1, PLANES = 3, UNITS = 1, ROWS_AT_ONCE = 1 };

    template <int COUNT> struct Lines {
        enum { WORDS = COUNT * sizeof(Sample) / 4 };
        Words<WORDS> planes[3], below[3];

        INLINE Lines(const Conversion &by, const Picture &picture, int, int row, int column) {
            const int bottom = by.from_height - 1, last = by.from_width - 1;
            const int first = row < 0 ? 0 : row, second = row < bottom ? row + 1 : bottom;
            const Byte *rows[6];
            Address places = (Address)column * sizeof(Sample);
#pragma unroll
            for (int i = 0; i < 6; ++i) {
                const int line = i < 3 ? first : second;
                rows[i] =
                    i % 3 ? chroma_row(by, picture, i % 3, line) : luma_row(by, picture, line);
                places |= (Address)rows[i];
            }
            const bool whole = column + COUNT <= by.from_width &&
                               is_aligned((const Byte *)places, access_bytes(WORDS));
#pragma unroll
            for (int i = 0; i < 6; ++i) {
                Words<WORDS> &words = i < 3 ? planes[i] : below[i - 3];
                if (whole)
                    words = load_words<WORDS>(rows[i] + (Word)column * sizeof(Sample));
                else
                    words = load_held<Sample, 1, COUNT>(rows[i], column, last);
            }
        }

        INLINE void next() {
#pragma unroll
            for (int i = 0; i < 3; ++i) planes[i] = below[i];
        }

        INLINE void tinted(const Conversion &by, Tinted<COUNT> &to) const {
#pragma unroll
            for (int i = 0; i < COUNT; ++i) {
                to.y[i] = sample<Sample>(by, planes[0], i);
#pragma unroll
                for (int k = 0; k < 3; ++k)
                    to.tint[k][i] = tint(by, k, sample<Sample>(by, planes[1], i),
                                         sample<Sample>(by, planes[2], i));
            }
        }
    };
};

// ---------------------------------------------------------------------------- RGB into memory

INLINE Byte *target_at(const Conversion &by, const Picture &picture, int plane, int x, int y,
                       int bytes_of_pixel) {
    return picture.to[plane] + (Address)(Word)y * by.to_pitch[0] + (Word)(x * bytes_of_pixel);
}

// Red, green, blue, and 255.
INLINE Word pixel_word(float a, float b, float c) {
    return four_bytes(code(a, 255.0f), code(b, 255.0f), code(c, 255.0f), 255u);
}

// Numbers of the planes, as bits in the low end of a word.
struct Bytes {
    typedef Byte Unit;
    INLINE static Word bits(const Conversion &, int, float part) { return code(part, 255.0f); }
    INLINE static Word word(const Word *bits) {
        return four_bytes(bits[0], bits[1], bits[2], bits[3]);
    }
};

struct Halves {
    typedef Short Unit;
    INLINE static Word bits(const Conversion &by, int plane, float part) {
        return half_bits(fmaf(part, by.scale[plane], by.bias[plane]));
    }
    INLINE static Word word(const Word *bits) { return two_shorts(bits[0], bits[1]); }
};

struct Floats {
    typedef Word Unit;
    INLINE static Word bits(const Conversion &by, int plane, float part) {
        return __float_as_uint(fmaf(part, by.scale[plane], by.bias[plane]));
    }
    INLINE static Word word(const Word *bits) { return bits[0]; }
};

// COUNT pixels of one row, of which `pixels` are in the picture. Components are 0..1.
template <class Number, int COUNT>
INLINE void put_planes(const Conversion &by, const Picture &picture, int x, int y, int pixels,
                       const float (&rgb)[3][COUNT]) {
    enum { SIZE = sizeof(typename Number::Unit), WORDS = COUNT * SIZE / 4 };
#pragma unroll
    for (int plane = 0; plane < 3; ++plane) {
        Word bits[COUNT];
        Words<WORDS> words;
#pragma unroll
        for (int i = 0; i < COUNT; ++i) bits[i] = Number::bits(by, plane, rgb[plane][i]);
#pragma unroll
        for (int i = 0; i < WORDS; ++i) words.at[i] = Number::word(bits + i * 4 / SIZE);
        store_held<typename Number::Unit>(target_at(by, picture, plane, x, y, SIZE), words, pixels);
    }
}

template <class Number>
INLINE void put_in_planes(const Conversion &by, const Picture &picture, Address offset,
                          const float *rgb) {
    typedef typename Number::Unit Unit;
#pragma unroll
    for (int plane = 0; plane < 3; ++plane)
        *(Unit *)(picture.to[plane] + offset) = (Unit)Number::bits(by, plane, rgb[plane]);
}

// Bytes of a pixel, in a plane where it lies in three.
INLINE int bytes_of_pixel(int target) {
    return target == RGB24 ? 3 : target == RGB_PLANAR ? 1 : target == RGB_FLOAT16 ? 2 : 4;
}

// One pixel of any target.
INLINE void put_one(const Conversion &by, const Picture &picture, Address offset,
                    const float *rgb) {
    if (by.target == RGB_PLANAR) {
        put_in_planes<Bytes>(by, picture, offset, rgb);
    } else if (by.target == RGB_FLOAT16) {
        put_in_planes<Halves>(by, picture, offset, rgb);
    } else if (by.target == RGB_FLOAT32) {
        put_in_planes<Floats>(by, picture, offset, rgb);
    } else {
        Byte *const place = picture.to[0] + offset;
        const Word pixel = pixel_word(rgb[0], rgb[1], rgb[2]);
        if (by.target == RGBA && is_aligned(place, 4)) {
            *(Word *)place = pixel;
        } else {
#pragma unroll
            for (int i = 0; i < 3; ++i) place[i] = (Byte)(pixel >> 8 * i);
            if (by.target == RGBA) place[3] = 255;
        }
    }
}

// ---------------------------------------------------------------------------- to RGB, same size

// The bytes of two rows of a warp's pixels lie side by side: they go through shared memory, so
// that its threads write whole lines of memory together.
struct Staged {
    enum { PIXELS = 8, PIECES = 3 * PIXELS / 8 };
    uint2 rows[ROWS_OF_BLOCK][2][LANES * PIECES];

    INLINE void put(int row, const float (&rgb)[3][PIXELS]) {
        uint2 *const line = rows[threadIdx.y][row] + threadIdx.x * PIECES;
#pragma unroll
        for (int i = 0; i < PIECES; ++i)
            line[i] = make_uint2(word(rgb, 8 * i), word(rgb, 8 * i + 4));
    }

    INLINE static Word word(const float (&rgb)[3][PIXELS], int at) {
        return four_bytes(byte(rgb, at), byte(rgb, at + 1), byte(rgb, at + 2), byte(rgb, at + 3));
    }

    INLINE static Word byte(const float (&rgb)[3][PIXELS], int at) {
        return code(rgb[at % 3][at / 3], 255.0f);
    }

    INLINE void write(const Conversion &by, const Picture &picture, int y) const {
        const int start = blockIdx.x * LANES * PIXELS, rest = by.width - start, lane = threadIdx.x;
        const int bytes = 3 * (rest < LANES * PIXELS ? rest : LANES * PIXELS);
#pragma unroll 1
        for (int row = 0; row < 2; ++row) {
            if (y + row < 0 || y + row >= by.height) continue;
            const uint2 *const line = rows[threadIdx.y][row];
            Byte *const place = target_at(by, picture, 0, start, y + row, 3);
            const int pieces = is_aligned(place, 8) ? bytes / 8 : 0;
#pragma unroll
            for (int i = 0; i < LANES * PIECES; i += LANES)
                if (i + lane < pieces) ((uint2 *)place)[i + lane] = line[i + lane];
#pragma unroll 1
            for (int i = 8 * pieces + lane; i < bytes; i += LANES)
                place[i] = ((const Byte *)line)[i];
        }
    }
};

template <class Source> INLINE void rgb8(const Conversion &by) {
    __shared__ Staged staged;
    const Picture &picture = by.pictures[blockIdx.z];
    const int pair = blockIdx.y * ROWS_OF_BLOCK + threadIdx.y, y = 2 * pair - by.lead;
    const int x = (blockIdx.x * LANES + threadIdx.x) * 8;
    if (y >= by.height) return;
    if (IN_PHASE(0) && x < by.width) {
        typename Source::template Lines<8> lines(by, picture, pair, by.top + y, by.left + x);
#pragma unroll(Source::ROWS_AT_ONCE)
        for (int row = 0; row < 2; ++row, lines.next()) {
            if (y + row < 0 || y + row >= by.height) continue;
            Tinted<8> codes;
            float rgb[3][8];
            lines.tinted(by, codes);
#pragma unroll
            for (int i = 0; i < 24; ++i)
                rgb[i % 3][i / 3] = component(by, i % 3, codes.y[i / 3], codes.tint[i % 3][i / 3]);
            if (by.target == RGB24)
                staged.put(row, rgb);
            else if (by.target == RGB_PLANAR)
                put_planes<Bytes>(by, picture, x, y + row, by.width - x, rgb);
            else
                put_planes<Halves>(by, picture, x, y + row, by.width - x, rgb);
        }
    }
    __syncwarp();
    if (IN_PHASE(1) && by.target == RGB24) staged.write(by, picture, y);
}

template <class Source> INLINE void rgb4(const Conversion &by) {
    const Picture &picture = by.pictures[blockIdx.z];
    const int pair = blockIdx.y * ROWS_OF_BLOCK + threadIdx.y, y = 2 * pair - by.lead;
    const int x = (blockIdx.x * LANES + threadIdx.x) * 4;
    if (!IN_PHASE(0) || x >= by.width || y >= by.height) return;
    typename Source::template Lines<4> lines(by, picture, pair, by.top + y, by.left + x);
#pragma unroll 1
    for (int row = 0; row < 2; ++row, lines.next()) {
        if (y + row < 0 || y + row >= by.height) continue;
        Tinted<4> codes;
        float rgb[3][4];
        lines.tinted(by, codes);
#pragma unroll
        for (int i = 0; i < 12; ++i)
            rgb[i % 3][i / 3] = component(by, i % 3, codes.y[i / 3], codes.tint[i % 3][i / 3]);
        if (by.target == RGBA) {
            Words<4> words;
#pragma unroll
            for (int i = 0; i < 4; ++i) words.at[i] = pixel_word(rgb[0][i], rgb[1][i], rgb[2][i]);
            store_held<Byte>(target_at(by, picture, 0, x, y + row, 4), words, 4 * (by.width - x));
        } else {
            put_planes<Floats>(by, picture, x, y + row, by.width - x, rgb);
        }
    }
}

// ---------------------------------------------------------------------------- to RGB, scaled

enum { TILE_BYTES = 20480, TILE_COLUMNS = 64, TILE_ROWS = 32 };

// Codes, or sums of codes by their weights.
struct Codes {
    float y, cb, cr;

    INLINE void add(const Codes &other, float weight) {
        y = fmaf(weight, other.y, y);
        cb = fmaf(weight, other.cb, cb);
        cr = fmaf(weight, other.cr, cr);
    }
};

// A run of samples and their weights: of the first two, of the last two where these are others
// (zero where they are not), and one for all between.
struct alignas(16) Run {
    float edges[4];
    int first, last;
    float inner;

    INLINE bool is_edge(int at) const { return at < first + 2 || at > last - 2; }
    INLINE float edge(int at) const {
        return edges[at < first + 2 ? at - first : at > last - 2 ? 3 + at - last : 0];
    }
    // Whether `edges` has a sample of its own there.
    INLINE bool has(int edge) const {
        const int more = last - first;
        return edge < 2 ? edge <= more : more >= 5 - edge;
    }
};

// The luma samples that one sample of the target is made of.
struct Share {
    int first, last;
    float begin, end, inner;

    INLINE float weight(int at) const {
        const float inside = at == first ? begin : at == last ? end : inner;
        return at < first || at > last ? 0.0f : inside;
    }
};

// Of number `at` of `count` new ones, which are made of `old` from `start` on. Places are fractions
// of whole numbers below 2^32, so that only the weights are rounded.
INLINE Share luma_share(int at, int count, int old, int start, bool area) {
    // The first place; or that of the centre, plus 1 to be above zero, in units of 1 / (2 * count).
    const Word place = area ? (Word)at * old : (2 * (Word)at + 1) * old + count;
    const Word unit = area ? count : 2 * count, whole = place / unit, rest = place - whole * unit;
    Share share;
    share.inner = (float)count / (float)old;
    if (area) {
        const Word high = place + old, over = high % unit;
        share.first = (int)whole;
        share.last = (int)(high / unit) - (over ? 0 : 1);
        share.begin = share.first == share.last ? 1.0f : (float)(unit - rest) / (float)old;
        share.end = (float)(over ? over : unit) / (float)old;
    } else {
        const int low = (int)whole - 1;
        const bool rim = low < 0 || low >= old - 1 || rest == 0;
        share.first = held(low, old - 1);
        share.last = share.first + (rim ? 0 : 1);
        share.end = (float)rest / (float)unit;
        share.begin = rim ? 1.0f : 1.0f - share.end;
    }
    share.first += start;
    share.last += start;
    return share;
}

struct Axis {
    Run luma, chroma;

    // Samples of chroma are `step` luma samples apart, and `phase` is the place of the first in
    // halves of a luma sample (-1: by repetition). Runs of them may begin one before the first and
    // end one behind the last; those are that of the rim.
    INLINE void set(const Share &share, int step, int phase) {
        luma.first = share.first;
        luma.last = share.last;
        luma.inner = share.inner;
        const int begin = place(share.first, step, phase), end = place(share.last, step, phase);
        chroma.first = begin >> 2;
        chroma.last = (end + 3) >> 2;
        chroma.inner = share.inner * step;
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            luma.edges[i] = luma.has(i) ? share.weight(at(luma, i)) : 0.0f;
            chroma.edges[i] = 0.0f;
        }
        if (share.last - share.first < 2) {
#pragma unroll
            for (int i = 0; i < 3; ++i) {
                const int place = 4 * (chroma.first + i);
                const float sum = fmaf(luma.edges[1], nearness(end - place),
                                       luma.edges[0] * nearness(begin - place));
                if (chroma.first + i <= chroma.last) chroma.edges[i + i / 2] = sum;
            }
            return;
        }
#pragma unroll 1
        for (int i = 0; i < 4; ++i) {
            const int here = at(chroma, i);
            float sum = 0.0f;
#pragma unroll
            for (int k = 0; k < 4; ++k) {
                const int near = step * (here - 1) + 1 + k;
                sum = fmaf(nearness(place(near, step, phase) - 4 * here), share.weight(near), sum);
            }
            if (chroma.has(i)) chroma.edges[i] = sum;
        }
    }
    // Of a luma sample, in quarters of the distance between samples of chroma.
    INLINE static int place(int luma, int step, int phase) {
        return step == 1 ? 4 * luma : phase < 0 ? 4 * (luma >> 1) : 2 * luma - phase;
    }
    INLINE static float nearness(int quarters) {
        const int near = 4 - (quarters < 0 ? -quarters : quarters);
        return near > 0 ? 0.25f * near : 0.0f;
    }
    INLINE static int at(const Run &run, int edge) {
        return edge < 2 ? run.first + edge : run.last + edge - 3;
    }
};

// Where the samples of a plane are found, in the picture or in shared memory: its column 0 and row
// 0, wherever that would be.
struct View {
    Address origin;
    Word pitch;

    INLINE const Byte *at(int row, int bytes) const {
        return (const Byte *)(origin + (Address)(Word)row * pitch + (Word)bytes);
    }
};

// Copies the part of a plane that the runs span into the block's shared memory, from `place` on.
// Its rows have so many bytes in all, its elements so many each; whole vectors where rows begin at
// multiples of them.
template <typename Unit>
INLINE View staged(const Byte *plane, Word from_pitch, bool aligned, int row_bytes, int bytes,
                   int first_column, int last_column, int first_row, int last_row, uint4 *memory,
                   int &place) {
    const int start = first_column * bytes & (aligned ? ~15 : ~0);
    const int length = ((last_column + 1) * bytes - start + 15) & ~15;
    const View view = {
        (Address)memory + (Address)(long long)(place - start - first_row * length), (Word)length};
    const int thread = threadIdx.y * LANES + threadIdx.x, threads = LANES * ROWS_OF_BLOCK;
    const int rest = row_bytes - start, height = last_row - first_row + 1;
    const int vectors = aligned ? (length < rest ? length : rest) / 16 : 0;
    const Byte *const from = plane + (Address)(Word)first_row * from_pitch + start;
    Byte *const to = (Byte *)memory + place;
    if (vectors) {
        int row = thread / vectors, at = thread - row * vectors;
        const int rows = threads / vectors, more = threads - rows * vectors;
#pragma unroll 2
        while (row < height) {
            *(uint4 *)(to + row * length + 16 * at) =
                __ldg((const uint4 *)(from + (Address)(Word)row * from_pitch + 16 * at));
            row += rows;
            at += more;
            if (at >= vectors) {
                at -= vectors;
                ++row;
            }
        }
    }
    // What is no whole vector, at the end of rows or in all of them.
    const int end = length < rest ? length : rest;
    if (16 * vectors < end) {
#pragma unroll 1
        for (int row = threadIdx.y; row < height; row += ROWS_OF_BLOCK)
#pragma unroll 1
            for (int i = 16 * vectors + threadIdx.x * (int)sizeof(Unit); i < end;
                 i += LANES * (int)sizeof(Unit))
                *(Unit *)(to + row * length + i) =
                    __ldg((const Unit *)(from + (Address)(Word)row * from_pitch + i));
    }
    place += (last_row - first_row + 1) * length;
    return view;
}

// The weighted sum of one channel, of any number of samples, each `step` bytes from the next. What
// has one weight is added up before, which for most is exact.
template <typename Sample>
INLINE float gathered(const Conversion &by, const View &view, int step, const Run &across,
                      const Run &down, int last_column, int last_row) {
    float sum = 0.0f, inner_lines = 0.0f;
#pragma unroll 1
    for (int y = down.first; y <= down.last; ++y) {
        const Byte *const row = view.at(held(y, last_row), 0);
        float line = 0.0f, inner = 0.0f;
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            const int at = held(Axis::at(across, i), last_column);
            const Word raw = *(const Sample *)(row + at * step);
            line = fmaf(across.edges[i], Samples<Sample>::of(by, raw, 0), line);
        }
#pragma unroll 4
        for (int i = across.first + 2; i < across.last - 1; ++i)
            inner += Samples<Sample>::of(by, *(const Sample *)(row + i * step), 0);
        line = fmaf(across.inner, inner, line);
        if (down.is_edge(y))
            sum = fmaf(down.edge(y), line, sum);
        else
            inner_lines += line;
    }
    return fmaf(down.inner, inner_lines, sum);
}

// Of two luma samples at most in each direction, and so of three chroma samples, in shared memory.
// Luma that counts for nothing may be anything there.
template <class Source> struct Window {
    typedef typename Source::Sample Sample;
    typedef typename Source::Pair Pair;
    int luma, chroma[3], second;  // bytes from the memory's begin to the columns of row 0
    int luma_pitch, pitch, last_row;
    float luma_weights[2], weights[3];
    Codes rows[3];  // sums of the rows of chroma that were needed last
    int next;       // the row after them

    INLINE Window(const View *views, const Byte *memory, const Axis &across, const Axis &down,
                  int last_column, int last_chroma_row) {
        const int size = sizeof(Sample);
        luma_pitch = (int)views[0].pitch;
        pitch = (int)views[1].pitch;
        second = (int)(views[2].origin - views[1].origin);
        luma = (int)(views[0].origin - (Address)memory) + across.luma.first * size;
        last_row = last_chroma_row;
        next = down.chroma.first;
#pragma unroll
        for (int i = 0; i < 3; ++i) {
            const Codes none = {0.0f, 0.0f, 0.0f};
            chroma[i] = (int)(views[1].origin - (Address)memory) +
                        held(across.chroma.first + i, last_column) * size * Source::UNITS;
            weights[i] = across.chroma.edges[i + i / 2];
            rows[i] = none;
        }
        luma_weights[0] = across.luma.edges[0];
        luma_weights[1] = across.luma.edges[1];
    }

    INLINE void slide(const Conversion &by, const Byte *memory) {
        const int row = held(next, last_row) * pitch;
        const Codes none = {0.0f, 0.0f, 0.0f};
        rows[0] = rows[1];
        rows[1] = rows[2];
        rows[2] = none;
        ++next;
#pragma unroll
        for (int i = 0; i < 3; ++i) {
            if (i == 2 && weights[2] == 0.0f) break;
            const Byte *const place = memory + chroma[i] + row;
            const Word low = *(const Pair *)place;
            const Word high = Source::UNITS == 2 ? low : (Word)*(const Pair *)(place + second);
            const Codes one = {0.0f, Samples<Sample>::of(by, low, 0),
                               Samples<Sample>::of(by, high, Source::UNITS - 1)};
            rows[2].add(one, weights[i]);
        }
    }

    INLINE Codes get(const Conversion &by, const Byte *memory, const Axis &down) {
        Codes sum = {0.0f, 0.0f, 0.0f};
        const Sample *const high = (const Sample *)(memory + luma + down.luma.first * luma_pitch);
        const Sample *const low = (const Sample *)((const Byte *)high + luma_pitch);
        float lines[2];
        lines[0] = luma_weights[0] * Samples<Sample>::of(by, high[0], 0);
        lines[1] = luma_weights[0] * Samples<Sample>::of(by, low[0], 0);
        lines[0] = fmaf(luma_weights[1], Samples<Sample>::of(by, high[1], 0), lines[0]);
        lines[1] = fmaf(luma_weights[1], Samples<Sample>::of(by, low[1], 0), lines[1]);
        if (next < down.chroma.first) next = down.chroma.first;
#pragma unroll 1
        while (next < down.chroma.first + 3) slide(by, memory);
#pragma unroll
        for (int i = 0; i < 3; ++i) sum.add(rows[i], down.chroma.edges[i + i / 2]);
        sum.y = fmaf(down.luma.edges[1], lines[1], down.luma.edges[0] * lines[0]);
        return sum;
    }
};

template <class Source> INLINE void any(const Conversion &by) {
    __shared__ uint4 memory[TILE_BYTES / 16];
    __shared__ Axis columns[TILE_COLUMNS], rows[TILE_ROWS];
    __shared__ View views[3];
    typedef typename Source::Sample Sample;
    const Picture &picture = by.pictures[blockIdx.z];
    const int left = blockIdx.x * by.tile_columns, top = blockIdx.y * by.tile_rows;
    const int last_column = (by.from_width - 1) / Source::STEP, last_row = last_chroma_row(by);
    const int thread = threadIdx.y * LANES + threadIdx.x;
    if (IN_PHASE(0) && thread < TILE_COLUMNS + by.tile_rows) {
        const bool is_row = thread >= TILE_COLUMNS;
        const int count = is_row ? by.height : by.width;
        const int at = is_row ? top + thread - TILE_COLUMNS : left + thread;
        // What is not in the picture any more gets the places of the last sample.
        const Share share =
            luma_share(held(at, count - 1), count, is_row ? by.crop_height : by.crop_width,
                       is_row ? by.top : by.left, by.area);
        Axis &axis = is_row ? rows[thread - TILE_COLUMNS] : columns[thread];
        axis.set(share, is_row ? by.chroma_rows : Source::STEP,
                 by.nearest ? -1 : is_row ? by.phase_y : by.phase_x);
    }
    __syncthreads();
    if (IN_PHASE(1)) {
        const Axis &right = columns[by.tile_columns - 1], &bottom = rows[by.tile_rows - 1];
        const Address places = (Address)picture.from[0] | (Address)picture.from[1] |
                               (Address)picture.from[2] | by.from_pitch[0] | by.from_pitch[1];
        const bool aligned = is_aligned((const Byte *)places, 16);
        int place = 0;
#pragma unroll 1
        for (int i = 0; i < Source::PLANES; ++i) {
            View view = {(Address)picture.from[i], by.from_pitch[i > 0]};
            if (by.staged) {
                const int bytes = (int)sizeof(Sample) * (i ? Source::UNITS : 1);
                const int elements = i ? last_column + 1 : by.from_width;
                view = staged<Sample>(
                    picture.from[i], view.pitch, aligned, elements * bytes, bytes,
                    i ? held(columns[0].chroma.first, last_column) : columns[0].luma.first,
                    i ? held(right.chroma.last, last_column) : right.luma.last,
                    i ? held(rows[0].chroma.first, last_row) : rows[0].luma.first,
                    i ? held(bottom.chroma.last, last_row) : bottom.luma.last, memory, place);
            }
            if (thread == 0) views[i] = view;
        }
    }
    __syncthreads();
    if (!IN_PHASE(2)) return;
    const int many = by.tile_rows / ROWS_OF_BLOCK, first = threadIdx.y * many;
#pragma unroll 1
    for (int column = threadIdx.x; column < by.tile_columns; column += LANES) {
        if (left + column >= by.width) return;
        const Axis &across = columns[column];
        Address offset = (Address)(Word)(top + first) * by.to_pitch[0] +
                         (Word)((left + column) * bytes_of_pixel(by.target));
        Window<Source> window(views, (const Byte *)memory, across, rows[first],
                              last_column, last_row);
#pragma unroll 1
        for (int row = first; row < first + many && top + row < by.height; ++row) {
            const Axis &down = rows[row];
            Codes codes = {0.0f, 0.0f, 0.0f};
            if (by.brief) {
                codes = window.get(by, (const Byte *)memory, down);
            } else {
#pragma unroll 1
                for (int i = 0; i < 3; ++i) {
                    View view = views[i < Source::PLANES ? i : 1];
                    if (i >= Source::PLANES) view.origin += sizeof(Sample);
                    const float sum = gathered<Sample>(
                        by, view, (int)sizeof(Sample) * (i ? Source::UNITS : 1),
                        i ? across.chroma : across.luma, i ? down.chroma : down.luma,
                        i ? last_column : by.from_width - 1, i ? last_row : by.from_height - 1);
                    if (i == 0) codes.y = sum;
                    if (i == 1) codes.cb = sum;
                    if (i == 2) codes.cr = sum;
                }
            }
            float rgb[3];
#pragma unroll
            for (int k = 0; k < 3; ++k)
                rgb[k] = component(by, k, codes.y, tint(by, k, codes.cb, codes.cr));
            put_one(by, picture, offset, rgb);
            offset += by.to_pitch[0];
        }
    }
}

// ---------------------------------------------------------------------------- to YCbCr

// COUNT pixels of a row and one more at each side, as bytes: CHANNELS of a pixel side by side, or
// red, green and blue in planes of their own where that is one.
template <int CHANNELS> struct Rgb {
    template <int COUNT> struct Line {
        enum { PLANES = CHANNELS == 1 ? 3 : 1, WORDS = CHANNELS * COUNT / 4 };
        Words<WORDS> words[PLANES];
        Word before[PLANES], after[PLANES];  // the former at the end of its word

        INLINE Line(const Conversion &by, const Picture &picture, int row, int first) {
            const int last = by.from_width - 1;
            const bool has_before = by.across[0] != 0.0f;
            const Byte *lines[PLANES];
            Address places = (Address)first * CHANNELS;
#pragma unroll
            for (int plane = 0; plane < PLANES; ++plane) {
                lines[plane] = picture.from[plane] + (Address)(Word)row * by.from_pitch[0];
                places |= (Address)lines[plane];
                before[plane] = after[plane] = 0;
            }
            if (first + COUNT <= by.from_width &&
                is_aligned((const Byte *)places, access_bytes(WORDS))) {
#pragma unroll
                for (int plane = 0; plane < PLANES; ++plane) {
                    const Byte *const place = lines[plane] + (Word)first * CHANNELS;
                    words[plane] = load_words<WORDS>(place);
                    // That of the first pixel is itself.
                    if (has_before && first > 0) before[plane] = __ldg((const Word *)place - 1);
                    if (has_before && first == 0)
                        before[plane] = pixel(place, 0) << (32 - 8 * CHANNELS);
                }
            } else {
#pragma unroll
                for (int plane = 0; plane < PLANES; ++plane) {
                    words[plane] = load_held<Byte, CHANNELS, COUNT>(lines[plane], first, last);
                    before[plane] = pixel(lines[plane], held(first - 1, last))
                                    << (32 - 8 * CHANNELS);
                }
            }
            if (by.across[3] == 0.0f) return;
#pragma unroll
            for (int plane = 0; plane < PLANES; ++plane)
                after[plane] = pixel(lines[plane], held(first + COUNT, last));
        }

        INLINE static Word pixel(const Byte *line, int index) {
            const Byte *const at = line + (Word)index * CHANNELS;
            if (CHANNELS == 1) return __ldg(at);
            return __ldg(at) | (Word)__ldg(at + 1) << 8 | (Word)__ldg(at + 2) << 16;
        }

        // `at` is -1 for the pixel before the others.
        INLINE float get(const Conversion &by, int at, int channel) const {
            const int plane = channel % PLANES, part = CHANNELS == 1 ? 0 : channel;
            if (at < 0) return Samples<Byte>::of(by, before[plane], part + 4 - CHANNELS);
            if (at >= COUNT) return Samples<Byte>::of(by, after[plane], part);
            return sample<Byte>(by, words[plane], at * CHANNELS + part);
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
    store_held<Sample>(place, words, samples);
}

template <int COUNT>
INLINE void put_row(const Conversion &by, const Picture &picture, int plane, int row, int x,
                    const Word (&codes)[COUNT], int samples) {
    Byte *const line = picture.to[plane] + (Address)(Word)row * by.to_pitch[plane];
    if (by.target == NV12)
        put_codes<Byte, COUNT>(by, line + x, codes, samples);
    else
        put_codes<Short, COUNT>(by, line + 2 * (Address)x, codes, samples);
}

// Two rows of luma and one of chroma. The matrix is linear, so that RGB is halved in its place.
template <class Source> INLINE void halved(const Conversion &by) {
    enum { PIXELS = 8, PAIRS = PIXELS / 2 };
    const Picture &picture = by.pictures[blockIdx.z];
    const int x = (blockIdx.x * LANES + threadIdx.x) * PIXELS;
    const int y = 2 * (blockIdx.y * ROWS_OF_BLOCK + threadIdx.y);
    if (!IN_PHASE(0) || x >= by.width || y >= by.height) return;
    typedef typename Source::template Line<PIXELS> Line;
    float rgb[3][PAIRS];
#pragma unroll
    for (int i = 0; i < 3 * PAIRS; ++i) rgb[i % 3][i / 3] = 0.0f;
    // The rows from that above to that below, each on its way while the one before is worked on.
    // Those two are left out where they do not count.
    const int end = by.down[3] == 0.0f ? 3 : 4;
    int j = by.down[0] == 0.0f ? 1 : 0;
    Line line(by, picture, held(y + j - 1, by.height - 1), x);
#pragma unroll 1
    for (; j < end; ++j) {
        const int row = y + j - 1;
        const Line next =
            j + 1 < end ? Line(by, picture, held(row + 1, by.height - 1), x) : line;
#pragma unroll
        for (int i = 0; i < 3 * PAIRS; ++i) {
            float sum = 0.0f;
#pragma unroll
            for (int k = 0; k < 4; ++k)
                sum = fmaf(by.across[k], line.get(by, 2 * (i / 3) + k - 1, i % 3), sum);
            rgb[i % 3][i / 3] = fmaf(by.down[j], sum, rgb[i % 3][i / 3]);
        }
        if ((j == 1 || j == 2) && row < by.height) {
            Word codes[PIXELS];
#pragma unroll
            for (int i = 0; i < PIXELS; ++i)
                codes[i] = code(component(by, 0, line.get(by, i, 0),
                                          tint(by, 0, line.get(by, i, 1), line.get(by, i, 2))),
                                by.peak);
            put_row(by, picture, 0, row, x, codes, by.width - x);
        }
        line = next;
    }
    Word codes[PIXELS];
#pragma unroll
    for (int i = 0; i < PIXELS; ++i)
        codes[i] = code(component(by, 1 + i % 2, rgb[0][i / 2],
                                  tint(by, 1 + i % 2, rgb[1][i / 2], rgb[2][i / 2])), by.peak);
    put_row(by, picture, 1, y / 2, x, codes, by.width + (by.width & 1) - x);
}

// ---------------------------------------------------------------------------- entry points

// Perhaps with so many blocks at a time, that want fewer registers than the compiler would take.
#define KERNEL(name, body, ...)                                                                    \
    extern "C" __global__ void __launch_bounds__(LANES * ROWS_OF_BLOCK, ##__VA_ARGS__)             \
        name(const Conversion conversion) { body(conversion); }
#define TO_RGB(source, Source)                                                                     \
    KERNEL(source##_rgb8, rgb8<Source >)                                                           \
    KERNEL(source##_rgb4, rgb4<Source >)                                                           \
    KERNEL(source##_any, any<Source >, 7)
#define TO_YCBCR(source, Source) KERNEL(source##_ycbcr, halved<Source >, 9)

TO_RGB(nv12, Pairs<Byte>)
TO_RGB(p016, Pairs<Short>)
TO_RGB(yuv444, Planes<Byte>)
TO_RGB(yuv444p16, Planes<Short>)
TO_YCBCR(rgb24, Rgb<3>)
TO_YCBCR(rgba, Rgb<4>)
TO_YCBCR(rgb_planar, Rgb<1>)
