// The square root and its reciprocal, and the gradients of x from their results.

struct Sqrt {
    template <typename A> static __device__ __forceinline__ A forward(A x) { return square_root(x); }
    template <typename A> static __device__ __forceinline__ A backward(A dy, A y) { return dy / (y * A(2)); }
};

struct Rsqrt {
    template <typename A> static __device__ __forceinline__ A forward(A x) { return A(1) / square_root(x); }
    template <typename A> static __device__ __forceinline__ A backward(A dy, A y) { return dy * (y * y * y) * A(-0.5); }
};
