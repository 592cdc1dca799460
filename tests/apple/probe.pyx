# cython: language_level=3
# distutils: language = c++
"""A module that calls the frameworks, for the cross-build check to be tried on."""

from libc.stdint cimport int64_t

from videohw._native.apple cimport (
    VTIsHardwareDecodeSupported,
    kCMVideoCodecType_H264,
    kCMVideoCodecType_HEVC,
)


cdef extern from *:
    """
    #include "apple.h"
    static inline int64_t probe_sum(int64_t value, int32_t scale)
    {
        CMTime sum = CMTimeAdd(CMTimeMake(value, scale), CMTimeMake(1, scale));
        void *pool = objc_autoreleasePoolPush();
        CFTypeRef kept = CFRetain(kVTCompressionPropertyKey_RealTime);
        CFRelease(kept);
        objc_autoreleasePoolPop(pool);
    #ifdef PROBE_NEWER
        extern const CFStringRef kVTCompressionPropertyKey_ConstantBitRate;
        sum.value += kVTCompressionPropertyKey_ConstantBitRate != NULL;
    #endif
        return sum.value;
    }
    """
    int64_t probe_sum(int64_t value, int scale) nogil


def decodes():
    """Whether the system decodes H.264 and HEVC in hardware."""
    return [
        bool(VTIsHardwareDecodeSupported(codec))
        for codec in (kCMVideoCodecType_H264, kCMVideoCodecType_HEVC)
    ]


def later(int64_t value, int scale):
    """A time, one unit on."""
    return probe_sum(value, scale)
