// memory.cpp: who owns which address: memory of the devices, pinned and registered memory of the host.
#include <cstdlib>
#include <cstring>

#include "state.h"

namespace sim_driver {
namespace {

std::map<uintptr_t, Allocation>& allocations() {
  static auto* all = new std::map<uintptr_t, Allocation>;
  return *all;
}

bool host_kind(Kind kind) { return kind == Kind::pinned || kind == Kind::registered; }

int allocate(void** out, size_t bytes, Kind kind, int index, Pool* pool, const char* call) {
  if (!out) return fail(kInvalidValue, "%s: no place for the pointer", call);
  *out = nullptr;
  Guard guard(lock());
  Device& owner = device(index);
  size_t capacity = device_capacity();
  if (bytes > capacity || owner.used + bytes > capacity)
    return fail(kOutOfMemory, "%zu bytes asked for, %zu of %zu in use on device %d; GPUDL_SIM_MEMORY sets the size",
                bytes, owner.used, capacity, index);
  ++counters.allocations;
  if (!bytes) return kSuccess;
  void* made = sim_malloc(bytes);
  if (!made)
    return fail(kOutOfMemory, "%zu bytes asked for, %zu in use on all devices", bytes, sim_memory_used());
  owner.used += bytes;
  if (pool) {
    for (int current = 5; current <= 7; current += 2) {  // reserved and used, each followed by its high water mark
      pool->values[current] += bytes;
      if (pool->values[current + 1] < pool->values[current]) pool->values[current + 1] = pool->values[current];
    }
  }
  if (kind == Kind::managed) sim_written(made, bytes);  // the host may write it without a call
  add_allocation({(uintptr_t)made, bytes, kind, index, pool});
  *out = made;
  return kSuccess;
}

void give_back(void* pointer) {
  Guard guard(lock());
  auto found = allocations().find((uintptr_t)pointer);
  Allocation gone = found->second;
  allocations().erase(found);
  device(gone.device).used -= gone.bytes;
  if (gone.pool) {
    gone.pool->values[5] -= gone.bytes;
    gone.pool->values[7] -= gone.bytes;
  }
  sim_free(pointer);
}

int release(void* pointer, const char* call) {
  if (!pointer) return kSuccess;
  Guard guard(lock());
  auto found = allocations().find((uintptr_t)pointer);
  if (found == allocations().end() || !on_device(found->second) || found->second.held)
    return fail(kInvalidValue, "%s of %p, which is not the start of a live allocation of a device (freed twice?)", call,
                pointer);
  if (any_capture()) {
    found->second.held = true;
    hold_in_captures(std::shared_ptr<void>(pointer, give_back));
  } else {
    give_back(pointer);
  }
  return kSuccess;
}

}  // namespace

bool on_device(const Allocation& allocation) {
  return allocation.kind == Kind::device || allocation.kind == Kind::managed;
}

void add_allocation(const Allocation& allocation) {
  Guard guard(lock());
  allocations()[allocation.start] = allocation;
}

bool find_allocation(const void* address, Allocation* found) {
  Guard guard(lock());
  uintptr_t at = (uintptr_t)address;
  auto next = allocations().upper_bound(at);
  if (next == allocations().begin()) return false;
  const Allocation& candidate = std::prev(next)->second;
  if (at > candidate.start + candidate.bytes) return false;
  *found = candidate;
  return true;
}

int check_device_memory(const char* what, const void* address, size_t bytes, int index) {
  if (!bytes) return kSuccess;
  Allocation found;
  uintptr_t at = (uintptr_t)address;
  if (!find_allocation(address, &found) || at == found.start + found.bytes)
    return fail(kInvalidValue, "%s: %p is no live memory of a device", what, address);
  if (at + bytes > found.start + found.bytes)
    return fail(kInvalidValue, "%s: %zu bytes at %p, where an allocation of %zu bytes has %zu left", what, bytes,
        address,
                found.bytes, (size_t)(found.start + found.bytes - at));
  if (on_device(found) && index >= 0 && found.device != index && !device(index).peers.count(found.device))
    return fail(kIllegalAddress, "%s: %p is memory of device %d, the work runs on device %d without peer access", what,
                address, found.device, index);
  return kSuccess;
}

}  // namespace sim_driver

using namespace sim_driver;

SIM_EXPORT int sim_reachable(const char* function, const char* operand, const void* address, size_t bytes) {
  Guard guard(lock());
  std::string what = std::string(function) + ", operand " + operand;
  if (check_device_memory(what.c_str(), address, bytes, current_device()) == kSuccess) return 1;
  sim_complain("%s", sim_last_error());
  return 0;
}

SIM_EXPORT int cudaMalloc(void** out, size_t bytes) {
  if (int error = check_devices()) return error;
  if (int error = check_safe("cudaMalloc")) return error;
  return allocate(out, bytes, Kind::device, current_device(), nullptr, "cudaMalloc");
}

SIM_EXPORT int cudaMallocManaged(void** out, size_t bytes, unsigned) {
  if (int error = check_devices()) return error;
  if (int error = check_safe("cudaMallocManaged")) return error;
  return allocate(out, bytes, Kind::managed, current_device(), nullptr, "cudaMallocManaged");
}

SIM_EXPORT int cudaFree(void* pointer) {
  if (int error = check_devices()) return error;
  if (!pointer) return kSuccess;
  if (int error = check_safe("cudaFree")) return error;
  return release(pointer, "cudaFree");
}

static int allocate_in_order(void** out, size_t bytes, Pool* pool, void* handle, const char* call) {
  int error = kSuccess;
  Stream* stream = find_stream(handle, &error);
  if (!stream) return error;
  if (capturing(stream)) {
    break_capture(stream->capture);
    return fail(kCaptureUnsupported, "%s while capturing: the sim records no allocations in graphs; allocate before",
        call);
  }
  Guard guard(lock());
  if (!pool) pool = device(stream->device).pool;
  return allocate(out, bytes, Kind::device, pool->device, pool, call);
}

SIM_EXPORT int cudaMallocAsync(void** out, size_t bytes, void* stream) {
  return allocate_in_order(out, bytes, nullptr, stream, "cudaMallocAsync");
}

SIM_EXPORT int cudaMallocFromPoolAsync(void** out, size_t bytes, void* pool, void* stream) {
  if (!pool) return fail(kInvalidValue, "cudaMallocFromPoolAsync: no pool");
  return allocate_in_order(out, bytes, (Pool*)pool, stream, "cudaMallocFromPoolAsync");
}

SIM_EXPORT int cudaFreeAsync(void* pointer, void* handle) {
  int error = kSuccess;
  Stream* stream = find_stream(handle, &error);
  if (!stream) return error;
  if (capturing(stream)) {
    break_capture(stream->capture);
    return fail(kCaptureUnsupported, "cudaFreeAsync while capturing: the sim records no allocations in graphs");
  }
  return release(pointer, "cudaFreeAsync");
}

SIM_EXPORT int cudaHostAlloc(void** out, size_t bytes, unsigned) {
  if (int error = check_devices()) return error;
  if (int error = check_safe("cudaHostAlloc")) return error;
  if (!out) return fail(kInvalidValue);
  *out = nullptr;
  if (!bytes) return kSuccess;
  if (posix_memalign(out, 4096, bytes)) return fail(kOutOfMemory, "%zu bytes of pinned host memory", bytes);
  add_allocation({(uintptr_t)*out, bytes, Kind::pinned, current_device(), nullptr});
  return kSuccess;
}

SIM_EXPORT int cudaMallocHost(void** out, size_t bytes) { return cudaHostAlloc(out, bytes, 0); }

SIM_EXPORT int cudaFreeHost(void* pointer) {
  if (!pointer) return kSuccess;
  if (int error = check_safe("cudaFreeHost")) return error;
  Guard guard(lock());
  auto found = allocations().find((uintptr_t)pointer);
  if (found == allocations().end() || found->second.kind != Kind::pinned)
    return fail(kInvalidValue, "cudaFreeHost of %p, which cudaHostAlloc did not give", pointer);
  allocations().erase(found);
  free(pointer);
  return kSuccess;
}

SIM_EXPORT int cudaHostRegister(void* pointer, size_t bytes, unsigned) {
  if (int error = check_devices()) return error;
  if (int error = check_safe("cudaHostRegister")) return error;
  if (!pointer || !bytes) return fail(kInvalidValue);
  Guard guard(lock());
  auto next = allocations().lower_bound((uintptr_t)pointer + bytes);
  if (next != allocations().begin() &&
      std::prev(next)->second.start + std::prev(next)->second.bytes > (uintptr_t)pointer)
    return fail(kHostRegistered, "cudaHostRegister of %zu bytes at %p", bytes, pointer);
  add_allocation({(uintptr_t)pointer, bytes, Kind::registered, current_device(), nullptr});
  return kSuccess;
}

SIM_EXPORT int cudaHostUnregister(void* pointer) {
  if (int error = check_safe("cudaHostUnregister")) return error;
  Guard guard(lock());
  auto found = allocations().find((uintptr_t)pointer);
  if (found == allocations().end() || found->second.kind != Kind::registered) return fail(kHostNotRegistered);
  allocations().erase(found);
  return kSuccess;
}

SIM_EXPORT int cudaHostGetDevicePointer(void** out, void* host, unsigned) {
  Allocation found;
  if (!find_allocation(host, &found) || !host_kind(found.kind)) return fail(kInvalidValue);
  *out = host;
  return kSuccess;
}

SIM_EXPORT int cudaPointerGetAttributes(PointerAttributes* out, const void* pointer) {
  if (!out) return fail(kInvalidValue);
  if (int error = check_devices()) return error;
  void* address = const_cast<void*>(pointer);
  Allocation found;
  bool known = find_allocation(pointer, &found) && (uintptr_t)pointer < found.start + found.bytes;
  if (!known) {
    *out = {kUnregistered, -2, nullptr, address};  // -2: cudaInvalidDeviceId
    return kSuccess;
  }
  int type = host_kind(found.kind) ? kHostMemory : found.kind == Kind::managed ? kManagedMemory : kDeviceMemory;
  *out = {type, found.device, address, type == kDeviceMemory ? nullptr : address};
  return kSuccess;
}

SIM_EXPORT int cudaMemGetInfo(size_t* free_bytes, size_t* total) {
  if (int error = check_devices()) return error;
  Guard guard(lock());
  size_t capacity = device_capacity(), used = device(current_device()).used;
  if (free_bytes) *free_bytes = used < capacity ? capacity - used : 0;
  if (total) *total = capacity;
  return kSuccess;
}

// Hints about managed memory, which host and device share here anyway. CUDA 12 and 13 differ in what follows the size.
SIM_EXPORT int cudaMemPrefetchAsync(const void* pointer, size_t bytes) {
  return check_device_memory("cudaMemPrefetchAsync", pointer, bytes, -1);
}
SIM_EXPORT int cudaMemAdvise(const void* pointer, size_t bytes) {
  return check_device_memory("cudaMemAdvise", pointer, bytes, -1);
}
