// One NVENC encoder as calls that do not depend on the version of the API: Encoder is what a
// session drives, EncoderOf fills the structures of one version.
//
// Nothing here keeps order, waits or retries; that is the session's. Every call answers with the
// driver's code.
#ifndef VIDEOHW_NVENC_CALLS_HPP
#define VIDEOHW_NVENC_CALLS_HPP

#include <algorithm>
#include <atomic>
#include <memory>

#include "nvenc_library.hpp"

namespace videohw {

using NvencCode = nvenc::NVENCSTATUS;

struct SeiPayload {
    uint32_t type = 0;
    std::vector<unsigned char> data;
};

// What goes with one picture beside its pixels.
struct PictureExtras {
    bool force_idr = false;
    std::vector<SeiPayload> sei;
    std::vector<signed char> qp_map;
    int mark_reference = -1; // index of a long-term reference that the picture becomes
    uint32_t use_references = 0; // bit map of those that it may refer to; 0: as the encoder likes
    uint32_t intra_refresh_frames = 0; // begin an intra refresh over so many pictures
};

struct EncodedInput {
    void *input = nullptr, *output = nullptr;
    uint32_t format = 0, width = 0, height = 0, pitch = 0;
    uint64_t timestamp = 0;
    uint32_t number = 0;
};

struct LockedOutput {
    const unsigned char *data = nullptr;
    std::size_t bytes = 0;
    uint64_t timestamp = 0;
    uint32_t picture_type = 0, average_qp = 0;
};

struct CodecAnswers {
    const char *codec = nullptr; // the names of the GUIDs
    std::vector<const char *> profiles, presets, formats;
    std::vector<std::pair<const char *, int>> caps;
};

class Encoder {
public:
    virtual ~Encoder() = default;
    virtual unsigned api() const = 0;
    // The call that a thread is inside of, for any thread to ask: one that locks or unlocks a coded
    // picture, or any other. Null: none of NVENC's.
    const char *inside() const { return inside_; }
    const char *reaping() const { return reaping_; }

    virtual NvencCode open(void *context) = 0;
    // What codecs there are and what they can do; `call` is the one that failed.
    virtual NvencCode ask(std::vector<CodecAnswers> *answers, const char **call) = 0;
    // Fill in the preset's configuration, then the form's fields; nothing is sent.
    virtual NvencCode configure(const EncoderForm &form) = 0;
    virtual NvencCode initialize() = 0;
    // The same form with other fields. The running encoder keeps what it has when it refuses.
    virtual NvencCode reconfigure(const EncoderForm &form, bool reset, bool force_idr) = 0;
    virtual NvencCode set_streams(void **stream) = 0;
    virtual NvencCode parameter_sets(std::vector<unsigned char> *sets) = 0;
    virtual uint32_t width() const = 0;
    virtual uint32_t height() const = 0;
    // Whether pictures of the form have another size than those that are coded now.
    virtual bool resizes(const EncoderForm &form) const = 0;

    virtual NvencCode create_input(uint32_t width, uint32_t height, uint32_t format,
                                   void **buffer) = 0;
    virtual NvencCode destroy_input(void *buffer) = 0;
    virtual NvencCode lock_input(void *buffer, void **memory, uint32_t *pitch) = 0;
    virtual NvencCode unlock_input(void *buffer) = 0;
    virtual NvencCode create_output(void **buffer) = 0;
    virtual NvencCode destroy_output(void *buffer) = 0;

    virtual NvencCode register_device(uint64_t address, uint32_t width, uint32_t height,
                                      uint32_t pitch, uint32_t format, void **resource) = 0;
    virtual NvencCode unregister(void *resource) = 0;
    virtual NvencCode map(void *resource, void **input, uint32_t *format) = 0;
    virtual NvencCode unmap(void *input) = 0;

    virtual NvencCode encode(const EncodedInput &picture, PictureExtras &extras) = 0;
    virtual NvencCode end_of_stream() = 0;
    virtual NvencCode lock_output(void *buffer, LockedOutput *output) = 0;
    virtual NvencCode unlock_output(void *buffer) = 0;

    virtual const char *last_error() = 0;
    virtual NvencCode destroy() = 0;

protected:
    struct Inside {
        Inside(std::atomic<const char *> &where, const char *name) : slot(where) { slot = name; }
        ~Inside() { slot = nullptr; }
        Inside(const Inside &) = delete;
        Inside &operator=(const Inside &) = delete;
        std::atomic<const char *> &slot;
    };
    std::atomic<const char *> inside_{nullptr}, reaping_{nullptr};
};

template <class Api> class EncoderOf final : public Encoder {
public:
    using List = typename Api::NV_ENCODE_API_FUNCTION_LIST;
    using Config = typename Api::NV_ENC_CONFIG;
    using Initialize = typename Api::NV_ENC_INITIALIZE_PARAMS;

    explicit EncoderOf(const List &list) : list_(list) {}
    EncoderOf(const EncoderOf &) = delete;
    EncoderOf &operator=(const EncoderOf &) = delete;

    unsigned api() const override { return Api::number; }

    NvencCode open(void *context) override
    {
        auto open = versioned<typename Api::NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS>();
        open.deviceType = nvenc::NV_ENC_DEVICE_TYPE_CUDA;
        open.device = context;
        open.apiVersion = Api::version;
        const Inside call(inside_, "nvEncOpenEncodeSessionEx");
        return list_.nvEncOpenEncodeSessionEx(&open, &encoder_);
    }

    NvencCode ask(std::vector<CodecAnswers> *answers, const char **call) override
    {
        std::vector<nvenc::GUID> codecs;
        inside_ = *call = "nvEncGetEncodeGUIDs";
        NvencCode code = guids(
            &codecs,
            [&](uint32_t *count) { return list_.nvEncGetEncodeGUIDCount(encoder_, count); },
            [&](nvenc::GUID *found, uint32_t room, uint32_t *count) {
                return list_.nvEncGetEncodeGUIDs(encoder_, found, room, count);
            });
        for (const nvenc::GUID &codec : codecs) {
            CodecAnswers one;
            one.codec = name_of(codec);
            if (code == nvenc::NV_ENC_SUCCESS && one.codec) {
                code = ask_codec(codec, &one, call);
                answers->push_back(one);
            }
        }
        return code;
    }

    NvencCode configure(const EncoderForm &form) override
    {
        form_ = form;
        auto preset = versioned<typename Api::NV_ENC_PRESET_CONFIG>();
        preset.presetCfg.version = version_of(preset.presetCfg);
        uint32_t tuning = nvenc::NV_ENC_TUNING_INFO_UNDEFINED;
        for (const FieldValue &each : form.fields)
            if (each.name == "tuningInfo")
                tuning = static_cast<uint32_t>(each.value);
        const Inside call(inside_, "nvEncGetEncodePresetConfigEx");
        const NvencCode code = list_.nvEncGetEncodePresetConfigEx(encoder_, form.codec, form.preset,
                                                                  tuning, &preset);
        if (code != nvenc::NV_ENC_SUCCESS)
            return code;
        preset_ = preset.presetCfg;
        write(form);
        return code;
    }
    NvencCode initialize() override
    {
        const Inside call(inside_, "nvEncInitializeEncoder");
        return list_.nvEncInitializeEncoder(encoder_, &initialize_);
    }
    NvencCode reconfigure(const EncoderForm &form, bool reset, bool force_idr) override
    {
        const EncoderForm before = form_;
        auto change = versioned<typename Api::NV_ENC_RECONFIGURE_PARAMS>();
        write(form);
        change.reInitEncodeParams = initialize_;
        change.resetEncoder = reset;
        change.forceIDR = force_idr;
        const Inside call(inside_, "nvEncReconfigureEncoder");
        const NvencCode code = list_.nvEncReconfigureEncoder(encoder_, &change);
        if (code != nvenc::NV_ENC_SUCCESS)
            write(before);
        else
            form_ = form;
        return code;
    }
    NvencCode set_streams(void **stream) override
    {
        const Inside call(inside_, "nvEncSetIOCudaStreams");
        return list_.nvEncSetIOCudaStreams(encoder_, stream, stream);
    }
    NvencCode parameter_sets(std::vector<unsigned char> *sets) override
    {
        auto payload = versioned<typename Api::NV_ENC_SEQUENCE_PARAM_PAYLOAD>();
        uint32_t bytes = 0;
        sets->assign(nvenc::NV_MAX_SEQ_HDR_LEN, 0);
        payload.spsppsBuffer = sets->data();
        payload.inBufferSize = static_cast<uint32_t>(sets->size());
        payload.outSPSPPSPayloadSize = &bytes;
        const Inside call(inside_, "nvEncGetSequenceParams");
        const NvencCode code = list_.nvEncGetSequenceParams(encoder_, &payload);
        const std::size_t got = code == nvenc::NV_ENC_SUCCESS ? bytes : 0;
        sets->resize(std::min(got, sets->size()));
        return code;
    }
    uint32_t width() const override { return initialize_.encodeWidth; }
    uint32_t height() const override { return initialize_.encodeHeight; }
    bool resizes(const EncoderForm &form) const override
    {
        for (const FieldValue &each : form.fields)
            if ((each.name == "encodeWidth" && each.value != width()) ||
                (each.name == "encodeHeight" && each.value != height()))
                return true;
        return false;
    }

    NvencCode create_input(uint32_t width, uint32_t height, uint32_t format,
                           void **buffer) override
    {
        auto create = versioned<typename Api::NV_ENC_CREATE_INPUT_BUFFER>();
        create.width = width;
        create.height = height;
        create.bufferFmt = format;
        const Inside call(inside_, "nvEncCreateInputBuffer");
        const NvencCode code = list_.nvEncCreateInputBuffer(encoder_, &create);
        *buffer = create.inputBuffer;
        return code;
    }
    NvencCode destroy_input(void *buffer) override
    {
        const Inside call(inside_, "nvEncDestroyInputBuffer");
        return list_.nvEncDestroyInputBuffer(encoder_, buffer);
    }
    NvencCode lock_input(void *buffer, void **memory, uint32_t *pitch) override
    {
        auto lock = versioned<typename Api::NV_ENC_LOCK_INPUT_BUFFER>();
        lock.inputBuffer = buffer;
        const Inside call(inside_, "nvEncLockInputBuffer");
        const NvencCode code = list_.nvEncLockInputBuffer(encoder_, &lock);
        *memory = lock.bufferDataPtr;
        *pitch = lock.pitch;
        return code;
    }
    NvencCode unlock_input(void *buffer) override
    {
        const Inside call(inside_, "nvEncUnlockInputBuffer");
        return list_.nvEncUnlockInputBuffer(encoder_, buffer);
    }
    NvencCode create_output(void **buffer) override
    {
        auto create = versioned<typename Api::NV_ENC_CREATE_BITSTREAM_BUFFER>();
        const Inside call(inside_, "nvEncCreateBitstreamBuffer");
        const NvencCode code = list_.nvEncCreateBitstreamBuffer(encoder_, &create);
        *buffer = create.bitstreamBuffer;
        return code;
    }
    NvencCode destroy_output(void *buffer) override
    {
        const Inside call(inside_, "nvEncDestroyBitstreamBuffer");
        return list_.nvEncDestroyBitstreamBuffer(encoder_, buffer);
    }

    NvencCode register_device(uint64_t address, uint32_t width, uint32_t height, uint32_t pitch,
                              uint32_t format, void **resource) override
    {
        auto given = versioned<typename Api::NV_ENC_REGISTER_RESOURCE>();
        given.resourceType = nvenc::NV_ENC_INPUT_RESOURCE_TYPE_CUDADEVICEPTR;
        given.resourceToRegister = reinterpret_cast<void *>(static_cast<uintptr_t>(address));
        given.width = width;
        given.height = height;
        given.pitch = pitch;
        given.bufferFormat = format;
        given.bufferUsage = nvenc::NV_ENC_INPUT_IMAGE;
        const Inside call(inside_, "nvEncRegisterResource");
        const NvencCode code = list_.nvEncRegisterResource(encoder_, &given);
        *resource = given.registeredResource;
        return code;
    }
    NvencCode unregister(void *resource) override
    {
        const Inside call(inside_, "nvEncUnregisterResource");
        return list_.nvEncUnregisterResource(encoder_, resource);
    }
    NvencCode map(void *resource, void **input, uint32_t *format) override
    {
        auto mapping = versioned<typename Api::NV_ENC_MAP_INPUT_RESOURCE>();
        mapping.registeredResource = resource;
        const Inside call(inside_, "nvEncMapInputResource");
        const NvencCode code = list_.nvEncMapInputResource(encoder_, &mapping);
        *input = mapping.mappedResource;
        *format = mapping.mappedBufferFmt;
        return code;
    }
    NvencCode unmap(void *input) override
    {
        const Inside call(inside_, "nvEncUnmapInputResource");
        return list_.nvEncUnmapInputResource(encoder_, input);
    }

    NvencCode encode(const EncodedInput &picture, PictureExtras &extras) override
    {
        auto given = versioned<typename Api::NV_ENC_PIC_PARAMS>();
        std::vector<typename Api::SeiPayload> payloads;
        given.inputWidth = picture.width;
        given.inputHeight = picture.height;
        given.inputPitch = picture.pitch;
        given.inputBuffer = picture.input;
        given.outputBitstream = picture.output;
        given.bufferFmt = picture.format;
        given.inputTimeStamp = picture.timestamp;
        given.frameIdx = picture.number;
        given.pictureStruct = nvenc::NV_ENC_PIC_STRUCT_FRAME;
        if (extras.force_idr)
            given.encodePicFlags |=
                nvenc::NV_ENC_PIC_FLAG_FORCEIDR | nvenc::NV_ENC_PIC_FLAG_OUTPUT_SPSPPS;
        if (!extras.qp_map.empty()) {
            given.qpDeltaMap = extras.qp_map.data();
            given.qpDeltaMapSize = static_cast<uint32_t>(extras.qp_map.size());
        }
        for (SeiPayload &each : extras.sei) {
            typename Api::SeiPayload payload{};
            payload.payloadSize = static_cast<uint32_t>(each.data.size());
            payload.payloadType = each.type;
            payload.payload = each.data.data();
            payloads.push_back(payload);
        }
        const uint32_t count = static_cast<uint32_t>(payloads.size());
        auto *list = payloads.empty() ? nullptr : payloads.data();
        if (form_.coded == EncoderForm::h264) {
            auto &own = given.codecPicParams.h264PicParams;
            own.seiPayloadArray = list;
            own.seiPayloadArrayCnt = count;
            set_references(own, extras);
        } else if (form_.coded == EncoderForm::hevc) {
            auto &own = given.codecPicParams.hevcPicParams;
            own.seiPayloadArray = list;
            own.seiPayloadArrayCnt = count;
            set_references(own, extras);
        } else {
            auto &own = given.codecPicParams.av1PicParams;
            own.obuPayloadArray = list;
            own.obuPayloadArrayCnt = count;
            // 12.1 has no long-term references of AV1: such an encoder is refused before it opens.
            if constexpr (Api::number >= 1300)
                set_references(own, extras);
            else
                own.forceIntraRefreshWithFrameCnt = extras.intra_refresh_frames;
        }
        const Inside call(inside_, "nvEncEncodePicture");
        return list_.nvEncEncodePicture(encoder_, &given);
    }
    NvencCode end_of_stream() override
    {
        auto given = versioned<typename Api::NV_ENC_PIC_PARAMS>();
        given.encodePicFlags = nvenc::NV_ENC_PIC_FLAG_EOS;
        const Inside call(inside_, "nvEncEncodePicture");
        return list_.nvEncEncodePicture(encoder_, &given);
    }
    NvencCode lock_output(void *buffer, LockedOutput *output) override
    {
        auto lock = versioned<typename Api::NV_ENC_LOCK_BITSTREAM>();
        lock.outputBitstream = buffer;
        const Inside call(reaping_, "nvEncLockBitstream");
        const NvencCode code = list_.nvEncLockBitstream(encoder_, &lock);
        output->data = static_cast<const unsigned char *>(lock.bitstreamBufferPtr);
        output->bytes = lock.bitstreamSizeInBytes;
        output->timestamp = lock.outputTimeStamp;
        output->picture_type = lock.pictureType;
        output->average_qp = lock.frameAvgQP;
        return code;
    }
    NvencCode unlock_output(void *buffer) override
    {
        const Inside call(reaping_, "nvEncUnlockBitstream");
        return list_.nvEncUnlockBitstream(encoder_, buffer);
    }

    const char *last_error() override
    {
        const char *text = encoder_ ? list_.nvEncGetLastErrorString(encoder_) : nullptr;
        return text ? text : "";
    }
    NvencCode destroy() override
    {
        void *encoder = encoder_;
        encoder_ = nullptr;
        const Inside call(inside_, "nvEncDestroyEncoder");
        return encoder ? list_.nvEncDestroyEncoder(encoder) : nvenc::NV_ENC_SUCCESS;
    }

private:
    template <class Parameters>
    static void set_references(Parameters &own, const PictureExtras &extras)
    {
        own.forceIntraRefreshWithFrameCnt = extras.intra_refresh_frames;
        if (extras.mark_reference >= 0) {
            own.ltrMarkFrame = 1;
            own.ltrMarkFrameIdx = static_cast<uint32_t>(extras.mark_reference);
        }
        if (extras.use_references) {
            own.ltrUseFrames = 1;
            own.ltrUseFrameBitmap = extras.use_references;
        }
    }

    // The structures for a form whose names were checked.
    void write(const EncoderForm &form)
    {
        std::string wrong;
        config_ = preset_;
        initialize_ = versioned<Initialize>();
        fill<Api>(form, initialize_, config_, &wrong);
        initialize_.encodeConfig = &config_;
    }

    static const char *name_of(const nvenc::GUID &guid)
    {
        for (const NamedGuid &each : named_guids())
            if (same(each.guid, guid))
                return each.name;
        return nullptr;
    }
    template <class Count, class Get>
    static NvencCode guids(std::vector<nvenc::GUID> *found, Count ask_count, Get get)
    {
        uint32_t count = 0;
        NvencCode code = ask_count(&count);
        if (code != nvenc::NV_ENC_SUCCESS || !count)
            return code;
        found->resize(count);
        code = get(found->data(), count, &count);
        found->resize(code == nvenc::NV_ENC_SUCCESS ? std::min<std::size_t>(count, found->size())
                                                    : 0);
        return code;
    }
    static void keep_names(const std::vector<nvenc::GUID> &found, std::vector<const char *> *names)
    {
        for (const nvenc::GUID &each : found)
            if (const char *name = name_of(each))
                names->push_back(name);
    }

    NvencCode ask_codec(const nvenc::GUID &codec, CodecAnswers *answers, const char **call)
    {
        std::vector<nvenc::GUID> found;
        inside_ = *call = "nvEncGetEncodeProfileGUIDs";
        NvencCode code = guids(
            &found,
            [&](uint32_t *count) {
                return list_.nvEncGetEncodeProfileGUIDCount(encoder_, codec, count);
            },
            [&](nvenc::GUID *into, uint32_t room, uint32_t *count) {
                return list_.nvEncGetEncodeProfileGUIDs(encoder_, codec, into, room, count);
            });
        keep_names(found, &answers->profiles);
        found.clear();
        if (code != nvenc::NV_ENC_SUCCESS)
            return code;
        inside_ = *call = "nvEncGetEncodePresetGUIDs";
        code = guids(
            &found,
            [&](uint32_t *count) {
                return list_.nvEncGetEncodePresetCount(encoder_, codec, count);
            },
            [&](nvenc::GUID *into, uint32_t room, uint32_t *count) {
                return list_.nvEncGetEncodePresetGUIDs(encoder_, codec, into, room, count);
            });
        keep_names(found, &answers->presets);
        if (code == nvenc::NV_ENC_SUCCESS)
            code = ask_formats(codec, answers, call);
        for (const NamedNumber &each : named_caps()) {
            if (code != nvenc::NV_ENC_SUCCESS)
                break;
            if (each.since > Api::number)
                continue;
            auto asked = versioned<typename Api::NV_ENC_CAPS_PARAM>();
            int value = 0;
            asked.capsToQuery = each.number;
            inside_ = *call = "nvEncGetEncodeCaps";
            code = list_.nvEncGetEncodeCaps(encoder_, codec, &asked, &value);
            answers->caps.push_back({each.name, value});
        }
        return code;
    }
    NvencCode ask_formats(const nvenc::GUID &codec, CodecAnswers *answers, const char **call)
    {
        uint32_t count = 0;
        inside_ = *call = "nvEncGetInputFormats";
        NvencCode code = list_.nvEncGetInputFormatCount(encoder_, codec, &count);
        std::vector<uint32_t> formats(count);
        if (code == nvenc::NV_ENC_SUCCESS && count)
            code = list_.nvEncGetInputFormats(encoder_, codec, formats.data(), count, &count);
        if (code != nvenc::NV_ENC_SUCCESS)
            return code;
        formats.resize(std::min<std::size_t>(count, formats.size()));
        for (const NamedNumber &each : named_formats())
            if (std::find(formats.begin(), formats.end(), each.number) != formats.end())
                answers->formats.push_back(each.name);
        return code;
    }

    const List &list_;
    void *encoder_ = nullptr;
    EncoderForm form_;
    Config preset_{}, config_{};
    Initialize initialize_{};
};

// An encoder for the version `api` (1201 or 1300); null with a code where the library refuses.
inline std::unique_ptr<Encoder> make_encoder(NvencLibrary &library, unsigned api, NvencCode *code)
{
    if (api >= Api_13_0::number) {
        const nvenc_13_0::NV_ENCODE_API_FUNCTION_LIST *list = nullptr;
        *code = library.list(&list);
        if (*code == nvenc::NV_ENC_SUCCESS)
            return std::unique_ptr<Encoder>(new EncoderOf<Api_13_0>(*list));
    } else {
        const nvenc_12_1::NV_ENCODE_API_FUNCTION_LIST *list = nullptr;
        *code = library.list(&list);
        if (*code == nvenc::NV_ENC_SUCCESS)
            return std::unique_ptr<Encoder>(new EncoderOf<Api_12_1>(*list));
    }
    return nullptr;
}

} // namespace videohw

#endif
