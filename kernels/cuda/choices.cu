// dz to dx where the condition holds, and to dy where it does not. dz is one number for all where each_dz is 0. A thread
// reads and writes 16 bytes of each of its arrays at a time, and the conditions of these.
template <typename T, typename A>
__global__ void __launch_bounds__(256) split_by_condition(const T* __restrict__ dz, const bool* __restrict__ condition,
                                                          T* __restrict__ dx, T* __restrict__ dy, long long count,
                                                          long long each_dz) {
    const bool wide = (!each_dz || aligned(dz)) && aligned(dx) && aligned(dy) && aligned(condition);
    each_in_grid<T>(count, wide, [&](auto lanes, long long start) {
        constexpr int width = decltype(lanes)::value;
        const auto holds = load<width>(condition + start);
        Pack<T, width> x, y, up;
        if (each_dz) up = load<width>(dz + start);
        for (int k = 0; k < width; ++k) {
            const T one = each_dz ? up.lane[k] : *dz;
            x.lane[k] = holds.lane[k] ? one : T(0);
            y.lane[k] = holds.lane[k] ? T(0) : one;
        }
        store(dx + start, x);
        store(dy + start, y);
    });
}
