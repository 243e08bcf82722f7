// half.hpp: __half and __nv_bfloat16. They compute in float and round after every operation, as CUDA's operators do.
#pragma once
#include "half_conversions.hpp"

#define SIM_HALF_TYPE(T, Raw, TO_FLOAT, FROM_FLOAT)                                            \
  struct __align__(2) Raw {                                                                    \
    unsigned short x;                                                                          \
  };                                                                                           \
  struct __align__(2) T {                                                                      \
    unsigned short bits;                                                                       \
    T() = default;                                                                             \
    T(const Raw& raw) : bits(raw.x) {}                                                         \
    T(float value) : bits(sim::FROM_FLOAT(value)) {}                                           \
    T(double value) : bits(sim::FROM_FLOAT(sim::to_odd_float(value))) {}                       \
    T(bool value) : T((float)value) {}                                                         \
    T(short value) : T((float)value) {}                                                        \
    T(unsigned short value) : T((float)value) {}                                               \
    T(int value) : T((double)value) {}                                                         \
    T(unsigned value) : T((double)value) {}                                                    \
    T(long value) : T((double)value) {}                                                        \
    T(unsigned long value) : T((double)value) {}                                               \
    T(long long value) : T((double)value) {}                                                   \
    T(unsigned long long value) : T((double)value) {}                                          \
    operator float() const { return sim::TO_FLOAT(bits); }                                     \
    operator Raw() const { return {bits}; }                                                    \
    T& operator+=(const T& other) { return *this = T((float)*this + (float)other); }           \
    T& operator-=(const T& other) { return *this = T((float)*this - (float)other); }           \
    T& operator*=(const T& other) { return *this = T((float)*this * (float)other); }           \
    T& operator/=(const T& other) { return *this = T((float)*this / (float)other); }           \
    T& operator++() { return *this = T((float)*this + 1.0f); }                                 \
    T& operator--() { return *this = T((float)*this - 1.0f); }                                 \
    T operator++(int) {                                                                        \
      T old = *this;                                                                           \
      ++*this;                                                                                 \
      return old;                                                                              \
    }                                                                                          \
    T operator--(int) {                                                                        \
      T old = *this;                                                                           \
      --*this;                                                                                 \
      return old;                                                                              \
    }                                                                                          \
  };                                                                                           \
  inline T operator+(const T& a, const T& b) { return T((float)a + (float)b); }                \
  inline T operator-(const T& a, const T& b) { return T((float)a - (float)b); }                \
  inline T operator*(const T& a, const T& b) { return T((float)a * (float)b); }                \
  inline T operator/(const T& a, const T& b) { return T((float)a / (float)b); }                \
  inline T operator+(const T& a) { return a; }                                                 \
  inline T operator-(const T& a) { return T(-(float)a); }                                      \
  inline bool operator==(const T& a, const T& b) { return (float)a == (float)b; }              \
  inline bool operator!=(const T& a, const T& b) { return (float)a != (float)b; }              \
  inline bool operator<(const T& a, const T& b) { return (float)a < (float)b; }                \
  inline bool operator>(const T& a, const T& b) { return (float)a > (float)b; }                \
  inline bool operator<=(const T& a, const T& b) { return (float)a <= (float)b; }              \
  inline bool operator>=(const T& a, const T& b) { return (float)a >= (float)b; }              \
  struct __align__(4) T##2 {                                                                   \
    T x, y;                                                                                    \
    T##2() = default;                                                                          \
    T##2(const T& x, const T& y) : x(x), y(y) {}                                               \
    T##2& operator+=(const T##2& o) { return *this = T##2(x + o.x, y + o.y); }                 \
    T##2& operator-=(const T##2& o) { return *this = T##2(x - o.x, y - o.y); }                 \
    T##2& operator*=(const T##2& o) { return *this = T##2(x * o.x, y * o.y); }                 \
    T##2& operator/=(const T##2& o) { return *this = T##2(x / o.x, y / o.y); }                 \
  };                                                                                           \
  inline T##2 operator+(const T##2& a, const T##2& b) { return T##2(a.x + b.x, a.y + b.y); }   \
  inline T##2 operator-(const T##2& a, const T##2& b) { return T##2(a.x - b.x, a.y - b.y); }   \
  inline T##2 operator*(const T##2& a, const T##2& b) { return T##2(a.x * b.x, a.y * b.y); }   \
  inline T##2 operator/(const T##2& a, const T##2& b) { return T##2(a.x / b.x, a.y / b.y); }   \
  inline T##2 operator-(const T##2& a) { return T##2(-a.x, -a.y); }                            \
  inline bool operator==(const T##2& a, const T##2& b) { return a.x == b.x && a.y == b.y; }    \
  inline bool operator!=(const T##2& a, const T##2& b) { return a.x != b.x && a.y != b.y; }

SIM_HALF_TYPE(__half, __half_raw, half_to_float, float_to_half)
SIM_HALF_TYPE(__nv_bfloat16, __nv_bfloat16_raw, bfloat16_to_float, float_to_bfloat16)
#undef SIM_HALF_TYPE

typedef __half half;
typedef __half2 half2;
typedef __half nv_half;
typedef __half2 nv_half2;
typedef __nv_bfloat16 nv_bfloat16;
typedef __nv_bfloat162 nv_bfloat162;
