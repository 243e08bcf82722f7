// Bit i of the mask says whether element i is kept: half word i of the stream is at least the threshold. A block of the
// stream has 8 half words, so a thread that makes one has 8 elements, and writes one byte of the mask:
//
//     elements    0 1 2 3 4 5 6 7 | 8 9 ...        bits    byte 0, its lowest bit for element 0 | byte 1 ...
//
// In backward the bits are an eighth of a byte to read, where making the block anew would take a GPU longer than the
// elements take to come from memory, if these are half floats.

// The bits of the mask from a block of the stream, no more of them than there are left.
__device__ __forceinline__ unsigned kept_of_block(unsigned long long block, long long left, long long threshold,
                                                  long long index0, long long index1, long long index2,
                                                  long long key0, long long key1) {
    const PhiloxBlock made = philox_block(block, index0, index1, index2, key0, key1);
    unsigned kept = 0;
#pragma unroll
    for (int place = 0; place < 8; ++place) {
        const unsigned half = (unsigned)(made.word[place >> 1] >> (place & 1) * 32);
        kept |= (unsigned)((long long)half >= threshold) << place;
    }
    return left < 8 ? kept & ((1u << left) - 1) : kept;
}

// Eight elements in as many pieces of at most 16 bytes as they take.
template <typename T> struct Eight {
    static constexpr int lanes = 16 / sizeof(T) < 8 ? 16 / sizeof(T) : 8;
    Pack<T, lanes> pieces[8 / lanes];
    __device__ __forceinline__ T& lane(int k) { return pieces[k / lanes].lane[k % lanes]; }
    __device__ __forceinline__ void read(const T* from) {
#pragma unroll
        for (int i = 0; i < 8 / lanes; ++i) pieces[i] = load<lanes>(from + i * lanes);
    }
    __device__ __forceinline__ void write(T* to) const {
#pragma unroll
        for (int i = 0; i < 8 / lanes; ++i) store(to + i * lanes, pieces[i]);
    }
};

// y = residual + (x + b) * keep * scale + (keep ? high : low); without a mask (bits is null) all are kept, and b and
// residual may be null. A thread has eight elements that follow each other, and then those a grid further on.
template <typename T, typename A>
__global__ void __launch_bounds__(256, 3) dropout_forward(const T* __restrict__ x, const T* __restrict__ b,
                                                       const T* __restrict__ residual, T* __restrict__ y,
                                                       unsigned char* __restrict__ bits, long long count,
                                                       long long columns, A scale, A low, A high, long long threshold,
                                                       long long index0, long long index1, long long index2,
                                                       long long key0, long long key1) {
    const long long first = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    const long long stride = (long long)gridDim.x * blockDim.x;
    const bool wide = aligned(x) && aligned(b) && aligned(residual) && aligned(y) && (!b || columns % 8 == 0);
    const bool shifts = low != A(0) || high != A(0);
    const long long skip = b ? stride * 8 % columns : 0;
    long long column = b ? first * 8 % columns : 0;
    for (long long group = first; group * 8 < count; group += stride) {
        const long long start = group * 8;
        const unsigned kept =
            bits ? kept_of_block(group, count - start, threshold, index0, index1, index2, key0, key1) : 255u;
        const auto result = [&](A value, int k) {
            const bool keep = kept >> k & 1;
            if (bits) value *= keep ? scale : A(0);
            return shifts ? value + (keep ? high : low) : value;
        };
        if (wide && start + 8 <= count) {
            Eight<T> own, bias, around;
            own.read(x + start);
            if (residual) around.read(residual + start);
            if (b) bias.read(b + column);
#pragma unroll
            for (int k = 0; k < 8; ++k) {
                const A value = result(b ? A(own.lane(k)) + A(bias.lane(k)) : A(own.lane(k)), k);
                own.lane(k) = T(residual ? A(around.lane(k)) + value : value);
            }
            own.write(y + start);
        } else {
            long long here = column;
            for (int k = 0; k < 8 && start + k < count; ++k) {
                const A value = result(b ? A(x[start + k]) + A(b[here]) : A(x[start + k]), k);
                y[start + k] = T(residual ? A(residual[start + k]) + value : value);
                if (++here == columns) here = 0;
            }
        }
        if (bits) bits[group] = (unsigned char)kept;
        column += skip;
        if (column >= columns) column -= columns;
    }
}

// dx = dy * keep * scale. A thread has eight elements that follow each other, and then those a grid further on.
template <typename T, typename A>
__global__ void __launch_bounds__(256) dropout_backward(const T* __restrict__ dy,
                                                        const unsigned char* __restrict__ bits, T* __restrict__ dx,
                                                        long long count, A scale) {
    const bool wide = aligned(dy) && aligned(dx);
    const long long stride = (long long)gridDim.x * blockDim.x;
    for (long long group = (long long)blockIdx.x * blockDim.x + threadIdx.x; group * 8 < count; group += stride) {
        const long long start = group * 8;
        const unsigned kept = bits[group];
        if (wide && start + 8 <= count) {
            Eight<T> own;
            own.read(dy + start);
#pragma unroll
            for (int k = 0; k < 8; ++k) own.lane(k) = T(A(own.lane(k)) * (kept >> k & 1 ? scale : A(0)));
            own.write(dx + start);
        } else {
            for (int k = 0; k < 8 && start + k < count; ++k)
                dx[start + k] = T(A(dy[start + k]) * (kept >> k & 1 ? scale : A(0)));
        }
    }
}

// Strips of dx, WIDTH elements of a row at a time, and the sums down their columns. The 8 bits from that of the first
// element on lie in two bytes, of which the last may not be there.
template <int WIDTH, typename T, typename A>
__device__ __forceinline__ void dropout_strips(const T* dy, const unsigned char* bits, T* dx, T* db, A* sums,
                                               A* shared, long long rows, long long columns,
                                               long long rows_of_block, A scale) {
    struct Both {
        Pack<T, WIDTH> gradient;
        unsigned kept;
    };
    sum_strips<WIDTH>(
        db, sums, shared, rows, columns, rows_of_block, [&](long long) { return 0; },
        [&](long long place) { return Both{load<WIDTH>(dy + place), (unsigned)bits[place >> 3] >> (place & 7)}; },
        [&](int, const Both& both, long long place, A (&own)[WIDTH]) {
            Pack<T, WIDTH> result;
#pragma unroll
            for (int k = 0; k < WIDTH; ++k) {
                const A product = A(both.gradient.lane[k]) * (both.kept >> k & 1 ? scale : A(0));
                own[k] += product;
                result.lane[k] = T(product);
            }
            store(dx + place, result);
        });
}

// The same with db, the sums of dx down the columns. A block has strips of 32 threads side by side with 16 bytes of
// columns each, and of some rows every eighth a warp.
template <typename T, typename A>
__global__ void __launch_bounds__(256, 3) dropout_bias_backward(const T* __restrict__ dy,
                                                             const unsigned char* __restrict__ bits,
                                                             T* __restrict__ dx, T* __restrict__ db,
                                                             A* __restrict__ sums, long long rows, long long columns,
                                                             long long rows_of_block, A scale) {
    __shared__ ColumnRoom<T, A> room;
    constexpr int width = 16 / sizeof(T);
    if (columns % width == 0 && aligned(dy) && aligned(dx))
        dropout_strips<width, T, A>(dy, bits, dx, db, sums, room.place, rows, columns, rows_of_block, scale);
    else
        dropout_strips<1, T, A>(dy, bits, dx, db, sums, room.place, rows, columns, rows_of_block, scale);
}

// Whole rows kept or dropped: bit i of the mask is for row i of (rows, columns). y = x * keep * scale + (keep ? high :
// low), the bits drawn where `draws`, else as they are. A warp, or a block of one row of threads, has `each` rows: one,
// or the eight that a block of the stream is for, where making it would take longer than their elements.
template <typename T, typename A>
__global__ void __launch_bounds__(256, 3) dropout_rows(const T* __restrict__ x, T* __restrict__ y, unsigned char* bits,
                                                    long long rows, long long columns, A scale, A low, A high,
                                                    long long each, long long draws, long long threshold,
                                                    long long index0, long long index1, long long index2,
                                                    long long key0, long long key1) {
    const bool shifts = low != A(0) || high != A(0);
    const long long step = (long long)gridDim.x * blockDim.y * each;
    for (long long first = ((long long)blockIdx.x * blockDim.y + threadIdx.y) * each; first < rows; first += step) {
        const long long group = first / 8;
        const unsigned kept = draws ? kept_of_block(group, rows - group * 8, threshold, index0, index1, index2, key0, key1)
                                    : (unsigned)bits[group];
        if (draws && first % 8 == 0 && threadIdx.x == 0) bits[group] = (unsigned char)kept;
        for (long long row = first; row < first + each && row < rows; ++row) {
            const bool keep = kept >> (row & 7) & 1;
            const A factor = keep ? scale : A(0), shift = keep ? high : low;
            const T* given = x + row * columns;
            T* result = y + row * columns;
            each_in_row(given, result, columns, [&](auto lanes, long long start) {
                constexpr int width = decltype(lanes)::value;
                auto pack = load<width>(given + start);
#pragma unroll
                for (int k = 0; k < width; ++k) {
                    const A value = A(pack.lane[k]) * factor;
                    pack.lane[k] = T(shifts ? value + shift : value);
                }
                store(result + start, pack);
            });
        }
    }
}
