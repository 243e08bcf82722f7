// Arrays with more elements at their edges, with as many as before but moved on (roll), and the gradient of that.
// Dimensions are given the last one first: n their lengths in the smaller array, m in the larger one, l how many
// elements lie before the smaller one's first.

enum Mode { CONSTANT, REFLECT, REPLICATE, CIRCULAR };

#define DIMENSION(k) long long n##k, long long m##k, long long l##k
#define DIMENSIONS DIMENSION(0), DIMENSION(1), DIMENSION(2), DIMENSION(3), DIMENSION(4)
#define LENGTHS                                                                                              \
    const int n[5] = {(int)n0, (int)n1, (int)n2, (int)n3, (int)n4},                                          \
              m[5] = {(int)m0, (int)m1, (int)m2, (int)m3, (int)m4}, l[5] = {(int)l0, (int)l1, (int)l2, (int)l3, (int)l4}

// Where an element of the larger array comes from; -1 for nowhere.
__device__ __forceinline__ int source_of(int place, int length, int before, int mode) {
    const int at = place - before;
    if (at >= 0 && at < length) return at;
    if (mode == REFLECT) return at < 0 ? -at : 2 * (length - 1) - at;
    if (mode == REPLICATE) return at < 0 ? 0 : length - 1;
    if (mode == CIRCULAR) return at < 0 ? at + length : at - length;
    return -1;
}

// y[i] = x[source of i], or a value of which `bits` are 8 bytes. The last dimension is moved SIZE bytes at a time; a
// thread has four of these of a row, blockDim.x apart, and the row's place in x is found once for them.
template <int SIZE>
__global__ void __launch_bounds__(256) pad(void* __restrict__ to, const void* __restrict__ from, long long rows,
                                           long long mode, long long bits, DIMENSIONS) {
    typedef typename Bits<SIZE>::type Element;
    LENGTHS;
    Element* y = static_cast<Element*>(to);
    const Element* x = static_cast<const Element*>(from);
    const Element value = repeated<SIZE>(bits);
    for (long long row = (long long)blockIdx.x * blockDim.y + threadIdx.y; row < rows;
         row += (long long)gridDim.x * blockDim.y) {
        unsigned left = (unsigned)row;
        long long line = 0, step = 1;
#pragma unroll
        for (int dim = 1; dim < 5; ++dim) {
            const unsigned rest = m[dim] == 1 ? left : left / m[dim];
            const int at = source_of(m[dim] == 1 ? 0 : int(left - rest * m[dim]), n[dim], l[dim], int(mode));
            line = at < 0 || line < 0 ? -1 : line + at * step;
            step *= n[dim];
            left = rest;
        }
        for (int first = blockIdx.y * blockDim.x * 4 + threadIdx.x; first < m[0]; first += gridDim.y * blockDim.x * 4) {
            Element kept[4];
#pragma unroll
            for (int k = 0; k < 4; ++k) {
                const int column = first + k * blockDim.x;
                const int at = line < 0 || column >= m[0] ? -1 : source_of(column, n[0], l[0], int(mode));
                kept[k] = at < 0 ? value : x[line * n[0] + at];
            }
#pragma unroll
            for (int k = 0; k < 4; ++k) {
                const int column = first + k * blockDim.x;
                if (column < m[0]) y[row * m[0] + column] = kept[k];
            }
        }
    }
}

// The places in the larger array that come from one in the smaller: a run of them, or up to three that lie apart.
struct Copies {
    int count, first, second, third;
    bool is_run;
    __device__ __forceinline__ Copies() {}
    __device__ __forceinline__ Copies(int at, int length, int whole, int before, int mode)
        : count(1), first(at + before), second(0), third(0), is_run(mode == REPLICATE) {
        if (mode == CONSTANT) return;
        if (is_run) {
            const int end = at == length - 1 ? whole : first + 1;
            if (at == 0) first = 0;
            count = end - first;
            return;
        }
        const int low = mode == REFLECT ? before - at : first - length;
        const int high = mode == REFLECT ? before + 2 * (length - 1) - at : first + length;
        third = high;
        second = low >= 0 && low < before ? low : high;
        count += (low >= 0 && low < before) + (high < whole && high >= before + length);
    }
    __device__ __forceinline__ int place(int k) const {
        return is_run ? first + k : k == 0 ? first : k == 1 ? second : third;
    }
};

// dx[j] = the sum of dy over the places that come from j, in a fixed order. A thread has elements of a row, and finds
// once for them which rows of dy these add up.
template <typename T, typename A>
__global__ void __launch_bounds__(256) unpad(T* __restrict__ dx, const T* __restrict__ dy, long long rows,
                                             long long mode, DIMENSIONS) {
    LENGTHS;
    for (long long row = (long long)blockIdx.x * blockDim.y + threadIdx.y; row < rows;
         row += (long long)gridDim.x * blockDim.y) {
        unsigned left = (unsigned)row;
        Copies copies[5];
        int lines = 1;
#pragma unroll
        for (int dim = 1; dim < 5; ++dim) {
            const unsigned rest = n[dim] == 1 ? left : left / n[dim];
            copies[dim] = Copies(n[dim] == 1 ? 0 : int(left - rest * n[dim]), n[dim], m[dim], l[dim], int(mode));
            lines *= copies[dim].count;
            left = rest;
        }
        for (int column = blockIdx.y * blockDim.x + threadIdx.x; column < n[0]; column += gridDim.y * blockDim.x) {
            const Copies across(column, n[0], m[0], l[0], int(mode));
            A sum = A(0);
            for (int line = 0; line < lines; ++line) {
                int code = line;
                long long start = 0, step = m[0];
#pragma unroll
                for (int dim = 1; dim < 5; ++dim) {
                    const int rest = copies[dim].count == 1 ? code : code / copies[dim].count;
                    start += copies[dim].place(code - rest * copies[dim].count) * step;
                    step *= m[dim];
                    code = rest;
                }
                for (int k = 0; k < across.count; ++k) sum += A(dy[start + across.place(k)]);
            }
            dx[row * n[0] + column] = T(sum);
        }
    }
}
