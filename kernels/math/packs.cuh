// Elements that a thread moves together: 16 bytes in one instruction, as long as they lie at a multiple of 16.

template <typename T, int LANES> struct alignas(sizeof(T) * LANES) Pack {
    T lane[LANES];
};

// How many elements the body of a loop below is given, as a type: decltype(lanes)::value.
template <int LANES> struct Lanes {
    static constexpr int value = LANES;
};

template <int LANES, typename T> __device__ __forceinline__ Pack<T, LANES> load(const T* from) {
    return *reinterpret_cast<const Pack<T, LANES>*>(from);
}

template <typename T, int LANES> __device__ __forceinline__ void store(T* to, const Pack<T, LANES>& pack) {
    *reinterpret_cast<Pack<T, LANES>*>(to) = pack;
}

__device__ __forceinline__ bool aligned(const void* x) { return (reinterpret_cast<size_t>(x) & 15) == 0; }

// Calls body(lanes, start) for all of `count` elements, shared out over the whole grid: 16 bytes at a time where the
// caller's arrays are aligned, the rest one by one.
template <typename T, typename Body>
__device__ __forceinline__ void each_in_grid(long long count, bool all_aligned, Body body) {
    constexpr int lanes = 16 / sizeof(T);
    const long long first = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    const long long stride = (long long)gridDim.x * blockDim.x;
    const long long packs = all_aligned ? count / lanes : 0;
    for (long long i = first; i < packs; i += stride) body(Lanes<lanes>(), i * lanes);
    for (long long i = packs * lanes + first; i < count; i += stride) body(Lanes<1>(), i);
}

// The same for a row that the threads 0 <= threadIdx.x < blockDim.x share, and that may begin anywhere:
//
//     | one by one | 16 bytes | 16 bytes | ... | one by one |
//                  ^ a multiple of 16
//
// A body that also writes a row, or reads another one, gives it as `beside`; if that begins at another distance from a
// multiple of 16, everything goes one by one.
template <typename T, typename Body>
__device__ __forceinline__ void each_in_row(const T* row, const void* beside, long long count, Body body) {
    constexpr int lanes = 16 / sizeof(T);
    const size_t place = reinterpret_cast<size_t>(row);
    const bool alike = ((place ^ reinterpret_cast<size_t>(beside)) & 15) == 0;
    const long long gap = (long long)((16 - (place & 15)) & 15) / (long long)sizeof(T);
    const long long head = alike && gap < count ? gap : count;
    const long long packs = (count - head) / lanes;
    for (long long i = threadIdx.x; i < head; i += blockDim.x) body(Lanes<1>(), i);
    for (long long i = threadIdx.x; i < packs; i += blockDim.x) body(Lanes<lanes>(), head + i * lanes);
    for (long long i = head + packs * lanes + threadIdx.x; i < count; i += blockDim.x) body(Lanes<1>(), i);
}

// What a thread moves in one instruction where only the size of an element is known: Bits<SIZE>::type, of SIZE bytes.
template <int SIZE> struct Bits;
template <> struct Bits<1> { typedef unsigned char type; };
template <> struct Bits<2> { typedef unsigned short type; };
template <> struct Bits<4> { typedef unsigned int type; };
template <> struct Bits<8> { typedef unsigned long long type; };
template <> struct Bits<16> { typedef Pack<unsigned long long, 2> type; };

// 8 bytes again and again, or as many of them as there is room for.
template <int SIZE> __device__ __forceinline__ typename Bits<SIZE>::type repeated(long long bits) {
    return typename Bits<SIZE>::type(bits);
}
template <> __device__ __forceinline__ Bits<16>::type repeated<16>(long long bits) {
    Bits<16>::type both;
    both.lane[0] = both.lane[1] = (unsigned long long)bits;
    return both;
}

// Calls body(packs, lanes, start, step) for all of `count` elements, shared out over the whole grid: for one or two
// places, `step` elements apart, that a thread loads from before it goes on, so that enough is under way to keep the
// memory busy. 16 bytes at a time where the caller's arrays are aligned, the rest one by one.
template <typename T, typename Body>
__device__ __forceinline__ void each_pair_in_grid(long long count, bool all_aligned, Body body) {
    constexpr int lanes = 16 / sizeof(T);
    const long long first = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    const long long stride = (long long)gridDim.x * blockDim.x;
    const long long packs = all_aligned ? count / lanes : 0;
    for (long long i = first; i < packs; i += 2 * stride)
        body(i + stride < packs ? 2 : 1, Lanes<lanes>(), i * lanes, stride * lanes);
    for (long long i = packs * lanes + first; i < count; i += 2 * stride)
        body(i + stride < count ? 2 : 1, Lanes<1>(), i, stride);
}

// i / by for numbers that are not negative, in 32 bits where these hold them, which takes a third of the time.
__device__ __forceinline__ long long quotient(long long i, long long by) {
    return ((i | by) >> 32) == 0 ? (long long)((unsigned)i / (unsigned)by) : i / by;
}
