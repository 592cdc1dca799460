#include "cuvid_parser.hpp"

#include "cuvid_bits.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace cuvid {
namespace {

// Rule (header): ulClockRate 0 means 10 MHz.
constexpr long long standard_clock = 10000000;
// Rule (assumed): (sample) so many timestamps are kept for pictures to come.
constexpr std::size_t most_times = 16;

constexpr unsigned magic = 0x76684a42;

struct Token {
    unsigned magic;
    unsigned reserved;
    unsigned long long number;
};

std::map<unsigned long long, std::shared_ptr<const Job>> &jobs()
{
    static auto *kept = new std::map<unsigned long long, std::shared_ptr<const Job>>;
    return *kept;
}

thread_local int sequence_callbacks = 0;

unsigned char *token_place(CUVIDPICPARAMS &picture)
{
    return picture.CodecSpecific + sizeof picture.CodecSpecific - sizeof(Token);
}

} // namespace

std::shared_ptr<const Job> job_of(const CUVIDPICPARAMS &picture)
{
    Token token;
    std::memcpy(&token, token_place(const_cast<CUVIDPICPARAMS &>(picture)), sizeof token);
    auto found = token.magic == magic ? jobs().find(token.number) : jobs().end();
    return found == jobs().end() ? nullptr : found->second;
}

bool in_sequence_callback() { return sequence_callbacks > 0; }

Parser::Parser(const CUVIDPARSERPARAMS &parameters) : asked(parameters)
{
    static unsigned long long parsers = 0;
    number = ++parsers;
    displays->asked_for = asked.pfnDisplayPicture != nullptr;
    surfaces = std::min<int>(asked.ulMaxNumDecodeSurfaces, static_cast<int>(indices.size()));
    // CUVIDEOFORMATEX: the format, then its sequence header.
    if (asked.pExtVideoInfo) {
        auto *format = static_cast<const CUVIDEOFORMAT *>(asked.pExtVideoInfo);
        auto *raw = reinterpret_cast<const unsigned char *>(format + 1);
        sequence_header.assign(raw, raw + std::min(format->seqhdr_data_length, 1024u));
    }
}

Parser::~Parser() = default;

Parser *Parser::create(const CUVIDPARSERPARAMS &parameters)
{
    switch (parameters.CodecType) {
    case cudaVideoCodec_H264: return new_h264_parser(parameters);
    case cudaVideoCodec_HEVC: return new_hevc_parser(parameters);
    case cudaVideoCodec_MPEG1:
    case cudaVideoCodec_MPEG2:
    case cudaVideoCodec_MPEG4:
    case cudaVideoCodec_VC1: return new_mpeg_parser(parameters);
    case cudaVideoCodec_JPEG:
    case cudaVideoCodec_VP8:
    case cudaVideoCodec_VP9:
    case cudaVideoCodec_AV1: return new_frame_parser(parameters);
    default: return nullptr;
    }
}

// Bytes and units -----------------------------------------------------------------------------

void Parser::parse(const CUVIDSOURCEDATAPACKET &packet)
{
    pictures_in_packet = 0;
    if (packet.flags & CUVID_PKT_DISCONTINUITY) {
        if (start_codes) {
            last_unit();
            end_picture();
        }
        times.clear();
        discontinuity = true;
    }
    if (packet.flags & CUVID_PKT_TIMESTAMP) {
        any_time = true;
        times.push_back({packet.timestamp, position, discontinuity});
        discontinuity = false;
        if (times.size() > most_times)
            times.pop_front();
    }
    bool one_picture = packet.flags & CUVID_PKT_ENDOFPICTURE;
    bool last = packet.flags & CUVID_PKT_ENDOFSTREAM;
    if (!start_codes) {
        if (packet.payload_size && packet.payload) {
            picture_position = position;
            position += static_cast<long long>(packet.payload_size);
            packet_without_start_codes(Bytes(packet.payload, packet.payload + packet.payload_size));
        }
    } else {
        if (packet.payload)
            bytes(packet.payload, packet.payload_size, one_picture);
        if (one_picture || last) {
            last_unit();
            // Rule (trace): such a packet holds one picture, or one field of it; what follows in
            // it is not decoded.
            if (!one_picture || pictures_in_packet < 1)
                end_picture();
            pending.clear();
            offsets.clear();
        }
    }
    if (last) {
        end_stream();
        // Rule (trace): the notice comes also when nothing was decoded.
        if (packet.flags & CUVID_PKT_NOTIFY_EOS && asked.pfnDisplayPicture) {
            emulator::Unlocked unlocked;
            asked.pfnDisplayPicture(asked.pUserData, nullptr);
        }
    }
}

void Parser::bytes(const unsigned char *data, std::size_t count, bool one_picture)
{
    if (count && start_code_waits)
        start_code();
    for (std::size_t at = 0; at < count; ++at) {
        recent = (recent << 8 | data[at]) & 0xffffff;
        current.push_back(data[at]);
        ++position;
        if (started && !offsets.empty() &&
            current.size() == static_cast<std::size_t>(boundary_bytes) &&
            starts_picture(current.data(), current.size())) {
            if (!one_picture || pictures_in_packet < 1) {
                end_picture();
                ++pictures_in_packet;
            }
            pending.clear();
            offsets.clear();
        }
        if (recent == 1) {
            start_code_waits = true;
            // Rule (trace): one at the very end of a packet is seen with the next packet.
            if (at + 1 < count)
                start_code();
        }
    }
}

void Parser::start_code()
{
    start_code_waits = false;
    current.resize(current.size() - 3);
    position -= 3;
    unit_ended();
    position += 3;
    current.assign({0, 0, 1});
    recent = ~0u;
    started = true;
}

// The last unit is all there, for there is no more to come.
void Parser::last_unit()
{
    if (start_code_waits)
        start_code();
    unit_ended();
    current.clear();
    recent = ~0u;
    started = false;
}

// Rule (trace): a unit ends where the next start code is known, and its picture where the first
// bytes of the next unit are, or with the packet.
void Parser::unit_ended()
{
    if (!started || current.size() <= 3)
        return;
    if (!offsets.empty() && starts_picture(current.data(), current.size())) {
        end_picture();
        pending.clear();
        offsets.clear();
    }
    if (unit(current.data(), current.size())) {
        if (offsets.empty())
            picture_position = position - static_cast<long long>(current.size());
        offsets.push_back(static_cast<unsigned>(pending.size()));
        pending.insert(pending.end(), current.begin(), current.end());
    }
    current.clear();
}

void Parser::end_picture()
{
    if (offsets.empty())
        return;
    Coded coded;
    if (picture(coded)) {
        decode(coded);
        hand_out_messages(coded.index);
        picture_decoded();
        after_decoding();
    }
    pending.clear();
    offsets.clear();
}

void Parser::whole_picture(const Bytes &data)
{
    pending = data;
    offsets.assign(1, 0);
    end_picture();
}

// Sequences -----------------------------------------------------------------------------------

int Parser::begin_sequence(const CUVIDEOFORMAT &format)
{
    if (std::memcmp(&format, &sequence, sizeof format) == 0)
        return refused ? 0 : surfaces;
    // Rule (trace): what was decoded before is displayed before the callback.
    display_all_ready();
    sequence = format;
    CUVIDEOFORMAT given = format;
    int answer = 1;
    if (asked.pfnSequenceCallback) {
        emulator::Unlocked unlocked;
        ++sequence_callbacks;
        answer = asked.pfnSequenceCallback(asked.pUserData, &given);
        --sequence_callbacks;
    }
    refused = answer <= 0;
    if (refused)
        return 0;
    // Rule (header): 1 keeps the number of surfaces, more sets it.
    if (answer > 1)
        surfaces = std::min<int>(answer, static_cast<int>(indices.size()));
    long long rate = asked.ulClockRate ? asked.ulClockRate : standard_clock;
    if (format.frame_rate.numerator && format.frame_rate.denominator)
        frame_duration = rate * format.frame_rate.denominator / format.frame_rate.numerator;
    else if (frame_duration <= 0)
        frame_duration = rate / 30; // Rule (assumed): (sample) 30 a second where it is not said
    return surfaces;
}

void Parser::forget_sequence() { sequence = CUVIDEOFORMAT{}; }

// Indices -------------------------------------------------------------------------------------

// Rule (trace): of the free ones that whose picture was displayed longest ago, then the lowest.
int Parser::take_index()
{
    for (;;) {
        int best = -1;
        for (int at = 0; at < surfaces; ++at)
            if (!indices[at].held &&
                (best < 0 || indices[at].displayed_at < indices[best].displayed_at))
                best = at;
        if (best >= 0) {
            hold(best);
            indices[best].shown = Shown();
            return best;
        }
        // Rule (assumed): pictures that wait for the display delay make room.
        if (ready.empty())
            return -1;
        show_first();
    }
}

void Parser::hold(int index)
{
    if (index >= 0)
        ++indices[index].held;
}

void Parser::let_go(int index)
{
    if (index >= 0)
        --indices[index].held;
}

// Decoding ------------------------------------------------------------------------------------

void Parser::take_time(Shown &shown)
{
    // Rule (trace): the last timestamp given at or before the first slice; earlier ones are gone.
    const long long tolerance = start_codes ? 3 : 0;
    while (!times.empty() && times.front().position - picture_position <= tolerance) {
        shown.has_time = true;
        shown.time = times.front().value;
        shown.checked = !times.front().discontinuity;
        times.pop_front();
    }
}

void Parser::decode(Coded &coded)
{
    if (coded.index < 0)
        return; // Rule (assumed): (sample) without a free surface a picture is not decoded
    Shown &shown = indices[coded.index].shown;
    if (!coded.second || !shown.in_use) {
        shown = Shown();
        shown.in_use = true;
        shown.serial = ++serial;
        shown.number = decoded;
    }
    ++decoded; // Rule (trace): each field counts for the display delay.
    shown.skipped = false;
    shown.order = coded.order;
    shown.fields = coded.field && !coded.second ? 1 : 2 + std::max(coded.repeat, 0);
    // Rule (trace): in VP8 and VP9 each picture has that of its packet, also a hidden one, so that
    // those after it get the smallest that is left.
    if ((!coded.hidden || times_hidden) && (!coded.second || !shown.has_time))
        take_time(shown);
    shown.info.picture_index = coded.index;
    if (!coded.second) {
        shown.info.progressive_frame = coded.progressive;
        shown.info.top_field_first = coded.top_first;
    }
    // Rule (header): -1 is a field without its pair.
    shown.info.repeat_first_field = coded.field && !coded.second ? -1 : coded.repeat;

    auto job = std::make_shared<Job>();
    job->serial = shown.serial;
    job->kind = kind();
    job->sets = std::move(coded.sets);
    job->vp8 = coded.vp8;
    job->extradata = std::move(coded.extradata);
    job->data = std::move(coded.before);
    const Bytes &rest = coded.data.empty() ? pending : coded.data;
    job->data.insert(job->data.end(), rest.begin(), rest.end());
    job->first_field = coded.field && !coded.second;
    job->second_field = coded.second;
    job->bottom = coded.bottom;
    job->lacks = coded.lost_percent > 0;
    job->parser = number;
    job->displays = displays;
    static unsigned long long numbers = 0;
    Token token = {magic, 0, ++numbers};

    // On the heap: what a client reads of it after the callback is caught by a sanitizer.
    auto given = std::make_unique<CUVIDPICPARAMS>();
    std::memset(given.get(), 0, sizeof *given);
    given->PicWidthInMbs = coded.width_in_mbs;
    given->FrameHeightInMbs = coded.height_in_mbs;
    given->CurrPicIdx = coded.index;
    given->field_pic_flag = coded.field;
    given->bottom_field_flag = coded.bottom;
    given->second_field = coded.second;
    given->nBitstreamDataLen = static_cast<unsigned>(pending.size());
    given->pBitstreamData = pending.data();
    given->nNumSlices = static_cast<unsigned>(offsets.size());
    given->pSliceDataOffsets = offsets.data();
    given->ref_pic_flag = coded.reference;
    given->intra_pic_flag = coded.intra;
    if (coded.clean >= 0) {
        CUVIDAV1PICPARAMS av1{};
        av1.decodePicIdx = shown.clean = coded.clean;
        av1.grain_flags = coded.clean != coded.index;
        std::memcpy(given->CodecSpecific, &av1, sizeof av1);
    }
    std::memcpy(token_place(*given), &token, sizeof token);
    int answer = 1;
    // Rule (header): a picture of which more is lost than that is not decoded. Rule (assumed): what
    // counts is what precedes the first slice; of HEVC nothing is known.
    if (coded.lost_percent > asked.ulErrorThreshold)
        answer = 0;
    else if (asked.pfnDecodePicture) {
        jobs()[token.number] = job;
        {
            emulator::Unlocked unlocked;
            answer = asked.pfnDecodePicture(asked.pUserData, given.get());
        }
        jobs().erase(token.number);
    }
    // Rule (trace): what the client did not decode is not displayed, and the parser goes on.
    shown.skipped = answer == 0;
}

// Messages ------------------------------------------------------------------------------------

void Parser::keep_messages(const unsigned char *data, std::size_t bytes)
{
    if (!asked.pfnGetSEIMsg)
        return;
    Bits bits(data, bytes, true);
    while (bits.left() >= 24) {
        unsigned type = 0, size = 0, byte;
        do
            type += byte = bits.u(8);
        while (byte == 255 && !bits.over());
        do
            size += byte = bits.u(8);
        while (byte == 255 && !bits.over());
        if (bits.left() < 8l * size)
            return;
        Bytes payload;
        for (unsigned at = 0; at < size; ++at)
            payload.push_back(static_cast<unsigned char>(bits.u(8)));
        messages.emplace_back(static_cast<unsigned char>(type), std::move(payload));
    }
}

// Rule (assumed): once for each picture that has messages, behind its decode callback.
void Parser::hand_out_messages(int index)
{
    struct Message {
        unsigned char type, reserved[3];
        unsigned size;
    };
    struct Messages {
        void *data;
        Message *each;
        unsigned count, picture;
    };
    if (messages.empty() || !asked.pfnGetSEIMsg)
        return;
    Bytes data;
    std::vector<Message> each;
    for (auto &[type, payload] : messages) {
        each.push_back({type, {}, static_cast<unsigned>(payload.size())});
        data.insert(data.end(), payload.begin(), payload.end());
    }
    messages.clear();
    Messages given = {data.data(), each.data(), static_cast<unsigned>(each.size()),
                      static_cast<unsigned>(index)};
    emulator::Unlocked unlocked;
    reinterpret_cast<int (*)(void *, Messages *)>(asked.pfnGetSEIMsg)(asked.pUserData, &given);
}

// Displaying ----------------------------------------------------------------------------------

long long Parser::time_of(Shown &shown)
{
    if (!shown.has_time) {
        // Rule (trace): VP8 and VP9 repeat the last one where none is left. Without any it is
        // reckoned on, also in JPEG.
        if (!first_time)
            return times_hidden && any_time ? last_time : expected_time;
        // Rule (assumed): (sample) before the first timestamp it is reckoned back from the first
        // that is known.
        for (const Index &other : indices)
            if (other.shown.in_use && other.shown.has_time) {
                long fields = std::max<long>(other.shown.order - shown.order, shown.fields);
                return other.shown.time - (fields * frame_duration >> 1);
            }
        return expected_time;
    }
    // Rule (trace): timestamps come out rising. When the first ones are not in the order of display,
    // each picture gets the earliest that is at hand, and its own stays for another one.
    if (sorts_times || (times_to_check && shown.checked)) {
        Shown *earliest = &shown;
        for (Index &other : indices)
            if (other.shown.in_use && other.shown.has_time &&
                other.shown.time - earliest->time < 0)
                earliest = &other.shown;
        if (earliest != &shown) {
            if (times_to_check)
                sorts_times = true;
            std::swap(earliest->time, shown.time);
        }
        if (times_to_check)
            --times_to_check;
    }
    return shown.time;
}

// A codec says that a picture comes next in the order of display.
void Parser::display(int index)
{
    if (index < 0 || !indices[index].shown.in_use)
        return;
    Shown &shown = indices[index].shown;
    shown.info.timestamp = last_time = time_of(shown);
    shown.in_use = false;
    expected_time = shown.info.timestamp + (frame_duration * shown.fields >> 1);
    first_time = false;
    if (shown.skipped)
        return;
    // Rule (trace): as many wait as the display delay says; one more pushes the first out.
    if (asked.ulMaxDisplayDelay && ready.size() >= asked.ulMaxDisplayDelay)
        show_first();
    hold(index);
    ready.push_back(index);
    if (!asked.ulMaxDisplayDelay)
        show_first();
}

void Parser::display_again(int index)
{
    if (index < 0)
        return;
    Shown &shown = indices[index].shown;
    shown.in_use = true;
    take_time(shown);
    display(index);
}

// Rule (trace): after each picture the first that waits is displayed, one only, when it was decoded
// as many pictures ago as the display delay says.
void Parser::after_decoding()
{
    if (!ready.empty() && indices[ready.front()].shown.number +
                                  static_cast<long>(asked.ulMaxDisplayDelay) <= decoded)
        show_first();
}

void Parser::display_all_ready()
{
    while (!ready.empty())
        show_first();
}

void Parser::show_first()
{
    int index = ready.front();
    ready.pop_front();
    indices[index].displayed_at = ++clock;
    if (asked.pfnDisplayPicture) {
        displays->serial[index] = indices[index].shown.serial;
        if (indices[index].shown.clean >= 0)
            displays->serial[indices[index].shown.clean] = indices[index].shown.serial;
        CUVIDPARSERDISPINFO info = indices[index].shown.info;
        emulator::Unlocked unlocked;
        asked.pfnDisplayPicture(asked.pUserData, &info);
    }
    // Rule (header): the index is used again once the callback returned.
    let_go(index);
}

void Parser::end_stream()
{
    end_of_stream();
    display_all_ready();
    for (Index &index : indices)
        index.shown = Shown();
    forget_sequence();
    refused = false;
    times.clear();
    position = 0;
    frame_duration = expected_time = 0;
    first_time = true;
}

// Formats -------------------------------------------------------------------------------------

void set_aspect(CUVIDEOFORMAT &format, long long width, long long height)
{
    long long divisor = std::gcd(width, height);
    if (divisor) {
        width /= divisor;
        height /= divisor;
    }
    // Rule (trace): 175:143 is given as 87:71. Rule (assumed): halved until both have seven bits.
    while (width > 127 || height > 127) {
        width >>= 1;
        height >>= 1;
    }
    format.display_aspect_ratio.x = static_cast<int>(width);
    format.display_aspect_ratio.y = static_cast<int>(height);
}

void set_rate(CUVIDEOFORMAT &format, unsigned numerator, unsigned denominator)
{
    unsigned divisor = std::gcd(numerator, denominator);
    if (divisor) {
        format.frame_rate.numerator = numerator / divisor;
        format.frame_rate.denominator = denominator / divisor;
    }
}

void set_area(CUVIDEOFORMAT &format, int left, int top, int right, int bottom)
{
    format.display_area.left = left;
    format.display_area.top = top;
    format.display_area.right = right;
    format.display_area.bottom = bottom;
}

} // namespace cuvid
