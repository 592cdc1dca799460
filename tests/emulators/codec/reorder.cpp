#include "reorder.hpp"

#include <algorithm>
#include <set>

namespace codec {
namespace {

constexpr int h264_count_bits = 16;

// Aligned as before, the data of a slice are copied byte by byte.
Bytes joined(BitCopier &bits, const Bytes &payload, bool ones)
{
    while (!bits.to.aligned())
        bits.to.bit(ones);
    std::size_t at = (bits.from.position() + 7) / 8;
    Bytes made = std::move(bits.to.data);
    made.insert(made.end(), payload.begin() + static_cast<std::ptrdiff_t>(at), payload.end());
    return made;
}

} // namespace

// H.264, 7.3.2.1.1 and E.1.1
Bytes H264Reorder::sequence_set(const Bytes &payload)
{
    static const std::set<unsigned> high = {100, 110, 122, 244, 44};
    BitCopier bits(payload);
    bits.bits(8);
    unsigned profile = bits.bits(8);
    bits.bits(16);
    bits.ue();
    if (high.count(profile)) {
        if (bits.ue() == 3)
            bits.bit();
        bits.ue();
        bits.ue();
        bits.bits(2); // no scaling lists
    }
    frame_number_bits = static_cast<int>(bits.ue()) + 4;
    if (bits.from.ue() == 0)
        bits.from.ue();
    bits.to.ue(0);
    bits.to.ue(h264_count_bits - 4);
    std::uint32_t references = bits.ue();
    bits.bit();
    bits.ue();
    bits.ue();
    if (!bits.bit())
        bits.bit();
    bits.bit();
    if (bits.bit())
        for (int i = 0; i < 4; ++i)
            bits.ue();
    bits.to.bit(1);
    if (bits.from.bit()) {
        if (bits.bit() && bits.bits(8) == 255)
            bits.bits(32);
        if (bits.bit())
            bits.bit();
        if (bits.bit()) {
            bits.bits(4);
            if (bits.bit())
                bits.bits(24);
        }
        if (bits.bit()) {
            bits.ue();
            bits.ue();
        }
        if (bits.bit()) {
            bits.bits(32);
            bits.bits(32);
            bits.bit();
        }
        bits.bits(3); // no HRD
    } else
        bits.to.bits(8, 0);
    bits.to.bits(2, 3);
    for (int value : {0, 0, 16, 16, reordered, std::max<int>(references, reordered + 1)})
        bits.to.ue(static_cast<std::uint32_t>(value));
    bits.to.trailing();
    return bits.to.data;
}

void H264Reorder::picture_set(const Bytes &payload)
{
    BitReader bits(payload);
    bits.bits(8);
    bits.ue();
    bits.ue();
    cabac = bits.bit();
    bits.bit();
    bits.ue();
    bits.ue();
    bits.ue();
    bits.bits(3);
    for (int i = 0; i < 3; ++i)
        bits.ue();
    deblocking_said = bits.bit();
}

// H.264, 7.3.3
Bytes H264Reorder::slice(const Bytes &payload, int number) const
{
    BitCopier bits(payload);
    unsigned first = bits.bits(8);
    bool idr = (first & 31) == 5, reference = first >> 5;
    bits.ue();
    unsigned type = bits.ue() % 5;
    bits.ue();
    bits.bits(frame_number_bits);
    if (idr)
        bits.ue();
    bits.to.bits(h264_count_bits, static_cast<std::uint32_t>(number * 2) & 0xffff);
    bool inter = type == 0;
    if (inter) {
        if (bits.bit())
            bits.ue();
        if (bits.bit())
            while (bits.ue() != 3)
                bits.ue();
    }
    if (reference && idr)
        bits.bits(2);
    else if (reference && bits.bit())
        for (unsigned operation; (operation = bits.ue()) != 0;) {
            bits.ue();
            if (operation == 3)
                bits.ue();
        }
    if (!cabac) { // the data follow at once
        bits.rest(bits.from.end());
        bits.to.trailing();
        return bits.to.data;
    }
    if (inter)
        bits.ue();
    bits.ue();
    if (deblocking_said && bits.ue() != 1) {
        bits.ue();
        bits.ue();
    }
    return joined(bits, payload, true);
}

// HEVC, 7.3.2.1: one layer after profile and level
void HevcReorder::ordering(BitCopier &bits, int layers) const
{
    for (int i = bits.bit() ? 0 : layers; i <= layers; ++i) {
        for (int k = 0; k < 3; ++k)
            bits.from.ue();
        bits.to.ue(static_cast<std::uint32_t>(reordered + 1));
        bits.to.ue(static_cast<std::uint32_t>(reordered));
        bits.to.ue(0);
    }
}

Bytes HevcReorder::video_set(const Bytes &payload) const
{
    BitCopier bits(payload);
    bits.bits(16);
    bits.bits(12);
    int layers = static_cast<int>(bits.bits(3));
    bits.bits(17);
    for (int i = 0; i < 3; ++i)
        bits.bits(32);
    ordering(bits, layers);
    bits.rest(bits.from.end());
    bits.to.trailing();
    return bits.to.data;
}

Bytes HevcReorder::sequence_set(const Bytes &payload)
{
    BitCopier bits(payload);
    bits.bits(20);
    int layers = static_cast<int>(bits.bits(3));
    bits.bit();
    for (int i = 0; i < 3; ++i)
        bits.bits(32);
    bits.ue();
    if (bits.ue() == 3)
        bits.bit();
    bits.ue();
    bits.ue();
    if (bits.bit())
        for (int i = 0; i < 4; ++i)
            bits.ue();
    bits.ue();
    bits.ue();
    count_bits = static_cast<int>(bits.ue()) + 4;
    ordering(bits, layers);
    bits.rest(bits.from.end());
    bits.to.trailing();
    return bits.to.data;
}

void HevcReorder::picture_set(const Bytes &payload)
{
    BitReader bits(payload);
    bits.bits(16);
    bits.ue();
    bits.ue();
    bits.bit();
    output_said = bits.bit();
    extra_bits = static_cast<int>(bits.bits(3));
    bits.bit();
    cabac_init_said = bits.bit();
    for (int i = 0; i < 3; ++i)
        bits.ue();
    bits.bits(2);
    if (bits.bit())
        bits.ue();
    bits.ue();
    bits.ue();
    chroma_offsets = bits.bit();
    bits.bits(5); // neither weights nor tiles nor rows of their own
    filter_across = bits.bit();
    if (bits.bit()) {
        deblocking_overridden = bits.bit();
        deblocking_off = bits.bit();
    }
}

// HEVC, 7.3.6.1 and 7.3.7: one reference, which is the picture before; no SAO, no motion of other
// pictures
Bytes HevcReorder::slice(const Bytes &payload, int number, int before) const
{
    BitCopier bits(payload);
    unsigned kind = bits.bits(16) >> 9 & 63;
    bits.bit();
    if (kind >= 16 && kind <= 23)
        bits.bit();
    bits.ue();
    bits.bits(extra_bits);
    unsigned type = bits.ue();
    if (output_said)
        bits.bit();
    if (kind != 19 && kind != 20) {
        bits.from.bits(count_bits);
        bits.to.bits(count_bits, static_cast<std::uint32_t>(number) & ((1u << count_bits) - 1));
        bits.from.bit(); // written in the header
        for (std::uint32_t pictures = bits.from.ue() + bits.from.ue(); pictures; --pictures) {
            bits.from.ue();
            bits.from.bit();
        }
        bits.to.bit(0);
        bits.to.ue(before < number);
        bits.to.ue(before > number);
        bits.to.ue(static_cast<std::uint32_t>(before < number ? number - before : before - number) -
                   1);
        bits.to.bit(1);
    }
    if (type == 1) {
        if (bits.bit())
            bits.ue();
        if (cabac_init_said)
            bits.bit();
        bits.ue();
    }
    bits.ue();
    if (chroma_offsets) {
        bits.ue();
        bits.ue();
    }
    bool off = deblocking_off;
    if (deblocking_overridden && bits.bit() && !(off = bits.bit())) {
        bits.ue();
        bits.ue();
    }
    if (filter_across && !off)
        bits.bit();
    bits.from.bit();
    bits.to.bit(1);
    return joined(bits, payload, false);
}

} // namespace codec
