// HEVC for the emulated parser: headers, picture order (8.3.1), reference picture sets (8.3.2), and
// output from the decoded picture buffer (C.5.2), as the traces show it.

#include "cuvid_vui.hpp"

#include <algorithm>
#include <cstdlib>

namespace cuvid {
namespace {

enum {
    radl_n = 6, radl_r = 7, rasl_n = 8, rasl_r = 9, bla_w_lp = 16, bla_n_lp = 18, idr_w_radl = 19,
    idr_n_lp = 20, cra = 21, last_irap = 23, vps_unit = 32, sps_unit = 33, pps_unit = 34,
    eob_unit = 37, prefix_sei_unit = 39
};
enum { unused = 0, short_term = 1, long_term = 2 };
constexpr int most_pictures = 16;

bool is_slice(int type) { return type <= rasl_r || (type >= bla_w_lp && type <= cra); }
bool is_irap(int type) { return type >= bla_w_lp && type <= last_irap; }
bool is_idr(int type) { return type == idr_w_radl || type == idr_n_lp; }

struct Reference {
    int difference; // of picture order
    bool used;      // by the picture itself, not only by later ones
};

struct ReferenceSet {
    std::vector<Reference> negative, positive; // nearest first
};

struct Sps {
    int id = 0, vps = 0, chroma = 1, depth_luma = 8, depth_chroma = 8, level = 0;
    bool separate_planes = false;
    int width = 0, height = 0;
    int crop[4] = {0, 0, 0, 0}; // left, right, top, bottom, in chroma units
    int order_bits = 4, buffering = 1, reorder = 0;
    std::vector<ReferenceSet> sets;
    bool long_terms = false, temporal_mvp = false;
    std::vector<int> long_term_order;
    Signal signal;
    unsigned time_scale = 0, units_in_tick = 0;
};

struct Pps {
    int id = 0, sps = 0, extra_bits = 0;
    bool dependent = false, output_flag = false;
};

struct Slice {
    int unit = 0, temporal = 0;
    bool first = false, no_output_of_prior = false, dependent = false, output = true;
    int pps = 0, type = 2, order_lsb = 0;
    ReferenceSet references;
    struct LongTerm {
        int order;
        bool whole; // not only the low bits
    };
    std::vector<LongTerm> long_terms;
};

struct Picture {
    int index = -1, order = 0, marking = unused;
    bool output = false;
};
using PicturePointer = std::shared_ptr<Picture>;

int read_profile(Bits &bits, int sub_layers)
{
    bits.skip(88);
    int level = static_cast<int>(bits.u(8));
    bool has_profile[8] = {}, has_level[8] = {};
    for (int i = 0; i < sub_layers - 1; ++i) {
        has_profile[i] = bits.flag();
        has_level[i] = bits.flag();
    }
    if (sub_layers > 1)
        bits.skip(2 * (9 - sub_layers));
    for (int i = 0; i < sub_layers - 1; ++i)
        bits.skip((has_profile[i] ? 88 : 0) + (has_level[i] ? 8 : 0));
    return level;
}

void skip_scaling_lists(Bits &bits)
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

// 7.3.7, 7.4.8
bool read_set(Bits &bits, const std::vector<ReferenceSet> &known, std::size_t index,
              ReferenceSet &set)
{
    bool predicted = index > 0 && bits.flag();
    if (!predicted) {
        unsigned negative = bits.ue(), positive = bits.ue();
        if (negative > most_pictures || positive > most_pictures)
            return false;
        int order = 0;
        for (unsigned i = 0; i < negative; ++i) {
            order -= static_cast<int>(bits.ue()) + 1;
            set.negative.push_back({order, bits.flag()});
        }
        order = 0;
        for (unsigned i = 0; i < positive; ++i) {
            order += static_cast<int>(bits.ue()) + 1;
            set.positive.push_back({order, bits.flag()});
        }
        return !bits.over();
    }
    // In a slice header, the set behind those of the sequence may refer to any of them.
    std::size_t back = index == known.size() ? bits.ue() + 1 : 1;
    bool sign = bits.flag();
    int delta = static_cast<int>(bits.ue()) + 1;
    delta = sign ? -delta : delta;
    if (back > index)
        return false;
    const ReferenceSet &from = known[index - back];
    std::vector<Reference> all = from.negative;
    all.insert(all.end(), from.positive.begin(), from.positive.end());
    all.push_back({0, true}); // the picture that `from` was for
    std::map<int, bool> chosen;
    for (const Reference &each : all) {
        bool used = bits.flag();
        bool taken = used || bits.flag();
        if (taken && each.difference + delta != 0)
            chosen[each.difference + delta] = used;
    }
    for (auto [difference, used] : chosen)
        (difference < 0 ? set.negative : set.positive).push_back({difference, used});
    std::reverse(set.negative.begin(), set.negative.end());
    return !bits.over();
}

void skip_hrd(Bits &bits, int sub_layers)
{
    bool nal = bits.flag(), vcl = bits.flag(), sub_pictures = false;
    if (nal || vcl) {
        sub_pictures = bits.flag();
        if (sub_pictures)
            bits.skip(19);
        bits.skip(8);
        if (sub_pictures)
            bits.skip(4);
        bits.skip(15);
    }
    for (int i = 0; i < sub_layers && !bits.over(); ++i) {
        bool fixed = bits.flag();
        bool fixed_within = fixed || bits.flag();
        bool low_delay = false;
        if (fixed_within)
            bits.ue();
        else
            low_delay = bits.flag();
        unsigned count = low_delay ? 1 : bits.ue() + 1;
        for (int kind = 0; kind < nal + vcl; ++kind)
            for (unsigned n = 0; n < count && !bits.over(); ++n) {
                bits.ue();
                bits.ue();
                if (sub_pictures) {
                    bits.ue();
                    bits.ue();
                }
                bits.skip(1);
            }
    }
}

void read_vui(Bits &bits, Sps &sps, int sub_layers)
{
    read_signal(bits, sps.signal);
    bits.skip(3);
    if (bits.flag())
        for (int i = 0; i < 4; ++i)
            bits.ue();
    if (bits.flag()) {
        sps.units_in_tick = bits.u(32);
        sps.time_scale = bits.u(32);
        if (bits.flag())
            bits.ue();
        if (bits.flag())
            skip_hrd(bits, sub_layers);
    }
}

bool read_sps(Bits &bits, Sps &sps)
{
    sps.vps = static_cast<int>(bits.u(4));
    int sub_layers = static_cast<int>(bits.u(3)) + 1;
    bits.skip(1);
    sps.level = read_profile(bits, sub_layers);
    sps.id = static_cast<int>(bits.ue());
    sps.chroma = static_cast<int>(bits.ue());
    if (sps.chroma == 3)
        sps.separate_planes = bits.flag();
    sps.width = static_cast<int>(bits.ue());
    sps.height = static_cast<int>(bits.ue());
    if (bits.flag())
        for (int &edge : sps.crop)
            edge = static_cast<int>(bits.ue());
    sps.depth_luma = static_cast<int>(bits.ue()) + 8;
    sps.depth_chroma = static_cast<int>(bits.ue()) + 8;
    sps.order_bits = static_cast<int>(bits.ue()) + 4;
    bool each = bits.flag();
    for (int i = each ? 0 : sub_layers - 1; i < sub_layers; ++i) {
        sps.buffering = std::max(sps.buffering, static_cast<int>(bits.ue()) + 1);
        sps.reorder = std::max(sps.reorder, static_cast<int>(bits.ue()));
        bits.ue();
    }
    for (int i = 0; i < 6; ++i)
        bits.ue();
    if (bits.flag() && bits.flag())
        skip_scaling_lists(bits);
    bits.skip(2);
    if (bits.flag()) {
        bits.skip(8);
        bits.ue();
        bits.ue();
        bits.skip(1);
    }
    unsigned sets = bits.ue();
    if (bits.over() || sets > 64 || sps.id > 15 || sps.chroma > 3 || sps.order_bits > 16 ||
        sps.depth_luma > 16 || sps.depth_chroma > 16 || sps.width > 65535 || sps.height > 65535)
        return false;
    for (unsigned i = 0; i < sets; ++i) {
        ReferenceSet set;
        // The sets that are known are never as many as the index asks for here.
        std::vector<ReferenceSet> &known = sps.sets;
        known.emplace_back();
        if (!read_set(bits, known, i, set))
            return false;
        known.back() = set;
    }
    sps.long_terms = bits.flag();
    if (sps.long_terms) {
        unsigned count = bits.ue();
        for (unsigned i = 0; i < count && i < 33; ++i) {
            sps.long_term_order.push_back(static_cast<int>(bits.u(sps.order_bits)));
            bits.skip(1);
        }
    }
    bits.skip(2);
    if (bits.flag())
        read_vui(bits, sps, sub_layers);
    return true;
}

class Hevc : public Parser {
  public:
    explicit Hevc(const CUVIDPARSERPARAMS &parameters) : Parser(parameters)
    {
        boundary_bytes = 16; // Rule (trace)
    }

  protected:
    codec::Kind kind() const override { return codec::Kind::hevc; }
    bool starts_picture(const unsigned char *unit, std::size_t bytes) override;
    bool unit(const unsigned char *unit, std::size_t bytes) override;
    bool picture(Coded &coded) override;
    void picture_decoded() override;
    void end_of_stream() override;

  private:
    bool read_slice(Bits &bits, int type, int temporal, Slice &slice) const;
    bool begin(const Slice &first);
    CUVIDEOFORMAT format_of(const Sps &sps) const;
    int find_order();
    void apply_references(int order);
    void flush(bool without_output);
    bool bump(int most);
    int waiting() const;
    void drop_unneeded();

    std::map<int, int> vps_buffering;
    std::map<int, Sps> spss;
    std::map<int, Pps> ppss;
    std::map<int, Bytes> raw[3]; // VPS, SPS, PPS
    Sps sps; // active
    bool active = false, started = false, intra = true, no_rasl_output = false;
    Slice header;
    int dpb_size = 0, buffering = 1;
    std::vector<PicturePointer> dpb;
    PicturePointer current;
    int previous_msb = 0, previous_lsb = 0;
};

// Headers -------------------------------------------------------------------------------------

bool Hevc::starts_picture(const unsigned char *data, std::size_t bytes)
{
    if (bytes < 6)
        return false;
    int type = data[3] >> 1 & 63, temporal = data[4] & 7;
    if (!temporal)
        return false;
    if ((type >= vps_unit && type <= eob_unit) || type == prefix_sei_unit ||
        (type >= 41 && type <= 47))
        return true;
    if (!is_slice(type))
        return false;
    return (started && type != header.unit) || data[5] >> 7;
}

bool Hevc::read_slice(Bits &bits, int type, int temporal, Slice &slice) const
{
    slice.unit = type;
    slice.temporal = temporal;
    slice.first = bits.flag();
    if (is_irap(type))
        slice.no_output_of_prior = bits.flag();
    slice.pps = static_cast<int>(bits.ue());
    auto its_pps = ppss.find(slice.pps);
    if (its_pps == ppss.end())
        return false;
    auto its_sps = spss.find(its_pps->second.sps);
    if (its_sps == spss.end())
        return false;
    // Only the first segment is read on: what is wanted stands there.
    if (!slice.first)
        return true;
    const Sps &its = its_sps->second;
    bits.skip(its_pps->second.extra_bits);
    slice.type = static_cast<int>(bits.ue());
    if (its_pps->second.output_flag)
        slice.output = bits.flag();
    if (its.separate_planes)
        bits.skip(2);
    if (is_idr(type))
        return !bits.over();
    slice.order_lsb = static_cast<int>(bits.u(its.order_bits));
    if (!bits.flag()) {
        if (!read_set(bits, its.sets, its.sets.size(), slice.references))
            return false;
    } else {
        int width = 0;
        while (1u << width < its.sets.size())
            ++width;
        unsigned index = bits.u(width);
        if (index >= its.sets.size())
            return false;
        slice.references = its.sets[index];
    }
    if (its.long_terms) {
        unsigned listed = its.long_term_order.empty() ? 0 : bits.ue();
        unsigned count = listed + bits.ue();
        int width = 0, cycles = 0;
        while (1u << width < its.long_term_order.size())
            ++width;
        for (unsigned i = 0; i < count && i < 33 && !bits.over(); ++i) {
            unsigned index = i < listed ? bits.u(width) : 0;
            if (i < listed && index >= its.long_term_order.size())
                return false;
            int order = i < listed ? its.long_term_order[index]
                                   : static_cast<int>(bits.u(its.order_bits));
            if (i >= listed)
                bits.skip(1);
            bool whole = bits.flag();
            if (i == 0 || i == listed)
                cycles = 0;
            if (whole)
                cycles += static_cast<int>(bits.ue());
            slice.long_terms.push_back({whole ? order - (cycles << its.order_bits) : order, whole});
        }
    }
    return !bits.over();
}

bool Hevc::unit(const unsigned char *data, std::size_t bytes)
{
    if (bytes < 6)
        return false;
    int type = data[3] >> 1 & 63, layer = (data[3] & 1) << 5 | data[4] >> 3;
    int temporal = (data[4] & 7) - 1;
    // Rule (assumed): layers above the base are not decoded.
    if (temporal < 0 || layer > 0)
        return false;
    Bits bits(data + 5, bytes - 5, true);
    if (type == vps_unit) {
        int id = static_cast<int>(bits.u(4));
        bits.skip(8);
        int sub_layers = static_cast<int>(bits.u(3)) + 1;
        bits.skip(17);
        read_profile(bits, sub_layers);
        bits.skip(1);
        vps_buffering[id] = static_cast<int>(bits.ue()) + 1;
        raw[0][id].assign(data, data + bytes);
    } else if (type == sps_unit) {
        Sps read;
        if (read_sps(bits, read)) {
            raw[1][read.id].assign(data, data + bytes);
            spss[read.id] = std::move(read);
        }
    } else if (type == pps_unit) {
        Pps read;
        read.id = static_cast<int>(bits.ue());
        read.sps = static_cast<int>(bits.ue());
        read.dependent = bits.flag();
        read.output_flag = bits.flag();
        read.extra_bits = static_cast<int>(bits.u(3));
        if (!bits.over() && read.id < 64 && read.sps < 16) {
            raw[2][read.id].assign(data, data + bytes);
            ppss[read.id] = read;
        }
    } else if (type == prefix_sei_unit) {
        keep_messages(data + 5, bytes - 5);
    } else if (is_slice(type)) {
        Slice slice;
        if (!read_slice(bits, type, temporal, slice))
            return false;
        if (!started && !begin(slice))
            return false;
        intra = intra && slice.type == 2;
        return true;
    }
    return false;
}

CUVIDEOFORMAT Hevc::format_of(const Sps &its) const
{
    CUVIDEOFORMAT format{};
    format.codec = cudaVideoCodec_HEVC;
    if (its.units_in_tick && its.time_scale > its.units_in_tick)
        set_rate(format, its.time_scale, its.units_in_tick);
    format.progressive_sequence = 1; // Rule (trace): also of a sequence of fields
    format.bit_depth_luma_minus8 = static_cast<unsigned char>(its.depth_luma - 8);
    format.bit_depth_chroma_minus8 = static_cast<unsigned char>(its.depth_chroma - 8);
    // Rule (trace): three more than the sequence buffers.
    format.min_num_decode_surfaces = static_cast<unsigned char>(buffering + 3);
    format.coded_width = static_cast<unsigned>((its.width + 15) / 16 * 16);
    format.coded_height = static_cast<unsigned>((its.height + 15) / 16 * 16);
    int across = its.chroma == 1 || its.chroma == 2 ? 2 : 1, down = its.chroma == 1 ? 2 : 1;
    set_area(format, 0, 0, its.width, its.height);
    if ((its.crop[0] + its.crop[1]) * across < its.width &&
        (its.crop[2] + its.crop[3]) * down < its.height)
        set_area(format, its.crop[0] * across, its.crop[2] * down,
                 its.width - its.crop[1] * across, its.height - its.crop[3] * down);
    format.chroma_format = its.chroma;
    set_signal(format, its.signal);
    return format;
}

// Pictures ------------------------------------------------------------------------------------

bool Hevc::begin(const Slice &first)
{
    if (!first.first && !active)
        return false;
    const Pps &pps = ppss[first.pps];
    const Sps &its = spss[pps.sps];
    bool other = !active || its.width != sps.width || its.height != sps.height ||
                 its.chroma != sps.chroma || its.depth_luma != sps.depth_luma ||
                 its.depth_chroma != sps.depth_chroma;
    // Rule (trace): an end of sequence is not heeded: a CRA picture behind it keeps its RASL ones.
    if (is_irap(first.unit))
        no_rasl_output = first.unit <= idr_n_lp;
    if (other)
        no_rasl_output = true;
    header = first;
    if (other || !dpb_size || (is_irap(first.unit) && no_rasl_output)) {
        flush(is_irap(first.unit) && (first.unit == cra || first.no_output_of_prior));
        buffering = its.buffering;
        auto vps = vps_buffering.find(its.vps);
        if (vps != vps_buffering.end())
            buffering = std::max(buffering, vps->second);
        sps = its;
        active = true;
        int surfaces = begin_sequence(format_of(sps));
        if (!surfaces) {
            dpb_size = 0;
            return false;
        }
        dpb_size = std::min(surfaces, most_pictures);
    } else if (pps.sps != sps.id) {
        return false; // Rule (assumed): (sample) a sequence does not change but where one begins
    }
    sps = its;
    intra = true;
    int order = find_order();
    apply_references(order);
    drop_unneeded();
    // Rule (trace): a full buffer makes room before the picture is decoded.
    while (static_cast<int>(dpb.size()) >= std::max(1, std::min(buffering, dpb_size)) &&
           bump(dpb_size - 1))
        ;
    int index = take_index();
    current = PicturePointer(new Picture, [this](Picture *picture) {
        let_go(picture->index);
        delete picture;
    });
    current->index = index;
    current->order = order;
    bool skipped = (first.unit == rasl_n || first.unit == rasl_r) && no_rasl_output;
    current->output = first.output && !skipped;
    started = true;
    return true;
}

// 8.3.1
int Hevc::find_order()
{
    int wrap = 1 << sps.order_bits, msb = previous_msb, lsb = header.order_lsb;
    if (is_irap(header.unit) && no_rasl_output)
        msb = 0;
    else if (lsb < previous_lsb && previous_lsb - lsb >= wrap / 2)
        msb += wrap;
    else if (lsb > previous_lsb && lsb - previous_lsb > wrap / 2)
        msb -= wrap;
    bool leading = header.unit >= radl_n && header.unit <= rasl_r;
    bool not_referred = header.unit < 16 && header.unit % 2 == 0;
    if (!header.temporal && !leading && !not_referred) {
        previous_lsb = lsb;
        previous_msb = msb;
    }
    return msb + lsb;
}

// 8.3.2
void Hevc::apply_references(int order)
{
    std::map<Picture *, int> kept;
    int low_bits = (1 << sps.order_bits) - 1;
    if (!is_idr(header.unit) && !(is_irap(header.unit) && no_rasl_output)) {
        for (const Slice::LongTerm &named : header.long_terms)
            for (const PicturePointer &each : dpb)
                if (each->marking != unused &&
                    (named.whole ? each->order == order - header.order_lsb + named.order
                                 : (each->order & low_bits) == named.order))
                    kept[each.get()] = long_term;
        for (const auto *set : {&header.references.negative, &header.references.positive})
            for (const Reference &named : *set) {
                Picture *nearest = nullptr;
                int wanted = order + named.difference;
                for (const PicturePointer &each : dpb)
                    if (each->marking == short_term &&
                        (!nearest || std::abs(each->order - wanted) <
                                         std::abs(nearest->order - wanted)))
                        nearest = each.get();
                // Rule (trace): the nearest one stands for a reference that is missing.
                if (nearest && (named.used || nearest->order == wanted))
                    kept[nearest] = short_term;
            }
    }
    for (const PicturePointer &each : dpb) {
        auto found = kept.find(each.get());
        each->marking = found == kept.end() ? unused : found->second;
    }
}

bool Hevc::picture(Coded &coded)
{
    if (!started || !current)
        return false;
    coded.index = current->index;
    coded.width_in_mbs = (sps.width + 15) / 16;
    coded.height_in_mbs = (sps.height + 15) / 16;
    coded.reference = true; // Rule (trace): of every picture
    coded.intra = intra;
    coded.order = 2l * current->order;
    for (const auto &kinds : raw)
        for (auto &[id, unit] : kinds)
            coded.sets.insert(coded.sets.end(), unit.begin(), unit.end());
    return true;
}

void Hevc::picture_decoded()
{
    if (!started)
        return;
    started = false;
    current->marking = short_term;
    dpb.push_back(current);
    current.reset();
    // Rule (trace): one more than the sequence reorders puts the first out at once.
    while (waiting() > sps.reorder && bump(dpb_size - 1))
        ;
}

// Output (C.5.2) --------------------------------------------------------------------------------

int Hevc::waiting() const
{
    return static_cast<int>(std::count_if(
        dpb.begin(), dpb.end(), [](const PicturePointer &each) { return each->output; }));
}

void Hevc::drop_unneeded()
{
    dpb.erase(std::remove_if(dpb.begin(), dpb.end(),
                             [](const PicturePointer &each) {
                                 return !each->output && each->marking == unused;
                             }),
              dpb.end());
}

// Puts out the first in order; without one, drops a reference where there are more than `most`.
bool Hevc::bump(int most)
{
    PicturePointer first, oldest;
    for (const PicturePointer &each : dpb) {
        if (each->output && (!first || each->order < first->order))
            first = each;
        if (!oldest || each->order < oldest->order)
            oldest = each;
    }
    if (!first) {
        if (!oldest || static_cast<int>(dpb.size()) < most)
            return false;
        oldest->marking = unused;
    } else {
        display(first->index);
        first->output = false;
    }
    drop_unneeded();
    return true;
}

void Hevc::flush(bool without_output)
{
    current.reset();
    for (const PicturePointer &each : dpb) {
        each->marking = unused;
        if (without_output)
            each->output = false;
    }
    drop_unneeded();
    while (!dpb.empty() && bump(0))
        ;
    dpb.clear();
}

void Hevc::end_of_stream()
{
    flush(false);
    started = active = no_rasl_output = false;
    previous_msb = previous_lsb = 0;
    dpb_size = 0;
    vps_buffering.clear();
    spss.clear();
    ppss.clear();
    for (auto &kinds : raw)
        kinds.clear();
}

} // namespace

Parser *new_hevc_parser(const CUVIDPARSERPARAMS &parameters) { return new Hevc(parameters); }

} // namespace cuvid
