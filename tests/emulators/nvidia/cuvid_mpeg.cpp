// MPEG-1, MPEG-2, MPEG-4 part 2 and VC-1 for the emulated parser.
//
// Rule (trace): a skipped picture of VC-1 is decoded as one that others refer to.
// A device has a picture of MPEG-4 that is not coded decoded, as a copy of the last reference
// picture that takes a place among those; here it is left out, and no client of ours gives one.

#include "cuvid_bits.hpp"
#include "cuvid_parser.hpp"

#include <algorithm>
#include <utility>

namespace cuvid {
namespace {

enum { i_picture = 1, p_picture = 2, b_picture = 3 };

// Rule (trace): frame rates are given as they are coded, not reduced.
void say_rate(CUVIDEOFORMAT &format, unsigned numerator, unsigned denominator)
{
    format.frame_rate.numerator = numerator;
    format.frame_rate.denominator = denominator;
}

void say_signal(CUVIDEOFORMAT &format, unsigned video_format, unsigned primaries, unsigned transfer,
                unsigned matrix)
{
    format.video_signal_description.format_and_range = static_cast<unsigned char>(video_format);
    format.video_signal_description.color_primaries = static_cast<unsigned char>(primaries);
    format.video_signal_description.transfer_characteristics = static_cast<unsigned char>(transfer);
    format.video_signal_description.matrix_coefficients = static_cast<unsigned char>(matrix);
}

// Rule (trace): references are displayed when the next one comes, others when they are decoded.
class Reordering : public Parser {
  public:
    explicit Reordering(const CUVIDPARSERPARAMS &parameters) : Parser(parameters)
    {
        boundary_bytes = 4; // the code says it all
    }

  protected:
    virtual bool is_data(int code) const = 0;

    bool starts_picture(const unsigned char *data, std::size_t bytes) override
    {
        return bytes >= 4 && !is_data(data[3]);
    }

    void start(int type, bool pairs)
    {
        if (pairs && open) {
            second = true;
        } else {
            finish();
            second = false;
            is_reference = type != b_picture;
            if (is_reference && shows_early)
                display(newest);
            index = take_index();
        }
        started = true;
    }

    void picture_decoded() override
    {
        started = false;
        open = field && !second;
        if (!open)
            finish();
    }

    // The picture has both of its fields, or never gets the second.
    void finish()
    {
        if (index < 0)
            return;
        if (!is_reference || low_delay) {
            display(index);
            let_go(std::exchange(index, -1));
        } else {
            if (newest >= 0)
                display(newest);
            if (oldest >= 0)
                let_go(oldest);
            oldest = newest;
            newest = std::exchange(index, -1);
        }
        open = false;
    }

    void forget_pictures()
    {
        finish();
        if (newest >= 0)
            display(newest);
        for (int *each : {&oldest, &newest})
            if (*each >= 0)
                let_go(std::exchange(*each, -1));
        started = second = field = false;
    }

    // Rule (trace): in MPEG-4 and VC-1 the reference before is displayed when the headers of the
    // next one are read, in MPEG-1 and MPEG-2 when that is decoded.
    bool shows_early = true;
    bool started = false, second = false, open = false, field = false, low_delay = false;
    bool is_reference = false;
    int index = -1, newest = -1, oldest = -1;
};

// MPEG-1 and MPEG-2 -----------------------------------------------------------------------------

class Mpeg2 : public Reordering {
  public:
    explicit Mpeg2(const CUVIDPARSERPARAMS &parameters) : Reordering(parameters)
    {
        shows_early = false;
    }

  protected:
    codec::Kind kind() const override
    {
        return extended ? codec::Kind::mpeg2 : codec::Kind::mpeg1;
    }
    bool is_data(int code) const override { return code >= 1 && code <= 0xaf; }

    bool unit(const unsigned char *data, std::size_t bytes) override
    {
        Bits bits(data + 4, bytes - 4, false);
        int code = data[3];
        if (code == 0xb3) {
            width = static_cast<int>(bits.u(12));
            height = static_cast<int>(bits.u(12));
            aspect = static_cast<int>(bits.u(4));
            rate = static_cast<int>(bits.u(4));
            bitrate = bits.u(18);
            extended = low_delay = false;
            progressive_sequence = true;
            chroma = 1;
            rate_numerator = rate_denominator = 1;
            video_format = 5;
            primaries = transfer = matrix = 2;
            sequence_units.assign(data, data + bytes);
            in_sequence = true;
        } else if (code == 0xb5) {
            extension(bits);
            Bytes &into = in_sequence ? sequence_units : picture_units;
            into.insert(into.end(), data, data + bytes);
        } else if (code == 0x00) {
            in_sequence = false;
            picture_units.assign(data, data + bytes);
            bits.skip(10);
            type = static_cast<int>(bits.u(3));
            structure = 3;
            top_first = repeat_first = false;
            progressive = !extended;
        } else if (code == 0xb8 || code == 0xb7) {
            in_sequence = false;
        } else if (is_data(code)) {
            if (picture_units.empty() || sequence_units.empty())
                return false;
            if (!picture_has_units() && !begin())
                return false;
            return started;
        }
        return false;
    }

    bool picture(Coded &coded) override
    {
        if (!started)
            return false;
        coded.index = index;
        coded.width_in_mbs = (width + 15) / 16;
        coded.height_in_mbs = rounded_height() / 16;
        coded.field = field;
        coded.bottom = structure == 2;
        coded.second = second;
        coded.reference = is_reference;
        coded.intra = type == i_picture;
        coded.progressive = progressive;
        coded.top_first = field ? second == (structure == 2) : top_first;
        coded.repeat = !repeat_first ? 0 : progressive_sequence ? (top_first ? 4 : 2) : 1;
        coded.sets = sequence_units;
        coded.before = std::exchange(picture_units, {});
        return true;
    }

    void end_of_stream() override
    {
        forget_pictures();
        sequence_units.clear();
        picture_units.clear();
    }

  private:
    int rounded_height() const
    {
        // Rule (assumed): coded heights of interlaced MPEG-2 are whole pairs of macroblocks.
        int step = progressive_sequence ? 16 : 32;
        return (height + step - 1) / step * step;
    }

    void extension(Bits &bits)
    {
        unsigned what = bits.u(4);
        if (what == 1 && in_sequence) {
            extended = true;
            bits.skip(8);
            progressive_sequence = bits.flag();
            chroma = static_cast<int>(bits.u(2));
            width |= static_cast<int>(bits.u(2)) << 12;
            height |= static_cast<int>(bits.u(2)) << 12;
            bitrate |= bits.u(12) << 18;
            bits.skip(9);
            low_delay = bits.flag();
            rate_numerator = static_cast<int>(bits.u(2)) + 1;
            rate_denominator = static_cast<int>(bits.u(5)) + 1;
        } else if (what == 2 && in_sequence) {
            video_format = bits.u(3);
            if (bits.flag()) {
                primaries = bits.u(8);
                transfer = bits.u(8);
                matrix = bits.u(8);
            }
        } else if (what == 8) {
            bits.skip(16);
            bits.skip(2);
            structure = static_cast<int>(bits.u(2));
            top_first = bits.flag();
            bits.skip(5);
            repeat_first = bits.flag();
            bits.skip(1);
            progressive = bits.flag();
        }
    }

    bool begin()
    {
        CUVIDEOFORMAT format{};
        format.codec = extended ? cudaVideoCodec_MPEG2 : cudaVideoCodec_MPEG1;
        static const unsigned rates[][2] = {{0, 0},        {24000, 1001}, {24000, 1000},
                                            {25000, 1000}, {30000, 1001}, {30000, 1000},
                                            {50000, 1000}, {60000, 1001}, {60000, 1000}};
        if (rate >= 1 && rate <= 8)
            say_rate(format, rates[rate][0] * static_cast<unsigned>(rate_numerator),
                     rates[rate][1] * static_cast<unsigned>(rate_denominator));
        format.progressive_sequence = progressive_sequence;
        format.min_num_decode_surfaces = 4; // Rule (trace)
        format.coded_width = static_cast<unsigned>((width + 15) / 16 * 16);
        format.coded_height = static_cast<unsigned>(rounded_height());
        // Rule (trace): the display extension changes nothing.
        set_area(format, 0, 0, width, height);
        format.chroma_format = chroma;
        format.bitrate = bitrate * 400; // Rule (trace): also where that is "variable"
        switch (extended ? aspect : 1) {
        case 2: set_aspect(format, 4, 3); break;
        case 3: set_aspect(format, 16, 9); break;
        case 4: set_aspect(format, 221, 100); break;
        default: set_aspect(format, width, height); break;
        }
        say_signal(format, video_format, primaries, transfer, matrix);
        // Rule (assumed): in MPEG-1, -2 and -4 what a sequence has decoded is displayed before its
        // successor is told of; VC-1 was seen to do it behind that.
        if (!same_sequence(format))
            forget_pictures();
        if (begin_sequence(format) <= 0)
            return false;
        bool pairs = structure != 3 && field && structure != last_structure;
        field = structure != 3;
        last_structure = structure;
        start(type, pairs);
        return true;
    }

    bool same_sequence(const CUVIDEOFORMAT &format) const
    {
        const CUVIDEOFORMAT &now = sequence_now();
        return now.coded_width == format.coded_width && now.coded_height == format.coded_height;
    }

    Bytes sequence_units, picture_units;
    bool in_sequence = false, extended = false, progressive_sequence = true;
    int width = 0, height = 0, aspect = 0, rate = 0, chroma = 1;
    unsigned bitrate = 0;
    int rate_numerator = 1, rate_denominator = 1;
    unsigned video_format = 5, primaries = 2, transfer = 2, matrix = 2;
    int type = i_picture, structure = 3, last_structure = 3;
    bool top_first = false, repeat_first = false, progressive = true;
};

// MPEG-4 part 2 -----------------------------------------------------------------------------------

class Mpeg4 : public Reordering {
  public:
    using Reordering::Reordering;

  protected:
    codec::Kind kind() const override { return codec::Kind::mpeg4; }
    bool is_data(int code) const override { return code == 0xb6; }
    bool starts_picture(const unsigned char *, std::size_t) override { return true; }

    bool unit(const unsigned char *data, std::size_t bytes) override
    {
        int code = data[3];
        Bits bits(data + 4, bytes - 4, false);
        if (code >= 0x20 && code <= 0x2f) {
            if (!read_layer(bits))
                return false;
            layer.assign(data, data + bytes);
            return false;
        }
        // Names the encoder, whose mistakes libavcodec then takes into account.
        if (code == 0xb2 && !layer.empty()) {
            user_data.assign(data, data + bytes);
            return false;
        }
        if (code != 0xb6 || layer.empty())
            return false;
        static const int types[] = {i_picture, p_picture, b_picture, p_picture};
        type = types[bits.u(2)];
        while (bits.flag() && !bits.over())
            ;
        bits.skip(1 + time_bits + 1);
        if (!bits.flag())
            return false; // a picture that is not coded
        if (type != i_picture && type != b_picture)
            bits.skip(1); // vop_rounding_type
        bits.skip(3);
        top_first = interlaced && bits.flag();
        CUVIDEOFORMAT format{};
        format.codec = cudaVideoCodec_MPEG4;
        say_rate(format, resolution, increment());
        format.progressive_sequence = !interlaced;
        format.min_num_decode_surfaces = 4; // Rule (trace)
        format.coded_width = static_cast<unsigned>((width + 15) / 16 * 16);
        format.coded_height = static_cast<unsigned>((height + 15) / 16 * 16);
        set_area(format, 0, 0, width, height);
        format.chroma_format = 1;
        set_aspect(format, width * static_cast<long long>(sar_width),
                   height * static_cast<long long>(sar_height));
        // Rule (trace): BT.709 where the stream does not say it.
        // Rule (assumed): what the stream says of colours is not read.
        say_signal(format, 5, 1, 1, 1);
        if (sequence_now().coded_width != format.coded_width ||
            sequence_now().coded_height != format.coded_height)
            forget_pictures();
        if (begin_sequence(format) <= 0)
            return false;
        start(type, false);
        return true;
    }

    bool picture(Coded &coded) override
    {
        if (!started)
            return false;
        coded.index = index;
        coded.width_in_mbs = (width + 15) / 16;
        coded.height_in_mbs = (height + 15) / 16;
        coded.reference = is_reference;
        coded.intra = type == i_picture;
        coded.progressive = !interlaced;
        coded.top_first = top_first;
        coded.sets = layer;
        coded.sets.insert(coded.sets.end(), user_data.begin(), user_data.end());
        return true;
    }

    void end_of_stream() override
    {
        forget_pictures();
        layer.clear();
        user_data.clear();
    }

  private:
    // Rule (trace): of a rate that is not fixed, 10 ticks of 15 or 25 a second and 1,000 of 30,000.
    // Rule (assumed): of other rates of MPEG-4 that are not fixed, 10 ticks, 100, 1,000 or 10,000:
    // the fewest that make less than a hundred pictures a second.
    unsigned increment() const
    {
        if (fixed_increment)
            return fixed_increment;
        unsigned ticks = 10;
        while (resolution / ticks >= 100)
            ticks *= 10;
        return ticks;
    }

    // 6.2.3, of rectangular video
    bool read_layer(Bits &bits)
    {
        bits.skip(9);
        unsigned version = 1;
        if (bits.flag()) {
            version = bits.u(4);
            bits.skip(3);
        }
        sar_width = sar_height = 1;
        unsigned aspect = bits.u(4);
        if (aspect == 15) {
            sar_width = std::max(1u, bits.u(8));
            sar_height = std::max(1u, bits.u(8));
        } else if (aspect >= 2 && aspect <= 5) {
            static const unsigned known[][2] = {{12, 11}, {10, 11}, {16, 11}, {40, 33}};
            sar_width = known[aspect - 2][0];
            sar_height = known[aspect - 2][1];
        }
        if (bits.flag()) {
            bits.skip(3); // Rule (trace): low_delay changes nothing
            if (bits.flag())
                bits.skip(79);
        }
        if (bits.u(2) != 0)
            return false;
        bits.skip(1);
        resolution = bits.u(16);
        bits.skip(1);
        time_bits = 1;
        while (time_bits < 16 && resolution > 1u << time_bits)
            ++time_bits;
        fixed_increment = bits.flag() ? bits.u(time_bits) : 0;
        bits.skip(1);
        width = static_cast<int>(bits.u(13));
        bits.skip(1);
        height = static_cast<int>(bits.u(13));
        bits.skip(1);
        interlaced = bits.flag();
        return version < 16 && !bits.over() && width && height;
    }

    Bytes layer, user_data;
    unsigned sar_width = 1, sar_height = 1, resolution = 25, fixed_increment = 0;
    int time_bits = 5, width = 0, height = 0, type = i_picture;
    bool interlaced = false, top_first = false;
};

// VC-1 ------------------------------------------------------------------------------------------

// The Advanced profile, by SMPTE ST 421.
class Vc1 : public Reordering {
  public:
    explicit Vc1(const CUVIDPARSERPARAMS &parameters) : Reordering(parameters)
    {
        // Rule (trace): a picture ends with the first 7 to 13 bytes of the next, not with 6.
        boundary_bytes = 8;
    }

  protected:
    enum { slice = 0x0b, second_of_fields = 0x0c, frame = 0x0d, entry_point = 0x0e, header = 0x0f };

    codec::Kind kind() const override { return codec::Kind::vc1; }
    bool is_data(int code) const override
    {
        return code == frame || code == second_of_fields || code == slice;
    }
    bool starts_picture(const unsigned char *data, std::size_t bytes) override
    {
        // User data of a slice, a field and a frame lie behind it.
        int code = bytes >= 4 ? data[3] : 0;
        return code == frame || code == second_of_fields || code == entry_point || code == header;
    }

    bool unit(const unsigned char *data, std::size_t bytes) override
    {
        int code = data[3];
        Bits bits(data + 4, bytes - 4, true);
        if (code == header) {
            entry.clear();
            sequence_units.clear();
            if (read_sequence(bits))
                sequence_units.assign(data, data + bytes);
            return false;
        }
        if (code == entry_point && !sequence_units.empty()) {
            if (read_entry_point(bits)) {
                entry.assign(data, data + bytes);
                begin_entry();
            }
            return false;
        }
        started = started && code != frame;
        if (code == frame)
            return !entry.empty() && accepted && begin(bits);
        if (code == second_of_fields) {
            if (!open)
                return false;
            start(field_types[1], true);
            return true;
        }
        return is_data(code) && started;
    }

    bool picture(Coded &coded) override
    {
        if (!started)
            return false;
        coded.index = index;
        // Rule (trace): of the entry point, though the decoder is made for the sequence's maximum.
        coded.width_in_mbs = (width + 15) / 16;
        coded.height_in_mbs = (woven ? rounded_height(height) : height + 15) / 16;
        // Rule (trace): each field has a decode callback of its own, of the same index.
        coded.field = field;
        coded.second = second;
        coded.bottom = field && second == top_first;
        coded.reference = is_reference;
        coded.intra = field_intra[second];
        coded.progressive = !woven;
        coded.top_first = top_first;
        coded.repeat = repeat;
        coded.extradata = opened_with;
        coded.sets = entry;
        return true;
    }

    void end_of_stream() override
    {
        forget_pictures();
        sequence_units.clear();
        entry.clear();
    }

  private:
    int rounded_height(int lines) const
    {
        // Rule (assumed): coded heights of interlaced VC-1 are whole pairs of macroblocks.
        int step = interlace ? 32 : 16;
        return (lines + step - 1) / step * step;
    }

    static int samples(Bits &bits) { return 2 * static_cast<int>(bits.u(12)) + 2; }

    // 6.1
    bool read_sequence(Bits &bits)
    {
        if (bits.u(2) != 3)
            return false;
        bits.skip(3);
        if (bits.u(2) != 1)
            return false;
        bits.skip(9);
        most_width = samples(bits);
        most_height = samples(bits);
        pulldown = bits.flag();
        interlace = bits.flag();
        counter = bits.flag();
        bits.skip(2);
        segmented = bits.flag();
        rate_numerator = rate_denominator = 0;
        primaries = transfer = matrix = 2;
        shape_width = shape_height = display_width = display_height = 0;
        if (bits.flag())
            read_display(bits);
        buckets = 0;
        if (bits.flag()) {
            buckets = static_cast<int>(bits.u(5));
            bits.skip(8 + 32 * buckets);
        }
        return !bits.over();
    }

    void read_display(Bits &bits)
    {
        static const int shapes[][2] = {{0, 0},   {1, 1},   {12, 11}, {10, 11}, {16, 11},
                                        {40, 33}, {24, 11}, {20, 11}, {32, 11}, {80, 33},
                                        {18, 11}, {15, 11}, {64, 33}, {160, 99}};
        static const unsigned rates[] = {0, 24, 25, 30, 50, 60, 48, 72};
        display_width = static_cast<int>(bits.u(14)) + 1;
        display_height = static_cast<int>(bits.u(14)) + 1;
        if (bits.flag()) {
            unsigned code = bits.u(4);
            shape_width = code < 14 ? shapes[code][0] : 0;
            shape_height = code < 14 ? shapes[code][1] : 0;
            // Rule (trace): one less than 6.1.14.3 means, as they are coded.
            if (code == 15) {
                shape_width = static_cast<int>(bits.u(8));
                shape_height = static_cast<int>(bits.u(8));
            }
        }
        if (bits.flag()) {
            if (bits.flag()) {
                rate_numerator = bits.u(16) + 1;
                rate_denominator = 32;
            } else {
                unsigned number = bits.u(8), divisor = bits.u(4);
                if (number < 8 && (divisor == 1 || divisor == 2)) {
                    rate_numerator = rates[number] * 1000;
                    rate_denominator = 999 + divisor;
                }
            }
        }
        if (bits.flag()) {
            primaries = bits.u(8);
            transfer = bits.u(8);
            matrix = bits.u(8);
        }
    }

    // 6.2
    bool read_entry_point(Bits &bits)
    {
        bits.skip(13 + 8 * buckets);
        width = most_width;
        height = most_height;
        if (bits.flag()) {
            width = samples(bits);
            height = samples(bits);
        }
        return !bits.over();
    }

    // 7.1.1
    bool begin(Bits &bits)
    {
        woven = interlace && bits.flag();
        field = woven && bits.flag();
        if (field) {
            // 7.1.1.4: both are I, P, B or BI, or the first is that and the second its like.
            static const int of_fields[][2] = {{i_picture, i_picture}, {i_picture, p_picture},
                                               {p_picture, i_picture}, {p_picture, p_picture}};
            unsigned types = bits.u(3);
            for (int each : {0, 1}) {
                field_types[each] = types < 4 ? of_fields[types][each] : b_picture;
                bool both = types == 0 || types == 7;
                field_intra[each] = both || field_types[each] == i_picture ||
                                    (types == 5 && each == 1) || (types == 6 && each == 0);
            }
        } else {
            int ones = 0;
            while (ones < 4 && bits.flag())
                ++ones;
            static const int of_frames[] = {p_picture, b_picture, i_picture, b_picture, p_picture};
            field_types[0] = of_frames[ones];
            field_intra[0] = ones == 2 || ones == 3;
        }
        if (counter)
            bits.skip(8);
        // Rule (trace): the top field is first where the picture does not say it, also of
        // progressive ones, and RPTFRM is not given on.
        top_first = true;
        repeat = 0;
        if (pulldown && interlace && !segmented) {
            top_first = bits.flag();
            repeat = bits.flag();
        }
        if (bits.over())
            return false;
        start(field_types[0], false);
        return true;
    }

    // Rule (trace): the sequence callback comes with an entry point. The last reference of the
    // sequence before is displayed behind it, when the next reference starts: a client that
    // reconfigures its decoder there has lost that picture.
    void begin_entry()
    {
        CUVIDEOFORMAT format{};
        format.codec = cudaVideoCodec_VC1;
        if (rate_denominator)
            say_rate(format, rate_numerator, rate_denominator);
        format.progressive_sequence = !interlace;
        format.min_num_decode_surfaces = 8; // Rule (trace)
        // Rule (trace): what is coded is the sequence's maximum, what is displayed the display
        // extension's size, else the entry point's. The shape is that of the extension, else of the
        // maximum.
        format.coded_width = static_cast<unsigned>((most_width + 15) / 16 * 16);
        format.coded_height = static_cast<unsigned>(rounded_height(most_height));
        bool extended = display_width > 0;
        set_area(format, 0, 0, extended ? display_width : width,
                 extended ? display_height : height);
        format.chroma_format = 1;
        bool known = shape_width && shape_height;
        long long across = extended ? display_width : most_width;
        long long down = extended ? display_height : most_height;
        set_aspect(format, across * (known ? shape_width : 1), down * (known ? shape_height : 1));
        say_signal(format, 5, primaries, transfer, matrix);
        if (opened_for != sequence_units || opened_width != width || opened_height != height) {
            opened_for = sequence_units;
            opened_width = width;
            opened_height = height;
            opened_with = sequence_units;
            opened_with.insert(opened_with.end(), entry.begin(), entry.end());
        }
        accepted = begin_sequence(format) > 0;
    }

    Bytes sequence_units, entry;
    // Of the sequence that is decoded: its header, and what libavcodec was opened with.
    Bytes opened_for, opened_with;
    int opened_width = 0, opened_height = 0;
    int width = 0, height = 0, most_width = 0, most_height = 0, buckets = 0;
    int shape_width = 0, shape_height = 0, display_width = 0, display_height = 0, repeat = 0;
    int field_types[2] = {i_picture, i_picture}; // of a frame the first
    bool field_intra[2] = {};
    unsigned rate_numerator = 0, rate_denominator = 0, primaries = 2, transfer = 2, matrix = 2;
    bool pulldown = false, interlace = false, counter = false, segmented = false;
    bool accepted = false, woven = false, top_first = true;
};

} // namespace

Parser *new_mpeg_parser(const CUVIDPARSERPARAMS &parameters)
{
    if (parameters.CodecType == cudaVideoCodec_MPEG4)
        return new Mpeg4(parameters);
    if (parameters.CodecType == cudaVideoCodec_VC1)
        return new Vc1(parameters);
    return new Mpeg2(parameters);
}

} // namespace cuvid
