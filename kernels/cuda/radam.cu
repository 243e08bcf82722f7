// One step of RAdam; m and v are the running averages of the gradient and of its square. A thread takes 16 bytes of
// each array at a time.
template <typename T, typename A>
__global__ void __launch_bounds__(256, 2) radam_step(T* __restrict__ p, const T* __restrict__ dp, T* __restrict__ m,
                                                     T* __restrict__ v, long long count, A rate, long long rectified,
                                                     A shrink, A keep1, A add1, A keep2, A add2, A eps,
                                                     A weight_decay) {
    each_step<A>(count, p, dp, m, v, (T*)nullptr, [&](A value, A gradient, A& s0, A& s1, A&) {
        value *= shrink;
        const A g = decayed(gradient, value, weight_decay);
        s0 = keep1 * s0 + add1 * g;
        s1 = keep2 * s1 + add2 * (g * g);
        return value - rate * (rectified ? s0 / (square_root(s1) + eps) : s0);
    });
}
