// The element of a rank in each row, in the order of math/order.cuh. A block finds its key 8 bits after 8 bits, each time
// by counting how often they are what among the keys that begin alike, and then which of the equal keys it is.

template <typename T>
__global__ void __launch_bounds__(256)
    rank_rows(const T* __restrict__ x, T* __restrict__ values, long long* __restrict__ indices, long long rows,
              long long length, long long how, long long rank, long long infinity, long long flip) {
    using U = typename Bits<sizeof(T)>::type;
    constexpr int bits = 8 * sizeof(T);
    __shared__ unsigned often[256], in_warp[8], chosen, before_it;
    const int thread = threadIdx.x, lane = thread % 32, warp = thread / 32;
    for (long long row = blockIdx.x; row < rows; row += gridDim.x) {
        const T* from = x + row * length;
        U key = 0;
        long long place = rank;
        for (int shift = bits - 8; shift >= 0; shift -= 8) {
            __syncthreads();  // until the counts before are read
            often[thread] = 0;
            unsigned nans = 0;
            __syncthreads();
            for (long long start = 0; start < length; start += blockDim.x) {
                const long long i = start + thread;
                unsigned digit = 256;  // none
                if (i < length) {
                    const U own = key_of(from[i], infinity, flip);
                    if (shift == bits - 8 || U(own ^ key) >> (shift + 8) % bits == 0) digit = unsigned(own >> shift) & 255;
                    nans += infinity && own == U(~U(0));
                }
                // Many keys are alike at first: a warp counts its own before it adds them.
                const unsigned alike = __match_any_sync(0xffffffffu, digit);
                if (digit < 256 && lane == __ffs(alike) - 1) atomicAdd(often + digit, unsigned(__popc(alike)));
            }
            if (shift == bits - 8 && how) {
                for (int distance = 16; distance > 0; distance /= 2)
                    nans += __shfl_xor_sync(0xffffffffu, nans, distance);
                if (lane == 0) in_warp[warp] = nans;
                __syncthreads();
                nans = 0;
                for (int other = 0; other < 8; ++other) nans += in_warp[other];
                place = rank_of(how, rank, length, nans);
            }
            __syncthreads();
            const unsigned own = often[thread], before = sum_before(own, in_warp);
            if (place >= before && place < (long long)before + own) {
                chosen = thread;
                before_it = before;
            }
            __syncthreads();
            key = U(key | U(U(chosen) << shift));
            place -= before_it;
        }
        for (long long start = 0, seen = 0; start < length && seen <= place; start += blockDim.x) {
            const long long i = start + thread;
            const bool equal = i < length && key_of(from[i], infinity, flip) == key;
            const unsigned warps_own = __ballot_sync(0xffffffffu, equal);
            __syncthreads();  // until the counts before are read
            if (lane == 0) in_warp[warp] = __popc(warps_own);
            __syncthreads();
            long long mine = seen + __popc(warps_own & ((1u << lane) - 1));
            for (int other = 0; other < 8; ++other) {
                if (other < warp) mine += in_warp[other];
                seen += in_warp[other];
            }
            if (equal && mine == place) {
                indices[row] = i;
                values[row] = from[i];
            }
        }
    }
}
