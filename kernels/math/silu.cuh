// SiLU and Mish, and their derivatives times dy.

struct Silu {
    template <typename A> static __device__ __forceinline__ A forward(A x) { return x / (A(1) + exponential(-x)); }
    template <typename A> static __device__ __forceinline__ A backward(A dy, A x) {
        const A share = A(1) / (A(1) + exponential(-x));
        return dy * (share * ((A(1) - share) * x + A(1)));
    }
};

// With e = exp(x): tanh(log(1 + e)) = n / (n + 2), n = e * (e + 2), from 20 on 1 to all digits.
struct Mish {
    template <typename A> static __device__ __forceinline__ A forward(A x) {
        const A e = exponential(x > A(20) ? A(20) : x), n = e * (e + A(2));
        return n / (n + A(2)) * x;
    }
    template <typename A> static __device__ __forceinline__ A backward(A dy, A x) {
        const A e = exponential(x > A(20) ? A(20) : x), n = e * (e + A(2)), share = n / (n + A(2));
        return dy * (share + (A(1) - share * share) * (e / (e + A(1))) * x);
    }
};
