// What the VUI of H.264 and that of HEVC begin with: aspect ratio and colour.
#pragma once

#include "cuvid_bits.hpp"
#include "cuvid_parser.hpp"

namespace cuvid {

struct Signal {
    unsigned sar_width = 0, sar_height = 0;
    int video_format = 5, full_range = 0, primaries = 2, transfer = 2, matrix = 2;
};

void read_signal(Bits &bits, Signal &signal);
// Into a format whose display area is known.
void set_signal(CUVIDEOFORMAT &format, const Signal &signal);

} // namespace cuvid
