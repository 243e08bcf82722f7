// Vectors along the middle of (outer, length, inner), whose elements lie `inner` apart. A block has 32 of them side by
// side, one in each lane, and every 8th element in each of its 8 warps, whose sums go through shared memory.
template <typename A> __device__ __forceinline__ A over_warps(A value, A (*shared)[32]) {
    __syncthreads();  // until the sums before these are read
    shared[threadIdx.y][threadIdx.x] = value;
    __syncthreads();
    A sum = A(0);
    for (int warp = 0; warp < 8; ++warp) sum += shared[warp][threadIdx.x];
    return sum;
}

// y = x / max(norm, eps), and the norm, the root of the sum of squares. A block has 32 vectors at a time.
template <typename T, typename A>
__global__ void __launch_bounds__(256, 4) normalize_forward(const T* __restrict__ x, T* __restrict__ y,
                                                         A* __restrict__ norm, long long outer, long long length,
                                                         long long inner, A eps) {
    __shared__ A shared[8][32];
    const long long place = (long long)blockIdx.x * 32 + threadIdx.x;
    const bool exists = place < inner;
    for (long long other = blockIdx.y; other < outer; other += gridDim.y) {
        const long long start = other * length * inner + place;
        A sum = A(0);
        if (exists)
#pragma unroll 4
            for (long long i = threadIdx.y; i < length; i += 8) {
                const A element = A(x[start + i * inner]);
                sum += element * element;
            }
        const A size = square_root(over_warps(sum, shared)), rate = A(1) / (size < eps ? eps : size);
        if (!exists) continue;
        if (threadIdx.y == 0) norm[other * inner + place] = size;
#pragma unroll 4
        for (long long i = threadIdx.y; i < length; i += 8)
            y[start + i * inner] = T(A(x[start + i * inner]) * rate);
    }
}

// dx = (dy - x * slope) / max(norm, eps), slope = sum(dy * x) / norm**2, or 0 where the norm is below eps or 0. A block
// has 32 vectors at a time.
template <typename T, typename A>
__global__ void __launch_bounds__(256, 4) normalize_backward(const T* __restrict__ dy, const T* __restrict__ x,
                                                          const A* __restrict__ norm, T* __restrict__ dx,
                                                          long long outer, long long length, long long inner, A eps) {
    __shared__ A shared[8][32];
    const long long place = (long long)blockIdx.x * 32 + threadIdx.x;
    const bool exists = place < inner;
    for (long long other = blockIdx.y; other < outer; other += gridDim.y) {
        const long long start = other * length * inner + place;
        A sum = A(0);
        if (exists)
#pragma unroll 4
            for (long long i = threadIdx.y; i < length; i += 8)
                sum += A(dy[start + i * inner]) * A(x[start + i * inner]);
        sum = over_warps(sum, shared);
        if (!exists) continue;
        const A size = norm[other * inner + place], rate = A(1) / (size < eps ? eps : size);
        const A slope = size < eps || size == A(0) ? A(0) : sum * rate * rate;
#pragma unroll 4
        for (long long i = threadIdx.y; i < length; i += 8)
            dx[start + i * inner] = T((A(dy[start + i * inner]) - A(x[start + i * inner]) * slope) * rate);
    }
}
