// The headers of H.264 (7.3.2, 7.3.3), as far as the emulated parser wants them.
#pragma once

#include "cuvid_vui.hpp"

#include <map>
#include <vector>

namespace cuvid::h264 {

enum { slice_unit = 1, idr_unit = 5, sei_unit = 6, sps_unit = 7, pps_unit = 8, aud_unit = 9 };
enum { p_slice = 0, b_slice = 1, i_slice = 2, sp_slice = 3, si_slice = 4 };
constexpr int most_frames = 16;

struct Sps {
    int profile = 0, constraints = 0, level = 0, id = 0;
    int chroma = 1, depth_luma = 8, depth_chroma = 8;
    bool separate_planes = false;
    int frame_num_bits = 4, order_type = 0, order_bits = 4;
    bool delta_always_zero = false;
    int offset_non_ref = 0, offset_top_to_bottom = 0;
    std::vector<int> cycle;
    int references = 0;
    bool gaps_allowed = false;
    int width_mbs = 0, height_map_units = 0;
    bool frame_mbs_only = true, mbaff = false;
    int crop[4] = {0, 0, 0, 0}; // left, right, top, bottom, in crop units
    bool has_vui = false;
    Signal signal;
    unsigned time_scale = 0, units_in_tick = 0;
    unsigned bitrate = 0;
    bool has_delays = false, has_pic_struct = false;
    int cpb_delay_bits = 24, dpb_delay_bits = 24;
    int reorder = 0, buffering = 0;

    int height_mbs() const { return (frame_mbs_only ? 1 : 2) * height_map_units; }
    int most_by_level() const; // MaxDpbFrames of table A-1
};

struct Pps {
    int id = 0, sps = 0;
    bool order_present = false, redundant = false, weighted = false;
    int weighted_bi = 0, slice_groups = 1, refs[2] = {1, 1};
};

struct Operation {
    unsigned code = 0, first = 0, second = 0;
};

struct Slice {
    int unit = 0, ref_idc = 0;
    unsigned first_mb = 0, type = 0, pps = 0, idr_id = 0;
    int frame_num = 0, order_lsb = 0, delta_bottom = 0, delta[2] = {0, 0};
    bool field = false, bottom = false;
    bool no_output_of_prior = false, long_term_reference = false, adaptive = false;
    std::vector<Operation> operations;

    bool idr() const { return unit == idr_unit; }
    bool resets() const; // memory_management_control_operation 5
};

bool read_sps(Bits &bits, Sps &sps);
bool read_pps(Bits &bits, Pps &pps);
// `bits` at the unit's header. Not `whole`: as far as picture order.
bool read_slice(Bits &bits, Slice &slice, bool whole, const std::map<int, Sps> &spss,
                const std::map<int, Pps> &ppss);

} // namespace cuvid::h264
