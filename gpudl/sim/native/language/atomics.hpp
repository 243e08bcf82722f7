// atomics.hpp: atomic operations. One OS thread runs all threads, so that a plain read and write is atomic; the
// checker is told. The types are those that CUDA has.
#pragma once
#include <string.h>

#include <algorithm>

#include "callouts.hpp"
#include "half.hpp"
#include "vectors.hpp"

#ifdef SIM_CHECKS_ACCESSES
#define SIM_ATOMIC_ACCESS(address, reads) \
  sim_atomic_access((void*)(address), (int)sizeof *(address), reads, __builtin_return_address(0))
#else
#define SIM_ATOMIC_ACCESS(address, reads) ((void)0)
#endif

// `old` is what the memory holds, `value` the operand.
#define SIM_ATOMIC(name, T, expression)                                  \
  SIM_UNCHECKED T name(T* address, T value) {                            \
    SIM_ATOMIC_ACCESS(address, true);                                    \
    T old = *address;                                                    \
    *address = (T)(expression);                                          \
    return old;                                                          \
  }                                                                      \
  inline __attribute__((always_inline)) T name##_block(T* address, T value) { return name(address, value); } \
  inline __attribute__((always_inline)) T name##_system(T* address, T value) { return name(address, value); }

typedef unsigned long long sim_uint64;  // "unsigned long" is another type, for which CUDA has no atomics

namespace sim {
// Sums and differences wrap around, also those of signed numbers.
inline int wrapping_add(int a, int b) { return (int)((unsigned)a + (unsigned)b); }
inline int wrapping_subtract(int a, int b) { return (int)((unsigned)a - (unsigned)b); }
}  // namespace sim

SIM_ATOMIC(atomicAdd, int, sim::wrapping_add(old, value))
SIM_ATOMIC(atomicAdd, unsigned, old + value)
SIM_ATOMIC(atomicAdd, sim_uint64, old + value)
SIM_ATOMIC(atomicAdd, float, old + value)
SIM_ATOMIC(atomicAdd, double, old + value)
SIM_ATOMIC(atomicAdd, __half, old + value)
SIM_ATOMIC(atomicAdd, __nv_bfloat16, old + value)
SIM_ATOMIC(atomicAdd, __half2, old + value)
SIM_ATOMIC(atomicAdd, __nv_bfloat162, old + value)
SIM_ATOMIC(atomicSub, int, sim::wrapping_subtract(old, value))
SIM_ATOMIC(atomicSub, unsigned, old - value)
SIM_ATOMIC(atomicInc, unsigned, old >= value ? 0 : old + 1)
SIM_ATOMIC(atomicDec, unsigned, old == 0 || old > value ? value : old - 1)

#define SIM_ATOMIC_INTEGER(name, expression) \
  SIM_ATOMIC(name, int, expression)          \
  SIM_ATOMIC(name, unsigned, expression)     \
  SIM_ATOMIC(name, sim_uint64, expression)
SIM_ATOMIC_INTEGER(atomicMin, std::min(old, value))
SIM_ATOMIC_INTEGER(atomicMax, std::max(old, value))
SIM_ATOMIC_INTEGER(atomicAnd, old & value)
SIM_ATOMIC_INTEGER(atomicOr, old | value)
SIM_ATOMIC_INTEGER(atomicXor, old ^ value)
SIM_ATOMIC(atomicMin, long long, std::min(old, value))
SIM_ATOMIC(atomicMax, long long, std::max(old, value))

#define SIM_ATOMIC_EXCHANGE(T)                           \
  SIM_UNCHECKED T atomicExch(T* address, T value) {      \
    SIM_ATOMIC_ACCESS(address, false);                   \
    T old = *address;                                    \
    *address = value;                                    \
    return old;                                          \
  }
SIM_ATOMIC_EXCHANGE(int)
SIM_ATOMIC_EXCHANGE(unsigned)
SIM_ATOMIC_EXCHANGE(sim_uint64)
SIM_ATOMIC_EXCHANGE(float)

#define SIM_ATOMIC_COMPARE(T)                                        \
  SIM_UNCHECKED T atomicCAS(T* address, T expected, T value) {       \
    SIM_ATOMIC_ACCESS(address, true);                                \
    T old = *address;                                                \
    if (old == expected) *address = value;                           \
    return old;                                                      \
  }
SIM_ATOMIC_COMPARE(int)
SIM_ATOMIC_COMPARE(unsigned)
SIM_ATOMIC_COMPARE(sim_uint64)
SIM_ATOMIC_COMPARE(unsigned short)

#undef SIM_ATOMIC
#undef SIM_ATOMIC_INTEGER
#undef SIM_ATOMIC_EXCHANGE
#undef SIM_ATOMIC_COMPARE
