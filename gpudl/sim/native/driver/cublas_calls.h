// cublas_calls.h: what all of cuBLAS' functions share: the handle, scalars on the host or the device, checks of
// operands.
#pragma once
#include <string>
#include <utility>

#include "abi.h"
#include "cublas_types.h"
#include "driver.h"

namespace blas __attribute__((visibility("hidden"))) {

enum Status : int {
  kOk = 0,
  kNoHandle = 1,
  kBadValue = 7,
  kFailed = 13,
  kUnsupported = 15,
};
const uint32_t kMagic = 0x73696d62;

struct Handle {
  uint32_t magic = kMagic;
  void* stream = nullptr;
  int device_scalars = 0;  // CUBLAS_POINTER_MODE_DEVICE
  int math_mode = 0;
  int atomics = 0;
};

inline Handle* checked(void* handle) {
  Handle* known = (Handle*)handle;
  return known && known->magic == kMagic ? known : nullptr;
}

template <class... Arguments>
int refuse(int status, const char* format, Arguments... arguments) {
  sim_complain(format, arguments...);
  return status;
}

// Runs work on the handle's stream, or records it there. Work returns a CUDA error.
template <class Work>
int enqueue(Handle* handle, const char* name, Work work) {
  int error = sim_library_call(
      handle->stream, name, [](void* state) { return (*(Work*)state)(); }, new Work(std::move(work)),
      [](void* state) { delete (Work*)state; });
  if (!error) return kOk;
  std::string reason = sim_last_error();
  return refuse(kFailed, "%s: %s", name, reason.c_str());
}

// alpha or beta: its value if it lies on the host, its address if on the device, where it is read when the work runs.
template <class T>
struct Scalar {
  T value = T();
  const T* address = nullptr;
  T get() const { return address ? *address : value; }
};

template <class T>
bool read_scalar(Handle* handle, const char* name, const char* operand, const void* given, Scalar<T>* out) {
  if (!given) return refuse(0, "%s: %s is null", name, operand);
  if (!handle->device_scalars) {
    memcpy(&out->value, given, sizeof(T));
    return true;
  }
  out->address = (const T*)given;
  return sim_reachable(name, operand, given, sizeof(T)) != 0;
}

// A matrix of BLAS: columns of `rows` elements, `leading` apart.
inline int64_t matrix_bytes(int64_t rows, int64_t columns, int64_t leading, int64_t element) {
  return rows > 0 && columns > 0 ? ((columns - 1) * leading + rows) * element : 0;
}

inline bool matrix_fits(const char* name, const char* operand, const void* at, int64_t rows, int64_t columns,
                        int64_t leading, int64_t element) {
  int64_t bytes = matrix_bytes(rows, columns, leading, element);
  return !bytes || sim_reachable(name, operand, at, (size_t)bytes);
}

inline int64_t vector_bytes(int64_t count, int64_t step, int64_t element) {
  return count > 0 ? ((count - 1) * (step < 0 ? -step : step) + 1) * element : 0;
}

inline bool vector_fits(const char* name, const char* operand, const void* at, int64_t count, int64_t step,
                        int64_t element) {
  int64_t bytes = vector_bytes(count, step, element);
  return !bytes || sim_reachable(name, operand, at, (size_t)bytes);
}

// The first element in BLAS' sense, which for a negative step lies at the end.
template <class T>
T* first_of(T* vector, int64_t count, int64_t step) {
  return step < 0 ? vector + (1 - count) * step : vector;
}

inline int bad_leading(const char* name, const char* operand, int64_t leading, int64_t rows) {
  return refuse(kBadValue, "%s: the leading dimension of %s is %lld, with %lld rows", name, operand, (long long)leading,
                (long long)rows);
}

inline bool valid_operation(int operation) { return operation >= 0 && operation <= 2; }

}  // namespace blas
