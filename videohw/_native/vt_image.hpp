// What the frameworks attach to a decoded image: its colours, chroma location, shape of a pixel.
#ifndef VIDEOHW_VT_IMAGE_HPP
#define VIDEOHW_VT_IMAGE_HPP

#include "apple.h"

#include <cstdint>

namespace videohw {

// Code points of H.273; 2 and -1 where nothing is attached, or nothing with a code point. The
// aspect is 0 : 0 then.
struct VtAttachments {
    int matrix = 2, primaries = 2, transfer = 2, siting = -1;
    std::int64_t aspect_width = 0, aspect_height = 0;
};

// An attachment that is of type `type`, or nullptr; it belongs to the image.
inline CFTypeRef vt_attachment(CVImageBufferRef image, CFStringRef key, CFTypeID type)
{
    CFTypeRef found = CVBufferGetAttachment(image, key, nullptr);
    return found && CFGetTypeID(found) == type ? found : nullptr;
}

inline std::int64_t vt_spacing(CFDictionaryRef aspect, CFStringRef key)
{
    CFTypeRef found = CFDictionaryGetValue(aspect, key);
    std::int64_t value = 0;
    if (!found || CFGetTypeID(found) != CFNumberGetTypeID() ||
        !CFNumberGetValue(static_cast<CFNumberRef>(found), kCFNumberSInt64Type, &value))
        return 0;
    return value;
}

inline VtAttachments vt_attachments(CVImageBufferRef image)
{
    VtAttachments found;
    CFTypeID is_string = CFStringGetTypeID();
    auto name = [&](CFStringRef key) {
        return static_cast<CFStringRef>(vt_attachment(image, key, is_string));
    };
    if (CFStringRef matrix = name(kCVImageBufferYCbCrMatrixKey))
        found.matrix = CVYCbCrMatrixGetIntegerCodePointForString(matrix);
    if (CFStringRef primaries = name(kCVImageBufferColorPrimariesKey))
        found.primaries = CVColorPrimariesGetIntegerCodePointForString(primaries);
    if (CFStringRef transfer = name(kCVImageBufferTransferFunctionKey))
        found.transfer = CVTransferFunctionGetIntegerCodePointForString(transfer);
    if (CFStringRef location = name(kCVImageBufferChromaLocationTopFieldKey)) {
        // In the order of chroma_sample_loc_type.
        const CFStringRef known[] = {
            kCVImageBufferChromaLocation_Left,       kCVImageBufferChromaLocation_Center,
            kCVImageBufferChromaLocation_TopLeft,    kCVImageBufferChromaLocation_Top,
            kCVImageBufferChromaLocation_BottomLeft, kCVImageBufferChromaLocation_Bottom};
        for (int i = 0; i < 6; ++i)
            if (CFEqual(location, known[i]))
                found.siting = i;
    }
    auto aspect = static_cast<CFDictionaryRef>(
        vt_attachment(image, kCVImageBufferPixelAspectRatioKey, CFDictionaryGetTypeID()));
    if (aspect) {
        found.aspect_width =
            vt_spacing(aspect, kCVImageBufferPixelAspectRatioHorizontalSpacingKey);
        found.aspect_height = vt_spacing(aspect, kCVImageBufferPixelAspectRatioVerticalSpacingKey);
    }
    return found;
}

} // namespace videohw

#endif
