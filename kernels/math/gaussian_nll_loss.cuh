// The negative log-likelihood of t under a normal distribution with mean x and variance v, at least eps; `constant` is
// added. The gradient passes below eps. See kernels/cuda/elementwise_loss.cu.

struct GaussianLoss {
    template <typename A> static __device__ __forceinline__ A value(A x, A t, A v, A eps, A constant) {
        const A spread = v < eps ? eps : v, d = x - t;
        return A(0.5) * (logarithm(spread) + d * d / spread) + constant;
    }
    template <typename A>
    static __device__ __forceinline__ void slopes(A x, A t, A v, A eps, A, A& dx, A& dt, A& dv) {
        const A spread = v < eps ? eps : v, d = x - t;
        dx = d / spread;
        dt = -dx;
        dv = A(0.5) * (A(1) - d * d / spread) / spread;
    }
};
