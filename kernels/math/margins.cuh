// Losses of margins; see kernels/cuda/elementwise_loss.cu. Comparisons are such that nan stays nan.

// x where t is 1, what x lacks of a margin where it is -1, both elsewhere.
struct HingeEmbeddingLoss {
    template <typename A> static __device__ __forceinline__ A value(A x, A t, A, A margin, A) {
        const A lack = margin - x;
        return (t != A(1) ? (lack < A(0) ? A(0) : lack) : A(0)) + (t != A(-1) ? x : A(0));
    }
    template <typename A>
    static __device__ __forceinline__ void slopes(A x, A t, A, A margin, A, A& dx, A& dt, A& dv) {
        dx = A(t != A(-1)) - A(t != A(1) && margin - x >= A(0));
        dt = dv = A(0);
    }
};

// What x lacks of being above t where v is 1, and below it where v is -1, by a margin.
struct MarginRankingLoss {
    template <typename A> static __device__ __forceinline__ A lack(A x, A t, A v, A margin) {
        return -v * (x - t) + margin;
    }
    template <typename A> static __device__ __forceinline__ A value(A x, A t, A v, A margin, A) {
        const A found = lack(x, t, v, margin);
        return found < A(0) ? A(0) : found;
    }
    template <typename A>
    static __device__ __forceinline__ void slopes(A x, A t, A v, A margin, A, A& dx, A& dt, A& dv) {
        dx = lack(x, t, v, margin) >= A(0) ? -v : A(0);
        dt = -dx;
        dv = A(0);
    }
};

// log(1 + exp(-t x)).
struct SoftMarginLoss {
    template <typename A> static __device__ __forceinline__ A value(A x, A t, A, A, A) {
        const A z = t * x;
        return (z < A(0) ? -z : A(0)) + logarithm_one_more(exponential(z < A(0) ? z : -z));
    }
    template <typename A>
    static __device__ __forceinline__ void slopes(A x, A t, A, A, A, A& dx, A& dt, A& dv) {
        const A share = tangent_h(t * x * A(0.5)) * A(0.5) - A(0.5);  // -sigmoid(-t x)
        dx = share * t;
        dt = share * x;
        dv = A(0);
    }
};
