// Norms: what is added up, what is made of the sum, and the gradient. See cuda/reduce.cu.

__device__ __forceinline__ float absolute(float x) { return fabsf(x); }
__device__ __forceinline__ double absolute(double x) { return fabs(x); }
__device__ __forceinline__ float to_power(float x, float p) { return powf(x, p); }
__device__ __forceinline__ double to_power(double x, double p) { return pow(x, p); }

struct Size {
    template <typename A> __device__ static __forceinline__ A of(A x, A) { return absolute(x); }
};
struct Square {
    template <typename A> __device__ static __forceinline__ A of(A x, A) { return x * x; }
};
struct Root {
    template <typename A> __device__ static __forceinline__ A of(A x, A) { return square_root(x); }
};
struct Present {
    template <typename A> __device__ static __forceinline__ A of(A x, A) { return x != A(0) ? A(1) : A(0); }
};
struct Power {
    template <typename A> __device__ static __forceinline__ A of(A x, A p) { return to_power(absolute(x), p); }
};
struct PowerRoot {
    template <typename A> __device__ static __forceinline__ A of(A x, A q) { return to_power(x, q); }
};

// dx = sign(x) |x|^(p - 1) dy / y^(p - 1), 0 where y is; of an infinity norm sign(x) dy / count where |x| is y.
// `first`: the norms. `second`: how many elements have an infinity norm, else null. p: the power, 0 for infinity.
template <typename T, typename A> struct NormSlope {
    static constexpr bool READS = true;
    using First = A;
    using Second = long long;
    A y, share, power;
    __device__ __forceinline__ void begin(const T* dy, const First* first, const Second* second, long long place,
                                          long long, A p, A) {
        y = first[place];
        share = A(dy[place]);
        power = p;
        if (second)
            share /= A(second[place]);
        else if (p != A(1))
            share = y == A(0) ? A(0) : p == A(2) ? share / y : share / to_power(y, p - A(1));
    }
    __device__ __forceinline__ A operator()(A x, long long) const {
        if (power == A(2)) return x * share;
        const A sign = x > A(0) ? A(1) : x < A(0) ? A(-1) : A(0), size = absolute(x);
        if (power == A(1)) return sign * share;
        if (power == A(0)) return size == y || x != x ? sign * share : A(0) * sign * share;
        if (power > A(2)) return x * to_power(size, power - A(2)) * share;
        return sign * (size == A(0) ? A(0) : to_power(size, power - A(1))) * share;
    }
};
