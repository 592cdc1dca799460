// The plain loop on cuvid that nothing on top of it can beat: parse, decode, map, copy, unmap.
//
// usage: nvdec_ceiling CODEC STREAM SIZES SESSIONS metadata|device|host LAG
//
// STREAM is coded pictures one after the other, SIZES a file of their sizes in bytes, one a line.
// Each session is a thread with a parser, a decoder and a stream; one picture is given in each call,
// with the flag that it ends there. Pictures are mapped LAG pictures after the parser showed them.
// Prints the time at which each picture of each session was done, in seconds since the start.
#include <chrono>
#include <cstdio>
#include <cstring>
#include <deque>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "../videohw/_native/nvidia_driver.hpp"

namespace {

using Clock = std::chrono::steady_clock;

videohw::Driver driver;
const nvidia_cuda *cuda;
const nvidia_cuvid *cuvid;
CUcontext context;
std::string stream_data;
std::vector<std::size_t> sizes;
std::string mode;
std::size_t lag;
Clock::time_point start;

void check(CUresult code, const char *call)
{
    if (code) {
        std::fprintf(stderr, "%s: %d\n", call, code);
        std::exit(1);
    }
}

struct Session {
    CUvideodecoder decoder = nullptr;
    CUstream work = nullptr;
    CUVIDEOFORMAT format{};
    std::deque<CUVIDPARSERDISPINFO> shown;
    std::vector<CUdeviceptr> targets;
    std::vector<void *> host_targets;
    std::vector<double> done;
    std::size_t next = 0;

    void map()
    {
        CUVIDPARSERDISPINFO info = shown.front();
        shown.pop_front();
        if (mode != "metadata") {
            CUVIDPROCPARAMS processing{};
            processing.progressive_frame = info.progressive_frame;
            processing.output_stream = work;
            CUdeviceptr address = 0;
            unsigned pitch = 0;
            check(cuvid->cuvidMapVideoFrame(decoder, info.picture_index, &address, &pitch,
                                            &processing),
                  "cuvidMapVideoFrame");
            const std::size_t width = format.coded_width, rows = format.coded_height;
            CUDA_MEMCPY2D copy{};
            copy.srcMemoryType = CU_MEMORYTYPE_DEVICE;
            copy.srcDevice = address;
            copy.srcPitch = pitch;
            copy.dstPitch = copy.WidthInBytes = width;
            copy.Height = rows * 3 / 2;
            if (mode == "host") {
                copy.dstMemoryType = CU_MEMORYTYPE_HOST;
                copy.dstHost = host_targets[next++ % host_targets.size()];
            } else {
                copy.dstMemoryType = CU_MEMORYTYPE_DEVICE;
                copy.dstDevice = targets[next++ % targets.size()];
            }
            check(cuda->cuMemcpy2DAsync(&copy, work), "cuMemcpy2DAsync");
            check(cuda->cuStreamSynchronize(work), "cuStreamSynchronize");
            check(cuvid->cuvidUnmapVideoFrame(decoder, address), "cuvidUnmapVideoFrame");
        }
        done.push_back(std::chrono::duration<double>(Clock::now() - start).count());
    }
};

int NVIDIA_CALL on_sequence(void *self, CUVIDEOFORMAT *format)
{
    Session &session = *static_cast<Session *>(self);
    const int surfaces = format->min_num_decode_surfaces + static_cast<int>(lag) + 2;
    if (session.decoder)
        return surfaces;
    session.format = *format;
    CUVIDDECODECREATEINFO info{};
    info.CodecType = format->codec;
    info.ChromaFormat = format->chroma_format;
    info.OutputFormat = cudaVideoSurfaceFormat_NV12;
    info.ulCreationFlags = cudaVideoCreate_PreferCUVID;
    info.ulWidth = info.ulMaxWidth = info.ulTargetWidth = format->coded_width;
    info.ulHeight = info.ulMaxHeight = info.ulTargetHeight = format->coded_height;
    info.ulNumDecodeSurfaces = surfaces;
    info.ulNumOutputSurfaces = 2;
    check(cuvid->cuvidCreateDecoder(&session.decoder, &info), "cuvidCreateDecoder");
    const std::size_t bytes = std::size_t{format->coded_width} * format->coded_height * 3 / 2;
    for (int i = 0; i < 8; ++i) {
        CUdeviceptr target = 0;
        void *host = nullptr;
        check(cuda->cuMemAlloc(&target, bytes), "cuMemAlloc");
        check(cuda->cuMemHostAlloc(&host, bytes, 0), "cuMemHostAlloc");
        session.targets.push_back(target);
        session.host_targets.push_back(host);
    }
    return surfaces;
}

int NVIDIA_CALL on_decode(void *self, CUVIDPICPARAMS *picture)
{
    Session &session = *static_cast<Session *>(self);
    for (std::size_t i = 0; i < session.shown.size(); ++i)
        if (session.shown[i].picture_index == picture->CurrPicIdx) {
            for (std::size_t j = 0; j <= i; ++j)
                session.map();
            break;
        }
    return cuvid->cuvidDecodePicture(session.decoder, picture) == CUDA_SUCCESS;
}

int NVIDIA_CALL on_display(void *self, CUVIDPARSERDISPINFO *info)
{
    if (info)
        static_cast<Session *>(self)->shown.push_back(*info);
    return 1;
}

void run(Session &session, int codec)
{
    check(cuda->cuCtxPushCurrent(context), "cuCtxPushCurrent");
    check(cuda->cuStreamCreate(&session.work, CU_STREAM_NON_BLOCKING), "cuStreamCreate");
    CUVIDPARSERPARAMS parameters{};
    parameters.CodecType = codec;
    parameters.ulMaxNumDecodeSurfaces = 1;
    parameters.pUserData = &session;
    parameters.pfnSequenceCallback = on_sequence;
    parameters.pfnDecodePicture = on_decode;
    parameters.pfnDisplayPicture = on_display;
    CUvideoparser parser = nullptr;
    check(cuvid->cuvidCreateVideoParser(&parser, &parameters), "cuvidCreateVideoParser");
    const unsigned char *at = reinterpret_cast<const unsigned char *>(stream_data.data());
    for (std::size_t size : sizes) {
        CUVIDSOURCEDATAPACKET packet{};
        packet.flags = CUVID_PKT_ENDOFPICTURE;
        packet.payload = at;
        packet.payload_size = size;
        check(cuvid->cuvidParseVideoData(parser, &packet), "cuvidParseVideoData");
        at += size;
        while (session.shown.size() > lag)
            session.map();
    }
    CUVIDSOURCEDATAPACKET end{};
    end.flags = CUVID_PKT_ENDOFSTREAM;
    check(cuvid->cuvidParseVideoData(parser, &end), "cuvidParseVideoData");
    while (!session.shown.empty())
        session.map();
    cuvid->cuvidDestroyVideoParser(parser);
}

} // namespace

int main(int, char **arguments)
{
    const int codec = std::atoi(arguments[1]);
    std::ifstream file(arguments[2], std::ios::binary), listed(arguments[3]);
    stream_data.assign(std::istreambuf_iterator<char>(file), {});
    sizes.assign(std::istream_iterator<std::size_t>(listed), {});
    std::vector<Session> sessions(std::atoi(arguments[4]));
    mode = arguments[5];
    lag = std::atoi(arguments[6]);
    cuda = driver.cuda();
    cuvid = driver.cuvid();
    if (!cuvid) {
        std::fprintf(stderr, "there is no NVIDIA driver here\n");
        return 1;
    }
    CUdevice device = 0;
    check(driver.start(), "cuInit");
    check(cuda->cuDeviceGet(&device, 0), "cuDeviceGet");
    check(cuda->cuDevicePrimaryCtxRetain(&context, device), "cuDevicePrimaryCtxRetain");
    start = Clock::now();
    std::vector<std::thread> threads;
    for (Session &session : sessions)
        threads.emplace_back([&session, codec] { run(session, codec); });
    for (std::thread &thread : threads)
        thread.join();
    for (Session &session : sessions) {
        for (double when : session.done)
            std::printf("%.6f ", when);
        std::printf("\n");
    }
    std::fflush(stdout);
    std::_Exit(0); // destroying decoders takes a second and is not what is measured
}
