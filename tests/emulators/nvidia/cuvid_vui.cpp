#include "cuvid_vui.hpp"

#include <cstddef>

namespace cuvid {

void read_signal(Bits &bits, Signal &signal)
{
    static const unsigned char known[][2] = {
        {0, 0},   {1, 1},   {12, 11}, {10, 11}, {16, 11}, {40, 33},  {24, 11}, {20, 11}, {32, 11},
        {80, 33}, {18, 11}, {15, 11}, {64, 33}, {160, 99}, {4, 3},   {3, 2},   {2, 1}};
    if (bits.flag()) {
        unsigned ratio = bits.u(8);
        if (ratio == 255) {
            signal.sar_width = bits.u(16);
            signal.sar_height = bits.u(16);
        } else if (ratio < sizeof known / sizeof known[0]) {
            signal.sar_width = known[ratio][0];
            signal.sar_height = known[ratio][1];
        }
    }
    if (bits.flag())
        bits.skip(1);
    if (bits.flag()) {
        signal.video_format = static_cast<int>(bits.u(3));
        signal.full_range = bits.flag();
        if (bits.flag()) {
            signal.primaries = static_cast<int>(bits.u(8));
            signal.transfer = static_cast<int>(bits.u(8));
            signal.matrix = static_cast<int>(bits.u(8));
        }
    }
    if (bits.flag()) {
        bits.ue();
        bits.ue();
    }
}

void set_signal(CUVIDEOFORMAT &format, const Signal &signal)
{
    long long width = format.display_area.right - format.display_area.left;
    long long height = format.display_area.bottom - format.display_area.top;
    bool has_ratio = signal.sar_width && signal.sar_height;
    set_aspect(format, width * (has_ratio ? signal.sar_width : 1),
               height * (has_ratio ? signal.sar_height : 1));
    auto &its = format.video_signal_description;
    its.format_and_range =
        static_cast<unsigned char>(signal.video_format | signal.full_range << 3);
    its.color_primaries = static_cast<unsigned char>(signal.primaries);
    its.transfer_characteristics = static_cast<unsigned char>(signal.transfer);
    its.matrix_coefficients = static_cast<unsigned char>(signal.matrix);
}

} // namespace cuvid
