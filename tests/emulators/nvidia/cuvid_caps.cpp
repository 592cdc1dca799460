#include "cuvid_caps.hpp"

#include "emulator.hpp"

#include <cstring>
#include <string>

namespace cuvid {
namespace {

enum { nv12 = 1, p016 = 2, yuv444 = 4, yuv444_16 = 8, nv16 = 16, p216 = 32 };

// Rule (trace): traces/h100-580/caps.json.
constexpr Ability h100[] = {
    {cudaVideoCodec_MPEG1, 1, 8, 7, nv12, 4080, 4080, 65280, 48, 16, 0},
    {cudaVideoCodec_MPEG2, 1, 8, 7, nv12, 4080, 4080, 65280, 48, 16, 0},
    {cudaVideoCodec_MPEG4, 1, 8, 7, nv12, 2048, 2048, 8192, 48, 16, 0},
    {cudaVideoCodec_VC1, 1, 8, 7, nv12, 2048, 2048, 8192, 48, 16, 0},
    {cudaVideoCodec_H264, 1, 8, 7, nv12, 4096, 4096, 65536, 48, 16, 1 | 32 << 8 | 256 << 16},
    {cudaVideoCodec_JPEG, 0, 8, 1, nv12, 32768, 16384, 67108864, 64, 64, 0},
    {cudaVideoCodec_JPEG, 1, 8, 1, nv12, 32768, 16384, 67108864, 64, 64, 0},
    {cudaVideoCodec_JPEG, 2, 8, 1, nv12, 32768, 16384, 67108864, 64, 64, 0},
    {cudaVideoCodec_JPEG, 3, 8, 1, nv12, 32768, 16384, 67108864, 64, 64, 0},
    {cudaVideoCodec_HEVC, 1, 8, 7, nv12, 8192, 8192, 262144, 144, 144, 0},
    {cudaVideoCodec_HEVC, 1, 10, 7, nv12 | p016, 8192, 8192, 262144, 144, 144, 0},
    {cudaVideoCodec_HEVC, 1, 12, 7, nv12 | p016, 8192, 8192, 262144, 144, 144, 0},
    {cudaVideoCodec_HEVC, 3, 8, 7, yuv444, 8192, 8192, 262144, 144, 144, 0},
    {cudaVideoCodec_HEVC, 3, 10, 7, yuv444_16, 8192, 8192, 262144, 144, 144, 0},
    {cudaVideoCodec_HEVC, 3, 12, 7, yuv444_16, 8192, 8192, 262144, 144, 144, 0},
    {cudaVideoCodec_VP8, 1, 8, 7, nv12, 4096, 4096, 65536, 48, 16, 0},
    {cudaVideoCodec_VP9, 1, 8, 7, nv12, 8192, 8192, 262144, 128, 128, 0},
    {cudaVideoCodec_VP9, 1, 10, 7, nv12 | p016, 8192, 8192, 262144, 128, 128, 0},
    {cudaVideoCodec_VP9, 1, 12, 7, nv12 | p016, 8192, 8192, 262144, 128, 128, 0},
};

// Rule (assumed): what newer devices add; VIDEOHW_EMULATOR_NVDEC=newer has it.
constexpr Ability newer[] = {
    {cudaVideoCodec_AV1, 1, 8, 4, nv12, 8192, 8192, 262144, 128, 128, 0},
    {cudaVideoCodec_AV1, 1, 10, 4, nv12 | p016, 8192, 8192, 262144, 128, 128, 0},
    {cudaVideoCodec_H264, 1, 10, 4, nv12 | p016, 8192, 8192, 262144, 48, 16, 0},
    {cudaVideoCodec_H264, 2, 8, 4, nv16, 8192, 8192, 262144, 48, 16, 0},
    {cudaVideoCodec_H264, 2, 10, 4, nv16 | p216, 8192, 8192, 262144, 48, 16, 0},
    {cudaVideoCodec_HEVC, 2, 8, 4, nv16, 8192, 8192, 262144, 144, 144, 0},
    {cudaVideoCodec_HEVC, 2, 10, 4, nv16 | p216, 8192, 8192, 262144, 144, 144, 0},
    {cudaVideoCodec_HEVC, 2, 12, 4, nv16 | p216, 8192, 8192, 262144, 144, 144, 0},
};

} // namespace

const Ability *ability(int codec, int chroma, int depth)
{
    for (const Ability &each : h100)
        if (each.codec == codec && each.chroma == chroma && each.depth == depth)
            return &each;
    if (emulator::setting("NVDEC", "h100") == std::string("newer"))
        for (const Ability &each : newer)
            if (each.codec == codec && each.chroma == chroma && each.depth == depth)
                return &each;
    return nullptr;
}

// Rule (trace): without a context cuvid answers 201, also before cuInit.
CUresult no_context()
{
    CUresult answer = emulator::context_answer();
    return answer == CUDA_ERROR_NOT_INITIALIZED ? CUDA_ERROR_INVALID_CONTEXT : answer;
}

} // namespace cuvid

EMULATED CUresult cuvidGetDecoderCaps(CUVIDDECODECAPS *caps)
{
    ENTER();
    if (CUresult none = cuvid::no_context())
        return none;
    if (!caps)
        return emulator::crash(CUDA_ERROR_INVALID_VALUE, "cuvidGetDecoderCaps(NULL)");
    CUVIDDECODECAPS made{};
    made.eCodecType = caps->eCodecType;
    made.eChromaFormat = caps->eChromaFormat;
    made.nBitDepthMinus8 = caps->nBitDepthMinus8;
    const cuvid::Ability *found = cuvid::ability(made.eCodecType, made.eChromaFormat,
                                                 static_cast<int>(made.nBitDepthMinus8) + 8);
    if (found) {
        made.bIsSupported = 1;
        made.nNumNVDECs = static_cast<unsigned char>(found->engines);
        made.nOutputFormatMask = static_cast<unsigned short>(found->formats);
        made.nMaxWidth = found->max_width;
        made.nMaxHeight = found->max_height;
        made.nMaxMBCount = found->max_macroblocks;
        made.nMinWidth = static_cast<unsigned short>(found->min_width);
        made.nMinHeight = static_cast<unsigned short>(found->min_height);
        made.reserved3[0] = found->histogram;
    }
    *caps = made;
    return CUDA_SUCCESS;
}
