// Columns of y = F(x + b), WIDTH side by side: a thread reads its part of b once and goes down the rows, two at a time,
// so that enough is under way to keep the memory busy.
template <int WIDTH, typename T, typename A, typename F>
__device__ __forceinline__ void bias_act_columns(const T* x, const T* b, T* y, long long rows, long long columns) {
    const long long row_step = (long long)gridDim.y * blockDim.y, step = (long long)gridDim.x * blockDim.x * WIDTH;
    for (long long column = ((long long)blockIdx.x * blockDim.x + threadIdx.x) * WIDTH; column < columns;
         column += step) {
        const auto bias = load<WIDTH>(b + column);
        for (long long row = (long long)blockIdx.y * blockDim.y + threadIdx.y; row < rows; row += 2 * row_step) {
            const bool both = row + row_step < rows;
            const long long places[2] = {row * columns + column, (row + row_step) * columns + column};
            Pack<T, WIDTH> packs[2];
            packs[0] = load<WIDTH>(x + places[0]);
            if (both) packs[1] = load<WIDTH>(x + places[1]);
#pragma unroll
            for (int place = 0; place < 2; ++place) {
                if (place == 1 && !both) break;
#pragma unroll
                for (int k = 0; k < WIDTH; ++k)
                    packs[place].lane[k] = T(F::forward(A(packs[place].lane[k]) + A(bias.lane[k])));
                store(y + places[place], packs[place]);
            }
        }
    }
}

// y = F(x + b), which may be written over x. A block has 32 threads side by side, with 16 bytes of columns each, and 8
// rows of them.
template <typename T, typename A, typename F>
__global__ void __launch_bounds__(256, sizeof(T) == 8 ? 1 : 2)
    bias_act_forward(const T* x, const T* __restrict__ b, T* y, long long rows, long long columns) {
    constexpr int width = 16 / sizeof(T);
    if (columns % width == 0 && aligned(x) && aligned(b) && aligned(y))
        bias_act_columns<width, T, A, F>(x, b, y, rows, columns);
    else
        bias_act_columns<1, T, A, F>(x, b, y, rows, columns);
}

// Strips of dx, WIDTH elements of a row at a time, and the sums down their columns.
template <int WIDTH, typename T, typename A, typename F>
__device__ __forceinline__ void bias_act_strips(const T* dy, const T* kept, const T* b, const T* slope, T* dx, T* db,
                                                A* sums, A* shared, long long rows, long long columns,
                                                long long rows_of_block) {
    struct Both {
        Pack<T, WIDTH> gradient, known;
    };
    const bool biased = !OfResult<F>::value && !slope;
    const T* other = slope ? slope : kept;
    sum_strips<WIDTH>(
        db, sums, shared, rows, columns, rows_of_block,
        [&](long long column) { return biased ? load<WIDTH>(b + column) : Pack<T, WIDTH>(); },
        [&](long long place) { return Both{load<WIDTH>(dy + place), load<WIDTH>(other + place)}; },
        [&](const Pack<T, WIDTH>& bias, const Both& both, long long place, A (&own)[WIDTH]) {
            Pack<T, WIDTH> result;
#pragma unroll
            for (int k = 0; k < WIDTH; ++k) {
                const A gradient = A(both.gradient.lane[k]), known = A(both.known.lane[k]);
                A product;
                if (biased)
                    product = F::backward(gradient, known + A(bias.lane[k]));
                else
                    product = slope ? gradient * known : F::backward(gradient, known);
                own[k] += product;
                result.lane[k] = T(product);
            }
            store(dx + place, result);
        });
}

// dx = dy * F'(x + b), from the result, or x, or the slope where that is given, and db, its sums down the columns. A
// block has strips of 32 threads side by side with 16 bytes of columns each, and of some rows every eighth a warp.
template <typename T, typename A, typename F>
__global__ void __launch_bounds__(256, sizeof(T) == 8 ? 1 : 3)
    bias_act_backward(const T* __restrict__ dy, const T* __restrict__ kept, const T* __restrict__ b,
                      const T* __restrict__ slope, T* __restrict__ dx, T* __restrict__ db, A* __restrict__ sums,
                      long long rows, long long columns, long long rows_of_block) {
    __shared__ ColumnRoom<T, A> room;
    constexpr int width = 16 / sizeof(T);
    if (columns % width == 0 && aligned(dy) && aligned(kept) && aligned(b) && aligned(slope) && aligned(dx))
        bias_act_strips<width, T, A, F>(dy, kept, b, slope, dx, db, sums, room.place, rows, columns, rows_of_block);
    else
        bias_act_strips<1, T, A, F>(dy, kept, b, slope, dx, db, sums, room.place, rows, columns, rows_of_block);
}
