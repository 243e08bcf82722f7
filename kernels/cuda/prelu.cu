// Arrays are (..., channels, inner), and a channel has a slope; with one channel all elements have one.

// The channels of elements that follow each other, found with one division each for the first.
struct Channels {
    long long inner, channels, channel, left;  // elements of the channel from here on

    __device__ __forceinline__ Channels(long long start, long long channels, long long inner)
        : inner(inner), channels(channels), channel(0), left(inner) {
        if (channels == 1) return;
        const long long plane = quotient(start, inner);
        channel = plane - quotient(plane, channels) * channels;
        left = (plane + 1) * inner - start;
    }
    __device__ __forceinline__ long long next() {
        const long long now = channel;
        if (channels > 1 && --left == 0) {
            left = inner;
            if (++channel == channels) channel = 0;
        }
        return now;
    }
};

// y = x where x > 0, else slope * x. A thread has 16 bytes of x.
template <typename T, typename A>
__global__ void __launch_bounds__(256)
    prelu_forward(const T* __restrict__ x, const T* __restrict__ slope, T* __restrict__ y, long long count,
                  long long channels, long long inner) {
    each_in_grid<T>(count, aligned(x) && aligned(y), [&](auto lanes, long long start) {
        constexpr int width = decltype(lanes)::value;
        Channels at(start, channels, inner);
        auto pack = load<width>(x + start);
#pragma unroll
        for (int k = 0; k < width; ++k) pack.lane[k] = T(leaky(A(pack.lane[k]), A(slope[at.next()])));
        store(y + start, pack);
    });
}

// dx = dy where x > 0, else slope * dy. A thread has 16 bytes of dy and x.
template <typename T, typename A>
__global__ void __launch_bounds__(256, 2)
    prelu_backward(const T* __restrict__ dy, const T* __restrict__ x, const T* __restrict__ slope, T* __restrict__ dx,
                   long long count, long long channels, long long inner) {
    each_in_grid<T>(count, aligned(dy) && aligned(x) && aligned(dx), [&](auto lanes, long long start) {
        constexpr int width = decltype(lanes)::value;
        Channels at(start, channels, inner);
        const auto gradient = load<width>(dy + start);
        auto pack = load<width>(x + start);
#pragma unroll
        for (int k = 0; k < width; ++k)
            pack.lane[k] = T(leaky_gradient(A(gradient.lane[k]), A(pack.lane[k]), A(slope[at.next()])));
        store(dx + start, pack);
    });
}

// dx, and the sum of dy * x where x <= 0 over some of a channel's elements, `count` in all. Blocks with one blockIdx.y
// share a channel: the 16 bytes of its elements, counted over all rows, go to their threads in turn. The sums are
// dslope where a channel has one block, else a line of `sums` for each blockIdx.x.
template <typename T, typename A>
__global__ void __launch_bounds__(256, 2)
    prelu_backward_channels(const T* __restrict__ dy, const T* __restrict__ x, const T* __restrict__ slope,
                            T* __restrict__ dx, T* __restrict__ dslope, A* __restrict__ sums, long long count,
                            long long channels, long long inner) {
    __shared__ A shared[8];
    const long long channel = blockIdx.y, gap = (channels - 1) * inner;
    const A factor = A(slope[channel]);
    const bool wide = aligned(dy) && aligned(x) && aligned(dx) && (channels == 1 || inner % (16 / sizeof(T)) == 0);
    A sum = A(0);
    each_in_grid<T>(count, wide, [&](auto lanes, long long start) {
        constexpr int width = decltype(lanes)::value;
        const long long from = channels == 1 ? start : start + channel * inner + quotient(start, inner) * gap;
        const auto gradient = load<width>(dy + from);
        auto pack = load<width>(x + from);
#pragma unroll
        for (int k = 0; k < width; ++k) {
            const A arriving = A(gradient.lane[k]), wide_x = A(pack.lane[k]);
            if (!(wide_x > A(0))) sum += arriving * wide_x;
            pack.lane[k] = T(leaky_gradient(arriving, wide_x, factor));
        }
        store(dx + from, pack);
    });
    sum = block_join(sum, shared, Sum());
    if (threadIdx.x == 0) {
        if (sums)
            sums[blockIdx.x * channels + channel] = sum;
        else
            dslope[channel] = T(sum);
    }
}

// The same where channels are shorter than a warp: (rows, columns) with columns = channels * inner. A block has 32
// columns and, of rows_of_block rows that follow each other, every 8th in each of its 8 warps. The sums are dslope
// where there is one element of a channel in a row and all rows in one block, else lines of `sums`, of all columns.
template <typename T, typename A>
__global__ void __launch_bounds__(256)
    prelu_backward_columns(const T* __restrict__ dy, const T* __restrict__ x, const T* __restrict__ slope,
                           T* __restrict__ dx, T* __restrict__ dslope, A* __restrict__ sums, long long rows,
                           long long columns, long long inner, long long rows_of_block) {
    __shared__ A shared[8][32];
    const long long column = (long long)blockIdx.x * 32 + threadIdx.x, first = blockIdx.y * rows_of_block;
    const long long end = first + rows_of_block < rows ? first + rows_of_block : rows;
    A sum = A(0);
    if (column < columns) {
        const A factor = A(slope[quotient(column, inner)]);
        for (long long row = first + threadIdx.y; row < end; row += 8) {
            const long long place = row * columns + column;
            const A arriving = A(dy[place]), wide = A(x[place]);
            if (!(wide > A(0))) sum += arriving * wide;
            dx[place] = T(leaky_gradient(arriving, wide, factor));
        }
    }
    shared[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y != 0 || column >= columns) return;
    for (int warp = 1; warp < 8; ++warp) sum += shared[warp][threadIdx.x];
    if (sums)
        sums[blockIdx.y * columns + column] = sum;
    else
        dslope[column] = T(sum);
}

// dslope from the lines of sums, of `channels` times `inner` elements. A warp has a channel.
template <typename T, typename A>
__global__ void __launch_bounds__(256)
    prelu_total(T* __restrict__ dslope, const A* __restrict__ sums, long long lines, long long channels,
                long long inner) {
    const long long channel = (long long)blockIdx.x * blockDim.y + threadIdx.y;
    if (channel >= channels) return;
    A sum = A(0);
    for (long long i = threadIdx.x; i < lines * inner; i += 32) {
        const long long line = inner == 1 ? i : quotient(i, inner);
        sum += sums[(line * channels + channel) * inner + (i - line * inner)];
    }
    sum = warp_join(sum, Sum());
    if (threadIdx.x == 0) dslope[channel] = T(sum);
}
