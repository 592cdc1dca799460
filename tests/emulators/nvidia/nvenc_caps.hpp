// What the emulated encoder can do, as tables, and what it is told by its environment.
#pragma once

#include "nvenc_versions.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace encode {

using nvenc::GUID;

enum class Codec { h264, hevc, av1 };

struct Preset {
    unsigned gop = 0;
    int interval = 1;
    unsigned rate_mode = 0, multipass = 0, b_reference = 0;
    bool lossless = false;
};

// What the environment says (VIDEOHW_EMULATOR_NVENC...), and what a test changes while it runs.
struct Device {
    bool has_encoder = true;
    unsigned major = 13, minor = 0;
    int most_sessions = 8;
    int limit_answer = nvenc::NV_ENC_ERR_OUT_OF_MEMORY;
    long picture_us = 0;      // that the device's one engine takes for a picture, at least
    bool raw = false;         // no coding: for measurements of what surrounds it
    // "burst", "lag", "seed" for one of both, and "" for that where streams go by a seed too.
    std::string lookahead;
    int defers = -1; // output of a group may come with the next one, by chance; -1: as above
    bool end_is_idr = true; // what comes after the end of a stream begins a sequence by itself
    std::string pictures;   // a file for the parameters of every picture; "": none
};

Device &device();
// "NAME=VALUE" as the settings are called; false where that is none.
bool set_device(const std::string &text);
// Add the structure of a picture, and its map of quantisers, to the file for them, if there is one.
void note_picture(const void *parameters, std::size_t bytes, const void *map,
                  std::size_t map_bytes);

inline bool same(const GUID &a, const GUID &b)
{
    return a.Data1 == b.Data1 && a.Data2 == b.Data2 && a.Data3 == b.Data3 &&
           !__builtin_memcmp(a.Data4, b.Data4, sizeof a.Data4);
}

bool codec_of(const GUID &guid, Codec &codec);
std::vector<GUID> codecs();
std::vector<GUID> profiles(Codec codec, bool newer);
std::vector<GUID> presets();
std::vector<unsigned> formats(Codec codec, bool newer);
// -1 where no encoder has what is asked for.
int capability(Codec codec, unsigned name, bool newer);
// The number of a preset, 1 to 7; 0 for none.
int preset_number(const GUID &guid);
Preset preset(Codec codec, int number, unsigned tuning);

} // namespace encode
