// One step of Adamax; m is the running average of the gradient, u the fading maximum of its size. A thread takes 16
// bytes of each array at a time.
template <typename T, typename A>
__global__ void __launch_bounds__(256, 2) adamax_step(T* __restrict__ p, const T* __restrict__ dp, T* __restrict__ m,
                                                      T* __restrict__ u, long long count, A rate, A keep1, A add1,
                                                      A keep2, A eps, A weight_decay) {
    each_step<A>(count, p, dp, m, u, (T*)nullptr, [&](A value, A gradient, A& s0, A& s1, A&) {
        const A g = decayed(gradient, value, weight_decay);
        s0 = keep1 * s0 + add1 * g;
        const A faded = keep2 * s1, size = (g < A(0) ? -g : g) + eps;
        s1 = faded >= size || faded != faded ? faded : size;
        return value - rate * (s0 / s1);
    });
}
