// x is (batch, channels, depth, height, width), grid (batch, points, dims), y (batch, channels, points). DEEP and TAPS are
// how many elements a point takes of the depth, and of the other two dimensions.

// y: each point's weighted sum of elements. A thread has a point, and every gridDim.y-th channel.
template <typename T, typename A, int DEEP, int TAPS>
__global__ void __launch_bounds__(256, 1)
    sample_points(const T* __restrict__ x, const T* __restrict__ grid, T* __restrict__ y, long long batch,
                  long long channels, long long points, long long dims, long long depth, long long height,
                  long long width, long long padding, long long by_centers) {
    const long long area = depth * height * width, step = (long long)gridDim.x * blockDim.x;
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < batch * points; i += step) {
        const long long n = quotient(i, points), p = i - n * points;
        Point<A, DEEP, TAPS> point;
        point.find(grid + i * dims, int(dims), int(depth), int(height), int(width), int(padding), by_centers != 0);
        for (long long c = blockIdx.y; c < channels; c += gridDim.y) {
            const T* plane = x + (n * channels + c) * area;
            A sum = A(0);
            point.each(int(height), int(width), [&](int, int element, int i, int j, int k) {
                const A value = element < 0 ? A(0) : A(plane[element]);
                sum += value * (point.deep.weight[i] * point.down.weight[j] * point.across.weight[k]);
            });
            y[(n * channels + c) * points + p] = T(sum);
        }
    }
}

// Of each point dgrid, the sum over channels of dy times the slope there; and for dx, which the next kernel gathers, the
// element that each tap takes, counted over the whole batch or -1, and its weight. Either may be null. A thread has a
// point.
template <typename T, typename A, int DEEP, int TAPS>
__global__ void __launch_bounds__(256, 1)
    sample_slopes(const T* __restrict__ dy, const T* __restrict__ x, const T* __restrict__ grid, T* __restrict__ dgrid,
                  long long* __restrict__ elements, A* __restrict__ weights, long long batch, long long channels,
                  long long points, long long dims, long long depth, long long height, long long width,
                  long long padding, long long by_centers) {
    constexpr int taps = DEEP * TAPS * TAPS;
    const long long area = depth * height * width, step = (long long)gridDim.x * blockDim.x;
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < batch * points; i += step) {
        const long long n = quotient(i, points), p = i - n * points;
        Point<A, DEEP, TAPS> point;
        point.find(grid + i * dims, int(dims), int(depth), int(height), int(width), int(padding), by_centers != 0);
        if (elements)
            point.each(int(height), int(width), [&](int tap, int element, int a, int b, int c) {
                elements[i * taps + tap] = element < 0 ? -1 : n * area + element;
                weights[i * taps + tap] = point.deep.weight[a] * point.down.weight[b] * point.across.weight[c];
            });
        if (!dgrid) continue;
        A to_deep = A(0), to_down = A(0), to_across = A(0);
        for (long long c = 0; TAPS > 1 && c < channels; ++c) {
            const T* plane = x + (n * channels + c) * area;
            const A gradient = A(dy[(n * channels + c) * points + p]);
            A deep = A(0), down = A(0), across = A(0);
            point.each(int(height), int(width), [&](int, int element, int i, int j, int k) {
                const A value = element < 0 ? A(0) : A(plane[element]);
                const A of_deep = point.deep.weight[i], of_down = point.down.weight[j];
                const A of_across = point.across.weight[k];
                deep += value * (point.deep.slope[i] * of_down * of_across);
                down += value * (of_deep * point.down.slope[j] * of_across);
                across += value * (of_deep * of_down * point.across.slope[k]);
            });
            to_deep += gradient * deep;
            to_down += gradient * down;
            to_across += gradient * across;
        }
        dgrid[i * dims] = T(to_across);
        dgrid[i * dims + 1] = T(to_down);
        if (dims == 3) dgrid[i * dims + 2] = T(to_deep);
    }
}

// dx: of each element the sum of dy times the weights of the taps that take it, in the order of the taps. They are
// sorted by their elements: a key is the element above `bits` bits of the tap's number. A thread has an element, and
// every gridDim.y-th channel.
template <typename T, typename A, int DEEP, int TAPS>
__global__ void __launch_bounds__(256, 1)
    gather_slopes(const T* __restrict__ dy, const void* __restrict__ keys, const A* __restrict__ weights,
                  T* __restrict__ dx, long long wide, long long count, long long bits, long long batch,
                  long long channels, long long points, long long area) {
    constexpr int taps = DEEP * TAPS * TAPS;
    const long long step = (long long)gridDim.x * blockDim.x, mask = (1ll << bits) - 1;
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < batch * area; i += step) {
        const long long n = quotient(i, area), place = i - n * area;
        long long first = 0, high = count;
        while (first < high) {
            const long long middle = (first + high) / 2;
            if (number_at(keys, middle, wide != 0) < i << bits)
                first = middle + 1;
            else
                high = middle;
        }
        for (long long c = blockIdx.y; c < channels; c += gridDim.y) {
            const T* gradients = dy + (n * channels + c) * points;
            A sum = A(0);
            for (long long at = first; at < count; ++at) {
                const long long key = number_at(keys, at, wide != 0);
                if (key >> bits != i) break;
                const long long tap = key & mask;
                sum += A(gradients[quotient(tap, taps) - n * points]) * weights[tap];
            }
            dx[(n * channels + c) * area + place] = T(sum);
        }
    }
}
