// Calls that a caller's thread wants made and may not be held up by for ever: a thread of ours makes
// them, and is kept for the next ones. The caller waits for it within a bound. What does not come
// back by then goes on without anybody who waits, and gives back by itself what it got.
//
// One object of this for the whole process, in its Driver. No exception leaves anything here, and
// nothing needs the GIL.
#ifndef VIDEOHW_NVIDIA_ERRANDS_HPP
#define VIDEOHW_NVIDIA_ERRANDS_HPP

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <new>
#include <optional>
#include <thread>
#include <utility>

#include "nvidia_call.hpp"

namespace videohw {

class Errands {
public:
    using Clock = std::chrono::steady_clock;

    // No call of the driver takes so long.
    static constexpr double usual_seconds = 30;
    // What an errand may hold: a planned conversion and more.
    static constexpr std::size_t most_bytes = 5120;

    Errands() = default;
    Errands(const Errands &) = delete;
    Errands &operator=(const Errands &) = delete;

    // How long callers wait, from now on and those that wait now.
    void set_bound(double seconds) { bound_seconds_.store(seconds); }
    double bound() const { return bound_seconds_.load(std::memory_order_relaxed); }
    // Errands that nobody waits for any more, and that did not come back yet.
    int late() const { return late_.load(); }

    // Have `make(calling, result)` run, which notes at `calling` the call that it is in; true when
    // it is done. False when it is not within the bound: then `call` is what it was in, null
    // between calls, and `undo(result)` gives back what came of it later. Both own all they touch.
    template <class Result, class Make, class Undo>
    bool run(Result *result, const char **call, Make make, Undo undo)
    {
        using Work = Errand<Result, Make, Undo>;
        static_assert(sizeof(Work) <= most_bytes, "it does not fit into what is kept for errands");
        static_assert(alignof(Work) <= alignof(std::max_align_t), "nor is it aligned so");
        Helper *helper = take();
        if (!helper) { // no more threads: there is nobody else to do it
            NotedCall nowhere{nullptr};
            make(nowhere, *result);
            return true;
        }
        Work *work = new (helper->place) Work(std::move(make), std::move(undo));
        std::unique_lock<std::mutex> held(helper->lock);
        helper->run = &Work::run;
        helper->undo = &Work::undone;
        helper->asked.notify_one();
        if (!done_in_time(*helper, held)) {
            *call = helper->calling.load(std::memory_order_relaxed);
            return false;
        }
        *result = std::move(work->result);
        work->~Work();
        helper->done = false;
        held.unlock();
        give(helper);
        return true;
    }

    // Have `make(calling)` run, which has nobody to tell: waited for as the others are, but not
    // while one is late, since a driver that does not answer holds nobody up for each of many.
    template <class Make> void leave(Make make)
    {
        if (late()) {
            try {
                std::function<void(NotedCall &)> kept(make);
                std::lock_guard<std::mutex> held(lock_);
                if (late()) { // who comes back does it, before it is not late any more
                    left_.push_back(std::move(kept));
                    return;
                }
            } catch (...) { // memory of the host ran out
            }
        }
        Nothing nothing;
        const char *call = nullptr;
        run(
            &nothing, &call, [make](NotedCall &calling, Nothing &) { make(calling); },
            [](Nothing &) {});
    }

    // In a forked child, where the threads are not, and may have held a lock.
    void after_fork_in_child()
    {
        new (&lock_) std::mutex;
        new (&left_) std::deque<std::function<void(NotedCall &)>>;
        idle_ = nullptr;
        idle_count_ = 0;
        late_.store(0);
    }

private:
    struct Nothing {};

    // A thread and the one errand that it is on. Never freed while the thread is there.
    struct Helper {
        std::mutex lock;
        std::condition_variable asked, told;
        void (*run)(Helper &) = nullptr; // null: nothing is asked
        void (*undo)(Helper &) = nullptr;
        bool done = false, late = false;
        NotedCall calling{nullptr};
        Helper *next = nullptr; // of those that are idle
        alignas(std::max_align_t) unsigned char place[most_bytes];
    };

    template <class Result, class Make, class Undo> struct Errand {
        Errand(Make &&make, Undo &&undo) : make(std::move(make)), undo(std::move(undo)) {}

        // What was only for the making goes here too, since that may call the driver.
        static void run(Helper &helper)
        {
            Errand &self = *std::launder(reinterpret_cast<Errand *>(helper.place));
            (*self.make)(helper.calling, self.result);
            self.make.reset();
        }
        static void undone(Helper &helper)
        {
            Errand &self = *std::launder(reinterpret_cast<Errand *>(helper.place));
            self.undo(self.result);
            self.~Errand();
        }

        std::optional<Make> make;
        Undo undo;
        Result result{};
    };

    // Tests change the bound while somebody waits.
    static constexpr std::chrono::milliseconds look_time{50};
    static constexpr int most_idle = 8;

    bool done_in_time(Helper &helper, std::unique_lock<std::mutex> &held)
    {
        const Clock::time_point began = Clock::now();
        while (!helper.done) {
            const std::chrono::duration<double> left =
                began + std::chrono::duration<double>(bound()) - Clock::now();
            if (left.count() <= 0) {
                helper.late = true;
                late_.fetch_add(1);
                return false;
            }
            helper.told.wait_for(held, std::min<std::chrono::duration<double>>(left, look_time));
        }
        return true;
    }

    // An idle thread, or a new one; null where none can be started.
    Helper *take()
    {
        {
            std::lock_guard<std::mutex> held(lock_);
            if (Helper *helper = idle_) {
                idle_ = helper->next;
                --idle_count_;
                return helper;
            }
        }
        Helper *helper = new (std::nothrow) Helper;
        if (!helper)
            return nullptr;
        try {
            std::thread([this, helper] { serve(*helper); }).detach();
        } catch (...) {
            delete helper;
            return nullptr;
        }
        return helper;
    }
    void give(Helper *helper)
    {
        std::lock_guard<std::mutex> held(lock_);
        helper->next = idle_;
        idle_ = helper;
        ++idle_count_;
    }

    void serve(Helper &helper)
    {
        std::unique_lock<std::mutex> held(helper.lock);
        while (true) {
            helper.asked.wait(held, [&helper] { return helper.run != nullptr; });
            const auto run = std::exchange(helper.run, nullptr);
            held.unlock();
            run(helper);
            held.lock();
            if (!helper.late) {
                helper.done = true;
                helper.told.notify_one();
                continue;
            }
            held.unlock();
            helper.undo(helper);
            catch_up(helper);
            held.lock();
            helper.late = false;
            held.unlock();
            if (enough_are_idle()) {
                delete &helper;
                return;
            }
            give(&helper);
            held.lock();
        }
    }
    // Do what was left while this was late, which it is no more then.
    void catch_up(Helper &helper)
    {
        std::unique_lock<std::mutex> held(lock_);
        while (!left_.empty()) {
            const std::function<void(NotedCall &)> make = std::move(left_.front());
            left_.pop_front();
            held.unlock();
            make(helper.calling);
            held.lock();
        }
        late_.fetch_sub(1);
    }
    bool enough_are_idle()
    {
        std::lock_guard<std::mutex> held(lock_);
        return idle_count_ >= most_idle;
    }

    std::atomic<double> bound_seconds_{usual_seconds};
    std::atomic<int> late_{0};
    std::mutex lock_;
    Helper *idle_ = nullptr;
    int idle_count_ = 0;
    std::deque<std::function<void(NotedCall &)>> left_;
};

} // namespace videohw

#endif
