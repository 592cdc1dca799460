// What the reaper of an NvencSession does: locks coded pictures, copies them out, unlocks them.
#ifndef VIDEOHW_NVENC_REAPER_INLINE_HPP
#define VIDEOHW_NVENC_REAPER_INLINE_HPP

#include <cstdlib>
#include <cstring>

namespace videohw {

inline void NvencSession::reaper_main()
{
    try {
        {
            std::lock_guard<std::mutex> held(lock_);
            locking_.set(true);
        }
        Scope scope(context_, 2); // nobody else would try again
        Lockable lockable;
        if (scope.code != CUDA_SUCCESS)
            lose(cuda_failure(scope.code));
        while (next_lockable(&lockable)) {
            if (lockable.output) {
                reap(lockable.output);
            } else {
                NvencEvent event;
                event.kind = NvencEvent::drained;
                event.serial = lockable.drain;
                event.failure = lockable.failure;
                event.coded_ns =
                    std::chrono::nanoseconds(Clock::now() - lockable.since).count();
                finish_before(lockable.number);
                emit(std::move(event));
            }
            if (!context_.usable())
                lose({});
        }
    } catch (...) { // memory of the host ran out
        try {
            lose({"worker", nvenc_no_memory, false});
        } catch (...) {
        }
    }
    std::lock_guard<std::mutex> held(lock_);
    locking_.set(false);
    reaper_runs_ = false;
    work_.notify_one();
}

// Wait for an output that can be locked, and for room for what is in it. False at the end.
inline bool NvencSession::next_lockable(Lockable *lockable)
{
    std::unique_lock<std::mutex> held(lock_);
    locking_.set(false);
    if (!input_.empty() && lockable_.empty()) // what waits for buffers waits in vain
        work_.notify_one();
    const auto ready = [this] {
        if (lost_ || lockable_.empty())
            return no_more_;
        return discarding_ || !lockable_.front().output || has_room();
    };
    // What is done and not given back waits for the next picture, but not long.
    if (!done_.empty() && !reaping_.wait_for(held, idle_wait, ready))
        work_.notify_one();
    reaping_.wait(held, ready);
    if (lost_ || lockable_.empty())
        return false;
    *lockable = lockable_.front();
    lockable_.pop_front();
    locking_.set(true);
    return true;
}

inline void NvencSession::reap(Output *output)
{
    using namespace nvenc;
    LockedOutput locked;
    const NvencCode code = patiently([&] {
        return twice([&] { return encoder_->lock_output(output->handle, &locked); });
    });
    // Outputs are locked in their order: without this one there is no way to the next.
    if (code != NV_ENC_SUCCESS)
        return lose(nvenc_failure("nvEncLockBitstream", code));
    deliver(locked);
    nvenc_failure("nvEncUnlockBitstream", encoder_->unlock_output(output->handle));
    was_locked(output, locked);
}

// Copy the packet out, into bytes of Python's where there are such.
inline void NvencSession::deliver(const LockedOutput &locked)
{
    NvencEvent event;
    event.serial = static_cast<long long>(locked.timestamp);
    event.bytes = locked.bytes;
    event.picture_type = locked.picture_type;
    event.average_qp = locked.average_qp;
    {
        std::lock_guard<std::mutex> held(lock_);
        if (discarding_)
            return;
        const auto flight = flights_.find(event.serial);
        if (flight != flights_.end())
            event.coded_ns =
                std::chrono::nanoseconds(Clock::now() - flight->second.since).count();
        capacity_ = std::max(capacity_, locked.bytes + locked.bytes / 4);
        ++counters_.packets;
        counters_.copied_out += locked.bytes;
        if (!stock_.empty() && stock_.back().capacity >= locked.bytes) {
            event.into = stock_.back();
            stock_.pop_back();
        } else {
            ++counters_.plain_packets;
        }
    }
    if (!event.into.object)
        event.heap = static_cast<unsigned char *>(std::malloc(locked.bytes + 1));
    unsigned char *target = event.into.object ? event.into.data : event.heap;
    if (!target) {
        event.kind = NvencEvent::failed;
        event.failure = {"malloc", nvenc_no_memory, false};
    } else {
        std::memcpy(target, locked.data, locked.bytes);
    }
    emit(std::move(event));
}

// An output buffer is free again, and what pictures occupied: that which it was given with and
// that whose packet was in it.
inline void NvencSession::was_locked(Output *output, const LockedOutput &locked)
{
    std::unique_lock<std::mutex> held(lock_);
    const long long given = output->serial, coded = static_cast<long long>(locked.timestamp);
    free_outputs_.push_back(output);
    for (const long long serial : {given, coded}) {
        const auto found = flights_.find(serial);
        if (found == flights_.end())
            continue;
        Flight &flight = found->second;
        flight.slot_locked = flight.slot_locked || serial == given;
        flight.packet_locked = flight.packet_locked || serial == coded;
        if (flight.slot_locked && flight.packet_locked) {
            done_.push_back(std::move(flight));
            done_serials_.push_back(serial);
            flights_.erase(found);
        }
    }
    // The encoder never holds more pictures than there are outputs.
    while (!flights_.empty() &&
           flights_.begin()->second.number + settings_.outputs <= output->number) {
        done_serials_.push_back(flights_.begin()->first);
        done_.push_back(std::move(flights_.begin()->second));
        flights_.erase(flights_.begin());
    }
    const bool wake = recycling_is_due(done_.size() >= settings_.outputs);
    held.unlock();
    if (wake)
        work_.notify_one();
}

// After the end of a stream the encoder holds nothing of it.
inline void NvencSession::finish_before(uint32_t number)
{
    std::lock_guard<std::mutex> held(lock_);
    while (!flights_.empty() && flights_.begin()->second.number < number) {
        done_serials_.push_back(flights_.begin()->first);
        done_.push_back(std::move(flights_.begin()->second));
        flights_.erase(flights_.begin());
    }
    work_.notify_one();
}

} // namespace videohw

#endif
