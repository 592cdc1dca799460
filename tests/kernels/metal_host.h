/* How a kernel of kernels/nv12_rgb.metal is run on the host. tests/kernels/metal_host.py includes
 * this behind the kernels, in front of the functions it makes, one for each kernel. */
#ifndef VIDEOHW_TESTS_METAL_HOST_H
#define VIDEOHW_TESTS_METAL_HOST_H

#undef double
#undef virtual
#undef throw
#undef try
#undef new
#undef delete
#undef goto
#undef dynamic_cast
#undef typeid
#undef thread_local

#include "forbidden.h"

#include <stddef.h>
#include <string.h>

/* What is bound, by index. */
struct Bindings {
    void *buffers[7];
    host::Texture textures[4];
    size_t threadgroup_bytes[2];
};

/* The threads run one after the other up to a barrier, then all of them from the start again. */
template <class Thread>
void run_threads(const Bindings &bound, const uint *groups, const uint *size, Thread run_one)
{
    // As small as they are said to be, and without an end that could be read.
    uchar *memory[2];
    for (int i = 0; i < 2; ++i) memory[i] = new uchar[bound.threadgroup_bytes[i]];
    for (uint y = 0; y < groups[1]; ++y)
        for (uint x = 0; x < groups[0]; ++x) {
            for (int i = 0; i < 2; ++i) memset(memory[i], 0xCD, bound.threadgroup_bytes[i]);
            uint waiting = 1;
            for (host::barriers_open = 0; waiting; ++host::barriers_open) {
                waiting = 0;
                for (uint lane = 0; lane < size[0] * size[1]; ++lane) {
                    const uint2 group(x, y), at(lane % size[0], lane / size[0]);
                    const uint2 in_grid(x * size[0] + at.x, y * size[1] + at.y);
                    host::barriers_passed = 0;
                    try {
                        run_one(in_grid, group, at, uint2(size[0], size[1]), memory);
                    } catch (const host::Waiting &) {
                        ++waiting;
                    }
                }
                // All threads of a group come to a barrier, or none.
                host::require(waiting == 0 || waiting == size[0] * size[1]);
            }
        }
    for (int i = 0; i < 2; ++i) delete[] memory[i];
}

extern "C" void halves_of(const uint *floats, ushort *halves, size_t count)
{
    for (size_t i = 0; i < count; ++i) halves[i] = (ushort)half_bits(as_type<float>(floats[i]));
}

/* The layout that the device's compiler sees, in the order of the fields. */
extern "C" size_t layout_of_conversion(size_t *offsets)
{
    size_t count = 0;
#define FIELD(name) offsets[count++] = offsetof(Conversion, name);
    FIELD(matrix) FIELD(offset) FIELD(scale) FIELD(bias) FIELD(across) FIELD(down) FIELD(peak)
    FIELD(shift) FIELD(width) FIELD(height) FIELD(from_width) FIELD(from_height) FIELD(left)
    FIELD(top) FIELD(crop_width) FIELD(crop_height) FIELD(from_pitch) FIELD(to_pitch)
    FIELD(sample_bits) FIELD(phase_x) FIELD(phase_y) FIELD(chroma_rows) FIELD(nearest) FIELD(area)
    FIELD(target) FIELD(chroma_columns) FIELD(from_words) FIELD(to_words) FIELD(from_scale)
    FIELD(to_scale)
#undef FIELD
    offsets[count++] = sizeof(Conversion);
    offsets[count++] = sizeof(Axis);
    return count;
}

#endif
