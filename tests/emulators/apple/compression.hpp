// VTCompressionSession: its properties, and what they mean for the encoder beneath.
#pragma once

#include "codec/encoder.hpp"
#include "media.hpp"
#include "sessions.hpp"
#include "video.hpp"

namespace apple {

// What an encoder was asked for when it was created.
struct EncoderWish {
    CMVideoCodecType codec = 0;
    int width = 0, height = 0;
    bool is_hardware = false, low_latency = false;

    // Which of the flavours of ProRes: 0 Proxy, 1 LT, 2 422, 3 HQ, 4 4444; -1 for other codecs.
    int prores() const;
};

class EncoderProperties : public Session {
  public:
    explicit EncoderProperties(const EncoderWish &wish);

  protected:
    OSStatus check(CFStringRef key, const Object *value) override;

    // All with the lock held.
    double number(CFStringRef key);
    bool flag(CFStringRef key);
    codec::Rate rate();
    codec::EncoderSettings settings(const Format &input);
    std::vector<codec::Message> messages();
    int b_pictures(); // between two that are not
    int depth();      // of what is coded
    codec::Chroma chroma();
    // Whether the next picture is a keyframe by itself, so many pictures and seconds after one.
    bool key_is_due(long pictures, double seconds);

    const EncoderWish wish;
    bool begun = false;     // a picture was given, or the session was prepared
    bool new_rate = false;  // since the encoder was told last

  private:
    bool is_text_of(CFStringRef key, const Object *value) const;
    codec::Colour colour(bool full_range);
    void aspect(codec::EncoderSettings &made);
};

// The planes of a pixel buffer, with values in the low bits, of `depth` bits.
codec::Picture planes_of(PixelBuffer &image, int depth);

} // namespace apple
