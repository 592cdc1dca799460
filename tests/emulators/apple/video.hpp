// CoreVideo's pixel buffers, their pools, attachments and names of colours.
#pragma once

#include "foundation.hpp"
#include "sets.hpp"

#include <memory>

namespace apple {

// How a pixel format lies in memory.
struct Format {
    OSType code;
    int planes;           // 1 of packed RGB
    int shift_x, shift_y; // of the chroma plane, by which it is smaller
    int sample_bytes;
    bool full_range;
};

// nullptr of a format that is not emulated.
const Format *format_of(OSType code);

struct Plane {
    std::size_t width = 0, height = 0, pitch = 0, offset = 0; // pitch and offset in bytes
};

class PoolState;

class PixelBuffer : public Object {
  public:
    PixelBuffer(const Format &format, std::size_t width, std::size_t height);
    void clear() override;

    const Format &format;
    const std::size_t width, height;
    std::vector<Plane> planes;
    Bytes memory;
    std::shared_ptr<PoolState> pool;
    bool has_surface = false;
    // Of what is to be seen, from the upper left.
    std::size_t clean_left = 0, clean_top = 0, clean_width, clean_height;
    Kept<Dictionary> attachments;

    uint8_t *row(int plane, std::size_t y)
    {
        const Plane &at = planes[static_cast<std::size_t>(plane)];
        return memory.data() + at.offset + at.pitch * y;
    }
    CVReturn lock(CVPixelBufferLockFlags flags);
    CVReturn unlock(CVPixelBufferLockFlags flags);
    bool is_locked();
    bool is_written();

  private:
    long reading = 0, writing = 0;
};

class Pool : public Object {
  public:
    Pool(const Format &format, std::size_t width, std::size_t height, bool has_surface);
    void clear() override { state.reset(); }
    // nullptr where `threshold` buffers, if it is not 0, are in use.
    PixelBuffer *make(std::size_t threshold);

  private:
    const Format &format;
    const std::size_t width, height;
    const bool has_surface;
    std::shared_ptr<PoolState> state;
};

enum class CodePoints { matrix, primaries, transfer };
// The name of a code point of H.273; it lives for ever.
String *code_point_name(CodePoints what, int code_point);
int code_point(CodePoints what, const String &name);

} // namespace apple
