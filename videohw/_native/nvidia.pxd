# The types of the CUDA driver that cross into Cython; nvidia.h has all of them.

cdef extern from "nvidia.h" nogil:
    ctypedef int CUresult
    ctypedef int CUdevice
    ctypedef unsigned long long CUdeviceptr
    ctypedef void *CUcontext
    ctypedef void *CUstream
    ctypedef void *CUevent

    ctypedef struct CUuuid:
        char bytes[16]

    ctypedef struct CUDA_MEMCPY2D:
        size_t srcXInBytes, srcY
        int srcMemoryType
        const void *srcHost
        CUdeviceptr srcDevice
        size_t srcPitch
        size_t dstXInBytes, dstY
        int dstMemoryType
        void *dstHost
        CUdeviceptr dstDevice
        size_t dstPitch
        size_t WidthInBytes, Height

    enum:
        CUDA_SUCCESS
        CUDA_ERROR_OUT_OF_MEMORY
        CUDA_ERROR_NOT_INITIALIZED
        CUDA_ERROR_NO_DEVICE
        CUDA_ERROR_NOT_FOUND
        CUDA_ERROR_NOT_READY
        CU_MEMORYTYPE_HOST
        CU_MEMORYTYPE_DEVICE
        CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR
        CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR

    struct nvidia_cuda:
        CUresult (*cuGetErrorName)(CUresult code, const char **name) noexcept nogil
        CUresult (*cuDeviceGetCount)(int *count) noexcept nogil
        CUresult (*cuDeviceGet)(CUdevice *device, int ordinal) noexcept nogil
        CUresult (*cuDeviceGetName)(char *name, int bytes, CUdevice device) noexcept nogil
        CUresult (*cuDeviceGetUuid)(CUuuid *uuid, CUdevice device) noexcept nogil
        CUresult (*cuDeviceTotalMem)(size_t *bytes, CUdevice device) noexcept nogil
        CUresult (*cuDeviceGetAttribute)(int *value, int attribute, CUdevice device) noexcept nogil
        CUresult (*cuMemcpy2DAsync)(const CUDA_MEMCPY2D *copy, CUstream stream) noexcept nogil

    struct nvidia_cuvid:
        void *library
