// The device's kernels as host code, with the addresses of their arguments made those of the
// emulator's own view of device memory. A library of its own, because the kernels' names and their
// compiler's options are its own too.

#include "cuda_host.cpp"

#include <initializer_list>

namespace {

// How an address of the device is reached; nullptr where not all of the bytes may be touched.
typedef void *(*Reach)(unsigned long long address, size_t bytes);

struct Extent {
    size_t row_bytes, rows, pitch;

    size_t bytes() const { return rows ? (rows - 1) * pitch + row_bytes : 0; }
};

struct Form {
    Extent planes[3];
    int count;
};

bool begins(const char *name, const char *with) { return strncmp(name, with, strlen(with)) == 0; }

bool ends(const char *name, const char *with)
{
    const size_t length = strlen(name), tail = strlen(with);
    return length >= tail && strcmp(name + length - tail, with) == 0;
}

// Packed RGB or three planes of it, all with one pitch.
Form rgb_form(const char *kind, int target, size_t width, size_t rows, size_t pitch)
{
    const char *const kinds[] = {"rgb24", "rgba", "rgb_planar", "rgb_float16", "rgb_float32"};
    const size_t pixel_bytes[] = {3, 4, 1, 2, 4};
    if (kind)
        for (target = 0; strcmp(kinds[target], kind) != 0;)
            ++target;
    const Extent plane = {width * pixel_bytes[target], rows, pitch};
    return {{plane, plane, plane}, target <= RGBA ? 1 : 3};
}

Form ycbcr_form(size_t item, bool pairs, size_t width, size_t rows, int chroma_rows,
                const Word *pitches)
{
    const Extent luma = {width * item, rows, pitches[0]};
    const Extent chroma = {(pairs ? (width + 1) / 2 * 2 : width) * item,
                           (rows + chroma_rows - 1) / chroma_rows, pitches[1]};
    return {{luma, chroma, chroma}, pairs ? 2 : 3};
}

// Planes of the components that there are, in a picture of this size; `steps` are those of chroma.
Form form_of(const Component *components, const int *steps, size_t width, size_t height,
             const Word *pitches)
{
    Form form = {};
    for (int k = 0; k < 3; ++k) {
        const Component &each = components[k];
        if (!each.stride)
            continue;
        const size_t across = k ? steps[0] : 1, down = k ? steps[1] : 1;
        form.planes[each.plane] = {(width + across - 1) / across * each.stride,
                                   (height + down - 1) / down, pitches[each.plane > 0]};
        form.count = form.count > each.plane ? form.count : each.plane + 1;
    }
    return form;
}

Form source_form(const char *name, const Conversion &by)
{
    if (begins(name, "ycbcr_"))
        return form_of(by.from_component, by.from_step, by.from_width, by.from_height,
                       by.from_pitch);
    for (const char *kind : {"rgb24", "rgba", "rgb_planar"})
        if (begins(name, kind))
            return rgb_form(kind, 0, by.width, by.height, by.from_pitch[0]);
    const bool yuv = begins(name, "yuv444"), wide = begins(name, "p016") || begins(name, "yuv444p16");
    return ycbcr_form(wide ? 2 : 1, !yuv, by.from_width, by.from_height, yuv ? 1 : by.chroma_rows,
                      by.from_pitch);
}

Form target_form(const char *name, const Conversion &by)
{
    if (begins(name, "ycbcr_"))
        return form_of(by.to_component, by.to_step, by.width, by.height, by.to_pitch);
    if (!ends(name, "_ycbcr"))
        return rgb_form(nullptr, by.target, by.width, by.height, by.to_pitch[0]);
    return ycbcr_form(by.target == P016 ? 2 : 1, true, by.width, by.height, 2, by.to_pitch);
}

template <class Pointer> bool reached(Pointer *planes, const Form &form, Reach reach)
{
    for (int plane = 0; plane < form.count; ++plane) {
        void *found = reach((unsigned long long)planes[plane], form.planes[plane].bytes());
        if (!found)
            return false;
        planes[plane] = static_cast<Pointer>(found);
    }
    return true;
}

} // namespace

extern "C" {

size_t videohw_argument_bytes() { return sizeof(Conversion); }
// Threads across and down of the blocks that the kernels are written for.
unsigned videohw_block_columns() { return LANES; }
unsigned videohw_block_rows() { return ROWS_OF_BLOCK; }

// False, with nothing done, where the kernel would touch memory that it must not.
bool videohw_run_kernel(const char *name, void *kernel, const void *argument, const unsigned *grid,
                        Reach reach)
{
    Conversion by;
    memcpy(&by, argument, sizeof by);
    const Form source = source_form(name, by), target = target_form(name, by);
    for (unsigned picture = 0; picture < grid[2] && picture < MAX_PICTURES; ++picture)
        if (!reached(by.pictures[picture].from, source, reach) ||
            !reached(by.pictures[picture].to, target, reach))
            return false;
    run_kernel((Kernel)kernel, &by, grid[0], grid[1], grid[2]);
    return true;
}
}
