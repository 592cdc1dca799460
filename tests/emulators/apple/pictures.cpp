#include "pictures.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace apple {
namespace {

unsigned sample_of(const codec::Picture &picture, int plane, int x, int y)
{
    const uint8_t *row = picture.plane[plane].row(y);
    return picture.depth > 8 ? row[2 * x] | row[2 * x + 1] << 8 : row[x];
}

struct Source {
    const codec::Picture &picture;
    const Sequence &sequence;
    int left, top;

    int shift_x() const { return picture.chroma != codec::Chroma::of_444; }
    int shift_y() const { return picture.chroma == codec::Chroma::of_420; }
    // Luma as 0 to 1.
    double luma(int x, int y) const
    {
        double value = sample_of(picture, 0, left + x, top + y);
        return sequence.full_range ? value / most() : (value / unit() - 16) / 219;
    }
    // Chroma as -0.5 to 0.5, of the sample next to a luma sample.
    double chroma(int plane, int x, int y) const
    {
        if (picture.chroma == codec::Chroma::monochrome)
            return 0;
        double value =
            sample_of(picture, plane, (left + x) >> shift_x(), (top + y) >> shift_y());
        return sequence.full_range ? (value - half()) / most() : (value / unit() - 128) / 224;
    }
    double unit() const { return 1 << (picture.depth - 8); }
    double most() const { return (1 << picture.depth) - 1; }
    double half() const { return 1 << (picture.depth - 1); }
};

void store(PixelBuffer &buffer, uint8_t *row, std::size_t at, double value)
{
    double most = buffer.format.sample_bytes == 1 ? 255 : 1023;
    auto whole = static_cast<unsigned>(std::lround(std::min(std::max(value, 0.0), most)));
    if (buffer.format.sample_bytes == 1) {
        row[at] = static_cast<uint8_t>(whole);
        return;
    }
    row[2 * at] = static_cast<uint8_t>(whole << 6);
    row[2 * at + 1] = static_cast<uint8_t>(whole >> 2);
}

void convert(PixelBuffer &buffer, const Source &from)
{
    double unit = buffer.format.sample_bytes == 1 ? 1 : 4;
    double most = buffer.format.sample_bytes == 1 ? 255 : 1023;
    bool full = buffer.format.full_range;
    for (std::size_t y = 0; y < buffer.height; ++y)
        for (std::size_t x = 0; x < buffer.width; ++x) {
            double luma = from.luma(static_cast<int>(x), static_cast<int>(y));
            store(buffer, buffer.row(0, y), x, full ? luma * most : (16 + 219 * luma) * unit);
        }
    const Plane &plane = buffer.planes[1];
    for (std::size_t y = 0; y < plane.height; ++y)
        for (std::size_t x = 0; x < plane.width; ++x)
            for (int i = 0; i < 2; ++i) {
                double value = from.chroma(1 + i, static_cast<int>(x << buffer.format.shift_x),
                                           static_cast<int>(y << buffer.format.shift_y));
                double stored = full ? value * most + (most + 1) / 2 : (128 + 224 * value) * unit;
                store(buffer, buffer.row(1, y), 2 * x + static_cast<std::size_t>(i), stored);
            }
}

void convert_to_bgra(PixelBuffer &buffer, const Source &from)
{
    // Rule (assumed): the matrix of the stream, or that of BT.601.
    bool is_709 = from.sequence.has_signal && from.sequence.matrix == 1;
    double red = is_709 ? 0.2126 : 0.299, blue = is_709 ? 0.0722 : 0.114;
    for (std::size_t y = 0; y < buffer.height; ++y)
        for (std::size_t x = 0; x < buffer.width; ++x) {
            int column = static_cast<int>(x), line = static_cast<int>(y);
            double luma = from.luma(column, line);
            double b = luma + 2 * (1 - blue) * from.chroma(1, column, line);
            double r = luma + 2 * (1 - red) * from.chroma(2, column, line);
            double g = (luma - red * r - blue * b) / (1 - red - blue);
            uint8_t *row = buffer.row(0, y);
            const double values[] = {b, g, r, 1};
            for (std::size_t i = 0; i < 4; ++i)
                store(buffer, row, 4 * x + i, 255 * values[i]);
        }
}

// The samples as they are: 10 bits go to the upper bits, chroma is interleaved.
void copy(PixelBuffer &buffer, const codec::Picture &picture, int left, int top)
{
    bool wide = picture.depth > 8;
    for (std::size_t y = 0; y < buffer.height; ++y) {
        const uint8_t *row = picture.plane[0].row(top + static_cast<int>(y));
        uint8_t *target = buffer.row(0, y);
        if (!wide) {
            std::memcpy(target, row + left, buffer.width);
            continue;
        }
        for (std::size_t x = 0; x < buffer.width; ++x) {
            unsigned value = sample_of(picture, 0, left + static_cast<int>(x),
                                       top + static_cast<int>(y)) << 6;
            target[2 * x] = static_cast<uint8_t>(value);
            target[2 * x + 1] = static_cast<uint8_t>(value >> 8);
        }
    }
    const Plane &plane = buffer.planes[1];
    left >>= buffer.format.shift_x;
    top >>= buffer.format.shift_y;
    for (std::size_t y = 0; y < plane.height; ++y) {
        uint8_t *target = buffer.row(1, y);
        for (std::size_t x = 0; x < plane.width; ++x)
            for (int i = 0; i < 2; ++i) {
                unsigned value = sample_of(picture, 1 + i, left + static_cast<int>(x),
                                           top + static_cast<int>(y));
                std::size_t at = 2 * x + static_cast<std::size_t>(i);
                if (!wide) {
                    target[at] = static_cast<uint8_t>(value);
                    continue;
                }
                target[2 * at] = static_cast<uint8_t>(value << 6);
                target[2 * at + 1] = static_cast<uint8_t>(value >> 2);
            }
    }
}

} // namespace

const Format *native_format(const Sequence &sequence)
{
    // Rule (assumed): 4:0:0 is decoded to 4:2:0, and nothing of more than 10 bits is decoded.
    if (sequence.depth > 10)
        return nullptr;
    static const OSType codes[3][2][2] = {
        {{kCVPixelFormatType_420YpCbCr8BiPlanarVideoRange,
          kCVPixelFormatType_420YpCbCr8BiPlanarFullRange},
         {kCVPixelFormatType_420YpCbCr10BiPlanarVideoRange,
          kCVPixelFormatType_420YpCbCr10BiPlanarFullRange}},
        {{kCVPixelFormatType_422YpCbCr8BiPlanarVideoRange,
          kCVPixelFormatType_422YpCbCr8BiPlanarFullRange},
         {kCVPixelFormatType_422YpCbCr10BiPlanarVideoRange,
          kCVPixelFormatType_422YpCbCr10BiPlanarFullRange}},
        {{kCVPixelFormatType_444YpCbCr8BiPlanarVideoRange,
          kCVPixelFormatType_444YpCbCr8BiPlanarFullRange},
         {kCVPixelFormatType_444YpCbCr10BiPlanarVideoRange,
          kCVPixelFormatType_444YpCbCr10BiPlanarFullRange}}};
    int chroma = sequence.chroma == 0 ? 0 : sequence.chroma - 1;
    return format_of(codes[chroma][sequence.depth > 8][sequence.full_range]);
}

void fill(PixelBuffer &buffer, const codec::Picture &picture, const Sequence &sequence)
{
    bool whole = static_cast<int>(buffer.width) == picture.width &&
                 static_cast<int>(buffer.height) == picture.height;
    int left = whole ? 0 : sequence.left, top = whole ? 0 : sequence.top;
    Source from{picture, sequence, left, top};
    const Format &format = buffer.format;
    bool same_chroma = picture.chroma != codec::Chroma::monochrome &&
                       format.shift_x == from.shift_x() && format.shift_y == from.shift_y();
    int depth = format.sample_bytes == 1 ? 8 : 10;
    if (format.planes == 1)
        convert_to_bgra(buffer, from);
    else if (same_chroma && depth == picture.depth && format.full_range == sequence.full_range)
        copy(buffer, picture, left, top);
    else
        convert(buffer, from); // Rule (header): what is asked for is what comes, without a word
}

void attach_colours(PixelBuffer &buffer, const Sequence &sequence)
{
    buffer.attachments = Kept<Dictionary>::adopted(new Dictionary);
    Dictionary &attachments = *buffer.attachments;
    auto attach = [&](CFStringRef key, CodePoints what, int code) {
        if (String *name = code == 2 ? nullptr : code_point_name(what, code))
            attachments.set(key, name);
    };
    // Rule (assumed): a stream that does not state its colours has none attached; a test may want
    // those of HDTV whatever the stream says.
    bool other = setting("COLOURS", "stated") == "bt709";
    attach(kCVImageBufferYCbCrMatrixKey, CodePoints::matrix, other ? 1 : sequence.matrix);
    attach(kCVImageBufferColorPrimariesKey, CodePoints::primaries, other ? 1 : sequence.primaries);
    attach(kCVImageBufferTransferFunctionKey, CodePoints::transfer, other ? 1 : sequence.transfer);
    const CFStringRef locations[] = {
        kCVImageBufferChromaLocation_Left,       kCVImageBufferChromaLocation_Center,
        kCVImageBufferChromaLocation_TopLeft,    kCVImageBufferChromaLocation_Top,
        kCVImageBufferChromaLocation_BottomLeft, kCVImageBufferChromaLocation_Bottom};
    if (sequence.siting >= 0 && sequence.siting < 6)
        attachments.set(kCVImageBufferChromaLocationTopFieldKey, live(locations[sequence.siting]));
    if (!sequence.aspect_width || !sequence.aspect_height)
        return;
    auto aspect = Kept<Dictionary>::adopted(new Dictionary);
    auto width = Kept<Number>::adopted(new Number(int64_t{sequence.aspect_width}));
    auto height = Kept<Number>::adopted(new Number(int64_t{sequence.aspect_height}));
    aspect->set(kCVImageBufferPixelAspectRatioHorizontalSpacingKey, width.get());
    aspect->set(kCVImageBufferPixelAspectRatioVerticalSpacingKey, height.get());
    attachments.set(kCVImageBufferPixelAspectRatioKey, aspect.get());
}

} // namespace apple
