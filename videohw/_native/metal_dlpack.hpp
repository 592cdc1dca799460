// How pixels in a Metal buffer become what DLPack hands from one library to another.
#ifndef VIDEOHW_METAL_DLPACK_HPP
#define VIDEOHW_METAL_DLPACK_HPP

#include "dlpack_types.hpp"
#include "metal.hpp"

#include <new>

namespace videohw {

// An array given away: the consumer calls the deleter, on any thread and without the GIL. Its data
// is the MTLBuffer.
struct MetalExport {
    DLManagedTensorVersioned managed{};
    std::int64_t shape[dlpack_most_dimensions], strides[dlpack_most_dimensions];
    std::shared_ptr<MetalPixels> pixels;

    static void end(DLManagedTensorVersioned *managed)
    {
        if (!vt_forked())
            delete static_cast<MetalExport *>(managed->manager_ctx);
    }
};

// Rows without padding; nullptr when memory ran out. The memory is read-only: the consumer is to
// know DLPack 1.0.
inline DLManagedTensorVersioned *metal_exported(const std::shared_ptr<MetalPixels> &pixels,
                                                int dimensions, const std::int64_t *shape,
                                                std::uint8_t kind, std::uint8_t bits)
{
    auto *given = new (std::nothrow) MetalExport;
    if (!given)
        return nullptr;
    std::int64_t step = 1;
    for (int i = dimensions - 1; i >= 0; --i) {
        given->shape[i] = shape[i];
        given->strides[i] = step;
        step *= shape[i];
    }
    given->pixels = pixels;
    DLTensor &tensor = given->managed.dl_tensor;
    tensor.data = pixels->handed_out();
    tensor.device = {dlpack_metal, 0};
    tensor.ndim = dimensions;
    tensor.dtype = {kind, bits, 1};
    tensor.shape = given->shape;
    tensor.strides = given->strides;
    given->managed.version = {1, 0};
    given->managed.flags = dlpack_read_only;
    given->managed.manager_ctx = given;
    given->managed.deleter = MetalExport::end;
    return &given->managed;
}

} // namespace videohw

#endif
