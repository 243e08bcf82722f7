// F has the gradients of one element each: A big(A dz, A b, A s) and A small(A dz, A b, A s). dz is one number for all
// where each_dz is 0. dbig may be null, as may dsmall beside operands of one shape, and small where no gradient is made of
// it.

// Operands of one shape: both gradients. A thread reads and writes 16 bytes at a time.
template <typename T, typename A, typename F>
__global__ void __launch_bounds__(256, 2)
    pair_slopes(const T* __restrict__ dz, const T* __restrict__ big, const T* __restrict__ small, T* __restrict__ dbig,
                T* __restrict__ dsmall, long long count, long long each_dz) {
    const bool wide = (!each_dz || aligned(dz)) && aligned(big) && aligned(small) && aligned(dbig) && aligned(dsmall);
    each_in_grid<T>(count, wide, [&](auto lanes, long long start) {
        constexpr int width = decltype(lanes)::value;
        const auto gradient = upstream<width>(dz, each_dz, start);
        auto b = load<width>(big + start), s = load<width>(small + start);
        for (int k = 0; k < width; ++k) {
            const A up = A(gradient.lane[k]), one = A(b.lane[k]), other = A(s.lane[k]);
            b.lane[k] = T(F::big(up, one, other));
            s.lane[k] = T(F::small(up, one, other));
        }
        if (dbig) store(dbig + start, b);
        if (dsmall) store(dsmall + start, s);
    });
}

// Strips of (rows, columns), WIDTH elements of a row at a time, where small has one element for each column.
template <int WIDTH, typename T, typename A, typename F>
__device__ __forceinline__ void column_strips(const T* dz, const T* big, const T* small, T* dbig, T* dsmall, A* sums,
                                              A* shared, long long rows, long long columns, long long rows_of_block,
                                              long long each_dz) {
    struct Both {
        Pack<T, WIDTH> gradient, element;
    };
    sum_strips<WIDTH>(
        dsmall, sums, shared, rows, columns, rows_of_block,
        [&](long long column) { return small ? load<WIDTH>(small + column) : Pack<T, WIDTH>(); },
        [&](long long place) { return Both{upstream<WIDTH>(dz, each_dz, place), load<WIDTH>(big + place)}; },
        [&](const Pack<T, WIDTH>& factor, const Both& both, long long place, A (&own)[WIDTH]) {
            Pack<T, WIDTH> result;
#pragma unroll
            for (int k = 0; k < WIDTH; ++k) {
                const A up = A(both.gradient.lane[k]), one = A(both.element.lane[k]), other = A(factor.lane[k]);
                own[k] += F::small(up, one, other);
                result.lane[k] = T(F::big(up, one, other));
            }
            if (dbig) store(dbig + place, result);
        });
}

// dbig, and dsmall summed down the columns. A block has strips of 32 threads side by side with 16 bytes of columns each,
// and of some rows every eighth a warp.
template <typename T, typename A, typename F>
__global__ void __launch_bounds__(256, sizeof(T) == 8 ? 1 : 3)
    column_slopes(const T* __restrict__ dz, const T* __restrict__ big, const T* __restrict__ small,
                  T* __restrict__ dbig, T* __restrict__ dsmall, A* __restrict__ sums, long long rows,
                  long long columns, long long rows_of_block, long long each_dz) {
    __shared__ ColumnRoom<T, A> room;
    constexpr int width = 16 / sizeof(T);
    if (columns % width == 0 && (!each_dz || aligned(dz)) && aligned(big) && aligned(small) && aligned(dbig))
        column_strips<width, T, A, F>(dz, big, small, dbig, dsmall, sums, room.place, rows, columns, rows_of_block,
                                      each_dz);
    else
        column_strips<1, T, A, F>(dz, big, small, dbig, dsmall, sums, room.place, rows, columns, rows_of_block,
                                  each_dz);
}

// dbig, and dsmall summed over `outer` and `inner` of (outer, kept, inner). The sum of one element of small is cut into
// chunks of `depth` outer places and into pieces of `span` inner ones; such a part has the threads with one threadIdx.y,
// a few lanes, a warp or a block. Where there are several, the block that is the last to be done adds up what they left,
// a warp for each element, in their order.
template <typename T, typename A, typename F>
__global__ void __launch_bounds__(256, 2)
    row_slopes(const T* __restrict__ dz, const T* __restrict__ big, const T* __restrict__ small, T* __restrict__ dbig,
               T* __restrict__ dsmall, A* left, unsigned* done, long long outer, long long kept, long long inner,
               long long chunks, long long depth, long long pieces, long long span, long long each_dz) {
    __shared__ A shared[32];
    __shared__ bool is_last;
    const long long parts = chunks * pieces, count = kept * parts;
    for (long long first = (long long)blockIdx.x * blockDim.y; first < count;
         first += (long long)gridDim.x * blockDim.y) {
        const long long part = first + threadIdx.y;
        const bool here = part < count;
        const long long k = here ? part / parts : 0, chunk = part % parts / pieces, piece = part % pieces;
        const A factor = here && small ? A(small[k]) : A(0);
        const long long begin = piece * span, length = inner - begin < span ? inner - begin : span;
        const long long end = !here ? 0 : (chunk + 1) * depth < outer ? (chunk + 1) * depth : outer;
        A sum = A(0);
        for (long long row = chunk * depth; row < end; ++row) {
            const long long place = (row * kept + k) * inner + begin;
            const T* elements = big + place;
            // One by one unless all three begin at the same distance from a multiple of 16.
            const size_t apart = (reinterpret_cast<size_t>(big) ^ reinterpret_cast<size_t>(each_dz ? dz : big)) |
                                 (reinterpret_cast<size_t>(big) ^ reinterpret_cast<size_t>(dbig ? dbig : big));
            const char* beside = reinterpret_cast<const char*>(elements) + ((apart & 15) != 0);
            each_in_row(elements, beside, length, [&](auto lanes, long long start) {
                constexpr int width = decltype(lanes)::value;
                const auto gradient = upstream<width>(dz, each_dz, place + start);
                auto pack = load<width>(elements + start);
                for (int lane = 0; lane < width; ++lane) {
                    const A up = A(gradient.lane[lane]), one = A(pack.lane[lane]);
                    sum += F::small(up, one, factor);
                    pack.lane[lane] = T(F::big(up, one, factor));
                }
                if (dbig) store(dbig + place + start, pack);
            });
        }
        sum = group_join(sum, shared, Sum());
        if (threadIdx.x == 0 && here) {
            if (parts == 1) {
                dsmall[k] = T(sum);
            } else {
                leave(left + part, sum);
                __threadfence();  // what was left is there before this block counts as done
            }
        }
    }
    if (parts == 1) return;
    const int thread = threadIdx.y * blockDim.x + threadIdx.x, threads = blockDim.x * blockDim.y;
    __syncthreads();
    if (thread == 0) {
        is_last = atomicInc(done, gridDim.x - 1) == gridDim.x - 1;  // the last one leaves 0 for the next launch
        __threadfence();
    }
    __syncthreads();
    if (!is_last) return;
    for (long long k = thread / 32; k < kept; k += threads / 32) {
        A sum = A(0);
        for (long long part = thread % 32; part < parts; part += 32) sum += found(left + k * parts + part);
        sum = warp_join(sum, Sum());
        if (thread % 32 == 0) dsmall[k] = T(sum);
    }
}
