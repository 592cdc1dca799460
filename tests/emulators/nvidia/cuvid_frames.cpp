// Codecs whose packets are frames: VP8, VP9 and JPEG.

#include "cuvid_bits.hpp"
#include "cuvid_parser.hpp"

#include <algorithm>
#include <cstring>

namespace cuvid {
namespace {

CUVIDEOFORMAT plain_format(int codec, int width, int height, int chroma, int depth, int surfaces)
{
    CUVIDEOFORMAT format{};
    format.codec = codec;
    format.progressive_sequence = 1;
    format.bit_depth_luma_minus8 = static_cast<unsigned char>(depth - 8);
    format.bit_depth_chroma_minus8 = static_cast<unsigned char>(depth - 8);
    format.min_num_decode_surfaces = static_cast<unsigned char>(surfaces);
    format.coded_width = static_cast<unsigned>((width + 15) / 16 * 16);
    format.coded_height = static_cast<unsigned>((height + 15) / 16 * 16);
    set_area(format, 0, 0, width, height);
    format.chroma_format = chroma;
    // Rule (trace): nothing is said of the colours, nor of the shape of VP8 and JPEG.
    return format;
}

// An index that a reference slot holds on to.
using Held = std::shared_ptr<const int>;

class Frames : public Parser {
  public:
    explicit Frames(const CUVIDPARSERPARAMS &parameters) : Parser(parameters)
    {
        start_codes = false;
        times_hidden = true;
    }

  protected:
    bool starts_picture(const unsigned char *, std::size_t) override { return false; }
    bool unit(const unsigned char *, std::size_t) override { return false; }
    void end_of_stream() override
    {
        current.reset();
        for (Held &slot : slots)
            slot.reset();
        known = false;
    }

    bool picture(Coded &coded) override
    {
        coded.index = current ? *current : -1;
        coded.width_in_mbs = (width + 15) / 16;
        coded.height_in_mbs = (height + 15) / 16;
        coded.reference = refreshed != 0 && kind() != codec::Kind::vp9; // Rule (trace)
        coded.intra = intra;
        coded.hidden = !shown;
        coded.sets = sets;
        coded.data = for_codec;
        return true;
    }

    void picture_decoded() override
    {
        for (int slot = 0; slot < 8; ++slot)
            if (refreshed >> slot & 1)
                slots[slot] = current;
        if (shown && current)
            display(*current);
        current.reset();
    }

    Held held_index()
    {
        int index = take_index();
        return Held(new int(index), [this](const int *held) {
            let_go(*held);
            delete held;
        });
    }

    Held current, slots[8];
    int width = 0, height = 0;
    bool known = false, shown = true, intra = true;
    unsigned refreshed = 0; // a bit for each slot that the picture goes into
    Bytes sets, for_codec;
};

// The boolean decoder of RFC 6386, 7.3, for values whose bits are equally likely.
class Coin {
  public:
    Coin(const unsigned char *from, std::size_t bytes) : at(from), end(from + bytes) {}

    unsigned u(int bits)
    {
        unsigned found = 0;
        while (bits-- > 0)
            found = found << 1 | flip();
        return found;
    }
    // So many values of so many bits and a sign, each behind a flag that says whether it is there.
    void optional(int values, int bits, std::optional<int> *found = nullptr)
    {
        for (int each = 0; each < values; ++each)
            if (u(1)) {
                int size = static_cast<int>(u(bits));
                bool negative = u(1);
                if (found)
                    found[each] = negative ? -size : size;
            }
    }

  private:
    unsigned flip()
    {
        while (have < 8) {
            value = value << 8 | (at < end ? *at++ : 0);
            have += 8;
        }
        unsigned long long split = 1 + (range - 1) / 2, limit = split << (have - 8);
        unsigned found = value >= limit;
        if (found) {
            value -= limit;
            range -= static_cast<unsigned>(split);
        } else {
            range = static_cast<unsigned>(split);
        }
        for (; range < 128; range <<= 1)
            --have;
        return found;
    }

    const unsigned char *at, *end;
    unsigned long long value = 0; // the last `have` bits count
    int have = 0;
    unsigned range = 255;
};

class Vp8 : public Frames {
  public:
    using Frames::Frames;

  protected:
    codec::Kind kind() const override { return codec::Kind::vp8; }
    void packet_without_start_codes(const Bytes &data) override
    {
        if (data.size() < 3)
            return;
        bool key = !(data[0] & 1);
        if (key) {
            if (data.size() < 10 || data[3] != 0x9d || data[4] != 1 || data[5] != 0x2a)
                return;
            width = data[6] | (data[7] & 0x3f) << 8;
            height = data[8] | (data[9] & 0x3f) << 8;
            // Rule (trace): 8 surfaces in VP8, 9 in VP9, 1 in JPEG.
            known = begin_sequence(plain_format(cudaVideoCodec_VP8, width, height, 1, 8, 8)) > 0;
        }
        if (!known || swallows)
            return;
        intra = key;
        shown = data[0] >> 4 & 1;
        // Rule (trace): the references are those of the standard, and hold their indices.
        Held before[] = {slots[last], slots[golden], slots[other]};
        int partitions = read_references(data, key);
        // Rule (trace): after a frame that is shorter than its partitions, but for the last, are
        // said to be the parser gives nothing any more, whatever comes.
        swallows = !has_partitions(data, key, partitions);
        if (swallows)
            return;
        current = held_index();
        whole_picture(data);
    }
    bool picture(Coded &coded) override
    {
        coded.vp8 = features;
        return Frames::picture(coded);
    }

  private:
    enum { last, golden, other }; // slots

    // RFC 6386, 9.3 to 9.7 and 19.2: what the picture refreshes stands in coded data. The number of
    // its partitions behind the first.
    int read_references(const Bytes &data, bool key)
    {
        refreshed = 1u << last | 1u << golden | 1u << other;
        features = Vp8Features();
        features.key = key;
        std::size_t begin = key ? 10 : 3;
        Coin coin(data.data() + begin, data.size() - begin);
        if (key)
            coin.u(1 + 1); // color_space, clamping_type
        if (coin.u(1)) { // segmentation_enabled
            bool map = coin.u(1);
            features.of_segments = coin.u(1);
            if (features.of_segments) {
                features.absolute = coin.u(1);
                coin.optional(4, 7, &features.brought[0]);
                coin.optional(4, 6, &features.brought[4]);
            }
            for (int each = 0; map && each < 3; ++each)
                if (coin.u(1))
                    coin.u(8);
        }
        coin.u(1 + 6 + 3); // filter_type, loop_filter_level, sharpness_level
        if (coin.u(1) && coin.u(1))
            coin.optional(8, 6, &features.brought[8]);
        int partitions = 1 << coin.u(2);
        if (key)
            return partitions;
        coin.u(7); // y_ac_qi
        coin.optional(5, 4);
        bool to_golden = coin.u(1), to_other = coin.u(1);
        // 1 is the last picture, 2 the other one of both.
        unsigned golden_from = to_golden ? 0 : coin.u(2), other_from = to_other ? 0 : coin.u(2);
        coin.u(3); // sign_bias_golden, sign_bias_alternate, refresh_entropy_probs
        bool to_last = coin.u(1);
        Held was_golden = slots[golden], was_other = slots[other];
        if (golden_from)
            slots[golden] = golden_from == 1 ? slots[last] : was_other;
        if (other_from)
            slots[other] = other_from == 1 ? slots[last] : was_golden;
        refreshed = static_cast<unsigned>(to_last) << last |
                    static_cast<unsigned>(to_golden) << golden |
                    static_cast<unsigned>(to_other) << other;
        return partitions;
    }

    // RFC 6386, 9.5: three bytes for the size of each partition but the last.
    static bool has_partitions(const Bytes &data, bool key, int partitions)
    {
        if (partitions == 1)
            return true;
        auto three = [&data](std::size_t at) {
            return static_cast<std::size_t>(data[at] | data[at + 1] << 8 | data[at + 2] << 16);
        };
        std::size_t sizes = (key ? 10 : 3) + (three(0) >> 5);
        std::size_t end = sizes + 3 * static_cast<std::size_t>(partitions - 1), wanted = end;
        for (std::size_t at = sizes; at < end && end <= data.size(); at += 3)
            wanted += three(at);
        return wanted <= data.size();
    }

    Vp8Features features;
    bool swallows = false;
};

class Vp9 : public Frames {
  public:
    using Frames::Frames;

  protected:
    codec::Kind kind() const override { return codec::Kind::vp9; }
    void packet_without_start_codes(const Bytes &data) override
    {
        for (const Bytes &each : split(data))
            frame(each);
    }

  private:
    // Annex B: an index at the end of a superframe.
    static std::vector<Bytes> split(const Bytes &data)
    {
        unsigned char last = data.back();
        std::size_t frames = (last & 7) + 1, bytes = (last >> 3 & 3) + 1;
        std::size_t index = 2 + frames * bytes;
        if ((last & 0xe0) != 0xc0 || data.size() < index || data[data.size() - index] != last)
            return {data};
        std::vector<Bytes> parts;
        std::size_t at = 0, entry = data.size() - index + 1;
        for (std::size_t i = 0; i < frames; ++i) {
            std::size_t size = 0;
            for (std::size_t n = 0; n < bytes; ++n)
                size |= static_cast<std::size_t>(data[entry++]) << (8 * n);
            if (size > data.size() - index - at)
                break;
            if (size)
                parts.emplace_back(data.begin() + static_cast<long>(at),
                                   data.begin() + static_cast<long>(at + size));
            at += size;
        }
        return parts;
    }

    void read_colour(Bits &bits)
    {
        depth = 8;
        if (profile >= 2)
            depth = bits.flag() ? 12 : 10;
        unsigned space = bits.u(3);
        chroma = 1;
        if (space != 7) {
            bits.skip(1);
            if (profile & 1) {
                bool across = bits.flag(), down = bits.flag();
                chroma = across ? (down ? 1 : 2) : 3;
                bits.skip(1);
            }
        } else {
            chroma = 3;
            if (profile & 1)
                bits.skip(1);
        }
    }

    void read_size(Bits &bits)
    {
        width = static_cast<int>(bits.u(16)) + 1;
        height = static_cast<int>(bits.u(16)) + 1;
    }

    void frame(const Bytes &data)
    {
        Bits bits(data.data(), std::min<std::size_t>(data.size(), 64), false);
        if (bits.u(2) != 2)
            return;
        profile = bits.flag();
        profile |= bits.flag() << 1;
        if (profile == 3)
            bits.skip(1);
        // Rule (trace): what is in a slot is not shown again.
        if (bits.flag())
            return;
        bool key = !bits.flag();
        shown = bits.flag();
        bool resilient = bits.flag(), intra_only = false;
        if (key) {
            if (bits.u(24) != 0x498342)
                return;
            read_colour(bits);
            read_size(bits);
            refreshed = 255;
        } else {
            if (!shown)
                intra_only = bits.flag();
            if (!resilient)
                bits.skip(2);
            if (intra_only) {
                if (bits.u(24) != 0x498342)
                    return;
                if (profile > 0)
                    read_colour(bits);
                refreshed = bits.u(8);
                read_size(bits);
            } else {
                refreshed = bits.u(8);
                unsigned from[3];
                for (unsigned &each : from) {
                    each = bits.u(3);
                    bits.skip(1);
                }
                bool found = false;
                for (unsigned each : from)
                    if (!found && bits.flag()) {
                        found = true;
                        width = sizes[each].first;
                        height = sizes[each].second;
                    }
                if (!found)
                    read_size(bits);
            }
        }
        intra = key || intra_only;
        if (!key && !known)
            return;
        CUVIDEOFORMAT format = plain_format(cudaVideoCodec_VP9, width, height, chroma, depth, 9);
        // Rule (trace): the shape of VP9 is its size, not reduced.
        format.display_aspect_ratio.x = width;
        format.display_aspect_ratio.y = height;
        known = begin_sequence(format) > 0;
        if (!known)
            return;
        for (int slot = 0; slot < 8; ++slot)
            if (refreshed >> slot & 1)
                sizes[slot] = {width, height};
        current = held_index();
        whole_picture(data);
    }

    int profile = 0, depth = 8, chroma = 1;
    std::pair<int, int> sizes[8];
};

class Jpeg : public Frames {
  public:
    using Frames::Frames;

  protected:
    codec::Kind kind() const override { return codec::Kind::jpeg; }
    void packet_without_start_codes(const Bytes &data) override
    {
        int chroma = -1;
        for (std::size_t at = 2; at + 9 < data.size() && data[at] == 0xff;) {
            int marker = data[at + 1], size = data[at + 2] << 8 | data[at + 3];
            if (marker >= 0xc0 && marker <= 0xc2) {
                height = data[at + 5] << 8 | data[at + 6];
                width = data[at + 7] << 8 | data[at + 8];
                int components = data[at + 9];
                int sampling = components == 3 && at + 11 < data.size() ? data[at + 11] : 0x11;
                chroma = components == 1    ? 0
                         : sampling == 0x22 ? 1
                         : sampling == 0x21 ? 2
                                            : 3;
                break;
            }
            at += 2 + static_cast<std::size_t>(size);
        }
        if (chroma < 0)
            return;
        CUVIDEOFORMAT format = plain_format(cudaVideoCodec_JPEG, width, height, chroma, 8, 1);
        format.video_signal_description.format_and_range = 8; // Rule (trace): full range
        if (begin_sequence(format) <= 0)
            return;
        current = held_index();
        whole_picture(data);
    }
};

} // namespace

Parser *new_av1_parser(const CUVIDPARSERPARAMS &);

Parser *new_frame_parser(const CUVIDPARSERPARAMS &parameters)
{
    switch (parameters.CodecType) {
    case cudaVideoCodec_VP8: return new Vp8(parameters);
    case cudaVideoCodec_VP9: return new Vp9(parameters);
    case cudaVideoCodec_JPEG: return new Jpeg(parameters);
    default: return new_av1_parser(parameters);
    }
}

} // namespace cuvid
