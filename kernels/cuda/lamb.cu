// Parameters lie end to end, cut into chunks, none of which has elements of two parameters. A block has one chunk:
//
//     chunks: | first element, end, the parameter's first chunk, the one after its last |, 4 numbers for each block

// Where a step moves one parameter, before its length is set.
template <typename A>
__device__ __forceinline__ A lamb_change(A value, A mean, A square, A correction1, A correction2, A eps,
                                         A weight_decay) {
    return decayed(mean / correction1 / (square_root(square / correction2) + eps), value, weight_decay);
}

// Calls body(lanes, i) for the elements of the block's chunk of p: 16 bytes at a time if all arrays allow that.
template <typename T, typename Body>
__device__ __forceinline__ void each_in_chunk(const T* p, bool all_aligned, const long long* chunk, Body body) {
    const T* first = p + chunk[0];
    const void* beside = all_aligned ? static_cast<const void*>(first) : reinterpret_cast<const char*>(first) + 1;
    each_in_row(first, beside, chunk[1] - chunk[0],
                [&](auto lanes, long long start) { body(lanes, chunk[0] + start); });
}

// Takes the gradient into the running averages m and v. A thread takes 16 bytes of each array at a time; a block leaves
// the squared lengths of its part of p and of its part of the change.
template <typename T, typename A>
__global__ void __launch_bounds__(256, 2) lamb_averages(const T* __restrict__ p, const T* __restrict__ dp,
                                                        T* __restrict__ m, T* __restrict__ v,
                                                        const long long* __restrict__ chunks, A* __restrict__ sums,
                                                        A correction1, A correction2, A keep1, A add1, A keep2,
                                                        A add2, A eps, A weight_decay) {
    __shared__ A shared[8];
    const bool all_aligned = aligned(p) && aligned(dp) && aligned(m) && aligned(v);
    A size = A(0), length = A(0);
    each_in_chunk(p, all_aligned, chunks + 4 * blockIdx.x, [&](auto lanes, long long i) {
        constexpr int width = decltype(lanes)::value;
        const auto values = load<width>(p + i), gradients = load<width>(dp + i);
        auto means = load<width>(m + i), squares = load<width>(v + i);
        for (int k = 0; k < width; ++k) {
            const A value = A(values.lane[k]), gradient = A(gradients.lane[k]);
            const A mean = keep1 * A(means.lane[k]) + add1 * gradient;
            const A square = keep2 * A(squares.lane[k]) + add2 * (gradient * gradient);
            const A change = lamb_change(value, mean, square, correction1, correction2, eps, weight_decay);
            means.lane[k] = T(mean);
            squares.lane[k] = T(square);
            size += value * value;
            length += change * change;
        }
        store(m + i, means);
        store(v + i, squares);
    });
    size = block_join(size, shared, Sum());
    length = block_join(length, shared, Sum());
    if (threadIdx.x == 0) {
        sums[2 * blockIdx.x] = size;
        sums[2 * blockIdx.x + 1] = length;
    }
}

// Moves p by rate times the ratio of the parameter's two lengths, which each block adds up for itself, in one order. A
// thread takes 16 bytes of each array at a time.
template <typename T, typename A>
__global__ void __launch_bounds__(256, 2) lamb_step(T* __restrict__ p, const T* __restrict__ m,
                                                    const T* __restrict__ v, const long long* __restrict__ chunks,
                                                    const A* __restrict__ sums, A rate, A correction1, A correction2,
                                                    A eps, A weight_decay) {
    __shared__ A shared[8];
    const long long* chunk = chunks + 4 * blockIdx.x;
    A size = A(0), length = A(0);
    for (long long i = chunk[2] + threadIdx.x; i < chunk[3]; i += blockDim.x) {
        size += sums[2 * i];
        length += sums[2 * i + 1];
    }
    size = square_root(block_join(size, shared, Sum()));
    length = square_root(block_join(length, shared, Sum()));
    const A step = size > A(0) && length > A(0) ? rate * (size / length) : rate;
    each_in_chunk(p, aligned(p) && aligned(m) && aligned(v), chunk, [&](auto lanes, long long i) {
        constexpr int width = decltype(lanes)::value;
        auto values = load<width>(p + i);
        const auto means = load<width>(m + i), squares = load<width>(v + i);
        for (int k = 0; k < width; ++k) {
            const A value = A(values.lane[k]);
            values.lane[k] = T(value - step * lamb_change(value, A(means.lane[k]), A(squares.lane[k]), correction1,
                                                          correction2, eps, weight_decay));
        }
        store(p + i, values);
    });
}
