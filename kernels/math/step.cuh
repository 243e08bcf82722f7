// A step of an optimizer in one pass over flat memory: the parameters, their gradients, and up to three arrays of state.

// -1, 0 or 1, and nan for nan.
template <typename A> __device__ __forceinline__ A sign_of(A x) { return x > A(0) ? A(1) : x < A(0) ? A(-1) : x; }

// The gradient with weight decay in it; without any, parameters that are infinite must not make it nan.
template <typename A> __device__ __forceinline__ A decayed(A gradient, A value, A weight_decay) {
    return weight_decay != A(0) ? gradient + weight_decay * value : gradient;
}

// Calls value = rule(value, gradient, s0, s1, s2) for each parameter. The rule changes the state, its last three
// arguments, in place; those whose arrays are null are 0 and stay nowhere. A thread takes 16 bytes of each array at a
// time where all are aligned.
template <typename A, typename T, typename Rule>
__device__ __forceinline__ void each_step(long long count, T* p, const T* dp, T* state0, T* state1, T* state2,
                                          Rule rule) {
    const bool all_aligned = aligned(p) && aligned(dp) && aligned(state0) && aligned(state1) && aligned(state2);
    each_in_grid<T>(count, all_aligned, [&](auto lanes, long long start) {
        constexpr int width = decltype(lanes)::value;
        auto values = load<width>(p + start);
        const auto gradients = load<width>(dp + start);
        Pack<T, width> first, second, third;
        if (state0) first = load<width>(state0 + start);
        if (state1) second = load<width>(state1 + start);
        if (state2) third = load<width>(state2 + start);
        for (int k = 0; k < width; ++k) {
            A s0 = state0 ? A(first.lane[k]) : A(0), s1 = state1 ? A(second.lane[k]) : A(0);
            A s2 = state2 ? A(third.lane[k]) : A(0);
            values.lane[k] = T(rule(A(values.lane[k]), A(gradients.lane[k]), s0, s1, s2));
            if (state0) first.lane[k] = T(s0);
            if (state1) second.lane[k] = T(s1);
            if (state2) third.lane[k] = T(s2);
        }
        store(p + start, values);
        if (state0) store(state0 + start, first);
        if (state1) store(state1 + start, second);
        if (state2) store(state2 + start, third);
    });
}
