// Sums down the columns of (rows, columns), in an order that depends on the shape alone. A block has 32 threads side by
// side, each with WIDTH columns, and COLUMN_WARPS rows of them; it takes a strip of 32 * WIDTH columns and some rows
// that follow each other. What its threads have added up lies in `shared` like this, so that lanes meet no bank twice:
//
//     shared[warp][k][lane]: column lane * WIDTH + k of the strip, over the rows of `warp`
//
// The result is a row of `sums` for each blockIdx.y where there are several of them, which column_totals adds up, and
// else the total itself.

constexpr int COLUMN_WARPS = 8;

template <typename T, typename A> struct ColumnRoom {
    A place[COLUMN_WARPS * 32 * 16 / sizeof(T)];
};

template <int WIDTH, typename T, typename A>
__device__ __forceinline__ void join_columns(const A (&own)[WIDTH], A* shared, T* total, A* sums, long long strip,
                                             long long columns) {
    __syncthreads();  // until the sums of a strip before this one are read
    for (int k = 0; k < WIDTH; ++k) shared[(threadIdx.y * WIDTH + k) * 32 + threadIdx.x] = own[k];
    __syncthreads();
    for (int slot = threadIdx.y * 32 + threadIdx.x; slot < 32 * WIDTH; slot += 32 * COLUMN_WARPS) {
        A sum = shared[slot];
        for (int warp = 1; warp < COLUMN_WARPS; ++warp) sum += shared[warp * WIDTH * 32 + slot];
        const long long column = (strip * 32 + slot % 32) * WIDTH + slot / 32;
        if (column >= columns) continue;
        if (sums)
            sums[blockIdx.y * columns + column] = sum;
        else
            total[column] = T(sum);
    }
}

// Goes over (rows, columns) strip by strip, WIDTH elements of two rows at a time so that enough is under way to keep the
// memory busy, and leaves the sums of the columns. For each column of a thread begin(column) gives what its elements
// share, read(place) what is read of one, and finish(shared, read, place, own) adds it to own.
template <int WIDTH, typename T, typename A, typename Begin, typename Read, typename Finish>
__device__ __forceinline__ void sum_strips(T* total, A* sums, A* shared, long long rows, long long columns,
                                           long long rows_of_block, Begin begin, Read read, Finish finish) {
    const long long first = blockIdx.y * rows_of_block;
    const long long end = first + rows_of_block < rows ? first + rows_of_block : rows;
    for (long long strip = blockIdx.x; strip * 32 * WIDTH < columns; strip += gridDim.x) {
        const long long column = (strip * 32 + threadIdx.x) * WIDTH;
        A own[WIDTH] = {};
        if (column < columns) {
            const auto common = begin(column);
            long long row = first + threadIdx.y;
            for (; row + COLUMN_WARPS < end; row += 2 * COLUMN_WARPS) {
                const long long place = row * columns + column, next = place + COLUMN_WARPS * columns;
                const auto one = read(place), other = read(next);
                finish(common, one, place, own);
                finish(common, other, next, own);
            }
            if (row < end) {
                const long long place = row * columns + column;
                finish(common, read(place), place, own);
            }
        }
        join_columns<WIDTH>(own, shared, total, sums, strip, columns);
    }
}

// The total from the rows of sums. A block has 32 columns, a warp every eighth row of them.
template <typename T, typename A>
__global__ void __launch_bounds__(256) column_totals(T* __restrict__ total, const A* __restrict__ sums, long long rows,
                                                     long long columns) {
    __shared__ A shared[COLUMN_WARPS * 32];
    const long long column = (long long)blockIdx.x * 32 + threadIdx.x;
    A own[1] = {A(0)};
    if (column < columns) {
#pragma unroll 4
        for (long long row = threadIdx.y; row < rows; row += COLUMN_WARPS) own[0] += sums[row * columns + column];
    }
    join_columns<1>(own, shared, total, static_cast<A*>(nullptr), blockIdx.x, columns);
}
