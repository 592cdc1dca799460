// The pixels of a decoded picture in the pixel buffer that the client asked for.
#pragma once

#include "codec/decoder.hpp"
#include "media.hpp"
#include "video.hpp"

namespace apple {

// The format in which a picture is decoded if nobody asks for another; nullptr: none has it.
const Format *native_format(const Sequence &sequence);

// Fills `buffer`, which has the size of the cropped or of the coded picture.
void fill(PixelBuffer &buffer, const codec::Picture &picture, const Sequence &sequence);
void attach_colours(PixelBuffer &buffer, const Sequence &sequence);

} // namespace apple
