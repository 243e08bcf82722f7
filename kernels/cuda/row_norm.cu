// Rows normalized by their mean and variance; where they are not centered, by their mean square; or where they are
// `measured`, by their length, the root of the sum of squares, or eps where that is larger. A row belongs to a
// team of threads, see team_sum, which keeps it in registers, WIDTH elements side by side in each of its packs:
//
//     columns:   | thread 0 | thread 1 | ... | last thread | thread 0 | thread 1 | ...
//                |              pack 0                     |        pack 1       ...
//
// Statistics take two passes over the registers, and a third sum for what rounding left of the mean, which counts where
// the mean is large.
template <int WIDTH, typename T, typename A>
__device__ __forceinline__ void row_norm_rows(const T* x, const void* w, const void* b, T* y, A* mean_of, A* rstd_of,
                                              long long rows, int columns, bool centers, bool measured, bool wide,
                                              A eps, A* shared) {
    constexpr int packs = kept_items<A>() / WIDTH;
    const A part = A(1) / A(columns);
    for (long long top = (long long)blockIdx.x * blockDim.y; top < rows; top += (long long)gridDim.x * blockDim.y) {
        const long long row = top + threadIdx.y;
        const bool exists = row < rows;
        const int team = team_size();
        const T* given = x + row * columns;
        A kept[packs * WIDTH], sum[1] = {A(0)}, moments[2] = {A(0), A(0)};
#pragma unroll
        for (int p = 0; p < packs; ++p) {
            const int start = (p * team + threadIdx.x) * WIDTH;
            if (exists && start < columns) {
                const auto pack = load<WIDTH>(given + start);
#pragma unroll
                for (int k = 0; k < WIDTH; ++k) sum[0] += kept[p * WIDTH + k] = A(pack.lane[k]);
            }
        }
        A mean = A(0);
        if (centers) {
            team_sum(sum, shared);
            mean = sum[0] * part;
        }
#pragma unroll
        for (int p = 0; p < packs; ++p)
            if (exists && (p * team + threadIdx.x) * WIDTH < columns) {
#pragma unroll
                for (int k = 0; k < WIDTH; ++k) {
                    const A apart = kept[p * WIDTH + k] -= mean;
                    moments[0] += apart;
                    moments[1] += apart * apart;
                }
            }
        team_sum(moments, shared);
        const A rest = centers ? moments[0] * part : A(0);
        A rstd;
        if (measured) {
            const A size = square_root(moments[1]);
            mean = size;
            rstd = A(1) / (size < eps ? eps : size);
        } else {
            rstd = inverse_root(moments[1] * part - rest * rest, eps);
        }
        if (exists && threadIdx.x == 0) {
            if (mean_of) mean_of[row] = mean + rest;
            if (rstd_of) rstd_of[row] = rstd;
        }
#pragma unroll
        for (int p = 0; p < packs; ++p) {
            const int start = (p * team + threadIdx.x) * WIDTH;
            if (exists && start < columns) {
                A factor[WIDTH], summand[WIDTH];
                factors_at<WIDTH, T>(w, wide, start, A(1), factor);
                factors_at<WIDTH, T>(b, wide, start, A(0), summand);
                Pack<T, WIDTH> pack;
#pragma unroll
                for (int k = 0; k < WIDTH; ++k)
                    pack.lane[k] = T((kept[p * WIDTH + k] - rest) * rstd * factor[k] + summand[k]);
                store(y + row * columns + start, pack);
            }
        }
    }
}

// y = (x - mean) * rstd * w + b, with mean and rstd of each row, or its length in the place of the mean. A team has a
// row at a time; teams share out the rows.
template <typename T, typename A>
__global__ void __launch_bounds__(512, 1) row_norm_forward(
    const T* __restrict__ x, const void* __restrict__ w, const void* __restrict__ b, T* __restrict__ y,
    A* __restrict__ mean, A* __restrict__ rstd, long long rows, long long columns, long long centers,
    long long measured, long long wide, A eps) {
    __shared__ A shared[64];
    constexpr int lanes = 16 / sizeof(T);
    if (columns % lanes == 0 && aligned(x) && aligned(y) && aligned(w) && aligned(b))
        row_norm_rows<lanes, T, A>(x, w, b, y, mean, rstd, rows, columns, centers != 0, measured != 0, wide != 0, eps,
                                   shared);
    else
        row_norm_rows<1, T, A>(x, w, b, y, mean, rstd, rows, columns, centers != 0, measured != 0, wide != 0, eps,
                               shared);
}

// Gradients of the rows of a team, which reads a row twice, and their sums dw and db down the columns, which stay in
// the registers of the threads that have the columns until all rows are done, and are then added up over the teams of
// the block, one after the other. One by one a thread has half as many columns, since each has an address of its own.
template <int WIDTH, typename T, typename A>
__device__ __forceinline__ void row_norm_gradients(const T* dy, const T* x, const void* w, const A* mean_of,
                                                   const A* rstd_of, T* dx, void* dw, void* db, A* sums,
                                                   long long rows, int columns, bool centers, bool measured, bool wide,
                                                   bool wants, A eps, A* shared, A* line) {
    constexpr int items = kept_items<A>() / (WIDTH == 1 ? 2 : 1), packs = items / WIDTH;
    const A part = measured ? A(1) : A(1) / A(columns);
    A of_w[items] = {}, of_b[items] = {};
    for (long long top = (long long)blockIdx.x * blockDim.y; top < rows; top += (long long)gridDim.x * blockDim.y) {
        const long long row = top + threadIdx.y;
        const bool exists = row < rows;
        const int team = team_size();
        const A size = exists && measured ? mean_of[row] : A(1), divisor = size < eps ? eps : size;
        const A mean = exists && centers ? mean_of[row] : A(0);
        const A rstd = measured ? A(1) / divisor : exists ? rstd_of[row] : A(0);
        A found[3] = {A(0), A(0), A(0)};  // sums of g = dy * w, of g * apart, of apart = x - mean
        for (int start = threadIdx.x * WIDTH; exists && start < columns; start += team * WIDTH) {
            const auto given = load<WIDTH>(x + row * columns + start);
            const auto above = load<WIDTH>(dy + row * columns + start);
            A factor[WIDTH];
            factors_at<WIDTH, T>(w, wide, start, A(1), factor);
#pragma unroll
            for (int k = 0; k < WIDTH; ++k) {
                const A apart = A(given.lane[k]) - mean, g = A(above.lane[k]) * factor[k];
                found[0] += g;
                found[1] += g * apart;
                found[2] += apart;
            }
        }
        team_sum(found, shared);
        const A rest = centers ? found[2] * part : A(0), level = centers ? found[0] * part : A(0);
        A slope = (found[1] - rest * found[0]) * part * rstd * rstd;
        if (measured && (size < eps || size == A(0))) slope = A(0);
#pragma unroll
        for (int p = 0; p < packs; ++p) {
            int start = (p * team + threadIdx.x) * WIDTH;
            asm volatile("" : "+r"(start)::"memory");  // one pack after the other: there is no room for more
            if (exists && start < columns) {
                const auto given = load<WIDTH>(x + row * columns + start);  // which the cache has
                auto pack = load<WIDTH>(dy + row * columns + start);
                A factor[WIDTH];
                factors_at<WIDTH, T>(w, wide, start, A(1), factor);
#pragma unroll
                for (int k = 0; k < WIDTH; ++k) {
                    const A up = A(pack.lane[k]), apart = A(given.lane[k]) - mean - rest;
                    pack.lane[k] = T((up * factor[k] - level - apart * slope) * rstd);
                    of_w[p * WIDTH + k] += up * apart * rstd;
                    of_b[p * WIDTH + k] += up;
                }
                store(dx + row * columns + start, pack);
            }
        }
    }
    if (!wants) return;
    const int last = blockDim.y - 1;
    for (int turn = 0; turn <= last; ++turn) {
        if (threadIdx.y == turn)
#pragma unroll
            for (int i = 0; i < items; ++i) {
                const int column = ((i / WIDTH) * blockDim.x + threadIdx.x) * WIDTH + i % WIDTH;
                if (column >= columns) continue;
                if (turn) {
                    of_w[i] += line[column];
                    of_b[i] += line[columns + column];
                }
                if (turn < last) {
                    line[column] = of_w[i];
                    line[columns + column] = of_b[i];
                } else if (sums) {
                    A* to = sums + (long long)blockIdx.x * 2 * columns + column;
                    to[0] = of_w[i];
                    to[columns] = of_b[i];
                } else {
                    if (dw) put_factor<T>(dw, wide, column, of_w[i]);
                    if (db) put_factor<T>(db, wide, column, of_b[i]);
                }
            }
        if (last) __syncthreads();
    }
}

// dx, and the sums dw and db: all of them where there is one block, else a pair of lines of `sums` a block. A team has
// a row at a time.
template <typename T, typename A>
__global__ void __launch_bounds__(512, 1) row_norm_backward(
    const T* __restrict__ dy, const T* __restrict__ x, const void* __restrict__ w, const A* __restrict__ mean,
    const A* __restrict__ rstd, T* __restrict__ dx, void* __restrict__ dw, void* __restrict__ db, A* __restrict__ sums,
    long long rows, long long columns, long long packed, long long centers, long long measured, long long wide,
    long long wants, A eps) {
    __shared__ A shared[96], line[2 * 128 * kept_items<A>()];
    constexpr int lanes = 16 / sizeof(A);  // 16 bytes of half floats at a time have no room in the registers
    if (packed)
        row_norm_gradients<lanes, T, A>(dy, x, w, mean, rstd, dx, dw, db, sums, rows, columns, centers != 0,
                                        measured != 0, wide != 0, wants != 0, eps, shared, line);
    else
        row_norm_gradients<1, T, A>(dy, x, w, mean, rstd, dx, dw, db, sums, rows, columns, centers != 0,
                                    measured != 0, wide != 0, wants != 0, eps, shared, line);
}

// dw and db of rows that no team can keep, or a pair of lines of sums for each share of the rows. A block has 32
// columns, and every 16th row of a share in each of its warps; the first two warps add up what the warps found.
template <typename T, typename A>
__global__ void __launch_bounds__(512) row_norm_columns(const T* __restrict__ dy, const T* __restrict__ x,
                                                        const A* __restrict__ mean, const A* __restrict__ rstd,
                                                        void* __restrict__ dw, void* __restrict__ db,
                                                        A* __restrict__ sums, long long rows, long long columns,
                                                        long long share, long long wide) {
    __shared__ A shared[2][16][32];
    const long long column = (long long)blockIdx.x * 32 + threadIdx.x, low = blockIdx.y * share;
    const long long high = low + share < rows ? low + share : rows;
    A of_w = A(0), of_b = A(0);
    if (column < columns)
#pragma unroll 4
        for (long long row = low + threadIdx.y; row < high; row += 16) {
            const A up = A(dy[row * columns + column]), middle = mean ? mean[row] : A(0);
            of_w += up * (A(x[row * columns + column]) - middle) * rstd[row];
            of_b += up;
        }
    shared[0][threadIdx.y][threadIdx.x] = of_w;
    shared[1][threadIdx.y][threadIdx.x] = of_b;
    __syncthreads();
    if (threadIdx.y > 1 || column >= columns) return;
    A sum = A(0);
    for (int warp = 0; warp < 16; ++warp) sum += shared[threadIdx.y][warp][threadIdx.x];
    void* to = threadIdx.y ? db : dw;
    if (sums)
        sums[(blockIdx.y * 2 + threadIdx.y) * columns + column] = sum;
    else if (to)
        put_factor<T>(to, wide != 0, column, sum);
}

// dw and db from the pairs of lines of sums. A block has 32 columns, a warp every 16th pair, and the first warp adds up
// what the warps found.
template <typename T, typename A>
__global__ void __launch_bounds__(512) row_norm_total(const T* like, void* __restrict__ dw, void* __restrict__ db,
                                                      const A* __restrict__ sums, long long lines, long long columns,
                                                      long long wide) {
    __shared__ A shared[2][16][32];
    const long long column = (long long)blockIdx.x * 32 + threadIdx.x;
    A of_w = A(0), of_b = A(0);
    if (column < columns)
#pragma unroll 4
        for (long long line = threadIdx.y; line < lines; line += 16) {
            of_w += sums[line * 2 * columns + column];
            of_b += sums[(line * 2 + 1) * columns + column];
        }
    shared[0][threadIdx.y][threadIdx.x] = of_w;
    shared[1][threadIdx.y][threadIdx.x] = of_b;
    __syncthreads();
    void* to = threadIdx.y ? db : dw;
    if (threadIdx.y > 1 || column >= columns || !to) return;
    A sum = A(0);
    for (int warp = 0; warp < 16; ++warp) sum += shared[threadIdx.y][warp][threadIdx.x];
    put_factor<T>(to, wide != 0, column, sum);
}
