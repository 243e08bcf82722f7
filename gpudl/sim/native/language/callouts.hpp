// callouts.hpp: what compiled kernels call in the runtime; the one place where both sides read these names.
#pragma once
#include <stddef.h>
#include <stdint.h>

// Operations in which the lanes of a warp meet.
enum SimWarpOperation {
  SIM_WARP_SYNC,
  SIM_WARP_SHUFFLE,
  SIM_WARP_BALLOT,
  SIM_WARP_ADD,
  SIM_WARP_MIN,
  SIM_WARP_MAX,
  SIM_WARP_MIN_SIGNED,
  SIM_WARP_MAX_SIGNED,
  SIM_WARP_AND,
  SIM_WARP_OR,
  SIM_WARP_XOR,
  SIM_WARP_MATCH_ANY,
  SIM_WARP_MATCH_ALL,
};

// How a block barrier combines the predicates of its threads.
enum SimBarrierKind { SIM_BARRIER_COUNT, SIM_BARRIER_AND, SIM_BARRIER_OR };

#pragma GCC visibility push(default)
extern "C" {

void sim_syncthreads(const char* file, int line);
int sim_syncthreads_predicate(int predicate, int kind, const char* file, int line);
// Every lane named by the mask posts a value; returns the calling lane's result. `source` is for shuffles: the lane
// whose value is wanted.
uint64_t sim_warp(int operation, unsigned mask, uint64_t value, int source, const char* file, int line);
unsigned sim_active_mask();
void* sim_dynamic_shared();
void sim_thread_fence();
long long sim_clock();
// An atomic operation is about to touch these bytes; `reads`: its result depends on what they hold.
void sim_atomic_access(void* address, int bytes, bool reads, void* caller);
[[noreturn]] void sim_fail(const char* kind, const char* format, ...) __attribute__((format(printf, 2, 3)));
// The sizes in bytes of a kernel's parameters: where the runtime looks for pointers to device memory.
int sim_register_entry(void (*entry)(void**), const unsigned* sizes, int count);

}  // extern "C"
#pragma GCC visibility pop
