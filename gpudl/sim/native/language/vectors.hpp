// vectors.hpp: CUDA's vector types, with the alignments that CUDA gives them (CUDA C++ Programming Guide, table 4).
#pragma once
#include "keywords.hpp"

#define SIM_VECTOR_TYPE(T, name, align2, align4)                                                       \
  struct name##1 {                                                                                     \
    T x;                                                                                               \
  };                                                                                                   \
  struct __align__(align2) name##2 {                                                                   \
    T x, y;                                                                                            \
  };                                                                                                   \
  struct name##3 {                                                                                     \
    T x, y, z;                                                                                         \
  };                                                                                                   \
  struct __align__(align4) name##4 {                                                                   \
    T x, y, z, w;                                                                                      \
  };                                                                                                   \
  __forceinline__ name##1 make_##name##1(T x) { return {x}; }                                          \
  __forceinline__ name##2 make_##name##2(T x, T y) { return {x, y}; }                                  \
  __forceinline__ name##3 make_##name##3(T x, T y, T z) { return {x, y, z}; }                          \
  __forceinline__ name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }

SIM_VECTOR_TYPE(signed char, char, 2, 4)
SIM_VECTOR_TYPE(unsigned char, uchar, 2, 4)
SIM_VECTOR_TYPE(short, short, 4, 8)
SIM_VECTOR_TYPE(unsigned short, ushort, 4, 8)
SIM_VECTOR_TYPE(int, int, 8, 16)
SIM_VECTOR_TYPE(unsigned, uint, 8, 16)
SIM_VECTOR_TYPE(long, long, 16, 16)
SIM_VECTOR_TYPE(unsigned long, ulong, 16, 16)
SIM_VECTOR_TYPE(long long, longlong, 16, 16)
SIM_VECTOR_TYPE(unsigned long long, ulonglong, 16, 16)
SIM_VECTOR_TYPE(float, float, 8, 16)
SIM_VECTOR_TYPE(double, double, 16, 16)
#undef SIM_VECTOR_TYPE

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
  constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}
  operator uint3() const { return {x, y, z}; }
};

// The runtime's variables under CUDA's names. Not const: the compiler must read them again after every barrier.
extern "C" {
extern uint3 threadIdx __asm__("sim_thread_index");
extern uint3 blockIdx __asm__("sim_block_index");
extern dim3 blockDim __asm__("sim_block_size");
extern dim3 gridDim __asm__("sim_grid_size");
}
static constexpr int warpSize = 32;
