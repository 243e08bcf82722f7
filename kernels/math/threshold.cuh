// Activations with a gap, and the gradients of x, chosen rather than multiplied: an infinite dy stays out of the gap.

struct Threshold {
    template <typename A> static __device__ __forceinline__ A forward(A x, A bound, A value) { return x <= bound ? value : x; }
    template <typename A> static __device__ __forceinline__ A backward(A dy, A x, A bound) { return x <= bound ? A(0) : dy; }
};

struct Hardshrink {
    template <typename A> static __device__ __forceinline__ A forward(A x, A bound) { return x >= -bound && x <= bound ? A(0) : x; }
    template <typename A> static __device__ __forceinline__ A backward(A dy, A x, A bound) {
        return x >= -bound && x <= bound ? A(0) : dy;
    }
};

struct Softshrink {
    template <typename A> static __device__ __forceinline__ A forward(A x, A bound) {
        return x - (x < -bound ? -bound : x > bound ? bound : x);
    }
    template <typename A> static __device__ __forceinline__ A backward(A dy, A x, A bound) { return Hardshrink::backward(dy, x, bound); }
};
