#define NVENC_VERSION 1201
#include "nvenc_calls.hpp"

void encode::fill_12_1(void *list) { nvenc_12_1::fill_list(list); }
