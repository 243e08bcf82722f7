// checker.hpp: looks at every access of a kernel that was compiled with call-outs.
#pragma once
#include <stddef.h>
#include <stdint.h>

namespace sim {

enum class Kind : uint8_t {
  Read,
  Write,
  Atomic,          // reads and writes, as one
  AtomicExchange,  // does not depend on what was there
};

void check_access(uintptr_t address, size_t bytes, Kind kind, uintptr_t code);
void check_range(uintptr_t address, size_t bytes, Kind kind, uintptr_t code);  // of any length
void start_checking();         // a launch of a checked module begins
void start_checking_block();   // shared memory is new
void finish_checking_block();  // may note a failure
void note_fence();             // __threadfence()

}  // namespace sim
