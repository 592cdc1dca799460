// nvEncodeAPI in the two versions that are spoken: what both share, and one namespace for each.
//
// Own declarations. Values are the driver's; the tests hold them against facts taken from the
// vendor's headers. A value that only the newer version has is marked with 1300 where code asks
// for it by name (capabilities, GUIDs), else it is for the caller to know.
#ifndef VIDEOHW_NVENC_VERSIONS_HPP
#define VIDEOHW_NVENC_VERSIONS_HPP

#include <cstddef>
#include <cstdint>

#ifdef _WIN32
#define NVENC_CALL __stdcall
#define NVENC_LIBRARY "nvEncodeAPI64.dll"
#else
#define NVENC_CALL
#define NVENC_LIBRARY "libnvidia-encode.so.1"
#endif

namespace nvenc {

typedef struct {
    uint32_t Data1;
    uint16_t Data2, Data3;
    uint8_t Data4[8];
} GUID;

typedef void *NV_ENC_INPUT_PTR, *NV_ENC_OUTPUT_PTR, *NV_ENC_REGISTERED_PTR;

constexpr uint32_t NVENC_INFINITE_GOPLENGTH = 0xffffffff;
constexpr uint32_t NV_MAX_SEQ_HDR_LEN = 512;

typedef uint32_t NV_ENC_PARAMS_FRAME_FIELD_MODE;
enum : NV_ENC_PARAMS_FRAME_FIELD_MODE {
    NV_ENC_PARAMS_FRAME_FIELD_MODE_FRAME = 1, NV_ENC_PARAMS_FRAME_FIELD_MODE_FIELD = 2,
    NV_ENC_PARAMS_FRAME_FIELD_MODE_MBAFF = 3
};
typedef uint32_t NV_ENC_PARAMS_RC_MODE;
enum : NV_ENC_PARAMS_RC_MODE {
    NV_ENC_PARAMS_RC_CONSTQP = 0, NV_ENC_PARAMS_RC_VBR = 1, NV_ENC_PARAMS_RC_CBR = 2
};
typedef uint32_t NV_ENC_MULTI_PASS;
enum : NV_ENC_MULTI_PASS {
    NV_ENC_MULTI_PASS_DISABLED = 0, NV_ENC_TWO_PASS_QUARTER_RESOLUTION = 1,
    NV_ENC_TWO_PASS_FULL_RESOLUTION = 2
};
typedef uint32_t NV_ENC_STATE_RESTORE_TYPE;
enum : NV_ENC_STATE_RESTORE_TYPE {
    NV_ENC_STATE_RESTORE_FULL = 1, NV_ENC_STATE_RESTORE_RATE_CONTROL = 2,
    NV_ENC_STATE_RESTORE_ENCODE = 3
};
typedef uint32_t NV_ENC_OUTPUT_STATS_LEVEL;
enum : NV_ENC_OUTPUT_STATS_LEVEL {
    NV_ENC_OUTPUT_STATS_NONE = 0, NV_ENC_OUTPUT_STATS_BLOCK_LEVEL = 1,
    NV_ENC_OUTPUT_STATS_ROW_LEVEL = 2
};
typedef uint32_t NV_ENC_EMPHASIS_MAP_LEVEL;
enum : NV_ENC_EMPHASIS_MAP_LEVEL {
    NV_ENC_EMPHASIS_MAP_LEVEL_0 = 0, NV_ENC_EMPHASIS_MAP_LEVEL_1 = 1,
    NV_ENC_EMPHASIS_MAP_LEVEL_2 = 2, NV_ENC_EMPHASIS_MAP_LEVEL_3 = 3,
    NV_ENC_EMPHASIS_MAP_LEVEL_4 = 4, NV_ENC_EMPHASIS_MAP_LEVEL_5 = 5
};
typedef uint32_t NV_ENC_QP_MAP_MODE;
enum : NV_ENC_QP_MAP_MODE {
    NV_ENC_QP_MAP_DISABLED = 0, NV_ENC_QP_MAP_EMPHASIS = 1, NV_ENC_QP_MAP_DELTA = 2,
    NV_ENC_QP_MAP = 3
};
typedef uint32_t NV_ENC_PIC_STRUCT;
enum : NV_ENC_PIC_STRUCT {
    NV_ENC_PIC_STRUCT_FRAME = 1, NV_ENC_PIC_STRUCT_FIELD_TOP_BOTTOM = 2,
    NV_ENC_PIC_STRUCT_FIELD_BOTTOM_TOP = 3
};
typedef uint32_t NV_ENC_DISPLAY_PIC_STRUCT;
enum : NV_ENC_DISPLAY_PIC_STRUCT {
    NV_ENC_PIC_STRUCT_DISPLAY_FRAME = 0, NV_ENC_PIC_STRUCT_DISPLAY_FIELD_TOP_BOTTOM = 1,
    NV_ENC_PIC_STRUCT_DISPLAY_FIELD_BOTTOM_TOP = 2, NV_ENC_PIC_STRUCT_DISPLAY_FRAME_DOUBLING = 3,
    NV_ENC_PIC_STRUCT_DISPLAY_FRAME_TRIPLING = 4
};
typedef uint32_t NV_ENC_PIC_TYPE;
enum : NV_ENC_PIC_TYPE {
    NV_ENC_PIC_TYPE_P = 0, NV_ENC_PIC_TYPE_B = 1, NV_ENC_PIC_TYPE_I = 2, NV_ENC_PIC_TYPE_IDR = 3,
    NV_ENC_PIC_TYPE_BI = 4, NV_ENC_PIC_TYPE_SKIPPED = 5, NV_ENC_PIC_TYPE_INTRA_REFRESH = 6,
    NV_ENC_PIC_TYPE_NONREF_P = 7, NV_ENC_PIC_TYPE_SWITCH = 8, NV_ENC_PIC_TYPE_UNKNOWN = 255
};
typedef uint32_t NV_ENC_MV_PRECISION;
enum : NV_ENC_MV_PRECISION {
    NV_ENC_MV_PRECISION_DEFAULT = 0, NV_ENC_MV_PRECISION_FULL_PEL = 1,
    NV_ENC_MV_PRECISION_HALF_PEL = 2, NV_ENC_MV_PRECISION_QUARTER_PEL = 3
};
typedef uint32_t NV_ENC_BUFFER_FORMAT;
enum : NV_ENC_BUFFER_FORMAT {
    NV_ENC_BUFFER_FORMAT_UNDEFINED = 0, NV_ENC_BUFFER_FORMAT_NV12 = 1,
    NV_ENC_BUFFER_FORMAT_YV12 = 16, NV_ENC_BUFFER_FORMAT_IYUV = 256,
    NV_ENC_BUFFER_FORMAT_YUV444 = 0x1000, NV_ENC_BUFFER_FORMAT_YUV420_10BIT = 0x10000,
    NV_ENC_BUFFER_FORMAT_YUV444_10BIT = 0x100000, NV_ENC_BUFFER_FORMAT_ARGB = 0x1000000,
    NV_ENC_BUFFER_FORMAT_ARGB10 = 0x2000000, NV_ENC_BUFFER_FORMAT_AYUV = 0x4000000,
    NV_ENC_BUFFER_FORMAT_ABGR = 0x10000000, NV_ENC_BUFFER_FORMAT_ABGR10 = 0x20000000,
    NV_ENC_BUFFER_FORMAT_U8 = 0x40000000, NV_ENC_BUFFER_FORMAT_NV16 = 0x40000001,
    NV_ENC_BUFFER_FORMAT_P210 = 0x40000002
};
typedef uint32_t NV_ENC_LEVEL;
enum : NV_ENC_LEVEL {
    NV_ENC_LEVEL_AUTOSELECT = 0, NV_ENC_LEVEL_H264_1 = 10, NV_ENC_LEVEL_H264_1b = 9,
    NV_ENC_LEVEL_H264_11 = 11, NV_ENC_LEVEL_H264_12 = 12, NV_ENC_LEVEL_H264_13 = 13,
    NV_ENC_LEVEL_H264_2 = 20, NV_ENC_LEVEL_H264_21 = 21, NV_ENC_LEVEL_H264_22 = 22,
    NV_ENC_LEVEL_H264_3 = 30, NV_ENC_LEVEL_H264_31 = 31, NV_ENC_LEVEL_H264_32 = 32,
    NV_ENC_LEVEL_H264_4 = 40, NV_ENC_LEVEL_H264_41 = 41, NV_ENC_LEVEL_H264_42 = 42,
    NV_ENC_LEVEL_H264_5 = 50, NV_ENC_LEVEL_H264_51 = 51, NV_ENC_LEVEL_H264_52 = 52,
    NV_ENC_LEVEL_H264_60 = 60, NV_ENC_LEVEL_H264_61 = 61, NV_ENC_LEVEL_H264_62 = 62,
    NV_ENC_LEVEL_HEVC_1 = 30, NV_ENC_LEVEL_HEVC_2 = 60, NV_ENC_LEVEL_HEVC_21 = 63,
    NV_ENC_LEVEL_HEVC_3 = 90, NV_ENC_LEVEL_HEVC_31 = 93, NV_ENC_LEVEL_HEVC_4 = 120,
    NV_ENC_LEVEL_HEVC_41 = 123, NV_ENC_LEVEL_HEVC_5 = 150, NV_ENC_LEVEL_HEVC_51 = 153,
    NV_ENC_LEVEL_HEVC_52 = 156, NV_ENC_LEVEL_HEVC_6 = 180, NV_ENC_LEVEL_HEVC_61 = 183,
    NV_ENC_LEVEL_HEVC_62 = 186, NV_ENC_TIER_HEVC_MAIN = 0, NV_ENC_TIER_HEVC_HIGH = 1,
    NV_ENC_LEVEL_AV1_2 = 0, NV_ENC_LEVEL_AV1_21 = 1, NV_ENC_LEVEL_AV1_22 = 2,
    NV_ENC_LEVEL_AV1_23 = 3, NV_ENC_LEVEL_AV1_3 = 4, NV_ENC_LEVEL_AV1_31 = 5,
    NV_ENC_LEVEL_AV1_32 = 6, NV_ENC_LEVEL_AV1_33 = 7, NV_ENC_LEVEL_AV1_4 = 8,
    NV_ENC_LEVEL_AV1_41 = 9, NV_ENC_LEVEL_AV1_42 = 10, NV_ENC_LEVEL_AV1_43 = 11,
    NV_ENC_LEVEL_AV1_5 = 12, NV_ENC_LEVEL_AV1_51 = 13, NV_ENC_LEVEL_AV1_52 = 14,
    NV_ENC_LEVEL_AV1_53 = 15, NV_ENC_LEVEL_AV1_6 = 16, NV_ENC_LEVEL_AV1_61 = 17,
    NV_ENC_LEVEL_AV1_62 = 18, NV_ENC_LEVEL_AV1_63 = 19, NV_ENC_LEVEL_AV1_7 = 20,
    NV_ENC_LEVEL_AV1_71 = 21, NV_ENC_LEVEL_AV1_72 = 22, NV_ENC_LEVEL_AV1_73 = 23,
    NV_ENC_LEVEL_AV1_AUTOSELECT = 24, NV_ENC_TIER_AV1_0 = 0, NV_ENC_TIER_AV1_1 = 1
};
typedef uint32_t NVENCSTATUS;
enum : NVENCSTATUS {
    NV_ENC_SUCCESS = 0, NV_ENC_ERR_NO_ENCODE_DEVICE = 1, NV_ENC_ERR_UNSUPPORTED_DEVICE = 2,
    NV_ENC_ERR_INVALID_ENCODERDEVICE = 3, NV_ENC_ERR_INVALID_DEVICE = 4,
    NV_ENC_ERR_DEVICE_NOT_EXIST = 5, NV_ENC_ERR_INVALID_PTR = 6, NV_ENC_ERR_INVALID_EVENT = 7,
    NV_ENC_ERR_INVALID_PARAM = 8, NV_ENC_ERR_INVALID_CALL = 9, NV_ENC_ERR_OUT_OF_MEMORY = 10,
    NV_ENC_ERR_ENCODER_NOT_INITIALIZED = 11, NV_ENC_ERR_UNSUPPORTED_PARAM = 12,
    NV_ENC_ERR_LOCK_BUSY = 13, NV_ENC_ERR_NOT_ENOUGH_BUFFER = 14,
    NV_ENC_ERR_INVALID_VERSION = 15, NV_ENC_ERR_MAP_FAILED = 16, NV_ENC_ERR_NEED_MORE_INPUT = 17,
    NV_ENC_ERR_ENCODER_BUSY = 18, NV_ENC_ERR_EVENT_NOT_REGISTERD = 19, NV_ENC_ERR_GENERIC = 20,
    NV_ENC_ERR_INCOMPATIBLE_CLIENT_KEY = 21, NV_ENC_ERR_UNIMPLEMENTED = 22,
    NV_ENC_ERR_RESOURCE_REGISTER_FAILED = 23, NV_ENC_ERR_RESOURCE_NOT_REGISTERED = 24,
    NV_ENC_ERR_RESOURCE_NOT_MAPPED = 25, NV_ENC_ERR_NEED_MORE_OUTPUT = 26
};
typedef uint32_t NV_ENC_PIC_FLAGS;
enum : NV_ENC_PIC_FLAGS {
    NV_ENC_PIC_FLAG_FORCEINTRA = 1, NV_ENC_PIC_FLAG_FORCEIDR = 2,
    NV_ENC_PIC_FLAG_OUTPUT_SPSPPS = 4, NV_ENC_PIC_FLAG_EOS = 8,
    NV_ENC_PIC_FLAG_DISABLE_ENC_STATE_ADVANCE = 16, NV_ENC_PIC_FLAG_OUTPUT_RECON_FRAME = 32
};
typedef uint32_t NV_ENC_MEMORY_HEAP;
enum : NV_ENC_MEMORY_HEAP {
    NV_ENC_MEMORY_HEAP_AUTOSELECT = 0, NV_ENC_MEMORY_HEAP_VID = 1,
    NV_ENC_MEMORY_HEAP_SYSMEM_CACHED = 2, NV_ENC_MEMORY_HEAP_SYSMEM_UNCACHED = 3
};
typedef uint32_t NV_ENC_BFRAME_REF_MODE;
enum : NV_ENC_BFRAME_REF_MODE {
    NV_ENC_BFRAME_REF_MODE_DISABLED = 0, NV_ENC_BFRAME_REF_MODE_EACH = 1,
    NV_ENC_BFRAME_REF_MODE_MIDDLE = 2
};
typedef uint32_t NV_ENC_H264_ENTROPY_CODING_MODE;
enum : NV_ENC_H264_ENTROPY_CODING_MODE {
    NV_ENC_H264_ENTROPY_CODING_MODE_AUTOSELECT = 0, NV_ENC_H264_ENTROPY_CODING_MODE_CABAC = 1,
    NV_ENC_H264_ENTROPY_CODING_MODE_CAVLC = 2
};
typedef uint32_t NV_ENC_H264_BDIRECT_MODE;
enum : NV_ENC_H264_BDIRECT_MODE {
    NV_ENC_H264_BDIRECT_MODE_AUTOSELECT = 0, NV_ENC_H264_BDIRECT_MODE_DISABLE = 1,
    NV_ENC_H264_BDIRECT_MODE_TEMPORAL = 2, NV_ENC_H264_BDIRECT_MODE_SPATIAL = 3
};
typedef uint32_t NV_ENC_H264_FMO_MODE;
enum : NV_ENC_H264_FMO_MODE {
    NV_ENC_H264_FMO_AUTOSELECT = 0, NV_ENC_H264_FMO_ENABLE = 1, NV_ENC_H264_FMO_DISABLE = 2
};
typedef uint32_t NV_ENC_H264_ADAPTIVE_TRANSFORM_MODE;
enum : NV_ENC_H264_ADAPTIVE_TRANSFORM_MODE {
    NV_ENC_H264_ADAPTIVE_TRANSFORM_AUTOSELECT = 0, NV_ENC_H264_ADAPTIVE_TRANSFORM_DISABLE = 1,
    NV_ENC_H264_ADAPTIVE_TRANSFORM_ENABLE = 2
};
typedef uint32_t NV_ENC_STEREO_PACKING_MODE;
enum : NV_ENC_STEREO_PACKING_MODE {
    NV_ENC_STEREO_PACKING_MODE_NONE = 0, NV_ENC_STEREO_PACKING_MODE_CHECKERBOARD = 1,
    NV_ENC_STEREO_PACKING_MODE_COLINTERLEAVE = 2, NV_ENC_STEREO_PACKING_MODE_ROWINTERLEAVE = 3,
    NV_ENC_STEREO_PACKING_MODE_SIDEBYSIDE = 4, NV_ENC_STEREO_PACKING_MODE_TOPBOTTOM = 5,
    NV_ENC_STEREO_PACKING_MODE_FRAMESEQ = 6
};
typedef uint32_t NV_ENC_INPUT_RESOURCE_TYPE;
enum : NV_ENC_INPUT_RESOURCE_TYPE {
    NV_ENC_INPUT_RESOURCE_TYPE_DIRECTX = 0, NV_ENC_INPUT_RESOURCE_TYPE_CUDADEVICEPTR = 1,
    NV_ENC_INPUT_RESOURCE_TYPE_CUDAARRAY = 2, NV_ENC_INPUT_RESOURCE_TYPE_OPENGL_TEX = 3
};
typedef uint32_t NV_ENC_BUFFER_USAGE;
enum : NV_ENC_BUFFER_USAGE {
    NV_ENC_INPUT_IMAGE = 0, NV_ENC_OUTPUT_MOTION_VECTOR = 1, NV_ENC_OUTPUT_BITSTREAM = 2,
    NV_ENC_OUTPUT_RECON = 4
};
typedef uint32_t NV_ENC_DEVICE_TYPE;
enum : NV_ENC_DEVICE_TYPE {
    NV_ENC_DEVICE_TYPE_DIRECTX = 0, NV_ENC_DEVICE_TYPE_CUDA = 1, NV_ENC_DEVICE_TYPE_OPENGL = 2
};
typedef uint32_t NV_ENC_NUM_REF_FRAMES;
enum : NV_ENC_NUM_REF_FRAMES {
    NV_ENC_NUM_REF_FRAMES_AUTOSELECT = 0, NV_ENC_NUM_REF_FRAMES_1 = 1,
    NV_ENC_NUM_REF_FRAMES_2 = 2, NV_ENC_NUM_REF_FRAMES_3 = 3, NV_ENC_NUM_REF_FRAMES_4 = 4,
    NV_ENC_NUM_REF_FRAMES_5 = 5, NV_ENC_NUM_REF_FRAMES_6 = 6, NV_ENC_NUM_REF_FRAMES_7 = 7
};
typedef uint32_t NV_ENC_TEMPORAL_FILTER_LEVEL;
enum : NV_ENC_TEMPORAL_FILTER_LEVEL {
    NV_ENC_TEMPORAL_FILTER_LEVEL_0 = 0, NV_ENC_TEMPORAL_FILTER_LEVEL_4 = 4
};

/* CAP(since, name, value): what can be asked of an encoder. */
#define NVENC_CAPS(CAP)                                                                            \
    CAP(1201, NUM_MAX_BFRAMES, 0)                                                                  \
    CAP(1201, SUPPORTED_RATECONTROL_MODES, 1)                                                      \
    CAP(1201, SUPPORT_FIELD_ENCODING, 2)                                                           \
    CAP(1201, SUPPORT_MONOCHROME, 3)                                                               \
    CAP(1201, SUPPORT_FMO, 4)                                                                      \
    CAP(1201, SUPPORT_QPELMV, 5)                                                                   \
    CAP(1201, SUPPORT_BDIRECT_MODE, 6)                                                             \
    CAP(1201, SUPPORT_CABAC, 7)                                                                    \
    CAP(1201, SUPPORT_ADAPTIVE_TRANSFORM, 8)                                                       \
    CAP(1201, SUPPORT_STEREO_MVC, 9)                                                               \
    CAP(1201, NUM_MAX_TEMPORAL_LAYERS, 10)                                                         \
    CAP(1201, SUPPORT_HIERARCHICAL_PFRAMES, 11)                                                    \
    CAP(1201, SUPPORT_HIERARCHICAL_BFRAMES, 12)                                                    \
    CAP(1201, LEVEL_MAX, 13)                                                                       \
    CAP(1201, LEVEL_MIN, 14)                                                                       \
    CAP(1201, SEPARATE_COLOUR_PLANE, 15)                                                           \
    CAP(1201, WIDTH_MAX, 16)                                                                       \
    CAP(1201, HEIGHT_MAX, 17)                                                                      \
    CAP(1201, SUPPORT_TEMPORAL_SVC, 18)                                                            \
    CAP(1201, SUPPORT_DYN_RES_CHANGE, 19)                                                          \
    CAP(1201, SUPPORT_DYN_BITRATE_CHANGE, 20)                                                      \
    CAP(1201, SUPPORT_DYN_FORCE_CONSTQP, 21)                                                       \
    CAP(1201, SUPPORT_DYN_RCMODE_CHANGE, 22)                                                       \
    CAP(1201, SUPPORT_SUBFRAME_READBACK, 23)                                                       \
    CAP(1201, SUPPORT_CONSTRAINED_ENCODING, 24)                                                    \
    CAP(1201, SUPPORT_INTRA_REFRESH, 25)                                                           \
    CAP(1201, SUPPORT_CUSTOM_VBV_BUF_SIZE, 26)                                                     \
    CAP(1201, SUPPORT_DYNAMIC_SLICE_MODE, 27)                                                      \
    CAP(1201, SUPPORT_REF_PIC_INVALIDATION, 28)                                                    \
    CAP(1201, PREPROC_SUPPORT, 29)                                                                 \
    CAP(1201, ASYNC_ENCODE_SUPPORT, 30)                                                            \
    CAP(1201, MB_NUM_MAX, 31)                                                                      \
    CAP(1201, MB_PER_SEC_MAX, 32)                                                                  \
    CAP(1201, SUPPORT_YUV444_ENCODE, 33)                                                           \
    CAP(1201, SUPPORT_LOSSLESS_ENCODE, 34)                                                         \
    CAP(1201, SUPPORT_SAO, 35)                                                                     \
    CAP(1201, SUPPORT_MEONLY_MODE, 36)                                                             \
    CAP(1201, SUPPORT_LOOKAHEAD, 37)                                                               \
    CAP(1201, SUPPORT_TEMPORAL_AQ, 38)                                                             \
    CAP(1201, SUPPORT_10BIT_ENCODE, 39)                                                            \
    CAP(1201, NUM_MAX_LTR_FRAMES, 40)                                                              \
    CAP(1201, SUPPORT_WEIGHTED_PREDICTION, 41)                                                     \
    CAP(1201, DYNAMIC_QUERY_ENCODER_CAPACITY, 42)                                                  \
    CAP(1201, SUPPORT_BFRAME_REF_MODE, 43)                                                         \
    CAP(1201, SUPPORT_EMPHASIS_LEVEL_MAP, 44)                                                      \
    CAP(1201, WIDTH_MIN, 45)                                                                       \
    CAP(1201, HEIGHT_MIN, 46)                                                                      \
    CAP(1201, SUPPORT_MULTIPLE_REF_FRAMES, 47)                                                     \
    CAP(1201, SUPPORT_ALPHA_LAYER_ENCODING, 48)                                                    \
    CAP(1201, NUM_ENCODER_ENGINES, 49)                                                             \
    CAP(1201, SINGLE_SLICE_INTRA_REFRESH, 50)                                                      \
    CAP(1201, DISABLE_ENC_STATE_ADVANCE, 51)                                                       \
    CAP(1201, OUTPUT_RECON_SURFACE, 52)                                                            \
    CAP(1201, OUTPUT_BLOCK_STATS, 53)                                                              \
    CAP(1201, OUTPUT_ROW_STATS, 54)                                                                \
    CAP(1300, SUPPORT_TEMPORAL_FILTER, 55)                                                         \
    CAP(1300, SUPPORT_LOOKAHEAD_LEVEL, 56)                                                         \
    CAP(1300, SUPPORT_UNIDIRECTIONAL_B, 57)                                                        \
    CAP(1300, SUPPORT_MVHEVC_ENCODE, 58)                                                           \
    CAP(1300, SUPPORT_YUV422_ENCODE, 59)
#define NVENC_CAP_VALUE(since, name, value) NV_ENC_CAPS_##name = value,
typedef uint32_t NV_ENC_CAPS;
enum : NV_ENC_CAPS { NVENC_CAPS(NVENC_CAP_VALUE) };
#undef NVENC_CAP_VALUE

typedef uint32_t NV_ENC_HEVC_CUSIZE;
enum : NV_ENC_HEVC_CUSIZE {
    NV_ENC_HEVC_CUSIZE_AUTOSELECT = 0, NV_ENC_HEVC_CUSIZE_8x8 = 1, NV_ENC_HEVC_CUSIZE_16x16 = 2,
    NV_ENC_HEVC_CUSIZE_32x32 = 3, NV_ENC_HEVC_CUSIZE_64x64 = 4
};
typedef uint32_t NV_ENC_AV1_PART_SIZE;
enum : NV_ENC_AV1_PART_SIZE {
    NV_ENC_AV1_PART_SIZE_AUTOSELECT = 0, NV_ENC_AV1_PART_SIZE_4x4 = 1,
    NV_ENC_AV1_PART_SIZE_8x8 = 2, NV_ENC_AV1_PART_SIZE_16x16 = 3, NV_ENC_AV1_PART_SIZE_32x32 = 4,
    NV_ENC_AV1_PART_SIZE_64x64 = 5
};
typedef uint32_t NV_ENC_LOOKAHEAD_LEVEL;
enum : NV_ENC_LOOKAHEAD_LEVEL {
    NV_ENC_LOOKAHEAD_LEVEL_0 = 0, NV_ENC_LOOKAHEAD_LEVEL_1 = 1, NV_ENC_LOOKAHEAD_LEVEL_2 = 2,
    NV_ENC_LOOKAHEAD_LEVEL_3 = 3, NV_ENC_LOOKAHEAD_LEVEL_AUTOSELECT = 15
};
typedef uint32_t NV_ENC_BIT_DEPTH;
enum : NV_ENC_BIT_DEPTH {
    NV_ENC_BIT_DEPTH_INVALID = 0, NV_ENC_BIT_DEPTH_8 = 8, NV_ENC_BIT_DEPTH_10 = 10
};
typedef uint32_t NV_ENC_TUNING_INFO;
enum : NV_ENC_TUNING_INFO {
    NV_ENC_TUNING_INFO_UNDEFINED = 0, NV_ENC_TUNING_INFO_HIGH_QUALITY = 1,
    NV_ENC_TUNING_INFO_LOW_LATENCY = 2, NV_ENC_TUNING_INFO_ULTRA_LOW_LATENCY = 3,
    NV_ENC_TUNING_INFO_LOSSLESS = 4, NV_ENC_TUNING_INFO_ULTRA_HIGH_QUALITY = 5
};
typedef uint32_t NV_ENC_SPLIT_ENCODE_MODE;
enum : NV_ENC_SPLIT_ENCODE_MODE {
    NV_ENC_SPLIT_AUTO_MODE = 0, NV_ENC_SPLIT_AUTO_FORCED_MODE = 1,
    NV_ENC_SPLIT_TWO_FORCED_MODE = 2, NV_ENC_SPLIT_THREE_FORCED_MODE = 3,
    NV_ENC_SPLIT_FOUR_FORCED_MODE = 4, NV_ENC_SPLIT_DISABLE_MODE = 15
};
typedef uint32_t NV_ENC_VUI_VIDEO_FORMAT, NV_ENC_VUI_COLOR_PRIMARIES;
typedef uint32_t NV_ENC_VUI_TRANSFER_CHARACTERISTIC, NV_ENC_VUI_MATRIX_COEFFS;

/* CONSTANT(since, name, four parts as in the text form). */
#define NVENC_GUIDS(CONSTANT)                                                                      \
    CONSTANT(1201, NV_ENC_CODEC_H264_GUID, 0x6bc82762, 0x4e63, 0x4ca4,                             \
             0xaa, 0x85, 0x1e, 0x50, 0xf3, 0x21, 0xf6, 0xbf)                                       \
    CONSTANT(1201, NV_ENC_CODEC_HEVC_GUID, 0x790cdc88, 0x4522, 0x4d7b,                             \
             0x94, 0x25, 0xbd, 0xa9, 0x97, 0x5f, 0x76, 0x03)                                       \
    CONSTANT(1201, NV_ENC_CODEC_AV1_GUID, 0x0a352289, 0x0aa7, 0x4759,                              \
             0x86, 0x2d, 0x5d, 0x15, 0xcd, 0x16, 0xd2, 0x54)                                       \
    CONSTANT(1201, NV_ENC_CODEC_PROFILE_AUTOSELECT_GUID, 0xbfd6f8e7, 0x233c, 0x4341,               \
             0x8b, 0x3e, 0x48, 0x18, 0x52, 0x38, 0x03, 0xf4)                                       \
    CONSTANT(1201, NV_ENC_H264_PROFILE_BASELINE_GUID, 0x0727bcaa, 0x78c4, 0x4c83,                  \
             0x8c, 0x2f, 0xef, 0x3d, 0xff, 0x26, 0x7c, 0x6a)                                       \
    CONSTANT(1201, NV_ENC_H264_PROFILE_MAIN_GUID, 0x60b5c1d4, 0x67fe, 0x4790,                      \
             0x94, 0xd5, 0xc4, 0x72, 0x6d, 0x7b, 0x6e, 0x6d)                                       \
    CONSTANT(1201, NV_ENC_H264_PROFILE_HIGH_GUID, 0xe7cbc309, 0x4f7a, 0x4b89,                      \
             0xaf, 0x2a, 0xd5, 0x37, 0xc9, 0x2b, 0xe3, 0x10)                                       \
    CONSTANT(1300, NV_ENC_H264_PROFILE_HIGH_10_GUID, 0x8f0c337e, 0x186c, 0x48e9,                   \
             0xa6, 0x9d, 0x7a, 0x83, 0x34, 0x08, 0x97, 0x58)                                       \
    CONSTANT(1300, NV_ENC_H264_PROFILE_HIGH_422_GUID, 0xff3242e9, 0x613c, 0x4295,                  \
             0xa1, 0xe8, 0x2a, 0x7f, 0xe9, 0x4d, 0x81, 0x33)                                       \
    CONSTANT(1201, NV_ENC_H264_PROFILE_HIGH_444_GUID, 0x7ac663cb, 0xa598, 0x4960,                  \
             0xb8, 0x44, 0x33, 0x9b, 0x26, 0x1a, 0x7d, 0x52)                                       \
    CONSTANT(1201, NV_ENC_H264_PROFILE_STEREO_GUID, 0x40847bf5, 0x33f7, 0x4601,                    \
             0x90, 0x84, 0xe8, 0xfe, 0x3c, 0x1d, 0xb8, 0xb7)                                       \
    CONSTANT(1201, NV_ENC_H264_PROFILE_PROGRESSIVE_HIGH_GUID, 0xb405afac, 0xf32b, 0x417b,          \
             0x89, 0xc4, 0x9a, 0xbe, 0xed, 0x3e, 0x59, 0x78)                                       \
    CONSTANT(1201, NV_ENC_H264_PROFILE_CONSTRAINED_HIGH_GUID, 0xaec1bd87, 0xe85b, 0x48f2,          \
             0x84, 0xc3, 0x98, 0xbc, 0xa6, 0x28, 0x50, 0x72)                                       \
    CONSTANT(1201, NV_ENC_HEVC_PROFILE_MAIN_GUID, 0xb514c39a, 0xb55b, 0x40fa,                      \
             0x87, 0x8f, 0xf1, 0x25, 0x3b, 0x4d, 0xfd, 0xec)                                       \
    CONSTANT(1201, NV_ENC_HEVC_PROFILE_MAIN10_GUID, 0xfa4d2b6c, 0x3a5b, 0x411a,                    \
             0x80, 0x18, 0x0a, 0x3f, 0x5e, 0x3c, 0x9b, 0xe5)                                       \
    CONSTANT(1201, NV_ENC_HEVC_PROFILE_FREXT_GUID, 0x51ec32b5, 0x1b4c, 0x453c,                     \
             0x9c, 0xbd, 0xb6, 0x16, 0xbd, 0x62, 0x13, 0x41)                                       \
    CONSTANT(1201, NV_ENC_AV1_PROFILE_MAIN_GUID, 0x5f2a39f5, 0xf14e, 0x4f95,                       \
             0x9a, 0x9e, 0xb7, 0x6d, 0x56, 0x8f, 0xcf, 0x97)                                       \
    CONSTANT(1201, NV_ENC_PRESET_P1_GUID, 0xfc0a8d3e, 0x45f8, 0x4cf8,                              \
             0x80, 0xc7, 0x29, 0x88, 0x71, 0x59, 0x0e, 0xbf)                                       \
    CONSTANT(1201, NV_ENC_PRESET_P2_GUID, 0xf581cfb8, 0x88d6, 0x4381,                              \
             0x93, 0xf0, 0xdf, 0x13, 0xf9, 0xc2, 0x7d, 0xab)                                       \
    CONSTANT(1201, NV_ENC_PRESET_P3_GUID, 0x36850110, 0x3a07, 0x441f,                              \
             0x94, 0xd5, 0x36, 0x70, 0x63, 0x1f, 0x91, 0xf6)                                       \
    CONSTANT(1201, NV_ENC_PRESET_P4_GUID, 0x90a7b826, 0xdf06, 0x4862,                              \
             0xb9, 0xd2, 0xcd, 0x6d, 0x73, 0xa0, 0x86, 0x81)                                       \
    CONSTANT(1201, NV_ENC_PRESET_P5_GUID, 0x21c6e6b4, 0x297a, 0x4cba,                              \
             0x99, 0x8f, 0xb6, 0xcb, 0xde, 0x72, 0xad, 0xe3)                                       \
    CONSTANT(1201, NV_ENC_PRESET_P6_GUID, 0x8e75c279, 0x6299, 0x4ab6,                              \
             0x83, 0x02, 0x0b, 0x21, 0x5a, 0x33, 0x5c, 0xf5)                                       \
    CONSTANT(1201, NV_ENC_PRESET_P7_GUID, 0x84848c12, 0x6f71, 0x4c13,                              \
             0x93, 0x1b, 0x53, 0xe2, 0x83, 0xf5, 0x79, 0x74)
#define NVENC_GUID_VALUE(since, name, a, b, c, ...) constexpr GUID name = {a, b, c, {__VA_ARGS__}};
NVENC_GUIDS(NVENC_GUID_VALUE)
#undef NVENC_GUID_VALUE

} // namespace nvenc

// What the library exports; everything else comes in the list of functions. The version that
// NvEncodeAPIGetMaxSupportedVersion gives is (major << 4) | minor.
namespace nvenc_12_1 {
using namespace nvenc;
using nvenc::GUID; // and not that of Windows
#define VIDEOHW_NVENC_API 1201
#include "nvenc.h"
#undef VIDEOHW_NVENC_API
typedef NVENCSTATUS(NVENC_CALL *NvEncodeAPICreateInstance)(NV_ENCODE_API_FUNCTION_LIST *list);
} // namespace nvenc_12_1

namespace nvenc_13_0 {
using namespace nvenc;
using nvenc::GUID; // and not that of Windows
#define VIDEOHW_NVENC_API 1300
#include "nvenc.h"
#undef VIDEOHW_NVENC_API
typedef NVENCSTATUS(NVENC_CALL *NvEncodeAPICreateInstance)(NV_ENCODE_API_FUNCTION_LIST *list);
} // namespace nvenc_13_0

typedef nvenc::NVENCSTATUS(NVENC_CALL *NvEncodeAPIGetMaxSupportedVersion)(uint32_t *version);

#endif
