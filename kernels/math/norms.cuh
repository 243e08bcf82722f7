// What the normalizations share: sums of several numbers over a team of threads, and factors of either dtype.

// How many elements of a row a thread keeps in registers.
template <typename A> constexpr int kept_items() { return sizeof(A) == 8 ? 8 : 16; }

// Sums over a team, the threads with one threadIdx.y; each of them gets them. A team has 8, 16 or 32 lanes of a warp,
// or whole warps, and then all threads of the block must call it. `shared` has room for COUNT * 32 numbers.
template <int COUNT, typename A> __device__ __forceinline__ void team_sum(A (&sums)[COUNT], A* shared) {
    const int reach = blockDim.x < 32 ? blockDim.x : 32;
    for (int distance = reach / 2; distance > 0; distance /= 2)
        for (int k = 0; k < COUNT; ++k) sums[k] += __shfl_xor_sync(0xffffffffu, sums[k], distance);
    if (blockDim.x <= 32) return;
    const int warps = blockDim.x / 32, first = threadIdx.y * warps, lane = threadIdx.x % 32;
    __syncthreads();  // until the sums before these are read
    if (lane == 0)
        for (int k = 0; k < COUNT; ++k) shared[k * 32 + first + threadIdx.x / 32] = sums[k];
    __syncthreads();
    for (int k = 0; k < COUNT; ++k)
        sums[k] = warp_join(lane < warps ? shared[k * 32 + first + lane] : A(0), Sum());
}

// A factor or summand beside elements of T: in T itself, or in A where `wide`.
template <typename T, typename A> __device__ __forceinline__ A factor_at(const void* from, bool wide, long long at) {
    return wide ? reinterpret_cast<const A*>(from)[at] : A(reinterpret_cast<const T*>(from)[at]);
}

template <typename T, typename A> __device__ __forceinline__ void put_factor(void* to, bool wide, long long at, A x) {
    if (wide)
        reinterpret_cast<A*>(to)[at] = x;
    else
        reinterpret_cast<T*>(to)[at] = T(x);
}

// WIDTH factors side by side, 16 bytes at a time; `otherwise` where there are none.
template <int WIDTH, typename T, typename A>
__device__ __forceinline__ void factors_at(const void* from, bool wide, long long start, A otherwise,
                                           A (&lane)[WIDTH]) {
    constexpr int part = WIDTH * sizeof(A) > 16 ? 16 / sizeof(A) : WIDTH;
    if (!from) {
        for (int k = 0; k < WIDTH; ++k) lane[k] = otherwise;
    } else if (wide) {
        for (int i = 0; i < WIDTH; i += part) {
            const auto pack = load<part>(reinterpret_cast<const A*>(from) + start + i);
            for (int k = 0; k < part; ++k) lane[i + k] = pack.lane[k];
        }
    } else {
        const auto pack = load<WIDTH>(reinterpret_cast<const T*>(from) + start);
        for (int k = 0; k < WIDTH; ++k) lane[k] = A(pack.lane[k]);
    }
}

// 1 / sqrt(x), which takes far fewer registers than a division by a root.
__device__ __forceinline__ float reciprocal_root(float x) { return rsqrtf(x); }
__device__ __forceinline__ double reciprocal_root(double x) { return rsqrt(x); }

// 1 / sqrt(variance + eps), where rounding may have left a variance of 0 below it; nan stays nan.
template <typename A> __device__ __forceinline__ A inverse_root(A variance, A eps) {
    return reciprocal_root((variance < A(0) ? A(0) : variance) + eps);
}

// The threads of a team, so that the compiler takes it for another number in every turn of a loop: what it would else
// keep from turn to turn, the addresses and factors of each column, has no room in the registers.
__device__ __forceinline__ int team_size() {
    int threads = blockDim.x;
    asm volatile("" : "+r"(threads));
    return threads;
}
