// The gradient of a mask that was added: ds, see attention_queries, of the queries and keys of one tile of one mask,
// summed over the heads that took this mask; where all queries or all keys share its numbers, over those too. A block
// has its numbers to itself, so that they are made in one order. A warp has 16 rows of queries.
template <typename T, typename A, typename Tiles>
__global__ void __launch_bounds__(Tiles::threads, 1)
    attention_mask(const T* __restrict__ dy, const T* __restrict__ q, const T* __restrict__ k, const T* __restrict__ v,
                   const A* __restrict__ lse, const A* __restrict__ delta, void* __restrict__ dmask, long long outers,
                   long long samples, long long mask_heads, long long groups, long long rows, long long lengths,
                   long long row_tiles, long long key_tiles, long long dy_batch, long long dy_head,
                   long long dy_group, long long dy_row, ATTENTION_PARAMETERS) {
    constexpr int columns = Tiles::columns, warps = Tiles::threads / 32;
    __shared__ __align__(16) unsigned char memory[Tiles::bytes];
    __shared__ unsigned char bits[warps * 2 * columns];
    __shared__ A lines[warps][columns];
    const Shape<T, A> shape = {ATTENTION_ARGUMENTS};
    const int warp = threadIdx.x / 32, side = blockDim.x / 2;
    const long long entry = blockIdx.x / key_tiles / row_tiles;
    const long long own_group = entry % groups, own_head = entry / groups % mask_heads;
    const long long own_sample = entry / groups / mask_heads;
    const long long row_first = blockIdx.x / key_tiles % row_tiles * side, key_first = blockIdx.x % key_tiles * columns;
    const long long row_end = rows == 1 ? queries : row_first + 1, key_end = lengths == 1 ? keys : key_first + 1;

    Tiles work(memory, 0);
    A sums[columns / 8][4];
    clear(sums);
    for (long long number = 0; number < outers * group; ++number) {
        const long long outer = number / group;
        const Head at = shape.head_of(outer, number - outer * group);
        if ((samples > 1 && (place ? place[outer] : at.batch) != own_sample) ||
            (mask_heads > 1 && at.head != own_head) || (groups > 1 && at.shared != own_group))
            continue;
        const Sight<T, A> sight = shape.sight(at);
        const Dropping<A> dropping = shape.dropping(at, bits + warp * 2 * columns);
        const Rows<T> rows_dy = {dy + at.batch * dy_batch + at.head * dy_head + at.shared * dy_group, dy_row, queries,
                                 width};
        for (long long first = row_first; first < row_end; first += side) {
            const long long own = first + warp * 16;
            work.template hold<0>(shape.rows_q(q, at), first);
            work.template hold<1>(rows_dy, first);
            for (long long key = key_first; key < key_end; key += columns) {
                const bool active = own < queries;
                A s[columns / 8][4], dp[columns / 8][4];
                clear(s);
                clear(dp);
                work.meet();
                work.template start<0>(shape.rows_k(k, at), key);
                work.template start<1>(shape.rows_v(v, at), key);
                work.wait();
                work.template scores<0, 0>(s, active);
                work.template scores<1, 1>(dp, active);
                if (!active) continue;
                sight.template shade<false>(s, own, key);
                if (threshold >= 0) dropping.make(own, 16, key, columns / 8);
#pragma unroll
                for (int e = 0; e < 4; ++e) {
                    const int row = own_row() + e / 2 * 8, column = own_column() + e % 2;
                    const bool there = own + row < queries;
                    const A low = there ? lse[at.before + own + row] : -lowest<A>();
                    const A mean = there ? delta[at.before + own + row] : A(0);
#pragma unroll
                    for (int j = 0; j < columns / 8; ++j) {
                        if (threshold >= 0) dp[j][e] *= dropping.weight(row * (columns / 8) + j, column);
                        sums[j][e] += Power<T>::of(s[j][e] - low) * (dp[j][e] - mean);
                    }
                }
            }
        }
    }

    if (lengths == 1) {  // every row as one number, which counts as the first column
#pragma unroll
        for (int r = 0; r < 2; ++r) {
            A sum = A(0);
#pragma unroll
            for (int j = 0; j < columns / 8; ++j) {
                sum += sums[j][2 * r] + sums[j][2 * r + 1];
                sums[j][2 * r] = sums[j][2 * r + 1] = A(0);
            }
            sum = quad_join(sum, Sum());
            if (threadIdx.x % 4 == 0) sums[0][2 * r] = sum;
        }
    }
    const auto write = [&](long long row, long long key, A value) {
        if (row >= rows || key >= lengths) return;
        const long long where = (entry * rows + row) * lengths + key;
        if (kind == 2)
            static_cast<T*>(dmask)[where] = T(value);
        else
            static_cast<float*>(dmask)[where] = float(value);
    };
    if (rows == 1) {
#pragma unroll
        for (int j = 0; j < columns / 8; ++j) {
#pragma unroll
            for (int e = 0; e < 2; ++e) {
                A sum = sums[j][e] + sums[j][2 + e];
                for (int distance = 4; distance < 32; distance *= 2)
                    sum += __shfl_xor_sync(0xffffffffu, sum, distance);
                if (threadIdx.x % 32 < 4) lines[warp][8 * j + own_column() + e] = sum;
            }
        }
        __syncthreads();
        for (int column = threadIdx.x; column < columns; column += blockDim.x) {
            A sum = A(0);
            for (int line = 0; line < side / 16; ++line) sum += lines[line][column];
            write(0, key_first + column, sum);
        }
        return;
    }
#pragma unroll
    for (int j = 0; j < columns / 8; ++j) {
#pragma unroll
        for (int e = 0; e < 4; ++e)
            write(row_first + warp * 16 + own_row() + e / 2 * 8, key_first + 8 * j + own_column() + e % 2, sums[j][e]);
    }
}
