// Linear recurrences along one dimension, h[k] = add[k] + factor[k] h[k-1], from the other end with `reverse`: what two
// neighboring pieces do to the h before them is again a factor and a sum (Blelloch 1990), so that pieces are done side by
// side. `Op` says what the factors are and what is made of h. A part of a line begins with what the parts before it left.

// h -> sum + factor h.
template <typename A> struct Piece {
    A factor, sum;
};
template <typename A> __device__ __forceinline__ Piece<A> then(const Piece<A>& one, const Piece<A>& other) {
    const Piece<A> both = {one.factor * other.factor, other.sum + other.factor * one.sum};
    return both;
}
template <typename A> __device__ __forceinline__ Piece<A> from_lane_below(const Piece<A>& own, int distance) {
    const Piece<A> below = {__shfl_up_sync(0xffffffffu, own.factor, distance),
                            __shfl_up_sync(0xffffffffu, own.sum, distance)};
    return below;
}

// The arrays of one line: elements `step` apart, visited from the first or, reversed, from the last.
template <typename T> struct Line {
    const T *add, *one, *other;
    const long long* indices;
    long long base, step, length;
    bool reverse;
    __device__ __forceinline__ long long element(long long k) const { return reverse ? length - 1 - k : k; }
    __device__ __forceinline__ long long at(long long k) const { return base + element(k) * step; }
};

// h itself, of factors that are given.
struct Given {
    template <typename A, typename T> __device__ static __forceinline__ A factor(const Line<T>& line, long long k) {
        return A(line.one[line.at(k)]);
    }
    template <typename A, typename T> __device__ static __forceinline__ A made(const Line<T>&, long long, A h) {
        return h;
    }
};

// The gradient of running products y of x, which were made from the other end: one = x, other = y. No division.
struct OfProducts {
    template <typename A, typename T> __device__ static __forceinline__ A factor(const Line<T>& line, long long k) {
        return A(line.one[line.at(k - 1)]);
    }
    template <typename A, typename T> __device__ static __forceinline__ A made(const Line<T>& line, long long k, A h) {
        return k + 1 < line.length ? h * A(line.other[line.at(k + 1)]) : h;
    }
};

// That of running log(sum(exp(x))). Behind an infinite element all results are that one.
struct OfExponentials {
    template <typename A, typename T> __device__ static __forceinline__ A factor(const Line<T>& line, long long k) {
        const A y = A(line.other[line.at(k)]), later = A(line.other[line.at(k - 1)]);
        return y == later ? A(1) : exponential(y - later);
    }
    template <typename A, typename T> __device__ static __forceinline__ A made(const Line<T>& line, long long k, A h) {
        const long long at = line.at(k);
        return line.length == 1 ? h : exponential(A(line.one[at]) - A(line.other[at])) * h;
    }
};

// That of running extremes, where indices say which element each is.
struct OfExtremes {
    template <typename A, typename T> __device__ static __forceinline__ A factor(const Line<T>& line, long long k) {
        return A(line.indices[line.at(k)] == line.indices[line.at(k - 1)]);
    }
    template <typename A, typename T> __device__ static __forceinline__ A made(const Line<T>& line, long long k, A h) {
        return line.indices[line.at(k)] == line.element(k) ? h : A(0);
    }
};

// What the element k does; what was before the first has no part in it, whatever the factor.
template <typename Op, typename A, typename T>
__device__ __forceinline__ Piece<A> piece_of(const Line<T>& line, long long k) {
    Piece<A> piece = {A(0), A(line.add[line.at(k)])};
    if (k > 0) piece.factor = Op::template factor<A>(line, k);
    return piece;
}

template <typename A>
__device__ __forceinline__ Piece<A> piece_before(const Piece<A>* left, long long lines, long long part, long long line) {
    Piece<A> piece = {A(1), A(0)};
    for (long long k = 0; k < part; ++k) piece = then(piece, left[k * lines + line]);
    return piece;
}

// Lines whose elements are neighbors, blockIdx.x of them; the threads of one threadIdx.y, a warp or the block, have part
// blockIdx.y of one, four neighbors each at a time. With `leaves` they leave what a part does, and make nothing.
template <typename T, typename A, typename Op>
__global__ void __launch_bounds__(256)
    recur_rows(const T* __restrict__ add, const T* __restrict__ one, const T* __restrict__ other,
               const long long* __restrict__ indices, T* __restrict__ y, Piece<A>* __restrict__ left, long long leaves,
               long long lines, long long length, long long length_of_part, long long reverse) {
    constexpr int EACH = 4;
    __shared__ Piece<A> shared[8];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
    const long long row = (long long)blockIdx.x * blockDim.y + threadIdx.y;
    if (row >= lines) return;  // whole warps, and if several share a line, none
    const Line<T> line = {add, one, other, indices, row * length, 1, length, reverse != 0};
    const long long begin = blockIdx.y * length_of_part, later = begin + length_of_part;
    const long long end = later < length ? later : length;
    Piece<A> carry = {A(1), A(0)};
    if (left && !leaves) carry = piece_before(left, lines, blockIdx.y, row);
    for (long long tile = begin; tile < end; tile += blockDim.x * EACH) {
        const long long first = tile + threadIdx.x * EACH;
        Piece<A> own[EACH], all = {A(1), A(0)};
        for (int k = 0; k < EACH; ++k) {
            if (first + k < end) all = then(all, piece_of<Op, A>(line, first + k));
            own[k] = all;
        }
        for (int distance = 1; distance < 32; distance *= 2) {  // of all threads up to this one, in its warp
            const Piece<A> before = from_lane_below(all, distance);
            if (lane >= distance) all = then(before, all);
        }
        Piece<A> before = from_lane_below(all, 1);
        if (lane == 0) before = {A(1), A(0)};
        if (warps == 1) {
            before = then(carry, before);
            all = then(carry, all);
            carry = {__shfl_sync(0xffffffffu, all.factor, 31), __shfl_sync(0xffffffffu, all.sum, 31)};
        } else {
            __syncthreads();  // until the pieces of the tile before are read
            if (lane == 31) shared[warp] = all;
            __syncthreads();
            Piece<A> front = carry;
            for (int k = 0; k < warps; ++k) {
                if (k == warp) before = then(front, before);
                front = then(front, shared[k]);
            }
            carry = front;
        }
        for (int k = 0; k < EACH && !leaves; ++k)
            if (first + k < end)
                y[line.at(first + k)] = T(Op::template made<A>(line, first + k, then(before, own[k]).sum));
    }
    if (leaves && threadIdx.x == 0) left[blockIdx.y * lines + row] = carry;
}

// Lines side by side: a thread goes down part blockIdx.y of one.
template <typename T, typename A, typename Op>
__global__ void __launch_bounds__(256)
    recur_columns(const T* __restrict__ add, const T* __restrict__ one, const T* __restrict__ other,
                  const long long* __restrict__ indices, T* __restrict__ y, Piece<A>* __restrict__ left,
                  long long leaves, long long lines, long long length, long long inner, long long length_of_part,
                  long long reverse) {
    const long long place = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (place >= lines) return;
    const long long base = place / inner * (length - 1) * inner + place;
    const Line<T> line = {add, one, other, indices, base, inner, length, reverse != 0};
    const long long begin = blockIdx.y * length_of_part, later = begin + length_of_part;
    const long long end = later < length ? later : length;
    Piece<A> piece = {A(1), A(0)};
    if (left && !leaves) piece = piece_before(left, lines, blockIdx.y, place);
#pragma unroll 4
    for (long long k = begin; k < end; ++k) {
        piece = then(piece, piece_of<Op, A>(line, k));
        if (!leaves) y[line.at(k)] = T(Op::template made<A>(line, k, piece.sum));
    }
    if (leaves) left[blockIdx.y * lines + place] = piece;
}
