// One step of Adagrad; total is the sum of all squared gradients. A thread takes 16 bytes of each array at a time.
template <typename T, typename A>
__global__ void __launch_bounds__(256, 2) adagrad_step(T* __restrict__ p, const T* __restrict__ dp,
                                                       T* __restrict__ total, long long count, A rate, A eps,
                                                       A weight_decay) {
    each_step<A>(count, p, dp, total, (T*)nullptr, (T*)nullptr, [&](A value, A gradient, A& s0, A&, A&) {
        const A g = decayed(gradient, value, weight_decay);
        s0 += g * g;
        return value - rate * (g / (square_root(s0) + eps));
    });
}
