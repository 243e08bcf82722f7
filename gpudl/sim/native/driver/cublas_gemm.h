// cublas_gemm.h: one matrix product, C = alpha op(A) op(B) + beta C, column by column as BLAS has it. Blocks of A and
// panels of B are packed in the wide type, which takes care of transposition and types; a small kernel does the rest.
// Every element of C is summed in the order of k, so the result depends on neither the blocks nor the machine.
#pragma once
#include <algorithm>
#include <vector>

#include "cublas_types.h"

// The same instructions in wider registers: no fused multiply-add, hence the same bits on every machine.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define SIM_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define SIM_CLONES
#endif

namespace blas __attribute__((visibility("hidden"))) {

enum Operation : int { kNone = 0, kTransposed = 1, kConjugated = 2 };

const int kColumns = 6;                       // of B in a panel
const int64_t kRowsAtOnce = 256;              // of A in a block at most
const int64_t kBlockElements = int64_t(1) << 20;  // of A in a block at most

// A vector of 32 bytes; where the machine's are shorter the compiler splits it.
template <class R>
struct Vector {
  typedef R type __attribute__((vector_size(32), aligned(8), may_alias));
  static const int lanes = 32 / sizeof(R);
};

template <class W>
struct Tile {  // the real part of a wide type, and its planes: one, or real and imaginary
  typedef W real;
  static const int planes = 1;
};
template <class R>
struct Tile<Complex<R>> {
  typedef R real;
  static const int planes = 2;
};

template <class R>
inline __attribute__((always_inline)) void multiply_real(const R* a, const R* b, int64_t count, R* out) {
  typedef typename Vector<R>::type V;
  const int lanes = Vector<R>::lanes;
  V sum0 = {}, sum1 = {}, sum2 = {}, sum3 = {}, sum4 = {}, sum5 = {};
  for (int64_t step = 0; step < count; ++step, a += lanes, b += kColumns) {
    V row = *(const V*)a;
    sum0 += row * b[0];
    sum1 += row * b[1];
    sum2 += row * b[2];
    sum3 += row * b[3];
    sum4 += row * b[4];
    sum5 += row * b[5];
  }
  V* columns = (V*)out;
  columns[0] = sum0, columns[1] = sum1, columns[2] = sum2;
  columns[3] = sum3, columns[4] = sum4, columns[5] = sum5;
}

// Real parts stand in the first half of each packed row, imaginary parts in the second.
template <class R>
inline __attribute__((always_inline)) void multiply_complex(const R* a, const R* b, int64_t count, R* out) {
  typedef typename Vector<R>::type V;
  const int lanes = Vector<R>::lanes;
  for (int column = 0; column < kColumns; ++column) {
    V real = {}, imaginary = {};
    const R *left = a, *right = b;
    for (int64_t step = 0; step < count; ++step, left += 2 * lanes, right += 2 * kColumns) {
      V re = *(const V*)left, im = *(const V*)(left + lanes);
      real += re * right[column] - im * right[kColumns + column];
      imaginary += re * right[kColumns + column] + im * right[column];
    }
    *(V*)(out + column * lanes) = real;
    *(V*)(out + (kColumns + column) * lanes) = imaginary;
  }
}

SIM_CLONES inline void multiply(const float* a, const float* b, int64_t count, float* out, float) {
  multiply_real(a, b, count, out);
}
SIM_CLONES inline void multiply(const double* a, const double* b, int64_t count, double* out, double) {
  multiply_real(a, b, count, out);
}
SIM_CLONES inline void multiply(const float* a, const float* b, int64_t count, float* out, Complex<float>) {
  multiply_complex(a, b, count, out);
}
SIM_CLONES inline void multiply(const double* a, const double* b, int64_t count, double* out, Complex<double>) {
  multiply_complex(a, b, count, out);
}

template <class R>
void put(R value, R* planes, int, int index) {
  planes[index] = value;
}
template <class R>
void put(Complex<R> value, R* planes, int width, int index) {
  planes[index] = value.re;
  planes[width + index] = value.im;
}
inline float take(const float* planes, int, int index, float) { return planes[index]; }
inline double take(const double* planes, int, int index, double) { return planes[index]; }
template <class R>
Complex<R> take(const R* planes, int width, int index, Complex<R>) {
  return {planes[index], planes[width + index]};
}

// Packs `width` rows (columns of what is transposed) side by side, zeros where there are fewer.
template <class T, class R>
void pack(const T* source, int64_t along, int64_t across, bool conjugated, int64_t count, int present, int width,
          R* out) {
  const int planes = Tile<typename Wide<T>::type>::planes;
  for (int64_t step = 0; step < count; ++step, out += planes * width) {
    const T* from = source + step * along;
    for (int index = 0; index < present; ++index) {
      auto value = widen(from[index * across]);
      put(conjugated ? conjugate(value) : value, out, width, index);
    }
    for (int index = present; index < planes * width; ++index)
      if (index % width >= present) out[index] = 0;
  }
}

template <class T, class TC, class W>
void gemm(int op_a, int op_b, int64_t rows, int64_t columns, int64_t count, W alpha, const T* a, int64_t lda,
    const T* b,
          int64_t ldb, W beta, TC* c, int64_t ldc) {
  typedef typename Tile<W>::real R;
  const int lanes = Vector<R>::lanes, planes = Tile<W>::planes;
  const bool clear = beta == W(0), skip = alpha == W(0) || count == 0;  // then neither C, nor A and B, may be read
  const int64_t length = skip ? 0 : count;
  const int64_t fitting = kBlockElements / std::max<int64_t>(length, 1) / lanes * lanes;
  const int64_t block = std::min(kRowsAtOnce, std::max<int64_t>(fitting, lanes));
  const int64_t along_a = op_a == kNone ? lda : 1, across_a = op_a == kNone ? 1 : lda;
  const int64_t along_b = op_b == kNone ? 1 : ldb, across_b = op_b == kNone ? ldb : 1;
  const int64_t panel = length * planes * lanes;
  std::vector<R> packed_a((size_t)(std::min(block, rows + lanes) + lanes) * length * planes);
  std::vector<R> packed_b((size_t)kColumns * length * planes);
  R tile[2 * kColumns * Vector<R>::lanes];
  for (int64_t first = 0; first < rows; first += block) {
    const int64_t last = std::min(rows, first + block);
    for (int64_t row = first; row < last && length; row += lanes)
      pack(a + row * across_a, along_a, across_a, op_a == kConjugated, length, (int)std::min<int64_t>(lanes,
          last - row),
           lanes, packed_a.data() + (row - first) / lanes * panel);
    for (int64_t column = 0; column < columns; column += kColumns) {
      const int wide = (int)std::min<int64_t>(kColumns, columns - column);
      if (length)
        pack(b + column * across_b, along_b, across_b, op_b == kConjugated, length, wide, kColumns, packed_b.data());
      for (int64_t row = first; row < last; row += lanes) {
        multiply(packed_a.data() + (row - first) / lanes * panel, packed_b.data(), length, tile, W());
        const int high = (int)std::min<int64_t>(lanes, last - row);
        for (int j = 0; j < wide; ++j)
          for (int i = 0; i < high; ++i) {
            TC* target = c + (row + i) + (column + j) * ldc;
            W sum = skip ? W(0) : alpha * take(tile, kColumns * lanes, j * lanes + i, W());
            narrow(clear ? sum : sum + beta * widen(*target), target);
          }
      }
    }
  }
}

}  // namespace blas
