// Encodes what an emulated driver was given, with libx264, libx265 and, for AV1 and ProRes, libavcodec:
// one picture in, its coded form out, in coding order, at once. No vendor's names here.
//
// What is asked for as a B picture is coded as a P picture at the place of a B picture, in coding
// order as in order of display: the encoders would hold B pictures back, a driver does not.
#pragma once

#include "decoder.hpp"

namespace codec {

using Bytes = std::vector<unsigned char>;

enum class PictureType { p, b, i, idr };

struct Rate {
    long bits_per_second = 0; // 0: some
    long peak = 0;            // of a second; 0: the average, which is then kept at once
    long buffer_bits = 0;               // 0: of one second
    long initial_bits = 0;              // in the buffer at the beginning, 0: as the library has it
    int qp[3] = {-1, -1, -1};           // of P, B and I pictures, -1 where the rate decides
};

struct Colour {
    int video_format = 5;
    bool full_range = false;
    int primaries = 2, transfer = 2, matrix = 2; // as the standards number them; 2: not said
};

struct EncoderSettings {
    Kind kind = Kind::h264;
    int width = 0, height = 0, depth = 8;
    Chroma chroma = Chroma::of_420;
    int rate_numerator = 30, rate_denominator = 1; // pictures a second
    int aspect_width = 1, aspect_height = 1;       // of a sample
    Colour colour;
    Rate rate;
    int profile = 0;      // profile_idc, 0 for what the rest needs; of ProRes the flavour
    int level = 0;        // as the standard codes it, 0 to choose
    bool high_tier = false;
    bool cavlc = false;   // of H.264
    bool lossless = false;
    bool adaptive_quantiser = false;
    bool intra_refresh = false; // of H.264: an Order may ask for it
    int slices = 1;       // of H.264
    int reordered = 0;    // pictures that may come before one that is shown earlier
    int set_ids[3] = {0, 0, 0}; // VPS, SPS, PPS
};

struct Message { // supplemental information
    int type = 0;
    Bytes payload;
};

struct Order {
    PictureType type = PictureType::p;
    int number = 0;       // in order of display since the last IDR
    bool refresh = false; // begin to make it of intra blocks, column by column
    std::vector<signed char> qp_changes; // for each macroblock, or none
};

struct Coded {
    Bytes data; // the slices, with start codes; of AV1 the frame's OBUs
    int qp = 0;
};

class Encoder {
  public:
    // nullptr, with the reason, for what the libraries do not code.
    static std::unique_ptr<Encoder> open(const EncoderSettings &settings, std::string &reason);
    virtual ~Encoder() = default;

    // Parameter sets, with start codes; of AV1 the sequence header, of ProRes nothing.
    virtual const Bytes &headers() const = 0;
    virtual bool encode(const Picture &picture, const Order &order, Coded &made) = 0;
    // From the next picture on, with no other effect.
    virtual bool change(const Rate &rate) = 0;
};

// A unit of supplemental information, and one that begins an access unit, with start codes; of AV1
// metadata and a temporal delimiter.
Bytes message_unit(Kind kind, const std::vector<Message> &messages);
Bytes delimiter_unit(Kind kind, PictureType type);
// That a stream is whole again after so many pictures.
Message recovery_point(Kind kind, int pictures);

std::unique_ptr<Encoder> open_h264(const EncoderSettings &settings, std::string &reason);
std::unique_ptr<Encoder> open_hevc(const EncoderSettings &settings, std::string &reason);
std::unique_ptr<Encoder> open_av1(const EncoderSettings &settings, std::string &reason);
std::unique_ptr<Encoder> open_prores(const EncoderSettings &settings, std::string &reason);

} // namespace codec
