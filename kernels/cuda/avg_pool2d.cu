// What a window's sum is divided by: `divisors` has a factor for each window of each dimension, one after the other.
template <typename A>
__device__ __forceinline__ A divisor_of(const A* __restrict__ divisors, Axis deep, Axis down, int d, int h, int w) {
    return divisors[d] * divisors[deep.out + h] * divisors[deep.out + down.out + w];
}

// y: the mean of each window. A thread has a window.
template <typename T, typename A>
__global__ void __launch_bounds__(256, 2)
    avg_pool_forward(const T* __restrict__ x, T* __restrict__ y, const A* __restrict__ divisors,
                     const int* __restrict__ table, long long planes) {
    const Axis deep = axis_of(table, 0), down = axis_of(table, 1), across = axis_of(table, 2);
    const int area = deep.size * down.size * across.size, count = deep.out * down.out * across.out;
    each_in_planes(planes, deep.out, down.out, across.out, [&](long long plane, int d, int h, int w) {
        const T* elements = x + plane * area;
        A sum = A(0);
        for (int i = 0; i < deep.kernel; ++i)
            for (int j = 0; j < down.kernel; ++j)
                for (int k = 0; k < across.kernel; ++k) {
                    const int z = deep.at(d, i), v = down.at(h, j), u = across.at(w, k);
                    if (z < 0 || z >= deep.size || v < 0 || v >= down.size || u < 0 || u >= across.size) continue;
                    sum += A(elements[(z * down.size + v) * across.size + u]);
                }
        const long long q = plane * count + (d * down.out + h) * across.out + w;
        y[q] = T(sum / divisor_of(divisors, deep, down, d, h, w));
    });
}

// dx: the sum of dy / divisor over the windows that cover an element. A thread has an element.
template <typename T, typename A>
__global__ void __launch_bounds__(256, 2)
    avg_pool_backward(const T* __restrict__ dy, T* __restrict__ dx, const A* __restrict__ divisors,
                      const int* __restrict__ table, long long planes) {
    const Axis deep = axis_of(table, 0), down = axis_of(table, 1), across = axis_of(table, 2);
    const int area = deep.size * down.size * across.size, count = deep.out * down.out * across.out;
    each_in_planes(planes, deep.size, down.size, across.size, [&](long long plane, int z, int v, int u) {
        A sum = A(0);
        for (int d = deep.first(z); d <= deep.last(z); ++d)
            for (int h = down.first(v); h <= down.last(v); ++h)
                for (int w = across.first(u); w <= across.last(u); ++w) {
                    if (deep.tap(z, d) < 0 || down.tap(v, h) < 0 || across.tap(u, w) < 0) continue;
                    const long long q = plane * count + (d * down.out + h) * across.out + w;
                    sum += A(dy[q]) / divisor_of(divisors, deep, down, d, h, w);
                }
        dx[plane * area + (z * down.size + v) * across.size + u] = T(sum);
    });
}
