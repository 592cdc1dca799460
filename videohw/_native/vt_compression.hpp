// One VTCompressionSession: made with all its properties, and given back.
//
// Must not know: queues, threads, what becomes of the samples.
#ifndef VIDEOHW_VT_COMPRESSION_HPP
#define VIDEOHW_VT_COMPRESSION_HPP

#include "apple_refs.hpp"
#include "vt_errand.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace videohw {

// The value of a property. Names of strings are those of the frameworks' variables.
struct VtValue {
    enum Kind { boolean, integer, real, name, data, numbers, ratio, matrix, primaries, transfer };
    Kind kind = boolean;
    long long integer_value = 0; // also a boolean and a code point of H.273
    double real_value = 0;
    std::string text;
    std::vector<std::uint8_t> bytes;
    std::vector<double> list; // of a ratio: width and height

    bool operator==(const VtValue &other) const
    {
        return kind == other.kind && integer_value == other.integer_value &&
               real_value == other.real_value && text == other.text && bytes == other.bytes &&
               list == other.list;
    }
};

inline bool vt_is_prores(CMVideoCodecType codec)
{
    const CMVideoCodecType flavours[] = {
        kCMVideoCodecType_AppleProRes422Proxy, kCMVideoCodecType_AppleProRes422LT,
        kCMVideoCodecType_AppleProRes422, kCMVideoCodecType_AppleProRes422HQ,
        kCMVideoCodecType_AppleProRes4444};
    return std::find(std::begin(flavours), std::end(flavours), codec) != std::end(flavours);
}

struct VtProperty {
    std::string name;
    VtValue value;
    bool optional = false; // is left out where the encoder does not have it
};

struct VtEncoderSettings {
    CMVideoCodecType codec = 0;
    int width = 0, height = 0;
    OSType pixel_format = 0;
    bool requires_hardware = false, low_latency_rate_control = false;
    // Frames that it may hold until more of them come.
    unsigned held = 0;
    std::vector<VtProperty> properties;
};

// Strings of the frameworks by the names of their variables. What macOS 11.0 has is linked to, what
// is newer is looked up; nullptr where this system lacks it.
inline CFStringRef vt_string(const char *name)
{
    struct Entry {
        const char *name;
        const CFStringRef *value;
    };
#define VIDEOHW_ENTRY(variable) {#variable, &variable},
    static const Entry linked[] = {APPLE_STRINGS(VIDEOHW_ENTRY)};
#undef VIDEOHW_ENTRY
    for (const Entry &each : linked)
        if (std::strcmp(each.name, name) == 0)
            return *each.value;
    // The library that has the calls has the strings.
    Dl_info found;
    if (!dladdr(reinterpret_cast<const void *>(&VTCompressionSessionCreate), &found))
        return nullptr;
    void *library = dlopen(found.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    if (!library)
        return nullptr;
    auto *value = static_cast<const CFStringRef *>(dlsym(library, name));
    dlclose(library);
    return value ? *value : nullptr;
}

inline CfOwner<CFNumberRef> cf_number(double value)
{
    return CfOwner<CFNumberRef>(CFNumberCreate(kCFAllocatorDefault, kCFNumberFloat64Type, &value));
}
inline CfOwner<CFNumberRef> cf_number(std::int64_t value)
{
    return CfOwner<CFNumberRef>(CFNumberCreate(kCFAllocatorDefault, kCFNumberSInt64Type, &value));
}

// One reference; or nullptr, with the failure.
inline CFTypeRef vt_made(const VtValue &value, VtEncoderFailure *failure)
{
    int point = static_cast<int>(value.integer_value);
    auto named = [&](const char *call, CFStringRef string) -> CFTypeRef {
        if (string)
            return CFRetain(string);
        *failure = {call, vt_no_such_name, {}};
        return nullptr;
    };
    auto made = [&](const char *call, CFTypeRef given) {
        if (!given)
            *failure = {call, vt_encoder_no_memory, {}};
        return given;
    };
    auto number = [&](auto of) {
        CfOwner<CFNumberRef> owner = cf_number(of);
        return made("CFNumberCreate", owner ? CFRetain(owner.get()) : nullptr);
    };
    switch (value.kind) {
    case VtValue::boolean:
        return CFRetain(value.integer_value ? kCFBooleanTrue : kCFBooleanFalse);
    case VtValue::integer: return number(static_cast<std::int64_t>(value.integer_value));
    case VtValue::real: return number(value.real_value);
    case VtValue::name: return named("VTSessionSetProperty", vt_string(value.text.c_str()));
    case VtValue::matrix:
        return named("CVYCbCrMatrixGetStringForIntegerCodePoint",
                     CVYCbCrMatrixGetStringForIntegerCodePoint(point));
    case VtValue::primaries:
        return named("CVColorPrimariesGetStringForIntegerCodePoint",
                     CVColorPrimariesGetStringForIntegerCodePoint(point));
    case VtValue::transfer:
        return named("CVTransferFunctionGetStringForIntegerCodePoint",
                     CVTransferFunctionGetStringForIntegerCodePoint(point));
    case VtValue::data:
        return made("CFDataCreate", CFDataCreate(kCFAllocatorDefault, value.bytes.data(),
                                                 static_cast<CFIndex>(value.bytes.size())));
    case VtValue::numbers: {
        std::vector<CfOwner<CFNumberRef>> owners;
        std::vector<const void *> pointers;
        for (double each : value.list) {
            owners.push_back(cf_number(each));
            if (!owners.back())
                return made("CFNumberCreate", nullptr);
            pointers.push_back(owners.back().get());
        }
        return made("CFArrayCreate",
                    CFArrayCreate(kCFAllocatorDefault, pointers.data(),
                                  static_cast<CFIndex>(pointers.size()), &kCFTypeArrayCallBacks));
    }
    case VtValue::ratio: {
        CfOwner<CFMutableDictionaryRef> ratio = cf_dictionary();
        if (!ratio || value.list.size() != 2)
            return made("CFDictionaryCreateMutable", nullptr);
        if (!cf_set(ratio.get(), kCMFormatDescriptionKey_PixelAspectRatioHorizontalSpacing,
                    static_cast<std::int64_t>(value.list[0])) ||
            !cf_set(ratio.get(), kCMFormatDescriptionKey_PixelAspectRatioVerticalSpacing,
                    static_cast<std::int64_t>(value.list[1])))
            return made("CFNumberCreate", nullptr);
        return CFRetain(ratio.get());
    }
    }
    return nullptr;
}

// What an encoder is looked for by; empty without memory.
inline CfOwner<CFMutableDictionaryRef> vt_encoder_wish(bool requires_hardware, bool low_latency,
                                                       VtEncoderFailure *failure)
{
    CfOwner<CFMutableDictionaryRef> made = cf_dictionary();
    if (!made) {
        *failure = {"CFDictionaryCreateMutable", vt_encoder_no_memory, {}};
        return made;
    }
    CFDictionarySetValue(made.get(),
                         kVTVideoEncoderSpecification_EnableHardwareAcceleratedVideoEncoder,
                         kCFBooleanTrue);
    if (requires_hardware)
        CFDictionarySetValue(made.get(),
                             kVTVideoEncoderSpecification_RequireHardwareAcceleratedVideoEncoder,
                             kCFBooleanTrue);
    if (low_latency) {
        const char *name = "kVTVideoEncoderSpecification_EnableLowLatencyRateControl";
        if (CFStringRef key = vt_string(name))
            CFDictionarySetValue(made.get(), key, kCFBooleanTrue);
        else
            *failure = {"VTCompressionSessionCreate", vt_no_such_name, name};
    }
    return made;
}

// Asks which of the properties `names` an encoder takes; the names that it does not are taken out.
inline std::shared_ptr<VtErrand> vt_supported(CMVideoCodecType codec, int width, int height,
                                              bool requires_hardware, bool low_latency,
                                              std::shared_ptr<std::vector<std::string>> names)
{
    return VtErrand::start([=](VtErrand &errand) -> VtEncoderFailure {
        AutoreleasePool pool;
        VtEncoderFailure failure;
        CfOwner<CFMutableDictionaryRef> wish =
            vt_encoder_wish(requires_hardware, low_latency, &failure);
        if (failure.code)
            return failure;
        CfOwner<CFStringRef> id;
        CfOwner<CFDictionaryRef> properties;
        errand.calls("VTCopySupportedPropertyDictionaryForEncoder");
        OSStatus code = VTCopySupportedPropertyDictionaryForEncoder(
            width, height, codec, wish.get(), id.out(), properties.out());
        if (code)
            return {"VTCopySupportedPropertyDictionaryForEncoder", code, {}};
        auto absent = [&](const std::string &name) {
            CFStringRef key = vt_string(("kVTCompressionPropertyKey_" + name).c_str());
            return !key || !properties || !CFDictionaryGetValue(properties.get(), key);
        };
        names->erase(std::remove_if(names->begin(), names->end(), absent), names->end());
        return {};
    });
}

class VtEncoder;

// What the callbacks of one session are given; it outlives the session for as long as callbacks
// may come.
struct VtEncoderGate {
    std::mutex lock;
    VtEncoder *owner = nullptr;
};

class VtCompression {
public:
    VtCompression() = default;
    VtCompression(const VtCompression &) = delete;
    VtCompression &operator=(const VtCompression &) = delete;
    ~VtCompression() { close(); }

    // On a thread of its own.
    static std::shared_ptr<VtErrand> open(const std::shared_ptr<VtCompression> &made,
                                          VtEncoderSettings wanted,
                                          VTCompressionOutputCallback callback)
    {
        return VtErrand::start([=](VtErrand &errand) {
            made->settings = wanted;
            return made->open(callback, errand);
        });
    }
    VtEncoderFailure set(const VtProperty &property);
    void close();
    // A buffer of the session's pool, in the session's colour; one reference.
    VtEncoderFailure make_buffer(CVPixelBufferRef *buffer);
    bool fits(CVPixelBufferRef buffer) const
    {
        return CVPixelBufferGetWidth(buffer) == static_cast<size_t>(settings.width) &&
               CVPixelBufferGetHeight(buffer) == static_cast<size_t>(settings.height) &&
               CVPixelBufferGetPixelFormatType(buffer) == settings.pixel_format;
    }

    VtEncoderSettings settings;
    CfOwner<VTCompressionSessionRef> session;
    std::shared_ptr<VtEncoderGate> gate;
    int hardware = -1;    // whether it says so itself; -1: it does not say
    unsigned retries = 0; // of calls that an encoder was not available for at the moment

private:
    static bool means_later(OSStatus code)
    {
        return code == kVTVideoEncoderNotAvailableNowErr ||
               code == kVTVideoDecoderNotAvailableNowErr;
    }
    template <class Call>
    VtEncoderFailure patiently(VtErrand &errand, Call call);
    VtEncoderFailure open(VTCompressionOutputCallback callback, VtErrand &errand);
    VtEncoderFailure set_all(VtErrand &errand);
    VtEncoderFailure create(VTCompressionOutputCallback callback, VtErrand &errand);
    VtEncoderFailure make_pool();
    CfOwner<CFMutableDictionaryRef> attributes_of_buffers(VtEncoderFailure *failure) const;
    VtEncoderFailure color(CVPixelBufferRef buffer) const;
    bool lacks(const VtProperty &property, CFDictionaryRef supported) const;
    void ask_hardware();

    std::mutex pool_lock_; // pictures are staged while the session may be closed
    CfOwner<CVPixelBufferPoolRef> pool_;
};

inline CfOwner<CFMutableDictionaryRef>
VtCompression::attributes_of_buffers(VtEncoderFailure *failure) const
{
    CfOwner<CFMutableDictionaryRef> made = cf_dictionary(), surface = cf_dictionary();
    if (!made || !surface) {
        *failure = {"CFDictionaryCreateMutable", vt_encoder_no_memory, {}};
        return {};
    }
    if (!cf_set(made.get(), kCVPixelBufferPixelFormatTypeKey, settings.pixel_format) ||
        !cf_set(made.get(), kCVPixelBufferWidthKey, settings.width) ||
        !cf_set(made.get(), kCVPixelBufferHeightKey, settings.height)) {
        *failure = {"CFNumberCreate", vt_encoder_no_memory, {}};
        return {};
    }
    CFDictionarySetValue(made.get(), kCVPixelBufferIOSurfacePropertiesKey, surface.get());
    CFDictionarySetValue(made.get(), kCVPixelBufferMetalCompatibilityKey, kCFBooleanTrue);
    return made;
}

inline VtEncoderFailure VtCompression::create(VTCompressionOutputCallback callback,
                                              VtErrand &errand)
{
    VtEncoderFailure failure;
    CfOwner<CFMutableDictionaryRef> attributes = attributes_of_buffers(&failure);
    if (failure.code)
        return failure;
    CfOwner<CFMutableDictionaryRef> wish = vt_encoder_wish(
        settings.requires_hardware, settings.low_latency_rate_control, &failure);
    if (failure.code)
        return failure;
    gate = std::make_shared<VtEncoderGate>();
    errand.calls("VTCompressionSessionCreate");
    OSStatus code = VTCompressionSessionCreate(
        kCFAllocatorDefault, settings.width, settings.height, settings.codec, wish.get(),
        attributes.get(), kCFAllocatorDefault, callback, gate.get(), session.out());
    return {"VTCompressionSessionCreate", code, {}};
}

// For half a second, where the encoder is not available at the moment.
template <class Call>
VtEncoderFailure VtCompression::patiently(VtErrand &errand, Call call)
{
    constexpr unsigned most_tries = 20;
    for (unsigned tries = 0;; ++tries) {
        VtEncoderFailure failure = call();
        if (!means_later(failure.code) || tries == most_tries ||
            !errand.pause(std::chrono::milliseconds(25)))
            return failure;
        ++retries;
    }
}

inline VtEncoderFailure VtCompression::open(VTCompressionOutputCallback callback, VtErrand &errand)
{
    AutoreleasePool pool;
    VtEncoderFailure failure = patiently(errand, [&] { return create(callback, errand); });
    if (failure.code)
        return failure;
    failure = set_all(errand);
    if (failure.code)
        return failure;
    failure = patiently(errand, [&]() -> VtEncoderFailure {
        errand.calls("VTCompressionSessionPrepareToEncodeFrames");
        return {"VTCompressionSessionPrepareToEncodeFrames",
                VTCompressionSessionPrepareToEncodeFrames(session.get()), {}};
    });
    if (failure.code)
        return failure;
    errand.calls("VTSessionCopyProperty");
    ask_hardware();
    if (settings.requires_hardware && hardware == 0)
        return {"VTSessionCopyProperty", vt_not_hardware, {}};
    errand.calls("VTCompressionSessionGetPixelBufferPool");
    return make_pool();
}

inline VtEncoderFailure VtCompression::set_all(VtErrand &errand)
{
    CfOwner<CFDictionaryRef> supported;
    errand.calls("VTSessionCopySupportedPropertyDictionary");
    OSStatus code = VTSessionCopySupportedPropertyDictionary(session.get(), supported.out());
    if (code)
        return {"VTSessionCopySupportedPropertyDictionary", code, {}};
    errand.calls("VTSessionSetProperty");
    for (const VtProperty &each : settings.properties) {
        if (each.optional && lacks(each, supported.get()))
            continue;
        VtEncoderFailure failure = set(each);
        if (failure.code)
            return failure;
    }
    return {};
}

inline bool VtCompression::lacks(const VtProperty &property, CFDictionaryRef supported) const
{
    CFStringRef key = vt_string(("kVTCompressionPropertyKey_" + property.name).c_str());
    return !key || !supported || !CFDictionaryGetValue(supported, key);
}

inline VtEncoderFailure VtCompression::set(const VtProperty &property)
{
    CFStringRef key = vt_string(("kVTCompressionPropertyKey_" + property.name).c_str());
    if (!key)
        return {"VTSessionSetProperty", vt_no_such_name, property.name};
    VtEncoderFailure failure;
    CfOwner<CFTypeRef> value(vt_made(property.value, &failure));
    if (value)
        failure = {"VTSessionSetProperty", VTSessionSetProperty(session.get(), key, value.get()),
                   {}};
    failure.about = property.name;
    return failure;
}

inline void VtCompression::ask_hardware()
{
    CFTypeRef value = nullptr;
    OSStatus code = VTSessionCopyProperty(
        session.get(), kVTCompressionPropertyKey_UsingHardwareAcceleratedVideoEncoder,
        kCFAllocatorDefault, &value);
    if (code || !value)
        return;
    hardware = CFBooleanGetValue(static_cast<CFBooleanRef>(value)) != 0;
    CFRelease(value);
}

// The session's own pool, or one like it where the session has none.
inline VtEncoderFailure VtCompression::make_pool()
{
    CVPixelBufferPoolRef found = VTCompressionSessionGetPixelBufferPool(session.get());
    if (found) {
        CFRetain(found);
        pool_ = CfOwner<CVPixelBufferPoolRef>(found);
        return {};
    }
    VtEncoderFailure failure;
    CfOwner<CFMutableDictionaryRef> attributes = attributes_of_buffers(&failure);
    if (failure.code)
        return failure;
    return {"CVPixelBufferPoolCreate",
            CVPixelBufferPoolCreate(kCFAllocatorDefault, nullptr, attributes.get(), pool_.out()),
            {}};
}

inline VtEncoderFailure VtCompression::make_buffer(CVPixelBufferRef *buffer)
{
    AutoreleasePool pool;
    const char *call = "CVPixelBufferPoolCreatePixelBufferWithAuxAttributes";
    CfOwner<CVPixelBufferPoolRef> source;
    {
        std::lock_guard<std::mutex> held(pool_lock_);
        if (!pool_)
            return {call, kCVReturnInvalidArgument, {}};
        CFRetain(pool_.get());
        source = CfOwner<CVPixelBufferPoolRef>(pool_.get());
    }
    CVReturn code = CVPixelBufferPoolCreatePixelBufferWithAuxAttributes(
        kCFAllocatorDefault, source.get(), nullptr, buffer);
    if (code)
        return {call, code, {}};
    VtEncoderFailure failure = color(*buffer);
    if (failure.code) {
        CFRelease(*buffer);
        *buffer = nullptr;
    }
    return failure;
}

// What differs from the session's colour would be converted.
inline VtEncoderFailure VtCompression::color(CVPixelBufferRef buffer) const
{
    for (const VtProperty &each : settings.properties) {
        CFStringRef key = each.value.kind == VtValue::matrix      ? kCVImageBufferYCbCrMatrixKey
                          : each.value.kind == VtValue::primaries ? kCVImageBufferColorPrimariesKey
                          : each.value.kind == VtValue::transfer
                              ? kCVImageBufferTransferFunctionKey
                              : nullptr;
        if (!key)
            continue;
        VtEncoderFailure failure;
        CfOwner<CFTypeRef> value(vt_made(each.value, &failure));
        if (!value)
            return failure;
        CVBufferSetAttachment(buffer, key, value.get(), kCVAttachmentMode_ShouldPropagate);
    }
    return {};
}

inline void VtCompression::close()
{
    if (!session)
        return;
    AutoreleasePool pool;
    VTCompressionSessionInvalidate(session.get());
    {
        // A callback that comes all the same finds nobody.
        std::lock_guard<std::mutex> held(gate->lock);
        gate->owner = nullptr;
    }
    // The frameworks may hold its address for a while; it is a few bytes.
    constexpr std::size_t most_late = 64;
    static auto *late = new std::vector<std::shared_ptr<VtEncoderGate>>;
    static auto *late_lock = new std::mutex;
    {
        std::lock_guard<std::mutex> held(*late_lock);
        late->push_back(gate);
        if (late->size() > most_late)
            late->erase(late->begin());
    }
    session = {};
    std::lock_guard<std::mutex> held(pool_lock_);
    pool_ = {};
}

} // namespace videohw

#endif
