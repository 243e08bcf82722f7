// cublas_vectors.h: products of vectors with vectors and matrices, sums, norms, scaled sums of matrices.
#pragma once
#include <algorithm>
#include <cstdlib>
#include <type_traits>

#include "cublas_calls.h"
#include "cublas_gemm.h"

namespace blas __attribute__((visibility("hidden"))) {

template <class T>
struct Part {  // the real type under a type, and the type that sums are kept in
  typedef T real;
  typedef double sum;
};
template <class R>
struct Part<Complex<R>> {
  typedef R real;
  typedef Complex<double> sum;
};

inline double to_sum(float value) { return value; }
inline double to_sum(double value) { return value; }
template <class R>
Complex<double> to_sum(Complex<R> value) {
  return {value.re, value.im};
}
inline void from_sum(double sum, float* out) { *out = (float)sum; }
inline void from_sum(double sum, double* out) { *out = sum; }
template <class R>
void from_sum(Complex<double> sum, Complex<R>* out) {
  *out = {(R)sum.re, (R)sum.im};
}
inline double taxicab(double value) { return std::abs(value); }
inline double taxicab(Complex<double> value) { return std::abs(value.re) + std::abs(value.im); }
inline double length(double value) { return std::abs(value); }
inline double length(Complex<double> value) { return std::hypot(value.re, value.im); }

// Works out a result for the host, which waits, or for the device.
template <class T, class Compute>
int give_result(Handle* handle, const char* name, T* result, Compute compute) {
  if (!result) return refuse(kBadValue, "%s: no place for the result", name);
  if (handle->device_scalars) {
    if (!sim_reachable(name, "result", result, sizeof(T))) return kBadValue;
    return enqueue(handle, name, [result, compute] {
      *result = compute();
      sim_written(result, sizeof(T));
      return (int)kSuccess;
    });
  }
  if (sim_library_wait(handle->stream)) return refuse(kFailed, "%s: %s", name, std::string(sim_last_error()).c_str());
  return enqueue(handle, name, [result, compute] {
    *result = compute();
    return (int)kSuccess;
  });
}

template <class T>
int dot(void* given, const char* name, int count, const T* x, int step_x, const T* y, int step_y, T* result,
        bool conjugated) {
  Handle* handle = checked(given);
  if (!handle) return kNoHandle;
  if (!vector_fits(name, "x", x, count, step_x, sizeof(T)) || !vector_fits(name, "y", y, count, step_y, sizeof(T)))
    return kBadValue;
  return give_result(handle, name, result, [=] {
    typename Part<T>::sum sum(0);
    const T *left = first_of(x, count, step_x), *right = first_of(y, count, step_y);
    for (int64_t i = 0; i < count; ++i) {
      auto factor = to_sum(left[i * step_x]);
      sum = sum + (conjugated ? conjugate(factor) : factor) * to_sum(right[i * step_y]);
    }
    T value;
    from_sum(sum, &value);
    return value;
  });
}

enum class Reduction { sum, norm, largest, smallest };

// asum, nrm2, iamax and iamin: a step that is not positive gives 0.
template <class T, class R>
int reduce(void* given, const char* name, int count, const T* x, int step, R* result, Reduction which) {
  Handle* handle = checked(given);
  if (!handle) return kNoHandle;
  if (step <= 0) count = 0;
  if (!vector_fits(name, "x", x, count, step, sizeof(T))) return kBadValue;
  return give_result(handle, name, result, [=] {
    double sum = 0, scale = 0, best = 0;
    int64_t place = 0;  // counted from 1
    for (int64_t i = 0; i < count; ++i) {
      auto value = to_sum(x[i * step]);
      double size = which == Reduction::norm ? length(value) : taxicab(value);
      if (which == Reduction::norm && size != 0) {  // scaled, so that squares cannot overflow
        if (size > scale) {
          sum = 1 + sum * (scale / size) * (scale / size);
          scale = size;
        } else {
          sum += (size / scale) * (size / scale);
        }
      } else {
        sum += size;
      }
      if (!place || (which == Reduction::largest ? size > best : size < best)) best = size, place = i + 1;
    }
    if (which == Reduction::norm) return (R)(scale * std::sqrt(sum));
    return which == Reduction::sum ? (R)sum : (R)place;
  });
}

template <class T>
int axpy(void* given, const char* name, int count, const T* alpha, const T* x, int step_x, T* y, int step_y) {
  Handle* handle = checked(given);
  if (!handle) return kNoHandle;
  Scalar<T> factor;
  if (!read_scalar(handle, name, "alpha", alpha, &factor) || !vector_fits(name, "x", x, count, step_x, sizeof(T)) ||
      !vector_fits(name, "y", y, count, step_y, sizeof(T)))
    return kBadValue;
  return enqueue(handle, name, [=] {
    if (!vector_fits(name, "x", x, count, step_x, sizeof(T)) || !vector_fits(name, "y", y, count, step_y, sizeof(T)))
      return (int)kInvalidValue;
    const T* from = first_of(x, count, step_x);
    T *to = first_of(y, count, step_y), scale = factor.get();
    for (int64_t i = 0; i < count; ++i) to[i * step_y] = to[i * step_y] + scale * from[i * step_x];
    if (count > 0 && (step_y == 1 || step_y == -1)) sim_written(y, (size_t)count * sizeof(T));
    return (int)kSuccess;
  });
}

template <class S, class T>
int scal(void* given, const char* name, int count, const S* alpha, T* x, int step) {
  Handle* handle = checked(given);
  if (!handle) return kNoHandle;
  Scalar<S> factor;
  if (step <= 0) count = 0;
  if (!read_scalar(handle, name, "alpha", alpha, &factor) || !vector_fits(name, "x", x, count, step, sizeof(T)))
    return kBadValue;
  return enqueue(handle, name, [=] {
    if (!vector_fits(name, "x", x, count, step, sizeof(T))) return (int)kInvalidValue;
    T scale(factor.get());
    for (int64_t i = 0; i < count; ++i) {
      x[i * step] = scale * x[i * step];
      sim_written(x + i * step, sizeof(T));
    }
    return (int)kSuccess;
  });
}

template <class T>
int gemv(void* given, const char* name, int op, int rows, int columns, const T* alpha, const T* a, int lda, const T* x,
         int step_x, const T* beta, T* y, int step_y) {
  Handle* handle = checked(given);
  if (!handle) return kNoHandle;
  if (!valid_operation(op) || rows < 0 || columns < 0 || !step_x || !step_y)
    return refuse(kBadValue, "%s: an operation, a size or a step that cannot be", name);
  if (lda < std::max(1, rows)) return bad_leading(name, "A", lda, rows);
  int64_t long_y = op == kNone ? rows : columns, long_x = op == kNone ? columns : rows;
  Scalar<T> first, second;
  auto fits = [=] {
    return matrix_fits(name, "A", a, rows, columns, lda, sizeof(T)) && vector_fits(name, "x", x, long_x, step_x,
        sizeof(T)) &&
           vector_fits(name, "y", y, long_y, step_y, sizeof(T));
  };
  if (!read_scalar(handle, name, "alpha", alpha, &first) || !read_scalar(handle, name, "beta", beta, &second) ||
      !fits())
    return kBadValue;
  if (!rows || !columns) return kOk;
  return enqueue(handle, name, [=] {
    if (!fits()) return (int)kInvalidValue;
    const T* from = first_of(x, long_x, step_x);
    T *to = first_of(y, long_y, step_y), al = first.get(), be = second.get();
    for (int64_t i = 0; i < long_y; ++i) {
      typename Part<T>::sum sum(0);
      for (int64_t j = 0; j < long_x && al != T(0); ++j) {
        T factor = op == kNone ? a[i + j * lda] : a[j + i * lda];
        sum = sum + to_sum(op == kConjugated ? conjugate(factor) : factor) * to_sum(from[j * step_x]);
      }
      T product;
      from_sum(sum, &product);
      product = al == T(0) ? T(0) : al * product;
      to[i * step_y] = be == T(0) ? product : product + be * to[i * step_y];
      sim_written(to + i * step_y, sizeof(T));
    }
    return (int)kSuccess;
  });
}

template <class T>
int ger(void* given, const char* name, int rows, int columns, const T* alpha, const T* x, int step_x, const T* y,
        int step_y, T* a, int lda, bool conjugated) {
  Handle* handle = checked(given);
  if (!handle) return kNoHandle;
  if (rows < 0 || columns < 0 || !step_x || !step_y) return refuse(kBadValue, "%s: a size or a step that cannot be",
      name);
  if (lda < std::max(1, rows)) return bad_leading(name, "A", lda, rows);
  Scalar<T> factor;
  auto fits = [=] {
    return matrix_fits(name, "A", a, rows, columns, lda, sizeof(T)) && vector_fits(name, "x", x, rows, step_x,
        sizeof(T)) &&
           vector_fits(name, "y", y, columns, step_y, sizeof(T));
  };
  if (!read_scalar(handle, name, "alpha", alpha, &factor) || !fits()) return kBadValue;
  return enqueue(handle, name, [=] {
    if (!fits()) return (int)kInvalidValue;
    const T *left = first_of(x, rows, step_x), *right = first_of(y, columns, step_y);
    T scale = factor.get();
    for (int64_t j = 0; j < columns; ++j)
      for (int64_t i = 0; i < rows; ++i) {
        T other = right[j * step_y];
        a[i + j * lda] = a[i + j * lda] + scale * left[i * step_x] * (conjugated ? conjugate(other) : other);
      }
    return (int)kSuccess;
  });
}

}  // namespace blas
