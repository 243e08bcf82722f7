// What bias_act.cu asks of an activation, besides its math.

struct Identity {
    template <typename A> static __device__ __forceinline__ A forward(A z) { return z; }
};

// Whether the derivative is had from the result, as that of relu, tanh and sigmoid, or from what the activation took.
template <typename F> struct OfResult { static constexpr bool value = false; };
template <> struct OfResult<Relu> { static constexpr bool value = true; };
template <> struct OfResult<Tanh> { static constexpr bool value = true; };
template <> struct OfResult<Sigmoid> { static constexpr bool value = true; };
