// Metal's kernels as host code (kernels_metal.so, made of the shader's own source), and the thread
// that stands for the device.
#pragma once

#include "emulator.hpp"

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace apple {

// As tests/kernels/metal_host.h and its shim have them.
struct HostTexture {
    unsigned char *rows;
    std::size_t pitch;
    unsigned width, height, channels, bytes, reversed;
};

struct HostBindings {
    void *buffers[7];
    HostTexture textures[4];
    std::size_t threadgroup_bytes[2];
};

struct HostKernel {
    const char *name;
    void (*run)(const HostBindings &bound, const unsigned *groups, const unsigned *threads);
    // What it declares, such as "buffer 3 texture 0 threadgroup 1 ", in order.
    const char *bindings;
};

// nullptr where there is none of this name.
const HostKernel *host_kernel(const std::string &name);
// Whether the kernels of this emulator were made of this text.
bool is_kernel_source(const std::string &text);
std::size_t conversion_bytes();

// Work for the device, done in order on a thread of its own.
void give_to_device(std::function<void()> work);
// Wait until the device has nothing to do, or is stalled by a fault.
void settle();

} // namespace apple
