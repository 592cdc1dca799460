// Decoders of cuvid that nobody uses, kept for the next session, and what the device can decode.
//
// Creating one takes tens of milliseconds and destroying one hundreds, and the driver does only one
// at a time. So handles that are whole are kept: the next parser's sequence callback adopts one and
// reconfigures it to all of its own sequence. Destroying happens on a thread of the pool's. Must
// not know: sessions, parsers, pixels.
#ifndef VIDEOHW_NVDEC_POOL_HPP
#define VIDEOHW_NVDEC_POOL_HPP

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

#include "cuda_errands.hpp"

namespace videohw {

// What cuvidReconfigureDecoder cannot change, but for the largest size.
struct DecoderKind {
    int codec = 0, chroma_format = 0, bit_depth = 0, surface_format = 0;
    unsigned output_surfaces = 0;

    bool operator==(const DecoderKind &other) const
    {
        return codec == other.codec && chroma_format == other.chroma_format &&
               bit_depth == other.bit_depth && surface_format == other.surface_format &&
               output_surfaces == other.output_surfaces;
    }
};

struct DecoderHandle {
    CUvideodecoder decoder = nullptr;
    DecoderKind kind;
    unsigned max_width = 0, max_height = 0; // coded, in pixels
    std::size_t bytes = 0;                  // of its surfaces, reckoned
};

struct DecoderPoolCounters {
    std::uint64_t hits = 0, misses = 0; // handles adopted, and asked for in vain
    std::uint64_t destroyed = 0;
    std::uint64_t abandoned = 0; // not destroyed: the context was gone, or the process ended
    std::size_t idle = 0, idle_bytes = 0;
};

// Shared by those who may give decoders back, and by its own thread as long as that runs.
class DecoderPool : public std::enable_shared_from_this<DecoderPool> {
public:
    using Clock = std::chrono::steady_clock;

    // `pinned`: the pool that pictures for the host are copied to.
    DecoderPool(Context &context, const nvidia_cuvid &api, Pool &pinned)
        : context(context), api_(api), pinned_(pinned)
    {
        context.retain();
    }
    ~DecoderPool() { let_go(context); }
    DecoderPool(const DecoderPool &) = delete;
    DecoderPool &operator=(const DecoderPool &) = delete;

    // A whole decoder of this kind whose largest size holds the coded size, the smallest of them.
    bool take(const DecoderKind &kind, unsigned width, unsigned height, DecoderHandle *found)
    {
        std::lock_guard<std::mutex> held(lock_);
        auto best = idle_.end();
        for (auto entry = idle_.begin(); entry != idle_.end(); ++entry) {
            const DecoderHandle &handle = entry->handle;
            if (handle.kind == kind && handle.max_width >= width && handle.max_height >= height &&
                (best == idle_.end() || handle.bytes < best->handle.bytes))
                best = entry;
        }
        if (best == idle_.end()) {
            ++counters_.misses;
            return false;
        }
        *found = best->handle;
        counters_.idle_bytes -= found->bytes;
        idle_.erase(best);
        ++counters_.hits;
        return true;
    }

    // A decoder that saw no error and has nothing mapped.
    void give(const DecoderHandle &handle)
    {
        {
            std::lock_guard<std::mutex> held(lock_);
            idle_.push_back({handle, Clock::now()});
            counters_.idle_bytes += handle.bytes;
            shrink(most_idle_bytes_);
        }
        wake();
    }

    // Any other decoder.
    void destroy(const DecoderHandle &handle)
    {
        if (!handle.decoder)
            return;
        {
            std::lock_guard<std::mutex> held(lock_);
            doomed_.push_back(handle.decoder);
        }
        wake();
    }

    // Destroy what is kept, on this thread, for memory that is needed now. Inside a Scope.
    void empty()
    {
        std::deque<CUvideodecoder> doomed;
        {
            std::lock_guard<std::mutex> held(lock_);
            shrink(0);
            doomed.swap(doomed_);
        }
        for (CUvideodecoder decoder : doomed)
            end(decoder);
    }

    // What the device says of a codec, chroma format and depth; the driver takes milliseconds, and
    // is asked once. Inside a Scope.
    CUresult caps(CUVIDDECODECAPS *asked)
    {
        {
            std::lock_guard<std::mutex> held(lock_);
            for (const CUVIDDECODECAPS &known : caps_)
                if (known.eCodecType == asked->eCodecType &&
                    known.eChromaFormat == asked->eChromaFormat &&
                    known.nBitDepthMinus8 == asked->nBitDepthMinus8) {
                    *asked = known;
                    return CUDA_SUCCESS;
                }
        }
        CUresult code = api_.cuvidGetDecoderCaps(asked);
        if (code == CUDA_SUCCESS) {
            std::lock_guard<std::mutex> held(lock_);
            caps_.push_back(*asked);
        }
        return code;
    }

    void forget_caps()
    {
        std::lock_guard<std::mutex> held(lock_);
        caps_.clear();
    }

    void set_limits(std::size_t most_idle_bytes, double idle_seconds)
    {
        {
            std::lock_guard<std::mutex> held(lock_);
            most_idle_bytes_ = most_idle_bytes;
            idle_time_ = std::chrono::duration_cast<Clock::duration>(
                std::chrono::duration<double>(idle_seconds));
            shrink(most_idle_bytes_);
        }
        wake();
    }

    DecoderPoolCounters counters()
    {
        std::lock_guard<std::mutex> held(lock_);
        DecoderPoolCounters counters = counters_;
        counters.idle = idle_.size();
        return counters;
    }

    // Keep nothing from now on. What is there is destroyed by the pool's thread.
    void retire()
    {
        {
            std::lock_guard<std::mutex> held(lock_);
            retired_ = true;
            shrink(0);
        }
        wake();
    }

    // Destroy everything and end the thread, in `seconds` at the most: for the end of the process.
    void close(double seconds)
    {
        retire();
        std::unique_lock<std::mutex> held(lock_);
        closing_ = true;
        if (running_)
            changed_.wait_for(held, std::chrono::duration<double>(seconds),
                              [this] { return !running_; });
        counters_.abandoned += doomed_.size();
        doomed_.clear();
    }

    Context &context;

private:
    struct Idle {
        DecoderHandle handle;
        Clock::time_point since;
    };

    void shrink(std::size_t most)
    {
        while (!idle_.empty() && (counters_.idle_bytes > most || retired_))
            doom_oldest();
    }
    void doom_oldest()
    {
        doomed_.push_back(idle_.front().handle.decoder);
        counters_.idle_bytes -= idle_.front().handle.bytes;
        idle_.pop_front();
    }

    void wake()
    {
        std::lock_guard<std::mutex> held(lock_);
        if (!running_ && !closing_ && !(idle_.empty() && doomed_.empty())) {
            try {
                running_ = true;
                std::thread(&DecoderPool::run, shared_from_this()).detach();
            } catch (...) { // no more threads: what is kept is destroyed when memory is short
                running_ = false;
            }
        }
        changed_.notify_all();
    }

    // Pinned memory of sessions is kept for as long as their decoders are.
    void run()
    {
        while (true) {
            {
                const KeepingMore pinned(pinned_);
                keep_decoders();
            }
            pinned_.trim_surplus();
            std::lock_guard<std::mutex> held(lock_);
            if (idle_.empty() && doomed_.empty()) { // the next decoder given brings a thread again
                running_ = false;
                changed_.notify_all();
                return;
            }
        }
    }
    // Until there is none.
    void keep_decoders()
    {
        std::unique_lock<std::mutex> held(lock_);
        while (true) {
            while (!idle_.empty() && Clock::now() - idle_.front().since >= idle_time_)
                doom_oldest();
            if (!doomed_.empty()) {
                CUvideodecoder decoder = doomed_.front();
                doomed_.pop_front();
                held.unlock();
                {
                    Scope scope(context, 2);
                    end(decoder, scope.code == CUDA_SUCCESS);
                }
                held.lock();
            } else if (idle_.empty()) {
                return;
            } else {
                changed_.wait_until(held, idle_.front().since + idle_time_);
            }
        }
    }

    void end(CUvideodecoder decoder, bool current = true)
    {
        bool ended = current && context.usable() &&
                     context.noted(api_.cuvidDestroyDecoder(decoder), "cuvidDestroyDecoder") ==
                         CUDA_SUCCESS;
        std::lock_guard<std::mutex> held(lock_);
        ++(ended ? counters_.destroyed : counters_.abandoned);
    }

    const nvidia_cuvid &api_;
    Pool &pinned_;
    std::mutex lock_; // held over no call of the driver
    std::condition_variable changed_;
    std::deque<Idle> idle_; // the longest unused first
    std::deque<CUvideodecoder> doomed_;
    std::deque<CUVIDDECODECAPS> caps_;
    DecoderPoolCounters counters_;
    std::size_t most_idle_bytes_ = std::size_t{1} << 30;
    Clock::duration idle_time_ = std::chrono::seconds(30);
    bool running_ = false, closing_ = false, retired_ = false;
};

// Destroy what is kept before the context may go, in `seconds` at the most: also the pool's thread,
// which may be the last to have it, lets go of the context.
inline void end_decoders(const std::shared_ptr<DecoderPool> &decoders, double seconds)
{
    const auto end = DecoderPool::Clock::now() + std::chrono::duration<double>(seconds);
    decoders->close(seconds);
    while (decoders.use_count() > 1 && DecoderPool::Clock::now() < end)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

// Have decoders that nobody uses destroyed when device memory runs out.
inline void give_up_decoders(Pool &memory, const std::shared_ptr<DecoderPool> &decoders)
{
    memory.on_out_of_memory(decoders,
                            [](void *pool) { static_cast<DecoderPool *>(pool)->empty(); });
}

} // namespace videohw

#endif
