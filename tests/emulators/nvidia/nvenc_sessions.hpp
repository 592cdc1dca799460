// All sessions of the process, for the calls of either version.
#pragma once

#include "nvenc_session.hpp"

namespace encode {

// What a call answers by a plan of faults, or when the device is gone.
Status answer_of(emulator::Result planned);

// What a call is: most come one at a time, those on bitstreams from another thread too; what gives
// something back may do so when the device is lost.
enum class CallKind { plain, on_bitstream, giving_back, giving_bitstream_back };

// A session for the length of a call.
class Use {
  public:
    Use(void *handle, const char *call, unsigned version, CallKind kind = CallKind::plain);
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
// What `error_text` says of a call that the plan of faults has fail with `answer`.
void note_planned(void *handle, int answer);

void fill_12_1(void *list);
void fill_13_0(void *list);

} // namespace encode
