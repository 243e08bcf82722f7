// The gradient of x to the power of a number; see kernels/cuda/map.cu. Small exponents need no logarithm.

struct Power {
    template <typename A> static __device__ __forceinline__ A backward(A dy, A x, A exponent) {
        if (exponent == A(2)) return dy * A(2) * x;
        if (exponent == A(3)) return dy * A(3) * (x * x);
        if (exponent == A(1.5)) return dy * A(1.5) * square_root(x);  // nan below 0, -inf too
        if (exponent == A(0)) return dy * A(0);
        return dy * exponent * power(x, exponent - A(1));
    }
};
