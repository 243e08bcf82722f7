// Softmax and (by_log) its logarithm. A row belongs to the threads with one threadIdx.y, see group_join; all threads go
// through the loops over rows alike, those without a row with one of no elements.

// Rows that fit into registers, read once: at most COUNT times 16 bytes a thread where BYTES is 16, x and y at multiples
// of that, or COUNT elements where it is 0, several rows a warp.
template <typename T, typename A, int BYTES, int COUNT>
__global__ void __launch_bounds__(512, 1) softmax_forward(const T* __restrict__ x, T* __restrict__ y, long long rows,
                                                        long long columns, long long by_log) {
    __shared__ A shared[32];
    for (long long first = (long long)blockIdx.x * blockDim.y; first < rows;
         first += (long long)gridDim.x * blockDim.y) {
        const bool exists = first + threadIdx.y < rows;
        const long long start = exists ? (first + threadIdx.y) * columns : 0;
        Held<T, BYTES, COUNT> row(x + start, exists ? int(columns) : 0);
        row.read(x + start);
        A peak = lowest<A>(), sum = A(0);
        row.each([&](T element) { peak = larger(peak, A(element)); });
        peak = group_join(peak, shared, Largest());
        row.each([&](T element) { sum += power_of<T>(A(element) - peak); });
        const A norm = softmax_norm(group_join(sum, shared, Sum()), by_log != 0);
        row.each([&](T& element) { element = T(softmax_of<T>(A(element), peak, norm, by_log != 0)); });
        row.write(y + start);
    }
}

// The gradients of such rows: reads dy and y once.
template <typename T, typename A, int BYTES, int COUNT>
__global__ void __launch_bounds__(512, 1) softmax_backward(const T* __restrict__ dy, const T* __restrict__ y,
                                                         T* __restrict__ dx, long long rows, long long columns,
                                                         long long by_log) {
    __shared__ A shared[32];
    for (long long first = (long long)blockIdx.x * blockDim.y; first < rows;
         first += (long long)gridDim.x * blockDim.y) {
        const bool exists = first + threadIdx.y < rows;
        const long long start = exists ? (first + threadIdx.y) * columns : 0;
        const int count = exists ? int(columns) : 0;
        Held<T, BYTES, COUNT> up(dy + start, count), row(y + start, count);
        up.read(dy + start);
        row.read(y + start);
        A sum = A(0);
        row.each(up, [&](T& of_y, T of_dy) { sum += softmax_share(A(of_dy), A(of_y), by_log != 0); });
        sum = group_join(sum, shared, Sum());
        row.each(up, [&](T& of_y, T of_dy) { of_y = T(softmax_slope<T>(A(of_dy), A(of_y), sum, by_log != 0)); });
        row.write(dx + start);
    }
}

// Longer rows, a block each: the largest element and the sum of powers from one reading, y from a second one.
template <typename T, typename A>
__global__ void __launch_bounds__(512, 1) softmax_forward_long(const T* __restrict__ x, T* __restrict__ y, long long rows,
                                                             long long columns, long long by_log) {
    __shared__ A shared[32];
    for (long long row = blockIdx.x; row < rows; row += gridDim.x) {
        const T* given = x + row * columns;
        T* result = y + row * columns;
        Running<T, A> so_far;
        each_in_row(given, given, columns, [&](auto lanes, long long start) {
            so_far.add(load<decltype(lanes)::value>(given + start));
        });
        const A peak = block_join(so_far.top, shared, Largest());
        const A norm = softmax_norm(block_join(so_far.below(peak), shared, Sum()), by_log != 0);
        each_in_row(given, result, columns, [&](auto lanes, long long start) {
            constexpr int width = decltype(lanes)::value;
            auto pack = load<width>(given + start);
            for (int k = 0; k < width; ++k)
                pack.lane[k] = T(softmax_of<T>(A(pack.lane[k]), peak, norm, by_log != 0));
            store(result + start, pack);
        });
    }
}

// Their gradients, a block a row: the sum from one reading of dy and y, dx from a second one.
template <typename T, typename A>
__global__ void __launch_bounds__(512, 1) softmax_backward_long(const T* __restrict__ dy, const T* __restrict__ y,
                                                              T* __restrict__ dx, long long rows, long long columns,
                                                              long long by_log) {
    __shared__ A shared[32];
    for (long long row = blockIdx.x; row < rows; row += gridDim.x) {
        const T *up = dy + row * columns, *given = y + row * columns;
        T* result = dx + row * columns;
        A sum = A(0);
        each_in_row(up, given, columns, [&](auto lanes, long long start) {
            constexpr int width = decltype(lanes)::value;
            const auto of_dy = load<width>(up + start), of_y = load<width>(given + start);
            for (int k = 0; k < width; ++k) sum += softmax_share(A(of_dy.lane[k]), A(of_y.lane[k]), by_log != 0);
        });
        sum = block_join(sum, shared, Sum());
        // Where dx lies otherwise than dy and y, as it may where these are views, no two of them are taken for alike.
        const void* beside = ((reinterpret_cast<size_t>(up) ^ reinterpret_cast<size_t>(result)) & 15) ? up + 1 : given;
        each_in_row(up, beside, columns, [&](auto lanes, long long start) {
            constexpr int width = decltype(lanes)::value;
            const auto of_dy = load<width>(up + start);
            auto pack = load<width>(given + start);
            for (int k = 0; k < width; ++k)
                pack.lane[k] = T(softmax_slope<T>(A(of_dy.lane[k]), A(pack.lane[k]), sum, by_log != 0));
            store(result + start, pack);
        });
    }
}

// Over all lines of a block, threads with one threadIdx.x, in order; every thread gets the result. `shared` has room for
// one value a thread.
template <typename A, typename Join> __device__ __forceinline__ A lines_join(A value, A* shared, Join join) {
    if (blockDim.y == 1) return value;
    __syncthreads();  // until the values of a reduction before this one are read
    shared[threadIdx.y * blockDim.x + threadIdx.x] = value;
    __syncthreads();
    value = shared[threadIdx.x];
    for (int line = 1; line < int(blockDim.y); ++line) value = join(value, shared[line * blockDim.x + threadIdx.x]);
    return value;
}

// Along another dimension than the last: x is (outer, length, inner), and a thread has 16 bytes of inner (BYTES 16), or
// one column (0), of which the lines of a block share out the length. The first elements are kept in registers, so that
// up to 8 * blockDim.y are read once.
//
//     threadIdx.x ->  columns, side by side in memory
//     threadIdx.y  |  elements along the length
template <typename T, typename A, int BYTES>
__global__ void __launch_bounds__(256, 2) softmax_forward_columns(const T* __restrict__ x, T* __restrict__ y,
                                                               long long columns, long long length, long long inner,
                                                               long long by_log) {
    constexpr int width = BYTES ? BYTES / int(sizeof(T)) : 1;
    __shared__ A shared[256];
    const long long step = (long long)gridDim.x * blockDim.x * width;
    for (long long first = (long long)blockIdx.x * blockDim.x * width; first < columns; first += step) {
        const long long column = first + threadIdx.x * width;
        const long long end = column < columns ? length : 0;
        const long long outer = column / inner, corner = outer * inner * length + (column - outer * inner);
        const T* given = x + corner;
        Pack<T, width> kept[8];
        A top[width], sum[width];
        for (int k = 0; k < width; ++k) top[k] = lowest<A>(), sum[k] = A(0);
#pragma unroll
        for (int i = 0; i < 8; ++i) {
            const long long place = threadIdx.y + i * blockDim.y;
            if (place >= end) continue;
            kept[i] = load<width>(given + place * inner);
            for (int k = 0; k < width; ++k) top[k] = larger(top[k], A(kept[i].lane[k]));
        }
        for (long long place = threadIdx.y + 8 * blockDim.y; place < end; place += blockDim.y) {
            const auto pack = load<width>(given + place * inner);
            for (int k = 0; k < width; ++k) top[k] = larger(top[k], A(pack.lane[k]));
        }
        for (int k = 0; k < width; ++k) top[k] = lines_join(top[k], shared, Largest());
#pragma unroll
        for (int i = 0; i < 8; ++i)
            if (threadIdx.y + i * blockDim.y < end)
                for (int k = 0; k < width; ++k) sum[k] += power_of<T>(A(kept[i].lane[k]) - top[k]);
        for (long long place = threadIdx.y + 8 * blockDim.y; place < end; place += blockDim.y) {
            const auto pack = load<width>(given + place * inner);
            for (int k = 0; k < width; ++k) sum[k] += power_of<T>(A(pack.lane[k]) - top[k]);
        }
        for (int k = 0; k < width; ++k) sum[k] = softmax_norm(lines_join(sum[k], shared, Sum()), by_log != 0);
        const auto finish = [&](Pack<T, width> pack, long long place) {
            for (int k = 0; k < width; ++k)
                pack.lane[k] = T(softmax_of<T>(A(pack.lane[k]), top[k], sum[k], by_log != 0));
            store(y + corner + place * inner, pack);
        };
#pragma unroll
        for (int i = 0; i < 8; ++i)
            if (threadIdx.y + i * blockDim.y < end) finish(kept[i], threadIdx.y + i * blockDim.y);
        for (long long place = threadIdx.y + 8 * blockDim.y; place < end; place += blockDim.y)
            finish(load<width>(given + place * inner), place);
    }
}

// The gradients of such columns; the first 4 * blockDim.y elements of dy and y are read once.
template <typename T, typename A, int BYTES>
__global__ void __launch_bounds__(256, 2) softmax_backward_columns(const T* __restrict__ dy, const T* __restrict__ y,
                                                                T* __restrict__ dx, long long columns, long long length,
                                                                long long inner, long long by_log) {
    constexpr int width = BYTES ? BYTES / int(sizeof(T)) : 1;
    __shared__ A shared[256];
    const long long step = (long long)gridDim.x * blockDim.x * width;
    for (long long first = (long long)blockIdx.x * blockDim.x * width; first < columns; first += step) {
        const long long column = first + threadIdx.x * width;
        const long long end = column < columns ? length : 0;
        const long long outer = column / inner, corner = outer * inner * length + (column - outer * inner);
        const T *up = dy + corner, *given = y + corner;
        Pack<T, width> of_dy[4], of_y[4];
        A sum[width];
        for (int k = 0; k < width; ++k) sum[k] = A(0);
        const auto add = [&](const Pack<T, width>& ups, const Pack<T, width>& givens) {
            for (int k = 0; k < width; ++k) sum[k] += softmax_share(A(ups.lane[k]), A(givens.lane[k]), by_log != 0);
        };
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            const long long place = threadIdx.y + i * blockDim.y;
            if (place >= end) continue;
            of_dy[i] = load<width>(up + place * inner);
            of_y[i] = load<width>(given + place * inner);
            add(of_dy[i], of_y[i]);
        }
        for (long long place = threadIdx.y + 4 * blockDim.y; place < end; place += blockDim.y)
            add(load<width>(up + place * inner), load<width>(given + place * inner));
        for (int k = 0; k < width; ++k) sum[k] = lines_join(sum[k], shared, Sum());
        const auto finish = [&](const Pack<T, width>& ups, Pack<T, width> pack, long long place) {
            for (int k = 0; k < width; ++k)
                pack.lane[k] = T(softmax_slope<T>(A(ups.lane[k]), A(pack.lane[k]), sum[k], by_log != 0));
            store(dx + corner + place * inner, pack);
        };
#pragma unroll
        for (int i = 0; i < 4; ++i)
            if (threadIdx.y + i * blockDim.y < end) finish(of_dy[i], of_y[i], threadIdx.y + i * blockDim.y);
        for (long long place = threadIdx.y + 4 * blockDim.y; place < end; place += blockDim.y)
            finish(load<width>(up + place * inner), load<width>(given + place * inner), place);
    }
}
