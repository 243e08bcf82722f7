// bits.hpp: casts between types of one size, integer intrinsics, and loads and stores with cache hints.
#pragma once
#include <stdint.h>
#include <string.h>

#include "keywords.hpp"

namespace sim {
template <class To, class From>
__forceinline__ To bit_cast(From value) {
  static_assert(sizeof(To) == sizeof(From), "a bit cast keeps the size");
  To result;
  memcpy(&result, &value, sizeof result);
  return result;
}
}  // namespace sim

inline int __float_as_int(float a) { return sim::bit_cast<int>(a); }
inline unsigned __float_as_uint(float a) { return sim::bit_cast<unsigned>(a); }
inline float __int_as_float(int a) { return sim::bit_cast<float>(a); }
inline float __uint_as_float(unsigned a) { return sim::bit_cast<float>(a); }
inline long long __double_as_longlong(double a) { return sim::bit_cast<long long>(a); }
inline double __longlong_as_double(long long a) { return sim::bit_cast<double>(a); }
inline int __double2hiint(double a) { return (int)(sim::bit_cast<uint64_t>(a) >> 32); }
inline int __double2loint(double a) { return (int)sim::bit_cast<uint64_t>(a); }
inline double __hiloint2double(int high, int low) {
  return sim::bit_cast<double>((uint64_t)(unsigned)high << 32 | (unsigned)low);
}

inline int __popc(unsigned a) { return __builtin_popcount(a); }
inline int __popcll(unsigned long long a) { return __builtin_popcountll(a); }
inline int __clz(int a) { return a ? __builtin_clz((unsigned)a) : 32; }
inline int __clzll(long long a) { return a ? __builtin_clzll((unsigned long long)a) : 64; }
inline int __ffs(int a) { return __builtin_ffs(a); }
inline int __ffsll(long long a) { return __builtin_ffsll(a); }
inline unsigned __brev(unsigned a) {
  unsigned result = 0;
  for (int i = 0; i < 32; ++i) result |= (a >> i & 1) << (31 - i);
  return result;
}
inline unsigned long long __brevll(unsigned long long a) {
  return (unsigned long long)__brev((unsigned)a) << 32 | __brev((unsigned)(a >> 32));
}
// Each of the selector's four nibbles picks one of the eight bytes of b:a; its top bit spreads that byte's sign.
inline unsigned __byte_perm(unsigned a, unsigned b, unsigned selector) {
  uint64_t bytes = (uint64_t)b << 32 | a;
  unsigned result = 0;
  for (int i = 0; i < 4; ++i) {
    unsigned nibble = selector >> (4 * i) & 15, byte = (unsigned)(bytes >> (8 * (nibble & 7))) & 255;
    if (nibble & 8) byte = byte & 128 ? 255 : 0;
    result |= byte << (8 * i);
  }
  return result;
}
inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned shift) {
  return (unsigned)((((uint64_t)high << 32 | low) << (shift & 31)) >> 32);
}
inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
  return (unsigned)(((uint64_t)high << 32 | low) >> (shift & 31));
}
inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((uint64_t)a * b >> 32); }
inline int __mulhi(int a, int b) { return (int)((int64_t)a * b >> 32); }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return (unsigned long long)((unsigned __int128)a * b >> 64);
}
inline long long __mul64hi(long long a, long long b) { return (long long)((__int128)a * b >> 64); }
inline unsigned __umul24(unsigned a, unsigned b) { return (a & 0xffffff) * (b & 0xffffff); }
inline int __mul24(int a, int b) {  // the lower 24 bits as signed numbers
  int64_t x = (int32_t)((uint32_t)a << 8) >> 8, y = (int32_t)((uint32_t)b << 8) >> 8;
  return (int)(x * y);
}
inline unsigned __sad(int a, int b, unsigned c) { return (a < b ? (unsigned)b - a : (unsigned)a - b) + c; }
inline unsigned __usad(unsigned a, unsigned b, unsigned c) { return (a < b ? b - a : a - b) + c; }
inline int __hadd(int a, int b) { return (int)(((int64_t)a + b) >> 1); }
inline int __rhadd(int a, int b) { return (int)(((int64_t)a + b + 1) >> 1); }
inline unsigned __uhadd(unsigned a, unsigned b) { return (unsigned)(((uint64_t)a + b) >> 1); }
inline unsigned __urhadd(unsigned a, unsigned b) { return (unsigned)(((uint64_t)a + b + 1) >> 1); }

// Dot products of four bytes, or of two 16-bit numbers with the lower or upper two bytes of b. They wrap around.
inline int __dp4a(int a, int b, int c) {
  unsigned sum = (unsigned)c;
  for (int i = 0; i < 32; i += 8) sum += (unsigned)((int8_t)((unsigned)a >> i) * (int8_t)((unsigned)b >> i));
  return (int)sum;
}
inline unsigned __dp4a(unsigned a, unsigned b, unsigned c) {
  for (int i = 0; i < 32; i += 8) c += (a >> i & 255) * (b >> i & 255);
  return c;
}
inline int __dp2a_lo(int a, int b, int c) {
  int low = (int16_t)a * (int8_t)b, high = (int16_t)((unsigned)a >> 16) * (int8_t)((unsigned)b >> 8);
  return (int)((unsigned)low + (unsigned)high + (unsigned)c);
}
inline int __dp2a_hi(int a, int b, int c) { return __dp2a_lo(a, (int)((unsigned)b >> 16), c); }
inline unsigned __dp2a_lo(unsigned a, unsigned b, unsigned c) {
  return (a & 0xffff) * (b & 255) + (a >> 16) * (b >> 8 & 255) + c;
}
inline unsigned __dp2a_hi(unsigned a, unsigned b, unsigned c) { return __dp2a_lo(a, b >> 16, c); }

// There are no caches to hint at. Macros, so that the access is the kernel's own, at its own line.
#define __ldg(address) (*(address))
#define __ldca(address) (*(address))
#define __ldcg(address) (*(address))
#define __ldcs(address) (*(address))
#define __ldlu(address) (*(address))
#define __ldcv(address) (*(address))
#define __stwb(address, value) ((void)(*(address) = (value)))
#define __stcg(address, value) ((void)(*(address) = (value)))
#define __stcs(address, value) ((void)(*(address) = (value)))
#define __stwt(address, value) ((void)(*(address) = (value)))
