// library.cpp: the way in for the library stand-ins (cuBLAS, cuRAND): their work goes through streams like any other.
#include "state.h"

using namespace sim_driver;

SIM_EXPORT int sim_library_call(void* handle, const char* name, int (*run)(void*), void* state,
    void (*release)(void*)) {
  std::shared_ptr<void> owned(state, release);
  int error = kSuccess;
  Stream* stream = find_stream(handle, &error);
  if (!stream) return error;
  if (stream->device != current_device())
    return fail(kInvalidHandle, "%s: its stream is of device %d, and device %d is current", name, stream->device,
                current_device());
  if (!capturing(stream)) ++counters.library_calls;
  return submit(stream, kKernelNode, name, [owned, run] {
    Guard guard(lock());
    return run(owned.get());
  });
}

SIM_EXPORT int sim_library_wait(void* handle) {
  int error = kSuccess;
  Stream* stream = find_stream(handle, &error);
  if (!stream || (error = check_quiet_stream(stream,
      "a library call that returns its result to the host"))) return error;
  ++counters.synchronizations;
  return kSuccess;
}
