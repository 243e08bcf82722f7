// curand.cpp: the cuRAND stand-in: one counter-based generator (Philox 4x32-10) under every generator's name.
// Numbers are
// reproducible by seed and offset, and are not NVIDIA's.
#include <cmath>
#include <memory>
#include <string>

#include "abi.h"
#include "driver.h"

namespace {

enum Status : int {
  kOk = 0,
  kNoGenerator = 101,
  kTypeError = 103,
  kOutOfRange = 104,
  kNotMultiple = 105,
  kLaunchFailed = 201,
};
const int kFirstPseudo = 100, kLastPseudo = 170, kFirstQuasi = 200, kLastQuasi = 210;
const double kPi = 3.14159265358979323846;

struct Words {
  uint32_t word[4];
};

// Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".
Words philox(uint64_t seed, uint64_t position, uint32_t draw) {
  uint32_t counter[4] = {(uint32_t)position, (uint32_t)(position >> 32), draw, 0};
  uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
  for (int round = 0; round < 10; ++round) {
    uint64_t first = (uint64_t)0xD2511F53u * counter[0], second = (uint64_t)0xCD9E8D57u * counter[2];
    uint32_t next[4] = {(uint32_t)(second >> 32) ^ counter[1] ^ key[0], (uint32_t)second,
                        (uint32_t)(first >> 32) ^ counter[3] ^ key[1], (uint32_t)first};
    for (int i = 0; i < 4; ++i) counter[i] = next[i];
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return {{counter[0], counter[1], counter[2], counter[3]}};
}

// The random numbers of one output, as many as it asks for.
class Draws {
 public:
  Draws(uint64_t seed, uint64_t position) : seed_(seed), position_(position) {}
  uint32_t bits() {
    if (!(used_ & 3)) words_ = philox(seed_, position_, used_ / 4);
    return words_.word[used_++ & 3];
  }
  uint64_t long_bits() {
    uint64_t low = bits();
    return low | (uint64_t)bits() << 32;
  }
  float uniform() { return (float)((bits() >> 8) + 1) * 0x1p-24f; }                // 0 < x <= 1, as cuRAND has it
  double uniform_double() { return (double)((long_bits() >> 11) + 1) * 0x1p-53; }
  double normal() {
    double radius = std::sqrt(-2 * std::log(uniform_double()));
    return radius * std::cos(2 * kPi * uniform_double());
  }

 private:
  uint64_t seed_, position_;
  uint32_t used_ = 0;
  Words words_{};
};

// Knuth's products for small rates; Hörmann's transformed rejection (PTRS, 1993) for large ones.
uint32_t poisson(Draws& draws, double rate) {
  if (rate < 10) {
    double limit = std::exp(-rate), product = 1;
    uint32_t count = 0;
    while ((product *= draws.uniform_double()) > limit) ++count;
    return count;
  }
  const double b = 0.931 + 2.53 * std::sqrt(rate), a = -0.059 + 0.02483 * b;
  const double inverse = 1.1239 + 1.1328 / (b - 3.4), ratio = 0.9277 - 3.6224 / (b - 2);
  for (;;) {
    double u = draws.uniform_double() - 0.5, v = draws.uniform_double(), us = 0.5 - std::abs(u);
    double k = std::floor((2 * a / us + b) * u + rate + 0.43);
    if (us >= 0.07 && v <= ratio) return (uint32_t)k;
    if (k < 0 || (us < 0.013 && v > us)) continue;
    double accepted = -rate + k * std::log(rate) - std::lgamma(k + 1);
    if (std::log(v) + std::log(inverse) - std::log(a / (us * us) + b) <= accepted) return (uint32_t)k;
  }
}

struct Generator {
  uint64_t seed = 0, position = 0;
  void* stream = nullptr;
};
typedef std::shared_ptr<Generator> GeneratorPointer;
struct Slot {  // what a handle points at: recorded work keeps the generator itself alive
  uint32_t magic;
  GeneratorPointer generator;
};
const uint32_t kMagic = 0x73696d72;

Generator* checked(void* handle) {
  Slot* slot = (Slot*)handle;
  return slot && slot->magic == kMagic ? slot->generator.get() : nullptr;
}

// Fills an array with what `make` makes of each output's own random numbers.
template <class T, class Make>
int generate(void* handle, const char* name, T* out, size_t count, Make make) {
  if (!checked(handle)) return kNoGenerator;
  if (!count) return kOk;
  if (!sim_reachable(name, "output", out, count * sizeof(T))) return kLaunchFailed;
  GeneratorPointer generator = ((Slot*)handle)->generator;
  auto work = [=] {
    if (!sim_reachable(name, "output", out, count * sizeof(T))) return (int)kInvalidValue;
    for (size_t i = 0; i < count; ++i) {
      Draws draws(generator->seed, generator->position + i);
      out[i] = make(draws);
    }
    generator->position += count;
    sim_written(out, count * sizeof(T));
    return (int)kSuccess;
  };
  typedef decltype(work) Work;
  int error = sim_library_call(
      generator->stream, name, [](void* state) { return (*(Work*)state)(); }, new Work(work),
      [](void* state) { delete (Work*)state; });
  if (!error) return kOk;
  sim_complain("%s: %s", name, std::string(sim_last_error()).c_str());
  return kLaunchFailed;
}

// cuRAND makes normal numbers in pairs.
int check_pairs(const char* name, size_t count) {
  if (count % 2 == 0) return kOk;
  sim_complain("%s: %zu numbers; cuRAND makes normal numbers in pairs, so the count must be even", name, count);
  return kNotMultiple;
}

}  // namespace

SIM_EXPORT int curandCreateGenerator(void** out, int type) {
  if (type >= kFirstQuasi && type <= kLastQuasi) {
    sim_complain("curandCreateGenerator: the sim has no quasi-random generators (type %d)", type);
    return kTypeError;
  }
  if (type < kFirstPseudo || type > kLastPseudo) return kTypeError;
  *out = new Slot{kMagic, std::make_shared<Generator>()};
  return kOk;
}

SIM_EXPORT int curandDestroyGenerator(void* handle) {
  if (!checked(handle)) return kNoGenerator;
  ((Slot*)handle)->magic = 0;
  delete (Slot*)handle;
  return kOk;
}

SIM_EXPORT int curandGetVersion(int* version) {
  *version = 10310;
  return kOk;
}

SIM_EXPORT int curandSetStream(void* handle, void* stream) {
  if (!checked(handle)) return kNoGenerator;
  checked(handle)->stream = stream;
  return kOk;
}

SIM_EXPORT int curandSetPseudoRandomGeneratorSeed(void* handle, unsigned long long seed) {
  if (!checked(handle)) return kNoGenerator;
  checked(handle)->seed = seed;
  checked(handle)->position = 0;
  return kOk;
}

SIM_EXPORT int curandSetGeneratorOffset(void* handle, unsigned long long offset) {
  if (!checked(handle)) return kNoGenerator;
  checked(handle)->position = offset;
  return kOk;
}

SIM_EXPORT int curandSetGeneratorOrdering(void* handle, int) { return checked(handle) ? kOk : kNoGenerator; }

SIM_EXPORT int curandGenerate(void* handle, uint32_t* out, size_t count) {
  return generate(handle, "curandGenerate", out, count, [](Draws& draws) { return draws.bits(); });
}

SIM_EXPORT int curandGenerateLongLong(void* handle, uint64_t* out, size_t count) {
  return generate(handle, "curandGenerateLongLong", out, count, [](Draws& draws) { return draws.long_bits(); });
}

SIM_EXPORT int curandGenerateUniform(void* handle, float* out, size_t count) {
  return generate(handle, "curandGenerateUniform", out, count, [](Draws& draws) { return draws.uniform(); });
}

SIM_EXPORT int curandGenerateUniformDouble(void* handle, double* out, size_t count) {
  return generate(handle, "curandGenerateUniformDouble", out, count,
      [](Draws& draws) { return draws.uniform_double(); });
}

#define NORMAL(name, T, expression) \
  SIM_EXPORT int curandGenerate##name(void* handle, T* out, size_t count, T mean, T deviation) { \
    if (int status = check_pairs("curandGenerate" #name, count)) return status; \
    return generate(handle, "curandGenerate" #name, out, count, [=](Draws& draws) { \
      double value = (double)mean + (double)deviation * draws.normal(); \
      return (T)(expression); \
    }); \
  }
NORMAL(Normal, float, value)
NORMAL(NormalDouble, double, value)
NORMAL(LogNormal, float, std::exp(value))
NORMAL(LogNormalDouble, double, std::exp(value))

SIM_EXPORT int curandGeneratePoisson(void* handle, uint32_t* out, size_t count, double rate) {
  if (!(rate > 0) || rate > 4e9) return kOutOfRange;
  return generate(handle, "curandGeneratePoisson", out, count, [rate](Draws& draws) { return poisson(draws, rate); });
}
