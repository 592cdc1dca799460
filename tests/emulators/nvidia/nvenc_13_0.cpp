#define NVENC_VERSION 1300
#include "nvenc_calls.hpp"

void encode::fill_13_0(void *list) { nvenc_13_0::fill_list(list); }
