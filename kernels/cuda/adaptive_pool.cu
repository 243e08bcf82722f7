// Arrays are (rows, size or out, columns); a thread has an element of the result. See math/segments.cuh.

// y: the mean of each segment.
template <typename T, typename A>
__global__ void __launch_bounds__(256, 2)
    segment_means_forward(const T* __restrict__ x, T* __restrict__ y, long long rows, long long size, long long out,
                  long long columns) {
    const long long step = (long long)gridDim.x * blockDim.x, count = rows * out * columns;
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += step) {
        const long long column = i % columns, line = i / columns, row = line / out, q = line % out;
        const long long first = segment_start(q, size, out), end = segment_end(q, size, out);
        A sum = A(0);
        for (long long k = first; k < end; ++k) sum += A(x[(row * size + k) * columns + column]);
        y[i] = T(sum / A(end - first));
    }
}

// dx: the sum of dy / length over the segments that an element is in.
template <typename T, typename A>
__global__ void __launch_bounds__(256, 2)
    segment_means_backward(const T* __restrict__ dy, T* __restrict__ dx, long long rows, long long size, long long out,
                   long long columns) {
    const long long step = (long long)gridDim.x * blockDim.x, count = rows * size * columns;
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += step) {
        const long long column = i % columns, line = i / columns, row = line / size, k = line % size;
        A sum = A(0);
        for (long long q = k * out / size; q < out && segment_start(q, size, out) <= k; ++q) {
            const long long end = segment_end(q, size, out);
            if (k < end) sum += A(dy[(row * out + q) * columns + column]) / A(end - segment_start(q, size, out));
        }
        dx[i] = T(sum);
    }
}
