// cublas_types.h: the number types of cuBLAS: how they lie in memory, and what they are computed in.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

namespace blas __attribute__((visibility("hidden"))) {

// cudaDataType
enum DataType : int { kFloat = 0, kDouble = 1, kHalf = 2, kComplex = 4, kDoubleComplex = 5, kBFloat = 14 };

struct Half {
  uint16_t bits;
};
struct BFloat {
  uint16_t bits;
};

template <class R>
struct Complex {
  R re, im;
  Complex() : re(0), im(0) {}
  Complex(R real, R imaginary = 0) : re(real), im(imaginary) {}
  Complex operator+(Complex o) const { return {re + o.re, im + o.im}; }
  Complex operator*(Complex o) const { return {re * o.re - im * o.im, re * o.im + im * o.re}; }
  bool operator==(Complex o) const { return re == o.re && im == o.im; }
  bool operator!=(Complex o) const { return !(*this == o); }
};

inline uint32_t bits_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  return bits;
}
inline float float_of(uint32_t bits) {
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

inline float widen(Half value) {
  // The exponent's bias is put right by a multiplication, which also normalizes subnormal numbers.
  uint32_t magnitude = value.bits & 0x7fffu, sign = (uint32_t)(value.bits & 0x8000u) << 16;
  uint32_t finite = bits_of(float_of(magnitude << 13) * float_of(0x77800000u));
  uint32_t special = 0x7f800000u | magnitude << 13;
  return float_of(sign | (magnitude >= 0x7c00u ? special : finite));
}
inline float widen(BFloat value) { return float_of((uint32_t)value.bits << 16); }
inline float widen(float value) { return value; }
inline double widen(double value) { return value; }
template <class R>
Complex<R> widen(Complex<R> value) {
  return value;
}

// To the nearest, ties to even, as the GPU rounds.
inline void narrow(float value, Half* out) {
  uint32_t bits = bits_of(value), sign = bits >> 16 & 0x8000u;
  bits &= 0x7fffffffu;
  uint32_t rounded;
  if (bits >= 0x47800000u)
    rounded = bits > 0x7f800000u ? 0x7e00u : 0x7c00u;
  else if (bits >= 0x38800000u)
    rounded = (bits - 0x38000000u + 0xfffu + (bits >> 13 & 1u)) >> 13;
  else
    rounded = bits_of(float_of(bits) + 0.5f) - 0x3f000000u;
  out->bits = (uint16_t)(sign | rounded);
}
inline void narrow(float value, BFloat* out) {
  uint32_t bits = bits_of(value);
  bool nan = (bits & 0x7fffffffu) > 0x7f800000u;
  out->bits = (uint16_t)(nan ? bits >> 16 | 0x40u : (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}
template <class T>
void narrow(T value, T* out) {
  *out = value;
}

template <class T>
T conjugate(T value) {
  return value;
}
template <class R>
Complex<R> conjugate(Complex<R> value) {
  return {value.re, -value.im};
}

template <class T>
struct Wide {
  typedef T type;
};
template <>
struct Wide<Half> {
  typedef float type;
};
template <>
struct Wide<BFloat> {
  typedef float type;
};

inline int64_t size_of(int type) {
  switch (type) {
    case kHalf: case kBFloat: return 2;
    case kFloat: return 4;
    case kDouble: case kComplex: return 8;
    case kDoubleComplex: return 16;
    default: return 0;
  }
}

}  // namespace blas
