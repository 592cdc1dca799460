#include "video.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>

namespace apple {
namespace {

constexpr uint8_t poison = 0xDB;

const Format formats[] = {
    {kCVPixelFormatType_420YpCbCr8BiPlanarVideoRange, 2, 1, 1, 1, false},
    {kCVPixelFormatType_420YpCbCr8BiPlanarFullRange, 2, 1, 1, 1, true},
    {kCVPixelFormatType_422YpCbCr8BiPlanarVideoRange, 2, 1, 0, 1, false},
    {kCVPixelFormatType_422YpCbCr8BiPlanarFullRange, 2, 1, 0, 1, true},
    {kCVPixelFormatType_444YpCbCr8BiPlanarVideoRange, 2, 0, 0, 1, false},
    {kCVPixelFormatType_444YpCbCr8BiPlanarFullRange, 2, 0, 0, 1, true},
    {kCVPixelFormatType_420YpCbCr10BiPlanarVideoRange, 2, 1, 1, 2, false},
    {kCVPixelFormatType_420YpCbCr10BiPlanarFullRange, 2, 1, 1, 2, true},
    {kCVPixelFormatType_422YpCbCr10BiPlanarVideoRange, 2, 1, 0, 2, false},
    {kCVPixelFormatType_422YpCbCr10BiPlanarFullRange, 2, 1, 0, 2, true},
    {kCVPixelFormatType_444YpCbCr10BiPlanarVideoRange, 2, 0, 0, 2, false},
    {kCVPixelFormatType_444YpCbCr10BiPlanarFullRange, 2, 0, 0, 2, true},
    {kCVPixelFormatType_32BGRA, 1, 0, 0, 1, true},
};

std::mutex &locks()
{
    static auto *made = new std::mutex;
    return *made;
}

std::size_t padding()
{
    return static_cast<std::size_t>(std::stoul(setting("PADDING", "64")));
}

PixelBuffer *buffer_of(CVBufferRef reference) { return as<PixelBuffer>(reference); }

// Names whose text is public: what a movie file says too.
struct Known {
    CodePoints what;
    int code;
    const char *text;
};
const Known known_names[] = {
    {CodePoints::matrix, 1, "ITU_R_709_2"},        {CodePoints::matrix, 6, "ITU_R_601_4"},
    {CodePoints::matrix, 7, "SMPTE_240M_1995"},    {CodePoints::matrix, 9, "ITU_R_2020"},
    {CodePoints::primaries, 1, "ITU_R_709_2"},     {CodePoints::primaries, 5, "EBU_3213"},
    {CodePoints::primaries, 6, "SMPTE_C"},         {CodePoints::primaries, 9, "ITU_R_2020"},
    {CodePoints::primaries, 11, "DCI_P3"},         {CodePoints::primaries, 12, "P3_D65"},
    {CodePoints::transfer, 1, "ITU_R_709_2"},      {CodePoints::transfer, 7, "SMPTE_240M_1995"},
    {CodePoints::transfer, 8, "Linear"},           {CodePoints::transfer, 13, "IEC_sRGB"},
    {CodePoints::transfer, 14, "ITU_R_2020"},      {CodePoints::transfer, 16, "SMPTE_ST_2084_PQ"},
    {CodePoints::transfer, 17, "SMPTE_ST_428_1"},  {CodePoints::transfer, 18, "ITU_R_2100_HLG"},
};

} // namespace

const Format *format_of(OSType code)
{
    for (const Format &each : formats)
        if (each.code == code)
            return &each;
    return nullptr;
}

// Pools ---------------------------------------------------------------------------------------

class PoolState {
  public:
    Bytes take(std::size_t bytes, std::size_t threshold, bool *taken)
    {
        std::lock_guard<std::mutex> held(lock);
        *taken = !threshold || in_use < threshold;
        if (!*taken)
            return {};
        ++in_use;
        peak("pixel buffers in use", static_cast<long>(in_use));
        if (free.empty())
            return Bytes(bytes, poison);
        Bytes found = std::move(free.back());
        free.pop_back();
        return found;
    }
    void give_back(Bytes memory)
    {
        // What reads on after it gave the buffer back sees this, and not the picture.
        std::fill(memory.begin(), memory.end(), poison);
        std::lock_guard<std::mutex> held(lock);
        --in_use;
        free.push_back(std::move(memory));
    }

  private:
    std::mutex lock;
    std::vector<Bytes> free;
    std::size_t in_use = 0;
};

Pool::Pool(const Format &format, std::size_t width, std::size_t height, bool has_surface)
    : Object("CVPixelBufferPool"), format(format), width(width), height(height),
      has_surface(has_surface), state(std::make_shared<PoolState>())
{
}

PixelBuffer *Pool::make(std::size_t threshold)
{
    auto made = Kept<PixelBuffer>::adopted(new PixelBuffer(format, width, height));
    bool taken = false;
    Bytes memory = state->take(made->memory.size(), threshold, &taken);
    if (!taken)
        return nullptr;
    made->memory = std::move(memory);
    made->pool = state;
    made->has_surface = has_surface;
    return made.given_away();
}

// Pixel buffers -----------------------------------------------------------------------------------

PixelBuffer::PixelBuffer(const Format &format, std::size_t width, std::size_t height)
    : Object("CVPixelBuffer"), format(format), width(width), height(height), clean_width(width),
      clean_height(height)
{
    std::size_t offset = 0;
    for (int i = 0; i < format.planes; ++i) {
        Plane plane;
        plane.width = i ? (width + (1u << format.shift_x) - 1) >> format.shift_x : width;
        plane.height = i ? (height + (1u << format.shift_y) - 1) >> format.shift_y : height;
        int channels = format.planes == 1 ? 4 : i ? 2 : 1;
        std::size_t row = plane.width * static_cast<std::size_t>(format.sample_bytes * channels);
        // Rule (header): rows may have padding. Rule (assumed): they begin at multiples of 64.
        plane.pitch = (row + 63) / 64 * 64 + padding();
        // Rule (assumed): there may be a gap between planes.
        plane.offset = offset;
        offset += plane.pitch * plane.height + 256;
        planes.push_back(plane);
    }
    memory.assign(offset, poison);
}

void PixelBuffer::clear()
{
    if (reading || writing)
        misuse("a pixel buffer is gone with its base address locked");
    attachments = {};
    if (pool)
        pool->give_back(std::move(memory));
    else
        std::fill(memory.begin(), memory.end(), poison);
    pool.reset();
    memory.clear();
}

CVReturn PixelBuffer::lock(CVPixelBufferLockFlags flags)
{
    std::lock_guard<std::mutex> held(locks());
    ++(flags & kCVPixelBufferLock_ReadOnly ? reading : writing);
    return kCVReturnSuccess;
}

CVReturn PixelBuffer::unlock(CVPixelBufferLockFlags flags)
{
    std::lock_guard<std::mutex> held(locks());
    // Rule (header): locked read-only is unlocked read-only.
    long &count = flags & kCVPixelBufferLock_ReadOnly ? reading : writing;
    if (!count) {
        misuse("unlocked as it was not locked");
        return kCVReturnInvalidArgument;
    }
    --count;
    return kCVReturnSuccess;
}

bool PixelBuffer::is_locked()
{
    std::lock_guard<std::mutex> held(locks());
    return reading || writing;
}

bool PixelBuffer::is_written()
{
    std::lock_guard<std::mutex> held(locks());
    return writing != 0;
}

// Names of colours ------------------------------------------------------------------------------

String *code_point_name(CodePoints what, int code_point)
{
    static std::mutex guard;
    static auto *made = new std::map<std::pair<CodePoints, int>, String *>;
    std::lock_guard<std::mutex> held(guard);
    String *&found = (*made)[{what, code_point}];
    if (found)
        return found;
    for (const Known &each : known_names)
        if (each.what == what && each.code == code_point)
            return found = new String(each.text, true);
    // Rule (assumed): others are named by their number.
    static const char *const prefixes[] = {"YCbCrMatrix#", "ColorPrimaries#", "TransferFunction#"};
    std::string text = prefixes[static_cast<int>(what)] + std::to_string(code_point);
    return found = new String(text, true);
}

int code_point(CodePoints what, const String &name)
{
    for (const Known &each : known_names)
        if (each.what == what && each.text == name.text)
            return each.code;
    std::size_t mark = name.text.find('#');
    // Rule (header): 2, which is unspecified, of what is not recognised.
    return mark == std::string::npos ? 2 : std::atoi(name.text.c_str() + mark + 1);
}

} // namespace apple

using namespace apple;

// Making ----------------------------------------------------------------------------------------

namespace {

CVReturn check_size(std::size_t width, std::size_t height, OSType format)
{
    if (!format_of(format))
        return kCVReturnInvalidPixelFormat;
    // Rule (assumed): sizes of 4:2:0 may be odd.
    return width && height && width <= 16384 && height <= 16384 ? kCVReturnSuccess
                                                                : kCVReturnInvalidSize;
}

bool wants_surface(const Dictionary *attributes)
{
    return attributes && attributes->find(kCVPixelBufferIOSurfacePropertiesKey);
}

} // namespace

EMULATED CVReturn CVPixelBufferCreate(CFAllocatorRef, size_t width, size_t height, OSType format,
                                      CFDictionaryRef attributes, CVPixelBufferRef *made)
{
    ENTER_STATUS();
    if (CVReturn code = check_size(width, height, format))
        return code;
    auto *buffer = new PixelBuffer(*format_of(format), width, height);
    buffer->has_surface = wants_surface(attributes ? as<Dictionary>(attributes) : nullptr);
    *made = reference<CVPixelBufferRef>(buffer);
    return kCVReturnSuccess;
}

EMULATED CVReturn CVPixelBufferPoolCreate(CFAllocatorRef, CFDictionaryRef pool_attributes,
                                          CFDictionaryRef attributes, CVPixelBufferPoolRef *made)
{
    ENTER_STATUS();
    if (pool_attributes)
        live(pool_attributes);
    auto *wanted = attributes ? as<Dictionary>(attributes) : nullptr;
    auto width = static_cast<std::size_t>(number_of(wanted, kCVPixelBufferWidthKey, 0));
    auto height = static_cast<std::size_t>(number_of(wanted, kCVPixelBufferHeightKey, 0));
    auto format = static_cast<OSType>(number_of(wanted, kCVPixelBufferPixelFormatTypeKey, 0));
    if (CVReturn code = check_size(width, height, format))
        return code;
    *made = reference<CVPixelBufferPoolRef>(
        new Pool(*format_of(format), width, height, wants_surface(wanted)));
    return kCVReturnSuccess;
}

EMULATED CVReturn CVPixelBufferPoolCreatePixelBufferWithAuxAttributes(CFAllocatorRef,
                                                                      CVPixelBufferPoolRef pool,
                                                                      CFDictionaryRef attributes,
                                                                      CVPixelBufferRef *made)
{
    ENTER_STATUS();
    auto *found = as<Pool>(pool);
    auto *wanted = attributes ? as<Dictionary>(attributes) : nullptr;
    if (!found || !made)
        return kCVReturnInvalidArgument;
    // Rule (header): with a threshold no more buffers are made than that.
    auto threshold = number_of(wanted, kCVPixelBufferPoolAllocationThresholdKey, 0);
    PixelBuffer *buffer = found->make(static_cast<std::size_t>(threshold));
    *made = reference<CVPixelBufferRef>(buffer);
    return buffer ? kCVReturnSuccess : kCVReturnWouldExceedAllocationThreshold;
}

// Looking -----------------------------------------------------------------------------------------

EMULATED CVReturn CVPixelBufferLockBaseAddress(CVPixelBufferRef buffer,
                                               CVPixelBufferLockFlags flags)
{
    ENTER_STATUS();
    auto *found = buffer_of(buffer);
    return found ? found->lock(flags) : kCVReturnInvalidArgument;
}

EMULATED CVReturn CVPixelBufferUnlockBaseAddress(CVPixelBufferRef buffer,
                                                 CVPixelBufferLockFlags flags)
{
    ENTER();
    auto *found = buffer_of(buffer);
    return found ? found->unlock(flags) : kCVReturnInvalidArgument;
}

EMULATED size_t CVPixelBufferGetWidth(CVPixelBufferRef buffer)
{
    auto *found = buffer_of(buffer);
    return found ? found->width : 0;
}

EMULATED size_t CVPixelBufferGetHeight(CVPixelBufferRef buffer)
{
    auto *found = buffer_of(buffer);
    return found ? found->height : 0;
}

EMULATED OSType CVPixelBufferGetPixelFormatType(CVPixelBufferRef buffer)
{
    auto *found = buffer_of(buffer);
    return found ? found->format.code : 0;
}

EMULATED size_t CVPixelBufferGetPlaneCount(CVPixelBufferRef buffer)
{
    auto *found = buffer_of(buffer);
    // Rule (header): 0 of what has no planes.
    return found && found->format.planes > 1 ? static_cast<size_t>(found->format.planes) : 0;
}

EMULATED size_t CVPixelBufferGetWidthOfPlane(CVPixelBufferRef buffer, size_t plane)
{
    auto *found = buffer_of(buffer);
    return found && plane < found->planes.size() ? found->planes[plane].width : 0;
}

EMULATED size_t CVPixelBufferGetHeightOfPlane(CVPixelBufferRef buffer, size_t plane)
{
    auto *found = buffer_of(buffer);
    return found && plane < found->planes.size() ? found->planes[plane].height : 0;
}

EMULATED void *CVPixelBufferGetBaseAddressOfPlane(CVPixelBufferRef buffer, size_t plane)
{
    ENTER_OR_NULL(void *);
    auto *found = buffer_of(buffer);
    if (!found || plane >= found->planes.size())
        return nullptr;
    // Rule (header): memory is looked at between locking and unlocking.
    if (!found->is_locked()) {
        misuse("the base address is not locked");
        return nullptr;
    }
    return found->memory.data() + found->planes[plane].offset;
}

EMULATED void *CVPixelBufferGetBaseAddress(CVPixelBufferRef buffer)
{
    auto *found = buffer_of(buffer);
    // Rule (header): of planes it is a descriptor, not a picture.
    if (found && found->format.planes > 1) {
        misuse("a base address of planes");
        return nullptr;
    }
    return CVPixelBufferGetBaseAddressOfPlane(buffer, 0);
}

EMULATED size_t CVPixelBufferGetBytesPerRowOfPlane(CVPixelBufferRef buffer, size_t plane)
{
    auto *found = buffer_of(buffer);
    return found && plane < found->planes.size() ? found->planes[plane].pitch : 0;
}

EMULATED size_t CVPixelBufferGetBytesPerRow(CVPixelBufferRef buffer)
{
    return CVPixelBufferGetBytesPerRowOfPlane(buffer, 0);
}

EMULATED IOSurfaceRef CVPixelBufferGetIOSurface(CVPixelBufferRef buffer)
{
    auto *found = buffer_of(buffer);
    // Rule (header): NULL where the buffer has none, which it has when the attributes ask for it.
    return found && found->has_surface ? reference<IOSurfaceRef>(found) : nullptr;
}

EMULATED CGRect CVImageBufferGetCleanRect(CVImageBufferRef buffer)
{
    auto *found = buffer_of(buffer);
    if (!found)
        return {};
    // Rule (header): the origin is the lower left corner.
    std::size_t below = found->height - found->clean_top - found->clean_height;
    return {{static_cast<double>(found->clean_left), static_cast<double>(below)},
            {static_cast<double>(found->clean_width), static_cast<double>(found->clean_height)}};
}

// Attachments -----------------------------------------------------------------------------------

EMULATED CFTypeRef CVBufferGetAttachment(CVBufferRef buffer, CFStringRef key,
                                         CVAttachmentMode *mode)
{
    auto *found = buffer_of(buffer);
    if (mode)
        *mode = kCVAttachmentMode_ShouldPropagate;
    return found && found->attachments && live(key) ? found->attachments->find(key) : nullptr;
}

EMULATED void CVBufferSetAttachment(CVBufferRef buffer, CFStringRef key, CFTypeRef value,
                                    CVAttachmentMode)
{
    auto *found = buffer_of(buffer);
    Object *kept = live(value);
    if (!found || !kept || !live(key))
        return;
    if (!found->attachments)
        found->attachments = Kept<Dictionary>::adopted(new Dictionary);
    found->attachments->set(key, kept);
}

EMULATED int CVYCbCrMatrixGetIntegerCodePointForString(CFStringRef name)
{
    auto *found = name ? as<String>(name) : nullptr;
    return found ? code_point(CodePoints::matrix, *found) : 2;
}

EMULATED int CVColorPrimariesGetIntegerCodePointForString(CFStringRef name)
{
    auto *found = name ? as<String>(name) : nullptr;
    return found ? code_point(CodePoints::primaries, *found) : 2;
}

EMULATED int CVTransferFunctionGetIntegerCodePointForString(CFStringRef name)
{
    auto *found = name ? as<String>(name) : nullptr;
    return found ? code_point(CodePoints::transfer, *found) : 2;
}

EMULATED CFStringRef CVYCbCrMatrixGetStringForIntegerCodePoint(int code_point)
{
    ENTER_OR_NULL(CFStringRef);
    return reference<CFStringRef>(code_point_name(CodePoints::matrix, code_point));
}

EMULATED CFStringRef CVColorPrimariesGetStringForIntegerCodePoint(int code_point)
{
    ENTER_OR_NULL(CFStringRef);
    return reference<CFStringRef>(code_point_name(CodePoints::primaries, code_point));
}

EMULATED CFStringRef CVTransferFunctionGetStringForIntegerCodePoint(int code_point)
{
    ENTER_OR_NULL(CFStringRef);
    return reference<CFStringRef>(code_point_name(CodePoints::transfer, code_point));
}
