#include "media.hpp"

#include "video.hpp"

#include <climits>
#include <cstring>

namespace apple {

Bytes FormatDescription::annexb_sets() const
{
    Bytes made;
    for (const Bytes &set : sets)
        append_annexb({set.data(), set.size()}, &made);
    return made;
}

FormatDescription *description_of(CMVideoCodecType codec, std::vector<Bytes> sets,
                                  int length_bytes)
{
    Sequence found;
    for (const Bytes &set : sets) {
        // Rule (assumed): the first sequence parameter set describes the pictures.
        if (!found.known)
            found = codec == kCMVideoCodecType_H264 ? read_h264_sps(set.data(), set.size())
                                                    : read_hevc_sps(set.data(), set.size());
    }
    if (!found.known)
        return nullptr;
    auto *made = new FormatDescription(codec, found.width(), found.height());
    made->length_bytes = length_bytes;
    made->sets = std::move(sets);
    made->sequence = found;
    made->extensions = Kept<Dictionary>::adopted(new Dictionary);
    if (found.has_signal) {
        Dictionary &extensions = *made->extensions;
        extensions.set(kCMFormatDescriptionExtension_FullRangeVideo,
                       live(found.full_range ? kCFBooleanTrue : kCFBooleanFalse));
        extensions.set(kCMFormatDescriptionExtension_ColorPrimaries,
                       code_point_name(CodePoints::primaries, found.primaries));
        extensions.set(kCMFormatDescriptionExtension_TransferFunction,
                       code_point_name(CodePoints::transfer, found.transfer));
        extensions.set(kCMFormatDescriptionExtension_YCbCrMatrix,
                       code_point_name(CodePoints::matrix, found.matrix));
    }
    return made;
}

bool is_framed(CMVideoCodecType codec)
{
    return codec == kCMVideoCodecType_AV1 || codec == kCMVideoCodecType_VP9;
}

// Rule (assumed): the record of a file (AV1 and VP Codec in ISO BMFF) stands among the extensions.
bool read_record(FormatDescription &description)
{
    bool is_av1 = description.codec == kCMVideoCodecType_AV1;
    const Dictionary *extensions = description.extensions.get();
    const Dictionary *atoms = extensions
        ? dynamic_cast<Dictionary *>(extensions->find(
              kCMFormatDescriptionExtension_SampleDescriptionExtensionAtoms))
        : nullptr;
    if (!atoms || extensions->pairs.size() != 1 || atoms->pairs.size() != 1) {
        misuse("other extensions than one record");
        return false;
    }
    auto *key = dynamic_cast<String *>(atoms->pairs[0].first.get());
    auto *data = dynamic_cast<Data *>(atoms->pairs[0].second.get());
    if (!key || !data || key->text != (is_av1 ? "av1C" : "vpcC")) {
        misuse("a record of another name");
        return false;
    }
    const Bytes &record = data->bytes;
    Sequence &sequence = description.sequence;
    if (is_av1) {
        // Marker and version, and a sequence header among the OBUs.
        if (record.size() < 6 || record[0] != 0x81 || (record[4] >> 3 & 15) != 1)
            return false;
        int flags = record[2];
        sequence.depth = flags >> 6 & 1 ? (flags >> 5 & 1 ? 12 : 10) : 8;
        sequence.chroma = flags >> 4 & 1 ? 0 : flags >> 2 & 1 ? 1 : flags >> 3 & 1 ? 2 : 3;
    } else {
        if (record.size() != 12 || record[0] != 1 || record[10] || record[11])
            return false;
        sequence.depth = record[6] >> 4;
        int chroma = record[6] >> 1 & 7;
        sequence.chroma = chroma < 2 ? 1 : chroma;
        sequence.full_range = record[6] & 1;
        sequence.primaries = record[7];
        sequence.transfer = record[8];
        sequence.matrix = record[9];
    }
    sequence.known = description.width > 0 && description.height > 0 && sequence.chroma <= 3;
    description.sets = {record};
    return sequence.known;
}

SampleBuffer *sample_of(Kept<FormatDescription> description, Bytes data,
                        const CMSampleTimingInfo &timing)
{
    auto *made = new SampleBuffer;
    auto *block = new BlockBuffer;
    block->length = data.size();
    block->owned = std::move(data);
    made->data = Kept<BlockBuffer>::adopted(block);
    made->description = std::move(description);
    made->timing = timing;
    return made;
}

Array *attachments_of(SampleBuffer &sample, bool create)
{
    if (!sample.attachments && create) {
        sample.attachments = Kept<Array>::adopted(new Array);
        sample.attachments->values.push_back(Kept<Object>::adopted(new Dictionary));
    }
    return sample.attachments.get();
}

namespace {

OSStatus create_from_sets(CMVideoCodecType codec, std::size_t least, std::size_t count,
                          const uint8_t *const *sets, const std::size_t *sizes, int length_bytes,
                          CMFormatDescriptionRef *made)
{
    // Rule (header): at least an SPS and a PPS, of HEVC a VPS too; lengths of 1, 2 or 4 bytes.
    if (count < least || !sets || !sizes || !made ||
        (length_bytes != 1 && length_bytes != 2 && length_bytes != 4))
        return kCMFormatDescriptionError_InvalidParameter;
    std::vector<Bytes> copied;
    for (std::size_t i = 0; i < count; ++i)
        copied.emplace_back(sets[i], sets[i] + sizes[i]);
    FormatDescription *found = description_of(codec, std::move(copied), length_bytes);
    // Rule (assumed): sets that cannot be read are answered with -12712.
    if (!found)
        return -12712;
    *made = reference<CMFormatDescriptionRef>(found);
    return 0;
}

OSStatus set_at(CMVideoCodecType codec, CMFormatDescriptionRef description, std::size_t index,
                const uint8_t **set, std::size_t *size, std::size_t *count, int *length_bytes)
{
    auto *found = as<FormatDescription>(description);
    // Rule (assumed): another codec and an index beyond the last are invalid parameters.
    if (!found || found->codec != codec)
        return kCMFormatDescriptionError_InvalidParameter;
    // Rule (header): what is not asked for is NULL.
    if (count)
        *count = found->sets.size();
    if (length_bytes)
        *length_bytes = found->length_bytes;
    if (index >= found->sets.size())
        return kCMFormatDescriptionError_InvalidParameter;
    if (set)
        *set = found->sets[index].data();
    if (size)
        *size = found->sets[index].size();
    return 0;
}

bool is_number(const CMTime &time)
{
    constexpr uint32_t not_numbers = 0x1c; // infinite or indefinite
    return (time.flags & kCMTimeFlags_Valid) && !(time.flags & not_numbers) && time.timescale > 0;
}

__int128 scaled(const CMTime &time, int32_t timescale)
{
    return static_cast<__int128>(time.value) * timescale;
}

// In the smallest scale that has both, or the larger one where that is too large.
CMTime sum(CMTime one, CMTime other, int sign)
{
    if (!is_number(one) || !is_number(other))
        return kCMTimeInvalid;
    __int128 scale = one.timescale;
    while (scale % other.timescale && scale <= INT_MAX)
        scale += one.timescale;
    if (scale > INT_MAX)
        scale = one.timescale > other.timescale ? one.timescale : other.timescale;
    CMTime first = CMTimeConvertScale(one, static_cast<int32_t>(scale), 1);
    CMTime second = CMTimeConvertScale(other, static_cast<int32_t>(scale), 1);
    first.value += sign * second.value;
    first.flags |= second.flags;
    return first;
}

} // namespace
} // namespace apple

using namespace apple;

// Times ---------------------------------------------------------------------------------------

const CMTime kCMTimeInvalid{0, 0, 0, 0};

EMULATED CMTime CMTimeMake(int64_t value, int32_t timescale)
{
    // Rule (header): a timescale of 0 or less is undefined.
    if (timescale <= 0)
        misuse("timescale %d", timescale);
    return {value, timescale, kCMTimeFlags_Valid, 0};
}

EMULATED CMTime CMTimeConvertScale(CMTime time, int32_t timescale, CMTimeRoundingMethod method)
{
    if (method != kCMTimeRoundingMethod_RoundHalfAwayFromZero)
        misuse("a rounding that is not emulated");
    if (!is_number(time) || timescale <= 0)
        return kCMTimeInvalid;
    __int128 exact = scaled(time, timescale), half = time.timescale / 2;
    __int128 value = (exact + (exact < 0 ? -half : half)) / time.timescale;
    // Rule (header): the flag says that it was rounded.
    uint32_t rounded = value * time.timescale != exact ? 2 : 0;
    return {static_cast<int64_t>(value), timescale, time.flags | rounded, time.epoch};
}

EMULATED CMTime CMTimeAdd(CMTime one, CMTime other) { return sum(one, other, 1); }
EMULATED CMTime CMTimeSubtract(CMTime one, CMTime other) { return sum(one, other, -1); }

EMULATED int32_t CMTimeCompare(CMTime one, CMTime other)
{
    // Rule (header): numbers come before what is invalid.
    if (!is_number(one) || !is_number(other))
        return static_cast<int32_t>(is_number(other)) - static_cast<int32_t>(is_number(one));
    __int128 first = scaled(one, other.timescale), second = scaled(other, one.timescale);
    return first < second ? -1 : first > second;
}

EMULATED Float64 CMTimeGetSeconds(CMTime time)
{
    return is_number(time) ? static_cast<double>(time.value) / time.timescale : __builtin_nan("");
}

// Format descriptions ---------------------------------------------------------------------------

EMULATED OSStatus CMVideoFormatDescriptionCreate(CFAllocatorRef, CMVideoCodecType codec,
                                                 int32_t width, int32_t height,
                                                 CFDictionaryRef extensions,
                                                 CMVideoFormatDescriptionRef *made)
{
    ENTER_STATUS();
    if (!made)
        return kCMFormatDescriptionError_InvalidParameter;
    auto *description = new FormatDescription(codec, width, height);
    if (extensions)
        description->extensions = Kept<Dictionary>(as<Dictionary>(extensions));
    description->sequence.coded_width = width;
    description->sequence.coded_height = height;
    if (is_framed(codec) && !read_record(*description)) {
        release(description);
        return kCMFormatDescriptionError_InvalidParameter;
    }
    *made = reference<CMVideoFormatDescriptionRef>(description);
    return 0;
}

EMULATED OSStatus CMVideoFormatDescriptionCreateFromH264ParameterSets(
    CFAllocatorRef, size_t count, const uint8_t *const *sets, const size_t *sizes,
    int length_bytes, CMFormatDescriptionRef *made)
{
    ENTER_STATUS();
    return create_from_sets(kCMVideoCodecType_H264, 2, count, sets, sizes, length_bytes, made);
}

EMULATED OSStatus CMVideoFormatDescriptionCreateFromHEVCParameterSets(
    CFAllocatorRef, size_t count, const uint8_t *const *sets, const size_t *sizes,
    int length_bytes, CFDictionaryRef extensions, CMFormatDescriptionRef *made)
{
    ENTER_STATUS();
    if (extensions)
        misuse("extensions beside parameter sets are not emulated");
    return create_from_sets(kCMVideoCodecType_HEVC, 3, count, sets, sizes, length_bytes, made);
}

EMULATED OSStatus CMVideoFormatDescriptionGetH264ParameterSetAtIndex(
    CMFormatDescriptionRef description, size_t index, const uint8_t **set, size_t *size,
    size_t *count, int *length_bytes)
{
    ENTER_STATUS();
    return set_at(kCMVideoCodecType_H264, description, index, set, size, count, length_bytes);
}

EMULATED OSStatus CMVideoFormatDescriptionGetHEVCParameterSetAtIndex(
    CMFormatDescriptionRef description, size_t index, const uint8_t **set, size_t *size,
    size_t *count, int *length_bytes)
{
    ENTER_STATUS();
    return set_at(kCMVideoCodecType_HEVC, description, index, set, size, count, length_bytes);
}

EMULATED CMVideoDimensions
CMVideoFormatDescriptionGetDimensions(CMVideoFormatDescriptionRef description)
{
    auto *found = as<FormatDescription>(description);
    // Rule (assumed): the picture as cropped by its sequence parameter set.
    return found ? CMVideoDimensions{found->width, found->height} : CMVideoDimensions{0, 0};
}

EMULATED FourCharCode CMFormatDescriptionGetMediaSubType(CMFormatDescriptionRef description)
{
    auto *found = as<FormatDescription>(description);
    return found ? found->codec : 0;
}

EMULATED CFPropertyListRef CMFormatDescriptionGetExtension(CMFormatDescriptionRef description,
                                                           CFStringRef key)
{
    auto *found = as<FormatDescription>(description);
    return found && found->extensions && live(key) ? found->extensions->find(key) : nullptr;
}

// Block buffers ---------------------------------------------------------------------------------

EMULATED OSStatus CMBlockBufferCreateWithMemoryBlock(
    CFAllocatorRef, void *memory, size_t bytes, CFAllocatorRef blocks,
    const CMBlockBufferCustomBlockSource *source, size_t offset, size_t length,
    CMBlockBufferFlags flags, CMBlockBufferRef *made)
{
    ENTER_STATUS();
    if (!made || source || offset + length > bytes || bytes == 0)
        return kCMBlockBufferBadLengthParameterErr;
    // Rule (header): memory that is given belongs to the allocator, unless that is the null one.
    if (memory && blocks != kCFAllocatorNull) {
        misuse("memory that the default allocator would free");
        return kCMBlockBufferBadPointerParameterErr;
    }
    if (!memory && !(flags & kCMBlockBufferAssureMemoryNowFlag)) {
        misuse("a block without memory is not emulated");
        return kCMBlockBufferBadPointerParameterErr;
    }
    auto *buffer = new BlockBuffer;
    buffer->length = length;
    if (memory)
        buffer->borrowed = static_cast<const uint8_t *>(memory) + offset;
    else
        buffer->owned.assign(length, 0xDB);
    *made = reference<CMBlockBufferRef>(buffer);
    return 0;
}

EMULATED size_t CMBlockBufferGetDataLength(CMBlockBufferRef buffer)
{
    auto *found = as<BlockBuffer>(buffer);
    return found ? found->length : 0;
}

EMULATED OSStatus CMBlockBufferCopyDataBytes(CMBlockBufferRef buffer, size_t offset, size_t length,
                                             void *target)
{
    ENTER_STATUS();
    auto *found = as<BlockBuffer>(buffer);
    if (!found || offset > found->length)
        return kCMBlockBufferBadOffsetParameterErr;
    if (length > found->length - offset)
        return kCMBlockBufferBadLengthParameterErr;
    std::memcpy(target, found->data() + offset, length);
    return 0;
}

EMULATED OSStatus CMBlockBufferReplaceDataBytes(const void *bytes, CMBlockBufferRef buffer,
                                                size_t offset, size_t length)
{
    ENTER_STATUS();
    auto *found = as<BlockBuffer>(buffer);
    if (!found || offset > found->length)
        return kCMBlockBufferBadOffsetParameterErr;
    if (length > found->length - offset)
        return kCMBlockBufferBadLengthParameterErr;
    std::memcpy(const_cast<uint8_t *>(found->data()) + offset, bytes, length);
    return 0;
}

// Sample buffers --------------------------------------------------------------------------------

EMULATED OSStatus CMSampleBufferCreateReady(CFAllocatorRef, CMBlockBufferRef data,
                                            CMFormatDescriptionRef description,
                                            CMItemCount samples, CMItemCount timings,
                                            const CMSampleTimingInfo *timing, CMItemCount sizes,
                                            const size_t *size, CMSampleBufferRef *made)
{
    ENTER_STATUS();
    auto *block = as<BlockBuffer>(data);
    auto *format = as<FormatDescription>(description);
    if (!block || !format || !made)
        return kCMSampleBufferError_RequiredParameterMissing;
    // Rule (header): 0, 1 or as many entries as samples.
    if (samples != 1 || timings > 1 || sizes > 1 || (timings && !timing) || (sizes && !size))
        return kCMSampleBufferError_InvalidEntryCount;
    if (sizes != 1 || *size != block->length)
        misuse("a sample of %zu bytes with %zu bytes of data", sizes ? *size : 0, block->length);
    auto *sample = new SampleBuffer;
    sample->data = Kept<BlockBuffer>(block);
    sample->description = Kept<FormatDescription>(format);
    if (timings)
        sample->timing = *timing;
    *made = reference<CMSampleBufferRef>(sample);
    return 0;
}

EMULATED CMBlockBufferRef CMSampleBufferGetDataBuffer(CMSampleBufferRef sample)
{
    ENTER_OR_NULL(CMBlockBufferRef);
    auto *found = as<SampleBuffer>(sample);
    return found ? reference<CMBlockBufferRef>(found->data.get()) : nullptr;
}

EMULATED CMFormatDescriptionRef CMSampleBufferGetFormatDescription(CMSampleBufferRef sample)
{
    ENTER_OR_NULL(CMFormatDescriptionRef);
    auto *found = as<SampleBuffer>(sample);
    return found ? reference<CMFormatDescriptionRef>(found->description.get()) : nullptr;
}

EMULATED CFArrayRef CMSampleBufferGetSampleAttachmentsArray(CMSampleBufferRef sample,
                                                            Boolean create)
{
    ENTER_OR_NULL(CFArrayRef);
    auto *found = as<SampleBuffer>(sample);
    Array *array = found ? attachments_of(*found, create) : nullptr;
    return array ? reference<CFArrayRef>(array) : nullptr;
}

EMULATED CMTime CMSampleBufferGetPresentationTimeStamp(CMSampleBufferRef sample)
{
    auto *found = as<SampleBuffer>(sample);
    return found ? found->timing.presentationTimeStamp : kCMTimeInvalid;
}

EMULATED CMTime CMSampleBufferGetDecodeTimeStamp(CMSampleBufferRef sample)
{
    auto *found = as<SampleBuffer>(sample);
    return found ? found->timing.decodeTimeStamp : kCMTimeInvalid;
}

EMULATED CMTime CMSampleBufferGetDuration(CMSampleBufferRef sample)
{
    auto *found = as<SampleBuffer>(sample);
    return found ? found->timing.duration : kCMTimeInvalid;
}
