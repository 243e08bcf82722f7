// The gate of GLU, and its derivative times dy.

struct Logistic {
    template <typename A> static __device__ __forceinline__ A forward(A x) { return A(1) / (A(1) + exponential(-x)); }
    template <typename A> static __device__ __forceinline__ A backward(A dy, A x) {
        const A share = forward(x);
        return dy * share * (A(1) - share);
    }
};
