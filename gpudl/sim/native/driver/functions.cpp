// functions.cpp: what can be asked of a kernel, and how many of its blocks a multiprocessor holds.
#include "state.h"

using namespace sim_driver;

namespace {

enum : int { kMaxThreads, kSharedSize, kConstSize, kLocalSize, kNumRegisters, kPtxVersion, kBinaryVersion, kCacheMode,
             kMaxDynamicShared, kCarveout };
const int kAssumedRegisters = 32;  // the host's compiler knows nothing of a GPU's registers
const int kCapabilityNumber = kCapability[0] * 10 + kCapability[1];

Function* checked(void* handle, int* error) {
  Function* function = find_function(handle);
  *error = function ? kSuccess : fail(kInvalidHandle, "no such kernel, or its module was unloaded");
  return function;
}

}  // namespace

SIM_EXPORT int cuFuncGetAttribute(int* value, int attribute, void* handle) {
  int error = kSuccess;
  Function* function = checked(handle, &error);
  if (!function) return error;
  switch (attribute) {
    case kMaxThreads: *value = kThreadsPerBlock; break;
    case kSharedSize: *value = function->static_bytes; break;
    case kConstSize: case kLocalSize: case kCacheMode: *value = 0; break;
    case kNumRegisters: *value = kAssumedRegisters; break;
    case kPtxVersion: case kBinaryVersion: *value = kCapabilityNumber; break;
    case kMaxDynamicShared: *value = function->dynamic_limit; break;
    case kCarveout: *value = -1; break;
    default: return fail(kInvalidValue, "attribute %d of a kernel", attribute);
  }
  return kSuccess;
}

SIM_EXPORT int cuFuncSetAttribute(void* handle, int attribute, int value) {
  int error = kSuccess;
  Function* function = checked(handle, &error);
  if (!function) return error;
  if (attribute == kCarveout) return value >= -1 && value <= 100 ? kSuccess : fail(kInvalidValue);
  if (attribute != kMaxDynamicShared) return fail(kInvalidValue, "attribute %d of a kernel cannot be set", attribute);
  if (value < 0 || value + function->static_bytes > kSharedOptIn)
    return fail(kInvalidValue, "kernel '%s': %d bytes of dynamic and %d of static shared memory; %d is the limit",
                function->name.c_str(), value, function->static_bytes, kSharedOptIn);
  Guard guard(lock());
  function->dynamic_limit = value;
  return kSuccess;
}

SIM_EXPORT int cuFuncSetCacheConfig(void* handle, int) {
  int error = kSuccess;
  checked(handle, &error);
  return error;
}

SIM_EXPORT int cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, void* handle, int threads, size_t bytes) {
  int error = kSuccess;
  Function* function = checked(handle, &error);
  if (!function) return error;
  if (threads < 1) return fail(kInvalidValue, "a block of %d threads", threads);
  *blocks = blocks_per_multiprocessor(*function, threads, bytes);
  return kSuccess;
}

SIM_EXPORT int cuOccupancyMaxPotentialBlockSize(int* grid, int* block, void* handle, size_t (*shared_bytes)(int),
                                                size_t bytes, int limit) {
  int error = kSuccess;
  Function* function = checked(handle, &error);
  if (!function) return error;
  int largest = limit > 0 && limit < kThreadsPerBlock ? limit : kThreadsPerBlock;
  int best_resident = 0;
  *grid = *block = 0;
  for (int threads = largest; threads > 0; threads = (threads - 1) / kWarp * kWarp) {
    int blocks = blocks_per_multiprocessor(*function, threads, shared_bytes ? shared_bytes(threads) : bytes);
    if (blocks * threads <= best_resident) continue;
    best_resident = blocks * threads;
    *block = threads;
    *grid = blocks * kMultiprocessors;
  }
  return kSuccess;
}

// What a GPU's linker would do: the sim has no machine code to link.
SIM_EXPORT int cuLinkCreate_v2(unsigned, void*, void*, void**) {
  return fail(kNotSupported, "cuLinkCreate: the sim compiles whole CUDA texts and links no GPU code");
}
SIM_EXPORT int cuLinkCreate(unsigned count, void* options, void* values, void** out) {
  return cuLinkCreate_v2(count, options, values, out);
}
SIM_EXPORT int cuLinkAddData() { return fail(kNotSupported, "cuLinkAddData: the sim links no GPU code"); }
SIM_EXPORT int cuLinkAddFile() { return fail(kNotSupported, "cuLinkAddFile: the sim links no GPU code"); }
SIM_EXPORT int cuLinkComplete() { return fail(kNotSupported, "cuLinkComplete: the sim links no GPU code"); }
SIM_EXPORT int cuLinkDestroy() { return kSuccess; }
