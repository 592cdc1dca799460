// All sessions of the process, for the calls of either version.
#pragma once

#include "nvenc_session.hpp"

namespace encode {

// What a call answers by a plan of faults, or when the device is gone.
Status answer_of(emulator::Result planned);

// A session for the length of a call. Calls but those on bitstreams come one at a time.
class Use {
  public:
    Use(void *handle, const char *call, unsigned version, bool on_bitstream = false);
    ~Use();
    Use(const Use &) = delete;
    Use &operator=(const Use &) = delete;
    Session *operator->() const { return session.get(); }
    Session &operator*() const { return *session; }
    Status refused = nvenc::NV_ENC_SUCCESS;

  private:
    std::shared_ptr<Session> session;
    bool counted;
};

Status open(void *device, unsigned version, void **encoder);
Status destroy(void *handle);
const char *error_text(void *handle);

void fill_12_1(void *list);
void fill_13_0(void *list);

} // namespace encode
