// fibers.hpp: stacks of their own for CUDA threads that must wait.
#pragma once
#include <stddef.h>
#include <stdint.h>

#if !defined(__x86_64__) || defined(SIM_UCONTEXT)
#define SIM_USES_UCONTEXT 1
#include <ucontext.h>
#endif

namespace sim {

// CUDA gives a thread at most 512 KB of local memory; sensible kernels use a few KB, and 1024 threads may wait at once.
constexpr size_t kStackBytes = 256 << 10;
constexpr size_t kStackGuardBytes = 64 << 10;

struct Fiber {
  char* stack;  // its lowest byte; null for the launching thread's own stack
  size_t bytes;  // of the stack that are used
#ifdef SIM_USES_UCONTEXT
  ucontext_t context;
#else
  void* stack_pointer;
#endif
};

extern Fiber launcher;  // stands for the launching thread's own stack

Fiber* take_fiber();  // null when there is no memory for its stack
void release_fiber(Fiber* fiber);
void switch_fiber(Fiber* from, Fiber* to);
void reset_fibers();  // every fiber forgets what it did and is free again
bool is_stack_guard(uintptr_t address);
bool is_stack(uintptr_t address);

// What every fiber runs, forever (scheduler.cpp).
void fiber_main();

}  // namespace sim
