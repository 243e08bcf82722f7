// Gradients of z = f(big, small) for both operands, from dz; see gpudl/ops/factors.py.

struct ProductSlopes {  // z = big * small
    template <typename A> static __device__ __forceinline__ A big(A dz, A, A s) { return dz * s; }
    template <typename A> static __device__ __forceinline__ A small(A dz, A b, A) { return dz * b; }
};

struct QuotientSlopes {  // z = big / small
    template <typename A> static __device__ __forceinline__ A big(A dz, A, A s) { return dz / s; }
    template <typename A> static __device__ __forceinline__ A small(A dz, A b, A s) { return -(dz / s) * b / s; }
};

struct InverseSlopes {  // z = small / big
    template <typename A> static __device__ __forceinline__ A big(A dz, A b, A s) { return -(dz / b) * s / b; }
    template <typename A> static __device__ __forceinline__ A small(A dz, A b, A) { return dz / b; }
};

// WIDTH elements of dz, or the one that it is for all.
template <int WIDTH, typename T>
__device__ __forceinline__ Pack<T, WIDTH> upstream(const T* dz, long long each_dz, long long place) {
    if (each_dz) return load<WIDTH>(dz + place);
    Pack<T, WIDTH> pack;
    for (int k = 0; k < WIDTH; ++k) pack.lane[k] = *dz;
    return pack;
}
