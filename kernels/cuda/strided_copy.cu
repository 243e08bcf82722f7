// Copies between arrays of any strides, by the size of an element and not by its dtype. The strides count elements.

// Five outer dimensions, the fastest first: lengths, and strides in both arrays. What a place in them is as an offset.
struct Outer {
    unsigned length[4];
    long long to[5], from[5];
    __device__ __forceinline__ void offsets(unsigned place, long long& y, long long& x) const {
        y = x = 0;
        for (int dim = 0; dim < 4; ++dim) {
            if (place == 0) return;
            const unsigned rest = place / length[dim], here = place - rest * length[dim];
            y += here * to[dim];
            x += here * from[dim];
            place = rest;
        }
        y += place * to[4];
        x += place * from[4];
    }
};

#define OUTER_DIMENSIONS                                                                                          \
    long long n0, long long y0, long long x0, long long n1, long long y1, long long x1, long long n2, long long y2, \
        long long x2, long long n3, long long y3, long long x3, long long y4, long long x4
#define OUTER                                                                      \
    {                                                                              \
        {(unsigned)n0, (unsigned)n1, (unsigned)n2, (unsigned)n3}, {y0, y1, y2, y3, y4}, { x0, x1, x2, x3, x4 } \
    }

// y[row, column] = x[row, column]: a block has threads for some columns, threadIdx.x, of rows threadIdx.y; each thread
// goes through four rows at once, so that four loads are on their way.
template <int SIZE>
__global__ void __launch_bounds__(256) move(void* __restrict__ to, const void* __restrict__ from, long long rows,
                                            long long columns, long long y_step, long long x_step, OUTER_DIMENSIONS) {
    typedef typename Bits<SIZE>::type Element;
    const Outer outer = OUTER;
    Element* y = static_cast<Element*>(to);
    const Element* x = static_cast<const Element*>(from);
    const unsigned first = blockIdx.x * blockDim.y * 4 + threadIdx.y;
    long long y_at[4], x_at[4];
    for (int k = 0; k < 4; ++k) {
        const unsigned row = first + k * blockDim.y;
        outer.offsets(row < rows ? row : 0, y_at[k], x_at[k]);
    }
    for (long long column = (long long)blockIdx.y * blockDim.x + threadIdx.x; column < columns;
         column += (long long)gridDim.y * blockDim.x) {
        Element kept[4];
        for (int k = 0; k < 4; ++k)
            if (first + k * blockDim.y < rows) kept[k] = x[x_at[k] + column * x_step];
        for (int k = 0; k < 4; ++k)
            if (first + k * blockDim.y < rows) y[y_at[k] + column * y_step] = kept[k];
    }
}

// Matrices turned, y[b, a] = x[b, a], where neighbors in y differ in a and neighbors in x in b. A block of 32 by 8
// threads takes one tile through shared memory, so that both sides are read and written along their rows:
//
//     x, rows of b  ->  tile[a][b], rows one word too long for two threads to meet in a bank  ->  y, rows of a
template <int SIZE>
__global__ void __launch_bounds__(256, 4) turn(void* __restrict__ to, const void* __restrict__ from, long long length_a,
                                            long long length_b, long long a_step, long long b_step, long long tiles_a,
                                            long long tiles_b, OUTER_DIMENSIONS) {
    typedef typename Bits<SIZE>::type Element;
    constexpr int side = SIZE < 4 ? 64 : 32, gap = SIZE < 4 ? 4 / SIZE : 1;
    __shared__ Element tile[side][side + gap];
    const Outer outer = OUTER;
    unsigned place = blockIdx.x;
    const unsigned tile_a = place % (unsigned)tiles_a;
    place /= (unsigned)tiles_a;
    const unsigned tile_b = place % (unsigned)tiles_b;
    long long y_at, x_at;
    outer.offsets(place / (unsigned)tiles_b, y_at, x_at);
    const long long a = (long long)tile_a * side, b = (long long)tile_b * side;
    const Element* x = static_cast<const Element*>(from) + x_at;
    Element* y = static_cast<Element*>(to) + y_at;
#pragma unroll 4
    for (int i = 0; i < side; i += 8)
#pragma unroll
        for (int j = 0; j < side; j += 32) {
            const int row = i + threadIdx.y, column = j + threadIdx.x;
            if (a + row < length_a && b + column < length_b) tile[row][column] = x[(a + row) * a_step + b + column];
        }
    __syncthreads();
#pragma unroll 4
    for (int i = 0; i < side; i += 8)
#pragma unroll
        for (int j = 0; j < side; j += 32) {
            const int row = i + threadIdx.y, column = j + threadIdx.x;
            if (b + row < length_b && a + column < length_a) y[(b + row) * b_step + a + column] = tile[column][row];
        }
}

// Half floats from float32. A thread reads 16 bytes and writes 8 at a time.
template <typename T> __global__ void __launch_bounds__(256) narrow(T* __restrict__ y, const float* __restrict__ x,
                                                                    long long count) {
    each_in_grid<float>(count, aligned(x) && aligned(y), [&](auto lanes, long long start) {
        constexpr int width = decltype(lanes)::value;
        const auto pack = load<width>(x + start);
        Pack<T, width> half;
        for (int k = 0; k < width; ++k) half.lane[k] = T(pack.lane[k]);
        store(y + start, half);
    });
}

// float32 from half floats. A thread reads 8 bytes and writes 16 at a time.
template <typename T> __global__ void __launch_bounds__(256) widen(const T* __restrict__ x, float* __restrict__ y,
                                                                   long long count) {
    each_in_grid<float>(count, aligned(x) && aligned(y), [&](auto lanes, long long start) {
        constexpr int width = decltype(lanes)::value;
        const auto half = load<width>(x + start);
        Pack<float, width> pack;
        for (int k = 0; k < width; ++k) pack.lane[k] = float(half.lane[k]);
        store(y + start, pack);
    });
}
