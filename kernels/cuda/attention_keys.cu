// dk = scale ds^T q and dv = p^T dy, see attention_queries, of 16 rows of keys a warp, tile after tile of the queries of
// all heads that share the keys: a block has the sums of its keys to itself, so that they are made in one order.
template <typename T, typename A, typename Tiles>
__global__ void __launch_bounds__(Tiles::threads, 1)
    attention_keys(const T* __restrict__ dy, const T* __restrict__ q, const T* __restrict__ k, const T* __restrict__ v,
                   const A* __restrict__ lse, const A* __restrict__ delta, T* __restrict__ dk, T* __restrict__ dv,
                   long long tiles, long long slices, long long dy_batch, long long dy_head, long long dy_group,
                   long long dy_row, long long dk_batch, long long dk_head, long long dk_row, long long dv_batch,
                   long long dv_head, long long dv_row, ATTENTION_PARAMETERS) {
    constexpr int columns = Tiles::columns;
    __shared__ __align__(16) unsigned char memory[Tiles::bytes];
    __shared__ unsigned char bits[Tiles::threads / 32 * 2 * columns];
    const Shape<T, A> shape = {ATTENTION_ARGUMENTS};
    const long long slice = blockIdx.x / tiles % slices, outer = blockIdx.x / tiles / slices;
    const long long first = blockIdx.x % tiles * (blockDim.x / 2), own = first + threadIdx.x / 32 * 16;
    const Head any = shape.head_of(outer, 0);
    // The first query that may see one of the keys.
    const long long begin = causal ? first / columns * columns : 0;
    const long long steps = begin < queries ? (queries - begin + columns - 1) / columns : 0;
    const auto of_dy = [&](Head at) {
        return Rows<T>{dy + at.batch * dy_batch + at.head * dy_head + at.shared * dy_group, dy_row, queries, width};
    };

    Tiles work(memory, slice);
    A of_k[Tiles::width / 8][4], of_v[Tiles::width / 8][4];
    clear(of_k);
    clear(of_v);
    work.template hold<0>(shape.rows_k(k, any), first);
    work.template hold<1>(shape.rows_v(v, any), first);
    work.template start<0>(shape.rows_q(q, any), begin);
    work.template start<1>(of_dy(any), begin);
    for (long long step = 0; step < steps * group; ++step) {
        const Head at = shape.head_of(outer, step / steps), next = shape.head_of(outer, (step + 1) / steps);
        const long long query = begin + step % steps * columns, then = begin + (step + 1) % steps * columns;
        const bool more = step + 1 < steps * group, active = own < keys && !(causal && query + columns <= own);
        A p[columns / 8][4], ds[columns / 8][4];
        clear(p);
        clear(ds);
        work.wait();
        work.template scores<0, 0>(p, active);
        work.template scores<1, 1>(ds, active);
        if (active) {
            const Sight<T, A> sight = shape.sight(at);
            const Dropping<A> dropping = shape.dropping(at, bits + threadIdx.x / 32 * 2 * columns);
            sight.template shade<true>(p, query, own);
            const int left = Sight<T, A>::within(queries - query);
            const A *lows = lse + at.before + query, *means = delta + at.before + query;
            if (threshold >= 0) dropping.make(query, columns, own, 2);
#pragma unroll
            for (int j = 0; j < columns / 8; ++j) {
#pragma unroll
                for (int e = 0; e < 4; ++e) {
                    const int column = 8 * j + own_column() + e % 2;
                    const A power = column < left ? Power<T>::of(p[j][e] - lows[column]) : A(0);
                    const A mean = column < left ? means[column] : A(0);
                    const A weight = threshold >= 0 ? dropping.weight(column * 2 + e / 2, own_row()) : A(1);
                    p[j][e] = power * weight;
                    ds[j][e] = power * (ds[j][e] * weight - mean);
                }
            }
        }
        work.template mix<1>(of_v, p, active);
        work.meet();
        if (more) work.template start<1>(of_dy(next), then);
        work.template mix<0>(of_k, ds, active);
        work.meet();
        if (more) work.template start<0>(shape.rows_q(q, next), then);
    }

    T* results_k = dk + any.batch * dk_batch + any.head * dk_head;
    T* results_v = dv + any.batch * dv_batch + any.head * dv_head;
#pragma unroll
    for (int r = 0; r < 2; ++r) {
        const long long key = own + own_row() + 8 * r;
        if (key >= keys) continue;
        write_row(results_k + key * dk_row, slice * Tiles::width, features, of_k, r, scale);
        write_row(results_v + key * dv_row, slice * Tiles::width, width, of_v, r, A(1));
    }
}
