// Variances in one pass: mean and squares of a few elements at a time, joined as in Chan, Golub & LeVeque 1979. See
// cuda/reduce.cu.

// p: the count less its correction, q: 1 for the root. `more` gets means, and behind all of them the results again.
template <typename T, typename A> struct Variance {
    struct State {
        A mean, squares, count, sum;
    };
    using Out = T;
    using More = A;
    __device__ static __forceinline__ State none() {
        State state = {A(0), A(0), A(0), A(0)};
        return state;
    }
    template <int N>
    __device__ static __forceinline__ void take(State& state, const A (&x)[N], long long, long long, A) {
        A sum = A(0), squares = A(0);
        for (int k = 0; k < N; ++k) sum += x[k];
        const A mean = sum * A(1.0 / N);
        for (int k = 0; k < N; ++k) squares += (x[k] - mean) * (x[k] - mean);
        const State some = {mean, squares, A(N), sum};
        state = join(state, some);
    }
    __device__ static __forceinline__ State join(const State& one, const State& other) {
        if (other.count == A(0) || one.count == A(0)) return one.count == A(0) ? other : one;
        State all;
        all.count = one.count + other.count;
        const A way = other.mean - one.mean, share = other.count / all.count;
        all.mean = one.mean + way * share;
        all.squares = one.squares + other.squares + way * way * one.count * share;
        all.sum = one.sum + other.sum;
        return all;
    }
    __device__ static __forceinline__ void give(const State& state, Out* out, More* more, long long place,
                                                long long outputs, A p, A q) {
        A value = state.squares / (p > A(0) ? p : A(0));
        if (q != A(0)) value = square_root(value);
        // A mean on the way to which infinity was met is nan, which is not that of all infinite elements.
        const A mean = state.mean - state.mean == A(0) && state.count != A(0) ? state.mean : state.sum / state.count;
        out[place] = Out(value);
        more[place] = mean;
        more[outputs + place] = value;
    }
};

// dx = (x - mean) factor, where p is 2 / (count - correction), or 1 / that of a root, which also divides by the result.
// Where no freedom is left and no dim was named, infinite, and nan at the mean. q: bit 0 for a root, bit 1 for that.
// `first`: means, then results. `second`: gradients of the means over the count, or null.
template <typename T, typename A> struct VarianceSlope {
    static constexpr bool READS = true;
    using First = A;
    using Second = T;
    A mean, factor, rest;
    bool blows_up;
    __device__ __forceinline__ void begin(const T* dy, const First* first, const Second* second, long long place,
                                          long long outputs, A p, A q) {
        mean = first[place];
        factor = A(dy[place]);
        rest = second ? A(second[place]) : A(0);
        blows_up = q >= A(2);
        if (q == A(1) || q == A(3)) {
            const A root = first[outputs + place];
            factor = root == A(0) ? A(0) : factor / root * A(0.5);
        }
        if (!blows_up) factor *= p;
    }
    __device__ __forceinline__ A operator()(A x, long long) const {
        if (blows_up) return (x == mean ? not_a_number<A>() : -lowest<A>()) * factor + rest;
        return (x - mean) * factor + rest;
    }
};
