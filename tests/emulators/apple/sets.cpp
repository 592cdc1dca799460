#include "sets.hpp"

#include "nvidia/cuvid_bits.hpp" // no more than a reader of bits

#include <algorithm>

namespace apple {
namespace {

using cuvid::Bits;

void skip_h264_scaling_list(Bits &bits, int size)
{
    int last = 8, next = 8;
    for (int i = 0; i < size; ++i) {
        if (next)
            next = (last + bits.se() + 256) & 255;
        last = next ? next : last;
    }
}

void read_signal(Bits &bits, Sequence *sequence)
{
    // aspect_ratio_idc of table E-1.
    static const int aspects[][2] = {{0, 0},   {1, 1},   {12, 11}, {10, 11}, {16, 11}, {40, 33},
                                     {24, 11}, {20, 11}, {32, 11}, {80, 33}, {18, 11}, {15, 11},
                                     {64, 33}, {160, 99}, {4, 3},  {3, 2},   {2, 1}};
    if (bits.flag()) {
        unsigned index = bits.u(8);
        bool own = index == 255, known = index < sizeof aspects / sizeof *aspects;
        sequence->aspect_width =
            own ? static_cast<int>(bits.u(16)) : known ? aspects[index][0] : 0;
        sequence->aspect_height =
            own ? static_cast<int>(bits.u(16)) : known ? aspects[index][1] : 0;
    }
    if (bits.flag())
        bits.skip(1);
    sequence->has_signal = bits.flag();
    if (sequence->has_signal) {
        bits.skip(3);
        sequence->full_range = bits.flag();
        if (bits.flag()) {
            sequence->primaries = static_cast<int>(bits.u(8));
            sequence->transfer = static_cast<int>(bits.u(8));
            sequence->matrix = static_cast<int>(bits.u(8));
        }
    }
    if (bits.flag())
        sequence->siting = static_cast<int>(bits.ue());
}

void read_crop(Bits &bits, int unit_x, int unit_y, Sequence *sequence)
{
    if (!bits.flag())
        return;
    sequence->left = static_cast<int>(bits.ue()) * unit_x;
    sequence->right = static_cast<int>(bits.ue()) * unit_x;
    sequence->top = static_cast<int>(bits.ue()) * unit_y;
    sequence->bottom = static_cast<int>(bits.ue()) * unit_y;
}

void check(const Bits &bits, Sequence *sequence)
{
    sequence->known = !bits.over() && sequence->width() > 0 && sequence->height() > 0 &&
                      sequence->coded_width <= 16384 && sequence->coded_height <= 16384 &&
                      sequence->chroma <= 3 && sequence->depth <= 16;
}

void skip_profile(Bits &bits, int sub_layers)
{
    bits.skip(96);
    bool has_profile[8] = {}, has_level[8] = {};
    for (int i = 0; i < sub_layers - 1; ++i) {
        has_profile[i] = bits.flag();
        has_level[i] = bits.flag();
    }
    if (sub_layers > 1)
        bits.skip(2 * (9 - sub_layers));
    for (int i = 0; i < sub_layers - 1; ++i)
        bits.skip((has_profile[i] ? 88 : 0) + (has_level[i] ? 8 : 0));
}

void skip_hevc_scaling_lists(Bits &bits)
{
    for (int size = 0; size < 4; ++size)
        for (int matrix = 0; matrix < 6; matrix += size == 3 ? 3 : 1) {
            if (!bits.flag()) {
                bits.ue();
                continue;
            }
            if (size > 1)
                bits.se();
            for (int i = 0; i < std::min(64, 1 << (4 + 2 * size)); ++i)
                bits.se();
        }
}

// Of a reference picture set only how many pictures it has.
bool skip_reference_set(Bits &bits, unsigned index, std::vector<unsigned> *counts)
{
    if (index > 0 && bits.flag()) {
        bits.skip(1);
        bits.ue();
        unsigned count = 0;
        for (unsigned i = 0; i <= counts->back(); ++i) {
            bool used = bits.flag();
            count += used || bits.flag();
        }
        counts->push_back(count);
        return !bits.over();
    }
    unsigned negative = bits.ue(), positive = bits.ue();
    if (negative > 16 || positive > 16)
        return false;
    for (unsigned i = 0; i < negative + positive; ++i) {
        bits.ue();
        bits.skip(1);
    }
    counts->push_back(negative + positive);
    return !bits.over();
}

bool skip_to_vui(Bits &bits, int order_bits)
{
    for (int i = 0; i < 6; ++i)
        bits.ue();
    if (bits.flag() && bits.flag())
        skip_hevc_scaling_lists(bits);
    bits.skip(2);
    if (bits.flag()) {
        bits.skip(8);
        bits.ue();
        bits.ue();
        bits.skip(1);
    }
    unsigned sets = bits.ue();
    std::vector<unsigned> counts;
    for (unsigned i = 0; i < sets; ++i)
        if (sets > 64 || !skip_reference_set(bits, i, &counts))
            return false;
    if (bits.flag()) {
        unsigned count = bits.ue();
        for (unsigned i = 0; i < count && i < 33; ++i)
            bits.skip(order_bits + 1);
    }
    bits.skip(2);
    return !bits.over();
}

} // namespace

Sequence read_h264_sps(const uint8_t *nal, std::size_t bytes)
{
    Sequence made;
    if (bytes < 4 || (nal[0] & 31) != 7)
        return made;
    Bits bits(nal + 1, bytes - 1, true);
    unsigned profile = bits.u(8);
    bits.skip(16);
    bits.ue();
    for (unsigned high : {100u, 110u, 122u, 244u, 44u, 83u, 86u, 118u, 128u, 138u, 139u, 134u,
                          135u})
        if (profile == high) {
            made.chroma = static_cast<int>(bits.ue());
            if (made.chroma == 3)
                made.separate_planes = bits.flag();
            made.depth = 8 + static_cast<int>(std::max(bits.ue(), bits.ue()));
            bits.skip(1);
            if (bits.flag())
                for (int i = 0; i < (made.chroma == 3 ? 12 : 8); ++i)
                    if (bits.flag())
                        skip_h264_scaling_list(bits, i < 6 ? 16 : 64);
        }
    made.frame_num_bits = static_cast<int>(bits.ue()) + 4;
    unsigned order_type = bits.ue();
    if (order_type == 0) {
        bits.ue();
    } else if (order_type == 1) {
        bits.skip(1);
        bits.se();
        bits.se();
        unsigned cycle = bits.ue();
        for (unsigned i = 0; i < cycle && i < 256; ++i)
            bits.se();
    }
    bits.ue();
    bits.skip(1);
    made.coded_width = 16 * (static_cast<int>(bits.ue()) + 1);
    int map_units = static_cast<int>(bits.ue()) + 1;
    made.frames_only = bits.flag();
    made.coded_height = 16 * map_units * (made.frames_only ? 1 : 2);
    bits.skip(made.frames_only ? 1 : 2);
    int unit_x = made.chroma == 1 || made.chroma == 2 ? 2 : 1;
    int unit_y = (made.chroma == 1 ? 2 : 1) * (made.frames_only ? 1 : 2);
    read_crop(bits, unit_x, unit_y, &made);
    bool has_vui = bits.flag();
    check(bits, &made);
    if (has_vui && made.known)
        read_signal(bits, &made);
    return made;
}

Sequence read_hevc_sps(const uint8_t *nal, std::size_t bytes)
{
    Sequence made;
    if (bytes < 4 || (nal[0] >> 1 & 63) != 33)
        return made;
    Bits bits(nal + 2, bytes - 2, true);
    bits.skip(4);
    int sub_layers = static_cast<int>(bits.u(3)) + 1;
    bits.skip(1);
    skip_profile(bits, sub_layers);
    bits.ue();
    made.chroma = static_cast<int>(bits.ue());
    if (made.chroma == 3)
        made.separate_planes = bits.flag();
    made.coded_width = static_cast<int>(bits.ue());
    made.coded_height = static_cast<int>(bits.ue());
    read_crop(bits, made.chroma == 1 || made.chroma == 2 ? 2 : 1, made.chroma == 1 ? 2 : 1, &made);
    unsigned luma = bits.ue(), chroma = bits.ue();
    made.depth = 8 + static_cast<int>(std::max(luma, chroma));
    int order_bits = static_cast<int>(bits.ue()) + 4;
    bool each = bits.flag();
    for (int i = each ? 0 : sub_layers - 1; i < sub_layers; ++i)
        for (int n = 0; n < 3; ++n)
            bits.ue();
    check(bits, &made);
    if (made.known && skip_to_vui(bits, order_bits) && bits.flag())
        read_signal(bits, &made);
    return made;
}

int field_of_h264_slice(const uint8_t *nal, std::size_t bytes, const Sequence &sequence)
{
    if (sequence.frames_only)
        return 0;
    Bits bits(nal + 1, std::min<std::size_t>(bytes - 1, 40), true);
    bits.ue();
    bits.ue();
    bits.ue();
    bits.skip((sequence.separate_planes ? 2 : 0) + sequence.frame_num_bits);
    return bits.flag() ? 1 + static_cast<int>(bits.flag()) : 0;
}

bool split(const uint8_t *data, std::size_t bytes, int length_bytes, std::vector<Nal> *nals)
{
    for (std::size_t at = 0; at < bytes;) {
        if (bytes - at < static_cast<std::size_t>(length_bytes))
            return false;
        std::size_t length = 0;
        for (int i = 0; i < length_bytes; ++i)
            length = length << 8 | data[at++];
        if (length == 0 || length > bytes - at)
            return false;
        nals->push_back({data + at, length});
        at += length;
    }
    return !nals->empty();
}

void append_annexb(const Nal &nal, Bytes *to)
{
    to->insert(to->end(), {0, 0, 0, 1});
    to->insert(to->end(), nal.data, nal.data + nal.bytes);
}

} // namespace apple
