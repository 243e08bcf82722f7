// abs and clamp; see kernels/cuda/map.cu.

struct Abs {  // sign(x) is 0 for nan, and multiplied, so that an infinite dy gives nan there and at 0
    template <typename A> static __device__ __forceinline__ A backward(A dy, A x) {
        return dy * (A(x > A(0)) - A(x < A(0)));
    }
};

struct Clamp {  // nan stays nan, and is what a bound of nan gives
    template <typename A> static __device__ __forceinline__ A forward(A x, A low, A high) {
        const A raised = x < low || low != low ? low : x;
        return raised == raised && (raised > high || high != high) ? high : raised;
    }
    template <typename A> static __device__ __forceinline__ A backward(A dy, A x, A low, A high) {
        return x >= low && x <= high ? dy : A(0);
    }
};
