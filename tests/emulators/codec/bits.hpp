// Reading and writing the bits of parameter sets and slice headers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace codec {

using Bytes = std::vector<unsigned char>;

// A unit's payload without the bytes that keep start codes out of it.
inline Bytes unescaped(const unsigned char *data, std::size_t bytes)
{
    Bytes made;
    made.reserve(bytes);
    for (std::size_t i = 0, zeros = 0; i < bytes; ++i) {
        if (zeros >= 2 && data[i] == 3) {
            zeros = 0;
            continue;
        }
        zeros = data[i] ? 0 : zeros + 1;
        made.push_back(data[i]);
    }
    return made;
}

// The other way round, behind a start code.
inline Bytes unit_of(const Bytes &payload)
{
    Bytes made = {0, 0, 0, 1};
    made.reserve(payload.size() + payload.size() / 64 + 8);
    int zeros = 0;
    for (unsigned char byte : payload) {
        if (zeros >= 2 && byte <= 3) {
            made.push_back(3);
            zeros = 0;
        }
        zeros = byte ? 0 : zeros + 1;
        made.push_back(byte);
    }
    return made;
}

class BitReader {
  public:
    explicit BitReader(const Bytes &payload) : data(payload) {}

    unsigned bit()
    {
        std::size_t byte = at >> 3;
        unsigned value = byte < data.size() ? data[byte] >> (7 - (at & 7)) & 1 : 0;
        ++at;
        return value;
    }
    std::uint32_t bits(int count)
    {
        std::uint32_t value = 0;
        while (count--)
            value = value << 1 | bit();
        return value;
    }
    std::uint32_t ue()
    {
        int zeros = 0;
        while (!bit() && zeros < 31 && at < data.size() * 8)
            ++zeros;
        return (1u << zeros) - 1 + bits(zeros);
    }
    std::size_t position() const { return at; }
    // Where the bit is that ends the payload.
    std::size_t end() const
    {
        std::size_t last = data.size();
        while (last && !data[last - 1])
            --last;
        if (!last)
            return 0;
        int shift = 0;
        while (!(data[last - 1] >> shift & 1))
            ++shift;
        return last * 8 - 1 - shift;
    }

  private:
    const Bytes &data;
    std::size_t at = 0;
};

class BitWriter {
  public:
    Bytes data;

    void bit(unsigned value)
    {
        if (!(count & 7))
            data.push_back(0);
        if (value)
            data.back() |= 0x80 >> (count & 7);
        ++count;
    }
    void bits(int number, std::uint32_t value)
    {
        while (number--)
            bit(value >> number & 1);
    }
    void ue(std::uint32_t value)
    {
        int length = 0;
        while ((value + 1) >> (length + 1))
            ++length;
        bits(length, 0);
        bits(length + 1, value + 1);
    }
    bool aligned() const { return !(count & 7); }
    void trailing()
    {
        bit(1);
        while (!aligned())
            bit(0);
    }

  private:
    std::size_t count = 0;
};

// Reads and writes the same.
class BitCopier {
  public:
    BitReader from;
    BitWriter to;

    explicit BitCopier(const Bytes &payload) : from(payload) {}

    std::uint32_t bits(int count)
    {
        std::uint32_t value = from.bits(count);
        to.bits(count, value);
        return value;
    }
    unsigned bit() { return bits(1); }
    std::uint32_t ue()
    {
        std::uint32_t value = from.ue();
        to.ue(value);
        return value;
    }
    void rest(std::size_t end)
    {
        while (from.position() < end)
            bits(1);
    }
};

} // namespace codec
