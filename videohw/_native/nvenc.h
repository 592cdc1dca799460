/* nvEncodeAPI of one version, as VIDEOHW_NVENC_API says: 1201 for 12.1, 1300 for 13.0. The text is
 * included once for each by nvenc_versions.hpp, which is what others include.
 *
 * Own declarations. Names, values and layouts are the driver's; the tests hold them against facts
 * taken from the vendor's headers, for Linux and Windows. What nobody here calls or reads is left
 * as words or as void *.
 */

typedef struct {
    uint32_t left, top, right, bottom;
} NVENC_RECT;

typedef struct {
    uint32_t version;
    NV_ENC_CAPS capsToQuery;
    uint32_t reserved[62];
} NV_ENC_CAPS_PARAM;

typedef struct {
    uint32_t version, width, height;
    NV_ENC_MEMORY_HEAP memoryHeap;
    NV_ENC_BUFFER_FORMAT bufferFmt;
    uint32_t reserved;
    NV_ENC_INPUT_PTR inputBuffer;
    void *pSysMemBuffer;
#if VIDEOHW_NVENC_API >= 1300
    uint32_t reserved1[58];
#else
    uint32_t reserved1[57];
#endif
    void *reserved2[63];
} NV_ENC_CREATE_INPUT_BUFFER;

typedef struct {
    uint32_t version, size;
    NV_ENC_MEMORY_HEAP memoryHeap;
    uint32_t reserved;
    NV_ENC_OUTPUT_PTR bitstreamBuffer;
    void *bitstreamBufferPtr;
    uint32_t reserved1[58];
    void *reserved2[64];
} NV_ENC_CREATE_BITSTREAM_BUFFER;

typedef struct {
    uint32_t qpInterP, qpInterB, qpIntra;
} NV_ENC_QP;

typedef struct {
    uint32_t version;
    NV_ENC_PARAMS_RC_MODE rateControlMode;
    NV_ENC_QP constQP;
    uint32_t averageBitRate, maxBitRate, vbvBufferSize, vbvInitialDelay;
    uint32_t enableMinQP : 1, enableMaxQP : 1, enableInitialRCQP : 1, enableAQ : 1;
    uint32_t reservedBitField1 : 1, enableLookahead : 1, disableIadapt : 1, disableBadapt : 1;
    uint32_t enableTemporalAQ : 1, zeroReorderDelay : 1, enableNonRefP : 1, strictGOPTarget : 1;
    uint32_t aqStrength : 4, enableExtLookahead : 1, reservedBitFields : 15;
    NV_ENC_QP minQP, maxQP, initialRCQP;
    uint32_t temporallayerIdxMask;
    uint8_t temporalLayerQP[8], targetQuality, targetQualityLSB;
    uint16_t lookaheadDepth;
    uint8_t lowDelayKeyFrameScale;
    int8_t yDcQPIndexOffset, uDcQPIndexOffset, vDcQPIndexOffset;
    NV_ENC_QP_MAP_MODE qpMapMode;
    NV_ENC_MULTI_PASS multiPass;
    uint32_t alphaLayerBitrateRatio;
    int8_t cbQPIndexOffset, crQPIndexOffset;
    uint16_t reserved2;
#if VIDEOHW_NVENC_API >= 1300
    NV_ENC_LOOKAHEAD_LEVEL lookaheadLevel;
    uint8_t viewBitrateRatios[7], reserved3;
    uint32_t reserved1;
#else
    uint32_t reserved[4];
#endif
} NV_ENC_RC_PARAMS;

typedef struct {
    uint32_t countingType : 1, discontinuityFlag : 1, cntDroppedFrames : 1, nFrames : 8;
    uint32_t secondsValue : 6, minutesValue : 6, hoursValue : 5, reserved2 : 4;
    uint32_t timeOffset;
} NV_ENC_CLOCK_TIMESTAMP_SET;

typedef struct {
    NV_ENC_DISPLAY_PIC_STRUCT displayPicStruct;
    NV_ENC_CLOCK_TIMESTAMP_SET clockTimestamp[3];
#if VIDEOHW_NVENC_API >= 1300
    uint32_t skipClockTimestampInsertion;
#endif
} NV_ENC_TIME_CODE;

#if VIDEOHW_NVENC_API >= 1300
typedef struct {
    uint16_t x, y;
} CHROMA_POINTS;

typedef struct {
    CHROMA_POINTS g, b, r, whitePoint;
    uint32_t maxLuma, minLuma;
} MASTERING_DISPLAY_INFO;

typedef struct {
    uint16_t maxContentLightLevel, maxPicAverageLightLevel;
} CONTENT_LIGHT_LEVEL;
#endif

typedef struct {
    uint32_t overscanInfoPresentFlag, overscanInfo, videoSignalTypePresentFlag;
    NV_ENC_VUI_VIDEO_FORMAT videoFormat;
    uint32_t videoFullRangeFlag, colourDescriptionPresentFlag;
    NV_ENC_VUI_COLOR_PRIMARIES colourPrimaries;
    NV_ENC_VUI_TRANSFER_CHARACTERISTIC transferCharacteristics;
    NV_ENC_VUI_MATRIX_COEFFS colourMatrix;
    uint32_t chromaSampleLocationFlag, chromaSampleLocationTop, chromaSampleLocationBot;
    uint32_t bitstreamRestrictionFlag, timingInfoPresentFlag, numUnitInTicks, timeScale;
    uint32_t reserved[12];
} NV_ENC_CONFIG_H264_VUI_PARAMETERS;
typedef NV_ENC_CONFIG_H264_VUI_PARAMETERS NV_ENC_CONFIG_HEVC_VUI_PARAMETERS;

typedef struct {
    uint32_t numCandsPerBlk16x16 : 4, numCandsPerBlk16x8 : 4, numCandsPerBlk8x16 : 4;
    uint32_t numCandsPerBlk8x8 : 4, numCandsPerSb : 8, reserved : 8;
    uint32_t reserved1[3];
} NVENC_EXTERNAL_ME_HINT_COUNTS_PER_BLOCKTYPE;

typedef struct {
    uint32_t enableTemporalSVC : 1, enableStereoMVC : 1, hierarchicalPFrames : 1;
    uint32_t hierarchicalBFrames : 1, outputBufferingPeriodSEI : 1, outputPictureTimingSEI : 1;
    uint32_t outputAUD : 1, disableSPSPPS : 1, outputFramePackingSEI : 1;
    uint32_t outputRecoveryPointSEI : 1, enableIntraRefresh : 1, enableConstrainedEncoding : 1;
    uint32_t repeatSPSPPS : 1, enableVFR : 1, enableLTR : 1;
    uint32_t qpPrimeYZeroTransformBypassFlag : 1, useConstrainedIntraPred : 1;
    uint32_t enableFillerDataInsertion : 1, disableSVCPrefixNalu : 1;
    uint32_t enableScalabilityInfoSEI : 1, singleSliceIntraRefresh : 1, enableTimeCode : 1;
    uint32_t reservedBitFields : 10;
    uint32_t level, idrPeriod, separateColourPlaneFlag, disableDeblockingFilterIDC;
    uint32_t numTemporalLayers, spsId, ppsId;
    NV_ENC_H264_ADAPTIVE_TRANSFORM_MODE adaptiveTransformMode;
    NV_ENC_H264_FMO_MODE fmoMode;
    NV_ENC_H264_BDIRECT_MODE bdirectMode;
    NV_ENC_H264_ENTROPY_CODING_MODE entropyCodingMode;
    NV_ENC_STEREO_PACKING_MODE stereoMode;
    uint32_t intraRefreshPeriod, intraRefreshCnt, maxNumRefFrames, sliceMode, sliceModeData;
    NV_ENC_CONFIG_H264_VUI_PARAMETERS h264VUIParameters;
    uint32_t ltrNumFrames, ltrTrustMode, chromaFormatIDC, maxTemporalLayers;
    NV_ENC_BFRAME_REF_MODE useBFramesAsRef;
    NV_ENC_NUM_REF_FRAMES numRefL0, numRefL1;
#if VIDEOHW_NVENC_API >= 1300
    NV_ENC_BIT_DEPTH outputBitDepth, inputBitDepth;
    NV_ENC_TEMPORAL_FILTER_LEVEL tfLevel;
    uint32_t reserved1[264];
#else
    uint32_t reserved1[267];
#endif
    void *reserved2[64];
} NV_ENC_CONFIG_H264;

typedef struct {
    uint32_t level, tier;
    NV_ENC_HEVC_CUSIZE minCUSize, maxCUSize;
    uint32_t useConstrainedIntraPred : 1, disableDeblockAcrossSliceBoundary : 1;
    uint32_t outputBufferingPeriodSEI : 1, outputPictureTimingSEI : 1, outputAUD : 1;
    uint32_t enableLTR : 1, disableSPSPPS : 1, repeatSPSPPS : 1, enableIntraRefresh : 1;
    uint32_t chromaFormatIDC : 2;
#if VIDEOHW_NVENC_API >= 1300
    uint32_t reserved3 : 3;
#else
    uint32_t pixelBitDepthMinus8 : 3;
#endif
    uint32_t enableFillerDataInsertion : 1, enableConstrainedEncoding : 1;
    uint32_t enableAlphaLayerEncoding : 1, singleSliceIntraRefresh : 1;
    uint32_t outputRecoveryPointSEI : 1, outputTimeCodeSEI : 1;
#if VIDEOHW_NVENC_API >= 1300
    uint32_t enableTemporalSVC : 1, enableMVHEVC : 1, outputHevc3DReferenceDisplayInfo : 1;
    uint32_t outputMaxCll : 1, outputMasteringDisplay : 1, reserved : 7;
#else
    uint32_t reserved : 12;
#endif
    uint32_t idrPeriod, intraRefreshPeriod, intraRefreshCnt, maxNumRefFramesInDPB, ltrNumFrames;
    uint32_t vpsId, spsId, ppsId, sliceMode, sliceModeData, maxTemporalLayersMinus1;
    NV_ENC_CONFIG_HEVC_VUI_PARAMETERS hevcVUIParameters;
    uint32_t ltrTrustMode;
    NV_ENC_BFRAME_REF_MODE useBFramesAsRef;
    NV_ENC_NUM_REF_FRAMES numRefL0, numRefL1;
#if VIDEOHW_NVENC_API >= 1300
    NV_ENC_TEMPORAL_FILTER_LEVEL tfLevel;
    uint32_t disableDeblockingFilterIDC;
    NV_ENC_BIT_DEPTH outputBitDepth, inputBitDepth;
    uint32_t numTemporalLayers, numViews, reserved1[208];
#else
    uint32_t reserved1[214];
#endif
    void *reserved2[64];
} NV_ENC_CONFIG_HEVC;

typedef struct {
    uint32_t level, tier;
    NV_ENC_AV1_PART_SIZE minPartSize, maxPartSize;
    uint32_t outputAnnexBFormat : 1, enableTimingInfo : 1, enableDecoderModelInfo : 1;
    uint32_t enableFrameIdNumbers : 1, disableSeqHdr : 1, repeatSeqHdr : 1;
    uint32_t enableIntraRefresh : 1, chromaFormatIDC : 2, enableBitstreamPadding : 1;
    uint32_t enableCustomTileConfig : 1, enableFilmGrainParams : 1;
#if VIDEOHW_NVENC_API >= 1300
    uint32_t enableLTR : 1, enableTemporalSVC : 1, outputMaxCll : 1, outputMasteringDisplay : 1;
    uint32_t reserved4 : 2;
#else
    uint32_t inputPixelBitDepthMinus8 : 3, pixelBitDepthMinus8 : 3;
#endif
    uint32_t reserved : 14;
    uint32_t idrPeriod, intraRefreshPeriod, intraRefreshCnt, maxNumRefFramesInDPB;
    uint32_t numTileColumns, numTileRows;
#if VIDEOHW_NVENC_API >= 1300
    uint32_t reserved2;
#endif
    uint32_t *tileWidths, *tileHeights;
    uint32_t maxTemporalLayersMinus1;
    NV_ENC_VUI_COLOR_PRIMARIES colorPrimaries;
    NV_ENC_VUI_TRANSFER_CHARACTERISTIC transferCharacteristics;
    NV_ENC_VUI_MATRIX_COEFFS matrixCoefficients;
    uint32_t colorRange, chromaSamplePosition;
    NV_ENC_BFRAME_REF_MODE useBFramesAsRef;
    void *filmGrainParams;
    NV_ENC_NUM_REF_FRAMES numFwdRefs, numBwdRefs;
#if VIDEOHW_NVENC_API >= 1300
    NV_ENC_BIT_DEPTH outputBitDepth, inputBitDepth;
    uint32_t ltrNumFrames, numTemporalLayers;
    NV_ENC_TEMPORAL_FILTER_LEVEL tfLevel;
    uint32_t reserved1[230];
    void *reserved3[62];
#else
    uint32_t reserved1[235];
    void *reserved2[62];
#endif
} NV_ENC_CONFIG_AV1;

typedef union {
    NV_ENC_CONFIG_H264 h264Config;
    NV_ENC_CONFIG_HEVC hevcConfig;
    NV_ENC_CONFIG_AV1 av1Config;
    uint64_t h264MeOnlyConfig[192], hevcMeOnlyConfig[192];
    uint32_t reserved[320];
} NV_ENC_CODEC_CONFIG;

typedef struct {
    uint32_t version;
    GUID profileGUID;
    uint32_t gopLength;
    int32_t frameIntervalP;
    uint32_t monoChromeEncoding;
    NV_ENC_PARAMS_FRAME_FIELD_MODE frameFieldMode;
    NV_ENC_MV_PRECISION mvPrecision;
    NV_ENC_RC_PARAMS rcParams;
    NV_ENC_CODEC_CONFIG encodeCodecConfig;
    uint32_t reserved[278];
    void *reserved2[64];
} NV_ENC_CONFIG;

typedef struct {
    uint32_t version;
    GUID encodeGUID, presetGUID;
    uint32_t encodeWidth, encodeHeight, darWidth, darHeight, frameRateNum, frameRateDen;
    uint32_t enableEncodeAsync, enablePTD;
    uint32_t reportSliceOffsets : 1, enableSubFrameWrite : 1, enableExternalMEHints : 1;
    uint32_t enableMEOnlyMode : 1, enableWeightedPrediction : 1, splitEncodeMode : 4;
    uint32_t enableOutputInVidmem : 1, enableReconFrameOutput : 1, enableOutputStats : 1;
#if VIDEOHW_NVENC_API >= 1300
    uint32_t enableUniDirectionalB : 1, reservedBitFields : 19;
#else
    uint32_t reservedBitFields : 20;
#endif
    uint32_t privDataSize;
#if VIDEOHW_NVENC_API >= 1300
    uint32_t reserved;
#endif
    void *privData;
    NV_ENC_CONFIG *encodeConfig;
    uint32_t maxEncodeWidth, maxEncodeHeight;
    NVENC_EXTERNAL_ME_HINT_COUNTS_PER_BLOCKTYPE maxMEHintCountsPerBlock[2];
    NV_ENC_TUNING_INFO tuningInfo;
    NV_ENC_BUFFER_FORMAT bufferFormat;
    uint32_t numStateBuffers;
    NV_ENC_OUTPUT_STATS_LEVEL outputStatsLevel;
#if VIDEOHW_NVENC_API >= 1300
    uint32_t reserved1[284];
#else
    uint32_t reserved[285];
#endif
    void *reserved2[64];
} NV_ENC_INITIALIZE_PARAMS;

typedef struct {
    uint32_t version;
#if VIDEOHW_NVENC_API >= 1300
    uint32_t reserved;
#endif
    NV_ENC_INITIALIZE_PARAMS reInitEncodeParams;
    uint32_t resetEncoder : 1, forceIDR : 1;
#if VIDEOHW_NVENC_API >= 1300
    uint32_t reserved1 : 30;
    uint32_t reserved2;
#else
    uint32_t reserved : 30;
#endif
} NV_ENC_RECONFIGURE_PARAMS;

typedef struct {
    uint32_t version;
#if VIDEOHW_NVENC_API >= 1300
    uint32_t reserved;
#endif
    NV_ENC_CONFIG presetCfg;
#if VIDEOHW_NVENC_API >= 1300
    uint32_t reserved1[256];
#else
    uint32_t reserved1[255];
#endif
    void *reserved2[64];
} NV_ENC_PRESET_CONFIG;

typedef struct {
    uint32_t payloadSize, payloadType;
    uint8_t *payload;
} NV_ENC_SEI_PAYLOAD;

typedef struct {
    uint32_t displayPOCSyntax, reserved3, refPicFlag, colourPlaneId;
    uint32_t forceIntraRefreshWithFrameCnt;
    uint32_t constrainedFrame : 1, sliceModeDataUpdate : 1, ltrMarkFrame : 1, ltrUseFrames : 1;
    uint32_t reservedBitFields : 28;
    uint8_t *sliceTypeData;
    uint32_t sliceTypeArrayCnt, seiPayloadArrayCnt;
    NV_ENC_SEI_PAYLOAD *seiPayloadArray;
    uint32_t sliceMode, sliceModeData, ltrMarkFrameIdx, ltrUseFrameBitmap, ltrUsageMode;
    uint32_t forceIntraSliceCount;
    uint32_t *forceIntraSliceIdx;
    uint64_t h264ExtPicParams[16];
    NV_ENC_TIME_CODE timeCode;
#if VIDEOHW_NVENC_API >= 1300
    uint32_t reserved[202];
#else
    uint32_t reserved[203];
#endif
    void *reserved2[61];
} NV_ENC_PIC_PARAMS_H264;

typedef struct {
    uint32_t displayPOCSyntax, refPicFlag, temporalId, forceIntraRefreshWithFrameCnt;
    uint32_t constrainedFrame : 1, sliceModeDataUpdate : 1, ltrMarkFrame : 1, ltrUseFrames : 1;
#if VIDEOHW_NVENC_API >= 1300
    uint32_t temporalConfigUpdate : 1, reservedBitFields : 27;
    uint32_t reserved1;
#else
    uint32_t reservedBitFields : 28;
#endif
    uint8_t *sliceTypeData;
    uint32_t sliceTypeArrayCnt, sliceMode, sliceModeData, ltrMarkFrameIdx, ltrUseFrameBitmap;
    uint32_t ltrUsageMode, seiPayloadArrayCnt, reserved;
    NV_ENC_SEI_PAYLOAD *seiPayloadArray;
    NV_ENC_TIME_CODE timeCode;
#if VIDEOHW_NVENC_API >= 1300
    uint32_t numTemporalLayers, viewId;
    void *p3DReferenceDisplayInfo;
    CONTENT_LIGHT_LEVEL *pMaxCll;
    MASTERING_DISPLAY_INFO *pMasteringDisplay;
    uint32_t reserved2[234];
    void *reserved3[58];
#else
    uint32_t reserved2[237];
    void *reserved3[61];
#endif
} NV_ENC_PIC_PARAMS_HEVC;

typedef struct {
    uint32_t displayPOCSyntax, refPicFlag, temporalId, forceIntraRefreshWithFrameCnt;
    uint32_t goldenFrameFlag : 1, arfFrameFlag : 1, arf2FrameFlag : 1, bwdFrameFlag : 1;
    uint32_t overlayFrameFlag : 1, showExistingFrameFlag : 1, errorResilientModeFlag : 1;
    uint32_t tileConfigUpdate : 1, enableCustomTileConfig : 1, filmGrainParamsUpdate : 1;
#if VIDEOHW_NVENC_API >= 1300
    uint32_t ltrMarkFrame : 1, ltrUseFrames : 1, temporalConfigUpdate : 1;
    uint32_t reservedBitFields : 19;
#else
    uint32_t reservedBitFields : 22;
#endif
    uint32_t numTileColumns, numTileRows;
#if VIDEOHW_NVENC_API >= 1300
    uint32_t reserved;
#endif
    uint32_t *tileWidths, *tileHeights;
    uint32_t obuPayloadArrayCnt;
#if VIDEOHW_NVENC_API >= 1300
    uint32_t reserved1;
#else
    uint32_t reserved;
#endif
    NV_ENC_SEI_PAYLOAD *obuPayloadArray;
    void *filmGrainParams;
#if VIDEOHW_NVENC_API >= 1300
    uint32_t ltrMarkFrameIdx, ltrUseFrameBitmap, numTemporalLayers, reserved4;
    CONTENT_LIGHT_LEVEL *pMaxCll;
    MASTERING_DISPLAY_INFO *pMasteringDisplay;
    uint32_t reserved2[242];
    void *reserved3[59];
#else
    uint32_t reserved2[247];
    void *reserved3[61];
#endif
} NV_ENC_PIC_PARAMS_AV1;

typedef union {
    NV_ENC_PIC_PARAMS_H264 h264PicParams;
    NV_ENC_PIC_PARAMS_HEVC hevcPicParams;
    NV_ENC_PIC_PARAMS_AV1 av1PicParams;
    uint32_t reserved[256];
} NV_ENC_CODEC_PIC_PARAMS;

typedef struct {
    uint32_t version, inputWidth, inputHeight, inputPitch, encodePicFlags, frameIdx;
    uint64_t inputTimeStamp, inputDuration;
    NV_ENC_INPUT_PTR inputBuffer;
    NV_ENC_OUTPUT_PTR outputBitstream;
    void *completionEvent;
    NV_ENC_BUFFER_FORMAT bufferFmt;
    NV_ENC_PIC_STRUCT pictureStruct;
    NV_ENC_PIC_TYPE pictureType;
    NV_ENC_CODEC_PIC_PARAMS codecPicParams;
    NVENC_EXTERNAL_ME_HINT_COUNTS_PER_BLOCKTYPE meHintCountsPerBlock[2];
    void *meExternalHints;
#if VIDEOHW_NVENC_API >= 1300
    uint32_t reserved2[7];
    void *reserved5[2];
#else
    uint32_t reserved1[6];
    void *reserved2[2];
#endif
    int8_t *qpDeltaMap;
    uint32_t qpDeltaMapSize, reservedBitFields;
    uint16_t meHintRefPicDist[2];
#if VIDEOHW_NVENC_API >= 1300
    uint32_t reserved4;
#endif
    NV_ENC_INPUT_PTR alphaBuffer;
    void *meExternalSbHints;
    uint32_t meSbHintsCount, stateBufferIdx;
    NV_ENC_OUTPUT_PTR outputReconBuffer;
    uint32_t reserved3[284];
#if VIDEOHW_NVENC_API >= 1300
    void *reserved6[57];
#else
    void *reserved4[57];
#endif
} NV_ENC_PIC_PARAMS;

typedef struct {
    uint32_t version;
    uint32_t doNotWait : 1, ltrFrame : 1, getRCStats : 1, reservedBitFields : 29;
    void *outputBitstream;
    uint32_t *sliceOffsets;
    uint32_t frameIdx, hwEncodeStatus, numSlices, bitstreamSizeInBytes;
    uint64_t outputTimeStamp, outputDuration;
    void *bitstreamBufferPtr;
    NV_ENC_PIC_TYPE pictureType;
    NV_ENC_PIC_STRUCT pictureStruct;
    uint32_t frameAvgQP, frameSatd, ltrFrameIdx, ltrFrameBitmap, temporalId, intraMBCount;
    uint32_t interMBCount;
    int32_t averageMVX, averageMVY;
    uint32_t alphaLayerSizeInBytes, outputStatsPtrSize;
#if VIDEOHW_NVENC_API >= 1300
    uint32_t reserved;
#endif
    void *outputStatsPtr;
    uint32_t frameIdxDisplay;
#if VIDEOHW_NVENC_API >= 1300
    uint32_t reserved1[219];
#else
    uint32_t reserved1[220];
#endif
    void *reserved2[63];
    uint32_t reservedInternal[8];
} NV_ENC_LOCK_BITSTREAM;

typedef struct {
    uint32_t version;
    uint32_t doNotWait : 1, reservedBitFields : 31;
    NV_ENC_INPUT_PTR inputBuffer;
    void *bufferDataPtr;
    uint32_t pitch, reserved1[251];
    void *reserved2[64];
} NV_ENC_LOCK_INPUT_BUFFER;

typedef struct {
    uint32_t version, subResourceIndex;
    void *inputResource;
    NV_ENC_REGISTERED_PTR registeredResource;
    NV_ENC_INPUT_PTR mappedResource;
    NV_ENC_BUFFER_FORMAT mappedBufferFmt;
    uint32_t reserved1[251];
    void *reserved2[63];
} NV_ENC_MAP_INPUT_RESOURCE;

typedef struct {
    uint32_t version;
    NV_ENC_INPUT_RESOURCE_TYPE resourceType;
    uint32_t width, height, pitch, subResourceIndex;
    void *resourceToRegister;
    NV_ENC_REGISTERED_PTR registeredResource;
    NV_ENC_BUFFER_FORMAT bufferFormat;
    NV_ENC_BUFFER_USAGE bufferUsage;
    void *pInputFencePoint;
    uint32_t chromaOffset[2];
#if VIDEOHW_NVENC_API >= 1300
    uint32_t chromaOffsetIn[2], reserved1[244];
#else
    uint32_t reserved1[245];
#endif
    void *reserved2[61];
} NV_ENC_REGISTER_RESOURCE;

typedef struct {
    uint32_t version, inBufferSize, spsId, ppsId;
    void *spsppsBuffer;
    uint32_t *outSPSPPSPayloadSize;
    uint32_t reserved[250];
    void *reserved2[64];
} NV_ENC_SEQUENCE_PARAM_PAYLOAD;

typedef struct {
    uint32_t version, reserved;
    NV_ENC_OUTPUT_PTR outputBitStream;
    uint32_t bitStreamSize, picType, lastValidByteOffset, sliceOffsets[16], picIdx, frameAvgQP;
    uint32_t ltrFrame : 1, reservedBitFields : 31;
    uint32_t ltrFrameIdx, intraMBCount, interMBCount;
    int32_t averageMVX, averageMVY;
#if VIDEOHW_NVENC_API >= 1300
    uint32_t reserved1[227];
#else
    uint32_t reserved1[226];
#endif
    void *reserved2[64];
} NV_ENC_STAT;

typedef struct {
    uint32_t version, reserved;
    void *completionEvent;
#if VIDEOHW_NVENC_API >= 1300
    uint32_t reserved1[254];
#else
    uint32_t reserved1[253];
#endif
    void *reserved2[64];
} NV_ENC_EVENT_PARAMS;

typedef struct {
    uint32_t version;
    NV_ENC_DEVICE_TYPE deviceType;
    void *device, *reserved;
    uint32_t apiVersion, reserved1[253];
    void *reserved2[64];
} NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS;

typedef struct {
    uint32_t version;
    uint32_t reserved;
    NVENCSTATUS(NVENC_CALL *nvEncOpenEncodeSession)(
        void *device, uint32_t deviceType, void **encoder);
    NVENCSTATUS(NVENC_CALL *nvEncGetEncodeGUIDCount)(void *encoder, uint32_t *encodeGUIDCount);
    NVENCSTATUS(NVENC_CALL *nvEncGetEncodeProfileGUIDCount)(
        void *encoder, GUID encodeGUID, uint32_t *encodeProfileGUIDCount);
    NVENCSTATUS(NVENC_CALL *nvEncGetEncodeProfileGUIDs)(
        void *encoder, GUID encodeGUID, GUID *profileGUIDs, uint32_t guidArraySize,
        uint32_t *GUIDCount);
    NVENCSTATUS(NVENC_CALL *nvEncGetEncodeGUIDs)(
        void *encoder, GUID *GUIDs, uint32_t guidArraySize, uint32_t *GUIDCount);
    NVENCSTATUS(NVENC_CALL *nvEncGetInputFormatCount)(
        void *encoder, GUID encodeGUID, uint32_t *inputFmtCount);
    NVENCSTATUS(NVENC_CALL *nvEncGetInputFormats)(
        void *encoder, GUID encodeGUID, NV_ENC_BUFFER_FORMAT *inputFmts,
        uint32_t inputFmtArraySize, uint32_t *inputFmtCount);
    NVENCSTATUS(NVENC_CALL *nvEncGetEncodeCaps)(
        void *encoder, GUID encodeGUID, NV_ENC_CAPS_PARAM *capsParam, void *capsVal);
    NVENCSTATUS(NVENC_CALL *nvEncGetEncodePresetCount)(
        void *encoder, GUID encodeGUID, uint32_t *encodePresetGUIDCount);
    NVENCSTATUS(NVENC_CALL *nvEncGetEncodePresetGUIDs)(
        void *encoder, GUID encodeGUID, GUID *presetGUIDs, uint32_t guidArraySize,
        uint32_t *encodePresetGUIDCount);
    NVENCSTATUS(NVENC_CALL *nvEncGetEncodePresetConfig)(
        void *encoder, GUID encodeGUID, GUID presetGUID, NV_ENC_PRESET_CONFIG *presetConfig);
    NVENCSTATUS(NVENC_CALL *nvEncInitializeEncoder)(
        void *encoder, NV_ENC_INITIALIZE_PARAMS *createEncodeParams);
    NVENCSTATUS(NVENC_CALL *nvEncCreateInputBuffer)(
        void *encoder, NV_ENC_CREATE_INPUT_BUFFER *createInputBufferParams);
    NVENCSTATUS(NVENC_CALL *nvEncDestroyInputBuffer)(void *encoder, NV_ENC_INPUT_PTR inputBuffer);
    NVENCSTATUS(NVENC_CALL *nvEncCreateBitstreamBuffer)(
        void *encoder, NV_ENC_CREATE_BITSTREAM_BUFFER *createBitstreamBufferParams);
    NVENCSTATUS(NVENC_CALL *nvEncDestroyBitstreamBuffer)(
        void *encoder, NV_ENC_OUTPUT_PTR bitstreamBuffer);
    NVENCSTATUS(NVENC_CALL *nvEncEncodePicture)(void *encoder, NV_ENC_PIC_PARAMS *encodePicParams);
    NVENCSTATUS(NVENC_CALL *nvEncLockBitstream)(
        void *encoder, NV_ENC_LOCK_BITSTREAM *lockBitstreamBufferParams);
    NVENCSTATUS(NVENC_CALL *nvEncUnlockBitstream)(void *encoder, NV_ENC_OUTPUT_PTR bitstreamBuffer);
    NVENCSTATUS(NVENC_CALL *nvEncLockInputBuffer)(
        void *encoder, NV_ENC_LOCK_INPUT_BUFFER *lockInputBufferParams);
    NVENCSTATUS(NVENC_CALL *nvEncUnlockInputBuffer)(void *encoder, NV_ENC_INPUT_PTR inputBuffer);
    NVENCSTATUS(NVENC_CALL *nvEncGetEncodeStats)(void *encoder, NV_ENC_STAT *encodeStats);
    NVENCSTATUS(NVENC_CALL *nvEncGetSequenceParams)(
        void *encoder, NV_ENC_SEQUENCE_PARAM_PAYLOAD *sequenceParamPayload);
    NVENCSTATUS(NVENC_CALL *nvEncRegisterAsyncEvent)(
        void *encoder, NV_ENC_EVENT_PARAMS *eventParams);
    NVENCSTATUS(NVENC_CALL *nvEncUnregisterAsyncEvent)(
        void *encoder, NV_ENC_EVENT_PARAMS *eventParams);
    NVENCSTATUS(NVENC_CALL *nvEncMapInputResource)(
        void *encoder, NV_ENC_MAP_INPUT_RESOURCE *mapInputResParams);
    NVENCSTATUS(NVENC_CALL *nvEncUnmapInputResource)(
        void *encoder, NV_ENC_INPUT_PTR mappedInputBuffer);
    NVENCSTATUS(NVENC_CALL *nvEncDestroyEncoder)(void *encoder);
    NVENCSTATUS(NVENC_CALL *nvEncInvalidateRefFrames)(
        void *encoder, uint64_t invalidRefFrameTimeStamp);
    NVENCSTATUS(NVENC_CALL *nvEncOpenEncodeSessionEx)(
        NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS *openSessionExParams, void **encoder);
    NVENCSTATUS(NVENC_CALL *nvEncRegisterResource)(
        void *encoder, NV_ENC_REGISTER_RESOURCE *registerResParams);
    NVENCSTATUS(NVENC_CALL *nvEncUnregisterResource)(
        void *encoder, NV_ENC_REGISTERED_PTR registeredRes);
    NVENCSTATUS(NVENC_CALL *nvEncReconfigureEncoder)(
        void *encoder, NV_ENC_RECONFIGURE_PARAMS *reInitEncodeParams);
    void *reserved1;
    NVENCSTATUS(NVENC_CALL *nvEncCreateMVBuffer)(void *encoder, void *createMVBufferParams);
    NVENCSTATUS(NVENC_CALL *nvEncDestroyMVBuffer)(void *encoder, NV_ENC_OUTPUT_PTR mvBuffer);
    NVENCSTATUS(NVENC_CALL *nvEncRunMotionEstimationOnly)(void *encoder, void *meOnlyParams);
    const char *(NVENC_CALL *nvEncGetLastErrorString)(void *encoder);
    NVENCSTATUS(NVENC_CALL *nvEncSetIOCudaStreams)(
        void *encoder, void *inputStream, void *outputStream);
    NVENCSTATUS(NVENC_CALL *nvEncGetEncodePresetConfigEx)(
        void *encoder, GUID encodeGUID, GUID presetGUID, NV_ENC_TUNING_INFO tuningInfo,
        NV_ENC_PRESET_CONFIG *presetConfig);
    NVENCSTATUS(NVENC_CALL *nvEncGetSequenceParamEx)(
        void *encoder, NV_ENC_INITIALIZE_PARAMS *encInitParams,
        NV_ENC_SEQUENCE_PARAM_PAYLOAD *sequenceParamPayload);
    NVENCSTATUS(NVENC_CALL *nvEncRestoreEncoderState)(void *encoder, void *restoreState);
    NVENCSTATUS(NVENC_CALL *nvEncLookaheadPicture)(void *encoder, void *lookaheadParams);
    void *reserved2[275];
} NV_ENCODE_API_FUNCTION_LIST;

/* The word that each structure begins with: the version of the API, that of the structure. */
constexpr uint32_t NVENCAPI_MAJOR_VERSION = VIDEOHW_NVENC_API / 100;
constexpr uint32_t NVENCAPI_MINOR_VERSION = VIDEOHW_NVENC_API % 100;
constexpr uint32_t NVENCAPI_VERSION = NVENCAPI_MAJOR_VERSION | (NVENCAPI_MINOR_VERSION << 24);

constexpr uint32_t struct_version(uint32_t version, bool extended = false)
{
    return NVENCAPI_VERSION | (version << 16) | (7u << 28) | (extended ? 1u << 31 : 0u);
}

constexpr uint32_t NV_ENC_CAPS_PARAM_VER = struct_version(1);
constexpr uint32_t NV_ENC_CREATE_INPUT_BUFFER_VER =
    VIDEOHW_NVENC_API >= 1300 ? struct_version(2) : struct_version(1);
constexpr uint32_t NV_ENC_CREATE_BITSTREAM_BUFFER_VER = struct_version(1);
constexpr uint32_t NV_ENC_RC_PARAMS_VER = struct_version(1);
constexpr uint32_t NV_ENC_CONFIG_VER =
    VIDEOHW_NVENC_API >= 1300 ? struct_version(9, true) : struct_version(8, true);
constexpr uint32_t NV_ENC_INITIALIZE_PARAMS_VER =
    VIDEOHW_NVENC_API >= 1300 ? struct_version(7, true) : struct_version(6, true);
constexpr uint32_t NV_ENC_RECONFIGURE_PARAMS_VER =
    VIDEOHW_NVENC_API >= 1300 ? struct_version(2, true) : struct_version(1, true);
constexpr uint32_t NV_ENC_PRESET_CONFIG_VER =
    VIDEOHW_NVENC_API >= 1300 ? struct_version(5, true) : struct_version(4, true);
constexpr uint32_t NV_ENC_PIC_PARAMS_VER =
    VIDEOHW_NVENC_API >= 1300 ? struct_version(7, true) : struct_version(6, true);
constexpr uint32_t NV_ENC_LOCK_BITSTREAM_VER =
    VIDEOHW_NVENC_API >= 1300 ? struct_version(2, true) : struct_version(1, true);
constexpr uint32_t NV_ENC_LOCK_INPUT_BUFFER_VER = struct_version(1);
constexpr uint32_t NV_ENC_MAP_INPUT_RESOURCE_VER = struct_version(4);
constexpr uint32_t NV_ENC_REGISTER_RESOURCE_VER =
    VIDEOHW_NVENC_API >= 1300 ? struct_version(5) : struct_version(4);
constexpr uint32_t NV_ENC_STAT_VER =
    VIDEOHW_NVENC_API >= 1300 ? struct_version(2) : struct_version(1);
constexpr uint32_t NV_ENC_SEQUENCE_PARAM_PAYLOAD_VER = struct_version(1);
constexpr uint32_t NV_ENC_EVENT_PARAMS_VER =
    VIDEOHW_NVENC_API >= 1300 ? struct_version(2) : struct_version(1);
constexpr uint32_t NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS_VER = struct_version(1);
constexpr uint32_t NV_ENCODE_API_FUNCTION_LIST_VER = struct_version(2);
