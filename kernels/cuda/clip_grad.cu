// Multiplies x by max_norm / (total + 1e-6) where that is below 1. A thread takes 16 bytes at a time.
template <typename T, typename A>
__global__ void __launch_bounds__(256) clip_by_norm(T* __restrict__ x, const T* __restrict__ total, long long count,
                                                    A max_norm) {
    const A ratio = max_norm / (A(*total) + A(1e-6)), share = ratio > A(1) ? A(1) : ratio;
    each_in_grid<T>(count, aligned(x), [&](auto lanes, long long start) {
        constexpr int width = decltype(lanes)::value;
        auto pack = load<width>(x + start);
        for (int k = 0; k < width; ++k) pack.lane[k] = T(A(pack.lane[k]) * share);
        store(x + start, pack);
    });
}
