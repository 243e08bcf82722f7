// log(sum(exp(x))): the largest element so far, and the sum of powers relative to it. See cuda/reduce.cu.

// `more` gets the same in the arithmetic's type.
template <typename T, typename A> struct Logsumexp {
    struct State {
        A high, mass;
    };
    using Out = T;
    using More = A;
    __device__ static __forceinline__ State none() {
        State state = {lowest<A>(), A(0)};
        return state;
    }
    // What powers are relative to: an infinite element must not make nan of itself.
    __device__ static __forceinline__ A base(A high) { return high - high == A(0) ? high : A(0); }
    __device__ static __forceinline__ A moved(const State& state, A high) {
        return state.high == high || state.high == lowest<A>() ? state.mass
                                                               : state.mass * exponential(base(state.high) - base(high));
    }
    template <int N>
    __device__ static __forceinline__ void take(State& state, const A (&x)[N], long long, long long, A) {
        A high = state.high;
        for (int k = 0; k < N; ++k) high = larger(high, x[k]);
        A mass = moved(state, high);
        const A low = base(high);
        for (int k = 0; k < N; ++k) mass += exponential(x[k] - low);
        state.high = high;
        state.mass = mass;
    }
    __device__ static __forceinline__ State join(const State& one, const State& other) {
        const A high = larger(one.high, other.high);
        const State all = {high, moved(one, high) + moved(other, high)};
        return all;
    }
    __device__ static __forceinline__ void give(const State& state, Out* out, More* more, long long place, long long, A,
                                                A) {
        const A value = logarithm(state.mass) + base(state.high);
        out[place] = Out(value);
        if (more) more[place] = value;
    }
};

// dx = dy exp(x - y). `first`: the results.
template <typename T, typename A> struct LogsumexpSlope {
    static constexpr bool READS = true;
    using First = A;
    using Second = A;
    A y, share;
    __device__ __forceinline__ void begin(const T* dy, const First* first, const Second*, long long place, long long, A,
                                          A) {
        y = first[place];
        share = A(dy[place]);
    }
    __device__ __forceinline__ A operator()(A x, long long) const { return share * exponential(x - y); }
};
