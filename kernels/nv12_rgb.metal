// Pictures of YCbCr to RGB and back on a device of Apple's, each in one pass over the picture.
//
// Owns the arithmetic in Metal, which is that of nv12_rgb.cu, operation by operation. Which
// coefficients, sitings and rectangles there are is the caller's to say, in one struct
// (videohw/kernels/metal.py); the meaning of all of them is that of videohw/color/reference.py.
// The tests compile this very file for the host.
//
//   SOURCE_TARGET       crop, chroma to the places of luma, matrix, clamp, round
//     SOURCE: nv12, p016 (buffers: Y, and pairs of Cb and Cr, of 8 or 16 bits),
//             textures (the same in two textures, R8Unorm and RG8Unorm or of 16 bits)
//     TARGET: rgb24, rgba, rgb_planar (8 bits), rgb_float16, rgb_float32 (three planes),
//             texture (RGBA8Unorm, or BGRA8Unorm, whose order is the texture's own matter)
//   SOURCE_any          the same to any of these buffers with a resize before the matrix, bilinear
//   SOURCE_any_texture  or area, and to a texture
//   SOURCE_TARGET       the other way, chroma halved in both directions
//     SOURCE: rgb24, rgba, rgb_planar, texture;  TARGET: nv12, p016, textures
//
// Chroma is halved in both directions, in one or in none, as the caller says. The order of the
// components (BGR in buffers, NV21) is that of the rows and columns of the matrix.
//
// The size of threadgroups is free, but that those of SOURCE_any are LANES threads wide. A thread
// of SOURCE_TARGET takes 4 pixels of a row, the other way 4 by 2; a threadgroup of SOURCE_any takes
// LANES by ROWS_OF_ANY pixels. Nothing but the pixels is read or written, at any place and pitch
// (samples of 2 and 4 bytes lie at multiples of their size).
//
// Every product that is added to something is an fma: contraction changes nothing. Fast math may
// change the last bits of weights of a resize, which are quotients, and nothing else by design;
// the caller switches it off all the same, so that all devices give the same bits. Textures are
// read and written so that neither the last bits of a texel nor how the device rounds matter.

#include <metal_stdlib>

using namespace metal;

enum { PIXELS = 4, LANES = 32, ROWS_OF_ANY = 32 };
enum { RGB24, RGBA, RGB_PLANAR, RGB_FLOAT16, RGB_FLOAT32 };

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
    uint from_pitch[2], to_pitch[2];         // bytes from row to row: luma or RGB, chroma
    uint sample_bits;      // of a 16-bit sample: the bits that carry the code
    int phase_x, phase_y;  // the first chroma sample, in halves of a luma sample from the first
    int chroma_rows;       // luma rows for one of chroma: 1 or 2
    int nearest, area;     // chroma by repetition; resize by area
    int target;            // of SOURCE_any: RGB24 to RGB_FLOAT32
    int chroma_columns;    // luma columns for one of chroma: 1 or 2
    int from_words, to_words;      // all rows of the buffers begin at multiples of 4
    float from_scale, to_scale;    // of the textures of YCbCr: the word that 1 stands for
};

// ---------------------------------------------------------------------------- memory

template <int COUNT> struct Words { uint at[COUNT]; };

inline int held(int index, int last) { return clamp(index, 0, last); }

// Codes of 8 or 16 bits from a row, and two of them as one number, the first in its low bits.
template <typename Sample> struct Samples;
template <> struct Samples<uchar> { typedef ushort Two; };
template <> struct Samples<ushort> { typedef uint Two; };

template <typename Sample> inline uint load(const device uchar *row, int index) {
    return ((const device Sample *)row)[index];
}

// The words, or the first `bytes` of them where these are less.
template <int COUNT>
inline void store(device uchar *place, thread const Words<COUNT> &words, int bytes, bool aligned) {
    if (aligned && bytes >= 4 * COUNT) {
        for (int i = 0; i < COUNT; ++i) ((device uint *)place)[i] = words.at[i];
    } else {
        for (int i = 0; i < 4 * COUNT; ++i)
            if (i < bytes) place[i] = uchar(words.at[i / 4] >> 8 * (i % 4) & 0xFFu);
    }
}

// ---------------------------------------------------------------------------- numbers

// 0..1 as a code of 0..peak. At this size a float counts in ones, and its low bits are the count:
// the sum is rounded once, to the nearest; the only tie, at the middle of the scale, goes to the
// even code above.
inline uint code(float part, float peak) {
    return as_type<uint>(fma(part, peak, 8388608.0f)) & 0xFFFFu;
}

// IEEE 754 binary16, to the nearest, halves to even; from 65520 on infinity. Not for NaN.
inline uint half_bits(float value) {
    const uint bits = as_type<uint>(value), size = min(bits & 0x7FFFFFFFu, 0x47800000u);
    // Normal: the exponent loses 112 of its bias, the fraction its 13 lowest bits. A carry out of
    // the fraction goes into the exponent, as it must, up to infinity.
    uint half_size = (size - 0x37FFF001u + (size >> 13 & 1u)) >> 13;
    // Subnormal: a sum with 0.5 counts in steps of 2^-24, and is rounded as it is wanted here.
    if (size < 0x38800000u)
        half_size = as_type<uint>(as_type<float>(size) + 0.5f) - 0x3F000000u;
    return half_size | (bits >> 16 & 0x8000u);
}

// A texel between 0 and 1 as the whole number that was stored; its last bits are the device's.
inline uint stored(float texel, float scale) { return uint(fma(texel, scale, 0.5f)); }
// The other way: right whether the device rounds to the nearest or down.
inline float texel(uint number, float scale) { return (float(number) + 0.25f) / scale; }

inline float between(float low, float high, float part) { return fma(part, high - low, low); }

// What two components add to a third.
inline float tint(constant Conversion &by, int row, float b, float c) {
    return fma(by.matrix[row][1], b, fma(by.matrix[row][2], c, by.offset[row]));
}

// One component, limited to 0..1.
inline float component(constant Conversion &by, int row, float a, float tint) {
    return saturate(fma(by.matrix[row][0], a, tint));
}

// ---------------------------------------------------------------------------- YCbCr sources

struct Pair { uint cb, cr; };

// The place of a luma sample among chroma samples that are `step` luma samples apart, in quarters
// of their distance.
inline int chroma_place(constant Conversion &by, int luma, int phase, int step) {
    return step == 1 ? 4 * luma : by.nearest ? 4 * (luma >> 1) : 2 * luma - phase;
}

inline int last_chroma_row(constant Conversion &by) {
    return (by.from_height - 1) / by.chroma_rows;
}

inline int last_chroma_column(constant Conversion &by) {
    return (by.from_width - 1) / by.chroma_columns;
}

template <typename Sample> struct Buffers {
    const device uchar *luma;
    const device uchar *chroma;

    static uint luma_at(constant Conversion &by, Buffers from, int row, int column) {
        return load<Sample>(from.luma + ulong(row) * by.from_pitch[0], column) & by.sample_bits;
    }

    static Pair pair_at(constant Conversion &by, Buffers from, int row, int column) {
        const device uchar *const line = from.chroma + ulong(row) * by.from_pitch[1];
        uint both;
        if (by.from_words)
            both = load<typename Samples<Sample>::Two>(line, column);
        else
            both = load<Sample>(line, 2 * column) |
                   load<Sample>(line, 2 * column + 1) << 8 * sizeof(Sample);
        both &= by.sample_bits;
        const uint low = sizeof(Sample) == 1 ? 0xFFu : 0xFFFFu;
        const Pair pair = {both & low, both >> 8 * sizeof(Sample)};
        return pair;
    }

    // PIXELS codes side by side; those beyond the row are its last.
    static void luma_from(constant Conversion &by, Buffers from, int row, int column,
                          thread uint *codes) {
        const int skipped = column * int(sizeof(Sample));
        if (by.from_words && skipped % 4 == 0 && column + PIXELS <= by.from_width) {
            const device uchar *const place = from.luma + ulong(row) * by.from_pitch[0] + skipped;
            for (int i = 0; i < PIXELS; ++i) {
                const int bit = i * 8 * int(sizeof(Sample));
                const uint low = sizeof(Sample) == 1 ? 0xFFu : 0xFFFFu;
                codes[i] = load<uint>(place, bit / 32) >> bit % 32 & low & by.sample_bits;
            }
        } else {
            for (int i = 0; i < PIXELS; ++i)
                codes[i] = luma_at(by, from, row, held(column + i, by.from_width - 1));
        }
    }
};

struct Textures {
    texture2d<float, access::read> luma;
    texture2d<float, access::read> chroma;

    static uint luma_at(constant Conversion &by, Textures from, int row, int column) {
        const float4 found = from.luma.read(uint2(column, row));
        return stored(found.x, by.from_scale) & by.sample_bits;
    }

    static Pair pair_at(constant Conversion &by, Textures from, int row, int column) {
        const float4 found = from.chroma.read(uint2(column, row));
        const uint bits = by.sample_bits & 0xFFFFu;
        const Pair pair = {stored(found.x, by.from_scale) & bits,
                           stored(found.y, by.from_scale) & bits};
        return pair;
    }

    static void luma_from(constant Conversion &by, Textures from, int row, int column,
                          thread uint *codes) {
        for (int i = 0; i < PIXELS; ++i)
            codes[i] = luma_at(by, from, row, held(column + i, by.from_width - 1));
    }
};

// ---------------------------------------------------------------------------- RGB targets

// COUNT pixels side by side, as components of 0..1.
template <int COUNT> struct Pixels { float rgb[3][COUNT]; };

inline device uchar *target_at(constant Conversion &by, device uchar *plane, int x, int y,
                               int bytes_of_pixel) {
    return plane + ulong(y) * by.to_pitch[0] + x * bytes_of_pixel;
}

// Red, green, blue side by side, and 255 where there are four CHANNELS.
template <int CHANNELS> struct Packed {
    device uchar *to[1];

    template <int COUNT>
    static void put(constant Conversion &by, Packed target, int x, int y,
                    thread const Pixels<COUNT> &pixels, int count) {
        Words<(CHANNELS * COUNT + 3) / 4> words = {};
        for (int i = 0; i < CHANNELS * COUNT; ++i) {
            const int channel = i % CHANNELS;
            const uint byte =
                channel == 3 ? 255u : code(pixels.rgb[channel % 3][i / CHANNELS], 255.0f);
            words.at[i / 4] |= byte << 8 * (i % 4);
        }
        store(target_at(by, target.to[0], x, y, CHANNELS), words, CHANNELS * count, by.to_words);
    }
};

struct Bytes {
    enum { SIZE = 1 };
    static uint bits(constant Conversion &, int, float part) { return code(part, 255.0f); }
};

struct Halves {
    enum { SIZE = 2 };
    static uint bits(constant Conversion &by, int plane, float part) {
        return half_bits(fma(part, by.scale[plane], by.bias[plane]));
    }
};

struct Floats {
    enum { SIZE = 4 };
    static uint bits(constant Conversion &by, int plane, float part) {
        return as_type<uint>(fma(part, by.scale[plane], by.bias[plane]));
    }
};

// Three planes of numbers of one kind.
template <class Number> struct Separate {
    enum { SIZE = Number::SIZE };
    device uchar *to[3];

    template <int COUNT>
    static void put(constant Conversion &by, Separate target, int x, int y,
                    thread const Pixels<COUNT> &pixels, int count) {
        for (int plane = 0; plane < 3; ++plane) {
            Words<(SIZE * COUNT + 3) / 4> words = {};
            for (int i = 0; i < COUNT; ++i)
                words.at[i * SIZE / 4] |= Number::bits(by, plane, pixels.rgb[plane][i])
                                          << 8 * (i * SIZE % 4);
            store(target_at(by, target.to[plane], x, y, SIZE), words, SIZE * count, by.to_words);
        }
    }
};

// One of the targets above, as the caller says.
struct AnyBuffers {
    device uchar *to[3];

    template <int COUNT>
    static void put(constant Conversion &by, AnyBuffers target, int x, int y,
                    thread const Pixels<COUNT> &pixels, int count) {
        const Packed<3> packed3 = {{target.to[0]}};
        const Packed<4> packed4 = {{target.to[0]}};
        const Separate<Bytes> bytes = {{target.to[0], target.to[1], target.to[2]}};
        const Separate<Halves> halves = {{target.to[0], target.to[1], target.to[2]}};
        const Separate<Floats> floats = {{target.to[0], target.to[1], target.to[2]}};
        switch (by.target) {
        case RGB24: Packed<3>::put(by, packed3, x, y, pixels, count); break;
        case RGBA: Packed<4>::put(by, packed4, x, y, pixels, count); break;
        case RGB_PLANAR: Separate<Bytes>::put(by, bytes, x, y, pixels, count); break;
        case RGB_FLOAT16: Separate<Halves>::put(by, halves, x, y, pixels, count); break;
        case RGB_FLOAT32: Separate<Floats>::put(by, floats, x, y, pixels, count); break;
        }
    }
};

struct Image {
    texture2d<float, access::write> to;

    template <int COUNT>
    static void put(constant Conversion &, Image target, int x, int y,
                    thread const Pixels<COUNT> &pixels, int count) {
        for (int i = 0; i < COUNT; ++i) {
            const float4 color = float4(texel(code(pixels.rgb[0][i], 255.0f), 255.0f),
                                        texel(code(pixels.rgb[1][i], 255.0f), 255.0f),
                                        texel(code(pixels.rgb[2][i], 255.0f), 255.0f), 1.0f);
            if (i < count) target.to.write(color, uint2(x + i, y));
        }
    }
};

// ---------------------------------------------------------------------------- the same size

// What a chroma sample adds to each component, between the rows of chroma above and below.
struct Tint { float at[3]; };

template <class Source>
inline Tint tint_at(constant Conversion &by, Source from, int row, int column) {
    const int place = chroma_place(by, row, by.phase_y, by.chroma_rows);
    const int x = held(column, last_chroma_column(by)), rest = place & 3;
    const Pair above = Source::pair_at(by, from, held(place >> 2, last_chroma_row(by)), x);
    Pair below = above;
    if (rest) below = Source::pair_at(by, from, held((place >> 2) + 1, last_chroma_row(by)), x);
    const float down = 0.25f * float(rest);
    const float cb = between(float(above.cb), float(below.cb), down);
    const float cr = between(float(above.cr), float(below.cr), down);
    const Tint found = {{tint(by, 0, cb, cr), tint(by, 1, cb, cr), tint(by, 2, cb, cr)}};
    return found;
}

// Chroma with one sample for each of luma, or for two; the first column is ODD or not.
template <class Source, int STEP, int ODD>
inline void convert(constant Conversion &by, Source from, int row, int column,
                    thread Pixels<PIXELS> &pixels) {
    // An even luma column lies `back` before the chroma of half its number, an odd one `ahead`
    // behind it.
    const float back = by.nearest ? 0.0f : 0.25f * float(by.phase_x);
    const float ahead = by.nearest ? 0.0f : 0.5f - 0.25f * float(by.phase_x);
    const int first = STEP == 1 ? column : (column >> 1) - 1;
    // Of chroma for two, the first is seldom needed.
    Tint tints[4] = {};
    for (int i = 0; i < 4; ++i)
        if (STEP == 1 || i > 0 || (!ODD && back != 0.0f))
            tints[i] = tint_at(by, from, row, first + i);
    uint codes[PIXELS];
    Source::luma_from(by, from, row, column, codes);
    for (int i = 0; i < PIXELS; ++i)
        for (int k = 0; k < 3; ++k) {
            const int own = STEP == 1 ? i : ((i + ODD) >> 1) + 1;
            const bool odd = STEP == 2 && ((i + ODD) & 1);
            float sum = tints[own].at[k];
            if (odd)
                sum = between(sum, tints[min(own + 1, 3)].at[k], ahead);
            else if (STEP == 2 && back != 0.0f)
                sum = between(sum, tints[max(own - 1, 0)].at[k], back);
            pixels.rgb[k][i] = component(by, k, float(codes[i]), sum);
        }
}

template <class Source, class Target>
inline void straight(constant Conversion &by, Source from, Target to, uint2 at) {
    const int x = int(at.x) * PIXELS, y = int(at.y);
    if (x >= by.width || y >= by.height) return;
    const int row = by.top + y, column = by.left + x;
    Pixels<PIXELS> pixels;
    if (by.chroma_columns == 1)
        convert<Source, 1, 0>(by, from, row, column, pixels);
    else if (column & 1)
        convert<Source, 2, 1>(by, from, row, column, pixels);
    else
        convert<Source, 2, 0>(by, from, row, column, pixels);
    Target::put(by, to, x, y, pixels, min(int(PIXELS), by.width - x));
}

// ---------------------------------------------------------------------------- another size

// A run of samples and their weights: of the first two, of the last two, and one for all between.
struct Run {
    int first, last;
    float edges[4], inner;
};

inline bool is_edge(thread const Run &run, int at) {
    return at < run.first + 2 || at > run.last - 2;
}

inline float weight(thread const Run &run, int at) {
    if (at < run.first + 2) return run.edges[at - run.first];
    return at > run.last - 2 ? run.edges[3 + at - run.last] : run.inner;
}

// The luma samples of number `at` of `count` new ones, which are made of `old` from `start` on.
// Places are fractions of whole numbers below 2^32, so that only the weights are rounded.
inline Run luma_run(int at, int count, int old, int start, bool area) {
    int first, last;
    float begin, end;
    if (area) {
        const uint low = uint(at) * uint(old), high = low + uint(old);
        const uint rest = low % uint(count), over = high % uint(count);
        first = int(low / uint(count));
        last = int(high / uint(count)) - (over ? 0 : 1);
        begin = first == last ? 1.0f : float(uint(count) - rest) / float(old);
        end = float(over ? over : uint(count)) / float(old);
    } else {
        // The place of its centre, plus 1 to be above zero, in units of 1 / (2 * count).
        const uint place = (2u * uint(at) + 1u) * uint(old) + uint(count);
        const uint unit = 2u * uint(count), rest = place % unit;
        const int low = int(place / unit) - 1;
        const bool rim = low < 0 || low >= old - 1 || rest == 0;
        first = held(low, old - 1);
        last = first + (rim ? 0 : 1);
        end = float(rest) / float(unit);
        begin = rim ? 1.0f : 1.0f - end;
    }
    const int more = last - first;
    const float inner = float(count) / float(old);
    const Run run = {first + start, last + start,
                     {begin, more == 0 ? 0.0f : more == 1 ? end : inner, inner, end}, inner};
    return run;
}

// The weight of one chroma sample: those of the luma samples around it, by their distance.
inline float chroma_weight(constant Conversion &by, thread const Run &luma, int at, int phase,
                           int step) {
    float sum = 0.0f;
    for (int i = step * at - step + 1; i <= step * at + step; ++i) {
        const int quarters = chroma_place(by, i, phase, step) - 4 * at;
        const int near = 4 - (quarters < 0 ? -quarters : quarters);
        if (i >= luma.first && i <= luma.last && near > 0)
            sum = fma(weight(luma, i), 0.25f * float(near), sum);
    }
    return sum;
}

// The chroma samples that the luma samples need.
inline Run chroma_run(constant Conversion &by, thread const Run &luma, int phase, int step) {
    Run run;
    run.first = chroma_place(by, luma.first, phase, step) >> 2;
    run.last = (chroma_place(by, luma.last, phase, step) + 3) >> 2;
    run.inner = luma.inner * float(step);
    for (int i = 0; i < 4; ++i) {
        const int at = i < 2 ? run.first + i : run.last + i - 3;
        run.edges[i] = at > run.last ? 0.0f : chroma_weight(by, luma, at, phase, step);
    }
    return run;
}

// The runs of luma and of chroma for a column or a row, as a threadgroup keeps them.
struct Axis { int ends[4]; float weights[10]; };

inline void keep(threadgroup Axis *axis, thread const Run &luma, thread const Run &chroma) {
    axis->ends[0] = luma.first;
    axis->ends[1] = luma.last;
    axis->ends[2] = chroma.first;
    axis->ends[3] = chroma.last;
    for (int i = 0; i < 4; ++i) {
        axis->weights[i] = luma.edges[i];
        axis->weights[5 + i] = chroma.edges[i];
    }
    axis->weights[4] = luma.inner;
    axis->weights[9] = chroma.inner;
}

// Number 0 is luma, 1 is chroma.
inline Run kept(const threadgroup Axis *axis, int number) {
    Run run;
    run.first = axis->ends[2 * number];
    run.last = axis->ends[2 * number + 1];
    for (int i = 0; i < 4; ++i) run.edges[i] = axis->weights[5 * number + i];
    run.inner = axis->weights[5 * number + 4];
    return run;
}

// Sums of codes by their weights.
struct Codes { float y, cb, cr; };

inline void add(thread Codes &sum, thread const Codes &more, float weight) {
    sum.y = fma(weight, more.y, sum.y);
    sum.cb = fma(weight, more.cb, sum.cb);
    sum.cr = fma(weight, more.cr, sum.cr);
}

template <class Source>
inline void add_luma(constant Conversion &by, Source from, int row, int column, float weight,
                     thread Codes &sum) {
    sum.y = fma(weight, float(Source::luma_at(by, from, row, column)), sum.y);
}

// Chroma samples beyond the rim are those of the rim.
template <class Source>
inline void add_chroma(constant Conversion &by, Source from, int row, int column, float weight,
                       thread Codes &sum) {
    const Pair pair = Source::pair_at(by, from, held(row, last_chroma_row(by)),
                                      held(column, last_chroma_column(by)));
    sum.cb = fma(weight, float(pair.cb), sum.cb);
    sum.cr = fma(weight, float(pair.cr), sum.cr);
}

// Two samples at most in each direction of luma, three of chroma.
template <class Source>
inline void gather_short(constant Conversion &by, Source from, thread const Run &luma_across,
                         thread const Run &chroma_across, thread const Run &luma_down,
                         thread const Run &chroma_down, thread Codes &sum) {
    const bool wide = chroma_across.last - chroma_across.first == 2;
    const bool tall = chroma_down.last - chroma_down.first == 2;
    for (int j = 0; j < 3; ++j) {
        if (j == 2 && !tall) break;
        Codes line = {0.0f, 0.0f, 0.0f};
        for (int i = 0; i < 3; ++i)
            if (i < 2 || wide)
                add_chroma(by, from, chroma_down.first + j, chroma_across.first + i,
                           chroma_across.edges[i + i / 2], line);
        add(sum, line, chroma_down.edges[j + j / 2]);
    }
    for (int j = 0; j < 2; ++j) {
        Codes line = {0.0f, 0.0f, 0.0f};
        const int row = j ? luma_down.last : luma_down.first;
        add_luma(by, from, row, luma_across.first, luma_across.edges[0], line);
        add_luma(by, from, row, luma_across.last, luma_across.edges[1], line);
        add(sum, line, luma_down.edges[j]);
    }
}

// Any number of samples. What has one weight is added up before, which for most is exact.
template <class Source, bool LUMA>
inline void gather(constant Conversion &by, Source from, thread const Run &across,
                   thread const Run &down, thread Codes &sum) {
    Codes all = {0.0f, 0.0f, 0.0f}, inner_lines = {0.0f, 0.0f, 0.0f};
    for (int y = down.first; y <= down.last; ++y) {
        Codes line = {0.0f, 0.0f, 0.0f}, inner = {0.0f, 0.0f, 0.0f};
        for (int x = across.first; x <= across.last; ++x) {
            const bool edge = is_edge(across, x);
            Codes one = {0.0f, 0.0f, 0.0f};
            if (LUMA)
                add_luma(by, from, y, x, 1.0f, one);
            else
                add_chroma(by, from, y, x, 1.0f, one);
            add(line, one, edge ? weight(across, x) : 0.0f);
            add(inner, one, edge ? 0.0f : 1.0f);
        }
        add(line, inner, across.inner);
        add(all, line, is_edge(down, y) ? weight(down, y) : 0.0f);
        add(inner_lines, line, is_edge(down, y) ? 0.0f : 1.0f);
    }
    add(all, inner_lines, down.inner);
    add(sum, all, 1.0f);
}

// `group` of threadgroups of `size` threads, `thread_at` in it.
template <class Source, class Target>
inline void resized(constant Conversion &by, Source from, Target to, threadgroup Axis *columns,
                threadgroup Axis *rows, uint2 group, uint2 thread_at, uint2 size) {
    const int lane = int(thread_at.x), x = int(group.x) * LANES + lane;
    const int top = int(group.y) * ROWS_OF_ANY;
    // What is not in the picture any more gets the places of the last sample.
    if (thread_at.y == 0) {
        const int column = held(x, by.width - 1);
        const Run luma = luma_run(column, by.width, by.crop_width, by.left, by.area);
        keep(columns + lane, luma, chroma_run(by, luma, by.phase_x, by.chroma_columns));
    }
    if (thread_at.y == size.y - 1) {
        const int row = held(top + lane, by.height - 1);
        const Run luma = luma_run(row, by.height, by.crop_height, by.top, by.area);
        keep(rows + lane, luma, chroma_run(by, luma, by.phase_y, by.chroma_rows));
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (x >= by.width) return;
    const Run luma_across = kept(columns + lane, 0), chroma_across = kept(columns + lane, 1);
    for (int row = int(thread_at.y); row < ROWS_OF_ANY && top + row < by.height;
         row += int(size.y)) {
        const Run luma_down = kept(rows + row, 0), chroma_down = kept(rows + row, 1);
        Codes codes = {0.0f, 0.0f, 0.0f};
        if (luma_across.last - luma_across.first <= 1 && luma_down.last - luma_down.first <= 1) {
            gather_short(by, from, luma_across, chroma_across, luma_down, chroma_down, codes);
        } else {
            gather<Source, true>(by, from, luma_across, luma_down, codes);
            gather<Source, false>(by, from, chroma_across, chroma_down, codes);
        }
        Pixels<1> pixel;
        for (int k = 0; k < 3; ++k)
            pixel.rgb[k][0] = component(by, k, codes.y, tint(by, k, codes.cb, codes.cr));
        Target::put(by, to, x, top + row, pixel, 1);
    }
}

// ---------------------------------------------------------------------------- to YCbCr

// PIXELS pixels of a row and one more at each side, as codes of 0..255.
struct Line { float rgb[3][PIXELS + 2]; };

// CHANNELS of a pixel side by side, or red, green and blue in planes of their own where it is one.
template <int CHANNELS> struct RgbBuffers {
    const device uchar *from[CHANNELS == 1 ? 3 : 1];

    static uint at(RgbBuffers source, ulong skipped, int column, int channel) {
        if (CHANNELS == 1) return source.from[channel % (CHANNELS == 1 ? 3 : 1)][skipped + column];
        return source.from[0][skipped + column * CHANNELS + channel];
    }

    // What has no weight is not read.
    static void read(constant Conversion &by, RgbBuffers source, int row, int first,
                     thread Line &line) {
        const ulong skipped = ulong(row) * by.from_pitch[0];
        const bool words = by.from_words && first + PIXELS <= by.from_width;
        for (int i = 0; i < PIXELS + 2; ++i) {
            const int column = held(first + i - 1, by.from_width - 1);
            const bool rim = i == 0 || i > PIXELS;
            const float weight = i == 0 ? by.across[0] : by.across[3];
            for (int k = 0; k < 3; ++k) {
                line.rgb[k][i] = 0.0f;
                if (rim ? weight != 0.0f : !words)
                    line.rgb[k][i] = float(at(source, skipped, column, k));
            }
        }
        if (!words) return;
        for (int plane = 0; plane < (CHANNELS == 1 ? 3 : 1); ++plane) {
            const device uchar *const place = source.from[plane] + skipped + first * CHANNELS;
            for (int i = 0; i < CHANNELS * PIXELS; ++i) {
                const int channel = CHANNELS == 1 ? plane : i % CHANNELS;
                if (channel < 3)
                    line.rgb[channel % 3][i / CHANNELS + 1] =
                        float(load<uint>(place, i / 4) >> 8 * (i % 4) & 0xFFu);
            }
        }
    }
};

struct RgbTexture {
    texture2d<float, access::read> from;

    static void read(constant Conversion &by, RgbTexture source, int row, int first,
                     thread Line &line) {
        for (int i = 0; i < PIXELS + 2; ++i) {
            const int column = held(first + i - 1, by.from_width - 1);
            const float4 found = source.from.read(uint2(column, row));
            line.rgb[0][i] = float(stored(found.x, 255.0f));
            line.rgb[1][i] = float(stored(found.y, 255.0f));
            line.rgb[2][i] = float(stored(found.z, 255.0f));
        }
    }
};

// PIXELS codes side by side as they lie in memory, or as many as `count` of them.
template <typename Sample> struct PairsBuffers {
    device uchar *luma;
    device uchar *chroma;

    static void put(constant Conversion &by, device uchar *line, int x, thread const uint *codes,
                    int count) {
        Words<PIXELS * sizeof(Sample) / 4> words = {};
        for (int i = 0; i < PIXELS; ++i) {
            const int bit = i * 8 * int(sizeof(Sample));
            words.at[bit / 32] |= codes[i] << by.shift << bit % 32;
        }
        const int size = int(sizeof(Sample));
        store(line + x * size, words, count * size, by.to_words);
    }

    static void put_luma(constant Conversion &by, PairsBuffers to, int x, int row,
                         thread const uint *codes, int count) {
        put(by, to.luma + ulong(row) * by.to_pitch[0], x, codes, count);
    }

    static void put_chroma(constant Conversion &by, PairsBuffers to, int x, int row,
                           thread const uint *codes, int count) {
        put(by, to.chroma + ulong(row) * by.to_pitch[1], x, codes, count);
    }
};

struct PairsTextures {
    texture2d<float, access::write> luma;
    texture2d<float, access::write> chroma;

    static void put_luma(constant Conversion &by, PairsTextures to, int x, int row,
                         thread const uint *codes, int count) {
        for (int i = 0; i < PIXELS; ++i)
            if (i < count)
                to.luma.write(float4(texel(codes[i] << by.shift, by.to_scale), 0.0f, 0.0f, 1.0f),
                              uint2(x + i, row));
    }

    static void put_chroma(constant Conversion &by, PairsTextures to, int x, int row,
                           thread const uint *codes, int count) {
        for (int i = 0; i < PIXELS; i += 2)
            if (i < count)
                to.chroma.write(float4(texel(codes[i] << by.shift, by.to_scale),
                                       texel(codes[i + 1] << by.shift, by.to_scale), 0.0f, 1.0f),
                                uint2((x + i) / 2, row));
    }
};

// Two rows of luma and one of chroma. The matrix is linear, so that RGB is halved in its place.
template <class Source, class Target>
inline void halved(constant Conversion &by, Source from, Target to, uint2 at) {
    const int x = int(at.x) * PIXELS, y = 2 * int(at.y);
    if (x >= by.width || y >= by.height) return;
    const int last = by.height - 1, pixels = min(int(PIXELS), by.width - x);
    float rgb[3][PIXELS / 2] = {};
    uint codes[PIXELS];
    for (int j = 0; j < 4; ++j) {
        const int row = y + j - 1;
        const bool own = (j == 1 || j == 2) && row < by.height;
        if (!own && by.down[j] == 0.0f) continue;
        Line line;
        Source::read(by, from, held(row, last), x, line);
        for (int k = 0; k < 3; ++k)
            for (int i = 0; i < PIXELS / 2; ++i) {
                float sum = 0.0f;
                for (int tap = 0; tap < 4; ++tap)
                    sum = fma(by.across[tap], line.rgb[k][2 * i + tap], sum);
                rgb[k][i] = fma(by.down[j], sum, rgb[k][i]);
            }
        if (!own) continue;
        for (int i = 0; i < PIXELS; ++i) {
            const float others = tint(by, 0, line.rgb[1][i + 1], line.rgb[2][i + 1]);
            codes[i] = code(component(by, 0, line.rgb[0][i + 1], others), by.peak);
        }
        Target::put_luma(by, to, x, row, codes, pixels);
    }
    for (int i = 0; i < PIXELS; ++i) {
        const float others = tint(by, 1 + i % 2, rgb[1][i / 2], rgb[2][i / 2]);
        codes[i] = code(component(by, 1 + i % 2, rgb[0][i / 2], others), by.peak);
    }
    Target::put_chroma(by, to, x, y / 2, codes, pixels + (pixels & 1));
}

// ---------------------------------------------------------------------------- entry points

// What a kernel is given, in the words of its kind of source and of target.
#define FROM_BUFFERS                                                                               \
    const device uchar *luma [[buffer(0)]], const device uchar *chroma [[buffer(1)]]
#define FROM_TEXTURES                                                                              \
    texture2d<float, access::read> luma [[texture(0)]],                                            \
        texture2d<float, access::read> chroma [[texture(1)]]
#define FROM_PACKED const device uchar *pixels [[buffer(0)]]
#define FROM_PLANES                                                                                \
    const device uchar *red [[buffer(0)]], const device uchar *green [[buffer(1)]],                \
        const device uchar *blue [[buffer(2)]]
#define FROM_IMAGE texture2d<float, access::read> pixels [[texture(0)]]
#define TO_PACKED device uchar *to_pixels [[buffer(3)]]
#define TO_PLANES                                                                                  \
    device uchar *to_red [[buffer(3)]], device uchar *to_green [[buffer(4)]],                      \
        device uchar *to_blue [[buffer(5)]]
#define TO_IMAGE texture2d<float, access::write> to_pixels [[texture(2)]]
#define TO_BUFFERS device uchar *to_luma [[buffer(3)]], device uchar *to_chroma [[buffer(4)]]
#define TO_TEXTURES                                                                                \
    texture2d<float, access::write> to_luma [[texture(2)]],                                        \
        texture2d<float, access::write> to_chroma [[texture(3)]]

// The same as values.
#define BUFFERS_GIVEN {luma, chroma}
#define TEXTURES_GIVEN {luma, chroma}
#define PACKED_GIVEN {{pixels}}
#define PLANES_GIVEN {{red, green, blue}}
#define IMAGE_GIVEN {pixels}
#define PACKED_WANTED {{to_pixels}}
#define PLANES_WANTED {{to_red, to_green, to_blue}}
#define IMAGE_WANTED {to_pixels}
#define BUFFERS_WANTED {to_luma, to_chroma}
#define TEXTURES_WANTED {to_luma, to_chroma}

#define KERNEL(name, run, FROM, Source, TO, Target)                                                \
    kernel void name(FROM_##FROM, TO_##TO, constant Conversion &by [[buffer(6)]],                  \
                     uint2 at [[thread_position_in_grid]]) {                                       \
        const Source source = FROM##_GIVEN;                                                        \
        const Target target = TO##_WANTED;                                                         \
        run(by, source, target, at);                                                               \
    }

#define KERNEL_ANY(name, FROM, Source, TO, Target)                                                 \
    kernel void name(FROM_##FROM, TO_##TO, constant Conversion &by [[buffer(6)]],                  \
                     threadgroup Axis *columns [[threadgroup(0)]],                                 \
                     threadgroup Axis *rows [[threadgroup(1)]],                                    \
                     uint2 group [[threadgroup_position_in_grid]],                                 \
                     uint2 thread_at [[thread_position_in_threadgroup]],                           \
                     uint2 size [[threads_per_threadgroup]]) {                                     \
        const Source source = FROM##_GIVEN;                                                        \
        const Target target = TO##_WANTED;                                                         \
        resized(by, source, target, columns, rows, group, thread_at, size);                            \
    }

#define TO_RGB(name, FROM, Source)                                                                 \
    KERNEL(name##_rgb24, straight, FROM, Source, PACKED, Packed<3>)                                \
    KERNEL(name##_rgba, straight, FROM, Source, PACKED, Packed<4>)                                 \
    KERNEL(name##_rgb_planar, straight, FROM, Source, PLANES, Separate<Bytes>)                     \
    KERNEL(name##_rgb_float16, straight, FROM, Source, PLANES, Separate<Halves>)                   \
    KERNEL(name##_rgb_float32, straight, FROM, Source, PLANES, Separate<Floats>)                   \
    KERNEL(name##_texture, straight, FROM, Source, IMAGE, Image)                                   \
    KERNEL_ANY(name##_any, FROM, Source, PLANES, AnyBuffers)                                       \
    KERNEL_ANY(name##_any_texture, FROM, Source, IMAGE, Image)

#define TO_YCBCR(name, FROM, Source)                                                               \
    KERNEL(name##_nv12, halved, FROM, Source, BUFFERS, PairsBuffers<uchar>)                        \
    KERNEL(name##_p016, halved, FROM, Source, BUFFERS, PairsBuffers<ushort>)                       \
    KERNEL(name##_textures, halved, FROM, Source, TEXTURES, PairsTextures)

TO_RGB(nv12, BUFFERS, Buffers<uchar>)
TO_RGB(p016, BUFFERS, Buffers<ushort>)
TO_RGB(textures, TEXTURES, Textures)
TO_YCBCR(rgb24, PACKED, RgbBuffers<3>)
TO_YCBCR(rgba, PACKED, RgbBuffers<4>)
TO_YCBCR(rgb_planar, PLANES, RgbBuffers<1>)
TO_YCBCR(texture, IMAGE, RgbTexture)
