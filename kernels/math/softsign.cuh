// Softsign and tanhshrink, and their derivatives times dy.

struct Softsign {
    template <typename A> static __device__ __forceinline__ A forward(A x) { return x / (magnitude(x) + A(1)); }
    template <typename A> static __device__ __forceinline__ A backward(A dy, A x) {
        const A size = magnitude(x) + A(1);
        return dy / size / size;
    }
};

struct Tanhshrink {
    template <typename A> static __device__ __forceinline__ A forward(A x) { return x - tangent_h(x); }
    template <typename A> static __device__ __forceinline__ A backward(A dy, A x) {
        const A y = tangent_h(x);
        return dy * (y * y);
    }
};
