// Rows too long for a block, sorted by 8 bits of the keys after 8 bits, the lowest first, each time keeping the order of
// before: Knuth, The Art of Computer Programming 3, 5.2.5. A row is cut into tiles of a block each:
//
//     radix_count    how often each of 256 digits stands in a tile
//     radix_sum      sums of these over the tiles before, for each digit
//     radix_move     the elements to their places: those of lower digits, those of tiles before, those before in the tile
//
// The first time keys are made of x, and their index is where they stand; the last time values and indices are written.

constexpr int THREADS = 256, WARPS = THREADS / 32;
template <typename T> __device__ constexpr int each_of() { return sizeof(T) == 8 ? 8 : 16; }  // elements of a thread

template <typename T> struct Source {
    using U = typename Bits<sizeof(T)>::type;
    const T* x;     // of all rows
    const U* keys;  // null the first time
    const unsigned* indices;
    long long infinity, flip;
    __device__ __forceinline__ U key(long long place) const {
        return keys ? keys[place] : key_of(x[place], infinity, flip);
    }
};

// A block has a tile, blockIdx.x, of rows, every gridDim.y-th.
template <typename T>
__global__ void __launch_bounds__(256)
    radix_count(const T* __restrict__ x, const typename Bits<sizeof(T)>::type* __restrict__ keys,
                unsigned* __restrict__ counts, long long rows, long long length, long long shift, long long infinity,
                long long flip) {
    constexpr int EACH = each_of<T>();
    __shared__ unsigned often[256];
    const Source<T> source = {x, keys, nullptr, infinity, flip};
    for (long long row = blockIdx.y; row < rows; row += gridDim.y) {
        often[threadIdx.x] = 0;
        __syncthreads();
        const long long first = (long long)blockIdx.x * THREADS * EACH;
        for (int k = 0; k < EACH; ++k) {
            const long long place = first + k * THREADS + threadIdx.x;
            unsigned digit = 256;
            if (place < length) digit = unsigned(source.key(row * length + place) >> shift) & 255;
            const unsigned alike = __match_any_sync(0xffffffffu, digit);
            if (digit < 256 && int(threadIdx.x % 32) == __ffs(alike) - 1)
                atomicAdd(often + digit, unsigned(__popc(alike)));
        }
        __syncthreads();
        counts[(row * 256 + threadIdx.x) * gridDim.x + blockIdx.x] = often[threadIdx.x];
        __syncthreads();
    }
}

// A block has a digit of a row: its counts become the sums of those before, and `totals` gets the whole. The elements
// are given for their type's sake.
template <typename T>
__global__ void __launch_bounds__(256)
    radix_sum(const T*, unsigned* __restrict__ counts, unsigned* __restrict__ totals, long long tiles) {
    __shared__ unsigned in_warp[WARPS], whole;
    unsigned* own = counts + (long long)blockIdx.x * tiles;
    unsigned before = 0;
    for (long long start = 0; start < tiles; start += THREADS) {
        const long long tile = start + threadIdx.x;
        const unsigned count = tile < tiles ? own[tile] : 0, sum = before + sum_before(count, in_warp);
        if (tile < tiles) own[tile] = sum;
        if (threadIdx.x == THREADS - 1) whole = sum + count;
        __syncthreads();
        before = whole;
    }
    if (threadIdx.x == 0) totals[blockIdx.x] = before;
}

// A block has a tile, blockIdx.x, of rows, every gridDim.y-th; a warp goes over 32 * EACH neighbors in their order.
template <typename T>
__global__ void __launch_bounds__(256)
    radix_move(const T* __restrict__ x, const typename Bits<sizeof(T)>::type* __restrict__ keys,
               const unsigned* __restrict__ indices, const unsigned* __restrict__ counts,
               const unsigned* __restrict__ totals, typename Bits<sizeof(T)>::type* __restrict__ keys_out,
               unsigned* __restrict__ indices_out, T* __restrict__ values, long long* __restrict__ order,
               long long rows, long long length, long long shift, long long infinity, long long flip) {
    using U = typename Bits<sizeof(T)>::type;
    constexpr int EACH = each_of<T>();
    __shared__ U key_in_order[THREADS * EACH];
    __shared__ unsigned index_in_order[THREADS * EACH];
    __shared__ unsigned before[WARPS][256], begin[256], away[256], in_warp[WARPS];
    const int thread = threadIdx.x, lane = thread % 32, warp = thread / 32;
    const Source<T> source = {x, keys, indices, infinity, flip};
    const long long first = (long long)blockIdx.x * THREADS * EACH, rest = length - first;
    const int own = int(rest < THREADS * EACH ? rest : THREADS * EACH);
    for (long long row = blockIdx.y; row < rows; row += gridDim.y) {
        const long long base = row * length;
        for (int other = 0; other < WARPS; ++other) before[other][thread] = 0;
        __syncthreads();
        U key[EACH];
        unsigned rank[EACH];  // among the warp's with the same digit
#pragma unroll
        for (int k = 0; k < EACH; ++k) {
            const int at = (warp * EACH + k) * 32 + lane;
            unsigned digit = 256;
            key[k] = 0;
            rank[k] = 0;
            if (at < own) {
                key[k] = source.key(base + first + at);
                digit = unsigned(key[k] >> shift) & 255;
            }
            const unsigned alike = __match_any_sync(0xffffffffu, digit), lower = alike & ((1u << lane) - 1);
            if (digit < 256) rank[k] = before[warp][digit] + __popc(lower);
            __syncwarp();
            if (digit < 256 && !lower) before[warp][digit] += __popc(alike);
            __syncwarp();
        }
        __syncthreads();
        unsigned in_tile = 0;  // how often thread's digit stands in the tile
        for (int other = 0; other < WARPS; ++other) {
            const unsigned count = before[other][thread];
            before[other][thread] = in_tile;
            in_tile += count;
        }
        const unsigned here = sum_before(in_tile, in_warp);
        const unsigned lower_digits = sum_before(totals[row * 256 + thread], in_warp);
        begin[thread] = here;
        away[thread] = lower_digits + counts[(row * 256 + thread) * gridDim.x + blockIdx.x] - here;
        __syncthreads();
#pragma unroll
        for (int k = 0; k < EACH; ++k) {
            const int at = (warp * EACH + k) * 32 + lane;
            if (at >= own) continue;
            const unsigned digit = unsigned(key[k] >> shift) & 255, to = begin[digit] + before[warp][digit] + rank[k];
            key_in_order[to] = key[k];
            index_in_order[to] = indices ? indices[base + first + at] : unsigned(first + at);
        }
        __syncthreads();
        for (int at = thread; at < own; at += THREADS) {  // neighbors go to neighbors, but for the ends of a digit
            const U moved = key_in_order[at];
            const unsigned index = index_in_order[at];
            const long long to = base + (unsigned)(away[unsigned(moved >> shift) & 255] + at);
            if (keys_out) {
                keys_out[to] = moved;
                indices_out[to] = index;
                continue;
            }
            order[to] = index;
            if (values) values[to] = x[base + index];
        }
        __syncthreads();
    }
}
