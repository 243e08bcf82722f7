// 1 at the class of each of `rows` rows of `columns` numbers, else 0. A block has threads for some pairs of columns,
// threadIdx.x, of rows threadIdx.y; a row of an odd length begins between the 16 bytes that a thread writes at once.
template <typename T>
__global__ void __launch_bounds__(256) mark_classes(T* __restrict__ y, const T* __restrict__ classes, long long rows,
                                                    long long columns) {
    constexpr int lanes = 16 / sizeof(T);
    for (long long row = (long long)blockIdx.x * blockDim.y + threadIdx.y; row < rows;
         row += (long long)gridDim.x * blockDim.y) {
        const T own = classes[row];
        T* to = y + row * columns;
        each_in_row(to, to, columns, [&](auto width, long long start) {
            constexpr int many = decltype(width)::value;
            Pack<T, many> pack;
            for (int k = 0; k < many; ++k) pack.lane[k] = T(start + k == own ? 1 : 0);
            store(to + start, pack);
        });
    }
}
