// cublas_products.h: matrix products in all their forms come together in one Product: types, batches, scalars.
#pragma once
#include <vector>

#include "cublas_calls.h"
#include "cublas_gemm.h"

namespace blas __attribute__((visibility("hidden"))) {

enum ComputeType : int {
  kCompute16 = 64,
  kCompute16Pedantic = 65,
  kCompute32 = 68,
  kCompute32Pedantic = 69,
  kCompute64 = 70,
  kCompute64Pedantic = 71,
  kComputeFast16 = 74,
  kComputeFastB16 = 75,
  kComputeFastTF32 = 77,
};

struct Operand {
  const void* data;  // or, for batches by pointers, the array of them in memory of the device
  int type;
  int64_t leading, stride;
};

struct Product {
  const char* name;
  int op_a, op_b;
  int64_t rows, columns, count;
  Operand a, b, c;
  int64_t batches = 1;
  bool by_pointers = false;
  int scale_type = kFloat;
  Scalar<Complex<double>> alpha = {}, beta = {};  // only as many bytes as scale_type has are meant

  int64_t rows_of_a() const { return op_a == kNone ? rows : count; }
  int64_t columns_of_a() const { return op_a == kNone ? count : rows; }
  int64_t rows_of_b() const { return op_b == kNone ? count : columns; }
  int64_t columns_of_b() const { return op_b == kNone ? columns : count; }
};

// The type of alpha and beta; -1 if there is no such product.
inline int scale_type_of(int ab, int c, int compute) {
  bool single = compute == kCompute32 || compute == kCompute32Pedantic;
  bool fast = compute == kComputeFast16 || compute == kComputeFastB16 || compute == kComputeFastTF32;
  if ((compute == kCompute16 || compute == kCompute16Pedantic) && ab == kHalf && c == kHalf) return kHalf;
  if ((compute == kCompute64 || compute == kCompute64Pedantic) && ab == c && (ab == kDouble ||
      ab == kDoubleComplex)) return ab;
  if ((single || fast) && ab == c && (ab == kFloat || ab == kComplex)) return ab;
  if (single && (ab == kHalf || ab == kBFloat) && (c == ab || c == kFloat)) return kFloat;
  return -1;
}

template <class W>
W scalar_value(const Scalar<Complex<double>>& scalar, int type) {
  const void* at = scalar.address ? (const void*)scalar.address : &scalar.value;
  if constexpr (std::is_same_v<W, float>) {
    if (type == kHalf) {
      Half half;
      memcpy(&half, at, 2);
      return widen(half);
    }
  }
  W value;
  memcpy(&value, at, sizeof value);
  return value;
}

template <class T, class TC>
void multiply_one(const Product& p, const void* a, const void* b, void* c) {
  typedef typename Wide<T>::type W;
  W alpha = scalar_value<W>(p.alpha, p.scale_type), beta = scalar_value<W>(p.beta, p.scale_type);
  gemm<T, TC, W>(p.op_a, p.op_b, p.rows, p.columns, p.count, alpha, (const T*)a, p.a.leading, (const T*)b, p.b.leading,
                 beta, (TC*)c, p.c.leading);
}

inline void multiply_types(const Product& p, const void* a, const void* b, void* c) {
  switch (p.a.type) {
    case kFloat: return multiply_one<float, float>(p, a, b, c);
    case kDouble: return multiply_one<double, double>(p, a, b, c);
    case kComplex: return multiply_one<Complex<float>, Complex<float>>(p, a, b, c);
    case kDoubleComplex: return multiply_one<Complex<double>, Complex<double>>(p, a, b, c);
    case kHalf: return p.c.type == kHalf ? multiply_one<Half, Half>(p, a, b, c) : multiply_one<Half, float>(p, a, b, c);
    case kBFloat:
      return p.c.type == kBFloat ? multiply_one<BFloat, BFloat>(p, a, b, c) : multiply_one<BFloat, float>(p, a, b, c);
  }
}

inline const void* batch_of(const Operand& operand, int64_t batch, bool by_pointers) {
  if (by_pointers) return ((const void* const*)operand.data)[batch];
  return (const char*)operand.data + batch * operand.stride * size_of(operand.type);
}

// Whether all the memory that a product touches is there; when recorded, asked again at each replay.
inline bool operands_fit(const Product& p) {
  if (p.by_pointers) {
    size_t bytes = (size_t)p.batches * sizeof(void*);
    if (!sim_reachable(p.name, "array of A", p.a.data, bytes) || !sim_reachable(p.name, "array of B", p.b.data,
        bytes) ||
        !sim_reachable(p.name, "array of C", p.c.data, bytes))
      return false;
  }
  for (int64_t batch = 0; batch < p.batches; ++batch) {
    bool read = p.count > 0;
    if (read && !matrix_fits(p.name, "A", batch_of(p.a, batch, p.by_pointers), p.rows_of_a(), p.columns_of_a(),
        p.a.leading,
                             size_of(p.a.type)))
      return false;
    if (read && !matrix_fits(p.name, "B", batch_of(p.b, batch, p.by_pointers), p.rows_of_b(), p.columns_of_b(),
        p.b.leading,
                             size_of(p.b.type)))
      return false;
    if (!matrix_fits(p.name, "C", batch_of(p.c, batch, p.by_pointers), p.rows, p.columns, p.c.leading,
        size_of(p.c.type)))
      return false;
  }
  return true;
}

// Whether two results of a batch share an element. They may lie one after the other, or column by column in turn.
inline bool results_overlap(const Product& p) {
  int64_t stride = std::abs(p.c.stride);
  bool one_by_one = stride >= (p.columns - 1) * p.c.leading + p.rows;
  bool in_turn = stride >= p.rows && (p.batches - 1) * stride + p.rows <= p.c.leading;
  return p.batches > 1 && !one_by_one && !in_turn;
}

inline int run_product(const Product& p) {
  if (!operands_fit(p)) return kInvalidValue;
  for (int64_t batch = 0; batch < p.batches; ++batch) {
    void* c = const_cast<void*>(batch_of(p.c, batch, p.by_pointers));
    multiply_types(p, batch_of(p.a, batch, p.by_pointers), batch_of(p.b, batch, p.by_pointers), c);
    for (int64_t column = 0; column < p.columns; ++column)
      sim_written((char*)c + column * p.c.leading * size_of(p.c.type), (size_t)(p.rows * size_of(p.c.type)));
  }
  return kSuccess;
}

// Checks a product and hands it to the stream. alpha and beta still lie where the caller has them.
inline int start_product(void* given, Product p, int compute, const void* alpha, const void* beta) {
  Handle* handle = checked(given);
  if (!handle) return kNoHandle;
  if (!valid_operation(p.op_a) || !valid_operation(p.op_b) || p.rows < 0 || p.columns < 0 || p.count < 0 ||
      p.batches < 0)
    return refuse(kBadValue, "%s: an operation or a size that cannot be (m=%lld n=%lld k=%lld)", p.name,
                  (long long)p.rows, (long long)p.columns, (long long)p.count);
  if (p.a.leading < std::max<int64_t>(1, p.rows_of_a())) return bad_leading(p.name, "A", p.a.leading, p.rows_of_a());
  if (p.b.leading < std::max<int64_t>(1, p.rows_of_b())) return bad_leading(p.name, "B", p.b.leading, p.rows_of_b());
  if (p.c.leading < std::max<int64_t>(1, p.rows)) return bad_leading(p.name, "C", p.c.leading, p.rows);
  p.scale_type = p.a.type == p.b.type ? scale_type_of(p.a.type, p.c.type, compute) : -1;
  if (p.scale_type < 0)
    return refuse(kUnsupported, "%s: types A %d, B %d, C %d with compute type %d", p.name, p.a.type, p.b.type, p.c.type,
                  compute);
  if (!p.rows || !p.columns || !p.batches) return kOk;
  if (!p.by_pointers && results_overlap(p))
    return refuse(kBadValue, "%s: the results of the batch overlap (stride %lld)", p.name, (long long)p.c.stride);
  const void* given_scalars[] = {alpha, beta};
  Scalar<Complex<double>>* scalars[] = {&p.alpha, &p.beta};
  for (int index = 0; index < 2; ++index) {
    const char* operand = index ? "beta" : "alpha";
    size_t bytes = (size_t)size_of(p.scale_type);
    if (!given_scalars[index]) return refuse(kBadValue, "%s: %s is null", p.name, operand);
    if (!handle->device_scalars)
      memcpy(&scalars[index]->value, given_scalars[index], bytes);
    else if (sim_reachable(p.name, operand, given_scalars[index], bytes))
      scalars[index]->address = (const Complex<double>*)given_scalars[index];
    else
      return kBadValue;
  }
  if (!operands_fit(p)) return kBadValue;
  return enqueue(handle, p.name, [p] { return run_product(p); });
}

}  // namespace blas
