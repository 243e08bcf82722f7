// The divergence of a distribution t, or its logarithm where a is not 0, from one whose logarithm is x; see
// kernels/cuda/elementwise_loss.cu.

struct DivergenceLoss {
    template <typename A> static __device__ __forceinline__ A value(A x, A t, A, A by_log, A) {
        if (by_log != A(0)) return exponential(t) * (t - x);
        return (t == A(0) ? A(0) : t * logarithm(t)) - t * x;
    }
    template <typename A>
    static __device__ __forceinline__ void slopes(A x, A t, A, A by_log, A, A& dx, A& dt, A& dv) {
        const A mass = by_log != A(0) ? exponential(t) : t;
        dx = -mass;
        dt = by_log != A(0) ? mass * (t - x + A(1)) : logarithm(t) + t / t - x;  // nan for 0
        dv = A(0);
    }
};
