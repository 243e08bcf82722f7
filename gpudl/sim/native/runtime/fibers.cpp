// fibers.cpp: switching stacks, by a few instructions on x86-64 and by ucontext elsewhere (or with -DSIM_UCONTEXT).
#include "fibers.hpp"

#include <string.h>
#include <sys/mman.h>

#include <vector>

#ifndef SIM_USES_UCONTEXT
// sim_switch_stack(void** save, void* load): keeps what the calling convention asks a callee to keep.
extern "C" void sim_switch_stack(void** save, void* load);
asm(R"(
.text
.hidden sim_switch_stack
.globl sim_switch_stack
.type sim_switch_stack, @function
sim_switch_stack:
  push %rbp
  push %rbx
  push %r12
  push %r13
  push %r14
  push %r15
  mov %rsp, (%rdi)
  mov %rsi, %rsp
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbx
  pop %rbp
  ret
.size sim_switch_stack, . - sim_switch_stack
)");
#endif

namespace sim {

Fiber launcher;

static std::vector<Fiber*> all_fibers, free_fibers;

static void prepare(Fiber* fiber) {
#ifdef SIM_USES_UCONTEXT
  getcontext(&fiber->context);
  fiber->context.uc_stack.ss_sp = fiber->stack;
  fiber->context.uc_stack.ss_size = fiber->bytes;
  fiber->context.uc_link = nullptr;
  makecontext(&fiber->context, fiber_main, 0);
#else
  // As if fiber_main had been called: at its first instruction the stack pointer is 8 off a multiple of 16.
  void** top = (void**)(fiber->stack + fiber->bytes);
  *--top = nullptr;
  *--top = (void*)fiber_main;
  top -= 6;  // the registers that sim_switch_stack pops
  memset(top, 0, 6 * sizeof(void*));
  fiber->stack_pointer = top;
#endif
}

Fiber* take_fiber() {
  if (!free_fibers.empty()) {
    Fiber* fiber = free_fibers.back();
    free_fibers.pop_back();
    return fiber;
  }
  char* memory = (char*)mmap(nullptr, kStackGuardBytes + kStackBytes, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  mprotect(memory, kStackGuardBytes, PROT_NONE);
  Fiber* fiber = new Fiber();
  fiber->stack = memory + kStackGuardBytes;
  // Stacks that began at the same offset in a page would fight for the same lines of the processor's caches.
  fiber->bytes = kStackBytes - all_fibers.size() % 32 * 128;
  prepare(fiber);
  all_fibers.push_back(fiber);
  // Releasing never allocates, so that a kernel can be given up at any point of it.
  free_fibers.reserve(all_fibers.size());
  return fiber;
}

void release_fiber(Fiber* fiber) { free_fibers.push_back(fiber); }

void switch_fiber(Fiber* from, Fiber* to) {
#ifdef SIM_USES_UCONTEXT
  swapcontext(&from->context, &to->context);
#else
  sim_switch_stack(&from->stack_pointer, to->stack_pointer);
#endif
}

void reset_fibers() {
  free_fibers.clear();
  for (Fiber* fiber : all_fibers) {
    prepare(fiber);
    free_fibers.push_back(fiber);
  }
}

bool is_stack_guard(uintptr_t address) {
  for (Fiber* fiber : all_fibers)
    if (address - ((uintptr_t)fiber->stack - kStackGuardBytes) < kStackGuardBytes) return true;
  return false;
}

bool is_stack(uintptr_t address) {
  for (Fiber* fiber : all_fibers)
    if (address - (uintptr_t)fiber->stack < kStackBytes) return true;
  return false;
}

}  // namespace sim
