// What accumulate.cu combines: how two numbers become one, and the columns that a thread has of a row.

struct Add {
    static constexpr bool last_only = false;
    template <class A> __device__ __forceinline__ static A of(A x, A y) { return A(x + y); }
};

// A nan stays, as in NumPy; the first test is never true of integers.
struct Maximum {
    static constexpr bool last_only = false;
    template <class A> __device__ __forceinline__ static A of(A x, A y) { return x != x || x > y ? x : y; }
};

struct Minimum {
    static constexpr bool last_only = false;
    template <class A> __device__ __forceinline__ static A of(A x, A y) { return x != x || x < y ? x : y; }
};

struct Last {
    static constexpr bool last_only = true;
    template <class A> __device__ __forceinline__ static A of(A x, A y) { return y; }
};

// The columns of a thread: 16 bytes, but of single bytes one, since each would take a register.
template <class T> __device__ constexpr int lanes_of() { return sizeof(T) == 1 ? 1 : 16 / sizeof(T); }

__device__ __forceinline__ long long number_at(const void* numbers, long long i, bool wide) {
    return wide ? static_cast<const long long*>(numbers)[i] : (long long)static_cast<const int*>(numbers)[i];
}

template <class T, class A, int WIDTH> struct Combined {
    A lane[WIDTH];
    __device__ __forceinline__ void set(const Pack<T, WIDTH>& row) {
        for (int k = 0; k < WIDTH; ++k) lane[k] = A(row.lane[k]);
    }
    template <class Operation> __device__ __forceinline__ void join(const Pack<T, WIDTH>& row) {
        for (int k = 0; k < WIDTH; ++k) lane[k] = Operation::of(lane[k], A(row.lane[k]));
    }
    template <class Operation> __device__ __forceinline__ void join(const Combined& other) {
        for (int k = 0; k < WIDTH; ++k) lane[k] = Operation::of(lane[k], other.lane[k]);
    }
    // To its place: over what is there, or joined to it; divided by `often`, unless that is 0.
    template <class Operation> __device__ __forceinline__ void finish(T* out, bool fresh, long long often) {
        Pack<T, WIDTH> there;
        if (!fresh) there = load<WIDTH>(out);
        constexpr bool has_fractions = A(0.5) != A(0);  // nobody divides whole numbers
        const A share = has_fractions && often ? A(1) / A(often) : A(1);
        for (int k = 0; k < WIDTH; ++k) {
            if (has_fractions) lane[k] = A(lane[k] * share);
            there.lane[k] = T(fresh ? lane[k] : Operation::of(A(there.lane[k]), lane[k]));
        }
        store(out, there);
    }
};
