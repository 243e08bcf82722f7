// The negative log-likelihood of a count t with the rate x, or exp(x) where eps is negative; full adds Stirling's
// logarithm of t!. See kernels/cuda/elementwise_loss.cu.

struct PoissonLoss {
    template <typename A> static __device__ __forceinline__ A value(A x, A t, A, A eps, A full) {
        A loss = eps < A(0) ? exponential(x) - t * x : x - t * logarithm(x + eps);
        if (full != A(0) && !(t <= A(1))) loss += t * logarithm(t) - t + A(0.5) * logarithm(A(6.283185307179586) * t);
        return loss;
    }
    template <typename A>
    static __device__ __forceinline__ void slopes(A x, A t, A, A eps, A full, A& dx, A& dt, A& dv) {
        dx = eps < A(0) ? exponential(x) - t : A(1) - t / (x + eps);
        dt = eps < A(0) ? -x : -logarithm(x + eps);
        if (full != A(0) && !(t <= A(1))) dt += logarithm(t) + A(0.5) / t;
        dv = A(0);
    }
};
