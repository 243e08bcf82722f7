// Gradients of z = f(x, y), the operand of z's shape first, from dz; see gpudl/ops/choices.py and factors.cu.

template <typename F> struct Swapped {  // z = f(small, big)
    template <typename A> static __device__ __forceinline__ A big(A dz, A b, A s) { return F::small(dz, s, b); }
    template <typename A> static __device__ __forceinline__ A small(A dz, A b, A s) { return F::big(dz, s, b); }
};

struct DifferenceSlopes {
    template <typename A> static __device__ __forceinline__ A big(A dz, A, A) { return dz; }
    template <typename A> static __device__ __forceinline__ A small(A dz, A, A) { return -dz; }
};

// Half each where they are equal, all to each where one is nan.
struct MaximumSlopes {
    template <typename A> static __device__ __forceinline__ A big(A dz, A x, A y) {
        return x < y ? A(0) : x == y ? dz * A(0.5) : dz;
    }
    template <typename A> static __device__ __forceinline__ A small(A dz, A x, A y) { return big(dz, y, x); }
};

struct MinimumSlopes {
    template <typename A> static __device__ __forceinline__ A big(A dz, A x, A y) {
        return x > y ? A(0) : x == y ? dz * A(0.5) : dz;
    }
    template <typename A> static __device__ __forceinline__ A small(A dz, A x, A y) { return big(dz, y, x); }
};

struct FmaxSlopes {
    template <typename A> static __device__ __forceinline__ A big(A dz, A x, A y) {
        return x >= y || y != y ? dz : A(0);
    }
    template <typename A> static __device__ __forceinline__ A small(A dz, A x, A y) {
        return x >= y || y != y ? A(0) : dz;
    }
};

struct FminSlopes {
    template <typename A> static __device__ __forceinline__ A big(A dz, A x, A y) {
        return x <= y || y != y ? dz : A(0);
    }
    template <typename A> static __device__ __forceinline__ A small(A dz, A x, A y) {
        return x <= y || y != y ? A(0) : dz;
    }
};

struct PowSlopes {
    template <typename A> static __device__ __forceinline__ A big(A dz, A x, A y) {
        return dz * (y == A(0) ? A(0) : y * power(x, y - A(1)));
    }
    template <typename A> static __device__ __forceinline__ A small(A dz, A x, A y) {
        return dz * (y >= A(0) && x == A(0) ? A(0) : power(x, y) * logarithm(x));
    }
};
