// Columns of (rows, columns) normalized by their own mean and variance: batch normalization without places. A block has
// 32 * WIDTH columns, WIDTH of them in each thread, and of its `share` of the rows every 16th in each of its 16 warps:
//
//              32 * WIDTH columns
//     row 0   | warp 0           |         blockIdx.x counts strips of columns, blockIdx.y shares of rows
//     row 1   | warp 1           |
//     ...
template <int WIDTH, typename A> struct Columns {
    A lane[WIDTH];
};

// Sums over the 16 warps of a block, in their order, for each column.
template <int WIDTH, typename A>
__device__ __forceinline__ void warps_sum(A (&sums)[WIDTH], Columns<WIDTH, A> (*shared)[32]) {
    __syncthreads();  // until the sums before these are read
    for (int k = 0; k < WIDTH; ++k) shared[threadIdx.y][threadIdx.x].lane[k] = sums[k];
    __syncthreads();
    for (int k = 0; k < WIDTH; ++k) {
        A sum = A(0);
        for (int warp = 0; warp < 16; ++warp) sum += shared[warp][threadIdx.x].lane[k];
        sums[k] = sum;
    }
}

template <int WIDTH, typename T, typename A>
__device__ __forceinline__ void batch_norm_columns(
    const T* x, const void* w, const void* b, const void* given_mean, const void* given_var, T* y, A* mean_of,
    A* var_of, A* parts, void* running_mean, void* running_var, long long* tracked, long long rows, long long columns,
    long long share, bool finds, bool applies, bool wide, bool wide_statistics, A eps, A momentum,
    Columns<WIDTH, A> (*shared)[32]) {
    const long long column = ((long long)blockIdx.x * 32 + threadIdx.x) * WIDTH;
    const long long low = blockIdx.y * share, high = low + share < rows ? low + share : rows;
    const bool exists = column < columns;
    A origin[WIDTH], mean[WIDTH] = {}, spread[WIDTH] = {};  // the mean less the origin, as in set_norm.cu
    if (exists && !given_mean) {
        const auto pack = load<WIDTH>(x + column);
        for (int k = 0; k < WIDTH; ++k) origin[k] = A(pack.lane[k]);
    }
    if (finds) {
        A pivot[WIDTH] = {}, sum[WIDTH] = {}, squares[WIDTH] = {};
        int count = 0;
        if (exists)
#pragma unroll 4
            for (long long row = low + threadIdx.y; row < high; row += 16, ++count) {
                const auto pack = load<WIDTH>(x + row * columns + column);
                for (int k = 0; k < WIDTH; ++k) {
                    if (count == 0) pivot[k] = A(pack.lane[k]);
                    const A apart = A(pack.lane[k]) - pivot[k];
                    sum[k] += apart;
                    squares[k] += apart * apart;
                }
            }
        A own[WIDTH] = {};
        const A weight = A(count), part = count ? A(1) / weight : A(0), whole = A(1) / A(high - low);
        if (count)
            for (int k = 0; k < WIDTH; ++k) {
                own[k] = pivot[k] - origin[k] + sum[k] * part;
                squares[k] -= sum[k] * (sum[k] * part);
                mean[k] = own[k] * weight;
            }
        warps_sum<WIDTH, A>(mean, shared);
        for (int k = 0; k < WIDTH; ++k) {
            mean[k] *= whole;
            spread[k] = count ? squares[k] + weight * (own[k] - mean[k]) * (own[k] - mean[k]) : A(0);
        }
        warps_sum<WIDTH, A>(spread, shared);
        if (tracked && blockIdx.x == 0 && blockIdx.y == 0 && threadIdx.x == 0 && threadIdx.y == 0) ++*tracked;
        if (!applies) {
            if (exists && threadIdx.y == 0)
                for (int k = 0; k < WIDTH; ++k) {
                    parts[2 * blockIdx.y * columns + column + k] = mean[k];
                    parts[(2 * blockIdx.y + 1) * columns + column + k] = spread[k];
                }
            return;
        }
    } else if (!given_mean) {
        const int chunks = exists ? gridDim.y : 0;
        for (int chunk = threadIdx.y; chunk < chunks; chunk += 16) {
            const A weight = A((chunk + 1) * share < rows ? share : rows - chunk * share);
            for (int k = 0; k < WIDTH; ++k) mean[k] += parts[2 * chunk * columns + column + k] * weight;
        }
        warps_sum<WIDTH, A>(mean, shared);
        for (int k = 0; k < WIDTH; ++k) mean[k] /= A(rows);
        for (int chunk = threadIdx.y; chunk < chunks; chunk += 16) {
            const A weight = A((chunk + 1) * share < rows ? share : rows - chunk * share);
            for (int k = 0; k < WIDTH; ++k) {
                const A apart = parts[2 * chunk * columns + column + k] - mean[k];
                spread[k] += parts[(2 * chunk + 1) * columns + column + k] + apart * apart * weight;
            }
        }
        warps_sum<WIDTH, A>(spread, shared);
    }
    if (!exists) return;
    A rstd[WIDTH], factor[WIDTH], summand[WIDTH];
    for (int k = 0; k < WIDTH; ++k) {
        const long long at = column + k;
        const A variance = given_mean ? factor_at<T, A>(given_var, wide_statistics, at) : spread[k] / A(rows);
        if (given_mean) origin[k] = factor_at<T, A>(given_mean, wide_statistics, at);
        rstd[k] = given_mean ? reciprocal_root(variance + eps) : inverse_root(variance, eps);
        factor[k] = w ? factor_at<T, A>(w, wide, at) : A(1);
        summand[k] = b ? factor_at<T, A>(b, wide, at) : A(0);
        if (given_mean || blockIdx.y || threadIdx.y) continue;
        mean_of[at] = origin[k] + mean[k];
        var_of[at] = variance;
        if (running_mean) {
            const A part = momentum < A(0) ? A(1) / A(*tracked) : momentum, unbiased = A(rows > 1 ? rows - 1 : 1);
            const A before = factor_at<T, A>(running_mean, wide_statistics, at);
            const A was = factor_at<T, A>(running_var, wide_statistics, at);
            put_factor<T, A>(running_mean, wide_statistics, at, before * (A(1) - part) + (origin[k] + mean[k]) * part);
            put_factor<T, A>(running_var, wide_statistics, at, was * (A(1) - part) + spread[k] / unbiased * part);
        }
    }
#pragma unroll 4
    for (long long row = low + threadIdx.y; row < high; row += 16) {
        auto pack = load<WIDTH>(x + row * columns + column);
        for (int k = 0; k < WIDTH; ++k)
            pack.lane[k] = T((A(pack.lane[k]) - origin[k] - mean[k]) * rstd[k] * factor[k] + summand[k]);
        store(y + row * columns + column, pack);
    }
}

// y, and the mean and variance of each column. In one launch where one block has all rows, else in two, as
// set_norm_forward, whose arguments these are too. A block has a strip of columns and a share of the rows.
template <typename T, typename A>
__global__ void __launch_bounds__(512, 1) batch_norm_forward(
    const T* __restrict__ x, const void* __restrict__ w, const void* __restrict__ b,
    const void* __restrict__ given_mean, const void* __restrict__ given_var, T* __restrict__ y,
    A* __restrict__ mean_of, A* __restrict__ var_of, A* __restrict__ parts, void* __restrict__ running_mean,
    void* __restrict__ running_var, long long* tracked,
    long long rows, long long columns, long long share, long long packed, long long finds, long long applies,
    long long wide, long long wide_statistics, A eps, A momentum) {
    constexpr int lanes = 16 / sizeof(A);
    __shared__ Columns<lanes, A> shared[16][32];
    if (packed)
        batch_norm_columns<lanes, T, A>(x, w, b, given_mean, given_var, y, mean_of, var_of, parts, running_mean,
                                        running_var, tracked, rows, columns, share, finds != 0, applies != 0, wide != 0,
                                        wide_statistics != 0, eps, momentum, shared);
    else
        batch_norm_columns<1, T, A>(x, w, b, given_mean, given_var, y, mean_of, var_of, parts, running_mean,
                                    running_var, tracked, rows, columns, share, finds != 0, applies != 0, wide != 0,
                                    wide_statistics != 0, eps, momentum,
                                    reinterpret_cast<Columns<1, A>(*)[32]>(shared));
}

template <int WIDTH, typename T, typename A>
__device__ __forceinline__ void batch_norm_column_gradients(
    const T* dy, const T* x, const void* w, const void* mean_of, const void* var_of, T* dx, void* dw, void* db,
    A* parts, long long rows, long long columns, long long share, bool finds, bool applies, bool of_batch, bool wide,
    bool wide_statistics, A eps, Columns<WIDTH, A> (*shared)[32]) {
    const long long column = ((long long)blockIdx.x * 32 + threadIdx.x) * WIDTH;
    const long long low = blockIdx.y * share, high = low + share < rows ? low + share : rows;
    const bool exists = column < columns;
    A mean[WIDTH] = {}, rstd[WIDTH] = {}, factor[WIDTH] = {};
    A sums[WIDTH] = {}, products[WIDTH] = {}, rests[WIDTH] = {};  // of dy, of dy * (x - mean), of x - mean
    for (int k = 0; k < WIDTH && exists; ++k) {
        mean[k] = factor_at<T, A>(mean_of, wide_statistics, column + k);
        rstd[k] = reciprocal_root(factor_at<T, A>(var_of, wide_statistics, column + k) + eps);
        factor[k] = w ? factor_at<T, A>(w, wide, column + k) : A(1);
    }
    if (finds) {
        if (exists)
#pragma unroll 4
            for (long long row = low + threadIdx.y; row < high; row += 16) {
                const auto given = load<WIDTH>(x + row * columns + column);
                auto above = load<WIDTH>(dy + row * columns + column);
                for (int k = 0; k < WIDTH; ++k) {
                    const A apart = A(given.lane[k]) - mean[k], up = A(above.lane[k]);
                    sums[k] += up;
                    products[k] += up * apart;
                    rests[k] += apart;
                    above.lane[k] = T(up * rstd[k] * factor[k]);
                }
                if (!of_batch) store(dx + row * columns + column, above);
            }
    } else {
        const int chunks = exists ? (rows + share - 1) / share : 0;
        for (int chunk = threadIdx.y; chunk < chunks; chunk += 16)
            for (int k = 0; k < WIDTH; ++k) {
                const A* own = parts + 3 * chunk * columns + column + k;
                sums[k] += own[0];
                products[k] += own[columns];
                rests[k] += own[2 * columns];
            }
    }
    warps_sum<WIDTH, A>(sums, shared);
    warps_sum<WIDTH, A>(products, shared);
    warps_sum<WIDTH, A>(rests, shared);
    if (!exists) return;
    const bool first = threadIdx.y == 0;
    if (!applies) {
        for (int k = 0; k < WIDTH && first; ++k) {
            A* own = parts + 3 * blockIdx.y * columns + column + k;
            own[0] = sums[k];
            own[columns] = products[k];
            own[2 * columns] = rests[k];
        }
        return;
    }
    A level[WIDTH], slope[WIDTH];
    for (int k = 0; k < WIDTH; ++k) {
        const A rest = of_batch ? rests[k] / A(rows) : A(0), product = products[k] - rest * sums[k];
        level[k] = sums[k] / A(rows);
        slope[k] = product / A(rows) * rstd[k] * rstd[k];
        rests[k] = rest;
        if (!first || blockIdx.y) continue;
        if (dw) put_factor<T, A>(dw, wide, column + k, product * rstd[k]);
        put_factor<T, A>(db, wide, column + k, sums[k]);
    }
    if (!of_batch) return;
#pragma unroll 4
    for (long long row = low + threadIdx.y; row < high; row += 16) {
        const auto given = load<WIDTH>(x + row * columns + column);
        auto pack = load<WIDTH>(dy + row * columns + column);
        for (int k = 0; k < WIDTH; ++k) {
            const A apart = A(given.lane[k]) - mean[k] - rests[k];
            pack.lane[k] = T((A(pack.lane[k]) - level[k] - apart * slope[k]) * rstd[k] * factor[k]);
        }
        store(dx + row * columns + column, pack);
    }
}

// dx, dw and db. In one launch where one block has all rows, else in two: the first finds the sums of each share of the
// rows, `parts`, the second adds them up. With given statistics dx does not depend on the sums, and is made with them.
// A block has a strip of columns and a share of the rows.
template <typename T, typename A>
__global__ void __launch_bounds__(512, 1) batch_norm_backward(
    const T* __restrict__ dy, const T* __restrict__ x, const void* __restrict__ w, const void* __restrict__ mean_of,
    const void* __restrict__ var_of, T* __restrict__ dx, void* __restrict__ dw, void* __restrict__ db,
    A* __restrict__ parts, long long rows, long long columns, long long share, long long packed, long long finds,
    long long applies, long long of_batch, long long wide, long long wide_statistics, A eps) {
    constexpr int lanes = 16 / sizeof(A);
    __shared__ Columns<lanes, A> shared[16][32];
    if (packed)
        batch_norm_column_gradients<lanes, T, A>(dy, x, w, mean_of, var_of, dx, dw, db, parts, rows, columns, share,
                                                 finds != 0, applies != 0, of_batch != 0, wide != 0,
                                                 wide_statistics != 0, eps, shared);
    else
        batch_norm_column_gradients<1, T, A>(dy, x, w, mean_of, var_of, dx, dw, db, parts, rows, columns, share,
                                             finds != 0, applies != 0, of_batch != 0, wide != 0, wide_statistics != 0,
                                             eps, reinterpret_cast<Columns<1, A>(*)[32]>(shared));
}
