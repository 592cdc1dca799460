// SHA-256 (FIPS 180-4), to know the shipped images by.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

namespace emulator __attribute__((visibility("hidden"))) {

inline std::string sha256(const unsigned char *data, std::size_t bytes)
{
    // Fractional bits of the cube roots of the first 64 primes, and of the square roots of eight.
    static const std::uint32_t constants[64] = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
        0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
        0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
        0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
        0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
        0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
        0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
        0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
        0xc67178f2};
    std::uint32_t sum[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                            0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    auto turned = [](std::uint32_t word, int by) { return word >> by | word << (32 - by); };
    auto block = [&](const unsigned char *from) {
        std::uint32_t words[64], now[8];
        for (int i = 0; i < 16; ++i)
            words[i] = std::uint32_t(from[4 * i]) << 24 | from[4 * i + 1] << 16 |
                       from[4 * i + 2] << 8 | from[4 * i + 3];
        for (int i = 16; i < 64; ++i) {
            std::uint32_t a = words[i - 15], b = words[i - 2];
            words[i] = words[i - 16] + (turned(a, 7) ^ turned(a, 18) ^ a >> 3) + words[i - 7] +
                       (turned(b, 17) ^ turned(b, 19) ^ b >> 10);
        }
        std::memcpy(now, sum, sizeof now);
        for (int i = 0; i < 64; ++i) {
            std::uint32_t e = now[4], a = now[0];
            std::uint32_t one = now[7] + (turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)) +
                                ((e & now[5]) ^ (~e & now[6])) + constants[i] + words[i];
            std::uint32_t two = (turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)) +
                                ((a & now[1]) ^ (a & now[2]) ^ (now[1] & now[2]));
            std::memmove(now + 1, now, 7 * sizeof now[0]);
            now[4] += one;
            now[0] = one + two;
        }
        for (int i = 0; i < 8; ++i)
            sum[i] += now[i];
    };
    std::size_t at = 0;
    for (; at + 64 <= bytes; at += 64)
        block(data + at);
    std::vector<unsigned char> rest(data + at, data + bytes);
    rest.push_back(0x80);
    while (rest.size() % 64 != 56)
        rest.push_back(0);
    for (int shift = 56; shift >= 0; shift -= 8)
        rest.push_back(static_cast<unsigned char>(std::uint64_t(bytes) * 8 >> shift));
    for (at = 0; at < rest.size(); at += 64)
        block(rest.data() + at);
    char text[65];
    for (int i = 0; i < 8; ++i)
        snprintf(text + 8 * i, 9, "%08x", sum[i]);
    return text;
}

} // namespace emulator
