// The logistic sigmoid and tanh, and the gradients of x from their results.

struct Sigmoid {
    template <typename A> static __device__ __forceinline__ A forward(A x) { return A(1) / (exponential(-x) + A(1)); }
    template <typename A> static __device__ __forceinline__ A backward(A dy, A y) { return dy * (A(1) - y) * y; }
};

struct Tanh {
    template <typename A> static __device__ __forceinline__ A forward(A x) { return tangent_h(x); }
    template <typename A> static __device__ __forceinline__ A backward(A dy, A y) { return dy * (A(1) - y * y); }
};
