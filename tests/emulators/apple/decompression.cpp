// VTDecompressionSession: pictures come as they are decoded, in decoding order or, where a test
// wants it, in any; nothing is put into the order of presentation.

#include "pictures.hpp"
#include "sessions.hpp"

#include <condition_variable>
#include <deque>
#include <set>
#include <thread>

namespace apple {
namespace {

constexpr std::size_t most_shuffled = 3;

class Decompression;
thread_local const Decompression *calling_back = nullptr;

struct Job {
    Kept<SampleBuffer> sample;
    void *frame = nullptr;
    bool shown = true;
};

struct Done {
    void *frame = nullptr;
    OSStatus status = 0;
    VTDecodeInfoFlags flags = 0;
    Kept<PixelBuffer> image;
    CMTime time{}, duration{};
};

class Decompression : public Session {
  public:
    Decompression(FormatDescription &description, const Format &format,
                  const VTDecompressionOutputCallbackRecord &callback, bool has_surface,
                  bool is_hardware)
        : Session("VTDecompressionSession"), callback(callback), format(format),
          has_surface(has_surface), description(&description)
    {
        offer(kVTDecompressionPropertyKey_UsingHardwareAcceleratedVideoDecoder, true,
              boolean(is_hardware));
        offer(kVTDecompressionPropertyKey_RealTime, false, boolean(true));
        auto none = Kept<Number>::adopted(new Number(int64_t{0}));
        offer(kVTDecompressionPropertyKey_NumberOfFramesBeingDecoded, true, none.get());
    }
    // Rule (header): with the last reference it is invalidated.
    void clear() override
    {
        invalidate();
        Session::clear();
        description = {};
        decoding = {};
        pool = {};
    }

    bool accepts(const FormatDescription &other);
    OSStatus decode(SampleBuffer &sample, VTDecodeFrameFlags flags, void *frame,
                    VTDecodeInfoFlags *info);
    OSStatus wait();
    void invalidate();

  protected:
    void refresh() override
    {
        auto count = Kept<Number>::adopted(new Number(static_cast<int64_t>(in_flight)));
        put(kVTDecompressionPropertyKey_NumberOfFramesBeingDecoded, count.get());
    }

  private:
    void work();
    Done decoded(const Job &job, VTDecodeInfoFlags flags);
    OSStatus run(const SampleBuffer &sample, codec::PicturePointer *picture);
    OSStatus run_frames(const SampleBuffer &sample, codec::PicturePointer *picture);
    PixelBuffer *image_of(const codec::Picture &picture);
    void call_back(Done done);
    bool is_invalid();

    const VTDecompressionOutputCallbackRecord callback;
    const Format &format;
    const bool has_surface;

    std::condition_variable changed;
    Kept<FormatDescription> description; // of the last sample
    std::deque<Job> jobs;
    std::vector<Done> held_back;
    std::size_t in_flight = 0;
    bool ending = false;
    std::thread worker;
    // Of whoever decodes, one at a time.
    std::mutex decoder_lock;
    Kept<FormatDescription> decoding;
    std::unique_ptr<codec::Decoder> decoder;
    Kept<Pool> pool;
    int pool_width = 0, pool_height = 0;
};

bool Decompression::accepts(const FormatDescription &other)
{
    std::string rule = setting("ACCEPTS", "same");
    std::lock_guard<std::mutex> held(lock);
    const FormatDescription &mine = *description;
    bool same_size = mine.width == other.width && mine.height == other.height;
    if (&mine == &other || (mine.codec == other.codec && mine.sets == other.sets && same_size))
        return true;
    const Sequence &one = mine.sequence, &two = other.sequence;
    // Rule (assumed): another size or sample format needs another session, other sets do not.
    return rule == "same" && mine.codec == other.codec && one.chroma == two.chroma &&
           one.depth == two.depth && one.full_range == two.full_range &&
           one.coded_width == two.coded_width && one.coded_height == two.coded_height &&
           same_size;
}

OSStatus Decompression::decode(SampleBuffer &sample, VTDecodeFrameFlags flags, void *frame,
                               VTDecodeInfoFlags *info)
{
    if (flags & ~(kVTDecodeFrame_EnableAsynchronousDecompression | kVTDecodeFrame_DoNotOutputFrame))
        misuse("flags %u: temporal processing may hold frames for ever", flags);
    // Rule (header): a description that is not accepted is an error.
    if (!accepts(*sample.description))
        return kVTFormatDescriptionChangeNotSupportedErr;
    Callbacks how = callbacks();
    // Rule (header): without the flag the callback comes before the call returns.
    bool here = how == Callbacks::caller || !(flags & kVTDecodeFrame_EnableAsynchronousDecompression);
    Job job{Kept<SampleBuffer>(&sample), frame, !(flags & kVTDecodeFrame_DoNotOutputFrame)};
    {
        std::lock_guard<std::mutex> held(lock);
        if (state)
            return state;
        description = sample.description;
        // Rule (header): frames queue up without a bound.
        peak("frames being decoded", static_cast<long>(++in_flight));
        if (!here) {
            jobs.push_back(std::move(job));
            if (!worker.joinable())
                worker = std::thread([this] { work(); });
            changed.notify_all();
        }
    }
    if (info)
        *info = here ? 0 : kVTDecodeInfo_Asynchronous;
    if (here) {
        Done done;
        {
            std::lock_guard<std::mutex> held(decoder_lock);
            done = decoded(job, 0);
        }
        call_back(std::move(done));
    }
    return 0;
}

void Decompression::work()
{
    std::unique_lock<std::mutex> held(lock);
    while (!ending) {
        if (jobs.empty() && held_back.empty()) {
            changed.wait(held);
            continue;
        }
        Done done;
        // What is held back for the shuffle comes without any further input.
        bool from_shuffle = jobs.empty() || held_back.size() >= most_shuffled;
        if (from_shuffle) {
            auto chosen = held_back.begin() + chance(static_cast<unsigned>(held_back.size()));
            done = std::move(*chosen);
            held_back.erase(chosen);
            held.unlock();
        } else {
            Job job = std::move(jobs.front());
            jobs.pop_front();
            held.unlock();
            std::lock_guard<std::mutex> decoding_now(decoder_lock);
            done = decoded(job, kVTDecodeInfo_Asynchronous);
        }
        if (!from_shuffle && callbacks() == Callbacks::shuffled) {
            held.lock();
            held_back.push_back(std::move(done));
            continue;
        }
        call_back(std::move(done));
        held.lock();
    }
}

Done Decompression::decoded(const Job &job, VTDecodeInfoFlags flags)
{
    Call step("decode");
    Done done;
    done.frame = job.frame;
    done.flags = flags;
    done.time = job.sample->timing.presentationTimeStamp;
    done.duration = job.sample->timing.duration;
    if (step.answer.lost)
        lose(step.answer.lost);
    // Rule (assumed): what is under way when a session is lost is called back with its code.
    done.status = answer();
    if (!done.status)
        done.status = step.answer.code;
    if (done.status)
        return done;
    codec::PicturePointer picture;
    done.status = run(*job.sample, &picture);
    // Rule (header): a frame that is dropped has no image.
    if (step.answer.drop) {
        done.flags |= kVTDecodeInfo_FrameDropped;
        done.status = 0;
    } else if (!done.status && job.shown) {
        done.image = Kept<PixelBuffer>::adopted(image_of(*picture));
        if (setting("MODIFIABLE", "0") == "1")
            done.flags |= kVTDecodeInfo_ImageBufferModifiable;
    }
    return done;
}

// Rule (assumed): samples are as in a file: no parameter sets, no enhancement layers.
void check_unit(const Nal &nal, bool is_h264)
{
    int type = is_h264 ? nal.data[0] & 31 : nal.data[0] >> 1 & 63;
    bool is_set = is_h264 ? type == 7 || type == 8 || type == 15 : type >= 32 && type <= 34;
    if (is_set)
        misuse("a parameter set in a sample");
    if (!is_h264 && nal.bytes > 1 && ((nal.data[0] & 1) << 5 | nal.data[1] >> 3))
        misuse("a unit of an enhancement layer in a sample");
}

// Rule (assumed): a sample of AV1 is as in a file, without temporal delimiters.
void check_obus(const uint8_t *data, std::size_t bytes)
{
    for (std::size_t at = 0; at < bytes;) {
        int header = data[at];
        if ((header >> 3 & 15) == 2)
            misuse("a temporal delimiter in a sample");
        at += header >> 2 & 1 ? 2 : 1;
        std::size_t size = 0;
        for (int shift = 0; at < bytes && shift < 35; shift += 7) {
            size |= static_cast<std::size_t>(data[at] & 127) << shift;
            if (data[at++] < 128)
                break;
        }
        if (!(header & 2) || size > bytes - at)
            return; // damage is for the decoder
        at += size;
    }
}

OSStatus Decompression::run_frames(const SampleBuffer &sample, codec::PicturePointer *picture)
{
    bool is_av1 = sample.description->codec == kCMVideoCodecType_AV1;
    decoding = sample.description;
    if (is_av1)
        check_obus(sample.data->data(), sample.data->length);
    if (!decoder)
        decoder = codec::Decoder::open(is_av1 ? codec::Kind::av1 : codec::Kind::vp9, {}, true);
    *picture = decoder->decode(sample.data->data(), sample.data->length, false);
    // Rule (assumed): of what shows nothing, as of a damaged picture, comes an error.
    return *picture && !(*picture)->damaged ? 0 : kVTVideoDecoderBadDataErr;
}

OSStatus Decompression::run(const SampleBuffer &sample, codec::PicturePointer *picture)
{
    const FormatDescription &format_of_it = *sample.description;
    if (is_framed(format_of_it.codec))
        return run_frames(sample, picture);
    bool is_h264 = format_of_it.codec == kCMVideoCodecType_H264;
    std::vector<Nal> nals;
    // Rule (header): bad data is answered so.
    if (!split(sample.data->data(), sample.data->length, format_of_it.length_bytes, &nals))
        return kVTVideoDecoderBadDataErr;
    Bytes parts[2];
    if (decoding.get() != sample.description.get()) {
        parts[0] = format_of_it.annexb_sets();
        decoding = sample.description;
    }
    if (!decoder)
        decoder = codec::Decoder::open(is_h264 ? codec::Kind::h264 : codec::Kind::hevc, {});
    // Rule (assumed): both fields of a frame are one sample.
    int first_field = 0, part = 0;
    for (const Nal &nal : nals) {
        check_unit(nal, is_h264);
        int type = nal.data[0] & 31;
        if (is_h264 && (type == 1 || type == 5)) {
            int field = field_of_h264_slice(nal.data, nal.bytes, format_of_it.sequence);
            first_field = first_field ? first_field : field;
            part = field != first_field;
        }
        append_annexb(nal, &parts[part]);
    }
    bool damaged = false;
    for (int i = 0; i < 2 && !parts[i].empty(); ++i) {
        *picture = decoder->decode(parts[i].data(), parts[i].size(), i == 1);
        damaged = damaged || !*picture || (*picture)->damaged;
    }
    // Rule (assumed): of a damaged picture comes an error, and no image.
    return damaged ? kVTVideoDecoderBadDataErr : 0;
}

PixelBuffer *Decompression::image_of(const codec::Picture &picture)
{
    Sequence sequence = decoding->sequence;
    if (is_framed(decoding->codec)) {
        // Rule (assumed): a buffer has the size of its own picture, and the range that is asked.
        sequence.full_range = format.full_range;
        if (picture.width != pool_width || picture.height != pool_height)
            pool = {};
        pool_width = picture.width;
        pool_height = picture.height;
        sequence.coded_width = picture.width;
        sequence.coded_height = picture.height;
    }
    // Rule (assumed): the buffer has the cropped size; a test may want the coded one, or that and
    // a rectangle which does not begin where the stream says.
    bool misplaced = setting("CROPPING", "cropped") == "misplaced";
    bool coded = misplaced || setting("CROPPING", "cropped") == "coded";
    auto width = static_cast<std::size_t>(coded ? picture.width : sequence.width());
    auto height = static_cast<std::size_t>(coded ? picture.height : sequence.height());
    if (!pool)
        pool = Kept<Pool>::adopted(new Pool(format, width, height, has_surface));
    PixelBuffer *made = pool->make(0);
    if (coded) {
        made->clean_left = misplaced ? 0 : static_cast<std::size_t>(sequence.left);
        made->clean_top = misplaced ? 0 : static_cast<std::size_t>(sequence.top);
        made->clean_width = static_cast<std::size_t>(sequence.width());
        made->clean_height = static_cast<std::size_t>(sequence.height());
    }
    fill(*made, picture, sequence);
    attach_colours(*made, sequence);
    return made;
}

void Decompression::call_back(Done done)
{
    if (!is_invalid()) {
        const Decompression *outer = calling_back;
        calling_back = this;
        callback.decompressionOutputCallback(
            callback.decompressionOutputRefCon, done.frame, done.status, done.flags,
            done.image ? reference<CVImageBufferRef>(done.image.get()) : nullptr, done.time,
            done.duration);
        calling_back = outer;
    }
    // Rule (header): the image is the client's only as long as it retains it.
    done.image = {};
    std::lock_guard<std::mutex> held(lock);
    --in_flight;
    changed.notify_all();
}

bool Decompression::is_invalid()
{
    std::lock_guard<std::mutex> held(lock);
    return ending;
}

OSStatus Decompression::wait()
{
    // Rule (header): it waits for every callback, so that it would never end in one.
    if (calling_back == this) {
        misuse("waits in a callback");
        return kVTParameterErr;
    }
    std::unique_lock<std::mutex> held(lock);
    changed.wait(held, [this] { return in_flight == 0; });
    return state;
}

void Decompression::invalidate()
{
    if (calling_back == this) {
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
    // Rule (assumed): frames that are not decoded yet are dropped without a callback.
    std::deque<Job> dropped;
    std::vector<Done> undelivered;
    {
        std::lock_guard<std::mutex> held(lock);
        dropped.swap(jobs);
        undelivered.swap(held_back);
        in_flight = 0;
        changed.notify_all();
    }
}

std::mutex registered_lock;
std::set<CMVideoCodecType> registered;

bool has_decoder(CMVideoCodecType codec)
{
    std::lock_guard<std::mutex> held(registered_lock);
    // Rule (header): these are there once they are registered. Rule (assumed): both of them are so.
    return listed("DECODERS", "avc1,hvc1,av01,vp09", codec) &&
           (!is_framed(codec) || registered.count(codec));
}

const Format *format_wanted(const Dictionary *attributes, const Sequence &sequence,
                            OSStatus *status)
{
    const Format *native = native_format(sequence);
    if (!native) {
        *status = kVTVideoDecoderUnsupportedDataFormatErr; // Rule (header)
        return nullptr;
    }
    int64_t wanted = number_of(attributes, kCVPixelBufferPixelFormatTypeKey, native->code);
    const Format *found = format_of(static_cast<OSType>(wanted));
    if (!found)
        *status = kVTPixelTransferNotSupportedErr; // Rule (assumed)
    return found;
}

} // namespace
} // namespace apple

using namespace apple;

#define IN_SESSION(name)                                                                           \
    ENTER_STATUS();                                                                                \
    auto *name = as<Decompression>(session);                                                       \
    if (!name)                                                                                     \
        return kVTParameterErr;                                                                    \
    if (entered.answer.lost)                                                                       \
        name->lose(entered.answer.lost);                                                           \
    if (OSStatus code = name->answer())                                                            \
    return code

EMULATED Boolean VTIsHardwareDecodeSupported(CMVideoCodecType codec)
{
    ENTER_OR_NULL(Boolean);
    return has_decoder(codec) && setting("HARDWARE", "1") == "1";
}

EMULATED void VTRegisterSupplementalVideoDecoderIfAvailable(CMVideoCodecType codec)
{
    ENTER();
    std::lock_guard<std::mutex> held(registered_lock);
    registered.insert(codec);
}

EMULATED OSStatus VTDecompressionSessionCreate(CFAllocatorRef,
                                               CMVideoFormatDescriptionRef description,
                                               CFDictionaryRef decoder,
                                               CFDictionaryRef image_attributes,
                                               const VTDecompressionOutputCallbackRecord *callback,
                                               VTDecompressionSessionRef *session)
{
    ENTER_STATUS();
    auto *format = as<FormatDescription>(description);
    auto *attributes = image_attributes ? as<Dictionary>(image_attributes) : nullptr;
    auto *specification = decoder ? as<Dictionary>(decoder) : nullptr;
    if (!format || !callback || !session)
        return kVTParameterErr;
    bool hardware = setting("HARDWARE", "1") == "1";
    bool required =
        flag_of(specification,
                kVTVideoDecoderSpecification_RequireHardwareAcceleratedVideoDecoder, false);
    // Rule (header): without a decoder that will do there is no session.
    if (!has_decoder(format->codec) || (required && !hardware))
        return kVTCouldNotFindVideoDecoderErr;
    if (OSStatus code = gone())
        return code;
    OSStatus status = 0;
    const Format *wanted = format_wanted(attributes, format->sequence, &status);
    if (!wanted)
        return status;
    bool has_surface = attributes && attributes->find(kCVPixelBufferIOSurfacePropertiesKey);
    *session = reference<VTDecompressionSessionRef>(
        new Decompression(*format, *wanted, *callback, has_surface, hardware));
    return 0;
}

EMULATED void VTDecompressionSessionInvalidate(VTDecompressionSessionRef session)
{
    ENTER();
    if (auto *found = as<Decompression>(session))
        found->invalidate();
}

EMULATED OSStatus VTDecompressionSessionDecodeFrame(VTDecompressionSessionRef session,
                                                    CMSampleBufferRef sample,
                                                    VTDecodeFrameFlags flags, void *frame,
                                                    VTDecodeInfoFlags *info)
{
    IN_SESSION(found);
    auto *given = as<SampleBuffer>(sample);
    // Rule (header): an error means that no callback comes.
    return given ? found->decode(*given, flags, frame, info) : kVTParameterErr;
}

EMULATED OSStatus VTDecompressionSessionFinishDelayedFrames(VTDecompressionSessionRef session)
{
    IN_SESSION(found);
    // Rule (header): it may return before the frames came; nothing is delayed here.
    return found->answer();
}

EMULATED OSStatus
VTDecompressionSessionWaitForAsynchronousFrames(VTDecompressionSessionRef session)
{
    IN_SESSION(found);
    return found->wait();
}

EMULATED Boolean VTDecompressionSessionCanAcceptFormatDescription(
    VTDecompressionSessionRef session, CMFormatDescriptionRef description)
{
    ENTER_OR_NULL(Boolean);
    auto *found = as<Decompression>(session);
    auto *format = as<FormatDescription>(description);
    return found && format && !found->answer() && found->accepts(*format);
}
