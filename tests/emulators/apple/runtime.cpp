// The pools of the Objective-C runtime: counted, and given back in order.

#include "emulator.hpp"

namespace apple {
namespace {

class ReleasePool : public Object {
  public:
    ReleasePool() : Object("autorelease pool") {}
};

thread_local int depth = 0;

} // namespace
} // namespace apple

using namespace apple;

EMULATED void *objc_autoreleasePoolPush()
{
    ++depth;
    return new ReleasePool;
}

EMULATED void objc_autoreleasePoolPop(void *pool)
{
    // Rule (assumed): a pool is given back by the thread that made it.
    if (depth-- <= 0)
        misuse("a pool of another thread");
    release(pool);
}
