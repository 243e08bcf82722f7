// dq = scale ds k, with ds = p (dp - delta), p = exp(s - lse), dp = dy v^T and delta = sum(dy y), of 16 rows of queries a
// warp, tile after tile of keys. delta is left for the kernel of keys.
template <typename T, typename A, typename Tiles>
__global__ void __launch_bounds__(Tiles::threads, 1)
    attention_queries(const T* __restrict__ dy, const T* __restrict__ q, const T* __restrict__ k,
                      const T* __restrict__ v, const T* __restrict__ y, const A* __restrict__ lse,
                      A* __restrict__ delta, T* __restrict__ dq, long long tiles, long long slices, long long dy_batch,
                      long long dy_head, long long dy_group, long long dy_row, long long dq_batch, long long dq_head,
                      long long dq_group, long long dq_row, ATTENTION_PARAMETERS) {
    constexpr int columns = Tiles::columns;
    __shared__ __align__(16) unsigned char memory[Tiles::bytes];
    __shared__ unsigned char bits[Tiles::threads / 32 * 2 * columns];
    const Shape<T, A> shape = {ATTENTION_ARGUMENTS};
    const long long slice = blockIdx.x / tiles % slices, which = blockIdx.x / tiles / slices;
    const Head at = shape.head_of(which / group, which % group);
    const long long first = (tiles - 1 - blockIdx.x % tiles) * (blockDim.x / 2), own = first + threadIdx.x / 32 * 16;
    const Sight<T, A> sight = shape.sight(at);
    const Dropping<A> dropping = shape.dropping(at, bits + threadIdx.x / 32 * 2 * columns);
    const Rows<T> rows_k = shape.rows_k(k, at), rows_v = shape.rows_v(v, at), rows_y = shape.rows_y(y, at);
    const Rows<T> rows_dy = {dy + at.batch * dy_batch + at.head * dy_head + at.shared * dy_group, dy_row, queries,
                             width};
    const long long last = first + blockDim.x / 2, end = causal && last < keys ? last : keys;

    A low[2], mean[2];
#pragma unroll
    for (int r = 0; r < 2; ++r) {
        const long long query = own + own_row() + 8 * r;
        A sum = A(0);
        if (query < queries)
            for (long long column = threadIdx.x % 4; column < width; column += 4)
                sum += A(rows_dy.first[query * rows_dy.stride + column]) *
                       A(rows_y.first[query * rows_y.stride + column]);
        mean[r] = quad_join(sum, Sum());
        low[r] = query < queries ? lse[at.before + query] : -lowest<A>();
        if (query < queries && slice == 0 && threadIdx.x % 4 == 0) delta[at.before + query] = mean[r];
    }

    Tiles work(memory, slice);
    A sums[Tiles::width / 8][4];
    clear(sums);
    work.template hold<0>(shape.rows_q(q, at), first);
    work.template hold<1>(rows_dy, first);
    work.template start<0>(rows_k, 0);
    work.template start<1>(rows_v, 0);
    for (long long key = 0; key < end; key += columns) {
        const bool active = own < queries && !(causal && key > own + 15);
        A s[columns / 8][4], dp[columns / 8][4];
        clear(s);
        clear(dp);
        work.wait();
        work.template scores<0, 0>(s, active);
        work.template scores<1, 1>(dp, active);
        if (active) {
            sight.template shade<false>(s, own, key);
            if (threshold >= 0) dropping.make(own, 16, key, columns / 8);
#pragma unroll
            for (int j = 0; j < columns / 8; ++j) {
#pragma unroll
                for (int e = 0; e < 4; ++e) {
                    const int row = own_row() + e / 2 * 8, column = own_column() + e % 2;
                    if (threshold >= 0) dp[j][e] *= dropping.weight(row * (columns / 8) + j, column);
                    s[j][e] = Power<T>::of(s[j][e] - low[e / 2]) * (dp[j][e] - mean[e / 2]);
                }
            }
        }
        work.meet();
        if (key + columns < end) work.template start<1>(rows_v, key + columns);
        work.template mix<0>(sums, s, active);
        work.meet();
        if (key + columns < end) work.template start<0>(rows_k, key + columns);
    }

    T* results = dq + at.batch * dq_batch + at.head * dq_head + at.shared * dq_group;
#pragma unroll
    for (int r = 0; r < 2; ++r) {
        const long long query = own + own_row() + 8 * r;
        if (query < queries) write_row(results + query * dq_row, slice * Tiles::width, features, sums, r, scale);
    }
}
