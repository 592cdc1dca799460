// A CUDA context and the memory in it, usable from any thread without the GIL.
//
// Context: pushed and popped around work, so that the context that a thread had stays its own;
// events and streams that are used again. Pool and Block: device memory, or pinned host memory,
// that goes from a writer to readers and back. A block that was dropped is written again only
// behind the work that its readers had queued, and it is the next writer's stream that waits for
// that work, never a thread.
//
// No exception leaves anything here. A call answers with the driver's code; 0 is success.
#ifndef VIDEOHW_CUDA_MEMORY_HPP
#define VIDEOHW_CUDA_MEMORY_HPP

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <vector>

#include "nvidia_driver.hpp"

namespace videohw {

inline CUstream legacy_stream() { return reinterpret_cast<CUstream>(std::uintptr_t{1}); }
inline CUstream per_thread_stream() { return reinterpret_cast<CUstream>(std::uintptr_t{2}); }

// Codes after which nothing in the context works any more.
inline bool is_loss(CUresult code)
{
    switch (code) {
    case CUDA_ERROR_DEINITIALIZED:
    case CUDA_ERROR_INVALID_CONTEXT:
    case 46:  // CUDA_ERROR_DEVICE_UNAVAILABLE
    case 214: // CUDA_ERROR_ECC_UNCORRECTABLE
    case 220: // CUDA_ERROR_NVLINK_UNCORRECTABLE
    case CUDA_ERROR_CONTEXT_IS_DESTROYED:
        return true;
    default: // CUDA_ERROR_ILLEGAL_ADDRESS (700) to CUDA_ERROR_LAUNCH_FAILED (719), most of them
        return code == 700 || code == 702 || code == 710 || (code >= 714 && code <= 719);
    }
}

// Who must know before device memory is freed: an encoder that has registered it.
class MemoryWatcher {
public:
    virtual ~MemoryWatcher() = default;
    virtual void before_free(CUdeviceptr address, std::size_t bytes) = 0;
};

// A context of one device, counted by everything that is made in it. What is left when nobody
// counts on it any more is ended by its owner (`end`).
class Context {
public:
    Context(Driver &driver, CUdevice device, CUcontext handle, void *owner, void (*end)(void *))
        : driver(driver), api(*driver.cuda()), device(device), handle(handle), owner_(owner),
          end_(end)
    {
        if (read_identity(&identity_) != CUDA_SUCCESS)
            identity_ = unknown;
    }
    Context(const Context &) = delete;
    Context &operator=(const Context &) = delete;

    void retain() { references_.fetch_add(1, std::memory_order_relaxed); }
    void release()
    {
        if (drop())
            end();
    }
    // The two halves of that, for threads that must not wait for the driver (cuda_errands.hpp):
    // whether nobody counts on it any more, and what then comes.
    bool drop() { return references_.fetch_sub(1, std::memory_order_acq_rel) == 1; }
    void end() { end_(owner_); }

    // Whether calls may be made for what is in the context.
    bool usable() const { return !lost_.load(std::memory_order_relaxed) && !driver.forked(); }

    // What a call of the driver answered, given back: remembers that the context is gone when the
    // code says so, and the call that failed, for this thread's `last_call`.
    CUresult noted(CUresult code, const char *call = nullptr)
    {
        if (code == CUDA_SUCCESS)
            return code;
        if (is_loss(code) && !lost_.exchange(true)) {
            lost_in_.store(call);
            lost_by_.store(code);
        }
        if (call && code != CUDA_ERROR_NOT_READY)
            last_call() = call;
        return code;
    }
    // The last call of the driver that failed on this thread. Each extension module has its own.
    static const char *&last_call()
    {
        static thread_local const char *call = "";
        return call;
    }
    void lose() { lost_.store(true, std::memory_order_relaxed); }
    // Nobody keeps it any more, so that what was in it is gone too.
    void give_up()
    {
        given_up_.store(true);
        lose();
    }
    bool given_up() const { return given_up_.load(); }
    // The answer that told that the context is gone, and its call, where they are known.
    CUresult lost_by() const { return lost_by_.load(); }
    const char *lost_in() const { return lost_in_.load(); }

    // Whether `other` is this very context: an address is used again after a reset, an id is not.
    // A code when the driver does not say.
    CUresult compare(CUcontext other, bool *same)
    {
        unsigned long long id = 0;
        *same = usable() && other == handle;
        const CUresult code = *same ? read_identity(&id) : CUDA_SUCCESS;
        *same = *same && (identity_ == unknown || code != CUDA_SUCCESS || id == identity_);
        return code;
    }

    // An event without timing, from those given back or a new one; null on failure. To be used
    // and given back inside a Scope.
    CUevent take_event(CUresult *code)
    {
        *code = CUDA_SUCCESS;
        {
            std::lock_guard<std::mutex> held(lock);
            if (!events_.empty()) {
                CUevent event = events_.back();
                events_.pop_back();
                return event;
            }
        }
        CUevent event = nullptr;
        *code = noted(api.cuEventCreate(&event, CU_EVENT_DISABLE_TIMING | CU_EVENT_BLOCKING_SYNC),
                      "cuEventCreate");
        return *code == CUDA_SUCCESS ? event : nullptr;
    }
    void give_event(CUevent event)
    {
        if (!event)
            return;
        std::lock_guard<std::mutex> held(lock);
        events_.push_back(event);
    }

    // A stream that does not wait for the default stream; null on failure.
    CUstream take_stream(CUresult *code)
    {
        *code = CUDA_SUCCESS;
        {
            std::lock_guard<std::mutex> held(lock);
            if (!streams_.empty()) {
                CUstream stream = streams_.back();
                streams_.pop_back();
                return stream;
            }
        }
        CUstream stream = nullptr;
        *code = noted(api.cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING), "cuStreamCreate");
        return *code == CUDA_SUCCESS ? stream : nullptr;
    }
    void give_stream(CUstream stream)
    {
        if (!stream)
            return;
        std::lock_guard<std::mutex> held(lock);
        streams_.push_back(stream);
    }

    // Destroy the events and streams that nobody has. Inside a Scope.
    void drop_spares()
    {
        std::vector<CUevent> events;
        std::vector<CUstream> streams;
        {
            std::lock_guard<std::mutex> held(lock);
            events.swap(events_);
            streams.swap(streams_);
        }
        for (CUevent event : events)
            noted(api.cuEventDestroy(event), "cuEventDestroy");
        for (CUstream stream : streams)
            noted(api.cuStreamDestroy(stream), "cuStreamDestroy");
    }

    // Have `watcher` told of device memory that is freed, as long as it lives.
    void watch(std::weak_ptr<MemoryWatcher> watcher)
    {
        std::lock_guard<std::mutex> held(lock);
        watchers_.push_back(std::move(watcher));
    }
    void tell_watchers(CUdeviceptr address, std::size_t bytes)
    {
        std::vector<std::shared_ptr<MemoryWatcher>> living;
        {
            std::lock_guard<std::mutex> held(lock);
            auto end = std::remove_if(watchers_.begin(), watchers_.end(),
                                      [](const auto &each) { return each.expired(); });
            watchers_.erase(end, watchers_.end());
            for (auto &each : watchers_)
                if (auto watcher = each.lock())
                    living.push_back(std::move(watcher));
        }
        for (auto &each : living)
            each->before_free(address, bytes);
    }

    Driver &driver;
    const nvidia_cuda &api;
    const CUdevice device;
    const CUcontext handle;
    std::mutex lock; // of this and of the pools in it; held over no call of the driver

private:
    // The number of the context that is at our address now; 0 of none, and before CUDA 12, where
    // a reset goes unnoticed until a call fails.
    CUresult read_identity(unsigned long long *id)
    {
        CUcontext popped = nullptr;
        *id = 0;
        if (!api.cuCtxGetId)
            return CUDA_SUCCESS;
        last_call() = "cuCtxPushCurrent";
        CUresult code = api.cuCtxPushCurrent(handle);
        if (code == CUDA_SUCCESS) {
            last_call() = "cuCtxGetId";
            code = api.cuCtxGetId(handle, id);
            api.cuCtxPopCurrent(&popped);
        }
        return is_loss(code) ? CUDA_SUCCESS : code;
    }

    void *const owner_;
    void (*const end_)(void *);
    static constexpr unsigned long long unknown = ~0ull;
    unsigned long long identity_ = unknown;
    std::atomic<int> references_{1};
    std::atomic<bool> lost_{false}, given_up_{false};
    std::atomic<CUresult> lost_by_{CUDA_ERROR_CONTEXT_IS_DESTROYED};
    std::atomic<const char *> lost_in_{nullptr};
    std::vector<CUevent> events_;
    std::vector<CUstream> streams_;
    std::vector<std::weak_ptr<MemoryWatcher>> watchers_;
};

// Makes a context current on this thread for as long as it lives; the one before is current again
// afterwards. `code` says whether it worked, after so many `tries`: more than one where there is
// nobody to tell.
class Scope {
public:
    explicit Scope(Context &context, int tries = 1) : context_(context)
    {
        CUcontext now = nullptr;
        for (; code != CUDA_SUCCESS && tries > 0 && context.usable(); --tries) {
            code = context.noted(context.api.cuCtxGetCurrent(&now), "cuCtxGetCurrent");
            if (code != CUDA_SUCCESS || now == context.handle)
                continue;
            code = context.noted(context.api.cuCtxPushCurrent(context.handle), "cuCtxPushCurrent");
            pushed_ = code == CUDA_SUCCESS;
        }
    }
    ~Scope()
    {
        CUcontext now = nullptr;
        if (!pushed_ || context_.noted(context_.api.cuCtxPopCurrent(&now)) == CUDA_SUCCESS)
            return;
        // The thread must not keep our context, which it did not have before.
        if (context_.api.cuCtxGetCurrent(&now) == CUDA_SUCCESS && now == context_.handle)
            context_.noted(context_.api.cuCtxPopCurrent(&now));
    }
    Scope(const Scope &) = delete;
    Scope &operator=(const Scope &) = delete;

    CUresult code = CUDA_ERROR_CONTEXT_IS_DESTROYED;

private:
    Context &context_;
    bool pushed_ = false;
};

class Pool;

// Memory on its way: taken by a writer, `written`, read, released by each who holds it.
// The last release gives it back to its pool. A pointer is a counted reference; any thread may
// make any of the calls.
class Block {
public:
    CUdeviceptr device = 0; // of a device pool
    void *host = nullptr;   // of a pool of pinned host memory
    std::size_t bytes = 0;  // as they were asked for

    void retain() { references_.fetch_add(1, std::memory_order_relaxed); }
    void release(); // of a reference; never of one that another thread still counts on
    // The two halves of that, for threads that must not wait for the driver (cuda_errands.hpp).
    bool drop() { return references_.fetch_sub(1, std::memory_order_acq_rel) == 1; }
    void end();

    // All writing was queued on `stream`: what comes before this is what readers wait for.
    CUresult written(CUstream stream);
    // Queue on `stream` that it waits until the block is written; it may then read.
    CUresult wait_on(CUstream stream);
    // Wait on this thread until the block is written, or ask whether it is (CUDA_ERROR_NOT_READY).
    CUresult settle();
    CUresult query();
    // Whether it is known to be written, so that no call need be made to wait for that.
    bool is_settled() const { return (settled_ || !ready_) && pool_usable(); }
    // A reader that holds a reference queues nothing after what it has queued on `stream`.
    void was_read(CUstream stream);
    // A reader may queue work until the block is dropped, on streams that nobody knows.
    void hand_to_all();

    Pool &pool() { return pool_; }

private:
    friend class Pool;
    bool pool_usable() const;
    Block(Pool &pool, std::size_t capacity) : pool_(pool), capacity_(capacity) {}

    Pool &pool_;
    const std::size_t capacity_;
    std::atomic<int> references_{1};
    CUevent ready_ = nullptr; // behind the writing
    std::atomic<bool> settled_{false}; // a thread has seen that the event is over
    bool writing_ = false;             // on writer_, and not `written` yet
    CUstream writer_ = nullptr;
    bool read_anywhere_ = false;
    std::vector<CUevent> fences_; // what its next writer waits for
    static constexpr std::size_t most_fences = 8; // of readings that are over
};

struct PoolCounters {
    std::uint64_t hits = 0, misses = 0; // blocks taken from the pool, and allocated
    std::uint64_t abandoned = 0;        // blocks whose memory could not be freed, or was lost
    std::size_t used_blocks = 0, used_bytes = 0;
    std::size_t idle_blocks = 0, idle_bytes = 0;
};

// Blocks of device memory, or of pinned host memory, in one context.
class Pool {
public:
    enum class Kind { device, host };

    Pool(Context &context, Kind kind, std::size_t most_idle_bytes)
        : context(context), kind(kind), most_idle_bytes_(most_idle_bytes)
    {
    }
    Pool(const Pool &) = delete;
    Pool &operator=(const Pool &) = delete;

    // A block of `bytes` or more that `next_writer` may write to, with one reference; null with
    // a code. What the block was used for before is waited for on that stream.
    Block *take(std::size_t bytes, CUstream next_writer, CUresult *code)
    {
        Scope scope(context);
        *code = scope.code;
        if (scope.code != CUDA_SUCCESS)
            return nullptr;
        const std::size_t capacity = rounded(bytes);
        Block *block = take_idle(capacity);
        if (!block)
            block = allocate(capacity, code);
        if (!block)
            return nullptr;
        *code = wait_for_fences(*block, next_writer);
        if (*code != CUDA_SUCCESS) {
            free(block);
            return nullptr;
        }
        block->bytes = bytes;
        block->writing_ = true;
        block->writer_ = next_writer;
        block->references_.store(1);
        context.retain();
        std::lock_guard<std::mutex> held(context.lock);
        ++counters_.used_blocks;
        counters_.used_bytes += capacity;
        note_use();
        return block;
    }

    // Whether the driver must be called for a block that nobody has any more: it was not `written`,
    // or is read on streams that nobody knows.
    bool takes_calls(const Block &block) const
    {
        return context.usable() && (block.writing_ || block.read_anywhere_);
    }
    // Take back a block whose last reference is gone. Whether more is idle now than is to be.
    bool give_back(Block *block)
    {
        {
            std::lock_guard<std::mutex> held(context.lock);
            --counters_.used_blocks;
            counters_.used_bytes -= block->capacity_;
        }
        bool surplus = false;
        std::optional<Scope> scope;
        bool reachable = context.usable();
        if (takes_calls(*block))
            reachable = scope.emplace(context, 2).code == CUDA_SUCCESS;
        if (!reachable)
            forget(block);
        else if (fence(*block) != CUDA_SUCCESS)
            free(block); // the driver itself waits before it frees
        else {
            std::lock_guard<std::mutex> held(context.lock);
            idle_.push_back(block);
            ++counters_.idle_blocks;
            counters_.idle_bytes += block->capacity_;
            note_use();
            surplus = counters_.idle_bytes > idle_limit();
        }
        return surplus;
    }


    // Free idle blocks, the longest unused first, until `most` bytes are idle.
    void trim(std::size_t most = 0)
    {
        std::vector<Block *> surplus;
        Scope scope(context, 2);
        if (scope.code != CUDA_SUCCESS && context.usable())
            return;
        {
            std::lock_guard<std::mutex> held(context.lock);
            while (!idle_.empty() && counters_.idle_bytes > most) {
                surplus.push_back(idle_.front());
                idle_.pop_front();
                --counters_.idle_blocks;
                counters_.idle_bytes -= surplus.back()->capacity_;
            }
        }
        for (Block *block : surplus)
            free(block);
    }
    void trim_surplus()
    {
        std::size_t most = 0;
        {
            std::lock_guard<std::mutex> held(context.lock);
            most = idle_limit();
        }
        trim(most);
    }
    void keep_at_most(std::size_t idle_bytes)
    {
        {
            std::lock_guard<std::mutex> held(context.lock);
            most_idle_bytes_ = idle_bytes;
        }
        trim(idle_bytes);
    }
    PoolCounters counters()
    {
        std::lock_guard<std::mutex> held(context.lock);
        return counters_;
    }

    // Whether an address is in a block of this pool.
    bool has(CUdeviceptr address)
    {
        std::lock_guard<std::mutex> held(context.lock);
        auto after = ranges_.upper_bound(address);
        return after != ranges_.begin() && address < (--after)->second;
    }

    // What else can give memory back, as long as it lives: called when memory ran out, before the
    // last try.
    void on_out_of_memory(std::weak_ptr<void> owner, void (*relieve)(void *owner))
    {
        std::lock_guard<std::mutex> held(context.lock);
        relief_ = std::move(owner);
        relieve_ = relieve;
    }

    Context &context;
    const Kind kind;

private:
    friend class Block;
    friend class KeepingMore;

    // At most an eighth more than asked, so that pictures of nearly one size share blocks.
    static std::size_t rounded(std::size_t bytes)
    {
        std::size_t step = 512;
        while (step < bytes / 16)
            step *= 2;
        return (std::max<std::size_t>(bytes, 1) + step - 1) / step * step;
    }

    // The lock is held.
    void note_use()
    {
        const Clock::time_point now = Clock::now();
        const std::size_t used = counters_.used_bytes;
        if (now - recent_since_ >= recent_time) {
            most_used_before_ = now - recent_since_ < 2 * recent_time ? most_used_ : used;
            most_used_ = used;
            recent_since_ = now;
        }
        most_used_ = std::max(most_used_, used);
    }
    // What may be idle; the lock is held.
    std::size_t idle_limit() const
    {
        const std::size_t lately = std::max(most_used_, most_used_before_);
        const std::size_t used = counters_.used_bytes;
        const std::size_t more = keeping_more_ && lately > used ? lately - used : 0;
        return std::max(most_idle_bytes_, std::min(more, most_more_bytes));
    }

    Block *take_idle(std::size_t capacity)
    {
        std::lock_guard<std::mutex> held(context.lock);
        // The longest unused first: what it waits for is the likeliest to be over.
        for (auto place = idle_.begin(); place != idle_.end(); ++place) {
            Block *block = *place;
            if (block->capacity_ != capacity)
                continue;
            idle_.erase(place);
            --counters_.idle_blocks;
            counters_.idle_bytes -= capacity;
            ++counters_.hits;
            return block;
        }
        ++counters_.misses;
        return nullptr;
    }

    Block *allocate(std::size_t capacity, CUresult *code)
    {
        Block *block = new (std::nothrow) Block(*this, capacity);
        if (!block) {
            *code = CUDA_ERROR_OUT_OF_MEMORY;
            return nullptr;
        }
        *code = allocate_memory(*block);
        if (*code == CUDA_ERROR_OUT_OF_MEMORY) {
            relieve();
            *code = allocate_memory(*block);
        }
        if (*code == CUDA_SUCCESS)
            return block;
        delete block;
        return nullptr;
    }
    CUresult allocate_memory(Block &block)
    {
        if (kind == Kind::device) {
            const CUresult code = context.noted(
                context.api.cuMemAlloc(&block.device, block.capacity_), "cuMemAlloc");
            std::lock_guard<std::mutex> held(context.lock);
            if (code == CUDA_SUCCESS)
                ranges_[block.device] = block.device + block.capacity_;
            return code;
        }
        return context.noted(
            context.api.cuMemHostAlloc(&block.host, block.capacity_, CU_MEMHOSTALLOC_PORTABLE),
            "cuMemHostAlloc");
    }
    void relieve()
    {
        std::shared_ptr<void> owner;
        void (*call)(void *);
        {
            std::lock_guard<std::mutex> held(context.lock);
            owner = relief_.lock();
            call = relieve_;
        }
        trim();
        if (owner)
            call(owner.get());
    }

    CUresult wait_for_fences(Block &block, CUstream next_writer)
    {
        CUresult code = CUDA_SUCCESS;
        for (CUevent fence : block.fences_)
            if (code == CUDA_SUCCESS)
                code = context.noted(context.api.cuStreamWaitEvent(next_writer, fence, 0),
                                     "cuStreamWaitEvent");
        if (code == CUDA_SUCCESS)
            drop_fences(block);
        return code;
    }
    void drop_fences(Block &block)
    {
        for (CUevent fence : block.fences_)
            context.give_event(fence);
        block.fences_.clear();
    }

    // Make the events that the next writer waits for, and the block as new.
    CUresult fence(Block &block)
    {
        CUresult code = CUDA_SUCCESS;
        if (block.ready_) {
            if (block.settled_)
                context.give_event(block.ready_);
            else
                block.fences_.push_back(block.ready_);
            block.ready_ = nullptr;
        }
        if (block.writing_ && fence_on(block, block.writer_) != CUDA_SUCCESS)
            block.read_anywhere_ = true;
        if (block.read_anywhere_)
            code = fence_on_all(block);
        block.writing_ = block.settled_ = block.read_anywhere_ = false;
        return code;
    }
    CUresult fence_on(Block &block, CUstream stream)
    {
        CUresult code;
        CUevent event = context.take_event(&code);
        if (!event)
            return code;
        return keep_fence(block, event, context.api.cuEventRecord(event, stream));
    }
    CUresult fence_on_all(Block &block)
    {
        CUresult code;
        if (context.api.cuCtxRecordEvent) {
            CUevent event = context.take_event(&code);
            if (event && keep_fence(block, event,
                                    context.api.cuCtxRecordEvent(context.handle, event)) ==
                             CUDA_SUCCESS)
                return CUDA_SUCCESS;
        }
        // Before CUDA 12.5 no event stands for all streams.
        return context.noted(context.api.cuCtxSynchronize(), "cuCtxSynchronize");
    }
    CUresult keep_fence(Block &block, CUevent event, CUresult code)
    {
        if (code == CUDA_SUCCESS)
            block.fences_.push_back(event);
        else
            context.give_event(event);
        return context.noted(code);
    }

    // Give the memory back to the driver. Inside a Scope.
    void free(Block *block)
    {
        if (!context.usable())
            return forget(block);
        for (CUevent fence : block->fences_)
            context.noted(context.api.cuEventSynchronize(fence), "cuEventSynchronize");
        drop_fences(*block);
        context.give_event(block->ready_);
        if (kind == Kind::device) {
            context.tell_watchers(block->device, block->capacity_);
            std::lock_guard<std::mutex> held(context.lock);
            ranges_.erase(block->device);
        }
        CUresult code = kind == Kind::device ? context.api.cuMemFree(block->device)
                                             : context.api.cuMemFreeHost(block->host);
        if (context.noted(code) != CUDA_SUCCESS)
            return forget(block);
        delete block;
    }
    // The memory is gone with its context, or nobody can free it.
    void forget(Block *block)
    {
        if (context.driver.forked())
            return; // the lock may be held by a thread that the child does not have
        std::lock_guard<std::mutex> held(context.lock);
        ranges_.erase(block->device);
        delete block;
        ++counters_.abandoned;
    }

    std::deque<Block *> idle_; // the longest unused first
    std::map<CUdeviceptr, CUdeviceptr> ranges_; // of all device blocks: first address, end
    PoolCounters counters_;
    std::size_t most_idle_bytes_;
    // What KeepingMore may come to: a caller that drops all frames of a clip at once is not to
    // leave the machine without memory.
    static constexpr std::size_t most_more_bytes = std::size_t{2} << 30;
    // How many are KeepingMore, and the most bytes that were in use at once lately.
    using Clock = std::chrono::steady_clock;
    static constexpr std::chrono::seconds recent_time{1};
    int keeping_more_ = 0;
    Clock::time_point recent_since_ = Clock::now();
    std::size_t most_used_ = 0, most_used_before_ = 0;
    std::weak_ptr<void> relief_;
    void (*relieve_)(void *) = nullptr;
};

// For as long as this lives a pool keeps as much as was lately in use at once, within bounds: to pin
// memory for a picture takes ten times as long as to copy it. Afterwards somebody is to trim the
// surplus.
class KeepingMore {
public:
    explicit KeepingMore(Pool &pool) : pool_(pool) { count(1); }
    ~KeepingMore() { count(-1); }
    KeepingMore(const KeepingMore &) = delete;
    KeepingMore &operator=(const KeepingMore &) = delete;

private:
    void count(int more)
    {
        std::lock_guard<std::mutex> held(pool_.context.lock);
        pool_.keeping_more_ += more;
    }

    Pool &pool_;
};

inline void Block::release()
{
    if (drop())
        end();
}

inline void Block::end()
{
    Pool &pool = pool_;
    Context &context = pool.context;
    if (context.driver.forked())
        return;
    if (pool.give_back(this))
        pool.trim_surplus();
    context.release(); // and with it, perhaps, the pool
}

inline bool Block::pool_usable() const { return pool_.context.usable(); }

inline CUresult Block::written(CUstream stream)
{
    Context &context = pool_.context;
    Scope scope(context);
    if (scope.code != CUDA_SUCCESS)
        return scope.code;
    CUresult code = CUDA_SUCCESS;
    CUevent event = ready_ ? ready_ : context.take_event(&code);
    if (!event)
        return code;
    code = context.noted(context.api.cuEventRecord(event, stream), "cuEventRecord");
    std::lock_guard<std::mutex> held(context.lock);
    ready_ = event;
    writing_ = code != CUDA_SUCCESS;
    settled_ = false;
    return code;
}

inline CUresult Block::wait_on(CUstream stream)
{
    Context &context = pool_.context;
    Scope scope(context);
    if (scope.code != CUDA_SUCCESS || settled_ || !ready_)
        return scope.code;
    return context.noted(context.api.cuStreamWaitEvent(stream, ready_, 0), "cuStreamWaitEvent");
}

inline CUresult Block::settle()
{
    Context &context = pool_.context;
    Scope scope(context);
    if (scope.code != CUDA_SUCCESS || settled_ || !ready_)
        return scope.code;
    CUresult code = context.noted(context.api.cuEventSynchronize(ready_), "cuEventSynchronize");
    settled_ = code == CUDA_SUCCESS;
    return code;
}

inline CUresult Block::query()
{
    Context &context = pool_.context;
    Scope scope(context);
    if (scope.code != CUDA_SUCCESS || settled_ || !ready_)
        return scope.code;
    CUresult code = context.noted(context.api.cuEventQuery(ready_), "cuEventQuery");
    settled_ = code == CUDA_SUCCESS;
    return code;
}

inline void Block::hand_to_all()
{
    std::lock_guard<std::mutex> held(pool_.context.lock);
    read_anywhere_ = true;
}

inline void Block::was_read(CUstream stream)
{
    if (stream == per_thread_stream()) // of the thread that read, which may not be this one
        return hand_to_all();
    Context &context = pool_.context;
    Scope scope(context, 2);
    CUresult code = scope.code;
    CUevent event = code == CUDA_SUCCESS ? context.take_event(&code) : nullptr;
    if (event)
        code = context.noted(context.api.cuEventRecord(event, stream), "cuEventRecord");
    if (code != CUDA_SUCCESS) {
        context.give_event(event);
        return hand_to_all();
    }
    // Whoever reads the same block again and again leaves few events behind.
    std::vector<CUevent> before;
    {
        std::lock_guard<std::mutex> held(context.lock);
        if (fences_.size() >= most_fences)
            before.swap(fences_);
        fences_.push_back(event);
    }
    for (CUevent fence : before) {
        const bool over = context.noted(context.api.cuEventQuery(fence)) == CUDA_SUCCESS;
        if (over)
            context.give_event(fence);
        std::lock_guard<std::mutex> held(context.lock);
        if (!over)
            fences_.push_back(fence);
    }
}

} // namespace videohw

#endif
