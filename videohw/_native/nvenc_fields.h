// The fields of NV_ENC_INITIALIZE_PARAMS and NV_ENC_CONFIG that can be set by name; included once
// in the namespace of each API version by nvenc_fields.hpp. No pointers, arrays of structures,
// reserved words, versions or GUIDs: those are not the caller's to set.

#define VIDEOHW_FIELD(name, of, member)                                                            \
    {name, [](NV_ENC_INITIALIZE_PARAMS &init, NV_ENC_CONFIG &config, long long value) {            \
         static_cast<void>(init), static_cast<void>(config);                                       \
         of.member = static_cast<std::remove_reference_t<decltype(of.member)>>(value);             \
         return static_cast<long long>(of.member) == value;                                        \
     }},
#define INITIALIZE(member) VIDEOHW_FIELD(#member, init, member)
#define CONFIG(member) VIDEOHW_FIELD("encodeConfig." #member, config, member)
#define CODED(codec, member)                                                                       \
    VIDEOHW_FIELD("encodeConfig.encodeCodecConfig." #codec "." #member,                            \
                  config.encodeCodecConfig.codec, member)
#define H264(member) CODED(h264Config, member)
#define HEVC(member) CODED(hevcConfig, member)
#define AV1(member) CODED(av1Config, member)

struct Field {
    const char *name;
    // False when the field cannot hold the value.
    bool (*set)(NV_ENC_INITIALIZE_PARAMS &init, NV_ENC_CONFIG &config, long long value);
};

inline const Field *find_field(const char *name)
{
    static const Field fields[] = {
        INITIALIZE(encodeWidth) INITIALIZE(encodeHeight) INITIALIZE(darWidth) INITIALIZE(darHeight)
        INITIALIZE(frameRateNum) INITIALIZE(frameRateDen) INITIALIZE(enableEncodeAsync)
        INITIALIZE(enablePTD) INITIALIZE(reportSliceOffsets) INITIALIZE(enableSubFrameWrite)
        INITIALIZE(enableExternalMEHints) INITIALIZE(enableMEOnlyMode)
        INITIALIZE(enableWeightedPrediction) INITIALIZE(splitEncodeMode)
        INITIALIZE(enableOutputInVidmem) INITIALIZE(enableReconFrameOutput)
        INITIALIZE(enableOutputStats)
#if VIDEOHW_NVENC_API >= 1300
        INITIALIZE(enableUniDirectionalB)
#endif
        INITIALIZE(maxEncodeWidth) INITIALIZE(maxEncodeHeight) INITIALIZE(tuningInfo)
        INITIALIZE(bufferFormat) INITIALIZE(numStateBuffers) INITIALIZE(outputStatsLevel)
        CONFIG(gopLength) CONFIG(frameIntervalP) CONFIG(monoChromeEncoding) CONFIG(frameFieldMode)
        CONFIG(mvPrecision) CONFIG(rcParams.rateControlMode) CONFIG(rcParams.constQP.qpInterP)
        CONFIG(rcParams.constQP.qpInterB) CONFIG(rcParams.constQP.qpIntra)
        CONFIG(rcParams.averageBitRate) CONFIG(rcParams.maxBitRate) CONFIG(rcParams.vbvBufferSize)
        CONFIG(rcParams.vbvInitialDelay) CONFIG(rcParams.enableMinQP) CONFIG(rcParams.enableMaxQP)
        CONFIG(rcParams.enableInitialRCQP) CONFIG(rcParams.enableAQ)
        CONFIG(rcParams.enableLookahead) CONFIG(rcParams.disableIadapt)
        CONFIG(rcParams.disableBadapt) CONFIG(rcParams.enableTemporalAQ)
        CONFIG(rcParams.zeroReorderDelay) CONFIG(rcParams.enableNonRefP)
        CONFIG(rcParams.strictGOPTarget) CONFIG(rcParams.aqStrength)
        CONFIG(rcParams.enableExtLookahead) CONFIG(rcParams.minQP.qpInterP)
        CONFIG(rcParams.minQP.qpInterB) CONFIG(rcParams.minQP.qpIntra)
        CONFIG(rcParams.maxQP.qpInterP) CONFIG(rcParams.maxQP.qpInterB)
        CONFIG(rcParams.maxQP.qpIntra) CONFIG(rcParams.initialRCQP.qpInterP)
        CONFIG(rcParams.initialRCQP.qpInterB) CONFIG(rcParams.initialRCQP.qpIntra)
        CONFIG(rcParams.temporallayerIdxMask) CONFIG(rcParams.temporalLayerQP[0])
        CONFIG(rcParams.temporalLayerQP[1]) CONFIG(rcParams.temporalLayerQP[2])
        CONFIG(rcParams.temporalLayerQP[3]) CONFIG(rcParams.temporalLayerQP[4])
        CONFIG(rcParams.temporalLayerQP[5]) CONFIG(rcParams.temporalLayerQP[6])
        CONFIG(rcParams.temporalLayerQP[7]) CONFIG(rcParams.targetQuality)
        CONFIG(rcParams.targetQualityLSB) CONFIG(rcParams.lookaheadDepth)
        CONFIG(rcParams.lowDelayKeyFrameScale) CONFIG(rcParams.yDcQPIndexOffset)
        CONFIG(rcParams.uDcQPIndexOffset) CONFIG(rcParams.vDcQPIndexOffset)
        CONFIG(rcParams.qpMapMode) CONFIG(rcParams.multiPass)
        CONFIG(rcParams.alphaLayerBitrateRatio) CONFIG(rcParams.cbQPIndexOffset)
        CONFIG(rcParams.crQPIndexOffset)
#if VIDEOHW_NVENC_API >= 1300
        CONFIG(rcParams.lookaheadLevel)
#endif
        H264(enableTemporalSVC) H264(enableStereoMVC) H264(hierarchicalPFrames)
        H264(hierarchicalBFrames) H264(outputBufferingPeriodSEI) H264(outputPictureTimingSEI)
        H264(outputAUD) H264(disableSPSPPS) H264(outputFramePackingSEI)
        H264(outputRecoveryPointSEI) H264(enableIntraRefresh) H264(enableConstrainedEncoding)
        H264(repeatSPSPPS) H264(enableVFR) H264(enableLTR) H264(qpPrimeYZeroTransformBypassFlag)
        H264(useConstrainedIntraPred) H264(enableFillerDataInsertion) H264(disableSVCPrefixNalu)
        H264(enableScalabilityInfoSEI) H264(singleSliceIntraRefresh) H264(enableTimeCode)
        H264(level) H264(idrPeriod) H264(separateColourPlaneFlag) H264(disableDeblockingFilterIDC)
        H264(numTemporalLayers) H264(spsId) H264(ppsId) H264(adaptiveTransformMode) H264(fmoMode)
        H264(bdirectMode) H264(entropyCodingMode) H264(stereoMode) H264(intraRefreshPeriod)
        H264(intraRefreshCnt) H264(maxNumRefFrames) H264(sliceMode) H264(sliceModeData)
        H264(h264VUIParameters.overscanInfoPresentFlag) H264(h264VUIParameters.overscanInfo)
        H264(h264VUIParameters.videoSignalTypePresentFlag) H264(h264VUIParameters.videoFormat)
        H264(h264VUIParameters.videoFullRangeFlag)
        H264(h264VUIParameters.colourDescriptionPresentFlag)
        H264(h264VUIParameters.colourPrimaries) H264(h264VUIParameters.transferCharacteristics)
        H264(h264VUIParameters.colourMatrix) H264(h264VUIParameters.chromaSampleLocationFlag)
        H264(h264VUIParameters.chromaSampleLocationTop)
        H264(h264VUIParameters.chromaSampleLocationBot)
        H264(h264VUIParameters.bitstreamRestrictionFlag)
        H264(h264VUIParameters.timingInfoPresentFlag) H264(h264VUIParameters.numUnitInTicks)
        H264(h264VUIParameters.timeScale) H264(ltrNumFrames) H264(ltrTrustMode)
        H264(chromaFormatIDC) H264(maxTemporalLayers) H264(useBFramesAsRef) H264(numRefL0)
        H264(numRefL1)
#if VIDEOHW_NVENC_API >= 1300
        H264(outputBitDepth) H264(inputBitDepth) H264(tfLevel)
#endif
        HEVC(level) HEVC(tier) HEVC(minCUSize) HEVC(maxCUSize) HEVC(useConstrainedIntraPred)
        HEVC(disableDeblockAcrossSliceBoundary) HEVC(outputBufferingPeriodSEI)
        HEVC(outputPictureTimingSEI) HEVC(outputAUD) HEVC(enableLTR) HEVC(disableSPSPPS)
        HEVC(repeatSPSPPS) HEVC(enableIntraRefresh) HEVC(chromaFormatIDC)
#if VIDEOHW_NVENC_API < 1300
        HEVC(pixelBitDepthMinus8)
#endif
        HEVC(enableFillerDataInsertion) HEVC(enableConstrainedEncoding)
        HEVC(enableAlphaLayerEncoding) HEVC(singleSliceIntraRefresh) HEVC(outputRecoveryPointSEI)
        HEVC(outputTimeCodeSEI)
#if VIDEOHW_NVENC_API >= 1300
        HEVC(enableTemporalSVC) HEVC(enableMVHEVC) HEVC(outputHevc3DReferenceDisplayInfo)
        HEVC(outputMaxCll) HEVC(outputMasteringDisplay)
#endif
        HEVC(idrPeriod) HEVC(intraRefreshPeriod) HEVC(intraRefreshCnt) HEVC(maxNumRefFramesInDPB)
        HEVC(ltrNumFrames) HEVC(vpsId) HEVC(spsId) HEVC(ppsId) HEVC(sliceMode) HEVC(sliceModeData)
        HEVC(maxTemporalLayersMinus1) HEVC(hevcVUIParameters.overscanInfoPresentFlag)
        HEVC(hevcVUIParameters.overscanInfo) HEVC(hevcVUIParameters.videoSignalTypePresentFlag)
        HEVC(hevcVUIParameters.videoFormat) HEVC(hevcVUIParameters.videoFullRangeFlag)
        HEVC(hevcVUIParameters.colourDescriptionPresentFlag)
        HEVC(hevcVUIParameters.colourPrimaries) HEVC(hevcVUIParameters.transferCharacteristics)
        HEVC(hevcVUIParameters.colourMatrix) HEVC(hevcVUIParameters.chromaSampleLocationFlag)
        HEVC(hevcVUIParameters.chromaSampleLocationTop)
        HEVC(hevcVUIParameters.chromaSampleLocationBot)
        HEVC(hevcVUIParameters.bitstreamRestrictionFlag)
        HEVC(hevcVUIParameters.timingInfoPresentFlag) HEVC(hevcVUIParameters.numUnitInTicks)
        HEVC(hevcVUIParameters.timeScale) HEVC(ltrTrustMode) HEVC(useBFramesAsRef) HEVC(numRefL0)
        HEVC(numRefL1)
#if VIDEOHW_NVENC_API >= 1300
        HEVC(tfLevel) HEVC(disableDeblockingFilterIDC) HEVC(outputBitDepth) HEVC(inputBitDepth)
        HEVC(numTemporalLayers) HEVC(numViews)
#endif
        AV1(level) AV1(tier) AV1(minPartSize) AV1(maxPartSize) AV1(outputAnnexBFormat)
        AV1(enableTimingInfo) AV1(enableDecoderModelInfo) AV1(enableFrameIdNumbers)
        AV1(disableSeqHdr) AV1(repeatSeqHdr) AV1(enableIntraRefresh) AV1(chromaFormatIDC)
        AV1(enableBitstreamPadding) AV1(enableCustomTileConfig) AV1(enableFilmGrainParams)
#if VIDEOHW_NVENC_API >= 1300
        AV1(enableLTR) AV1(enableTemporalSVC) AV1(outputMaxCll) AV1(outputMasteringDisplay)
#else
        AV1(inputPixelBitDepthMinus8) AV1(pixelBitDepthMinus8)
#endif
        AV1(idrPeriod) AV1(intraRefreshPeriod) AV1(intraRefreshCnt) AV1(maxNumRefFramesInDPB)
        AV1(numTileColumns) AV1(numTileRows) AV1(maxTemporalLayersMinus1) AV1(colorPrimaries)
        AV1(transferCharacteristics) AV1(matrixCoefficients) AV1(colorRange)
        AV1(chromaSamplePosition) AV1(useBFramesAsRef) AV1(numFwdRefs) AV1(numBwdRefs)
#if VIDEOHW_NVENC_API >= 1300
        AV1(outputBitDepth) AV1(inputBitDepth) AV1(ltrNumFrames) AV1(numTemporalLayers)
        AV1(tfLevel)
#endif
    };
    for (const Field &field : fields)
        if (std::strcmp(field.name, name) == 0)
            return &field;
    return nullptr;
}

#undef VIDEOHW_FIELD
#undef INITIALIZE
#undef CONFIG
#undef CODED
#undef H264
#undef HEVC
#undef AV1
