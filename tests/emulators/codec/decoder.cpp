#include "decoder.hpp"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavutil/imgutils.h>
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
}

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace codec {
namespace {

// What libavcodec complained of in this thread since it was set to 0.
thread_local int complaints = 0;

void listen(void *, int level, const char *format, va_list arguments)
{
    if (level <= AV_LOG_ERROR)
        ++complaints;
    static const bool shown = getenv("VIDEOHW_EMULATOR_CODEC_LOG") != nullptr;
    if (shown && level <= AV_LOG_WARNING)
        vfprintf(stderr, format, arguments);
}

AVCodecID id_of(Kind kind)
{
    switch (kind) {
    case Kind::mpeg1: return AV_CODEC_ID_MPEG1VIDEO;
    case Kind::mpeg2: return AV_CODEC_ID_MPEG2VIDEO;
    case Kind::mpeg4: return AV_CODEC_ID_MPEG4;
    case Kind::vc1: return AV_CODEC_ID_VC1;
    case Kind::h264: return AV_CODEC_ID_H264;
    case Kind::jpeg: return AV_CODEC_ID_MJPEG;
    case Kind::hevc: return AV_CODEC_ID_HEVC;
    case Kind::vp8: return AV_CODEC_ID_VP8;
    case Kind::vp9: return AV_CODEC_ID_VP9;
    case Kind::av1: return AV_CODEC_ID_AV1;
    case Kind::prores: return AV_CODEC_ID_PRORES;
    }
    return AV_CODEC_ID_NONE;
}

// libavcodec's own AV1 decoder only drives hardware.
const AVCodec *codec_of(Kind kind)
{
    if (kind != Kind::av1)
        return avcodec_find_decoder(id_of(kind));
    for (const char *name : {"libdav1d", "libaom-av1"})
        if (const AVCodec *found = avcodec_find_decoder_by_name(name))
            return found;
    return nullptr;
}

Chroma chroma_of(const AVPixFmtDescriptor &format)
{
    if (format.nb_components < 3)
        return Chroma::monochrome;
    if (!format.log2_chroma_w)
        return Chroma::of_444;
    return format.log2_chroma_h ? Chroma::of_420 : Chroma::of_422;
}

struct Context {
    AVCodecContext *codec = nullptr;
    AVPacket *packet = nullptr;
    AVFrame *shown = nullptr;
    // The buffer that the picture is decoded into, which libavcodec may keep for later.
    AVFrame *buffer = nullptr;
    int buffers = 0; // asked for while the last packet was decoded

    ~Context()
    {
        av_frame_free(&buffer);
        av_frame_free(&shown);
        av_packet_free(&packet);
        avcodec_free_context(&codec);
    }
};

// H.264 first makes the pictures that frame_num skips, so that the wanted one is the last; the
// others make missing references after it, so that it is the first.
bool wanted_is_last(AVCodecID id) { return id == AV_CODEC_ID_H264; }

int get_buffer(AVCodecContext *codec, AVFrame *frame, int flags)
{
    auto *context = static_cast<Context *>(codec->opaque);
    int code = avcodec_default_get_buffer2(codec, frame, flags);
    if (code < 0)
        return code;
    if (context->buffers++ == 0 || wanted_is_last(codec->codec_id)) {
        av_frame_unref(context->buffer);
        for (int i = 0; i < AV_NUM_DATA_POINTERS; ++i) {
            context->buffer->data[i] = frame->data[i];
            context->buffer->linesize[i] = frame->linesize[i];
            context->buffer->buf[i] = frame->buf[i] ? av_buffer_ref(frame->buf[i]) : nullptr;
        }
        context->buffer->width = frame->width;
        context->buffer->height = frame->height;
        context->buffer->format = frame->format;
    }
    return 0;
}

PicturePointer copied(const AVFrame &frame, bool damaged)
{
    const AVPixFmtDescriptor *format =
        av_pix_fmt_desc_get(static_cast<AVPixelFormat>(frame.format));
    if (!format || !frame.data[0])
        return nullptr;
    auto made = std::make_shared<Picture>();
    made->width = frame.width;
    made->height = frame.height;
    made->depth = format->comp[0].depth;
    made->chroma = chroma_of(*format);
    made->damaged = damaged;
    std::size_t sample = made->depth > 8 ? 2 : 1;
    for (int i = 0; i < (made->chroma == Chroma::monochrome ? 1 : 3); ++i) {
        Plane &plane = made->plane[i];
        plane.width = i ? AV_CEIL_RSHIFT(frame.width, format->log2_chroma_w) : frame.width;
        plane.height = i ? AV_CEIL_RSHIFT(frame.height, format->log2_chroma_h) : frame.height;
        plane.pitch = plane.width * sample;
        plane.data.resize(plane.pitch * plane.height);
        for (int y = 0; y < plane.height; ++y)
            std::memcpy(plane.data.data() + plane.pitch * y,
                        frame.data[i] + static_cast<std::ptrdiff_t>(frame.linesize[i]) * y,
                        plane.pitch);
    }
    return made;
}

class Libavcodec : public Decoder {
  public:
    Context context;
    // dav1d decodes into buffers of its own: what it shows is what there is.
    bool only_shown = false;

    PicturePointer decode(const unsigned char *data, std::size_t bytes, bool again) override
    {
        // Each time: other emulated drivers in this process listen to the same library.
        av_log_set_callback(listen);
        complaints = 0;
        context.buffers = 0;
        if (!again)
            av_frame_unref(context.buffer);
        padded.assign(data, data + bytes);
        padded.resize(bytes + AV_INPUT_BUFFER_PADDING_SIZE);
        context.packet->data = padded.data();
        context.packet->size = static_cast<int>(bytes);
        int code = avcodec_send_packet(context.codec, context.packet);
        PicturePointer made;
        while (avcodec_receive_frame(context.codec, context.shown) == 0) {
            if (only_shown)
                made = copied(*context.shown, context.shown->decode_error_flags != 0);
            av_frame_unref(context.shown);
        }
        if (only_shown)
            return made;
        return copied(*context.buffer, code < 0 || complaints > 0);
    }

  private:
    std::vector<unsigned char> padded;
};

} // namespace

std::unique_ptr<Decoder> Decoder::open(Kind kind, const std::vector<unsigned char> &extradata,
                                       bool only_shown)
{
    av_log_set_callback(listen); // nothing goes to the client's stderr
    const AVCodec *codec = codec_of(kind);
    if (!codec)
        return nullptr;
    auto made = std::make_unique<Libavcodec>();
    Context &context = made->context;
    context.codec = avcodec_alloc_context3(codec);
    context.packet = av_packet_alloc();
    context.shown = av_frame_alloc();
    context.buffer = av_frame_alloc();
    if (!context.codec || !context.packet || !context.shown || !context.buffer)
        return nullptr;
    context.codec->opaque = &context;
    context.codec->get_buffer2 = get_buffer;
    context.codec->thread_count = 1;
    context.codec->flags |= AV_CODEC_FLAG_OUTPUT_CORRUPT;
    context.codec->flags2 |= AV_CODEC_FLAG2_SHOW_ALL;
    made->only_shown = only_shown || kind == Kind::av1;
    if (kind == Kind::av1) {
        context.codec->flags |= AV_CODEC_FLAG_LOW_DELAY;
        // Film grain is not put in: it is off in the emulated hardware.
        context.codec->export_side_data |= AV_CODEC_EXPORT_DATA_FILM_GRAIN;
    }
    if (!extradata.empty()) {
        context.codec->extradata = static_cast<uint8_t *>(
            av_mallocz(extradata.size() + AV_INPUT_BUFFER_PADDING_SIZE));
        std::memcpy(context.codec->extradata, extradata.data(), extradata.size());
        context.codec->extradata_size = static_cast<int>(extradata.size());
    }
    if (avcodec_open2(context.codec, codec, nullptr) < 0)
        return nullptr;
    return made;
}

} // namespace codec
