#include "cuvid_h264_headers.hpp"

#include <algorithm>
#include <utility>

namespace cuvid::h264 {

int Sps::most_by_level() const
{
    static const std::pair<int, int> limits[] = {
        {9, 396},     {10, 396},    {11, 900},    {12, 2376},   {13, 2376},   {20, 2376},
        {21, 4752},   {22, 8100},   {30, 8100},   {31, 18000},  {32, 20480},  {40, 32768},
        {41, 32768},  {42, 34816},  {50, 110400}, {51, 184320}, {52, 184320}, {60, 696320},
        {61, 696320}, {62, 696320},
    };
    int asked_level = level == 11 && constraints & 0x10 && profile <= 88 ? 9 : level;
    for (auto [known, macroblocks] : limits)
        if (known == asked_level && width_mbs && height_mbs())
            return std::max(std::min(macroblocks / (width_mbs * height_mbs()), most_frames),
                            references);
    return most_frames;
}

bool Slice::resets() const
{
    return std::any_of(operations.begin(), operations.end(),
                       [](const Operation &each) { return each.code == 5; });
}

namespace {

void skip_scaling_list(Bits &bits, int size)
{
    int last = 8, next = 8;
    for (int i = 0; i < size; ++i) {
        if (next)
            next = (last + bits.se() + 256) & 255;
        last = next ? next : last;
    }
}

void read_hrd(Bits &bits, Sps &sps)
{
    unsigned count = bits.ue() + 1;
    unsigned scale = bits.u(4);
    bits.skip(4);
    for (unsigned i = 0; i < count && !bits.over(); ++i) {
        unsigned rate = bits.ue() + 1;
        if (i == 0)
            sps.bitrate = rate << (6 + scale);
        bits.ue();
        bits.skip(1);
    }
    bits.skip(5);
    sps.cpb_delay_bits = static_cast<int>(bits.u(5)) + 1;
    sps.dpb_delay_bits = static_cast<int>(bits.u(5)) + 1;
    bits.skip(5);
    sps.has_delays = true;
}

void read_vui(Bits &bits, Sps &sps)
{
    read_signal(bits, sps.signal);
    if (bits.flag()) {
        sps.units_in_tick = bits.u(32);
        sps.time_scale = bits.u(32);
        bits.skip(1);
    }
    bool nal = bits.flag();
    if (nal)
        read_hrd(bits, sps);
    bool vcl = bits.flag();
    if (vcl)
        read_hrd(bits, sps);
    if (nal || vcl)
        bits.skip(1);
    sps.has_pic_struct = bits.flag();
    if (bits.flag()) {
        bits.skip(1);
        for (int i = 0; i < 4; ++i)
            bits.ue();
        sps.reorder = static_cast<int>(bits.ue());
        sps.buffering = static_cast<int>(bits.ue());
    }
}

} // namespace

bool read_sps(Bits &bits, Sps &sps)
{
    sps.profile = static_cast<int>(bits.u(8));
    sps.constraints = static_cast<int>(bits.u(8));
    sps.level = static_cast<int>(bits.u(8));
    sps.id = static_cast<int>(bits.ue());
    for (int profile : {100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
        if (sps.profile == profile) {
            sps.chroma = static_cast<int>(bits.ue());
            if (sps.chroma == 3)
                sps.separate_planes = bits.flag();
            sps.depth_luma = static_cast<int>(bits.ue()) + 8;
            sps.depth_chroma = static_cast<int>(bits.ue()) + 8;
            bits.skip(1);
            if (bits.flag())
                for (int i = 0; i < (sps.chroma == 3 ? 12 : 8); ++i)
                    if (bits.flag())
                        skip_scaling_list(bits, i < 6 ? 16 : 64);
        }
    sps.frame_num_bits = static_cast<int>(bits.ue()) + 4;
    sps.order_type = static_cast<int>(bits.ue());
    if (sps.order_type == 0) {
        sps.order_bits = static_cast<int>(bits.ue()) + 4;
    } else if (sps.order_type == 1) {
        sps.delta_always_zero = bits.flag();
        sps.offset_non_ref = bits.se();
        sps.offset_top_to_bottom = bits.se();
        unsigned count = bits.ue();
        for (unsigned i = 0; i < count && i < 256; ++i)
            sps.cycle.push_back(bits.se());
    }
    sps.references = static_cast<int>(bits.ue());
    sps.gaps_allowed = bits.flag();
    sps.width_mbs = static_cast<int>(bits.ue()) + 1;
    sps.height_map_units = static_cast<int>(bits.ue()) + 1;
    sps.frame_mbs_only = bits.flag();
    if (!sps.frame_mbs_only)
        sps.mbaff = bits.flag();
    bits.skip(1);
    if (bits.flag())
        for (int &edge : sps.crop)
            edge = static_cast<int>(bits.ue());
    sps.has_vui = bits.flag();
    if (bits.over() || sps.id > 31 || sps.chroma > 3 || sps.order_type > 2 ||
        sps.references > most_frames || sps.width_mbs > 512 || sps.height_map_units > 512 ||
        sps.frame_num_bits > 16 || sps.order_bits > 16)
        return false;
    if (sps.has_vui)
        read_vui(bits, sps);
    // Rule (assumed): (sample) without a bound the whole buffer of the level reorders, but for
    // order type 2.
    sps.reorder = std::min(sps.reorder, sps.buffering);
    bool intra_profile = sps.constraints & 0x10 &&
                         (sps.profile == 44 || sps.profile == 86 || sps.profile == 100 ||
                          sps.profile == 110 || sps.profile == 122 || sps.profile == 244);
    if (sps.buffering == 0 && !intra_profile) {
        sps.buffering = sps.most_by_level();
        if (sps.order_type != 2)
            sps.reorder = sps.buffering;
    }
    return true;
}

bool read_pps(Bits &bits, Pps &pps)
{
    pps.id = static_cast<int>(bits.ue());
    pps.sps = static_cast<int>(bits.ue());
    bits.skip(1);
    pps.order_present = bits.flag();
    pps.slice_groups = static_cast<int>(bits.ue()) + 1;
    if (pps.slice_groups > 8)
        return false;
    if (pps.slice_groups > 1) {
        unsigned type = bits.ue();
        if (type == 0) {
            for (int i = 0; i < pps.slice_groups; ++i)
                bits.ue();
        } else if (type == 2) {
            for (int i = 0; i < 2 * (pps.slice_groups - 1); ++i)
                bits.ue();
        } else if (type >= 3 && type <= 5) {
            bits.skip(1);
            bits.ue();
        } else if (type == 6) {
            unsigned count = bits.ue() + 1;
            int width = pps.slice_groups > 4 ? 3 : pps.slice_groups > 2 ? 2 : 1;
            bits.skip(static_cast<long>(count) * width);
        }
    }
    pps.refs[0] = static_cast<int>(bits.ue()) + 1;
    pps.refs[1] = static_cast<int>(bits.ue()) + 1;
    pps.weighted = bits.flag();
    pps.weighted_bi = static_cast<int>(bits.u(2));
    bits.se();
    bits.se();
    bits.se();
    bits.skip(2);
    pps.redundant = bits.flag();
    return !bits.over() && pps.id < 256 && pps.sps < 32;
}

bool read_slice(Bits &bits, Slice &slice, bool whole, const std::map<int, Sps> &spss,
                const std::map<int, Pps> &ppss)
{
    bits.skip(1);
    slice.ref_idc = static_cast<int>(bits.u(2));
    slice.unit = static_cast<int>(bits.u(5));
    slice.first_mb = bits.ue();
    slice.type = bits.ue() % 5;
    slice.pps = bits.ue();
    auto found = ppss.find(static_cast<int>(slice.pps));
    if (found == ppss.end())
        return false;
    const Pps &its_pps = found->second;
    auto active = spss.find(its_pps.sps);
    if (active == spss.end())
        return false;
    const Sps &its_sps = active->second;
    if (its_sps.separate_planes)
        bits.skip(2);
    slice.frame_num = static_cast<int>(bits.u(its_sps.frame_num_bits));
    if (!its_sps.frame_mbs_only) {
        slice.field = bits.flag();
        if (slice.field)
            slice.bottom = bits.flag();
    }
    if (slice.idr())
        slice.idr_id = bits.ue();
    if (its_sps.order_type == 0) {
        slice.order_lsb = static_cast<int>(bits.u(its_sps.order_bits));
        if (its_pps.order_present && !slice.field)
            slice.delta_bottom = bits.se();
    } else if (its_sps.order_type == 1 && !its_sps.delta_always_zero) {
        slice.delta[0] = bits.se();
        if (its_pps.order_present && !slice.field)
            slice.delta[1] = bits.se();
    }
    if (!whole)
        return true;
    if (its_pps.redundant && bits.ue() > 0)
        return false; // Rule (assumed): redundant pictures are not decoded
    if (slice.type == b_slice)
        bits.skip(1);
    int refs[2] = {its_pps.refs[0], its_pps.refs[1]};
    bool inter = slice.type == p_slice || slice.type == sp_slice || slice.type == b_slice;
    if (inter && bits.flag()) {
        refs[0] = static_cast<int>(bits.ue()) + 1;
        if (slice.type == b_slice)
            refs[1] = static_cast<int>(bits.ue()) + 1;
    }
    int lists = slice.type == b_slice ? 2 : inter ? 1 : 0;
    for (int list = 0; list < lists; ++list)
        if (bits.flag())
            while (!bits.over() && bits.ue() != 3)
                bits.ue();
    bool weighted = (its_pps.weighted && (slice.type == p_slice || slice.type == sp_slice)) ||
                    (its_pps.weighted_bi == 1 && slice.type == b_slice);
    if (weighted) {
        bool has_chroma = its_sps.chroma && !its_sps.separate_planes;
        bits.ue();
        if (has_chroma)
            bits.ue();
        for (int list = 0; list < lists; ++list)
            for (int i = 0; i < refs[list] && !bits.over(); ++i) {
                for (int part = 0; part < (has_chroma ? 2 : 1); ++part)
                    if (bits.flag())
                        for (int n = 0; n < (part ? 4 : 2); ++n)
                            bits.se();
            }
    }
    if (slice.ref_idc) {
        if (slice.idr()) {
            slice.no_output_of_prior = bits.flag();
            slice.long_term_reference = bits.flag();
        } else {
            slice.adaptive = bits.flag();
            while (slice.adaptive && !bits.over()) {
                Operation operation;
                operation.code = bits.ue();
                if (operation.code == 0 || operation.code > 6)
                    break;
                if (operation.code != 5)
                    operation.first = bits.ue();
                if (operation.code == 3)
                    operation.second = bits.ue();
                slice.operations.push_back(operation);
            }
        }
    }
    return true;
}

} // namespace cuvid::h264
