// What the emulated device decodes, as a table.
#pragma once

#include "nvidia.h"

namespace cuvid {

struct Ability {
    int codec, chroma, depth;
    int engines;
    unsigned formats; // a bit for each output format
    unsigned max_width, max_height, max_macroblocks, min_width, min_height;
    unsigned histogram; // as it stands behind min_height
};

// nullptr where the device does not decode it.
const Ability *ability(int codec, int chroma, int depth);

// 0, or what a call answers that has no context.
CUresult no_context();

} // namespace cuvid
