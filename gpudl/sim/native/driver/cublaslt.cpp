// cublaslt.cpp: the cuBLASLt stand-in: one product of matrices, with a bias or with the sums of an operand.
// Descriptors are objects of the host, as NVIDIA's are; what they say is checked when a product is asked for.
#include <algorithm>

#include "cublas_products.h"

using namespace blas;

namespace {

enum Epilogue : uint32_t { kDefault = 1, kBias = 4, kSumsOfA = 256, kSumsOfB = 512 };

struct Description {
  int compute, scale;
  int32_t transposed[2] = {0, 0};
  uint32_t epilogue = kDefault;
  void* vector = nullptr;
};
struct Layout {
  int type;
  uint64_t rows, columns;
  int64_t leading;
};
struct Preference {
  uint64_t workspace = 0;
  uint32_t schemes = 7;
  uint32_t alignment[4] = {256, 256, 256, 256};
};
struct Algorithm {
  uint64_t magic, alignment, schemes, unused[5];
};
struct Found {
  Algorithm algorithm;
  size_t workspace;
  int state;
  float waves;
  int reserved[4];
};
const uint64_t kAlgorithm = 0x73696d6c74ull;

template <class T>
int set(const char* what, T* field, const void* value, size_t bytes) {
  if (!value || bytes != sizeof(T))
    return refuse(kBadValue, "cublasLt: %s takes %zu bytes, got %zu", what, sizeof(T), bytes);
  memcpy(field, value, sizeof(T));
  return kOk;
}

// NVIDIA's has kernels with an epilogue for real types up to 32 bits.
bool has_kernel(const Description& d, const Layout& a, const Layout& b, const Layout& out) {
  bool known = d.epilogue == kDefault || d.epilogue == kBias || d.epilogue == kSumsOfA || d.epilogue == kSumsOfB;
  bool typed = a.type == b.type && a.type == out.type && d.scale == kFloat &&
               scale_type_of(a.type, out.type, d.compute) == kFloat;
  return known && typed && a.type != kComplex;
}

int check_shapes(const Description& d, const Layout& a, const Layout& b, const Layout& out) {
  uint64_t rows = d.transposed[0] ? a.columns : a.rows, inner = d.transposed[0] ? a.rows : a.columns;
  uint64_t inner_of_b = d.transposed[1] ? b.columns : b.rows, columns = d.transposed[1] ? b.rows : b.columns;
  if (rows != out.rows || columns != out.columns || inner != inner_of_b)
    return refuse(kBadValue, "cublasLtMatmul: A (%lld, %lld), B (%lld, %lld) and D (%lld, %lld) do not fit",
                  (long long)rows, (long long)inner, (long long)inner_of_b, (long long)columns, (long long)out.rows,
                  (long long)out.columns);
  for (const Layout* each : {&a, &b, &out})
    if (each->leading < (int64_t)std::max<uint64_t>(1, each->rows))
      return bad_leading("cublasLtMatmul", "a matrix", each->leading, (int64_t)each->rows);
  return kOk;
}

// The product in float, then what follows in float, rounded once.
template <class T>
int run(const Description& d, Product p) {
  if (!operands_fit(p)) return kInvalidValue;
  bool sums = d.epilogue == kSumsOfA || d.epilogue == kSumsOfB, biased = d.epilogue == kBias;
  int64_t length = d.epilogue == kSumsOfB ? p.columns : p.rows;
  if ((sums || biased) && !vector_fits(p.name, "the bias", d.vector, length, 1, sizeof(T))) return kInvalidValue;
  std::vector<float> wide((size_t)(p.rows * p.columns));
  gemm<T, float, float>(p.op_a, p.op_b, p.rows, p.columns, p.count, scalar_value<float>(p.alpha, kFloat),
                        (const T*)p.a.data, p.a.leading, (const T*)p.b.data, p.b.leading, 0.0f, wide.data(), p.rows);
  T* out = (T*)const_cast<void*>(p.c.data);
  for (int64_t column = 0; column < p.columns; ++column) {
    for (int64_t row = 0; row < p.rows; ++row) {
      float value = wide[(size_t)(row + column * p.rows)];
      if (biased) value += widen(((const T*)d.vector)[row]);
      narrow(value, out + row + column * p.c.leading);
    }
    sim_written((char*)(out + column * p.c.leading), (size_t)p.rows * sizeof(T));
  }
  if (!sums) return kSuccess;
  const Operand& from = d.epilogue == kSumsOfA ? p.a : p.b;
  bool turned = (d.epilogue == kSumsOfA ? p.op_a : p.op_b) != kNone;
  // op(A) is (rows, count), op(B) is (count, columns): along count an element of A is `leading` away, of B next to it.
  bool inner_is_far = (d.epilogue == kSumsOfA) != turned;
  for (int64_t index = 0; index < length; ++index) {
    float sum = 0;
    for (int64_t step = 0; step < p.count; ++step)
      sum += widen(((const T*)from.data)[inner_is_far ? index + step * from.leading : step + index * from.leading]);
    narrow(sum, (T*)d.vector + index);
  }
  sim_written((char*)d.vector, (size_t)length * sizeof(T));
  return kSuccess;
}

int run_typed(const Description& d, const Product& p) {
  if (p.a.type == kHalf) return run<Half>(d, p);
  return p.a.type == kBFloat ? run<BFloat>(d, p) : run<float>(d, p);
}

}  // namespace

SIM_EXPORT int cublasLtMatmulDescCreate(void** out, int compute, int scale) {
  *out = new Description{compute, scale};
  return kOk;
}
SIM_EXPORT int cublasLtMatmulDescDestroy(void* given) {
  delete (Description*)given;
  return kOk;
}
SIM_EXPORT int cublasLtMatmulDescSetAttribute(void* given, int attribute, const void* value, size_t bytes) {
  Description* d = (Description*)given;
  switch (attribute) {
    case 3: case 4: return set("a transposition", &d->transposed[attribute - 3], value, bytes);
    case 7: return set("the epilogue", &d->epilogue, value, bytes);
    case 8: return set("the bias pointer", &d->vector, value, bytes);
    default: return refuse(kUnsupported, "cublasLtMatmulDescSetAttribute: attribute %d is not emulated", attribute);
  }
}

SIM_EXPORT int cublasLtMatrixLayoutCreate(void** out, int type, uint64_t rows, uint64_t columns, int64_t leading) {
  *out = new Layout{type, rows, columns, leading};
  return kOk;
}
SIM_EXPORT int cublasLtMatrixLayoutDestroy(void* given) {
  delete (Layout*)given;
  return kOk;
}

SIM_EXPORT int cublasLtMatmulPreferenceCreate(void** out) {
  *out = new Preference();
  return kOk;
}
SIM_EXPORT int cublasLtMatmulPreferenceDestroy(void* given) {
  delete (Preference*)given;
  return kOk;
}
SIM_EXPORT int cublasLtMatmulPreferenceSetAttribute(void* given, int attribute, const void* value, size_t bytes) {
  Preference* preference = (Preference*)given;
  switch (attribute) {
    case 1: return set("the workspace", &preference->workspace, value, bytes);
    case 3: return set("the reduction schemes", &preference->schemes, value, bytes);
    case 5: case 6: case 7: case 8: return set("an alignment", &preference->alignment[attribute - 5], value, bytes);
    default: return refuse(kUnsupported, "cublasLtMatmulPreferenceSetAttribute: %d is not emulated", attribute);
  }
}

SIM_EXPORT int cublasLtMatmulAlgoGetHeuristic(void* handle, void* product, void* a, void* b, void* c, void* d,
                                              void* preference, int wanted, Found* found, int* count) {
  if (!checked(handle)) return kNoHandle;
  if (!product || !a || !b || !c || !d || !preference || !found || !count || wanted < 1)
    return refuse(kBadValue, "cublasLtMatmulAlgoGetHeuristic: an argument is null");
  const Description& description = *(Description*)product;
  int status = check_shapes(description, *(Layout*)a, *(Layout*)b, *(Layout*)d);
  if (status) return status;
  *count = 0;
  if (!has_kernel(description, *(Layout*)a, *(Layout*)b, *(Layout*)d)) return kUnsupported;
  const uint32_t* aligned = ((Preference*)preference)->alignment;
  *found = Found{};
  found->algorithm = {kAlgorithm, *std::min_element(aligned, aligned + 4), ((Preference*)preference)->schemes, {}};
  *count = 1;
  return kOk;
}

SIM_EXPORT int cublasLtMatmul(void* given, void* product, const float* alpha, const void* a, void* layout_a,
                              const void* b, void* layout_b, const float* beta, const void* c, void*, void* d,
                              void* layout_d, const Algorithm* algorithm, void* workspace, size_t bytes, void* stream) {
  const char* name = "cublasLtMatmul";
  if (!checked(given)) return kNoHandle;
  if (!product || !layout_a || !layout_b || !layout_d || !alpha || !beta || !algorithm)
    return refuse(kBadValue, "cublasLtMatmul: an argument is null");
  const Description description = *(Description*)product;
  const Layout &of_a = *(Layout*)layout_a, &of_b = *(Layout*)layout_b, &of_d = *(Layout*)layout_d;
  int status = check_shapes(description, of_a, of_b, of_d);
  if (status) return status;
  if (algorithm->magic != kAlgorithm || !has_kernel(description, of_a, of_b, of_d))
    return refuse(kUnsupported, "cublasLtMatmul: no algorithm for these types, shapes and epilogue");
  if (algorithm->schemes & 5u)
    return refuse(kUnsupported, "cublasLtMatmul: a reduction scheme whose result may differ from run to run");
  for (const void* each : {a, b, (const void*)d, (const void*)description.vector})
    if ((uintptr_t)each % algorithm->alignment)
      return refuse(kBadValue, "cublasLtMatmul: %p is not aligned to the %llu bytes that the algorithm was chosen for",
                    each, (unsigned long long)algorithm->alignment);
  if (*beta != 0 || c != d) return refuse(kUnsupported, "cublasLtMatmul: a C that is added is not emulated");
  if (bytes && !sim_reachable(name, "workspace", workspace, bytes)) return kBadValue;
  Product p = {name, description.transposed[0], description.transposed[1], (int64_t)of_d.rows, (int64_t)of_d.columns,
               (int64_t)(description.transposed[0] ? of_a.rows : of_a.columns),
               {a, of_a.type, of_a.leading, 0}, {b, of_b.type, of_b.leading, 0}, {d, of_d.type, of_d.leading, 0}};
  memcpy((void*)&p.alpha.value, alpha, sizeof *alpha);
  if (!operands_fit(p)) return kBadValue;
  Handle on_stream = *checked(given);
  on_stream.stream = stream;
  return enqueue(&on_stream, name, [description, p] { return run_typed(description, p); });
}
