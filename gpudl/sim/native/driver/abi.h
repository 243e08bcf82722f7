// abi.h: the names and layouts of CUDA 12 and 13 that CuPy was compiled against. Declared here, since the sim is built
// where no CUDA header is; a test compares them with NVIDIA's headers where those are installed.
#pragma once
#include <cstddef>
#include <cstdint>

#define SIM_EXPORT extern "C" __attribute__((visibility("default")))

// cudaError_t and CUresult: one numbering since CUDA 10.1, as far as both have the error at all.
enum : int {
  kSuccess = 0,
  kInvalidValue = 1,
  kOutOfMemory = 2,
  kNotInitialized = 3,
  kInvalidPitch = 12,
  kInvalidDevicePointer = 17,
  kInvalidMemcpyDirection = 21,
  kNoDevice = 100,
  kInvalidDevice = 101,
  kInvalidImage = 200,
  kInvalidContext = 201,
  kUnsupportedLimit = 215,
  kFileNotFound = 301,
  kOperatingSystem = 304,
  kInvalidHandle = 400,
  kIllegalState = 401,
  kNotFound = 500,
  kNotReady = 600,
  kIllegalAddress = 700,
  kOutOfResources = 701,
  kLaunchTimeout = 702,
  kPeerAccessEnabled = 704,
  kPeerAccessNotEnabled = 705,
  kContextIsDestroyed = 709,
  kAssert = 710,
  kHostRegistered = 712,
  kHostNotRegistered = 713,
  kMisalignedAddress = 716,
  kLaunchFailure = 719,
  kCooperativeTooLarge = 720,
  kNotSupported = 801,
  kCaptureUnsupported = 900,
  kCaptureInvalidated = 901,
  kCaptureMerge = 902,
  kCaptureUnmatched = 903,
  kCaptureUnjoined = 904,
  kCaptureIsolation = 905,
  kCaptureImplicit = 906,
  kCapturedEvent = 907,
  kCaptureWrongThread = 908,
  kUnknown = 999,
};

enum CopyKind : int { kHostToHost, kHostToDevice, kDeviceToHost, kDeviceToDevice, kDefaultKind };
enum MemoryType : int { kUnregistered, kHostMemory, kDeviceMemory, kManagedMemory };
enum CaptureStatus : int { kCaptureNone, kCaptureActive, kCaptureBroken };
enum CaptureMode : int { kGlobalMode, kThreadMode, kRelaxedMode };
enum NodeType : int { kKernelNode, kCopyNode, kSetNode, kHostNode, kGraphNode, kEmptyNode, kWaitNode, kRecordNode };

const int kStreamNonBlocking = 1;
const int kEventDisableTiming = 2;
const int kEventRecordExternal = 1;
const uintptr_t kLegacyStream = 1, kThreadStream = 2;  // handles with a meaning of their own; 0 is the legacy stream

struct PointerAttributes {  // cudaPointerAttributes
  int type;
  int device;
  void* device_pointer;
  void* host_pointer;
};

struct PoolProperties {  // cudaMemPoolProps
  int allocation_type, handle_types;
  int location_type, location;
  void* security;
  size_t max_size;
  unsigned short usage;
  unsigned char reserved[54];
};

struct InstantiateParameters {  // cudaGraphInstantiateParams
  unsigned long long flags;
  void* upload_stream;
  void* error_node;
  int result;
};

// cudaDeviceProp, field by field under NVIDIA's names. CUDA 13 took out the fields marked ONLY_12 and put what it added
// into the reserve at the end.
#define SIM_PROPERTIES(FIELD, ARRAY, ONLY_12) \
  ARRAY(char, name, 256) ARRAY(char, uuid, 16) ARRAY(char, luid, 8) FIELD(unsigned, luidDeviceNodeMask) \
  FIELD(size_t, totalGlobalMem) FIELD(size_t, sharedMemPerBlock) FIELD(int, regsPerBlock) FIELD(int, warpSize) \
  FIELD(size_t, memPitch) FIELD(int, maxThreadsPerBlock) ARRAY(int, maxThreadsDim, 3) ARRAY(int, maxGridSize, 3) \
  ONLY_12(int, clockRate) FIELD(size_t, totalConstMem) FIELD(int, major) FIELD(int, minor) \
  FIELD(size_t, textureAlignment) FIELD(size_t, texturePitchAlignment) ONLY_12(int, deviceOverlap) \
  FIELD(int, multiProcessorCount) ONLY_12(int, kernelExecTimeoutEnabled) FIELD(int, integrated) \
  FIELD(int, canMapHostMemory) ONLY_12(int, computeMode) FIELD(int, maxTexture1D) FIELD(int, maxTexture1DMipmap) \
  ONLY_12(int, maxTexture1DLinear) ARRAY(int, maxTexture2D, 2) ARRAY(int, maxTexture2DMipmap, 2) \
  ARRAY(int, maxTexture2DLinear, 3) ARRAY(int, maxTexture2DGather, 2) ARRAY(int, maxTexture3D, 3) \
  ARRAY(int, maxTexture3DAlt, 3) FIELD(int, maxTextureCubemap) ARRAY(int, maxTexture1DLayered, 2) \
  ARRAY(int, maxTexture2DLayered, 3) ARRAY(int, maxTextureCubemapLayered, 2) FIELD(int, maxSurface1D) \
  ARRAY(int, maxSurface2D, 2) ARRAY(int, maxSurface3D, 3) ARRAY(int, maxSurface1DLayered, 2) \
  ARRAY(int, maxSurface2DLayered, 3) FIELD(int, maxSurfaceCubemap) ARRAY(int, maxSurfaceCubemapLayered, 2) \
  FIELD(size_t, surfaceAlignment) FIELD(int, concurrentKernels) FIELD(int, ECCEnabled) FIELD(int, pciBusID) \
  FIELD(int, pciDeviceID) FIELD(int, pciDomainID) FIELD(int, tccDriver) FIELD(int, asyncEngineCount) \
  FIELD(int, unifiedAddressing) ONLY_12(int, memoryClockRate) FIELD(int, memoryBusWidth) FIELD(int, l2CacheSize) \
  FIELD(int, persistingL2CacheMaxSize) FIELD(int, maxThreadsPerMultiProcessor) \
  FIELD(int, streamPrioritiesSupported) FIELD(int, globalL1CacheSupported) FIELD(int, localL1CacheSupported) \
  FIELD(size_t, sharedMemPerMultiprocessor) FIELD(int, regsPerMultiprocessor) FIELD(int, managedMemory) \
  FIELD(int, isMultiGpuBoard) FIELD(int, multiGpuBoardGroupID) FIELD(int, hostNativeAtomicSupported) \
  ONLY_12(int, singleToDoublePrecisionPerfRatio) FIELD(int, pageableMemoryAccess) \
  FIELD(int, concurrentManagedAccess) FIELD(int, computePreemptionSupported) \
  FIELD(int, canUseHostPointerForRegisteredMem) FIELD(int, cooperativeLaunch) \
  ONLY_12(int, cooperativeMultiDeviceLaunch) FIELD(size_t, sharedMemPerBlockOptin) \
  FIELD(int, pageableMemoryAccessUsesHostPageTables) FIELD(int, directManagedMemAccessFromHost) \
  FIELD(int, maxBlocksPerMultiProcessor) FIELD(int, accessPolicyMaxWindowSize) \
  FIELD(size_t, reservedSharedMemPerBlock) FIELD(int, hostRegisterSupported) FIELD(int, sparseCudaArraySupported) \
  FIELD(int, hostRegisterReadOnlySupported) FIELD(int, timelineSemaphoreInteropSupported) \
  FIELD(int, memoryPoolsSupported) FIELD(int, gpuDirectRDMASupported) \
  FIELD(unsigned, gpuDirectRDMAFlushWritesOptions) FIELD(int, gpuDirectRDMAWritesOrdering) \
  FIELD(unsigned, memoryPoolSupportedHandleTypes) FIELD(int, deferredMappingCudaArraySupported) \
  FIELD(int, ipcEventSupported) FIELD(int, clusterLaunch) FIELD(int, unifiedFunctionPointers) \
  ARRAY(int, reserved, 63)

#define SIM_DECLARE(type, name) type name;
#define SIM_DECLARE_ARRAY(type, name, count) type name[count];
#define SIM_LEAVE_OUT(type, name)
struct DeviceProperties12 {
  SIM_PROPERTIES(SIM_DECLARE, SIM_DECLARE_ARRAY, SIM_DECLARE)
};
struct DeviceProperties13 {
  SIM_PROPERTIES(SIM_DECLARE, SIM_DECLARE_ARRAY, SIM_LEAVE_OUT)
};
#undef SIM_DECLARE
#undef SIM_DECLARE_ARRAY
#undef SIM_LEAVE_OUT
