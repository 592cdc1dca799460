// What the worker of an NvdecSession does; the second half of nvdec_session.hpp.
#ifndef VIDEOHW_NVDEC_SESSION_INLINE_HPP
#define VIDEOHW_NVDEC_SESSION_INLINE_HPP

namespace videohw {

// The loop

inline NvdecSession::Need NvdecSession::run()
{
    context_.driver.note_calls(&calling_);
    try {
        return work();
    } catch (...) { // memory of the host ran out
    }
    try {
        lose({"worker", no_memory});
    } catch (...) { // of that too: the session tells by its silence
    }
    {
        std::unique_lock<std::mutex> held(lock_);
        set_busy(false);
        work_.wait(held, [this] { return closing_; });
    }
    try {
        leave();
    } catch (...) {
        scope_.reset();
    }
    return Need::closed;
}

inline NvdecSession::Need NvdecSession::work()
{
    if (!scope_) {
        {
            std::lock_guard<std::mutex> held(lock_);
            set_busy(true);
        }
        scope_.emplace(context_);
        keeping_host_.emplace(host_pool_);
        CUresult code = scope_->code;
        if (code == CUDA_SUCCESS && !stream_)
            stream_ = context_.take_stream(&code);
        if (code != CUDA_SUCCESS)
            lose(last_failure(code));
    }
    while (true) {
        Input input;
        bool map = false, finish = false;
        if (!next(&input, &map, &finish)) {
            leave();
            return Need::closed;
        }
        if (map)
            map_next();
        else if (finish)
            finish_oldest();
        else
            take_input(input);
        finish_done();
        while (pending_.size() > lag_ && !plan_wanted_ && room())
            map_next();
        if (!context_.usable())
            lose({});
        if (plan_wanted_) {
            tell_of_the_rest();
            return Need::plan;
        }
    }
}

// Wait for work, of which input comes first: the chip shall have something to do while pictures
// are mapped. False when the session is closed.
inline bool NvdecSession::next(Input *input, bool *map, bool *finish)
{
    std::unique_lock<std::mutex> held(lock_);
    while (true) {
        set_busy(true);
        if (closing_)
            return false;
        if (reset_wanted_ != resets_done_) {
            const std::uint64_t number = reset_wanted_;
            held.unlock();
            do_reset(number);
            held.lock();
            continue;
        }
        if (!input_.empty() && !draining_ && has_room()) {
            *input = input_.front();
            input_.pop_front();
            return true;
        }
        if (!pending_.empty() && has_room())
            return *map = true;
        if (!mapped_.empty())
            return *finish = true;
        if (draining_ && pending_.empty()) {
            draining_ = false;
            Event event;
            event.kind = Event::drained;
            event.serial = drain_number_;
            event.failure = drain_failure_;
            event.decoded_ns = drain_ns_;
            held.unlock();
            emit(event);
            held.lock();
            continue;
        }
        set_busy(false);
        if (untold_)
            tell();
        work_.wait(held);
    }
}

// Whether nobody need be woken for an event yet; the lock is held.
inline bool NvdecSession::can_wait(const Event &event) const
{
    if (input_.empty() || events_.size() >= most_untold)
        return false;
    if (event.kind == Event::shown)
        return under_way_ < (settings_.max_ready + 1) / 2 &&
               Clock::now() - woken_at_ < woken_every;
    // Nobody waits for a picture that went its way, unless for room in the queue.
    return event.kind == Event::begun || (event.kind == Event::ended && !event.failure.code);
}

// Before something that may take long.
inline void NvdecSession::tell_of_the_rest()
{
    std::lock_guard<std::mutex> held(lock_);
    if (untold_)
        tell();
}

inline void NvdecSession::emit(const Event &event)
{
    bool dropped, tells;
    {
        std::lock_guard<std::mutex> held(lock_);
        dropped = closing_ || reset_wanted_ != epoch_;
        if (!dropped)
            events_.push_back(event);
        tells = !can_wait(event);
        untold_ = true;
        if (tells)
            note_change();
        if (tells && event.kind == Event::shown)
            woken_at_ = Clock::now();
    }
    if (tells) // who is woken finds the lock free
        changed_.notify_all();
    if (dropped && event.block)
        event.block->release();
}

// The session is of no use any more, for `failure` or by what the context was lost.
inline void NvdecSession::lose(Failure failure)
{
    if (lost_)
        return;
    lost_ = true;
    Event event;
    event.kind = Event::lost;
    event.failure = context_.usable() ? failure : last_failure(failure.code);
    emit(event);
}

inline void NvdecSession::do_reset(std::uint64_t number)
{
    pending_.clear();
    finish_all();
    close_parser();
    release_dropped();
    broken_ = draining_ = false;
    lag_ = 0;
    std::lock_guard<std::mutex> held(lock_);
    under_way_ = 0;
    epoch_ = resets_done_ = number;
    tell();
}

// The end: everything that is the worker's is given back.
inline void NvdecSession::leave()
{
    pending_.clear();
    finish_all();
    close_parser();
    keeping_host_.reset();
    give_decoder(); // whose pool trims those of memory
    release_dropped();
    if (own_stream_)
        context_.give_stream(stream_);
    stream_ = nullptr;
    scope_.reset();
    context_.driver.forget_calls(&calling_);
}

inline Failure NvdecSession::failed(const char *call, CUresult code)
{
    return {call, context_.noted(code, call)};
}

// Of the call before this: what it answered, or what had the context lost by then.
inline Failure NvdecSession::last_failure(CUresult code)
{
    if (!context_.usable())
        return {context_.lost_in(), context_.lost_by()};
    return {Context::last_call(), code};
}

// Input

inline void NvdecSession::take_input(const Input &input)
{
    Event event;
    event.serial = input.serial;
    if (input.kind == Input::mark) {
        event.kind = Event::mark;
        emit(event);
    } else if (input.kind == Input::drain) {
        const Clock::time_point began = Clock::now();
        drain_failure_ = end_stream();
        drain_ns_ = nanoseconds_since(began);
        draining_ = true;
        drain_number_ = input.serial;
    } else {
        decode(input);
    }
}

inline void NvdecSession::decode(const Input &input)
{
    Event event;
    event.serial = input.serial;
    bool needs_sets = false;
    if (broken_ && input.random_access && !lost_) {
        broken_ = false;
        close_parser();
        needs_sets = true;
    }
    // What the driver does not know of a sequence may change without a callback of its parser's. And
    // its parser of VC-1 displays the last reference of a sequence behind the callback for the next
    // one, where the decoder has forgotten it. [H100]
    if (input.random_access && parser_ && !broken_ && sequence_.number &&
        input.info != sequence_.info) {
        end_stream();
        needs_sets = true;
    }
    if (settings_.codec == cudaVideoCodec_VP8 && input.random_access && !lost_)
        before_vp8_key_frame(input);
    event.left_out = broken_ || lost_;
    emit(event);
    event.kind = Event::ended;
    if (event.left_out)
        return emit(event);
    serial_ = input.serial;
    info_ = input.info;
    width_ = input.width;
    height_ = input.height;
    in_order_ = input.in_order;
    saw_picture_ = false;
    failure_ = {};
    const Clock::time_point began = Clock::now();
    CUresult code = CUDA_SUCCESS;
    if (!show_again(input) && (parser_ || open_parser()))
        code = parse(input, needs_sets);
    if (settings_.codec == cudaVideoCodec_VP8)
        vp8_state_.decoded(input.data, input.bytes);
    event.decoded_ns = nanoseconds_since(began);
    if (code != CUDA_SUCCESS && !failure_.code) {
        const Failure failure = failed("cuvidParseVideoData", code);
        end_stream(); // what it holds is whole
        failure_ = failure;
        broken_ = true;
    }
    if (!failure_.code && !saw_picture_)
        failure_ = {"cuvidParseVideoData", no_picture};
    event.failure = failure_;
    emit(event);
}

inline bool NvdecSession::open_parser()
{
    CUVIDPARSERPARAMS parameters{};
    parameters.CodecType = settings_.codec;
    parameters.ulMaxNumDecodeSurfaces = 1; // the sequence callback says how many there are
    parameters.ulErrorThreshold = 100;     // damaged pictures come too, and are told by status
    parameters.ulMaxDisplayDelay = 0;
    parameters.pUserData = this;
    parameters.pfnSequenceCallback = callback<CUVIDEOFORMAT, &NvdecSession::on_sequence>;
    parameters.pfnDecodePicture = callback<CUVIDPICPARAMS, &NvdecSession::on_decode>;
    parameters.pfnDisplayPicture = callback<CUVIDPARSERDISPINFO, &NvdecSession::on_display>;
    parameters.pfnGetOperatingPoint = operating_point_callback;
    CUresult code = api_.cuvidCreateVideoParser(&parser_, &parameters);
    if (code != CUDA_SUCCESS) {
        parser_ = nullptr;
        failure_ = failed("cuvidCreateVideoParser", code);
        broken_ = true;
        return false;
    }
    std::lock_guard<std::mutex> held(lock_);
    ++counters_.parsers;
    return true;
}

// Have a key frame of VP8 decoded as if nothing had been before it.
inline void NvdecSession::before_vp8_key_frame(const Input &input)
{
    const bool spoils = decoder_.decoder && vp8_state_.spoils(input.data, input.bytes);
    // After a frame that is shorter than its partitions are said to be, the driver's parser gives
    // nothing any more. [H100]
    if (parser_ && (spoils || !saw_picture_))
        end_stream();
    if (!spoils)
        return;
    map_all();
    give_decoder();
}

// Show the frame of VP9 that an access unit names and does not bring, which the driver's parser
// would not; false for any other access unit.
inline bool NvdecSession::show_again(const Input &input)
{
    int index = -1;
    if (settings_.codec != cudaVideoCodec_VP9 ||
        !vp9_slots_.shows_again(input.data, input.bytes, &index))
        return false;
    if (index < 0)
        return true; // of which no picture comes
    Shown shown;
    shown.index = index;
    shown.serial = input.serial;
    pending_.push_back(shown);
    saw_picture_ = true;
    return true;
}

// A parser that follows a broken one does not know the parameter sets of before.
inline CUresult NvdecSession::parse(const Input &input, bool with_sets)
{
    CUVIDSOURCEDATAPACKET packet{};
    packet.flags = CUVID_PKT_TIMESTAMP | CUVID_PKT_ENDOFPICTURE;
    packet.payload = input.data;
    packet.payload_size = static_cast<unsigned long>(input.bytes);
    std::vector<unsigned char> joined;
    if (with_sets && input.sets_bytes) {
        joined.assign(input.sets, input.sets + input.sets_bytes);
        joined.insert(joined.end(), input.data, input.data + input.bytes);
        packet.payload = joined.data();
        packet.payload_size = static_cast<unsigned long>(joined.size());
    }
    packet.timestamp = input.serial;
    if (settings_.codec != cudaVideoCodec_VC1)
        return api_.cuvidParseVideoData(parser_, &packet);
    // A packet that ends a picture ends it with its first field: the second one is dropped.
    const unsigned char *const data = packet.payload, *const end = data + packet.payload_size;
    const unsigned char second_field[] = {0, 0, 1, 0x0c};
    const unsigned char *const second =
        std::search(data, end, second_field, second_field + sizeof second_field);
    packet.payload_size = static_cast<unsigned long>(second - data);
    CUresult code = api_.cuvidParseVideoData(parser_, &packet);
    if (code != CUDA_SUCCESS || second == end)
        return code;
    packet.payload = second;
    packet.payload_size = static_cast<unsigned long>(end - second);
    return api_.cuvidParseVideoData(parser_, &packet);
}

// Have the parser show all it holds; the next picture gets a parser that knows nothing.
inline Failure NvdecSession::end_stream()
{
    failure_ = {};
    if (parser_ && !broken_ && !lost_) {
        CUVIDSOURCEDATAPACKET packet{};
        packet.flags = CUVID_PKT_ENDOFSTREAM;
        const CUresult code = api_.cuvidParseVideoData(parser_, &packet);
        if (code != CUDA_SUCCESS && !failure_.code)
            failure_ = failed("cuvidParseVideoData", code);
    }
    if (open_field_ >= 0)
        show_at_decode({});
    close_parser();
    broken_ = false;
    return failure_;
}

inline void NvdecSession::close_parser()
{
    if (parser_ && !context_.driver.forked()) // it is no part of the context
        context_.noted(api_.cuvidDestroyVideoParser(parser_), "cuvidDestroyVideoParser");
    parser_ = nullptr;
    open_field_ = -1;
    vp9_slots_.forget();
    std::memset(shown_at_decode_, 0, sizeof shown_at_decode_);
}

// Pixels

inline void NvdecSession::map_next()
{
    const Shown shown = pending_.front();
    pending_.pop_front();
    lag_ = std::min(lag_ + 1, settings_.lag);
    Event event;
    event.kind = Event::shown;
    event.serial = shown.serial;
    event.sequence = sequence_.number;
    event.progressive = shown.progressive;
    event.top_field_first = shown.top_field_first;
    {
        std::lock_guard<std::mutex> held(lock_);
        ++under_way_;
    }
    if (plan_.kind == Plan::nothing && plan_.sequence == sequence_.number) {
        if (nothing_[shown.index])
            event.status = Event::nothing;
        return emit(event);
    }
    while (mapped_.size() >= settings_.mapped)
        finish_oldest();
    finish_index(shown.index); // AV1 and VP9 show one more than once
    Mapped mapped;
    mapped.index = shown.index;
    if (nothing_[shown.index] || plan_.sequence != sequence_.number || !context_.usable()) {
        if (nothing_[shown.index])
            event.status = Event::nothing;
        else if (plan_.sequence != sequence_.number)
            event.failure = {"plan", no_plan};
        else
            event.failure = last_failure(CUDA_SUCCESS);
        if (mapped_.empty() || mapped_.back().handed_out)
            return emit(event);
        mapped.event = event; // it takes its turn behind those that are mapped
        mapped_.push_back(mapped);
        return;
    }
    CUVIDPROCPARAMS processing{};
    processing.progressive_frame = shown.progressive;
    processing.top_field_first = shown.top_field_first;
    processing.unpaired_field = shown.unpaired;
    processing.output_stream = stream_;
    unsigned pitch = 0;
    const Clock::time_point began = Clock::now();
    event.failure = wait_until_decoded(shown.index);
    CUresult code = event.failure.code;
    if (code == CUDA_SUCCESS) {
        code = api_.cuvidMapVideoFrame(decoder_.decoder, shown.index, &mapped.address, &pitch,
                                       &processing);
        if (code != CUDA_SUCCESS) {
            event.failure = failed("cuvidMapVideoFrame64", code);
            mapped.address = 0;
            decoder_failed_ = true;
        }
    }
    const Clock::time_point decoded = Clock::now();
    event.decoded_ns = nanoseconds_since(began);
    if (mapped.address) {
        event.status = status_of(shown.index);
        event.block = convert(mapped.address, pitch, &code);
        if (!event.block)
            event.failure = last_failure(code);
        mapped.copied = context_.take_event(&code);
        if (mapped.copied)
            code = context_.noted(context_.api.cuEventRecord(mapped.copied, stream_),
                                  "cuEventRecord");
        mapped.recorded = code == CUDA_SUCCESS;
        mapped.event = event;
        if (code != CUDA_SUCCESS) // nothing would tell when the copy is done
            wait_for_copy(&mapped);
        event = mapped.event;
        event.converted_ns = nanoseconds_since(decoded);
    }
    // Device memory is handed out before its copy is done: readers wait on their own streams.
    mapped.handed_out = !plan_.to_host;
    mapped.event = event;
    mapped_.push_back(mapped);
    if (mapped.handed_out)
        emit(event);
}

// Mapping waits for the decoder, but for that of JPEG: its surface may still hold what was in it
// before. [H100]
inline Failure NvdecSession::wait_until_decoded(int index)
{
    constexpr std::chrono::microseconds pause(30);
    const Clock::time_point began = Clock::now();
    while (settings_.codec == cudaVideoCodec_JPEG && context_.usable()) {
        CUVIDGETDECODESTATUS status{};
        const CUresult code = api_.cuvidGetDecodeStatus(decoder_.decoder, index, &status);
        if (code == CUDA_SUCCESS && status.decodeStatus != cuvidDecodeStatus_InProgress)
            break;
        const std::chrono::duration<double> spent = Clock::now() - began;
        if (code != CUDA_SUCCESS || spent.count() > settings_.decoding_seconds) {
            decoder_failed_ = broken_ = true; // the next one gets another decoder
            const char *call = "cuvidGetDecodeStatus";
            return code != CUDA_SUCCESS ? failed(call, code) : Failure{call, never_decoded};
        }
        std::unique_lock<std::mutex> held(lock_);
        if (work_.wait_for(held, pause,
                           [this] { return closing_ || reset_wanted_ != resets_done_; }))
            return {"cuvidGetDecodeStatus", never_decoded}; // nobody takes the picture
    }
    return {};
}

// What became of a picture, as far as it is known: cuvidDecodeStatus_* or -1.
inline int NvdecSession::status_of(int index)
{
    CUVIDGETDECODESTATUS status{};
    const int codec = settings_.codec;
    if (failed_[index])
        return cuvidDecodeStatus_Error;
    if (codec != cudaVideoCodec_H264 && codec != cudaVideoCodec_HEVC &&
        codec != cudaVideoCodec_JPEG)
        return -1;
    const CUresult code = context_.noted(
        api_.cuvidGetDecodeStatus(decoder_.decoder, index, &status), "cuvidGetDecodeStatus");
    return code == CUDA_SUCCESS ? static_cast<int>(status.decodeStatus) : -1;
}

// A new block with what is made of the surface, which is queued; null with a code.
inline Block *NvdecSession::convert(CUdeviceptr address, unsigned pitch, CUresult *code)
{
    const bool by_kernel = plan_.kind == Plan::kernel;
    Pool &pool = plan_.to_host && !by_kernel ? host_pool_ : device_pool_;
    Block *result = pool.take(plan_.bytes, stream_, code);
    if (!result)
        return nullptr;
    if (by_kernel)
        *code = context_.noted(launch(address, pitch, *result), "cuLaunchKernel");
    else
        *code = copy_planes(address, pitch, *result);
    if (by_kernel && plan_.to_host && *code == CUDA_SUCCESS) {
        Block *host = host_pool_.take(plan_.bytes, stream_, code);
        if (host)
            *code = context_.noted(context_.api.cuMemcpyDtoHAsync(host->host, result->device,
                                                                  plan_.bytes, stream_),
                                   "cuMemcpyDtoHAsync");
        // Not `written`: so its next writer waits for all that is queued, this copy too.
        result->release();
        result = host;
    }
    if (result && *code == CUDA_SUCCESS)
        *code = result->written(stream_);
    if (result && *code != CUDA_SUCCESS) {
        result->release();
        result = nullptr;
    }
    return result;
}

inline CUresult NvdecSession::copy_planes(CUdeviceptr address, unsigned pitch, Block &block)
{
    for (unsigned plane = 0; plane < plan_.planes; ++plane) {
        const PlaneCopy &from = plan_.copies[plane];
        CUDA_MEMCPY2D copy{};
        copy.srcMemoryType = CU_MEMORYTYPE_DEVICE;
        copy.srcDevice = address;
        copy.srcPitch = pitch;
        copy.srcXInBytes = from.x_bytes;
        copy.srcY = from.surface_row;
        copy.dstMemoryType = block.host ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE;
        if (block.host)
            copy.dstHost = static_cast<unsigned char *>(block.host) + from.offset;
        else
            copy.dstDevice = block.device + from.offset;
        copy.dstPitch = from.pitch;
        copy.WidthInBytes = from.row_bytes;
        copy.Height = from.rows;
        CUresult code =
            context_.noted(context_.api.cuMemcpy2DAsync(&copy, stream_), "cuMemcpy2DAsync");
        if (code != CUDA_SUCCESS)
            return code;
    }
    return CUDA_SUCCESS;
}

inline CUresult NvdecSession::launch(CUdeviceptr address, unsigned pitch, Block &block)
{
    CUdeviceptr source[3] = {}, target[3] = {};
    for (unsigned plane = 0; plane < plan_.surface_planes; ++plane)
        source[plane] = address + std::uint64_t{plan_.surface_rows[plane]} * pitch;
    for (unsigned plane = 0; plane < plan_.block_planes; ++plane)
        target[plane] = block.device + plan_.block_offsets[plane];
    KernelSettings &settings = plan_.conversion.argument.settings;
    settings.from_pitch[0] = settings.from_pitch[1] = pitch;
    return videohw::convert(context_.api, plan_.conversion, source, target, stream_);
}

// Wait until nothing reads a mapped surface any more. When the driver can tell neither by the event
// nor by the stream, nothing that it did before is known, and the context is given up.
inline void NvdecSession::wait_for_copy(Mapped *mapped)
{
    CUresult code = CUDA_ERROR_NOT_READY;
    if (mapped->copied && mapped->recorded)
        code = context_.noted(context_.api.cuEventSynchronize(mapped->copied),
                              "cuEventSynchronize");
    if (code != CUDA_SUCCESS && context_.usable())
        code = context_.noted(context_.api.cuStreamSynchronize(stream_), "cuStreamSynchronize");
    context_.give_event(mapped->copied);
    mapped->copied = nullptr;
    if (code == CUDA_SUCCESS)
        return;
    context_.lose();
    Event &event = mapped->event;
    if (!event.failure.code)
        event.failure = last_failure(code);
    if (event.block && !mapped->handed_out) {
        event.block->release();
        event.block = nullptr;
    }
}

// Unmap the longest mapped surface when it is copied.
inline void NvdecSession::finish_oldest()
{
    Mapped mapped = mapped_.front();
    mapped_.pop_front();
    if (mapped.copied)
        wait_for_copy(&mapped);
    if (mapped.address && context_.usable() &&
        context_.noted(api_.cuvidUnmapVideoFrame(decoder_.decoder, mapped.address),
                       "cuvidUnmapVideoFrame64") != CUDA_SUCCESS)
        decoder_failed_ = true;
    if (!mapped.handed_out)
        emit(mapped.event);
}

// Unmap what is copied already, so that host pictures do not wait for the next ones.
inline void NvdecSession::finish_done()
{
    while (!mapped_.empty() && (!mapped_.front().copied ||
                                context_.api.cuEventQuery(mapped_.front().copied) !=
                                    CUDA_ERROR_NOT_READY))
        finish_oldest();
}

inline void NvdecSession::finish_all()
{
    while (!mapped_.empty())
        finish_oldest();
}

inline void NvdecSession::map_all()
{
    while (!pending_.empty())
        map_next();
    finish_all();
}

// Before something is decoded into an index: what was shown of it and not copied is copied.
inline void NvdecSession::free_index(int index)
{
    std::size_t wanted = 0;
    for (std::size_t place = 0; place < pending_.size(); ++place)
        if (pending_[place].index == index)
            wanted = place + 1;
    if (wanted) {
        std::lock_guard<std::mutex> held(lock_);
        counters_.early_maps += wanted;
    }
    while (wanted--)
        map_next();
    finish_index(index);
}

// Unmap an index, and what was mapped before it.
inline void NvdecSession::finish_index(int index)
{
    std::size_t wanted = 0;
    for (std::size_t place = 0; place < mapped_.size(); ++place)
        if (mapped_[place].index == index)
            wanted = place + 1;
    while (wanted--)
        finish_oldest();
}

} // namespace videohw

#endif
