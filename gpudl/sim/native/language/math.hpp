// math.hpp: CUDA's math functions that the host's <math.h> has not. The hurried ones (__expf) are as exact here as the
// others: a kernel must not need their errors, and a test not find them.
#pragma once
#include <math.h>
#include <stdlib.h>

#include <type_traits>

#include "bits.hpp"
#include "vectors.hpp"

template <class A, class B>
inline typename std::common_type<A, B>::type min(A a, B b) {
  typedef typename std::common_type<A, B>::type T;
  return (T)b < (T)a ? (T)b : (T)a;
}
template <class A, class B>
inline typename std::common_type<A, B>::type max(A a, B b) {
  typedef typename std::common_type<A, B>::type T;
  return (T)a < (T)b ? (T)b : (T)a;
}
// For floats NaN counts as missing.
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }
inline double min(double a, double b) { return fmin(a, b); }
inline double max(double a, double b) { return fmax(a, b); }
inline double min(float a, double b) { return fmin(a, b); }
inline double max(float a, double b) { return fmax(a, b); }
inline double min(double a, float b) { return fmin(a, b); }
inline double max(double a, float b) { return fmax(a, b); }
inline unsigned umin(unsigned a, unsigned b) { return a < b ? a : b; }
inline unsigned umax(unsigned a, unsigned b) { return a < b ? b : a; }
inline long long llmin(long long a, long long b) { return a < b ? a : b; }
inline long long llmax(long long a, long long b) { return a < b ? b : a; }
inline unsigned long long ullmin(unsigned long long a, unsigned long long b) { return a < b ? a : b; }
inline unsigned long long ullmax(unsigned long long a, unsigned long long b) { return a < b ? b : a; }

constexpr double sim_pi = 3.141592653589793238;
constexpr double sim_sqrt_half = 0.707106781186547524;

// The float form is the double one, rounded: where it matters (erfcx, normcdf in the tail) float alone would not do.
#define SIM_MATH(name, expression)                     \
  inline double name(double x) { return expression; }  \
  inline float name##f(float a) { return (float)name((double)a); } \
  inline float name(float a) { return name##f(a); }
namespace sim {
// sin(pi x) and cos(pi x) for any x: exact at multiples of one half.
inline double sin_pi(double x) {
  double rest = x - 2 * rint(x / 2);  // in [-1, 1], without error
  if (rest > 0.5) rest = 1 - rest;
  if (rest < -0.5) rest = -1 - rest;
  return fabs(rest) <= 0.25 ? sin(sim_pi * rest) : copysign(cos(sim_pi * (0.5 - fabs(rest))), rest);
}
inline double cos_pi(double x) {
  double rest = fabs(x - 2 * rint(x / 2));
  return rest <= 0.25 ? cos(sim_pi * rest) : rest < 0.75 ? sin(sim_pi * (0.5 - rest)) : -cos(sim_pi * (1 - rest));
}
// exp(x^2) erfc(x). Above 26, where erfc is about to underflow, by Lentz's form of its continued fraction.
inline double erfcx(double x) {
  if (x < 26) return exp(x * x) * ::erfc(x);
  double tail = 0;
  for (int k = 20; k > 0; --k) tail = k / 2.0 / (x + tail);
  return 0.564189583547756287 / (x + tail);
}
// The inverse of the error function: Giles' approximation, then Newton's steps on erfc, which keeps its digits where
// erf is close to 1.
inline double erfc_inverse(double y) {
  if (!(y > 0 && y < 2)) return y == 0 ? INFINITY : y == 2 ? -INFINITY : NAN;
  bool mirrored = y > 1;
  double target = mirrored ? 2 - y : y, w = -log(target * (2 - target));
  double guess = w < 5 ? sqrt(w) * (0.886 + 0.02 * w) : sqrt(w - 0.5 * log(w) - 0.5723649429247001);
  if (!(guess > 0)) guess = 0;
  for (int i = 0; i < 12; ++i) {
    double error = ::erfc(guess) - target;
    double slope = -1.12837916709551257 * exp(-guess * guess);
    double step = error / slope;
    guess -= step / (1 + guess * step);  // Halley's correction
  }
  return mirrored ? -guess : guess;
}
inline double erf_inverse(double x) {
  if (fabs(x) < 1e-8) return 0.886226925452758 * x;
  return fabs(x) > 1 ? NAN : copysign(erfc_inverse(1 - fabs(x)), x);
}
}  // namespace sim
SIM_MATH(rsqrt, 1 / sqrt(x))
SIM_MATH(rcbrt, 1 / cbrt(x))
SIM_MATH(sinpi, sim::sin_pi(x))
SIM_MATH(cospi, sim::cos_pi(x))
SIM_MATH(erfcx, sim::erfcx(x))
SIM_MATH(erfinv, sim::erf_inverse(x))
SIM_MATH(erfcinv, sim::erfc_inverse(x))
SIM_MATH(normcdf, 0.5 * ::erfc(-x * sim_sqrt_half))
SIM_MATH(normcdfinv, -1.41421356237309505 * sim::erfc_inverse(2 * x))
#undef SIM_MATH
inline float exp10(float x) { return exp10f(x); }
inline double rhypot(double x, double y) { return 1 / hypot(x, y); }
inline float rhypotf(float x, float y) { return 1 / hypotf(x, y); }
inline double norm3d(double x, double y, double z) { return hypot(hypot(x, y), z); }
inline float norm3df(float x, float y, float z) { return (float)norm3d(x, y, z); }
inline double rnorm3d(double x, double y, double z) { return 1 / norm3d(x, y, z); }
inline float rnorm3df(float x, float y, float z) { return (float)rnorm3d(x, y, z); }
inline double norm4d(double x, double y, double z, double w) { return hypot(norm3d(x, y, z), w); }
inline float norm4df(float x, float y, float z, float w) { return (float)norm4d(x, y, z, w); }
inline double rnorm4d(double x, double y, double z, double w) { return 1 / norm4d(x, y, z, w); }
inline float rnorm4df(float x, float y, float z, float w) { return (float)rnorm4d(x, y, z, w); }
inline void sincospi(double x, double* sine, double* cosine) { *sine = sinpi(x), *cosine = cospi(x); }
inline void sincospif(float x, float* sine, float* cosine) { *sine = sinpif(x), *cosine = cospif(x); }
inline void sincos(float x, float* sine, float* cosine) { sincosf(x, sine, cosine); }
inline float fdividef(float a, float b) { return a / b; }

inline float __expf(float x) { return expf(x); }
inline float __exp10f(float x) { return exp10f(x); }
inline float __logf(float x) { return logf(x); }
inline float __log2f(float x) { return log2f(x); }
inline float __log10f(float x) { return log10f(x); }
inline float __powf(float x, float y) { return powf(x, y); }
inline float __sinf(float x) { return sinf(x); }
inline float __cosf(float x) { return cosf(x); }
inline float __tanf(float x) { return tanf(x); }
inline float __tanhf(float x) { return tanhf(x); }
inline void __sincosf(float x, float* sine, float* cosine) { sincosf(x, sine, cosine); }
inline float __fdividef(float a, float b) { return a / b; }
inline float __frsqrt_rn(float x) { return rsqrtf(x); }
inline float __saturatef(float x) { return x > 0 ? (x < 1 ? x : 1.0f) : 0.0f; }  // NaN becomes 0

// Arithmetic rounded to nearest, by names that the compiler must not fuse. Other roundings are not offered.
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __frcp_rn(float a) { return 1 / a; }
inline float __fsqrt_rn(float a) { return sqrtf(a); }
inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
inline float __fmaf_ieee_rn(float a, float b, float c) { return fmaf(a, b, c); }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dsub_rn(double a, double b) { return a - b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __ddiv_rn(double a, double b) { return a / b; }
inline double __drcp_rn(double a) { return 1 / a; }
inline double __dsqrt_rn(double a) { return sqrt(a); }
inline double __fma_rn(double a, double b, double c) { return fma(a, b, c); }

// Conversions to integers: out of range they give the nearest integer there is, and 0 for NaN, as the hardware does.
namespace sim {
template <class Integer>
inline Integer saturate(double rounded) {
  constexpr Integer largest = (Integer)(std::is_signed<Integer>::value ? ~(typename std::make_unsigned<Integer>::type)0 >> 1
                                                                       : ~(typename std::make_unsigned<Integer>::type)0);
  constexpr Integer smallest = std::is_signed<Integer>::value ? -largest - 1 : 0;
  if (rounded != rounded) return 0;
  if (rounded >= (double)largest) return largest;
  return rounded <= (double)smallest ? smallest : (Integer)rounded;
}
}  // namespace sim
#define SIM_TO_INTEGER(from, From, to, Integer)                                                   \
  inline Integer __##from##2##to##_rn(From a) { return sim::saturate<Integer>(rint((double)a)); }  \
  inline Integer __##from##2##to##_rz(From a) { return sim::saturate<Integer>(trunc((double)a)); } \
  inline Integer __##from##2##to##_rd(From a) { return sim::saturate<Integer>(floor((double)a)); } \
  inline Integer __##from##2##to##_ru(From a) { return sim::saturate<Integer>(ceil((double)a)); }
SIM_TO_INTEGER(float, float, int, int)
SIM_TO_INTEGER(float, float, uint, unsigned)
SIM_TO_INTEGER(float, float, ll, long long)
SIM_TO_INTEGER(float, float, ull, unsigned long long)
SIM_TO_INTEGER(double, double, int, int)
SIM_TO_INTEGER(double, double, uint, unsigned)
SIM_TO_INTEGER(double, double, ll, long long)
SIM_TO_INTEGER(double, double, ull, unsigned long long)
#undef SIM_TO_INTEGER
inline float __int2float_rn(int a) { return (float)a; }
inline float __uint2float_rn(unsigned a) { return (float)a; }
inline float __ll2float_rn(long long a) { return (float)a; }
inline float __ull2float_rn(unsigned long long a) { return (float)a; }
inline float __double2float_rn(double a) { return (float)a; }
inline double __int2double_rn(int a) { return a; }
inline double __uint2double_rn(unsigned a) { return a; }
inline double __ll2double_rn(long long a) { return (double)a; }
inline double __ull2double_rn(unsigned long long a) { return (double)a; }
