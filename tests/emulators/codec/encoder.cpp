#include "encoder.hpp"

#include "bits.hpp"

namespace codec {

std::unique_ptr<Encoder> Encoder::open(const EncoderSettings &settings, std::string &reason)
{
    if (settings.kind == Kind::h264)
        return open_h264(settings, reason);
    if (settings.kind == Kind::hevc)
        return open_hevc(settings, reason);
    if (settings.kind == Kind::av1)
        return open_av1(settings, reason);
    if (settings.kind == Kind::prores)
        return open_prores(settings, reason);
    reason = "only H.264, HEVC, AV1 and ProRes are coded";
    return nullptr;
}

namespace {

void put_leb128(Bytes &target, std::size_t value)
{
    for (; value > 127; value >>= 7)
        target.push_back(static_cast<unsigned char>(value | 128));
    target.push_back(static_cast<unsigned char>(value));
}

// AV1 5.8.1: each an OBU of its own
Bytes metadata_units(const std::vector<Message> &messages)
{
    Bytes made;
    for (const Message &each : messages) {
        Bytes content;
        put_leb128(content, static_cast<std::size_t>(each.type));
        content.insert(content.end(), each.payload.begin(), each.payload.end());
        content.push_back(0x80);
        made.push_back(5 << 3 | 2);
        put_leb128(made, content.size());
        made.insert(made.end(), content.begin(), content.end());
    }
    return made;
}

} // namespace

// H.264 7.3.2.3, HEVC 7.3.2.4
Bytes message_unit(Kind kind, const std::vector<Message> &messages)
{
    if (kind == Kind::av1)
        return metadata_units(messages);
    if (messages.empty())
        return {};
    Bytes payload = {6};
    if (kind == Kind::hevc)
        payload = {39 << 1, 1};
    for (const Message &each : messages) {
        for (std::size_t number : {static_cast<std::size_t>(each.type), each.payload.size()}) {
            for (; number >= 255; number -= 255)
                payload.push_back(255);
            payload.push_back(static_cast<unsigned char>(number));
        }
        payload.insert(payload.end(), each.payload.begin(), each.payload.end());
    }
    payload.push_back(0x80);
    return unit_of(payload);
}

Bytes delimiter_unit(Kind kind, PictureType type)
{
    if (kind == Kind::av1)
        return {2 << 3 | 2, 0};
    bool intra = type == PictureType::idr || type == PictureType::i;
    unsigned slices = intra ? 0 : type == PictureType::p ? 1 : 2;
    unsigned char last = static_cast<unsigned char>(slices << 5 | 0x10);
    return kind == Kind::h264 ? Bytes{0, 0, 0, 1, 9, last} : Bytes{0, 0, 0, 1, 35 << 1, 1, last};
}

// H.264 D.2.8, HEVC D.2.8
Message recovery_point(Kind kind, int pictures)
{
    BitWriter bits;
    unsigned number = static_cast<unsigned>(pictures);
    bits.ue(kind == Kind::hevc && number ? 2 * number - 1 : number);
    bits.bits(kind == Kind::hevc ? 2 : 4, 0);
    while (!bits.aligned())
        bits.bit(0);
    return {6, bits.data};
}

} // namespace codec
