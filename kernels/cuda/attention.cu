// y = softmax(scale q k^T + mask) v of 16 rows of queries a warp, tile after tile of keys: a block keeps the largest
// score of each row so far, the sum of powers relative to it, and its sum of values, as in online softmax; so no more
// of the scores exists than a tile. The first blocks are those of the last queries, which see most keys if it is causal.
template <typename T, typename A, typename Tiles>
__global__ void __launch_bounds__(Tiles::threads, 1)
    attention_forward(const T* __restrict__ q, const T* __restrict__ k, const T* __restrict__ v, T* __restrict__ y,
                      A* __restrict__ lse, long long tiles, long long slices, ATTENTION_PARAMETERS) {
    constexpr int columns = Tiles::columns;
    __shared__ __align__(16) unsigned char memory[Tiles::bytes];
    __shared__ unsigned char bits[Tiles::threads / 32 * 2 * columns];
    const Shape<T, A> shape = {ATTENTION_ARGUMENTS};
    const long long slice = blockIdx.x / tiles % slices, which = blockIdx.x / tiles / slices;
    const Head at = shape.head_of(which / group, which % group);
    const long long first = (tiles - 1 - blockIdx.x % tiles) * (blockDim.x / 2), own = first + threadIdx.x / 32 * 16;
    const Sight<T, A> sight = shape.sight(at);
    const Dropping<A> dropping = shape.dropping(at, bits + threadIdx.x / 32 * 2 * columns);
    const Rows<T> rows_k = shape.rows_k(k, at), rows_v = shape.rows_v(v, at);
    const long long last = first + blockDim.x / 2;
    const long long end = causal && last < keys ? last : keys;

    Tiles work(memory, slice);
    A sums[Tiles::width / 8][4], high[2] = {lowest<A>(), lowest<A>()}, mass[2] = {A(0), A(0)};
    clear(sums);
    work.template hold<0>(shape.rows_q(q, at), first);
    work.template start<0>(rows_k, 0);
    for (long long key = 0; key < end; key += columns) {
        const bool active = own < queries && !(causal && key > own + 15);
        A s[columns / 8][4];
        clear(s);
        work.wait();
        work.template start<1>(rows_v, key);
        work.template scores<0, 0>(s, active);
        if (active) {
            sight.template shade<false>(s, own, key);
#pragma unroll
            for (int r = 0; r < 2; ++r) {
                A top = high[r];
#pragma unroll
                for (int j = 0; j < columns / 8; ++j) top = larger(top, larger(s[j][2 * r], s[j][2 * r + 1]));
                top = quad_join(top, Largest());
                const A base = top == lowest<A>() ? A(0) : top;  // a row that has seen no key yet
                const A shrink = Power<T>::of(high[r] - base);
                high[r] = top;
                mass[r] *= shrink;
#pragma unroll
                for (int j = 0; j < Tiles::width / 8; ++j) {
                    sums[j][2 * r] *= shrink;
                    sums[j][2 * r + 1] *= shrink;
                }
#pragma unroll
                for (int j = 0; j < columns / 8; ++j) {
#pragma unroll
                    for (int e = 0; e < 2; ++e) mass[r] += s[j][2 * r + e] = Power<T>::of(s[j][2 * r + e] - base);
                }
            }
            if (threshold >= 0) {
                dropping.make(own, 16, key, columns / 8);
#pragma unroll
                for (int j = 0; j < columns / 8; ++j)
#pragma unroll
                    for (int e = 0; e < 4; ++e)
                        s[j][e] *= dropping.weight((own_row() + e / 2 * 8) * (columns / 8) + j, own_column() + e % 2);
            }
        }
        work.wait();
        if (key + columns < end) work.template start<0>(rows_k, key + columns);
        work.template mix<1>(sums, s, active);
    }

    const Rows<T> results = shape.rows_y(y, at);
#pragma unroll
    for (int r = 0; r < 2; ++r) {
        const long long query = own + own_row() + 8 * r;
        const A total = quad_join(mass[r], Sum()), share = A(1) / (total == A(0) ? A(1) : total);
        if (query >= queries) continue;
        if (slice == 0 && threadIdx.x % 4 == 0)
            lse[at.before + query] = total == A(0) ? -lowest<A>() : logarithm(total) + high[r];
        T* row = const_cast<T*>(results.first) + query * results.stride;
        write_row(row, slice * Tiles::width, width, sums, r, share);
    }
}
