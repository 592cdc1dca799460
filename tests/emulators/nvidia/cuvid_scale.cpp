#include "cuvid_scale.hpp"

#include "emulator.hpp"

#include <algorithm>

namespace cuvid {
namespace {

struct Rect {
    int left, top, right, bottom;
    int width() const { return right - left; }
    int height() const { return bottom - top; }
};

// One plane's sample, in `depth` bits, clamped to the plane.
int sample(const codec::Plane &plane, bool wide, int x, int y)
{
    x = std::clamp(x, 0, plane.width - 1);
    y = std::clamp(y, 0, plane.height - 1);
    const unsigned char *row = plane.row(y);
    return wide ? row[2 * x] | row[2 * x + 1] << 8 : row[x];
}

// Rule (assumed): bilinear about the centres of samples; the real scaler's taps are not known.
int scaled(const codec::Plane &plane, bool wide, const Rect &from, const Rect &to, int x, int y)
{
    if (from.width() == to.width() && from.height() == to.height())
        return sample(plane, wide, from.left + x - to.left, from.top + y - to.top);
    auto place = [](int at, int out, int in, int start, int &whole) {
        long long scaled = (2ll * at + 1) * in * 256 / (2ll * out) - 128;
        scaled = std::max(scaled, 0ll);
        whole = start + static_cast<int>(scaled >> 8);
        return static_cast<int>(scaled & 255);
    };
    int column, row;
    int right = place(x - to.left, to.width(), from.width(), from.left, column);
    int down = place(y - to.top, to.height(), from.height(), from.top, row);
    int column_after = std::min(column + 1, from.right - 1);
    int row_after = std::min(row + 1, from.bottom - 1);
    int upper = sample(plane, wide, column, row) * (256 - right) +
                sample(plane, wide, column_after, row) * right;
    int lower = sample(plane, wide, column, row_after) * (256 - right) +
                sample(plane, wide, column_after, row_after) * right;
    return static_cast<int>((static_cast<long long>(upper) * (256 - down) +
                             static_cast<long long>(lower) * down + (1 << 15)) >> 16);
}

Rect halved(const Rect &rect, int across, int down)
{
    return {rect.left / across, rect.top / down, (rect.right + across - 1) / across,
            (rect.bottom + down - 1) / down};
}

void put(unsigned char *row, int x, int value, int depth, bool wide)
{
    if (wide) {
        // Rule (trace): values stand in the high bits.
        unsigned shifted = static_cast<unsigned>(value) << (16 - depth);
        row[2 * x] = static_cast<unsigned char>(shifted);
        row[2 * x + 1] = static_cast<unsigned char>(shifted >> 8);
    } else {
        row[x] = static_cast<unsigned char>(value >> (depth - 8));
    }
}

// A row that is not scaled, from `x` to `end` of the target; where the next sample goes.
int copied_row(const unsigned char *from, int from_x, unsigned char *row, int x, int end, int step,
               int first, int depth, bool wide)
{
    const bool wide_in = depth > 8;
    for (; x < end; ++x, ++from_x)
        put(row, x * step + first,
            wide_in ? from[2 * from_x] | from[2 * from_x + 1] << 8 : from[from_x], depth, wide);
    return x;
}

} // namespace

bool Target::wide() const { return format & 1; }

int Target::planes() const
{
    return format == cudaVideoSurfaceFormat_YUV444 || format == cudaVideoSurfaceFormat_YUV444_16Bit
               ? 3
               : 2;
}

std::size_t Target::rows() const
{
    // Rule (header): the second plane begins behind an even number of rows.
    std::size_t luma = static_cast<std::size_t>(height);
    if (planes() == 3)
        return 3 * luma;
    bool full = format == cudaVideoSurfaceFormat_NV16 || format == cudaVideoSurfaceFormat_P216;
    luma = (luma + 1) & ~std::size_t(1);
    return full ? 2 * luma : luma + luma / 2;
}

std::vector<unsigned char> converted(const codec::Picture *picture, const Target &target)
{
    std::vector<unsigned char> made(target.pitch * target.rows(), emulator::poison);
    if (!picture)
        return made;
    bool three = target.planes() == 3, wide_in = picture->depth > 8;
    bool full_height = target.format == cudaVideoSurfaceFormat_NV16 ||
                       target.format == cudaVideoSurfaceFormat_P216;
    Rect from = {target.from_left, target.from_top, target.from_right, target.from_bottom};
    Rect to = {target.left, target.top, target.right, target.bottom};
    std::size_t luma_rows = three ? target.height : (target.height + 1) & ~1;
    for (int plane = 0; plane < 3; ++plane) {
        int out_across = plane && !three ? 2 : 1;
        int out_down = plane && !three && !full_height ? 2 : 1;
        bool none = plane && picture->chroma == codec::Chroma::monochrome;
        bool quarter = picture->chroma == codec::Chroma::of_420;
        int in_across = plane && (quarter || picture->chroma == codec::Chroma::of_422) ? 2 : 1;
        int in_down = plane && quarter ? 2 : 1;
        Rect its_from = halved(from, in_across, in_down), its_to = halved(to, out_across, out_down);
        int width = (target.width + out_across - 1) / out_across;
        int height = (target.height + out_down - 1) / out_down;
        // Rule (assumed): around the picture the target is black.
        int neutral = plane ? 1 << (picture->depth - 1) : 16 << (picture->depth - 8);
        unsigned char *start = made.data();
        if (plane)
            start += target.pitch * luma_rows * (three ? plane : 1);
        for (int y = 0; y < height; ++y) {
            unsigned char *row = start + target.pitch * y;
            int step = plane && !three ? 2 : 1, first = plane && !three ? plane - 1 : 0;
            bool plain = !none && its_from.width() == its_to.width() &&
                         its_from.height() == its_to.height() && y >= its_to.top &&
                         y < its_to.bottom && its_from.left >= 0 && its_from.top >= 0 &&
                         its_from.right <= picture->plane[plane].width &&
                         its_from.bottom <= picture->plane[plane].height;
            for (int x = 0; x < width; ++x) {
                if (plain && x == its_to.left) {
                    x = copied_row(picture->plane[plane].row(its_from.top + y - its_to.top),
                                   its_from.left, row, x, its_to.right, step, first,
                                   picture->depth, target.wide());
                    if (x >= width)
                        break;
                }
                bool inside = x >= its_to.left && x < its_to.right && y >= its_to.top &&
                              y < its_to.bottom;
                int value = neutral;
                if (inside && !none)
                    value = scaled(picture->plane[plane], wide_in, its_from, its_to, x, y);
                put(row, x * step + first, value, picture->depth, target.wide());
            }
        }
    }
    return made;
}

} // namespace cuvid
