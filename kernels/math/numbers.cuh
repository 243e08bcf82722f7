// Functions of float and of double, each under one name, so that a template over the accumulator A computes float32
// in float32: an overload that is missing would be taken in double.

__device__ __forceinline__ float exponential(float x) { return expf(x); }
__device__ __forceinline__ double exponential(double x) { return exp(x); }
__device__ __forceinline__ float logarithm(float x) { return logf(x); }
__device__ __forceinline__ double logarithm(double x) { return log(x); }
__device__ __forceinline__ float square_root(float x) { return sqrtf(x); }
__device__ __forceinline__ double square_root(double x) { return sqrt(x); }
__device__ __forceinline__ float tangent_h(float x) { return tanhf(x); }
__device__ __forceinline__ double tangent_h(double x) { return tanh(x); }
__device__ __forceinline__ float error_function(float x) { return erff(x); }
__device__ __forceinline__ double error_function(double x) { return erf(x); }

// The larger number; the other one where one is nan.
__device__ __forceinline__ float larger(float x, float y) { return fmaxf(x, y); }
__device__ __forceinline__ double larger(double x, double y) { return fmax(x, y); }

// -inf and nan of A, which NVRTC has no macros for.
template <typename A> __device__ __forceinline__ A lowest();
template <> __device__ __forceinline__ float lowest<float>() { return __int_as_float(0xff800000); }
template <> __device__ __forceinline__ double lowest<double>() { return __longlong_as_double(0xfff0000000000000ll); }
template <typename A> __device__ __forceinline__ A not_a_number();
template <> __device__ __forceinline__ float not_a_number<float>() { return __int_as_float(0x7fffffff); }
template <> __device__ __forceinline__ double not_a_number<double>() {
    return __longlong_as_double(0x7fffffffffffffffll);
}

__device__ __forceinline__ float exponential_less_one(float x) { return expm1f(x); }
__device__ __forceinline__ double exponential_less_one(double x) { return expm1(x); }
__device__ __forceinline__ float logarithm_one_more(float x) { return log1pf(x); }
__device__ __forceinline__ double logarithm_one_more(double x) { return log1p(x); }
__device__ __forceinline__ float magnitude(float x) { return fabsf(x); }
__device__ __forceinline__ double magnitude(double x) { return fabs(x); }
__device__ __forceinline__ float error_function_complement(float x) { return erfcf(x); }
__device__ __forceinline__ double error_function_complement(double x) { return erfc(x); }
__device__ __forceinline__ float error_function_inverse(float x) { return erfinvf(x); }
__device__ __forceinline__ double error_function_inverse(double x) { return erfinv(x); }
__device__ __forceinline__ float power(float x, float y) { return powf(x, y); }
__device__ __forceinline__ double power(double x, double y) { return pow(x, y); }
