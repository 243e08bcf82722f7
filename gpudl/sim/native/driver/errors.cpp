// errors.cpp: CUDA's error codes, their names and words, and what this thread did wrong last.
#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "state.h"

namespace sim_driver {
namespace {

struct ErrorText {
  int code;
  const char* runtime_name;
  const char* driver_name;
  const char* text;
};

const ErrorText kErrors[] = {
    {kSuccess, "cudaSuccess", "CUDA_SUCCESS", "no error"},
    {kInvalidValue, "cudaErrorInvalidValue", "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {kOutOfMemory, "cudaErrorMemoryAllocation", "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {kNotInitialized, "cudaErrorInitializationError", "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {kInvalidPitch, "cudaErrorInvalidPitchValue", "CUDA_ERROR_UNKNOWN", "invalid pitch argument"},
    {kInvalidDevicePointer, "cudaErrorInvalidDevicePointer", "CUDA_ERROR_UNKNOWN", "invalid device pointer"},
    {kInvalidMemcpyDirection, "cudaErrorInvalidMemcpyDirection", "CUDA_ERROR_UNKNOWN",
     "invalid copy direction for memcpy"},
    {kNoDevice, "cudaErrorNoDevice", "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {kInvalidDevice, "cudaErrorInvalidDevice", "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {kInvalidImage, "cudaErrorInvalidKernelImage", "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {kInvalidContext, "cudaErrorDeviceUninitialized", "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {kUnsupportedLimit, "cudaErrorUnsupportedLimit", "CUDA_ERROR_UNSUPPORTED_LIMIT", "limit is not supported"},
    {kFileNotFound, "cudaErrorFileNotFound", "CUDA_ERROR_FILE_NOT_FOUND", "file not found"},
    {kOperatingSystem, "cudaErrorOperatingSystem", "CUDA_ERROR_OPERATING_SYSTEM", "OS call failed"},
    {kInvalidHandle, "cudaErrorInvalidResourceHandle", "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {kIllegalState, "cudaErrorIllegalState", "CUDA_ERROR_ILLEGAL_STATE",
     "the operation cannot be performed in the present state"},
    {kNotFound, "cudaErrorSymbolNotFound", "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {kNotReady, "cudaErrorNotReady", "CUDA_ERROR_NOT_READY", "device not ready"},
    {kIllegalAddress, "cudaErrorIllegalAddress", "CUDA_ERROR_ILLEGAL_ADDRESS",
     "an illegal memory access was encountered"},
    {kOutOfResources, "cudaErrorLaunchOutOfResources", "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES",
     "too many resources requested for launch"},
    {kLaunchTimeout, "cudaErrorLaunchTimeout", "CUDA_ERROR_LAUNCH_TIMEOUT",
     "the launch timed out and was terminated"},
    {kPeerAccessEnabled, "cudaErrorPeerAccessAlreadyEnabled", "CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED",
     "peer access is already enabled"},
    {kPeerAccessNotEnabled, "cudaErrorPeerAccessNotEnabled", "CUDA_ERROR_PEER_ACCESS_NOT_ENABLED",
     "peer access has not been enabled"},
    {kContextIsDestroyed, "cudaErrorContextIsDestroyed", "CUDA_ERROR_CONTEXT_IS_DESTROYED", "context is destroyed"},
    {kAssert, "cudaErrorAssert", "CUDA_ERROR_ASSERT", "device-side assert triggered"},
    {kHostRegistered, "cudaErrorHostMemoryAlreadyRegistered", "CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED",
     "part or all of the requested memory range is already mapped"},
    {kHostNotRegistered, "cudaErrorHostMemoryNotRegistered", "CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED",
     "pointer does not correspond to a registered memory region"},
    {kMisalignedAddress, "cudaErrorMisalignedAddress", "CUDA_ERROR_MISALIGNED_ADDRESS", "misaligned address"},
    {kLaunchFailure, "cudaErrorLaunchFailure", "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {kCooperativeTooLarge, "cudaErrorCooperativeLaunchTooLarge", "CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE",
     "too many blocks in cooperative launch"},
    {kNotSupported, "cudaErrorNotSupported", "CUDA_ERROR_NOT_SUPPORTED", "operation not supported"},
    {kCaptureUnsupported, "cudaErrorStreamCaptureUnsupported", "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED",
     "operation not permitted when stream is capturing"},
    {kCaptureInvalidated, "cudaErrorStreamCaptureInvalidated", "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED",
     "operation failed due to a previous error during capture"},
    {kCaptureMerge, "cudaErrorStreamCaptureMerge", "CUDA_ERROR_STREAM_CAPTURE_MERGE",
     "operation would result in a merge of separate capture sequences"},
    {kCaptureUnmatched, "cudaErrorStreamCaptureUnmatched", "CUDA_ERROR_STREAM_CAPTURE_UNMATCHED",
     "capture was not ended in the same stream as it began"},
    {kCaptureUnjoined, "cudaErrorStreamCaptureUnjoined", "CUDA_ERROR_STREAM_CAPTURE_UNJOINED",
     "capturing stream has unjoined work"},
    {kCaptureIsolation, "cudaErrorStreamCaptureIsolation", "CUDA_ERROR_STREAM_CAPTURE_ISOLATION",
     "dependency created on uncaptured work in another stream"},
    {kCaptureImplicit, "cudaErrorStreamCaptureImplicit", "CUDA_ERROR_STREAM_CAPTURE_IMPLICIT",
     "operation would make the legacy stream depend on a capturing blocking stream"},
    {kCapturedEvent, "cudaErrorCapturedEvent", "CUDA_ERROR_CAPTURED_EVENT",
     "operation not permitted on an event last recorded in a capturing stream"},
    {kCaptureWrongThread, "cudaErrorStreamCaptureWrongThread", "CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD",
     "attempt to terminate a thread-local capture sequence from another thread"},
    {kUnknown, "cudaErrorUnknown", "CUDA_ERROR_UNKNOWN", "unknown error"},
};

struct ThreadError {
  int last = kSuccess;      // cudaGetLastError's
  int described = kSuccess;  // the code that the message belongs to
  char message[2400] = "";
};
thread_local ThreadError thread_error;

const ErrorText* find_error(int code) {
  for (const ErrorText& error : kErrors)
    if (error.code == code) return &error;
  return nullptr;
}

}  // namespace

const char* error_name(int code) {
  const ErrorText* error = find_error(code);
  return error ? error->runtime_name : "cudaErrorUnrecognized";
}

const char* error_text(int code) {
  if (code != kSuccess && code == thread_error.described && thread_error.message[0]) return thread_error.message;
  const ErrorText* error = find_error(code);
  return error ? error->text : "unrecognized error code";
}

int remember(int code) {
  if (code != kSuccess) thread_error.last = code;
  return code;
}

int fail(int code) {
  thread_error.described = code;
  thread_error.message[0] = 0;
  return remember(code);
}

int fail(int code, const char* format, ...) {
  const ErrorText* error = find_error(code);
  ThreadError& state = thread_error;
  char message[sizeof state.message];  // an argument may point into the message that stands there
  int length = snprintf(message, sizeof message, "%s: ", error ? error->text : "error");
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message + length, sizeof message - length, format, arguments);
  va_end(arguments);
  memcpy(state.message, message, sizeof message);
  state.described = code;
  return remember(code);
}

}  // namespace sim_driver

using namespace sim_driver;

SIM_EXPORT const char* sim_last_error(void) { return thread_error.message; }

SIM_EXPORT void sim_complain(const char* format, ...) {
  ThreadError& state = thread_error;
  va_list arguments;
  va_start(arguments, format);
  char message[sizeof state.message];  // an argument may be the message that stands there
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  memcpy(state.message, message, sizeof message);
  state.described = kInvalidValue;
  fprintf(stderr, "gpudl sim: %s\n", state.message);
}

SIM_EXPORT int cudaGetLastError() {
  int code = thread_error.last;
  thread_error.last = kSuccess;
  return code;
}

SIM_EXPORT int cudaPeekAtLastError() { return thread_error.last; }
SIM_EXPORT const char* cudaGetErrorName(int code) { return error_name(code); }
SIM_EXPORT const char* cudaGetErrorString(int code) { return error_text(code); }

SIM_EXPORT int cuGetErrorName(int code, const char** name) {
  const ErrorText* error = find_error(code);
  *name = error ? error->driver_name : "CUDA_ERROR_UNKNOWN";
  return error ? kSuccess : kInvalidValue;
}

// The emulator's own report, where this thread's last failed call left one, so that CuPy's exception carries it.
SIM_EXPORT int cuGetErrorString(int code, const char** text) {
  *text = error_text(code);
  return kSuccess;
}
