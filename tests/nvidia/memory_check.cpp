// The memory of videohw/_native as C++ uses it, on streams of its own. Streams of the emulated
// driver are late: what nobody waits for has not run.
//
// usage: memory_check CASE; the exit status is 0, or a line says what was wrong.

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "cuda_errands.hpp"

using namespace videohw;

namespace {

constexpr std::size_t size = 4096;

#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            std::printf("line %d: %s\n", __LINE__, #condition);                                    \
            std::exit(1);                                                                          \
        }                                                                                          \
    } while (0)

Driver &driver()
{
    static Driver made;
    return made;
}

// The device, let go of at the end of a case, after what stands behind it in the code.
struct Opened {
    Opened()
    {
        CUresult code;
        device = Device::open(driver(), 0, &code);
        EXPECT(device && code == CUDA_SUCCESS);
    }
    ~Opened() { device->context.release(); }
    Device *operator->() const { return device; }
    Device &operator*() const { return *device; }

    Device *device;
};

// Pinned bytes of one value, as the source of a copy that is queued.
Block *filled(Device &device, int value, CUstream stream)
{
    CUresult code;
    Block *block = device.pinned.take(size, stream, &code);
    EXPECT(block);
    EXPECT(device.context.api.cuStreamSynchronize(stream) == CUDA_SUCCESS);
    std::memset(block->host, value, size);
    return block;
}

void write(Device &device, Block &target, const Block &source, CUstream stream)
{
    EXPECT(device.context.api.cuMemcpyHtoDAsync(target.device, source.host, size, stream) ==
           CUDA_SUCCESS);
}

bool holds(Device &device, Block &block, int value)
{
    Region region{0, size, 1, size, 1, 0};
    CUresult code;
    Block *host = copied(device, block, region, true, &code);
    EXPECT(host);
    bool same = true;
    for (std::size_t i = 0; i < size; ++i)
        same = same && static_cast<unsigned char *>(host->host)[i] == value;
    host->release();
    return same;
}

// A block that is dropped while it is being filled on one stream, and filled again on another.
void two_writers(bool tell)
{
    Opened device;
    Scope scope(device->context);
    CUresult code;
    CUstream first = device->context.take_stream(&code);
    CUstream second = device->context.take_stream(&code);
    EXPECT(first && second && first != second);
    Block *old_values = filled(*device, 1, first), *new_values = filled(*device, 2, second);
    Block *block = device->memory.take(size, first, &code);
    const CUdeviceptr place = block->device;
    write(*device, *block, *old_values, first);
    if (tell)
        EXPECT(block->written(first) == CUDA_SUCCESS);
    block->release();
    block = device->memory.take(size, second, &code);
    EXPECT(block->device == place);
    write(*device, *block, *new_values, second);
    EXPECT(block->written(second) == CUDA_SUCCESS);
    EXPECT(device->context.api.cuStreamSynchronize(second) == CUDA_SUCCESS);
    EXPECT(device->context.api.cuStreamSynchronize(first) == CUDA_SUCCESS);
    EXPECT(holds(*device, *block, 2));
    block->release();
    old_values->release();
    new_values->release();
    device->context.give_stream(first);
    device->context.give_stream(second);
}

// A pinned block is dropped while a copy into it is queued.
void host_writers()
{
    Opened device;
    Scope scope(device->context);
    CUresult code;
    CUstream first = device->context.take_stream(&code);
    CUstream second = device->context.take_stream(&code);
    Block *ones = uploaded_within(*device, std::string(size, 1).data(), size, &code);
    Block *twos = uploaded_within(*device, std::string(size, 2).data(), size, &code);
    EXPECT(ones->settle() == CUDA_SUCCESS && twos->settle() == CUDA_SUCCESS);
    device->pinned.trim();
    Block *host = device->pinned.take(size, first, &code);
    const void *place = host->host;
    const nvidia_cuda &api = device->context.api;
    EXPECT(api.cuMemcpyDtoHAsync(host->host, ones->device, size, first) == CUDA_SUCCESS);
    EXPECT(host->written(first) == CUDA_SUCCESS);
    host->release();
    host = device->pinned.take(size, second, &code);
    EXPECT(host->host == place);
    EXPECT(api.cuMemcpyDtoHAsync(host->host, twos->device, size, second) == CUDA_SUCCESS);
    EXPECT(host->written(second) == CUDA_SUCCESS && host->settle() == CUDA_SUCCESS);
    EXPECT(api.cuStreamSynchronize(first) == CUDA_SUCCESS);
    EXPECT(static_cast<char *>(host->host)[size / 2] == 2);
    for (Block *block : {host, ones, twos})
        block->release();
    device->context.give_stream(first);
    device->context.give_stream(second);
}

// A block that is dropped while its copy is queued, and written again on another stream.
void readers()
{
    Opened device;
    Scope scope(device->context);
    CUresult code;
    CUstream other = device->context.take_stream(&code);
    Block *new_values = filled(*device, 2, other);
    Block *block = uploaded_within(*device, std::string(size, 1).data(), size, &code);
    EXPECT(block->settle() == CUDA_SUCCESS);
    const CUdeviceptr place = block->device;
    Block *copy = copied(*device, *block, {0, size, 1, size, 1, 0}, false, &code);
    EXPECT(copy);
    block->release();
    block = device->memory.take(size, other, &code);
    EXPECT(block->device == place);
    write(*device, *block, *new_values, other);
    EXPECT(block->written(other) == CUDA_SUCCESS);
    EXPECT(device->context.api.cuStreamSynchronize(other) == CUDA_SUCCESS);
    EXPECT(holds(*device, *copy, 1) && holds(*device, *block, 2));
    for (Block *each : {block, copy, new_values})
        each->release();
    device->context.give_stream(other);
}

// What else can give memory back is asked when the device has none left.
void relief()
{
    const auto asked = std::make_shared<int>(0);
    Opened device;
    CUresult code;
    device->memory.on_out_of_memory(asked, [](void *count) { ++*static_cast<int *>(count); });
    Block *block = device->memory.take(std::size_t{1} << 40, nullptr, &code);
    EXPECT(!block && code == CUDA_ERROR_OUT_OF_MEMORY && *asked == 1);
    EXPECT(std::strcmp(Context::last_call(), "cuMemAlloc") == 0);
}

// Blocks outlive the last session; the last of them takes the device with it.
void outliving()
{
    Block *block;
    {
        Opened device;
        CUresult code;
        block = device->memory.take(size, nullptr, &code);
    }
    EXPECT(block);
    block->retain();
    block->release();
    std::thread([block] { block->release(); }).join();
}

// Many threads, each on a stream of its own, take, fill, read and drop.
void threads()
{
    Opened device;
    std::vector<std::thread> workers;
    for (int number = 0; number < 4; ++number)
        workers.emplace_back([&device, number] {
            CUresult code;
            CUcontext current = nullptr;
            for (int step = 0; step < 40; ++step) {
                const int value = (number * 40 + step) % 200;
                Block *block =
                    uploaded_within(*device, std::string(size, char(value)).data(), size, &code);
                EXPECT(block);
                EXPECT(holds(*device, *block, value));
                block->release();
            }
            EXPECT(device->context.api.cuCtxGetCurrent(&current) == CUDA_SUCCESS && !current);
        });
    for (std::thread &worker : workers)
        worker.join();
    EXPECT(device->memory.counters().used_blocks == 0);
    EXPECT(device->memory.counters().misses <= 4);
}

} // namespace

int main(int count, char **arguments)
{
    const std::string name = count > 1 ? arguments[1] : "";
    if (name == "two_writers")
        two_writers(true);
    else if (name == "two_writers_untold")
        two_writers(false);
    else if (name == "host_writers")
        host_writers();
    else if (name == "readers")
        readers();
    else if (name == "relief")
        relief();
    else if (name == "outliving")
        outliving();
    else if (name == "threads")
        threads();
    else
        return 2;
    return 0;
}
