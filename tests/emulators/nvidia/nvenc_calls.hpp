// The calls of one version of the API that make, feed and end a session: they check the structures
// of that version, and bring them into the form of nvenc_session.hpp.

#include "nvenc_asked.hpp"

namespace encode {
namespace NVENC_NAMESPACE {

// Configuration -------------------------------------------------------------------------------

inline void read_vui(const NV_ENC_CONFIG_H264_VUI_PARAMETERS &vui, codec::Colour &colour)
{
    if (vui.videoSignalTypePresentFlag) {
        colour.video_format = static_cast<int>(vui.videoFormat);
        colour.full_range = vui.videoFullRangeFlag;
        if (vui.colourDescriptionPresentFlag) {
            colour.primaries = static_cast<int>(vui.colourPrimaries);
            colour.transfer = static_cast<int>(vui.transferCharacteristics);
            colour.matrix = static_cast<int>(vui.colourMatrix);
        }
    }
}

inline void read(const NV_ENC_CONFIG_H264 &from, Config &made)
{
    made.idr_period = from.idrPeriod;
    made.level = from.level;
    made.chroma = from.chromaFormatIDC;
    made.cavlc = from.entropyCodingMode == NV_ENC_H264_ENTROPY_CODING_MODE_CAVLC;
    made.delimiters = from.outputAUD;
    made.repeats_sets = from.repeatSPSPPS;
    made.no_sets = from.disableSPSPPS;
    made.intra_refresh = from.enableIntraRefresh;
    made.refresh_period = from.intraRefreshPeriod;
    made.refresh_count = from.intraRefreshCnt;
    made.says_recovery = from.outputRecoveryPointSEI;
    made.slice_mode = from.sliceMode;
    made.slice_data = from.sliceModeData;
    made.b_reference = from.useBFramesAsRef;
    made.set_ids[1] = from.spsId;
    made.set_ids[2] = from.ppsId;
#if NVENC_VERSION >= 1300
    // Rule (assumed): a depth that is not given is 8
    made.depth = from.outputBitDepth ? from.outputBitDepth : 8;
#endif
    read_vui(from.h264VUIParameters, made.colour);
}

inline void read(const NV_ENC_CONFIG_HEVC &from, Config &made)
{
    made.idr_period = from.idrPeriod;
    made.level = from.level;
    made.tier = from.tier;
    made.chroma = from.chromaFormatIDC;
    made.delimiters = from.outputAUD;
    made.repeats_sets = from.repeatSPSPPS;
    made.no_sets = from.disableSPSPPS;
    made.intra_refresh = from.enableIntraRefresh;
    made.refresh_period = from.intraRefreshPeriod;
    made.refresh_count = from.intraRefreshCnt;
    made.says_recovery = from.outputRecoveryPointSEI;
    made.slice_mode = from.sliceMode;
    made.slice_data = from.sliceModeData;
    made.b_reference = from.useBFramesAsRef;
    made.set_ids[0] = from.vpsId;
    made.set_ids[1] = from.spsId;
    made.set_ids[2] = from.ppsId;
#if NVENC_VERSION >= 1300
    made.depth = from.outputBitDepth ? from.outputBitDepth : 8;
    made.says_mastering = from.outputMasteringDisplay;
    made.says_light_level = from.outputMaxCll;
#else
    made.depth = from.pixelBitDepthMinus8 + 8;
#endif
    read_vui(from.hevcVUIParameters, made.colour);
}

inline void read(const NV_ENC_CONFIG_AV1 &from, Config &made)
{
    made.idr_period = from.idrPeriod;
    made.level = from.level;
    made.tier = from.tier;
    made.chroma = from.chromaFormatIDC;
    made.repeats_sets = from.repeatSeqHdr;
    made.no_sets = from.disableSeqHdr;
    made.b_reference = from.useBFramesAsRef;
#if NVENC_VERSION >= 1300
    made.depth = from.outputBitDepth ? from.outputBitDepth : 8;
#else
    made.depth = from.pixelBitDepthMinus8 + 8;
#endif
    made.colour.full_range = from.colorRange;
    made.colour.primaries = static_cast<int>(from.colorPrimaries);
    made.colour.transfer = static_cast<int>(from.transferCharacteristics);
    made.colour.matrix = static_cast<int>(from.matrixCoefficients);
}

inline NVENCSTATUS check_reserved(const NV_ENC_INITIALIZE_PARAMS &given)
{
#if NVENC_VERSION >= 1300
    CHECK_ZERO(given.reserved, given.reserved1, given.reserved2);
#else
    CHECK_ZERO(given.reserved, given.reserved2);
#endif
    if (given.reservedBitFields) {
        misuse("NV_ENC_INITIALIZE_PARAMS: reserved bits are not 0");
        return NV_ENC_ERR_INVALID_PARAM;
    }
    if (!given.encodeConfig)
        return NV_ENC_SUCCESS;
    const NV_ENC_CONFIG &config = *given.encodeConfig;
    CHECK_VERSION(&config, NV_ENC_CONFIG_VER);
    CHECK_VERSION(&config.rcParams, NV_ENC_RC_PARAMS_VER);
    CHECK_ZERO(config.reserved, config.reserved2, config.rcParams.reserved2,
               config.rcParams.reservedBitFields);
    const NV_ENC_CONFIG_H264 &h264 = config.encodeCodecConfig.h264Config;
    const NV_ENC_CONFIG_HEVC &hevc = config.encodeCodecConfig.hevcConfig;
    const NV_ENC_CONFIG_AV1 &av1 = config.encodeCodecConfig.av1Config;
    if (same(given.encodeGUID, NV_ENC_CODEC_H264_GUID)) {
        CHECK_ZERO(h264.reserved1, h264.reserved2, h264.h264VUIParameters.reserved,
                   h264.reservedBitFields);
    } else if (same(given.encodeGUID, NV_ENC_CODEC_AV1_GUID)) {
        CHECK_ZERO(av1.reserved, av1.reserved1);
    } else {
        CHECK_ZERO(hevc.reserved1, hevc.reserved2, hevc.hevcVUIParameters.reserved, hevc.reserved);
    }
    return NV_ENC_SUCCESS;
}

inline NVENCSTATUS read(Session &session, const NV_ENC_INITIALIZE_PARAMS &given, Config &made)
{
    if (!codec_of(given.encodeGUID, made.codec))
        return session.refuse(NV_ENC_ERR_UNSUPPORTED_PARAM, "this codec is not here");
    if (NVENCSTATUS refused = check_reserved(given))
        return refused;
    NV_ENC_CONFIG config;
    if (given.encodeConfig)
        config = *given.encodeConfig;
    else {
        int number = preset_number(given.presetGUID);
        if (!number)
            return session.refuse(NV_ENC_ERR_INVALID_PARAM, "neither a configuration nor a preset");
        fill(config, made.codec, number, given.tuningInfo);
    }
    if (!zero(given.presetGUID) && !preset_number(given.presetGUID))
        return session.refuse(NV_ENC_ERR_UNSUPPORTED_PARAM, "no such preset");
    std::vector<GUID> all = profiles(made.codec, newer);
    if (!zero(config.profileGUID) &&
        std::none_of(all.begin(), all.end(),
                     [&config](const GUID &each) { return same(each, config.profileGUID); }))
        return session.refuse(NV_ENC_ERR_UNSUPPORTED_PARAM, "no such profile");
    made.preset = given.presetGUID;
    made.profile = config.profileGUID;
    made.tuning = given.tuningInfo;
    made.width = given.encodeWidth;
    made.height = given.encodeHeight;
    made.max_width = given.maxEncodeWidth;
    made.max_height = given.maxEncodeHeight;
    made.dar_width = given.darWidth;
    made.dar_height = given.darHeight;
    made.rate_numerator = given.frameRateNum;
    made.rate_denominator = given.frameRateDen;
    made.async = given.enableEncodeAsync;
    made.decides_types = given.enablePTD;
    made.weighted = given.enableWeightedPrediction;
    made.gop = config.gopLength;
    made.interval = config.frameIntervalP;
    const NV_ENC_RC_PARAMS &rate = config.rcParams;
    made.rate_mode = rate.rateControlMode;
    made.average_rate = rate.averageBitRate;
    made.peak_rate = rate.maxBitRate;
    made.buffer_bits = rate.vbvBufferSize;
    made.initial_bits = rate.vbvInitialDelay;
    const uint32_t qp[] = {rate.constQP.qpInterP, rate.constQP.qpInterB, rate.constQP.qpIntra};
    std::copy(qp, qp + 3, made.qp);
    made.quality = rate.targetQuality;
    made.lookahead = rate.enableLookahead;
    made.lookahead_depth = rate.lookaheadDepth;
    made.adaptive_quantiser = rate.enableAQ;
    made.qp_map_mode = rate.qpMapMode;
    if (made.codec == Codec::h264)
        read(config.encodeCodecConfig.h264Config, made);
    else if (made.codec == Codec::hevc)
        read(config.encodeCodecConfig.hevcConfig, made);
    else if (config.encodeCodecConfig.av1Config.outputAnnexBFormat)
        return session.refuse(NV_ENC_ERR_UNSUPPORTED_PARAM, "length-delimited AV1");
    else
        read(config.encodeCodecConfig.av1Config, made);
    if (!made.chroma) // Rule (assumed): what is not given is 4:2:0
        made.chroma = 1;
    if (!made.idr_period) // Rule (header)
        made.idr_period = made.gop;
    return NV_ENC_SUCCESS;
}

inline NVENCSTATUS initialize(void *encoder, NV_ENC_INITIALIZE_PARAMS *given)
{
    IN_SESSION("nvEncInitializeEncoder");
    CHECK_POINTER(given);
    CHECK_VERSION(given, NV_ENC_INITIALIZE_PARAMS_VER);
    Config wanted;
    if (NVENCSTATUS refused = read(*session, *given, wanted))
        return refused;
    return session->initialise(wanted);
}

inline NVENCSTATUS reconfigure(void *encoder, NV_ENC_RECONFIGURE_PARAMS *given)
{
    IN_SESSION_WITH_WORDS("nvEncReconfigureEncoder");
    INITIALISED_SESSION();
    CHECK_POINTER(given);
    CHECK_VERSION(given, NV_ENC_RECONFIGURE_PARAMS_VER);
    CHECK_VERSION(&given->reInitEncodeParams, NV_ENC_INITIALIZE_PARAMS_VER);
#if NVENC_VERSION >= 1300
    CHECK_ZERO(given->reserved, given->reserved2);
#endif
    // Rule (header): without a configuration, and with the same preset, that of now goes on.
    const NV_ENC_INITIALIZE_PARAMS &wanted = given->reInitEncodeParams;
    Config read_now = session->config;
    if (wanted.encodeConfig || !same(wanted.presetGUID, session->config.preset)) {
        read_now = Config();
        if (NVENCSTATUS refused = read(*session, wanted, read_now))
            return refused;
    } else {
        read_now.width = wanted.encodeWidth;
        read_now.height = wanted.encodeHeight;
        read_now.rate_numerator = wanted.frameRateNum;
        read_now.rate_denominator = wanted.frameRateDen;
    }
    return session->reconfigure(read_now, given->resetEncoder, given->forceIDR);
}

inline NVENCSTATUS give_sets(Session &session, const Bytes &sets,
                             NV_ENC_SEQUENCE_PARAM_PAYLOAD *target)
{
    CHECK_POINTER(target->spsppsBuffer && target->outSPSPPSPayloadSize);
    if (target->inBufferSize < sets.size())
        return session.refuse(NV_ENC_ERR_NOT_ENOUGH_BUFFER, "%zu bytes are needed", sets.size());
    std::copy(sets.begin(), sets.end(), static_cast<unsigned char *>(target->spsppsBuffer));
    *target->outSPSPPSPayloadSize = static_cast<uint32_t>(sets.size());
    return NV_ENC_SUCCESS;
}

inline NVENCSTATUS sequence_params(void *encoder, NV_ENC_SEQUENCE_PARAM_PAYLOAD *target)
{
    IN_SESSION("nvEncGetSequenceParams");
    INITIALISED_SESSION();
    CHECK_POINTER(target);
    CHECK_VERSION(target, NV_ENC_SEQUENCE_PARAM_PAYLOAD_VER);
    CHECK_ZERO(target->reserved, target->reserved2);
    Bytes sets;
    if (NVENCSTATUS refused = session->sets(sets))
        return refused;
    return give_sets(*session, sets, target);
}

inline NVENCSTATUS sequence_param_ex(void *encoder, NV_ENC_INITIALIZE_PARAMS *given,
                                     NV_ENC_SEQUENCE_PARAM_PAYLOAD *target)
{
    IN_SESSION("nvEncGetSequenceParamEx");
    CHECK_POINTER(given && target);
    CHECK_VERSION(given, NV_ENC_INITIALIZE_PARAMS_VER);
    CHECK_VERSION(target, NV_ENC_SEQUENCE_PARAM_PAYLOAD_VER);
    Config wanted;
    Bytes sets;
    if (NVENCSTATUS refused = read(*session, *given, wanted))
        return refused;
    if (NVENCSTATUS refused = session->sets_of(wanted, sets))
        return refused;
    return give_sets(*session, sets, target);
}

// Inputs --------------------------------------------------------------------------------------

inline NVENCSTATUS create_input(void *encoder, NV_ENC_CREATE_INPUT_BUFFER *given)
{
    IN_SESSION("nvEncCreateInputBuffer");
    INITIALISED_SESSION();
    CHECK_POINTER(given);
    CHECK_VERSION(given, NV_ENC_CREATE_INPUT_BUFFER_VER);
    CHECK_ZERO(given->reserved, given->reserved1, given->reserved2);
    std::vector<unsigned> all = formats(session->config.codec, newer);
    if (!given->width || !given->height ||
        std::find(all.begin(), all.end(), given->bufferFmt) == all.end())
        return session->refuse(NV_ENC_ERR_INVALID_PARAM, "no such format, or no size");
    return session->create_input(given->width, given->height, given->bufferFmt,
                                 given->inputBuffer);
}

inline NVENCSTATUS destroy_input(void *encoder, NV_ENC_INPUT_PTR buffer)
{
    IN_SESSION_GIVING_BACK("nvEncDestroyInputBuffer");
    return GAVE_BACK(session->destroy_input(buffer));
}

inline NVENCSTATUS lock_input(void *encoder, NV_ENC_LOCK_INPUT_BUFFER *given)
{
    IN_SESSION("nvEncLockInputBuffer");
    INITIALISED_SESSION();
    CHECK_POINTER(given);
    CHECK_VERSION(given, NV_ENC_LOCK_INPUT_BUFFER_VER);
    CHECK_ZERO(given->reserved1, given->reserved2);
    return session->lock_input(given->inputBuffer, given->doNotWait, given->bufferDataPtr,
                               given->pitch);
}

inline NVENCSTATUS unlock_input(void *encoder, NV_ENC_INPUT_PTR buffer)
{
    IN_SESSION_GIVING_BACK("nvEncUnlockInputBuffer");
    return GAVE_BACK(session->unlock_input(buffer));
}

inline NVENCSTATUS register_resource(void *encoder, NV_ENC_REGISTER_RESOURCE *given)
{
    IN_SESSION("nvEncRegisterResource");
    INITIALISED_SESSION();
    CHECK_POINTER(given);
    CHECK_VERSION(given, NV_ENC_REGISTER_RESOURCE_VER);
    CHECK_ZERO(given->reserved1, given->reserved2, given->pInputFencePoint);
    // Rule (assumed): this device has no arrays, and no interfaces but CUDA's.
    if (given->resourceType != NV_ENC_INPUT_RESOURCE_TYPE_CUDADEVICEPTR)
        return session->refuse(NV_ENC_ERR_UNIMPLEMENTED, "memory of the device only");
    if (given->bufferUsage != NV_ENC_INPUT_IMAGE)
        return session->refuse(NV_ENC_ERR_UNIMPLEMENTED, "pictures only");
    std::vector<unsigned> all = formats(session->config.codec, newer);
    Layout layout{given->bufferFormat, given->width, given->height, given->pitch};
    if (!given->width || !given->height || given->pitch < layout.row_bytes() ||
        std::find(all.begin(), all.end(), given->bufferFormat) == all.end())
        return session->refuse(NV_ENC_ERR_INVALID_PARAM, "no such format, or no size or pitch");
    return session->register_resource(
        layout, reinterpret_cast<emulator::Address>(given->resourceToRegister),
        given->registeredResource);
}

inline NVENCSTATUS unregister_resource(void *encoder, NV_ENC_REGISTERED_PTR resource)
{
    IN_SESSION_GIVING_BACK("nvEncUnregisterResource");
    return GAVE_BACK(session->unregister_resource(resource));
}

inline NVENCSTATUS map_input(void *encoder, NV_ENC_MAP_INPUT_RESOURCE *given)
{
    IN_SESSION("nvEncMapInputResource");
    INITIALISED_SESSION();
    CHECK_POINTER(given);
    CHECK_VERSION(given, NV_ENC_MAP_INPUT_RESOURCE_VER);
    CHECK_ZERO(given->reserved1, given->reserved2);
    return session->map(given->registeredResource, given->mappedResource, given->mappedBufferFmt);
}

inline NVENCSTATUS unmap_input(void *encoder, NV_ENC_INPUT_PTR mapped)
{
    IN_SESSION_GIVING_BACK("nvEncUnmapInputResource");
    return GAVE_BACK(session->unmap(mapped));
}

// Rule (header): pointers to the streams' handles
inline NVENCSTATUS set_streams(void *encoder, void *input, void *output)
{
    IN_SESSION("nvEncSetIOCudaStreams");
    CHECK_POINTER(input && output);
    return session->set_streams(*static_cast<void **>(input), *static_cast<void **>(output));
}

// Pictures ------------------------------------------------------------------------------------

#if NVENC_VERSION >= 1300
inline void put(Bytes &target, std::uint32_t value, int bytes)
{
    while (bytes--)
        target.push_back(static_cast<unsigned char>(value >> bytes * 8));
}

// As the standard codes them: green, blue and red come first.
inline void read_light(const NV_ENC_PIC_PARAMS_HEVC &from, const Config &config, Picture &picture)
{
    if (config.says_mastering && from.pMasteringDisplay) {
        const MASTERING_DISPLAY_INFO &info = *from.pMasteringDisplay;
        codec::Message made{137, {}};
        for (const CHROMA_POINTS *each : {&info.g, &info.b, &info.r, &info.whitePoint}) {
            put(made.payload, each->x, 2);
            put(made.payload, each->y, 2);
        }
        put(made.payload, info.maxLuma, 4);
        put(made.payload, info.minLuma, 4);
        picture.messages.push_back(made);
    }
    if (config.says_light_level && from.pMaxCll) {
        codec::Message made{144, {}};
        put(made.payload, from.pMaxCll->maxContentLightLevel, 2);
        put(made.payload, from.pMaxCll->maxPicAverageLightLevel, 2);
        picture.messages.push_back(made);
    }
}
#endif

inline NVENCSTATUS read_messages(const NV_ENC_SEI_PAYLOAD *messages, uint32_t count,
                                 Picture &picture)
{
    if (count && !messages)
        return NV_ENC_ERR_INVALID_PARAM;
    for (uint32_t i = 0; i < count; ++i) {
        codec::Message made;
        made.type = static_cast<int>(messages[i].payloadType);
        made.payload.assign(messages[i].payload, messages[i].payload + messages[i].payloadSize);
        picture.messages.push_back(made);
    }
    return NV_ENC_SUCCESS;
}

inline NVENCSTATUS check_reserved(const NV_ENC_PIC_PARAMS_H264 &of)
{
    CHECK_ZERO(of.reservedBitFields, of.reserved3, of.reserved, of.reserved2);
    return NV_ENC_SUCCESS;
}

inline NVENCSTATUS check_reserved(const NV_ENC_PIC_PARAMS_HEVC &of)
{
    CHECK_ZERO(of.reservedBitFields, of.reserved, of.reserved2, of.reserved3);
    return NV_ENC_SUCCESS;
}

inline NVENCSTATUS check_reserved(const NV_ENC_PIC_PARAMS_AV1 &of)
{
    CHECK_ZERO(of.reservedBitFields, of.reserved, of.reserved2, of.reserved3);
    return NV_ENC_SUCCESS;
}

template <class Parameters> NVENCSTATUS read_common(const Parameters &from, Picture &picture)
{
    picture.refresh_count = from.forceIntraRefreshWithFrameCnt;
    picture.order.refresh = picture.refresh_count;
    return check_reserved(from);
}

template <class Parameters> NVENCSTATUS read(const Parameters &from, Picture &picture)
{
    if (from.ltrMarkFrame)
        picture.long_term = static_cast<int>(from.ltrMarkFrameIdx);
    if (NVENCSTATUS refused = read_common(from, picture))
        return refused;
    return read_messages(from.seiPayloadArray, from.seiPayloadArrayCnt, picture);
}

inline NVENCSTATUS read(const NV_ENC_PIC_PARAMS_AV1 &from, Picture &picture)
{
#if NVENC_VERSION >= 1300
    if (from.ltrMarkFrame)
        picture.long_term = static_cast<int>(from.ltrMarkFrameIdx);
#endif
    if (NVENCSTATUS refused = read_common(from, picture))
        return refused;
    return read_messages(from.obuPayloadArray, from.obuPayloadArrayCnt, picture);
}

inline NVENCSTATUS check_reserved(const NV_ENC_PIC_PARAMS &given)
{
#if NVENC_VERSION >= 1300
    CHECK_ZERO(given.reserved2, given.reserved3, given.reserved4, given.reserved5, given.reserved6,
               given.reservedBitFields);
#else
    CHECK_ZERO(given.reserved1, given.reserved2, given.reserved3, given.reserved4,
               given.reservedBitFields);
#endif
    return NV_ENC_SUCCESS;
}

inline NVENCSTATUS read_map(const NV_ENC_PIC_PARAMS &given, const Config &config, Picture &picture)
{
    if (!given.qpDeltaMap)
        return NV_ENC_SUCCESS;
    // Rule (header): a byte for each macroblock, coding tree unit or superblock
    unsigned unit = config.codec == Codec::h264 ? 16 : config.codec == Codec::hevc ? 32 : 64;
    std::size_t wanted = std::size_t{(config.width + unit - 1) / unit} *
                         ((config.height + unit - 1) / unit);
    if (given.qpDeltaMapSize != wanted || !config.qp_map_mode) {
        misuse("nvEncEncodePicture with a map of %u bytes, not %zu, or with no mode for it",
               given.qpDeltaMapSize, wanted);
        return NV_ENC_ERR_INVALID_PARAM;
    }
    // Rule (assumed): levels of emphasis are two steps each; HEVC is coded as if there were no map.
    if (config.codec == Codec::h264)
        for (std::size_t i = 0; i < wanted; ++i) {
            int value = given.qpDeltaMap[i];
            bool levels = config.qp_map_mode == NV_ENC_QP_MAP_EMPHASIS;
            picture.order.qp_changes.push_back(
                static_cast<signed char>(levels ? -2 * value : value));
        }
    return NV_ENC_SUCCESS;
}

inline NVENCSTATUS encode_picture(void *encoder, NV_ENC_PIC_PARAMS *given)
{
    bool ends = given && given->encodePicFlags & NV_ENC_PIC_FLAG_EOS;
    emulator::Call entered_call("nvEncEncodePicture");
    Use session(encoder, "nvEncEncodePicture", NVENC_VERSION);
    if (entered_call.answer) {
        if (!session.refused && ends)
            session->flush_tried = true;
        return answer_of(entered_call.answer);
    }
    if (session.refused)
        return session.refused;
    INITIALISED_SESSION();
    CHECK_POINTER(given);
    CHECK_VERSION(given, NV_ENC_PIC_PARAMS_VER);
    if (ends)
        return session->end_of_stream();
    note_picture(given, sizeof *given, given->qpDeltaMap, given->qpDeltaMapSize);
    if (NVENCSTATUS refused = check_reserved(*given))
        return refused;
    if (!given->inputBuffer || !given->outputBitstream)
        return session->refuse(NV_ENC_ERR_INVALID_PTR, "no input, or no output");
    if (given->completionEvent)
        return session->refuse(NV_ENC_ERR_INVALID_EVENT, "an event in synchronous mode");
    if (given->pictureStruct != NV_ENC_PIC_STRUCT_FRAME)
        return session->refuse(NV_ENC_ERR_UNSUPPORTED_PARAM, "fields are not coded");
    const Config &config = session->config;
    auto picture = std::make_shared<Picture>();
    picture->flags = given->encodePicFlags;
    picture->frame_index = given->frameIdx;
    picture->timestamp = given->inputTimeStamp;
    picture->duration = given->inputDuration;
    const NV_ENC_CODEC_PIC_PARAMS &of_codec = given->codecPicParams;
    NVENCSTATUS refused = config.codec == Codec::h264   ? read(of_codec.h264PicParams, *picture)
                          : config.codec == Codec::hevc ? read(of_codec.hevcPicParams, *picture)
                                                        : read(of_codec.av1PicParams, *picture);
#if NVENC_VERSION >= 1300
    if (config.codec == Codec::hevc)
        read_light(given->codecPicParams.hevcPicParams, config, *picture);
#endif
    if (!refused)
        refused = read_map(*given, config, *picture);
    if (refused)
        return session->refuse(refused, "messages or map");
    return session->encode(picture, given->inputBuffer, given->outputBitstream, given->bufferFmt,
                           given->inputWidth, given->inputHeight);
}

inline NVENCSTATUS create_output(void *encoder, NV_ENC_CREATE_BITSTREAM_BUFFER *given)
{
    IN_SESSION("nvEncCreateBitstreamBuffer");
    INITIALISED_SESSION();
    CHECK_POINTER(given);
    CHECK_VERSION(given, NV_ENC_CREATE_BITSTREAM_BUFFER_VER);
    CHECK_ZERO(given->reserved, given->reserved1, given->reserved2);
    return session->create_output(given->bitstreamBuffer);
}

inline NVENCSTATUS destroy_output(void *encoder, NV_ENC_OUTPUT_PTR buffer)
{
    IN_SESSION_GIVING_BACK("nvEncDestroyBitstreamBuffer");
    return GAVE_BACK(session->destroy_output(buffer));
}

inline NV_ENC_PIC_TYPE type_of(codec::PictureType type)
{
    switch (type) {
    case codec::PictureType::b: return NV_ENC_PIC_TYPE_B;
    case codec::PictureType::i: return NV_ENC_PIC_TYPE_I;
    case codec::PictureType::idr: return NV_ENC_PIC_TYPE_IDR;
    default: return NV_ENC_PIC_TYPE_P;
    }
}

inline NVENCSTATUS lock_bitstream(void *encoder, NV_ENC_LOCK_BITSTREAM *given)
{
    emulator::Call entered_call("nvEncLockBitstream");
    if (entered_call.answer)
        return answer_of(entered_call.answer);
    Use session(encoder, "nvEncLockBitstream", NVENC_VERSION, CallKind::on_bitstream);
    if (session.refused)
        return session.refused;
    INITIALISED_SESSION();
    CHECK_POINTER(given);
    CHECK_VERSION(given, NV_ENC_LOCK_BITSTREAM_VER);
    CHECK_ZERO(given->reserved1, given->reserved2, given->reservedInternal,
               given->reservedBitFields);
    std::shared_ptr<Output> found;
    if (NVENCSTATUS refused = session->lock_output(given->outputBitstream, given->doNotWait, found))
        return refused;
    const Picture &picture = *found->picture;
    given->frameIdx = found->coded_index;
    given->hwEncodeStatus = 2; // Rule (assumed): done
    given->numSlices = found->slices;
    given->bitstreamSizeInBytes = static_cast<uint32_t>(found->data.size());
    given->bitstreamBufferPtr = found->data.data();
    given->outputTimeStamp = picture.timestamp;
    given->outputDuration = picture.duration;
    given->pictureType = type_of(picture.order.type);
    given->pictureStruct = NV_ENC_PIC_STRUCT_FRAME;
    given->frameAvgQP = static_cast<uint32_t>(found->qp);
    given->frameSatd = 0;
    given->ltrFrame = picture.long_term >= 0;
    given->ltrFrameIdx = picture.long_term >= 0 ? static_cast<uint32_t>(picture.long_term) : 0;
    given->ltrFrameBitmap = given->temporalId = 0;
    given->frameIdxDisplay = picture.frame_index;
    return NV_ENC_SUCCESS;
}

inline NVENCSTATUS unlock_bitstream(void *encoder, NV_ENC_OUTPUT_PTR buffer)
{
    emulator::Call entered_call("nvEncUnlockBitstream");
    if (entered_call.answer && !entered_call.put_off())
        return answer_of(entered_call.answer);
    Use session(encoder, "nvEncUnlockBitstream", NVENC_VERSION,
                CallKind::giving_bitstream_back);
    if (session.refused)
        return session.refused;
    return GAVE_BACK(session->unlock_output(buffer));
}

inline NVENCSTATUS invalidate(void *encoder, uint64_t)
{
    IN_SESSION("nvEncInvalidateRefFrames");
    INITIALISED_SESSION();
    session->invalidate(); // Rule (assumed): no other reference is left
    return NV_ENC_SUCCESS;
}

inline NVENCSTATUS open_session(NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS *given, void **encoder)
{
    emulator::Call entered_call("nvEncOpenEncodeSessionEx");
    if (entered_call.answer)
        return answer_of(entered_call.answer);
    CHECK_POINTER(given && encoder);
    CHECK_VERSION(given, NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS_VER);
    *encoder = nullptr;
    if (given->apiVersion != NVENCAPI_VERSION)
        return NV_ENC_ERR_INVALID_VERSION;
    CHECK_ZERO(given->reserved, given->reserved1, given->reserved2);
    if (given->deviceType != NV_ENC_DEVICE_TYPE_CUDA)
        return NV_ENC_ERR_INVALID_PARAM; // Rule (assumed): no OpenGL here
    return open(given->device, NVENC_VERSION, encoder);
}

inline NVENCSTATUS destroy_encoder(void *encoder)
{
    emulator::Call entered_call("nvEncDestroyEncoder");
    if (entered_call.answer && !entered_call.put_off())
        return answer_of(entered_call.answer);
    return GAVE_BACK(destroy(encoder));
}

inline const char *last_error(void *encoder)
{
    emulator::Call entered_call("nvEncGetLastErrorString");
    return error_text(encoder);
}

// Rule (assumed): what no client of ours asks for is not there.
#define NOT_HERE(function, name, ...)                                                              \
    inline NVENCSTATUS function(void *encoder, ##__VA_ARGS__)                                      \
    {                                                                                              \
        IN_SESSION(name);                                                                          \
        return session->refuse(NV_ENC_ERR_UNIMPLEMENTED, "not of the emulator");                   \
    }

NOT_HERE(encode_stats, "nvEncGetEncodeStats", NV_ENC_STAT *)
NOT_HERE(register_event, "nvEncRegisterAsyncEvent", NV_ENC_EVENT_PARAMS *)
NOT_HERE(unregister_event, "nvEncUnregisterAsyncEvent", NV_ENC_EVENT_PARAMS *)
NOT_HERE(create_vectors, "nvEncCreateMVBuffer", void *)
NOT_HERE(destroy_vectors, "nvEncDestroyMVBuffer", NV_ENC_OUTPUT_PTR)
NOT_HERE(estimate_motion, "nvEncRunMotionEstimationOnly", void *)
NOT_HERE(restore_state, "nvEncRestoreEncoderState", void *)
NOT_HERE(look_ahead, "nvEncLookaheadPicture", void *)

// Rule (header): the old way to open, which knows no version.
inline NVENCSTATUS open_old(void *, uint32_t, void **encoder)
{
    emulator::Call entered_call("nvEncOpenEncodeSession");
    if (entered_call.answer)
        return answer_of(entered_call.answer);
    CHECK_POINTER(encoder);
    *encoder = nullptr;
    return NV_ENC_ERR_INVALID_VERSION;
}

inline void fill_list(void *target)
{
    auto &list = *static_cast<NV_ENCODE_API_FUNCTION_LIST *>(target);
    list.nvEncOpenEncodeSession = open_old;
    list.nvEncGetEncodeGUIDCount = encode_guid_count;
    list.nvEncGetEncodeProfileGUIDCount = profile_count;
    list.nvEncGetEncodeProfileGUIDs = profile_guids;
    list.nvEncGetEncodeGUIDs = encode_guids;
    list.nvEncGetInputFormatCount = format_count;
    list.nvEncGetInputFormats = input_formats;
    list.nvEncGetEncodeCaps = encode_caps;
    list.nvEncGetEncodePresetCount = preset_count;
    list.nvEncGetEncodePresetGUIDs = preset_guids;
    list.nvEncGetEncodePresetConfig = preset_config;
    list.nvEncInitializeEncoder = initialize;
    list.nvEncCreateInputBuffer = create_input;
    list.nvEncDestroyInputBuffer = destroy_input;
    list.nvEncCreateBitstreamBuffer = create_output;
    list.nvEncDestroyBitstreamBuffer = destroy_output;
    list.nvEncEncodePicture = encode_picture;
    list.nvEncLockBitstream = lock_bitstream;
    list.nvEncUnlockBitstream = unlock_bitstream;
    list.nvEncLockInputBuffer = lock_input;
    list.nvEncUnlockInputBuffer = unlock_input;
    list.nvEncGetEncodeStats = encode_stats;
    list.nvEncGetSequenceParams = sequence_params;
    list.nvEncRegisterAsyncEvent = register_event;
    list.nvEncUnregisterAsyncEvent = unregister_event;
    list.nvEncMapInputResource = map_input;
    list.nvEncUnmapInputResource = unmap_input;
    list.nvEncDestroyEncoder = destroy_encoder;
    list.nvEncInvalidateRefFrames = invalidate;
    list.nvEncOpenEncodeSessionEx = open_session;
    list.nvEncRegisterResource = register_resource;
    list.nvEncUnregisterResource = unregister_resource;
    list.nvEncReconfigureEncoder = reconfigure;
    list.nvEncCreateMVBuffer = create_vectors;
    list.nvEncDestroyMVBuffer = destroy_vectors;
    list.nvEncRunMotionEstimationOnly = estimate_motion;
    list.nvEncGetLastErrorString = last_error;
    list.nvEncSetIOCudaStreams = set_streams;
    list.nvEncGetEncodePresetConfigEx = preset_config_ex;
    list.nvEncGetSequenceParamEx = sequence_param_ex;
    list.nvEncRestoreEncoderState = restore_state;
    list.nvEncLookaheadPicture = look_ahead;
}

} // namespace NVENC_NAMESPACE
} // namespace encode
