#include "nvenc_session.hpp"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <numeric>
#include <utility>

namespace encode {

using namespace nvenc;
using codec::PictureType;
using emulator::misuse;

namespace {

constexpr int spare_outputs = 4;

int profile_of(const Config &config)
{
    static const std::pair<GUID, int> known[] = {
        {NV_ENC_H264_PROFILE_BASELINE_GUID, 66}, {NV_ENC_H264_PROFILE_MAIN_GUID, 77},
        {NV_ENC_H264_PROFILE_HIGH_GUID, 100},    {NV_ENC_H264_PROFILE_HIGH_10_GUID, 110},
        {NV_ENC_H264_PROFILE_HIGH_422_GUID, 122}, {NV_ENC_H264_PROFILE_HIGH_444_GUID, 244}};
    for (auto &[guid, number] : known)
        if (same(guid, config.profile))
            return number;
    return 0;
}

codec::Kind kind_of(Codec codec)
{
    return codec == Codec::av1    ? codec::Kind::av1
           : codec == Codec::hevc ? codec::Kind::hevc
                                  : codec::Kind::h264;
}

bool is_lossless(const Config &config) { return config.tuning == NV_ENC_TUNING_INFO_LOSSLESS; }

// Of what is shown earlier and coded later.
int reordered(const Config &config)
{
    if (config.interval < 2)
        return 0;
    bool middle = config.b_reference == NV_ENC_BFRAME_REF_MODE_MIDDLE && config.interval > 2;
    return middle ? 2 : 1;
}

double pictures_a_second(const Config &config)
{
    return static_cast<double>(config.rate_numerator) / config.rate_denominator;
}

// As a coder wants it that was opened for so many pictures a second.
codec::Rate rate_of(const Config &config, double opened_for)
{
    codec::Rate made;
    double scale = opened_for / pictures_a_second(config);
    auto scaled = [scale](unsigned bits) { return static_cast<long>(bits * scale); };
    made.bits_per_second = scaled(config.average_rate);
    made.buffer_bits = config.buffer_bits;
    made.initial_bits = config.initial_bits;
    for (int i = 0; i < 3; ++i)
        made.qp[i] = config.rate_mode == NV_ENC_PARAMS_RC_CONSTQP ? config.qp[i]
                     : !config.quality                            ? -1
                     : config.codec == Codec::av1                 ? config.quality * 255 / 63
                                                                  : config.quality;
    return made;
}

// What parameter sets say, but for the rate.
std::vector<int> header_key(const codec::EncoderSettings &of)
{
    return {static_cast<int>(of.kind), of.width, of.height, of.depth, static_cast<int>(of.chroma),
            of.aspect_width, of.aspect_height, of.colour.video_format, of.colour.full_range,
            of.colour.primaries, of.colour.transfer, of.colour.matrix, of.profile, of.level,
            of.high_tier, of.cavlc, of.lossless, of.reordered, of.set_ids[0], of.set_ids[1],
            of.set_ids[2]};
}

std::uint64_t first_bytes(const unsigned char *at)
{
    std::uint64_t value;
    std::memcpy(&value, at, sizeof value);
    return value;
}

} // namespace

std::uint64_t checksum_of(const unsigned char *pixels, const Layout &layout)
{
    std::uint64_t sum = 0xcbf29ce484222325ull;
    std::size_t usable = layout.row_bytes() < 8 ? 0 : layout.row_bytes() - 7;
    for (std::size_t row = 0; usable && row < layout.rows(); row += 8)
        sum = (sum ^ first_bytes(pixels + row * layout.pitch + row * 37 % usable)) *
              0x100000001b3ull;
    return sum;
}

Session::Session(emulator::Context *in, void *device, unsigned of)
    : context(in), device_handle(device), version(of)
{
}

Status Session::refuse(Status status, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    last_error = text;
    return status;
}

// Rule (assumed): what the caps say no to is NV_ENC_ERR_UNSUPPORTED_PARAM, what nobody could do is
// NV_ENC_ERR_INVALID_PARAM.
Status Session::refusal(const Config &wanted)
{
    auto cap = [&](unsigned name) { return capability(wanted.codec, name, newer()); };
    if (!wanted.width || !wanted.height || !wanted.rate_numerator || !wanted.rate_denominator)
        return refuse(NV_ENC_ERR_INVALID_PARAM, "no size, or no frame rate");
    if (wanted.chroma == 1 && (wanted.width % 2 || wanted.height % 2)) // Rule (assumed)
        return refuse(NV_ENC_ERR_INVALID_PARAM, "an odd size with 4:2:0");
    unsigned width = std::max(wanted.width, wanted.max_width);
    unsigned height = std::max(wanted.height, wanted.max_height);
    if (static_cast<int>(width) > cap(NV_ENC_CAPS_WIDTH_MAX) ||
        static_cast<int>(height) > cap(NV_ENC_CAPS_HEIGHT_MAX) ||
        static_cast<int>(wanted.width) < cap(NV_ENC_CAPS_WIDTH_MIN) ||
        static_cast<int>(wanted.height) < cap(NV_ENC_CAPS_HEIGHT_MIN))
        return refuse(NV_ENC_ERR_INVALID_PARAM, "%ux%u is not within the caps", width, height);
    if (wanted.max_width && (wanted.width > wanted.max_width || wanted.height > wanted.max_height))
        return refuse(NV_ENC_ERR_INVALID_PARAM, "larger than its maximum");
    if (wanted.async)
        return refuse(NV_ENC_ERR_UNSUPPORTED_PARAM, "asynchronous mode is not of Linux");
    if (!wanted.decides_types)
        return refuse(NV_ENC_ERR_UNIMPLEMENTED, "the emulator decides picture types itself");
    if (wanted.interval < 0 || wanted.b_pictures() > cap(NV_ENC_CAPS_NUM_MAX_BFRAMES))
        return refuse(NV_ENC_ERR_INVALID_PARAM, "frameIntervalP %d", wanted.interval);
    if (wanted.gop == NVENC_INFINITE_GOPLENGTH && wanted.interval > 1) // Rule (header): should be 1
        misuse("B pictures in a group without end");
    if (wanted.gop != NVENC_INFINITE_GOPLENGTH && static_cast<int>(wanted.gop) < wanted.interval)
        return refuse(NV_ENC_ERR_INVALID_PARAM, "a group shorter than frameIntervalP");
    if (wanted.rate_mode > NV_ENC_PARAMS_RC_CBR)
        return refuse(NV_ENC_ERR_INVALID_PARAM, "rate control mode %u", wanted.rate_mode);
    // Rule (header): 31 less the B pictures
    if (wanted.lookahead &&
        (!cap(NV_ENC_CAPS_SUPPORT_LOOKAHEAD) || wanted.depth_ahead() + wanted.b_pictures() > 31))
        return refuse(NV_ENC_ERR_INVALID_PARAM, "lookahead of %d", wanted.depth_ahead());
    for (int qp : wanted.qp)
        if (wanted.rate_mode == NV_ENC_PARAMS_RC_CONSTQP && (qp < 0 || qp > (wanted.codec == Codec::av1 ? 255 : 51)))
            return refuse(NV_ENC_ERR_INVALID_PARAM, "a quantiser of %d", qp);
    if (wanted.quality > (wanted.codec == Codec::av1 ? 63 : 51))
        return refuse(NV_ENC_ERR_INVALID_PARAM, "a quality of %d", wanted.quality);
    if (wanted.rate_mode != NV_ENC_PARAMS_RC_CONSTQP && wanted.peak_rate && wanted.average_rate &&
        wanted.rate_mode == NV_ENC_PARAMS_RC_VBR && wanted.peak_rate < wanted.average_rate)
        return refuse(NV_ENC_ERR_INVALID_PARAM, "a peak below the average"); // Rule (assumed)
    // Rule (header): presets with B pictures do not work with it
    if (wanted.weighted && wanted.b_pictures())
        return refuse(NV_ENC_ERR_INVALID_PARAM, "weighted prediction with B pictures");
    if (wanted.b_reference && (static_cast<int>(wanted.b_reference) > 2 || !wanted.b_pictures()))
        return refuse(NV_ENC_ERR_INVALID_PARAM, "B references without B pictures");
    if ((wanted.chroma == 3 && !cap(NV_ENC_CAPS_SUPPORT_YUV444_ENCODE)) ||
        (wanted.chroma == 2 && cap(NV_ENC_CAPS_SUPPORT_YUV422_ENCODE) < 1) ||
        (wanted.depth == 10 && !cap(NV_ENC_CAPS_SUPPORT_10BIT_ENCODE)))
        return refuse(NV_ENC_ERR_UNSUPPORTED_PARAM, "chroma %u of %u bits", wanted.chroma,
                      wanted.depth);
    if (wanted.chroma < 1 || wanted.chroma > 3 || (wanted.depth != 8 && wanted.depth != 10))
        return refuse(NV_ENC_ERR_INVALID_PARAM, "chroma %u of %u bits", wanted.chroma,
                      wanted.depth);
    int profile = profile_of(wanted);
    bool plain = profile && profile <= 100 && wanted.codec == Codec::h264;
    if ((plain && (wanted.chroma != 1 || wanted.depth != 8)) ||
        (profile == 66 && wanted.b_pictures()))
        return refuse(NV_ENC_ERR_INVALID_PARAM, "not of the profile"); // Rule (assumed)
    if (same(wanted.profile, NV_ENC_HEVC_PROFILE_MAIN_GUID) &&
        (wanted.chroma != 1 || wanted.depth != 8))
        return refuse(NV_ENC_ERR_INVALID_PARAM, "not of the profile");
    return NV_ENC_SUCCESS;
}

codec::EncoderSettings Session::settings_of(const Config &wanted) const
{
    codec::EncoderSettings made;
    made.kind = kind_of(wanted.codec);
    made.width = static_cast<int>(wanted.width);
    made.height = static_cast<int>(wanted.height);
    made.depth = static_cast<int>(wanted.depth);
    made.chroma = static_cast<codec::Chroma>(wanted.chroma);
    made.rate_numerator = static_cast<int>(wanted.rate_numerator);
    made.rate_denominator = static_cast<int>(wanted.rate_denominator);
    // Rule (header): the display's aspect ratio is given, that of a sample follows.
    std::uint64_t across = std::uint64_t{wanted.dar_width} * wanted.height;
    std::uint64_t down = std::uint64_t{wanted.dar_height} * wanted.width;
    if (across && down) {
        std::uint64_t common = std::gcd(across, down);
        made.aspect_width = static_cast<int>(across / common);
        made.aspect_height = static_cast<int>(down / common);
    }
    made.colour = wanted.colour;
    made.rate = rate_of(wanted, pictures_a_second(wanted));
    made.profile = wanted.codec == Codec::h264 ? profile_of(wanted) : 0;
    made.level = static_cast<int>(wanted.level);
    made.high_tier = wanted.tier != 0;
    made.cavlc = wanted.cavlc;
    made.lossless = is_lossless(wanted);
    made.adaptive_quantiser = wanted.adaptive_quantiser;
    made.intra_refresh = wanted.intra_refresh;
    // Rule (assumed): HEVC in one slice, H.264 in a number of them or in one.
    bool sliced = wanted.slice_mode == 3 && wanted.codec == Codec::h264;
    made.slices = sliced ? std::max(1, static_cast<int>(wanted.slice_data)) : 1;
    made.reordered = reordered(wanted);
    for (int i = 0; i < 3; ++i)
        made.set_ids[i] = static_cast<int>(wanted.set_ids[i]);
    return made;
}

std::shared_ptr<Coder> Session::open_coder(const Config &wanted, std::string &reason)
{
    auto made = std::make_shared<Coder>();
    made->raw = device().raw;
    made->pictures_a_second = pictures_a_second(wanted);
    codec::EncoderSettings settings = settings_of(wanted);
    emulator::Unlocked unlocked;
    made->encoder = codec::Encoder::open(settings, reason);
    return made->encoder ? made : nullptr;
}

Status Session::initialise(const Config &wanted)
{
    if (initialised)
        return refuse(NV_ENC_ERR_INVALID_CALL, "initialised already");
    if (Status refused = refusal(wanted))
        return refused;
    std::string reason;
    coder = open_coder(wanted, reason);
    if (!coder)
        return refuse(NV_ENC_ERR_UNSUPPORTED_PARAM, "%s", reason.c_str());
    config = wanted;
    engine = emulator::internal_stream(context);
    bool by_seed = emulator::laziness() == emulator::Laziness::seeded;
    const std::string &how = device().lookahead;
    lags = how == "lag" ||
           ((how == "seed" || (how.empty() && by_seed)) && emulator::chance(2));
    defers = device().defers < 0 ? by_seed : device().defers > 0;
    initialised = true;
    thread_that_encodes = std::this_thread::get_id();
    return NV_ENC_SUCCESS;
}

// Rule (header): neither the structure of groups nor the mode, the maximum or who decides types; a
// size only within the maximum that it was made with.
Status Session::reconfigure(const Config &wanted, bool reset, bool force_idr)
{
    const Config &was = config;
    if (Status refused = refusal(wanted))
        return refused;
    if (wanted.codec != was.codec)
        return refuse(NV_ENC_ERR_INVALID_PARAM, "another codec");
    if (wanted.gop != was.gop || wanted.interval != was.interval ||
        wanted.idr_period != was.idr_period || wanted.b_reference != was.b_reference)
        return refuse(NV_ENC_ERR_INVALID_PARAM, "another structure of groups");
    if (wanted.async != was.async || wanted.decides_types != was.decides_types)
        return refuse(NV_ENC_ERR_INVALID_PARAM, "another mode");
    if (wanted.max_width != was.max_width || wanted.max_height != was.max_height)
        return refuse(NV_ENC_ERR_INVALID_PARAM, "another maximum of the size");
    if (wanted.depth != was.depth || wanted.chroma != was.chroma ||
        wanted.depth_ahead() != was.depth_ahead()) // Rule (assumed)
        return refuse(NV_ENC_ERR_INVALID_PARAM, "another format, or lookahead");
    if (wanted.rate_mode != was.rate_mode &&
        !capability(was.codec, NV_ENC_CAPS_SUPPORT_DYN_RCMODE_CHANGE, newer()))
        return refuse(NV_ENC_ERR_UNSUPPORTED_PARAM, "another mode of rate control");
    bool resized = wanted.width != was.width || wanted.height != was.height;
    if (resized && !was.max_width)
        return refuse(NV_ENC_ERR_INVALID_PARAM, "another size, with no maximum given at first");
    // Rule (assumed): another size begins a sequence; Rule (header): a reset goes with an IDR.
    if (resized && !(reset && force_idr)) {
        misuse("nvEncReconfigureEncoder to another size without a reset and an IDR");
        return refuse(NV_ENC_ERR_INVALID_PARAM, "another size without a reset and an IDR");
    }
    bool headers = header_key(settings_of(wanted)) != header_key(settings_of(was));
    if (headers && !(reset || force_idr)) // Rule (assumed): they are in parameter sets
        return refuse(NV_ENC_ERR_INVALID_PARAM, "what parameter sets say, without an IDR");
    if (headers || reset) {
        // Rule (assumed): what is in the encoder is coded as it was meant; the rest begins anew.
        drain_window(0);
        close_group(false);
        std::string reason;
        std::shared_ptr<Coder> fresh = open_coder(wanted, reason);
        if (!fresh)
            return refuse(NV_ENC_ERR_UNSUPPORTED_PARAM, "%s", reason.c_str());
        coder = fresh;
        changed_rate = nullptr;
    } else
        changed_rate = std::make_shared<codec::Rate>(rate_of(wanted, coder->pictures_a_second));
    config = wanted;
    if (reset || force_idr) // Rule (header)
        next_is_idr = sets_are_due = true;
    return NV_ENC_SUCCESS;
}

Status Session::sets(Bytes &made)
{
    if (std::this_thread::get_id() != thread_that_encodes) // Rule (header)
        misuse("nvEncGetSequenceParams from another thread than the one that encodes");
    made = coder->encoder->headers();
    return NV_ENC_SUCCESS;
}

Status Session::sets_of(const Config &wanted, Bytes &made)
{
    if (Status refused = refusal(wanted))
        return refused;
    std::string reason;
    std::shared_ptr<Coder> opened = open_coder(wanted, reason);
    if (!opened)
        return refuse(NV_ENC_ERR_UNSUPPORTED_PARAM, "%s", reason.c_str());
    made = opened->encoder->headers();
    return NV_ENC_SUCCESS;
}

// Outputs -------------------------------------------------------------------------------------

Status Session::create_output(void *&handle)
{
    auto made = std::make_shared<Output>();
    handle = made.get();
    outputs[handle] = made;
    emulator::opened("bitstream buffer", handle);
    return NV_ENC_SUCCESS;
}

Status Session::destroy_output(const void *handle)
{
    auto found = outputs.find(handle);
    if (found == outputs.end()) {
        misuse("nvEncDestroyBitstreamBuffer of a buffer that is not open");
        return refuse(NV_ENC_ERR_INVALID_PARAM, "no such bitstream buffer");
    }
    if (found->second->locked)
        misuse("nvEncDestroyBitstreamBuffer of a buffer that is locked");
    if (found->second->locked)
        emulator::given_back("locked bitstream", handle);
    outputs.erase(found);
    emulator::given_back("bitstream buffer", handle);
    return NV_ENC_SUCCESS;
}

Status Session::lock_output(const void *handle, bool do_not_wait, std::shared_ptr<Output> &found)
{
    auto at = outputs.find(handle);
    if (at == outputs.end()) {
        misuse("nvEncLockBitstream of a buffer that is not open");
        return refuse(NV_ENC_ERR_INVALID_PARAM, "no such bitstream buffer");
    }
    found = at->second;
    if (found->locked) {
        misuse("nvEncLockBitstream of a buffer that is locked");
        return refuse(NV_ENC_ERR_INVALID_PARAM, "locked already");
    }
    if (!found->submitted) {
        misuse("nvEncLockBitstream of a buffer that was not given to nvEncEncodePicture");
        return refuse(NV_ENC_ERR_INVALID_PARAM, "nothing is in this buffer");
    }
    // Rule (header): not after NV_ENC_ERR_NEED_MORE_INPUT, before another picture gave success.
    if (!found->assigned && !lags) {
        misuse("nvEncLockBitstream after NV_ENC_ERR_NEED_MORE_INPUT");
        return refuse(NV_ENC_ERR_INVALID_PARAM, "more input is needed");
    }
    if (!found->assigned && std::this_thread::get_id() == thread_that_encodes) {
        misuse("nvEncLockBitstream waits for input that its own thread would have to bring");
        return refuse(NV_ENC_ERR_INVALID_PARAM, "more input is needed");
    }
    if (submitted.front() != found) // Rule (header)
        misuse("nvEncLockBitstream in another order than that of nvEncEncodePicture");
    // Rule (header): without waiting it is busy until it is done, which it is asked about sometimes.
    auto now = std::chrono::steady_clock::now();
    if (do_not_wait && (!found->ready || found->done_at > now)) {
        if (found->done_at > now)
            return NV_ENC_ERR_LOCK_BUSY;
        bool goes_on = emulator::laziness() == emulator::Laziness::early || ++found->polled > 2;
        if (!found->assigned || !goes_on)
            return NV_ENC_ERR_LOCK_BUSY;
    }
    std::shared_ptr<Session> alive = shared_from_this();
    while (!found->assigned && !lost) {
        emulator::Unlocked unlocked;
        std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    if (found->assigned)
        emulator::wait_until(found->mark);
    wait_for_engine(*found);
    if (emulator::work_answer() || lost)
        return refuse(NV_ENC_ERR_DEVICE_NOT_EXIST, "the device is gone");
    if (!found->ready || found->data.empty())
        return refuse(NV_ENC_ERR_GENERIC, "the picture could not be coded");
    found->locked = true;
    locked_serial = std::max(locked_serial, found->serial);
    submitted.erase(std::remove(submitted.begin(), submitted.end(), found), submitted.end());
    emulator::opened("locked bitstream", handle);
    return NV_ENC_SUCCESS;
}

void Session::wait_for_engine(const Output &output)
{
    auto done_at = output.done_at;
    if (done_at <= std::chrono::steady_clock::now())
        return;
    emulator::Unlocked unlocked;
    std::this_thread::sleep_until(done_at);
}

Status Session::unlock_output(const void *handle)
{
    auto at = outputs.find(handle);
    if (at == outputs.end() || !at->second->locked) {
        misuse("nvEncUnlockBitstream of a buffer that is not locked");
        return refuse(NV_ENC_ERR_INVALID_PARAM, "not locked");
    }
    Output &output = *at->second;
    std::fill(output.data.begin(), output.data.end(), emulator::poison);
    Bytes().swap(output.data);
    output.locked = output.submitted = output.assigned = output.ready = false;
    output.picture.reset();
    emulator::given_back("locked bitstream", handle);
    return NV_ENC_SUCCESS;
}

// Pictures ------------------------------------------------------------------------------------

Status Session::encode(std::shared_ptr<Picture> picture, const void *input, void *output,
                       unsigned format, unsigned width, unsigned height)
{
    auto at = outputs.find(output);
    if (at == outputs.end()) {
        misuse("nvEncEncodePicture into a bitstream buffer that is not open");
        return refuse(NV_ENC_ERR_INVALID_PARAM, "no such bitstream buffer");
    }
    std::shared_ptr<Output> into = at->second;
    if (into->locked || into->submitted) { // Rule (header)
        misuse("nvEncEncodePicture into a bitstream buffer that is %s",
               into->locked ? "locked" : "in use: more pictures than buffers");
        return refuse(NV_ENC_ERR_INVALID_PARAM, "the bitstream buffer is in use");
    }
    picture->source = source_of(input);
    if (!picture->source) {
        misuse("nvEncEncodePicture of an input that is neither a buffer nor mapped");
        return refuse(NV_ENC_ERR_INVALID_PARAM, "no such input");
    }
    Source &source = *picture->source;
    if (source.locked) { // Rule (header)
        misuse("nvEncEncodePicture of an input buffer that is locked");
        return refuse(NV_ENC_ERR_INVALID_PARAM, "the input buffer is locked");
    }
    if (format != source.layout.format) {
        misuse("nvEncEncodePicture with another format than its input has");
        return refuse(NV_ENC_ERR_INVALID_PARAM, "another format than the input's");
    }
    if (width != config.width || height != config.height || source.layout.width < width ||
        source.layout.height < height) {
        misuse("nvEncEncodePicture of %ux%u, where %ux%u is coded", width, height, config.width,
               config.height);
        return refuse(NV_ENC_ERR_INVALID_PARAM, "another size than the encoder's");
    }
    // Rule (header): at least four more than B pictures
    if (static_cast<int>(outputs.size()) < config.b_pictures() + spare_outputs)
        misuse("nvEncEncodePicture with %zu bitstream buffers and %d B pictures", outputs.size(),
               config.b_pictures());
    thread_that_encodes = std::this_thread::get_id();
    flush_tried = false;
    if (picture->order.refresh && config.b_pictures()) // Rule (header)
        misuse("an intra refresh is forced where there are B pictures");
    into->submitted = true;
    into->polled = 0;
    into->serial = source.waits_for = ++serial;
    submitted.push_back(into);
    unassigned.push_back(into);
    enqueue_copy(picture);
    std::size_t before = unassigned.size();
    window.push_back(picture);
    std::size_t ahead = static_cast<std::size_t>(config.depth_ahead());
    if (lags)
        drain_window(ahead);
    else if (window.size() > ahead || !group.empty())
        drain_window(0); // Rule (assumed): what it looked at is coded in one go
    if (unassigned.empty() || (lags && unassigned.size() < before))
        return NV_ENC_SUCCESS;
    return NV_ENC_ERR_NEED_MORE_INPUT;
}

Status Session::end_of_stream()
{
    flush_tried = true;
    drain_window(0);
    close_group(false);
    for (auto &each : std::exchange(deferred, {}))
        code(each);
    // Rule (assumed): what comes after begins a sequence; a setting has it that it must be asked to.
    next_is_idr = next_is_idr || device().end_is_idr;
    return NV_ENC_SUCCESS;
}

void Session::drain_window(std::size_t leave)
{
    while (window.size() > leave) {
        std::shared_ptr<Picture> next = window.front();
        window.pop_front();
        decide(next);
    }
}

void Session::decide(const std::shared_ptr<Picture> &picture)
{
    auto comes = [](unsigned since, unsigned period) {
        return period && period != NVENC_INFINITE_GOPLENGTH && since >= period;
    };
    codec::Order &order = picture->order;
    bool idr = std::exchange(next_is_idr, false) || picture->flags & NV_ENC_PIC_FLAG_FORCEIDR ||
               comes(since_idr, config.idr_period);
    bool intra = std::exchange(next_is_intra, false) || config.interval == 0 ||
                 picture->flags & NV_ENC_PIC_FLAG_FORCEINTRA || comes(since_intra, config.gop);
    if (idr) {
        close_group(false);
        since_idr = since_intra = since_refresh = 0;
        order.type = PictureType::idr;
    } else
        order.type = intra ? PictureType::i : PictureType::b;
    if (intra)
        since_intra = 0;
    order.number = static_cast<int>(since_idr);
    ++since_idr;
    ++since_intra;
    if (config.intra_refresh && config.refresh_period && ++since_refresh >= config.refresh_period)
        order.refresh = true;
    if (order.refresh)
        begin_refresh(*picture);
    group.push_back(picture);
    if (idr || intra || static_cast<int>(group.size()) >= std::max(1, config.interval))
        close_group(true);
}

// Rule (assumed): H.264 is refreshed column by column, one a picture, however many pictures were
// asked for; HEVC all at once, by a picture of intra blocks that says it is a P picture.
void Session::begin_refresh(Picture &picture)
{
    since_refresh = 0;
    unsigned count = picture.refresh_count ? picture.refresh_count : config.refresh_count;
    if (config.codec == Codec::h264)
        count = std::max(count, (config.width + 15) / 16);
    if (config.says_recovery)
        picture.messages.push_back(
            codec::recovery_point(settings_of(config).kind, static_cast<int>(count)));
}

// The last is coded first; of the others the one in the middle, if others refer to it.
void Session::close_group(bool may_defer)
{
    std::vector<std::shared_ptr<Picture>> closed = std::exchange(group, {});
    if (!closed.empty()) {
        std::shared_ptr<Picture> anchor = closed.back();
        closed.pop_back();
        if (anchor->order.type == PictureType::b)
            anchor->order.type = PictureType::p;
        if (config.b_reference == NV_ENC_BFRAME_REF_MODE_MIDDLE && closed.size() > 1)
            std::rotate(closed.begin(), closed.begin() + static_cast<long>(closed.size() / 2),
                        closed.begin() + static_cast<long>(closed.size() / 2) + 1);
        deferred.push_back(anchor);
        deferred.insert(deferred.end(), closed.begin(), closed.end());
    }
    // Rule (assumed): success may come later than it could, as long as there are buffers.
    bool may = may_defer && defers && !has_deferred && config.b_pictures() && !config.lookahead;
    if (may && deferred.size() == 1 && emulator::chance(2)) {
        has_deferred = true;
        return;
    }
    has_deferred = false;
    for (auto &each : std::exchange(deferred, {}))
        code(each);
}

void Session::enqueue_copy(const std::shared_ptr<Picture> &picture)
{
    // Rule (header): on the stream that was set, else on the default one.
    emulator::StreamPointer before = input_stream ? input_stream : default_stream();
    emulator::enqueue_wait(engine, emulator::mark_of(before));
    bool raw = coder->raw;
    unsigned chroma = config.chroma, depth = config.depth;
    Layout coded = picture->source->layout;
    unsigned width = config.width, height = config.height;
    emulator::enqueue(engine, [picture, raw, chroma, depth, coded, width, height] {
        const Source &source = *picture->source;
        std::size_t bytes = coded.pitch * (coded.rows() - 1) + coded.row_bytes();
        const void *memory = source.is_buffer ? source.room : emulator::reachable(source.address,
                                                                                  bytes);
        if (!memory) {
            misuse("the memory of a picture was freed before it was coded");
            return;
        }
        auto *pixels = static_cast<const unsigned char *>(memory);
        if (raw) {
            picture->checksum = checksum_of(pixels, coded);
            return;
        }
        codec::Picture made = planes_of(pixels, coded, chroma, depth);
        made.width = static_cast<int>(width);
        made.height = static_cast<int>(height);
        picture->pixels = std::make_shared<codec::Picture>(std::move(made));
    });
}

namespace {

// A unit of the right kind that no decoder decodes.
Bytes raw_slice(const Config &config, const Picture &picture, std::uint64_t serial)
{
    bool idr = picture.order.type == PictureType::idr;
    Bytes payload = {static_cast<unsigned char>(idr ? 0x65 : 0x41)};
    if (config.codec == Codec::hevc)
        payload = {static_cast<unsigned char>((idr ? 19 : 1) << 1), 1};
    if (config.codec == Codec::av1) // a tile list, which decoders of streams leave out
        payload = {8 << 3 | 2, 17};
    for (std::uint64_t value : {serial, picture.checksum})
        for (int shift = 56; shift >= 0; shift -= 8)
            payload.push_back(static_cast<unsigned char>(value >> shift));
    payload.push_back(0x80);
    if (config.codec == Codec::av1)
        return payload;
    Bytes made = {0, 0, 0, 1};
    int zeros = 0;
    for (unsigned char byte : payload) {
        if (zeros >= 2 && byte <= 3) {
            made.push_back(3);
            zeros = 0;
        }
        zeros = byte ? 0 : zeros + 1;
        made.push_back(byte);
    }
    return made;
}

} // namespace

void Session::code(const std::shared_ptr<Picture> &picture)
{
    std::shared_ptr<Output> into = unassigned.front();
    unassigned.pop_front();
    into->picture = picture;
    into->coded_index = coded++;
    bool idr = picture->order.type == PictureType::idr;
    bool sets = !config.no_sets && ((idr && (config.repeats_sets || sets_are_due)) ||
                                    picture->flags & NV_ENC_PIC_FLAG_OUTPUT_SPSPPS);
    if (idr)
        sets_are_due = false;
    bool delimiter = config.delimiters || config.codec == Codec::av1;
    auto changed = std::exchange(changed_rate, nullptr);
    auto work = [into, picture, sets, delimiter, changed, coder = coder,
                 settings = settings_of(config), config = config] {
        codec::Coded made;
        bool done = true;
        if (coder->raw)
            made.data = raw_slice(config, *picture, into->coded_index);
        else if (!picture->pixels)
            done = false;
        else {
            emulator::Unlocked unlocked;
            done = (!changed || coder->encoder->change(*changed)) &&
                   coder->encoder->encode(*picture->pixels, picture->order, made);
        }
        picture->pixels.reset();
        if (!done)
            return;
        auto add = [&into](const Bytes &data) {
            into->data.insert(into->data.end(), data.begin(), data.end());
        };
        if (delimiter)
            add(codec::delimiter_unit(settings.kind, picture->order.type));
        if (sets)
            add(coder->encoder->headers());
        add(codec::message_unit(settings.kind, picture->messages));
        add(made.data);
        into->qp = made.qp;
        into->slices = static_cast<unsigned>(settings.slices);
        into->ready = true;
    };
    emulator::enqueue(engine, work);
    into->mark = emulator::mark_of(engine);
    into->assigned = true; // at last: the lock is given up while it is coded
    static std::chrono::steady_clock::time_point engine_is_free;
    if (long taken = device().picture_us) {
        auto begins = std::max(std::chrono::steady_clock::now(), engine_is_free);
        into->done_at = engine_is_free = begins + std::chrono::microseconds(taken);
    }
}

void Session::close()
{
    bool was_lost = lost || troubled || emulator::work_answer();
    if (engine)
        emulator::finish(engine);
    lost = true;
    if (!flush_tried && !was_lost) // Rule (header)
        misuse("nvEncDestroyEncoder of a session that was not flushed");
    auto left = [was_lost](const char *kind, const void *handle) {
        if (emulator::given_back(kind, handle) && !was_lost)
            misuse("nvEncDestroyEncoder with a %s that was not given back", kind);
    };
    for (auto &each : outputs) {
        left("locked bitstream", each.first);
        left("bitstream buffer", each.first);
    }
    for (auto &each : mapped)
        left("mapped resource", each.first);
    for (auto &each : resources)
        left("registered resource", each.first);
    for (auto &each : buffers) {
        left("locked input buffer", each.first);
        left("encoder input buffer", each.first);
    }
}

} // namespace encode
