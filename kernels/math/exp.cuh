// The exponential, with the gradient of x from the result, and the natural logarithm.

struct Exp {
    template <typename A> static __device__ __forceinline__ A forward(A x) { return exponential(x); }
    template <typename A> static __device__ __forceinline__ A backward(A dy, A y) { return dy * y; }
};

struct Log {
    template <typename A> static __device__ __forceinline__ A forward(A x) { return logarithm(x); }
    template <typename A> static __device__ __forceinline__ A backward(A dy, A x) { return dy / x; }
};
