// What goes into the driver's structures by name: fields, GUIDs, capabilities, formats.
#ifndef VIDEOHW_NVENC_FIELDS_HPP
#define VIDEOHW_NVENC_FIELDS_HPP

#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

#include "nvenc_versions.hpp"

namespace nvenc_12_1 {
#define VIDEOHW_NVENC_API 1201
#include "nvenc_fields.h"
#undef VIDEOHW_NVENC_API
} // namespace nvenc_12_1

namespace nvenc_13_0 {
#define VIDEOHW_NVENC_API 1300
#include "nvenc_fields.h"
#undef VIDEOHW_NVENC_API
} // namespace nvenc_13_0

namespace videohw {

// One version as a type, for templates: the structures, and the function list.
#define VIDEOHW_NVENC_STRUCTURES(STRUCTURE)                                                        \
    STRUCTURE(NV_ENC_CAPS_PARAM)                                                                   \
    STRUCTURE(NV_ENC_CREATE_INPUT_BUFFER)                                                          \
    STRUCTURE(NV_ENC_CREATE_BITSTREAM_BUFFER)                                                      \
    STRUCTURE(NV_ENC_CONFIG)                                                                       \
    STRUCTURE(NV_ENC_RC_PARAMS)                                                                    \
    STRUCTURE(NV_ENC_INITIALIZE_PARAMS)                                                            \
    STRUCTURE(NV_ENC_RECONFIGURE_PARAMS)                                                           \
    STRUCTURE(NV_ENC_PRESET_CONFIG)                                                                \
    STRUCTURE(NV_ENC_PIC_PARAMS)                                                                   \
    STRUCTURE(NV_ENC_LOCK_BITSTREAM)                                                               \
    STRUCTURE(NV_ENC_LOCK_INPUT_BUFFER)                                                            \
    STRUCTURE(NV_ENC_MAP_INPUT_RESOURCE)                                                           \
    STRUCTURE(NV_ENC_REGISTER_RESOURCE)                                                            \
    STRUCTURE(NV_ENC_SEQUENCE_PARAM_PAYLOAD)                                                       \
    STRUCTURE(NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS)                                                \
    STRUCTURE(NV_ENCODE_API_FUNCTION_LIST)

#define VIDEOHW_NVENC_TYPE(name) using name = VIDEOHW_NVENC_SPACE::name;
#define VIDEOHW_NVENC_VERSION(name)                                                                \
    inline uint32_t version_of(const VIDEOHW_NVENC_SPACE::name &)                                  \
    {                                                                                              \
        return VIDEOHW_NVENC_SPACE::name##_VER;                                                    \
    }

#define VIDEOHW_NVENC_SPACE nvenc_12_1
struct Api_12_1 {
    static constexpr unsigned number = 1201;
    static constexpr uint32_t version = nvenc_12_1::NVENCAPI_VERSION;
    using Field = nvenc_12_1::Field;
    using SeiPayload = nvenc_12_1::NV_ENC_SEI_PAYLOAD;
    static const Field *find(const char *name) { return nvenc_12_1::find_field(name); }
    VIDEOHW_NVENC_STRUCTURES(VIDEOHW_NVENC_TYPE)
};
VIDEOHW_NVENC_STRUCTURES(VIDEOHW_NVENC_VERSION)
#undef VIDEOHW_NVENC_SPACE

#define VIDEOHW_NVENC_SPACE nvenc_13_0
struct Api_13_0 {
    static constexpr unsigned number = 1300;
    static constexpr uint32_t version = nvenc_13_0::NVENCAPI_VERSION;
    using Field = nvenc_13_0::Field;
    using SeiPayload = nvenc_13_0::NV_ENC_SEI_PAYLOAD;
    static const Field *find(const char *name) { return nvenc_13_0::find_field(name); }
    VIDEOHW_NVENC_STRUCTURES(VIDEOHW_NVENC_TYPE)
};
VIDEOHW_NVENC_STRUCTURES(VIDEOHW_NVENC_VERSION)
#undef VIDEOHW_NVENC_SPACE

#undef VIDEOHW_NVENC_TYPE
#undef VIDEOHW_NVENC_VERSION
#undef VIDEOHW_NVENC_STRUCTURES

// A structure of zeros, to its last byte, with its version.
template <class Structure> Structure versioned()
{
    Structure made;
    std::memset(&made, 0, sizeof made);
    made.version = version_of(made);
    return made;
}

struct NamedGuid {
    unsigned since;
    const char *name;
    nvenc::GUID guid;
};
inline const std::vector<NamedGuid> &named_guids()
{
#define VIDEOHW_NAMED_GUID(since, name, ...) {since, #name, nvenc::name},
    static const std::vector<NamedGuid> guids = {NVENC_GUIDS(VIDEOHW_NAMED_GUID)};
#undef VIDEOHW_NAMED_GUID
    return guids;
}
inline bool same(const nvenc::GUID &one, const nvenc::GUID &other)
{
    return std::memcmp(&one, &other, sizeof one) == 0;
}

struct NamedNumber {
    unsigned since;
    const char *name;
    uint32_t number;
};
// What nvEncGetEncodeCaps is asked, without NV_ENC_CAPS_.
inline const std::vector<NamedNumber> &named_caps()
{
#define VIDEOHW_NAMED_CAP(since, name, value) {since, #name, value},
    static const std::vector<NamedNumber> caps = {NVENC_CAPS(VIDEOHW_NAMED_CAP)};
#undef VIDEOHW_NAMED_CAP
    return caps;
}
// Without NV_ENC_BUFFER_FORMAT_.
inline const std::vector<NamedNumber> &named_formats()
{
    using namespace nvenc;
    static const std::vector<NamedNumber> formats = {
        {1201, "NV12", NV_ENC_BUFFER_FORMAT_NV12},
        {1201, "YV12", NV_ENC_BUFFER_FORMAT_YV12},
        {1201, "IYUV", NV_ENC_BUFFER_FORMAT_IYUV},
        {1201, "YUV444", NV_ENC_BUFFER_FORMAT_YUV444},
        {1201, "YUV420_10BIT", NV_ENC_BUFFER_FORMAT_YUV420_10BIT},
        {1201, "YUV444_10BIT", NV_ENC_BUFFER_FORMAT_YUV444_10BIT},
        {1201, "ARGB", NV_ENC_BUFFER_FORMAT_ARGB},
        {1201, "ARGB10", NV_ENC_BUFFER_FORMAT_ARGB10},
        {1201, "AYUV", NV_ENC_BUFFER_FORMAT_AYUV},
        {1201, "ABGR", NV_ENC_BUFFER_FORMAT_ABGR},
        {1201, "ABGR10", NV_ENC_BUFFER_FORMAT_ABGR10},
        {1201, "U8", NV_ENC_BUFFER_FORMAT_U8},
        {1300, "NV16", NV_ENC_BUFFER_FORMAT_NV16},
        {1300, "P210", NV_ENC_BUFFER_FORMAT_P210},
    };
    return formats;
}

// Rows that a picture of `height` has in its buffer, chroma planes counted in luma rows: what lies
// there has `pitch` bytes in each.
inline std::size_t buffer_rows(uint32_t format, std::size_t height)
{
    using namespace nvenc;
    switch (format) {
    case NV_ENC_BUFFER_FORMAT_NV12:
    case NV_ENC_BUFFER_FORMAT_YV12:
    case NV_ENC_BUFFER_FORMAT_IYUV:
    case NV_ENC_BUFFER_FORMAT_YUV420_10BIT:
        return height + (height + 1) / 2;
    case NV_ENC_BUFFER_FORMAT_NV16:
    case NV_ENC_BUFFER_FORMAT_P210:
        return height * 2;
    case NV_ENC_BUFFER_FORMAT_YUV444:
    case NV_ENC_BUFFER_FORMAT_YUV444_10BIT:
        return height * 3;
    default:
        return height;
    }
}

// A field and its value.
struct FieldValue {
    std::string name;
    long long value = 0;
};

// What an encoder is opened with, or reconfigured to.
struct EncoderForm {
    enum Codec { h264, hevc, av1 } coded = h264;
    nvenc::GUID codec{}, preset{}, profile{};
    std::vector<FieldValue> fields;
};

enum class FieldProblem { none, unknown, needs_13_0, only_12_1, out_of_range };

template <class Api>
FieldProblem set_fields(const std::vector<FieldValue> &fields,
                        typename Api::NV_ENC_INITIALIZE_PARAMS &init,
                        typename Api::NV_ENC_CONFIG &config, std::string *which)
{
    for (const FieldValue &each : fields) {
        *which = each.name;
        const typename Api::Field *field = Api::find(each.name.c_str());
        if (!field && Api_13_0::find(each.name.c_str()))
            return FieldProblem::needs_13_0;
        if (!field)
            return Api_12_1::find(each.name.c_str()) ? FieldProblem::only_12_1
                                                     : FieldProblem::unknown;
        if (!field->set(init, config, each.value))
            return FieldProblem::out_of_range;
    }
    which->clear();
    return FieldProblem::none;
}

// The structures that a form makes from zeros; `encodeConfig` is left null.
template <class Api>
FieldProblem fill(const EncoderForm &form, typename Api::NV_ENC_INITIALIZE_PARAMS &init,
                  typename Api::NV_ENC_CONFIG &config, std::string *which)
{
    init.version = version_of(init);
    init.encodeGUID = form.codec;
    init.presetGUID = form.preset;
    config.version = version_of(config);
    config.rcParams.version = version_of(config.rcParams);
    const nvenc::GUID none{};
    if (!same(form.profile, none))
        config.profileGUID = form.profile;
    return set_fields<Api>(form.fields, init, config, which);
}

template <class Api>
FieldProblem filled_bytes(const EncoderForm &form, std::vector<unsigned char> *init_bytes,
                          std::vector<unsigned char> *config_bytes, std::string *which)
{
    auto init = versioned<typename Api::NV_ENC_INITIALIZE_PARAMS>();
    auto config = versioned<typename Api::NV_ENC_CONFIG>();
    const FieldProblem problem = fill<Api>(form, init, config, which);
    const auto *first = reinterpret_cast<const unsigned char *>(&init);
    init_bytes->assign(first, first + sizeof init);
    first = reinterpret_cast<const unsigned char *>(&config);
    config_bytes->assign(first, first + sizeof config);
    return problem;
}

} // namespace videohw

#endif
