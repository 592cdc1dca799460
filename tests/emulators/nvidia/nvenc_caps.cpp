#include "nvenc_caps.hpp"

#include "emulator.hpp"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <map>
#include <sstream>

namespace encode {

using namespace nvenc;

namespace {

struct Ability {
    unsigned name;
    int h264, hevc, av1;
};

// Rule (assumed): a consumer card of 2023 as NVIDIA's support matrix describes it, and what its
// drivers are known to answer; no such card was asked. AV1 has what the emulator can code: neither B
// pictures nor another rate on the way, 4:2:0 only.
constexpr Ability consumer[] = {
    {NV_ENC_CAPS_NUM_MAX_BFRAMES, 4, 5, 0},
    {NV_ENC_CAPS_SUPPORTED_RATECONTROL_MODES, 3, 3, 3},
    {NV_ENC_CAPS_SUPPORT_FIELD_ENCODING, 0, 0, 0},
    {NV_ENC_CAPS_SUPPORT_MONOCHROME, 0, 0, 0},
    {NV_ENC_CAPS_SUPPORT_FMO, 0, 0, 0},
    {NV_ENC_CAPS_SUPPORT_QPELMV, 1, 1, 1},
    {NV_ENC_CAPS_SUPPORT_BDIRECT_MODE, 1, 0, 0},
    {NV_ENC_CAPS_SUPPORT_CABAC, 1, 0, 0},
    {NV_ENC_CAPS_SUPPORT_ADAPTIVE_TRANSFORM, 1, 0, 0},
    {NV_ENC_CAPS_SUPPORT_STEREO_MVC, 0, 0, 0},
    {NV_ENC_CAPS_NUM_MAX_TEMPORAL_LAYERS, 4, 4, 0},
    {NV_ENC_CAPS_SUPPORT_HIERARCHICAL_PFRAMES, 1, 0, 0},
    {NV_ENC_CAPS_SUPPORT_HIERARCHICAL_BFRAMES, 1, 0, 0},
    {NV_ENC_CAPS_LEVEL_MAX, 62, 186, 23},
    {NV_ENC_CAPS_LEVEL_MIN, 10, 30, 0},
    {NV_ENC_CAPS_SEPARATE_COLOUR_PLANE, 1, 0, 0},
    {NV_ENC_CAPS_WIDTH_MAX, 4096, 8192, 8192},
    {NV_ENC_CAPS_HEIGHT_MAX, 4096, 8192, 8192},
    {NV_ENC_CAPS_SUPPORT_TEMPORAL_SVC, 1, 0, 0},
    {NV_ENC_CAPS_SUPPORT_DYN_RES_CHANGE, 1, 1, 1},
    {NV_ENC_CAPS_SUPPORT_DYN_BITRATE_CHANGE, 1, 1, 0},
    {NV_ENC_CAPS_SUPPORT_DYN_FORCE_CONSTQP, 1, 1, 0},
    {NV_ENC_CAPS_SUPPORT_DYN_RCMODE_CHANGE, 0, 0, 0},
    {NV_ENC_CAPS_SUPPORT_SUBFRAME_READBACK, 1, 0, 0},
    {NV_ENC_CAPS_SUPPORT_CONSTRAINED_ENCODING, 1, 1, 0},
    {NV_ENC_CAPS_SUPPORT_INTRA_REFRESH, 1, 1, 0},
    {NV_ENC_CAPS_SUPPORT_CUSTOM_VBV_BUF_SIZE, 1, 1, 1},
    {NV_ENC_CAPS_SUPPORT_DYNAMIC_SLICE_MODE, 1, 1, 0},
    {NV_ENC_CAPS_SUPPORT_REF_PIC_INVALIDATION, 1, 1, 0},
    {NV_ENC_CAPS_PREPROC_SUPPORT, 0, 0, 0},
    {NV_ENC_CAPS_ASYNC_ENCODE_SUPPORT, 0, 0, 0}, // Rule (header): not on Linux
    {NV_ENC_CAPS_MB_NUM_MAX, 65536, 262144, 262144},
    {NV_ENC_CAPS_MB_PER_SEC_MAX, 983040, 983040, 983040},
    {NV_ENC_CAPS_SUPPORT_YUV444_ENCODE, 1, 1, 0},
    {NV_ENC_CAPS_SUPPORT_LOSSLESS_ENCODE, 1, 1, 0},
    {NV_ENC_CAPS_SUPPORT_SAO, 0, 1, 0},
    {NV_ENC_CAPS_SUPPORT_MEONLY_MODE, 0, 0, 0},
    {NV_ENC_CAPS_SUPPORT_LOOKAHEAD, 1, 1, 1},
    {NV_ENC_CAPS_SUPPORT_TEMPORAL_AQ, 1, 1, 1},
    {NV_ENC_CAPS_SUPPORT_10BIT_ENCODE, 0, 1, 1},
    {NV_ENC_CAPS_NUM_MAX_LTR_FRAMES, 8, 7, 0},
    {NV_ENC_CAPS_SUPPORT_WEIGHTED_PREDICTION, 1, 1, 0},
    {NV_ENC_CAPS_DYNAMIC_QUERY_ENCODER_CAPACITY, 0, 0, 0},
    {NV_ENC_CAPS_SUPPORT_BFRAME_REF_MODE, 2, 2, 0},
    {NV_ENC_CAPS_SUPPORT_EMPHASIS_LEVEL_MAP, 1, 0, 0},
    {NV_ENC_CAPS_WIDTH_MIN, 145, 129, 192},
    {NV_ENC_CAPS_HEIGHT_MIN, 49, 33, 128},
    {NV_ENC_CAPS_SUPPORT_MULTIPLE_REF_FRAMES, 1, 1, 1},
    {NV_ENC_CAPS_SUPPORT_ALPHA_LAYER_ENCODING, 0, 0, 0},
    {NV_ENC_CAPS_NUM_ENCODER_ENGINES, 2, 2, 2},
    {NV_ENC_CAPS_SINGLE_SLICE_INTRA_REFRESH, 1, 1, 0},
    {NV_ENC_CAPS_DISABLE_ENC_STATE_ADVANCE, 0, 0, 0},
    {NV_ENC_CAPS_OUTPUT_RECON_SURFACE, 0, 0, 0},
    {NV_ENC_CAPS_OUTPUT_BLOCK_STATS, 0, 0, 0},
    {NV_ENC_CAPS_OUTPUT_ROW_STATS, 0, 0, 0},
};

// Rule (assumed): what API 13.0 adds, as a card of 2025 has it; the 10 bits of H.264 too.
constexpr Ability newer_names[] = {
    {NV_ENC_CAPS_SUPPORT_10BIT_ENCODE, 1, 1, 1},
    {NV_ENC_CAPS_SUPPORT_TEMPORAL_FILTER, 0, 1, 0},
    {NV_ENC_CAPS_SUPPORT_LOOKAHEAD_LEVEL, 0, 1, 0},
    {NV_ENC_CAPS_SUPPORT_UNIDIRECTIONAL_B, 0, 1, 0},
    {NV_ENC_CAPS_SUPPORT_MVHEVC_ENCODE, 0, 0, 0},
    {NV_ENC_CAPS_SUPPORT_YUV422_ENCODE, 1, 1, 0},
};

// Which caps a test says have another value than the tables.
std::map<unsigned, int> &overridden()
{
    static auto *kept = new std::map<unsigned, int>;
    return *kept;
}

// "NAME=VALUE,NAME=VALUE" in place of what was said before.
bool override_caps(const std::string &text)
{
    static const std::map<std::string, unsigned> names = {
#define NAMED(since, name, number) {#name, number},
        NVENC_CAPS(NAMED)
#undef NAMED
    };
    overridden().clear();
    std::istringstream parts(text);
    for (std::string part; std::getline(parts, part, ',');) {
        std::size_t equals = part.find('=');
        auto found = names.find(part.substr(0, equals));
        if (equals == std::string::npos || found == names.end())
            return false;
        overridden()[found->second] = std::stoi(part.substr(equals + 1));
    }
    return true;
}

bool version_of(const std::string &value, Device &target)
{
    return sscanf(value.c_str(), "%u.%u", &target.major, &target.minor) == 2;
}

bool change(Device &target, const std::string &name, const std::string &value)
{
    if (name == "NVENC" && (value == "consumer" || value == "h100"))
        target.has_encoder = value == "consumer";
    else if (name == "NVENC_VERSION")
        return version_of(value, target);
    else if (name == "NVENC_SESSIONS")
        target.most_sessions = std::stoi(value);
    else if (name == "NVENC_LIMIT_CODE")
        target.limit_answer = std::stoi(value);
    else if (name == "NVENC_PICTURE_US")
        target.picture_us = std::stol(value);
    else if (name == "NVENC_CAPS")
        return override_caps(value);
    else if (name == "NVENC_RAW")
        target.raw = value != "0";
    else if (name == "NVENC_LOOKAHEAD" && (value == "burst" || value == "lag" || value == "seed" ||
                                         value == "auto"))
        target.lookahead = value == "auto" ? "" : value;
    else if (name == "NVENC_DEFERS")
        target.defers = std::stoi(value);
    else if (name == "NVENC_END_IS_IDR")
        target.end_is_idr = value != "0";
    else if (name == "NVENC_PICTURES")
        target.pictures = value;
    else
        return false;
    return true;
}

} // namespace

Device &device()
{
    static Device *kept = [] {
        auto *made = new Device;
        for (const char *name : {"NVENC", "NVENC_VERSION", "NVENC_SESSIONS", "NVENC_LIMIT_CODE",
                                 "NVENC_RAW", "NVENC_PICTURE_US", "NVENC_CAPS",
                                 "NVENC_LOOKAHEAD", "NVENC_DEFERS", "NVENC_END_IS_IDR",
                                 "NVENC_PICTURES"}) {
            std::string value = emulator::setting(name, "");
            if (!value.empty() && !change(*made, name, value))
                fprintf(stderr, "emulated driver: not a setting: %s=%s\n", name, value.c_str());
        }
        return made;
    }();
    return *kept;
}

bool set_device(const std::string &text)
{
    std::size_t equals = text.find('=');
    return equals != std::string::npos &&
           change(device(), text.substr(0, equals), text.substr(equals + 1));
}

void note_picture(const void *parameters, std::size_t bytes, const void *map,
                  std::size_t map_bytes)
{
    if (device().pictures.empty())
        return;
    std::ofstream file(device().pictures, std::ios::binary | std::ios::app);
    file.write(static_cast<const char *>(parameters), static_cast<std::streamsize>(bytes));
    if (map)
        file.write(static_cast<const char *>(map), static_cast<std::streamsize>(map_bytes));
}

bool codec_of(const GUID &guid, Codec &codec)
{
    std::vector<GUID> all = codecs();
    for (std::size_t i = 0; i < all.size(); ++i)
        if (same(guid, all[i])) {
            codec = static_cast<Codec>(i);
            return true;
        }
    return false;
}

std::vector<GUID> codecs()
{
    return {NV_ENC_CODEC_H264_GUID, NV_ENC_CODEC_HEVC_GUID, NV_ENC_CODEC_AV1_GUID};
}

std::vector<GUID> profiles(Codec codec, bool newer)
{
    if (codec == Codec::hevc)
        return {NV_ENC_CODEC_PROFILE_AUTOSELECT_GUID, NV_ENC_HEVC_PROFILE_MAIN_GUID,
                NV_ENC_HEVC_PROFILE_MAIN10_GUID, NV_ENC_HEVC_PROFILE_FREXT_GUID};
    if (codec == Codec::av1)
        return {NV_ENC_CODEC_PROFILE_AUTOSELECT_GUID, NV_ENC_AV1_PROFILE_MAIN_GUID};
    std::vector<GUID> made = {NV_ENC_CODEC_PROFILE_AUTOSELECT_GUID,
                              NV_ENC_H264_PROFILE_BASELINE_GUID, NV_ENC_H264_PROFILE_MAIN_GUID,
                              NV_ENC_H264_PROFILE_HIGH_GUID, NV_ENC_H264_PROFILE_HIGH_444_GUID,
                              NV_ENC_H264_PROFILE_PROGRESSIVE_HIGH_GUID,
                              NV_ENC_H264_PROFILE_CONSTRAINED_HIGH_GUID};
    if (newer) {
        made.push_back(NV_ENC_H264_PROFILE_HIGH_10_GUID);
        made.push_back(NV_ENC_H264_PROFILE_HIGH_422_GUID);
    }
    return made;
}

std::vector<GUID> presets()
{
    return {NV_ENC_PRESET_P1_GUID, NV_ENC_PRESET_P2_GUID, NV_ENC_PRESET_P3_GUID,
            NV_ENC_PRESET_P4_GUID, NV_ENC_PRESET_P5_GUID, NV_ENC_PRESET_P6_GUID,
            NV_ENC_PRESET_P7_GUID};
}

int preset_number(const GUID &guid)
{
    std::vector<GUID> all = presets();
    auto found = std::find_if(all.begin(), all.end(),
                              [&guid](const GUID &each) { return same(each, guid); });
    return found == all.end() ? 0 : static_cast<int>(found - all.begin()) + 1;
}

std::vector<unsigned> formats(Codec codec, bool newer)
{
    if (codec == Codec::av1)
        return {NV_ENC_BUFFER_FORMAT_NV12, NV_ENC_BUFFER_FORMAT_YV12, NV_ENC_BUFFER_FORMAT_IYUV,
                NV_ENC_BUFFER_FORMAT_YUV420_10BIT, NV_ENC_BUFFER_FORMAT_ARGB,
                NV_ENC_BUFFER_FORMAT_ABGR};
    std::vector<unsigned> made = {
        NV_ENC_BUFFER_FORMAT_NV12,   NV_ENC_BUFFER_FORMAT_YV12, NV_ENC_BUFFER_FORMAT_IYUV,
        NV_ENC_BUFFER_FORMAT_YUV444, NV_ENC_BUFFER_FORMAT_ARGB, NV_ENC_BUFFER_FORMAT_AYUV,
        NV_ENC_BUFFER_FORMAT_ABGR};
    if (codec == Codec::hevc || newer) {
        made.push_back(NV_ENC_BUFFER_FORMAT_YUV420_10BIT);
        made.push_back(NV_ENC_BUFFER_FORMAT_YUV444_10BIT);
    }
    if (newer) {
        made.push_back(NV_ENC_BUFFER_FORMAT_NV16);
        made.push_back(NV_ENC_BUFFER_FORMAT_P210);
    }
    return made;
}

int capability(Codec codec, unsigned name, bool newer)
{
    auto value = [codec](const Ability &each) {
        return codec == Codec::av1    ? each.av1
               : codec == Codec::hevc ? each.hevc
                                      : each.h264;
    };
    if (auto said = overridden().find(name); said != overridden().end())
        return said->second;
    if (newer)
        for (const Ability &each : newer_names)
            if (each.name == name)
                return value(each);
    for (const Ability &each : consumer)
        if (each.name == name)
            return value(each);
    return -1;
}

// Rule (header): of high quality and lossless, H.264 has B pictures from P3 on, HEVC from P2 on.
// Rule (assumed): how many they are, groups of 250 pictures where quality counts and without end
// elsewhere, and the rest of what a preset says.
Preset preset(Codec codec, int number, unsigned tuning)
{
    Preset made;
    bool quality = tuning == NV_ENC_TUNING_INFO_HIGH_QUALITY ||
                   tuning == NV_ENC_TUNING_INFO_LOSSLESS ||
                   tuning == NV_ENC_TUNING_INFO_ULTRA_HIGH_QUALITY;
    made.gop = quality ? 250 : NVENC_INFINITE_GOPLENGTH;
    bool reorders = quality && codec != Codec::av1 && number >= (codec == Codec::hevc ? 2 : 3);
    made.interval = reorders ? 3 : 1;
    made.lossless = tuning == NV_ENC_TUNING_INFO_LOSSLESS;
    made.rate_mode = made.lossless ? NV_ENC_PARAMS_RC_CONSTQP
                     : quality     ? NV_ENC_PARAMS_RC_VBR
                                   : NV_ENC_PARAMS_RC_CBR;
    made.multipass = !quality && number >= 5 ? NV_ENC_TWO_PASS_QUARTER_RESOLUTION
                                             : NV_ENC_MULTI_PASS_DISABLED;
    return made;
}

} // namespace encode
