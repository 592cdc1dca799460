/* What videohw calls of CoreFoundation, CoreMedia, CoreVideo and VideoToolbox.
 *
 * On macOS these are the system's own headers, but for Metal's, which are Objective-C. Elsewhere, and in the cross-build check, which has
 * no SDK, they are the declarations below, in Apple's types and struct tags: the tests hold them
 * against facts taken from the SDK, prototype by prototype. Nothing newer than the deployment
 * target, macOS 11.0, is declared: that is looked up by name, see APPLE_NEWER_STRINGS.
 */
#ifndef VIDEOHW_APPLE_H
#define VIDEOHW_APPLE_H

#if defined(__APPLE__) && !defined(VIDEOHW_OWN_APPLE_DECLARATIONS)
#include <CoreFoundation/CoreFoundation.h>
#include <CoreMedia/CoreMedia.h>
#include <CoreVideo/CoreVideo.h>
#include <VideoToolbox/VideoToolbox.h>
#include <objc/runtime.h>
#else

#include <stddef.h>
#include <stdint.h>

/* CoreFoundation */

typedef unsigned char Boolean;
typedef int32_t OSStatus;
typedef uint32_t OSType;
typedef uint32_t FourCharCode;
typedef double Float64;
typedef long CFIndex;
typedef unsigned long CFTypeID;
typedef unsigned long CFHashCode;
typedef CFIndex CFNumberType;
typedef uint32_t CFStringEncoding;
typedef const void *CFTypeRef;
typedef CFTypeRef CFPropertyListRef;
typedef const struct __CFAllocator *CFAllocatorRef;
typedef const struct __CFString *CFStringRef;
typedef const struct __CFNumber *CFNumberRef;
typedef const struct __CFBoolean *CFBooleanRef;
typedef const struct __CFData *CFDataRef;
typedef const struct __CFArray *CFArrayRef;
typedef const struct __CFDictionary *CFDictionaryRef;
typedef struct __CFDictionary *CFMutableDictionaryRef;

/* The facts that a compile-time check includes before bring these. */
#ifndef VIDEOHW_HAVE_APPLE_STRUCTS
typedef struct {
    CFIndex version;
    const void *(*retain)(CFAllocatorRef allocator, const void *value);
    void (*release)(CFAllocatorRef allocator, const void *value);
    CFStringRef (*copyDescription)(const void *value);
    Boolean (*equal)(const void *one, const void *other);
    CFHashCode (*hash)(const void *value);
} CFDictionaryKeyCallBacks;

typedef struct {
    CFIndex version;
    const void *(*retain)(CFAllocatorRef allocator, const void *value);
    void (*release)(CFAllocatorRef allocator, const void *value);
    CFStringRef (*copyDescription)(const void *value);
    Boolean (*equal)(const void *one, const void *other);
} CFDictionaryValueCallBacks;

typedef struct {
    CFIndex version;
    const void *(*retain)(CFAllocatorRef allocator, const void *value);
    void (*release)(CFAllocatorRef allocator, const void *value);
    CFStringRef (*copyDescription)(const void *value);
    Boolean (*equal)(const void *one, const void *other);
} CFArrayCallBacks;

struct CGPoint {
    double x, y;
};
struct CGSize {
    double width, height;
};
struct CGRect {
    struct CGPoint origin;
    struct CGSize size;
};
#endif
typedef struct CGRect CGRect;

enum {
    kCFStringEncodingUTF8 = 0x08000100,
    kCFNumberSInt32Type = 3,
    kCFNumberSInt64Type = 4,
    kCFNumberFloat64Type = 6
};

/* CoreMedia: the structures are packed to 4 bytes */

typedef CFIndex CMItemCount;
typedef uint32_t CMBlockBufferFlags;
typedef FourCharCode CMVideoCodecType;
typedef uint32_t CMTimeRoundingMethod;
typedef const struct opaqueCMFormatDescription *CMFormatDescriptionRef;
typedef CMFormatDescriptionRef CMVideoFormatDescriptionRef;
typedef struct OpaqueCMBlockBuffer *CMBlockBufferRef;
typedef struct opaqueCMSampleBuffer *CMSampleBufferRef;

#ifndef VIDEOHW_HAVE_APPLE_STRUCTS
#pragma pack(push, 4)
typedef struct {
    int64_t value;
    int32_t timescale;
    uint32_t flags;
    int64_t epoch;
} CMTime;

typedef struct {
    CMTime duration, presentationTimeStamp, decodeTimeStamp;
} CMSampleTimingInfo;

typedef struct {
    int32_t width, height;
} CMVideoDimensions;

typedef struct {
    uint32_t version;
    void *(*AllocateBlock)(void *refCon, size_t bytes);
    void (*FreeBlock)(void *refCon, void *block, size_t bytes);
    void *refCon;
} CMBlockBufferCustomBlockSource;
#pragma pack(pop)
#endif

enum {
    kCMTimeFlags_Valid = 1,
    kCMTimeRoundingMethod_RoundHalfAwayFromZero = 1,
    kCMBlockBufferAssureMemoryNowFlag = 1,
    kCMVideoCodecType_H264 = 0x61766331,         /* avc1 */
    kCMVideoCodecType_HEVC = 0x68766331,         /* hvc1 */
    kCMVideoCodecType_VP9 = 0x76703039,          /* vp09 */
    kCMVideoCodecType_AV1 = 0x61763031,          /* av01 */
    kCMVideoCodecType_AppleProRes422Proxy = 0x6170636f, /* apco */
    kCMVideoCodecType_AppleProRes422LT = 0x61706373,    /* apcs */
    kCMVideoCodecType_AppleProRes422 = 0x6170636e,      /* apcn */
    kCMVideoCodecType_AppleProRes422HQ = 0x61706368,    /* apch */
    kCMVideoCodecType_AppleProRes4444 = 0x61703468,     /* ap4h */
    kCMFormatDescriptionError_InvalidParameter = -12710,
    kCMFormatDescriptionError_ValueNotAvailable = -12718,
    kCMBlockBufferBadOffsetParameterErr = -12703,
    kCMBlockBufferBadLengthParameterErr = -12704,
    kCMBlockBufferBadPointerParameterErr = -12705,
    kCMSampleBufferError_RequiredParameterMissing = -12731,
    kCMSampleBufferError_InvalidEntryCount = -12738
};

/* CoreVideo */

typedef int32_t CVReturn;
typedef uint64_t CVOptionFlags;
typedef CVOptionFlags CVPixelBufferLockFlags;
typedef uint32_t CVAttachmentMode;
typedef struct __CVBuffer *CVBufferRef;
typedef CVBufferRef CVImageBufferRef;
typedef CVImageBufferRef CVPixelBufferRef;
typedef struct __CVPixelBufferPool *CVPixelBufferPoolRef;
typedef struct __IOSurface *IOSurfaceRef;

enum {
    kCVReturnSuccess = 0,
    kCVReturnError = -6660,
    kCVReturnInvalidArgument = -6661,
    kCVReturnAllocationFailed = -6662,
    kCVReturnInvalidPixelFormat = -6680,
    kCVReturnInvalidSize = -6681,
    kCVReturnWouldExceedAllocationThreshold = -6689,
    kCVPixelBufferLock_ReadOnly = 1,
    kCVAttachmentMode_ShouldNotPropagate = 0,
    kCVAttachmentMode_ShouldPropagate = 1,
    /* Two planes: luma, and Cb with Cr; video or full range; 10 bits in the high bits of words. */
    kCVPixelFormatType_420YpCbCr8BiPlanarVideoRange = 0x34323076,  /* 420v */
    kCVPixelFormatType_420YpCbCr8BiPlanarFullRange = 0x34323066,   /* 420f */
    kCVPixelFormatType_422YpCbCr8BiPlanarVideoRange = 0x34323276,  /* 422v */
    kCVPixelFormatType_422YpCbCr8BiPlanarFullRange = 0x34323266,   /* 422f */
    kCVPixelFormatType_444YpCbCr8BiPlanarVideoRange = 0x34343476,  /* 444v */
    kCVPixelFormatType_444YpCbCr8BiPlanarFullRange = 0x34343466,   /* 444f */
    kCVPixelFormatType_420YpCbCr10BiPlanarVideoRange = 0x78343230, /* x420 */
    kCVPixelFormatType_420YpCbCr10BiPlanarFullRange = 0x78663230,  /* xf20 */
    kCVPixelFormatType_422YpCbCr10BiPlanarVideoRange = 0x78343232, /* x422 */
    kCVPixelFormatType_422YpCbCr10BiPlanarFullRange = 0x78663232,  /* xf22 */
    kCVPixelFormatType_444YpCbCr10BiPlanarVideoRange = 0x78343434, /* x444 */
    kCVPixelFormatType_444YpCbCr10BiPlanarFullRange = 0x78663434,  /* xf44 */
    kCVPixelFormatType_32BGRA = 0x42475241                         /* BGRA */
};

/* VideoToolbox */

typedef uint32_t VTDecodeFrameFlags;
typedef uint32_t VTDecodeInfoFlags;
typedef uint32_t VTEncodeInfoFlags;
typedef CFTypeRef VTSessionRef;
typedef struct OpaqueVTDecompressionSession *VTDecompressionSessionRef;
typedef struct OpaqueVTCompressionSession *VTCompressionSessionRef;
typedef void (*VTDecompressionOutputCallback)(
    void *refCon, void *frameRefCon, OSStatus status, VTDecodeInfoFlags flags,
    CVImageBufferRef image, CMTime presentationTimeStamp, CMTime presentationDuration);
typedef void (*VTCompressionOutputCallback)(void *refCon, void *frameRefCon, OSStatus status,
                                            VTEncodeInfoFlags flags, CMSampleBufferRef sample);

#ifndef VIDEOHW_HAVE_APPLE_STRUCTS
#pragma pack(push, 4)
struct VTDecompressionOutputCallbackRecord {
    VTDecompressionOutputCallback decompressionOutputCallback;
    void *decompressionOutputRefCon;
};
#pragma pack(pop)
#endif
typedef struct VTDecompressionOutputCallbackRecord VTDecompressionOutputCallbackRecord;

enum {
    kVTDecodeFrame_EnableAsynchronousDecompression = 1,
    kVTDecodeFrame_DoNotOutputFrame = 2,
    kVTDecodeInfo_Asynchronous = 1,
    kVTDecodeInfo_FrameDropped = 2,
    kVTDecodeInfo_ImageBufferModifiable = 4,
    kVTEncodeInfo_Asynchronous = 1,
    kVTEncodeInfo_FrameDropped = 2,
    kVTPropertyNotSupportedErr = -12900,
    kVTPropertyReadOnlyErr = -12901,
    kVTParameterErr = -12902,
    kVTInvalidSessionErr = -12903,
    kVTAllocationFailedErr = -12904,
    kVTPixelTransferNotSupportedErr = -12905,
    kVTCouldNotFindVideoDecoderErr = -12906,
    kVTCouldNotCreateInstanceErr = -12907,
    kVTCouldNotFindVideoEncoderErr = -12908,
    kVTVideoDecoderBadDataErr = -12909,
    kVTVideoDecoderUnsupportedDataFormatErr = -12910,
    kVTVideoDecoderMalfunctionErr = -12911,
    kVTVideoEncoderMalfunctionErr = -12912,
    kVTVideoDecoderNotAvailableNowErr = -12913,
    kVTVideoEncoderNotAvailableNowErr = -12915,
    kVTFormatDescriptionChangeNotSupportedErr = -12916,
    kVTVideoDecoderRemovedErr = -17690,
    kVTSessionMalfunctionErr = -17691,
    kVTVideoDecoderReferenceMissingErr = -17694
};

/* Variables of the frameworks that are strings; those of CoreVideo are not constant. */
#define APPLE_STRINGS(STRING)                                                                      \
    STRING(kCMFormatDescriptionExtension_SampleDescriptionExtensionAtoms)                          \
    STRING(kCMFormatDescriptionExtension_FullRangeVideo)                                           \
    STRING(kCMFormatDescriptionExtension_ColorPrimaries)                                           \
    STRING(kCMFormatDescriptionExtension_TransferFunction)                                         \
    STRING(kCMFormatDescriptionExtension_YCbCrMatrix)                                              \
    STRING(kCMSampleAttachmentKey_NotSync)                                                         \
    STRING(kCMSampleAttachmentKey_DependsOnOthers)                                                 \
    STRING(kVTPropertyReadWriteStatusKey)                                                          \
    STRING(kVTPropertyReadWriteStatus_ReadOnly)                                                    \
    STRING(kVTPropertyReadWriteStatus_ReadWrite)                                                   \
    STRING(kVTVideoDecoderSpecification_EnableHardwareAcceleratedVideoDecoder)                     \
    STRING(kVTVideoDecoderSpecification_RequireHardwareAcceleratedVideoDecoder)                    \
    STRING(kVTDecompressionPropertyKey_UsingHardwareAcceleratedVideoDecoder)                       \
    STRING(kVTDecompressionPropertyKey_RealTime)                                                   \
    STRING(kVTDecompressionPropertyKey_NumberOfFramesBeingDecoded)                                 \
    STRING(kVTVideoEncoderSpecification_EnableHardwareAcceleratedVideoEncoder)                     \
    STRING(kVTVideoEncoderSpecification_RequireHardwareAcceleratedVideoEncoder)                    \
    STRING(kVTCompressionPropertyKey_UsingHardwareAcceleratedVideoEncoder)                         \
    STRING(kVTCompressionPropertyKey_NumberOfPendingFrames)                                        \
    STRING(kVTCompressionPropertyKey_RealTime)                                                     \
    STRING(kVTCompressionPropertyKey_ExpectedFrameRate)                                            \
    STRING(kVTCompressionPropertyKey_AverageBitRate)                                               \
    STRING(kVTCompressionPropertyKey_DataRateLimits)                                               \
    STRING(kVTCompressionPropertyKey_Quality)                                                      \
    STRING(kVTCompressionPropertyKey_MaxKeyFrameInterval)                                          \
    STRING(kVTCompressionPropertyKey_AllowFrameReordering)                                         \
    STRING(kVTCompressionPropertyKey_AllowOpenGOP)                                                 \
    STRING(kVTCompressionPropertyKey_MaxFrameDelayCount)                                           \
    STRING(kVTCompressionPropertyKey_ProfileLevel)                                                 \
    STRING(kVTCompressionPropertyKey_H264EntropyMode)                                              \
    STRING(kVTCompressionPropertyKey_PrioritizeEncodingSpeedOverQuality)                           \
    STRING(kVTCompressionPropertyKey_ColorPrimaries)                                               \
    STRING(kVTCompressionPropertyKey_TransferFunction)                                             \
    STRING(kVTCompressionPropertyKey_YCbCrMatrix)                                                  \
    STRING(kVTCompressionPropertyKey_PixelAspectRatio)                                             \
    STRING(kVTCompressionPropertyKey_MasteringDisplayColorVolume)                                  \
    STRING(kVTCompressionPropertyKey_ContentLightLevelInfo)                                        \
    STRING(kVTEncodeFrameOptionKey_ForceKeyFrame)                                                  \
    STRING(kVTProfileLevel_H264_Baseline_AutoLevel)                                                \
    STRING(kVTProfileLevel_H264_Main_AutoLevel)                                                    \
    STRING(kVTProfileLevel_H264_High_AutoLevel)                                                    \
    STRING(kVTProfileLevel_HEVC_Main_AutoLevel)                                                    \
    STRING(kVTProfileLevel_HEVC_Main10_AutoLevel)                                                  \
    STRING(kVTCompressionPropertyKey_MaxKeyFrameIntervalDuration)                                  \
    STRING(kVTCompressionPropertyKey_MaxH264SliceBytes)                                            \
    STRING(kVTCompressionPropertyKey_MaximizePowerEfficiency)                                      \
    STRING(kVTProfileLevel_H264_Baseline_3_0)                                                      \
    STRING(kVTProfileLevel_H264_Baseline_3_1)                                                      \
    STRING(kVTProfileLevel_H264_Baseline_3_2)                                                      \
    STRING(kVTProfileLevel_H264_Baseline_4_0)                                                      \
    STRING(kVTProfileLevel_H264_Baseline_4_1)                                                      \
    STRING(kVTProfileLevel_H264_Baseline_4_2)                                                      \
    STRING(kVTProfileLevel_H264_Baseline_5_0)                                                      \
    STRING(kVTProfileLevel_H264_Baseline_5_1)                                                      \
    STRING(kVTProfileLevel_H264_Baseline_5_2)                                                      \
    STRING(kVTProfileLevel_H264_Main_3_0)                                                          \
    STRING(kVTProfileLevel_H264_Main_3_1)                                                          \
    STRING(kVTProfileLevel_H264_Main_3_2)                                                          \
    STRING(kVTProfileLevel_H264_Main_4_0)                                                          \
    STRING(kVTProfileLevel_H264_Main_4_1)                                                          \
    STRING(kVTProfileLevel_H264_Main_4_2)                                                          \
    STRING(kVTProfileLevel_H264_Main_5_0)                                                          \
    STRING(kVTProfileLevel_H264_Main_5_1)                                                          \
    STRING(kVTProfileLevel_H264_Main_5_2)                                                          \
    STRING(kVTProfileLevel_H264_High_3_0)                                                          \
    STRING(kVTProfileLevel_H264_High_3_1)                                                          \
    STRING(kVTProfileLevel_H264_High_3_2)                                                          \
    STRING(kVTProfileLevel_H264_High_4_0)                                                          \
    STRING(kVTProfileLevel_H264_High_4_1)                                                          \
    STRING(kVTProfileLevel_H264_High_4_2)                                                          \
    STRING(kVTProfileLevel_H264_High_5_0)                                                          \
    STRING(kVTProfileLevel_H264_High_5_1)                                                          \
    STRING(kVTProfileLevel_H264_High_5_2)                                                          \
    STRING(kCMFormatDescriptionKey_PixelAspectRatioHorizontalSpacing)                              \
    STRING(kCMFormatDescriptionKey_PixelAspectRatioVerticalSpacing)                                \
    STRING(kVTH264EntropyMode_CAVLC)                                                               \
    STRING(kVTH264EntropyMode_CABAC)
#define APPLE_COREVIDEO_STRINGS(STRING)                                                            \
    STRING(kCVPixelBufferPixelFormatTypeKey)                                                       \
    STRING(kCVPixelBufferWidthKey)                                                                 \
    STRING(kCVPixelBufferHeightKey)                                                                \
    STRING(kCVPixelBufferIOSurfacePropertiesKey)                                                   \
    STRING(kCVPixelBufferMetalCompatibilityKey)                                                    \
    STRING(kCVPixelBufferPoolMinimumBufferCountKey)                                                \
    STRING(kCVPixelBufferPoolAllocationThresholdKey)                                               \
    STRING(kCVImageBufferColorPrimariesKey)                                                        \
    STRING(kCVImageBufferTransferFunctionKey)                                                      \
    STRING(kCVImageBufferYCbCrMatrixKey)                                                           \
    STRING(kCVImageBufferChromaLocationTopFieldKey)                                                \
    STRING(kCVImageBufferChromaLocation_Left)                                                      \
    STRING(kCVImageBufferChromaLocation_Center)                                                    \
    STRING(kCVImageBufferChromaLocation_TopLeft)                                                   \
    STRING(kCVImageBufferChromaLocation_Top)                                                       \
    STRING(kCVImageBufferChromaLocation_BottomLeft)                                                \
    STRING(kCVImageBufferChromaLocation_Bottom)                                                    \
    STRING(kCVImageBufferPixelAspectRatioKey)                                                      \
    STRING(kCVImageBufferPixelAspectRatioHorizontalSpacingKey)                                     \
    STRING(kCVImageBufferPixelAspectRatioVerticalSpacingKey)

#ifdef __cplusplus
extern "C" {
#endif

extern const CFAllocatorRef kCFAllocatorDefault;
extern const CFAllocatorRef kCFAllocatorNull;
extern const CFBooleanRef kCFBooleanTrue;
extern const CFBooleanRef kCFBooleanFalse;
extern const CFDictionaryKeyCallBacks kCFTypeDictionaryKeyCallBacks;
extern const CFDictionaryValueCallBacks kCFTypeDictionaryValueCallBacks;
extern const CFArrayCallBacks kCFTypeArrayCallBacks;
extern const CMTime kCMTimeInvalid;
#define APPLE_STRING(name) extern const CFStringRef name;
#define APPLE_COREVIDEO_STRING(name) extern CFStringRef name;
APPLE_STRINGS(APPLE_STRING)
APPLE_COREVIDEO_STRINGS(APPLE_COREVIDEO_STRING)
#undef APPLE_STRING
#undef APPLE_COREVIDEO_STRING

CFTypeRef CFRetain(CFTypeRef value);
void CFRelease(CFTypeRef value);
CFTypeID CFGetTypeID(CFTypeRef value);
Boolean CFEqual(CFTypeRef one, CFTypeRef other);
CFTypeID CFStringGetTypeID(void);
CFTypeID CFNumberGetTypeID(void);
CFTypeID CFBooleanGetTypeID(void);
CFTypeID CFDataGetTypeID(void);
CFTypeID CFArrayGetTypeID(void);
CFTypeID CFDictionaryGetTypeID(void);
CFStringRef CFStringCreateWithCString(CFAllocatorRef allocator, const char *text,
                                      CFStringEncoding encoding);
Boolean CFStringGetCString(CFStringRef string, char *buffer, CFIndex bytes,
                           CFStringEncoding encoding);
CFNumberRef CFNumberCreate(CFAllocatorRef allocator, CFNumberType type, const void *value);
Boolean CFNumberGetValue(CFNumberRef number, CFNumberType type, void *value);
Boolean CFBooleanGetValue(CFBooleanRef boolean);
CFDataRef CFDataCreate(CFAllocatorRef allocator, const uint8_t *bytes, CFIndex length);
const uint8_t *CFDataGetBytePtr(CFDataRef data);
CFIndex CFDataGetLength(CFDataRef data);
CFArrayRef CFArrayCreate(CFAllocatorRef allocator, const void **values, CFIndex count,
                         const CFArrayCallBacks *callbacks);
CFIndex CFArrayGetCount(CFArrayRef array);
const void *CFArrayGetValueAtIndex(CFArrayRef array, CFIndex index);
CFMutableDictionaryRef CFDictionaryCreateMutable(CFAllocatorRef allocator, CFIndex capacity,
                                                 const CFDictionaryKeyCallBacks *keys,
                                                 const CFDictionaryValueCallBacks *values);
void CFDictionarySetValue(CFMutableDictionaryRef dictionary, const void *key, const void *value);
const void *CFDictionaryGetValue(CFDictionaryRef dictionary, const void *key);
CFIndex CFDictionaryGetCount(CFDictionaryRef dictionary);

CMTime CMTimeMake(int64_t value, int32_t timescale);
CMTime CMTimeAdd(CMTime one, CMTime other);
CMTime CMTimeSubtract(CMTime one, CMTime other);
int32_t CMTimeCompare(CMTime one, CMTime other);
CMTime CMTimeConvertScale(CMTime time, int32_t timescale, CMTimeRoundingMethod method);
Float64 CMTimeGetSeconds(CMTime time);
OSStatus CMVideoFormatDescriptionCreate(CFAllocatorRef allocator, CMVideoCodecType codec,
                                        int32_t width, int32_t height, CFDictionaryRef extensions,
                                        CMVideoFormatDescriptionRef *description);
OSStatus CMVideoFormatDescriptionCreateFromH264ParameterSets(
    CFAllocatorRef allocator, size_t count, const uint8_t *const *sets, const size_t *sizes,
    int length_bytes, CMFormatDescriptionRef *description);
OSStatus CMVideoFormatDescriptionCreateFromHEVCParameterSets(
    CFAllocatorRef allocator, size_t count, const uint8_t *const *sets, const size_t *sizes,
    int length_bytes, CFDictionaryRef extensions, CMFormatDescriptionRef *description);
OSStatus CMVideoFormatDescriptionGetH264ParameterSetAtIndex(CMFormatDescriptionRef description,
                                                            size_t index, const uint8_t **set,
                                                            size_t *size, size_t *count,
                                                            int *length_bytes);
OSStatus CMVideoFormatDescriptionGetHEVCParameterSetAtIndex(CMFormatDescriptionRef description,
                                                            size_t index, const uint8_t **set,
                                                            size_t *size, size_t *count,
                                                            int *length_bytes);
CMVideoDimensions CMVideoFormatDescriptionGetDimensions(CMVideoFormatDescriptionRef description);
FourCharCode CMFormatDescriptionGetMediaSubType(CMFormatDescriptionRef description);
CFPropertyListRef CMFormatDescriptionGetExtension(CMFormatDescriptionRef description,
                                                  CFStringRef key);
OSStatus CMBlockBufferCreateWithMemoryBlock(CFAllocatorRef structures, void *memory, size_t bytes,
                                            CFAllocatorRef blocks,
                                            const CMBlockBufferCustomBlockSource *source,
                                            size_t offset, size_t length, CMBlockBufferFlags flags,
                                            CMBlockBufferRef *buffer);
size_t CMBlockBufferGetDataLength(CMBlockBufferRef buffer);
OSStatus CMBlockBufferCopyDataBytes(CMBlockBufferRef buffer, size_t offset, size_t length,
                                    void *target);
OSStatus CMBlockBufferReplaceDataBytes(const void *bytes, CMBlockBufferRef buffer, size_t offset,
                                       size_t length);
OSStatus CMSampleBufferCreateReady(CFAllocatorRef allocator, CMBlockBufferRef data,
                                   CMFormatDescriptionRef description, CMItemCount samples,
                                   CMItemCount timings, const CMSampleTimingInfo *timing,
                                   CMItemCount sizes, const size_t *size,
                                   CMSampleBufferRef *sample);
CMBlockBufferRef CMSampleBufferGetDataBuffer(CMSampleBufferRef sample);
CMFormatDescriptionRef CMSampleBufferGetFormatDescription(CMSampleBufferRef sample);
CFArrayRef CMSampleBufferGetSampleAttachmentsArray(CMSampleBufferRef sample, Boolean create);
CMTime CMSampleBufferGetPresentationTimeStamp(CMSampleBufferRef sample);
CMTime CMSampleBufferGetDecodeTimeStamp(CMSampleBufferRef sample);
CMTime CMSampleBufferGetDuration(CMSampleBufferRef sample);

CVReturn CVPixelBufferCreate(CFAllocatorRef allocator, size_t width, size_t height, OSType format,
                             CFDictionaryRef attributes, CVPixelBufferRef *buffer);
CVReturn CVPixelBufferPoolCreate(CFAllocatorRef allocator, CFDictionaryRef pool_attributes,
                                 CFDictionaryRef attributes, CVPixelBufferPoolRef *pool);
CVReturn CVPixelBufferPoolCreatePixelBufferWithAuxAttributes(CFAllocatorRef allocator,
                                                             CVPixelBufferPoolRef pool,
                                                             CFDictionaryRef attributes,
                                                             CVPixelBufferRef *buffer);
CVReturn CVPixelBufferLockBaseAddress(CVPixelBufferRef buffer, CVPixelBufferLockFlags flags);
CVReturn CVPixelBufferUnlockBaseAddress(CVPixelBufferRef buffer, CVPixelBufferLockFlags flags);
size_t CVPixelBufferGetWidth(CVPixelBufferRef buffer);
size_t CVPixelBufferGetHeight(CVPixelBufferRef buffer);
OSType CVPixelBufferGetPixelFormatType(CVPixelBufferRef buffer);
size_t CVPixelBufferGetPlaneCount(CVPixelBufferRef buffer);
size_t CVPixelBufferGetWidthOfPlane(CVPixelBufferRef buffer, size_t plane);
size_t CVPixelBufferGetHeightOfPlane(CVPixelBufferRef buffer, size_t plane);
void *CVPixelBufferGetBaseAddress(CVPixelBufferRef buffer);
size_t CVPixelBufferGetBytesPerRow(CVPixelBufferRef buffer);
void *CVPixelBufferGetBaseAddressOfPlane(CVPixelBufferRef buffer, size_t plane);
size_t CVPixelBufferGetBytesPerRowOfPlane(CVPixelBufferRef buffer, size_t plane);
IOSurfaceRef CVPixelBufferGetIOSurface(CVPixelBufferRef buffer);
CGRect CVImageBufferGetCleanRect(CVImageBufferRef buffer);
CFTypeRef CVBufferGetAttachment(CVBufferRef buffer, CFStringRef key, CVAttachmentMode *mode);
void CVBufferSetAttachment(CVBufferRef buffer, CFStringRef key, CFTypeRef value,
                           CVAttachmentMode mode);
int CVYCbCrMatrixGetIntegerCodePointForString(CFStringRef name);
int CVColorPrimariesGetIntegerCodePointForString(CFStringRef name);
int CVTransferFunctionGetIntegerCodePointForString(CFStringRef name);
CFStringRef CVYCbCrMatrixGetStringForIntegerCodePoint(int code_point);
CFStringRef CVColorPrimariesGetStringForIntegerCodePoint(int code_point);
CFStringRef CVTransferFunctionGetStringForIntegerCodePoint(int code_point);

OSStatus VTSessionCopySupportedPropertyDictionary(VTSessionRef session,
                                                  CFDictionaryRef *properties);
OSStatus VTSessionSetProperty(VTSessionRef session, CFStringRef key, CFTypeRef value);
OSStatus VTSessionCopyProperty(VTSessionRef session, CFStringRef key, CFAllocatorRef allocator,
                               void *value);
Boolean VTIsHardwareDecodeSupported(CMVideoCodecType codec);
void VTRegisterSupplementalVideoDecoderIfAvailable(CMVideoCodecType codec);
OSStatus VTDecompressionSessionCreate(CFAllocatorRef allocator,
                                      CMVideoFormatDescriptionRef description,
                                      CFDictionaryRef decoder, CFDictionaryRef image_attributes,
                                      const VTDecompressionOutputCallbackRecord *callback,
                                      VTDecompressionSessionRef *session);
void VTDecompressionSessionInvalidate(VTDecompressionSessionRef session);
OSStatus VTDecompressionSessionDecodeFrame(VTDecompressionSessionRef session,
                                           CMSampleBufferRef sample, VTDecodeFrameFlags flags,
                                           void *frameRefCon, VTDecodeInfoFlags *info);
OSStatus VTDecompressionSessionFinishDelayedFrames(VTDecompressionSessionRef session);
OSStatus VTDecompressionSessionWaitForAsynchronousFrames(VTDecompressionSessionRef session);
Boolean VTDecompressionSessionCanAcceptFormatDescription(VTDecompressionSessionRef session,
                                                         CMFormatDescriptionRef description);
OSStatus VTCopySupportedPropertyDictionaryForEncoder(int32_t width, int32_t height,
                                                     CMVideoCodecType codec,
                                                     CFDictionaryRef encoder,
                                                     CFStringRef *encoder_id,
                                                     CFDictionaryRef *properties);
OSStatus VTCompressionSessionCreate(CFAllocatorRef allocator, int32_t width, int32_t height,
                                    CMVideoCodecType codec, CFDictionaryRef encoder,
                                    CFDictionaryRef image_attributes, CFAllocatorRef data,
                                    VTCompressionOutputCallback callback, void *refCon,
                                    VTCompressionSessionRef *session);
void VTCompressionSessionInvalidate(VTCompressionSessionRef session);
CVPixelBufferPoolRef VTCompressionSessionGetPixelBufferPool(VTCompressionSessionRef session);
OSStatus VTCompressionSessionPrepareToEncodeFrames(VTCompressionSessionRef session);
OSStatus VTCompressionSessionEncodeFrame(VTCompressionSessionRef session, CVImageBufferRef image,
                                         CMTime presentationTimeStamp, CMTime duration,
                                         CFDictionaryRef options, void *frameRefCon,
                                         VTEncodeInfoFlags *info);
OSStatus VTCompressionSessionCompleteFrames(VTCompressionSessionRef session, CMTime until);

/* The Objective-C runtime */

typedef struct objc_object *id;
typedef struct objc_class *Class;
typedef struct objc_selector *SEL;
typedef void (*IMP)(void);

id objc_getClass(const char *name);
Class object_getClass(id object);
SEL sel_registerName(const char *name);
IMP class_getMethodImplementation(Class of, SEL name);

#ifdef __cplusplus
}
#endif

#endif /* own declarations */

/* Of the Objective-C runtime, in none of its public headers: threads that are not the system's
 * have no pool, and what frameworks give back later would never go. */
#ifdef __cplusplus
extern "C" {
#endif
void *objc_autoreleasePoolPush(void);
void objc_autoreleasePoolPop(void *pool);
id objc_retain(id object);
void objc_release(id object);

/* What blocks on the stack are of, in Apple's block ABI. */
extern void *_NSConcreteStackBlock[32];

/* Metal, and what of CoreVideo is declared for Objective-C only */

typedef struct __CVMetalTextureCache *CVMetalTextureCacheRef;
typedef CVImageBufferRef CVMetalTextureRef;

id MTLCreateSystemDefaultDevice(void);
CVReturn CVMetalTextureCacheCreate(CFAllocatorRef allocator, CFDictionaryRef attributes,
                                   id device, CFDictionaryRef texture_attributes,
                                   CVMetalTextureCacheRef *cache);
CVReturn CVMetalTextureCacheCreateTextureFromImage(
    CFAllocatorRef allocator, CVMetalTextureCacheRef cache, CVImageBufferRef image,
    CFDictionaryRef attributes, unsigned long format, size_t width, size_t height, size_t plane,
    CVMetalTextureRef *texture);
void CVMetalTextureCacheFlush(CVMetalTextureCacheRef cache, CVOptionFlags options);
id CVMetalTextureGetTexture(CVMetalTextureRef texture);
#ifdef __cplusplus
}
#endif

#ifndef VIDEOHW_HAVE_APPLE_STRUCTS
typedef struct {
    unsigned long width, height, depth;
} MTLSize;
#endif

enum {
    MTLResourceStorageModeShared = 0,
    MTLPixelFormatR8Unorm = 10,
    MTLPixelFormatR16Unorm = 20,
    MTLPixelFormatRG8Unorm = 30,
    MTLPixelFormatRG16Unorm = 60,
    MTLLanguageVersion2_3 = 131075,
    MTLCommandBufferStatusCompleted = 4
};

/* Strings that macOS 11.0 lacks, with the version that brings them: dlsym, never linked to. */
#define APPLE_NEWER_STRINGS(STRING)                                                                \
    STRING(1103, kVTVideoEncoderSpecification_EnableLowLatencyRateControl)                         \
    STRING(1300, kVTCompressionPropertyKey_ConstantBitRate)                                        \
    STRING(1200, kVTCompressionPropertyKey_MaxAllowedFrameQP)                                      \
    STRING(1300, kVTCompressionPropertyKey_MinAllowedFrameQP)                                      \
    STRING(1200, kVTProfileLevel_H264_ConstrainedBaseline_AutoLevel)                               \
    STRING(1200, kVTProfileLevel_H264_ConstrainedHigh_AutoLevel)                                   \
    STRING(1203, kVTProfileLevel_HEVC_Main42210_AutoLevel)

#endif
