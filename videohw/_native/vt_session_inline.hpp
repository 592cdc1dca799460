// The worker of VtSession, and its callbacks.
#ifndef VIDEOHW_VT_SESSION_INLINE_HPP
#define VIDEOHW_VT_SESSION_INLINE_HPP

#include "vt_session.hpp"

#include <thread>

namespace videohw {

// Callbacks -----------------------------------------------------------------------------------

inline void VtSession::callback(void *refCon, void *frameRefCon, OSStatus status,
                                VTDecodeInfoFlags flags, CVImageBufferRef image, CMTime, CMTime)
{
    Gate &gate = *static_cast<Gate *>(refCon);
    std::lock_guard<std::mutex> held(gate.lock);
    if (gate.owner)
        gate.owner->called_back(reinterpret_cast<intptr_t>(frameRefCon) - 1, status, flags, image);
}

inline void VtSession::called_back(long long serial, OSStatus status, VTDecodeInfoFlags flags,
                                   CVImageBufferRef image)
{
    std::lock_guard<std::mutex> held(lock_);
    auto found = pending_.find(serial);
    if (found == pending_.end())
        return;
    Clock::time_point now = Clock::now();
    moved_ = now;
    VtEvent event;
    event.kind = VtEvent::ended;
    event.serial = serial;
    event.decoded_ns = since(std::max(found->second.when, called_back_), now);
    called_back_ = now;
    event.flags = flags;
    if (status)
        event.failure = {"VTDecompressionSessionDecodeFrame", status};
    else if (!image && !(flags & kVTDecodeInfo_FrameDropped))
        event.failure = {"VTDecompressionSessionDecodeFrame", vt_no_image};
    if (!status && image && settings_.keeps_images)
        event.image = static_cast<CVImageBufferRef>(const_cast<void *>(CFRetain(image)));
    SequencePointer sequence = std::move(found->second.sequence);
    pending_.erase(found);
    try {
        if (event.image && sequence && sequence->conversion && kernels_)
            unconverted_[serial] = {event, std::move(sequence), {}};
        else
            end(event);
    } catch (...) { // no memory: the picture is given up at the next drain
        if (event.image)
            CFRelease(event.image);
    }
    work_.notify_all();
}

// The worker ----------------------------------------------------------------------------------

inline void VtSession::run()
{
    for (;;) {
        VtInput input;
        Work work = next(&input);
        AutoreleasePool pool; // a thread of Python's has none
        switch (work) {
        case Work::closed: leave(); return;
        case Work::recover: recover(); break;
        case Work::input: take(input); break;
        case Work::convert: convert(); break;
        case Work::overdue: give_up_overdue(); break;
        case Work::reset:
            finish_frames();
            std::lock_guard<std::mutex> held(lock_);
            drop_events();
            resets_done_ = reset_wanted_;
            tell();
        }
    }
}

inline VtSession::Work VtSession::next(VtInput *input)
{
    std::unique_lock<std::mutex> held(lock_);
    for (;;) {
        if (closing_)
            return Work::closed;
        if (resets_done_ != reset_wanted_)
            return Work::reset;
        if (!unconverted_.empty())
            return Work::convert;
        if (Clock::now() >= overdue_at())
            return Work::overdue;
        if (lost_by_ && !ended_)
            return Work::recover;
        bool takes = !input_.empty() && !ended_;
        if (takes && (input_.front().kind != VtInput::picture || has_room())) {
            *input = input_.front();
            input_.pop_front();
            return Work::input;
        }
        if (converting_.empty())
            work_.wait(held);
        else
            work_.wait_until(held, overdue_at());
    }
}

inline void VtSession::take(const VtInput &input)
{
    if (input.kind == VtInput::picture) {
        decode(input);
        return;
    }
    VtEvent event;
    event.kind = input.kind == VtInput::mark ? VtEvent::mark : VtEvent::drained;
    event.serial = input.serial;
    if (input.kind == VtInput::drain) {
        Clock::time_point began = Clock::now();
        finish_frames();
        finish_conversions();
        std::lock_guard<std::mutex> held(lock_);
        event.decoded_ns = since(std::max(began, called_back_), Clock::now());
    }
    if (input.kind == VtInput::drain) {
        if (is_lost())
            recover();
        if (ended_)
            return;
    }
    emit(event);
}

inline void VtSession::decode(const VtInput &input)
{
    VtEvent event;
    event.serial = input.serial;
    emit(event);
    VtFailure failure = prepare(input);
    if (!failure.code)
        failure = feed(input);
    if (!failure.code)
        return;
    event.kind = VtEvent::ended;
    event.failure = failure;
    std::lock_guard<std::mutex> held(lock_);
    pending_.erase(input.serial); // an error means that no callback comes
    end(event);
}

// A session that takes the picture.
inline VtFailure VtSession::prepare(const VtInput &input)
{
    SequencePointer sequence;
    {
        std::lock_guard<std::mutex> held(lock_);
        auto found = sequences_.find(input.sequence);
        if (found == sequences_.end())
            return {"VTDecompressionSessionDecodeFrame", vt_no_sets};
        sequence = found->second;
        sequences_.erase(sequences_.begin(), found); // older ones
    }
    if (broken_ && !input.random_access)
        return {"VTDecompressionSessionDecodeFrame", vt_needs_access_point};
    if (session_ && described_ == sequence) {
        broken_ = false;
        return {};
    }
    CfOwner<CMFormatDescriptionRef> made;
    if (VtFailure failure = describe(*sequence, &made); failure.code)
        return failure;
    bool accepted = false;
    if (session_ && pixel_format_ == sequence->pixel_format) {
        InCall call(*this);
        accepted = VTDecompressionSessionCanAcceptFormatDescription(session_.get(), made.get());
    }
    if (!accepted) {
        // A new session has no references.
        if (session_ && !input.random_access)
            return {"VTDecompressionSessionCanAcceptFormatDescription", vt_needs_access_point};
        finish_frames();
        close_session();
        if (VtFailure failure = open(*sequence, made.get()); failure.code) {
            broken_ = true;
            return failure;
        }
    }
    description_ = std::move(made);
    described_ = std::move(sequence);
    broken_ = false;
    return {};
}

inline VtFailure VtSession::describe_record(const VtSequence &sequence,
                                            CMFormatDescriptionRef *made)
{
    const char *name = settings_.codec == kCMVideoCodecType_AV1 ? "av1C" : "vpcC";
    const std::vector<uint8_t> &record = sequence.sets.front();
    CfOwner<CFStringRef> key(
        CFStringCreateWithCString(kCFAllocatorDefault, name, kCFStringEncodingUTF8));
    CfOwner<CFDataRef> data(CFDataCreate(kCFAllocatorDefault, record.data(),
                                         static_cast<CFIndex>(record.size())));
    CfOwner<CFMutableDictionaryRef> atoms = cf_dictionary(), extensions = cf_dictionary();
    if (!key)
        return {"CFStringCreateWithCString", vt_no_memory};
    if (!data)
        return {"CFDataCreate", vt_no_memory};
    if (!atoms || !extensions)
        return {"CFDictionaryCreateMutable", vt_no_memory};
    CFDictionarySetValue(atoms.get(), key.get(), data.get());
    CFDictionarySetValue(extensions.get(),
                         kCMFormatDescriptionExtension_SampleDescriptionExtensionAtoms,
                         atoms.get());
    return {"CMVideoFormatDescriptionCreate",
            CMVideoFormatDescriptionCreate(kCFAllocatorDefault, settings_.codec, sequence.width,
                                           sequence.height, extensions.get(), made)};
}

inline VtFailure VtSession::describe(const VtSequence &sequence,
                                     CfOwner<CMFormatDescriptionRef> *made)
{
    std::vector<const uint8_t *> sets;
    std::vector<size_t> sizes;
    for (const auto &set : sequence.sets) {
        sets.push_back(set.data());
        sizes.push_back(set.size());
    }
    constexpr int length_bytes = 4;
    InCall call(*this);
    if (settings_.codec == kCMVideoCodecType_AV1 || settings_.codec == kCMVideoCodecType_VP9)
        return describe_record(sequence, made->out());
    if (settings_.codec == kCMVideoCodecType_H264)
        return {"CMVideoFormatDescriptionCreateFromH264ParameterSets",
                CMVideoFormatDescriptionCreateFromH264ParameterSets(
                    kCFAllocatorDefault, sets.size(), sets.data(), sizes.data(), length_bytes,
                    made->out())};
    return {"CMVideoFormatDescriptionCreateFromHEVCParameterSets",
            CMVideoFormatDescriptionCreateFromHEVCParameterSets(
                kCFAllocatorDefault, sets.size(), sets.data(), sizes.data(), length_bytes, nullptr,
                made->out())};
}

inline VtFailure VtSession::open(const VtSequence &sequence, CMFormatDescriptionRef description)
{
    constexpr int most_retries = 20;
    VtFailure failure;
    for (int tries = 0;; ++tries) {
        failure = create(sequence, description);
        if (!means_later(failure.code) || tries == most_retries)
            break;
        {
            std::lock_guard<std::mutex> held(lock_);
            ++counters_.retries;
        }
        if (!pause(std::chrono::milliseconds(25)))
            break;
    }
    if (failure.code)
        return failure;
    pixel_format_ = sequence.pixel_format;
    ask_hardware();
    std::lock_guard<std::mutex> held(lock_);
    ++counters_.sessions;
    return {};
}

inline VtFailure VtSession::create(const VtSequence &sequence, CMFormatDescriptionRef description)
{
    CfOwner<CFMutableDictionaryRef> attributes = cf_dictionary(), surface = cf_dictionary(),
                                    decoder = cf_dictionary();
    if (!attributes || !surface || !decoder)
        return {"CFDictionaryCreateMutable", vt_no_memory};
    if (!cf_set(attributes.get(), kCVPixelBufferPixelFormatTypeKey, sequence.pixel_format))
        return {"CFNumberCreate", vt_no_memory};
    CFDictionarySetValue(attributes.get(), kCVPixelBufferIOSurfacePropertiesKey, surface.get());
    CFDictionarySetValue(attributes.get(), kCVPixelBufferMetalCompatibilityKey, kCFBooleanTrue);
    CFDictionarySetValue(decoder.get(),
                         kVTVideoDecoderSpecification_EnableHardwareAcceleratedVideoDecoder,
                         kCFBooleanTrue);
    if (settings_.requires_hardware)
        CFDictionarySetValue(decoder.get(),
                             kVTVideoDecoderSpecification_RequireHardwareAcceleratedVideoDecoder,
                             kCFBooleanTrue);
    auto gate = std::make_shared<Gate>();
    gate->owner = this;
    VTDecompressionOutputCallbackRecord record;
    record.decompressionOutputCallback = callback;
    record.decompressionOutputRefCon = gate.get();
    CfOwner<VTDecompressionSessionRef> made;
    InCall call(*this);
    OSStatus code =
        VTDecompressionSessionCreate(kCFAllocatorDefault, description, decoder.get(),
                                     attributes.get(), &record, made.out());
    if (code)
        return {"VTDecompressionSessionCreate", code};
    session_ = std::move(made);
    gate_ = std::move(gate);
    return {};
}

inline void VtSession::ask_hardware()
{
    CFTypeRef value = nullptr;
    InCall call(*this);
    OSStatus code = VTSessionCopyProperty(
        session_.get(), kVTDecompressionPropertyKey_UsingHardwareAcceleratedVideoDecoder,
        kCFAllocatorDefault, &value);
    if (code || !value)
        return;
    bool hardware = CFBooleanGetValue(static_cast<CFBooleanRef>(value)) != 0;
    CFRelease(value);
    std::lock_guard<std::mutex> held(lock_);
    counters_.hardware = hardware;
}

inline VtFailure VtSession::feed(const VtInput &input)
{
    CfOwner<CMBlockBufferRef> block;
    CfOwner<CMSampleBufferRef> sample;
    InCall call(*this);
    OSStatus code = CMBlockBufferCreateWithMemoryBlock(
        kCFAllocatorDefault, const_cast<unsigned char *>(input.data), input.bytes, kCFAllocatorNull,
        nullptr, 0, input.bytes, 0, block.out());
    if (code)
        return {"CMBlockBufferCreateWithMemoryBlock", code};
    CMSampleTimingInfo timing;
    timing.duration = kCMTimeInvalid;
    timing.presentationTimeStamp = CMTimeMake(input.time, 1);
    timing.decodeTimeStamp = kCMTimeInvalid;
    size_t bytes = input.bytes;
    code = CMSampleBufferCreateReady(kCFAllocatorDefault, block.get(), description_.get(), 1, 1,
                                     &timing, 1, &bytes, sample.out());
    if (code)
        return {"CMSampleBufferCreateReady", code};
    if (!input.random_access) {
        CFArrayRef attachments = CMSampleBufferGetSampleAttachmentsArray(sample.get(), 1);
        if (attachments && CFArrayGetCount(attachments) > 0) {
            auto first = static_cast<CFMutableDictionaryRef>(
                const_cast<void *>(CFArrayGetValueAtIndex(attachments, 0)));
            CFDictionarySetValue(first, kCMSampleAttachmentKey_NotSync, kCFBooleanTrue);
        }
    }
    {
        std::lock_guard<std::mutex> held(lock_);
        pending_[input.serial] = {Clock::now(), described_};
    }
    code = VTDecompressionSessionDecodeFrame(
        session_.get(), sample.get(), kVTDecodeFrame_EnableAsynchronousDecompression,
        reinterpret_cast<void *>(static_cast<intptr_t>(input.serial) + 1), nullptr);
    return {"VTDecompressionSessionDecodeFrame", code};
}

// Every frame that was given to the session is called back, or will never be.
inline void VtSession::finish_frames()
{
    if (!session_)
        return;
    OSStatus code;
    {
        InCall call(*this);
        VTDecompressionSessionFinishDelayedFrames(session_.get());
        code = VTDecompressionSessionWaitForAsynchronousFrames(session_.get());
    }
    std::unique_lock<std::mutex> held(lock_);
    // Where it did not wait, what still comes may take a while.
    constexpr auto patience = std::chrono::seconds(1);
    while (code && !lost_by_ && !pending_.empty() && Clock::now() < moved_ + patience)
        work_.wait_until(held, moved_ + patience);
    for (auto &frame : pending_) {
        VtEvent event;
        event.kind = VtEvent::ended;
        event.serial = frame.first;
        event.failure = {"VTDecompressionSessionWaitForAsynchronousFrames",
                         lost_by_ ? lost_by_ : static_cast<OSStatus>(vt_no_image)};
        end(event);
    }
    pending_.clear();
}

inline void VtSession::close_session()
{
    if (!session_)
        return;
    InCall call(*this);
    VTDecompressionSessionInvalidate(session_.get());
    {
        // A callback that comes all the same finds nobody.
        std::lock_guard<std::mutex> held(gate_->lock);
        gate_->owner = nullptr;
    }
    static std::vector<std::shared_ptr<Gate>> *late = new std::vector<std::shared_ptr<Gate>>;
    static std::mutex *late_lock = new std::mutex;
    {
        // The frameworks may hold its address for a while; it is a few bytes.
        constexpr std::size_t most_late = 64;
        std::lock_guard<std::mutex> held(*late_lock);
        late->push_back(std::move(gate_));
        if (late->size() > most_late)
            late->erase(late->begin());
    }
    session_ = {};
    description_ = {};
    described_.reset();
}

// The session is lost: another one takes its place, or the device is gone.
inline void VtSession::recover()
{
    SequencePointer sequence = described_;
    CfOwner<CMFormatDescriptionRef> description;
    finish_frames();
    finish_conversions(); // what is told of the session comes behind its pictures
    std::swap(description, description_);
    close_session();
    broken_ = true;
    VtFailure failure = {"VTDecompressionSessionCreate", lost_by_}; // there was none
    if (sequence && description)
        failure = open(*sequence, description.get());
    if (!failure.code) {
        description_ = std::move(description);
        described_ = std::move(sequence);
    }
    std::lock_guard<std::mutex> held(lock_);
    ++counters_.lost;
    lost_by_ = 0;
    std::deque<VtEvent> ended;
    ended.swap(lost_with_session_);
    if (!failure.code) {
        for (const VtEvent &event : ended)
            put(event);
        return;
    }
    ended_ = true;
    VtEvent event;
    event.kind = VtEvent::lost;
    event.failure = failure;
    put(event);
}

// Conversions ------------------------------------------------------------------------------------

// The next image goes to Metal.
inline void VtSession::convert()
{
    long long serial = 0;
    CfOwner<CVImageBufferRef> image;
    SequencePointer sequence;
    {
        std::lock_guard<std::mutex> held(lock_);
        auto first = unconverted_.begin();
        if (first == unconverted_.end())
            return; // dropped meanwhile
        serial = first->first;
        first->second.began = Clock::now();
        auto at = converting_.insert(std::move(*first)).first;
        unconverted_.erase(first);
        if (metal_is_stuck_) {
            put_unconverted(at, {"an earlier conversion did not end", 0});
            return;
        }
        sequence = at->second.sequence;
        image = CfOwner<CVImageBufferRef>(
            static_cast<CVImageBufferRef>(const_cast<void *>(CFRetain(at->second.event.image))));
    }
    InCall call(*this);
    MetalFailure failure;
    try {
        if (!converter_) {
            converter_ = std::make_unique<MetalConverter>(kernels_, settings_.max_ready);
            std::lock_guard<std::mutex> held(conversions_gate_->lock);
            conversions_gate_->owner = this;
        }
        auto told = [gate = conversions_gate_, serial](std::shared_ptr<MetalPixels> pixels,
                                                       MetalFailure why) {
            std::lock_guard<std::mutex> held(gate->lock);
            if (gate->owner)
                gate->owner->converted(serial, std::move(pixels), why);
        };
        failure = converter_->start(image.get(), *sequence->conversion, told);
    } catch (const std::bad_alloc &) {
        failure = {"memory of the host", 0};
    }
    if (failure.call)
        converted(serial, nullptr, failure);
}

// A conversion ended, or could not begin.
inline void VtSession::converted(long long serial, std::shared_ptr<MetalPixels> pixels,
                                 MetalFailure failure)
{
    std::lock_guard<std::mutex> held(lock_);
    auto at = converting_.find(serial);
    if (at == converting_.end())
        return; // dropped, or given up
    if (!pixels) {
        put_unconverted(at, failure);
        return;
    }
    VtEvent event = std::move(at->second.event);
    Clock::time_point now = Clock::now();
    event.converted_ns = since(std::max(at->second.began, converted_), now);
    converted_ = now;
    converting_.erase(at);
    event.pixels = std::move(pixels);
    put(event);
    work_.notify_all();
}

// The image comes out as it is; the lock is held.
inline void VtSession::put_unconverted(Conversions::iterator at, MetalFailure failure)
{
    at->second.event.unconverted = failure;
    put(at->second.event);
    converting_.erase(at);
    work_.notify_all();
}

// When the oldest conversion has taken too long; the lock is held.
inline VtSession::Clock::time_point VtSession::overdue_at() const
{
    Clock::time_point oldest = Clock::time_point::max();
    auto patience = std::chrono::duration_cast<Clock::duration>(
        std::chrono::duration<double>(settings_.conversion_seconds));
    for (const auto &each : converting_)
        oldest = std::min(oldest, each.second.began + patience);
    return oldest;
}

// Metal does not come back: no more is given to it, and what it has comes out as it was.
inline void VtSession::give_up_overdue()
{
    std::lock_guard<std::mutex> held(lock_);
    if (Clock::now() < overdue_at())
        return;
    metal_is_stuck_ = true;
    while (!converting_.empty())
        put_unconverted(converting_.begin(), {"the conversion did not end", 0});
}

// All images are converted, or will never be.
inline void VtSession::finish_conversions()
{
    for (;;) {
        std::unique_lock<std::mutex> held(lock_);
        if (closing_ || resets_done_ != reset_wanted_)
            return; // they are of no use any more
        if (!unconverted_.empty()) {
            held.unlock();
            convert();
        } else if (converting_.empty()) {
            return;
        } else if (Clock::now() >= overdue_at()) {
            held.unlock();
            give_up_overdue();
        } else {
            work_.wait_until(held, overdue_at());
        }
    }
}

inline bool VtSession::is_lost()
{
    std::lock_guard<std::mutex> held(lock_);
    return lost_by_ != 0;
}

// False when the session is being closed.
inline bool VtSession::pause(std::chrono::milliseconds time)
{
    std::unique_lock<std::mutex> held(lock_);
    return !work_.wait_for(held, time, [this] { return closing_; });
}

inline void VtSession::leave()
{
    finish_frames();
    close_session();
    {
        // A conversion that ends later finds nobody.
        std::lock_guard<std::mutex> held(conversions_gate_->lock);
        conversions_gate_->owner = nullptr;
    }
    converter_.reset();
    std::shared_ptr<MetalKernels> kernels; // goes without the lock
    std::lock_guard<std::mutex> held(lock_);
    kernels.swap(kernels_);
    drop_events();
    tell();
}

} // namespace videohw

#endif
