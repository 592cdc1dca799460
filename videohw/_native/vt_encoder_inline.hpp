// The worker of VtEncoder, and its callbacks.
#ifndef VIDEOHW_VT_ENCODER_INLINE_HPP
#define VIDEOHW_VT_ENCODER_INLINE_HPP

#include "vt_encoder.hpp"

namespace videohw {

inline VtEncoder::VtEncoder(std::shared_ptr<VtCompression> first, std::size_t max_ready)
    : max_ready_(max_ready), active_(std::move(first)), in_force_(active_->settings.properties)
{
    active_->gate->owner = this;
    counters_.sessions = 1;
    counters_.hardware = active_->hardware;
}

inline VtEncoder::~VtEncoder() { release(input_); }

// Samples -------------------------------------------------------------------------------------

// Parameter sets, each behind a start code, and the bytes of a unit's length.
inline OSStatus vt_parameter_sets(CMFormatDescriptionRef description, bool is_h264,
                                  std::vector<std::uint8_t> *made, int *length_bytes)
{
    static const std::uint8_t start_code[] = {0, 0, 0, 1};
    auto get = is_h264 ? CMVideoFormatDescriptionGetH264ParameterSetAtIndex
                       : CMVideoFormatDescriptionGetHEVCParameterSetAtIndex;
    std::size_t count = 1;
    for (std::size_t i = 0; i < count; ++i) {
        const std::uint8_t *set = nullptr;
        std::size_t bytes = 0;
        OSStatus code = get(description, i, &set, &bytes, &count, length_bytes);
        if (code)
            return code;
        made->insert(made->end(), start_code, start_code + 4);
        made->insert(made->end(), set, set + bytes);
    }
    return 0;
}

// Length-prefixed units as Annex-B behind `made`; whether one is of a keyframe. The unit that begins
// an access unit has a byte more (H.264 and H.265, B.1.2); here that is the first of all.
inline bool vt_annexb(const std::vector<std::uint8_t> &sample, int length_bytes, bool is_h264,
                      std::vector<std::uint8_t> *made, bool *is_keyframe)
{
    static const std::uint8_t start_code[] = {0, 0, 0, 1};
    const auto header = static_cast<std::size_t>(length_bytes);
    std::size_t at = 0;
    if (sample.empty())
        return false;
    while (at < sample.size()) {
        if (sample.size() - at < header)
            return false;
        std::size_t bytes = 0;
        for (std::size_t i = 0; i < header; ++i)
            bytes = bytes << 8 | sample[at + i];
        at += header;
        if (!bytes || bytes > sample.size() - at)
            return false;
        int type = is_h264 ? sample[at] & 31 : sample[at] >> 1 & 63;
        // H.264: an IDR picture. HEVC: any picture that decoding may begin at.
        *is_keyframe = *is_keyframe || (is_h264 ? type == 5 : type >= 16 && type <= 23);
        made->insert(made->end(), start_code + !made->empty(), start_code + 4);
        made->insert(made->end(), sample.begin() + static_cast<std::ptrdiff_t>(at),
                     sample.begin() + static_cast<std::ptrdiff_t>(at + bytes));
        at += bytes;
    }
    return true;
}

// A frame of ProRes as SMPTE RDD 36 has it: its size, with that word, and 'icpf'.
inline bool vt_is_prores_frame(const std::vector<std::uint8_t> &sample)
{
    constexpr std::size_t smallest = 28; // with its header, and nothing coded
    if (sample.size() < smallest)
        return false;
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < 4; ++i)
        bytes = bytes << 8 | sample[i];
    return bytes >= smallest && bytes <= sample.size() && !std::memcmp(&sample[4], "icpf", 4);
}

inline bool vt_is_sync(CMSampleBufferRef sample)
{
    CFArrayRef attachments = CMSampleBufferGetSampleAttachmentsArray(sample, 0);
    if (!attachments || CFArrayGetCount(attachments) < 1)
        return true;
    auto first = static_cast<CFDictionaryRef>(CFArrayGetValueAtIndex(attachments, 0));
    const void *not_sync = CFDictionaryGetValue(first, kCMSampleAttachmentKey_NotSync);
    return !not_sync || !CFBooleanGetValue(static_cast<CFBooleanRef>(not_sync));
}

// The packet of a sample, or the failure in its place.
inline VtEncoderEvent vt_packet(CMSampleBufferRef sample)
{
    VtEncoderEvent event;
    CMFormatDescriptionRef description = CMSampleBufferGetFormatDescription(sample);
    CMBlockBufferRef block = CMSampleBufferGetDataBuffer(sample);
    auto failed = [&](const char *call, OSStatus code) {
        event.kind = VtEncoderEvent::failed;
        event.failure = {call, code, {}};
        return event;
    };
    if (!description)
        return failed("CMSampleBufferGetFormatDescription", vt_bad_sample);
    if (!block)
        return failed("CMSampleBufferGetDataBuffer", vt_bad_sample);
    CMVideoCodecType codec = CMFormatDescriptionGetMediaSubType(description);
    bool is_h264 = codec == kCMVideoCodecType_H264;
    std::vector<std::uint8_t> coded(CMBlockBufferGetDataLength(block)), sets;
    OSStatus code = CMBlockBufferCopyDataBytes(block, 0, coded.size(), coded.data());
    if (code)
        return failed("CMBlockBufferCopyDataBytes", code);
    event.keyframe = vt_is_sync(sample);
    if (vt_is_prores(codec)) {
        if (!vt_is_prores_frame(coded))
            return failed("CMSampleBufferGetDataBuffer", vt_bad_sample);
        if (!event.keyframe) // every frame of ProRes is one
            return failed("CMSampleBufferGetSampleAttachmentsArray", vt_keyframe_disputed);
        event.data.swap(coded);
        return event;
    }
    int length_bytes = 4;
    code = vt_parameter_sets(description, is_h264, &sets, &length_bytes);
    if (code)
        return failed(is_h264 ? "CMVideoFormatDescriptionGetH264ParameterSetAtIndex"
                              : "CMVideoFormatDescriptionGetHEVCParameterSetAtIndex",
                      code);
    if (event.keyframe)
        event.data.swap(sets);
    bool in_payload = false;
    if (!vt_annexb(coded, length_bytes, is_h264, &event.data, &in_payload))
        return failed("CMSampleBufferGetDataBuffer", vt_bad_sample);
    if (event.keyframe != in_payload)
        return failed("CMSampleBufferGetSampleAttachmentsArray", vt_keyframe_disputed);
    return event;
}

// Callbacks -----------------------------------------------------------------------------------

inline void VtEncoder::callback(void *refCon, void *frameRefCon, OSStatus status,
                                VTEncodeInfoFlags flags, CMSampleBufferRef sample)
{
    VtEncoderGate &gate = *static_cast<VtEncoderGate *>(refCon);
    std::lock_guard<std::mutex> held(gate.lock);
    if (gate.owner)
        gate.owner->called_back(static_cast<long long>(reinterpret_cast<intptr_t>(frameRefCon)) - 1,
                                status, flags, sample);
}

inline void VtEncoder::called_back(long long serial, OSStatus status, VTEncodeInfoFlags flags,
                                   CMSampleBufferRef sample)
{
    VtEncoderEvent event;
    try {
        if (!status && sample) {
            event = vt_packet(sample);
        } else {
            bool is_drop = !status && (flags & kVTEncodeInfo_FrameDropped);
            event.kind = is_drop ? VtEncoderEvent::dropped : VtEncoderEvent::failed;
            event.failure = {"VTCompressionSessionEncodeFrame",
                             is_drop || status ? status : static_cast<OSStatus>(vt_no_packet), {}};
        }
    } catch (...) {
        event.kind = VtEncoderEvent::failed;
        event.failure.code = vt_encoder_no_memory;
    }
    std::lock_guard<std::mutex> held(lock_);
    auto found = pending_.find(serial);
    if (found == pending_.end())
        return;
    moved_ = Clock::now();
    event.serial = serial;
    event.coded_ns = std::chrono::nanoseconds(moved_ - found->second.began).count();
    // A keyframe that did not come to be is owed still, unless the encoder makes one by itself.
    if (event.kind == VtEncoderEvent::packet ? event.keyframe : found->second.forced)
        key_is_owed_ = event.kind != VtEncoderEvent::packet;
    counters_.dropped += event.kind == VtEncoderEvent::dropped;
    pending_.erase(found);
    if (cut_)
        return;
    cut_ = event.kind == VtEncoderEvent::failed && means_lost(event.failure.code);
    try {
        if (event.kind == VtEncoderEvent::failed)
            fail(serial, std::move(event.failure));
        else
            put(std::move(event));
    } catch (...) { // no memory for a few bytes: the next drain finds that it is missing
    }
    work_.notify_all();
}

// The worker ----------------------------------------------------------------------------------

inline void VtEncoder::run()
{
    for (;;) {
        VtEncoderInput input;
        Work work = next(&input);
        AutoreleasePool pool; // a thread of Python's has none
        if (work == Work::closed) {
            leave();
            return;
        }
        if (work == Work::lost) {
            tell_loss();
            continue;
        }
        take(input);
        if (input.image)
            CFRelease(input.image);
    }
}

inline VtEncoder::Work VtEncoder::next(VtEncoderInput *input)
{
    std::unique_lock<std::mutex> held(lock_);
    for (;;) {
        if (closing_)
            return Work::closed;
        if (lost_by_.code && !ended_)
            return Work::lost;
        bool takes = !input_.empty() && !ended_;
        if (takes && (input_.front().kind != VtEncoderInput::picture || has_room())) {
            *input = std::move(input_.front());
            input_.pop_front();
            tell();
            return Work::input;
        }
        if (!takes || !starves()) {
            work_.wait(held);
            continue;
        }
        constexpr std::chrono::milliseconds long_enough(1000);
        if (Clock::now() - moved_ < long_enough) { // whatever wakes it meanwhile
            work_.wait_until(held, moved_ + long_enough);
            continue;
        }
        moved_ = Clock::now();
        counters_.found_held = ++found_held_;
    }
}

inline void VtEncoder::take(VtEncoderInput &input)
{
    switch (input.kind) {
    case VtEncoderInput::picture: encode(input); return;
    case VtEncoderInput::change: change(input); return;
    case VtEncoderInput::swap: swap(input); return;
    case VtEncoderInput::drain: break;
    }
    Clock::time_point began = Clock::now();
    complete();
    std::lock_guard<std::mutex> held(lock_);
    key_is_due_ = true;
    if (lost_by_.code)
        return;
    VtEncoderEvent event;
    event.kind = VtEncoderEvent::drained;
    event.serial = input.serial;
    event.coded_ns = std::chrono::nanoseconds(Clock::now() - began).count();
    put(std::move(event));
}

inline void VtEncoder::encode(VtEncoderInput &input)
{
    if (!active_->fits(input.image)) {
        std::lock_guard<std::mutex> held(lock_);
        fail(input.serial, {"VTCompressionSessionEncodeFrame", vt_wrong_picture, {}});
        return;
    }
    bool force;
    {
        std::lock_guard<std::mutex> held(lock_);
        force = key_is_owed_;
    }
    if (force) // what is under way may bring it
        complete();
    {
        std::lock_guard<std::mutex> held(lock_);
        force = input.force_keyframe || key_is_due_ || key_is_owed_;
        key_is_due_ = key_is_owed_ = false;
        pending_[input.serial] = {Clock::now(), force};
        ++counters_.frames;
        if (pending_.size() > counters_.most_under_way)
            counters_.most_under_way = pending_.size();
    }
    VtEncoderFailure failure = feed(input, force);
    if (!failure.code)
        return;
    std::lock_guard<std::mutex> held(lock_);
    pending_.erase(input.serial); // an error means that no callback comes
    key_is_due_ = key_is_due_ || force;
    fail(input.serial, std::move(failure));
}

inline VtEncoderFailure VtEncoder::feed(const VtEncoderInput &input, bool force)
{
    CfOwner<CFMutableDictionaryRef> options;
    if (force && !vt_is_prores(active_->settings.codec)) { // of which every picture is a keyframe
        options = cf_dictionary();
        if (!options)
            return {"CFDictionaryCreateMutable", vt_encoder_no_memory, {}};
        CFDictionarySetValue(options.get(), kVTEncodeFrameOptionKey_ForceKeyFrame, kCFBooleanTrue);
    }
    InCall call(*this);
    OSStatus code = VTCompressionSessionEncodeFrame(
        active_->session.get(), input.image, CMTimeMake(input.time, input.timescale),
        CMTimeMake(input.duration, input.timescale), options.get(),
        reinterpret_cast<void *>(static_cast<intptr_t>(input.serial) + 1), nullptr);
    return {"VTCompressionSessionEncodeFrame", code, {}};
}

// All of the properties, or none: those that differ from what is in force, whatever became of the
// changes before. What is under way is coded as it was meant: nothing says to which of the frames
// that a session has queued a property applies.
inline void VtEncoder::change(const VtEncoderInput &input)
{
    complete();
    VtEncoderEvent event;
    event.kind = VtEncoderEvent::changed;
    event.serial = input.serial;
    {
        InCall call(*this);
        std::vector<VtProperty> undo, next = in_force_;
        for (const VtProperty &each : input.properties) {
            auto same = [&](const VtProperty &other) { return other.name == each.name; };
            auto known = std::find_if(next.begin(), next.end(), same);
            if (event.failure.code || known == next.end() || known->value == each.value)
                continue;
            undo.push_back(std::exchange(*known, each));
            event.failure = active_->set(each);
        }
        if (!event.failure.code)
            in_force_ = std::move(next);
        else
            for (const VtProperty &each : undo)
                active_->set(each);
    }
    emit(std::move(event));
}

inline void VtEncoder::swap(VtEncoderInput &input)
{
    complete();
    std::shared_ptr<VtCompression> old;
    {
        std::lock_guard<std::mutex> held(lock_);
        old = std::exchange(active_, input.next);
        in_force_ = active_->settings.properties;
        key_is_due_ = true;
        found_held_ = 0;
        ++counters_.sessions;
        counters_.hardware = active_->hardware;
    }
    {
        std::lock_guard<std::mutex> held(active_->gate->lock);
        active_->gate->owner = this;
    }
    InCall call(*this);
    old->close();
}

// Every frame that was given to the session is called back, or will never be.
inline void VtEncoder::complete()
{
    constexpr int most_tries = 2;
    OSStatus code = 0;
    for (int tries = 0; tries < most_tries && (!tries || code); ++tries) {
        InCall call(*this);
        code = VTCompressionSessionCompleteFrames(active_->session.get(), kCMTimeInvalid);
        if (means_lost(code))
            break;
    }
    std::unique_lock<std::mutex> held(lock_);
    if (means_lost(code) && !lost_by_.code)
        lost_by_ = {"VTCompressionSessionCompleteFrames", code, {}};
    // Where it did not wait, what still comes may take a while.
    constexpr std::chrono::milliseconds patience(500);
    while (code && !lost_by_.code && !closing_ && !pending_.empty() &&
           Clock::now() < moved_ + patience)
        work_.wait_until(held, moved_ + patience);
    for (auto &frame : pending_)
        fail(frame.first, {"VTCompressionSessionCompleteFrames",
                           code ? code : static_cast<OSStatus>(vt_no_packet), {}});
    pending_.clear();
}

// What was given to the session before comes out, where it still does.
inline void VtEncoder::tell_loss()
{
    bool waits;
    {
        std::lock_guard<std::mutex> held(lock_);
        waits = !pending_.empty() && !cut_;
    }
    if (waits) {
        InCall call(*this);
        VTCompressionSessionCompleteFrames(active_->session.get(), kCMTimeInvalid);
    }
    VtEncoderEvent event;
    event.kind = VtEncoderEvent::lost;
    std::lock_guard<std::mutex> held(lock_);
    cut_ = ended_ = true;
    event.failure = lost_by_;
    put(std::move(event));
}

inline void VtEncoder::leave()
{
    std::shared_ptr<VtCompression> last;
    {
        std::lock_guard<std::mutex> held(lock_);
        last = active_;
    }
    last->close();
    std::lock_guard<std::mutex> held(lock_);
    events_.clear();
    pending_.clear();
    tell();
}

} // namespace videohw

#endif
