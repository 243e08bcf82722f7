// A convolution, or its gradient by the source, as the product of the weights (rows, inner channels * taps) with a
// matrix that is nowhere: (inner channels * taps, images * results), whose elements are found in x as they are needed.
// A block has a tile of the result, all of one group and one phase (see windows.cuh); blocks side by side share pixels.
template <typename T, typename A, typename Form>
__global__ void __launch_bounds__(Form::threads, sizeof(T) == 4 ? Form::blocks : sizeof(T) == 2 ? 2 : 1)
    convolve(const T* __restrict__ x, const T* __restrict__ w, const T* __restrict__ b, T* __restrict__ y,
             long long images, long long groups, long long rows, long long inner, long long backward,
             long long window_d, long long lengths_d, long long window_h, long long lengths_h, long long window_w,
             long long lengths_w) {
    __shared__ Stages<A, Form> stages;
    __shared__ Tap taps[2][Form::depth];
    __shared__ int weights[2][Form::depth];
    __shared__ long long places[Form::columns];
    __shared__ Axis axes[3];
    const int thread = threadIdx.x;
    const Dimension dimensions[3] = {{window_d, lengths_d}, {window_h, lengths_h}, {window_w, lengths_w}};
    const int phases_h = backward ? dimensions[1].phases() : 1, phases_w = backward ? dimensions[2].phases() : 1;
    const int phases = (backward ? dimensions[0].phases() : 1) * phases_h * phases_w;
    const int phase = blockIdx.y % phases, group = blockIdx.y / phases;
    if (thread == 0) {
        axes[0] = backward ? dimensions[0].backward(phase / (phases_h * phases_w)) : dimensions[0].forward();
        axes[1] = backward ? dimensions[1].backward(phase / phases_w % phases_h) : dimensions[1].forward();
        axes[2] = backward ? dimensions[2].backward(phase % phases_w) : dimensions[2].forward();
    }
    __syncthreads();

    const unsigned tiles_down = unsigned((rows + Form::rows - 1) / Form::rows);
    const int top = int(blockIdx.x % tiles_down) * Form::rows;
    const unsigned left_edge = blockIdx.x / tiles_down * Form::columns;
    const unsigned results = unsigned(axes[0].count) * axes[1].count * axes[2].count;
    const unsigned all = unsigned(images) * results;
    if (left_edge >= all) return;  // a phase of fewer results
    const int depth = axes[0].limit, height = axes[1].limit, width = axes[2].limit;
    const long long source_plane = (long long)depth * height * width;
    const long long result_plane = (long long)axes[0].length * axes[1].length * axes[2].length;
    const int count = int(inner) * axes[0].taps * axes[1].taps * axes[2].taps;
    const long long kernel = (long long)axes[0].kernel * axes[1].kernel * axes[2].kernel;
    const int row_stride = int(backward ? kernel : inner * kernel);
    const int channel_stride = int(backward ? rows * kernel : kernel);

    // The pixel for which this thread brings elements.
    const unsigned pixel = left_edge + thread % Form::columns;
    Spot own = {0, OUTSIDE, 0, 0};
    long long place = -1;
    if (pixel < all) {
        const unsigned image = pixel / results, i = pixel % results;
        own = spot_of_result(i, axes);
        own.at += (image * groups + group) * inner * source_plane;
        place = image * groups * rows * result_plane + place_of_result(i, axes);
    }
    if (thread < Form::columns) places[thread] = place;

    const T* given = w + group * rows * inner * kernel + (long long)top * row_stride;
    const int below = int(rows) - top;
    A sums[Form::high][Form::wide] = {};
    multiply<T, false, Form>(
        (count + Form::depth - 1) / Form::depth, stages, sums,
        [&](int stage) {
            if (thread >= Form::depth) return;
            const int j = stage * Form::depth + thread;
            taps[stage & 1][thread] = {0, OUTSIDE, 0, 0};
            weights[stage & 1][thread] = -1;
            if (j < count) taps[stage & 1][thread] = tap_of(j, axes, channel_stride, weights[stage & 1][thread]);
        },
        [&](int stage, int row, int k) {
            const int at = weights[stage & 1][k];
            return row < below && at >= 0 ? given[row * row_stride + at] : T(0);
        },
        [&](int stage, int k, int) { return seen(x, own, taps[stage & 1][k], depth, height, width); });

    if (count <= 0) __syncthreads();  // for the places
    const bool packs = results == result_plane && results % 4 == 0 && aligned(y);
#pragma unroll
    for (int j = 0; j < Form::wide; j += 4) {
#pragma unroll
        for (int i = 0; i < Form::high; ++i) {
            const int row = top + Form::row(i);
            if (row >= rows) continue;
            const A bias = b ? A(b[group * rows + row]) : A(0);
            T* to = y + (group * rows + row) * result_plane;
            const long long* at = places + Form::column(j);
            if (packs && *at >= 0) {
                Pack<T, 4> pack;
                for (int lane = 0; lane < 4; ++lane) pack.lane[lane] = T(sums[i][j + lane] + bias);
                store(to + *at, pack);
            } else {
                for (int lane = 0; lane < 4; ++lane)
                    if (at[lane] >= 0) to[at[lane]] = T(sums[i][j + lane] + bias);
            }
        }
    }
}
