// What libnvidia-encode.so.1 exports, and the sessions that are open.

#include "nvenc_sessions.hpp"

#include "nvidia.h"

#include <map>
#include <utility>

EMULATED CUresult cuCtxPushCurrent_v2(CUcontext context);
EMULATED CUresult cuCtxPopCurrent_v2(CUcontext *context);

namespace encode {

using namespace nvenc;
using emulator::misuse;

namespace {

std::map<const void *, std::shared_ptr<Session>> &sessions()
{
    static auto *kept = new std::map<const void *, std::shared_ptr<Session>>;
    return *kept;
}

// A context made current for a scope, as the driver does by itself.
class Current {
  public:
    explicit Current(void *context)
        : pushed(cuCtxPushCurrent_v2(static_cast<CUcontext>(context)) == CUDA_SUCCESS)
    {
    }
    ~Current()
    {
        if (pushed)
            cuCtxPopCurrent_v2(nullptr);
    }
    Current(const Current &) = delete;
    Current &operator=(const Current &) = delete;
    const bool pushed;
};

void watch_contexts()
{
    static bool watching = false;
    if (std::exchange(watching, true))
        return;
    emulator::when_context_ends([](emulator::Context *ended) {
        for (auto &each : sessions())
            if (each.second->context == ended)
                each.second->lost = true;
    });
}

} // namespace

// Rule (assumed): a device that is lost, or whose error sticks, is NV_ENC_ERR_DEVICE_NOT_EXIST.
Status answer_of(emulator::Result planned)
{
    for (auto &each : sessions())
        each.second->troubled = true;
    return planned > static_cast<int>(NV_ENC_ERR_NEED_MORE_OUTPUT) ? NV_ENC_ERR_DEVICE_NOT_EXIST
                                                                   : static_cast<Status>(planned);
}

Use::Use(void *handle, const char *call, unsigned version, CallKind kind)
    : counted(kind == CallKind::plain || kind == CallKind::giving_back)
{
    auto found = sessions().find(handle);
    if (found == sessions().end() || found->second->version != version) {
        // Rule (assumed): the real driver may crash here
        if (handle)
            misuse("%s of a session that is not open", call);
        refused = handle ? NV_ENC_ERR_INVALID_ENCODERDEVICE : NV_ENC_ERR_INVALID_PTR;
        counted = false;
        return;
    }
    session = found->second;
    bool gives_back = kind == CallKind::giving_back || kind == CallKind::giving_bitstream_back;
    if (session->lost && !gives_back) {
        refused = NV_ENC_ERR_DEVICE_NOT_EXIST;
        counted = false;
        return;
    }
    if (!counted)
        return;
    // Rule (header): one thread submits, another one may lock and unlock bitstreams.
    if (session->inside++ && session->thread_inside != std::this_thread::get_id())
        misuse("%s while another thread is inside a call of the session", call);
    session->thread_inside = std::this_thread::get_id();
}

Use::~Use()
{
    if (counted)
        --session->inside;
}

Status open(void *device_handle, unsigned version, void **encoder)
{
    if (!device_handle)
        return NV_ENC_ERR_INVALID_DEVICE;
    Current current(device_handle);
    if (!current.pushed)
        return NV_ENC_ERR_INVALID_DEVICE; // Rule (assumed)
    if (!device().has_encoder)
        return NV_ENC_ERR_UNSUPPORTED_DEVICE; // Rule (trace): an H100
    if (static_cast<int>(sessions().size()) >= device().most_sessions)
        return static_cast<Status>(device().limit_answer);
    watch_contexts();
    auto made = std::make_shared<Session>(emulator::current_context(), device_handle, version);
    *encoder = made.get();
    sessions()[made.get()] = made;
    emulator::opened("encode session", made.get());
    return NV_ENC_SUCCESS;
}

Status destroy(void *handle)
{
    auto found = sessions().find(handle);
    if (found == sessions().end()) {
        if (handle)
            misuse("nvEncDestroyEncoder of a session that is not open");
        return handle ? NV_ENC_ERR_INVALID_ENCODERDEVICE : NV_ENC_ERR_INVALID_PTR;
    }
    std::shared_ptr<Session> session = found->second;
    if (session->inside)
        misuse("nvEncDestroyEncoder while another thread is inside a call of the session");
    session->close();
    sessions().erase(handle);
    emulator::given_back("encode session", handle);
    return NV_ENC_SUCCESS;
}

const char *error_text(void *handle)
{
    auto found = sessions().find(handle);
    return found == sessions().end() ? "" : found->second->last_error.c_str();
}

void note_planned(void *handle, int answer)
{
    auto found = sessions().find(handle);
    if (found != sessions().end())
        found->second->last_error = "planned to answer " + std::to_string(answer);
}

Status Session::set_streams(const void *input, const void *)
{
    Current current(device_handle);
    emulator::StreamPointer stream = emulator::stream_by_handle(input);
    if (!stream)
        return refuse(NV_ENC_ERR_INVALID_PARAM, "no such stream");
    input_stream = stream;
    return NV_ENC_SUCCESS;
}

emulator::StreamPointer Session::default_stream() const
{
    Current current(device_handle);
    return emulator::stream_by_handle(nullptr);
}

namespace {

// Words that lists of functions begin with, by version of the API.
constexpr std::uint32_t list_of_11_1 = 0x7102000b, list_of_12_2 = 0x7202000c;

bool is_offered(unsigned major, unsigned minor)
{
    return major < device().major || (major == device().major && minor <= device().minor);
}

} // namespace
} // namespace encode

using namespace encode;

// Rule (trace): lists of 11.1, 12.1 and 13.0 are filled by a driver whose newest version is 13.0.
// Rule (assumed): 12.2 too; this emulator knows neither the structures of 11.1 nor those of 12.2,
// so sessions do not open by them.
EMULATED nvenc::NVENCSTATUS NvEncodeAPICreateInstance(void *list)
{
    emulator::Call entered_call("NvEncodeAPICreateInstance");
    if (entered_call.answer)
        return answer_of(entered_call.answer);
    if (!list)
        return nvenc::NV_ENC_ERR_INVALID_PTR;
    std::uint32_t version = *static_cast<std::uint32_t *>(list);
    if (version == nvenc_13_0::NV_ENCODE_API_FUNCTION_LIST_VER && is_offered(13, 0))
        fill_13_0(list);
    else if (version == nvenc_12_1::NV_ENCODE_API_FUNCTION_LIST_VER && is_offered(12, 1))
        fill_12_1(list);
    else if ((version == list_of_11_1 && is_offered(11, 1)) ||
             (version == list_of_12_2 && is_offered(12, 2)))
        fill_12_1(list);
    else
        return nvenc::NV_ENC_ERR_INVALID_VERSION;
    return nvenc::NV_ENC_SUCCESS;
}

// Its name is that of its type in our declarations.
EMULATED nvenc::NVENCSTATUS max_supported_version(std::uint32_t *version)
    __asm__("NvEncodeAPIGetMaxSupportedVersion");
EMULATED nvenc::NVENCSTATUS max_supported_version(std::uint32_t *version)
{
    emulator::Call entered_call("NvEncodeAPIGetMaxSupportedVersion");
    if (entered_call.answer)
        return answer_of(entered_call.answer);
    if (!version)
        return nvenc::NV_ENC_ERR_INVALID_PTR;
    *version = device().major << 4 | device().minor;
    return nvenc::NV_ENC_SUCCESS;
}

// "NAME=VALUE" of a setting; false where it is none.
EMULATED bool videohw_emulator_encoding(const char *text)
{
    emulator::Call entered("videohw_emulator_encoding");
    return set_device(text);
}
