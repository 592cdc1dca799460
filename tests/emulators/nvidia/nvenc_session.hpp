// One session of the emulated libnvidia-encode, whatever version of the API it was opened with: the
// calls of a version (nvenc_calls.hpp) bring the driver's structures into the form here.
//
// A picture is copied, and later coded, by work on a queue of the session's own, which waits for
// the client's input stream and runs when somebody waits for the output, or as the laziness of
// streams says. libx264 and libx265 are at work with the lock given up.
#pragma once

#include "codec/encoder.hpp"
#include "emulator.hpp"
#include "nvenc_caps.hpp"

#include <chrono>
#include <deque>
#include <map>
#include <set>
#include <thread>

namespace encode {

using Status = nvenc::NVENCSTATUS;
using codec::Bytes;

struct Config {
    Codec codec = Codec::h264;
    GUID preset{}, profile{};
    unsigned tuning = 0;
    unsigned width = 0, height = 0, max_width = 0, max_height = 0, dar_width = 0, dar_height = 0;
    unsigned rate_numerator = 0, rate_denominator = 0;
    bool async = false, decides_types = true, weighted = false;
    unsigned gop = 0, idr_period = 0;
    int interval = 1;
    unsigned rate_mode = 0, average_rate = 0, peak_rate = 0, buffer_bits = 0, initial_bits = 0;
    int qp[3] = {0, 0, 0}; // P, B, I
    int quality = 0;       // aimed at, 0 for none
    bool lookahead = false, adaptive_quantiser = false;
    unsigned lookahead_depth = 0, qp_map_mode = 0;
    unsigned level = 0, tier = 0, chroma = 1, depth = 8;
    bool cavlc = false, delimiters = false, repeats_sets = false, no_sets = false;
    bool intra_refresh = false, says_mastering = false, says_light_level = false;
    bool says_recovery = false;
    unsigned refresh_period = 0, refresh_count = 0, slice_mode = 0, slice_data = 0, b_reference = 0;
    unsigned set_ids[3] = {0, 0, 0};
    codec::Colour colour;

    int b_pictures() const { return interval > 1 ? interval - 1 : 0; }
    int depth_ahead() const { return lookahead ? static_cast<int>(lookahead_depth) : 0; }
};

// How pixels lie in memory.
struct Layout {
    unsigned format = 0, width = 0, height = 0;
    std::size_t pitch = 0;

    std::size_t row_bytes() const;
    std::size_t rows() const; // of all planes
    std::size_t bytes() const { return pitch * rows(); }
};

bool is_known_format(unsigned format);
// As planes of `depth` bits in the chroma that is coded.
codec::Picture planes_of(const unsigned char *pixels, const Layout &layout, unsigned chroma,
                         unsigned depth);

// What can be coded from: a buffer of the session, or a resource while it is mapped.
struct Source {
    Layout layout;
    bool is_buffer = false;
    std::uint64_t waits_for = 0; // the last output that has to be locked before it is free
    // A buffer: the emulator's view of it, and the client's, closed but while it is locked.
    unsigned char *room = nullptr, *view = nullptr;
    std::size_t room_bytes = 0;
    bool locked = false, shown = false;
    // A mapped resource.
    const void *resource = nullptr;
    emulator::Address address = 0;

    Source() = default;
    Source(const Source &) = delete;
    Source &operator=(const Source &) = delete;
    ~Source();
    bool make_room(std::size_t bytes);
    void show(bool is_shown);
};

struct Resource {
    Layout layout;
    emulator::Address address = 0;
    int mapped = 0;
};

struct Picture {
    std::shared_ptr<Source> source;
    std::shared_ptr<codec::Picture> pixels; // since its copy was made
    std::uint64_t checksum = 0;             // of raw mode
    codec::Order order;
    unsigned flags = 0, frame_index = 0;
    std::uint64_t timestamp = 0, duration = 0;
    std::vector<codec::Message> messages;
    unsigned refresh_count = 0; // of the refresh that it begins
    int long_term = -1; // the index that it is marked with
};

struct Output {
    Bytes data;
    emulator::Mark mark;
    std::chrono::steady_clock::time_point done_at; // by the engine's time
    std::uint64_t serial = 0; // of the picture that was submitted with it
    bool submitted = false, assigned = false, ready = false, locked = false;
    int polled = 0;
    std::shared_ptr<Picture> picture; // that it holds
    unsigned coded_index = 0;
    int qp = 0;
    unsigned slices = 1;
};

struct Coder {
    std::unique_ptr<codec::Encoder> encoder;
    bool raw = false;
    double pictures_a_second = 0; // that it was opened for
};

class Session : public std::enable_shared_from_this<Session> {
  public:
    Session(emulator::Context *context, void *device, unsigned version);

    emulator::Context *context;
    void *device_handle;
    unsigned version; // of the API, as nvenc.h has it
    bool newer() const { return version >= 1300; }
    std::string last_error;
    bool initialised = false, lost = false, flush_tried = true;
    bool troubled = false; // a call failed by plan: what the client could not do is no misuse
    int inside = 0; // calls but locks of bitstreams
    std::thread::id thread_inside, thread_that_encodes;
    Config config;

    Status refuse(Status status, const char *format, ...) __attribute__((format(printf, 3, 4)));

    Status initialise(const Config &wanted);
    Status reconfigure(const Config &wanted, bool reset, bool force_idr);
    Status sets(Bytes &made);
    Status sets_of(const Config &wanted, Bytes &made);

    Status create_input(unsigned width, unsigned height, unsigned format, void *&handle);
    Status destroy_input(const void *handle);
    Status lock_input(const void *handle, bool do_not_wait, void *&pixels, unsigned &pitch);
    Status unlock_input(const void *handle);
    Status register_resource(const Layout &layout, emulator::Address address, void *&handle);
    Status unregister_resource(const void *handle);
    Status map(const void *resource, void *&handle, unsigned &format);
    Status unmap(const void *handle);
    Status set_streams(const void *input, const void *output);

    Status create_output(void *&handle);
    Status destroy_output(const void *handle);
    Status encode(std::shared_ptr<Picture> picture, const void *input, void *output,
                  unsigned format, unsigned width, unsigned height);
    Status end_of_stream();
    Status lock_output(const void *handle, bool do_not_wait, std::shared_ptr<Output> &found);
    Status unlock_output(const void *handle);
    void invalidate() { next_is_intra = true; }
    void close();

  private:
    emulator::StreamPointer default_stream() const;
    Status refusal(const Config &wanted);
    codec::EncoderSettings settings_of(const Config &wanted) const;
    std::shared_ptr<Coder> open_coder(const Config &wanted, std::string &reason);
    std::shared_ptr<Source> source_of(const void *handle);
    bool in_use(const Source &source) const;
    static void wait_for_engine(const Output &output);
    void enqueue_copy(const std::shared_ptr<Picture> &picture);
    void decide(const std::shared_ptr<Picture> &picture);
    void begin_refresh(Picture &picture);
    void close_group(bool may_defer);
    void code(const std::shared_ptr<Picture> &picture);
    void drain_window(std::size_t leave);

    std::shared_ptr<Coder> coder;
    std::shared_ptr<codec::Rate> changed_rate; // with the next picture that is coded
    emulator::StreamPointer engine, input_stream;
    std::map<const void *, std::shared_ptr<Source>> buffers, mapped;
    std::map<const void *, std::shared_ptr<Resource>> resources;
    std::map<const void *, std::shared_ptr<Output>> outputs;
    std::deque<std::shared_ptr<Output>> submitted; // not locked yet, in order
    std::deque<std::shared_ptr<Output>> unassigned;
    std::deque<std::shared_ptr<Picture>> window; // of the lookahead
    std::vector<std::shared_ptr<Picture>> group; // B pictures that wait for what comes after
    std::vector<std::shared_ptr<Picture>> deferred; // decided, and not given to the coder yet
    bool lags = false, defers = false, has_deferred = false;
    bool next_is_idr = true, next_is_intra = false, sets_are_due = true;
    unsigned since_idr = 0, since_intra = 0, since_refresh = 0;
    unsigned coded = 0;
    std::uint64_t serial = 0, locked_serial = 0;
};

// What an input is made of, for raw mode: a few of its bytes.
std::uint64_t checksum_of(const unsigned char *pixels, const Layout &layout);

} // namespace encode
