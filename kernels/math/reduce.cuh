// Reductions whose order depends on the shape of the block alone, so that their results are the same in every run.

struct Sum {
    template <typename A> __device__ __forceinline__ A operator()(A x, A y) const { return x + y; }
};

struct Largest {
    template <typename A> __device__ __forceinline__ A operator()(A x, A y) const { return larger(x, y); }
};

// Over the lanes of a warp, in five steps between lanes 16, 8, 4, 2 and 1 apart; every lane gets the result.
template <typename A, typename Join> __device__ __forceinline__ A warp_join(A value, Join join) {
    for (int distance = 16; distance > 0; distance >>= 1)
        value = join(value, __shfl_xor_sync(0xffffffffu, value, distance));
    return value;
}

// Over all threads of a block of whole warps, who must all call it: over each warp, then over the warps in order. Every
// thread gets the result. `shared` has room for one value a warp.
template <typename A, typename Join> __device__ __forceinline__ A block_join(A value, A* shared, Join join) {
    const int thread = threadIdx.y * blockDim.x + threadIdx.x, warps = blockDim.x * blockDim.y / 32;
    value = warp_join(value, join);
    __syncthreads();  // until the values of a reduction before this one are read
    if (thread % 32 == 0) shared[thread / 32] = value;
    __syncthreads();
    value = shared[0];
    for (int warp = 1; warp < warps; ++warp) value = join(value, shared[warp]);
    return value;
}

// Over the threads of a row, those with one threadIdx.y: a warp where blockDim.x is 32, else the block, and then
// blockDim.y is 1.
template <typename A, typename Join> __device__ __forceinline__ A row_join(A value, A* shared, Join join) {
    return blockDim.x == 32 ? warp_join(value, join) : block_join(value, shared, join);
}

// Numbers that one block leaves for another of the same launch: atomic, as nothing else is read as it was written.
__device__ __forceinline__ void leave(float* place, float x) {
    atomicExch(reinterpret_cast<unsigned*>(place), __float_as_uint(x));
}
__device__ __forceinline__ void leave(double* place, double x) {
    atomicExch(reinterpret_cast<unsigned long long*>(place), (unsigned long long)__double_as_longlong(x));
}
__device__ __forceinline__ float found(float* place) {
    return __uint_as_float(atomicAdd(reinterpret_cast<unsigned*>(place), 0u));
}
__device__ __forceinline__ double found(double* place) {
    return __longlong_as_double((long long)atomicAdd(reinterpret_cast<unsigned long long*>(place), 0ull));
}

// Over the blockDim.x threads of a row, a power of two: lanes of one warp up to 32 of them, else the whole block, and
// then blockDim.y is 1. All threads of the block call it.
template <typename A, typename Join> __device__ __forceinline__ A group_join(A value, A* shared, Join join) {
    if (blockDim.x > 32) return block_join(value, shared, join);
    for (int distance = blockDim.x / 2; distance > 0; distance >>= 1)
        value = join(value, __shfl_xor_sync(0xffffffffu, value, distance));
    return value;
}
