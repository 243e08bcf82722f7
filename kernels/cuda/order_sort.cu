// Rows that fit into a block: sorted there, several in a block where they are short. See math/order.cuh.

// A block loads rows of up to 1 << log elements, sorts them and writes the first `kept` of each, values and indices.
// With how >= 0 it is one element a row, that of a rank.
template <typename T>
__global__ void __launch_bounds__(512)
    sort_rows(const T* __restrict__ x, T* __restrict__ values, long long* __restrict__ indices, long long rows,
              long long length, long long log, long long rows_of_block, long long kept, long long how, long long rank,
              long long infinity, long long flip) {
    using I = Item<T>;
    __shared__ I items[ROOM / sizeof(I)];
    const long long first = blockIdx.x * rows_of_block, left = rows - first;
    const int own = int(left < rows_of_block ? left : rows_of_block), count = own << log, size = 1 << log;
    const T* from = x + first * length;
    for (int i = threadIdx.x; i < count; i += blockDim.x) {
        const int row = i >> log, column = i & (size - 1);
        items[i] = column < length ? I::of(key_of(from[row * length + column], infinity, flip), column) : I::none();
    }
    sort_items(items, count, int(log));
    if (how < 0) {
        for (int i = threadIdx.x; i < count; i += blockDim.x) {
            const int row = i >> log, column = i & (size - 1);
            if (column >= kept) continue;
            const unsigned index = items[i].index();
            indices[(first + row) * kept + column] = index;
            if (values) values[(first + row) * kept + column] = from[row * length + index];
        }
        return;
    }
    for (int row = threadIdx.x; row < own; row += blockDim.x) {
        const I* sorted = items + (row << log);
        int begin = 0, end = int(length);  // of the nans, if floats have any
        const I nan = I::of(typename Bits<sizeof(T)>::type(~0ull), 0);
        while (infinity && begin < end) {
            const int middle = (begin + end) / 2;
            if (sorted[middle].below(nan))
                begin = middle + 1;
            else
                end = middle;
        }
        const unsigned index = sorted[rank_of(how, rank, length, infinity ? length - begin : 0)].index();
        indices[first + row] = index;
        values[first + row] = from[row * length + index];
    }
}
