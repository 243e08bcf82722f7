// contexts.cpp: the driver's view of devices: one context each, which is the device itself, and entry points by name.
#include <dlfcn.h>

#include <cstdio>
#include <cstring>

#include "state.h"

using namespace sim_driver;

extern "C" int cudaSetDevice(int index);
extern "C" int cudaDeviceSynchronize();

namespace {

thread_local std::vector<int> pushed;  // the devices under the current one

int context_device(void* context) {
  for (int index = 0; index < device_count(); ++index)
    if (&device(index) == context) return index;
  return -1;
}

int no_context(const char* call) { return fail(kInvalidContext, "%s: no such context", call); }

}  // namespace

SIM_EXPORT int cuInit(unsigned flags) { return flags ? fail(kInvalidValue) : check_devices(); }
SIM_EXPORT int cuDriverGetVersion(int* version) { return *version = sim_cuda_version(), kSuccess; }

SIM_EXPORT int cuDeviceGetCount(int* count) {
  *count = device_count();
  return kSuccess;
}

SIM_EXPORT int cuDeviceGet(int* out, int index) {
  if (!valid_device(index)) return fail(kInvalidDevice, "device %d of %d", index, device_count());
  *out = index;
  return kSuccess;
}

SIM_EXPORT int cuDeviceGetName(char* name, int length, int index) {
  if (!valid_device(index) || length < 1) return fail(kInvalidDevice);
  snprintf(name, (size_t)length, "gpudl sim (emulated CUDA device, runs on the CPU)");
  return kSuccess;
}

SIM_EXPORT int cuDeviceTotalMem_v2(size_t* bytes, int index) {
  if (!valid_device(index)) return fail(kInvalidDevice);
  *bytes = device_capacity();
  return kSuccess;
}

SIM_EXPORT int cuDeviceGetAttribute(int* value, int attribute, int index) {
  if (!valid_device(index)) return fail(kInvalidDevice);
  *value = device_attribute(attribute, index);
  return kSuccess;
}

SIM_EXPORT int cuDevicePrimaryCtxRetain(void** context, int index) {
  if (!valid_device(index)) return fail(kInvalidDevice);
  *context = &device(index);
  return kSuccess;
}

SIM_EXPORT int cuDevicePrimaryCtxRelease_v2(int index) { return valid_device(index) ? kSuccess : fail(kInvalidDevice); }
SIM_EXPORT int cuDevicePrimaryCtxRelease(int index) { return cuDevicePrimaryCtxRelease_v2(index); }

SIM_EXPORT int cuDevicePrimaryCtxGetState(int index, unsigned* flags, int* active) {
  if (!valid_device(index)) return fail(kInvalidDevice);
  *flags = 0;
  *active = 1;
  return kSuccess;
}

SIM_EXPORT int cuCtxGetCurrent(void** context) {
  if (int error = check_devices()) return error;
  *context = &device(current_device());
  return kSuccess;
}

SIM_EXPORT int cuCtxSetCurrent(void* context) {
  int index = context ? context_device(context) : 0;
  return index < 0 ? no_context("cuCtxSetCurrent") : cudaSetDevice(index);
}

SIM_EXPORT int cuCtxPushCurrent_v2(void* context) {
  int index = context_device(context);
  if (index < 0) return no_context("cuCtxPushCurrent");
  pushed.push_back(current_device());
  return cudaSetDevice(index);
}

SIM_EXPORT int cuCtxPopCurrent_v2(void** context) {
  if (pushed.empty()) return no_context("cuCtxPopCurrent");
  if (context) *context = &device(current_device());
  int below = pushed.back();
  pushed.pop_back();
  return cudaSetDevice(below);
}

SIM_EXPORT int cuCtxGetDevice(int* index) {
  if (int error = check_devices()) return error;
  *index = current_device();
  return kSuccess;
}

SIM_EXPORT int cuStreamGetCtx(void* handle, void** context) {
  int error = kSuccess;
  Stream* stream = find_stream(handle, &error);
  if (stream) *context = &device(stream->device);
  return error;
}

SIM_EXPORT int cuCtxSynchronize() { return cudaDeviceSynchronize(); }

// A context of one's own would be a second owner of the device, which nothing here needs.
SIM_EXPORT int cuCtxCreate(void**, unsigned, int) {
  return fail(kNotSupported, "cuCtxCreate: the sim has the primary context of each device alone");
}
SIM_EXPORT int cuCtxCreate_v2(void** context, unsigned flags, int index) { return cuCtxCreate(context, flags, index); }
SIM_EXPORT int cuCtxCreate_v4(void** context, void*, unsigned flags, int index) {
  return cuCtxCreate(context, flags, index);
}
SIM_EXPORT int cuCtxDestroy(void*) { return no_context("cuCtxDestroy"); }
SIM_EXPORT int cuCtxDestroy_v2(void*) { return no_context("cuCtxDestroy"); }

// The newest form that is here under a driver function's name.
SIM_EXPORT int cuGetProcAddress_v2(const char* name, void** out, int, uint64_t, int* status) {
  if (!name || !out) return fail(kInvalidValue);
  static void* self = [] {
    Dl_info info;
    return dladdr((void*)&cuInit, &info) ? dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD) : nullptr;
  }();
  *out = nullptr;
  for (const char* suffix : {"_v4", "_v2", ""})
    if (self && !*out) *out = dlsym(self, (std::string(name) + suffix).c_str());
  if (status) *status = *out ? 0 : 1;  // found; symbol not found
  return *out ? kSuccess : fail(kNotFound, "cuGetProcAddress: the sim's driver has no '%s'", name);
}
SIM_EXPORT int cuGetProcAddress(const char* name, void** out, int version, uint64_t flags) {
  return cuGetProcAddress_v2(name, out, version, flags, nullptr);
}
