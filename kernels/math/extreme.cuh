// The largest or smallest elements: how many there are, for the gradient that they share, or where the first is. nan is
// beyond all numbers. See cuda/reduce.cu.

template <bool LARGEST, typename A> __device__ __forceinline__ bool is_beyond(A x, A y) {
    if (x != x) return y == y;
    return LARGEST ? x > y : x < y;
}
template <typename A> __device__ __forceinline__ bool is_same(A x, A y) { return x == y || (x != x && y != y); }

// Start is done to the elements first; `more` gets how many of them are equal to the result.
template <typename T, typename A, bool LARGEST, typename Start> struct Extreme {
    using R = typename Real<A>::type;
    struct State {
        A value;
        long long count;
    };
    using Out = T;
    using More = long long;
    __device__ static __forceinline__ State none() {
        State state = {A(0), 0};
        return state;
    }
    template <int N>
    __device__ static __forceinline__ void take(State& state, const A (&x)[N], long long, long long, R p) {
        for (int k = 0; k < N; ++k) {
            const State one = {Start::of(x[k], p), 1};
            state = join(state, one);
        }
    }
    __device__ static __forceinline__ State join(const State& one, const State& other) {
        if (!other.count || (one.count && is_beyond<LARGEST>(one.value, other.value))) return one;
        State all = other;
        if (one.count && is_same(one.value, other.value)) all.count += one.count;
        return all;
    }
    __device__ static __forceinline__ void give(const State& state, Out* out, More* more, long long place, long long,
                                                R, R) {
        out[place] = Out(state.value);
        if (more) more[place] = state.count;
    }
};

// `out` gets the index of the first, or last, `more` its value.
template <typename T, typename A, bool LARGEST, bool LAST = false> struct Place {
    using R = typename Real<A>::type;
    struct State {
        A value;
        long long index;
    };
    using Out = long long;
    using More = T;
    __device__ static __forceinline__ State none() {
        State state = {A(0), -1};
        return state;
    }
    template <int N>
    __device__ static __forceinline__ void take(State& state, const A (&x)[N], long long first, long long step, R) {
        for (int k = 0; k < N; ++k)
            // A thread goes from front to back.
            if (state.index < 0 ||
                (LAST ? !is_beyond<LARGEST>(state.value, x[k]) : is_beyond<LARGEST>(x[k], state.value))) {
                state.value = x[k];
                state.index = first + k * step;
            }
    }
    __device__ static __forceinline__ State join(const State& one, const State& other) {
        if (one.index < 0 || other.index < 0) return one.index < 0 ? other : one;
        if (is_same(one.value, other.value)) return (one.index < other.index) != LAST ? one : other;
        return is_beyond<LARGEST>(one.value, other.value) ? one : other;
    }
    __device__ static __forceinline__ void give(const State& state, Out* out, More* more, long long place, long long,
                                                R, R) {
        out[place] = state.index;
        if (more) more[place] = T(state.value);
    }
};

// dx of a largest or smallest element: an equal share for each. `first`: the results, `second`: how many are equal.
template <typename T, typename A> struct ExtremeSlope {
    static constexpr bool READS = true;
    using First = T;
    using Second = long long;
    A y, share;
    __device__ __forceinline__ void begin(const T* dy, const First* first, const Second* second, long long place,
                                          long long, A, A) {
        y = A(first[place]);
        share = A(dy[place]) / A(second[place]);
    }
    __device__ __forceinline__ A operator()(A x, long long) const { return is_same(x, y) ? share : A(0); }
};

// dx where only the element at an index has a gradient. `first`: the indices.
template <typename T, typename A> struct PlaceSlope {
    static constexpr bool READS = false;
    using First = long long;
    using Second = long long;
    long long index;
    A share;
    __device__ __forceinline__ void begin(const T* dy, const First* first, const Second*, long long place, long long, A,
                                          A) {
        index = first[place];
        share = A(dy[place]);
    }
    __device__ __forceinline__ A operator()(A, long long at) const { return at == index ? share : A(0); }
};
