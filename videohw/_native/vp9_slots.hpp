// Which surface each of the eight reference slots of a VP9 stream is in, by the uncompressed headers
// of its frames (VP9 bitstream specification, 6.2 and 8.10). The driver's parser keeps it to itself,
// and does not show a frame that is in one again when the stream asks for that. [H100]
#ifndef VIDEOHW_VP9_SLOTS_HPP
#define VIDEOHW_VP9_SLOTS_HPP

#include <cstddef>

namespace videohw {

class Vp9Slots {
public:
    Vp9Slots() { forget(); }

    void forget()
    {
        for (int &each : surfaces_)
            each = -1;
    }

    // A frame was decoded to a surface.
    void decoded(const unsigned char *data, std::size_t bytes, int surface)
    {
        const unsigned refreshed = refreshed_by(data, bytes);
        for (unsigned slot = 0; slot < slots; ++slot)
            if (refreshed >> slot & 1)
                surfaces_[slot] = surface;
    }

    // Whether a frame is nothing but show_existing_frame; then the surface, -1 where nothing is.
    bool shows_again(const unsigned char *data, std::size_t bytes, int *surface) const
    {
        Bits bits{data, bytes};
        if (!begins(bits) || !bits.take(1))
            return false;
        const unsigned slot = bits.take(3);
        *surface = bits.over ? -1 : surfaces_[slot];
        return true;
    }

private:
    static constexpr unsigned slots = 8, all_of_them = 0xff;
    static constexpr unsigned frame_sync_code = 0x498342, srgb = 7;

    struct Bits {
        const unsigned char *data;
        std::size_t bytes, at = 0;
        unsigned profile = 0;
        bool over = false;

        Bits(const unsigned char *data, std::size_t bytes) : data(data), bytes(bytes) {}
        unsigned take(unsigned count)
        {
            unsigned value = 0;
            for (; count; --count, ++at) {
                over = over || at / 8 >= bytes;
                value = value << 1 | (over ? 0 : data[at / 8] >> (7 - at % 8) & 1);
            }
            return value;
        }
    };

    // frame_marker and profile; false where this is no frame.
    static bool begins(Bits &bits)
    {
        if (bits.take(2) != 2)
            return false;
        bits.profile = bits.take(1);
        bits.profile |= bits.take(1) << 1;
        return (bits.profile < 3 || !bits.take(1)) && !bits.over;
    }

    // refresh_frame_flags; 0 where they cannot be read.
    static unsigned refreshed_by(const unsigned char *data, std::size_t bytes)
    {
        Bits bits{data, bytes};
        if (!begins(bits) || bits.take(1))
            return 0;
        const bool key = !bits.take(1), shown = bits.take(1), resilient = bits.take(1);
        if (key)
            return bits.over ? 0 : all_of_them;
        const bool intra_only = !shown && bits.take(1);
        if (!resilient)
            bits.take(2); // reset_frame_context
        if (intra_only) {
            if (bits.take(24) != frame_sync_code)
                return 0;
            skip_colour(bits);
        }
        const unsigned flags = bits.take(8);
        return bits.over ? 0 : flags;
    }
    // color_config of an intra-only frame, which profile 0 has not.
    static void skip_colour(Bits &bits)
    {
        if (!bits.profile)
            return;
        if (bits.profile >= 2)
            bits.take(1);
        const bool subsampling = bits.profile & 1;
        if (bits.take(3) != srgb)
            bits.take(subsampling ? 4 : 1);
        else if (subsampling)
            bits.take(1);
    }

    int surfaces_[slots];
};

} // namespace videohw

#endif
