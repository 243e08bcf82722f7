// sync.hpp: barriers, fences and warp operations. They are macros, since errors name the line that waits.
#pragma once
#include <string.h>

#include <type_traits>

#include "callouts.hpp"
#include "vectors.hpp"

#define __syncthreads() sim_syncthreads(__FILE__, __LINE__)
#define __syncthreads_count(predicate) \
  sim_syncthreads_predicate((predicate) != 0, SIM_BARRIER_COUNT, __FILE__, __LINE__)
#define __syncthreads_and(predicate) sim_syncthreads_predicate((predicate) != 0, SIM_BARRIER_AND, __FILE__, __LINE__)
#define __syncthreads_or(predicate) sim_syncthreads_predicate((predicate) != 0, SIM_BARRIER_OR, __FILE__, __LINE__)
#define __syncwarp(...) ((void)sim_warp(SIM_WARP_SYNC, sim::mask_or_all(__VA_ARGS__), 0, 0, __FILE__, __LINE__))

#define SIM_SHUFFLE(source, mask, value, argument, ...) \
  sim::shuffle(sim::source, (mask), (value), (argument), sim::width_or_warp(__VA_ARGS__), __FILE__, __LINE__)
#define __shfl_sync(mask, value, lane, ...) SIM_SHUFFLE(lane_at, mask, value, lane, __VA_ARGS__)
#define __shfl_up_sync(mask, value, delta, ...) SIM_SHUFFLE(lane_below, mask, value, delta, __VA_ARGS__)
#define __shfl_down_sync(mask, value, delta, ...) SIM_SHUFFLE(lane_above, mask, value, delta, __VA_ARGS__)
#define __shfl_xor_sync(mask, value, lanes, ...) SIM_SHUFFLE(lane_across, mask, value, lanes, __VA_ARGS__)

#define __ballot_sync(mask, predicate) \
  ((unsigned)sim_warp(SIM_WARP_BALLOT, (mask), (predicate) ? 1 : 0, 0, __FILE__, __LINE__))
#define __any_sync(mask, predicate) ((int)(__ballot_sync(mask, predicate) != 0))
#define __all_sync(mask, predicate) ((int)(__ballot_sync(mask, !(predicate)) == 0))
#define __activemask() sim_active_mask()
#define __match_any_sync(mask, value) sim::match_any((mask), (value), __FILE__, __LINE__)
#define __match_all_sync(mask, value, all) sim::match_all((mask), (value), (all), __FILE__, __LINE__)
#define __reduce_add_sync(mask, value) sim::reduce(SIM_WARP_ADD, SIM_WARP_ADD, (mask), (value), __FILE__, __LINE__)
#define __reduce_min_sync(mask, value) \
  sim::reduce(SIM_WARP_MIN, SIM_WARP_MIN_SIGNED, (mask), (value), __FILE__, __LINE__)
#define __reduce_max_sync(mask, value) \
  sim::reduce(SIM_WARP_MAX, SIM_WARP_MAX_SIGNED, (mask), (value), __FILE__, __LINE__)
#define __reduce_and_sync(mask, value) sim::reduce(SIM_WARP_AND, SIM_WARP_AND, (mask), (value), __FILE__, __LINE__)
#define __reduce_or_sync(mask, value) sim::reduce(SIM_WARP_OR, SIM_WARP_OR, (mask), (value), __FILE__, __LINE__)
#define __reduce_xor_sync(mask, value) sim::reduce(SIM_WARP_XOR, SIM_WARP_XOR, (mask), (value), __FILE__, __LINE__)

// One OS thread runs everything in order: fences only tell the checker what is meant.
#define __threadfence() sim_thread_fence()
#define __threadfence_block() ((void)0)
#define __threadfence_system() sim_thread_fence()
#define __nanosleep(nanoseconds) ((void)(nanoseconds))
#define clock64() sim_clock()
#define __trap() sim_fail("trap", "__trap() at %s:%d", __FILE__, __LINE__)
#undef assert
#ifdef NDEBUG
#define assert(condition) ((void)0)
#else
#define assert(condition) \
  ((condition) ? (void)0 : sim_fail("assert", "%s:%d: assertion failed: %s", __FILE__, __LINE__, #condition))
#endif

namespace sim {

inline unsigned mask_or_all(unsigned mask = 0xffffffffu) { return mask; }
inline int width_or_warp(int width = 32) { return width; }
inline int lane() { return (int)((threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) & 31); }

// The lane that a shuffle reads, in segments of `width` lanes; out of the segment it is the lane itself.
inline int lane_at(int lane, int argument, int width) { return (lane & ~(width - 1)) + (argument & (width - 1)); }
inline int lane_below(int lane, int delta, int width) {
  return (unsigned)delta > (unsigned)(lane & (width - 1)) ? lane : lane - delta;
}
inline int lane_above(int lane, int delta, int width) {
  return (unsigned)delta >= (unsigned)(width - (lane & (width - 1))) ? lane : lane + delta;
}
inline int lane_across(int lane, int lanes, int width) {
  int other = lane ^ lanes;  // may be in a segment before this one, but in none behind it
  return (unsigned)other < (unsigned)((lane & ~(width - 1)) + width) ? other : lane;
}

template <class T>
uint64_t to_bits(T value) {
  static_assert(sizeof(T) <= 8 && std::is_trivially_copyable<T>::value, "a warp operation takes at most 8 bytes");
  uint64_t bits = 0;
  memcpy(&bits, &value, sizeof value);
  return bits;
}

template <class T>
T shuffle(int (*source)(int, int, int), unsigned mask, T value, int argument, int width, const char* file, int line) {
  uint64_t bits = sim_warp(SIM_WARP_SHUFFLE, mask, to_bits(value), source(lane(), argument, width), file, line);
  T result;
  memcpy(&result, &bits, sizeof result);
  return result;
}

template <class T>
unsigned match_any(unsigned mask, T value, const char* file, int line) {
  return (unsigned)sim_warp(SIM_WARP_MATCH_ANY, mask, to_bits(value), 0, file, line);
}

template <class T>
unsigned match_all(unsigned mask, T value, int* all, const char* file, int line) {
  unsigned lanes = (unsigned)sim_warp(SIM_WARP_MATCH_ALL, mask, to_bits(value), 0, file, line);
  *all = lanes != 0;
  return lanes;
}

inline unsigned reduce(int operation, int, unsigned mask, unsigned value, const char* file, int line) {
  return (unsigned)sim_warp(operation, mask, value, 0, file, line);
}
inline int reduce(int, int signed_operation, unsigned mask, int value, const char* file, int line) {
  return (int)sim_warp(signed_operation, mask, (uint64_t)(int64_t)value, 0, file, line);
}

}  // namespace sim
