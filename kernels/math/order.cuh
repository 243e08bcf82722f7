// What sorting compares: the bits of a number as one without a sign, in the numbers' order, and where it stood. No two
// are equal, so that whatever sorts them gives what a stable sort gives.
//
// T is an integer as wide as the elements. `infinity` has the bits of that float and is 0 for integers; `flip` is xored
// in the end: the sign of signed integers, all bits for the descending order.

template <typename T> __device__ __forceinline__ typename Bits<sizeof(T)>::type key_of(T element, long long infinity,
                                                                                       long long flip) {
    using U = typename Bits<sizeof(T)>::type;
    const U bits = U(element), sign = U(U(1) << (8 * sizeof(T) - 1)), size = U(bits & U(~sign));
    U key = bits;
    if (infinity) {
        key = U(bits & sign) ? U(~bits) : U(bits | sign);
        if (size == 0) key = sign;                // -0.0 equals 0.0
        if (size > U(infinity)) key = U(~U(0));  // nan is larger than all numbers, whatever its sign
    }
    return U(key ^ U(flip));
}

// A key of up to 32 bits with its index in one number; a wider one beside it.
struct Narrow {
    unsigned long long both;
    __device__ __forceinline__ unsigned index() const { return unsigned(both); }
    __device__ __forceinline__ bool below(const Narrow& other) const { return both < other.both; }
    __device__ __forceinline__ static Narrow of(unsigned key, unsigned index) {
        const Narrow item = {(unsigned long long)key << 32 | index};
        return item;
    }
    __device__ __forceinline__ static Narrow none() {  // behind all others
        const Narrow item = {~0ull};
        return item;
    }
};
struct alignas(16) Broad {
    unsigned long long key, place;
    __device__ __forceinline__ unsigned index() const { return unsigned(place); }
    __device__ __forceinline__ bool below(const Broad& other) const {
        return key < other.key || (key == other.key && place < other.place);
    }
    __device__ __forceinline__ static Broad of(unsigned long long key, unsigned index) {
        const Broad item = {key, index};
        return item;
    }
    __device__ __forceinline__ static Broad none() {
        const Broad item = {~0ull, ~0ull};
        return item;
    }
};
template <int SIZE> struct Items {
    using type = Narrow;
};
template <> struct Items<8> {
    using type = Broad;
};
template <typename T> using Item = typename Items<sizeof(T)>::type;

constexpr int ROOM = 32768;  // bytes of items that a block sorts at a time

// Sorts each 1 << log of `count` items in shared memory, all threads of a block taking part: Batcher 1968, in the form
// in which all pairs are compared in one direction, the first of each round mirrored:
//
//     0 1 2 3 4 5 6 7      0 with 7, 1 with 6, ...; then 2 apart, then 1 apart
//
// A warp's 32 pairs lie in 64 items, as long as the items of a pair are in the same 64: then no other warp reads them.
template <typename I> __device__ __forceinline__ void sort_items(I* items, int count, int log) {
    __syncthreads();  // until the items are there
    for (int round = 1; round <= log; ++round)
        for (int step = round; step > 0; --step) {
            const int half = 1 << (step - 1);
            for (int pair = threadIdx.x; pair < count / 2; pair += blockDim.x) {
                const int within = pair & (half - 1), low = ((pair >> (step - 1)) << step) + within;
                const int high = step == round ? low - within + 2 * half - 1 - within : low + half;
                const I one = items[low], other = items[high];
                if (other.below(one)) {
                    items[low] = other;
                    items[high] = one;
                }
            }
            const int next = step > 1 ? step - 1 : round + 1;
            if (step <= 6 && next <= 6)
                __syncwarp();
            else
                __syncthreads();
        }
    __syncthreads();
}

// The smallest `log` with count <= 1 << log.
__device__ __forceinline__ int log_of(int count) {
    int log = 0;
    while ((1 << log) < count) ++log;
    return log;
}

// Which rank is meant: `rank` itself for 0; for 1 the lower median, or the first nan; for 2 that of the numbers alone.
__device__ __forceinline__ long long rank_of(long long how, long long rank, long long length, long long nans) {
    if (how == 0) return rank;
    if (how == 1) return nans ? length - nans : (length - 1) / 2;
    return length > nans ? (length - nans - 1) / 2 : 0;
}
