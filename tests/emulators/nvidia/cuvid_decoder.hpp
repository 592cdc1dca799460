// The decoder of the emulated libnvcuvid: surfaces with the pixels that libavcodec made, mapped
// pictures in device memory.
#pragma once

#include "cuvid_caps.hpp"
#include "cuvid_parser.hpp"
#include "cuvid_scale.hpp"

namespace cuvid {

struct Surface {
    codec::PicturePointer picture;
    int status = cuvidDecodeStatus_Invalid;
    bool asked = false; // its status is known for certain: it was mapped
    // In work as many times as its status is still to be asked for; until then the surface holds
    // the picture before.
    long long polls = 0;
    codec::PicturePointer before;
    unsigned long long serial = 0;
    std::shared_ptr<Displays> displays;
};

struct Mapped {
    emulator::Address address = 0;
    std::size_t bytes = 0;
    int index = -1; // of the picture that is mapped, -1 for none
};

class Decoder {
  public:
    Decoder(const CUVIDDECODECREATEINFO &info, emulator::Context *context);
    ~Decoder();

    // The refusals of the real driver, in its order.
    static CUresult refusal(const CUVIDDECODECREATEINFO &info);

    CUresult decode(const CUVIDPICPARAMS &given);
    CUresult map(int index, CUdeviceptr *address, unsigned *pitch, const CUVIDPROCPARAMS &how);
    CUresult unmap(CUdeviceptr address);
    CUresult reconfigure(const CUVIDRECONFIGUREDECODERINFO &info);
    CUresult status(int index, CUVIDGETDECODESTATUS *status);
    bool has_mapped() const;
    std::size_t bytes() const; // of its surfaces, about

    emulator::Context *context;
    int inside = 0; // calls that run now
    static bool every_picture_is_mapped;
    // Of pictures that come, a status other than what libavcodec says.
    static std::map<unsigned long long, int> planned_status;
    static unsigned long long pictures_decoded;

  private:
    // Whether a frame of VP8 is decoded with features that it has not.
    bool has_others(const Vp8Features &frame);
    codec::PicturePointer decoded(const Job &job, const Bytes &before, bool again);
    // Decodes the field that waits for its second one, which does not come.
    void decode_half();
    void set_target(int width, int height, const CUVIDSHORTAREA &display,
                    const CUVIDSHORTAREA &within);

    CUVIDDECODECREATEINFO info;
    Target target;
    std::vector<Surface> surfaces;
    std::vector<Mapped> outputs;
    std::unique_ptr<codec::Decoder> codec;
    unsigned long long codec_parser = 0; // whose pictures it decodes
    Bytes codec_sets, codec_extradata;  // what it was given last
    // libavcodec takes both fields of a picture of VC-1 at once: the first waits for the other.
    std::shared_ptr<const Job> half;
    int half_index = -1;
    std::array<int, 17> vp8_kept{}, vp8_meant{}; // as brought, and whether they are absolute
};

} // namespace cuvid
