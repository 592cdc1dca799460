// What the device does to a decoded picture on its way to a mapped one: crop, scale, interleave.
#pragma once

#include "codec/decoder.hpp"
#include "nvidia.h"

#include <vector>

namespace cuvid {

struct Target {
    int format = cudaVideoSurfaceFormat_NV12;
    int width = 0, height = 0;
    int left = 0, top = 0, right = 0, bottom = 0;                 // of the picture in the target
    int from_left = 0, from_top = 0, from_right = 0, from_bottom = 0; // of the decoded picture
    std::size_t pitch = 0;

    bool wide() const; // samples of two bytes
    int planes() const;
    std::size_t rows() const; // of all planes
};

// Fills `target.rows()` rows; `picture` may be nullptr, for a surface that nothing was decoded into.
std::vector<unsigned char> converted(const codec::Picture *picture, const Target &target);

} // namespace cuvid
