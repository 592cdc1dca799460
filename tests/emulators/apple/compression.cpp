// VTCompressionSession: frames come coded, in decoding order, with dts as the encoder counts them.

#include "compression.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <thread>

extern "C" {
extern const CFStringRef kVTVideoEncoderSpecification_EnableLowLatencyRateControl;
}

namespace apple {
namespace {

class Compression;
thread_local const Compression *coding_back = nullptr;

struct Frame {
    Kept<PixelBuffer> image;
    CMTime time{}, duration{};
    void *reference = nullptr;
    bool forced = false;
    codec::Order order;
};

// A frame, or the end of what must come out.
struct Job {
    Frame frame;
    bool completes = false;
    CMTime until{};
};

struct Coded {
    Frame frame;
    OSStatus status = 0;
    VTEncodeInfoFlags flags = 0;
    Kept<SampleBuffer> sample;
};

bool is_numeric(const CMTime &time)
{
    constexpr uint32_t not_numbers = 0x1c;
    return (time.flags & kCMTimeFlags_Valid) && !(time.flags & not_numbers) && time.timescale > 0;
}

// Of Annex-B, without start codes.
std::vector<Bytes> units_of(const Bytes &data)
{
    std::vector<Bytes> made;
    for (std::size_t i = 0; i + 3 <= data.size(); ++i) {
        if (data[i] || data[i + 1] || data[i + 2] != 1)
            continue;
        if (!made.empty() && i > 0 && data[i - 1] == 0)
            made.back().pop_back();
        made.emplace_back();
        i += 2;
        while (i + 1 < data.size()) {
            if (i + 3 < data.size() && !data[i + 1] && !data[i + 2] && data[i + 3] == 1)
                break;
            made.back().push_back(data[++i]);
        }
    }
    return made;
}

Bytes with_lengths(const Bytes &annexb)
{
    Bytes made;
    for (const Bytes &unit : units_of(annexb)) {
        for (int shift = 24; shift >= 0; shift -= 8)
            made.push_back(static_cast<uint8_t>(unit.size() >> shift));
        made.insert(made.end(), unit.begin(), unit.end());
    }
    return made;
}

class Compression : public EncoderProperties {
  public:
    Compression(const EncoderWish &wish, VTCompressionOutputCallback callback, void *own,
                const Format *input, bool has_surface)
        : EncoderProperties(wish), callback(callback), own(own), input(input)
    {
        if (input)
            pool = Kept<Pool>::adopted(new Pool(*input, static_cast<std::size_t>(wish.width),
                                                static_cast<std::size_t>(wish.height),
                                                has_surface));
    }
    // Rule (header): with the last reference it is invalidated.
    void clear() override
    {
        invalidate();
        Session::clear();
        pool = {};
        description = {};
    }

    Pool *buffers() { return pool.get(); }
    OSStatus prepare();
    OSStatus encode(Frame frame, VTEncodeInfoFlags *info);
    OSStatus complete(CMTime until);
    void invalidate();

  protected:
    void refresh() override
    {
        auto count = Kept<Number>::adopted(new Number(static_cast<int64_t>(pending.size())));
        put(kVTCompressionPropertyKey_NumberOfPendingFrames, count.get());
    }

  private:
    OSStatus refusal(const Frame &frame);
    void wait_for_delay(std::unique_lock<std::mutex> &held, std::size_t most);
    void work();
    void handle(Job job);
    void look_ahead(std::size_t leave);
    void decide(Frame frame);
    void code_group();
    Coded coded(Frame frame);
    bool drops(const Frame &frame);
    OSStatus run(const Frame &frame, Kept<SampleBuffer> *sample);
    OSStatus open_coder(const Format &format);
    void describe(SampleBuffer &sample, bool is_key, bool is_intra);
    void call_back(Coded done);
    bool is_over(const CMTime &until) const;

    const VTCompressionOutputCallback callback;
    void *const own;
    const Format *const input; // that the client said it would give; nullptr: nothing was said
    Kept<Pool> pool;

    std::condition_variable changed;
    CMTime last_time{};
    std::deque<Job> jobs;
    std::vector<CMTime> pending; // of frames that were not called back
    std::deque<CMTime> decode_times;
    bool ending = false;
    std::thread worker;
    // Of whoever codes, one at a time.
    std::mutex coder_lock;
    std::deque<Frame> window; // is looked at before it is coded
    std::vector<Frame> group;
    bool next_is_key = true;
    long since_key = 0, frames_coded = 0;
    CMTime key_time{};
    std::unique_ptr<codec::Encoder> coder;
    std::vector<codec::Message> prefix;
    int coded_depth = 8;
    int most_b = 0;
    std::size_t ahead = 0;
    Kept<FormatDescription> description;
};

OSStatus Compression::prepare()
{
    std::lock_guard<std::mutex> held(lock);
    begun = begun || !state;
    return state;
}

// Rule (header): numbers that grow, over every session, also after frames were completed.
// Rule (assumed): what breaks it is an invalid parameter.
OSStatus Compression::refusal(const Frame &frame)
{
    if (coding_back == this) {
        misuse("encodes in a callback"); // Rule (assumed)
        return kVTParameterErr;
    }
    if (!is_numeric(frame.time))
        return kVTParameterErr;
    if (last_time.timescale && CMTimeCompare(frame.time, last_time) <= 0) {
        misuse("a time that is not after the last");
        return kVTParameterErr;
    }
    PixelBuffer &image = *frame.image;
    // Rule (header): other sizes and formats are converted. Rule (assumed): not here.
    if (static_cast<int>(image.width) != wish.width ||
        static_cast<int>(image.height) != wish.height || image.format.planes != 2) {
        misuse("a picture that VideoToolbox would have to convert");
        return kVTPixelTransferNotSupportedErr;
    }
    if (input && input != &image.format)
        misuse("another pixel format than the session was created for");
    // Rule (assumed): the client may read while it is coded, but not write.
    if (image.is_written())
        misuse("the base address of the picture is locked for writing");
    // Rule (assumed): what is attached and is not the session's is converted without a word.
    const std::pair<CFStringRef, CFStringRef> colours[] = {
        {kVTCompressionPropertyKey_YCbCrMatrix, kCVImageBufferYCbCrMatrixKey},
        {kVTCompressionPropertyKey_ColorPrimaries, kCVImageBufferColorPrimariesKey},
        {kVTCompressionPropertyKey_TransferFunction, kCVImageBufferTransferFunctionKey}};
    for (auto [property, key] : colours) {
        Object *asked = value_of(property);
        Object *has = image.attachments ? image.attachments->find(key) : nullptr;
        if (asked && has && !equal(asked, has))
            misuse("a picture of another colour, which VideoToolbox would convert silently");
    }
    return 0;
}

OSStatus Compression::encode(Frame frame, VTEncodeInfoFlags *info)
{
    bool here = callbacks() == Callbacks::caller;
    {
        std::unique_lock<std::mutex> held(lock);
        if (state)
            return state;
        if (OSStatus code = refusal(frame))
            return code;
        begun = true;
        last_time = frame.time;
        pending.push_back(frame.time);
        decode_times.push_back(frame.time);
        // Rule (header): frames queue up without a bound, but for a limit of the delay.
        peak("frames being encoded", static_cast<long>(pending.size()));
        if (info)
            *info = here ? 0 : kVTEncodeInfo_Asynchronous;
        if (!here) {
            jobs.push_back({std::move(frame)});
            if (!worker.joinable())
                worker = std::thread([this] { work(); });
            changed.notify_all();
            // Rule (header): before the call for frame N returns, frame N - M was emitted.
            double most = number(kVTCompressionPropertyKey_MaxFrameDelayCount);
            if (value_of(kVTCompressionPropertyKey_MaxFrameDelayCount) && most >= 0)
                wait_for_delay(held, static_cast<std::size_t>(most));
            return 0;
        }
    }
    std::lock_guard<std::mutex> coding(coder_lock);
    handle({std::move(frame)});
    return 0;
}

void Compression::wait_for_delay(std::unique_lock<std::mutex> &held, std::size_t most)
{
    changed.wait(held, [&] { return pending.size() <= most || ending; });
}

void Compression::work()
{
    std::unique_lock<std::mutex> held(lock);
    while (!ending) {
        if (jobs.empty()) {
            changed.wait(held);
            continue;
        }
        Job job = std::move(jobs.front());
        jobs.pop_front();
        held.unlock();
        {
            std::lock_guard<std::mutex> coding(coder_lock);
            handle(std::move(job));
        }
        held.lock();
    }
}

void Compression::handle(Job job)
{
    if (!job.completes) {
        if (!coder) {
            std::lock_guard<std::mutex> held(lock);
            most_b = b_pictures();
            // Rule (header): it may hold so many. Rule (assumed): then it does.
            double most = number(kVTCompressionPropertyKey_MaxFrameDelayCount);
            ahead = most > most_b ? static_cast<std::size_t>(most - most_b) : 0;
        }
        window.push_back(std::move(job.frame));
        look_ahead(ahead);
        return;
    }
    auto is_due = [&](const Frame &each) {
        return !is_numeric(job.until) || CMTimeCompare(each.time, job.until) <= 0;
    };
    look_ahead(static_cast<std::size_t>(std::count_if(
        window.begin(), window.end(), [&](const Frame &each) { return !is_due(each); })));
    bool reaches = std::any_of(group.begin(), group.end(), is_due);
    // Rule (assumed): what is coded together comes out together.
    if (reaches)
        code_group();
}

void Compression::look_ahead(std::size_t leave)
{
    while (window.size() > leave) {
        Frame next = std::move(window.front());
        window.pop_front();
        decide(std::move(next));
    }
}

// Which frames are keyframes, and how many wait for one that is coded before them.
void Compression::decide(Frame frame)
{
    bool is_key = next_is_key || frame.forced;
    {
        std::lock_guard<std::mutex> held(lock);
        double seconds = CMTimeGetSeconds(frame.time) - CMTimeGetSeconds(key_time);
        is_key = is_key || key_is_due(since_key, seconds);
    }
    if (is_key) {
        code_group(); // Rule (assumed): groups are closed
        next_is_key = false;
        since_key = 0;
        key_time = frame.time;
    }
    frame.order.type = is_key ? codec::PictureType::idr : codec::PictureType::b;
    frame.order.number = static_cast<int>(since_key++);
    group.push_back(std::move(frame));
    if (is_key || static_cast<int>(group.size()) > most_b)
        code_group();
}

// The last is coded first; of three others the one in the middle, to which the others refer.
void Compression::code_group()
{
    std::vector<Frame> closed = std::exchange(group, {});
    if (closed.empty())
        return;
    if (closed.back().order.type == codec::PictureType::b)
        closed.back().order.type = codec::PictureType::p;
    std::rotate(closed.begin(), closed.end() - 1, closed.end());
    if (closed.size() > 2 && wish.codec != kCMVideoCodecType_H264) {
        auto middle = closed.begin() + static_cast<long>(closed.size() / 2);
        std::rotate(closed.begin() + 1, middle, middle + 1);
    }
    for (Frame &each : closed)
        call_back(coded(std::move(each)));
}

bool Compression::drops(const Frame &frame)
{
    // Rule (header): it may drop frames to hold the rate. Rule (assumed): which; a test says.
    long every = std::stol(setting("DROPS", "0"));
    return wish.low_latency && every && frame.order.type != codec::PictureType::idr &&
           frames_coded % every == every - 1;
}

Coded Compression::coded(Frame frame)
{
    Call step("encode");
    Coded done;
    if (callbacks() != Callbacks::caller)
        done.flags = kVTEncodeInfo_Asynchronous;
    if (step.answer.lost)
        lose(step.answer.lost);
    // Rule (assumed): what is under way when a session is lost is called back with its code.
    done.status = answer();
    if (!done.status)
        done.status = step.answer.code;
    bool dropped = !done.status && (step.answer.drop || drops(frame));
    ++frames_coded;
    // Rule (header): a frame that is dropped has no sample, and that is no error.
    if (dropped)
        done.flags |= kVTEncodeInfo_FrameDropped;
    else if (!done.status)
        done.status = run(frame, &done.sample);
    if (!done.sample) {
        // Rule (assumed): the next frame is the keyframe that did not come to be; a test may want
        // an encoder that forgets it.
        next_is_key = next_is_key || (frame.order.type == codec::PictureType::idr &&
                                      setting("MAKES_UP", "1") == "1");
        std::lock_guard<std::mutex> held(lock);
        if (!decode_times.empty())
            decode_times.pop_front();
    }
    done.frame = std::move(frame);
    done.frame.image = {};
    return done;
}

OSStatus Compression::open_coder(const Format &format)
{
    codec::EncoderSettings wanted;
    {
        std::lock_guard<std::mutex> held(lock);
        wanted = settings(format);
        prefix = messages();
        coded_depth = wanted.depth;
        new_rate = false;
    }
    std::string reason;
    coder = codec::Encoder::open(wanted, reason);
    if (!coder) {
        misuse("%s", reason.c_str());
        return kVTVideoEncoderMalfunctionErr;
    }
    // Rule (header): what has no parameter sets is described by its codec and size.
    auto *made = wish.prores() >= 0
                     ? new FormatDescription(wish.codec, wish.width, wish.height)
                     : description_of(wish.codec, units_of(coder->headers()), 4);
    description = Kept<FormatDescription>::adopted(made);
    return made ? 0 : kVTVideoEncoderMalfunctionErr;
}

OSStatus Compression::run(const Frame &frame, Kept<SampleBuffer> *sample)
{
    if (!coder)
        if (OSStatus code = open_coder(frame.image->format))
            return code;
    codec::Rate changed_rate;
    bool has_changed;
    CMSampleTimingInfo timing{frame.duration, frame.time, kCMTimeInvalid};
    {
        std::lock_guard<std::mutex> held(lock);
        has_changed = std::exchange(new_rate, false);
        if (has_changed)
            changed_rate = rate();
        // Rule (assumed): times of decoding are those of presentation in order, not shifted; none
        // are given without reordering.
        if (most_b && !decode_times.empty())
            timing.decodeTimeStamp = decode_times.front();
        if (!decode_times.empty())
            decode_times.pop_front();
    }
    codec::Coded made;
    if ((has_changed && !coder->change(changed_rate)) ||
        !coder->encode(planes_of(*frame.image, coded_depth), frame.order, made))
        return kVTVideoEncoderMalfunctionErr;
    bool is_key = frame.order.type == codec::PictureType::idr;
    Bytes data;
    if (is_key && !prefix.empty())
        data = codec::message_unit(wish.codec == kCMVideoCodecType_H264 ? codec::Kind::h264
                                                                        : codec::Kind::hevc,
                                   prefix);
    data.insert(data.end(), made.data.begin(), made.data.end());
    // Rule (QuickTime file format): a sample of ProRes is one frame, without NAL units.
    if (wish.prores() < 0)
        data = with_lengths(data);
    else if (setting("PRORES_FRAMES", "whole") == "cut")
        data.resize(data.size() / 2);
    *sample = Kept<SampleBuffer>::adopted(sample_of(description, std::move(data), timing));
    describe(**sample, is_key, is_key);
    return 0;
}

void Compression::describe(SampleBuffer &sample, bool is_key, bool is_intra)
{
    // Rule (header): what is not said to be no sync sample is one.
    bool lies = setting("ATTACHMENTS", "right") == "wrong";
    Array *array = attachments_of(sample, true);
    auto *attachments = static_cast<Dictionary *>(array->values.front().get());
    if (is_key ? wish.prores() >= 0 && lies : !lies)
        attachments->set(kCMSampleAttachmentKey_NotSync, boolean(true));
    attachments->set(kCMSampleAttachmentKey_DependsOnOthers, boolean(!is_intra));
}

void Compression::call_back(Coded done)
{
    bool over;
    {
        std::lock_guard<std::mutex> held(lock);
        over = ending;
    }
    if (!over) {
        const Compression *outer = std::exchange(coding_back, this);
        callback(own, done.frame.reference, done.status, done.flags,
                 done.sample ? reference<CMSampleBufferRef>(done.sample.get()) : nullptr);
        coding_back = outer;
    }
    // Rule (header): the sample is the client's only as long as it retains it.
    done.sample = {};
    std::lock_guard<std::mutex> held(lock);
    auto found = std::find_if(pending.begin(), pending.end(), [&](const CMTime &each) {
        return CMTimeCompare(each, done.frame.time) == 0;
    });
    if (found != pending.end())
        pending.erase(found);
    changed.notify_all();
}

// The lock is held.
bool Compression::is_over(const CMTime &until) const
{
    if (!is_numeric(until))
        return pending.empty();
    return std::none_of(pending.begin(), pending.end(),
                        [&](const CMTime &each) { return CMTimeCompare(each, until) <= 0; });
}

OSStatus Compression::complete(CMTime until)
{
    // Rule (header): it waits for callbacks, so that it would never end in one.
    if (coding_back == this) {
        misuse("completes frames in a callback");
        return kVTParameterErr;
    }
    Job job;
    job.completes = true;
    job.until = until;
    if (callbacks() == Callbacks::caller) {
        std::lock_guard<std::mutex> coding(coder_lock);
        handle(std::move(job));
        return answer();
    }
    std::unique_lock<std::mutex> held(lock);
    // Rule (header): a time that is no number stands for all frames.
    if (!is_over(until)) {
        jobs.push_back(std::move(job));
        changed.notify_all();
        changed.wait(held, [&] { return is_over(until) || ending; });
    }
    return state;
}

void Compression::invalidate()
{
    if (coding_back == this) {
        misuse("invalidated in a callback");
        return;
    }
    {
        std::lock_guard<std::mutex> held(lock);
        // Rule (header): every call after this one answers so.
        state = kVTInvalidSessionErr;
        ending = true;
        changed.notify_all();
    }
    if (worker.joinable())
        worker.join();
    // Rule (assumed): frames that are not coded yet are dropped without a callback.
    std::lock_guard<std::mutex> coding(coder_lock);
    std::vector<Frame> held_back = std::exchange(group, {});
    std::deque<Frame> looked_at = std::exchange(window, {});
    std::deque<Job> dropped;
    std::lock_guard<std::mutex> held(lock);
    dropped.swap(jobs);
    pending.clear();
    changed.notify_all();
}

bool has_encoder(CMVideoCodecType codec)
{
    return listed("ENCODERS", "avc1,hvc1,apco,apcs,apcn,apch,ap4h", codec);
}

// Rule (header): without an encoder that will do there is no session.
// Rule (assumed): which sizes one takes, and that low latency is of H.264 and of hardware.
OSStatus wish_of(CMVideoCodecType codec, int width, int height, CFDictionaryRef encoder,
                 EncoderWish *wish)
{
    auto *asked = encoder ? as<Dictionary>(encoder) : nullptr;
    bool hardware = setting("HARDWARE", "1") == "1";
    bool required = flag_of(
        asked, kVTVideoEncoderSpecification_RequireHardwareAcceleratedVideoEncoder, false);
    bool enabled = flag_of(
        asked, kVTVideoEncoderSpecification_EnableHardwareAcceleratedVideoEncoder, true);
    bool low_latency =
        flag_of(asked, kVTVideoEncoderSpecification_EnableLowLatencyRateControl, false);
    *wish = {codec, width, height, hardware && enabled, low_latency};
    bool is_odd = width % 2 || height % 2;
    if (width <= 0 || height <= 0 || (is_odd && wish->prores() < 0))
        return kVTParameterErr;
    bool is_h264 = codec == kCMVideoCodecType_H264;
    int longest = is_h264 ? 4096 : 8192;
    if (!has_encoder(codec) || (required && !hardware) || width > longest || height > longest ||
        (low_latency && (!hardware || !listed("LOW_LATENCY", "avc1", codec))))
        return kVTCouldNotFindVideoEncoderErr;
    return 0;
}

} // namespace
} // namespace apple

using namespace apple;

#define IN_SESSION(name)                                                                           \
    ENTER_STATUS();                                                                                \
    auto *name = as<Compression>(session);                                                         \
    if (!name)                                                                                     \
        return kVTParameterErr;                                                                    \
    if (entered.answer.lost)                                                                       \
        name->lose(entered.answer.lost);                                                           \
    if (OSStatus code = name->answer())                                                            \
    return code

EMULATED OSStatus VTCompressionSessionCreate(CFAllocatorRef, int32_t width, int32_t height,
                                             CMVideoCodecType codec, CFDictionaryRef encoder,
                                             CFDictionaryRef image_attributes, CFAllocatorRef,
                                             VTCompressionOutputCallback callback, void *own,
                                             VTCompressionSessionRef *session)
{
    ENTER_STATUS();
    EncoderWish wish;
    if (OSStatus code = wish_of(codec, width, height, encoder, &wish))
        return code;
    if (OSStatus code = gone())
        return code;
    if (!session || !callback) // Rule (header): NULL where blocks are given; not emulated
        return kVTParameterErr;
    auto *attributes = image_attributes ? as<Dictionary>(image_attributes) : nullptr;
    auto wanted = number_of(attributes, kCVPixelBufferPixelFormatTypeKey, 0);
    const Format *input = wanted ? format_of(static_cast<OSType>(wanted)) : nullptr;
    if (wanted && !input)
        return kVTPixelTransferNotSupportedErr; // Rule (assumed)
    bool has_surface = attributes && attributes->find(kCVPixelBufferIOSurfacePropertiesKey);
    *session = reference<VTCompressionSessionRef>(
        new Compression(wish, callback, own, input, has_surface));
    return 0;
}

EMULATED OSStatus VTCopySupportedPropertyDictionaryForEncoder(
    int32_t width, int32_t height, CMVideoCodecType codec, CFDictionaryRef encoder,
    CFStringRef *encoder_id, CFDictionaryRef *properties)
{
    ENTER_STATUS();
    EncoderWish wish;
    if (OSStatus code = wish_of(codec, width, height, encoder, &wish))
        return code;
    auto found = Kept<Compression>::adopted(new Compression(wish, nullptr, nullptr, nullptr, false));
    // Rule (header): what is not asked for is NULL.
    if (encoder_id) {
        const char *name = codec == kCMVideoCodecType_H264   ? "emulated.h264"
                           : codec == kCMVideoCodecType_HEVC ? "emulated.hevc"
                                                             : "emulated.prores";
        *encoder_id = reference<CFStringRef>(new String(name));
    }
    if (properties)
        *properties = reference<CFDictionaryRef>(found->supported());
    return 0;
}

EMULATED void VTCompressionSessionInvalidate(VTCompressionSessionRef session)
{
    ENTER();
    if (auto *found = as<Compression>(session))
        found->invalidate();
}

EMULATED CVPixelBufferPoolRef
VTCompressionSessionGetPixelBufferPool(VTCompressionSessionRef session)
{
    ENTER_OR_NULL(CVPixelBufferPoolRef);
    auto *found = as<Compression>(session);
    // Rule (header): NULL of a session that is of no use. Rule (assumed): or that was told nothing
    // of its pictures.
    if (!found || found->answer() || !found->buffers())
        return nullptr;
    return reference<CVPixelBufferPoolRef>(found->buffers());
}

EMULATED OSStatus VTCompressionSessionPrepareToEncodeFrames(VTCompressionSessionRef session)
{
    IN_SESSION(found);
    return found->prepare();
}

EMULATED OSStatus VTCompressionSessionEncodeFrame(VTCompressionSessionRef session,
                                                  CVImageBufferRef image, CMTime time,
                                                  CMTime duration, CFDictionaryRef options,
                                                  void *frame, VTEncodeInfoFlags *info)
{
    IN_SESSION(found);
    auto *given = as<PixelBuffer>(image);
    auto *asked = options ? as<Dictionary>(options) : nullptr;
    if (!given)
        return kVTParameterErr;
    Frame made;
    made.image = Kept<PixelBuffer>(given);
    made.time = time;
    made.duration = duration;
    made.reference = frame;
    made.forced = flag_of(asked, kVTEncodeFrameOptionKey_ForceKeyFrame, false);
    // Rule (header): an error means that no callback comes.
    return found->encode(std::move(made), info);
}

EMULATED OSStatus VTCompressionSessionCompleteFrames(VTCompressionSessionRef session, CMTime until)
{
    IN_SESSION(found);
    return found->complete(until);
}
