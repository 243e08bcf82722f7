// Convolutions of groups of very few channels, each thread for itself: nothing is worth sharing.

// What a thread adds up: TALL results below each other, which see TAPS + TALL - 1 elements of a column of the source,
// the first of them `at`, in row h of `height`.
template <int TALL, int TAPS, typename T, typename A>
__device__ __forceinline__ void add_column(const T* at, int h, int height, int width, const T* weights, int tap_step,
                                           A (&sums)[TALL]) {
    A factors[TAPS];
#pragma unroll
    for (int tap = 0; tap < TAPS; ++tap) factors[tap] = A(weights[tap * tap_step]);
#pragma unroll
    for (int row = 0; row < TAPS + TALL - 1; ++row, at += width) {
        if (unsigned(h + row) >= unsigned(height)) continue;
        const A value = A(*at);
#pragma unroll
        for (int i = 0; i < TALL; ++i)
            if (row - i >= 0 && row - i < TAPS) sums[i] += factors[row - i] * value;
    }
}

// A convolution of `inner` channels to `rows` ones a group, or its gradient by the source, of one phase (see
// windows.cuh). A thread has TALL results below each other; with TAPS the kernel is that high, and moves on by one.
template <typename T, typename A, int TALL, int TAPS>
__global__ void __launch_bounds__(256, 2) depthwise(const T* __restrict__ x, const T* __restrict__ w,
                                                 const T* __restrict__ b, T* __restrict__ y, long long images,
                                                 long long groups, long long rows, long long inner, long long backward,
                                                 long long window_d, long long lengths_d, long long window_h,
                                                 long long lengths_h, long long window_w, long long lengths_w) {
    __shared__ Axis axes[3];
    if (threadIdx.x == 0 && threadIdx.y == 0) {
        const Dimension of_d(window_d, lengths_d), of_h(window_h, lengths_h), of_w(window_w, lengths_w);
        axes[0] = backward ? of_d.backward(blockIdx.y / (of_h.phases() * of_w.phases())) : of_d.forward();
        axes[1] = backward ? of_h.backward(blockIdx.y / of_w.phases() % of_h.phases()) : of_h.forward();
        axes[2] = backward ? of_w.backward(blockIdx.y % of_w.phases()) : of_w.forward();
    }
    __syncthreads();
    const unsigned strips = (axes[1].count + TALL - 1) / TALL;
    const unsigned strip = blockIdx.x * blockDim.y + threadIdx.y, channels = unsigned(groups * rows);
    if (strip >= unsigned(images) * channels * axes[0].count * strips) return;
    const int high = int(strip % strips) * TALL, deep = int(strip / strips % axes[0].count);
    const unsigned plane = strip / strips / axes[0].count, channel = plane % channels, image = plane / channels;
    const unsigned group = channel / unsigned(rows), row = channel % unsigned(rows);
    const int height = axes[1].limit, width = axes[2].limit;
    const long long source_plane = (long long)axes[0].limit * height * width;
    const int kernel = axes[0].kernel * axes[1].kernel * axes[2].kernel;
    const T* weights = w + (group * rows * inner + (backward ? row : row * inner)) * kernel;
    const long long channel_stride = backward ? rows * kernel : kernel;
    const A bias = b ? A(b[channel]) : A(0);
    T* to = y + (long long)plane * axes[0].length * axes[1].length * axes[2].length +
            (long long)(axes[0].first + axes[0].stride * deep) * axes[1].length * axes[2].length;

#pragma unroll 1  // here and below: the compiler would do several at a time, for which registers do not suffice
    for (int i = threadIdx.x; i < axes[2].count; i += blockDim.x) {
        A sums[TALL] = {};
#pragma unroll 1
        for (int k = 0; k < inner; ++k) {
            const T* source = x + ((image * groups + group) * inner + k) * source_plane;
#pragma unroll 1
            for (int tap_d = 0; tap_d < axes[0].taps; ++tap_d) {
                const int at_d = axes[0].step * deep + axes[0].gap * tap_d + axes[0].start;
                if (unsigned(at_d) >= unsigned(axes[0].limit)) continue;
#pragma unroll 1
                for (int tap_w = 0; tap_w < axes[2].taps; ++tap_w) {
                    const int at_w = axes[2].step * i + axes[2].gap * tap_w + axes[2].start;
                    if (unsigned(at_w) >= unsigned(width)) continue;
                    const T* factors = weights + k * channel_stride +
                        (axes[0].first_tap + axes[0].tap_stride * tap_d) * axes[1].kernel * axes[2].kernel +
                        axes[2].first_tap + axes[2].tap_stride * tap_w;
                    const int at_h = axes[1].step * high + axes[1].start;
                    if constexpr (TAPS > 0) {  // in the order of the source: the gradient's taps go the other way
                        const int last = axes[1].gap < 0 ? TAPS - 1 : 0, turn = axes[1].gap < 0 ? -1 : 1;
                        add_column<TALL, TAPS>(source + ((long long)at_d * height + at_h - last) * width + at_w,
                                               at_h - last, height, width, factors + last * axes[2].kernel,
                                               turn * axes[2].kernel, sums);
                    } else {
                        for (int tap_h = 0; tap_h < axes[1].taps; ++tap_h) {
                            const int place = at_h + axes[1].gap * tap_h;
                            if (unsigned(place) >= unsigned(height)) continue;
                            sums[0] +=
                                A(factors[(axes[1].first_tap + axes[1].tap_stride * tap_h) * axes[2].kernel]) *
                                A(source[((long long)at_d * height + place) * width + at_w]);
                        }
                    }
                }
            }
        }
        const long long column = axes[2].first + axes[2].stride * (long long)i;
#pragma unroll
        for (int lane = 0; lane < TALL; ++lane)
            if (high + lane < axes[1].count)
                to[(axes[1].first + axes[1].stride * (long long)(high + lane)) * axes[2].length + column] =
                    T(sums[lane] + bias);
    }
}

// The gradient of the weights of such groups. A block has one channel of the weights of one result, up to 9 of its
// taps, and a slice of the rows of all images; where there are several of these it leaves its sums.
template <typename T, typename A>
__global__ void __launch_bounds__(256) depthwise_weights(const T* __restrict__ dy, const T* __restrict__ x,
                                                         T* __restrict__ dw, A* __restrict__ slices, long long images,
                                                         long long groups, long long rows, long long inner,
                                                         long long lines_of_slice, long long window_d,
                                                         long long lengths_d, long long window_h, long long lengths_h,
                                                         long long window_w, long long lengths_w) {
    constexpr int some = 9;
    __shared__ A shared[32];
    __shared__ Axis axes[3];
    __shared__ Tap taps[some];
    const int thread = threadIdx.y * blockDim.x + threadIdx.x, first = blockIdx.z * some;
    if (thread == 0) {
        axes[0] = Dimension(window_d, lengths_d).forward();
        axes[1] = Dimension(window_h, lengths_h).forward();
        axes[2] = Dimension(window_w, lengths_w).forward();
    }
    __syncthreads();
    const int kernel = axes[0].taps * axes[1].taps * axes[2].taps;
    int weight;
    if (thread < some) {
        taps[thread] = {0, OUTSIDE, 0, 0};
        if (first + thread < kernel) taps[thread] = tap_of(first + thread, axes, 0, weight);
    }
    __syncthreads();
    const int depth = axes[0].limit, height = axes[1].limit, width = axes[2].limit;
    const unsigned channel = blockIdx.x / unsigned(inner);
    const long long source_channel = channel / unsigned(rows) * inner + blockIdx.x % unsigned(inner);
    const long long source_plane = (long long)depth * height * width;
    const unsigned lines = unsigned(axes[0].count) * axes[1].count;  // of an image
    const long long begin = blockIdx.y * lines_of_slice, all = images * lines;
    const long long stop = begin + lines_of_slice < all ? begin + lines_of_slice : all;
    A sums[some] = {};
    for (long long line = begin + threadIdx.y; line < stop; line += blockDim.y) {
        const unsigned image = unsigned(line) / lines, rest = unsigned(line) % lines;
        const T* given = dy + ((image * groups * rows + channel) * lines + rest) * axes[2].count;
        Spot spot = spot_of_result(rest * axes[2].count, axes);
        spot.at += (image * groups * inner + source_channel) * source_plane + axes[2].step * threadIdx.x;
        spot.w += axes[2].step * threadIdx.x;
        for (int i = threadIdx.x; i < axes[2].count; i += blockDim.x) {
            const A value = A(given[i]);
#pragma unroll
            for (int tap = 0; tap < some; ++tap) sums[tap] += value * A(seen(x, spot, taps[tap], depth, height, width));
            spot.at += axes[2].step * blockDim.x;
            spot.w += axes[2].step * blockDim.x;
        }
    }
    const long long to = (long long)blockIdx.x * kernel + first, size = (long long)gridDim.x * kernel;
#pragma unroll
    for (int tap = 0; tap < some; ++tap) {
        const A sum = block_join(sums[tap], shared, Sum());
        if (thread || first + tap >= kernel) continue;
        if (slices) slices[blockIdx.y * size + to + tap] = sum;
        else dw[to + tap] = T(sum);
    }
}
