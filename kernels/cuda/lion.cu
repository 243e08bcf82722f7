// One step of Lion; m is the running average of the gradient. A thread takes 16 bytes of each array at a time.
template <typename T, typename A>
__global__ void __launch_bounds__(256, 2) lion_step(T* __restrict__ p, const T* __restrict__ dp, T* __restrict__ m,
                                                    long long count, A rate, A keep1, A add1, A keep2, A add2,
                                                    A shrink) {
    each_step<A>(count, p, dp, m, (T*)nullptr, (T*)nullptr, [&](A value, A gradient, A& s0, A&, A&) {
        const A direction = sign_of(keep1 * s0 + add1 * gradient);
        s0 = keep2 * s0 + add2 * gradient;
        return shrink * value - rate * direction;
    });
}
