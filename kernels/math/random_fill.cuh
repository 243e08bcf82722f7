// Words of a stream to numbers, the same bits as gpudl/random's: its series of additions, multiplications, divisions and
// square roots, each rounded by itself, in double as there. A law has the elements of a thread's four words.

__device__ constexpr double COSINE_TERMS[] = {
    1.0, -4.934802200544679, 4.058712126416768, -1.3352627688545893, 0.23533063035889315, -0.02580689139001405,
    0.001929574309403922, -0.00010463810492484565, 4.303069587032945e-06, -1.3878952462213763e-07,
    3.6047307974624986e-09, -7.700707130601347e-11
};
__device__ constexpr double SINE_TERMS[] = {
    3.141592653589793, -5.167712780049969, 2.550164039877345, -0.599264529320792, 0.0821458866111282,
    -0.007370430945714349, 0.00046630280576761245, -2.1915353447830207e-05, 7.952054001475508e-07,
    -2.2948428997269856e-08, 5.392664662608124e-10
};
__device__ constexpr double LOG_TERMS[] = {
    2.0, 0.6666666666666666, 0.4, 0.2857142857142857, 0.2222222222222222, 0.18181818181818182, 0.15384615384615385,
    0.13333333333333333, 0.11764705882352941, 0.10526315789473684, 0.09523809523809523
};
__device__ constexpr double EXP_TERMS[] = {
    1.0, 1.0, 0.5, 0.16666666666666666, 0.041666666666666664, 0.008333333333333333, 0.001388888888888889,
    0.0001984126984126984, 2.48015873015873e-05, 2.7557319223985893e-06, 2.755731922398589e-07,
    2.505210838544172e-08, 2.08767569878681e-09, 1.6059043836821613e-10, 1.1470745597729725e-11
};

__device__ __forceinline__ double times(double x, double y) { return __dmul_rn(x, y); }
__device__ __forceinline__ double plus(double x, double y) { return __dadd_rn(x, y); }

// terms[0] + terms[1] x + ... by Horner's rule.
template <int COUNT> __device__ __forceinline__ double polynomial(const double (&terms)[COUNT], double x) {
    double sum = times(x, terms[COUNT - 1]);
#pragma unroll
    for (int k = COUNT - 2; k > 0; --k) sum = times(plus(sum, terms[k]), x);
    return plus(sum, terms[0]);
}

// Natural logarithm of a positive normal number.
__device__ __forceinline__ double series_logarithm(double x) {
    long long bits = __double_as_longlong(x);
    const long long exponent = (bits - 0x3FE6A09E667F3BCDll) >> 52;  // from the bits of sqrt(0.5) on
    bits -= (long long)((unsigned long long)exponent << 52);
    const double m = __longlong_as_double(bits);
    const double f = __ddiv_rn(plus(m, -1.0), plus(m, 1.0));
    return plus(times(polynomial(LOG_TERMS, times(f, f)), f), times((double)exponent, 0.6931471805599453));
}

// e**x: 2**k e**r, with |r| <= ln(2) / 2.
__device__ __forceinline__ double series_exponential(double x) {
    x = x < -760.0 ? -760.0 : x > 720.0 ? 720.0 : x;
    const double whole = rint(times(x, 1.4426950408889634));
    const double rest = plus(plus(x, -times(whole, 0.6931471803691238)), -times(whole, 1.9082149292705877e-10));
    return ldexp(polynomial(EXP_TERMS, rest), (int)whole);
}

// A number in (0, 1].
__device__ __forceinline__ double unit_of(unsigned long long word) {
    return times(plus((double)(long long)(word >> 11), 1.0), 1.1102230246251565e-16);
}

// A word as a number of [-1/2, 1/2), in steps of 2**-53.
__device__ __forceinline__ double turns_of(unsigned long long word) { return (double)((long long)word >> 11); }

// Two normal numbers from two words, by Box and Muller's formula.
__device__ __forceinline__ void box_muller(unsigned long long first, unsigned long long second, double (&pair)[2]) {
    const double radius = __dsqrt_rn(times(series_logarithm(unit_of(first)), -2.0));
    const double turns = times(turns_of(second), 1.1102230246251565e-16), square = times(turns, turns);
    const double sine = times(times(polynomial(SINE_TERMS, square), turns), radius);
    const double cosine = times(polynomial(COSINE_TERMS, square), radius);
    pair[0] = __longlong_as_double(__double_as_longlong(cosine) ^ (long long)(second << 63));
    pair[1] = sine;
}

// The numbers that a law is given: its settings as doubles or integers.
struct Settings {
    long long bits[4];
    __device__ __forceinline__ double number(int place) const { return __longlong_as_double(bits[place]); }
};

// A double as T; bfloat16 by way of float, as NumPy has it.
template <typename T, typename A> __device__ __forceinline__ T narrowed(double x, bool by_float) {
    return by_float ? T(float(x)) : T(x);
}

// u * span + low, at most `below`, with 24 bits for u from each half word; in half precision limited once more.
struct UniformHalves {
    static constexpr int each = 2;
    template <typename T, typename A>
    static __device__ __forceinline__ void make(const unsigned long long (&word)[4], const Settings& set, T* lane) {
        const float low = (float)set.number(0), span = (float)set.number(1), below = (float)set.number(2);
#pragma unroll
        for (int k = 0; k < 8; ++k) {
            const unsigned half = (unsigned)(word[k >> 1] >> (k & 1) * 32);
            const float u = __fmul_rn((float)(int)(half >> 8), 1.0f / 16777216.0f);
            const float number = __fadd_rn(__fmul_rn(u, span), low);
            const T rounded = T(number < below ? number : below);
            const float last = (float)set.number(3);
            lane[k] = (float)rounded < last ? rounded : T(last);
        }
    }
};

// The same with 53 bits from each word.
struct UniformWords {
    static constexpr int each = 1;
    template <typename T, typename A>
    static __device__ __forceinline__ void make(const unsigned long long (&word)[4], const Settings& set, T* lane) {
#pragma unroll
        for (int k = 0; k < 4; ++k) {
            const double u = times((double)(long long)(word[k] >> 11), 1.1102230246251565e-16);
            const double number = plus(times(u, set.number(1)), set.number(0));
            lane[k] = T(number < set.number(2) ? number : set.number(2));
        }
    }
};

// 1 where a uniform number of 24 bits, or of 53, is less than a probability, else 0.
struct CoinHalves {
    static constexpr int each = 2;
    template <typename T, typename A>
    static __device__ __forceinline__ void make(const unsigned long long (&word)[4], const Settings& set, T* lane) {
#pragma unroll
        for (int k = 0; k < 8; ++k) {
            const unsigned half = (unsigned)(word[k >> 1] >> (k & 1) * 32);
            const float u = __fmul_rn((float)(int)(half >> 8), 1.0f / 16777216.0f);
            lane[k] = T(A(u < (float)set.number(0)));
        }
    }
};

struct CoinWords {
    static constexpr int each = 1;
    template <typename T, typename A>
    static __device__ __forceinline__ void make(const unsigned long long (&word)[4], const Settings& set, T* lane) {
#pragma unroll
        for (int k = 0; k < 4; ++k)
            lane[k] = T(A(times((double)(long long)(word[k] >> 11), 1.1102230246251565e-16) < set.number(0)));
    }
};

// mean + std * normal, or e to that.
template <bool EXPONENTIAL> struct NormalBy {
    static constexpr int each = 1;
    template <typename T, typename A>
    static __device__ __forceinline__ void make(const unsigned long long (&word)[4], const Settings& set, T* lane) {
#pragma unroll
        for (int pair = 0; pair < 4; pair += 2) {
            double both[2];
            box_muller(word[pair], word[pair + 1], both);
#pragma unroll
            for (int k = 0; k < 2; ++k) {
                const double number = plus(times(both[k], set.number(1)), set.number(0));
                lane[pair + k] = narrowed<T, A>(EXPONENTIAL ? series_exponential(number) : number, set.bits[2]);
            }
        }
    }
};
using Normal = NormalBy<false>;
using LogNormal = NormalBy<true>;

// -ln(u) / rate.
struct Exponential {
    static constexpr int each = 1;
    template <typename T, typename A>
    static __device__ __forceinline__ void make(const unsigned long long (&word)[4], const Settings& set, T* lane) {
#pragma unroll
        for (int k = 0; k < 4; ++k) {
            const double time = plus(0.0, -series_logarithm(unit_of(word[k])));
            lane[k] = narrowed<T, A>(__ddiv_rn(time, set.number(0)), set.bits[2]);
        }
    }
};

// median + sigma * tan(pi t).
struct Cauchy {
    static constexpr int each = 1;
    template <typename T, typename A>
    static __device__ __forceinline__ void make(const unsigned long long (&word)[4], const Settings& set, T* lane) {
#pragma unroll
        for (int k = 0; k < 4; ++k) {
            const double turns = times(plus(turns_of(word[k]), 0.5), 1.1102230246251565e-16), square = times(turns, turns);
            const double sine = times(polynomial(SINE_TERMS, square), turns);
            const double tangent = __ddiv_rn(sine, polynomial(COSINE_TERMS, square));
            lane[k] = narrowed<T, A>(plus(times(tangent, set.number(1)), set.number(0)), set.bits[2]);
        }
    }
};

// The whole number from which on an exponential time is over, at least 1 and at most set.number(1).
struct Geometric {
    static constexpr int each = 1;
    template <typename T, typename A>
    static __device__ __forceinline__ void make(const unsigned long long (&word)[4], const Settings& set, T* lane) {
#pragma unroll
        for (int k = 0; k < 4; ++k) {
            const double time = plus(0.0, -series_logarithm(unit_of(word[k])));
            const double trials = ceil(__ddiv_rn(time, set.number(0)));
            const double number = trials < 1.0 ? 1.0 : trials < set.number(1) ? trials : set.number(1);
            lane[k] = narrowed<T, A>(number, set.bits[2]);
        }
    }
};

// low + floor(word * range / 2**64); a range of 0 is one of 2**64.
struct Integers {
    static constexpr int each = 1;
    template <typename T, typename A>
    static __device__ __forceinline__ void make(const unsigned long long (&word)[4], const Settings& set, T* lane) {
#pragma unroll
        for (int k = 0; k < 4; ++k) {
            const unsigned long long range = set.bits[1];
            const unsigned long long number = range ? philox_multiply_high(word[k], range) : word[k];
            lane[k] = T(A((long long)(number + (unsigned long long)set.bits[0])));
        }
    }
};
