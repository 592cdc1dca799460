// AV1 for the emulated parser: temporal units of OBUs with sizes.
//
// Rule (assumed): of AV1 there are no traces, for the recorded device has none;
// VIDEOHW_EMULATOR_NVDEC=newer has. Sizes are those of the sequence. Every picture that may be
// shown gets film grain where the sequence has its parameters, and has two indices then: CurrPicIdx
// with grain, which is displayed, and decodePicIdx without, which is referred to.

#include "cuvid_bits.hpp"
#include "cuvid_parser.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace cuvid {
namespace {

enum { sequence_obu = 1, header_obu = 3, tiles_obu = 4, frame_obu = 6 };
enum { key_frame = 0, inter_frame = 1, intra_frame = 2, switch_frame = 3 };

struct Sequence {
    int profile = 0, depth = 8, chroma = 1, width = 0, height = 0;
    bool has_grain = false;
    bool reduced = false, equal_interval = false, has_model = false, has_ids = false;
    int removal_bits = 0, presentation_bits = 0, id_bits = 0, order_bits = 0;
    int force_screen = 2, force_integer = 2;
    unsigned units_in_tick = 0, time_scale = 0;
    int full_range = 0, primaries = 2, transfer = 2, matrix = 2;
    std::vector<unsigned> points;          // operating_point_idc
    std::vector<bool> point_has_model;
};

// 5.5
bool read_sequence(Bits &bits, Sequence &sequence)
{
    sequence.profile = static_cast<int>(bits.u(3));
    bits.skip(1);
    sequence.reduced = bits.flag();
    if (sequence.reduced) {
        bits.skip(5);
        sequence.points.push_back(0);
        sequence.point_has_model.push_back(false);
    } else {
        int delay_bits = 0;
        if (bits.flag()) {
            sequence.units_in_tick = bits.u(32);
            sequence.time_scale = bits.u(32);
            sequence.equal_interval = bits.flag();
            if (sequence.equal_interval)
                bits.ue();
            sequence.has_model = bits.flag();
            if (sequence.has_model) {
                delay_bits = static_cast<int>(bits.u(5)) + 1;
                bits.skip(32);
                sequence.removal_bits = static_cast<int>(bits.u(5)) + 1;
                sequence.presentation_bits = static_cast<int>(bits.u(5)) + 1;
            }
        }
        bool has_delay = bits.flag();
        unsigned count = bits.u(5) + 1;
        for (unsigned i = 0; i < count; ++i) {
            sequence.points.push_back(bits.u(12));
            if (bits.u(5) > 7)
                bits.skip(1);
            bool model = sequence.has_model && bits.flag();
            sequence.point_has_model.push_back(model);
            if (model)
                bits.skip(2 * delay_bits + 1);
            if (has_delay && bits.flag())
                bits.skip(4);
        }
    }
    int width_bits = static_cast<int>(bits.u(4)) + 1, height_bits = static_cast<int>(bits.u(4)) + 1;
    sequence.width = static_cast<int>(bits.u(width_bits)) + 1;
    sequence.height = static_cast<int>(bits.u(height_bits)) + 1;
    if (!sequence.reduced && bits.flag()) {
        sequence.has_ids = true;
        int delta_bits = static_cast<int>(bits.u(4)) + 2;
        sequence.id_bits = static_cast<int>(bits.u(3)) + delta_bits + 1;
    }
    bits.skip(3);
    if (!sequence.reduced) {
        bits.skip(4);
        bool order = bits.flag();
        if (order)
            bits.skip(2);
        sequence.force_screen = bits.flag() ? 2 : static_cast<int>(bits.u(1));
        if (sequence.force_screen > 0)
            sequence.force_integer = bits.flag() ? 2 : static_cast<int>(bits.u(1));
        if (order)
            sequence.order_bits = static_cast<int>(bits.u(3)) + 1;
    }
    bits.skip(3);
    bool high = bits.flag();
    sequence.depth = high ? (sequence.profile == 2 && bits.flag() ? 12 : 10) : 8;
    bool mono = sequence.profile != 1 && bits.flag();
    if (bits.flag()) {
        sequence.primaries = static_cast<int>(bits.u(8));
        sequence.transfer = static_cast<int>(bits.u(8));
        sequence.matrix = static_cast<int>(bits.u(8));
    }
    const bool rgb = !mono && sequence.primaries == 1 && sequence.transfer == 13 && !sequence.matrix;
    if (mono) {
        sequence.chroma = 0;
        sequence.full_range = bits.flag();
    } else if (rgb) {
        sequence.chroma = 3;
        sequence.full_range = 1;
    } else {
        sequence.full_range = bits.flag();
        sequence.chroma = sequence.profile == 0 ? 1 : sequence.profile == 1 ? 3 : 2;
        if (sequence.profile == 2 && sequence.depth == 12)
            sequence.chroma = bits.flag() ? (bits.flag() ? 1 : 2) : 3;
        if (sequence.chroma == 1)
            bits.skip(2); // chroma_sample_position
    }
    if (!mono)
        bits.skip(1);
    sequence.has_grain = bits.flag();
    return !bits.over();
}

// Indices of one picture: what is shown of it, and what is referred to.
struct Pair {
    int shown = -1, clean = -1;
};
using Held = std::shared_ptr<const Pair>;

class Av1 : public Parser {
  public:
    explicit Av1(const CUVIDPARSERPARAMS &parameters) : Parser(parameters) { start_codes = false; }

  protected:
    codec::Kind kind() const override { return codec::Kind::av1; }
    bool starts_picture(const unsigned char *, std::size_t) override { return false; }
    bool unit(const unsigned char *, std::size_t) override { return false; }
    void end_of_stream() override
    {
        current.reset();
        for (Held &slot : slots)
            slot.reset();
        sequence_unit.clear();
    }

    void packet_without_start_codes(const Bytes &data) override
    {
        Bytes frame;
        for (std::size_t at = 0; at < data.size();) {
            std::size_t start = at;
            int type = data[at] >> 3 & 15;
            bool extended = data[at] & 4, sized = data[at] & 2;
            at += extended ? 2 : 1;
            std::size_t size = data.size() - std::min(at, data.size());
            if (sized) {
                size = 0;
                for (int shift = 0; at < data.size() && shift < 56; shift += 7) {
                    size |= static_cast<std::size_t>(data[at] & 127) << shift;
                    if (!(data[at++] & 128))
                        break;
                }
            }
            if (at > data.size() || size > data.size() - at)
                break;
            Bytes whole(data.begin() + static_cast<long>(start),
                        data.begin() + static_cast<long>(at + size));
            Bits bits(data.data() + at, std::min<std::size_t>(size, 256), false);
            if (type == sequence_obu) {
                Sequence read;
                if (read_sequence(bits, read)) {
                    sequence = read;
                    sequence_unit = whole;
                }
            } else if (type == header_obu || type == frame_obu) {
                end_frame(frame);
                if (header(bits))
                    frame = whole;
            } else if (type == tiles_obu && !frame.empty()) {
                frame.insert(frame.end(), whole.begin(), whole.end());
            }
            at += size;
        }
        end_frame(frame);
    }

    bool picture(Coded &coded) override
    {
        coded.index = current ? current->shown : -1;
        coded.clean = current ? current->clean : -1;
        coded.width_in_mbs = (sequence.width + 15) / 16;
        coded.height_in_mbs = (sequence.height + 15) / 16;
        coded.reference = refreshed != 0;
        coded.intra = type == key_frame || type == intra_frame;
        coded.hidden = !shown;
        coded.sets = sequence_unit;
        coded.data = for_codec;
        return true;
    }

    void picture_decoded() override
    {
        for (int slot = 0; slot < 8; ++slot)
            if (refreshed >> slot & 1)
                slots[slot] = current;
        if (shown && current)
            display(current->shown);
        current.reset();
    }

  private:
    void end_frame(Bytes &frame)
    {
        if (frame.empty() || !begin()) {
            frame.clear();
            return;
        }
        for_codec = frame;
        // libavcodec gives a hidden frame only when it is asked to show it: a header that does so.
        if (!shown && showable && refreshed) {
            unsigned char slot = 0;
            while (!(refreshed >> slot & 1))
                ++slot;
            for_codec.insert(for_codec.end(),
                             {header_obu << 3 | 2, 1,
                              static_cast<unsigned char>(0x80 | slot << 4 | 0x08)});
        }
        whole_picture(std::exchange(frame, {}));
    }

    bool begin()
    {
        CUVIDEOFORMAT format{};
        format.codec = cudaVideoCodec_AV1;
        if (sequence.units_in_tick && sequence.time_scale)
            set_rate(format, sequence.time_scale, sequence.units_in_tick);
        format.progressive_sequence = 1;
        format.bit_depth_luma_minus8 = static_cast<unsigned char>(sequence.depth - 8);
        format.bit_depth_chroma_minus8 = format.bit_depth_luma_minus8;
        format.min_num_decode_surfaces = sequence.has_grain ? 18 : 10;
        format.coded_width = static_cast<unsigned>(sequence.width);
        format.coded_height = static_cast<unsigned>(sequence.height);
        set_area(format, 0, 0, sequence.width, sequence.height);
        format.chroma_format = sequence.chroma;
        set_aspect(format, sequence.width, sequence.height);
        format.video_signal_description.format_and_range =
            static_cast<unsigned char>(5 | sequence.full_range << 3);
        format.video_signal_description.color_primaries =
            static_cast<unsigned char>(sequence.primaries);
        format.video_signal_description.transfer_characteristics =
            static_cast<unsigned char>(sequence.transfer);
        format.video_signal_description.matrix_coefficients =
            static_cast<unsigned char>(sequence.matrix);
        bool other = std::memcmp(&format, &sequence_now(), sizeof format) != 0;
        if (other && asked.pfnGetOperatingPoint) {
            CUVIDOPERATINGPOINTINFO info{};
            info.codec = cudaVideoCodec_AV1;
            info.av1.operating_points_cnt = static_cast<unsigned char>(sequence.points.size());
            for (std::size_t i = 0; i < sequence.points.size() && i < 32; ++i)
                info.av1.operating_points_idc[i] = static_cast<unsigned short>(sequence.points[i]);
            emulator::Unlocked unlocked;
            asked.pfnGetOperatingPoint(asked.pUserData, &info);
        }
        if (begin_sequence(format) <= 0)
            return false;
        Pair taken;
        taken.shown = taken.clean = take_index();
        if (sequence.has_grain && (shown || showable))
            taken.shown = take_index();
        current = Held(new Pair(taken), [this](const Pair *held) {
            let_go(held->clean);
            if (held->shown != held->clean)
                let_go(held->shown);
            delete held;
        });
        return true;
    }

    // 5.9.2, as far as is wanted; false where it shows a frame that is there.
    bool header(Bits &bits)
    {
        if (sequence_unit.empty())
            return false;
        type = key_frame;
        shown = true;
        showable = false;
        refreshed = 255;
        if (sequence.reduced)
            return true;
        bool timed = sequence.has_model && !sequence.equal_interval;
        if (bits.flag()) {
            unsigned slot = bits.u(3);
            if (slots[slot])
                display_again(slots[slot]->shown);
            return false;
        }
        type = static_cast<int>(bits.u(2));
        shown = bits.flag();
        if (shown && timed)
            bits.skip(sequence.presentation_bits);
        showable = shown ? type != key_frame : bits.flag();
        bool whole = type == switch_frame || (type == key_frame && shown);
        bool resilient = whole || bits.flag();
        bits.skip(1);
        bool screen = sequence.force_screen == 2 ? bits.flag() : sequence.force_screen;
        if (screen && sequence.force_integer == 2)
            bits.skip(1);
        bits.skip(sequence.id_bits);
        if (type != switch_frame)
            bits.skip(1);
        bits.skip(sequence.order_bits);
        if (!resilient && type == inter_frame)
            bits.skip(3);
        if (sequence.has_model && bits.flag())
            for (std::size_t i = 0; i < sequence.points.size(); ++i)
                if (sequence.point_has_model[i] && !sequence.points[i])
                    bits.skip(sequence.removal_bits);
        refreshed = whole ? 255 : bits.u(8);
        return true;
    }

    Sequence sequence;
    Bytes sequence_unit, for_codec;
    Held current, slots[8];
    int type = key_frame;
    bool shown = true, showable = false;
    unsigned refreshed = 0;
};

} // namespace

Parser *new_av1_parser(const CUVIDPARSERPARAMS &parameters) { return new Av1(parameters); }

} // namespace cuvid
