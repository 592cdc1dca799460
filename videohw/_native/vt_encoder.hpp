// An encoder session on VideoToolbox: queues, and the work of the one thread that calls it.
//
// The worker gives each picture to the session in force, with a bound on how many are under way;
// the session's callbacks, on whatever thread, copy the samples into packets, as Annex-B with the
// parameter sets at each keyframe. It never runs Python: VtEncoder::run comes back at the end only.
// Must not know: presentation times but as the frameworks want them, what becomes of packets.
//
// Threads: `run` and the members of "The worker" belong to the worker, all else may be called by
// any thread. The lock is never held over a call of the frameworks, but for CFRetain and
// CFRelease: a callback may come before the call that it is of returns.
#ifndef VIDEOHW_VT_ENCODER_HPP
#define VIDEOHW_VT_ENCODER_HPP

#include "vt_compression.hpp"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>

namespace videohw {

// What is queued for the worker.
struct VtEncoderInput {
    enum Kind { picture, change, swap, drain } kind = picture;
    long long serial = 0; // of a picture; the number of a change, a swap or a drain
    CVPixelBufferRef image = nullptr; // one reference
    std::int64_t time = 0, duration = 0; // in units of 1 / timescale seconds
    std::int32_t timescale = 1;
    bool force_keyframe = false;
    std::vector<VtProperty> properties;  // of a change: all that it may change
    std::shared_ptr<VtCompression> next; // of a swap
};

struct VtEncoderEvent {
    enum Kind {
        packet,  // one picture, coded; in decoding order
        dropped, // the encoder left the picture out, to hold the rate
        failed,  // no packet comes of the picture
        changed, // the change was made, or failed and was undone
        drained, // all that was queued before the drain ended
        lost     // the session is of no use any more
    } kind = packet;
    long long serial = 0;
    VtEncoderFailure failure;
    bool keyframe = false;
    std::vector<std::uint8_t> data;
    std::int64_t coded_ns = 0;
};

struct VtEncoderCounters {
    std::uint64_t sessions = 0, frames = 0, dropped = 0, most_under_way = 0, found_held = 0;
    int hardware = -1;
};

class VtEncoder {
public:
    VtEncoder(std::shared_ptr<VtCompression> first, std::size_t max_ready);
    VtEncoder(const VtEncoder &) = delete;
    VtEncoder &operator=(const VtEncoder &) = delete;
    // After `run` ended, or never began: one whose worker is stuck is not destroyed.
    ~VtEncoder();

    static void callback(void *refCon, void *frameRefCon, OSStatus status, VTEncodeInfoFlags flags,
                         CMSampleBufferRef sample);

    // Waiting: `version` changes with everything that happens.

    std::uint64_t version()
    {
        std::lock_guard<std::mutex> held(lock_);
        return version_;
    }
    void wait(std::uint64_t seen, double seconds)
    {
        std::unique_lock<std::mutex> held(lock_);
        changed_.wait_for(held, std::chrono::duration<double>(seconds),
                          [&] { return version_ != seen; });
    }
    void notify()
    {
        std::lock_guard<std::mutex> held(lock_);
        tell();
    }

    void push(VtEncoderInput input)
    {
        std::lock_guard<std::mutex> held(lock_);
        input_.push_back(std::move(input));
        work_.notify_all();
    }
    bool pop(VtEncoderEvent *event)
    {
        std::lock_guard<std::mutex> held(lock_);
        if (events_.empty())
            return false;
        *event = std::move(events_.front());
        events_.pop_front();
        if (counts(*event)) { // whether it waits as an output is told by `set_ready`
            --unseen_;
            ++ready_;
        }
        return true;
    }
    // Pictures that the worker has not begun.
    std::size_t queued()
    {
        std::lock_guard<std::mutex> held(lock_);
        std::size_t count = 0;
        for (const VtEncoderInput &each : input_)
            count += each.kind == VtEncoderInput::picture;
        return count;
    }
    // So many outputs wait to be reaped, of those that were popped.
    void set_ready(std::size_t count)
    {
        std::lock_guard<std::mutex> held(lock_);
        ready_ = count;
        work_.notify_all();
    }
    void close()
    {
        std::deque<VtEncoderInput> forgotten;
        {
            std::lock_guard<std::mutex> held(lock_);
            closing_ = true;
            forgotten.swap(input_);
            events_.clear();
            unseen_ = ready_ = 0;
            tell();
            work_.notify_all();
        }
        release(forgotten);
    }
    // How long the worker is inside one call, with nothing called back meanwhile.
    double busy_seconds()
    {
        std::lock_guard<std::mutex> held(lock_);
        return in_call_ ? std::chrono::duration<double>(Clock::now() - moved_).count() : 0;
    }
    VtEncoderCounters counters()
    {
        std::lock_guard<std::mutex> held(lock_);
        return counters_;
    }

    // The worker

    void run();

private:
    using Clock = std::chrono::steady_clock;
    struct Pending {
        Clock::time_point began;
        bool forced = false;
    };

    static bool counts(const VtEncoderEvent &event)
    {
        return event.kind == VtEncoderEvent::packet || event.kind == VtEncoderEvent::failed ||
               event.kind == VtEncoderEvent::dropped;
    }
    static bool means_lost(OSStatus code)
    {
        return code == kVTInvalidSessionErr || code == kVTVideoEncoderMalfunctionErr ||
               code == kVTSessionMalfunctionErr || code == kVTVideoDecoderRemovedErr;
    }
    static void release(std::deque<VtEncoderInput> &inputs)
    {
        for (VtEncoderInput &each : inputs)
            if (each.image)
                CFRelease(each.image);
        inputs.clear();
    }

    void called_back(long long serial, OSStatus status, VTEncodeInfoFlags flags,
                     CMSampleBufferRef sample);
    void tell()
    {
        ++version_;
        changed_.notify_all();
    }
    // The lock is held.
    void put(VtEncoderEvent event)
    {
        if (closing_)
            return;
        unseen_ += counts(event);
        events_.push_back(std::move(event));
        tell();
    }
    void emit(VtEncoderEvent event)
    {
        std::lock_guard<std::mutex> held(lock_);
        put(std::move(event));
    }
    // No packet comes of a picture; the lock is held.
    void fail(long long serial, VtEncoderFailure failure)
    {
        if (means_lost(failure.code)) {
            if (!lost_by_.code)
                lost_by_ = std::move(failure);
            work_.notify_all();
            return;
        }
        VtEncoderEvent event;
        event.kind = VtEncoderEvent::failed;
        event.serial = serial;
        event.failure = std::move(failure);
        put(std::move(event));
    }
    void set_in_call(bool in_call)
    {
        std::lock_guard<std::mutex> held(lock_);
        in_call_ = in_call;
        moved_ = Clock::now();
    }
    class InCall {
    public:
        explicit InCall(VtEncoder &encoder) : encoder_(encoder) { encoder_.set_in_call(true); }
        ~InCall() { encoder_.set_in_call(false); }
        InCall(const InCall &) = delete;
        InCall &operator=(const InCall &) = delete;

    private:
        VtEncoder &encoder_;
    };
    // Packets that wait are limited, with what is to become packets; pictures that the encoder may
    // hold are not, and are no more than it is told to. Where it holds more, which shows by nothing
    // coming of all that it has, it is given one more at a time.
    bool has_room() const
    {
        std::size_t waiting = unseen_ + ready_;
        return waiting < max_ready_ &&
               pending_.size() + waiting < max_ready_ + active_->settings.held + found_held_;
    }
    bool starves() const
    {
        constexpr std::size_t most_found = 64;
        return !pending_.empty() && unseen_ + ready_ == 0 && found_held_ < most_found;
    }

    enum class Work { input, lost, closed };
    Work next(VtEncoderInput *input);
    void take(VtEncoderInput &input);
    void encode(VtEncoderInput &input);
    VtEncoderFailure feed(const VtEncoderInput &input, bool force);
    void change(const VtEncoderInput &input);
    void swap(VtEncoderInput &input);
    void complete();
    void tell_loss();
    void leave();

    const std::size_t max_ready_;
    std::mutex lock_;
    std::condition_variable changed_; // for those who wait on the version
    std::condition_variable work_;    // for the worker
    std::uint64_t version_ = 0;
    std::deque<VtEncoderInput> input_;
    std::deque<VtEncoderEvent> events_;
    std::map<long long, Pending> pending_; // given to the session, and not called back
    std::size_t unseen_ = 0, ready_ = 0;   // ended pictures not popped; outputs not reaped
    std::size_t found_held_ = 0;           // that it holds beside what it was told
    bool closing_ = false, in_call_ = false;
    bool key_is_due_ = true;   // the next picture begins a stream
    bool key_is_owed_ = false; // one that was forced did not come to be
    bool cut_ = false;         // a picture was lost with its session: none that follows is told
    VtEncoderFailure lost_by_;
    Clock::time_point moved_;
    VtEncoderCounters counters_;
    std::shared_ptr<VtCompression> active_; // changed by the worker, with the lock held

    // The worker's
    bool ended_ = false; // `lost` was told
    std::vector<VtProperty> in_force_;
};

} // namespace videohw

#include "vt_encoder_inline.hpp"

#endif
