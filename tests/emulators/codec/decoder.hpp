// Decodes what an emulated driver was given, with libavcodec: one coded picture in, its pixels out,
// in decode order, whether libavcodec would show it now, later or never. No vendor's names here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace codec {

enum class Kind { mpeg1, mpeg2, mpeg4, vc1, h264, jpeg, hevc, vp8, vp9, av1, prores };

// The chroma format as the standards number it.
enum class Chroma { monochrome = 0, of_420 = 1, of_422 = 2, of_444 = 3 };

// Planar, samples of one byte up to 8 bits and of two above, values in the low bits.
struct Plane {
    int width = 0, height = 0;
    std::size_t pitch = 0; // bytes
    std::vector<unsigned char> data;

    const unsigned char *row(int y) const { return data.data() + pitch * y; }
};

struct Picture {
    int width = 0, height = 0; // as coded, before cropping
    int depth = 8;
    Chroma chroma = Chroma::of_420;
    Plane plane[3];
    bool damaged = false; // libavcodec complained, or concealed
};

using PicturePointer = std::shared_ptr<const Picture>;

class Decoder {
  public:
    // nullptr where libavcodec lacks the codec. `extradata` is what it wants out of band. Of
    // `only_shown` what is decoded and not shown gives nothing, and what is shown again does.
    static std::unique_ptr<Decoder> open(Kind kind, const std::vector<unsigned char> &extradata,
                                         bool only_shown = false);
    virtual ~Decoder() = default;

    // Decodes one coded picture, or a field of one. `again` says that it is the second field of the
    // picture that was decoded last. nullptr where nothing came of it.
    virtual PicturePointer decode(const unsigned char *data, std::size_t bytes, bool again) = 0;
};

} // namespace codec
