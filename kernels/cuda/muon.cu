// Takes the gradient into the momentum m; ahead, or null, gets m as Nesterov looks ahead. A thread takes 16 bytes of
// each array at a time.
template <typename T, typename A>
__global__ void __launch_bounds__(256) muon_momentum(T* __restrict__ m, const T* __restrict__ dp,
                                                     T* __restrict__ ahead, long long count, A keep, A add) {
    each_in_grid<T>(count, aligned(m) && aligned(dp) && aligned(ahead), [&](auto lanes, long long start) {
        constexpr int width = decltype(lanes)::value;
        auto means = load<width>(m + start);
        auto gradients = load<width>(dp + start);
        for (int k = 0; k < width; ++k) {
            const A own = add * A(gradients.lane[k]), mean = keep * A(means.lane[k]) + own;
            means.lane[k] = T(mean);
            gradients.lane[k] = T(keep * mean + own);
        }
        store(m + start, means);
        if (ahead) store(ahead + start, gradients);
    });
}

// y = x / max(sqrt(total), least), with nan for a total that is nan. A thread takes 16 bytes at a time.
template <typename T, typename A>
__global__ void __launch_bounds__(256) muon_normalize(const T* __restrict__ x, const A* __restrict__ total,
                                                      T* __restrict__ y, long long count, A least) {
    const A length = square_root(*total), by = length < least ? least : length;
    each_in_grid<T>(count, aligned(x) && aligned(y), [&](auto lanes, long long start) {
        constexpr int width = decltype(lanes)::value;
        auto pack = load<width>(x + start);
        for (int k = 0; k < width; ++k) pack.lane[k] = T(A(pack.lane[k]) / by);
        store(y + start, pack);
    });
}

// p = shrink p - rate change. A thread takes 16 bytes of each array at a time.
template <typename T, typename A>
__global__ void __launch_bounds__(256) muon_step(T* __restrict__ p, const T* __restrict__ change, long long count,
                                                 A rate, A shrink) {
    each_in_grid<T>(count, aligned(p) && aligned(change), [&](auto lanes, long long start) {
        constexpr int width = decltype(lanes)::value;
        auto values = load<width>(p + start);
        const auto changes = load<width>(change + start);
        for (int k = 0; k < width; ++k)
            values.lane[k] = T(shrink * A(values.lane[k]) - rate * A(changes.lane[k]));
        store(p + start, values);
    });
}
