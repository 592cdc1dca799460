// A call that failed, and work of opening, which may take for ever, on a thread of its own.
//
// Must not know: what the work is.
#ifndef VIDEOHW_VT_ERRAND_HPP
#define VIDEOHW_VT_ERRAND_HPP

#include "apple.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace videohw {

// A call that failed, or the work on a frame; `code` 0: none did. `about`: the property.
struct VtEncoderFailure {
    const char *call = nullptr;
    OSStatus code = 0;
    std::string about;
};
// Our own codes: memory of the host ran out; a variable that this system lacks; no packet came of a
// picture; attachments and payload do not agree on what is a keyframe; the picture has another size
// or format than the encoder; a coded sample cannot be read; the encoder is not of hardware; a call
// did not come back.
enum : OSStatus {
    vt_encoder_no_memory = 1,
    vt_no_such_name = 2,
    vt_no_packet = 3,
    vt_keyframe_disputed = 4,
    vt_wrong_picture = 5,
    vt_bad_sample = 6,
    vt_not_hardware = 7,
    vt_no_return = 8
};

class VtErrand {
public:
    using Work = std::function<VtEncoderFailure(VtErrand &)>;

    VtErrand() = default;
    VtErrand(const VtErrand &) = delete;
    VtErrand &operator=(const VtErrand &) = delete;

    // What `work` has is given back when it ends, whether or not somebody waits for it then.
    static std::shared_ptr<VtErrand> start(Work work)
    {
        auto errand = std::make_shared<VtErrand>();
        try {
            std::thread([errand, work = std::move(work)]() mutable {
                VtEncoderFailure failure;
                try {
                    failure = work(*errand);
                } catch (const std::exception &) {
                    failure = {errand->call(), vt_encoder_no_memory, {}};
                }
                work = nullptr;
                errand->end(std::move(failure));
            }).detach();
        } catch (const std::exception &) { // no thread
            errand->end({nullptr, vt_encoder_no_memory, {}});
        }
        return errand;
    }

    // By the work.

    // What it is about to call.
    void calls(const char *name) { call_.store(name); }
    // False when nobody waits any more.
    bool pause(std::chrono::milliseconds time)
    {
        std::unique_lock<std::mutex> held(lock_);
        return !changed_.wait_for(held, time, [this] { return abandoned_; });
    }

    // By the one who waits.

    // Whether it has ended, `seconds` from now at the latest.
    bool wait(double seconds)
    {
        std::unique_lock<std::mutex> held(lock_);
        return changed_.wait_for(held, std::chrono::duration<double>(seconds),
                                 [this] { return ended_; });
    }
    void abandon()
    {
        std::lock_guard<std::mutex> held(lock_);
        abandoned_ = true;
        changed_.notify_all();
    }
    VtEncoderFailure failure()
    {
        std::lock_guard<std::mutex> held(lock_);
        return ended_ ? failure_ : VtEncoderFailure{call_.load(), vt_no_return, {}};
    }

private:
    const char *call() const { return call_.load(); }
    void end(VtEncoderFailure failure)
    {
        std::lock_guard<std::mutex> held(lock_);
        failure_ = std::move(failure);
        ended_ = true;
        changed_.notify_all();
    }

    std::mutex lock_;
    std::condition_variable changed_;
    std::atomic<const char *> call_{nullptr};
    VtEncoderFailure failure_;
    bool ended_ = false, abandoned_ = false;
};

} // namespace videohw

#endif
