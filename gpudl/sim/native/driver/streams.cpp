// streams.cpp: streams and the functions of the host in them. Work runs at once, so every stream is always idle.
#include <ctime>

#include "state.h"

namespace sim_driver {
namespace {

std::set<Stream*>& live_streams() {
  static auto* streams = new std::set<Stream*>;
  return *streams;
}

unsigned long long next_id() {
  static std::atomic<unsigned long long> id{1};
  return id++;
}

// The per-thread default stream of the current device.
Stream* thread_stream() {
  thread_local std::map<int, Stream*> streams;
  Stream*& stream = streams[current_device()];
  if (!stream) {
    Guard guard(lock());
    stream = new Stream();
    stream->device = current_device();
    stream->id = next_id();
    live_streams().insert(stream);
  }
  return stream;
}

int create(void** out, unsigned flags, int priority) {
  if (int error = check_devices()) return error;
  if (!out || flags > 1) return fail(kInvalidValue, "cudaStreamCreate with flags %u", flags);
  Guard guard(lock());
  Stream* stream = new Stream();
  stream->device = current_device();
  stream->flags = (int)flags;
  stream->priority = priority > 0 ? 0 : priority < -5 ? -5 : priority;
  stream->id = next_id();
  live_streams().insert(stream);
  *out = stream;
  return kSuccess;
}

}  // namespace

double now_milliseconds() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e3 + (double)time.tv_nsec * 1e-6;
}

Stream* find_stream(void* handle, int* error) {
  if ((*error = check_devices())) return nullptr;
  if (!handle || (uintptr_t)handle == kLegacyStream) return device(current_device()).legacy;
  if ((uintptr_t)handle == kThreadStream) return thread_stream();
  Guard guard(lock());
  if (live_streams().count((Stream*)handle)) return (Stream*)handle;
  *error = fail(kInvalidHandle, "%p is no live stream", handle);
  return nullptr;
}

}  // namespace sim_driver

using namespace sim_driver;

SIM_EXPORT int cudaStreamCreate(void** out) { return create(out, 0, 0); }
SIM_EXPORT int cudaStreamCreateWithFlags(void** out, unsigned flags) { return create(out, flags, 0); }
SIM_EXPORT int cudaStreamCreateWithPriority(void** out, unsigned flags, int priority) {
  return create(out, flags, priority);
}

SIM_EXPORT int cudaStreamDestroy(void* handle) {
  Guard guard(lock());
  Stream* stream = (Stream*)handle;
  if (!live_streams().erase(stream)) return fail(kInvalidHandle, "cudaStreamDestroy: %p is no live stream", handle);
  if (CapturePointer capture = stream->capture) {
    capture->streams.erase(stream);
    break_capture(capture);
    if (capture->origin == stream) leave_capture(capture);  // nobody can end it any more
  }
  delete stream;
  return kSuccess;
}

SIM_EXPORT int cudaStreamGetFlags(void* handle, unsigned* flags) {
  int error = kSuccess;
  Stream* stream = find_stream(handle, &error);
  if (stream) *flags = (unsigned)stream->flags;
  return error;
}

SIM_EXPORT int cudaStreamGetPriority(void* handle, int* priority) {
  int error = kSuccess;
  Stream* stream = find_stream(handle, &error);
  if (stream) *priority = stream->priority;
  return error;
}

SIM_EXPORT int cudaStreamGetId(void* handle, unsigned long long* id) {
  int error = kSuccess;
  Stream* stream = find_stream(handle, &error);
  if (stream) *id = stream->id;
  return error;
}

SIM_EXPORT int cudaStreamGetDevice(void* handle, int* index) {
  int error = kSuccess;
  Stream* stream = find_stream(handle, &error);
  if (stream) *index = stream->device;
  return error;
}

SIM_EXPORT int cudaStreamQuery(void* handle) {
  int error = kSuccess;
  Stream* stream = find_stream(handle, &error);
  return stream ? check_quiet_stream(stream, "cudaStreamQuery") : error;
}

SIM_EXPORT int cudaStreamSynchronize(void* handle) {
  int error = kSuccess;
  Stream* stream = find_stream(handle, &error);
  if (!stream || (error = check_quiet_stream(stream, "cudaStreamSynchronize"))) return error;
  ++counters.synchronizations;
  return kSuccess;
}

SIM_EXPORT int cudaDeviceSynchronize() {
  if (int error = check_devices()) return error;
  Guard guard(lock());
  bool captured = false;
  for (Stream* stream : live_streams())
    if (stream->capture && stream->device == current_device()) {
      break_capture(stream->capture);
      captured = true;
    }
  if (captured) return fail(kCaptureUnsupported, "cudaDeviceSynchronize while a stream of the device captures");
  ++counters.synchronizations;
  return kSuccess;
}

SIM_EXPORT int cudaLaunchHostFunc(void* handle, void (*function)(void*), void* data) {
  if (!function) return fail(kInvalidValue, "cudaLaunchHostFunc: no function");
  return submit(handle, kHostNode, "host function", [function, data] {
    function(data);
    return (int)kSuccess;
  });
}

SIM_EXPORT int cudaStreamAddCallback(void* handle, void (*function)(void*, int, void*), void* data, unsigned flags) {
  int error = kSuccess;
  Stream* stream = find_stream(handle, &error);
  if (!stream) return error;
  if (!function || flags) return fail(kInvalidValue, "cudaStreamAddCallback: no function, or flags other than 0");
  if (capturing(stream)) {
    break_capture(stream->capture);
    return fail(kCaptureUnsupported, "cudaStreamAddCallback cannot be captured; cudaLaunchHostFunc can");
  }
  if ((error = check_legacy(stream, "cudaStreamAddCallback"))) return error;
  function(handle, kSuccess, data);
  return kSuccess;
}
