// Sums over images and pixels of a channel, the gradient of a bias. A block has a channel, blockIdx.x, and a part of
// the images and pixels; where there are several of these it leaves its sum.
template <typename T, typename A>
__global__ void __launch_bounds__(256) channel_sum(const T* __restrict__ dy, T* __restrict__ db, A* __restrict__ slices,
                                                   long long images, long long channels, long long pixels,
                                                   long long images_of_block, long long pixels_of_block,
                                                   long long parts) {
    __shared__ A shared[32];
    const long long channel = blockIdx.x, first = blockIdx.y / parts * images_of_block;
    const long long begin = blockIdx.y % parts * pixels_of_block;
    const long long stop = first + images_of_block < images ? first + images_of_block : images;
    const long long count = begin + pixels_of_block < pixels ? pixels_of_block : pixels - begin;
    A sum = A(0);
    for (long long image = first + threadIdx.y; image < stop; image += blockDim.y) {
        const T* row = dy + (image * channels + channel) * pixels + begin;
        each_in_row(row, row, count, [&](auto lanes, long long start) {
            constexpr int width = decltype(lanes)::value;
            const auto pack = load<width>(row + start);
            for (int k = 0; k < width; ++k) sum += A(pack.lane[k]);
        });
    }
    sum = block_join(sum, shared, Sum());
    if (threadIdx.x == 0 && threadIdx.y == 0) {
        if (slices) slices[blockIdx.y * channels + channel] = sum;
        else db[channel] = T(sum);
    }
}

// The sums over all slices, in their order. A block has 32 columns, side by side, and 8 threads for each.
template <typename T, typename A>
__global__ void __launch_bounds__(256) slice_sum(T* __restrict__ total, const A* __restrict__ slices, long long count,
                                                 long long columns) {
    __shared__ A shared[8][32];
    const long long column = (long long)blockIdx.x * 32 + threadIdx.x;
    A sum = A(0);
    if (column < columns)
        for (long long slice = threadIdx.y; slice < count; slice += 8) sum += slices[slice * columns + column];
    shared[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y == 0 && column < columns) {
        for (int part = 1; part < 8; ++part) sum += shared[part][threadIdx.x];
        total[column] = T(sum);
    }
}
