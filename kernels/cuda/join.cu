// Arrays side by side, y[row] = (x0[row], x1[row], ...), by the size of an element and not by its dtype. A null pointer
// stands for zeros. The elements l of a row of each x, s those from one of its rows to the next; `width` those of a row
// of y, of which `columns` are joined here.

#define PART(k) const void *__restrict__ x##k, long long l##k, long long s##k
#define FOUR(k) PART(k##0), PART(k##1), PART(k##2), PART(k##3)

// Where an element of a joined row comes from: the parts are asked one after the other.
template <typename Element> struct Source {
    long long left;
    const Element* from = nullptr;
    __device__ __forceinline__ void ask(long long row, const void* x, long long length, long long step) {
        if (left >= 0 && left < length && x) from = static_cast<const Element*>(x) + row * step + left;
        left -= length;
    }
};

#define ASK(k) source.ask(row, x##k, l##k, s##k)
#define ASK_FOUR(k) ASK(k##0), ASK(k##1), ASK(k##2), ASK(k##3)

// A thread has four columns of a row, blockDim.x apart, so that four loads are on their way. `Find` asks the parts.
template <typename Element, typename Find>
__device__ __forceinline__ void join_rows(void* to, long long rows, long long columns, long long width, Find find) {
    Element* y = static_cast<Element*>(to);
    for (long long row = (long long)blockIdx.x * blockDim.y + threadIdx.y; row < rows;
         row += (long long)gridDim.x * blockDim.y)
        for (long long first = (long long)blockIdx.y * blockDim.x * 4 + threadIdx.x; first < columns;
             first += (long long)gridDim.y * blockDim.x * 4) {
            Element kept[4];
#pragma unroll
            for (int k = 0; k < 4; ++k) {
                const long long column = first + k * blockDim.x;
                const Element* from = column < columns ? find(row, column) : nullptr;
                kept[k] = from ? *from : Element();
            }
#pragma unroll
            for (int k = 0; k < 4; ++k) {
                const long long column = first + k * blockDim.x;
                if (column < columns) y[row * width + column] = kept[k];
            }
        }
}

// Up to four arrays; see join_rows.
template <int SIZE>
__global__ void __launch_bounds__(256, 4) join_4(void* __restrict__ y, long long rows, long long columns,
                                              long long width, FOUR()) {
    typedef typename Bits<SIZE>::type Element;
    join_rows<Element>(y, rows, columns, width, [&](long long row, long long column) {
        Source<Element> source{column};
        ASK_FOUR();
        return source.from;
    });
}

// Up to sixteen arrays; see join_rows.
template <int SIZE>
__global__ void __launch_bounds__(256) join_16(void* __restrict__ y, long long rows, long long columns,
                                               long long width, FOUR(1), FOUR(2), FOUR(3), FOUR(4)) {
    typedef typename Bits<SIZE>::type Element;
    join_rows<Element>(y, rows, columns, width, [&](long long row, long long column) {
        Source<Element> source{column};
        ASK_FOUR(1), ASK_FOUR(2), ASK_FOUR(3), ASK_FOUR(4);
        return source.from;
    });
}
