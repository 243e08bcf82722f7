// y = x * Phi(x). A thread reads and writes 16 bytes at a time.
template <typename T, typename A>
__global__ void __launch_bounds__(256) gelu_forward(const T* __restrict__ x, T* __restrict__ y, long long count,
                                                    long long by_tanh) {
    each_in_grid<T>(count, aligned(x) && aligned(y), [&](auto lanes, long long start) {
        constexpr int width = decltype(lanes)::value;
        auto pack = load<width>(x + start);
        for (int k = 0; k < width; ++k) {
            const A wide = A(pack.lane[k]);
            pack.lane[k] = T(wide * gelu_share(wide, by_tanh != 0));
        }
        store(y + start, pack);
    });
}

// dx = dy * dy/dx, the slope as given, or from x where it is null. A thread reads and writes 16 bytes at a time.
template <typename T, typename A>
__global__ void __launch_bounds__(256) gelu_backward(const T* __restrict__ dy, const T* __restrict__ x,
                                                     const T* __restrict__ slope, T* __restrict__ dx, long long count,
                                                     long long by_tanh) {
    const T* other = slope ? slope : x;
    each_in_grid<T>(count, aligned(dy) && aligned(other) && aligned(dx), [&](auto lanes, long long start) {
        constexpr int width = decltype(lanes)::value;
        const auto gradient = load<width>(dy + start);
        auto pack = load<width>(other + start);
        for (int k = 0; k < width; ++k) {
            const A wide = A(pack.lane[k]);
            pack.lane[k] = T(A(gradient.lane[k]) * (slope ? wide : gelu_slope(wide, by_tanh != 0)));
        }
        store(dx + start, pack);
    });
}
