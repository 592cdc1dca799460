// AV1 through libavcodec's libaom, one picture in and one temporal unit out. Its rate is that which
// it was opened with.

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

enum { sequence_header = 1, temporal_delimiter = 2 };
constexpr int largest_quantiser = 63; // as libaom counts, of 255

AVPixelFormat format_of(const EncoderSettings &settings)
{
    return settings.depth > 8 ? AV_PIX_FMT_YUV420P10 : AV_PIX_FMT_YUV420P;
}

class Aom : public Encoder {
  public:
    explicit Aom(const EncoderSettings &given) : settings(given) {}
    ~Aom() override
    {
        av_packet_free(&packet);
        av_frame_free(&frame);
        avcodec_free_context(&context);
    }

    // The sequence header is that of a picture that nobody sees.
    bool begin(std::string &reason)
    {
        if (settings.chroma != Chroma::of_420 || settings.reordered) {
            reason = "AV1 is coded in 4:2:0 and in order of display";
            return false;
        }
        Picture black;
        black.width = settings.width;
        black.height = settings.height;
        black.depth = settings.depth;
        for (int i = 0; i < 3; ++i) {
            Plane &plane = black.plane[i];
            plane.width = i ? settings.width / 2 : settings.width;
            plane.height = i ? settings.height / 2 : settings.height;
            plane.pitch = static_cast<std::size_t>(plane.width) * (settings.depth > 8 ? 2 : 1);
            plane.data.resize(plane.pitch * static_cast<std::size_t>(plane.height));
        }
        Order first;
        first.type = PictureType::idr;
        Coded unseen;
        bool done = open() && encode(black, first, unseen) && !sets.empty();
        avcodec_free_context(&context);
        if (!done || !open()) {
            reason = "libavcodec has no libaom, or it does not open";
            return false;
        }
        return true;
    }

    const Bytes &headers() const override { return sets; }
    bool change(const Rate &) override { return true; }

    bool encode(const Picture &picture, const Order &order, Coded &made) override
    {
        av_frame_unref(frame);
        frame->width = settings.width;
        frame->height = settings.height;
        frame->format = format_of(settings);
        if (av_frame_get_buffer(frame, 0) < 0)
            return false;
        for (int i = 0; i < 3; ++i) {
            // Of a buffer for larger pictures the beginning of each row and plane is the picture.
            int rows = i ? settings.height / 2 : settings.height;
            int columns = i ? settings.width / 2 : settings.width;
            auto row_bytes = static_cast<std::size_t>(columns) * (settings.depth > 8 ? 2 : 1);
            for (int y = 0; y < rows; ++y)
                std::memcpy(frame->data[i] + static_cast<std::ptrdiff_t>(frame->linesize[i]) * y,
                            picture.plane[i].row(y), row_bytes);
        }
        frame->pts = count++;
        bool key = order.type == PictureType::idr || order.type == PictureType::i;
        frame->pict_type = key ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE;
        if (avcodec_send_frame(context, frame) < 0 || avcodec_receive_packet(context, packet) < 0)
            return false;
        made.qp = quantiser() * 255 / largest_quantiser;
        made.data.clear();
        split(packet->data, static_cast<std::size_t>(packet->size), made.data);
        av_packet_unref(packet);
        return !made.data.empty();
    }

  private:
    int quantiser() const
    {
        int qp = settings.lossless ? 0 : settings.rate.qp[0];
        return std::min(qp * largest_quantiser / 255, largest_quantiser);
    }

    bool open()
    {
        av_log_set_level(AV_LOG_ERROR); // it would greet on the client's stderr
        const AVCodec *codec = avcodec_find_encoder_by_name("libaom-av1");
        context = codec ? avcodec_alloc_context3(codec) : nullptr;
        if (!packet)
            packet = av_packet_alloc();
        if (!frame)
            frame = av_frame_alloc();
        if (!context || !packet || !frame)
            return false;
        context->width = settings.width;
        context->height = settings.height;
        context->pix_fmt = format_of(settings);
        context->time_base = {settings.rate_denominator, settings.rate_numerator};
        context->framerate = {settings.rate_numerator, settings.rate_denominator};
        context->sample_aspect_ratio = {settings.aspect_width, settings.aspect_height};
        context->gop_size = 1 << 20;
        context->thread_count = 1;
        context->color_range = settings.colour.full_range ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
        context->color_primaries = static_cast<AVColorPrimaries>(settings.colour.primaries);
        context->color_trc =
            static_cast<AVColorTransferCharacteristic>(settings.colour.transfer);
        context->colorspace = static_cast<AVColorSpace>(settings.colour.matrix);
        if (settings.rate.qp[0] >= 0 || settings.lossless)
            context->qmin = context->qmax = quantiser();
        long bits = settings.rate.bits_per_second ? settings.rate.bits_per_second : 2000000;
        context->bit_rate = context->rc_max_rate = context->rc_min_rate = bits;
        context->rc_buffer_size = static_cast<int>(bits);
        AVDictionary *options = nullptr;
        av_dict_set(&options, "usage", "realtime", 0);
        av_dict_set(&options, "cpu-used", "8", 0);
        av_dict_set(&options, "lag-in-frames", "0", 0);
        int code = avcodec_open2(context, codec, &options);
        av_dict_free(&options);
        return code == 0;
    }

    // Delimiters and sequence headers are put in by the driver.
    void split(const unsigned char *data, std::size_t bytes, Bytes &slices)
    {
        for (std::size_t at = 0; at < bytes;) {
            std::size_t head = at + (data[at] & 4 ? 2 : 1), size = 0;
            int shift = 0;
            do
                size |= static_cast<std::size_t>(data[head] & 127) << shift, shift += 7;
            while (data[head++] & 128 && head < bytes);
            int type = data[at] >> 3 & 15;
            std::size_t end = std::min(head + size, bytes);
            if (type == sequence_header)
                sets.assign(data + at, data + end);
            else if (type != temporal_delimiter)
                slices.insert(slices.end(), data + at, data + end);
            at = end;
        }
    }

    EncoderSettings settings;
    AVCodecContext *context = nullptr;
    AVPacket *packet = nullptr;
    AVFrame *frame = nullptr;
    Bytes sets;
    std::int64_t count = 0;
};

} // namespace

std::unique_ptr<Encoder> open_av1(const EncoderSettings &settings, std::string &reason)
{
    auto made = std::make_unique<Aom>(settings);
    return made->begin(reason) ? std::move(made) : nullptr;
}

} // namespace codec
