// Parameter sets and NAL units of H.264 and HEVC, as far as the emulated frameworks read them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace apple {

using Bytes = std::vector<uint8_t>;

// What a sequence parameter set says of the pictures.
struct Sequence {
    bool known = false;
    int chroma = 1, depth = 8; // the larger of both depths
    int coded_width = 0, coded_height = 0;
    int left = 0, right = 0, top = 0, bottom = 0; // cropped, in luma samples
    bool has_signal = false, full_range = false;
    int primaries = 2, transfer = 2, matrix = 2;
    int siting = -1;                       // chroma_sample_loc_type of the top field
    int aspect_width = 0, aspect_height = 0; // of a pixel; 0 where nothing is said
    // H.264: what stands before field_pic_flag in a slice header.
    bool separate_planes = false, frames_only = true;
    int frame_num_bits = 4;

    int width() const { return coded_width - left - right; }
    int height() const { return coded_height - top - bottom; }
};

Sequence read_h264_sps(const uint8_t *nal, std::size_t bytes);
Sequence read_hevc_sps(const uint8_t *nal, std::size_t bytes);

// 0 of a frame, 1 of a top field, 2 of a bottom field.
int field_of_h264_slice(const uint8_t *nal, std::size_t bytes, const Sequence &sequence);

struct Nal {
    const uint8_t *data;
    std::size_t bytes;
};

// False where the lengths do not fit the sample.
bool split(const uint8_t *data, std::size_t bytes, int length_bytes, std::vector<Nal> *nals);
void append_annexb(const Nal &nal, Bytes *to);

} // namespace apple
