// The error function, its complement and its inverse, and their derivatives times dy; the inverse's from the result.

struct Erf {
    template <typename A> static __device__ __forceinline__ A forward(A x) { return error_function(x); }
    template <typename A> static __device__ __forceinline__ A backward(A dy, A x) {
        return dy * (exponential(-(x * x)) * A(1.1283791670955126));
    }
};

struct Erfc {
    template <typename A> static __device__ __forceinline__ A forward(A x) { return error_function_complement(x); }
    template <typename A> static __device__ __forceinline__ A backward(A dy, A x) {
        return dy * (exponential(-(x * x)) * A(-1.1283791670955126));
    }
};

struct Erfinv {
    template <typename A> static __device__ __forceinline__ A forward(A x) { return error_function_inverse(x); }
    template <typename A> static __device__ __forceinline__ A backward(A dy, A y) {
        return dy * A(0.88622692545275801) / exponential(-(y * y));  // exp(y * y) itself takes more registers
    }
};
