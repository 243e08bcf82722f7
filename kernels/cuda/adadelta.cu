// One step of Adadelta; v and a are the running averages of the squared gradients and of the squared steps. A thread
// takes 16 bytes of each array at a time.
template <typename T, typename A>
__global__ void __launch_bounds__(256, 2) adadelta_step(T* __restrict__ p, const T* __restrict__ dp,
                                                        T* __restrict__ v, T* __restrict__ a, long long count, A rate,
                                                        A keep, A add, A eps, A weight_decay) {
    each_step<A>(count, p, dp, v, a, (T*)nullptr, [&](A value, A gradient, A& s0, A& s1, A&) {
        const A g = decayed(gradient, value, weight_decay);
        s0 = keep * s0 + add * (g * g);
        const A change = square_root(s1 + eps) / square_root(s0 + eps) * g;
        s1 = keep * s1 + add * (change * change);
        return value - rate * change;
    });
}
