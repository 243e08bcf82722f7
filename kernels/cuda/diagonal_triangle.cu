// Matrices of (rows, columns), one after another, with zeros beyond a diagonal: above it, or below it. A thread takes
// WIDTH elements of SIZE bytes of a row at a time, whatever their dtype; a block some of a row, or some rows.
template <int SIZE, int WIDTH>
__global__ void __launch_bounds__(256) cut_triangle(void* __restrict__ to, const void* __restrict__ from,
                                                    long long count, long long rows, long long columns,
                                                    long long diagonal, long long lower) {
    typedef typename Bits<SIZE>::type Element;
    Element* y = static_cast<Element*>(to);
    const Element* x = static_cast<const Element*>(from);
    const long long across = columns / WIDTH;
    for (long long line = (long long)blockIdx.x * blockDim.y + threadIdx.y; line < count;
         line += (long long)gridDim.x * blockDim.y) {
        const long long row = line - quotient(line, rows) * rows;
        const long long last = row + diagonal;  // of the columns up to the diagonal
        for (long long i = (long long)blockIdx.y * blockDim.x + threadIdx.x; i < across;
             i += (long long)gridDim.y * blockDim.x) {
            const long long column = i * WIDTH;
            Pack<Element, WIDTH> pack;
            // What is zero altogether is not read.
            if (lower ? column <= last : column + WIDTH - 1 >= last) {
                pack = load<WIDTH>(x + line * columns + column);
            } else {
                for (int k = 0; k < WIDTH; ++k) pack.lane[k] = Element(0);
            }
            for (int k = 0; k < WIDTH; ++k)
                if (lower ? column + k > last : column + k < last) pack.lane[k] = Element(0);
            store(y + line * columns + column, pack);
        }
    }
}
