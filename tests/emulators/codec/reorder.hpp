// Puts pictures that were coded one after the other, each from the one before, at other places in
// order of display: their parameter sets and slice headers are written anew, their data stay.
#pragma once

#include "bits.hpp"

namespace codec {

class H264Reorder {
  public:
    explicit H264Reorder(int reordered) : reordered(reordered) {}
    Bytes sequence_set(const Bytes &payload);
    void picture_set(const Bytes &payload);
    // `number`: in order of display since the last IDR.
    Bytes slice(const Bytes &payload, int number) const;

  private:
    int reordered, frame_number_bits = 4;
    bool cabac = true, deblocking_said = false;
};

class HevcReorder {
  public:
    explicit HevcReorder(int reordered) : reordered(reordered) {}
    Bytes video_set(const Bytes &payload) const;
    Bytes sequence_set(const Bytes &payload);
    void picture_set(const Bytes &payload);
    // `before`: the number of the picture that was coded before this one.
    Bytes slice(const Bytes &payload, int number, int before) const;

  private:
    void ordering(BitCopier &bits, int layers) const;
    int reordered, count_bits = 8;
    bool cabac_init_said = false, deblocking_overridden = false, deblocking_off = false;
    bool filter_across = false, output_said = false, chroma_offsets = false;
    int extra_bits = 0;
};

} // namespace codec
