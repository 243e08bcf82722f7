// Elementwise functions: F::forward(x, settings...) of each element, and F::backward(dy, x, settings...), which gives
// dx. Where the derivative is computed from the result, that stands in the place of x. Both may be written over what
// they read.

// y = F::forward(x, settings...). A thread has 16 bytes at each of two places.
template <typename T, typename A, typename F, typename... Settings>
__global__ void __launch_bounds__(256, 2) map_forward(const T* x, T* y, long long count, Settings... settings) {
    each_pair_in_grid<T>(count, aligned(x) && aligned(y), [&](int packs, auto lanes, long long start, long long step) {
        constexpr int width = decltype(lanes)::value;
        Pack<T, width> pack[2];
        pack[0] = load<width>(x + start);
        if (packs == 2) pack[1] = load<width>(x + start + step);
#pragma unroll
        for (int place = 0; place < 2; ++place) {
            if (place == packs) break;
#pragma unroll
            for (int k = 0; k < width; ++k) pack[place].lane[k] = T(F::forward(A(pack[place].lane[k]), settings...));
            store(y + start + place * step, pack[place]);
        }
    });
}

// dx = F::backward(dy, x, settings...). A thread has 16 bytes of both at each of two places.
template <typename T, typename A, typename F, typename... Settings>
__global__ void __launch_bounds__(256, 2)
    map_backward(const T* dy, const T* x, T* dx, long long count, Settings... settings) {
    const bool wide = aligned(dy) && aligned(x) && aligned(dx);
    each_pair_in_grid<T>(count, wide, [&](int packs, auto lanes, long long start, long long step) {
        constexpr int width = decltype(lanes)::value;
        Pack<T, width> gradient[2], pack[2];
        gradient[0] = load<width>(dy + start);
        pack[0] = load<width>(x + start);
        if (packs == 2) {
            gradient[1] = load<width>(dy + start + step);
            pack[1] = load<width>(x + start + step);
        }
#pragma unroll
        for (int place = 0; place < 2; ++place) {
            if (place == packs) break;
#pragma unroll
            for (int k = 0; k < width; ++k)
                pack[place].lane[k] =
                    T(F::backward(A(gradient[place].lane[k]), A(pack[place].lane[k]), settings...));
            store(dx + start + place * step, pack[place]);
        }
    });
}
