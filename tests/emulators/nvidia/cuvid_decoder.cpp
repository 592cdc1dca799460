#include "cuvid_decoder.hpp"

#include <algorithm>
#include <cstring>
#include <set>

namespace cuvid {

using emulator::misuse;

bool Decoder::every_picture_is_mapped = false;
std::map<unsigned long long, int> Decoder::planned_status;
unsigned long long Decoder::pictures_decoded = 0;

namespace {

enum {
    out_of_memory = 2, map_failed = 205, already_mapped = 208, not_mapped = 211,
    not_supported = 801, most_surfaces = 32, most_outputs = 64, pitch_step = 512
};

std::map<const void *, std::shared_ptr<Decoder>> &decoders()
{
    static auto *kept = new std::map<const void *, std::shared_ptr<Decoder>>;
    return *kept;
}

// Film grain, not that of the standard, or features of other frames: every sample of luma is
// another one.
codec::PicturePointer altered(const codec::Picture &picture)
{
    auto made = std::make_shared<codec::Picture>(picture);
    const std::size_t step = picture.depth > 8 ? 2 : 1;
    for (std::size_t at = 0; at < made->plane[0].data.size(); at += step)
        made->plane[0].data[at] ^= 1;
    return made;
}

// Rows of the bottom field, or of the top one, with samples that none was coded with.
codec::PicturePointer without_field(const codec::Picture &picture, bool bottom)
{
    auto made = std::make_shared<codec::Picture>(picture);
    for (codec::Plane &plane : made->plane)
        for (int y = bottom; y < plane.height; y += 2)
            std::memset(plane.data.data() + y * plane.pitch, 0xa5, plane.pitch);
    return made;
}

bool is_444(int format)
{
    return format == cudaVideoSurfaceFormat_YUV444 || format == cudaVideoSurfaceFormat_YUV444_16Bit;
}

bool is_422(int format)
{
    return format == cudaVideoSurfaceFormat_NV16 || format == cudaVideoSurfaceFormat_P216;
}

} // namespace

Decoder::Decoder(const CUVIDDECODECREATEINFO &given, emulator::Context *in)
    : context(in), info(given), surfaces(given.ulNumDecodeSurfaces),
      outputs(std::max<std::size_t>(given.ulNumOutputSurfaces, 1))
{
    target.format = info.OutputFormat;
    set_target(static_cast<int>(info.ulTargetWidth), static_cast<int>(info.ulTargetHeight),
               info.display_area, info.target_rect);
}

Decoder::~Decoder()
{
    for (Mapped &each : outputs)
        if (each.address)
            emulator::release(each.address, "mapped picture");
}

CUresult Decoder::refusal(const CUVIDDECODECREATEINFO &info)
{
    static const std::set<int> known = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    int depth = static_cast<int>(info.bitDepthMinus8) + 8;
    // Rule (trace): misuse.json, create_of_odd_things.
    if (!known.count(info.CodecType) || info.ChromaFormat < 0 || info.ChromaFormat > 3)
        return CUDA_ERROR_INVALID_VALUE;
    const Ability *can = ability(info.CodecType, info.ChromaFormat, depth);
    if (!can)
        return not_supported;
    if (info.ulWidth < can->min_width || info.ulHeight < can->min_height ||
        info.ulWidth > can->max_width || info.ulHeight > can->max_height ||
        (info.ulWidth + 15) / 16 * ((info.ulHeight + 15) / 16) > can->max_macroblocks ||
        info.ulMaxWidth > can->max_width || info.ulMaxHeight > can->max_height)
        return CUDA_ERROR_INVALID_VALUE;
    if (info.ulNumDecodeSurfaces < 1 || info.ulNumDecodeSurfaces > most_surfaces ||
        info.ulNumOutputSurfaces > most_outputs)
        return CUDA_ERROR_INVALID_VALUE;
    if ((is_444(info.OutputFormat) && info.ChromaFormat != cudaVideoChromaFormat_444) ||
        (is_422(info.OutputFormat) && info.ChromaFormat != cudaVideoChromaFormat_422))
        return not_supported;
    if (info.OutputFormat < 0 || info.OutputFormat > 5 || !(can->formats >> info.OutputFormat & 1))
        return CUDA_ERROR_INVALID_VALUE;
    if (!info.ulTargetWidth || !info.ulTargetHeight)
        return out_of_memory;
    return CUDA_SUCCESS;
}

void Decoder::set_target(int width, int height, const CUVIDSHORTAREA &display,
                         const CUVIDSHORTAREA &within)
{
    target.width = width;
    target.height = height;
    bool whole = within.right <= within.left || within.bottom <= within.top;
    target.left = whole ? 0 : within.left;
    target.top = whole ? 0 : within.top;
    target.right = whole ? width : within.right;
    target.bottom = whole ? height : within.bottom;
    // Rule (assumed): an empty display area is the whole picture.
    bool all = display.right <= display.left || display.bottom <= display.top;
    target.from_left = all ? 0 : display.left;
    target.from_top = all ? 0 : display.top;
    target.from_right = all ? static_cast<int>(info.ulWidth) : display.right;
    target.from_bottom = all ? static_cast<int>(info.ulHeight) : display.bottom;
    std::size_t bytes = static_cast<std::size_t>(width) * (target.wide() ? 2 : 1);
    target.pitch = (bytes + pitch_step - 1) / pitch_step * pitch_step; // Rule (trace)
}

CUresult Decoder::decode(const CUVIDPICPARAMS &given)
{
    // Rule (trace): misuse.json, and pictures of VC-1 may be smaller than the decoder.
    // Rule (assumed): pictures of other codecs may not be smaller than the decoder.
    CUVIDAV1PICPARAMS av1{};
    av1.decodePicIdx = given.CurrPicIdx;
    if (info.CodecType == cudaVideoCodec_AV1)
        std::memcpy(&av1, given.CodecSpecific, sizeof av1);
    const int last = static_cast<int>(surfaces.size()) - 1;
    const int across = static_cast<int>(info.ulWidth + 15) / 16;
    const int down = static_cast<int>(info.ulHeight + 15) / 16;
    if (given.CurrPicIdx < 0 || given.CurrPicIdx > last || av1.decodePicIdx < 0 ||
        av1.decodePicIdx > last ||
        given.PicWidthInMbs > across || given.FrameHeightInMbs > down ||
        (info.CodecType != cudaVideoCodec_VC1 &&
         (given.PicWidthInMbs < across || given.FrameHeightInMbs < down)))
        return CUDA_ERROR_INVALID_VALUE;
    std::shared_ptr<const Job> job = job_of(given);
    if (!job) {
        misuse("cuvidDecodePicture outside of the decode callback, or of parameters that are not "
               "the parser's");
        return CUDA_ERROR_INVALID_VALUE;
    }
    const bool grain = av1.grain_flags & 1;
    Surface &surface = surfaces[av1.decodePicIdx];
    const bool completes = half && job->second_field && half->serial == job->serial;
    if (!completes)
        decode_half();
    if (!codec || codec_parser != job->parser || codec_extradata != job->extradata) {
        codec = codec::Decoder::open(job->kind, job->extradata);
        codec_parser = job->parser;
        codec_extradata = job->extradata;
        codec_sets.clear();
        if (!codec)
            return not_supported;
    }
    codec::PicturePointer made;
    if (job->kind == codec::Kind::vc1 && job->first_field) {
        half = job;
        half_index = av1.decodePicIdx;
        made = std::make_shared<codec::Picture>(); // until it is asked for, or both are here
    } else {
        made = completes ? decoded(*job, half->data, false) : decoded(*job, {}, job->second_field);
        half = nullptr;
    }
    if (info.CodecType == cudaVideoCodec_VP8 && has_others(job->vp8) && made)
        made = altered(*made);
    if (every_picture_is_mapped && surface.serial && surface.serial != job->serial &&
        !surface.asked && surface.displays &&
        (!surface.displays->asked_for ||
         surface.displays->serial[av1.decodePicIdx] == surface.serial))
        misuse("cuvidDecodePicture into index %d, whose picture was displayed and not mapped",
               av1.decodePicIdx);
    // Rule (trace): the JPEG decoder of an H100 works on when cuvidDecodePicture is back, and mapping
    // does not wait for it. How long is VIDEOHW_EMULATOR_JPEG_POLLS, in questions for its status.
    surface.polls = info.CodecType == cudaVideoCodec_JPEG ? emulator::setting("JPEG_POLLS", 0LL) : 0;
    surface.before = surface.polls ? surface.picture : nullptr;
    bool first_damaged = job->second_field && surface.serial == job->serial &&
                         surface.status != cuvidDecodeStatus_Success;
    surface.picture = made;
    surface.serial = job->serial;
    surface.displays = job->displays;
    surface.asked = false;
    // Rule (trace): damaged pictures are Error or Error_Concealed; which of both is not known.
    const bool concealed = made && (made->damaged || first_damaged || job->lacks);
    surface.status = !made       ? cuvidDecodeStatus_Error
                     : concealed ? cuvidDecodeStatus_Error_Concealed
                                 : cuvidDecodeStatus_Success;
    if (!job->second_field)
        ++pictures_decoded;
    auto planned = planned_status.find(pictures_decoded);
    if (planned != planned_status.end())
        surface.status = planned->second;
    // Rule (assumed): grain is put into another surface; without it that one stays as it is.
    if (grain && made) {
        surfaces[given.CurrPicIdx] = surface;
        surfaces[given.CurrPicIdx].picture = altered(*made);
    }
    return CUDA_SUCCESS;
}

// Rule (trace): a decoder keeps features of segments and deltas of the filter over key frames and
// over reconfiguring, and where a frame leaves some out. Those of segment 0 hold without segments.
// Rule (assumed): one feature that a frame has not alters all of it.
bool Decoder::has_others(const Vp8Features &frame)
{
    if (frame.key)
        vp8_meant = {};
    if (frame.of_segments) {
        std::fill_n(vp8_meant.begin(), 8, 0);
        vp8_kept.back() = vp8_meant.back() = frame.absolute;
    }
    for (std::size_t at = 0; at < frame.brought.size(); ++at)
        if (frame.brought[at])
            vp8_kept[at] = vp8_meant[at] = *frame.brought[at];
    return vp8_kept != vp8_meant;
}

codec::PicturePointer Decoder::decoded(const Job &job, const Bytes &before, bool again)
{
    Bytes data;
    if (job.sets != codec_sets)
        data = codec_sets = job.sets;
    data.insert(data.end(), before.begin(), before.end());
    data.insert(data.end(), job.data.begin(), job.data.end());
    codec::Decoder &running = *codec;
    emulator::Unlocked unlocked;
    return running.decode(data.data(), data.size(), again);
}

void Decoder::decode_half()
{
    if (!half || !codec)
        return;
    // libavcodec decodes no first field without another one, be that as empty as here.
    Job with_another = *half;
    const unsigned char another[] = {0, 0, 1, 0x0c, 0x80, 0x80};
    with_another.data.insert(with_another.data.end(), std::begin(another), std::end(another));
    codec::PicturePointer made = decoded(with_another, {}, false);
    // Rule (trace): the rows of a field that was not decoded are not those of the picture.
    // Rule (assumed): what the rows of a field hold that was not decoded is not known.
    surfaces[half_index].picture = made ? without_field(*made, !half->bottom) : nullptr;
    half = nullptr;
}

CUresult Decoder::map(int index, CUdeviceptr *address, unsigned *pitch, const CUVIDPROCPARAMS &how)
{
    if (index < 0 || index >= static_cast<int>(surfaces.size()))
        return CUDA_ERROR_INVALID_VALUE;
    Mapped *free = nullptr;
    for (Mapped &each : outputs) {
        if (each.index == index) {
            *address = each.address; // Rule (trace)
            *pitch = static_cast<unsigned>(target.pitch);
            return already_mapped;
        }
        if (each.index < 0 && !free)
            free = &each;
    }
    if (!free)
        return map_failed;
    Surface &surface = surfaces[index];
    if (surface.status == cuvidDecodeStatus_Invalid)
        misuse("cuvidMapVideoFrame of index %d, into which nothing was decoded", index);
    else if (surface.displays && surface.displays->asked_for &&
             surface.displays->serial[index] != surface.serial)
        misuse("cuvidMapVideoFrame of index %d, which holds a picture that was not displayed yet: "
               "the index was used again", index);
    emulator::StreamPointer stream = emulator::stream_by_handle(how.output_stream);
    if (!stream)
        return CUDA_ERROR_INVALID_VALUE;
    if (half && index == half_index)
        decode_half();
    std::size_t bytes = target.pitch * target.rows();
    if (free->bytes != bytes && free->address) {
        emulator::release(free->address, "mapped picture");
        free->address = 0;
    }
    if (!free->address) {
        free->address = emulator::allocate(bytes, "mapped picture", context);
        free->bytes = bytes;
        if (!free->address)
            return out_of_memory;
    }
    free->index = index;
    surface.asked = true;
    emulator::set_usable(free->address, true);
    // Rule (header): the picture is put into the mapped memory by work on the output stream.
    emulator::Address place = free->address;
    emulator::enqueue(stream, [picture = surface.polls ? surface.before : surface.picture,
                               target = target, place, bytes] {
        std::vector<unsigned char> made = converted(picture.get(), target);
        if (void *memory = emulator::device_memory(place, bytes))
            std::memcpy(memory, made.data(), bytes);
        else
            misuse("a mapped picture was unmapped before the work of its stream was done");
    });
    *address = free->address;
    *pitch = static_cast<unsigned>(target.pitch);
    return CUDA_SUCCESS;
}

CUresult Decoder::unmap(CUdeviceptr address)
{
    for (Mapped &each : outputs)
        if (each.address == address && each.index >= 0) {
            each.index = -1;
            emulator::set_usable(each.address, false);
            return CUDA_SUCCESS;
        }
    return not_mapped;
}

bool Decoder::has_mapped() const
{
    return std::any_of(outputs.begin(), outputs.end(),
                       [](const Mapped &each) { return each.index >= 0; });
}

std::size_t Decoder::bytes() const
{
    std::size_t samples = info.ulMaxWidth * info.ulMaxHeight * (info.bitDepthMinus8 ? 2 : 1);
    return samples * 3 / (info.ChromaFormat == cudaVideoChromaFormat_444 ? 1 : 2) *
           info.ulNumDecodeSurfaces;
}

CUresult Decoder::reconfigure(const CUVIDRECONFIGUREDECODERINFO &given)
{
    unsigned long most_width = std::max(info.ulMaxWidth, info.ulWidth);
    unsigned long most_height = std::max(info.ulMaxHeight, info.ulHeight);
    const Ability *can =
        ability(info.CodecType, info.ChromaFormat, static_cast<int>(info.bitDepthMinus8) + 8);
    // Rule (trace): not beyond the maximum that it was created with.
    if (given.ulWidth > most_width || given.ulHeight > most_height || !can ||
        given.ulWidth < can->min_width || given.ulHeight < can->min_height ||
        given.ulNumDecodeSurfaces < 1 || given.ulNumDecodeSurfaces > most_surfaces ||
        !given.ulTargetWidth || !given.ulTargetHeight)
        return CUDA_ERROR_INVALID_VALUE;
    info.ulMaxWidth = most_width;
    info.ulMaxHeight = most_height;
    info.ulWidth = given.ulWidth;
    info.ulHeight = given.ulHeight;
    // Rule (header): what was decoded before is lost.
    half = nullptr;
    surfaces.assign(given.ulNumDecodeSurfaces, Surface());
    set_target(static_cast<int>(given.ulTargetWidth), static_cast<int>(given.ulTargetHeight),
               given.display_area, given.target_rect);
    return CUDA_SUCCESS;
}

CUresult Decoder::status(int index, CUVIDGETDECODESTATUS *status)
{
    if (index < 0 || index >= static_cast<int>(surfaces.size()))
        return CUDA_ERROR_INVALID_VALUE;
    // Rule (header): the status is known of three codecs.
    // Rule (trace): of MPEG-1, -2, -4, VC-1, VP8 and VP9 it is not.
    switch (info.CodecType) {
    case cudaVideoCodec_H264:
    case cudaVideoCodec_HEVC:
    case cudaVideoCodec_JPEG: break;
    default: return not_supported;
    }
    Surface &surface = surfaces[index];
    int answer = surface.status;
    // Rule (trace): before it is mapped a picture may still be in work.
    bool late = emulator::laziness() == emulator::Laziness::late ||
                (emulator::laziness() == emulator::Laziness::seeded && emulator::chance(2));
    late = late && !surface.asked && info.CodecType != cudaVideoCodec_JPEG;
    if (answer != cuvidDecodeStatus_Invalid && (late || surface.polls))
        answer = cuvidDecodeStatus_InProgress;
    surface.polls -= surface.polls > 0;
    std::memset(status, 0, sizeof *status);
    status->decodeStatus = answer;
    return CUDA_SUCCESS;
}

namespace {

// A decoder for the length of a call.
class Use {
  public:
    Use(CUvideodecoder handle, const char *call)
    {
        auto found = decoders().find(handle);
        if (found == decoders().end()) {
            misuse("%s of a decoder that is not open", call);
            return;
        }
        decoder = found->second;
        ++decoder->inside;
    }
    ~Use()
    {
        if (decoder)
            --decoder->inside;
    }
    Use(const Use &) = delete;
    Use &operator=(const Use &) = delete;
    explicit operator bool() const { return decoder != nullptr; }
    Decoder *operator->() const { return decoder.get(); }

  private:
    std::shared_ptr<Decoder> decoder;
};

#define WITH_DECODER(handle)                                                                       \
    ENTER();                                                                                       \
    if (CUresult none = no_context())                                                              \
        return none;                                                                               \
    if (!(handle))                                                                                 \
        return emulator::crash(CUDA_ERROR_INVALID_VALUE, "%s(NULL)", __func__);                    \
    Use decoder(handle, __func__);                                                                 \
    if (!decoder)                                                                                  \
        return CUDA_ERROR_INVALID_VALUE;                                                           \
    if (decoder->context != emulator::current_context()) {                                         \
        misuse("%s of a decoder of another context", __func__);                                    \
        return out_of_memory; /* Rule (trace): of cuvidMapVideoFrame; assumed of the others */     \
    }

void watch_contexts()
{
    static bool watching = false;
    if (watching)
        return;
    watching = true;
    emulator::when_context_ends([](emulator::Context *ended) {
        for (auto at = decoders().begin(); at != decoders().end();)
            at = at->second->context == ended ? decoders().erase(at) : std::next(at);
    });
}

} // namespace
} // namespace cuvid

using namespace cuvid;

EMULATED CUresult cuvidCreateDecoder(CUvideodecoder *handle, CUVIDDECODECREATEINFO *info)
{
    ENTER();
    if (CUresult none = no_context())
        return none;
    if (!handle || !info)
        return emulator::crash(CUDA_ERROR_INVALID_VALUE, "cuvidCreateDecoder of NULL");
    if (CUresult refused = Decoder::refusal(*info))
        return refused;
    watch_contexts();
    auto made = std::make_shared<Decoder>(*info, emulator::current_context());
    decoders()[made.get()] = made;
    emulator::opened("decoder", made.get(), made->bytes());
    *handle = made.get();
    return CUDA_SUCCESS;
}

EMULATED CUresult cuvidDestroyDecoder(CUvideodecoder handle)
{
    ENTER_GIVING_BACK();
    if (CUresult none = no_context())
        return none;
    auto found = decoders().find(handle);
    if (found == decoders().end())
        return emulator::crash(CUDA_ERROR_INVALID_VALUE,
                               "cuvidDestroyDecoder of a decoder that is not open");
    if (found->second->inside)
        misuse("cuvidDestroyDecoder while another thread is inside a call of the decoder");
    if (found->second->has_mapped())
        misuse("cuvidDestroyDecoder with a picture mapped");
    if (found->second->context != emulator::current_context())
        misuse("cuvidDestroyDecoder of a decoder of another context");
    decoders().erase(found);
    emulator::given_back("decoder", handle);
    return LEAVE(CUDA_SUCCESS);
}

EMULATED CUresult cuvidDecodePicture(CUvideodecoder handle, CUVIDPICPARAMS *picture)
{
    WITH_DECODER(handle);
    if (!picture)
        return emulator::crash(CUDA_ERROR_INVALID_VALUE, "cuvidDecodePicture of NULL");
    return decoder->decode(*picture);
}

EMULATED CUresult cuvidGetDecodeStatus(CUvideodecoder handle, int index,
                                       CUVIDGETDECODESTATUS *status)
{
    WITH_DECODER(handle);
    if (!status)
        return emulator::crash(CUDA_ERROR_INVALID_VALUE, "cuvidGetDecodeStatus of NULL");
    return decoder->status(index, status);
}

EMULATED CUresult cuvidReconfigureDecoder(CUvideodecoder handle, CUVIDRECONFIGUREDECODERINFO *info)
{
    WITH_DECODER(handle);
    if (!info)
        return emulator::crash(CUDA_ERROR_INVALID_VALUE, "cuvidReconfigureDecoder of NULL");
    if (!in_sequence_callback()) // Rule (header); the real driver answers as if it were
        misuse("cuvidReconfigureDecoder outside of the sequence callback");
    if (decoder->has_mapped())
        misuse("cuvidReconfigureDecoder with a picture mapped");
    return decoder->reconfigure(*info);
}

EMULATED CUresult cuvidMapVideoFrame64(CUvideodecoder handle, int index, CUdeviceptr *address,
                                       unsigned int *pitch, CUVIDPROCPARAMS *how)
{
    WITH_DECODER(handle);
    if (!address || !pitch || !how)
        return emulator::crash(CUDA_ERROR_INVALID_VALUE, "cuvidMapVideoFrame of NULL");
    return decoder->map(index, address, pitch, *how);
}

// Rule (assumed): no context is wanted; PyNvVideoCodec calls it without one.
EMULATED CUresult cuvidUnmapVideoFrame64(CUvideodecoder handle, CUdeviceptr address)
{
    ENTER_GIVING_BACK();
    Use decoder(handle, __func__);
    if (!decoder)
        return CUDA_ERROR_INVALID_VALUE;
    CUresult answer = decoder->unmap(address);
    return LEAVE(answer);
}

// Rule (header): the names of 32-bit programs, whose addresses have 32 bits.
EMULATED CUresult cuvidMapVideoFrame(CUvideodecoder, int, unsigned int *, unsigned int *,
                                     CUVIDPROCPARAMS *)
{
    ENTER();
    return not_supported;
}

EMULATED CUresult cuvidUnmapVideoFrame(CUvideodecoder, unsigned int)
{
    ENTER();
    return not_supported;
}

// The status of the `number`th picture from now that any decoder decodes, from 1; 0 as libavcodec
// says.
EMULATED void videohw_emulator_decode_status(unsigned long long number, int status)
{
    emulator::Call entered("videohw_emulator_decode_status");
    Decoder::planned_status[Decoder::pictures_decoded + number] = status;
}

EMULATED void videohw_emulator_clear_decode_status()
{
    emulator::Call entered("videohw_emulator_clear_decode_status");
    Decoder::planned_status.clear();
}

// Whether the client maps every picture that it is shown, so that decoding over one that it did not
// map is a misuse. A client that wants no pixels, or leaves pictures out, is right not to map.
EMULATED void videohw_emulator_every_picture_is_mapped(int is)
{
    emulator::Call entered("videohw_emulator_every_picture_is_mapped");
    Decoder::every_picture_is_mapped = is;
}
