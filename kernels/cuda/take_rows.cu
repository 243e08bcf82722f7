// y[i] = x[index[i]], rows of `columns` elements of SIZE bytes whatever their dtype; a negative index counts from the
// end, and one that is still out of range gives ones in all bits, which floats read as nan. A block has threads for
// some columns, threadIdx.x, of rows threadIdx.y; each thread goes through four rows at once.
template <int SIZE>
__global__ void __launch_bounds__(256) take(void* __restrict__ to, const void* __restrict__ from,
                                            const void* __restrict__ index, long long wide, long long rows,
                                            long long columns, long long length, long long x_step) {
    typedef typename Bits<SIZE>::type Element;
    Element* y = static_cast<Element*>(to);
    const Element* x = static_cast<const Element*>(from);
    for (long long first = (long long)blockIdx.x * blockDim.y * 4 + threadIdx.y; first < rows;
         first += (long long)gridDim.x * blockDim.y * 4) {
        long long place[4];
        for (int k = 0; k < 4; ++k) {
            const long long row = first + k * blockDim.y;
            place[k] = -1;
            if (row < rows) {
                place[k] = wide ? static_cast<const long long*>(index)[row] : static_cast<const int*>(index)[row];
                if (place[k] < 0) place[k] += length;
                if (place[k] >= length) place[k] = -1;
            }
        }
        for (long long column = (long long)blockIdx.y * blockDim.x + threadIdx.x; column < columns;
             column += (long long)gridDim.y * blockDim.x) {
            Element kept[4];
            for (int k = 0; k < 4; ++k)
                kept[k] = place[k] >= 0 ? x[place[k] * x_step + column] : repeated<SIZE>(-1);
            for (int k = 0; k < 4; ++k)
                if (first + k * blockDim.y < rows) y[(first + k * blockDim.y) * columns + column] = kept[k];
        }
    }
}
