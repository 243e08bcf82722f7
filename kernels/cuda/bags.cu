// Numbers of rows of a table lie in bags: `length` after another in each, or from starts[b] to starts[b + 1] (or to the
// last, `numbers`) where there are starts. Those that are `skipped` are in no bag; those beyond the table are nan.

struct Cuts {
    const void* index;
    bool wide;
    long long numbers, length;
    const void* starts;
    bool wide_starts;
    long long count;  // of the starts

    __device__ __forceinline__ long long begin(long long bag) const {
        if (!starts) return bag * length;
        const long long place = bag < count ? number_at(starts, bag, wide_starts) : numbers;
        return place < 0 ? 0 : place < numbers ? place : numbers;
    }
    // The bag of the number at place i: the last that starts there or before.
    __device__ __forceinline__ long long bag_of(long long i) const {
        if (!starts) return quotient(i, length);
        long long low = 0, high = count;
        while (low < high) {
            const long long middle = (low + high) / 2;
            if (number_at(starts, middle, wide_starts) <= i)
                low = middle + 1;
            else
                high = middle;
        }
        return low - 1;
    }
};

// What a thread has of a bag so far: the sum or the largest of its columns, and where that stood in the bag.
template <typename A, int WIDTH> struct Bagged {
    A lane[WIDTH];
    int place[WIDTH];
    int count;
};

// Whether a number is taken in the place of another: the larger one, a nan before all, and of equals the first.
template <typename A> __device__ __forceinline__ bool goes_before(A x, int at, A y, int other) {
    if (other < 0) return true;
    if (x != x || y != y) return x != x && (y == y || at < other);
    return x > y || (x == y && at < other);
}

template <bool LARGEST, typename A, int WIDTH>
__device__ __forceinline__ void join_bags(Bagged<A, WIDTH>& all, const Bagged<A, WIDTH>& other) {
    for (int k = 0; k < WIDTH; ++k) {
        if (!LARGEST) {
            all.lane[k] += other.lane[k];
        } else if (other.place[k] >= 0 && goes_before(other.lane[k], other.place[k], all.lane[k], all.place[k])) {
            all.lane[k] = other.lane[k];
            all.place[k] = other.place[k];
        }
    }
    all.count += other.count;
}

// Every `step`th number of a bag from `first` on, four rows of them on their way at a time.
template <bool LARGEST, typename T, typename A, int WIDTH>
__device__ __forceinline__ Bagged<A, WIDTH> fill_bag(const T* w, const T* factors, const Cuts& cuts, long long begin,
                                                     long long end, int first, int step, long long columns,
                                                     long long rows, long long skipped) {
    Bagged<A, WIDTH> all;
    for (int k = 0; k < WIDTH; ++k) {
        all.lane[k] = A(0);
        all.place[k] = -1;
    }
    all.count = 0;
    for (long long i = begin + first; i < end; i += 4 * step) {
        Pack<T, WIDTH> row[4];
        bool counts[4];
#pragma unroll
        for (int k = 0; k < 4; ++k) {
            const long long at = i + k * step;
            const long long number = at < end ? number_at(cuts.index, at, cuts.wide) : skipped;
            counts[k] = at < end && (skipped < 0 || number != skipped);
            if (!counts[k]) continue;
            if (number >= 0 && number < rows) {
                row[k] = load<WIDTH>(w + number * columns);
            } else {
                for (int lane = 0; lane < WIDTH; ++lane) row[k].lane[lane] = T(not_a_number<A>());
            }
        }
#pragma unroll
        for (int k = 0; k < 4; ++k) {
            if (!counts[k]) continue;
            const A factor = factors ? A(factors[i + k * step]) : A(1);
            const int at = int(i + k * step - begin);
            for (int lane = 0; lane < WIDTH; ++lane) {
                const A x = A(row[k].lane[lane]);
                if (!LARGEST) {
                    all.lane[lane] += x * factor;
                } else if (goes_before(x, at, all.lane[lane], all.place[lane])) {
                    all.lane[lane] = x;
                    all.place[lane] = at;
                }
            }
            ++all.count;
        }
    }
    return all;
}

template <bool LARGEST, int WIDTH, typename T, typename A>
__device__ __forceinline__ void each_bag(T* y, long long* kept, const T* w, const T* factors, const Cuts& cuts,
                                         long long bags, long long columns, long long rows, long long skipped,
                                         bool shares) {
    __shared__ Bagged<A, WIDTH> left[256];
    const int groups = blockDim.y, thread = threadIdx.y * blockDim.x + threadIdx.x;
    const long long across = blockDim.x * WIDTH;
    const long long own = shares ? blockIdx.x : (long long)blockIdx.x * groups + threadIdx.y;
    for (long long bag = own; bag < bags; bag += (long long)gridDim.x * (shares ? 1 : groups)) {
        const long long begin = cuts.begin(bag), end = cuts.begin(bag + 1);
        for (long long start = 0; start < columns; start += across) {
            const long long column = start + threadIdx.x * WIDTH;
            const bool here = column < columns;
            Bagged<A, WIDTH> all;
            if (here)
                all = fill_bag<LARGEST, T, A, WIDTH>(w + column, factors, cuts, begin, end, shares ? threadIdx.y : 0,
                                                     shares ? groups : 1, columns, rows, skipped);
            if (shares) {
                left[thread] = all;
                __syncthreads();
                if (here && threadIdx.y == 0)
                    for (int group = 1; group < groups; ++group)
                        join_bags<LARGEST>(all, left[group * blockDim.x + threadIdx.x]);
                __syncthreads();
            }
            if (!here || (shares && threadIdx.y != 0)) continue;
            const A size = !LARGEST && kept && all.count ? A(all.count) : A(1);
            Pack<T, WIDTH> result;
            for (int k = 0; k < WIDTH; ++k) result.lane[k] = T(!LARGEST && kept ? all.lane[k] / size : all.lane[k]);
            store(y + bag * columns + column, result);
            if (!LARGEST) {
                if (kept && column == 0) kept[bag] = all.count;
                continue;
            }
            for (int k = 0; k < WIDTH; ++k) {
                const long long number = all.place[k] < 0 ? -1 : number_at(cuts.index, begin + all.place[k], cuts.wide);
                const bool exists = number >= 0 && number < rows;
                kept[bag * columns + column + k] = exists ? number * columns + column + k : -1;
            }
        }
    }
}

// The sums of the rows of each bag, or their means where `kept` takes the bags' sizes; LARGEST: the largest elements,
// and their places in w. The threads with one threadIdx.y take 16 bytes of columns each, and a bag; where bags are long
// (`shares`), a block has one bag, and each of its groups some of the rows.
template <typename T, typename A, bool LARGEST>
__global__ void __launch_bounds__(256, 2)
    combine_bags(T* __restrict__ y, long long* __restrict__ kept, const T* __restrict__ w,
                 const T* __restrict__ factors, const void* __restrict__ index, long long wide, long long numbers,
                 long long length, const void* __restrict__ starts, long long wide_starts, long long starts_count,
                 long long bags, long long columns, long long rows, long long skipped, long long shares) {
    const Cuts cuts = {index, wide != 0, numbers, length, starts, wide_starts != 0, starts_count};
    constexpr int lanes = 16 / sizeof(T);
    if (columns % lanes == 0 && aligned(w) && aligned(y))
        each_bag<LARGEST, lanes, T, A>(y, kept, w, factors, cuts, bags, columns, rows, skipped, shares != 0);
    else
        each_bag<LARGEST, 1, T, A>(y, kept, w, factors, cuts, bags, columns, rows, skipped, shares != 0);
}

// The gradient of each number's row, that of its bag times its factor or through the bag's size, and that of its factor.
// The threads with one threadIdx.y have one number at a time.
template <typename T, typename A>
__global__ void __launch_bounds__(256, 2)
    bag_rows(const T* __restrict__ dy, T* __restrict__ drows, T* __restrict__ dfactors, const T* __restrict__ w,
             const T* __restrict__ factors, const long long* __restrict__ sizes, const void* __restrict__ index,
             long long wide, long long numbers, long long length, const void* __restrict__ starts,
             long long wide_starts, long long starts_count, long long bags, long long columns, long long rows,
             long long skipped) {
    const Cuts cuts = {index, wide != 0, numbers, length, starts, wide_starts != 0, starts_count};
    constexpr int lanes = 16 / sizeof(T);
    const bool packs = columns % lanes == 0 && aligned(dy) && aligned(drows) && aligned(w);
    for (long long first = (long long)blockIdx.x * blockDim.y; first < numbers;
         first += (long long)gridDim.x * blockDim.y) {
        const long long i = first + threadIdx.y;
        A sum = A(0);
        if (i < numbers) {
            const long long number = number_at(index, i, wide != 0), bag = cuts.bag_of(i);
            const bool counts = (skipped < 0 || number != skipped) && bag >= 0 && bag < bags;
            const bool exists = number >= 0 && number < rows;
            A factor = factors ? A(factors[i]) : A(1);
            const A size = sizes && counts ? A(sizes[bag]) : A(1);
            const auto go = [&](auto width, long long column) {
                constexpr int many = decltype(width)::value;
                Pack<T, many> pack, row;
                for (int k = 0; k < many; ++k) pack.lane[k] = row.lane[k] = T(0);
                if (counts) pack = load<many>(dy + bag * columns + column);
                if (counts && w && exists) row = load<many>(w + number * columns + column);
                for (int k = 0; k < many; ++k) {
                    const A up = A(pack.lane[k]) / size;
                    sum += up * A(row.lane[k]);
                    pack.lane[k] = T(up * factor);
                }
                if (drows) store(drows + i * columns + column, pack);
            };
            if (packs)
                for (long long column = threadIdx.x * lanes; column < columns; column += blockDim.x * lanes)
                    go(Lanes<lanes>(), column);
            else
                for (long long column = threadIdx.x; column < columns; column += blockDim.x) go(Lanes<1>(), column);
        }
        if (!dfactors) continue;
        sum = group_join(sum, static_cast<A*>(nullptr), Sum());
        if (threadIdx.x == 0 && i < numbers) dfactors[i] = T(sum);
    }
}
