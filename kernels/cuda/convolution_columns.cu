// What windows see as a matrix (channels * taps, images * windows), for a product by cuBLAS: im2col. A thread writes 16
// bytes of up to 16 rows. Blocks of later rows do what else the product needs, 16 channels each: they fill y with the
// bias b, or lay the channels of dy side by side, (channels, images * windows), in turned.
template <typename T, typename A>
__global__ void __launch_bounds__(256, 3) lay_columns(const T* __restrict__ x, T* __restrict__ columns,
                                                   const T* __restrict__ b, T* __restrict__ y,
                                                   const T* __restrict__ dy, T* __restrict__ turned, long long images,
                                                   long long channels, long long results_channels,
                                                   long long blocks_of_columns, long long window_d,
                                                   long long lengths_d, long long window_h, long long lengths_h,
                                                   long long window_w, long long lengths_w) {
    constexpr int lanes = 16 / sizeof(T), rows = 16;
    __shared__ Axis axes[3];
    __shared__ Tap taps[rows];
    if (threadIdx.x == 0) {
        axes[0] = Dimension(window_d, lengths_d).forward();
        axes[1] = Dimension(window_h, lengths_h).forward();
        axes[2] = Dimension(window_w, lengths_w).forward();
    }
    __syncthreads();
    const int depth = axes[0].limit, height = axes[1].limit, width = axes[2].limit;
    const long long plane = (long long)depth * height * width;
    const unsigned results = unsigned(axes[0].count) * axes[1].count * axes[2].count;
    const unsigned all = unsigned(images) * results;
    const long long first = ((long long)blockIdx.x * 256 + threadIdx.x) * lanes;
    const bool of_columns = blockIdx.y < blocks_of_columns;
    const long long top = (of_columns ? blockIdx.y : blockIdx.y - blocks_of_columns) * rows;

    if (!of_columns) {
        if (first >= all) return;
        const bool packs = results % lanes == 0 && aligned(b ? y : dy) && aligned(turned);
        for (long long channel = top; channel < top + rows && channel < results_channels; ++channel) {
            for (int lane = 0; lane < lanes && first + lane < all; lane += packs ? lanes : 1) {
                const unsigned pixel = unsigned(first) + lane;
                const long long place = (pixel / results * results_channels + channel) * results + pixel % results;
                const long long to = channel * all + pixel;
                if (packs) {
                    Pack<T, lanes> pack;
                    if (b) {
                        for (int k = 0; k < lanes; ++k) pack.lane[k] = b[channel];
                        store(y + place, pack);
                    } else {
                        store(turned + to, load<lanes>(dy + place));
                    }
                } else if (b) {
                    y[place] = b[channel];
                } else {
                    turned[to] = dy[place];
                }
            }
        }
        return;
    }

    const int count = int(channels) * axes[0].taps * axes[1].taps * axes[2].taps;
    int weight;
    if (threadIdx.x < rows && top + threadIdx.x < count) taps[threadIdx.x] = tap_of(unsigned(top) + threadIdx.x, axes, 0, weight);
    __syncthreads();
    if (first >= all) return;
    Spot spots[lanes];
    unsigned image = unsigned(first) / results, i = unsigned(first) % results;
#pragma unroll
    for (int lane = 0; lane < lanes; ++lane) {
        spots[lane] = {0, OUTSIDE, 0, 0};
        if (first + lane < all) {
            spots[lane] = spot_of_result(i, axes);
            spots[lane].at += image * channels * plane;
        }
        if (++i == results) {
            i = 0;
            ++image;
        }
    }
    const bool packs = all % lanes == 0 && aligned(columns);
    for (int row = 0; row < rows && top + row < count; ++row) {
        Pack<T, lanes> pack;
#pragma unroll
        for (int lane = 0; lane < lanes; ++lane) pack.lane[lane] = seen(x, spots[lane], taps[row], depth, height, width);
        T* to = columns + (top + row) * all + first;
        if (packs) {
            store(to, pack);
        } else {
            for (int lane = 0; lane < lanes && first + lane < all; ++lane) to[lane] = pack.lane[lane];
        }
    }
}

// dx from the gradient of such columns, of one phase (see windows.cuh): a thread adds up, in their order, what the
// windows have for one element.
template <typename T, typename A>
__global__ void __launch_bounds__(256) gather_columns(T* __restrict__ dx, const A* __restrict__ columns,
                                                      const T* __restrict__ b, long long images, long long channels,
                                                      long long window_d, long long lengths_d, long long window_h,
                                                      long long lengths_h, long long window_w, long long lengths_w) {
    __shared__ Axis axes[3];
    if (threadIdx.x == 0) {
        const Dimension d(window_d, lengths_d), h(window_h, lengths_h), w(window_w, lengths_w);
        axes[0] = d.backward(blockIdx.y / (h.phases() * w.phases()));
        axes[1] = h.backward(blockIdx.y / w.phases() % h.phases());
        axes[2] = w.backward(blockIdx.y % w.phases());
    }
    __syncthreads();
    const unsigned results = unsigned(axes[0].count) * axes[1].count * axes[2].count;
    const long long element = (long long)blockIdx.x * 256 + threadIdx.x;
    if (element >= images * channels * results) return;
    const unsigned plane = unsigned(element / results), i = unsigned(element % results);
    const unsigned image = plane / unsigned(channels), channel = plane % unsigned(channels);
    const Spot own = spot_of_result(i, axes);
    const long long windows = (long long)axes[0].limit * axes[1].limit * axes[2].limit, all = images * windows;
    const int taps = axes[0].taps * axes[1].taps * axes[2].taps;
    const int kernel = axes[0].kernel * axes[1].kernel * axes[2].kernel;
    const A* from = columns + channel * (long long)kernel * all + image * windows + own.at;
    A sum = b ? A(b[channel]) : A(0);
    for (int j = 0, d = 0, h = 0, w = 0; j < taps; ++j) {
        const int at_d = axes[0].gap * d, at_h = axes[1].gap * h, at_w = axes[2].gap * w;
        if (unsigned(own.d + at_d) < unsigned(axes[0].limit) && unsigned(own.h + at_h) < unsigned(axes[1].limit) &&
            unsigned(own.w + at_w) < unsigned(axes[2].limit)) {
            const int tap = ((axes[0].first_tap + axes[0].tap_stride * d) * axes[1].kernel + axes[1].first_tap +
                             axes[1].tap_stride * h) * axes[2].kernel + axes[2].first_tap + axes[2].tap_stride * w;
            sum += from[tap * all + (at_d * axes[1].limit + at_h) * axes[2].limit + at_w];
        }
        if (++w == axes[2].taps) {
            w = 0;
            if (++h == axes[1].taps) {
                h = 0;
                ++d;
            }
        }
    }
    const long long size = (long long)axes[0].length * axes[1].length * axes[2].length;
    dx[plane * size + place_of_result(i, axes)] = T(sum);
}
