// Leaky rectifiers, and their derivatives times dy.

template <typename A> __device__ __forceinline__ A leaky(A x, A slope) { return x > A(0) ? x : x * slope; }
template <typename A> __device__ __forceinline__ A leaky_gradient(A dy, A x, A slope) {
    return x > A(0) ? dy : dy * slope;
}

struct LeakyRelu {
    template <typename A> static __device__ __forceinline__ A forward(A x, A slope) { return leaky(x, slope); }
    template <typename A> static __device__ __forceinline__ A backward(A dy, A x, A slope) {
        return leaky_gradient(dy, x, slope);
    }
};
