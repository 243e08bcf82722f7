// What the kernels of attention share. A warp computes 16 rows of a tile, as tensor cores lay them out: of each 16 x 8
// of its numbers a lane has four, those at
//
//     row lane / 4,     columns 2 (lane % 4) and 2 (lane % 4) + 1:   part[0], part[1]
//     row lane / 4 + 8, columns 2 (lane % 4) and 2 (lane % 4) + 1:   part[2], part[3]
//
// so that four lanes, a quad, share two rows. A row of 8 n columns is A s[n][4].

// Rows of `width` elements, `stride` apart.
template <typename T> struct Rows {
    const T* first;
    long long stride, count, width;
};

__device__ __forceinline__ int own_row() { return (threadIdx.x & 31) >> 2; }
__device__ __forceinline__ int own_column() { return (threadIdx.x & 3) * 2; }

// Over the lanes of a quad; each of them gets the result.
template <typename A, typename Join> __device__ __forceinline__ A quad_join(A value, Join join) {
    value = join(value, __shfl_xor_sync(0xffffffffu, value, 1));
    return join(value, __shfl_xor_sync(0xffffffffu, value, 2));
}

template <int COUNT, typename A> __device__ __forceinline__ void clear(A (&s)[COUNT][4]) {
#pragma unroll
    for (int j = 0; j < COUNT; ++j) s[j][0] = s[j][1] = s[j][2] = s[j][3] = A(0);
}

// Part r (0, or 1 eight rows below) of the lane's sums, times a factor, into columns `first` on of a row.
template <typename T, typename A, int COUNT>
__device__ __forceinline__ void write_row(T* row, long long first, long long width, const A (&sums)[COUNT][4], int r,
                                          A factor) {
    const bool even = reinterpret_cast<size_t>(row) % (2 * sizeof(T)) == 0;
#pragma unroll
    for (int j = 0; j < COUNT; ++j) {
        const long long column = first + 8 * j + own_column();
        const Pack<T, 2> pair = {{T(sums[j][2 * r] * factor), T(sums[j][2 * r + 1] * factor)}};
        if (even && column + 1 < width) {
            store(row + column, pair);
        } else {
            if (column < width) row[column] = pair.lane[0];
            if (column + 1 < width) row[column + 1] = pair.lane[1];
        }
    }
}

// e to the power of x; for half floats by the instruction that is as exact as they need.
template <typename T> struct Power {
    template <typename A> static __device__ __forceinline__ A of(A x) {
        if constexpr (sizeof(T) == 2) return __expf(x);
        return exponential(x);
    }
};

// Scores of one head from products of queries and keys: scaled, and with the mask; -inf where a key is hidden or where
// there is none.
template <typename T, typename A> struct Sight {
    const void* mask;
    long long kind;  // of the mask: 0 none, 1 bool (true: is seen), 2 T and 3 float (is added)
    long long row_stride, column_stride;
    long long queries, keys;
    bool causal;
    A scale;

    // Of a warp's part of a tile that begins with this query and this key. TURNED: its rows are keys.
    template <bool TURNED, int COUNT>
    __device__ __forceinline__ void shade(A (&s)[COUNT][4], long long query, long long key) const {
        constexpr int rows = TURNED ? 8 * COUNT : 16, columns = TURNED ? 16 : 8 * COUNT;
#pragma unroll
        for (int j = 0; j < COUNT; ++j) {
#pragma unroll
            for (int e = 0; e < 4; ++e) s[j][e] *= scale;
        }
        const int rows_left = within(queries - query), columns_left = within(keys - key);
        const int later = causal ? within(query - key) : 1 << 20;  // how far a row sees beyond its own column
        if (kind == 0 && rows <= rows_left && columns <= columns_left && columns - 1 <= later) return;
        long long place = (query + (TURNED ? own_column() : own_row())) * row_stride +
                          (key + (TURNED ? own_row() : own_column())) * column_stride;
        const long long across = TURNED ? row_stride : column_stride, down = TURNED ? column_stride : row_stride;
#pragma unroll
        for (int j = 0; j < COUNT; ++j) {
            if (kind) __syncwarp();  // so that the compiler reads no more of the mask at once than it has registers for
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                const int low = own_row() + e / 2 * 8, high = 8 * j + own_column() + e % 2;
                const int row = TURNED ? high : low, column = TURNED ? low : high;
                if (row >= rows_left || column >= columns_left || column - row > later)
                    s[j][e] = lowest<A>();
                else if (kind)
                    s[j][e] = masked(s[j][e], place + e % 2 * across + e / 2 * 8 * down);
            }
            place += 8 * across;
        }
    }

    __device__ __forceinline__ A masked(A score, long long place) const {
        if (kind == 1) return static_cast<const bool*>(mask)[place] ? score : lowest<A>();
        return score + (kind == 2 ? A(static_cast<const T*>(mask)[place]) : A(static_cast<const float*>(mask)[place]));
    }

    // A number that is only compared with places in a tile, as an int.
    static __device__ __forceinline__ int within(long long x) {
        return x > (1 << 20) ? 1 << 20 : x < -(1 << 20) ? -(1 << 20) : int(x);
    }
};

// What dropout multiplies weights by: factor or 0, by the bits that gpudl.ops.random_bits.kept_rows gives. The rows of
// all heads are rows of one matrix; eight keys have a block of the stream. A warp makes the bits of its part of a tile,
// one byte for a query and eight keys, before it reads them.
template <typename A> struct Dropping {
    long long threshold;  // -1: nothing is dropped
    long long index0, index1, index2, key0, key1;
    A factor;
    long long row;       // the head's first row in the matrix
    long long per_row;   // blocks of the stream
    unsigned char* own;  // this warp's bytes

    __device__ __forceinline__ void make(long long query, int queries, long long key, int eights) const {
        __syncwarp();
        for (int i = threadIdx.x & 31; i < queries * eights; i += 32) {
            const long long place = (row + query + i / eights) * per_row + key / 8 + i % eights;
            const PhiloxBlock block = philox_block(place, index0, index1, index2, key0, key1);
            unsigned bits = 0;
#pragma unroll
            for (int k = 0; k < 8; ++k) {
                const unsigned int half = (unsigned int)(block.word[k >> 1] >> (k & 1) * 32);
                bits |= unsigned((long long)half >= threshold) << k;
            }
            own[i] = (unsigned char)bits;
        }
        __syncwarp();
    }

    __device__ __forceinline__ A weight(int byte, int bit) const { return own[byte] >> bit & 1 ? factor : A(0); }
};

// One head of queries: which sample, which head of keys, which of the heads that share those.
struct Head {
    long long batch, head, shared, before;  // before: how many rows of queries all heads before this one have
};

// The numbers that all kernels of attention are given after their own arguments, in this order.
#define ATTENTION_PARAMETERS                                                                                       \
    const void *mask, const long long *place, long long kind, long long heads, long long group, long long queries, \
        long long keys, long long features, long long width, long long causal, A scale, A factor,                  \
        long long threshold, long long index0, long long index1, long long index2, long long key0, long long key1, \
        long long q_batch, long long q_head, long long q_group, long long q_row, long long k_batch,                \
        long long k_head, long long k_row, long long v_batch, long long v_head, long long v_row,                   \
        long long y_batch, long long y_head, long long y_group, long long y_row, long long mask_batch,             \
        long long mask_head, long long mask_group, long long mask_row, long long mask_column
#define ATTENTION_ARGUMENTS                                                                                           \
    mask, place, kind, heads, group, queries, keys, features, width, causal, scale, factor, threshold, index0, index1, \
        index2, key0, key1, q_batch, q_head, q_group, q_row, k_batch, k_head, k_row, v_batch, v_head, v_row, y_batch,  \
        y_head, y_group, y_row, mask_batch, mask_head, mask_group, mask_row, mask_column

template <typename T, typename A> struct Shape {
    const void* mask;        // null, bool, T or float
    const long long* place;  // null, or for each head of keys, which of the masks it takes
    long long kind, heads, group, queries, keys, features, width, causal;
    A scale, factor;
    long long threshold, index0, index1, index2, key0, key1;
    long long q_batch, q_head, q_group, q_row, k_batch, k_head, k_row, v_batch, v_head, v_row, y_batch, y_head, y_group,
        y_row, mask_batch, mask_head, mask_group, mask_row, mask_column;

    __device__ __forceinline__ Head head_of(long long outer, long long shared) const {
        const long long batch = outer / heads;
        return {batch, outer - batch * heads, shared, (outer * group + shared) * queries};
    }
    __device__ __forceinline__ Rows<T> rows_q(const T* q, Head at) const {
        return {q + at.batch * q_batch + at.head * q_head + at.shared * q_group, q_row, queries, features};
    }
    __device__ __forceinline__ Rows<T> rows_k(const T* k, Head at) const {
        return {k + at.batch * k_batch + at.head * k_head, k_row, keys, features};
    }
    __device__ __forceinline__ Rows<T> rows_v(const T* v, Head at) const {
        return {v + at.batch * v_batch + at.head * v_head, v_row, keys, width};
    }
    __device__ __forceinline__ Rows<T> rows_y(const T* y, Head at) const {
        return {y + at.batch * y_batch + at.head * y_head + at.shared * y_group, y_row, queries, width};
    }
    __device__ __forceinline__ Sight<T, A> sight(Head at) const {
        const long long which = place ? place[at.batch * heads + at.head] : at.batch;
        const long long first = which * mask_batch + at.head * mask_head + at.shared * mask_group;
        const long long bytes = kind == 1 ? 1 : kind == 2 ? sizeof(T) : sizeof(float);
        return {static_cast<const char*>(mask) + first * bytes, kind, mask_row, mask_column, queries, keys,
                causal != 0, scale};
    }
    __device__ __forceinline__ Dropping<A> dropping(Head at, unsigned char* own) const {
        return {threshold, index0, index1, index2, key0, key1, factor, at.before, (keys + 7) / 8, own};
    }
};
