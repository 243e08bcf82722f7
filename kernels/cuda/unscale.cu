// Divides x by the scale and leaves 1 in `found` if there was an inf or nan in it. A thread takes 16 bytes at a time,
// and says what it found once, in the end.
template <typename T, typename A>
__global__ void __launch_bounds__(256) unscale(T* __restrict__ x, const A* __restrict__ scale, int* __restrict__ found,
                                               long long count) {
    const A inverse = A(1.0f / float(*scale));
    bool is_bad = false;
    each_in_grid<T>(count, aligned(x), [&](auto lanes, long long start) {
        constexpr int width = decltype(lanes)::value;
        auto pack = load<width>(x + start);
        for (int k = 0; k < width; ++k) {
            const A value = A(pack.lane[k]);
            is_bad = is_bad || !(value - value == A(0));  // inf - inf and nan - nan are nan
            pack.lane[k] = T(value * inverse);
        }
        store(x + start, pack);
    });
    if (is_bad) atomicExch(found, 1);
}

// The scale for the next step, and how many steps went well since it changed. A single thread does all of it, and clears
// what was found for the next step.
template <typename T, typename A>
__global__ void __launch_bounds__(1) update_scale(T* __restrict__ scale, int* __restrict__ tracker,
                                                   int* __restrict__ found, long long count, long long interval,
                                                   A growth, A backoff) {
    int any = 0;
    for (long long i = 0; i < count; ++i) {
        any |= found[i];
        found[i] = 0;
    }
    const long long steps = (long long)*tracker + 1;
    const bool is_due = steps >= interval;
    const A now = A(*scale), larger = now * growth;
    if (any) *scale = T(now * backoff);
    else if (is_due && larger - larger == A(0)) *scale = T(larger);
    *tracker = any || is_due ? 0 : int(steps);
}
