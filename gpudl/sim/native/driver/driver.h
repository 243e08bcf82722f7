// driver.h: what the driver stand-in offers to the Python side and to the library stand-ins (cublas.cpp, curand.cpp).
#pragma once
#include "../runtime/runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

// What the host has asked the device to do. The nodes of a replayed graph are not counted again: one graph launch.
struct SimCounters {
  int64_t launches;
  int64_t host_to_device, device_to_host, device_to_device;
  int64_t bytes_host_to_device, bytes_device_to_host;
  int64_t synchronizations;  // explicit ones, and those that a blocking or a pageable copy is
  int64_t allocations;
  int64_t graph_launches;
  int64_t library_calls;  // cuBLAS and cuRAND
};

// Makes a compiled object known: cuModuleLoadData with its token as the image loads it. Its entry points are
// sim_entry_<i>, its signatures sim_signature_<i>, in the order of the names. Everything is copied.
int sim_register_module(const char* token, void* handle, const struct SimModule* module, int kernel_count,
                        const char** kernel_names);
void sim_set_options(const struct SimOptions* options);
// The version of CUDA that CuPy was built for, as cudaRuntimeGetVersion tells it: 12090 unless set.
void sim_set_cuda_version(int version);
int sim_cuda_version(void);
// What went wrong in this thread's last failed call.
const char* sim_last_error(void);
void sim_counters(struct SimCounters* out);

// --- for the library stand-ins ---
// Runs a library's work on a stream, or records it where that stream captures. Owns `state` from here on.
// run returns a CUDA error; a failing one should have called sim_complain.
int sim_library_call(void* stream, const char* name, int (*run)(void* state), void* state,
    void (*release)(void* state));
// A library call that hands its result to the host: it waits, so it is counted, and refused while capturing.
int sim_library_wait(void* stream);
// Whether bytes lie in one live allocation that the current device can reach; complains and returns 0 if not.
int sim_reachable(const char* function, const char* operand, const void* address, size_t bytes);
// Keeps the message for sim_last_error and writes it to stderr, since a library's status says too little.
void sim_complain(const char* format, ...) __attribute__((format(printf, 1, 2)));
int sim_current_device(void);

#ifdef __cplusplus
}
#endif
