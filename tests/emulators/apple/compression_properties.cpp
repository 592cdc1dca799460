#include "compression.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

extern "C" {
#define NEWER(since, name) extern const CFStringRef name;
APPLE_NEWER_STRINGS(NEWER)
#undef NEWER
}

namespace apple {
namespace {

enum class Kind { boolean, number, text, colour, data, limits, aspect };

struct Rule {
    CFStringRef key;
    Kind kind;
    bool live = false; // it may change while frames are encoded
    std::size_t bytes = 0;
    double lowest = 0, highest = 1e18;
};

// Rule (header): the types and ranges of values. Rule (assumed): what may change meanwhile.
const std::vector<Rule> &rules()
{
    static const auto *made = new std::vector<Rule>{
        {kVTCompressionPropertyKey_RealTime, Kind::boolean, true},
        {kVTCompressionPropertyKey_ExpectedFrameRate, Kind::number, true},
        {kVTCompressionPropertyKey_AverageBitRate, Kind::number, true},
        {kVTCompressionPropertyKey_ConstantBitRate, Kind::number, true},
        {kVTCompressionPropertyKey_DataRateLimits, Kind::limits, true},
        {kVTCompressionPropertyKey_Quality, Kind::number, true, 0, 0, 1},
        {kVTCompressionPropertyKey_MaxKeyFrameInterval, Kind::number, true},
        {kVTCompressionPropertyKey_MaxKeyFrameIntervalDuration, Kind::number, true},
        {kVTCompressionPropertyKey_MaxAllowedFrameQP, Kind::number, true, 0, 1, 51},
        {kVTCompressionPropertyKey_MinAllowedFrameQP, Kind::number, true, 0, 1, 51},
        {kVTCompressionPropertyKey_AllowFrameReordering, Kind::boolean},
        {kVTCompressionPropertyKey_AllowOpenGOP, Kind::boolean},
        {kVTCompressionPropertyKey_MaxFrameDelayCount, Kind::number, false, 0, -1, 1000},
        {kVTCompressionPropertyKey_ProfileLevel, Kind::text},
        {kVTCompressionPropertyKey_H264EntropyMode, Kind::text},
        {kVTCompressionPropertyKey_MaxH264SliceBytes, Kind::number},
        {kVTCompressionPropertyKey_PrioritizeEncodingSpeedOverQuality, Kind::boolean},
        {kVTCompressionPropertyKey_MaximizePowerEfficiency, Kind::boolean},
        {kVTCompressionPropertyKey_ColorPrimaries, Kind::colour},
        {kVTCompressionPropertyKey_TransferFunction, Kind::colour},
        {kVTCompressionPropertyKey_YCbCrMatrix, Kind::colour},
        {kVTCompressionPropertyKey_PixelAspectRatio, Kind::aspect},
        {kVTCompressionPropertyKey_MasteringDisplayColorVolume, Kind::data, false, 24},
        {kVTCompressionPropertyKey_ContentLightLevelInfo, Kind::data, false, 4},
    };
    return *made;
}

const Rule *rule_of(CFStringRef key)
{
    auto *name = reinterpret_cast<const Object *>(key);
    for (const Rule &each : rules())
        if (equal(reinterpret_cast<const Object *>(each.key), name))
            return &each;
    return nullptr;
}

// Profile and level of a name as kVTProfileLevel_H264_High_4_1; 0 for a level to be chosen.
bool profile_level(const std::string &name, int *profile, int *level)
{
    static const std::pair<const char *, int> profiles[] = {{"_Baseline_", 66},
                                                            {"_ConstrainedBaseline_", 66},
                                                            {"_Main_", 77},
                                                            {"_ConstrainedHigh_", 100},
                                                            {"_High_", 100},
                                                            {"_Main10_", 2},
                                                            {"_Main42210_", 4}};
    for (auto [text, number] : profiles) {
        std::size_t at = name.find(text);
        if (at == std::string::npos)
            continue;
        *profile = number;
        const char *rest = name.c_str() + at + std::strlen(text);
        *level = std::strcmp(rest, "AutoLevel") == 0 ? 0 : (rest[0] - '0') * 10 + (rest[2] - '0');
        return true;
    }
    return false;
}

bool are_limits(const Object *value)
{
    auto *array = dynamic_cast<const Array *>(value);
    if (!array || array->values.size() % 2)
        return false;
    return std::all_of(array->values.begin(), array->values.end(), [](const Kept<Object> &each) {
        auto *number = dynamic_cast<Number *>(each.get());
        return number && number->real > 0;
    });
}

void is_not_given(const char *what) { misuse("%s, which VideoToolbox would convert silently", what); }

// Rule (assumed): the flavour is all that decides the rate, every picture stands for itself, and
// there is no profile; an encoder of ProRes has no property of these.
bool is_of_prores(CFStringRef key)
{
    const CFStringRef known[] = {kVTCompressionPropertyKey_RealTime,
                                 kVTCompressionPropertyKey_ExpectedFrameRate,
                                 kVTCompressionPropertyKey_MaxFrameDelayCount,
                                 kVTCompressionPropertyKey_PrioritizeEncodingSpeedOverQuality,
                                 kVTCompressionPropertyKey_MaximizePowerEfficiency,
                                 kVTCompressionPropertyKey_ColorPrimaries,
                                 kVTCompressionPropertyKey_TransferFunction,
                                 kVTCompressionPropertyKey_YCbCrMatrix,
                                 kVTCompressionPropertyKey_PixelAspectRatio};
    return std::find(std::begin(known), std::end(known), key) != std::end(known);
}

codec::Chroma chroma_of(const Format &format)
{
    return format.shift_y   ? codec::Chroma::of_420
           : format.shift_x ? codec::Chroma::of_422
                            : codec::Chroma::of_444;
}

} // namespace

int EncoderWish::prores() const
{
    const CMVideoCodecType flavours[] = {
        kCMVideoCodecType_AppleProRes422Proxy, kCMVideoCodecType_AppleProRes422LT,
        kCMVideoCodecType_AppleProRes422, kCMVideoCodecType_AppleProRes422HQ,
        kCMVideoCodecType_AppleProRes4444};
    auto found = std::find(std::begin(flavours), std::end(flavours), codec);
    return found == std::end(flavours) ? -1 : static_cast<int>(found - flavours);
}

EncoderProperties::EncoderProperties(const EncoderWish &wish)
    : Session("VTCompressionSession"), wish(wish)
{
    offer(kVTCompressionPropertyKey_UsingHardwareAcceleratedVideoEncoder, true,
          boolean(wish.is_hardware));
    auto none = Kept<Number>::adopted(new Number(int64_t{0}));
    offer(kVTCompressionPropertyKey_NumberOfPendingFrames, true, none.get());
    std::string absent = "," + setting("NO_PROPERTIES", "") + ",";
    for (const Rule &each : rules()) {
        auto *key = reinterpret_cast<const String *>(each.key);
        auto is = [&](CFStringRef other) { return key == reinterpret_cast<const String *>(other); };
        std::string name = key->text.substr(key->text.find('_') + 1);
        bool h264_only = is(kVTCompressionPropertyKey_H264EntropyMode) ||
                         is(kVTCompressionPropertyKey_MaxH264SliceBytes);
        bool hevc_only = is(kVTCompressionPropertyKey_MasteringDisplayColorVolume) ||
                         is(kVTCompressionPropertyKey_ContentLightLevelInfo);
        // Rule (header): an infinite group of pictures without reordering, by the bitrate alone.
        // Rule (assumed): and what else it leaves out; limits of the quantiser it has alone.
        bool latency_lacks = is(kVTCompressionPropertyKey_Quality) ||
                             is(kVTCompressionPropertyKey_MaxKeyFrameInterval) ||
                             is(kVTCompressionPropertyKey_MaxKeyFrameIntervalDuration) ||
                             is(kVTCompressionPropertyKey_AllowFrameReordering) ||
                             is(kVTCompressionPropertyKey_AllowOpenGOP) ||
                             is(kVTCompressionPropertyKey_ConstantBitRate) ||
                             is(kVTCompressionPropertyKey_MaxFrameDelayCount);
        bool latency_only = is(kVTCompressionPropertyKey_MaxAllowedFrameQP) ||
                            is(kVTCompressionPropertyKey_MinAllowedFrameQP);
        bool is_h264 = wish.codec == kCMVideoCodecType_H264;
        if ((h264_only && !is_h264) || (hevc_only && is_h264) ||
            (wish.low_latency ? latency_lacks : latency_only) ||
            (wish.prores() >= 0 && !is_of_prores(each.key)) ||
            absent.find("," + name + ",") != std::string::npos)
            continue;
        // Rule (header): these two are on by default.
        bool on = is(kVTCompressionPropertyKey_AllowFrameReordering) ||
                  is(kVTCompressionPropertyKey_AllowOpenGOP) ||
                  (wish.low_latency && is(kVTCompressionPropertyKey_RealTime));
        offer(each.key, false, on ? boolean(true) : nullptr);
    }
}

double EncoderProperties::number(CFStringRef key)
{
    auto *found = dynamic_cast<Number *>(value_of(key));
    return found ? found->real : 0;
}

bool EncoderProperties::flag(CFStringRef key)
{
    auto *found = dynamic_cast<Boolean_ *>(value_of(key));
    return found && found->value;
}

bool EncoderProperties::is_text_of(CFStringRef key, const Object *value) const
{
    auto *text = dynamic_cast<const String *>(value);
    if (!text)
        return false;
    auto begins = [&](const char *with) { return text->text.rfind(with, 0) == 0; };
    if (key == kVTCompressionPropertyKey_H264EntropyMode)
        return begins("kVTH264EntropyMode_");
    // Profiles that a test takes away, by what stands in their names.
    std::string refused = setting("NO_PROFILE", "");
    if (!refused.empty() && text->text.find("_" + refused + "_") != std::string::npos)
        return false;
    int profile = 0, level = 0;
    bool is_h264 = wish.codec == kCMVideoCodecType_H264;
    if (!begins(is_h264 ? "kVTProfileLevel_H264_" : "kVTProfileLevel_HEVC_") ||
        !profile_level(text->text, &profile, &level))
        return false;
    // Rule (header): of the High profile only.
    return !wish.low_latency || !is_h264 || profile == 100;
}

OSStatus EncoderProperties::check(CFStringRef key, const Object *value)
{
    const Rule *rule = rule_of(key);
    auto fits = [&] {
        switch (rule->kind) {
        case Kind::boolean: return dynamic_cast<const Boolean_ *>(value) != nullptr;
        case Kind::number: {
            auto *number = dynamic_cast<const Number *>(value);
            return number && number->real >= rule->lowest && number->real <= rule->highest;
        }
        case Kind::text: return is_text_of(rule->key, value);
        case Kind::colour: return dynamic_cast<const String *>(value) != nullptr;
        case Kind::limits: return are_limits(value);
        case Kind::aspect: return dynamic_cast<const Dictionary *>(value) != nullptr;
        case Kind::data: {
            auto *data = dynamic_cast<const Data *>(value);
            return data && data->bytes.size() == rule->bytes;
        }
        }
        return false;
    };
    if (!fits())
        return kVTParameterErr; // Rule (assumed): of another type, or beyond the range
    // Rule (assumed): the structure of the stream stays as it was when encoding began.
    if (begun && !rule->live)
        return kVTPropertyReadOnlyErr;
    new_rate = new_rate || begun;
    return 0;
}

codec::Rate EncoderProperties::rate()
{
    codec::Rate made;
    double constant = number(kVTCompressionPropertyKey_ConstantBitRate);
    double average = number(kVTCompressionPropertyKey_AverageBitRate);
    made.bits_per_second = std::lround(constant ? constant : average);
    auto *limits = dynamic_cast<Array *>(value_of(kVTCompressionPropertyKey_DataRateLimits));
    // Rule (header): bytes, and in how many seconds; the first pair is emulated.
    if (limits && !limits->values.empty() && !constant) {
        auto real = [&](std::size_t i) {
            return dynamic_cast<Number *>(limits->values[i].get())->real;
        };
        // Rule (assumed): an average is kept within them.
        if (!made.bits_per_second)
            made.bits_per_second = std::lround(real(0) * 8 / real(1));
    }
    bool by_quality = !made.bits_per_second && value_of(kVTCompressionPropertyKey_Quality);
    if (by_quality) { // Rule (assumed): which quantiser a quality is
        double quality = number(kVTCompressionPropertyKey_Quality);
        for (int &each : made.qp)
            each = static_cast<int>(std::lround(51 - 50 * quality));
    }
    return made;
}

codec::Colour EncoderProperties::colour(bool full_range)
{
    codec::Colour made;
    made.full_range = full_range;
    auto point = [this](CodePoints what, CFStringRef key) {
        auto *name = dynamic_cast<String *>(value_of(key));
        return name ? code_point(what, *name) : 2;
    };
    made.primaries = point(CodePoints::primaries, kVTCompressionPropertyKey_ColorPrimaries);
    made.transfer = point(CodePoints::transfer, kVTCompressionPropertyKey_TransferFunction);
    made.matrix = point(CodePoints::matrix, kVTCompressionPropertyKey_YCbCrMatrix);
    return made;
}

void EncoderProperties::aspect(codec::EncoderSettings &made)
{
    auto *ratio = dynamic_cast<Dictionary *>(value_of(kVTCompressionPropertyKey_PixelAspectRatio));
    made.aspect_width = static_cast<int>(
        number_of(ratio, kCMFormatDescriptionKey_PixelAspectRatioHorizontalSpacing, 1));
    made.aspect_height = static_cast<int>(
        number_of(ratio, kCMFormatDescriptionKey_PixelAspectRatioVerticalSpacing, 1));
}

int EncoderProperties::depth()
{
    if (wish.prores() >= 0) // Rule (assumed): as pictures are given; the codec itself has more
        return 10;
    auto *name = dynamic_cast<String *>(value_of(kVTCompressionPropertyKey_ProfileLevel));
    bool deep = name && (name->text.find("_Main10_") != std::string::npos ||
                         name->text.find("_Main42210_") != std::string::npos);
    return deep ? 10 : 8;
}

codec::Chroma EncoderProperties::chroma()
{
    if (wish.prores() >= 0)
        return wish.codec == kCMVideoCodecType_AppleProRes4444 ? codec::Chroma::of_444
                                                               : codec::Chroma::of_422;
    auto *name = dynamic_cast<String *>(value_of(kVTCompressionPropertyKey_ProfileLevel));
    return name && name->text.find("_Main42210_") != std::string::npos ? codec::Chroma::of_422
                                                                       : codec::Chroma::of_420;
}

int EncoderProperties::b_pictures()
{
    auto *name = dynamic_cast<String *>(value_of(kVTCompressionPropertyKey_ProfileLevel));
    bool baseline = name && name->text.find("Baseline") != std::string::npos;
    if (baseline || wish.low_latency || !flag(kVTCompressionPropertyKey_AllowFrameReordering))
        return 0;
    // Rule (header): so many frames may be held, or any number. Rule (assumed): how many are.
    bool said = value_of(kVTCompressionPropertyKey_MaxFrameDelayCount) != nullptr;
    int most = static_cast<int>(number(kVTCompressionPropertyKey_MaxFrameDelayCount));
    int wanted = std::stoi(setting("B_PICTURES", wish.codec == kCMVideoCodecType_H264 ? "1" : "3"));
    return said && most >= 0 ? std::min(wanted, most) : wanted;
}

codec::EncoderSettings EncoderProperties::settings(const Format &input)
{
    codec::EncoderSettings made;
    bool is_h264 = wish.codec == kCMVideoCodecType_H264;
    bool is_prores = wish.prores() >= 0;
    made.kind = is_h264     ? codec::Kind::h264
                : is_prores ? codec::Kind::prores
                            : codec::Kind::hevc;
    made.profile = is_prores ? wish.prores() : 0;
    made.width = wish.width;
    made.height = wish.height;
    made.depth = depth();
    if (input.sample_bytes == 2 && made.depth == 8)
        is_not_given("10 bits for a profile of 8");
    if (is_prores && input.full_range) // Rule (assumed): nothing in a frame says so
        is_not_given("full range for ProRes");
    made.chroma = chroma();
    if (chroma_of(input) != made.chroma)
        is_not_given("chroma that the profile has not");
    double frames = number(kVTCompressionPropertyKey_ExpectedFrameRate);
    made.rate_numerator = frames > 0 ? static_cast<int>(std::lround(frames * 1000)) : 30000;
    made.rate_denominator = 1000;
    aspect(made);
    made.colour = colour(input.full_range);
    made.rate = rate();
    if (auto *name = dynamic_cast<String *>(value_of(kVTCompressionPropertyKey_ProfileLevel));
        name && is_h264)
        profile_level(name->text, &made.profile, &made.level);
    auto *entropy = dynamic_cast<String *>(value_of(kVTCompressionPropertyKey_H264EntropyMode));
    made.cavlc = entropy && entropy->text.find("CAVLC") != std::string::npos;
    int held = b_pictures();
    // Rule (assumed): B pictures of HEVC refer to each other.
    made.reordered = held > 1 && !is_h264 ? 2 : held > 0 ? 1 : 0;
    return made;
}

std::vector<codec::Message> EncoderProperties::messages()
{
    constexpr int mastering = 137, light = 144;
    std::vector<codec::Message> made;
    for (auto [type, key] :
         {std::pair{mastering, kVTCompressionPropertyKey_MasteringDisplayColorVolume},
          std::pair{light, kVTCompressionPropertyKey_ContentLightLevelInfo}})
        // Rule (header): the data is that of the message.
        if (auto *data = dynamic_cast<Data *>(value_of(key)))
            made.push_back({type, data->bytes});
    return made;
}

bool EncoderProperties::key_is_due(long pictures, double seconds)
{
    double most = number(kVTCompressionPropertyKey_MaxKeyFrameInterval);
    double longest = number(kVTCompressionPropertyKey_MaxKeyFrameIntervalDuration);
    if (wish.low_latency) // Rule (header)
        return false;
    if (wish.prores() >= 0) // Rule (RDD 36): every picture is coded for itself
        return true;
    // Rule (header): 0 leaves it to the encoder. Rule (assumed): which takes 240 then.
    if (!most && !longest)
        most = 240;
    return (most && static_cast<double>(pictures) >= most) || (longest && seconds >= longest);
}

codec::Picture planes_of(PixelBuffer &image, int depth)
{
    codec::Picture made;
    made.width = static_cast<int>(image.width);
    made.height = static_cast<int>(image.height);
    made.depth = depth;
    made.chroma = chroma_of(image.format);
    int wide = depth > 8 ? 2 : 1;
    for (int plane = 0; plane < 3; ++plane) {
        const Plane &from = image.planes[plane ? 1 : 0];
        codec::Plane &to = made.plane[plane];
        to.width = static_cast<int>(from.width);
        to.height = static_cast<int>(from.height);
        to.pitch = from.width * static_cast<std::size_t>(wide);
        to.data.resize(to.pitch * from.height);
        std::size_t step = plane ? 2 : 1, first = plane ? static_cast<std::size_t>(plane - 1) : 0;
        for (std::size_t y = 0; y < from.height; ++y) {
            const uint8_t *row = image.row(plane ? 1 : 0, y);
            uint8_t *out = to.data.data() + to.pitch * y;
            for (std::size_t x = 0; x < from.width; ++x) {
                std::size_t at = x * step + first;
                // Of two bytes the value is in the high bits.
                unsigned value = image.format.sample_bytes == 2
                                     ? (row[2 * at] | row[2 * at + 1] << 8) >> (16 - depth)
                                     : static_cast<unsigned>(row[at]) << (depth - 8);
                out[x * static_cast<std::size_t>(wide)] = static_cast<uint8_t>(value);
                if (wide == 2)
                    out[2 * x + 1] = static_cast<uint8_t>(value >> 8);
            }
        }
    }
    return made;
}

} // namespace apple
