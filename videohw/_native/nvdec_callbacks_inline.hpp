// What an NvdecSession does when the driver's parser calls back: sequences, pictures to decode and
// to show; the third part of nvdec_session.hpp. Callbacks answer 0 for "failed"; what failed is
// kept in failure_.
#ifndef VIDEOHW_NVDEC_CALLBACKS_INLINE_HPP
#define VIDEOHW_NVDEC_CALLBACKS_INLINE_HPP

namespace videohw {

inline int NvdecSession::on_sequence(CUVIDEOFORMAT *format)
{
    Sequence sequence;
    if (!describe(*format, &sequence)) {
        refused_ = sequence;
        failure_ = {"cuvidGetDecoderCaps", failure_.code ? failure_.code : refused_by_caps};
        broken_ = true;
        return 0;
    }
    const bool same = sequence_.number && sequence_.info == info_ &&
                      !std::memcmp(&sequence_.format, &sequence.format, sizeof *format);
    if (!same)
        map_all();
    CUresult code = use(sequence);
    if (code != CUDA_SUCCESS) {
        broken_ = true;
        return 0;
    }
    sequence.number = same ? sequence_.number : sequence_.number + 1;
    sequence.info = info_;
    plan_wanted_ = plan_wanted_ || !same;
    sequence_ = sequence;
    return static_cast<int>(sequence.surfaces);
}

// Fill in the sequence; false when the device cannot decode it.
inline bool NvdecSession::describe(const CUVIDEOFORMAT &format, Sequence *sequence)
{
    sequence->format = format;
    sequence->format.seqhdr_data_length = 0;
    sequence->format.bitrate = 0;
    if (width_ > 0 && width_ <= static_cast<int>(format.coded_width) && height_ > 0 &&
        height_ <= static_cast<int>(format.coded_height))
        sequence->format.display_area = {0, 0, width_, height_};
    CUVIDDECODECAPS &caps = sequence->caps;
    caps.eCodecType = format.codec;
    caps.eChromaFormat = format.chroma_format;
    caps.nBitDepthMinus8 = format.bit_depth_luma_minus8;
    CUresult code = decoders_.caps(&caps);
    if (code != CUDA_SUCCESS) {
        failure_ = failed("cuvidGetDecoderCaps", code);
        return false;
    }
    const unsigned width = format.coded_width, height = format.coded_height;
    const bool deep = format.bit_depth_luma_minus8 > 0;
    const int formats[] = {cudaVideoSurfaceFormat_NV12, cudaVideoSurfaceFormat_NV12,
                           cudaVideoSurfaceFormat_NV16, cudaVideoSurfaceFormat_YUV444};
    const int chroma = format.chroma_format & 3;
    sequence->kind = {format.codec, format.chroma_format, format.bit_depth_luma_minus8 + 8,
                      formats[chroma] + (deep ? 1 : 0), settings_.mapped};
    // Whole pairs of chroma; the rest is cut away by the copy.
    const CUVIDAREA &shown = sequence->format.display_area;
    sequence->area = {shown.left & ~1, shown.top & ~1, (shown.right + 1) & ~1,
                      (shown.bottom + 1) & ~1};
    sequence->surfaces = format.min_num_decode_surfaces + settings_.lag + settings_.mapped;
    if (sequence->surfaces > most_surfaces)
        sequence->surfaces = most_surfaces;
    const unsigned macroblocks = (width + 15) / 16 * ((height + 15) / 16);
    // A decoder has one depth for all planes; the driver would make one of that of luma.
    const bool one_depth =
        !format.chroma_format || format.bit_depth_luma_minus8 == format.bit_depth_chroma_minus8;
    return caps.bIsSupported && one_depth && width >= caps.nMinWidth && height >= caps.nMinHeight &&
           width <= caps.nMaxWidth && height <= caps.nMaxHeight &&
           macroblocks <= caps.nMaxMBCount &&
           caps.nOutputFormatMask >> sequence->kind.surface_format & 1 &&
           shown.right > shown.left && shown.bottom > shown.top;
}

// Have a decoder for the sequence. What was shown of the one before is copied first.
inline CUresult NvdecSession::use(const Sequence &sequence)
{
    const CUVIDEOFORMAT &format = sequence.format;
    const bool fits = decoder_.decoder && !decoder_failed_ && decoder_.kind == sequence.kind &&
                      decoder_.max_width >= format.coded_width &&
                      decoder_.max_height >= format.coded_height;
    const bool same = fits && sequence_.number && sequence_.surfaces == sequence.surfaces &&
                      sequence_.format.coded_width == format.coded_width &&
                      sequence_.format.coded_height == format.coded_height &&
                      !std::memcmp(&sequence_.area, &sequence.area, sizeof sequence.area);
    if (!same || std::memcmp(&sequence_.format, &sequence.format, sizeof format))
        map_all();
    if (same)
        return CUDA_SUCCESS;
    vp9_slots_.forget(); // what they hold goes with the surfaces
    if (fits && reconfigure(sequence) == CUDA_SUCCESS)
        return CUDA_SUCCESS;
    give_decoder();
    failure_ = {};
    if (decoders_.take(sequence.kind, format.coded_width, format.coded_height, &decoder_)) {
        if (reconfigure(sequence) == CUDA_SUCCESS) {
            std::lock_guard<std::mutex> held(lock_);
            ++counters_.adopted;
            return CUDA_SUCCESS;
        }
        give_decoder();
    }
    failure_ = {};
    return create(sequence);
}

inline CUresult NvdecSession::reconfigure(const Sequence &sequence)
{
    CUVIDRECONFIGUREDECODERINFO info{};
    info.ulWidth = sequence.format.coded_width;
    info.ulHeight = sequence.format.coded_height;
    info.ulTargetWidth = sequence.area.right - sequence.area.left;
    info.ulTargetHeight = sequence.area.bottom - sequence.area.top;
    info.ulNumDecodeSurfaces = sequence.surfaces;
    const CUVIDAREA &area = sequence.area;
    info.display_area = {static_cast<short>(area.left), static_cast<short>(area.top),
                         static_cast<short>(area.right), static_cast<short>(area.bottom)};
    CUresult code = api_.cuvidReconfigureDecoder(decoder_.decoder, &info);
    if (code != CUDA_SUCCESS) {
        decoder_failed_ = true;
        failure_ = failed("cuvidReconfigureDecoder", code);
        return code;
    }
    std::lock_guard<std::mutex> held(lock_);
    ++counters_.reconfigured;
    return code;
}

inline CUresult NvdecSession::create(const Sequence &sequence)
{
    const CUVIDEOFORMAT &format = sequence.format;
    CUVIDDECODECREATEINFO info{};
    info.CodecType = format.codec;
    info.ChromaFormat = format.chroma_format;
    info.bitDepthMinus8 = format.bit_depth_luma_minus8;
    info.OutputFormat = sequence.kind.surface_format;
    info.DeinterlaceMode = cudaVideoDeinterlaceMode_Weave;
    info.ulCreationFlags = cudaVideoCreate_PreferCUVID;
    info.ulWidth = info.ulMaxWidth = format.coded_width;
    info.ulHeight = info.ulMaxHeight = format.coded_height;
    info.ulTargetWidth = sequence.area.right - sequence.area.left;
    info.ulTargetHeight = sequence.area.bottom - sequence.area.top;
    info.ulNumDecodeSurfaces = sequence.surfaces;
    info.ulNumOutputSurfaces = settings_.mapped;
    const CUVIDAREA &area = sequence.area;
    info.display_area = {static_cast<short>(area.left), static_cast<short>(area.top),
                         static_cast<short>(area.right), static_cast<short>(area.bottom)};
    CUvideodecoder decoder = nullptr;
    CUresult code = api_.cuvidCreateDecoder(&decoder, &info);
    if (code == CUDA_ERROR_OUT_OF_MEMORY) { // what is kept for later may be all that is lacking
        decoders_.empty();
        device_pool_.trim();
        code = api_.cuvidCreateDecoder(&decoder, &info);
    }
    if (code != CUDA_SUCCESS) {
        failure_ = failed("cuvidCreateDecoder", code);
        return code;
    }
    const std::size_t samples = std::size_t{format.coded_width} * format.coded_height;
    const std::size_t planes_by_2[] = {3, 3, 4, 6};
    decoder_ = {decoder, sequence.kind, format.coded_width, format.coded_height,
                samples * planes_by_2[format.chroma_format & 3] / 2 *
                    (sequence.kind.bit_depth > 8 ? 2 : 1) *
                    (sequence.surfaces + settings_.mapped)};
    decoder_failed_ = false;
    vp8_state_.forget();
    std::lock_guard<std::mutex> held(lock_);
    ++counters_.created;
    return code;
}

inline void NvdecSession::give_decoder()
{
    if (!decoder_.decoder)
        return;
    // One of VP8 is not as new, see vp8_state.hpp.
    if (decoder_failed_ || !context_.usable() || settings_.codec == cudaVideoCodec_VP8)
        decoders_.destroy(decoder_);
    else
        decoders_.give(decoder_);
    decoder_ = {};
    decoder_failed_ = false;
}

// Film grain of AV1 is not put in. The parser has two indices for a picture that gets grain: for
// what is shown, and for what is referred to, without it. With no grain they are one.
inline void NvdecSession::leave_grain_out(CUVIDPICPARAMS *picture)
{
    CUVIDAV1PICPARAMS av1;
    std::memcpy(&av1, picture->CodecSpecific, sizeof av1);
    const int shown = picture->CurrPicIdx;
    const bool grain = av1.grain_flags & 1;
    if (grain && av1.decodePicIdx >= 0 && av1.decodePicIdx < most_surfaces)
        picture->CurrPicIdx = av1.decodePicIdx;
    without_grain_[shown] = picture->CurrPicIdx;
    av1.grain_flags &= 0xfe;
    std::memcpy(picture->CodecSpecific, &av1, sizeof av1);
}

inline int NvdecSession::on_decode(CUVIDPICPARAMS *picture)
{
    if (broken_ || !decoder_.decoder || picture->CurrPicIdx < 0 ||
        picture->CurrPicIdx >= most_surfaces)
        return 0;
    if (settings_.codec == cudaVideoCodec_AV1)
        leave_grain_out(picture);
    const int index = picture->CurrPicIdx;
    saw_picture_ = true;
    const bool second = picture->field_pic_flag && picture->second_field;
    if (!second) {
        free_index(index);
        index_serial_[index] = serial_;
    }
    if (!context_.usable()) {
        failure_ = last_failure(CUDA_SUCCESS);
        return 0;
    }
    const CUresult code = api_.cuvidDecodePicture(decoder_.decoder, picture);
    const bool refused = code != CUDA_SUCCESS;
    failed_[index] = refused || (second && failed_[index]);
    nothing_[index] = refused && (!second || nothing_[index]);
    if (code != CUDA_SUCCESS) {
        failure_ = failed("cuvidDecodePicture", code);
        decoder_failed_ = true;
    }
    if (settings_.codec == cudaVideoCodec_VP9)
        vp9_slots_.decoded(picture->pBitstreamData, picture->nBitstreamDataLen, index);
    // H.264 and HEVC code one picture in one access unit; elsewhere a picture may not be shown.
    if (in_order_ &&
        (settings_.codec == cudaVideoCodec_H264 || settings_.codec == cudaVideoCodec_HEVC))
        show_at_decode(*picture);
    return 1;
}

// Where output order is decoding order a picture is shown as soon as it is decoded, or both of
// its fields are: the parser would hold it until the next one comes. An empty `picture`: nothing
// follows an open field.
inline void NvdecSession::show_at_decode(const CUVIDPICPARAMS &picture)
{
    const bool first_field = picture.field_pic_flag && !picture.second_field;
    const bool second_field = picture.field_pic_flag && picture.second_field;
    if (open_field_ >= 0 && !(second_field && picture.CurrPicIdx == open_field_)) {
        pending_.push_back({open_field_, open_field_serial_, false, true, true});
        open_field_ = -1;
    }
    if (!picture.PicWidthInMbs)
        return;
    shown_at_decode_[picture.CurrPicIdx] = true;
    if (first_field) {
        open_field_ = picture.CurrPicIdx;
        open_field_serial_ = serial_;
        return;
    }
    const long long serial = second_field && open_field_ >= 0 ? open_field_serial_ : serial_;
    // Which field came first is the parser's to say, ours: here a frame looks progressive.
    pending_.push_back({picture.CurrPicIdx, serial, !second_field, true, false});
    open_field_ = -1;
}

inline int NvdecSession::on_display(CUVIDPARSERDISPINFO *info)
{
    if (!info) // the end of the stream
        return 1;
    int index = info->picture_index;
    if (index < 0 || index >= most_surfaces)
        return 0;
    if (settings_.codec == cudaVideoCodec_AV1)
        index = without_grain_[index];
    // AV1, VP9 and VP8 may show what an earlier access unit brought, and show it at once; the others
    // show their own.
    const bool shows_others = settings_.codec == cudaVideoCodec_AV1 ||
                              settings_.codec == cudaVideoCodec_VP9 ||
                              settings_.codec == cudaVideoCodec_VP8;
    saw_picture_ = saw_picture_ || shows_others;
    if (shown_at_decode_[index]) {
        shown_at_decode_[index] = false;
        return 1;
    }
    Shown shown;
    shown.index = index;
    // Not the time that the parser tells: that is the smallest left, or the last one again. [H100]
    shown.serial = shows_others ? serial_ : index_serial_[index];
    shown.progressive = info->progressive_frame;
    shown.top_field_first = info->top_field_first;
    shown.unpaired = info->repeat_first_field < 0;
    pending_.push_back(shown);
    return 1;
}

} // namespace videohw

#endif
