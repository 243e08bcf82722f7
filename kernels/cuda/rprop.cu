// One step of Rprop; before is the gradient before this one, size the step of each parameter. A thread takes 16 bytes
// of each array at a time.
template <typename T, typename A>
__global__ void __launch_bounds__(256, 2) rprop_step(T* __restrict__ p, const T* __restrict__ dp,
                                                     T* __restrict__ before, T* __restrict__ size, long long count,
                                                     A down, A up, A low, A high) {
    each_step<A>(count, p, dp, before, size, (T*)nullptr, [&](A value, A gradient, A& s0, A& s1, A&) {
        const A product = gradient * s0;
        const bool turned = product < A(0);
        s1 *= turned ? down : product > A(0) ? up : A(1);
        s1 = s1 < low ? low : s1 > high ? high : s1;
        s0 = turned ? A(0) : gradient;
        return value - sign_of(s0) * s1;
    });
}
