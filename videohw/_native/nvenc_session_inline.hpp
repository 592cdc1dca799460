// What callers and the submit thread of an NvencSession do; the rest of nvenc_session.hpp, but for
// the reaper.
#ifndef VIDEOHW_NVENC_SESSION_INLINE_HPP
#define VIDEOHW_NVENC_SESSION_INLINE_HPP

#include <cstdlib>
#include <cstring>

namespace videohw {

// Any thread

// Memory for one picture: a locked buffer of the encoder's, or plain memory of the same form.
inline void NvencSession::take_input(HostInput *input)
{
    {
        std::lock_guard<std::mutex> held(lock_);
        input->rows = input_rows_;
        input->pitch = input_pitch_;
        if (!free_inputs_.empty() && !closing_) {
            input->buffer = free_inputs_.back();
            input->pitch = input->buffer->pitch;
            free_inputs_.pop_back();
            input->writing = true;
            ++writing_;
            return;
        }
        ++counters_.plain_inputs;
    }
    input->plain.reset(new unsigned char[input->rows * input->pitch]);
}

// Nobody writes to it any more.
inline void NvencSession::seal(HostInput *input)
{
    std::lock_guard<std::mutex> held(lock_);
    if (!input->writing)
        return;
    input->writing = false;
    --writing_;
    if (no_more_) // `leave` waits for it, nobody else
        work_.notify_one();
}

// It was not pushed.
inline void NvencSession::give_input(HostInput *input)
{
    seal(input);
    std::lock_guard<std::mutex> held(lock_);
    if (input->buffer)
        free_inputs_.push_back(input->buffer);
    input->buffer = nullptr;
    input->plain.reset();
    work_.notify_one();
}

inline void NvencSession::push(NvencItem &&item)
{
    {
        std::lock_guard<std::mutex> held(lock_);
        if (item.kind == NvencItem::picture) {
            ++queued_pictures_;
            ++owed_packets_;
        }
        input_.push_back(std::move(item));
        // A thread that sleeps before other input waits for buffers, of which the reaper tells.
        if (input_.size() > 1)
            return;
    }
    work_.notify_one();
}

inline CUresult NvencSession::wait_for_stream(CUstream other)
{
    Scope scope(context_);
    CUresult code = scope.code;
    CUevent event = code == CUDA_SUCCESS ? context_.take_event(&code) : nullptr;
    if (event && other != per_thread_stream())
        code = context_.noted(context_.api.cuEventRecord(event, other), "cuEventRecord");
    else if (event) // of the caller's thread, which this is not: all streams stand for it
        code = record_all(event);
    if (code == CUDA_SUCCESS)
        code = context_.noted(context_.api.cuStreamWaitEvent(stream_, event, 0),
                              "cuStreamWaitEvent");
    context_.give_event(event);
    return code;
}

inline CUresult NvencSession::record_all(CUevent event)
{
    if (context_.api.cuCtxRecordEvent)
        return context_.noted(context_.api.cuCtxRecordEvent(context_.handle, event),
                              "cuCtxRecordEvent");
    const CUresult code = context_.noted(context_.api.cuCtxSynchronize(), "cuCtxSynchronize");
    return code != CUDA_SUCCESS
               ? code
               : context_.noted(context_.api.cuEventRecord(event, stream_), "cuEventRecord");
}

// `wait_for_stream`, for a thread of the caller's.
inline CUresult wait_for_stream_within(Context &context,
                                       const std::shared_ptr<NvencSession> &session, CUstream other)
{
    Held<Context> held(context);
    return within_bound(context.driver,
                        [held, session, other] { return session->wait_for_stream(other); });
}

inline bool NvencSession::pop(NvencEvent *event)
{
    std::lock_guard<std::mutex> held(lock_);
    if (events_.empty())
        return false;
    *event = std::move(events_.front());
    events_.pop_front();
    if (event->kind == NvencEvent::packet || event->kind == NvencEvent::failed) {
        --events_out_; // not ours any more, and ready until `set_ready` says
        ++ready_;
    }
    return true;
}

inline void NvencSession::before_free(CUdeviceptr address, std::size_t bytes)
{
    std::unique_lock<std::mutex> held(lock_);
    const auto first = registered_at_.lower_bound(address);
    if (ended_ || first == registered_at_.end() || *first - address >= bytes)
        return;
    if (std::this_thread::get_id() == submit_thread_) {
        held.unlock();
        return forget_memory(address, bytes);
    }
    freed_.push_back({address, bytes});
    work_.notify_one();
    // A driver that does not answer holds nobody up for each of its pictures.
    if (!forgets_late_)
        forgets_late_ = !forgot_.wait_for(held, std::chrono::seconds(1),
                                          [this] { return ended_ || freed_.empty(); });
}

// Events

inline void NvencSession::emit(NvencEvent &&event)
{
    const bool awaited = event.kind != NvencEvent::input_done; // that comes along with others
    {
        std::lock_guard<std::mutex> held(lock_);
        if (event.kind == NvencEvent::packet || event.kind == NvencEvent::failed) {
            ++events_out_;
            owed_packets_ -= owed_packets_ ? 1 : 0;
        }
        events_.push_back(std::move(event));
    }
    if (awaited)
        tell();
}

inline void NvencSession::emit_failed(long long serial, NvencFailure failure)
{
    NvencEvent event;
    event.kind = NvencEvent::failed;
    event.serial = serial;
    event.failure = failure;
    emit(std::move(event));
}

// The session is of no use any more, for `failure` or by what the context was lost.
inline void NvencSession::lose(NvencFailure failure)
{
    {
        std::lock_guard<std::mutex> held(lock_);
        if (lost_)
            return;
        lost_ = true;
        reaping_.notify_one();
        work_.notify_one();
    }
    NvencEvent event;
    event.kind = NvencEvent::lost;
    event.failure = failure;
    if (!context_.usable())
        event.failure = {context_.lost_in() ? context_.lost_in() : failure.call,
                         static_cast<int>(context_.lost_by()), true};
    emit(std::move(event));
}

// What an answer of NVENC means for the context: it says itself only that something failed.
inline NvencFailure NvencSession::nvenc_failure(const char *call, NvencCode code)
{
    using namespace nvenc;
    if (code == NV_ENC_SUCCESS)
        return {};
    if (code == NV_ENC_ERR_GENERIC || code == NV_ENC_ERR_MAP_FAILED ||
        code == NV_ENC_ERR_INVALID_DEVICE || code == NV_ENC_ERR_DEVICE_NOT_EXIST) {
        CUresult health = CUDA_SUCCESS;
        CUevent event = context_.take_event(&health);
        if (event)
            context_.noted(context_.api.cuEventRecord(event, stream_), call);
        context_.give_event(event);
    }
    return {call, static_cast<int>(code), false};
}

// Whether what is in the encoder can be given back: also after an error that sticks, but not when
// the context is not there any more.
inline bool NvencSession::reachable() const
{
    if (context_.usable() || context_.driver.forked() || context_.given_up())
        return context_.usable();
    const CUresult code = context_.lost_by();
    return code != CUDA_ERROR_CONTEXT_IS_DESTROYED && code != CUDA_ERROR_INVALID_CONTEXT &&
           code != CUDA_ERROR_DEINITIALIZED;
}

inline NvencFailure NvencSession::cuda_failure(CUresult code)
{
    if (code == CUDA_SUCCESS)
        return {};
    if (!context_.usable())
        return {context_.lost_in() ? context_.lost_in() : Context::last_call(),
                static_cast<int>(context_.lost_by()), true};
    return {Context::last_call(), static_cast<int>(code), true};
}

// The submit thread

inline void NvencSession::submit_main()
{
    try {
        work();
    } catch (...) { // memory of the host ran out
        try {
            lose({"worker", nvenc_no_memory, false});
        } catch (...) { // of that too: the session tells by its silence
        }
    }
    try {
        leave();
    } catch (...) {
        scope_.reset();
    }
    let_go();
    std::lock_guard<std::mutex> held(lock_);
    submitting_.set(false);
    opened_ = ended_ = true;
    forgot_.notify_all();
    tell();
}

inline void NvencSession::work()
{
    {
        std::lock_guard<std::mutex> held(lock_);
        submitting_.set(true);
        submit_thread_ = std::this_thread::get_id();
    }
    context_.watch(weak_from_this());
    const NvencFailure failure = open();
    const std::string detail = failure.call && !failure.cuda ? encoder_->last_error() : "";
    if (failure.call) {
        leave(); // before anybody is told: one who opens another may need the place
        let_go();
    }
    {
        std::lock_guard<std::mutex> held(lock_);
        opening_failure_ = failure;
        detail_ = detail;
        opened_ = true;
        ended_ = failure.call != nullptr;
        tell();
    }
    if (failure.call)
        return;
    NvencItem item;
    while (next(&item)) {
        take_item(item);
        item = NvencItem();
        if (!context_.usable())
            lose({});
    }
}

// Wait for something that can be begun. False when the session is closed.
inline bool NvencSession::next(NvencItem *item)
{
    std::unique_lock<std::mutex> held(lock_);
    while (true) {
        submitting_.set(true);
        if (closing_)
            return false;
        if (!done_.empty()) {
            held.unlock();
            recycle_done();
            held.lock();
            continue;
        }
        if (!freed_.empty()) {
            const auto freed = freed_;
            held.unlock();
            for (const auto &each : freed)
                forget_memory(each.first, each.second);
            held.lock();
            freed_.erase(freed_.begin(), freed_.begin() + static_cast<long>(freed.size()));
            forgets_late_ = false;
            forgot_.notify_all();
            continue;
        }
        if (!input_.empty() && can_start(input_.front())) {
            *item = std::move(input_.front());
            input_.pop_front();
            if (item->kind == NvencItem::picture)
                --queued_pictures_;
            held.unlock();
            tell();
            return true;
        }
        submitting_.set(false);
        work_.wait(held);
    }
}

inline bool NvencSession::can_start(const NvencItem &item) const
{
    if (item.kind != NvencItem::picture || lost_)
        return true;
    // Where no buffer is on its way back it must fail.
    const bool waits = !lockable_.empty() || locking_.is;
    if (free_outputs_.empty() && waits)
        return false;
    return !item.host.plain || !free_inputs_.empty() || !waits;
}

inline NvencFailure NvencSession::open()
{
    scope_.emplace(context_);
    CUresult code = scope_->code;
    if (code == CUDA_SUCCESS && !stream_.load())
        stream_ = context_.take_stream(&code);
    if (own_stream_ && stream_.load()) {
        Context &context = context_;
        const auto give = [&context](void *stream) {
            context.give_stream(static_cast<CUstream>(stream));
            videohw::let_go(context);
        };
        context.retain();
        stream_owner_.reset(static_cast<void *>(stream_.load()), give);
    }
    if (code != CUDA_SUCCESS)
        return cuda_failure(code);
    NvencCode answer = encoder_->open(context_.handle);
    encoder_open_ = true; // a refused one may have left something, which is destroyed too
    if (answer != nvenc::NV_ENC_SUCCESS)
        return nvenc_failure("nvEncOpenEncodeSessionEx", answer);
    answer = encoder_->configure(settings_.form);
    if (answer != nvenc::NV_ENC_SUCCESS)
        return nvenc_failure("nvEncGetEncodePresetConfigEx", answer);
    answer = encoder_->initialize();
    if (answer != nvenc::NV_ENC_SUCCESS)
        return nvenc_failure("nvEncInitializeEncoder", answer);
    void *stream = stream_;
    answer = encoder_->set_streams(&stream);
    if (answer != nvenc::NV_ENC_SUCCESS)
        return nvenc_failure("nvEncSetIOCudaStreams", answer);
    const NvencFailure failure = open_buffers();
    if (failure.call)
        return failure;
    read_parameter_sets();
    try {
        std::shared_ptr<NvencSession> self = shared_from_this();
        std::lock_guard<std::mutex> held(lock_);
        std::thread([self] { self->reaper_main(); }).detach();
        reaper_runs_ = true;
    } catch (const std::system_error &) {
        return {"thread", nvenc_no_thread, false};
    }
    return {};
}

inline NvencFailure NvencSession::open_buffers()
{
    for (unsigned i = 0; i < settings_.outputs; ++i) {
        std::unique_ptr<Output> output(new Output);
        const NvencCode code = encoder_->create_output(&output->handle);
        if (code != nvenc::NV_ENC_SUCCESS)
            return nvenc_failure("nvEncCreateBitstreamBuffer", code);
        free_outputs_.push_back(output.get());
        outputs_.push_back(std::move(output));
    }
    for (unsigned i = 0; i < settings_.host_inputs; ++i) {
        std::unique_ptr<HostBuffer> buffer(new HostBuffer);
        const NvencCode code = encoder_->create_input(settings_.width, settings_.height,
                                                      settings_.format, &buffer->handle);
        if (code != nvenc::NV_ENC_SUCCESS)
            return nvenc_failure("nvEncCreateInputBuffer", code);
        host_buffers_.push_back(std::move(buffer));
        const NvencFailure failure = lock_input(host_buffers_.back().get());
        if (failure.call)
            return failure;
    }
    std::lock_guard<std::mutex> held(lock_);
    input_rows_ = buffer_rows(settings_.format, settings_.height);
    if (!free_inputs_.empty())
        input_pitch_ = free_inputs_.back()->pitch;
    return {};
}

// Lock a buffer, so that anybody may write to it, and let it be taken.
inline NvencFailure NvencSession::lock_input(HostBuffer *buffer)
{
    if (!buffer->locked) {
        void *memory = nullptr;
        const NvencCode code =
            twice([&] { return encoder_->lock_input(buffer->handle, &memory, &buffer->pitch); });
        if (code != nvenc::NV_ENC_SUCCESS) {
            unlocked_.push_back(buffer);
            return nvenc_failure("nvEncLockInputBuffer", code);
        }
        buffer->memory = static_cast<unsigned char *>(memory);
        buffer->locked = true;
    }
    std::lock_guard<std::mutex> held(lock_);
    free_inputs_.push_back(buffer);
    return {};
}

// What the stream begins with; not having it is no reason to fail, keyframes bring it too.
inline void NvencSession::read_parameter_sets()
{
    std::vector<unsigned char> sets;
    const NvencCode code = encoder_->parameter_sets(&sets);
    if (code != nvenc::NV_ENC_SUCCESS)
        nvenc_failure("nvEncGetSequenceParams", code);
    std::lock_guard<std::mutex> held(lock_);
    parameter_sets_.swap(sets);
}

inline void NvencSession::take_item(NvencItem &item)
{
    if (lost_ && item.kind == NvencItem::picture) {
        recycle_unused(item);
    } else if (item.kind == NvencItem::picture) {
        encode(item);
    } else if (item.kind == NvencItem::change) {
        change(item);
    } else {
        Lockable end;
        end.drain = item.serial;
        end.since = Clock::now();
        if (!lost_)
            end.failure = finish_stream();
        end.number = next_number_;
        if (end.failure.call)
            lose(end.failure);
        std::lock_guard<std::mutex> held(lock_);
        lockable_.push_back(end);
        reaping_.notify_one();
    }
}

inline void NvencSession::encode(NvencItem &item)
{
    Flight flight;
    EncodedInput picture;
    bool more = false;
    flight.extras = std::move(item.extras);
    flight.extras.force_idr = flight.extras.force_idr || first_;
    flight.of_device = item.device.kind != DeviceInput::none;
    picture.timestamp = static_cast<uint64_t>(item.serial);
    picture.width = encoder_->width();
    picture.height = encoder_->height();
    picture.number = flight.number = next_number_++;
    NvencFailure failure;
    Output *output = nullptr;
    {
        std::lock_guard<std::mutex> held(lock_);
        if (!free_outputs_.empty()) {
            output = free_outputs_.back();
            free_outputs_.pop_back();
        }
    }
    if (item.width != picture.width || item.height != picture.height)
        failure = {"nvEncEncodePicture", nvenc_wrong_size, false};
    else if (!output)
        failure = {"nvEncEncodePicture", nvenc_no_buffer, false};
    else if (item.after.stream)
        failure = cuda_failure(wait_for_stream(item.after.stream));
    if (!failure.call)
        failure = place(item, &flight, &picture);
    if (!failure.call) {
        picture.output = output->handle;
        flight.since = Clock::now();
        failure = send(picture, flight.extras, &more);
    }
    if (failure.call && !failure.cuda && failure.code == nvenc::NV_ENC_ERR_DEVICE_NOT_EXIST)
        lose(failure);
    if (failure.call) {
        recycle(flight);
        {
            std::lock_guard<std::mutex> held(lock_);
            if (output)
                free_outputs_.push_back(output);
        }
        if (flight.of_device) {
            NvencEvent event;
            event.kind = NvencEvent::input_done;
            event.serial = item.serial;
            emit(std::move(event));
        }
        return lost_ ? void() : emit_failed(item.serial, failure);
    }
    first_ = false;
    fed_ = true;
    {
        std::lock_guard<std::mutex> held(lock_);
        ++counters_.pictures;
        output->serial = item.serial;
        output->number = picture.number;
        flights_.emplace(item.serial, std::move(flight));
        pending_.push_back(output);
        if (more)
            return;
        for (Output *each : pending_) {
            Lockable lockable;
            lockable.output = each;
            lockable_.push_back(lockable);
        }
        pending_.clear();
    }
    reaping_.notify_one();
}

// Have the pixels where the encoder takes them.
inline NvencFailure NvencSession::place(NvencItem &item, Flight *flight, EncodedInput *picture)
{
    if (flight->of_device)
        return place_device(item, flight, picture);
    return place_host(item, flight, picture);
}

inline NvencFailure NvencSession::place_host(NvencItem &item, Flight *flight, EncodedInput *picture)
{
    flight->host = std::move(item.host);
    HostInput &host = flight->host;
    if (!host.buffer) {
        const NvencFailure failure = find_input(&host.buffer);
        if (failure.call)
            return failure;
    }
    HostBuffer &buffer = *host.buffer;
    if (host.plain) {
        const std::size_t row = std::min<std::size_t>(host.pitch, buffer.pitch);
        for (std::size_t i = 0; i < host.rows; ++i)
            std::memcpy(buffer.memory + i * buffer.pitch, host.plain.get() + i * host.pitch, row);
        host.plain.reset();
        std::lock_guard<std::mutex> held(lock_);
        counters_.copied_in += host.rows * row;
    }
    buffer.locked = false;
    const NvencCode code = encoder_->unlock_input(buffer.handle);
    if (code != nvenc::NV_ENC_SUCCESS)
        return nvenc_failure("nvEncUnlockInputBuffer", code);
    picture->input = buffer.handle;
    picture->format = settings_.format;
    picture->pitch = buffer.pitch;
    return {};
}

// A locked buffer for a picture that has none.
inline NvencFailure NvencSession::find_input(HostBuffer **buffer)
{
    NvencFailure failure{"nvEncLockInputBuffer", nvenc_no_buffer, false};
    std::vector<HostBuffer *> unlocked;
    unlocked.swap(unlocked_);
    for (HostBuffer *each : unlocked) { // what could not be locked may be by now
        const NvencFailure again = lock_input(each);
        if (again.call)
            failure = again;
    }
    std::lock_guard<std::mutex> held(lock_);
    if (free_inputs_.empty())
        return failure;
    *buffer = free_inputs_.back();
    free_inputs_.pop_back();
    return {};
}

inline NvencFailure NvencSession::place_device(NvencItem &item, Flight *flight,
                                               EncodedInput *picture)
{
    const DeviceInput &device = item.device;
    CUdeviceptr address = device.planes[0];
    std::size_t pitch = device.pitches[0];
    if (device.kind != DeviceInput::direct) {
        const NvencFailure failure = join_planes(device, flight);
        if (failure.call)
            return failure;
        address = flight->block->device;
        pitch = device.pitch;
    }
    Registration *found = nullptr;
    const bool watched = device.watched || device_pool_.has(address);
    const NvencFailure failure =
        registered(address, static_cast<uint32_t>(pitch), watched, &found);
    if (failure.call)
        return failure;
    if (!found->mapped) {
        const NvencCode code =
            encoder_->map(found->resource, &found->mapped, &found->mapped_format);
        if (code != nvenc::NV_ENC_SUCCESS) {
            found->mapped = nullptr;
            return nvenc_failure("nvEncMapInputResource", code);
        }
        std::lock_guard<std::mutex> held(lock_);
        ++counters_.mapped;
    }
    ++found->users;
    flight->registration = found;
    picture->input = found->mapped;
    picture->format = found->mapped_format;
    picture->pitch = found->pitch;
    return {};
}

// What the encoder can take, made of planes that it cannot, in a block of our own; queued.
inline NvencFailure NvencSession::join_planes(const DeviceInput &device, Flight *flight)
{
    CUresult code = CUDA_SUCCESS;
    flight->block = device_pool_.take(device.bytes, stream_, &code);
    if (!flight->block)
        return cuda_failure(code);
    CUdeviceptr targets[3] = {0, 0, 0};
    for (unsigned i = 0; i < 3; ++i)
        targets[i] = flight->block->device + device.offsets[i];
    if (device.kind == DeviceInput::kernel) {
        code = context_.noted(
            convert(context_.api, device.conversion, device.planes, targets, stream_),
            "cuLaunchKernel");
    }
    for (unsigned i = 0; device.kind == DeviceInput::copy && i < device.count; ++i) {
        CUDA_MEMCPY2D copy{};
        copy.srcMemoryType = copy.dstMemoryType = CU_MEMORYTYPE_DEVICE;
        copy.srcDevice = device.planes[i];
        copy.srcPitch = device.pitches[i];
        copy.dstDevice = targets[i];
        copy.dstPitch = device.target_pitches[i];
        copy.WidthInBytes = device.row_bytes[i];
        copy.Height = device.rows[i];
        if (code == CUDA_SUCCESS)
            code = context_.noted(context_.api.cuMemcpy2DAsync(&copy, stream_), "cuMemcpy2DAsync");
    }
    if (code == CUDA_SUCCESS)
        code = flight->block->written(stream_);
    std::lock_guard<std::mutex> held(lock_);
    ++counters_.converted;
    return cuda_failure(code);
}

// The registration of a picture's memory: the one there is, or a new one.
inline NvencFailure NvencSession::registered(CUdeviceptr address, uint32_t pitch, bool watched,
                                             Registration **found)
{
    const uint32_t width = encoder_->width(), height = encoder_->height();
    for (auto each = registrations_.begin(); each != registrations_.end(); ++each)
        if (each->address == address && each->pitch == pitch && each->width == width &&
            each->height == height) {
            each->watched = each->watched || watched;
            registrations_.splice(registrations_.begin(), registrations_, each);
            *found = &registrations_.front();
            return {};
        }
    forget_registrations(most_registrations - 1);
    Registration made;
    made.address = address;
    made.pitch = pitch;
    made.width = width;
    made.height = height;
    made.watched = watched;
    const NvencCode code = encoder_->register_device(address, width, height, pitch,
                                                     settings_.format, &made.resource);
    if (code != nvenc::NV_ENC_SUCCESS)
        return nvenc_failure("nvEncRegisterResource", code);
    registrations_.push_front(made);
    *found = &registrations_.front();
    std::lock_guard<std::mutex> held(lock_);
    registered_at_.insert(address);
    ++counters_.registered;
    return {};
}

inline void NvencSession::forget_memory(CUdeviceptr address, std::size_t bytes)
{
    for (auto &each : registrations_)
        if (each.address >= address && each.address < address + bytes)
            each.watched = false;
    forget_registrations(most_registrations);
}

// Keep at most so many, the longest unused go first, and none whose end nobody would tell.
inline void NvencSession::forget_registrations(std::size_t keep)
{
    for (auto each = registrations_.end(); each != registrations_.begin();) {
        --each;
        const bool surplus = registrations_.size() > keep || !each->watched;
        if (each->users || !surplus)
            continue;
        if (reachable())
            nvenc_failure("nvEncUnregisterResource", encoder_->unregister(each->resource));
        std::lock_guard<std::mutex> held(lock_);
        registered_at_.erase(registered_at_.find(each->address));
        each = registrations_.erase(each);
    }
}

// Give the picture to the encoder. `more`: it waits for others before anything comes out.
inline NvencFailure NvencSession::send(const EncodedInput &picture, PictureExtras &extras,
                                       bool *more)
{
    using namespace nvenc;
    const NvencCode code =
        patiently([&] { return encoder_->encode(picture, extras); }, true);
    *more = code == NV_ENC_ERR_NEED_MORE_INPUT;
    return *more ? NvencFailure{} : nvenc_failure("nvEncEncodePicture", code);
}

inline void NvencSession::change(NvencItem &item)
{
    NvencEvent event;
    event.kind = NvencEvent::reconfigured;
    event.serial = item.serial;
    // Whoever asked did not know whether the changes before this one are made.
    const bool resizes = encoder_->resizes(item.form);
    const bool reset = item.reset || resizes;
    const bool force = item.extras.force_idr || resizes;
    // A reset forgets what the encoder holds.
    if (reset)
        event.failure = finish_stream();
    if (!event.failure.call && !lost_) {
        const NvencCode code = encoder_->reconfigure(item.form, reset, force);
        if (code == nvenc::NV_ENC_SUCCESS) {
            read_parameter_sets();
        } else {
            event.detail = encoder_->last_error();
            event.failure = nvenc_failure("nvEncReconfigureEncoder", code);
        }
        std::lock_guard<std::mutex> held(lock_);
        ++counters_.reconfigured;
    }
    emit(std::move(event));
}

// Have all that the encoder holds come out; the next picture begins a stream.
inline NvencFailure NvencSession::finish_stream()
{
    using namespace nvenc;
    first_ = true;
    if (!fed_)
        return {};
    const NvencCode code =
        patiently([&] { return twice([&] { return encoder_->end_of_stream(); }); });
    if (code != NV_ENC_SUCCESS)
        return nvenc_failure("nvEncEncodePicture", code);
    fed_ = false;
    std::lock_guard<std::mutex> held(lock_);
    for (Output *each : pending_) {
        Lockable lockable;
        lockable.output = each;
        lockable_.push_back(lockable);
    }
    pending_.clear();
    reaping_.notify_one();
    return {};
}

// The same of a picture that is not encoded, since the session is lost.
inline void NvencSession::recycle_unused(NvencItem &item)
{
    give_input(&item.host);
    if (item.device.kind == DeviceInput::none)
        return;
    NvencEvent event;
    event.kind = NvencEvent::input_done;
    event.serial = item.serial;
    emit(std::move(event));
}

// A picture's buffers may be used again.
inline void NvencSession::recycle(Flight &flight)
{
    if (flight.host.buffer)
        lock_input(flight.host.buffer);
    flight.host = HostInput();
    if (Registration *registration = flight.registration) {
        if (--registration->users == 0) {
            if (reachable())
                nvenc_failure("nvEncUnmapInputResource", encoder_->unmap(registration->mapped));
            registration->mapped = nullptr;
        }
        flight.registration = nullptr;
        forget_registrations(most_registrations);
    }
    if (flight.block)
        flight.block->release();
    flight.block = nullptr;
}

inline void NvencSession::recycle_done()
{
    std::vector<Flight> done;
    std::vector<long long> serials;
    {
        std::lock_guard<std::mutex> held(lock_);
        done.swap(done_);
        serials.swap(done_serials_);
    }
    for (std::size_t i = 0; i < done.size(); ++i) {
        recycle(done[i]);
        if (!done[i].of_device)
            continue;
        NvencEvent event;
        event.kind = NvencEvent::input_done;
        event.serial = serials[i];
        emit(std::move(event));
    }
}

// The end: everything is given back, what is still coded is thrown away.
inline void NvencSession::leave()
{
    {
        std::lock_guard<std::mutex> held(lock_);
        submitting_.set(true);
        discarding_ = true;
    }
    if (encoder_open_ && reachable())
        finish_stream();
    {
        std::unique_lock<std::mutex> held(lock_);
        no_more_ = true;
        reaping_.notify_one();
        work_.wait(held, [this] { return !reaper_runs_ && !writing_; });
    }
    give_back();
    SharedStream given;
    {
        std::lock_guard<std::mutex> held(lock_);
        given.owner.swap(stream_owner_);
        if (own_stream_)
            stream_ = nullptr;
    }
    given.owner.reset();
    scope_.reset();
}

// The context is of no use here any more.
inline void NvencSession::let_go()
{
    if (has_context_)
        context_.release();
    has_context_ = false;
}

inline void NvencSession::give_back()
{
    std::map<long long, Flight> flights;
    {
        std::lock_guard<std::mutex> held(lock_);
        flights.swap(flights_);
        free_inputs_.clear();
        free_outputs_.clear();
    }
    recycle_done();
    for (auto &each : flights)
        recycle(each.second);
    for (auto &each : registrations_)
        each.users = 0;
    forget_registrations(0);
    if (encoder_open_ && reachable()) {
        for (auto &each : host_buffers_) {
            if (each->locked)
                encoder_->unlock_input(each->handle);
            encoder_->destroy_input(each->handle);
        }
        for (auto &each : outputs_)
            encoder_->destroy_output(each->handle);
        encoder_->destroy();
    }
    encoder_open_ = false;
    std::lock_guard<std::mutex> held(lock_);
    free_inputs_.clear();
}

} // namespace videohw

#endif
