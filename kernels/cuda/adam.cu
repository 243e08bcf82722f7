// One step of Adam; m and v are the running averages of the gradient and of its square, highest is the largest v so
// far, or null. rate and eps come with the corrections of both averages in them. A thread takes 16 bytes of each array
// at a time.
template <typename T, typename A>
__global__ void __launch_bounds__(256, 2) adam_step(T* __restrict__ p, const T* __restrict__ dp, T* __restrict__ m,
                                                    T* __restrict__ v, T* __restrict__ highest, long long count,
                                                    A rate, A eps, A keep1, A add1, A keep2, A add2, A shrink,
                                                    A weight_decay) {
    each_step<A>(count, p, dp, m, v, highest, [&](A value, A gradient, A& s0, A& s1, A& s2) {
        const A g = decayed(gradient, value, weight_decay);
        s0 = keep1 * s0 + add1 * g;
        s1 = keep2 * s1 + add2 * (g * g);
        A square = s1;
        if (highest) square = s2 = s2 > s1 || s2 != s2 ? s2 : s1;
        return shrink * value - rate * s0 / (square_root(square) + eps);
    });
}
