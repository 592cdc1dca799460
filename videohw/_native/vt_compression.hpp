// One VTCompressionSession: made with all its properties, and given back.
//
// Must not know: queues, threads, what becomes of the samples.
#ifndef VIDEOHW_VT_COMPRESSION_HPP
#define VIDEOHW_VT_COMPRESSION_HPP

#include "apple_refs.hpp"

#include <dlfcn.h>

#include <cstdint>
#include <cstring>
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
};

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

// A call that failed, or the work on a frame; `code` 0: none did. `about`: the property.
struct VtEncoderFailure {
    const char *call = nullptr;
    OSStatus code = 0;
    std::string about;
};
// Our own codes: memory of the host ran out; a variable that this system lacks; no packet came of a
// picture; attachments and payload do not agree on what is a keyframe; the picture has another size
// or format than the encoder; a coded sample cannot be read; the encoder is not of hardware.
enum : OSStatus {
    vt_encoder_no_memory = 1,
    vt_no_such_name = 2,
    vt_no_packet = 3,
    vt_keyframe_disputed = 4,
    vt_wrong_picture = 5,
    vt_bad_sample = 6,
    vt_not_hardware = 7
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

// One reference, or nullptr.
inline CFTypeRef vt_made(const VtValue &value)
{
    int point = static_cast<int>(value.integer_value);
    auto kept = [](CFStringRef string) { return string ? CFRetain(string) : nullptr; };
    auto given = [](auto owner) -> CFTypeRef { return owner ? CFRetain(owner.get()) : nullptr; };
    switch (value.kind) {
    case VtValue::boolean:
        return CFRetain(value.integer_value ? kCFBooleanTrue : kCFBooleanFalse);
    case VtValue::integer: return given(cf_number(static_cast<std::int64_t>(value.integer_value)));
    case VtValue::real: return given(cf_number(value.real_value));
    case VtValue::name: return kept(vt_string(value.text.c_str()));
    case VtValue::matrix: return kept(CVYCbCrMatrixGetStringForIntegerCodePoint(point));
    case VtValue::primaries: return kept(CVColorPrimariesGetStringForIntegerCodePoint(point));
    case VtValue::transfer: return kept(CVTransferFunctionGetStringForIntegerCodePoint(point));
    case VtValue::data:
        return CFDataCreate(kCFAllocatorDefault, value.bytes.data(),
                            static_cast<CFIndex>(value.bytes.size()));
    case VtValue::numbers: {
        std::vector<CfOwner<CFNumberRef>> owners;
        std::vector<const void *> pointers;
        for (double each : value.list) {
            owners.push_back(cf_number(each));
            if (!owners.back())
                return nullptr;
            pointers.push_back(owners.back().get());
        }
        return CFArrayCreate(kCFAllocatorDefault, pointers.data(),
                             static_cast<CFIndex>(pointers.size()), &kCFTypeArrayCallBacks);
    }
    case VtValue::ratio: {
        CfOwner<CFMutableDictionaryRef> made = cf_dictionary();
        if (!made || value.list.size() != 2)
            return nullptr;
        cf_set(made.get(), kCMFormatDescriptionKey_PixelAspectRatioHorizontalSpacing,
               static_cast<std::int64_t>(value.list[0]));
        cf_set(made.get(), kCMFormatDescriptionKey_PixelAspectRatioVerticalSpacing,
               static_cast<std::int64_t>(value.list[1]));
        return CFRetain(made.get());
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

// Names of the properties that an encoder takes, of those asked about.
inline VtEncoderFailure vt_supported(CMVideoCodecType codec, int width, int height,
                                     bool requires_hardware, bool low_latency,
                                     const std::vector<std::string> &names,
                                     std::vector<std::string> *found)
{
    AutoreleasePool pool;
    VtEncoderFailure failure;
    CfOwner<CFMutableDictionaryRef> wish = vt_encoder_wish(requires_hardware, low_latency, &failure);
    if (failure.code)
        return failure;
    CfOwner<CFStringRef> id;
    CfOwner<CFDictionaryRef> properties;
    OSStatus code = VTCopySupportedPropertyDictionaryForEncoder(
        width, height, codec, wish.get(), id.out(), properties.out());
    if (code)
        return {"VTCopySupportedPropertyDictionaryForEncoder", code, {}};
    for (const std::string &name : names) {
        CFStringRef key = vt_string(("kVTCompressionPropertyKey_" + name).c_str());
        if (key && properties && CFDictionaryGetValue(properties.get(), key))
            found->push_back(name);
    }
    return {};
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

    VtEncoderFailure open(const VtEncoderSettings &wanted, VTCompressionOutputCallback callback);
    VtEncoderFailure set(const VtProperty &property);
    void close();
    // A buffer of the session's pool, in the session's colour; one reference.
    OSStatus make_buffer(CVPixelBufferRef *buffer);
    bool fits(CVPixelBufferRef buffer) const
    {
        return CVPixelBufferGetWidth(buffer) == static_cast<size_t>(settings.width) &&
               CVPixelBufferGetHeight(buffer) == static_cast<size_t>(settings.height) &&
               CVPixelBufferGetPixelFormatType(buffer) == settings.pixel_format;
    }

    VtEncoderSettings settings;
    CfOwner<VTCompressionSessionRef> session;
    std::shared_ptr<VtEncoderGate> gate;
    int hardware = -1; // whether it says so itself; -1: it does not say

private:
    VtEncoderFailure create(VTCompressionOutputCallback callback);
    OSStatus make_pool();
    bool lacks(const VtProperty &property, CFDictionaryRef supported) const;
    void ask_hardware();

    std::mutex pool_lock_; // pictures are staged while the session may be closed
    CfOwner<CVPixelBufferPoolRef> pool_;
};

inline VtEncoderFailure VtCompression::create(VTCompressionOutputCallback callback)
{
    VtEncoderFailure failure;
    CfOwner<CFMutableDictionaryRef> attributes = cf_dictionary(), surface = cf_dictionary();
    CfOwner<CFMutableDictionaryRef> wish = vt_encoder_wish(
        settings.requires_hardware, settings.low_latency_rate_control, &failure);
    if (failure.code)
        return failure;
    if (!attributes || !surface)
        return {"CFDictionaryCreateMutable", vt_encoder_no_memory, {}};
    cf_set(attributes.get(), kCVPixelBufferPixelFormatTypeKey, settings.pixel_format);
    cf_set(attributes.get(), kCVPixelBufferWidthKey, settings.width);
    cf_set(attributes.get(), kCVPixelBufferHeightKey, settings.height);
    CFDictionarySetValue(attributes.get(), kCVPixelBufferIOSurfacePropertiesKey, surface.get());
    CFDictionarySetValue(attributes.get(), kCVPixelBufferMetalCompatibilityKey, kCFBooleanTrue);
    gate = std::make_shared<VtEncoderGate>();
    OSStatus code = VTCompressionSessionCreate(
        kCFAllocatorDefault, settings.width, settings.height, settings.codec, wish.get(),
        attributes.get(), kCFAllocatorDefault, callback, gate.get(), session.out());
    return {"VTCompressionSessionCreate", code, {}};
}

inline VtEncoderFailure VtCompression::open(const VtEncoderSettings &wanted,
                                            VTCompressionOutputCallback callback)
{
    AutoreleasePool pool; // a thread of Python's has none
    settings = wanted;
    VtEncoderFailure failure = create(callback);
    if (failure.code)
        return failure;
    CfOwner<CFDictionaryRef> supported;
    OSStatus code = VTSessionCopySupportedPropertyDictionary(session.get(), supported.out());
    if (code)
        return {"VTSessionCopySupportedPropertyDictionary", code, {}};
    for (const VtProperty &each : settings.properties)
        if (!each.optional || !lacks(each, supported.get()))
            if ((failure = set(each)).code)
                return failure;
    code = VTCompressionSessionPrepareToEncodeFrames(session.get());
    if (code)
        return {"VTCompressionSessionPrepareToEncodeFrames", code, {}};
    ask_hardware();
    if (settings.requires_hardware && hardware == 0)
        return {"VTSessionCopyProperty", vt_not_hardware, {}};
    return {"VTCompressionSessionGetPixelBufferPool", make_pool(), {}};
}

inline bool VtCompression::lacks(const VtProperty &property, CFDictionaryRef supported) const
{
    CFStringRef key = vt_string(("kVTCompressionPropertyKey_" + property.name).c_str());
    return !key || !supported || !CFDictionaryGetValue(supported, key);
}

inline VtEncoderFailure VtCompression::set(const VtProperty &property)
{
    CFStringRef key = vt_string(("kVTCompressionPropertyKey_" + property.name).c_str());
    CfOwner<CFTypeRef> value(vt_made(property.value));
    if (!key || !value)
        return {"VTSessionSetProperty", vt_no_such_name, property.name};
    return {"VTSessionSetProperty", VTSessionSetProperty(session.get(), key, value.get()),
            property.name};
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
inline OSStatus VtCompression::make_pool()
{
    CVPixelBufferPoolRef found = VTCompressionSessionGetPixelBufferPool(session.get());
    if (found) {
        CFRetain(found);
        pool_ = CfOwner<CVPixelBufferPoolRef>(found);
        return 0;
    }
    CfOwner<CFMutableDictionaryRef> attributes = cf_dictionary(), surface = cf_dictionary();
    if (!attributes || !surface)
        return vt_encoder_no_memory;
    cf_set(attributes.get(), kCVPixelBufferPixelFormatTypeKey, settings.pixel_format);
    cf_set(attributes.get(), kCVPixelBufferWidthKey, settings.width);
    cf_set(attributes.get(), kCVPixelBufferHeightKey, settings.height);
    CFDictionarySetValue(attributes.get(), kCVPixelBufferIOSurfacePropertiesKey, surface.get());
    return CVPixelBufferPoolCreate(kCFAllocatorDefault, nullptr, attributes.get(), pool_.out());
}

inline OSStatus VtCompression::make_buffer(CVPixelBufferRef *buffer)
{
    AutoreleasePool pool;
    CfOwner<CVPixelBufferPoolRef> source;
    {
        std::lock_guard<std::mutex> held(pool_lock_);
        if (!pool_)
            return kCVReturnInvalidArgument;
        CFRetain(pool_.get());
        source = CfOwner<CVPixelBufferPoolRef>(pool_.get());
    }
    CVReturn code = CVPixelBufferPoolCreatePixelBufferWithAuxAttributes(
        kCFAllocatorDefault, source.get(), nullptr, buffer);
    if (code)
        return code;
    // What differs from the session's colour would be converted.
    for (const VtProperty &each : settings.properties) {
        CFStringRef key = each.value.kind == VtValue::matrix      ? kCVImageBufferYCbCrMatrixKey
                          : each.value.kind == VtValue::primaries ? kCVImageBufferColorPrimariesKey
                          : each.value.kind == VtValue::transfer
                              ? kCVImageBufferTransferFunctionKey
                              : nullptr;
        if (!key)
            continue;
        CfOwner<CFTypeRef> value(vt_made(each.value));
        if (value)
            CVBufferSetAttachment(*buffer, key, value.get(), kCVAttachmentMode_ShouldPropagate);
    }
    return 0;
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
