// What a decoder of VP8 has of its frames for the next one: features of segments, and deltas of the
// loop filter. By the format a key frame begins with none, and features that a frame brings replace
// all that there are (RFC 6386, 9.3 and 9.6). NVDEC keeps them over key frames, over reconfiguring,
// and where a frame leaves some out; those of segment 0 count where segments are off. [H100]
#ifndef VIDEOHW_VP8_STATE_HPP
#define VIDEOHW_VP8_STATE_HPP

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace videohw {

class Vp8State {
public:
    // The decoder is a new one.
    void forget() { *this = Vp8State(); }

    // A frame goes to the decoder.
    void decoded(const unsigned char *data, std::size_t bytes)
    {
        Features its_own{};
        if (!read(data, bytes, kept_, its_own))
            unknown_ = true;
    }

    // Whether a frame is a key frame that comes out wrong by what the decoder kept.
    bool spoils(const unsigned char *data, std::size_t bytes) const
    {
        Features after = kept_, its_own{};
        if (!read(data, bytes, after, its_own) || data[0] & 1)
            return false;
        return unknown_ || std::memcmp(&after, &its_own, sizeof after) != 0;
    }

private:
    static constexpr std::size_t tag_bytes = 3, key_header_bytes = 10;

    struct Features {
        int absolute, quantizer[4], filter[4], reference_delta[4], mode_delta[4];
    };

    // The boolean decoder (RFC 6386, 7.3) where 0 and 1 are equally likely; zeros behind the end.
    struct Bits {
        const unsigned char *data;
        std::size_t bytes, at = 0;
        unsigned value = 0, range = 255, shifted = 0;

        Bits(const unsigned char *data, std::size_t bytes) : data(data), bytes(bytes)
        {
            value = next() << 8;
            value |= next();
        }
        unsigned next()
        {
            ++at;
            return at <= bytes ? data[at - 1] : 0;
        }
        unsigned bit()
        {
            const unsigned split = 1 + ((range - 1) >> 1);
            const unsigned found = value >= split << 8;
            value -= found ? split << 8 : 0;
            range = found ? range - split : split;
            for (; range < 128; range <<= 1) {
                value <<= 1;
                if (++shifted == 8) {
                    shifted = 0;
                    value |= next();
                }
            }
            return found;
        }
        int take(unsigned count)
        {
            int found = 0;
            for (; count; --count)
                found = found << 1 | static_cast<int>(bit());
            return found;
        }
        // Four values, each with a flag that says whether it is there, to both.
        void update(int (&one)[4], int (&other)[4], unsigned count)
        {
            for (int i = 0; i < 4; ++i)
                if (bit()) {
                    const int size = take(count);
                    one[i] = other[i] = bit() ? -size : size;
                }
        }
    };

    // The frame's header up to what it says of these (RFC 6386, 9.2 to 9.6), which goes to both;
    // false where it ends before.
    static bool read(const unsigned char *data, std::size_t bytes, Features &one, Features &other)
    {
        const bool key = bytes && !(data[0] & 1);
        const std::size_t begin = key ? key_header_bytes : tag_bytes;
        if (bytes <= begin)
            return false;
        const std::size_t first_partition = (data[0] | data[1] << 8 | data[2] << 16) >> 5;
        Bits bits(data + begin, std::min(bytes - begin, first_partition));
        if (key)
            bits.take(2); // color_space, clamping_type
        if (bits.bit()) { // segmentation_enabled
            const bool has_map = bits.bit(), has_features = bits.bit();
            if (has_features) {
                one.absolute = other.absolute = bits.take(1);
                bits.update(one.quantizer, other.quantizer, 7);
                bits.update(one.filter, other.filter, 6);
            }
            for (int i = 0; has_map && i < 3; ++i)
                if (bits.bit())
                    bits.take(8);
        }
        bits.take(1 + 6 + 3); // filter_type, loop_filter_level, sharpness_level
        if (bits.bit() && bits.bit()) { // loop_filter_adj_enable, mode_ref_lf_delta_update
            bits.update(one.reference_delta, other.reference_delta, 6);
            bits.update(one.mode_delta, other.mode_delta, 6);
        }
        return bits.at <= bits.bytes + 2;
    }

    Features kept_{};
    bool unknown_ = false; // a frame could not be read
};

} // namespace videohw

#endif
