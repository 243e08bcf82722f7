// copies.cpp: memcpy and memset in all their forms, checked against the live allocations, counted, and recorded.
#include <cstdio>
#include <cstring>

#include "state.h"

namespace sim_driver {
namespace {

// A block of rows; a plain copy has one row.
struct Copy {
  void* target;
  size_t target_pitch;
  const void* source;
  size_t source_pitch;
  size_t width, height;
  int kind;
};

enum class Side { host, pinned, device };

size_t span(size_t pitch, size_t width, size_t height) { return height ? (height - 1) * pitch + width : 0; }

Side side_of(const void* address, bool* managed) {
  Allocation found;
  *managed = false;
  if (!find_allocation(address, &found) || (uintptr_t)address == found.start + found.bytes) return Side::host;
  *managed = found.kind == Kind::managed;
  return found.kind == Kind::pinned || found.kind == Kind::registered ? Side::pinned : Side::device;
}

// 0, or the error of an operand that is not what the kind of the copy says.
int check_side(const char* call, const char* operand, const void* address, size_t bytes, bool wants_device) {
  bool managed;
  Side side = side_of(address, &managed);
  std::string what = std::string(call) + ", " + operand;
  if (wants_device || side != Side::host) {
    if (int error = check_device_memory(what.c_str(), address, bytes, -1)) return error;
  }
  if (!wants_device && side == Side::device && !managed)
    return fail(kInvalidValue, "%s: %p is memory of a device, the kind of the copy says host", what.c_str(), address);
  return address || !bytes ? kSuccess : fail(kInvalidValue, "%s is null", what.c_str());
}

int settle_kind(const char* call, Copy* copy, bool* pageable) {
  bool managed;
  Side target = side_of(copy->target, &managed), source = side_of(copy->source, &managed);
  if (copy->kind < kHostToHost || copy->kind > kDefaultKind)
    return fail(kInvalidMemcpyDirection, "%s: kind %d", call, copy->kind);
  if (copy->kind == kDefaultKind)
    copy->kind = (source == Side::device ? 2 : 0) + (target == Side::device ? 1 : 0);
  size_t target_bytes = span(copy->target_pitch, copy->width, copy->height);
  size_t source_bytes = span(copy->source_pitch, copy->width, copy->height);
  bool to_device = copy->kind == kHostToDevice || copy->kind == kDeviceToDevice;
  bool from_device = copy->kind == kDeviceToHost || copy->kind == kDeviceToDevice;
  if (int error = check_side(call, "target", copy->target, target_bytes, to_device)) return error;
  if (int error = check_side(call, "source", copy->source, source_bytes, from_device)) return error;
  *pageable = (!to_device && target == Side::host) || (!from_device && source == Side::host);
  return kSuccess;
}

int run_copy(const char* call, Copy copy) {
  Guard guard(lock());
  bool pageable;  // memory may have been freed since a graph recorded the copy
  if (int error = settle_kind(call, &copy, &pageable)) return error;
  Allocation into, from;
  bool to_device = find_allocation(copy.target, &into) && on_device(into);
  bool from_device = find_allocation(copy.source, &from) && on_device(from);
  for (size_t row = 0; row < copy.height; ++row) {
    char* target = (char*)copy.target + row * copy.target_pitch;
    const char* source = (const char*)copy.source + row * copy.source_pitch;
    memmove(target, source, copy.width);
    if (to_device && from_device) sim_copied(target, source, copy.width);
    else if (to_device) sim_written(target, copy.width);
  }
  return kSuccess;
}

void count(const Copy& copy) {
  int64_t bytes = (int64_t)(copy.width * copy.height);
  if (copy.kind == kHostToDevice) {
    ++counters.host_to_device;
    counters.bytes_host_to_device += bytes;
  } else if (copy.kind == kDeviceToHost) {
    ++counters.device_to_host;
    counters.bytes_device_to_host += bytes;
  } else if (copy.kind == kDeviceToDevice) {
    ++counters.device_to_device;
  }
}

std::string describe(const char* call, const Copy& copy) {
  const char* kinds[] = {"host to host", "host to device", "device to host", "device to device"};
  return std::string(call) + " " + kinds[copy.kind] + ", " + std::to_string(copy.width * copy.height) + " bytes";
}

// The blocking copies go through the legacy stream; a copy between two places on devices does not make the host wait.
int copy_now(const char* call, Copy copy) {
  if (int error = check_devices()) return error;
  bool pageable;
  if (int error = settle_kind(call, &copy, &pageable)) return error;
  Stream* legacy = device(current_device()).legacy;
  if (int error = check_legacy(legacy, call)) return error;
  if (int error = check_safe(call)) return error;
  if (copy.kind != kDeviceToDevice) ++counters.synchronizations;
  count(copy);
  return run_copy(call, copy);
}

int copy_later(const char* call, Copy copy, void* handle) {
  int error = kSuccess;
  Stream* stream = find_stream(handle, &error);
  if (!stream) return error;
  bool pageable;
  if ((error = settle_kind(call, &copy, &pageable))) return error;
  if (capturing(stream)) {
    if (pageable) {
      break_capture(stream->capture);
      return fail(kCaptureUnsupported, "%s with pageable host memory waits; a graph needs pinned memory", call);
    }
    return submit(stream, kCopyNode, describe(call, copy), [call, copy] { return run_copy(call, copy); });
  }
  if ((error = check_legacy(stream, call))) return error;
  if (pageable && copy.kind != kHostToHost) ++counters.synchronizations;
  count(copy);
  return run_copy(call, copy);
}

int check_pitch(const char* call, size_t pitch, size_t width) {
  return width <= pitch ? kSuccess : fail(kInvalidPitch, "%s: rows of %zu bytes at a pitch of %zu", call, width, pitch);
}

int run_set(const char* call, void* target, size_t pitch, int value, size_t width, size_t height) {
  Guard guard(lock());
  if (int error = check_device_memory(call, target, span(pitch, width, height), -1)) return error;
  Allocation found;
  bool device_memory = find_allocation(target, &found) && on_device(found);
  for (size_t row = 0; row < height && width; ++row) {
    memset((char*)target + row * pitch, value, width);
    if (device_memory) sim_written((char*)target + row * pitch, width);
  }
  return kSuccess;
}

int set_later(const char* call, void* target, size_t pitch, int value, size_t width, size_t height, void* handle) {
  if (int error = check_devices()) return error;
  if (int error = check_pitch(call, pitch, width)) return error;
  if (int error = check_device_memory(call, target, span(pitch, width, height), -1)) return error;
  return submit(handle, kSetNode, std::string(call) + ", " + std::to_string(width * height) + " bytes",
                [=] { return run_set(call, target, pitch, value, width, height); });
}

Copy flat(void* target, const void* source, size_t bytes, int kind) {
  return {target, bytes, source, bytes, bytes, bytes ? size_t(1) : size_t(0), kind};
}

int check_rows(const char* call, const Copy& copy) {
  if (int error = check_pitch(call, copy.target_pitch, copy.width)) return error;
  return check_pitch(call, copy.source_pitch, copy.width);
}

int check_peers(const char* call, const void* target, int to, const void* source, int from, size_t bytes) {
  if (!valid_device(to) || !valid_device(from)) return fail(kInvalidDevice, "%s: devices %d and %d", call, to, from);
  Allocation into, out;
  if (!bytes) return kSuccess;
  if (!find_allocation(target, &into) || !find_allocation(source, &out) || into.device != to || out.device != from)
    return fail(kInvalidValue, "%s: an address is not memory of the device that was named", call);
  return kSuccess;
}

}  // namespace
}  // namespace sim_driver

using namespace sim_driver;

SIM_EXPORT int cudaMemcpy(void* target, const void* source, size_t bytes, int kind) {
  return copy_now("cudaMemcpy", flat(target, source, bytes, kind));
}

SIM_EXPORT int cudaMemcpyAsync(void* target, const void* source, size_t bytes, int kind, void* stream) {
  return copy_later("cudaMemcpyAsync", flat(target, source, bytes, kind), stream);
}

SIM_EXPORT int cudaMemcpyPeer(void* target, int to, const void* source, int from, size_t bytes) {
  if (int error = check_peers("cudaMemcpyPeer", target, to, source, from, bytes)) return error;
  return copy_now("cudaMemcpyPeer", flat(target, source, bytes, kDeviceToDevice));
}

SIM_EXPORT int cudaMemcpyPeerAsync(void* target, int to, const void* source, int from, size_t bytes, void* stream) {
  if (int error = check_peers("cudaMemcpyPeerAsync", target, to, source, from, bytes)) return error;
  return copy_later("cudaMemcpyPeerAsync", flat(target, source, bytes, kDeviceToDevice), stream);
}

SIM_EXPORT int cudaMemcpy2D(void* target, size_t target_pitch, const void* source, size_t source_pitch, size_t width,
                            size_t height, int kind) {
  Copy copy = {target, target_pitch, source, source_pitch, width, width ? height : 0, kind};
  if (int error = check_rows("cudaMemcpy2D", copy)) return error;
  return copy_now("cudaMemcpy2D", copy);
}

SIM_EXPORT int cudaMemcpy2DAsync(void* target, size_t target_pitch, const void* source, size_t source_pitch,
                                 size_t width, size_t height, int kind, void* stream) {
  Copy copy = {target, target_pitch, source, source_pitch, width, width ? height : 0, kind};
  if (int error = check_rows("cudaMemcpy2DAsync", copy)) return error;
  return copy_later("cudaMemcpy2DAsync", copy, stream);
}

SIM_EXPORT int cudaMemset(void* target, int value, size_t bytes) {
  return set_later("cudaMemset", target, bytes, value, bytes, bytes != 0, nullptr);
}

SIM_EXPORT int cudaMemsetAsync(void* target, int value, size_t bytes, void* stream) {
  return set_later("cudaMemsetAsync", target, bytes, value, bytes, bytes != 0, stream);
}

SIM_EXPORT int cudaMemset2D(void* target, size_t pitch, int value, size_t width, size_t height) {
  return set_later("cudaMemset2D", target, pitch, value, width, height, nullptr);
}

SIM_EXPORT int cudaMemset2DAsync(void* target, size_t pitch, int value, size_t width, size_t height, void* stream) {
  return set_later("cudaMemset2DAsync", target, pitch, value, width, height, stream);
}
