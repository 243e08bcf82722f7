// Cross-entropy of yes-or-no targets, from probabilities and from logits; see kernels/cuda/elementwise_loss.cu.

__device__ __forceinline__ float logarithm_of_one_and(float x) { return log1pf(x); }
__device__ __forceinline__ double logarithm_of_one_and(double x) { return log1p(x); }

struct ProbabilityLoss {
    template <typename A> static __device__ __forceinline__ A value(A x, A t, A, A, A) {
        const A no = logarithm_of_one_and(-x), yes = logarithm(x);
        return (t - A(1)) * (no < A(-100) ? A(-100) : no) - t * (yes < A(-100) ? A(-100) : yes);
    }
    template <typename A>
    static __device__ __forceinline__ void slopes(A x, A t, A, A, A, A& dx, A& dt, A& dv) {
        const A spread = (A(1) - x) * x;
        dx = (x - t) / (spread < A(1e-12) ? A(1e-12) : spread);
        dt = logarithm(A(1) - x) - logarithm(x);
        dv = A(0);
    }
};

// v is the weight of positives.
struct LogitLoss {
    template <typename A> static __device__ __forceinline__ A log_sigmoid(A x) {
        return (x < A(0) ? x : A(0)) - logarithm_of_one_and(exponential(x < A(0) ? x : -x));
    }
    template <typename A> static __device__ __forceinline__ A share(A t, A v) {
        return v == A(1) ? A(1) : (v - A(1)) * t + A(1);
    }
    template <typename A> static __device__ __forceinline__ A value(A x, A t, A v, A, A) {
        return (A(1) - t) * x - share(t, v) * log_sigmoid(x);
    }
    template <typename A>
    static __device__ __forceinline__ void slopes(A x, A t, A v, A, A, A& dx, A& dt, A& dv) {
        dx = share(t, v) * (tangent_h(x * A(0.5)) * A(0.5) + A(0.5)) - v * t;
        dt = v == A(1) ? -x : -x - (v - A(1)) * log_sigmoid(x);
        dv = A(0);
    }
};
