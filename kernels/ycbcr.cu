// YCbCr to YCbCr in any form, depth and size, and RGB to any of these, in one launch a picture.
//
// Goes on where nv12_rgb.cu ends: the same struct, the same helpers, the same rules.
//
//   ycbcr_move_FROM_TO  same size, and every sample of chroma where one of the source is: planes and
//                       pairs become each other, codes get another depth or range
//   ycbcr_taps_FROM_TO  all else: every sample is a weighted sum of samples of the source, across
//                       times down. Chroma to luma's places, crop, scale, and luma's places to those
//                       of the new chroma are one filter along each axis
//   ycbcr_sums_FROM_TO  the same where the weights have no room in the memory of a block: pictures
//                       that become a hundredth of themselves, or are a few samples wide
//     FROM, TO: bits of a word, 8 or 16
//
// A launch makes two parts: rows of blocks of luma, then, from `luma_blocks` on, rows of blocks of
// Cb and Cr. Components are counted (Y, Cb, Cr), or (G, B, R) in RGB. Fields of Conversion:
//
//   matrix, offset        from what stands in a word of the source to codes of the target, plus a
//                         half; `shift` then takes them to their place in the word
//   from_step, to_step    luma samples for one of chroma, across and down
//   from_place, to_place  of the first sample of chroma, in halves of a luma sample; -1 in the
//                         source is by repetition
//   kept                  across, down: chroma is that of the source, from the crop's begin on
//   used                  which components of the source the parts are made of, in bits
//   taps                  by part, across and down: the most samples that one is made of
//   plain                 words stay what they are

// ---------------------------------------------------------------------------- words

enum { TABLE_WEIGHTS = 4096, TABLE_COLUMNS = 128, TABLE_LINES = 32, MOVED = 8, MADE = 4 };

// A whole number of up to 16 bits; a float of this size counts in ones.
INLINE float number(Word raw) { return __uint_as_float(0x4B000000u | raw) - 8388608.0f; }

template <typename Sample> INLINE Word carried(const Conversion &by) {
    return sizeof(Sample) == 1 ? 0xFFu : by.sample_bits & 0xFFFFu;
}

// The word of a component of the target, of a picture element of the source: rounded down, since a
// half was added before.
INLINE Word word_of(const Conversion &by, int component, float a, float b, float c) {
    const float *const row = by.matrix[component];
    const float sum = fmaf(row[2], c, fmaf(row[1], b, fmaf(row[0], a, by.offset[component])));
    const float code = fminf(fmaxf(sum, 0.0f), by.peak + 0.5f);
    return (__float_as_uint(__fadd_rd(code, 8388608.0f)) & 0xFFFFu) << by.shift;
}

// COUNT of these side by side, or as many as there are.
template <typename Sample, int COUNT>
INLINE void put_words(Byte *place, const Word *codes, int samples) {
    enum { BYTES = COUNT * (int)sizeof(Sample), WORDS = BYTES / 4 };
    if (samples >= COUNT && is_aligned(place, access_bytes(WORDS))) {
        Words<WORDS> words;
#pragma unroll
        for (int i = 0; i < WORDS; ++i)
            words.at[i] = sizeof(Sample) == 1
                              ? four_bytes(codes[4 * i % COUNT], codes[(4 * i + 1) % COUNT],
                                           codes[(4 * i + 2) % COUNT], codes[(4 * i + 3) % COUNT])
                              : two_shorts(codes[2 * i % COUNT], codes[(2 * i + 1) % COUNT]);
#pragma unroll
        for (int i = 0; i < WORDS; i += access_bytes(WORDS) / 4) {
            if (access_bytes(WORDS) == 16)
                *(uint4 *)(place + 4 * i) =
                    make_uint4(words.at[i], words.at[(i + 1) % WORDS], words.at[(i + 2) % WORDS],
                               words.at[(i + 3) % WORDS]);
            else if (access_bytes(WORDS) == 8)
                *(uint2 *)(place + 4 * i) = make_uint2(words.at[i], words.at[(i + 1) % WORDS]);
            else
                *(Word *)(place + 4 * i) = words.at[i];
        }
        return;
    }
#pragma unroll
    for (int i = 0; i < COUNT; ++i)
        if (i < samples) ((Sample *)place)[i] = (Sample)codes[i];
}

INLINE const Byte *from_at(const Conversion &by, const Picture &picture, int component, int row) {
    const Component &place = by.from_component[component];
    return picture.from[place.plane] + place.offset +
           (Address)(Word)row * by.from_pitch[place.plane > 0];
}

INLINE Byte *to_at(const Conversion &by, const Picture &picture, int component, int row) {
    const Component &place = by.to_component[component];
    return picture.to[place.plane] + place.offset +
           (Address)(Word)row * by.to_pitch[place.plane > 0];
}

// Words of Cb and Cr at COUNT places from column `x` on, of which `places` are in the picture.
template <typename Sample, int COUNT>
INLINE void put_chroma(const Conversion &by, const Picture &picture, int x, int y,
                       const Word (&codes)[2][COUNT], int places) {
    const int stride = by.to_component[1].stride;
    Byte *const cb = to_at(by, picture, 1, y) + (Address)(Word)x * stride;
    Byte *const cr = to_at(by, picture, 2, y) + (Address)(Word)x * stride;
    if (stride == sizeof(Sample)) {
        put_words<Sample, COUNT>(cb, codes[0], places);
        put_words<Sample, COUNT>(cr, codes[1], places);
        return;
    }
    const int first = cr < cb;
    Word pairs[2 * COUNT];
#pragma unroll
    for (int i = 0; i < COUNT; ++i) {
        pairs[2 * i] = first ? codes[1][i] : codes[0][i];
        pairs[2 * i + 1] = first ? codes[0][i] : codes[1][i];
    }
    put_words<Sample, 2 * COUNT>(first ? cr : cb, pairs, 2 * places);
}

// Size of a part, and its size in the source where chroma is kept.
INLINE int columns_of(const Conversion &by, int part) {
    return part ? (by.width + by.to_step[0] - 1) / by.to_step[0] : by.width;
}
INLINE int rows_of(const Conversion &by, int part) {
    return part ? (by.height + by.to_step[1] - 1) / by.to_step[1] : by.height;
}

// ---------------------------------------------------------------------------- samples that move

// COUNT samples of a row, in any place; those beyond the last are the last.
template <typename Sample, int UNITS, int COUNT>
INLINE Words<sizeof(Sample) * UNITS * COUNT / 4> loaded(const Byte *row, int first, int last) {
    enum { WORDS = sizeof(Sample) * UNITS * COUNT / 4 };
    const Byte *const place = row + (Address)(Word)first * (sizeof(Sample) * UNITS);
    if (first + COUNT <= last + 1 && is_aligned(place, access_bytes(WORDS)))
        return load_words<WORDS>(place);
    return load_held<Sample, UNITS, COUNT>(row, first, last);
}

template <typename Sample, int COUNT>
INLINE Word raw(const Conversion &by, const Words<COUNT> &words, int index) {
    const int bits = 8 * (int)sizeof(Sample);
    return words.at[index * (int)sizeof(Sample) / 4] >> bits * (index % (4 / (int)sizeof(Sample))) &
           carried<Sample>(by);
}

template <typename From, typename To> INLINE void moved(const Conversion &by) {
    const Picture &picture = by.pictures[blockIdx.z];
    const int part = (int)blockIdx.y >= by.luma_blocks;
    const int block = (int)blockIdx.y - (part ? by.luma_blocks : 0);
    const int x = (blockIdx.x * LANES + threadIdx.x) * MOVED;
    const int y = block * ROWS_OF_BLOCK + threadIdx.y;
    const int columns = columns_of(by, part), rows = rows_of(by, part);
    if (!IN_PHASE(0) || x >= columns || y >= rows) return;
    if (part == 0) {
        const Words<MOVED * (int)sizeof(From) / 4> words =
            loaded<From, 1, MOVED>(from_at(by, picture, 0, by.top + y), by.left + x,
                                   by.from_width - 1);
        Word codes[MOVED];
#pragma unroll
        for (int i = 0; i < MOVED; ++i) {
            const Word from = raw<From>(by, words, i);
            codes[i] = by.plain ? from : word_of(by, 0, number(from), 0.0f, 0.0f);
        }
        put_words<To, MOVED>(to_at(by, picture, 0, y) + (Address)(Word)x * sizeof(To), codes,
                             columns - x);
        return;
    }
    Word from[2][MOVED];
#pragma unroll
    for (int i = 0; i < 2 * MOVED; ++i) from[i % 2][i / 2] = 0;
    if (by.used[1]) {
        const int first = by.left / by.from_step[0] + x, row = by.top / by.from_step[1] + y;
        const int last = (by.from_width - 1) / by.from_step[0];
        const Byte *const cb = from_at(by, picture, 1, row), *const cr = from_at(by, picture, 2, row);
        if (by.from_component[1].stride == sizeof(From)) {
            const Words<MOVED * (int)sizeof(From) / 4> one = loaded<From, 1, MOVED>(cb, first, last);
            const Words<MOVED * (int)sizeof(From) / 4> two = loaded<From, 1, MOVED>(cr, first, last);
#pragma unroll
            for (int i = 0; i < MOVED; ++i) {
                from[0][i] = raw<From>(by, one, i);
                from[1][i] = raw<From>(by, two, i);
            }
        } else {
            const int swapped = cr < cb;
            const Words<MOVED * (int)sizeof(From) / 2> pairs =
                loaded<From, 2, MOVED>(swapped ? cr : cb, first, last);
#pragma unroll
            for (int i = 0; i < MOVED; ++i) {
                const Word one = raw<From>(by, pairs, 2 * i), two = raw<From>(by, pairs, 2 * i + 1);
                from[0][i] = swapped ? two : one;
                from[1][i] = swapped ? one : two;
            }
        }
    }
    Word codes[2][MOVED];
#pragma unroll
    for (int i = 0; i < MOVED; ++i) {
        const float cb = number(from[0][i]), cr = number(from[1][i]);
        codes[0][i] = by.plain ? from[0][i] : word_of(by, 1, 0.0f, cb, cr);
        codes[1][i] = by.plain ? from[1][i] : word_of(by, 2, 0.0f, cb, cr);
    }
    put_chroma<To, MOVED>(by, picture, x, y, codes, columns - x);
}

// ---------------------------------------------------------------------------- weights

// Along one axis: how the samples of a part are made of those of a plane. Steps are powers of two.
struct Way {
    int made, old, start;  // luma samples of the target, and of the crop, which begins at `start`
    int shift, place, last;
    int new_step, new_place;
    bool area, kept, on_luma;

    INLINE Way(const Conversion &by, int part, bool of_chroma, int axis) {
        made = axis ? by.height : by.width;
        old = axis ? by.crop_height : by.crop_width;
        start = axis ? by.top : by.left;
        shift = of_chroma ? by.from_step[axis] >> 1 : 0;  // of 1, 2 or 4
        place = of_chroma ? by.from_place[axis] : 0;
        last = ((axis ? by.from_height : by.from_width) - 1) >> shift;
        new_step = part ? by.to_step[axis] : 1;
        new_place = part ? by.to_place[axis] : 0;
        on_luma = (new_place & 1) == 0;
        area = by.area;
        kept = part && of_chroma && by.kept[axis];
    }
    // Of a sample of the part: luma samples around it that it is made of, the first, how many. One
    // that lies on a luma sample weighs its neighbours by a tent, one between them evenly.
    INLINE int first(int at) const {
        return at * new_step + (on_luma ? new_place / 2 - new_step + 1 : 0);
    }
    INLINE int count() const { return on_luma ? 2 * new_step - 1 : new_step; }
    INLINE float weight(int number) const {
        const int away = number - new_step + 1;
        const int near = on_luma ? new_step - (away < 0 ? -away : away) : new_step;
        const float step = new_step == 1 ? 1.0f : new_step == 2 ? 0.25f : 0.0625f;
        return step * near;
    }
    // The luma sample of the source, or what it is mixed of.
    INLINE Share share(int at, int number) const {
        return luma_share(held(first(at) + number, made - 1), made, old, start, area);
    }
    // The sample of the plane at a luma sample or before it, perhaps one before the first, and how
    // far behind that the luma sample lies, as a part of the way to the next.
    INLINE int before(int luma) const {
        return place < 0 ? luma >> shift : (2 * luma - place) >> (shift + 1);
    }
    INLINE float behind(int luma) const {
        if (place < 0) return 0.0f;
        const int rest = (2 * luma - place) & ((2 << shift) - 1);
        return (shift == 0 ? 0.5f : shift == 1 ? 0.25f : 0.125f) * rest;
    }
};

// Gives `sum` every sample of the plane that sample `at` is made of, with weights that it adds up,
// the first of them first.
template <class Sum> INLINE void spread(const Way &way, int at, Sum &sum) {
    const int count = way.kept ? 1 : way.count();
#pragma unroll 1
    for (int i = 0; i < count; ++i) {
        Share share = {0, 0, 1.0f, 1.0f, 1.0f};
        if (!way.kept) share = way.share(at, i);
#pragma unroll 1
        for (int luma = share.first; luma <= share.last; ++luma) {
            int before = (way.start >> way.shift) + at;
            float weight = 1.0f, part = 0.0f;
            if (!way.kept) {
                before = way.before(luma);
                weight = way.weight(i) * share.weight(luma);
                part = way.behind(luma);
            }
#pragma unroll 1
            for (int side = 0; side < (part != 0.0f ? 2 : 1); ++side)
                sum.add(held(before + side, way.last), weight * (side ? part : 1.0f - part));
        }
    }
}

// Weights of `taps` samples from `first` on, `stride` apart.
struct Row {
    float *weights;
    int stride, first, rim;

    INLINE void add(int at, float weight) {
        if (first < 0) first = at < rim ? at : rim;
        weights[(at - first) * stride] += weight;
    }
    INLINE int set(const Way &way, int at, int taps) {
        first = -1;
        rim = way.last + 1 - taps;
#pragma unroll 1
        for (int i = 0; i < taps; ++i) weights[i * stride] = 0.0f;
        spread(way, at, *this);
        return first;
    }
};

// A sum of floats, and what its roundings have left out.
struct Exact {
    float sum, rest;

    INLINE void put(float term) {
        const float more = term - rest, next = sum + more;
        rest = (next - sum) - more;
        sum = next;
    }
};

// ---------------------------------------------------------------------------- weighted samples

// The weights of a block's columns and rows, and the first sample of each.
struct alignas(16) Table {
    float weights[TABLE_WEIGHTS];
    int columns[2][TABLE_COLUMNS], rows[2][TABLE_LINES];
};

// Of MADE columns side by side: the bytes to their first sample, and the weights of their samples.
struct Columns {
    const float *weights;
    int stride;  // of the tables of weights
    int offsets[MADE];

    INLINE Columns(const Table &table, int kind, int size, int column, int tile, int sample_stride) {
        weights = table.weights + kind * size + column;
        stride = tile;
#pragma unroll
        for (int i = 0; i < MADE; ++i) offsets[i] = table.columns[kind][column + i] * sample_stride;
    }
    // Of sample `at` of each; MADE floats lie at a multiple of their size.
    INLINE void get(int at, float (&found)[MADE]) const {
        const uint4 four = *(const uint4 *)(weights + at * stride);
        found[0] = __uint_as_float(four.x);
        found[1] = __uint_as_float(four.y);
        found[2] = __uint_as_float(four.z);
        found[3] = __uint_as_float(four.w);
    }
};

// Adds a row's samples, of one component or of the two of a pair, by their weights.
template <typename Sample, int CHANNELS>
INLINE void add_samples(const Byte *row, const int (&offsets)[MADE], const float (&weights)[MADE],
                        Word bits, float (&line)[CHANNELS][MADE]) {
    typedef typename Samples<Sample>::Pair Pair;
#pragma unroll
    for (int i = 0; i < MADE; ++i) {
        const Byte *const place = row + offsets[i];
        if (CHANNELS == 1) {
            line[0][i] = fmaf(weights[i], number(__ldg((const Sample *)place) & bits), line[0][i]);
        } else {
            const Word pair = __ldg((const Pair *)place), high = pair >> 8 * (int)sizeof(Sample);
            line[0][i] = fmaf(weights[i], number(pair & bits), line[0][i]);
            line[CHANNELS - 1][i] = fmaf(weights[i], number(high & bits), line[CHANNELS - 1][i]);
        }
    }
}

// Sums at MADE places side by side, of so many samples across and down.
template <typename Sample, int CHANNELS>
INLINE void weigh(const Conversion &by, const Byte *first_row, Word pitch, int stride,
                  const Columns &columns, int wide, const float *down, int high,
                  float (&sums)[CHANNELS][MADE]) {
    const Word bits = carried<Sample>(by);
#pragma unroll
    for (int i = 0; i < CHANNELS * MADE; ++i) sums[i / MADE][i % MADE] = 0.0f;
#pragma unroll 1
    for (int y = 0; y < high; ++y, first_row += pitch) {
        const float weight = down[y * by.tile_rows];
        if (weight == 0.0f) continue;
        float line[CHANNELS][MADE];
#pragma unroll
        for (int i = 0; i < CHANNELS * MADE; ++i) line[i / MADE][i % MADE] = 0.0f;
        const Byte *place = first_row;
#pragma unroll 2
        for (int x = 0; x < wide; ++x, place += stride) {
            float weights[MADE];
            columns.get(x, weights);
            add_samples<Sample, CHANNELS>(place, columns.offsets, weights, bits, line);
        }
#pragma unroll
        for (int i = 0; i < CHANNELS * MADE; ++i)
            sums[i / MADE][i % MADE] =
                fmaf(weight, line[i / MADE][i % MADE], sums[i / MADE][i % MADE]);
    }
}

// The same of two by two, which luma is made of wherever it is scaled by "bilinear".
template <typename Sample>
INLINE void weigh_four(const Conversion &by, const Byte *first_row, Word pitch, int stride,
                       const Columns &columns, const float *down, float (&sums)[1][MADE]) {
    const Word bits = carried<Sample>(by);
    float weights[2][MADE], lines[2][1][MADE];
    columns.get(0, weights[0]);
    columns.get(1, weights[1]);
#pragma unroll
    for (int y = 0; y < 2; ++y) {
#pragma unroll
        for (int i = 0; i < MADE; ++i) lines[y][0][i] = 0.0f;
#pragma unroll
        for (int x = 0; x < 2; ++x)
            add_samples<Sample, 1>(first_row + (Word)(y * pitch) + x * stride, columns.offsets,
                                   weights[x], bits, lines[y]);
    }
#pragma unroll
    for (int i = 0; i < MADE; ++i)
        sums[0][i] = fmaf(down[by.tile_rows], lines[1][0][i], down[0] * lines[0][0][i]);
}

// Whether a component has fewer samples than luma has.
INLINE bool is_chroma(const Conversion &by, int component) {
    return component > 0 && (by.from_step[0] > 1 || by.from_step[1] > 1);
}

// Which of the tables of a part is that of luma or of chroma.
INLINE int table_of(const Conversion &by, int part, bool chroma) {
    return chroma && (by.used[part] & 1) ? 1 : 0;
}

// What the components of the source come to at MADE places of a part.
template <typename From>
INLINE void gather(const Conversion &by, const Picture &picture, const Table &table, int part,
                   int column, int row, float (&sums)[3][MADE]) {
    const int wide = by.taps[part][0], high = by.taps[part][1];
    const int size = by.tile_columns * wide + by.tile_rows * high;
    const Component &cb = by.from_component[1], &cr = by.from_component[2];
    const int apart = cr.offset - cb.offset, bytes = sizeof(From);
    const Byte *const pairs = from_at(by, picture, apart < 0 ? 2 : 1, 0);
    const bool paired = (by.used[part] & 6) == 6 && cb.plane == cr.plane &&
                        cb.stride == 2 * bytes &&
                        is_aligned((const Byte *)((Address)pairs | by.from_pitch[1]), 2 * bytes);
#pragma unroll
    for (int i = 0; i < 3 * MADE; ++i) sums[i / MADE][i % MADE] = 0.0f;
    if (paired) {
        const int kind = table_of(by, part, is_chroma(by, 1));
        const float *const down = table.weights + kind * size + by.tile_columns * wide + row;
        const Columns columns(table, kind, size, column, by.tile_columns, cb.stride);
        float both[2][MADE];
        weigh<From, 2>(by, pairs + (Address)(Word)table.rows[kind][row] * by.from_pitch[1],
                       by.from_pitch[1], cb.stride, columns, wide, down, high, both);
#pragma unroll
        for (int i = 0; i < MADE; ++i) {
            sums[1][i] = apart < 0 ? both[1][i] : both[0][i];
            sums[2][i] = apart < 0 ? both[0][i] : both[1][i];
        }
    }
    // One after the other: this is long.
#pragma unroll 1
    for (int k = 0; k < (paired ? 1 : 3); ++k) {
        if (!(by.used[part] >> k & 1)) continue;
        const int kind = table_of(by, part, is_chroma(by, k));
        const Component &place = by.from_component[k];
        const Word pitch = by.from_pitch[place.plane > 0];
        const float *const down = table.weights + kind * size + by.tile_columns * wide + row;
        const Columns columns(table, kind, size, column, by.tile_columns, place.stride);
        const Byte *const first_row = from_at(by, picture, k, table.rows[kind][row]);
        float one[1][MADE];
        if (wide == 2 && high == 2)
            weigh_four<From>(by, first_row, pitch, place.stride, columns, down, one);
        else
            weigh<From, 1>(by, first_row, pitch, place.stride, columns, wide, down, high, one);
#pragma unroll
        for (int i = 0; i < 3 * MADE; ++i)
            if (i / MADE == k) sums[i / MADE][i % MADE] = one[0][i % MADE];
    }
}

template <typename From, typename To> INLINE void tapped(const Conversion &by) {
    __shared__ Table table;
    const Picture &picture = by.pictures[blockIdx.z];
    const int part = (int)blockIdx.y >= by.luma_blocks;
    const int block = (int)blockIdx.y - (part ? by.luma_blocks : 0);
    const int left = blockIdx.x * by.tile_columns, top = block * by.tile_rows;
    const int columns = columns_of(by, part), rows = rows_of(by, part);
    if (left >= columns || top >= rows) return;  // the whole block: the luma part is wider
    const int thread = threadIdx.y * LANES + threadIdx.x, threads = LANES * ROWS_OF_BLOCK;
    const int wide = by.taps[part][0], high = by.taps[part][1];
    const int size = by.tile_columns * wide + by.tile_rows * high;
    if (IN_PHASE(0)) {
        const int lines = by.tile_columns + by.tile_rows;
#pragma unroll 1
        for (int i = thread; i < 2 * lines; i += threads) {
            const int chroma = i >= lines, at = i - chroma * lines;
            const int of_kind = is_chroma(by, 1) ? (chroma ? 6 : 1) : (chroma ? 0 : 7);
            if (!(by.used[part] & of_kind)) continue;
            const int axis = at >= by.tile_columns, line = at - axis * by.tile_columns;
            const Way way(by, part, chroma, axis);
            Row row;
            const int kind = table_of(by, part, chroma);
            row.weights = table.weights + kind * size + (axis ? by.tile_columns * wide : 0) + line;
            row.stride = axis ? by.tile_rows : by.tile_columns;
            // What is not in the picture any more is made of the samples of the last.
            const int first = row.set(way, axis ? held(top + line, rows - 1)
                                                : held(left + line, columns - 1),
                                      axis ? high : wide);
            (axis ? table.rows[kind] : table.columns[kind])[line] = first;
        }
    }
    __syncthreads();
    if (!IN_PHASE(1)) return;
    const int across = by.tile_columns / MADE, column = thread % across * MADE, x = left + column;
    if (x >= columns) return;
#pragma unroll 1
    for (int row = thread / across; row < by.tile_rows && top + row < rows; row += threads / across) {
        const int y = top + row;
        float sums[3][MADE];
        gather<From>(by, picture, table, part, column, row, sums);
        if (part == 0) {
            Word codes[MADE];
#pragma unroll
            for (int i = 0; i < MADE; ++i)
                codes[i] = word_of(by, 0, sums[0][i], sums[1][i], sums[2][i]);
            put_words<To, MADE>(to_at(by, picture, 0, y) + (Address)(Word)x * sizeof(To), codes,
                                columns - x);
        } else {
            Word codes[2][MADE];
#pragma unroll
            for (int i = 0; i < 2 * MADE; ++i)
                codes[i / MADE][i % MADE] = word_of(by, 1 + i / MADE, sums[0][i % MADE],
                                                    sums[1][i % MADE], sums[2][i % MADE]);
            put_chroma<To, MADE>(by, picture, x, y, codes, columns - x);
        }
    }
}

// ---------------------------------------------------------------------------- without a table

// A weighted sum along a row.
template <typename Sample> struct Line : Exact {
    const Byte *row;
    int stride;
    Word bits;

    INLINE void add(int at, float weight) {
        put(weight * number(__ldg((const Sample *)(row + (Address)(Word)at * stride)) & bits));
    }
};

// One of such sums.
template <typename Sample> struct Lines : Exact {
    const Conversion &by;
    const Picture &picture;
    const Way &across;
    int component, column;

    INLINE Lines(const Conversion &conversion, const Picture &of, const Way &way, int which, int at)
        : by(conversion), picture(of), across(way), component(which), column(at) {
        sum = rest = 0.0f;
    }
    INLINE void add(int at, float weight) {
        Line<Sample> line;
        line.sum = line.rest = 0.0f;
        line.row = from_at(by, picture, component, at);
        line.stride = by.from_component[component].stride;
        line.bits = carried<Sample>(by);
        spread(across, column, line);
        put(weight * line.sum);
    }
};

// One sample, or a pair, a thread.
template <typename From, typename To> INLINE void summed(const Conversion &by) {
    const Picture &picture = by.pictures[blockIdx.z];
    const int part = (int)blockIdx.y >= by.luma_blocks;
    const int x = blockIdx.x * LANES + threadIdx.x;
    const int y = ((int)blockIdx.y - (part ? by.luma_blocks : 0)) * ROWS_OF_BLOCK + threadIdx.y;
    if (!IN_PHASE(0) || x >= columns_of(by, part) || y >= rows_of(by, part)) return;
    float sums[3] = {0.0f, 0.0f, 0.0f};
#pragma unroll 1
    for (int k = 0; k < 3; ++k) {
        if (!(by.used[part] >> k & 1)) continue;
        const Way across(by, part, is_chroma(by, k), 0), down(by, part, is_chroma(by, k), 1);
        Lines<From> lines(by, picture, across, k, x);
        spread(down, y, lines);
#pragma unroll
        for (int j = 0; j < 3; ++j)
            if (j == k) sums[j] = lines.sum;
    }
#pragma unroll
    for (int k = 0; k < 3; ++k)
        if ((k > 0) == part)
            *(To *)(to_at(by, picture, k, y) + (Address)(Word)x * by.to_component[k].stride) =
                (To)word_of(by, k, sums[0], sums[1], sums[2]);
}

// ---------------------------------------------------------------------------- entry points

#define KERNELS(from, to, From, To)                                                                \
    extern "C" __global__ void __launch_bounds__(LANES * ROWS_OF_BLOCK)                            \
        ycbcr_move_##from##_##to(const Conversion conversion) { moved<From, To>(conversion); }     \
    extern "C" __global__ void __launch_bounds__(LANES * ROWS_OF_BLOCK)                            \
        ycbcr_taps_##from##_##to(const Conversion conversion) { tapped<From, To>(conversion); }    \
    extern "C" __global__ void __launch_bounds__(LANES * ROWS_OF_BLOCK)                            \
        ycbcr_sums_##from##_##to(const Conversion conversion) { summed<From, To>(conversion); }

KERNELS(8, 8, Byte, Byte)
KERNELS(8, 16, Byte, Short)
KERNELS(16, 8, Short, Byte)
KERNELS(16, 16, Short, Short)
