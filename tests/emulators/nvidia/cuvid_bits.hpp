// Reads the bits of a header, without its emulation prevention bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace cuvid {

class Bits {
  public:
    // `escaped`: 00 00 03 in the data stands for 00 00.
    Bits(const unsigned char *data, std::size_t bytes, bool escaped)
    {
        kept.reserve(bytes);
        int zeros = 0;
        for (std::size_t at = 0; at < bytes; ++at) {
            if (escaped && zeros >= 2 && data[at] == 3) {
                zeros = 0;
                continue;
            }
            zeros = data[at] ? 0 : zeros + 1;
            kept.push_back(data[at]);
        }
    }

    unsigned u(int count)
    {
        unsigned value = 0;
        while (count-- > 0)
            value = value << 1 | bit();
        return value;
    }
    bool flag() { return bit() != 0; }
    void skip(long count) { at += count; }
    unsigned ue()
    {
        int zeros = 0;
        while (!bit() && zeros < 32 && !over())
            ++zeros;
        return zeros >= 32 ? 0xffffffffu : (1u << zeros) - 1 + u(zeros);
    }
    int se()
    {
        unsigned code = ue();
        return code & 1 ? static_cast<int>(code / 2 + 1) : -static_cast<int>(code / 2);
    }
    // Read beyond the end, so that what was read means nothing.
    bool over() const { return at > static_cast<long>(kept.size()) * 8; }
    long left() const { return static_cast<long>(kept.size()) * 8 - at; }
    long position() const { return at; }

  private:
    unsigned bit()
    {
        std::size_t byte = static_cast<std::size_t>(at >> 3);
        unsigned value = byte < kept.size() ? kept[byte] >> (7 - (at & 7)) & 1 : 0;
        ++at;
        return value;
    }

    std::vector<unsigned char> kept;
    long at = 0;
};

} // namespace cuvid
