#include "encoder.hpp"
#include "rate.hpp"
#include "reorder.hpp"

#include <algorithm>
#include <mutex>

#include <x265.h>

namespace codec {
namespace {

enum { video_unit = 32, sequence_unit = 33, picture_unit = 34 };

int csp_of(Chroma chroma)
{
    return chroma == Chroma::of_444   ? X265_CSP_I444
           : chroma == Chroma::of_422 ? X265_CSP_I422
           : chroma == Chroma::of_420 ? X265_CSP_I420
                                      : X265_CSP_I400;
}

class X265 : public Encoder {
  public:
    explicit X265(const EncoderSettings &given)
        : settings(given), reorder(given.reordered),
          of_library(!given.lossless && given.rate.buffer_bits && given.rate.initial_bits),
          control(static_cast<double>(given.rate_numerator) / given.rate_denominator,
                  static_cast<double>(given.width) * given.height)
    {
        control.aim_at(given.rate);
    }
    ~X265() override
    {
        std::lock_guard<std::mutex> alone(opening());
        if (handle)
            library->encoder_close(handle);
        if (parameters)
            library->param_free(parameters);
    }

    bool begin(std::string &reason)
    {
        std::lock_guard<std::mutex> alone(opening());
        library = x265_api_get(settings.depth);
        parameters = library ? library->param_alloc() : nullptr;
        if (!parameters) {
            reason = "this libx265 lacks the bit depth";
            return false;
        }
        configure(*parameters);
        handle = library->encoder_open(parameters);
        if (!handle) {
            reason = "libx265 does not open";
            return false;
        }
        x265_nal *units;
        std::uint32_t count;
        if (library->encoder_headers(handle, &units, &count) < 0)
            return false;
        for (std::uint32_t i = 0; i < count; ++i)
            if (units[i].type >= video_unit && units[i].type <= picture_unit)
                add_set(units[i]);
        return true;
    }

    const Bytes &headers() const override { return sets; }

    bool change(const Rate &rate) override
    {
        settings.rate = rate;
        control.aim_at(rate);
        of_library = false; // which makes up for the pictures before
        return true;
    }

    bool encode(const Picture &picture, const Order &order, Coded &made) override
    {
        x265_picture in, out;
        library->picture_init(parameters, &in);
        library->picture_init(parameters, &out);
        in.bitDepth = settings.depth;
        in.colorSpace = csp_of(settings.chroma);
        in.pts = count++;
        for (int i = 0; i < (picture.chroma == Chroma::monochrome ? 1 : 3); ++i) {
            in.planes[i] = const_cast<unsigned char *>(picture.plane[i].data.data());
            in.stride[i] = static_cast<int>(picture.plane[i].pitch);
        }
        bool idr = order.type == PictureType::idr;
        in.sliceType = idr                               ? X265_TYPE_IDR
                       : order.type == PictureType::i || order.refresh ? X265_TYPE_I
                                                                       : X265_TYPE_P;
        int kind = order.type == PictureType::p ? 0 : order.type == PictureType::b ? 1 : 2;
        const int fixed = settings.rate.qp[kind];
        int qp = fixed >= 0 ? fixed : control.quantiser(kind == 2);
        in.forceqp = settings.lossless || (of_library && fixed < 0) ? X265_QP_AUTO : qp + 1;
        x265_nal *units;
        std::uint32_t number_of_units = 0;
        if (library->encoder_encode(handle, &units, &number_of_units, &in, &out) <= 0)
            return false;
        made.qp = static_cast<int>(out.frameData.qp);
        made.data.clear();
        for (std::uint32_t i = 0; i < number_of_units; ++i) {
            const x265_nal &unit = units[i];
            if (unit.type >= video_unit)
                continue;
            Bytes moved = settings.reordered
                              ? unit_of(reorder.slice(payload_of(unit), order.number, before))
                              : Bytes(unit.payload, unit.payload + unit.sizeBytes);
            made.data.insert(made.data.end(), moved.begin(), moved.end());
        }
        control.spent(kind == 2, qp, static_cast<double>(made.data.size()) * 8);
        before = order.number;
        return true;
    }

  private:
    // libx265 makes tables for the whole process when an encoder is opened.
    static std::mutex &opening()
    {
        static std::mutex kept;
        return kept;
    }

    void configure(x265_param &p) const
    {
        library->param_default_preset(&p, "ultrafast", "zerolatency");
        p.logLevel = X265_LOG_NONE;
        p.frameNumThreads = 1;
        library->param_parse(&p, "pools", "none");
        p.bEnableWavefront = 0;
        p.lookaheadThreads = 0;
        p.sourceWidth = settings.width;
        p.sourceHeight = settings.height;
        p.internalCsp = csp_of(settings.chroma);
        p.fpsNum = static_cast<std::uint32_t>(settings.rate_numerator);
        p.fpsDenom = static_cast<std::uint32_t>(settings.rate_denominator);
        p.keyframeMax = -1;
        p.scenecutThreshold = 0;
        p.bOpenGOP = 0;
        p.maxNumReferences = 1;
        p.bEnableSAO = 0;
        p.bEnableTemporalMvp = 0;
        p.bEnableWeightedPred = p.bEnableWeightedBiPred = 0;
        p.bAnnexB = 1;
        p.bRepeatHeaders = 0;
        p.bEmitInfoSEI = 0;
        p.bEnableAccessUnitDelimiters = 0;
        p.rc.aqMode = settings.adaptive_quantiser ? X265_AQ_VARIANCE : X265_AQ_NONE;
        p.rc.cuTree = 0;
        p.vui.aspectRatioIdc = settings.aspect_width == settings.aspect_height ? 1 : 255;
        p.vui.sarWidth = settings.aspect_width;
        p.vui.sarHeight = settings.aspect_height;
        p.vui.bEnableVideoSignalTypePresentFlag = 1;
        p.vui.videoFormat = settings.colour.video_format;
        p.vui.bEnableVideoFullRangeFlag = settings.colour.full_range;
        p.vui.bEnableColorDescriptionPresentFlag = 1;
        p.vui.colorPrimaries = settings.colour.primaries;
        p.vui.transferCharacteristics = settings.colour.transfer;
        p.vui.matrixCoeffs = settings.colour.matrix;
        p.rc.rateControlMode = X265_RC_CQP;
        p.rc.qp = 30;
        p.bLossless = settings.lossless;
        if (of_library)
            set_buffer(p);
    }

    // The library keeps to a buffer, row by row; our own control looks at whole pictures.
    void set_buffer(x265_param &p) const
    {
        const Rate &rate = settings.rate;
        p.rc.rateControlMode = X265_RC_ABR;
        p.rc.bitrate = static_cast<int>(rate.bits_per_second / 1000);
        p.rc.vbvMaxBitrate = static_cast<int>(std::max(rate.bits_per_second, rate.peak) / 1000);
        p.rc.vbvBufferSize = static_cast<int>(rate.buffer_bits / 1000);
        if (rate.initial_bits)
            p.rc.vbvBufferInit = static_cast<double>(rate.initial_bits) / rate.buffer_bits;
    }

    static Bytes payload_of(const x265_nal &unit)
    {
        std::size_t start = unit.payload[2] == 1 ? 3 : 4;
        return unescaped(unit.payload + start, unit.sizeBytes - start);
    }

    void add_set(const x265_nal &unit)
    {
        Bytes payload = payload_of(unit);
        // Where profile, tier and level begin; libx265 takes no level without a rate of its own.
        std::size_t at = unit.type == video_unit ? 6 : 3;
        if (unit.type != picture_unit && settings.level) {
            payload[at] = static_cast<unsigned char>(payload[at] | settings.high_tier << 5);
            payload[at + 11] = static_cast<unsigned char>(settings.level);
        }
        if (settings.reordered && unit.type == video_unit)
            payload = reorder.video_set(payload);
        if (settings.reordered && unit.type == sequence_unit)
            payload = reorder.sequence_set(payload);
        if (settings.reordered && unit.type == picture_unit)
            reorder.picture_set(payload);
        Bytes made = unit_of(payload);
        sets.insert(sets.end(), made.begin(), made.end());
    }

    EncoderSettings settings;
    HevcReorder reorder;
    bool of_library; // whose rate control it is: with a first filling of the buffer, until a change
    RateControl control;
    const x265_api *library = nullptr;
    x265_param *parameters = nullptr;
    x265_encoder *handle = nullptr;
    Bytes sets;
    std::int64_t count = 0;
    int before = 0;
};

} // namespace

std::unique_ptr<Encoder> open_hevc(const EncoderSettings &settings, std::string &reason)
{
    auto made = std::make_unique<X265>(settings);
    return made->begin(reason) ? std::move(made) : nullptr;
}

} // namespace codec
