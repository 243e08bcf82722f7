// y: the largest element of each window, the last nan if there is one; and where they are given, the number of its tap,
// as a byte or an int, and its place in the plane. A thread has a window.
template <typename T, typename A>
__global__ void __launch_bounds__(256, 2)
    max_pool_forward(const T* __restrict__ x, T* __restrict__ y, unsigned char* __restrict__ tap_bytes,
                     int* __restrict__ tap_ints, long long* __restrict__ places, const int* __restrict__ table,
                     long long planes) {
    const Axis deep = axis_of(table, 0), down = axis_of(table, 1), across = axis_of(table, 2);
    const int area = deep.size * down.size * across.size, count = deep.out * down.out * across.out;
    each_in_planes(planes, deep.out, down.out, across.out, [&](long long plane, int d, int h, int w) {
        const T* elements = x + plane * area;
        A best = lowest<A>();
        int tap = 0, winner = -1, place = 0;
        for (int i = 0; i < deep.kernel; ++i)
            for (int j = 0; j < down.kernel; ++j)
                for (int k = 0; k < across.kernel; ++k, ++tap) {
                    const int z = deep.at(d, i), v = down.at(h, j), u = across.at(w, k);
                    if (z < 0 || z >= deep.size || v < 0 || v >= down.size || u < 0 || u >= across.size) continue;
                    const int here = (z * down.size + v) * across.size + u;
                    const A seen = A(elements[here]);
                    // The first one that is no padding, where none is larger than what the search starts with.
                    if (winner < 0 || seen > best || seen != seen) {
                        best = seen;
                        winner = tap;
                        place = here;
                    }
                }
        const long long q = plane * count + (d * down.out + h) * across.out + w;
        if (y) y[q] = T(best);
        if (tap_bytes) tap_bytes[q] = (unsigned char)winner;
        if (tap_ints) tap_ints[q] = winner;
        if (places) places[q] = place;
    });
}

// dx: the sum of dy over the windows in which an element is the largest, by the taps that forward found. A thread has
// an element, and looks at the windows that cover it.
template <typename T, typename A>
__global__ void __launch_bounds__(256, 2)
    max_pool_backward(const T* __restrict__ dy, const unsigned char* __restrict__ tap_bytes,
                      const int* __restrict__ tap_ints, T* __restrict__ dx, const int* __restrict__ table,
                      long long planes) {
    const Axis deep = axis_of(table, 0), down = axis_of(table, 1), across = axis_of(table, 2);
    const int area = deep.size * down.size * across.size, count = deep.out * down.out * across.out;
    each_in_planes(planes, deep.size, down.size, across.size, [&](long long plane, int z, int v, int u) {
        A sum = A(0);
        for (int d = deep.first(z); d <= deep.last(z); ++d)
            for (int h = down.first(v); h <= down.last(v); ++h)
                for (int w = across.first(u); w <= across.last(u); ++w) {
                    const int i = deep.tap(z, d), j = down.tap(v, h), k = across.tap(u, w);
                    if (i < 0 || j < 0 || k < 0) continue;
                    const long long q = plane * count + (d * down.out + h) * across.out + w;
                    const int winner = tap_bytes ? tap_bytes[q] : tap_ints[q];
                    if (winner == (i * down.kernel + j) * across.kernel + k) sum += A(dy[q]);
                }
        dx[plane * area + (z * down.size + v) * across.size + u] = T(sum);
    });
}
