// Products, and those of all elements but one where there are zeros. See cuda/reduce.cu.

__device__ __forceinline__ float times(float x, float y) { return x * y; }
__device__ __forceinline__ double times(double x, double y) { return x * y; }
__device__ __forceinline__ long long times(long long x, long long y) {  // wraps around, as on the CPU
    return (long long)((unsigned long long)x * (unsigned long long)y);
}

// `more` gets the product, that of the elements that are not 0, and how many are 0, each for all outputs.
template <typename T, typename A> struct Product {
    using W = typename Wide<A>::type;
    using R = typename Real<A>::type;
    struct State {
        W whole, rest;
        long long zeros;
    };
    using Out = typename SumType<T, A>::type;
    using More = W;
    __device__ static __forceinline__ State none() {
        State state = {W(1), W(1), 0};
        return state;
    }
    template <int N>
    __device__ static __forceinline__ void take(State& state, const A (&x)[N], long long, long long, R) {
        for (int k = 0; k < N; ++k) {
            const bool zero = x[k] == A(0);
            state.whole = times(state.whole, W(x[k]));
            state.rest = times(state.rest, zero ? W(1) : W(x[k]));
            state.zeros += zero;
        }
    }
    __device__ static __forceinline__ State join(State one, const State& other) {
        one.whole = times(one.whole, other.whole);
        one.rest = times(one.rest, other.rest);
        one.zeros += other.zeros;
        return one;
    }
    __device__ static __forceinline__ void give(const State& state, Out* out, More* more, long long place,
                                                long long outputs, R, R) {
        out[place] = Out(state.whole);
        if (!more) return;
        more[place] = state.whole;
        more[outputs + place] = state.rest;
        more[2 * outputs + place] = W(state.zeros);
    }
};

// dx = dy y / x without zeros; one zero leaves a derivative at itself alone, two leave none. `first`: as above.
template <typename T, typename A> struct ProductSlope {
    static constexpr bool READS = true;
    using First = A;
    using Second = A;
    A share, product;
    bool none, one;
    __device__ __forceinline__ void begin(const T* dy, const First* first, const Second*, long long place,
                                          long long outputs, A, A) {
        none = first[2 * outputs + place] == A(0);
        one = first[2 * outputs + place] == A(1);
        share = A(dy[place]);
        product = none ? first[place] : first[outputs + place];
    }
    __device__ __forceinline__ A operator()(A x, long long) const {
        if (none) return share * (product / x);
        return one && x == A(0) ? share * product : A(0);
    }
};

// The product alone, for running ones.
template <typename T, typename A> struct Multiplied {
    using W = typename Wide<A>::type;
    using R = typename Real<A>::type;
    struct State {
        W whole;
    };
    using Out = typename SumType<T, A>::type;
    using More = W;
    __device__ static __forceinline__ State none() {
        State state = {W(1)};
        return state;
    }
    template <int N>
    __device__ static __forceinline__ void take(State& state, const A (&x)[N], long long, long long, R) {
        for (int k = 0; k < N; ++k) state.whole = times(state.whole, W(x[k]));
    }
    __device__ static __forceinline__ State join(State one, const State& other) {
        one.whole = times(one.whole, other.whole);
        return one;
    }
    __device__ static __forceinline__ void give(const State& state, Out* out, More*, long long place, long long, R, R) {
        out[place] = Out(state.whole);
    }
};
