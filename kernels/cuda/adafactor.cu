// Adafactor for a parameter p of `batch` matrices (rows, columns), with its gradient g, of whose square only the means
// of rows and of columns are kept: row[m, r] and column[m, c]. Without these, whole[i] is kept for each element.
//
//     adafactor_rows, adafactor_columns: row and parts of the sums of columns, p^2 block by block
//     adafactor_means:                   column, and the mean of each matrix's row
//     adafactor_sizes:                   u^2 block by block, where u = g / sqrt(row column / mean)
//     adafactor_step:                    p
//
// Blocks of the last add up for themselves, in one order, what blocks before them left.

template <typename A> __device__ __forceinline__ A at_least(A x, A floor) { return x < floor ? floor : x; }  // nan stays

// Sums what the threads of a block have, and leaves it as the block's.
template <typename A> __device__ __forceinline__ void leave_sum(A sum, A* left, A* shared) {
    sum = block_join(sum, shared, Sum());
    if (threadIdx.x == 0 && threadIdx.y == 0) left[blockIdx.x] = sum;
}

// The length of the step: of p^2 and u^2 the sums that `blocks` blocks left, and `count` elements.
template <typename A>
__device__ __forceinline__ A step_length(const A* squares, const A* changes, long long blocks, A count, A rate, A eps2,
                                         A d, A* shared) {
    const int thread = threadIdx.y * blockDim.x + threadIdx.x, threads = blockDim.x * blockDim.y;
    A size = A(0), change = A(0);
    for (long long i = thread; i < blocks; i += threads) {
        size += squares[i];
        change += changes[i];
    }
    size = square_root(block_join(size, shared, Sum()) / count);
    change = square_root(block_join(change, shared, Sum()) / count);
    return at_least(size, eps2) * rate / at_least(change / d, A(1));
}

// Calls body(lanes, row, at, column) for the elements of all rows: the threads with one threadIdx.y have a row, and take
// 16 bytes of it at a time where all arrays lie alike. `finish(row)` is called by all threads, after a row is done.
template <typename T, typename Body, typename Finish>
__device__ __forceinline__ void each_row(const T* x, size_t others, long long rows, long long columns, Body body,
                                         Finish finish) {
    const bool alike = ((reinterpret_cast<size_t>(x) ^ others) & 15) == 0;
    for (long long first = (long long)blockIdx.x * blockDim.y; first < rows;
         first += (long long)gridDim.x * blockDim.y) {
        const long long row = first + threadIdx.y;
        if (row < rows) {
            const T* elements = x + row * columns;
            const char* beside = reinterpret_cast<const char*>(elements) + (alike ? 0 : 1);
            each_in_row(elements, beside, columns, [&](auto lanes, long long column) {
                body(lanes, row, row * columns + column, column);
            });
        }
        finish(row);
    }
}

// The means of the rows of g^2, taken into `row`, and the squares of p.
template <typename T, typename A>
__global__ void __launch_bounds__(256, 2)
    adafactor_rows(const T* __restrict__ p, const T* __restrict__ g, T* __restrict__ row, A* __restrict__ squares,
                   long long rows, long long columns, A share) {
    __shared__ A shared[8];
    A sum = A(0), square = A(0);
    each_row(
        g, reinterpret_cast<size_t>(p), rows, columns,
        [&](auto lanes, long long, long long at, long long) {
            constexpr int width = decltype(lanes)::value;
            const auto gradients = load<width>(g + at), values = load<width>(p + at);
            for (int k = 0; k < width; ++k) {
                const A gradient = A(gradients.lane[k]), value = A(values.lane[k]);
                sum += gradient * gradient;
                square += value * value;
            }
        },
        [&](long long r) {
            sum = group_join(sum, shared, Sum());
            if (threadIdx.x == 0 && r < rows) {
                const A before = A(row[r]);
                row[r] = T(before + share * (sum / A(columns) - before));
            }
            sum = A(0);
        });
    leave_sum(square, squares, shared);
}

// The sums of g^2 down `depth` rows of each column of all matrices, `lines` of them: a thread has a column of one matrix
// and every blockDim.y-th row of the part that blockIdx.y is.
template <typename T, typename A>
__global__ void __launch_bounds__(256) adafactor_columns(const T* __restrict__ g, A* __restrict__ sums, long long lines,
                                                         long long rows, long long columns, long long depth) {
    __shared__ A shared[256];
    const long long line = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    const long long matrix = quotient(line, columns), column = line - matrix * columns;
    const long long begin = blockIdx.y * depth, end = begin + depth < rows ? begin + depth : rows;
    A sum = A(0);
    if (line < lines) {
        const T* elements = g + matrix * rows * columns + column;
#pragma unroll 4
        for (long long r = begin + threadIdx.y; r < end; r += blockDim.y) {
            const A gradient = A(elements[r * columns]);
            sum += gradient * gradient;
        }
    }
    shared[threadIdx.y * blockDim.x + threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y != 0 || line >= lines) return;
    for (int y = 1; y < blockDim.y; ++y) sum += shared[y * blockDim.x + threadIdx.x];
    sums[blockIdx.y * lines + line] = sum;
}

// Adds up the parts of the columns' sums, a thread for each, and takes them into `column`; and the mean of each matrix's
// row, by a warp or a block.
template <typename T, typename A>
__global__ void __launch_bounds__(256)
    adafactor_means(const T* __restrict__ row, T* __restrict__ column, const A* __restrict__ sums,
                    A* __restrict__ means, long long batch, long long rows, long long columns, long long parts,
                    A share) {
    __shared__ A shared[8];
    const long long lines = batch * columns, threads = blockDim.x * blockDim.y;
    for (long long line = blockIdx.x * threads + threadIdx.y * blockDim.x + threadIdx.x; line < lines;
         line += gridDim.x * threads) {
        A sum = A(0);
        for (long long part = 0; part < parts; ++part) sum += sums[part * lines + line];
        const A before = A(column[line]);
        column[line] = T(before + share * (sum / A(rows) - before));
    }
    for (long long first = (long long)blockIdx.x * blockDim.y; first < batch;
         first += (long long)gridDim.x * blockDim.y) {
        const long long matrix = first + threadIdx.y;
        A sum = A(0);
        if (matrix < batch) {
#pragma unroll 4
            for (long long r = threadIdx.x; r < rows; r += blockDim.x) sum += A(row[matrix * rows + r]);
        }
        sum = row_join(sum, shared, Sum());
        if (threadIdx.x == 0 && matrix < batch) means[matrix] = sum / A(rows);
    }
}

// The squares of u.
template <typename T, typename A>
__global__ void __launch_bounds__(256, 2)
    adafactor_sizes(const T* __restrict__ g, const T* __restrict__ row, const T* __restrict__ column,
                    const A* __restrict__ means, A* __restrict__ changes, long long total_rows, long long rows,
                    long long columns, A eps1) {
    __shared__ A shared[8];
    A change = A(0);
    each_row(
        g, reinterpret_cast<size_t>(g), total_rows, columns,
        [&](auto lanes, long long r, long long at, long long c) {
            constexpr int width = decltype(lanes)::value;
            const auto gradients = load<width>(g + at);
            const long long matrix = quotient(r, rows);
            const A factor = A(row[r]) / at_least(means[matrix], eps1);
            for (int k = 0; k < width; ++k) {
                const A square = at_least(factor * A(column[matrix * columns + c + k]), eps1 * eps1);
                const A gradient = A(gradients.lane[k]);
                change += gradient * gradient / square;
            }
        },
        [](long long) {});
    leave_sum(change, changes, shared);
}

// Moves p, 16 bytes a thread at a time.
template <typename T, typename A>
__global__ void __launch_bounds__(256, 2)
    adafactor_step(T* __restrict__ p, const T* __restrict__ g, const T* __restrict__ row, const T* __restrict__ column,
                   const A* __restrict__ means, const A* __restrict__ squares, const A* __restrict__ changes,
                   long long blocks, long long total_rows, long long rows, long long columns, A eps1, A rate, A eps2,
                   A d, A keep) {
    __shared__ A shared[8];
    const A count = A(total_rows) * A(columns);
    const A length = step_length(squares, changes, blocks, count, rate, eps2, d, shared);
    each_row(
        p, reinterpret_cast<size_t>(g), total_rows, columns,
        [&](auto lanes, long long r, long long at, long long c) {
            constexpr int width = decltype(lanes)::value;
            const auto gradients = load<width>(g + at);
            auto values = load<width>(p + at);
            const long long matrix = quotient(r, rows);
            const A factor = A(row[r]) / at_least(means[matrix], eps1);
            for (int k = 0; k < width; ++k) {
                const A square = at_least(factor * A(column[matrix * columns + c + k]), eps1 * eps1);
                const A change = A(gradients.lane[k]) / square_root(square);
                values.lane[k] = T(keep * A(values.lane[k]) - length * change);
            }
            store(p + at, values);
        },
        [](long long) {});
}

// Takes g^2 into `whole`, and leaves the squares of p and of u. A thread takes 16 bytes of each array at a time.
template <typename T, typename A>
__global__ void __launch_bounds__(256, 2)
    adafactor_whole(const T* __restrict__ p, const T* __restrict__ g, T* __restrict__ whole, A* __restrict__ squares,
                    A* __restrict__ changes, long long count, A eps1, A share) {
    __shared__ A shared[8];
    A size = A(0), change = A(0);
    each_in_grid<T>(count, aligned(p) && aligned(g) && aligned(whole), [&](auto lanes, long long start) {
        constexpr int width = decltype(lanes)::value;
        const auto values = load<width>(p + start), gradients = load<width>(g + start);
        auto kept = load<width>(whole + start);
        for (int k = 0; k < width; ++k) {
            const A value = A(values.lane[k]), gradient = A(gradients.lane[k]), before = A(kept.lane[k]);
            kept.lane[k] = T(before + share * (gradient * gradient - before));
            size += value * value;
            change += gradient * gradient / at_least(A(kept.lane[k]), eps1 * eps1);
        }
        store(whole + start, kept);
    });
    leave_sum(size, squares, shared);
    leave_sum(change, changes, shared);
}

// Moves p, for which `whole` is kept. A thread takes 16 bytes of each array at a time.
template <typename T, typename A>
__global__ void __launch_bounds__(256, 2)
    adafactor_whole_step(T* __restrict__ p, const T* __restrict__ g, const T* __restrict__ whole,
                         const A* __restrict__ squares, const A* __restrict__ changes, long long blocks,
                         long long count, A eps1, A rate, A eps2, A d, A keep) {
    __shared__ A shared[8];
    const A length = step_length(squares, changes, blocks, A(count), rate, eps2, d, shared);
    each_in_grid<T>(count, aligned(p) && aligned(g) && aligned(whole), [&](auto lanes, long long start) {
        constexpr int width = decltype(lanes)::value;
        auto values = load<width>(p + start);
        const auto gradients = load<width>(g + start), kept = load<width>(whole + start);
        for (int k = 0; k < width; ++k) {
            const A change = A(gradients.lane[k]) / square_root(at_least(A(kept.lane[k]), eps1 * eps1));
            values.lane[k] = T(keep * A(values.lane[k]) - length * change);
        }
        store(p + start, values);
    });
}
