// GELU x * share with share = Phi(x), the distribution of a normal number, and its derivative.

template <typename A> __device__ __forceinline__ A gelu_share(A x, bool by_tanh) {
    const A u = by_tanh ? tangent_h(x * (A(0.7978845608028654) + A(0.035677408136300125) * x * x))
                        : error_function(x * A(0.7071067811865476));
    return u * A(0.5) + A(0.5);
}

template <typename A> __device__ __forceinline__ A gelu_slope(A x, bool by_tanh) {
    const A share = gelu_share(x, by_tanh);
    if (by_tanh)
        return share + share * (A(1) - share) * x * (A(1.5957691216057308) + A(0.21406444881780075) * x * x);
    return share + exponential(x * x * A(-0.5)) * x * A(0.3989422804014327);
}

// GELU of either form, and its derivative times dy.
template <bool BY_TANH> struct Gelu {
    template <typename A> static __device__ __forceinline__ A forward(A x) { return x * gelu_share(x, BY_TANH); }
    template <typename A> static __device__ __forceinline__ A backward(A dy, A x) { return dy * gelu_slope(x, BY_TANH); }
};
