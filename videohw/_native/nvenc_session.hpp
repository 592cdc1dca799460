// An encoder session on NVENC: queues, and the two threads that call the driver.
//
// The submit thread opens the encoder, hands it pictures, changes it, ends it: every call but
// locking and unlocking coded pictures, which the reaper does. Both are of C++ and never run
// Python. What comes out are events: coded pictures in decoding order, what failed, what is
// drained. Must not know: pts and dts, what becomes of pictures that failed, options by name.
//
// Threads: each keeps the session alive, so that one inside a call that never returns is left
// behind with it. The lock is never held over a call of the driver, and not over waking a thread
// that would wait for it at once.
#ifndef VIDEOHW_NVENC_SESSION_HPP
#define VIDEOHW_NVENC_SESSION_HPP

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <system_error>
#include <thread>
#include <utility>

#include "cuda_errands.hpp"
#include "nvenc_calls.hpp"

namespace videohw {

// A call that failed: of NVENC, or of CUDA. `call` null: none did.
struct NvencFailure {
    const char *call = nullptr;
    int code = 0;
    bool cuda = false;
};
// Our own codes: memory of the host ran out, no thread could be started, no buffer is left that
// the driver takes, a picture has another size than the encoder.
enum { nvenc_no_memory = -1, nvenc_no_thread = -2, nvenc_no_buffer = -3, nvenc_wrong_size = -4 };

// Bytes of Python's for a coded picture, made beforehand; the reaper writes them, nothing else
// here knows what the object is.
struct PacketBytes {
    void *object = nullptr;
    unsigned char *data = nullptr;
    std::size_t capacity = 0;
};

struct NvencEvent {
    enum Kind {
        packet,     // a coded picture, of the picture `serial`
        failed,     // the picture `serial` gives no packet
        input_done, // the memory of a device picture is not read any more
        reconfigured, // the change `serial` was made, or refused
        drained,    // all that was pushed before the drain `serial` came out
        lost        // the session is of no use any more
    } kind = packet;
    long long serial = 0;
    NvencFailure failure;
    std::string detail;             // the driver's words on a change that it refused
    PacketBytes into;               // where the packet is, of `bytes`; without it in `heap`
    unsigned char *heap = nullptr;  // for the receiver to free
    std::size_t bytes = 0;
    uint32_t picture_type = 0, average_qp = 0;
    // From the call that took the picture until it was locked; what a drain took.
    std::int64_t coded_ns = 0;
};

// One of the encoder's input buffers, locked while nobody has given it back to the encoder.
struct HostBuffer {
    void *handle = nullptr;
    unsigned char *memory = nullptr;
    uint32_t pitch = 0;
    bool locked = false;
};

// Memory for the pixels of one host picture: such a buffer or, when none is free, plain memory.
struct HostInput {
    HostBuffer *buffer = nullptr;
    std::unique_ptr<unsigned char[]> plain;
    uint32_t pitch = 0;
    std::size_t rows = 0; // in all
    bool writing = false; // from `take_input` to `seal`

    unsigned char *memory() const { return buffer ? buffer->memory : plain.get(); }
};

// Pixels in device memory, as they lie, to be copied together, or to be converted.
struct DeviceInput {
    enum Kind { none, direct, copy, kernel } kind = none;
    CUdeviceptr planes[3] = {0, 0, 0};
    std::size_t pitches[3] = {0, 0, 0};
    unsigned count = 0;
    // What is made of them in a block of `bytes`, where planes begin at `offsets`.
    std::size_t bytes = 0, pitch = 0, offsets[3] = {0, 0, 0};
    std::size_t row_bytes[3] = {0, 0, 0}, rows[3] = {0, 0, 0}, target_pitches[3] = {0, 0, 0};
    ConversionPlan conversion;
    bool watched = false; // somebody says `before_free` of it, so that it may stay registered
};

// A stream that is given back to its context when nobody has it any more; of a stream of the
// caller's the number alone.
struct SharedStream {
    std::shared_ptr<void> owner;
    CUstream stream = nullptr;
};

struct NvencItem {
    enum Kind { picture, change, drain } kind = picture;
    long long serial = 0; // of a picture; the number of a change or drain
    uint32_t width = 0, height = 0; // of a picture
    HostInput host;
    DeviceInput device;
    PictureExtras extras;
    SharedStream after; // of another encoder, whose input was to wait for a device picture
    EncoderForm form; // of a change
    bool reset = false;
};

struct NvencSettings {
    EncoderForm form;
    uint32_t format = 0;                  // of the input, NV_ENC_BUFFER_FORMAT
    uint32_t width = 0, height = 0;       // of input buffers
    unsigned outputs = 0, host_inputs = 0; // how many buffers
    unsigned held = 0; // pictures that the encoder may keep until more come
    std::size_t max_ready = 6;
    double busy_seconds = 10; // how long one that says that it is busy is asked again
};

struct NvencCounters {
    std::uint64_t pictures = 0, packets = 0, reconfigured = 0, registered = 0, mapped = 0;
    std::uint64_t busy = 0;           // answers that the driver is busy
    std::uint64_t plain_inputs = 0;   // host pictures that were copied twice
    std::uint64_t plain_packets = 0;  // coded pictures that were
    std::uint64_t copied_in = 0, copied_out = 0; // bytes, here
    std::uint64_t converted = 0;      // device pictures that a kernel or copy was needed for
};

// Whether anything happened: shared by the encoders of one session, which follow each other.
class Changes {
public:
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
    void tell()
    {
        {
            std::lock_guard<std::mutex> held(lock_);
            ++version_;
        }
        changed_.notify_all();
    }

private:
    std::mutex lock_;
    std::condition_variable changed_;
    std::uint64_t version_ = 0;
};

class NvencSession : public std::enable_shared_from_this<NvencSession>, public MemoryWatcher {
public:
    NvencSession(std::shared_ptr<Changes> changes, Context &context, Pool &device_pool,
                 std::unique_ptr<Encoder> encoder, CUstream stream, const NvencSettings &settings)
        : changes_(std::move(changes)), context_(context), device_pool_(device_pool), encoder_(std::move(encoder)),
          settings_(settings), stream_(stream), own_stream_(!stream)
    {
    }
    NvencSession(const NvencSession &) = delete;
    NvencSession &operator=(const NvencSession &) = delete;

    // Begin; `opened` tells when it did, `opening_failure` what was refused. Whoever calls this or
    // anything else has the context; the threads have it until `ended`, and not a moment longer: it
    // may be destroyed then.
    void start()
    {
        std::shared_ptr<NvencSession> self = shared_from_this();
        context_.retain();
        try {
            std::thread([self] { self->submit_main(); }).detach();
        } catch (...) {
            context_.release();
            throw;
        }
    }
    bool opened()
    {
        std::lock_guard<std::mutex> held(lock_);
        return opened_;
    }
    NvencFailure opening_failure(std::string *detail)
    {
        std::lock_guard<std::mutex> held(lock_);
        *detail = detail_;
        return opening_failure_;
    }

    // Input

    void take_input(HostInput *input);
    void seal(HostInput *input);
    void give_input(HostInput *input);
    void push(NvencItem &&item);
    std::size_t queued()
    {
        std::lock_guard<std::mutex> held(lock_);
        return queued_pictures_;
    }
    CUstream stream() const { return stream_; }
    SharedStream shared_stream()
    {
        std::lock_guard<std::mutex> held(lock_);
        return {stream_owner_, stream_};
    }
    // Have the input stream wait for what was queued on another one: on a thread of ours, which
    // may be any.
    CUresult wait_for_stream(CUstream other);
    // Device memory goes away: it is not registered any more when this returns, unless the driver
    // takes too long. On any thread, also where Python gives an object back: it waits for nothing
    // that such a thread may have.
    void before_free(CUdeviceptr address, std::size_t bytes) override;

    // Output

    bool pop(NvencEvent *event);
    // So many outputs wait to be reaped, of those that were popped.
    void set_ready(std::size_t count)
    {
        {
            std::lock_guard<std::mutex> held(lock_);
            const bool had_room = has_room();
            ready_ = count;
            if (had_room || !has_room())
                return;
        }
        reaping_.notify_one();
    }
    // How many more objects for packets are wanted, and how large they had better be.
    bool wants_bytes(std::size_t *capacity)
    {
        std::lock_guard<std::mutex> held(lock_);
        *capacity = capacity_;
        return stock_.size() < owed_packets_ + 1;
    }
    void give_bytes(const PacketBytes &bytes)
    {
        std::lock_guard<std::mutex> held(lock_);
        stock_.push_back(bytes);
    }
    // An object that was not used, until there is none.
    bool take_bytes(PacketBytes *bytes)
    {
        std::lock_guard<std::mutex> held(lock_);
        if (stock_.empty())
            return false;
        *bytes = stock_.back();
        stock_.pop_back();
        return true;
    }
    std::vector<unsigned char> parameter_sets()
    {
        std::lock_guard<std::mutex> held(lock_);
        return parameter_sets_;
    }

    void close()
    {
        std::lock_guard<std::mutex> held(lock_);
        closing_ = true;
        tell();
        work_.notify_one();
        reaping_.notify_one();
    }
    // Whether everything is given back.
    bool ended()
    {
        std::lock_guard<std::mutex> held(lock_);
        return ended_;
    }
    // Whether a caller has something to do, who knows of `sent` pictures that were not begun, and
    // has `ready` outputs: there is an event, fewer are queued, or a thread has been at one thing
    // for longer than that.
    bool news(std::size_t sent, std::size_t ready, double stuck_seconds)
    {
        bool found, room;
        {
            std::lock_guard<std::mutex> held(lock_);
            const bool had_room = has_room();
            ready_ = ready;
            room = !had_room && has_room();
            found = !events_.empty() || queued_pictures_ < sent ||
                    (submitting_.is && longer(submitting_.since, stuck_seconds)) ||
                    (locking_.is && longer(locking_.since, stuck_seconds));
        }
        if (room)
            reaping_.notify_one();
        return found;
    }
    // How long a thread has been at one thing; 0 when both have nothing to do, or nothing but to
    // wait for more input. `call`: the one of NVENC's that it is inside of, null without.
    double busy_seconds(const char **call)
    {
        std::lock_guard<std::mutex> held(lock_);
        const Clock::time_point now = Clock::now();
        const auto seconds = [now](Clock::time_point since) {
            return std::chrono::duration<double>(now - since).count();
        };
        const double submitting = submitting_.is ? seconds(submitting_.since) : 0;
        double locking = 0;
        if (locking_.is && (submitting_.is ? !settings_.held : !waits_for_input()))
            // Input may have ended a long wait just now.
            locking = seconds(settings_.held ? std::max(locking_.since, submitting_.since)
                                             : locking_.since);
        *call = locking > submitting ? encoder_->reaping() : encoder_->inside();
        return std::max(submitting, locking);
    }
    NvencCounters counters()
    {
        std::lock_guard<std::mutex> held(lock_);
        return counters_;
    }

private:
    using Clock = std::chrono::steady_clock;

    struct Busy {
        bool is = false;
        Clock::time_point since;
        void set(bool busy)
        {
            is = busy;
            since = Clock::now();
        }
    };
    static bool longer(Clock::time_point since, double seconds)
    {
        return std::chrono::duration<double>(Clock::now() - since).count() > seconds;
    }
    // Whether an output may be locked that is not coded before more pictures come: with B pictures
    // and lookahead a driver may let the reaper wait for it. With lock_ held.
    bool waits_for_input() const
    {
        if (closing_ || lost_ || !input_.empty())
            return false;
        std::size_t waiting = 1;
        for (const Lockable &each : lockable_) {
            if (!each.output) // the end of a stream brings them all
                return false;
            ++waiting;
        }
        return waiting <= settings_.held;
    }
    struct Registration {
        CUdeviceptr address = 0;
        uint32_t pitch = 0, width = 0, height = 0;
        bool watched = false; // else it is forgotten with its picture
        void *resource = nullptr, *mapped = nullptr;
        uint32_t mapped_format = 0;
        unsigned users = 0;
    };
    // What a picture occupies while it is in the encoder.
    struct Flight {
        HostInput host;
        Registration *registration = nullptr;
        Block *block = nullptr;
        bool of_device = false;
        PictureExtras extras; // the driver may read the map until the picture is coded
        bool slot_locked = false, packet_locked = false;
        uint32_t number = 0; // of the encoder's pictures
        Clock::time_point since;
    };
    struct Output {
        void *handle = nullptr;
        long long serial = 0; // of the picture that it was given with
        uint32_t number = 0;
    };
    // For the reaper: an output to be locked, or the end of what a drain waits for.
    struct Lockable {
        Output *output = nullptr;
        long long drain = -1;
        uint32_t number = 0; // of the first picture after the drain
        Clock::time_point since; // of the drain
        NvencFailure failure;
    };
    enum : std::size_t { most_registrations = 64 };
    // Whether what is done is to be given back now, not when the next picture comes.
    bool recycling_is_due(bool many) const
    {
        return many || !input_.empty() || !freed_.empty() || closing_ || no_more_;
    }
    static constexpr std::chrono::milliseconds idle_wait{100};

    void tell() { changes_->tell(); }
    bool has_room() const { return events_out_ + ready_ < settings_.max_ready; }
    void emit(NvencEvent &&event);
    void emit_failed(long long serial, NvencFailure failure);
    void lose(NvencFailure failure);
    NvencFailure nvenc_failure(const char *call, NvencCode code);
    NvencFailure cuda_failure(CUresult code);
    CUresult record_all(CUevent event);
    bool reachable() const;

    // The submit thread

    void submit_main();
    void work();
    bool next(NvencItem *item);
    bool can_start(const NvencItem &item) const;
    NvencFailure open();
    NvencFailure open_buffers();
    NvencFailure lock_input(HostBuffer *buffer);
    NvencFailure find_input(HostBuffer **buffer);
    void read_parameter_sets();
    void take_item(NvencItem &item);
    void encode(NvencItem &item);
    NvencFailure place(NvencItem &item, Flight *flight, EncodedInput *picture);
    NvencFailure place_host(NvencItem &item, Flight *flight, EncodedInput *picture);
    NvencFailure place_device(NvencItem &item, Flight *flight, EncodedInput *picture);
    NvencFailure join_planes(const DeviceInput &device, Flight *flight);
    NvencFailure registered(CUdeviceptr address, uint32_t pitch, bool watched,
                            Registration **found);
    void forget_memory(CUdeviceptr address, std::size_t bytes);
    void forget_registrations(std::size_t keep);
    NvencFailure send(const EncodedInput &picture, PictureExtras &extras, bool *more);
    void change(NvencItem &item);
    NvencFailure finish_stream();
    void recycle(Flight &flight);
    void recycle_unused(NvencItem &item);
    void recycle_done();
    void leave();
    void give_back();
    void let_go();

    // The reaper

    void reaper_main();
    bool next_lockable(Lockable *lockable);
    void reap(Output *output);
    void deliver(const LockedOutput &locked);
    void was_locked(Output *output, const LockedOutput &locked);
    void finish_before(uint32_t number);

    // Ask a driver that is busy again, a millisecond later, for as long as that is bearable.
    template <class Call> NvencCode patiently(Call call, bool until_closing = false)
    {
        using namespace nvenc;
        const Clock::time_point began = Clock::now();
        while (true) {
            const NvencCode code = call();
            if (code != NV_ENC_ERR_ENCODER_BUSY && code != NV_ENC_ERR_LOCK_BUSY)
                return code;
            if (std::chrono::duration<double>(Clock::now() - began).count() >=
                settings_.busy_seconds)
                return code;
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
            std::lock_guard<std::mutex> held(lock_);
            ++counters_.busy;
            if (until_closing && closing_)
                return code;
        }
    }
    // A call that is worth another try, since a session without its answer is of no use. What gives
    // something back is called once: it is gone, whatever the answer.
    template <class Call> NvencCode twice(Call call)
    {
        NvencCode code = call();
        if (code != nvenc::NV_ENC_SUCCESS && code != nvenc::NV_ENC_ERR_ENCODER_BUSY &&
            code != nvenc::NV_ENC_ERR_LOCK_BUSY && context_.usable())
            code = call();
        return code;
    }

    const std::shared_ptr<Changes> changes_;
    Context &context_;
    Pool &device_pool_;
    const std::unique_ptr<Encoder> encoder_;
    const NvencSettings settings_;

    std::mutex lock_;
    std::condition_variable work_;    // for the submit thread
    std::condition_variable reaping_; // for the reaper
    std::condition_variable forgot_;  // for those in `before_free`
    std::vector<std::pair<CUdeviceptr, std::size_t>> freed_; // to be forgotten
    bool forgets_late_ = false;               // somebody waited for that in vain
    std::multiset<CUdeviceptr> registered_at_; // first addresses of `registrations_`
    std::thread::id submit_thread_;
    std::deque<NvencItem> input_;
    std::size_t queued_pictures_ = 0, owed_packets_ = 0;
    std::deque<NvencEvent> events_;
    std::size_t events_out_ = 0, ready_ = 0; // outputs not popped; popped and not reaped
    std::vector<PacketBytes> stock_;
    std::size_t capacity_ = std::size_t{64} << 10;
    std::vector<HostBuffer *> free_inputs_;
    uint32_t input_pitch_ = 0;
    std::size_t input_rows_ = 0;
    unsigned writing_ = 0; // inputs that somebody writes to
    std::vector<Output *> free_outputs_;
    std::deque<Output *> pending_; // given to the encoder, and not lockable yet
    std::deque<Lockable> lockable_;
    std::map<long long, Flight> flights_;
    std::vector<Flight> done_; // for the submit thread to give back
    std::vector<long long> done_serials_;
    std::vector<unsigned char> parameter_sets_;
    std::string detail_;
    bool opened_ = false, closing_ = false, ended_ = false;
    std::atomic<bool> lost_{false};
    bool discarding_ = false, reaper_runs_ = false, no_more_ = false;
    NvencFailure opening_failure_;
    NvencCounters counters_;
    Busy submitting_, locking_;

    // The submit thread's
    std::optional<Scope> scope_;
    std::atomic<CUstream> stream_; // set before `opened`
    std::shared_ptr<void> stream_owner_; // the same, and none of a stream of the caller's
    std::vector<HostBuffer *> unlocked_; // that could not be locked again
    const bool own_stream_;
    std::vector<std::unique_ptr<HostBuffer>> host_buffers_;
    std::vector<std::unique_ptr<Output>> outputs_;
    std::list<Registration> registrations_;
    bool encoder_open_ = false, fed_ = false, first_ = true, has_context_ = true;
    uint32_t next_number_ = 0;
};

// What a device encodes: an encoder is opened, asked and destroyed. `cuda` is the code where the
// context could not be used.
inline NvencCode ask_device(Context &context, Encoder &encoder, std::vector<CodecAnswers> *answers,
                            const char **call, std::string *detail, int *cuda)
{
    Scope scope(context);
    *cuda = static_cast<int>(scope.code);
    if (scope.code != CUDA_SUCCESS)
        return nvenc::NV_ENC_SUCCESS;
    *call = "nvEncOpenEncodeSessionEx";
    NvencCode code = encoder.open(context.handle);
    if (code == nvenc::NV_ENC_SUCCESS)
        code = encoder.ask(answers, call);
    if (code != nvenc::NV_ENC_SUCCESS)
        *detail = encoder.last_error();
    encoder.destroy();
    return code;
}

} // namespace videohw

#include "nvenc_reaper_inline.hpp"
#include "nvenc_session_inline.hpp"

#endif
