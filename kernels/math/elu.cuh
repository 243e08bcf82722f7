// ELU in the form that has SELU and CELU as well, and its derivative times dy. What is nan counts as above 0 there.

struct Elu {
    template <typename A> static __device__ __forceinline__ A forward(A x, A depth, A scale, A rate) {
        return x > A(0) ? x * scale : exponential_less_one(x * rate) * depth;
    }
    template <typename A> static __device__ __forceinline__ A backward(A dy, A x, A depth, A scale, A rate) {
        return x <= A(0) ? dy * (exponential(x * rate) * (depth * rate)) : dy * scale;
    }
};
