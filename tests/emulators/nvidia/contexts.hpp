// Devices and contexts from within libcuda.so.1.
#pragma once

#include "emulator.hpp"

namespace emulator __attribute__((visibility("hidden"))) {

bool is_initialised();
int device_count();
// Rule (assumed): compute capability and size are the same for all devices.
int capability_major();
int capability_minor();
int driver_version();

} // namespace emulator

#define INITIALISED()                                                                              \
    ENTER();                                                                                       \
    if (!emulator::is_initialised())                                                               \
    return CUDA_ERROR_NOT_INITIALIZED
#define NEEDS_DEVICE(device)                                                                       \
    if ((device) < 0 || (device) >= emulator::device_count())                                      \
    return CUDA_ERROR_INVALID_DEVICE
// Rule (header): a NULL where a result goes is CUDA_ERROR_INVALID_VALUE.
#define NEEDS(pointer)                                                                             \
    if (!(pointer))                                                                                \
    return CUDA_ERROR_INVALID_VALUE
