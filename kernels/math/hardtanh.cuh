// Piecewise linear functions, and the gradients of x, chosen rather than multiplied, so that an infinite dy stays out
// of where the slope is 0. nan passes through all of them.

struct Hardtanh {
    template <typename A> static __device__ __forceinline__ A forward(A x, A low, A high) { return x < low ? low : x > high ? high : x; }
    template <typename A> static __device__ __forceinline__ A backward(A dy, A x, A low, A high) {
        return x <= low || x >= high ? A(0) : dy;
    }
};

// min(max(x + 3, 0), 6)
template <typename A> __device__ __forceinline__ A ramp(A x) {
    return Hardtanh::forward(x + A(3), A(0), A(6));
}

struct Hardsigmoid {
    template <typename A> static __device__ __forceinline__ A forward(A x) { return ramp(x) / A(6); }
    template <typename A> static __device__ __forceinline__ A backward(A dy, A x) {
        return x > A(-3) && x < A(3) ? dy / A(6) : A(0);
    }
};

struct Hardswish {
    template <typename A> static __device__ __forceinline__ A forward(A x) { return ramp(x) * x / A(6); }
    template <typename A> static __device__ __forceinline__ A backward(A dy, A x) {
        return x <= A(-3) ? A(0) : x < A(3) ? dy * (x / A(3) + A(0.5)) : dy;
    }
};
