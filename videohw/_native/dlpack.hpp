// What DLPack hands from one library to another, and how a block of ours becomes that.
//
// Own declarations of the structures of DLPack 1.0 and of the older unversioned form.
#ifndef VIDEOHW_DLPACK_HPP
#define VIDEOHW_DLPACK_HPP

#include <cstdint>

#include "cuda_memory.hpp"

struct DLPackVersion {
    std::uint32_t major, minor;
};
struct DLDevice {
    std::int32_t device_type, device_id;
};
struct DLDataType {
    std::uint8_t code, bits;
    std::uint16_t lanes;
};
struct DLTensor {
    void *data;
    DLDevice device;
    std::int32_t ndim;
    DLDataType dtype;
    std::int64_t *shape, *strides; // in elements
    std::uint64_t byte_offset;
};
struct DLManagedTensor {
    DLTensor dl_tensor;
    void *manager_ctx;
    void (*deleter)(DLManagedTensor *);
};
struct DLManagedTensorVersioned {
    DLPackVersion version;
    void *manager_ctx;
    void (*deleter)(DLManagedTensorVersioned *);
    std::uint64_t flags;
    DLTensor dl_tensor;
};

namespace videohw {

enum { dlpack_cpu = 1, dlpack_cuda = 2 };
enum { dlpack_signed = 0, dlpack_unsigned = 1, dlpack_float = 2 };
enum { dlpack_read_only = 1, dlpack_is_copied = 2 };
constexpr int dlpack_most_dimensions = 4;

// One array given away. The consumer calls the deleter, on any thread and without the GIL, when it
// queues nothing more; then the block is let go of. Its default stream is there for ever. Another
// one may be gone by then, and the driver crashes when it is given one that is: so an event of the
// whole context stands for it, with the drivers that have such events.
template <class Managed> struct Export {
    Managed managed{};
    std::int64_t shape[dlpack_most_dimensions], strides[dlpack_most_dimensions];
    Block *block = nullptr;
    CUstream stream = nullptr;
    bool any_stream = false;

    static void end(Managed *managed)
    {
        auto *given = static_cast<Export *>(managed->manager_ctx);
        if (given->block->pool().context.driver.forked())
            return;
        if (!given->any_stream)
            given->block->was_read(given->stream);
        given->block->release();
        delete given;
    }
};

// An export of the array at `tensor`, whose shape and strides are copied and whose block is
// retained, to a consumer that reads on `stream`, or (null) on any; null when memory ran out.
template <class Managed>
inline Managed *exported(Block *block, const DLTensor &tensor, CUstream stream)
{
    auto *given = new (std::nothrow) Export<Managed>;
    if (!given)
        return nullptr;
    for (int i = 0; i < tensor.ndim; ++i) {
        given->shape[i] = tensor.shape[i];
        given->strides[i] = tensor.strides[i];
    }
    block->retain();
    given->block = block;
    given->stream = stream;
    given->any_stream = !stream || (stream != legacy_stream() &&
                                    block->pool().context.api.cuCtxRecordEvent);
    if (given->any_stream)
        block->hand_to_all();
    given->managed.dl_tensor = tensor;
    given->managed.dl_tensor.shape = given->shape;
    given->managed.dl_tensor.strides = given->strides;
    given->managed.manager_ctx = given;
    given->managed.deleter = Export<Managed>::end;
    return &given->managed;
}
inline DLManagedTensor *exported_unversioned(Block *block, const DLTensor &tensor, CUstream stream)
{
    return exported<DLManagedTensor>(block, tensor, stream);
}
inline DLManagedTensorVersioned *exported_versioned(Block *block, const DLTensor &tensor,
                                                    CUstream stream, std::uint64_t flags)
{
    auto *managed = exported<DLManagedTensorVersioned>(block, tensor, stream);
    if (managed) {
        managed->version = {1, 0};
        managed->flags = flags;
    }
    return managed;
}

} // namespace videohw

#endif
