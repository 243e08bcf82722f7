// y[plane, q] = the sum over the taps of q's windows, one in each of three dimensions, of the product of their weights
// times the element under them. A dimension has a table of (out, taps) places of elements, -1 for none, and one of
// weights, both one after another for the three dimensions. A thread has an element of y.
template <typename T, typename A>
__global__ void __launch_bounds__(256, 2)
    resample_planes(const T* __restrict__ x, T* __restrict__ y, const int* __restrict__ places,
                    const A* __restrict__ weights, long long planes, long long depth, long long height,
                    long long width, long long out_depth, long long out_height, long long out_width,
                    long long deep_taps, long long down_taps, long long across_taps) {
    const int area = int(depth * height * width), count = int(out_depth * out_height * out_width);
    const int deep = int(deep_taps), down = int(down_taps), across = int(across_taps);
    const int second = int(out_depth) * deep, third = second + int(out_height) * down;  // where their tables begin
    each_in_planes(planes, int(out_depth), int(out_height), int(out_width), [&](long long plane, int d, int h, int w) {
        const T* elements = x + plane * area;
        A sum = A(0);
        for (int i = d * deep; i < (d + 1) * deep; ++i) {
            const int z = places[i];
            if (z < 0) continue;
            for (int j = second + h * down; j < second + (h + 1) * down; ++j) {
                const int v = places[j];
                if (v < 0) continue;
                const T* line = elements + (z * int(height) + v) * int(width);
                const A outer = weights[i] * weights[j];
                for (int k = third + w * across; k < third + (w + 1) * across; ++k) {
                    const int u = places[k];
                    if (u >= 0) sum += A(line[u]) * (outer * weights[k]);
                }
            }
        }
        y[plane * count + (d * int(out_height) + h) * int(out_width) + w] = T(sum);
    });
}

// The same where each of y is one element of x: it is copied.
template <typename T, typename A>
__global__ void __launch_bounds__(256, 2)
    resample_copies(const T* __restrict__ x, T* __restrict__ y, const int* __restrict__ places, long long planes,
                    long long depth, long long height, long long width, long long out_depth, long long out_height,
                    long long out_width) {
    const int area = int(depth * height * width), count = int(out_depth * out_height * out_width);
    const int second = int(out_depth), third = second + int(out_height);
    each_in_planes(planes, int(out_depth), int(out_height), int(out_width), [&](long long plane, int d, int h, int w) {
        const int place = (places[d] * int(height) + places[second + h]) * int(width) + places[third + w];
        y[plane * count + (d * int(out_height) + h) * int(out_width) + w] = x[plane * area + place];
    });
}
