// How a block of ours becomes what DLPack hands from one library to another.
#ifndef VIDEOHW_DLPACK_HPP
#define VIDEOHW_DLPACK_HPP

#include "cuda_errands.hpp"
#include "dlpack_types.hpp"

namespace videohw {

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
        if (given->any_stream) {
            let_go(given->block);
        } else {
            leave_to_errand(given->block->pool().context.driver,
                            [block = given->block, stream = given->stream] {
                                block->was_read(stream);
                                block->release();
                            });
        }
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
