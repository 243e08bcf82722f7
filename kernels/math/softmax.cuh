// What a row or a column of a softmax is made of: powers, a row in registers, and the largest element so far with the
// sum of powers relative to it.

// exp(x), of which half floats keep three digits: for them by one multiplication and the hardware's power of two.
template <typename T, typename A> __device__ __forceinline__ A power_of(A x) {
    return sizeof(T) == 2 ? A(__expf(float(x))) : exponential(x);
}

// The elements of a row that a thread keeps, at most COUNT packs of BYTES, or COUNT single elements where BYTES is 0:
//
//     | edge | pack of thread 0 | pack of thread 1 | ... | pack of thread 0 | ... | edge |
//            ^ a multiple of 16
//
// Of the edges, less than a pack each, the threads 0 to 7 have one element each, those before the packs, and the threads
// 8 to 15 those behind.
template <typename T, int BYTES, int COUNT> struct Held {
    static constexpr int width = BYTES ? BYTES / int(sizeof(T)) : 1;
    Pack<T, width> pack[COUNT];
    T lone;
    int head, packs, place;  // where the packs begin, how many there are, where this thread's edge element is, or -1

    __device__ __forceinline__ Held(const T* row, int count) {
        const int gap = BYTES ? int((16 - (reinterpret_cast<size_t>(row) & 15)) & 15) / int(sizeof(T)) : 0;
        const int thread = threadIdx.x;
        head = gap < count ? gap : count;
        packs = (count - head) / width;
        const int behind = head + packs * width + thread - 8;
        place = thread < head ? thread : thread >= 8 && behind < count ? behind : -1;
        if (BYTES == 0) place = -1;
    }

    __device__ __forceinline__ void read(const T* row) {
#pragma unroll
        for (int i = 0; i < COUNT; ++i) {
            const int index = threadIdx.x + i * blockDim.x;
            if (index < packs) pack[i] = load<width>(row + head + index * width);
        }
        if (place >= 0) lone = row[place];
    }

    template <typename Body> __device__ __forceinline__ void each(Body body) {
#pragma unroll
        for (int i = 0; i < COUNT; ++i)
            if (int(threadIdx.x + i * blockDim.x) < packs)
                for (int k = 0; k < width; ++k) body(pack[i].lane[k]);
        if (place >= 0) body(lone);
    }

    // body(element, the other's element at the same place)
    template <typename Body> __device__ __forceinline__ void each(const Held& other, Body body) {
#pragma unroll
        for (int i = 0; i < COUNT; ++i)
            if (int(threadIdx.x + i * blockDim.x) < packs)
                for (int k = 0; k < width; ++k) body(pack[i].lane[k], other.pack[i].lane[k]);
        if (place >= 0) body(lone, other.lone);
    }

    __device__ __forceinline__ void write(T* row) const {
#pragma unroll
        for (int i = 0; i < COUNT; ++i) {
            const int index = threadIdx.x + i * blockDim.x;
            if (index < packs) store(row + head + index * width, pack[i]);
        }
        if (place >= 0) row[place] = lone;
    }
};

// The largest of the elements so far, and the sum of exp(element - top).
template <typename T, typename A> struct Running {
    A top = lowest<A>(), sum = A(0);

    __device__ __forceinline__ void rise(A to) {
        if (to != top) sum *= power_of<T>(top - to);
        top = to;
    }

    __device__ __forceinline__ void add(A element) {
        if (element != lowest<A>()) sum += power_of<T>(element - top);  // not nan where all are -inf
    }

    template <int WIDTH> __device__ __forceinline__ void add(const Pack<T, WIDTH>& pack) {
        A now = top;
        for (int k = 0; k < WIDTH; ++k) now = larger(now, A(pack.lane[k]));
        rise(now);
        for (int k = 0; k < WIDTH; ++k) add(A(pack.lane[k]));
    }

    // The sum relative to a peak that is no smaller.
    __device__ __forceinline__ A below(A peak) const { return top == peak ? sum : sum * power_of<T>(top - peak); }
};

// An element of the result, from the largest and from 1 / sum, or log(sum).
template <typename T, typename A> __device__ __forceinline__ A softmax_of(A x, A peak, A norm, bool by_log) {
    return by_log ? x - peak - norm : power_of<T>(x - peak) * norm;
}

template <typename A> __device__ __forceinline__ A softmax_norm(A sum, bool by_log) {
    return by_log ? logarithm(sum) : A(1) / sum;
}

// What is summed for the gradient, and the gradient with that sum.
template <typename A> __device__ __forceinline__ A softmax_share(A dy, A y, bool by_log) {
    return by_log ? dy : dy * y;
}

template <typename T, typename A> __device__ __forceinline__ A softmax_slope(A dy, A y, A sum, bool by_log) {
    return by_log ? dy - power_of<T>(y) * sum : y * (dy - sum);
}
