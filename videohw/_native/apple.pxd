# What of Apple's frameworks crosses into Cython; apple.h has all that is called.

from libc.stdint cimport int32_t, uint32_t, uint64_t

cdef extern from "apple.h" nogil:
    ctypedef int32_t OSStatus
    ctypedef unsigned char Boolean
    ctypedef const void *CFTypeRef
    ctypedef void *CVPixelBufferRef "CVPixelBufferRef"

    ctypedef struct CGPoint "struct CGPoint":
        double x, y

    ctypedef struct CGSize "struct CGSize":
        double width, height

    ctypedef struct CGRect:
        CGPoint origin
        CGSize size

    enum:
        kCMVideoCodecType_H264
        kCMVideoCodecType_HEVC
        kCVPixelBufferLock_ReadOnly
        kVTDecodeInfo_FrameDropped
        MTLPixelFormatR8Unorm
        MTLPixelFormatR16Unorm
        MTLPixelFormatRG8Unorm
        MTLPixelFormatRG16Unorm

    void CFRelease(CFTypeRef value)
    CFTypeRef CFRetain(CFTypeRef value)
    Boolean VTIsHardwareDecodeSupported(uint32_t codec)
    void VTRegisterSupplementalVideoDecoderIfAvailable(uint32_t codec)
    OSStatus CVPixelBufferLockBaseAddress(CVPixelBufferRef buffer, uint64_t flags)
    OSStatus CVPixelBufferUnlockBaseAddress(CVPixelBufferRef buffer, uint64_t flags)
    void *CVPixelBufferGetIOSurface(CVPixelBufferRef buffer)
    size_t CVPixelBufferGetPlaneCount(CVPixelBufferRef buffer)
    size_t CVPixelBufferGetWidth(CVPixelBufferRef buffer)
    size_t CVPixelBufferGetHeight(CVPixelBufferRef buffer)
    uint32_t CVPixelBufferGetPixelFormatType(CVPixelBufferRef buffer)
    void *CVPixelBufferGetBaseAddressOfPlane(CVPixelBufferRef buffer, size_t plane)
    size_t CVPixelBufferGetBytesPerRowOfPlane(CVPixelBufferRef buffer, size_t plane)
    CGRect CVImageBufferGetCleanRect(CVPixelBufferRef buffer)
