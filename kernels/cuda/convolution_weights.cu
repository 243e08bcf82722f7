// The gradient of the weights as the product of dy (rows, images * windows) with the matrix of what each tap sees,
// (images * windows, inner channels * taps), which is nowhere: its elements are found in x as they are needed. A block
// has a tile of dw, of one group, and a slice of the pixels; where there are several of these it leaves its sums.
template <typename T, typename A, typename Form>
__global__ void __launch_bounds__(Form::threads, sizeof(A) == 4 ? Form::blocks : 1)
    convolve_weights(const T* __restrict__ dy, const T* __restrict__ x, T* __restrict__ dw, A* __restrict__ slices,
                     long long images, long long groups, long long rows, long long inner, long long stages_of_slice,
                     long long window_d, long long lengths_d, long long window_h, long long lengths_h,
                     long long window_w, long long lengths_w) {
    __shared__ Stages<A, Form> stages;
    __shared__ Tap taps[Form::columns];
    __shared__ Spot pixels[2][Form::depth];
    __shared__ long long places[2][Form::depth];
    __shared__ Axis axes[3];
    const int thread = threadIdx.x;
    if (thread == 0) {
        axes[0] = Dimension(window_d, lengths_d).forward();
        axes[1] = Dimension(window_h, lengths_h).forward();
        axes[2] = Dimension(window_w, lengths_w).forward();
    }
    __syncthreads();

    const long long columns = inner * axes[0].taps * axes[1].taps * axes[2].taps;
    const unsigned tiles_down = unsigned((rows + Form::rows - 1) / Form::rows);
    const int top = int(blockIdx.x % tiles_down) * Form::rows, group = blockIdx.z;
    const long long left_edge = (long long)(blockIdx.x / tiles_down) * Form::columns;
    const int depth = axes[0].limit, height = axes[1].limit, width = axes[2].limit;
    const long long source_plane = (long long)depth * height * width;
    const unsigned results = unsigned(axes[0].count) * axes[1].count * axes[2].count;
    const unsigned all = unsigned(images) * results;
    if (thread < Form::columns) {
        int weight;
        taps[thread] = {0, OUTSIDE, 0, 0};
        if (left_edge + thread < columns) taps[thread] = tap_of(unsigned(left_edge + thread), axes, 0, weight);
    }

    const T* given = dy + (group * rows + top) * results;
    const int below = int(rows) - top;
    const long long first = blockIdx.y * stages_of_slice, every = ((long long)all + Form::depth - 1) / Form::depth;
    A sums[Form::high][Form::wide] = {};
    multiply<T, true, Form>(
        int(every - first < stages_of_slice ? every - first : stages_of_slice), stages, sums,
        [&](int stage) {
            if (thread >= Form::depth) return;
            const long long pixel = (first + stage) * Form::depth + thread;
            Spot found = {0, OUTSIDE, 0, 0};
            long long place = -1;
            if (pixel < all) {
                const unsigned image = unsigned(pixel) / results, i = unsigned(pixel) % results;
                found = spot_of_result(i, axes);
                found.at += (image * groups + group) * inner * source_plane;
                place = image * groups * rows * results + i;
            }
            pixels[stage & 1][thread] = found;
            places[stage & 1][thread] = place;
        },
        [&](int stage, int row, int k) {
            const long long at = places[stage & 1][k];
            return row < below && at >= 0 ? given[(long long)row * results + at] : T(0);
        },
        [&](int stage, int k, int column) {
            return seen(x, pixels[stage & 1][k], taps[column], depth, height, width);
        });

    const long long size = groups * rows * columns;
#pragma unroll
    for (int i = 0; i < Form::high; ++i) {
        const int row = top + Form::row(i);
        if (row >= rows) continue;
        const long long to = (group * rows + row) * columns + left_edge;
#pragma unroll
        for (int j = 0; j < Form::wide; ++j) {
            const int column = Form::column(j);
            if (left_edge + column >= columns) continue;
            if (slices) slices[blockIdx.y * size + to + column] = sums[i][j];
            else dw[to + column] = T(sums[i][j]);
        }
    }
}
