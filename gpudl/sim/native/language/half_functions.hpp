// half_functions.hpp: what cuda_fp16.h and cuda_bf16.h declare for their types, beside the operators.
#pragma once
#include <math.h>

#include "half.hpp"
#include "vectors.hpp"

namespace sim {

// NaN counts as missing; the functions named _nan hand it on. (fminf would hand on a signaling NaN.)
template <class T>
T smaller(T a, T b) {
  return (float)a != (float)a ? b : (float)b != (float)b ? a : T(fminf((float)a, (float)b));
}
template <class T>
T larger(T a, T b) {
  return (float)a != (float)a ? b : (float)b != (float)b ? a : T(fmaxf((float)a, (float)b));
}
template <class T>
bool unordered(T a, T b) {
  return (float)a != (float)a || (float)b != (float)b;
}
template <class T>
T between_0_and_1(T a) {
  return T(fminf(fmaxf((float)a, 0.0f), 1.0f));  // NaN becomes 0
}
template <class T>
T fused(T a, T b, T c) {
  return T(fma((double)(float)a, (double)(float)b, (double)(float)c));  // a double's last bits do not reach 16 bits
}

}  // namespace sim

#define SIM_HALF_ARITHMETIC(name, name2, T, expression)                                            \
  inline T name(T a, T b) { return expression; }                                                   \
  inline T##2 name2(T##2 p, T##2 q) { return T##2(name(p.x, q.x), name(p.y, q.y)); }
#define SIM_HALF_UNARY(name, name2, T, expression)                                                 \
  inline T name(T a) { return expression; }                                                        \
  inline T##2 name2(T##2 p) { return T##2(name(p.x), name(p.y)); }
// Comparisons: of two numbers, of pairs (1 or 0 each), and of pairs as one truth value; "u": or unordered.
#define SIM_HALF_COMPARE(name, T, operation)                                                       \
  inline bool __h##name(T a, T b) { return (float)a operation (float)b; }                          \
  inline bool __h##name##u(T a, T b) { return __h##name(a, b) || sim::unordered(a, b); }           \
  inline T##2 __h##name##2(T##2 p, T##2 q) {                                                       \
    return T##2(T((float)__h##name(p.x, q.x)), T((float)__h##name(p.y, q.y)));                     \
  }                                                                                                \
  inline bool __hb##name##2(T##2 p, T##2 q) { return __h##name(p.x, q.x) && __h##name(p.y, q.y); }

#define SIM_HALF_FUNCTIONS(T)                                                                      \
  SIM_HALF_ARITHMETIC(__hadd, __hadd2, T, a + b)                                                   \
  SIM_HALF_ARITHMETIC(__hsub, __hsub2, T, a - b)                                                   \
  SIM_HALF_ARITHMETIC(__hmul, __hmul2, T, a * b)                                                   \
  SIM_HALF_ARITHMETIC(__hdiv, __h2div, T, a / b)                                                   \
  SIM_HALF_ARITHMETIC(__hadd_rn, __hadd2_rn, T, a + b)                                             \
  SIM_HALF_ARITHMETIC(__hsub_rn, __hsub2_rn, T, a - b)                                             \
  SIM_HALF_ARITHMETIC(__hmul_rn, __hmul2_rn, T, a * b)                                             \
  SIM_HALF_ARITHMETIC(__hadd_sat, __hadd2_sat, T, sim::between_0_and_1(a + b))                     \
  SIM_HALF_ARITHMETIC(__hsub_sat, __hsub2_sat, T, sim::between_0_and_1(a - b))                     \
  SIM_HALF_ARITHMETIC(__hmul_sat, __hmul2_sat, T, sim::between_0_and_1(a * b))                     \
  SIM_HALF_ARITHMETIC(__hmin, __hmin2, T, sim::smaller(a, b))                                      \
  SIM_HALF_ARITHMETIC(__hmax, __hmax2, T, sim::larger(a, b))                                       \
  SIM_HALF_ARITHMETIC(__hmin_nan, __hmin2_nan, T, sim::unordered(a, b) ? T(NAN) : sim::smaller(a, b)) \
  SIM_HALF_ARITHMETIC(__hmax_nan, __hmax2_nan, T, sim::unordered(a, b) ? T(NAN) : sim::larger(a, b)) \
  SIM_HALF_UNARY(__hneg, __hneg2, T, -a)                                                           \
  SIM_HALF_UNARY(__habs, __habs2, T, T(fabsf((float)a)))                                           \
  SIM_HALF_UNARY(hexp, h2exp, T, T(expf((float)a)))                                                \
  SIM_HALF_UNARY(hexp2, h2exp2, T, T(exp2f((float)a)))                                             \
  SIM_HALF_UNARY(hexp10, h2exp10, T, T(exp10f((float)a)))                                          \
  SIM_HALF_UNARY(hlog, h2log, T, T(logf((float)a)))                                                \
  SIM_HALF_UNARY(hlog2, h2log2, T, T(log2f((float)a)))                                             \
  SIM_HALF_UNARY(hlog10, h2log10, T, T(log10f((float)a)))                                          \
  SIM_HALF_UNARY(hsqrt, h2sqrt, T, T(sqrtf((float)a)))                                             \
  SIM_HALF_UNARY(hrsqrt, h2rsqrt, T, T(1.0f / sqrtf((float)a)))                                    \
  SIM_HALF_UNARY(hrcp, h2rcp, T, T(1.0f / (float)a))                                               \
  SIM_HALF_UNARY(hsin, h2sin, T, T(sinf((float)a)))                                                \
  SIM_HALF_UNARY(hcos, h2cos, T, T(cosf((float)a)))                                                \
  SIM_HALF_UNARY(htanh, h2tanh, T, T(tanhf((float)a)))                                             \
  SIM_HALF_UNARY(hfloor, h2floor, T, T(floorf((float)a)))                                          \
  SIM_HALF_UNARY(hceil, h2ceil, T, T(ceilf((float)a)))                                             \
  SIM_HALF_UNARY(htrunc, h2trunc, T, T(truncf((float)a)))                                          \
  SIM_HALF_UNARY(hrint, h2rint, T, T(rintf((float)a)))                                             \
  SIM_HALF_COMPARE(eq, T, ==)                                                                      \
  SIM_HALF_COMPARE(ne, T, !=)                                                                      \
  SIM_HALF_COMPARE(lt, T, <)                                                                       \
  SIM_HALF_COMPARE(le, T, <=)                                                                      \
  SIM_HALF_COMPARE(gt, T, >)                                                                       \
  SIM_HALF_COMPARE(ge, T, >=)                                                                      \
  inline T __hfma(T a, T b, T c) { return sim::fused(a, b, c); }                                   \
  inline T __hfma_sat(T a, T b, T c) { return sim::between_0_and_1(sim::fused(a, b, c)); }         \
  inline T __hfma_relu(T a, T b, T c) { return sim::larger(sim::fused(a, b, c), T(0.0f)); }        \
  inline T##2 __hfma2(T##2 a, T##2 b, T##2 c) { return T##2(__hfma(a.x, b.x, c.x), __hfma(a.y, b.y, c.y)); } \
  inline bool __hisnan(T a) { return isnan((float)a); }                                            \
  inline int __hisinf(T a) { return isinf((float)a) ? ((float)a < 0 ? -1 : 1) : 0; }               \
  inline float __low2float(T##2 p) { return p.x; }                                                 \
  inline float __high2float(T##2 p) { return p.y; }
SIM_HALF_FUNCTIONS(__half)
SIM_HALF_FUNCTIONS(__nv_bfloat16)

// Conversions, whose names hold the name of the type: "half" and "bfloat16".
#define SIM_HALF_CONVERSIONS(T, half, FROM_FLOAT)                                                  \
  inline float __##half##2float(T a) { return a; }                                                 \
  inline T __float2##half(float a) { return T(a); }                                                \
  inline T __float2##half##_rn(float a) { return T(a); }                                           \
  inline T __float2##half##_rz(float a) { return T##_raw{sim::FROM_FLOAT(a, sim::Round::Zero)}; }  \
  inline T __float2##half##_rd(float a) { return T##_raw{sim::FROM_FLOAT(a, sim::Round::Down)}; }  \
  inline T __float2##half##_ru(float a) { return T##_raw{sim::FROM_FLOAT(a, sim::Round::Up)}; }    \
  inline T __double2##half(double a) { return T(a); }                                              \
  inline T __int2##half##_rn(int a) { return T(a); }                                               \
  inline T __uint2##half##_rn(unsigned a) { return T(a); }                                         \
  inline T __short2##half##_rn(short a) { return T(a); }                                           \
  inline T __ushort2##half##_rn(unsigned short a) { return T(a); }                                 \
  inline T __ll2##half##_rn(long long a) { return T(a); }                                          \
  inline T __ull2##half##_rn(unsigned long long a) { return T(a); }                                \
  inline int __##half##2int_rn(T a) { return (int)rintf(a); }                                      \
  inline int __##half##2int_rz(T a) { return (int)truncf(a); }                                     \
  inline int __##half##2int_rd(T a) { return (int)floorf(a); }                                     \
  inline int __##half##2int_ru(T a) { return (int)ceilf(a); }                                      \
  inline unsigned __##half##2uint_rn(T a) { return (unsigned)rintf(a); }                           \
  inline unsigned __##half##2uint_rz(T a) { return (unsigned)truncf(a); }                          \
  inline short __##half##2short_rn(T a) { return (short)rintf(a); }                                \
  inline short __##half##2short_rz(T a) { return (short)truncf(a); }                               \
  inline long long __##half##2ll_rn(T a) { return (long long)rintf(a); }                           \
  inline long long __##half##2ll_rz(T a) { return (long long)truncf(a); }                          \
  inline unsigned short __##half##_as_ushort(T a) { return a.bits; }                               \
  inline short __##half##_as_short(T a) { return (short)a.bits; }                                  \
  inline T __ushort_as_##half(unsigned short bits) { return T##_raw{bits}; }                       \
  inline T __short_as_##half(short bits) { return T##_raw{(unsigned short)bits}; }                 \
  inline T##2 __##half##2##half##2(T a) { return T##2(a, a); }                                     \
  inline T##2 __float2##half##2_rn(float a) { return T##2(T(a), T(a)); }                           \
  inline T##2 __floats2##half##2_rn(float a, float b) { return T##2(T(a), T(b)); }                 \
  inline T##2 __float22##half##2_rn(float2 a) { return T##2(T(a.x), T(a.y)); }                     \
  inline float2 __##half##22float2(T##2 a) { return {a.x, a.y}; }                                  \
  inline T##2 __halves2##half##2(T a, T b) { return T##2(a, b); }                                  \
  inline T __low2##half(T##2 a) { return a.x; }                                                    \
  inline T __high2##half(T##2 a) { return a.y; }                                                   \
  inline T##2 __low2##half##2(T##2 a) { return T##2(a.x, a.x); }                                   \
  inline T##2 __high2##half##2(T##2 a) { return T##2(a.y, a.y); }                                  \
  inline T##2 __lows2##half##2(T##2 a, T##2 b) { return T##2(a.x, b.x); }                          \
  inline T##2 __highs2##half##2(T##2 a, T##2 b) { return T##2(a.y, b.y); }                         \
  inline T##2 make_##half##2(T a, T b) { return T##2(a, b); }
SIM_HALF_CONVERSIONS(__half, half, float_to_half)
SIM_HALF_CONVERSIONS(__nv_bfloat16, bfloat16, float_to_bfloat16)
inline __half2 __lowhigh2highlow(__half2 a) { return __half2(a.y, a.x); }
inline __nv_bfloat162 __lowhigh2highlow(__nv_bfloat162 a) { return __nv_bfloat162(a.y, a.x); }

#undef SIM_HALF_ARITHMETIC
#undef SIM_HALF_UNARY
#undef SIM_HALF_COMPARE
#undef SIM_HALF_FUNCTIONS
#undef SIM_HALF_CONVERSIONS
