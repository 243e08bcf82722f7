// half_conversions.hpp: float and double to the bits of 16-bit floats and back, rounded as CUDA does.
#pragma once
#include <stdint.h>
#include <string.h>

#include "keywords.hpp"

namespace sim {

enum class Round { Nearest, Zero, Down, Up };

inline uint32_t float_bits(float value) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  return bits;
}
inline float float_of(uint32_t bits) {
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

// Whether a magnitude that is cut off goes one up: `rest` of `unit` is cut off, `odd` tells the last bit kept.
inline bool rounds_up(Round mode, bool negative, uint32_t rest, uint32_t unit, bool odd) {
  switch (mode) {
    case Round::Nearest: return rest > unit / 2 || (rest == unit / 2 && odd);
    case Round::Zero: return false;
    case Round::Down: return negative && rest;
    default: return !negative && rest;
  }
}

inline float half_to_float(uint16_t half) {
  uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 0x3ff;
  if (exponent == 31) return float_of(fraction ? 0x7fffffffu : sign | 0x7f800000u);
  if (exponent) return float_of(sign | (exponent + 112) << 23 | fraction << 13);
  float magnitude = (float)fraction * 0x1p-24f;  // subnormal, or zero
  return float_of(sign | float_bits(magnitude));
}

inline uint16_t float_to_half(float value, Round mode = Round::Nearest) {
  uint32_t bits = float_bits(value), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000u) return 0x7fff;
  if (magnitude == 0x7f800000u) return (uint16_t)(sign | 0x7c00);
  bool negative = sign != 0;
  if (magnitude >= 0x47800000u) {  // 65536 and more: infinite, or the largest number where that lies behind
    return (uint16_t)(sign | (rounds_up(mode, negative, 1, 1, true) ? 0x7c00 : 0x7bff));
  }
  uint32_t kept, rest, unit;
  if (magnitude >= 0x38800000u) {  // normal as a half
    kept = (magnitude - 0x38000000u) >> 13;
    unit = 1u << 13;
    rest = magnitude & (unit - 1);
  } else {
    uint32_t exponent = magnitude >> 23, shift = exponent < 102 ? 25 : 126 - exponent;
    uint32_t fraction = exponent ? (magnitude & 0x7fffff) | 0x800000 : magnitude;
    unit = 1u << shift;
    kept = fraction >> shift;
    // Smaller than half of the smallest subnormal: only that it is not zero matters.
    rest = exponent < 102 ? (magnitude ? 1 : 0) : fraction & (unit - 1);
  }
  // A carry goes into the exponent, up to infinity, as it should.
  return (uint16_t)(sign | (kept + rounds_up(mode, negative, rest, unit, kept & 1)));
}

inline float bfloat16_to_float(uint16_t bits) { return float_of((uint32_t)bits << 16); }

inline uint16_t float_to_bfloat16(float value, Round mode = Round::Nearest) {
  uint32_t bits = float_bits(value), magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000u) return 0x7fff;
  uint32_t kept = bits >> 16;
  return (uint16_t)(kept + rounds_up(mode, bits >> 31, bits & 0xffff, 1u << 16, kept & 1));
}

// A double as a float whose last bit is set where anything was cut off: rounding that to 16 bits rounds only once.
inline float to_odd_float(double value) {
  float nearest = (float)value;
  if (!((double)nearest != value) || value != value) return nearest;
  uint32_t bits = float_bits(nearest);
  bool too_large = value > 0 ? (double)nearest > value : (double)nearest < value;
  if (too_large) --bits;  // towards zero; infinity becomes the largest float
  return float_of(bits | 1);
}

}  // namespace sim
