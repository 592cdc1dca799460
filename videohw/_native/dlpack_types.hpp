// The structures of DLPack 1.0, and of the older unversioned form: our own declarations.
#ifndef VIDEOHW_DLPACK_TYPES_HPP
#define VIDEOHW_DLPACK_TYPES_HPP

#include <cstdint>

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

enum { dlpack_cpu = 1, dlpack_cuda = 2, dlpack_metal = 8 };
enum { dlpack_signed = 0, dlpack_unsigned = 1, dlpack_float = 2 };
enum { dlpack_read_only = 1, dlpack_is_copied = 2 };
constexpr int dlpack_most_dimensions = 4;

} // namespace videohw

#endif
