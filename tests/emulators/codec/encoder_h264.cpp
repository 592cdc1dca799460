#include "encoder.hpp"
#include "reorder.hpp"

#include <algorithm>

extern "C" {
#include <x264.h>
}

namespace codec {
namespace {

enum { baseline = 66, main_profile = 77, slice_unit = 1, idr_unit = 5, sequence_unit = 7,
       picture_unit = 8 };

int csp_of(const EncoderSettings &settings)
{
    int csp = settings.chroma == Chroma::of_444   ? X264_CSP_I444
              : settings.chroma == Chroma::of_422 ? X264_CSP_I422
              : settings.chroma == Chroma::of_420 ? X264_CSP_I420
                                                  : X264_CSP_I400;
    return settings.depth > 8 ? csp | X264_CSP_HIGH_DEPTH : csp;
}

int kilobits(long bits) { return static_cast<int>(std::max(1L, bits / 1000)); }

void set_rate(x264_param_t &p, const Rate &rate)
{
    // A quantiser that is fixed is given with each picture; the rest goes on beside it. With peaks
    // an average is kept over minutes, and makes up for what was before a change.
    long bits = rate.bits_per_second ? rate.bits_per_second : 2000000;
    p.rc.i_rc_method = X264_RC_ABR;
    p.rc.i_bitrate = kilobits(bits);
    p.rc.i_vbv_max_bitrate = kilobits(std::max(bits, rate.peak));
    p.rc.i_vbv_buffer_size = kilobits(rate.buffer_bits ? rate.buffer_bits : bits);
    if (rate.buffer_bits && rate.initial_bits)
        p.rc.f_vbv_buffer_init = static_cast<float>(rate.initial_bits) / rate.buffer_bits;
}

class X264 : public Encoder {
  public:
    explicit X264(const EncoderSettings &given) : settings(given), reorder(given.reordered) {}
    ~X264() override
    {
        if (handle)
            x264_encoder_close(handle);
    }

    bool begin(std::string &reason)
    {
        x264_param_t p;
        x264_param_default_preset(&p, "ultrafast", "zerolatency");
        p.i_log_level = X264_LOG_NONE;
        p.i_threads = p.i_lookahead_threads = 1;
        p.b_sliced_threads = 0;
        p.i_width = settings.width;
        p.i_height = settings.height;
        p.i_csp = csp_of(settings);
        p.i_bitdepth = settings.depth;
        p.i_fps_num = p.i_timebase_den = static_cast<unsigned>(settings.rate_numerator);
        p.i_fps_den = p.i_timebase_num = static_cast<unsigned>(settings.rate_denominator);
        p.b_vfr_input = 0;
        p.i_keyint_max = X264_KEYINT_MAX_INFINITE;
        p.i_scenecut_threshold = 0;
        p.i_frame_reference = 1;
        p.b_deblocking_filter = 1;
        p.analyse.i_subpel_refine = 1;
        p.analyse.i_weighted_pred = X264_WEIGHTP_NONE;
        p.b_intra_refresh = settings.intra_refresh;
        p.b_annexb = 1;
        p.b_repeat_headers = 0;
        p.b_aud = 0;
        p.b_cabac = !settings.cavlc && settings.profile != baseline;
        bool plain = settings.profile == baseline || settings.profile == main_profile;
        p.analyse.b_transform_8x8 = !plain;
        p.i_slice_count = settings.slices > 1 ? settings.slices : 0;
        p.i_level_idc = settings.level ? settings.level : -1;
        p.i_sps_id = settings.set_ids[1];
        p.rc.i_aq_mode = X264_AQ_VARIANCE; // without it a map of changes has no effect
        p.rc.f_aq_strength = settings.adaptive_quantiser ? 1.0f : 1e-6f;
        p.vui.i_sar_width = settings.aspect_width;
        p.vui.i_sar_height = settings.aspect_height;
        p.vui.i_vidformat = settings.colour.video_format;
        p.vui.b_fullrange = settings.colour.full_range;
        p.vui.i_colorprim = settings.colour.primaries;
        p.vui.i_transfer = settings.colour.transfer;
        p.vui.i_colmatrix = settings.colour.matrix;
        set_rate(p, settings.rate);
        if (settings.lossless) {
            p.rc.i_rc_method = X264_RC_CQP;
            p.rc.i_qp_constant = 0;
            p.rc.i_vbv_max_bitrate = p.rc.i_vbv_buffer_size = 0;
        }
        handle = x264_encoder_open(&p);
        if (!handle) {
            reason = "libx264 does not open";
            return false;
        }
        parameters = p;
        x264_nal_t *units;
        int count;
        if (x264_encoder_headers(handle, &units, &count) < 0)
            return false;
        for (int i = 0; i < count; ++i)
            if (units[i].i_type == sequence_unit || units[i].i_type == picture_unit)
                add_set(units[i]);
        return true;
    }

    const Bytes &headers() const override { return sets; }

    bool change(const Rate &rate) override
    {
        settings.rate = rate;
        if (settings.lossless)
            return true;
        set_rate(parameters, rate);
        return x264_encoder_reconfig(handle, &parameters) == 0;
    }

    bool encode(const Picture &picture, const Order &order, Coded &made) override
    {
        x264_picture_t in, out;
        x264_picture_init(&in);
        in.img.i_csp = csp_of(settings);
        in.img.i_plane = picture.chroma == Chroma::monochrome ? 1 : 3;
        for (int i = 0; i < in.img.i_plane; ++i) {
            in.img.plane[i] = const_cast<unsigned char *>(picture.plane[i].data.data());
            in.img.i_stride[i] = static_cast<int>(picture.plane[i].pitch);
        }
        in.i_pts = count++;
        bool idr = order.type == PictureType::idr;
        in.i_type = idr ? X264_TYPE_IDR : order.type == PictureType::i ? X264_TYPE_I : X264_TYPE_P;
        int kind = order.type == PictureType::p ? 0 : order.type == PictureType::b ? 1 : 2;
        int qp = settings.rate.qp[kind];
        in.i_qpplus1 = qp >= 0 && !settings.lossless ? qp + 1 : X264_QP_AUTO;
        std::vector<float> changes(order.qp_changes.begin(), order.qp_changes.end());
        if (!changes.empty())
            in.prop.quant_offsets = changes.data();
        if (order.refresh)
            x264_encoder_intra_refresh(handle);
        x264_nal_t *units;
        int number_of_units;
        if (x264_encoder_encode(handle, &units, &number_of_units, &in, &out) <= 0)
            return false;
        made.qp = out.i_qpplus1 - 1;
        made.data.clear();
        for (int i = 0; i < number_of_units; ++i) {
            const x264_nal_t &unit = units[i];
            if (unit.i_type != slice_unit && unit.i_type != idr_unit)
                continue;
            if (!settings.reordered) {
                made.data.insert(made.data.end(), unit.p_payload, unit.p_payload + unit.i_payload);
                continue;
            }
            Bytes moved = unit_of(reorder.slice(payload_of(unit), order.number));
            made.data.insert(made.data.end(), moved.begin(), moved.end());
        }
        return true;
    }

  private:
    static Bytes payload_of(const x264_nal_t &unit)
    {
        int start = unit.b_long_startcode ? 4 : 3;
        return unescaped(unit.p_payload + start, static_cast<std::size_t>(unit.i_payload - start));
    }

    void add_set(const x264_nal_t &unit)
    {
        Bytes payload = payload_of(unit);
        if (unit.i_type == sequence_unit && settings.profile == main_profile) {
            payload[1] = main_profile; // also without what it has more than Baseline
            payload[2] = 0x40;
        }
        if (settings.reordered && unit.i_type == sequence_unit)
            payload = reorder.sequence_set(payload);
        if (settings.reordered && unit.i_type == picture_unit)
            reorder.picture_set(payload);
        Bytes made = unit_of(payload);
        sets.insert(sets.end(), made.begin(), made.end());
    }

    EncoderSettings settings;
    H264Reorder reorder;
    x264_param_t parameters{};
    x264_t *handle = nullptr;
    Bytes sets;
    std::int64_t count = 0;
};

} // namespace

std::unique_ptr<Encoder> open_h264(const EncoderSettings &settings, std::string &reason)
{
    auto made = std::make_unique<X264>(settings);
    return made->begin(reason) ? std::move(made) : nullptr;
}

} // namespace codec
