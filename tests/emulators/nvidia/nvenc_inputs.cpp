// Inputs of the emulated encoder: buffers that the host writes while they are locked, memory of the
// device that is registered and mapped, and how pixels lie in them.

#include "nvenc_session.hpp"

#include <algorithm>
#include <cstring>
#include <sys/mman.h>
#include <unistd.h>

namespace encode {

using namespace nvenc;
using emulator::misuse;

namespace {

constexpr std::size_t page = 4096, pitch_step = 512;

std::size_t whole_pages(std::size_t bytes) { return (bytes + page - 1) / page * page; }

// Bytes of a sample of luma, or of a packed pixel.
std::size_t sample_bytes(unsigned format)
{
    switch (format) {
    case NV_ENC_BUFFER_FORMAT_YUV420_10BIT:
    case NV_ENC_BUFFER_FORMAT_YUV444_10BIT:
    case NV_ENC_BUFFER_FORMAT_P210:
        return 2;
    case NV_ENC_BUFFER_FORMAT_ARGB:
    case NV_ENC_BUFFER_FORMAT_ABGR:
    case NV_ENC_BUFFER_FORMAT_AYUV:
        return 4;
    default:
        return 1;
    }
}

bool is_packed(unsigned format) { return sample_bytes(format) == 4; }

int chroma_of(unsigned format)
{
    switch (format) {
    case NV_ENC_BUFFER_FORMAT_YUV444:
    case NV_ENC_BUFFER_FORMAT_YUV444_10BIT:
        return 3;
    case NV_ENC_BUFFER_FORMAT_NV16:
    case NV_ENC_BUFFER_FORMAT_P210:
        return 2;
    default:
        return 1;
    }
}

} // namespace

bool is_known_format(unsigned format)
{
    static const std::set<unsigned> known = {
        NV_ENC_BUFFER_FORMAT_NV12, NV_ENC_BUFFER_FORMAT_YV12, NV_ENC_BUFFER_FORMAT_IYUV,
        NV_ENC_BUFFER_FORMAT_YUV444, NV_ENC_BUFFER_FORMAT_YUV420_10BIT,
        NV_ENC_BUFFER_FORMAT_YUV444_10BIT, NV_ENC_BUFFER_FORMAT_ARGB, NV_ENC_BUFFER_FORMAT_ABGR,
        NV_ENC_BUFFER_FORMAT_AYUV, NV_ENC_BUFFER_FORMAT_NV16, NV_ENC_BUFFER_FORMAT_P210};
    return known.count(format) != 0;
}

std::size_t Layout::row_bytes() const { return width * sample_bytes(format); }

std::size_t Layout::rows() const
{
    if (is_packed(format))
        return height;
    int chroma = chroma_of(format);
    return chroma == 3 ? height * 3 : chroma == 2 ? height * 2 : height + (height + 1) / 2;
}

namespace {

// Reads samples where they lie and writes planes.
class Reader {
  public:
    Reader(const unsigned char *from, const Layout &of, unsigned depth_wanted)
        : pixels(from), layout(of), depth(depth_wanted)
    {
        wide = sample_bytes(layout.format) == 2;
    }

    // Rule (header): ten bits lie at the top of sixteen.
    unsigned sample(std::size_t plane_at, std::size_t pitch, int x, int y) const
    {
        const unsigned char *at = pixels + plane_at + pitch * static_cast<std::size_t>(y) +
                                  static_cast<std::size_t>(x) * (wide ? 2 : 1);
        if (!wide)
            return *at;
        return static_cast<unsigned>(at[0] | at[1] << 8) >> 6;
    }

    void put(codec::Plane &plane, int x, int y, unsigned value) const
    {
        unsigned char *at = plane.data.data() + plane.pitch * static_cast<std::size_t>(y);
        if (depth == 8) {
            at[x] = static_cast<unsigned char>(wide ? value >> 2 : value);
            return;
        }
        unsigned stored = wide ? value : value << 2;
        at[x * 2] = static_cast<unsigned char>(stored);
        at[x * 2 + 1] = static_cast<unsigned char>(stored >> 8);
    }

    void plane(codec::Plane &target, std::size_t at, std::size_t pitch, int first, int step) const
    {
        bool same_bytes = !wide && depth == 8 && step == 1;
        for (int y = 0; y < target.height; ++y) {
            if (same_bytes)
                std::memcpy(target.data.data() + target.pitch * static_cast<std::size_t>(y),
                            pixels + at + pitch * static_cast<std::size_t>(y), target.pitch);
            else
                for (int x = 0; x < target.width; ++x)
                    put(target, x, y, sample(at, pitch, first + x * step, y));
        }
    }

    const unsigned char *pixels;
    const Layout &layout;
    unsigned depth;
    bool wide;
};

// Rule (assumed): BT.601 of limited range, in integers; chroma is the mean of its pixels.
void rgb_to_yuv(const unsigned char *rgb, int yuv[3])
{
    int r = rgb[0], g = rgb[1], b = rgb[2];
    yuv[0] = ((66 * r + 129 * g + 25 * b + 128) >> 8) + 16;
    yuv[1] = ((-38 * r - 74 * g + 112 * b + 128) >> 8) + 128;
    yuv[2] = ((112 * r - 94 * g - 18 * b + 128) >> 8) + 128;
}

void pixel_of(const unsigned char *at, unsigned format, int yuv[3])
{
    unsigned char rgb[3];
    switch (format) {
    case NV_ENC_BUFFER_FORMAT_ARGB: // Rule (header): words, so B, G, R, A in memory
        rgb[0] = at[2], rgb[1] = at[1], rgb[2] = at[0];
        return rgb_to_yuv(rgb, yuv);
    case NV_ENC_BUFFER_FORMAT_ABGR:
        rgb[0] = at[0], rgb[1] = at[1], rgb[2] = at[2];
        return rgb_to_yuv(rgb, yuv);
    default:
        yuv[0] = at[2], yuv[1] = at[1], yuv[2] = at[0]; // AYUV
    }
}

void unpack(const Reader &reader, codec::Picture &made)
{
    int across = made.chroma == codec::Chroma::of_444 ? 1 : 2;
    int down = made.chroma == codec::Chroma::of_420 ? 2 : 1;
    int width = made.plane[0].width, height = made.plane[0].height;
    std::vector<int> sums(static_cast<std::size_t>(made.plane[1].width) * 3);
    for (int y = 0; y < height; ++y) {
        if (y % down == 0)
            std::fill(sums.begin(), sums.end(), 0);
        for (int x = 0; x < width; ++x) {
            int yuv[3];
            pixel_of(reader.pixels + reader.layout.pitch * static_cast<std::size_t>(y) +
                         static_cast<std::size_t>(x) * 4,
                     reader.layout.format, yuv);
            reader.put(made.plane[0], x, y, static_cast<unsigned>(yuv[0]));
            std::size_t at = static_cast<std::size_t>(std::min(x / across,
                                                               made.plane[1].width - 1)) * 3;
            sums[at] += yuv[1];
            sums[at + 1] += yuv[2];
            sums[at + 2] += 1;
        }
        if (y % down != down - 1 && y + 1 != height)
            continue;
        for (int x = 0; x < made.plane[1].width; ++x) {
            const int *at = &sums[static_cast<std::size_t>(x) * 3];
            for (int i = 0; i < 2; ++i)
                reader.put(made.plane[i + 1], x, y / down,
                           static_cast<unsigned>((at[i] + at[2] / 2) / std::max(1, at[2])));
        }
    }
}

} // namespace

codec::Picture planes_of(const unsigned char *pixels, const Layout &layout, unsigned chroma,
                         unsigned depth)
{
    codec::Picture made;
    made.width = static_cast<int>(layout.width);
    made.height = static_cast<int>(layout.height);
    made.depth = static_cast<int>(depth);
    made.chroma = static_cast<codec::Chroma>(chroma);
    for (int i = 0; i < 3; ++i) {
        codec::Plane &plane = made.plane[i];
        plane.width = i && chroma != 3 ? made.width / 2 : made.width;
        plane.height = i && chroma == 1 ? made.height / 2 : made.height;
        plane.pitch = static_cast<std::size_t>(plane.width) * (depth > 8 ? 2 : 1);
        plane.data.resize(plane.pitch * static_cast<std::size_t>(plane.height));
    }
    Reader reader(pixels, layout, depth);
    if (is_packed(layout.format)) {
        unpack(reader, made);
        return made;
    }
    std::size_t pitch = layout.pitch, luma = pitch * layout.height;
    reader.plane(made.plane[0], 0, pitch, 0, 1);
    switch (layout.format) {
    case NV_ENC_BUFFER_FORMAT_YV12:
    case NV_ENC_BUFFER_FORMAT_IYUV: {
        std::size_t second = luma + pitch / 2 * ((layout.height + 1) / 2);
        bool swapped = layout.format == NV_ENC_BUFFER_FORMAT_YV12;
        reader.plane(made.plane[1], swapped ? second : luma, pitch / 2, 0, 1);
        reader.plane(made.plane[2], swapped ? luma : second, pitch / 2, 0, 1);
        break;
    }
    case NV_ENC_BUFFER_FORMAT_YUV444:
    case NV_ENC_BUFFER_FORMAT_YUV444_10BIT:
        reader.plane(made.plane[1], luma, pitch, 0, 1);
        reader.plane(made.plane[2], luma * 2, pitch, 0, 1);
        break;
    default:
        reader.plane(made.plane[1], luma, pitch, 0, 2);
        reader.plane(made.plane[2], luma, pitch, 1, 2);
    }
    return made;
}

// Buffers of the session ----------------------------------------------------------------------

Source::~Source()
{
    if (view)
        munmap(view - page, room_bytes + 2 * page);
    if (room)
        munmap(room, room_bytes);
}

// Twice in memory: as the client sees it while it is locked, between pages that nobody may touch,
// and as the emulator does.
bool Source::make_room(std::size_t bytes)
{
    int file = memfd_create("emulated-encoder-input", MFD_CLOEXEC);
    if (file < 0)
        return false;
    room_bytes = whole_pages(bytes);
    void *around = MAP_FAILED, *inner = MAP_FAILED;
    if (ftruncate(file, static_cast<off_t>(room_bytes)) == 0) {
        around = mmap(nullptr, room_bytes + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        inner = mmap(nullptr, room_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    }
    if (inner != MAP_FAILED)
        room = static_cast<unsigned char *>(inner);
    if (around != MAP_FAILED) {
        view = static_cast<unsigned char *>(around) + page;
        around = mmap(view, room_bytes, PROT_NONE, MAP_SHARED | MAP_FIXED, file, 0);
    }
    close(file);
    return room && around != MAP_FAILED;
}

void Source::show(bool is_shown)
{
    if (shown != is_shown)
        mprotect(view, room_bytes, is_shown ? PROT_READ | PROT_WRITE : PROT_NONE);
    shown = is_shown;
}

Status Session::create_input(unsigned width, unsigned height, unsigned format, void *&handle)
{
    auto made = std::make_shared<Source>();
    std::size_t row = width * sample_bytes(format);
    made->layout = {format, width, height, (row + pitch_step - 1) / pitch_step * pitch_step};
    made->is_buffer = true;
    if (!made->make_room(made->layout.bytes()))
        return refuse(NV_ENC_ERR_OUT_OF_MEMORY, "no memory");
    std::memset(made->room, emulator::poison, made->room_bytes);
    handle = made.get();
    buffers[handle] = made;
    emulator::opened("encoder input buffer", handle, made->room_bytes);
    return NV_ENC_SUCCESS;
}

bool Session::in_use(const Source &source) const { return source.waits_for > locked_serial; }

Status Session::destroy_input(const void *handle)
{
    auto found = buffers.find(handle);
    if (found == buffers.end()) {
        misuse("nvEncDestroyInputBuffer of a buffer that is not open");
        return refuse(NV_ENC_ERR_INVALID_PARAM, "no such input buffer");
    }
    if (found->second->locked) {
        misuse("nvEncDestroyInputBuffer of a buffer that is locked");
        emulator::given_back("locked input buffer", handle);
    }
    buffers.erase(found);
    emulator::given_back("encoder input buffer", handle);
    return NV_ENC_SUCCESS;
}

Status Session::lock_input(const void *handle, bool do_not_wait, void *&pixels, unsigned &pitch)
{
    auto found = buffers.find(handle);
    if (found == buffers.end()) {
        misuse("nvEncLockInputBuffer of a buffer that is not open");
        return refuse(NV_ENC_ERR_INVALID_PARAM, "no such input buffer");
    }
    Source &source = *found->second;
    if (source.locked) {
        misuse("nvEncLockInputBuffer of a buffer that is locked");
        return refuse(NV_ENC_ERR_INVALID_PARAM, "locked already");
    }
    // Rule (header): while it is coded from, it is busy or waited for.
    if (in_use(source) && do_not_wait)
        return NV_ENC_ERR_ENCODER_BUSY;
    std::shared_ptr<Source> kept = found->second;
    if (in_use(source)) {
        emulator::finish(engine);
        std::shared_ptr<Output> last;
        for (auto &each : submitted)
            if (each->serial == source.waits_for)
                last = each;
        if (last)
            wait_for_engine(*last);
    }
    source.locked = true;
    emulator::opened("locked input buffer", handle);
    source.show(true);
    pixels = source.view;
    pitch = static_cast<unsigned>(source.layout.pitch);
    return NV_ENC_SUCCESS;
}

Status Session::unlock_input(const void *handle)
{
    auto found = buffers.find(handle);
    if (found == buffers.end() || !found->second->locked) {
        misuse("nvEncUnlockInputBuffer of a buffer that is not locked");
        return refuse(NV_ENC_ERR_INVALID_PARAM, "not locked");
    }
    found->second->locked = false;
    if (!coder->raw) // where time is measured, it stays as it is
        found->second->show(false);
    emulator::given_back("locked input buffer", handle);
    return NV_ENC_SUCCESS;
}

// Memory of the device ------------------------------------------------------------------------

Status Session::register_resource(const Layout &layout, emulator::Address address, void *&handle)
{
    std::size_t bytes = layout.pitch * (layout.rows() - 1) + layout.row_bytes();
    if (!emulator::reachable(address, bytes)) {
        misuse("nvEncRegisterResource of memory that is not there, or too little");
        return refuse(NV_ENC_ERR_RESOURCE_REGISTER_FAILED, "no such memory");
    }
    auto made = std::make_shared<Resource>();
    made->layout = layout;
    made->address = address;
    handle = made.get();
    resources[handle] = made;
    emulator::opened("registered resource", handle);
    return NV_ENC_SUCCESS;
}

Status Session::unregister_resource(const void *handle)
{
    auto found = resources.find(handle);
    if (found == resources.end()) {
        misuse("nvEncUnregisterResource of a resource that is not registered");
        return refuse(NV_ENC_ERR_RESOURCE_NOT_REGISTERED, "not registered");
    }
    const Resource &resource = *found->second;
    if (resource.mapped)
        misuse("nvEncUnregisterResource of a resource that is mapped");
    // Rule (header): it is unregistered before it is destroyed.
    if (!emulator::reachable(resource.address, resource.layout.row_bytes()))
        misuse("nvEncUnregisterResource after the memory was freed");
    resources.erase(found);
    emulator::given_back("registered resource", handle);
    return NV_ENC_SUCCESS;
}

Status Session::map(const void *resource, void *&handle, unsigned &format)
{
    auto found = resources.find(resource);
    if (found == resources.end()) {
        misuse("nvEncMapInputResource of a resource that is not registered");
        return refuse(NV_ENC_ERR_RESOURCE_NOT_REGISTERED, "not registered");
    }
    if (found->second->mapped) { // Rule (assumed)
        misuse("nvEncMapInputResource of a resource that is mapped");
        return refuse(NV_ENC_ERR_MAP_FAILED, "mapped already");
    }
    auto made = std::make_shared<Source>();
    made->layout = found->second->layout;
    made->resource = resource;
    made->address = found->second->address;
    ++found->second->mapped;
    handle = made.get();
    format = made->layout.format;
    mapped[handle] = made;
    emulator::opened("mapped resource", handle);
    return NV_ENC_SUCCESS;
}

Status Session::unmap(const void *handle)
{
    auto found = mapped.find(handle);
    if (found == mapped.end()) {
        misuse("nvEncUnmapInputResource of a resource that is not mapped");
        return refuse(NV_ENC_ERR_RESOURCE_NOT_MAPPED, "not mapped");
    }
    // Rule (header): after the output was locked that it was given with.
    if (in_use(*found->second) && !lost && !troubled && !emulator::work_answer())
        misuse("nvEncUnmapInputResource before the output of its picture was locked");
    auto resource = resources.find(found->second->resource);
    if (resource != resources.end())
        --resource->second->mapped;
    mapped.erase(found);
    emulator::given_back("mapped resource", handle);
    return NV_ENC_SUCCESS;
}

std::shared_ptr<Source> Session::source_of(const void *handle)
{
    for (auto *all : {&buffers, &mapped}) {
        auto found = all->find(handle);
        if (found != all->end())
            return found->second;
    }
    return nullptr;
}

} // namespace encode
