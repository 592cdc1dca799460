/* The kernels of kernels/ as a library of the host: by their names, and how to run one. */
#include "cuda_shim.h"
#include "forbidden.h"

/* One unit, in the order of kernels/build.py. */
#include "nv12_rgb.cu"
#include "ycbcr.cu"

extern "C" {

typedef void (*Kernel)(Conversion);

void run_kernel(Kernel kernel, const Conversion *conversion, unsigned x_blocks, unsigned y_blocks,
                unsigned z_blocks)
{
    const dim3 none = {0, 0, 0};
    for (blockIdx = none; blockIdx.z < z_blocks; ++blockIdx.z)
        for (blockIdx.y = 0; blockIdx.y < y_blocks; ++blockIdx.y)
            for (blockIdx.x = 0; blockIdx.x < x_blocks; ++blockIdx.x)
                for (phase_of_block = 0; phase_of_block < PHASES; ++phase_of_block)
                    for (threadIdx = none; threadIdx.y < ROWS_OF_BLOCK; ++threadIdx.y)
                        for (threadIdx.x = 0; threadIdx.x < LANES; ++threadIdx.x)
                            kernel(*conversion);
}

/* Of a float; 65536 of them for each call of a test. */
void halves_of(const uint32_t *floats, uint16_t *halves, size_t count)
{
    for (size_t i = 0; i < count; ++i) halves[i] = (uint16_t)half_bits(__uint_as_float(floats[i]));
}

/* The layout that the device's compiler sees, in the order of the fields. */
size_t layout_of_conversion(size_t *offsets)
{
    size_t count = 0;
#define FIELD(name) offsets[count++] = offsetof(Conversion, name);
    FIELD(matrix) FIELD(offset) FIELD(scale) FIELD(bias) FIELD(across) FIELD(down) FIELD(peak)
    FIELD(shift) FIELD(width) FIELD(height) FIELD(from_width) FIELD(from_height) FIELD(left)
    FIELD(top) FIELD(crop_width) FIELD(crop_height) FIELD(from_pitch) FIELD(to_pitch)
    FIELD(sample_bits) FIELD(phase_x) FIELD(phase_y) FIELD(chroma_rows) FIELD(nearest) FIELD(area)
    FIELD(target) FIELD(back) FIELD(ahead) FIELD(parts) FIELD(lead) FIELD(chroma_top)
    FIELD(chroma_pace) FIELD(tile_columns) FIELD(tile_rows) FIELD(staged) FIELD(brief)
    FIELD(from_component) FIELD(to_component) FIELD(from_step) FIELD(from_place) FIELD(to_step)
    FIELD(to_place) FIELD(kept) FIELD(used) FIELD(taps) FIELD(luma_blocks) FIELD(plain)
    FIELD(pictures)
#undef FIELD
    offsets[count++] = sizeof(Picture);
    offsets[count++] = sizeof(Conversion);
    return count;
}
}
