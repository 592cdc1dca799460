// The plain loop on NVENC that this library is measured beside: the same calls for each picture,
// made by one thread, with the output of a picture taken DEPTH pictures later.
//
// usage: nvenc_loop WIDTH HEIGHT FRAMES SESSIONS host|device DEPTH
//
// host: lock an input buffer, copy NV12 into it row by row, unlock, encode, lock the bitstream,
// copy it out, unlock. device: NV12 in device memory, registered once, mapped for each picture.
// Each session is a thread. Prints, for each: seconds from its first picture to its last packet,
// bytes of pictures copied, bytes of packets copied, processor seconds of its thread. For POSIX.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <thread>
#include <vector>

#include "../videohw/_native/dynlib.h"
#include "../videohw/_native/nvenc_versions.hpp"
#include "../videohw/_native/nvidia_driver.hpp"

using namespace nvenc_13_0;

namespace {

using Clock = std::chrono::steady_clock;
constexpr int sources = 8; // different pictures, over and over

videohw::Driver driver;
const nvidia_cuda *cuda;
CUcontext context;
NV_ENCODE_API_FUNCTION_LIST calls{};
uint32_t width, height;
int frames, depth;
bool on_device;

void check(uint32_t code, const char *call)
{
    if (code) {
        std::fprintf(stderr, "%s: %u\n", call, code);
        std::exit(1);
    }
}

void load_nvenc()
{
    char why[256] = "";
    const char *named = std::getenv("VIDEOHW_LIBNVIDIA_ENCODE");
    void *library = dynlib_open(named ? named : NVENC_LIBRARY, why, sizeof why);
    if (!library) {
        std::fprintf(stderr, "%s\n", why);
        std::exit(1);
    }
    auto create = reinterpret_cast<NvEncodeAPICreateInstance>(
        dynlib_symbol(library, "NvEncodeAPICreateInstance"));
    calls.version = NV_ENCODE_API_FUNCTION_LIST_VER;
    check(create(&calls), "NvEncodeAPICreateInstance");
}

double thread_seconds()
{
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec + now.tv_nsec * 1e-9;
}

struct Slot {
    NV_ENC_INPUT_PTR input = nullptr; // a buffer of NVENC, or the mapped one
    NV_ENC_OUTPUT_PTR output = nullptr;
};

struct Session {
    void *encoder = nullptr;
    std::vector<Slot> slots;
    std::vector<std::vector<uint8_t>> host;
    std::vector<NV_ENC_REGISTERED_PTR> registered;
    std::vector<std::vector<uint8_t>> packets;
    double seconds = 0, cpu_seconds = 0;
    size_t bytes_in = 0, bytes_out = 0;

    void open()
    {
        NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS opening{};
        opening.version = NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS_VER;
        opening.deviceType = NV_ENC_DEVICE_TYPE_CUDA;
        opening.device = context;
        opening.apiVersion = NVENCAPI_VERSION;
        check(calls.nvEncOpenEncodeSessionEx(&opening, &encoder), "nvEncOpenEncodeSessionEx");
        NV_ENC_PRESET_CONFIG preset{};
        preset.version = NV_ENC_PRESET_CONFIG_VER;
        preset.presetCfg.version = NV_ENC_CONFIG_VER;
        check(calls.nvEncGetEncodePresetConfigEx(encoder, NV_ENC_CODEC_H264_GUID,
                                                 NV_ENC_PRESET_P1_GUID,
                                                 NV_ENC_TUNING_INFO_HIGH_QUALITY, &preset),
              "nvEncGetEncodePresetConfigEx");
        preset.presetCfg.frameIntervalP = 1;
        NV_ENC_INITIALIZE_PARAMS initial{};
        initial.version = NV_ENC_INITIALIZE_PARAMS_VER;
        initial.encodeGUID = NV_ENC_CODEC_H264_GUID;
        initial.presetGUID = NV_ENC_PRESET_P1_GUID;
        initial.tuningInfo = NV_ENC_TUNING_INFO_HIGH_QUALITY;
        initial.encodeWidth = initial.maxEncodeWidth = initial.darWidth = width;
        initial.encodeHeight = initial.maxEncodeHeight = initial.darHeight = height;
        initial.frameRateNum = 30;
        initial.frameRateDen = 1;
        initial.enablePTD = 1;
        initial.encodeConfig = &preset.presetCfg;
        check(calls.nvEncInitializeEncoder(encoder, &initial), "nvEncInitializeEncoder");
        slots.resize(depth);
        for (Slot &slot : slots) {
            NV_ENC_CREATE_BITSTREAM_BUFFER out{};
            out.version = NV_ENC_CREATE_BITSTREAM_BUFFER_VER;
            check(calls.nvEncCreateBitstreamBuffer(encoder, &out), "nvEncCreateBitstreamBuffer");
            slot.output = out.bitstreamBuffer;
            if (on_device)
                continue;
            NV_ENC_CREATE_INPUT_BUFFER in{};
            in.version = NV_ENC_CREATE_INPUT_BUFFER_VER;
            in.width = width;
            in.height = height;
            in.bufferFmt = NV_ENC_BUFFER_FORMAT_NV12;
            check(calls.nvEncCreateInputBuffer(encoder, &in), "nvEncCreateInputBuffer");
            slot.input = in.inputBuffer;
        }
    }

    void make_pictures()
    {
        const size_t bytes = size_t{width} * height * 3 / 2;
        for (int i = 0; i < sources; ++i) {
            std::vector<uint8_t> picture(bytes);
            for (size_t at = 0; at < bytes; ++at)
                picture[at] = static_cast<uint8_t>(at * 7 + i * 31);
            if (!on_device) {
                host.push_back(std::move(picture));
                continue;
            }
            CUdeviceptr memory = 0;
            check(cuda->cuMemAlloc(&memory, bytes), "cuMemAlloc");
            CUDA_MEMCPY2D copy{};
            copy.srcMemoryType = CU_MEMORYTYPE_HOST;
            copy.srcHost = picture.data();
            copy.dstMemoryType = CU_MEMORYTYPE_DEVICE;
            copy.dstDevice = memory;
            copy.srcPitch = copy.dstPitch = copy.WidthInBytes = width;
            copy.Height = height * 3 / 2;
            check(cuda->cuMemcpy2DAsync(&copy, nullptr), "cuMemcpy2DAsync");
            check(cuda->cuStreamSynchronize(nullptr), "cuStreamSynchronize");
            NV_ENC_REGISTER_RESOURCE resource{};
            resource.version = NV_ENC_REGISTER_RESOURCE_VER;
            resource.resourceType = NV_ENC_INPUT_RESOURCE_TYPE_CUDADEVICEPTR;
            resource.width = width;
            resource.height = height;
            resource.pitch = width;
            resource.resourceToRegister = reinterpret_cast<void *>(memory);
            resource.bufferFormat = NV_ENC_BUFFER_FORMAT_NV12;
            resource.bufferUsage = NV_ENC_INPUT_IMAGE;
            check(calls.nvEncRegisterResource(encoder, &resource), "nvEncRegisterResource");
            registered.push_back(resource.registeredResource);
        }
    }

    void fill(Slot &slot, int number)
    {
        if (on_device) {
            NV_ENC_MAP_INPUT_RESOURCE map{};
            map.version = NV_ENC_MAP_INPUT_RESOURCE_VER;
            map.registeredResource = registered[number % sources];
            check(calls.nvEncMapInputResource(encoder, &map), "nvEncMapInputResource");
            slot.input = map.mappedResource;
            return;
        }
        NV_ENC_LOCK_INPUT_BUFFER lock{};
        lock.version = NV_ENC_LOCK_INPUT_BUFFER_VER;
        lock.inputBuffer = slot.input;
        check(calls.nvEncLockInputBuffer(encoder, &lock), "nvEncLockInputBuffer");
        const uint8_t *from = host[number % sources].data();
        uint8_t *to = static_cast<uint8_t *>(lock.bufferDataPtr);
        for (uint32_t row = 0; row < height * 3 / 2; ++row)
            std::memcpy(to + size_t{row} * lock.pitch, from + size_t{row} * width, width);
        bytes_in += size_t{width} * height * 3 / 2;
        check(calls.nvEncUnlockInputBuffer(encoder, slot.input), "nvEncUnlockInputBuffer");
    }

    void take(Slot &slot)
    {
        NV_ENC_LOCK_BITSTREAM lock{};
        lock.version = NV_ENC_LOCK_BITSTREAM_VER;
        lock.outputBitstream = slot.output;
        check(calls.nvEncLockBitstream(encoder, &lock), "nvEncLockBitstream");
        const uint8_t *from = static_cast<const uint8_t *>(lock.bitstreamBufferPtr);
        packets.emplace_back(from, from + lock.bitstreamSizeInBytes);
        bytes_out += lock.bitstreamSizeInBytes;
        check(calls.nvEncUnlockBitstream(encoder, slot.output), "nvEncUnlockBitstream");
        if (on_device)
            check(calls.nvEncUnmapInputResource(encoder, slot.input), "nvEncUnmapInputResource");
        packets.clear(); // they would go to the network here
    }

    void run()
    {
        check(cuda->cuCtxPushCurrent(context), "cuCtxPushCurrent");
        open();
        make_pictures();
        const double cpu = thread_seconds();
        const Clock::time_point start = Clock::now();
        for (int number = 0; number < frames; ++number) {
            Slot &slot = slots[number % depth];
            if (number >= depth)
                take(slot);
            fill(slot, number);
            NV_ENC_PIC_PARAMS picture{};
            picture.version = NV_ENC_PIC_PARAMS_VER;
            picture.inputWidth = width;
            picture.inputHeight = height;
            picture.inputPitch = width;
            picture.inputBuffer = slot.input;
            picture.outputBitstream = slot.output;
            picture.bufferFmt = NV_ENC_BUFFER_FORMAT_NV12;
            picture.pictureStruct = NV_ENC_PIC_STRUCT_FRAME;
            picture.inputTimeStamp = number;
            picture.frameIdx = number;
            check(calls.nvEncEncodePicture(encoder, &picture), "nvEncEncodePicture");
        }
        for (int number = frames < depth ? 0 : frames - depth; number < frames; ++number)
            take(slots[number % depth]);
        seconds = std::chrono::duration<double>(Clock::now() - start).count();
        cpu_seconds = thread_seconds() - cpu;
    }
};

} // namespace

int main(int, char **arguments)
{
    width = std::atoi(arguments[1]);
    height = std::atoi(arguments[2]);
    frames = std::atoi(arguments[3]);
    std::vector<Session> sessions(std::atoi(arguments[4]));
    on_device = std::string(arguments[5]) == "device";
    depth = std::atoi(arguments[6]);
    cuda = driver.cuda();
    if (!cuda) {
        std::fprintf(stderr, "there is no NVIDIA driver here\n");
        return 1;
    }
    CUdevice device = 0;
    check(driver.start(), "cuInit");
    check(cuda->cuDeviceGet(&device, 0), "cuDeviceGet");
    check(cuda->cuDevicePrimaryCtxRetain(&context, device), "cuDevicePrimaryCtxRetain");
    load_nvenc();
    std::vector<std::thread> threads;
    for (Session &session : sessions)
        threads.emplace_back([&session] { session.run(); });
    for (std::thread &thread : threads)
        thread.join();
    for (Session &session : sessions)
        std::printf("%.6f %zu %zu %.6f\n", session.seconds, session.bytes_in, session.bytes_out,
                    session.cpu_seconds);
    std::fflush(stdout);
    std::_Exit(0); // closing sessions is not what is measured
}
