// The first k of each row in order, of rows too long to be sorted in a block: the block goes over the row once and keeps
// what comes before the k-th of those seen so far. When many are kept, they are sorted, and all but the first k go:
//
//     | first k, in order | kept since then ... | free |
//                       ^ what comes behind this one is passed over
//
// Of few rows several blocks have parts, and what they found is gone over in the same way. See math/order.cuh.

// Goes over `packs` packs of items, fetch(pack, lane) of them each, in which none() counts as no item.
template <typename I, int LANES, typename Fetch>
__device__ __forceinline__ void pick(I* items, int& count, long long packs, int k, int most, Fetch fetch) {
    I last = I::none();
    if (threadIdx.x == 0) count = 0;
    __syncthreads();
    Pack<I, LANES> next = fetch(threadIdx.x);
    for (long long start = 0; start < packs; start += blockDim.x) {
        const Pack<I, LANES> now = next;
        if (start + blockDim.x < packs) next = fetch(start + blockDim.x + threadIdx.x);
        for (int lane = 0; lane < LANES; ++lane)
            if (now.lane[lane].below(last)) items[atomicAdd(&count, 1)] = now.lane[lane];
        __syncthreads();
        const int found = count;
        __syncthreads();
        const bool ends = start + blockDim.x >= packs;
        if (found <= most && !ends) continue;
        const int log = log_of(found > k ? found : k), size = 1 << log;
        for (int i = found + threadIdx.x; i < size; i += blockDim.x) items[i] = I::none();
        sort_items(items, size, log);
        if (found >= k) last = items[k - 1];
        if (threadIdx.x == 0) count = found < k ? found : k;
        __syncthreads();
    }
}

// A block has a part, blockIdx.y, of a row, blockIdx.x.
template <typename T>
__global__ void __launch_bounds__(256)
    pick_rows(const T* __restrict__ x, T* __restrict__ values, long long* __restrict__ indices,
              Item<T>* __restrict__ left, long long length, long long length_of_part, long long k, long long most,
              long long infinity, long long flip) {
    using I = Item<T>;
    constexpr int lanes = sizeof(T) == 8 ? 2 : 4;
    __shared__ I items[ROOM / sizeof(I)];
    __shared__ int count;
    const long long row = blockIdx.x, first = blockIdx.y * length_of_part, rest = length - first;
    const long long own = rest < length_of_part ? rest : length_of_part;
    const T* from = x + row * length + first;
    // Packs are counted from the one in which the part begins, at or before its first element.
    const int gap = int(reinterpret_cast<size_t>(from) / sizeof(T) % lanes);
    const auto fetch = [&](long long pack) {
        const long long begin = pack * lanes - gap;
        Pack<I, lanes> found;
        if (begin >= 0 && begin + lanes <= own) {
            const auto here = load<lanes>(from + begin);
            for (int k = 0; k < lanes; ++k)
                found.lane[k] = I::of(key_of(here.lane[k], infinity, flip), unsigned(first + begin + k));
            return found;
        }
        for (int k = 0; k < lanes; ++k) {
            const bool there = begin + k >= 0 && begin + k < own;
            found.lane[k] = there ? I::of(key_of(from[begin + k], infinity, flip), unsigned(first + begin + k)) : I::none();
        }
        return found;
    };
    pick<I, lanes>(items, count, (gap + own + lanes - 1) / lanes, int(k), int(most), fetch);
    for (int i = threadIdx.x; i < k; i += blockDim.x) {
        if (left) {
            left[(row * gridDim.y + blockIdx.y) * k + i] = items[i];
            continue;
        }
        const unsigned index = items[i].index();
        indices[row * k + i] = index;
        if (values) values[row * k + i] = x[row * length + index];
    }
}

// A block goes over what the parts of a row left.
template <typename T>
__global__ void __launch_bounds__(256)
    pick_left(const T* __restrict__ x, T* __restrict__ values, long long* __restrict__ indices,
              const Item<T>* __restrict__ left, long long length, long long parts, long long k, long long most) {
    using I = Item<T>;
    constexpr int lanes = sizeof(T) == 8 ? 2 : 4;
    __shared__ I items[ROOM / sizeof(I)];
    __shared__ int count;
    const long long row = blockIdx.x, own = parts * k;
    const auto fetch = [&](long long pack) {
        Pack<I, lanes> found;
        for (int k = 0; k < lanes; ++k)
            found.lane[k] = pack * lanes + k < own ? left[row * own + pack * lanes + k] : I::none();
        return found;
    };
    pick<I, lanes>(items, count, (own + lanes - 1) / lanes, int(k), int(most), fetch);
    for (int i = threadIdx.x; i < k; i += blockDim.x) {
        const unsigned index = items[i].index();
        indices[row * k + i] = index;
        if (values) values[row * k + i] = x[row * length + index];
    }
}
