/* What videohw calls of the CUDA driver API and of cuvid: types, constants, one list of symbols.
 *
 * Own declarations. Names, values and layouts are the driver's; the tests hold them against facts
 * taken from the vendor's headers, for Linux and Windows. Fields that are not used are words of
 * the reserved members, which are zero.
 */
#ifndef VIDEOHW_NVIDIA_H
#define VIDEOHW_NVIDIA_H

#include <stddef.h>
#include <stdint.h>

#include "dynlib.h"

#ifdef _WIN32
#define NVIDIA_CALL __stdcall
#define NVIDIA_CUDA_LIBRARY "nvcuda.dll"
#define NVIDIA_CUVID_LIBRARY "nvcuvid.dll"
#else
#define NVIDIA_CALL
#define NVIDIA_CUDA_LIBRARY "libcuda.so.1"
#define NVIDIA_CUVID_LIBRARY "libnvcuvid.so.1"
#endif

/* CUDA driver API. Handles that stand for a stream: 0 and 1 the default stream of the context, 2
 * that of the calling thread. */

typedef int CUresult;
typedef int CUdevice;
typedef unsigned long long CUdeviceptr;
typedef struct CUctx_st *CUcontext;
typedef struct CUstream_st *CUstream;
typedef struct CUevent_st *CUevent;
typedef struct CUmod_st *CUmodule;
typedef struct CUfunc_st *CUfunction;
typedef struct { char bytes[16]; } CUuuid;

enum {
    CUDA_SUCCESS = 0,
    CUDA_ERROR_INVALID_VALUE = 1,
    CUDA_ERROR_OUT_OF_MEMORY = 2,
    CUDA_ERROR_NOT_INITIALIZED = 3,
    CUDA_ERROR_DEINITIALIZED = 4,
    CUDA_ERROR_NO_DEVICE = 100,
    CUDA_ERROR_INVALID_DEVICE = 101,
    CUDA_ERROR_INVALID_CONTEXT = 201,
    CUDA_ERROR_NOT_FOUND = 500,
    CUDA_ERROR_NOT_READY = 600,
    CUDA_ERROR_CONTEXT_IS_DESTROYED = 709,
    CUDA_ERROR_NOT_SUPPORTED = 801
};
enum {
    CU_STREAM_NON_BLOCKING = 1,
    CU_EVENT_BLOCKING_SYNC = 1,
    CU_EVENT_DISABLE_TIMING = 2,
    CU_MEMHOSTALLOC_PORTABLE = 1,
    CU_MEMORYTYPE_HOST = 1,
    CU_MEMORYTYPE_DEVICE = 2,
    CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR = 75,
    CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR = 76,
    CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED = 115
};

typedef struct {
    size_t srcXInBytes, srcY;
    int srcMemoryType;
    const void *srcHost;
    CUdeviceptr srcDevice;
    void *srcArray;
    size_t srcPitch;
    size_t dstXInBytes, dstY;
    int dstMemoryType;
    void *dstHost;
    CUdeviceptr dstDevice;
    void *dstArray;
    size_t dstPitch;
    size_t WidthInBytes, Height;
} CUDA_MEMCPY2D;

/* cuvid. `unsigned long` is 4 bytes on Windows and 8 elsewhere, in the driver too. */

typedef void *CUvideodecoder;
typedef void *CUvideoparser;
typedef void *CUvideoctxlock;

enum {
    cudaVideoCodec_MPEG1 = 0,
    cudaVideoCodec_MPEG2 = 1,
    cudaVideoCodec_MPEG4 = 2,
    cudaVideoCodec_VC1 = 3,
    cudaVideoCodec_H264 = 4,
    cudaVideoCodec_JPEG = 5,
    cudaVideoCodec_HEVC = 8,
    cudaVideoCodec_VP8 = 9,
    cudaVideoCodec_VP9 = 10,
    cudaVideoCodec_AV1 = 11,
    cudaVideoChromaFormat_Monochrome = 0,
    cudaVideoChromaFormat_420 = 1,
    cudaVideoChromaFormat_422 = 2,
    cudaVideoChromaFormat_444 = 3,
    cudaVideoSurfaceFormat_NV12 = 0,
    cudaVideoSurfaceFormat_P016 = 1,
    cudaVideoSurfaceFormat_YUV444 = 2,
    cudaVideoSurfaceFormat_YUV444_16Bit = 3,
    cudaVideoSurfaceFormat_NV16 = 4,
    cudaVideoSurfaceFormat_P216 = 5,
    cudaVideoDeinterlaceMode_Weave = 0,
    cudaVideoCreate_PreferCUVID = 4,
    cuvidDecodeStatus_Invalid = 0,
    cuvidDecodeStatus_InProgress = 1,
    cuvidDecodeStatus_Success = 2,
    cuvidDecodeStatus_Error = 8,
    cuvidDecodeStatus_Error_Concealed = 9,
    CUVID_PKT_ENDOFSTREAM = 1,
    CUVID_PKT_TIMESTAMP = 2,
    CUVID_PKT_DISCONTINUITY = 4,
    CUVID_PKT_ENDOFPICTURE = 8,
    CUVID_PKT_NOTIFY_EOS = 16
};

typedef struct { int left, top, right, bottom; } CUVIDAREA;
typedef struct { short left, top, right, bottom; } CUVIDSHORTAREA;

typedef struct {
    int codec;
    struct { unsigned int numerator, denominator; } frame_rate;
    unsigned char progressive_sequence;
    unsigned char bit_depth_luma_minus8;
    unsigned char bit_depth_chroma_minus8;
    unsigned char min_num_decode_surfaces;
    unsigned int coded_width, coded_height;
    CUVIDAREA display_area;
    int chroma_format;
    unsigned int bitrate;
    struct { int x, y; } display_aspect_ratio;
    struct {
        unsigned char format_and_range; /* bits 0 to 2: video_format, bit 3: full range */
        unsigned char color_primaries;
        unsigned char transfer_characteristics;
        unsigned char matrix_coefficients;
    } video_signal_description;
    unsigned int seqhdr_data_length;
} CUVIDEOFORMAT;

typedef struct {
    int PicWidthInMbs, FrameHeightInMbs;
    int CurrPicIdx;
    int field_pic_flag, bottom_field_flag, second_field;
    unsigned int nBitstreamDataLen;
    const unsigned char *pBitstreamData;
    unsigned int nNumSlices;
    const unsigned int *pSliceDataOffsets;
    int ref_pic_flag, intra_pic_flag;
    unsigned int Reserved[30];
    unsigned char CodecSpecific[4096];
} CUVIDPICPARAMS;

/* CUVIDPICPARAMS.CodecSpecific of AV1, as far as film grain is concerned. */
typedef struct {
    unsigned int width, height, frame_offset;
    int decodePicIdx; /* what is referred to: without grain, which is put into CurrPicIdx */
    unsigned char headers[748];
    unsigned char grain_flags; /* bit 0: apply_grain */
    unsigned char headers_of_grain;
    unsigned char num_y_points;
    unsigned char grain[257];
} CUVIDAV1PICPARAMS;

typedef struct {
    int picture_index;
    int progressive_frame, top_field_first, repeat_first_field;
    long long timestamp;
} CUVIDPARSERDISPINFO;

typedef struct {
    int codec;
    struct {
        unsigned char operating_points_cnt;
        unsigned char reserved24_bits[3];
        unsigned short operating_points_idc[32];
    } av1;
    unsigned char reserved[956];
} CUVIDOPERATINGPOINTINFO;

typedef int(NVIDIA_CALL *PFNVIDSEQUENCECALLBACK)(void *, CUVIDEOFORMAT *);
typedef int(NVIDIA_CALL *PFNVIDDECODECALLBACK)(void *, CUVIDPICPARAMS *);
typedef int(NVIDIA_CALL *PFNVIDDISPLAYCALLBACK)(void *, CUVIDPARSERDISPINFO *);
typedef int(NVIDIA_CALL *PFNVIDOPPOINTCALLBACK)(void *, CUVIDOPERATINGPOINTINFO *);

typedef struct {
    int CodecType;
    unsigned int ulMaxNumDecodeSurfaces;
    unsigned int ulClockRate; /* of timestamps; 0: 10 MHz */
    unsigned int ulErrorThreshold;
    unsigned int ulMaxDisplayDelay;
    unsigned int flags; /* bit 0: AV1 in Annex B form, bit 1: fewer surfaces */
    unsigned int uReserved1[4];
    void *pUserData;
    PFNVIDSEQUENCECALLBACK pfnSequenceCallback;
    PFNVIDDECODECALLBACK pfnDecodePicture;
    PFNVIDDISPLAYCALLBACK pfnDisplayPicture;
    PFNVIDOPPOINTCALLBACK pfnGetOperatingPoint;
    void *pfnGetSEIMsg;
    void *pvReserved2[5];
    void *pExtVideoInfo;
} CUVIDPARSERPARAMS;

typedef struct {
    unsigned long flags;
    unsigned long payload_size;
    const unsigned char *payload;
    long long timestamp;
} CUVIDSOURCEDATAPACKET;

typedef struct {
    int eCodecType, eChromaFormat;
    unsigned int nBitDepthMinus8;
    unsigned int reserved1[3];
    unsigned char bIsSupported;
    unsigned char nNumNVDECs;
    unsigned short nOutputFormatMask;
    unsigned int nMaxWidth, nMaxHeight, nMaxMBCount;
    unsigned short nMinWidth, nMinHeight;
    unsigned int reserved3[11];
} CUVIDDECODECAPS;

typedef struct {
    unsigned long ulWidth, ulHeight;
    unsigned long ulNumDecodeSurfaces;
    int CodecType, ChromaFormat;
    unsigned long ulCreationFlags;
    unsigned long bitDepthMinus8;
    unsigned long ulIntraDecodeOnly;
    unsigned long ulMaxWidth, ulMaxHeight;
    unsigned long Reserved1;
    CUVIDSHORTAREA display_area;
    int OutputFormat, DeinterlaceMode;
    unsigned long ulTargetWidth, ulTargetHeight;
    unsigned long ulNumOutputSurfaces;
    CUvideoctxlock vidLock;
    CUVIDSHORTAREA target_rect;
    unsigned long enableHistogram;
    unsigned long Reserved2[4];
} CUVIDDECODECREATEINFO;

typedef struct {
    unsigned int ulWidth, ulHeight;
    unsigned int ulTargetWidth, ulTargetHeight;
    unsigned int ulNumDecodeSurfaces;
    unsigned int reserved1[12];
    CUVIDSHORTAREA display_area, target_rect;
    unsigned int reserved2[11];
} CUVIDRECONFIGUREDECODERINFO;

typedef struct {
    int progressive_frame, second_field, top_field_first, unpaired_field;
    unsigned int reserved_flags, reserved_zero;
    unsigned long long raw_input_dptr;
    unsigned int raw_input_pitch, raw_input_format;
    unsigned long long raw_output_dptr;
    unsigned int raw_output_pitch, Reserved1;
    CUstream output_stream;
    unsigned int Reserved[46];
    unsigned long long *histogram_dptr;
    void *Reserved2[1];
} CUVIDPROCPARAMS;

typedef struct {
    int decodeStatus;
    unsigned int reserved[31];
    void *pReserved[8];
} CUVIDGETDECODESTATUS;

/* The one list of symbols: CALL(since, name, symbol, parameters). `since` 0: a driver without it
 * cannot be used; else the version of CUDA whose drivers have it (cuDriverGetVersion: 12050 is
 * 12.5), and it is NULL with older ones. Every call returns a CUresult. */
#define NVIDIA_CUDA_CALLS(CALL)                                                                    \
    CALL(0, cuInit, "cuInit", (unsigned int flags))                                                \
    CALL(0, cuDriverGetVersion, "cuDriverGetVersion", (int *version))                              \
    CALL(0, cuGetErrorName, "cuGetErrorName", (CUresult code, const char **name))                  \
    CALL(0, cuDeviceGetCount, "cuDeviceGetCount", (int *count))                                    \
    CALL(0, cuDeviceGet, "cuDeviceGet", (CUdevice *device, int ordinal))                           \
    CALL(0, cuDeviceGetName, "cuDeviceGetName", (char *name, int bytes, CUdevice device))          \
    CALL(0, cuDeviceGetUuid, "cuDeviceGetUuid_v2", (CUuuid *uuid, CUdevice device))                \
    CALL(0, cuDeviceTotalMem, "cuDeviceTotalMem_v2", (size_t *bytes, CUdevice device))             \
    CALL(0, cuDeviceGetAttribute, "cuDeviceGetAttribute",                                          \
         (int *value, int attribute, CUdevice device))                                             \
    CALL(0, cuDevicePrimaryCtxRetain, "cuDevicePrimaryCtxRetain",                                  \
         (CUcontext *context, CUdevice device))                                                    \
    CALL(0, cuDevicePrimaryCtxRelease, "cuDevicePrimaryCtxRelease_v2", (CUdevice device))          \
    CALL(0, cuCtxPushCurrent, "cuCtxPushCurrent_v2", (CUcontext context))                          \
    CALL(0, cuCtxPopCurrent, "cuCtxPopCurrent_v2", (CUcontext *context))                           \
    CALL(0, cuCtxGetCurrent, "cuCtxGetCurrent", (CUcontext *context))                              \
    CALL(0, cuCtxGetDevice, "cuCtxGetDevice", (CUdevice *device))                                  \
    CALL(0, cuCtxSynchronize, "cuCtxSynchronize", (void))                                          \
    CALL(12000, cuCtxGetId, "cuCtxGetId", (CUcontext context, unsigned long long *id))             \
    CALL(12050, cuCtxRecordEvent, "cuCtxRecordEvent", (CUcontext context, CUevent event))          \
    CALL(0, cuStreamCreate, "cuStreamCreate", (CUstream *stream, unsigned int flags))              \
    CALL(0, cuStreamDestroy, "cuStreamDestroy_v2", (CUstream stream))                              \
    CALL(0, cuStreamSynchronize, "cuStreamSynchronize", (CUstream stream))                         \
    CALL(0, cuStreamGetCtx, "cuStreamGetCtx", (CUstream stream, CUcontext *context))               \
    CALL(0, cuStreamWaitEvent, "cuStreamWaitEvent",                                                \
         (CUstream stream, CUevent event, unsigned int flags))                                     \
    CALL(0, cuEventCreate, "cuEventCreate", (CUevent *event, unsigned int flags))                  \
    CALL(0, cuEventDestroy, "cuEventDestroy_v2", (CUevent event))                                  \
    CALL(0, cuEventRecord, "cuEventRecord", (CUevent event, CUstream stream))                      \
    CALL(0, cuEventQuery, "cuEventQuery", (CUevent event))                                         \
    CALL(0, cuEventSynchronize, "cuEventSynchronize", (CUevent event))                             \
    CALL(0, cuMemAlloc, "cuMemAlloc_v2", (CUdeviceptr *address, size_t bytes))                     \
    CALL(0, cuMemFree, "cuMemFree_v2", (CUdeviceptr address))                                      \
    CALL(0, cuMemHostAlloc, "cuMemHostAlloc",                                                      \
         (void **address, size_t bytes, unsigned int flags))                                       \
    CALL(0, cuMemFreeHost, "cuMemFreeHost", (void *address))                                       \
    CALL(0, cuMemcpy2DAsync, "cuMemcpy2DAsync_v2",                                                 \
         (const CUDA_MEMCPY2D *copy, CUstream stream))                                             \
    CALL(0, cuMemcpyDtoHAsync, "cuMemcpyDtoHAsync_v2",                                             \
         (void *target, CUdeviceptr source, size_t bytes, CUstream stream))                        \
    CALL(0, cuMemcpyHtoDAsync, "cuMemcpyHtoDAsync_v2",                                             \
         (CUdeviceptr target, const void *source, size_t bytes, CUstream stream))                  \
    CALL(0, cuModuleLoadData, "cuModuleLoadData", (CUmodule *module, const void *image))           \
    CALL(0, cuModuleUnload, "cuModuleUnload", (CUmodule module))                                   \
    CALL(0, cuModuleGetFunction, "cuModuleGetFunction",                                            \
         (CUfunction *function, CUmodule module, const char *name))                                \
    CALL(0, cuLaunchKernel, "cuLaunchKernel",                                                      \
         (CUfunction function, unsigned int grid_x, unsigned int grid_y, unsigned int grid_z,      \
          unsigned int block_x, unsigned int block_y, unsigned int block_z,                        \
          unsigned int shared_bytes, CUstream stream, void **arguments, void **extra))

#define NVIDIA_CUVID_CALLS(CALL)                                                                   \
    CALL(0, cuvidGetDecoderCaps, "cuvidGetDecoderCaps", (CUVIDDECODECAPS *caps))                   \
    CALL(0, cuvidCreateVideoParser, "cuvidCreateVideoParser",                                      \
         (CUvideoparser *parser, CUVIDPARSERPARAMS *parameters))                                   \
    CALL(0, cuvidParseVideoData, "cuvidParseVideoData",                                            \
         (CUvideoparser parser, CUVIDSOURCEDATAPACKET *packet))                                    \
    CALL(0, cuvidDestroyVideoParser, "cuvidDestroyVideoParser", (CUvideoparser parser))            \
    CALL(0, cuvidCreateDecoder, "cuvidCreateDecoder",                                              \
         (CUvideodecoder *decoder, CUVIDDECODECREATEINFO *info))                                   \
    CALL(0, cuvidDestroyDecoder, "cuvidDestroyDecoder", (CUvideodecoder decoder))                  \
    CALL(0, cuvidDecodePicture, "cuvidDecodePicture",                                              \
         (CUvideodecoder decoder, CUVIDPICPARAMS *picture))                                        \
    CALL(0, cuvidGetDecodeStatus, "cuvidGetDecodeStatus",                                          \
         (CUvideodecoder decoder, int index, CUVIDGETDECODESTATUS *status))                        \
    CALL(0, cuvidReconfigureDecoder, "cuvidReconfigureDecoder",                                    \
         (CUvideodecoder decoder, CUVIDRECONFIGUREDECODERINFO *info))                              \
    CALL(0, cuvidMapVideoFrame, "cuvidMapVideoFrame64",                                            \
         (CUvideodecoder decoder, int index, CUdeviceptr *address, unsigned int *pitch,            \
          CUVIDPROCPARAMS *processing))                                                            \
    CALL(0, cuvidUnmapVideoFrame, "cuvidUnmapVideoFrame64",                                        \
         (CUvideodecoder decoder, CUdeviceptr address))

#ifdef __cplusplus
#include "nvidia_call.hpp"
#define NVIDIA_POINTER(since, name, symbol, parameters)                                            \
    videohw::DriverCall<CUresult(NVIDIA_CALL *) parameters> name;
#else
#define NVIDIA_POINTER(since, name, symbol, parameters) CUresult(NVIDIA_CALL *name) parameters;
#endif

/* The calls of one library; `library` is NULL while it is not loaded. */
struct nvidia_cuda {
    void *library;
    NVIDIA_CUDA_CALLS(NVIDIA_POINTER)
};
struct nvidia_cuvid {
    void *library;
    NVIDIA_CUVID_CALLS(NVIDIA_POINTER)
};

#endif
