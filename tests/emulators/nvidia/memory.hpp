// More of the emulated memory than libnvcuvid.so.1 needs.
#pragma once

#include "emulator.hpp"

namespace emulator __attribute__((visibility("hidden"))) {

// All that is left in a context goes with it.
void release_of_context(Context *context);
// The allocation that an address lies in, usable or not; false for none.
bool allocation_around(Address address, Address *start, std::size_t *bytes, Context **context);

// Memory of the host that a device reaches: allocated here, or brought by the client.
void *pin(std::size_t bytes);
bool unpin(void *address);
bool register_host(void *address, std::size_t bytes);
bool unregister_host(void *address);
bool is_pinned(Address address, std::size_t bytes);

} // namespace emulator
