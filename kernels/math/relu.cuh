// The rectifier, and the gradient of x from the result y. nan stays nan, and lets the gradient pass.

struct Relu {
    template <typename A> static __device__ __forceinline__ A forward(A x) { return x <= A(0) ? A(0) : x; }
    template <typename A> static __device__ __forceinline__ A backward(A dy, A y) { return y <= A(0) ? A(0) : dy; }
};
