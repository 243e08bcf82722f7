// One step of gradient descent; m is the momentum, or null. A thread takes 16 bytes of each array at a time.
template <typename T, typename A>
__global__ void __launch_bounds__(256, 2) sgd_step(T* __restrict__ p, const T* __restrict__ dp, T* __restrict__ m,
                                                   long long count, A rate, A momentum, A add, A weight_decay,
                                                   long long nesterov) {
    each_step<A>(count, p, dp, m, (T*)nullptr, (T*)nullptr, [&](A value, A gradient, A& s0, A&, A&) {
        A g = decayed(gradient, value, weight_decay);
        if (m) {
            s0 = momentum * s0 + add * g;
            g = nesterov ? g + momentum * s0 : s0;
        }
        return value - rate * g;
    });
}
