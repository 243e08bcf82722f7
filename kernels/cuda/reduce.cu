// Reductions of one array, whatever is folded: `Op` has a State, none() to begin with, take(state, elements, index of
// the first, distance of indices, p), join(state, state) and give(state, out, more, place, outputs,
// p, q). The array is seen as
//
//     rows      (front, segments, between, length)   over segments and length: `front * between` outputs
//     columns   (outer, length, inner)               over length: `outer * inner` outputs
//
// A reduction that several blocks share leaves their states, part by part, for reduce_left to join in that order.

// What a thread at another lane of the warp holds.
template <typename State> __device__ __forceinline__ State from_lane(const State& own, int distance) {
    union Words {
        State state;
        unsigned word[sizeof(State) / 4];
    } words;
    words.state = own;
    for (int k = 0; k < int(sizeof(State) / 4); ++k)
        words.word[k] = __shfl_xor_sync(0xffffffffu, words.word[k], distance);
    return words.state;
}

// Over `lanes` neighboring lanes, a power of two; the first of them gets the result.
template <typename Op> __device__ __forceinline__ typename Op::State join_lanes(typename Op::State state, int lanes) {
    for (int distance = lanes / 2; distance > 0; distance /= 2) state = Op::join(state, from_lane(state, distance));
    return state;
}

// Over all threads of a block of 256; the first thread gets the result.
template <typename Op> __device__ __forceinline__ typename Op::State join_block(typename Op::State state) {
    __shared__ typename Op::State shared[8];
    const int thread = threadIdx.y * blockDim.x + threadIdx.x;
    state = join_lanes<Op>(state, 32);
    __syncthreads();  // until the states of an output before this one are read
    if (thread % 32 == 0) shared[thread / 32] = state;
    __syncthreads();
    if (thread == 0)
        for (int warp = 1; warp < 8; ++warp) state = Op::join(state, shared[warp]);
    return state;
}

// Elements of a line that follow each other, `count` of them: 16 bytes at a time between the ends, four loads at once.
template <typename T, typename A, typename Op, typename R>
__device__ __forceinline__ void take_line(typename Op::State& state, const T* line, long long count, long long index,
                                          R p) {
    constexpr int lanes = 16 / sizeof(T);
    const long long gap = (long long)((16 - (reinterpret_cast<size_t>(line) & 15)) & 15) / (long long)sizeof(T);
    const long long head = gap < count ? gap : count, packs = (count - head) / lanes, step = blockDim.x;
    const auto one = [&](long long i) {
        const A wide[1] = {A(line[i])};
        Op::take(state, wide, index + i, 1, p);
    };
    const auto many = [&](const Pack<T, lanes>& pack, long long i) {
        A wide[lanes];
        for (int k = 0; k < lanes; ++k) wide[k] = A(pack.lane[k]);
        Op::take(state, wide, index + i, 1, p);
    };
    for (long long i = threadIdx.x; i < head; i += step) one(i);
    const T* body = line + head;
    long long i = threadIdx.x;
    for (; i + 3 * step < packs; i += 4 * step) {
        Pack<T, lanes> pack[4];
        for (int u = 0; u < 4; ++u) pack[u] = load<lanes>(body + (i + u * step) * lanes);
        for (int u = 0; u < 4; ++u) many(pack[u], head + (i + u * step) * lanes);
    }
    for (; i < packs; i += step) many(load<lanes>(body + i * lanes), head + i * lanes);
    for (i = head + packs * lanes + threadIdx.x; i < count; i += step) one(i);
}

// Rows. An output belongs to the whole block, whose threads with one threadIdx.y share a segment, or, with several in
// a block, to the threads of one threadIdx.y: up to 32, a power of two. blockIdx.y counts parts of the outputs' elements.
template <typename T, typename A, typename Op>
__global__ void __launch_bounds__(256, 2)
    reduce_rows(const T* __restrict__ x, typename Op::Out* __restrict__ out, typename Op::More* __restrict__ more,
                typename Op::State* __restrict__ left, long long outputs, long long segments, long long between,
                long long length, long long whole, long long segments_of_part, long long length_of_part,
                typename Real<A>::type p, typename Real<A>::type q) {
    const long long parts_of_segment = length_of_part < length ? (length + length_of_part - 1) / length_of_part : 1;
    const long long of_segments = parts_of_segment == 1 ? blockIdx.y : blockIdx.y / parts_of_segment;
    const long long of_length = blockIdx.y - of_segments * parts_of_segment;
    const long long from = of_length * length_of_part, rest = length - from;
    const long long count = rest < length_of_part ? rest : length_of_part;
    const long long first = of_segments * segments_of_part, later = first + segments_of_part;
    const long long last = later < segments ? later : segments;
    const int width = whole ? 1 : blockDim.y, own = whole ? 0 : threadIdx.y, stride = whole ? blockDim.y : 1;
    for (long long start = (long long)blockIdx.x * width; start < outputs; start += (long long)gridDim.x * width) {
        const long long place = start + own;
        typename Op::State state = Op::none();
        if (place < outputs) {
            const long long before = segments == 1 ? 0 : place / between * (segments - 1) * between;
            const T* begin = x + (before + place) * length + from;
            for (long long segment = first + (whole ? threadIdx.y : 0); segment < last; segment += stride)
                take_line<T, A, Op>(state, begin + segment * between * length, count, from, p);
        }
        state = whole ? join_block<Op>(state) : join_lanes<Op>(state, blockDim.x);
        if (place < outputs && threadIdx.x == 0 && (!whole || threadIdx.y == 0)) {
            if (left)
                left[blockIdx.y * outputs + place] = state;
            else
                Op::give(state, out, more, place, outputs, p, q);
        }
    }
}

// Columns, WIDTH side by side in a thread. Those of one threadIdx.x share columns; each goes down every blockDim.y-th
// row of its block's part, four loads at once.
template <int WIDTH, typename T, typename A, typename Op, typename R>
__device__ __forceinline__ void take_columns(const T* x, typename Op::Out* out, typename Op::More* more,
                                             typename Op::State* left, long long outputs, long long length,
                                             long long inner, long long length_of_part, R p, R q) {
    __shared__ typename Op::State shared[WIDTH][128];
    const int thread = threadIdx.y * blockDim.x + threadIdx.x;
    const long long place = ((long long)blockIdx.x * blockDim.x + threadIdx.x) * WIDTH;
    const long long later = (blockIdx.y + 1) * length_of_part, end = later < length ? later : length;
    typename Op::State state[WIDTH];
    for (int k = 0; k < WIDTH; ++k) state[k] = Op::none();
    if (place < outputs) {
        const long long before = length == 1 ? 0 : place / inner * (length - 1) * inner, step = blockDim.y;
        const T* begin = x + before + place;
        long long row = blockIdx.y * length_of_part + threadIdx.y;
        for (; row + 3 * step < end; row += 4 * step) {
            Pack<T, WIDTH> pack[4];
            for (int u = 0; u < 4; ++u) pack[u] = load<WIDTH>(begin + (row + u * step) * inner);
            for (int k = 0; k < WIDTH; ++k) {
                A wide[4];
                for (int u = 0; u < 4; ++u) wide[u] = A(pack[u].lane[k]);
                Op::take(state[k], wide, row, step, p);
            }
        }
        for (; row < end; row += step) {
            const auto pack = load<WIDTH>(begin + row * inner);
            for (int k = 0; k < WIDTH; ++k) {
                const A wide[1] = {A(pack.lane[k])};
                Op::take(state[k], wide, row, step, p);
            }
        }
    }
    for (int lower = blockDim.y / 2; lower > 0; lower /= 2) {
        __syncthreads();  // until what stood there is read
        if (threadIdx.y >= lower && threadIdx.y < 2 * lower)
            for (int k = 0; k < WIDTH; ++k) shared[k][thread - lower * blockDim.x] = state[k];
        __syncthreads();
        if (threadIdx.y < lower)
            for (int k = 0; k < WIDTH; ++k) state[k] = Op::join(state[k], shared[k][thread]);
    }
    if (threadIdx.y == 0 && place < outputs)
        for (int k = 0; k < WIDTH; ++k) {
            if (left)
                left[blockIdx.y * outputs + place + k] = state[k];
            else
                Op::give(state[k], out, more, place + k, outputs, p, q);
        }
}

// Columns. A block has up to 256 neighboring packs of columns, 16 bytes each where `packed`; blockIdx.y counts parts.
template <typename T, typename A, typename Op>
__global__ void __launch_bounds__(256, 2)
    reduce_columns(const T* __restrict__ x, typename Op::Out* __restrict__ out, typename Op::More* __restrict__ more,
                   typename Op::State* __restrict__ left, long long outputs, long long length, long long inner,
                   long long length_of_part, long long packed, typename Real<A>::type p, typename Real<A>::type q) {
    constexpr int width = sizeof(T) > 1 ? 16 / sizeof(T) : 8;
    if (packed)
        take_columns<width, T, A, Op>(x, out, more, left, outputs, length, inner, length_of_part, p, q);
    else
        take_columns<1, T, A, Op>(x, out, more, left, outputs, length, inner, length_of_part, p, q);
}

// What the blocks of a part left, joined. An output belongs to the threads of one threadIdx.y, up to 32.
template <typename T, typename A, typename Op>
__global__ void __launch_bounds__(256, 2)
    reduce_left(const T*, typename Op::Out* __restrict__ out, typename Op::More* __restrict__ more,
                const typename Op::State* __restrict__ left, long long outputs, long long parts,
                typename Real<A>::type p, typename Real<A>::type q) {
    const long long place = (long long)blockIdx.x * blockDim.y + threadIdx.y;
    typename Op::State state = Op::none();
    if (place < outputs)
        for (long long part = threadIdx.x; part < parts; part += blockDim.x)
            state = Op::join(state, left[part * outputs + place]);
    state = join_lanes<Op>(state, blockDim.x);
    if (place < outputs && threadIdx.x == 0) Op::give(state, out, more, place, outputs, p, q);
}

// Gradients of reductions: dx of each element from the element and from what its output has. A `Slope` begins with
// (dy, first, second, place of the output, outputs, p, q) and is called with (x, index along the dimension). x may be
// dx, where Slope does not read it.

// Rows. A line of neighbors belongs to the threads of one threadIdx.y, 16 bytes each; blockIdx.y counts parts of lines.
template <typename T, typename A, typename Slope>
__global__ void __launch_bounds__(256, 2)
    slope_rows(const T* x, const T* __restrict__ dy, const typename Slope::First* __restrict__ first,
               const typename Slope::Second* __restrict__ second, T* dx, long long outputs,
               long long lines, long long segments, long long between, long long length, long long length_of_part, A p,
               A q) {
    const long long from = blockIdx.y * length_of_part, rest = length - from;
    const long long count = rest < length_of_part ? rest : length_of_part;
    for (long long line = (long long)blockIdx.x * blockDim.y + threadIdx.y; line < lines;
         line += (long long)gridDim.x * blockDim.y) {
        const long long place = segments == 1 ? line : line / (segments * between) * between + line % between;
        Slope slope;
        slope.begin(dy, first, second, place, outputs, p, q);
        const T* given = x + line * length + from;
        T* result = dx + line * length + from;
        each_in_row(given, result, count, [&](auto lanes, long long start) {
            constexpr int width = decltype(lanes)::value;
            Pack<T, width> pack = {};
            if (Slope::READS) pack = load<width>(given + start);
            for (int k = 0; k < width; ++k) pack.lane[k] = T(slope(A(pack.lane[k]), from + start + k));
            store(result + start, pack);
        });
    }
}

// Columns, WIDTH side by side in a thread, which goes down every blockDim.y-th row of its block's part.
template <int WIDTH, typename T, typename A, typename Slope>
__device__ __forceinline__ void slope_down(const T* x, const T* dy, const typename Slope::First* first,
                                           const typename Slope::Second* second, T* dx, long long outputs,
                                           long long length, long long inner, long long length_of_part, A p, A q) {
    const long long place = ((long long)blockIdx.x * blockDim.x + threadIdx.x) * WIDTH;
    if (place >= outputs) return;
    const long long later = (blockIdx.y + 1) * length_of_part, end = later < length ? later : length;
    const long long begin = (length == 1 ? 0 : place / inner * (length - 1) * inner) + place;
    Slope slope[WIDTH];
    for (int k = 0; k < WIDTH; ++k) slope[k].begin(dy, first, second, place + k, outputs, p, q);
#pragma unroll 4
    for (long long row = blockIdx.y * length_of_part + threadIdx.y; row < end; row += blockDim.y) {
        Pack<T, WIDTH> pack = {};
        if (Slope::READS) pack = load<WIDTH>(x + begin + row * inner);
        for (int k = 0; k < WIDTH; ++k) pack.lane[k] = T(slope[k](A(pack.lane[k]), row));
        store(dx + begin + row * inner, pack);
    }
}

// Columns, in blocks as in reduce_columns.
template <typename T, typename A, typename Slope>
__global__ void __launch_bounds__(256, 2)
    slope_columns(const T* x, const T* __restrict__ dy, const typename Slope::First* __restrict__ first,
                  const typename Slope::Second* __restrict__ second, T* dx, long long outputs,
                  long long length, long long inner, long long length_of_part, long long packed, A p, A q) {
    if (packed)
        slope_down<16 / sizeof(T), T, A, Slope>(x, dy, first, second, dx, outputs, length, inner, length_of_part, p, q);
    else
        slope_down<1, T, A, Slope>(x, dy, first, second, dx, outputs, length, inner, length_of_part, p, q);
}
