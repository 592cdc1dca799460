// CoreMedia's format descriptions, block buffers and sample buffers.
#pragma once

#include "foundation.hpp"
#include "sets.hpp"

namespace apple {

class FormatDescription : public Object {
  public:
    FormatDescription(CMVideoCodecType codec, int width, int height)
        : Object("CMFormatDescription"), codec(codec), width(width), height(height)
    {
    }
    void clear() override { extensions = {}; }

    const CMVideoCodecType codec;
    const int width, height;
    int length_bytes = 4;
    std::vector<Bytes> sets;
    Sequence sequence;
    Kept<Dictionary> extensions;

    // All parameter sets with start codes; of other codecs the atom that configures the decoder.
    Bytes annexb_sets() const;
};

// nullptr where the sets cannot be read.
FormatDescription *description_of(CMVideoCodecType codec, std::vector<Bytes> sets,
                                  int length_bytes);

// Whether the codec has a record in place of parameter sets, and samples without NAL units.
bool is_framed(CMVideoCodecType codec);
bool read_record(FormatDescription &description);

class BlockBuffer : public Object {
  public:
    BlockBuffer() : Object("CMBlockBuffer") {}
    void clear() override { owned.clear(); }
    Bytes owned;
    const uint8_t *borrowed = nullptr; // in place of `owned`
    std::size_t length = 0;

    const uint8_t *data() const { return borrowed ? borrowed : owned.data(); }
};

class SampleBuffer : public Object {
  public:
    SampleBuffer() : Object("CMSampleBuffer") {}
    void clear() override
    {
        data = {};
        description = {};
        attachments = {};
    }
    Kept<BlockBuffer> data;
    Kept<FormatDescription> description;
    Kept<Array> attachments;
    CMSampleTimingInfo timing{};
};

SampleBuffer *sample_of(Kept<FormatDescription> description, Bytes data,
                        const CMSampleTimingInfo &timing);
Array *attachments_of(SampleBuffer &sample, bool create);

} // namespace apple
