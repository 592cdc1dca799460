// H.264 through VideoToolbox with the calls that a picture needs and nothing else.
//
// Each session has a thread, which copies NV12 pictures into buffers of the session's pool and gives
// them to it, so many under way at most; the callback copies each sample out. It prints, for each
// session: seconds, bytes copied in and out, processor seconds of the process (with the first).
//
// usage: loop WIDTH HEIGHT FRAMES SESSIONS DEPTH

#include "apple_refs.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <mutex>
#include <thread>
#include <vector>

namespace {

using videohw::CfOwner;
using Clock = std::chrono::steady_clock;
constexpr int sources = 8, frame_rate = 30;
constexpr std::int64_t bits_per_second = 4'000'000;

void check(OSStatus code, const char *call)
{
    if (!code)
        return;
    std::fprintf(stderr, "%s: %d\n", call, static_cast<int>(code));
    std::exit(1);
}

struct Session {
    int width = 0, height = 0, frames = 0, depth = 0;
    CfOwner<VTCompressionSessionRef> session;
    std::mutex lock;
    std::condition_variable changed;
    int under_way = 0;
    std::uint64_t bytes_in = 0, bytes_out = 0;
    std::vector<std::uint8_t> coded;
    double seconds = 0;

    void open();
    void run();
    void feed(int number, const std::vector<std::uint8_t> &picture);
    static void called_back(void *own, void *, OSStatus status, VTEncodeInfoFlags,
                            CMSampleBufferRef sample);
};

void Session::called_back(void *own, void *, OSStatus status, VTEncodeInfoFlags,
                          CMSampleBufferRef sample)
{
    auto &self = *static_cast<Session *>(own);
    check(status, "a frame");
    CMBlockBufferRef block = sample ? CMSampleBufferGetDataBuffer(sample) : nullptr;
    std::lock_guard<std::mutex> held(self.lock);
    if (block) {
        self.coded.resize(CMBlockBufferGetDataLength(block));
        check(CMBlockBufferCopyDataBytes(block, 0, self.coded.size(), self.coded.data()), "copy");
        self.bytes_out += self.coded.size();
    }
    --self.under_way;
    self.changed.notify_all();
}

void Session::open()
{
    auto attributes = videohw::cf_dictionary(), surface = videohw::cf_dictionary();
    videohw::cf_set(attributes.get(), kCVPixelBufferPixelFormatTypeKey,
                    kCVPixelFormatType_420YpCbCr8BiPlanarVideoRange);
    CFDictionarySetValue(attributes.get(), kCVPixelBufferIOSurfacePropertiesKey, surface.get());
    check(VTCompressionSessionCreate(kCFAllocatorDefault, width, height, kCMVideoCodecType_H264,
                                     nullptr, attributes.get(), kCFAllocatorDefault, called_back,
                                     this, session.out()),
          "VTCompressionSessionCreate");
    std::int64_t rate = bits_per_second;
    CfOwner<CFNumberRef> bits(CFNumberCreate(kCFAllocatorDefault, kCFNumberSInt64Type, &rate));
    check(VTSessionSetProperty(session.get(), kVTCompressionPropertyKey_AverageBitRate, bits.get()),
          "AverageBitRate");
    check(VTSessionSetProperty(session.get(), kVTCompressionPropertyKey_AllowFrameReordering,
                               kCFBooleanFalse),
          "AllowFrameReordering");
    check(VTCompressionSessionPrepareToEncodeFrames(session.get()), "prepare");
}

void Session::feed(int number, const std::vector<std::uint8_t> &picture)
{
    CfOwner<CVPixelBufferRef> buffer;
    check(CVPixelBufferPoolCreatePixelBufferWithAuxAttributes(
              kCFAllocatorDefault, VTCompressionSessionGetPixelBufferPool(session.get()), nullptr,
              buffer.out()),
          "a buffer");
    check(CVPixelBufferLockBaseAddress(buffer.get(), 0), "lock");
    const std::uint8_t *from = picture.data();
    for (std::size_t plane = 0; plane < 2; ++plane) {
        auto *to = static_cast<std::uint8_t *>(
            CVPixelBufferGetBaseAddressOfPlane(buffer.get(), plane));
        std::size_t pitch = CVPixelBufferGetBytesPerRowOfPlane(buffer.get(), plane);
        for (int row = 0; row < (plane ? height / 2 : height); ++row, from += width)
            std::memcpy(to + pitch * static_cast<std::size_t>(row), from,
                        static_cast<std::size_t>(width));
    }
    CVPixelBufferUnlockBaseAddress(buffer.get(), 0);
    bytes_in += picture.size();
    {
        std::unique_lock<std::mutex> held(lock);
        changed.wait(held, [&] { return under_way < depth; });
        ++under_way;
    }
    check(VTCompressionSessionEncodeFrame(session.get(), buffer.get(),
                                          CMTimeMake(number, frame_rate),
                                          CMTimeMake(1, frame_rate), nullptr, nullptr, nullptr),
          "VTCompressionSessionEncodeFrame");
}

void Session::run()
{
    // The pictures that the other side codes, too.
    auto bytes = static_cast<std::size_t>(width * height * 3 / 2);
    std::vector<std::vector<std::uint8_t>> pictures(sources, std::vector<std::uint8_t>(bytes));
    for (std::size_t n = 0; n < pictures.size(); ++n)
        for (std::size_t i = 0; i < bytes; ++i)
            pictures[n][i] = static_cast<std::uint8_t>(i * 7 + 31 * n);
    auto began = Clock::now();
    for (int number = 0; number < frames; ++number) {
        videohw::AutoreleasePool pool;
        feed(number, pictures[static_cast<std::size_t>(number % sources)]);
    }
    check(VTCompressionSessionCompleteFrames(session.get(), kCMTimeInvalid), "complete");
    seconds = std::chrono::duration<double>(Clock::now() - began).count();
    VTCompressionSessionInvalidate(session.get());
}

} // namespace

int main(int count, char **words)
{
    if (count != 6)
        return 2;
    int number[6] = {};
    for (int i = 1; i < 6; ++i)
        number[i] = std::atoi(words[i]);
    std::vector<Session> sessions(static_cast<std::size_t>(number[4]));
    std::vector<std::thread> threads;
    for (Session &each : sessions) {
        each.width = number[1];
        each.height = number[2];
        each.frames = number[3];
        each.depth = number[5];
        each.open();
    }
    std::clock_t before = std::clock();
    for (Session &each : sessions)
        threads.emplace_back([&each] { each.run(); });
    for (std::thread &each : threads)
        each.join();
    double cpu = static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC;
    for (const Session &each : sessions) {
        std::printf("%.6f %llu %llu %.6f\n", each.seconds,
                    static_cast<unsigned long long>(each.bytes_in),
                    static_cast<unsigned long long>(each.bytes_out), cpu);
        cpu = 0;
    }
}
