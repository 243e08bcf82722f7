// Softplus and the logarithm of the sigmoid, and their derivatives times dy.

template <typename A> __device__ __forceinline__ A logistic(A x) { return A(1) / (A(1) + exponential(-x)); }

struct Softplus {
    template <typename A> static __device__ __forceinline__ A forward(A x, A beta, A threshold) {
        const A scaled = x * beta;
        const A y = larger(scaled, A(0)) + logarithm_one_more(exponential(-magnitude(scaled)));
        return scaled > threshold ? x : y / beta;
    }
    template <typename A> static __device__ __forceinline__ A backward(A dy, A x, A beta, A threshold) {
        const A scaled = x * beta;
        return scaled > threshold ? dy : dy * logistic(scaled);
    }
};

struct Logsigmoid {
    template <typename A> static __device__ __forceinline__ A forward(A x) {
        return (x > A(0) ? A(0) : x) - logarithm_one_more(exponential(-magnitude(x)));
    }
    template <typename A> static __device__ __forceinline__ A backward(A dy, A x) { return dy * logistic(-x); }
};
