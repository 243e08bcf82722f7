// properties.cpp: what the emulated device says of itself: an A100's limits under a name that nobody takes for a GPU's.
#include <cstdio>
#include <cstring>

#include "state.h"

namespace sim_driver {

int device_attribute(int attribute, int index) {
  switch (attribute) {
    case 1: case 2: case 3: return kThreadsPerBlock;  // threads of a block, in x, in y
    case 4: return 64;                                // in z
    case 5: return 2147483647;                        // blocks of a grid in x
    case 6: case 7: return 65535;
    case 8: return kSharedPerBlock;
    case 9: return 65536;  // constant memory
    case 10: return kWarp;
    case 11: return 2147483647;  // pitch
    case 12: case 82: return kRegisters;
    case 13: return 1410000;                   // clock, kHz
    case 14: return 512;                       // texture alignment
    case 16: return kMultiprocessors;
    case 15: case 19: case 31: case 41: return 1;  // overlap, mapped host memory, concurrent kernels, one address space
    case 30: return 512;
    case 33: return index + 1;  // PCI bus
    case 36: return 1215000;
    case 37: return 5120;
    case 38: return 40 << 20;
    case 39: return kThreadsPerMultiprocessor;
    case 40: return 3;
    case 51: return 32;
    case 75: return kCapability[0];
    case 76: return kCapability[1];
    case 78: case 79: case 80: case 83: case 90: return 1;  // priorities, caches, managed memory, preemption
    case 81: return kSharedPerMultiprocessor;
    case 87: return 2;
    case 91: case 99: return 1;  // registered host memory
    case 95: return 0;           // cooperative launch
    case 97: return kSharedOptIn;
    case 106: return kBlocksPerMultiprocessor;
    case 111: return kReservedShared;
    case 115: return 1;  // memory pools
    default: return 0;
  }
}

namespace {

// What both layouts have.
template <class Properties>
void fill(Properties* out, int index) {
  memset(out, 0, sizeof *out);
  snprintf(out->name, sizeof out->name, "gpudl sim (emulated CUDA device, runs on the CPU)");
  memcpy(out->uuid, "gpudl-sim-device", 16);
  out->uuid[15] = (char)index;
  out->totalGlobalMem = device_capacity();
  out->sharedMemPerBlock = kSharedPerBlock;
  out->sharedMemPerBlockOptin = kSharedOptIn;
  out->sharedMemPerMultiprocessor = kSharedPerMultiprocessor;
  out->reservedSharedMemPerBlock = kReservedShared;
  out->regsPerBlock = out->regsPerMultiprocessor = kRegisters;
  out->warpSize = kWarp;
  out->memPitch = 2147483647;
  out->maxThreadsPerBlock = kThreadsPerBlock;
  out->maxThreadsPerMultiProcessor = kThreadsPerMultiprocessor;
  out->maxBlocksPerMultiProcessor = kBlocksPerMultiprocessor;
  for (int axis = 0; axis < 3; ++axis) {
    out->maxThreadsDim[axis] = device_attribute(2 + axis, index);
    out->maxGridSize[axis] = device_attribute(5 + axis, index);
  }
  out->totalConstMem = 65536;
  out->major = kCapability[0];
  out->minor = kCapability[1];
  out->textureAlignment = out->surfaceAlignment = 512;
  out->texturePitchAlignment = 32;
  out->multiProcessorCount = kMultiprocessors;
  out->canMapHostMemory = out->concurrentKernels = out->unifiedAddressing = 1;
  out->pciBusID = index + 1;
  out->asyncEngineCount = 3;
  out->memoryBusWidth = 5120;
  out->l2CacheSize = 40 << 20;
  out->streamPrioritiesSupported = out->globalL1CacheSupported = out->localL1CacheSupported = 1;
  out->managedMemory = out->computePreemptionSupported = 1;
  out->canUseHostPointerForRegisteredMem = out->hostRegisterSupported = out->memoryPoolsSupported = 1;
}

int check(const void* out, int index) {
  if (!valid_device(index)) return fail(kInvalidDevice, "device %d of %d", index, device_count());
  return out ? kSuccess : fail(kInvalidValue);
}

}  // namespace
}  // namespace sim_driver

using namespace sim_driver;

// CUDA 12's cudaGetDeviceProperties is this symbol.
SIM_EXPORT int cudaGetDeviceProperties_v2(DeviceProperties12* out, int index) {
  if (int error = check(out, index)) return error;
  fill(out, index);
  out->clockRate = device_attribute(13, index);
  out->memoryClockRate = device_attribute(36, index);
  out->deviceOverlap = 1;
  out->singleToDoublePrecisionPerfRatio = 2;
  return kSuccess;
}

// CUDA 13 has the plain symbol, with its own layout.
SIM_EXPORT int cudaGetDeviceProperties(DeviceProperties13* out, int index) {
  if (int error = check(out, index)) return error;
  fill(out, index);
  return kSuccess;
}

SIM_EXPORT int cudaDeviceGetAttribute(int* value, int attribute, int index) {
  if (int error = check(value, index)) return error;
  if (attribute < 1) return fail(kInvalidValue, "device attribute %d", attribute);
  *value = device_attribute(attribute, index);
  return kSuccess;
}

SIM_EXPORT int cudaDeviceGetP2PAttribute(int* value, int attribute, int from, int to) {
  if (!valid_device(from) || !valid_device(to)) return fail(kInvalidDevice);
  *value = attribute == 2 ? from != to : 0;  // cudaDevP2PAttrAccessSupported
  return kSuccess;
}
