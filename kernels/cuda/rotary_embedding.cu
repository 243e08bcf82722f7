// COUNT numbers of a table of T, or of float where it is `wide`, as A. `packed`: they lie at a multiple of their size.
template <int COUNT, typename T, typename A>
__device__ __forceinline__ void angles(A (&to)[COUNT], const void* table, long long place, bool wide) {
    if (wide) {
        constexpr int lanes = COUNT < 4 ? COUNT : 4;
#pragma unroll
        for (int k = 0; k < COUNT; k += lanes) {
            const auto pack = load<lanes>(static_cast<const float*>(table) + place + k);
#pragma unroll
            for (int lane = 0; lane < lanes; ++lane) to[k + lane] = A(pack.lane[lane]);
        }
    } else {
        const auto pack = load<COUNT>(static_cast<const T*>(table) + place);
#pragma unroll
        for (int k = 0; k < COUNT; ++k) to[k] = A(pack.lane[k]);
    }
}

// The rows of one head: items of COUNT pairs each, then the features that stay, COUNT at a time.
template <int COUNT, bool NEIGHBORS, typename T, typename A>
__device__ __forceinline__ void turn_rows(const T* x, const void* cos, const void* sin, T* y, unsigned rows,
                                          long long features, long long pairs, bool wide, A sign, long long x_row,
                                          long long table_row, long long y_row) {
    const unsigned turned = pairs / COUNT, items = turned + (features - 2 * pairs) / COUNT;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < rows * items; i += gridDim.x * blockDim.x) {
        const unsigned row = i / items, item = i - row * items;
        const T* from = x + row * x_row;
        T* to = y + row * y_row;
        if (item >= turned) {
            const long long column = 2 * pairs + (long long)(item - turned) * COUNT;
            store(to + column, load<COUNT>(from + column));
            continue;
        }
        const long long first = (long long)item * COUNT;
        A c[COUNT], s[COUNT];
        angles<COUNT, T>(c, cos, row * table_row + first, wide);
        angles<COUNT, T>(s, sin, row * table_row + first, wide);
        Pack<T, COUNT> halves[2];
        halves[0] = load<COUNT>(from + (NEIGHBORS ? 2 * first : first));
        halves[1] = load<COUNT>(from + (NEIGHBORS ? 2 * first + COUNT : pairs + first));
        auto number = [&](int k) -> T& { return halves[k / COUNT].lane[k % COUNT]; };
#pragma unroll
        for (int k = 0; k < COUNT; ++k) {
            T &a = number(NEIGHBORS ? 2 * k : k), &b = number(NEIGHBORS ? 2 * k + 1 : COUNT + k);
            const A wide_a = A(a), wide_b = A(b), sine = s[k] * sign;
            a = T(wide_a * c[k] - wide_b * sine);
            b = T(wide_a * sine + wide_b * c[k]);
        }
        store(to + (NEIGHBORS ? 2 * first : first), halves[0]);
        store(to + (NEIGHBORS ? 2 * first + COUNT : pairs + first), halves[1]);
    }
}

// Pairs of features turned by the angles of their row; sign -1 turns back. Blocks go over the rows of one head after
// the other; a thread moves 16 bytes of each half of a row, or 32 of neighbors. All is read through strides.
template <typename T, typename A>
__global__ void __launch_bounds__(256, 2)
    rotary_embedding(const T* __restrict__ x, const void* __restrict__ cos, const void* __restrict__ sin,
                     T* __restrict__ y, long long batches, long long heads, long long rows, long long features,
                     long long pairs, long long neighbors, long long wide, A sign, long long x_batch, long long x_head,
                     long long x_row, long long table_batch, long long table_head, long long table_row,
                     long long y_batch, long long y_head, long long y_row) {
    constexpr int lanes = 16 / sizeof(T);
    const long long steps = x_batch | x_head | x_row | table_batch | table_head | table_row | y_batch | y_head | y_row;
    const bool packed = aligned(x) && aligned(y) && aligned(cos) && aligned(sin) && steps % lanes == 0 &&
                        pairs % lanes == 0 && features % lanes == 0;
    for (long long number = blockIdx.y; number < batches * heads; number += gridDim.y) {
        const long long batch = number / heads, head = number - batch * heads;
        const long long place = batch * table_batch + head * table_head;
        const long long size = wide ? sizeof(float) : sizeof(T);
        const T* from = x + batch * x_batch + head * x_head;
        T* to = y + batch * y_batch + head * y_head;
        const void* own_cos = static_cast<const char*>(cos) + place * size;
        const void* own_sin = static_cast<const char*>(sin) + place * size;
        const auto go = [&](auto count, auto beside) {
            turn_rows<decltype(count)::value, decltype(beside)::value == 1, T, A>(
                from, own_cos, own_sin, to, rows, features, pairs, wide != 0, sign, x_row, table_row, y_row);
        };
        if (packed)
            neighbors ? go(Lanes<lanes>(), Lanes<1>()) : go(Lanes<lanes>(), Lanes<0>());
        else
            neighbors ? go(Lanes<1>(), Lanes<1>()) : go(Lanes<1>(), Lanes<0>());
    }
}
