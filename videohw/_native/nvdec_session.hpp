// A decoder session on NVDEC: queues, and the work of the one thread that calls the driver.
//
// The worker feeds whole access units to cuvid's parser, whose callbacks decode and queue what is
// to be shown; it maps queued pictures in their order, converts or copies them into blocks of our
// own, and hands those out as events. It never runs Python: NvdecSession::run comes back only when
// the pictures of a new sequence need a plan, or at the end. Must not know: what becomes of
// pictures that failed, arguments of the API, what the pixels are for.
//
// Threads: `run`, `sequence`, `set_plan` and the members of "The worker" belong to the worker, all
// else may be called by any thread. The lock is never held over a call of the driver.
#ifndef VIDEOHW_NVDEC_SESSION_HPP
#define VIDEOHW_NVDEC_SESSION_HPP

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <deque>
#include <iterator>
#include <mutex>
#include <optional>
#include <vector>

#include "cuda_kernels.hpp"
#include "cuda_memory.hpp"
#include "nvdec_pool.hpp"
#include "vp8_state.hpp"
#include "vp9_slots.hpp"

namespace videohw {

// A driver's call that failed; `code` 0: none did.
struct Failure {
    const char *call = nullptr;
    CUresult code = CUDA_SUCCESS;
};
// Our own codes in a Failure: the caps refuse the sequence, no picture came of the data, memory of
// the host ran out, two sequences began within one access unit, the decoder works on for ever.
enum : CUresult {
    refused_by_caps = -1, no_picture = -2, no_memory = -3, no_plan = -4, never_decoded = -5
};

// What is queued for the worker. The bytes stay the caller's until the event `ended` or `dropped`
// by a reset that is done.
struct Input {
    enum Kind { picture, mark, drain } kind = picture;
    const unsigned char *data = nullptr;
    std::size_t bytes = 0;
    const unsigned char *sets = nullptr; // parameter sets in force, where `data` brings none
    std::size_t sets_bytes = 0;
    long long serial = 0; // of a picture; the number of a drain or mark
    bool random_access = false;
    bool in_order = false; // the sequence shows pictures in the order of their decoding
    unsigned info = 0;     // what else is known of the sequence; a new number: something changed
    // Of VC-1: the size of its pictures. The driver's parser tells that of the display.
    int width = 0, height = 0;
};

struct Event {
    enum Kind {
        begun,   // a picture goes to the parser; `left_out`: it is not decoded for lack of a decoder
        ended,   // it was parsed, or failed
        shown,   // a picture comes out, in its place in presentation order; or it failed
        mark,    // all that was queued before the mark was parsed
        drained, // all that was queued before the drain came out, as far as the parser showed it
        lost     // the device is gone
    } kind = begun;
    long long serial = 0;
    Failure failure;
    static constexpr int nothing = -2; // as a status: the driver refused all of the picture
    // Of `shown`: the number of its sequence, cuvidDecodeStatus_* or -1, fields, pixels.
    unsigned sequence = 0;
    int status = -1;
    bool progressive = true, top_field_first = true, left_out = false;
    Block *block = nullptr; // one reference, for the receiver
    // What was spent: in the parser (`ended`, `drained`); on mapping and on converting (`shown`).
    std::int64_t decoded_ns = 0, converted_ns = 0;
};

// Where a session stands: its version, the last reset that is done, and for how many seconds its
// worker has been at one input or one picture.
struct Standing {
    std::uint64_t version = 0, resets_done = 0;
    double busy_seconds = 0;
};

// Pictures from here on; what of CUVIDEOFORMAT matters to what is made of them.
struct Sequence {
    unsigned number = 0;
    unsigned info = 0; // of the access unit that it began with
    CUVIDEOFORMAT format{};
    DecoderKind kind;
    CUVIDAREA area{};           // of the coded picture, that the decoder cuts out: even
    unsigned surfaces = 0;
    CUVIDDECODECAPS caps{};
};

// One plane that is copied as it is, in bytes of the mapped surface and of the block.
struct PlaneCopy {
    unsigned surface_row = 0; // of the first row, counted from the surface's address
    std::size_t x_bytes = 0, row_bytes = 0, rows = 0, offset = 0, pitch = 0;
};

// What is made of a mapped surface.
struct Plan {
    enum Kind { nothing, copy, kernel } kind = nothing;
    unsigned sequence = 0; // the number of the sequence that it is for
    bool to_host = false;
    std::size_t bytes = 0; // of the block
    unsigned planes = 0;
    PlaneCopy copies[3];
    // By kernel; pitches of the source are those of the surface.
    ConversionPlan conversion;
    unsigned surface_planes = 0, block_planes = 0;
    unsigned surface_rows[3] = {0, 0, 0};   // first row of each plane of the surface
    std::size_t block_offsets[3] = {0, 0, 0}; // of each plane in the block
};

struct NvdecSettings {
    int codec = 0;
    unsigned lag = 4;    // pictures that wait to be mapped while there is more to parse
    unsigned mapped = 2; // surfaces mapped at a time
    std::size_t max_ready = 8;
    bool maps = true; // false: nothing is mapped
    double decoding_seconds = 20; // how long a picture that is in work is waited for
};

struct NvdecCounters {
    std::uint64_t created = 0, reconfigured = 0, adopted = 0, parsers = 0, early_maps = 0;
};

class NvdecSession {
public:
    enum class Need { plan, closed };

    NvdecSession(Context &context, const nvidia_cuvid &api, DecoderPool &decoders, Pool &device_pool,
                 Pool &host_pool, CUstream stream, const NvdecSettings &settings)
        : context_(context), api_(api), decoders_(decoders), device_pool_(device_pool),
          host_pool_(host_pool), settings_(settings), stream_(stream), own_stream_(!stream)
    {
    }
    NvdecSession(const NvdecSession &) = delete;
    NvdecSession &operator=(const NvdecSession &) = delete;
    // After `run` answered `closed`, or never: a session whose worker is stuck is not destroyed.
    ~NvdecSession()
    {
        context_.driver.forget_calls(&calling_); // of the worker, which may be the last that has it
        for (Event &event : events_)
            if (event.block)
                let_go(event.block);
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

    void push(const Input &input)
    {
        {
            std::lock_guard<std::mutex> held(lock_);
            input_.push_back(input);
        }
        tell_worker();
    }
    // Every event since the last time, and where the session stood when it gave them.
    Standing collect(std::vector<Event> *events)
    {
        std::lock_guard<std::mutex> held(lock_);
        events->assign(events_.begin(), events_.end());
        events_.clear();
        untold_ = false;
        for (const Event &event : *events) {
            const bool shown = event.kind == Event::shown;
            under_way_ -= shown; // not ours any more, and ready until `set_ready` says
            ready_ += shown;
        }
        return {version_, resets_done_, busy_for()};
    }
    std::size_t queued()
    {
        std::lock_guard<std::mutex> held(lock_);
        return input_.size();
    }
    // So many outputs wait to be reaped, of those that were popped.
    void set_ready(std::size_t count)
    {
        {
            std::lock_guard<std::mutex> held(lock_);
            if (ready_ == count)
                return;
            ready_ = count;
        }
        tell_worker();
    }
    // Drop everything queued and under way; `resets_done` is `number` when it is gone.
    void reset(std::uint64_t number)
    {
        std::lock_guard<std::mutex> held(lock_);
        input_.clear();
        drop_events();
        ready_ = 0;
        reset_wanted_ = number;
        tell();
        tell_worker();
    }
    void close()
    {
        std::lock_guard<std::mutex> held(lock_);
        closing_ = true;
        input_.clear();
        drop_events();
        tell();
        tell_worker();
    }
    // How long the worker has been at one input or one picture; 0 when it has nothing to do.
    double busy_seconds()
    {
        std::lock_guard<std::mutex> held(lock_);
        return busy_for();
    }
    // The call of the driver that the worker is in, null when it is in none.
    const char *calling() const { return calling_.load(std::memory_order_relaxed); }
    NvdecCounters counters()
    {
        std::lock_guard<std::mutex> held(lock_);
        return counters_;
    }

    // The worker

    Need run();
    bool run_for_plan() { return run() == Need::plan; }
    const Sequence &sequence() const { return sequence_; }
    const Sequence &refused() const { return refused_; }
    void set_plan(const Plan &plan)
    {
        plan_ = plan;
        plan_wanted_ = false;
    }
    CUstream stream() const { return stream_; }

private:
    using Clock = std::chrono::steady_clock;

    struct Shown {
        int index = 0;
        long long serial = 0;
        bool progressive = true, top_field_first = true, unpaired = false;
    };
    struct Mapped {
        CUdeviceptr address = 0; // 0: mapping failed
        int index = -1;
        CUevent copied = nullptr; // null: no copy is under way
        bool recorded = false;    // behind the copy
        Event event;      // handed out when the copy is done; for device memory it was before
        bool handed_out = false;
    };
    static constexpr int most_surfaces = 64;
    static constexpr std::size_t most_untold = 16;
    // While the worker has more to do, who waits is woken for pictures once in so long: at thousands
    // of pictures a second, being woken and getting the GIL takes more than all that is done with it.
    static constexpr std::chrono::milliseconds woken_every{2};

    void tell()
    {
        note_change();
        changed_.notify_all();
    }
    // The lock is held; whoever waits is to be notified.
    void note_change()
    {
        ++version_;
        untold_ = false;
    }
    // For the worker alone; those who wait for outputs are not woken.
    void tell_worker() { work_.notify_all(); }
    static std::int64_t nanoseconds_since(Clock::time_point began)
    {
        return std::chrono::nanoseconds(Clock::now() - began).count();
    }
    // Nobody will take them. Releasing calls the driver, which is the worker's to do; the lock is
    // held here.
    void drop_events()
    {
        dropped_.insert(dropped_.end(), events_.begin(), events_.end());
        events_.clear();
    }
    static void release(std::deque<Event> &events)
    {
        for (Event &event : events)
            if (event.block)
                event.block->release();
        events.clear();
    }
    void release_dropped()
    {
        std::deque<Event> dropped;
        {
            std::lock_guard<std::mutex> held(lock_);
            dropped.swap(dropped_);
        }
        release(dropped);
    }
    double busy_for() const // the lock is held
    {
        return busy_ ? std::chrono::duration<double>(Clock::now() - busy_since_).count() : 0;
    }
    // The worker begins something, or has nothing to do; the lock is held.
    void set_busy(bool busy)
    {
        busy_ = busy;
        busy_since_ = Clock::now();
    }

    Need work();
    bool next(Input *input, bool *map, bool *finish);
    bool has_room() const { return under_way_ + ready_ < settings_.max_ready; }
    bool room()
    {
        std::lock_guard<std::mutex> held(lock_);
        return has_room();
    }
    bool can_wait(const Event &event) const;
    void tell_of_the_rest();
    void emit(const Event &event);
    void lose(Failure failure);
    Failure failed(const char *call, CUresult code);
    Failure last_failure(CUresult code);
    void take_input(const Input &input);
    void decode(const Input &input);
    CUresult parse(const Input &input, bool with_sets);
    bool open_parser();
    void close_parser();
    Failure end_stream();
    void do_reset(std::uint64_t number);
    void leave();

    void map_next();
    int status_of(int index);
    Failure wait_until_decoded(int index);
    Block *convert(CUdeviceptr address, unsigned pitch, CUresult *code);
    CUresult copy_planes(CUdeviceptr address, unsigned pitch, Block &block);
    CUresult launch(CUdeviceptr address, unsigned pitch, Block &block);
    void wait_for_copy(Mapped *mapped);
    void finish_oldest();
    void finish_done();
    void finish_all();
    void map_all();
    void free_index(int index);
    void finish_index(int index);

    int on_sequence(CUVIDEOFORMAT *format);
    bool show_again(const Input &input);
    int on_decode(CUVIDPICPARAMS *picture);
    int on_display(CUVIDPARSERDISPINFO *info);
    bool describe(const CUVIDEOFORMAT &format, Sequence *sequence);
    CUresult use(const Sequence &sequence);
    CUresult reconfigure(const Sequence &sequence);
    CUresult create(const Sequence &sequence);
    void give_decoder();
    void before_vp8_key_frame(const Input &input);
    void show_at_decode(const CUVIDPICPARAMS &picture);
    void leave_grain_out(CUVIDPICPARAMS *picture);

    // Nothing may be thrown through the driver.
    template <class Argument, int (NvdecSession::*method)(Argument *)>
    static int NVIDIA_CALL callback(void *self, Argument *argument)
    {
        NvdecSession &session = *static_cast<NvdecSession *>(self);
        try {
            return (session.*method)(argument);
        } catch (...) {
            session.failure_ = {"callback", no_memory};
            session.broken_ = true;
            return 0;
        }
    }
    // AV1 with several operating points: the first, and of its layers the highest (7.18.2).
    static int NVIDIA_CALL operating_point_callback(void *, CUVIDOPERATINGPOINTINFO *) { return 0; }

    Context &context_;
    const nvidia_cuvid &api_;
    DecoderPool &decoders_;
    Pool &device_pool_, &host_pool_;
    std::optional<KeepingMore> keeping_host_; // while it works
    const NvdecSettings settings_;

    std::mutex lock_;
    std::condition_variable changed_; // for those who wait on the version
    std::condition_variable work_;    // for the worker
    std::uint64_t version_ = 0;
    bool untold_ = false; // events that nobody was woken for
    Clock::time_point woken_at_; // for a picture
    std::deque<Input> input_;
    std::deque<Event> events_, dropped_;
    std::size_t under_way_ = 0, ready_ = 0; // shown pictures not popped; outputs not reaped
    std::uint64_t reset_wanted_ = 0, resets_done_ = 0;
    bool closing_ = false, busy_ = false;
    Clock::time_point busy_since_;
    NvdecCounters counters_;
    NotedCall calling_{nullptr};

    // The worker's
    std::optional<Scope> scope_; // from its first call to its last
    CUstream stream_;
    bool own_stream_;
    CUvideoparser parser_ = nullptr;
    DecoderHandle decoder_;
    bool decoder_failed_ = false; // it saw an error, so it is not used again
    bool broken_ = false;         // the parser is of no use until the next random access point
    bool lost_ = false;
    std::uint64_t epoch_ = 0;
    Sequence sequence_, refused_;
    Plan plan_;
    bool plan_wanted_ = false;
    std::deque<Shown> pending_; // to be mapped, in presentation order
    std::deque<Mapped> mapped_;
    unsigned lag_ = 0; // grows to that of the settings: the first picture does not wait
    bool draining_ = false;
    long long drain_number_ = 0;
    std::int64_t drain_ns_ = 0;
    Failure drain_failure_;
    // Of the input in the parser
    long long serial_ = 0;
    unsigned info_ = 0;
    int width_ = 0, height_ = 0; // as Input has them, 0 where the parser's are right
    bool in_order_ = false, saw_picture_ = false;
    Failure failure_;
    // By picture index
    bool shown_at_decode_[most_surfaces] = {};
    bool failed_[most_surfaces] = {};  // the driver refused it, or one of its fields
    bool nothing_[most_surfaces] = {}; // all of it
    long long index_serial_[most_surfaces] = {}; // of the access unit that it was decoded from
    int without_grain_[most_surfaces] = {};      // the index of the same without film grain
    int open_field_ = -1; // index of a first field whose second one may come
    long long open_field_serial_ = 0;
    Vp8State vp8_state_; // of the decoder
    Vp9Slots vp9_slots_;
};

// What the device says of a codec, chroma format and depth, which are filled in; as an errand.
inline CUresult decoder_caps(Context &context, const std::shared_ptr<DecoderPool> &decoders,
                             CUVIDDECODECAPS *caps)
{
    Held<Context> held(context);
    return within_bound(context.driver, caps,
                        [held, decoders, asked = *caps](CUVIDDECODECAPS &found) {
                            found = asked;
                            held->driver.calls("cuvidGetDecoderCaps");
                            Scope scope(*held);
                            const CUresult code =
                                scope.code != CUDA_SUCCESS ? scope.code : decoders->caps(&found);
                            held->driver.calls(nullptr);
                            return code;
                        });
}

// Whether a stream is one of `context`; a code when the driver does not take it. As an errand.
inline CUresult stream_is_of(Context &context, CUstream stream, bool *is_of)
{
    Held<Context> held(context);
    return within_bound(context.driver, is_of, [held, stream](bool &found) {
        CUcontext of = nullptr;
        Scope scope(*held);
        const CUresult code =
            scope.code != CUDA_SUCCESS ? scope.code : held->api.cuStreamGetCtx(stream, &of);
        found = of == held->handle;
        return code;
    });
}

// Full range, primaries, transfer and matrix, by the code points of H.273.
inline void signal_of(const CUVIDEOFORMAT &format, int *values)
{
    const auto &signal = format.video_signal_description;
    values[0] = signal.format_and_range >> 3 & 1;
    values[1] = signal.color_primaries;
    values[2] = signal.transfer_characteristics;
    values[3] = signal.matrix_coefficients;
}

} // namespace videohw

#include "nvdec_session_inline.hpp"
#include "nvdec_callbacks_inline.hpp"

#endif
