// H.264 for the emulated parser: picture order (8.2.1), marking of references (8.2.5), and
// output from the decoded picture buffer (C.4), as the traces show it.

#include "cuvid_h264_headers.hpp"

#include <algorithm>
#include <climits>
#include <utility>

namespace cuvid {
namespace {

using namespace h264;

enum { unused = 0, short_term = 1, long_term = 2 };
enum { top = 0, bottom = 1 };

// A frame, a pair of fields or a single one. `state` has a bit for each field that is there.
struct Frame {
    int index = -1;
    int frame_num = 0, frame_num_wrap = 0, long_term_index = 0;
    int order[2] = {0, 0};
    int state = 0;
    bool needed[2] = {false, false};
    int marking[2] = {unused, unused};
    bool not_existing = false, reference = false, paired = false, stored = false;

    bool has(int field) const { return state >> field & 1; }
    bool empty() const
    {
        for (int field : {top, bottom})
            if (has(field) && (needed[field] || marking[field] != unused))
                return false;
        return true;
    }
    bool marked(int how) const { return marking[top] == how || marking[bottom] == how; }
    void forget() { marking[top] = marking[bottom] = unused; }
};
using FramePointer = std::shared_ptr<Frame>;

class H264 : public Parser {
  public:
    explicit H264(const CUVIDPARSERPARAMS &parameters) : Parser(parameters) {}

  protected:
    codec::Kind kind() const override { return codec::Kind::h264; }
    bool starts_picture(const unsigned char *unit, std::size_t bytes) override;
    bool unit(const unsigned char *unit, std::size_t bytes) override;
    bool picture(Coded &coded) override;
    void picture_decoded() override;
    void end_of_stream() override;

  private:
    void read_sei(Bits bits);
    bool begin(const Slice &first);
    CUVIDEOFORMAT format_of(const Sps &sps) const;
    void start_frame();
    void fill_gaps();
    FramePointer new_frame(bool with_surface);
    void find_order(Frame &frame, const Slice &header);
    int expected_order(const Slice &header, int offset) const;
    void mark();
    void slide(const Frame *except);
    void operate(const Operation &operation);
    void mark_field_or_frame(int number, int how, int from);
    int number_of(const Frame &frame, int field) const;
    void flush();
    bool full() const;
    bool bump(bool flushing = false);
    void bump_reordered();
    void output(Frame &frame);
    void drop_empty();

    std::map<int, Sps> spss;
    std::map<int, Pps> ppss;
    std::map<int, Bytes> raw_sps, raw_pps;
    Sps sps; // active
    Pps pps;
    Slice header; // of the picture's first slice
    bool has_header = false, started = false, intra = true;
    int pic_struct = -1, next_pic_struct = -1;
    int dpb_size = 0;
    std::vector<FramePointer> dpb;
    FramePointer current;
    int previous_ref_frame_num = 0, previous_frame_num = 0, previous_offset = 0;
    int previous_msb = 0, previous_lsb = 0;
};

// Headers -------------------------------------------------------------------------------------

void H264::read_sei(Bits bits)
{
    while (bits.left() >= 24) {
        unsigned type = 0, size = 0, byte;
        do
            type += byte = bits.u(8);
        while (byte == 255 && !bits.over());
        do
            size += byte = bits.u(8);
        while (byte == 255 && !bits.over());
        long end = bits.position() + 8l * size;
        const Sps &its = has_header ? sps : spss.empty() ? sps : spss.begin()->second;
        if (type == 1 && its.has_pic_struct) {
            if (its.has_delays)
                bits.skip(its.cpb_delay_bits + its.dpb_delay_bits);
            next_pic_struct = static_cast<int>(bits.u(4));
        }
        bits.skip(end - bits.position());
    }
}

bool H264::starts_picture(const unsigned char *data, std::size_t bytes)
{
    if (bytes < 5)
        return false;
    int type = data[3] & 31;
    if (type != slice_unit && type != idr_unit)
        return type == aud_unit; // Rule (assumed): (sample) other units do not end a picture
    Bits bits(data + 3, bytes - 3, true);
    Slice next;
    if (!has_header)
        return true;
    if (!read_slice(bits, next, false, spss, ppss))
        return false;
    const Sps &its = spss[ppss[static_cast<int>(next.pps)].sps];
    // 7.4.1.2.4
    return next.frame_num != header.frame_num || next.pps != header.pps ||
           next.field != header.field || next.bottom != header.bottom ||
           (next.ref_idc != header.ref_idc && (!next.ref_idc || !header.ref_idc)) ||
           next.idr() != header.idr() || (next.idr() && next.idr_id != header.idr_id) ||
           next.order_lsb != header.order_lsb || next.delta_bottom != header.delta_bottom ||
           next.delta[0] != header.delta[0] || next.delta[1] != header.delta[1] ||
           (next.idr() && next.first_mb <= header.first_mb && its.profile != 66);
}

bool H264::unit(const unsigned char *data, std::size_t bytes)
{
    int type = data[3] & 31;
    Bits bits(data + 4, bytes - 4, true);
    if (type == sps_unit) {
        Sps read;
        if (read_sps(bits, read)) {
            raw_sps[read.id].assign(data, data + bytes);
            spss[read.id] = std::move(read);
        }
    } else if (type == pps_unit) {
        Pps read;
        if (read_pps(bits, read)) {
            raw_pps[read.id].assign(data, data + bytes);
            ppss[read.id] = read;
        }
    } else if (type == sei_unit) {
        read_sei(bits);
        keep_messages(data + 4, bytes - 4);
    } else if (type == slice_unit || type == idr_unit) {
        Slice slice;
        Bits whole(data + 3, bytes - 3, true);
        if (!read_slice(whole, slice, true, spss, ppss))
            return false;
        if (!picture_has_units() && !begin(slice))
            return false;
        if (slice.type != i_slice && slice.type != si_slice)
            intra = false;
        return true;
    }
    return false;
}

CUVIDEOFORMAT H264::format_of(const Sps &its) const
{
    CUVIDEOFORMAT format{};
    int width = its.width_mbs * 16, height = its.height_mbs() * 16;
    format.codec = cudaVideoCodec_H264;
    // Rule (assumed): (sample) time_scale counts fields.
    if (its.units_in_tick && its.time_scale > its.units_in_tick)
        set_rate(format, (its.time_scale + 1) / 2, its.units_in_tick);
    format.progressive_sequence = its.frame_mbs_only;
    format.bit_depth_luma_minus8 = static_cast<unsigned char>(its.depth_luma - 8);
    format.bit_depth_chroma_minus8 = static_cast<unsigned char>(its.depth_chroma - 8);
    int buffering = std::min(std::max(its.buffering, its.references), most_frames);
    format.min_num_decode_surfaces = static_cast<unsigned char>(buffering + 1);
    format.coded_width = static_cast<unsigned>(width);
    format.coded_height = static_cast<unsigned>(height);
    int across = its.chroma == 1 || its.chroma == 2 ? 2 : 1;
    int down = (its.chroma == 1 ? 2 : 1) * (its.frame_mbs_only ? 1 : 2);
    set_area(format, 0, 0, width, height);
    if ((its.crop[0] + its.crop[1]) * across < width && (its.crop[2] + its.crop[3]) * down < height)
        set_area(format, its.crop[0] * across, its.crop[2] * down, width - its.crop[1] * across,
                 height - its.crop[3] * down);
    format.chroma_format = its.chroma;
    format.bitrate = its.bitrate;
    set_signal(format, its.signal);
    return format;
}

// Pictures ------------------------------------------------------------------------------------

bool H264::begin(const Slice &first)
{
    const Pps &its_pps = ppss[static_cast<int>(first.pps)];
    const Sps &its = spss[its_pps.sps];
    if (first.idr() || !dpb_size || its.width_mbs != sps.width_mbs ||
        its.height_map_units != sps.height_map_units || its.frame_num_bits != sps.frame_num_bits) {
        // Rule (trace): what waits comes out when the first slice of the IDR picture is here.
        if (!first.no_output_of_prior)
            flush();
        sps = its;
        int surfaces = begin_sequence(format_of(sps));
        if (!surfaces)
            return false;
        dpb_size = std::min(surfaces, std::max(sps.most_by_level(), sps.references));
    }
    sps = its;
    pps = its_pps;
    header = first;
    has_header = true;
    pic_struct = next_pic_struct;
    next_pic_struct = -1;
    intra = true;
    start_frame();
    return true;
}

FramePointer H264::new_frame(bool with_surface)
{
    int index = with_surface ? take_index() : -1;
    FramePointer made(new Frame, [this](Frame *frame) {
        let_go(frame->index);
        delete frame;
    });
    made->index = index;
    made->frame_num = header.frame_num;
    return made;
}

void H264::start_frame()
{
    fill_gaps();
    // 3.30 and 3.31: whether this is the other field of the last one
    bool pairs = current && header.field && !current->paired &&
                 current->state == (header.bottom ? 1 : 2) &&
                 ((!current->reference && !header.ref_idc) ||
                  (current->reference && header.ref_idc && current->frame_num == header.frame_num &&
                   !header.idr() && !header.resets()));
    // The first field of an IDR picture may have a second one that is not IDR.
    if (pairs) {
        current->paired = true;
    } else {
        if (current && !current->stored && current->state)
            output(*current);
        current.reset();
        current = new_frame(true);
        current->reference = header.ref_idc != 0;
    }
    find_order(*current, header);
    started = true;
}

void H264::fill_gaps()
{
    int wrap = 1 << sps.frame_num_bits;
    if (header.idr())
        previous_ref_frame_num = 0;
    if (header.frame_num != previous_ref_frame_num &&
        header.frame_num != (previous_ref_frame_num + 1) % wrap) {
        // Rule (assumed): (sample) frames that are missing take their place in the buffer.
        int number = (previous_ref_frame_num + 1) % wrap;
        int missing = (header.frame_num - number + wrap) % wrap;
        if (missing > sps.references)
            number = (header.frame_num - sps.references + wrap) % wrap;
        for (; number != header.frame_num && (sps.gaps_allowed || sps.references > 1);
             number = (number + 1) % wrap) {
            while (full() && bump())
                ;
            FramePointer gap = new_frame(false);
            gap->not_existing = true;
            gap->stored = true;
            gap->frame_num = number;
            gap->state = 3;
            Slice like = header;
            like.frame_num = number;
            like.ref_idc = 1;
            like.unit = slice_unit;
            like.field = like.bottom = false;
            like.operations.clear();
            like.delta[0] = like.delta[1] = 0;
            if (sps.order_type != 0)
                find_order(*gap, like);
            slide(nullptr);
            gap->marking[top] = gap->marking[bottom] = short_term;
            drop_empty();
            dpb.push_back(gap);
            previous_ref_frame_num = number;
        }
    }
}

// 8.2.1
void H264::find_order(Frame &frame, const Slice &its)
{
    if (sps.order_type == 0) {
        if (its.idr())
            previous_msb = previous_lsb = 0;
        int wrap = 1 << sps.order_bits, msb = previous_msb;
        if (its.order_lsb < previous_lsb && previous_lsb - its.order_lsb >= wrap / 2)
            msb += wrap;
        else if (its.order_lsb > previous_lsb && its.order_lsb - previous_lsb > wrap / 2)
            msb -= wrap;
        if (!its.bottom)
            frame.order[top] = msb + its.order_lsb;
        if (!its.field)
            frame.order[bottom] = frame.order[top] + its.delta_bottom;
        else if (its.bottom)
            frame.order[bottom] = msb + its.order_lsb;
        if (its.resets()) {
            previous_msb = 0;
            previous_lsb =
                its.field ? 0 : frame.order[top] - std::min(frame.order[top], frame.order[bottom]);
        } else if (its.ref_idc) {
            previous_msb = msb;
            previous_lsb = its.order_lsb;
        }
        return;
    }
    int offset = its.idr() ? 0 : previous_offset;
    if (!its.idr() && previous_frame_num > its.frame_num)
        offset += 1 << sps.frame_num_bits;
    if (sps.order_type == 1) {
        int expected = expected_order(its, offset);
        if (!its.bottom)
            frame.order[top] = expected + its.delta[0];
        if (!its.field)
            frame.order[bottom] = frame.order[top] + sps.offset_top_to_bottom + its.delta[1];
        else if (its.bottom)
            frame.order[bottom] = expected + sps.offset_top_to_bottom + its.delta[0];
    } else {
        int order = its.idr() ? 0 : 2 * (offset + its.frame_num) - (its.ref_idc ? 0 : 1);
        if (!its.bottom)
            frame.order[top] = order;
        if (!its.field || its.bottom)
            frame.order[bottom] = order;
    }
    previous_offset = its.resets() ? 0 : offset;
    previous_frame_num = its.resets() ? 0 : its.frame_num;
}

// 8.2.1.2
int H264::expected_order(const Slice &its, int offset) const
{
    int count = sps.cycle.empty() ? 0 : offset + its.frame_num;
    if (!its.ref_idc && count > 0)
        --count;
    int expected = 0;
    if (count > 0) {
        int length = static_cast<int>(sps.cycle.size()), whole = 0;
        for (int each : sps.cycle)
            whole += each;
        expected = (count - 1) / length * whole;
        for (int i = 0; i <= (count - 1) % length; ++i)
            expected += sps.cycle[i];
    }
    return its.ref_idc ? expected : expected + sps.offset_non_ref;
}

bool H264::picture(Coded &coded)
{
    if (!started || !current)
        return false;
    const Frame &frame = *current;
    coded.index = frame.index;
    coded.width_in_mbs = sps.width_mbs;
    coded.height_in_mbs = sps.height_mbs();
    const unsigned macroblocks = sps.width_mbs * sps.height_mbs() / (header.field ? 2 : 1);
    const unsigned first = header.first_mb * (sps.mbaff && !header.field ? 2 : 1);
    coded.lost_percent = std::min(100u, (100 * first + macroblocks - 1) / macroblocks);
    coded.field = header.field;
    coded.bottom = header.bottom;
    coded.second = header.field && frame.paired;
    coded.reference = header.ref_idc != 0;
    coded.intra = intra;
    coded.progressive = !header.field && frame.order[top] == frame.order[bottom];
    coded.top_first = header.field ? coded.second == header.bottom
                                   : frame.order[top] < frame.order[bottom];
    if (!header.field) {
        // Rule (assumed): (sample) such streams of x264 do not state the order of their fields.
        if (sps.mbaff && sps.order_type == 0 && !pps.order_present && coded.progressive) {
            coded.progressive = false;
            coded.top_first = true;
        }
        if (pic_struct >= 3 && pic_struct <= 6)
            coded.top_first = pic_struct & 1;
        coded.repeat = pic_struct == 5 || pic_struct == 6 ? 1
                       : pic_struct == 7                  ? 2
                       : pic_struct == 8                  ? 4
                                                          : 0;
    }
    coded.order = header.field ? frame.order[header.bottom]
                               : std::min(frame.order[top], frame.order[bottom]);
    for (auto &[id, raw] : raw_sps)
        coded.sets.insert(coded.sets.end(), raw.begin(), raw.end());
    for (auto &[id, raw] : raw_pps)
        coded.sets.insert(coded.sets.end(), raw.begin(), raw.end());
    // Rule (assumed): (sample) a picture with slice groups is not decoded.
    if (pps.slice_groups > 1) {
        current->not_existing = true;
        picture_decoded();
        return false;
    }
    return true;
}

// The picture takes its place in the buffer (C.4.4, C.4.5).
void H264::picture_decoded()
{
    if (!started)
        return;
    started = false;
    if (header.ref_idc)
        mark();
    if (header.idr() && header.no_output_of_prior && !current->paired)
        dpb.clear(); // Rule (assumed): (sample) they are not displayed
    drop_empty();
    if ((header.idr() && !current->paired) || header.resets())
        while (!dpb.empty() && bump(true))
            ;
    int fields = header.field ? (header.bottom ? 2 : 1) : 3;
    if (current->stored || (current->state && !header.ref_idc)) {
        current->state |= fields;
        for (int field : {top, bottom})
            if (fields >> field & 1)
                current->needed[field] = true;
        if (!current->stored) {
            output(*current);
            current.reset();
        }
    } else {
        bool waits = true;
        while (full()) {
            int order = header.field ? current->order[header.bottom]
                                     : std::min(current->order[top], current->order[bottom]);
            bool lowest = !header.ref_idc;
            for (const FramePointer &each : dpb)
                for (int field : {top, bottom})
                    if (each->has(field) && each->needed[field] && each->order[field] < order)
                        lowest = false;
            if (lowest) {
                waits = false;
                break;
            }
            if (!bump())
                break;
        }
        current->state |= fields;
        for (int field : {top, bottom})
            current->needed[field] |= (fields >> field & 1) != 0;
        if (waits) {
            current->stored = true;
            dpb.push_back(current);
        } else if (!header.field) {
            output(*current);
            current.reset();
        }
    }
    bump_reordered();
    if (header.ref_idc)
        previous_ref_frame_num = header.resets() ? 0 : header.frame_num;
}

// References (8.2.5) ---------------------------------------------------------------------------

void H264::mark()
{
    Frame &frame = *current;
    int how = short_term;
    if (header.idr()) {
        for (const FramePointer &each : dpb)
            each->forget();
        if (header.long_term_reference) {
            how = long_term;
            frame.long_term_index = 0;
        }
    } else {
        for (const FramePointer &each : dpb)
            each->frame_num_wrap = each->frame_num > header.frame_num
                                       ? each->frame_num - (1 << sps.frame_num_bits)
                                       : each->frame_num;
        frame.frame_num_wrap = frame.frame_num;
        bool second_of_reference = frame.paired && frame.marked(short_term);
        if (header.adaptive) {
            for (const Operation &operation : header.operations) {
                operate(operation);
                if (operation.code == 6) {
                    how = long_term;
                    frame.long_term_index = static_cast<int>(operation.first);
                }
            }
        } else if (!second_of_reference) {
            slide(current.get());
        }
    }
    for (int field : {top, bottom})
        if (!header.field || header.bottom == (field == bottom))
            frame.marking[field] = how;
}

// 8.2.5.3
void H264::slide(const Frame *except)
{
    int count = 0;
    Frame *oldest = nullptr;
    for (const FramePointer &each : dpb) {
        if (each.get() == except || (!each->marked(short_term) && !each->marked(long_term)))
            continue;
        ++count;
        int wrapped = each->frame_num > header.frame_num
                          ? each->frame_num - (1 << sps.frame_num_bits)
                          : each->frame_num;
        each->frame_num_wrap = wrapped;
        if (each->marked(short_term) && (!oldest || wrapped < oldest->frame_num_wrap))
            oldest = each.get();
    }
    if (count >= std::max(sps.references, 1) && oldest)
        oldest->forget();
}

// 8.2.4.1: picture numbers as operations name them.
int H264::number_of(const Frame &frame, int field) const
{
    bool is_long = frame.marking[field] == long_term;
    int number = is_long ? frame.long_term_index : frame.frame_num_wrap;
    return header.field ? 2 * number + (header.bottom == (field == bottom)) : number;
}

// Marks what `number` names, of those marked `from`.
void H264::mark_field_or_frame(int number, int how, int from)
{
    std::vector<Frame *> frames;
    for (const FramePointer &each : dpb)
        frames.push_back(each.get());
    if (!current->stored)
        frames.push_back(current.get());
    for (Frame *each : frames)
        for (int field : {top, bottom})
            if (each->marking[field] == from && number_of(*each, field) == number)
                each->marking[field] = how;
}

// 8.2.5.4
void H264::operate(const Operation &operation)
{
    int number = header.field ? 2 * header.frame_num + 1 : header.frame_num;
    int short_number = number - static_cast<int>(operation.first) - 1;
    int index = static_cast<int>(operation.code == 3 ? operation.second : operation.first);
    switch (operation.code) {
    case 1:
        mark_field_or_frame(short_number, unused, short_term);
        break;
    case 2:
        mark_field_or_frame(index, unused, long_term);
        break;
    case 3:
        for (const FramePointer &each : dpb) {
            bool names = false;
            for (int field : {top, bottom})
                names |= each->marking[field] == short_term &&
                         number_of(*each, field) == short_number;
            if (!names && each->marked(long_term) && each->long_term_index == index &&
                !each->marked(short_term))
                each->forget();
        }
        for (const FramePointer &each : dpb)
            for (int field : {top, bottom})
                if (each->marking[field] == short_term &&
                    number_of(*each, field) == short_number) {
                    each->marking[field] = long_term;
                    each->long_term_index = index;
                }
        break;
    case 4:
        for (const FramePointer &each : dpb)
            if (each->marked(long_term) && each->long_term_index >= index)
                each->forget();
        break;
    case 5: {
        for (const FramePointer &each : dpb)
            each->forget();
        Frame &frame = *current;
        int first = header.field ? frame.order[header.bottom]
                                 : std::min(frame.order[top], frame.order[bottom]);
        for (int field : {top, bottom})
            if (!header.field || header.bottom == (field == bottom))
                frame.order[field] -= first;
        frame.frame_num = 0;
        break;
    }
    case 6:
        for (const FramePointer &each : dpb)
            if (each != current && each->marked(long_term) && each->long_term_index == index)
                each->forget();
        break;
    default:
        break;
    }
}

// Output (C.4.5.3) ------------------------------------------------------------------------------

void H264::output(Frame &frame)
{
    frame.needed[top] = frame.needed[bottom] = false;
    if (!frame.not_existing)
        display(frame.index);
}

void H264::drop_empty()
{
    dpb.erase(std::remove_if(dpb.begin(), dpb.end(),
                             [](const FramePointer &each) { return each->empty(); }),
              dpb.end());
}

bool H264::full() const { return static_cast<int>(dpb.size()) >= dpb_size; }

// Puts out the first in order, or drops what would never go; false where nothing is left to do.
bool H264::bump(bool flushing)
{
    Frame *first = nullptr;
    int order = INT_MAX;
    for (const FramePointer &each : dpb)
        for (int field : {top, bottom})
            if (each->has(field) && each->needed[field] && each->order[field] < order) {
                order = each->order[field];
                first = each.get();
            }
    if (first) {
        output(*first);
    } else {
        // Rule (assumed): (sample) a buffer that is full of references loses the first of them.
        for (const FramePointer &each : dpb)
            if (!first || (each->not_existing && !first->not_existing) ||
                (each->not_existing == first->not_existing &&
                 std::min(each->order[top], each->order[bottom]) <
                     std::min(first->order[top], first->order[bottom])))
                first = each.get();
        if (!first)
            return false;
        first->forget();
    }
    if (flushing)
        first->forget();
    drop_empty();
    return true;
}

// Rule (trace): one more than the sequence reorders puts the first out at once.
void H264::bump_reordered()
{
    int waiting = 0, order = INT_MAX;
    Frame *first = nullptr;
    for (const FramePointer &each : dpb) {
        waiting += each->state == 3 && each->needed[top] && each->needed[bottom];
        for (int field : {top, bottom})
            if (each->has(field) && each->needed[field] && each->order[field] < order) {
                order = each->order[field];
                first = each.get();
            }
    }
    if (sps.reorder < most_frames && waiting > sps.reorder && first && first->state == 3)
        output(*first);
}

void H264::flush()
{
    if (current && !current->stored && current->state)
        output(*current);
    for (const FramePointer &each : dpb)
        each->forget();
    drop_empty();
    while (!dpb.empty() && bump(true))
        ;
    current.reset();
}

void H264::end_of_stream()
{
    flush();
    dpb.clear();
    previous_ref_frame_num = previous_frame_num = previous_offset = 0;
    previous_msb = previous_lsb = 0;
    started = has_header = false;
    dpb_size = 0;
    pic_struct = next_pic_struct = -1;
    // Rule (assumed): (sample) parameter sets do not live on.
    spss.clear();
    ppss.clear();
    raw_sps.clear();
    raw_pps.clear();
}

} // namespace

Parser *new_h264_parser(const CUVIDPARSERPARAMS &parameters) { return new H264(parameters); }

} // namespace cuvid
