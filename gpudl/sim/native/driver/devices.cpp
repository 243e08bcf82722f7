// devices.cpp: how many devices there are, which one is current, what one of them may reach, limits and settings.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "state.h"

namespace sim_driver {

Counters counters;

namespace {

const int kMostDevices = 16;
thread_local int thread_device = 0;
std::atomic<int> cuda_version{12090};
SimOptions all_options = {SIM_FORWARD, 0, 60000};

int read_device_count() {
  const char* text = getenv("GPUDL_SIM_DEVICES");
  if (!text || !*text) return 1;
  char* end;
  long count = strtol(text, &end, 10);
  return *end || count < 0 || count > kMostDevices ? -1 : (int)count;
}

// Never destroyed: Python's exit still frees arrays after static destructors would have run.
std::vector<Device*>& devices() {
  static std::vector<Device*>* all = [] {
    auto* made = new std::vector<Device*>;
    for (int index = 0; index < device_count(); ++index) {
      Device* one = new Device();
      one->index = index;
      one->legacy = new Stream();
      one->legacy->device = index;
      one->legacy->legacy = true;
      one->default_pool.device = index;
      one->pool = &one->default_pool;
      const size_t limits[8] = {1024, 1 << 20, 8 << 20, 0, 2048, 128, 0, 0};
      memcpy(one->limits, limits, sizeof limits);
      made->push_back(one);
    }
    return made;
  }();
  return *all;
}

}  // namespace

std::recursive_mutex& lock() {
  static auto* mutex = new std::recursive_mutex;
  return *mutex;
}

int device_count() {
  static int count = read_device_count();
  return count < 0 ? 0 : count;
}

int check_devices() {
  static int count = read_device_count();
  if (count < 0)
    return fail(kNotInitialized, "GPUDL_SIM_DEVICES is '%s'; give a number of devices from 0 to %d",
                getenv("GPUDL_SIM_DEVICES"), kMostDevices);
  return count ? kSuccess : fail(kNoDevice, "GPUDL_SIM_DEVICES is 0");
}

Device& device(int index) { return *devices()[index]; }
int current_device() { return thread_device; }
bool valid_device(int index) { return index >= 0 && index < device_count(); }
size_t device_capacity() { return sim_memory_total() / (device_count() ? device_count() : 1); }

SimOptions options() {
  Guard guard(lock());
  return all_options;
}

}  // namespace sim_driver

using namespace sim_driver;

SIM_EXPORT int sim_current_device(void) { return current_device(); }

SIM_EXPORT void sim_set_cuda_version(int version) { cuda_version = version; }
SIM_EXPORT int sim_cuda_version(void) { return cuda_version; }

SIM_EXPORT void sim_set_options(const SimOptions* given) {
  Guard guard(lock());
  all_options = *given;
}

SIM_EXPORT void sim_counters(SimCounters* out) {
  *out = {counters.launches, counters.host_to_device, counters.device_to_host, counters.device_to_device,
          counters.bytes_host_to_device, counters.bytes_device_to_host, counters.synchronizations,
          counters.allocations, counters.graph_launches, counters.library_calls};
}

SIM_EXPORT int cudaGetDeviceCount(int* count) {
  *count = device_count();
  return check_devices();
}

SIM_EXPORT int cudaGetDevice(int* index) {
  if (int error = check_devices()) return error;
  *index = current_device();
  return kSuccess;
}

SIM_EXPORT int cudaSetDevice(int index) {
  if (int error = check_devices()) return error;
  if (!valid_device(index))
    return fail(kInvalidDevice, "device %d of %d; GPUDL_SIM_DEVICES sets how many there are", index, device_count());
  thread_device = index;
  return kSuccess;
}

SIM_EXPORT int cudaInitDevice(int index, unsigned,
    unsigned) { return valid_device(index) ? kSuccess : fail(kInvalidDevice); }
SIM_EXPORT int cudaGetDeviceFlags(unsigned* flags) { return *flags = 0, kSuccess; }
SIM_EXPORT int cudaSetDeviceFlags(unsigned) { return kSuccess; }
SIM_EXPORT int cudaSetValidDevices(int*, int) { return kSuccess; }
SIM_EXPORT int cudaDriverGetVersion(int* version) { return *version = sim_cuda_version(), kSuccess; }
SIM_EXPORT int cudaRuntimeGetVersion(int* version) { return *version = sim_cuda_version(), kSuccess; }
SIM_EXPORT int cudaProfilerStart() { return kSuccess; }
SIM_EXPORT int cudaProfilerStop() { return kSuccess; }

SIM_EXPORT int cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  if (least) *least = 0;
  if (greatest) *greatest = -5;
  return kSuccess;
}

SIM_EXPORT int cudaDeviceGetLimit(size_t* value, int limit) {
  if (int error = check_devices()) return error;
  if (limit < 0 || limit > 6) return fail(kUnsupportedLimit);
  *value = device(current_device()).limits[limit];
  return kSuccess;
}

SIM_EXPORT int cudaDeviceSetLimit(int limit, size_t value) {
  if (int error = check_devices()) return error;
  if (limit < 0 || limit > 6) return fail(kUnsupportedLimit);
  device(current_device()).limits[limit] = value;
  return kSuccess;
}

SIM_EXPORT int cudaDeviceCanAccessPeer(int* can, int index, int peer) {
  if (!valid_device(index) || !valid_device(peer)) return fail(kInvalidDevice);
  *can = index != peer;
  return kSuccess;
}

SIM_EXPORT int cudaDeviceEnablePeerAccess(int peer, unsigned flags) {
  if (!valid_device(peer) || peer == current_device()) return fail(kInvalidDevice);
  if (flags) return fail(kInvalidValue);
  Guard guard(lock());
  return device(current_device()).peers.insert(peer).second ? kSuccess : fail(kPeerAccessEnabled);
}

SIM_EXPORT int cudaDeviceDisablePeerAccess(int peer) {
  if (!valid_device(peer)) return fail(kInvalidDevice);
  Guard guard(lock());
  return device(current_device()).peers.erase(peer) ? kSuccess : fail(kPeerAccessNotEnabled);
}

SIM_EXPORT int cudaDeviceGetPCIBusId(char* text, int length, int index) {
  if (!valid_device(index)) return fail(kInvalidDevice);
  if (length < 13) return fail(kInvalidValue, "the bus id needs 13 characters, there are %d", length);
  snprintf(text, length, "0000:%02X:00.0", index + 1);
  return kSuccess;
}

SIM_EXPORT int cudaDeviceGetByPCIBusId(int* index, const char* text) {
  unsigned domain = 0, bus = 0;
  if (sscanf(text, "%x:%x:", &domain, &bus) != 2 || domain || !valid_device((int)bus - 1))
    return fail(kInvalidDevice, "no device has the bus id '%s'", text);
  *index = (int)bus - 1;
  return kSuccess;
}
