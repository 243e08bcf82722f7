// Losses of the difference of x and t; see kernels/cuda/elementwise_loss.cu. Comparisons are such that nan stays nan.

struct SquaredLoss {
    template <typename A> static __device__ __forceinline__ A value(A x, A t, A, A, A) { return (x - t) * (x - t); }
    template <typename A>
    static __device__ __forceinline__ void slopes(A x, A t, A, A, A, A& dx, A& dt, A& dv) {
        dx = A(2) * (x - t);
        dt = -dx;
        dv = A(0);
    }
};

struct AbsoluteLoss {
    template <typename A> static __device__ __forceinline__ A value(A x, A t, A, A, A) {
        const A d = x - t;
        return d < A(0) ? -d : d;
    }
    template <typename A>
    static __device__ __forceinline__ void slopes(A x, A t, A, A, A, A& dx, A& dt, A& dv) {
        const A d = x - t;
        dx = A(d > A(0)) - A(d < A(0));
        dt = -dx;
        dv = A(0);
    }
};

// scale * c * (|d| - c / 2) with c = min(|d|, bend).
struct HuberLoss {
    template <typename A> static __device__ __forceinline__ A value(A x, A t, A, A bend, A scale) {
        const A d = x - t, size = d < A(0) ? -d : d, part = size > bend ? bend : size;
        return (size - part * A(0.5)) * part * scale;
    }
    template <typename A>
    static __device__ __forceinline__ void slopes(A x, A t, A, A bend, A scale, A& dx, A& dt, A& dv) {
        const A d = x - t;
        dx = (d < -bend ? -bend : d > bend ? bend : d) * scale;
        dt = -dx;
        dv = A(0);
    }
};
