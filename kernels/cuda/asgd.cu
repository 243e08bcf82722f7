// One step of averaged gradient descent. A thread takes 16 bytes of each array at a time.
template <typename T, typename A>
__global__ void __launch_bounds__(256, 2) asgd_step(T* __restrict__ p, const T* __restrict__ dp,
                                                    T* __restrict__ average, long long count, A eta, A share,
                                                    long long whole, A shrink, A weight_decay) {
    each_step<A>(count, p, dp, average, (T*)nullptr, (T*)nullptr, [&](A value, A gradient, A& s0, A&, A&) {
        const A g = decayed(gradient, value, weight_decay);
        const A moved = shrink * value - eta * g;
        s0 = whole ? moved : s0 + share * (moved - s0);
        return moved;
    });
}
