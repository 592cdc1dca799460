// The parser of the emulated libnvcuvid: what is common to all codecs. One class a codec reads the
// headers and keeps the decoded picture buffer; this one splits the bytes into units, gives out
// picture indices, orders callbacks and assigns timestamps.
//
// Where a rule says "trace", it is what traces/h100-580 shows; "sample" is what the published
// parser of NVIDIA's Vulkan samples, which is of the same descent, documents by its behaviour.
#pragma once

#include "emulator.hpp"

#include "codec/decoder.hpp"
#include "nvidia.h"

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace cuvid {

using Bytes = std::vector<unsigned char>;

// What of a parser its decoder has to know, also when the parser is gone.
struct Displays {
    bool asked_for = false;                        // there is a display callback
    std::array<unsigned long long, 64> serial{}; // of the picture displayed last, by index
};

// One coded picture, or field, as the decode callback hands it on.
// What a frame of VP8 says of features that hold for later ones, too: those that it brings, of
// segments (quantizer and filter, 4 each), and deltas of the filter (reference and mode, 4 each).
struct Vp8Features {
    bool key = false, of_segments = false, absolute = false;
    std::array<std::optional<int>, 16> brought;
};

struct Job {
    unsigned long long serial = 0; // of the picture; both fields have one
    codec::Kind kind = codec::Kind::h264;
    Bytes sets;      // parameter sets that hold for it
    Bytes extradata; // what libavcodec wants out of band
    Bytes data;      // sent to libavcodec behind the sets
    bool first_field = false, second_field = false, bottom = false;
    bool lacks = false; // some of the picture is lost
    Vp8Features vp8;
    unsigned long long parser = 0; // whose pictures are decoded apart from those of others
    std::shared_ptr<Displays> displays;
};

// The job of a picture whose decode callback is running; nullptr for anything else.
std::shared_ptr<const Job> job_of(const CUVIDPICPARAMS &picture);
bool in_sequence_callback();

// What a codec says of the picture that ended.
struct Coded {
    int index = -1;
    int clean = -1; // of AV1: the index of the picture before film grain is put in
    int width_in_mbs = 0, height_in_mbs = 0;
    unsigned lost_percent = 0; // of the picture, before its first slice
    bool field = false, bottom = false, second = false;
    bool reference = false, intra = false;
    bool progressive = true, top_first = false;
    bool hidden = false; // not displayed now, so that no timestamp is for it
    int repeat = 0;
    long order = 0; // picture order count of a frame, two a frame
    Vp8Features vp8;
    Bytes sets, extradata;
    // For libavcodec: `before` what the client gets, or `data` instead of it.
    Bytes before, data;
};

class Parser {
  public:
    static Parser *create(const CUVIDPARSERPARAMS &parameters);
    virtual ~Parser();
    void parse(const CUVIDSOURCEDATAPACKET &packet);
    bool busy = false;

  protected:
    explicit Parser(const CUVIDPARSERPARAMS &parameters);

    // What a codec does -----------------------------------------------------------------------
    // Whether a unit, of which the first bytes are here, belongs to another picture.
    virtual bool starts_picture(const unsigned char *unit, std::size_t bytes) = 0;
    // Reads a whole unit, start code included; true where it is data of a picture.
    virtual bool unit(const unsigned char *unit, std::size_t bytes) = 0;
    // Of the picture whose units were read; false where there is none to decode.
    virtual bool picture(Coded &coded) = 0;
    virtual void picture_decoded() = 0;
    virtual void end_of_stream() = 0;
    virtual codec::Kind kind() const = 0;
    // Of a codec without start codes: the packet is one or more pictures.
    virtual void packet_without_start_codes(const Bytes &) {}

    // What it uses ----------------------------------------------------------------------------
    // The number of surfaces, 0 where the client refused the sequence.
    int begin_sequence(const CUVIDEOFORMAT &format);
    // An index that nothing holds, or -1; held once.
    int take_index();
    void hold(int index);
    void let_go(int index);
    void display(int index);
    // A picture that was decoded before, displayed or not, by a packet of its own.
    void display_again(int index);
    // Everything that is ready, when the order begins anew.
    void display_all_ready();
    // One picture of a codec without start codes.
    void whole_picture(const Bytes &data);
    const CUVIDEOFORMAT &sequence_now() const { return sequence; }
    // The messages of an SEI unit without its header, for the picture that is to come.
    void keep_messages(const unsigned char *data, std::size_t bytes);
    bool picture_has_units() const { return !offsets.empty(); }
    void forget_sequence();

    CUVIDPARSERPARAMS asked;
    int boundary_bytes = 256; // of a unit, before it is asked whether it starts a picture
    bool start_codes = true;
    bool times_hidden = false; // pictures that are not displayed take a timestamp all the same
    Bytes sequence_header; // given with pExtVideoInfo

  private:
    struct Shown {
        bool skipped = false, has_time = false, checked = true;
        long long time = 0;
        long order = 0;
        int fields = 2;
        long number = 0; // of the decoded picture
        unsigned long long serial = 0;
        CUVIDPARSERDISPINFO info{};
        bool in_use = false;
        int clean = -1; // the index that it was decoded into, where that is another
    };
    struct Index {
        int held = 0;
        unsigned long long displayed_at = 0;
        Shown shown;
    };
    struct Time {
        long long value, position;
        bool discontinuity;
    };

    void bytes(const unsigned char *data, std::size_t count, bool one_picture);
    void start_code();
    void unit_ended();
    void last_unit();
    void end_picture();
    void decode(Coded &coded);
    long long time_of(Shown &shown);
    void show_first();
    void after_decoding();
    void end_stream();
    void take_time(Shown &shown);
    void hand_out_messages(int index);

    std::array<Index, 64> indices;
    int surfaces = 0;
    bool refused = false;
    CUVIDEOFORMAT sequence{};
    long long frame_duration = 0;
    unsigned long long clock = 0; // of displays

    Bytes pending;                 // the units of the picture, behind each other
    std::vector<unsigned> offsets; // of these units
    Bytes current;                 // the unit that is coming in
    unsigned recent = ~0u;
    long long position = 0, picture_position = 0;
    int pictures_in_packet = 0;
    bool started = false, start_code_waits = false;

    std::vector<std::pair<unsigned char, Bytes>> messages; // type and payload

    std::deque<Time> times;
    bool discontinuity = false, sorts_times = false, first_time = true, any_time = false;
    int times_to_check = 16;
    long long expected_time = 0, last_time = 0; // of displays
    std::deque<int> ready; // to be displayed, in order
    long decoded = 0;
    unsigned long long serial = 0, number = 0;
    std::shared_ptr<Displays> displays = std::make_shared<Displays>();
};

// One for each group of codecs.
Parser *new_h264_parser(const CUVIDPARSERPARAMS &);
Parser *new_hevc_parser(const CUVIDPARSERPARAMS &);
Parser *new_mpeg_parser(const CUVIDPARSERPARAMS &);
Parser *new_frame_parser(const CUVIDPARSERPARAMS &);

// Reduced, as the traces show it.
void set_aspect(CUVIDEOFORMAT &format, long long width, long long height);
void set_rate(CUVIDEOFORMAT &format, unsigned numerator, unsigned denominator);
void set_area(CUVIDEOFORMAT &format, int left, int top, int right, int bottom);

} // namespace cuvid
