// Device memory: out of the host's reach at its own addresses, full of poison, with fences around.
//
// Each allocation is a piece of shared memory that is mapped twice: where the client believes it,
// with no access, and somewhere else for the emulator's own work. It ends where a page ends, as far
// as the alignment allows, and there is a page without access before and after both mappings.

#include "memory.hpp"
#include "state.hpp"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <deque>
#include <sys/mman.h>
#include <unistd.h>

namespace emulator {
namespace {

constexpr std::size_t page = 4096;
constexpr std::size_t alignment = 512; // Rule (trace): of addresses and pitches
// Freed addresses stay closed, so that a late access is found; this many of them.
constexpr std::size_t longest_quarantine = 4096;

struct Allocation {
    std::size_t bytes = 0;
    std::size_t inner = 0;            // bytes of the memory, whole pages
    unsigned char *view = nullptr;    // the fenced room with the device address, no access
    unsigned char *backing = nullptr; // the fenced room of the emulator
    std::size_t offset = 0;           // of the data, from the end of the first fence
    const char *kind = "";
    Context *context = nullptr;
    bool usable = true;

    unsigned char *data() const { return backing + page + offset; }
};

struct Pinned {
    std::size_t bytes = 0;
    std::size_t room = 0; // of cuMemHostAlloc, with its fence; 0 where the client brought it
};

struct Freed {
    unsigned char *start;
    std::size_t bytes;
};

struct Memory {
    std::map<Address, Allocation> device;
    std::map<Address, Pinned> pinned;
    std::deque<Freed> freed;
    std::size_t in_use = 0, peak = 0;
};

Memory &memory()
{
    static Memory *kept = new Memory;
    return *kept;
}

std::size_t rounded(std::size_t bytes, std::size_t step)
{
    return (bytes + step - 1) / step * step;
}

unsigned char *closed_room(std::size_t bytes)
{
    void *made = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return made == MAP_FAILED ? nullptr : static_cast<unsigned char *>(made);
}

// Anonymous memory again, closed; its pages go back to the system.
void close_room(unsigned char *start, std::size_t bytes)
{
    mmap(start, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    memory().freed.push_back({start, bytes});
    if (memory().freed.size() > longest_quarantine) {
        munmap(memory().freed.front().start, memory().freed.front().bytes);
        memory().freed.pop_front();
    }
}

// The entry of a map by addresses that holds all of the bytes.
template <class Map> auto within(Map &map, Address address, std::size_t bytes)
{
    auto found = map.upper_bound(address);
    if (found == map.begin())
        return map.end();
    --found;
    std::size_t into = address - found->first;
    bool all = into <= found->second.bytes && bytes <= found->second.bytes - into;
    return all ? found : map.end();
}

void check_fence(Allocation &allocation)
{
    unsigned char *start = allocation.backing + page, *data = allocation.data();
    unsigned char *end = start + allocation.inner;
    auto written = [](unsigned char byte) { return byte != poison; };
    if (std::any_of(start, data, written))
        misuse("memory was written before the start of %zu bytes of %s", allocation.bytes,
               allocation.kind);
    if (std::any_of(data + allocation.bytes, end, written))
        misuse("memory was written past the end of %zu bytes of %s", allocation.bytes,
               allocation.kind);
    std::memset(start, poison, allocation.offset);
    std::memset(data + allocation.bytes, poison, end - data - allocation.bytes);
}

// Reports of touched memory -----------------------------------------------------------------------

struct sigaction before_us[2];

// What is at an address that the host must not touch; nullptr when that is not ours.
const char *fenced(Address address)
{
    static char text[200];
    auto after = memory().device.upper_bound(address);
    auto around = [address](const Allocation &each) {
        auto start = reinterpret_cast<Address>(each.view);
        return address >= start && address < start + each.inner + 2 * page;
    };
    for (int step = 0; step < 2; ++step) {
        if (after != memory().device.end() && around(after->second)) {
            snprintf(text, sizeof text, "%zu bytes of %s at 0x%llx", after->second.bytes,
                     after->second.kind, after->first);
            return text;
        }
        if (after == memory().device.begin())
            break;
        --after;
    }
    for (auto &[start, each] : memory().device) {
        auto room = reinterpret_cast<Address>(each.backing);
        if (address >= room && address < room + each.inner + 2 * page) {
            snprintf(text, sizeof text, "the fence of %zu bytes of %s", each.bytes, each.kind);
            return text;
        }
    }
    for (const Freed &each : memory().freed) {
        auto start = reinterpret_cast<Address>(each.start);
        if (address >= start && address < start + each.bytes)
            return "memory that was freed";
    }
    return nullptr;
}

void on_fault(int number, siginfo_t *info, void *)
{
    auto address = reinterpret_cast<Address>(info->si_addr);
    if (const char *what = fenced(address)) {
        char text[320];
        snprintf(text, sizeof text, "the host touched 0x%llx: %s", address, what);
        complain(text);
    }
    // The instruction runs again, and ends in whatever was there before.
    sigaction(number, &before_us[number == SIGBUS], nullptr);
}

void watch_faults()
{
    static bool watching = false;
    if (watching)
        return;
    watching = true;
    struct sigaction ours = {};
    ours.sa_sigaction = on_fault;
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigaction(SIGSEGV, &ours, &before_us[0]);
    sigaction(SIGBUS, &ours, &before_us[1]);
}

} // namespace

std::size_t device_bytes()
{
    static const long long bytes = setting("MEMORY_BYTES", 80LL << 30);
    return static_cast<std::size_t>(bytes);
}

std::size_t device_bytes_in_use() { return memory().in_use; }
std::size_t peak_device_bytes() { return memory().peak; }

Address allocate(std::size_t bytes, const char *kind, Context *context)
{
    std::size_t data = rounded(bytes, alignment), inner = rounded(data, page);
    if (!bytes || data < bytes || inner > device_bytes() - std::min(device_bytes(), memory().in_use))
        return 0;
    watch_faults();
    int file = memfd_create("emulated-device-memory", MFD_CLOEXEC);
    if (file < 0)
        return 0;
    Allocation made;
    made.bytes = bytes;
    made.inner = inner;
    made.offset = inner - data;
    made.kind = kind;
    made.context = context;
    made.view = closed_room(inner + 2 * page);
    made.backing = closed_room(inner + 2 * page);
    bool mapped = made.view && made.backing && ftruncate(file, static_cast<off_t>(inner)) == 0;
    mapped = mapped && mmap(made.view + page, inner, PROT_NONE, MAP_SHARED | MAP_FIXED, file, 0) !=
                           MAP_FAILED;
    mapped = mapped && mmap(made.backing + page, inner, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_FIXED, file, 0) != MAP_FAILED;
    close(file);
    if (!mapped) {
        munmap(made.view, inner + 2 * page);
        munmap(made.backing, inner + 2 * page);
        return 0;
    }
    std::memset(made.backing + page, poison, inner);
    auto address = reinterpret_cast<Address>(made.view + page + made.offset);
    memory().device[address] = made;
    memory().in_use += inner;
    memory().peak = std::max(memory().peak, memory().in_use);
    opened(kind, handle_of(address), bytes);
    return address;
}

namespace {

void forget(std::map<Address, Allocation>::iterator found)
{
    Allocation &gone = found->second;
    check_fence(gone);
    close_room(gone.backing, gone.inner + 2 * page);
    close_room(gone.view, gone.inner + 2 * page);
    memory().in_use -= gone.inner;
    memory().device.erase(found);
}

} // namespace

bool release(Address address, const char *kind)
{
    auto found = memory().device.find(address);
    if (found == memory().device.end() || std::strcmp(found->second.kind, kind) != 0)
        return false;
    given_back(kind, handle_of(address));
    forget(found);
    return true;
}

void release_of_context(Context *context)
{
    for (auto each = memory().device.begin(); each != memory().device.end();) {
        auto now = each++;
        if (now->second.context != context)
            continue;
        lost_with_context(now->second.kind, handle_of(now->first));
        forget(now);
    }
}

void *device_memory(Address address, std::size_t bytes)
{
    auto found = within(memory().device, address, bytes);
    if (found == memory().device.end() || !found->second.usable)
        return nullptr;
    return found->second.data() + (address - found->first);
}

void *reachable(Address address, std::size_t bytes)
{
    return is_pinned(address, bytes) ? reinterpret_cast<void *>(address)
                                     : device_memory(address, bytes);
}

std::size_t allocated_bytes(Address address)
{
    auto found = memory().device.find(address);
    return found == memory().device.end() ? 0 : found->second.bytes;
}

void set_usable(Address address, bool usable)
{
    auto found = memory().device.find(address);
    if (found == memory().device.end())
        return;
    found->second.usable = usable;
    if (!usable)
        std::memset(found->second.data(), poison, found->second.bytes);
}

bool allocation_around(Address address, Address *start, std::size_t *bytes, Context **context)
{
    auto found = within(memory().device, address, 1);
    if (found == memory().device.end())
        return false;
    *start = found->first;
    *bytes = found->second.bytes;
    *context = found->second.context;
    return true;
}

void check_fences()
{
    for (auto &[address, allocation] : memory().device)
        check_fence(allocation);
}

// Pinned memory of the host -----------------------------------------------------------------------

void *pin(std::size_t bytes)
{
    watch_faults();
    std::size_t inner = rounded(bytes, page);
    unsigned char *room = closed_room(inner + 2 * page);
    if (!room)
        return nullptr;
    mprotect(room + page, inner, PROT_READ | PROT_WRITE);
    std::memset(room + page, poison, inner);
    memory().pinned[reinterpret_cast<Address>(room + page)] = {bytes, inner + 2 * page};
    opened("pinned memory", room + page, bytes);
    return room + page;
}

bool unpin(void *address)
{
    auto found = memory().pinned.find(reinterpret_cast<Address>(address));
    if (found == memory().pinned.end() || !found->second.room)
        return false;
    std::size_t room = found->second.room;
    auto *data = static_cast<unsigned char *>(address);
    std::size_t inner = room - 2 * page;
    auto written = [](unsigned char byte) { return byte != poison; };
    if (std::any_of(data + found->second.bytes, data + inner, written))
        misuse("memory was written past the end of %zu bytes of pinned memory",
               found->second.bytes);
    memory().pinned.erase(found);
    given_back("pinned memory", address);
    close_room(data - page, room);
    return true;
}

bool register_host(void *address, std::size_t bytes)
{
    auto start = reinterpret_cast<Address>(address);
    auto after = memory().pinned.lower_bound(start);
    bool overlaps = after != memory().pinned.end() && after->first < start + bytes;
    if (after != memory().pinned.begin()) {
        --after;
        overlaps |= after->first + after->second.bytes > start;
    }
    if (overlaps)
        return false;
    memory().pinned[start] = {bytes, 0};
    opened("registered memory", address, bytes);
    return true;
}

bool unregister_host(void *address)
{
    auto found = memory().pinned.find(reinterpret_cast<Address>(address));
    if (found == memory().pinned.end() || found->second.room)
        return false;
    memory().pinned.erase(found);
    given_back("registered memory", address);
    return true;
}

bool is_pinned(Address address, std::size_t bytes)
{
    return within(memory().pinned, address, bytes) != memory().pinned.end();
}

} // namespace emulator
