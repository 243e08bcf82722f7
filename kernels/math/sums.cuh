// What sums over dimensions keep, and how the threads of a reduction hand it to each other. See cuda/reduce.cu.

// What sums and products of A are kept in: integers and bools in long long.
template <typename A> struct Wide {
    using type = long long;
};
template <> struct Wide<float> {
    using type = float;
};
template <> struct Wide<double> {
    using type = double;
};

// The type of numbers among a kernel's arguments, and of sums as a result.
template <typename A> struct Real {
    using type = float;
};
template <> struct Real<double> {
    using type = double;
};
template <typename T, typename A> struct SumType {
    using type = long long;
};
template <typename T> struct SumType<T, float> {
    using type = T;
};
template <typename T> struct SumType<T, double> {
    using type = T;
};

// A sum and what rounding took from it, so that the error does not grow with the count: Knuth's TwoSum, 1969. What was
// taken from an infinite sum is nan, and left out.
template <typename W> struct Exact {
    W sum, rest;
    __device__ __forceinline__ void add(W x) {
        const W grown = sum + x, back = grown - sum;
        rest += (sum - (grown - back)) + (x - back);
        sum = grown;
    }
    __device__ __forceinline__ void add(const Exact& other) {
        add(other.sum);
        rest += other.rest;
    }
    __device__ __forceinline__ W value() const { return rest == rest ? sum + rest : sum; }
};
template <> struct Exact<long long> {
    long long sum;  // wraps around, as on the CPU
    __device__ __forceinline__ void add(long long x) { sum = (long long)((unsigned long long)sum + (unsigned long long)x); }
    __device__ __forceinline__ void add(const Exact& other) { add(other.sum); }
    __device__ __forceinline__ long long value() const { return sum; }
};

// What is done to elements before they are added, or to a sum in the end; p is a number that the kernel was given.
struct Itself {
    template <typename W, typename R> __device__ static __forceinline__ W of(W x, R) { return x; }
};
struct DividedBy {
    template <typename W, typename R> __device__ static __forceinline__ W of(W x, R p) { return p == R(1) ? x : W(x / p); }
};

// Start(x[0]) + Start(x[1]) + ..., and of that End; `more` gets the same in the arithmetic's type.
template <typename T, typename A, typename Start, typename End> struct Added {
    using W = typename Wide<A>::type;
    using R = typename Real<A>::type;
    using State = Exact<W>;
    using Out = typename SumType<T, A>::type;
    using More = R;
    __device__ static __forceinline__ State none() {
        State state = {};
        return state;
    }
    template <int N>
    __device__ static __forceinline__ void take(State& state, const A (&x)[N], long long, long long, R p) {
        W part[N];
        for (int k = 0; k < N; ++k) part[k] = Start::of(W(x[k]), p);
        // Half floats have few digits to lose, and arithmetic in double is dear on many cards.
        if (sizeof(T) == 4 || W(1) / W(2) == W(0)) {
            for (int k = 0; k < N; ++k) state.add(part[k]);
            return;
        }
        for (int half = N / 2; half > 0; half /= 2)
            for (int k = 0; k < half; ++k) part[k] += part[k + half];
        state.add(part[0]);
    }
    __device__ static __forceinline__ State join(State one, const State& other) {
        one.add(other);
        return one;
    }
    __device__ static __forceinline__ void give(const State& state, Out* out, More* more, long long place, long long,
                                                R, R q) {
        const W value = End::of(state.value(), q);
        out[place] = Out(value);
        if (more) more[place] = More(value);
    }
};

// How many elements are not 0, of all. p: 0 for the count, 1 for whether any is, 2 for whether all.
template <typename T, typename A, typename Result> struct Nonzero {
    using R = typename Real<A>::type;
    struct State {
        long long found, seen;
    };
    using Out = Result;
    using More = Result;
    __device__ static __forceinline__ State none() {
        State state = {0, 0};
        return state;
    }
    template <int N>
    __device__ static __forceinline__ void take(State& state, const A (&x)[N], long long, long long, R) {
        int found = 0;
        for (int k = 0; k < N; ++k) found += x[k] != A(0);
        state.found += found;
        state.seen += N;
    }
    __device__ static __forceinline__ State join(State one, const State& other) {
        one.found += other.found;
        one.seen += other.seen;
        return one;
    }
    __device__ static __forceinline__ void give(const State& state, Out* out, More*, long long place, long long, R p, R) {
        out[place] = Out(p == R(0) ? state.found : p == R(1) ? state.found != 0 : state.found == state.seen);
    }
};
