// pools.cpp: memory pools: accounts of what was allocated through them. Freed memory goes back to the device at once.
#include "state.h"

using namespace sim_driver;

namespace {

const int kReuseFirst = 1, kReuseLast = 3, kReleaseThreshold = 4, kFirstAmount = 5, kLastAmount = 8;

// The pools that cudaMemPoolCreate made and cudaMemPoolDestroy has not taken.
std::set<Pool*>& made_pools() {
  static auto* pools = new std::set<Pool*>;
  return *pools;
}

Pool* find_pool(void* handle) {
  Guard guard(lock());
  for (int index = 0; index < device_count(); ++index)
    if (handle == &device(index).default_pool) return (Pool*)handle;
  return made_pools().count((Pool*)handle) ? (Pool*)handle : nullptr;
}

int no_pool(const char* call) { return fail(kInvalidValue, "%s: no such memory pool", call); }

}  // namespace

SIM_EXPORT int cudaDeviceGetDefaultMemPool(void** out, int index) {
  if (!valid_device(index)) return fail(kInvalidDevice);
  *out = &device(index).default_pool;
  return kSuccess;
}

SIM_EXPORT int cudaDeviceGetMemPool(void** out, int index) {
  if (!valid_device(index)) return fail(kInvalidDevice);
  *out = device(index).pool;
  return kSuccess;
}

SIM_EXPORT int cudaDeviceSetMemPool(int index, void* handle) {
  if (!valid_device(index)) return fail(kInvalidDevice);
  Pool* pool = find_pool(handle);
  if (!pool || pool->device != index) return no_pool("cudaDeviceSetMemPool");
  device(index).pool = pool;
  return kSuccess;
}

SIM_EXPORT int cudaMemPoolCreate(void** out, const PoolProperties* properties) {
  if (int error = check_devices()) return error;
  if (!out || !properties || properties->location_type != 1 || !valid_device(properties->location))
    return fail(kInvalidValue, "cudaMemPoolCreate: a pool lies on a device");
  Guard guard(lock());
  Pool* pool = new Pool();
  pool->device = properties->location;
  made_pools().insert(pool);
  *out = pool;
  return kSuccess;
}

SIM_EXPORT int cudaMemPoolDestroy(void* handle) {
  Guard guard(lock());
  Pool* pool = find_pool(handle);
  if (!pool || !made_pools().erase(pool)) return no_pool("cudaMemPoolDestroy");
  if (device(pool->device).pool == pool) device(pool->device).pool = &device(pool->device).default_pool;
  // Allocations may outlive their pool and still count down in it: a destroyed pool is left where it is.
  return kSuccess;
}

SIM_EXPORT int cudaMemPoolTrimTo(void* handle, size_t) {
  return find_pool(handle) ? kSuccess : no_pool("cudaMemPoolTrimTo");
}

SIM_EXPORT int cudaMemPoolGetAttribute(void* handle, int attribute, void* value) {
  Guard guard(lock());
  Pool* pool = find_pool(handle);
  if (!pool) return no_pool("cudaMemPoolGetAttribute");
  if (attribute < kReuseFirst || attribute > kLastAmount) return fail(kInvalidValue);
  if (attribute <= kReuseLast)
    *(int*)value = (int)pool->values[attribute];
  else
    *(uint64_t*)value = pool->values[attribute];
  return kSuccess;
}

SIM_EXPORT int cudaMemPoolSetAttribute(void* handle, int attribute, void* value) {
  Guard guard(lock());
  Pool* pool = find_pool(handle);
  if (!pool) return no_pool("cudaMemPoolSetAttribute");
  bool high = attribute == kFirstAmount + 1 || attribute == kLastAmount;
  if (attribute >= kReuseFirst && attribute <= kReuseLast)
    pool->values[attribute] = *(int*)value;
  else if (attribute == kReleaseThreshold)
    pool->values[attribute] = *(uint64_t*)value;
  else if (high && *(uint64_t*)value == 0)
    pool->values[attribute] = pool->values[attribute - 1];
  else
    return fail(kInvalidValue, "cudaMemPoolSetAttribute: attribute %d cannot be set to this", attribute);
  return kSuccess;
}
