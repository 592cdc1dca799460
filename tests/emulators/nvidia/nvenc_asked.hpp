// How structures of one version of the API are checked, NVENC_VERSION being 1201 or 1300, and the
// calls that ask what the device can do.

#include "nvenc_sessions.hpp"

#include "nvidia.h"

#include <algorithm>
#include <cstring>

#if NVENC_VERSION >= 1300
#define NVENC_NAMESPACE nvenc_13_0
#else
#define NVENC_NAMESPACE nvenc_12_1
#endif

namespace encode {
namespace NVENC_NAMESPACE {

using namespace ::NVENC_NAMESPACE;
using emulator::misuse;

constexpr bool newer = NVENC_VERSION >= 1300;

template <class Field> bool zero(const Field &field)
{
    auto *bytes = reinterpret_cast<const unsigned char *>(&field);
    return std::all_of(bytes, bytes + sizeof field, [](unsigned char byte) { return !byte; });
}

inline NVENCSTATUS gave_back(emulator::Result planned, NVENCSTATUS status)
{
    return planned ? answer_of(planned) : status;
}

// Rule (header): the version is that of the structure, and what is reserved is 0.
#define CHECK_VERSION(structure, wanted)                                                           \
    if ((structure)->version != (wanted))                                                          \
    return NV_ENC_ERR_INVALID_VERSION
#define CHECK_ZERO(...)                                                                            \
    if (!all_zero(__func__, #__VA_ARGS__, __VA_ARGS__))                                            \
    return NV_ENC_ERR_INVALID_PARAM
#define CHECK_POINTER(pointer)                                                                     \
    if (!(pointer))                                                                                \
    return NV_ENC_ERR_INVALID_PTR

// Rule (assumed): the real driver may well not look; a client that is right does not care.
template <class... Fields>
bool all_zero(const char *call, const char *names, const Fields &...fields)
{
    if ((zero(fields) && ...))
        return true;
    misuse("%s: reserved fields are not 0, among %.200s", call, names);
    return false;
}

#define IN_SESSION(name)                                                                           \
    emulator::Call entered_call(name);                                                             \
    if (entered_call.answer)                                                                       \
        return answer_of(entered_call.answer);                                                     \
    Use session(encoder, name, NVENC_VERSION);                                                     \
    if (session.refused)                                                                           \
    return session.refused
#define IN_SESSION_WITH_WORDS(name)                                                                \
    emulator::Call entered_call(name);                                                             \
    if (entered_call.answer) {                                                                     \
        note_planned(encoder, static_cast<int>(entered_call.answer));                              \
        return answer_of(entered_call.answer);                                                     \
    }                                                                                              \
    Use session(encoder, name, NVENC_VERSION);                                                     \
    if (session.refused)                                                                           \
    return session.refused
#define IN_SESSION_GIVING_BACK(name)                                                               \
    emulator::Call entered_call(name);                                                             \
    if (entered_call.answer && !entered_call.put_off())                                            \
        return answer_of(entered_call.answer);                                                     \
    Use session(encoder, name, NVENC_VERSION, CallKind::giving_back);                              \
    if (session.refused)                                                                           \
    return session.refused
#define INITIALISED_SESSION()                                                                      \
    if (!session->initialised)                                                                     \
    return session->refuse(NV_ENC_ERR_ENCODER_NOT_INITIALIZED, "not initialised")
// The work is done, whatever the answer.
#define GAVE_BACK(status) gave_back(entered_call.afterwards, status)

// What can be asked ---------------------------------------------------------------------------

template <class Item>
NVENCSTATUS list(const std::vector<Item> &found, Item *items, uint32_t room, uint32_t *count)
{
    CHECK_POINTER(items && count);
    *count = static_cast<uint32_t>(std::min<std::size_t>(room, found.size()));
    std::copy(found.begin(), found.begin() + *count, items);
    return NV_ENC_SUCCESS;
}

#define OF_CODEC()                                                                                 \
    Codec codec;                                                                                   \
    if (!codec_of(guid, codec))                                                                    \
    return session->refuse(NV_ENC_ERR_UNSUPPORTED_PARAM, "this codec is not here")

inline NVENCSTATUS encode_guid_count(void *encoder, uint32_t *count)
{
    IN_SESSION("nvEncGetEncodeGUIDCount");
    CHECK_POINTER(count);
    *count = static_cast<uint32_t>(codecs().size());
    return NV_ENC_SUCCESS;
}

inline NVENCSTATUS encode_guids(void *encoder, GUID *guids, uint32_t room, uint32_t *count)
{
    IN_SESSION("nvEncGetEncodeGUIDs");
    return list(codecs(), guids, room, count);
}

inline NVENCSTATUS profile_count(void *encoder, GUID guid, uint32_t *count)
{
    IN_SESSION("nvEncGetEncodeProfileGUIDCount");
    OF_CODEC();
    CHECK_POINTER(count);
    *count = static_cast<uint32_t>(profiles(codec, newer).size());
    return NV_ENC_SUCCESS;
}

inline NVENCSTATUS profile_guids(void *encoder, GUID guid, GUID *guids, uint32_t room,
                                 uint32_t *count)
{
    IN_SESSION("nvEncGetEncodeProfileGUIDs");
    OF_CODEC();
    return list(profiles(codec, newer), guids, room, count);
}

inline NVENCSTATUS format_count(void *encoder, GUID guid, uint32_t *count)
{
    IN_SESSION("nvEncGetInputFormatCount");
    OF_CODEC();
    CHECK_POINTER(count);
    *count = static_cast<uint32_t>(formats(codec, newer).size());
    return NV_ENC_SUCCESS;
}

inline NVENCSTATUS input_formats(void *encoder, GUID guid, NV_ENC_BUFFER_FORMAT *found,
                                 uint32_t room, uint32_t *count)
{
    IN_SESSION("nvEncGetInputFormats");
    OF_CODEC();
    return list(formats(codec, newer), found, room, count);
}

inline NVENCSTATUS encode_caps(void *encoder, GUID guid, NV_ENC_CAPS_PARAM *asked, void *value)
{
    IN_SESSION("nvEncGetEncodeCaps");
    OF_CODEC();
    CHECK_POINTER(asked && value);
    CHECK_VERSION(asked, NV_ENC_CAPS_PARAM_VER);
    CHECK_ZERO(asked->reserved);
    int found = capability(codec, asked->capsToQuery, newer);
    if (found < 0)
        return session->refuse(NV_ENC_ERR_INVALID_PARAM, "no such cap");
    *static_cast<int *>(value) = found;
    return NV_ENC_SUCCESS;
}

inline NVENCSTATUS preset_count(void *encoder, GUID guid, uint32_t *count)
{
    IN_SESSION("nvEncGetEncodePresetCount");
    OF_CODEC();
    CHECK_POINTER(count);
    *count = static_cast<uint32_t>(presets().size());
    return NV_ENC_SUCCESS;
}

inline NVENCSTATUS preset_guids(void *encoder, GUID guid, GUID *guids, uint32_t room,
                                uint32_t *count)
{
    IN_SESSION("nvEncGetEncodePresetGUIDs");
    OF_CODEC();
    return list(presets(), guids, room, count);
}

// Rule (assumed): what a preset does not decide is 0, chroma is 4:2:0 and VUI is unspecified.
inline void fill(NV_ENC_CONFIG &target, Codec codec, int number, unsigned tuning)
{
    Preset chosen = preset(codec, number, tuning);
    target = NV_ENC_CONFIG();
    target.version = NV_ENC_CONFIG_VER;
    target.profileGUID = NV_ENC_CODEC_PROFILE_AUTOSELECT_GUID;
    target.gopLength = chosen.gop;
    target.frameIntervalP = chosen.interval;
    target.frameFieldMode = NV_ENC_PARAMS_FRAME_FIELD_MODE_FRAME;
    target.mvPrecision = NV_ENC_MV_PRECISION_DEFAULT;
    NV_ENC_RC_PARAMS &rate = target.rcParams;
    rate.version = NV_ENC_RC_PARAMS_VER;
    rate.rateControlMode = chosen.rate_mode;
    rate.multiPass = chosen.multipass;
    rate.constQP = chosen.lossless ? NV_ENC_QP{0, 0, 0} : NV_ENC_QP{28, 31, 25};
    rate.averageBitRate = 2000000;
    auto vui = [](NV_ENC_CONFIG_H264_VUI_PARAMETERS &of) {
        of.videoFormat = 5;
        of.colourPrimaries = of.transferCharacteristics = of.colourMatrix = 2;
    };
    if (codec == Codec::h264) {
        NV_ENC_CONFIG_H264 &h264 = target.encodeCodecConfig.h264Config;
        h264.idrPeriod = chosen.gop;
        h264.chromaFormatIDC = 1;
        h264.useBFramesAsRef = chosen.b_reference;
        h264.qpPrimeYZeroTransformBypassFlag = chosen.lossless;
#if NVENC_VERSION >= 1300
        h264.inputBitDepth = h264.outputBitDepth = NV_ENC_BIT_DEPTH_8;
#endif
        vui(h264.h264VUIParameters);
    } else if (codec == Codec::av1) {
        NV_ENC_CONFIG_AV1 &av1 = target.encodeCodecConfig.av1Config;
        av1.idrPeriod = chosen.gop;
        av1.chromaFormatIDC = 1;
        av1.colorPrimaries = av1.transferCharacteristics = av1.matrixCoefficients = 2;
#if NVENC_VERSION >= 1300
        av1.inputBitDepth = av1.outputBitDepth = NV_ENC_BIT_DEPTH_8;
#endif
    } else {
        NV_ENC_CONFIG_HEVC &hevc = target.encodeCodecConfig.hevcConfig;
        hevc.idrPeriod = chosen.gop;
        hevc.chromaFormatIDC = 1;
        hevc.useBFramesAsRef = chosen.b_reference;
#if NVENC_VERSION >= 1300
        hevc.inputBitDepth = hevc.outputBitDepth = NV_ENC_BIT_DEPTH_8;
#endif
        vui(hevc.hevcVUIParameters);
    }
}

inline NVENCSTATUS preset_config_of(Session &session, GUID guid, GUID chosen, unsigned tuning,
                                    NV_ENC_PRESET_CONFIG *made)
{
    Codec codec;
    if (!codec_of(guid, codec))
        return session.refuse(NV_ENC_ERR_UNSUPPORTED_PARAM, "this codec is not here");
    CHECK_POINTER(made);
    CHECK_VERSION(made, NV_ENC_PRESET_CONFIG_VER);
    CHECK_VERSION(&made->presetCfg, NV_ENC_CONFIG_VER);
    int number = preset_number(chosen);
    if (!number)
        return session.refuse(NV_ENC_ERR_UNSUPPORTED_PARAM, "no such preset");
    if (tuning < NV_ENC_TUNING_INFO_HIGH_QUALITY ||
        tuning > (newer ? NV_ENC_TUNING_INFO_ULTRA_HIGH_QUALITY : NV_ENC_TUNING_INFO_LOSSLESS))
        return session.refuse(NV_ENC_ERR_INVALID_PARAM, "no such tuning");
    // Rule (assumed): of HEVC and AV1 only
    if (tuning == NV_ENC_TUNING_INFO_ULTRA_HIGH_QUALITY && codec == Codec::h264)
        return session.refuse(NV_ENC_ERR_UNSUPPORTED_PARAM, "H.264 has no such tuning");
    fill(made->presetCfg, codec, number, tuning);
    return NV_ENC_SUCCESS;
}

inline NVENCSTATUS preset_config_ex(void *encoder, GUID guid, GUID chosen,
                                    NV_ENC_TUNING_INFO tuning, NV_ENC_PRESET_CONFIG *made)
{
    IN_SESSION("nvEncGetEncodePresetConfigEx");
    return preset_config_of(*session, guid, chosen, tuning, made);
}

// Rule (assumed): without a tuning the presets of today are not known.
inline NVENCSTATUS preset_config(void *encoder, GUID, GUID, NV_ENC_PRESET_CONFIG *)
{
    IN_SESSION("nvEncGetEncodePresetConfig");
    return session->refuse(NV_ENC_ERR_UNSUPPORTED_PARAM, "presets want a tuning");
}

} // namespace NVENC_NAMESPACE
} // namespace encode
