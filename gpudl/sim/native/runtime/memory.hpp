// memory.hpp: device memory, as the checker and the launch see it. Callers hold the runtime's lock.
#pragma once
#include <stddef.h>
#include <stdint.h>

#include <mutex>

#include "shadow.hpp"

namespace sim {

struct Allocation {
  uintptr_t low, high;  // its bytes
  char* pages;          // the accessible pages, with a guard page on either side; null: no guard pages
  size_t page_bytes;
  uint64_t born;   // launches before it was made
  Shadow shadow;   // who accessed what in the running launch
  Written written;  // which bytes hold a value
};

extern std::mutex lock;  // of everything in the runtime: a launch, and the table of allocations

Allocation* allocate(size_t bytes);  // null when the system has no memory left
void release(Allocation* allocation);
Allocation* find_allocation(uintptr_t address);
// The size of a freed allocation that held the address, as far as that is still known; else 0.
size_t freed_size(uintptr_t address);
// Whether an allocation's written bytes are known: not if a kernel ran that was compiled without call-outs.
bool knows_written(const Allocation* allocation);
void forget_written();  // such a kernel runs now
// Looks at the bytes around an allocation, which nobody may write; notes a failure and repairs them.
bool check_canary(const Allocation* allocation, bool argument);
void check_some_canaries();  // of a few allocations, others at every call
// Says in words where a bad address lies.
void describe_address(uintptr_t address, char* text, size_t size);

}  // namespace sim
