// A decoder session on VideoToolbox: queues, and the work of the one thread that calls it.
//
// The worker makes format descriptions of parameter sets, sessions of those, and gives each
// picture to the session, with a bound on how many are under way; the session's callbacks, on
// whatever thread and in whatever order, turn into events. It never runs Python:
// VtSession::run comes back at the end only. Must not know: the order of presentation, what
// becomes of pictures that failed, what the pixels are for.
//
// Images that are to be converted on Metal are, before they turn into events: the worker commits
// the conversions, Metal's own threads tell their ends. What Metal does not convert comes out as
// it is, with the reason.
//
// Threads: `run` and the members of "The worker" belong to the worker, all else may be called by
// any thread. The lock is never held over a call of the frameworks, but for CFRetain and
// CFRelease: a callback may come before the call that it is of returns.
#ifndef VIDEOHW_VT_SESSION_HPP
#define VIDEOHW_VT_SESSION_HPP

#include "metal.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

namespace videohw {

// A call that failed, or the work on a frame; `code` 0: none did.
struct VtFailure {
    const char *call = nullptr;
    OSStatus code = 0;
};
// Our own codes: the pictures of other parameter sets need a random access point, no image came of
// a frame, memory of the host ran out, there are no parameter sets for the picture.
enum : OSStatus { vt_needs_access_point = 1, vt_no_image = 2, vt_no_memory = 3, vt_no_sets = 4 };

// The parameter sets of a sequence, and the pixels that its pictures are decoded to. Of AV1 and VP9
// the one set is the record that a file has, and the size goes with it.
struct VtSequence {
    unsigned number = 0;
    OSType pixel_format = 0;
    std::vector<std::vector<uint8_t>> sets;
    int width = 0, height = 0;
    std::shared_ptr<const MetalPlan> conversion; // nullptr where Metal converts none of them
};

// What is queued for the worker. The bytes stay the caller's until the event `ended`, or until a
// reset or the close is done.
struct VtInput {
    enum Kind { picture, mark, drain } kind = picture;
    const unsigned char *data = nullptr; // NAL units, each behind its length in 4 bytes
    std::size_t bytes = 0;
    long long serial = 0; // of a picture; the number of a drain
    long long time = 0;   // its place in the order of presentation
    bool random_access = false;
    unsigned sequence = 0;
};

struct VtEvent {
    enum Kind {
        begun,   // a picture goes to the session
        ended,   // it was decoded, or failed; pictures end in any order
        mark,    // all that was queued before the mark was begun
        drained, // all that was queued before the drain ended
        lost     // no session can be made any more
    } kind = begun;
    long long serial = 0;
    VtFailure failure;
    CVImageBufferRef image = nullptr; // one reference, for the receiver
    std::shared_ptr<MetalPixels> pixels; // what Metal made of it
    MetalFailure unconverted;            // why it did not, where it was to
    VTDecodeInfoFlags flags = 0;         // as the callback had them
    // From the call, or from the callback before, to the callback; of a drain, from the last one.
    std::int64_t decoded_ns = 0;
    std::int64_t converted_ns = 0; // from the commit, or from the conversion before, to its end
};

struct VtSettings {
    CMVideoCodecType codec = 0;
    unsigned under_way = 6; // frames given to the session and not called back
    std::size_t max_ready = 8;
    bool keeps_images = true;
    bool requires_hardware = false;
    double conversion_seconds = 5; // a conversion that takes longer is given up
};

struct VtCounters {
    std::uint64_t sessions = 0, descriptions = 0, lost = 0, retries = 0, abandoned = 0;
    int hardware = -1; // whether the newest session said so; -1: there was none
};

class VtSession {
public:
    // Without kernels nothing is converted.
    explicit VtSession(const VtSettings &settings, std::shared_ptr<MetalKernels> kernels)
        : settings_(settings), kernels_(std::move(kernels))
    {
    }
    VtSession(const VtSession &) = delete;
    VtSession &operator=(const VtSession &) = delete;
    // After `run` ended, or never began: one whose worker is stuck is not destroyed.
    ~VtSession()
    {
        release(events_);
        drop_conversions();
    }

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

    void push_sequence(VtSequence sequence)
    {
        std::lock_guard<std::mutex> held(lock_);
        sequences_[sequence.number] = std::make_shared<const VtSequence>(std::move(sequence));
    }
    void push(const VtInput &input)
    {
        std::lock_guard<std::mutex> held(lock_);
        input_.push_back(input);
        work_.notify_all();
    }
    bool pop(VtEvent *event)
    {
        std::lock_guard<std::mutex> held(lock_);
        if (events_.empty())
            return false;
        *event = events_.front();
        events_.pop_front();
        if (event->kind == VtEvent::ended) {
            --unseen_;
            work_.notify_all();
        }
        return true;
    }
    std::size_t queued()
    {
        std::lock_guard<std::mutex> held(lock_);
        return input_.size();
    }
    // So many outputs wait to be reaped, of those that were popped.
    void set_ready(std::size_t count)
    {
        std::lock_guard<std::mutex> held(lock_);
        ready_ = count;
        work_.notify_all();
    }
    // Drop everything queued and under way; `resets_done` is `number` when it is gone.
    void reset(std::uint64_t number)
    {
        std::lock_guard<std::mutex> held(lock_);
        input_.clear();
        drop_events();
        reset_wanted_ = number;
        tell();
        work_.notify_all();
    }
    std::uint64_t resets_done()
    {
        std::lock_guard<std::mutex> held(lock_);
        return resets_done_;
    }
    void close()
    {
        std::lock_guard<std::mutex> held(lock_);
        closing_ = true;
        input_.clear();
        drop_events();
        tell();
        work_.notify_all();
    }
    // How long nothing has moved while the session works on something; 0 when it does not.
    double busy_seconds()
    {
        std::lock_guard<std::mutex> held(lock_);
        if (!in_call_ && pending_.empty())
            return 0;
        return std::chrono::duration<double>(Clock::now() - moved_).count();
    }
    VtCounters counters()
    {
        std::lock_guard<std::mutex> held(lock_);
        return counters_;
    }

    // The worker

    void run();

private:
    using Clock = std::chrono::steady_clock;
    using SequencePointer = std::shared_ptr<const VtSequence>;

    // What the callbacks of one VTDecompressionSession are given. It outlives the session by as
    // long as callbacks may come.
    struct Gate {
        std::mutex lock;
        VtSession *owner = nullptr;
    };
    // The same of conversions, for as long as the session lives.
    std::shared_ptr<Gate> conversions_gate_ = std::make_shared<Gate>();
    static std::int64_t since(Clock::time_point began, Clock::time_point now)
    {
        return std::chrono::nanoseconds(now - began).count();
    }

    static void callback(void *refCon, void *frameRefCon, OSStatus status, VTDecodeInfoFlags flags,
                         CVImageBufferRef image, CMTime, CMTime);
    void called_back(long long serial, OSStatus status, VTDecodeInfoFlags flags,
                     CVImageBufferRef image);

    void tell()
    {
        ++version_;
        changed_.notify_all();
    }
    void put(const VtEvent &event)
    {
        events_.push_back(event);
        unseen_ += event.kind == VtEvent::ended;
        tell();
    }
    // A picture ended. What a lost session did not decode waits until it is known whether another
    // one can take its place; the lock is held.
    void end(const VtEvent &event)
    {
        if (!means_lost(event.failure.code)) {
            put(event);
            return;
        }
        if (!lost_by_)
            lost_by_ = event.failure.code;
        lost_with_session_.push_back(event);
        work_.notify_all();
    }
    void emit(const VtEvent &event)
    {
        std::lock_guard<std::mutex> held(lock_);
        put(event);
    }
    // Nobody will take them; the lock is held.
    void drop_events()
    {
        release(events_);
        drop_conversions();
        lost_with_session_.clear();
        unseen_ = 0;
        ready_ = 0;
    }
    static void release(std::deque<VtEvent> &events)
    {
        for (VtEvent &event : events)
            if (event.image)
                CFRelease(event.image);
        events.clear();
    }
    // The same of images that were to be converted; the device keeps its own references.
    void drop_conversions()
    {
        for (auto *images : {&unconverted_, &converting_}) {
            for (auto &each : *images)
                CFRelease(each.second.event.image);
            images->clear();
        }
    }
    // A call of the frameworks begins or ends.
    void set_in_call(bool in_call)
    {
        std::lock_guard<std::mutex> held(lock_);
        in_call_ = in_call;
        moved_ = Clock::now();
    }
    class InCall {
    public:
        explicit InCall(VtSession &session) : session_(session) { session_.set_in_call(true); }
        ~InCall() { session_.set_in_call(false); }
        InCall(const InCall &) = delete;
        InCall &operator=(const InCall &) = delete;

    private:
        VtSession &session_;
    };
    static bool means_lost(OSStatus code)
    {
        return code == kVTInvalidSessionErr || code == kVTVideoDecoderMalfunctionErr ||
               code == kVTVideoDecoderRemovedErr || code == kVTSessionMalfunctionErr;
    }
    static bool means_later(OSStatus code) { return code == kVTVideoDecoderNotAvailableNowErr; }
    bool has_room() const
    {
        std::size_t converted = unconverted_.size() + converting_.size();
        return pending_.size() < settings_.under_way &&
               pending_.size() + converted + unseen_ + ready_ < settings_.max_ready;
    }

    // An image that is to be converted, or is being so since `began`.
    struct Converted {
        VtEvent event;
        SequencePointer sequence;
        Clock::time_point began;
    };
    using Conversions = std::map<long long, Converted>;
    void convert();
    void converted(long long serial, std::shared_ptr<MetalPixels> pixels, MetalFailure failure);
    void put_unconverted(Conversions::iterator at, MetalFailure failure);
    void give_up_overdue();
    void finish_conversions();
    Clock::time_point overdue_at() const;

    enum class Work { input, convert, overdue, reset, recover, closed };
    Work next(VtInput *input);
    void take(const VtInput &input);
    void decode(const VtInput &input);
    VtFailure prepare(const VtInput &input);
    VtFailure describe_record(const VtSequence &sequence, CMFormatDescriptionRef *made);
    VtFailure describe(const VtSequence &sequence, CfOwner<CMFormatDescriptionRef> *made);
    VtFailure open(const VtSequence &sequence, CMFormatDescriptionRef description);
    VtFailure create(const VtSequence &sequence, CMFormatDescriptionRef description);
    VtFailure feed(const VtInput &input);
    void finish_frames();
    void close_session();
    void recover();
    bool is_lost();
    void ask_hardware();
    bool pause(std::chrono::milliseconds time);
    void leave();

    const VtSettings settings_;

    std::mutex lock_;
    std::condition_variable changed_; // for those who wait on the version
    std::condition_variable work_;    // for the worker
    std::uint64_t version_ = 0;
    std::map<unsigned, SequencePointer> sequences_;
    std::deque<VtInput> input_;
    std::deque<VtEvent> events_, lost_with_session_;
    // Given to the session, when, and not called back.
    struct Given {
        Clock::time_point when;
        SequencePointer sequence;
    };
    std::map<long long, Given> pending_;
    Clock::time_point called_back_, converted_; // the last ones
    Conversions unconverted_, converting_;
    std::shared_ptr<MetalKernels> kernels_; // until the close
    bool metal_is_stuck_ = false;
    std::size_t unseen_ = 0, ready_ = 0;   // ended pictures not popped; outputs not reaped
    std::uint64_t reset_wanted_ = 0, resets_done_ = 0;
    bool closing_ = false, in_call_ = false;
    OSStatus lost_by_ = 0; // the session is of no use any more
    Clock::time_point moved_;
    VtCounters counters_;

    // The worker's
    std::unique_ptr<MetalConverter> converter_;
    CfOwner<VTDecompressionSessionRef> session_;
    std::shared_ptr<Gate> gate_;
    CfOwner<CMFormatDescriptionRef> description_;
    SequencePointer described_; // what `description_` is of
    OSType pixel_format_ = 0;   // of the session
    bool broken_ = false;       // references are gone until the next random access point
    bool ended_ = false;        // `lost` was told
};

} // namespace videohw

#include "vt_session_inline.hpp"

#endif
