// The windows of planes as columns: y[plane, tap, window] = x[plane, element under the tap], 0 for padding. A thread has
// a window, so that the threads of a warp write side by side, and goes through its taps.
template <typename T, typename A>
__global__ void __launch_bounds__(256, 2)
    unfold_columns(const T* __restrict__ x, T* __restrict__ y, const int* __restrict__ table, long long planes) {
    const Axis deep = axis_of(table, 0), down = axis_of(table, 1), across = axis_of(table, 2);
    const int area = deep.size * down.size * across.size, count = deep.out * down.out * across.out;
    const int taps = deep.kernel * down.kernel * across.kernel;
    each_in_planes(planes, deep.out, down.out, across.out, [&](long long plane, int d, int h, int w) {
        const T* elements = x + plane * area;
        T* column = y + plane * taps * count + (d * down.out + h) * across.out + w;
        for (int i = 0; i < deep.kernel; ++i)
            for (int j = 0; j < down.kernel; ++j) {
                const int z = deep.at(d, i), v = down.at(h, j);
                const bool inside = z >= 0 && z < deep.size && v >= 0 && v < down.size;
                const T* line = elements + (z * down.size + v) * across.size;
                for (int k = 0; k < across.kernel; ++k, column += count) {
                    const int u = across.at(w, k);
                    *column = inside && u >= 0 && u < across.size ? line[u] : T(0.0f);
                }
            }
    });
}

// The adjoint: y[plane, element] is the sum of x[plane, tap, window] over the windows that cover it, in their order. A
// thread has an element.
template <typename T, typename A>
__global__ void __launch_bounds__(256, 2)
    fold_columns(const T* __restrict__ x, T* __restrict__ y, const int* __restrict__ table, long long planes) {
    const Axis deep = axis_of(table, 0), down = axis_of(table, 1), across = axis_of(table, 2);
    const int area = deep.size * down.size * across.size, count = deep.out * down.out * across.out;
    const int taps = deep.kernel * down.kernel * across.kernel;
    each_in_planes(planes, deep.size, down.size, across.size, [&](long long plane, int z, int v, int u) {
        const T* columns = x + plane * taps * count;
        A sum = A(0);
        for (int d = deep.first(z); d <= deep.last(z); ++d)
            for (int h = down.first(v); h <= down.last(v); ++h)
                for (int w = across.first(u); w <= across.last(u); ++w) {
                    const int i = deep.tap(z, d), j = down.tap(v, h), k = across.tap(u, w);
                    if (i < 0 || j < 0 || k < 0) continue;
                    const long long tap = (i * down.kernel + j) * across.kernel + k;
                    sum += A(columns[tap * count + (d * down.out + h) * across.out + w]);
                }
        y[plane * area + (z * down.size + v) * across.size + u] = T(sum);
    });
}
