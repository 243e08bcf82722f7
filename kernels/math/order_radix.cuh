// What the kernels that look at 8 bits of keys at a time share.

// The sum over the threads before this one of a block of 256; `shared` has room for its warps.
__device__ __forceinline__ unsigned sum_before(unsigned own, unsigned* shared) {
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    unsigned sum = own;
    for (int distance = 1; distance < 32; distance *= 2) {
        const unsigned below = __shfl_up_sync(0xffffffffu, sum, distance);
        if (lane >= distance) sum += below;
    }
    __syncthreads();  // until what stood there is read
    if (lane == 31) shared[warp] = sum;
    __syncthreads();
    for (int other = 0; other < warp; ++other) sum += shared[other];
    return sum - own;
}
