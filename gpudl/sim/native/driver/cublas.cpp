// cublas.cpp: the cuBLAS stand-in: handles, and the functions under NVIDIA's names.
#include "cublas_products.h"
#include "cublas_sums.h"

using namespace blas;

typedef Complex<float> ComplexF;
typedef Complex<double> ComplexD;

// --- handles ---
SIM_EXPORT int cublasCreate_v2(void** out) {
  if (!out) return kBadValue;
  *out = new Handle();
  return kOk;
}

SIM_EXPORT int cublasDestroy_v2(void* given) {
  Handle* handle = checked(given);
  if (!handle) return kNoHandle;
  handle->magic = 0;
  delete handle;
  return kOk;
}

// Setting the stream takes the workspace away, as in cuBLAS; products here need none.
SIM_EXPORT int cublasSetStream_v2(void* handle, void* stream) {
  return checked(handle) ? (checked(handle)->stream = stream, kOk) : kNoHandle;
}
SIM_EXPORT int cublasGetStream_v2(void* handle, void** stream) {
  return checked(handle) ? (*stream = checked(handle)->stream, kOk) : kNoHandle;
}
SIM_EXPORT int cublasSetPointerMode_v2(void* handle, int mode) {
  if (!checked(handle)) return kNoHandle;
  if (mode != 0 && mode != 1) return refuse(kBadValue, "cublasSetPointerMode: mode %d", mode);
  checked(handle)->device_scalars = mode;
  return kOk;
}
SIM_EXPORT int cublasGetPointerMode_v2(void* handle, int* mode) {
  return checked(handle) ? (*mode = checked(handle)->device_scalars, kOk) : kNoHandle;
}
SIM_EXPORT int cublasSetMathMode(void* handle, int mode) {
  return checked(handle) ? (checked(handle)->math_mode = mode, kOk) : kNoHandle;
}
SIM_EXPORT int cublasGetMathMode(void* handle, int* mode) {
  return checked(handle) ? (*mode = checked(handle)->math_mode, kOk) : kNoHandle;
}
SIM_EXPORT int cublasSetAtomicsMode(void* handle, int mode) {
  return checked(handle) ? (checked(handle)->atomics = mode, kOk) : kNoHandle;
}
SIM_EXPORT int cublasGetAtomicsMode(void* handle, int* mode) {
  return checked(handle) ? (*mode = checked(handle)->atomics, kOk) : kNoHandle;
}
SIM_EXPORT int cublasGetVersion_v2(void*, int* version) {
  *version = sim_cuda_version() >= 13000 ? 130000 : 120900;
  return kOk;
}
SIM_EXPORT int cublasGetProperty(int type, int* value) {
  const int version[] = {sim_cuda_version() / 1000, sim_cuda_version() % 1000 / 10, 0};
  if (type < 0 || type > 2) return kBadValue;
  *value = version[type];
  return kOk;
}

SIM_EXPORT int cublasSetWorkspace_v2(void* handle, void* workspace, size_t bytes) {
  if (!checked(handle)) return kNoHandle;
  if (bytes && !sim_reachable("cublasSetWorkspace", "workspace", workspace, bytes)) return kBadValue;
  // The sim's allocations end at a page's end, so that their starts are aligned to 16 bytes and not to CUDA's 256.
  return kOk;
}

SIM_EXPORT const char* cublasGetStatusName(int status) {
  switch (status) {
    case kOk: return "CUBLAS_STATUS_SUCCESS";
    case kNoHandle: return "CUBLAS_STATUS_NOT_INITIALIZED";
    case kBadValue: return "CUBLAS_STATUS_INVALID_VALUE";
    case kFailed: return "CUBLAS_STATUS_EXECUTION_FAILED";
    case kUnsupported: return "CUBLAS_STATUS_NOT_SUPPORTED";
    default: return "CUBLAS_STATUS_INTERNAL_ERROR";
  }
}
SIM_EXPORT const char* cublasGetStatusString(int status) { return status ? sim_last_error() : "success"; }

// --- products of matrices ---
#define PRODUCT(name, type_a, type_b, type_c, stride_a, stride_b, stride_c) \
  {name, op_a, op_b, m, n, k, {a, type_a, lda, stride_a}, {b, type_b, ldb, stride_b}, {c, type_c, ldc, stride_c}}

static int start_batch(void* handle, Product product, int64_t batches, bool by_pointers, int compute, const void* alpha,
                       const void* beta) {
  product.batches = batches;
  product.by_pointers = by_pointers;
  return start_product(handle, product, compute, alpha, beta);
}

// The three forms of a typed product; S, D, C, Z and H.
#define TYPED_GEMM(letter, v2, T, type, compute) \
  SIM_EXPORT int cublas##letter##gemm##v2(void* handle, int op_a, int op_b, int m, int n, int k, const T* alpha, \
                                          const T* a, int lda, const T* b, int ldb, const T* beta, T* c, int ldc) { \
    Product product = PRODUCT("cublas" #letter "gemm", type, type, type, 0, 0, 0); \
    return start_product(handle, product, compute, alpha, beta); \
  } \
  SIM_EXPORT int cublas##letter##gemmStridedBatched( \
      void* handle, int op_a, int op_b, int m, int n, int k, const T* alpha, const T* a, int lda, long long stride_a, \
      const T* b, int ldb, long long stride_b, const T* beta, T* c, int ldc, long long stride_c, int batches) { \
    Product product = PRODUCT("cublas" #letter "gemmStridedBatched", type, type, type, stride_a, stride_b, stride_c); \
    return start_batch(handle, product, batches, false, compute, alpha, beta); \
  } \
  SIM_EXPORT int cublas##letter##gemmBatched(void* handle, int op_a, int op_b, int m, int n, int k, const T* alpha, \
                                             const T* const* a, int lda, const T* const* b, int ldb, const T* beta, \
                                             T* const* c, int ldc, int batches) { \
    Product product = PRODUCT("cublas" #letter "gemmBatched", type, type, type, 0, 0, 0); \
    return start_batch(handle, product, batches, true, compute, alpha, beta); \
  }
TYPED_GEMM(S, _v2, float, kFloat, kCompute32)
TYPED_GEMM(D, _v2, double, kDouble, kCompute64)
TYPED_GEMM(C, _v2, ComplexF, kComplex, kCompute32)
TYPED_GEMM(Z, _v2, ComplexD, kDoubleComplex, kCompute64)
TYPED_GEMM(H, , Half, kHalf, kCompute16)

SIM_EXPORT int cublasSgemmEx(void* handle, int op_a, int op_b, int m, int n, int k, const float* alpha, const void* a,
                             int type_a, int lda, const void* b, int type_b, int ldb, const float* beta, void* c,
                             int type_c, int ldc) {
  Product product = PRODUCT("cublasSgemmEx", type_a, type_b, type_c, 0, 0, 0);
  return start_product(handle, product, kCompute32, alpha, beta);
}

// The forms that name their types, with sizes of 32 and of 64 bits.
#define GEMM_EX(suffix, Size) \
  SIM_EXPORT int cublasGemmEx##suffix(void* handle, int op_a, int op_b, Size m, Size n, Size k, const void* alpha, \
                                      const void* a, int type_a, Size lda, const void* b, int type_b, Size ldb, \
                                      const void* beta, void* c, int type_c, Size ldc, int compute, int) { \
    Product product = PRODUCT("cublasGemmEx", type_a, type_b, type_c, 0, 0, 0); \
    return start_product(handle, product, compute, alpha, beta); \
  } \
  SIM_EXPORT int cublasGemmStridedBatchedEx##suffix( \
      void* handle, int op_a, int op_b, Size m, Size n, Size k, const void* alpha, const void* a, int type_a, \
      Size lda, long long stride_a, const void* b, int type_b, Size ldb, long long stride_b, \
      const void* beta, void* c, \
      int type_c, Size ldc, long long stride_c, Size batches, int compute, int) { \
    Product product = PRODUCT("cublasGemmStridedBatchedEx", type_a, type_b, type_c, stride_a, stride_b, stride_c); \
    return start_batch(handle, product, batches, false, compute, alpha, beta); \
  } \
  SIM_EXPORT int cublasGemmBatchedEx##suffix(void* handle, int op_a, int op_b, Size m, Size n, Size k, \
                                             const void* alpha, const void* const* a, int type_a, Size lda, \
                                             const void* const* b, int type_b, Size ldb, const void* beta, \
                                             void* const* c, int type_c, Size ldc, Size batches, int compute, int) { \
    Product product = PRODUCT("cublasGemmBatchedEx", type_a, type_b, type_c, 0, 0, 0); \
    return start_batch(handle, product, batches, true, compute, alpha, beta); \
  }
GEMM_EX(, int)
GEMM_EX(_64, int64_t)

// --- vectors, and sums of matrices ---
#define TYPED_VECTORS(letter, T) \
  SIM_EXPORT int cublas##letter##axpy_v2(void* handle, int n, const T* alpha, const T* x, int incx, T* y, int incy) { \
    return axpy<T>(handle, "cublas" #letter "axpy", n, alpha, x, incx, y, incy); \
  } \
  SIM_EXPORT int cublas##letter##scal_v2(void* handle, int n, const T* alpha, T* x, int incx) { \
    return scal<T, T>(handle, "cublas" #letter "scal", n, alpha, x, incx); \
  } \
  SIM_EXPORT int cublas##letter##gemv_v2(void* handle, int op, int m, int n, const T* alpha, const T* a, int lda, \
                                         const T* x, int incx, const T* beta, T* y, int incy) { \
    return gemv<T>(handle, "cublas" #letter "gemv", op, m, n, alpha, a, lda, x, incx, beta, y, incy); \
  } \
  SIM_EXPORT int cublas##letter##geam(void* handle, int op_a, int op_b, int m, int n, const T* alpha, const T* a, \
                                      int lda, const T* beta, const T* b, int ldb, T* c, int ldc) { \
    return geam<T>(handle, "cublas" #letter "geam", op_a, op_b, m, n, alpha, a, lda, beta, b, ldb, c, ldc); \
  } \
  SIM_EXPORT int cublas##letter##dgmm(void* handle, int side, int m, int n, const T* a, int lda, const T* x, int incx, \
                                      T* c, int ldc) { \
    return dgmm<T>(handle, "cublas" #letter "dgmm", side, m, n, a, lda, x, incx, c, ldc); \
  }
TYPED_VECTORS(S, float)
TYPED_VECTORS(D, double)
TYPED_VECTORS(C, ComplexF)
TYPED_VECTORS(Z, ComplexD)

SIM_EXPORT int cublasCsscal_v2(void* handle, int n, const float* alpha, ComplexF* x, int incx) {
  return scal<float, ComplexF>(handle, "cublasCsscal", n, alpha, x, incx);
}
SIM_EXPORT int cublasZdscal_v2(void* handle, int n, const double* alpha, ComplexD* x, int incx) {
  return scal<double, ComplexD>(handle, "cublasZdscal", n, alpha, x, incx);
}

#define DOT(name, T, conjugated) \
  SIM_EXPORT int cublas##name##_v2(void* handle, int n, const T* x, int incx, const T* y, int incy, T* result) { \
    return dot<T>(handle, "cublas" #name, n, x, incx, y, incy, result, conjugated); \
  }
DOT(Sdot, float, false)
DOT(Ddot, double, false)
DOT(Cdotu, ComplexF, false)
DOT(Cdotc, ComplexF, true)
DOT(Zdotu, ComplexD, false)
DOT(Zdotc, ComplexD, true)

#define REDUCE(name, T, R, which) \
  SIM_EXPORT int cublas##name##_v2(void* handle, int n, const T* x, int incx, R* result) { \
    return reduce<T, R>(handle, "cublas" #name, n, x, incx, result, Reduction::which); \
  }
#define REDUCE_ALL(letter, norm_prefix, T, R) \
  REDUCE(I##letter##amax, T, int, largest) \
  REDUCE(I##letter##amin, T, int, smallest) \
  REDUCE(norm_prefix##nrm2, T, R, norm) \
  REDUCE(norm_prefix##asum, T, R, sum)
REDUCE_ALL(s, S, float, float)
REDUCE_ALL(d, D, double, double)
REDUCE_ALL(c, Sc, ComplexF, float)
REDUCE_ALL(z, Dz, ComplexD, double)

#define GER(name, T, conjugated) \
  SIM_EXPORT int cublas##name##_v2(void* handle, int m, int n, const T* alpha, const T* x, int incx, const T* y, \
                                   int incy, T* a, int lda) { \
    return ger<T>(handle, "cublas" #name, m, n, alpha, x, incx, y, incy, a, lda, conjugated); \
  }
GER(Sger, float, false)
GER(Dger, double, false)
GER(Cgeru, ComplexF, false)
GER(Cgerc, ComplexF, true)
GER(Zgeru, ComplexD, false)
GER(Zgerc, ComplexD, true)
