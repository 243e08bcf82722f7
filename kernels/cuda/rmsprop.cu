// One step of RMSprop; v is the running average of the squared gradient, center that of the gradient and m the momentum
// of the steps, both perhaps null. A thread takes 16 bytes of each array at a time.
template <typename T, typename A>
__global__ void __launch_bounds__(256, 2) rmsprop_step(T* __restrict__ p, const T* __restrict__ dp, T* __restrict__ v,
                                                       T* __restrict__ center, T* __restrict__ m, long long count,
                                                       A rate, A keep, A add, A eps, A momentum, A weight_decay) {
    each_step<A>(count, p, dp, v, center, m, [&](A value, A gradient, A& s0, A& s1, A& s2) {
        const A g = decayed(gradient, value, weight_decay);
        s0 = keep * s0 + add * (g * g);
        s1 += add * (g - s1);
        A change = g / (square_root(center ? s0 - s1 * s1 : s0) + eps);
        s2 = momentum * s2 + change;
        return value - rate * (m ? s2 : change);
    });
}
