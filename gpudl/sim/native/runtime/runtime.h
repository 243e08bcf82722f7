// runtime.h: what the emulated device's runtime offers to the driver stand-in and to compiled kernels' loader.
// The runtime runs one kernel at a time; every CUDA thread that must wait is a fiber on the launching OS thread.
#pragma once
#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(default)  // all else in the runtime is hidden
#ifdef __cplusplus
extern "C" {
#endif

// One static __shared__ variable of a kernel's object.
struct SimVariable {
  uintptr_t low, high;  // its bytes: low <= address < high
  const char* name;
};

enum {
  SIM_CHECKED = 1,  // compiled with call-outs at every access: races, bounds and uninitialized reads are seen
  SIM_RELAXED = 2,  // CuPy's own kernels: what the hardware allows is allowed (see launch.cpp)
};

// A compiled kernel object as it lies in memory.
struct SimModule {
  const char* path;     // the shared object, for the lines of error messages
  uintptr_t low, high;  // its image: low <= address < high
  int flags;            // SIM_CHECKED, SIM_RELAXED
  int variable_count;
  const struct SimVariable* variables;  // in order of their addresses
};

enum { SIM_FORWARD, SIM_REVERSE, SIM_RANDOM };

struct SimOptions {
  int order;      // in which threads and blocks run: SIM_FORWARD, ...
  unsigned seed;  // of SIM_RANDOM; the runtime mixes the number of the launch into it
  int limit_ms;   // processor time after which a kernel is taken to hang; 0: none
};

struct SimReport {
  char kind[32];    // "race", "out-of-bounds", ...; empty when all went well
  char text[2000];  // file, line, block, thread and what is wrong
  long switches, barriers;
};

// Runs a kernel to its end. Returns 0, or 1 with the report filled; the process and its memory live on.
int sim_launch(const struct SimModule* module, const char* kernel, void (*entry)(void**), void** arguments,
               const unsigned grid[3], const unsigned block[3], size_t shared_bytes,
               const struct SimOptions* options, struct SimReport* report);

// Device memory. Every allocation ends at a page that traps; it is filled with 0xFF (NaN), and freed memory traps.
void* sim_malloc(size_t bytes);  // null when the device's memory is spent
int sim_free(void* pointer);     // 0, or -1 for what is no allocation
// The allocation that holds an address: its start and size; 0, or -1 if there is none.
int sim_allocation(const void* address, void** start, size_t* bytes);
size_t sim_memory_used(void);
size_t sim_memory_peak(void);
void sim_memory_reset_peak(void);
size_t sim_memory_total(void);
void sim_memory_set_total(size_t bytes);
// The host, or a library, wrote these bytes of device memory: from now on they count as initialized.
void sim_written(const void* address, size_t bytes);
// A copy from device to device: the target is as initialized as the source is.
void sim_copied(const void* target, const void* source, size_t bytes);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
