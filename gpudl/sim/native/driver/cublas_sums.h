// cublas_sums.h: cuBLAS' own additions: scaled sums of matrices (geam), matrices times diagonals (dgmm).
#pragma once
#include "cublas_vectors.h"

namespace blas __attribute__((visibility("hidden"))) {

template <class T>
int geam(void* given, const char* name, int op_a, int op_b, int rows, int columns, const T* alpha, const T* a, int lda,
         const T* beta, const T* b, int ldb, T* c, int ldc) {
  Handle* handle = checked(given);
  if (!handle) return kNoHandle;
  if (!valid_operation(op_a) || !valid_operation(op_b) || rows < 0 || columns < 0)
    return refuse(kBadValue, "%s: an operation or a size that cannot be", name);
  int rows_a = op_a == kNone ? rows : columns, rows_b = op_b == kNone ? rows : columns;
  if (ldc < std::max(1, rows)) return bad_leading(name, "C", ldc, rows);
  Scalar<T> first, second;
  if (!read_scalar(handle, name, "alpha", alpha, &first) || !read_scalar(handle, name, "beta", beta, &second))
    return kBadValue;
  // An operand whose factor the host knows to be 0 may be missing.
  bool with_a = first.address || first.value != T(0), with_b = second.address || second.value != T(0);
  if (with_a && lda < std::max(1, rows_a)) return bad_leading(name, "A", lda, rows_a);
  if (with_b && ldb < std::max(1, rows_b)) return bad_leading(name, "B", ldb, rows_b);
  if ((with_a && a == c && (op_a != kNone || lda != ldc)) || (with_b && b == c && (op_b != kNone || ldb != ldc)))
    return refuse(kBadValue, "%s: C is an operand too, but transposed or with another leading dimension", name);
  auto fits = [=] {
    return (!with_a || matrix_fits(name, "A", a, rows_a, op_a == kNone ? columns : rows, lda, sizeof(T))) &&
           (!with_b || matrix_fits(name, "B", b, rows_b, op_b == kNone ? columns : rows, ldb, sizeof(T))) &&
           matrix_fits(name, "C", c, rows, columns, ldc, sizeof(T));
  };
  if (!fits()) return kBadValue;
  return enqueue(handle, name, [=] {
    if (!fits()) return (int)kInvalidValue;
    T al = first.get(), be = second.get();
    auto element = [](const T* matrix, int op, int64_t leading, int64_t i, int64_t j) {
      T value = op == kNone ? matrix[i + j * leading] : matrix[j + i * leading];
      return op == kConjugated ? conjugate(value) : value;
    };
    for (int64_t j = 0; j < columns; ++j) {
      for (int64_t i = 0; i < rows; ++i) {
        T left = al == T(0) ? T(0) : al * element(a, op_a, lda, i, j);
        c[i + j * ldc] = be == T(0) ? left : left + be * element(b, op_b, ldb, i, j);
      }
      sim_written(c + j * ldc, (size_t)rows * sizeof(T));
    }
    return (int)kSuccess;
  });
}

template <class T>
int dgmm(void* given, const char* name, int side, int rows, int columns, const T* a, int lda, const T* x, int step,
    T* c,
         int ldc) {
  Handle* handle = checked(given);
  if (!handle) return kNoHandle;
  if ((side != 0 && side != 1) || rows < 0 || columns < 0) return refuse(kBadValue,
      "%s: a side or a size that cannot be", name);
  if (lda < std::max(1, rows)) return bad_leading(name, "A", lda, rows);
  if (ldc < std::max(1, rows)) return bad_leading(name, "C", ldc, rows);
  int64_t count = side == 0 ? rows : columns;  // CUBLAS_SIDE_LEFT scales rows
  auto fits = [=] {
    return matrix_fits(name, "A", a, rows, columns, lda, sizeof(T)) && vector_fits(name, "x", x, count, step,
        sizeof(T)) &&
           matrix_fits(name, "C", c, rows, columns, ldc, sizeof(T));
  };
  if (!fits()) return kBadValue;
  return enqueue(handle, name, [=] {
    if (!fits()) return (int)kInvalidValue;
    const T* diagonal = first_of(x, count, step);
    for (int64_t j = 0; j < columns; ++j) {
      for (int64_t i = 0; i < rows; ++i) c[i + j * ldc] = a[i + j * lda] * diagonal[(side == 0 ? i : j) * step];
      sim_written(c + j * ldc, (size_t)rows * sizeof(T));
    }
    return (int)kSuccess;
  });
}

}  // namespace blas
