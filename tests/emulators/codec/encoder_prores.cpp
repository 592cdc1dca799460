// ProRes through libavcodec's prores_ks, one picture in and one frame out, each for itself.

#include "encoder.hpp"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavutil/dict.h>
#include <libavutil/log.h>
}

#include <algorithm>
#include <cstring>
#include <string>

namespace codec {
namespace {

class ProRes : public Encoder {
  public:
    explicit ProRes(const EncoderSettings &given) : settings(given) {}
    ~ProRes() override
    {
        av_packet_free(&packet);
        av_frame_free(&frame);
        avcodec_free_context(&context);
    }

    bool begin(std::string &reason)
    {
        if (settings.chroma == Chroma::of_420 || settings.depth != 10 || settings.reordered) {
            reason = "ProRes is coded in 4:2:2 or 4:4:4 with 10 bits, and in order of display";
            return false;
        }
        if (!open()) {
            reason = "libavcodec has no prores_ks, or it does not open";
            return false;
        }
        return true;
    }

    const Bytes &headers() const override { return none; }
    bool change(const Rate &) override { return true; }

    bool encode(const Picture &picture, const Order &, Coded &made) override
    {
        av_frame_unref(frame);
        frame->width = settings.width;
        frame->height = settings.height;
        frame->format = context->pix_fmt;
        frame->color_primaries = context->color_primaries;
        frame->color_trc = context->color_trc;
        frame->colorspace = context->colorspace;
        if (av_frame_get_buffer(frame, 0) < 0)
            return false;
        for (int i = 0; i < 3; ++i) {
            const Plane &plane = picture.plane[i];
            for (int y = 0; y < plane.height; ++y)
                std::memcpy(frame->data[i] + static_cast<std::ptrdiff_t>(frame->linesize[i]) * y,
                            plane.row(y), static_cast<std::size_t>(plane.width) * 2);
        }
        frame->pts = count++;
        if (avcodec_send_frame(context, frame) < 0 || avcodec_receive_packet(context, packet) < 0)
            return false;
        made.data.assign(packet->data, packet->data + packet->size);
        av_packet_unref(packet);
        return !made.data.empty();
    }

  private:
    bool open()
    {
        av_log_set_level(AV_LOG_ERROR); // it would greet on the client's stderr
        const AVCodec *codec = avcodec_find_encoder_by_name("prores_ks");
        context = codec ? avcodec_alloc_context3(codec) : nullptr;
        packet = av_packet_alloc();
        frame = av_frame_alloc();
        if (!context || !packet || !frame)
            return false;
        context->width = settings.width;
        context->height = settings.height;
        context->pix_fmt = settings.chroma == Chroma::of_444 ? AV_PIX_FMT_YUV444P10
                                                             : AV_PIX_FMT_YUV422P10;
        context->time_base = {settings.rate_denominator, settings.rate_numerator};
        context->framerate = {settings.rate_numerator, settings.rate_denominator};
        context->sample_aspect_ratio = {settings.aspect_width, settings.aspect_height};
        context->thread_count = 1;
        context->color_primaries = static_cast<AVColorPrimaries>(settings.colour.primaries);
        context->color_trc =
            static_cast<AVColorTransferCharacteristic>(settings.colour.transfer);
        context->colorspace = static_cast<AVColorSpace>(settings.colour.matrix);
        AVDictionary *options = nullptr;
        av_dict_set_int(&options, "profile", settings.profile, 0);
        int code = avcodec_open2(context, codec, &options);
        av_dict_free(&options);
        return code == 0;
    }

    EncoderSettings settings;
    AVCodecContext *context = nullptr;
    AVPacket *packet = nullptr;
    AVFrame *frame = nullptr;
    const Bytes none;
    std::int64_t count = 0;
};

} // namespace

std::unique_ptr<Encoder> open_prores(const EncoderSettings &settings, std::string &reason)
{
    auto made = std::make_unique<ProRes>(settings);
    return made->begin(reason) ? std::move(made) : nullptr;
}

} // namespace codec
