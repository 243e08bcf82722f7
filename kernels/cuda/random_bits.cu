// keep[i, j] = half word j of row i is at least the threshold. Each row begins with a block of the stream, and a thread
// makes whole blocks of 8 half words:
//
//     row 0 | block 0 | block 1 | ...      row 1 | block per_row | block per_row + 1 | ...
template <typename T, typename A>
__global__ void __launch_bounds__(256) random_keep(T* __restrict__ keep, long long rows, long long columns,
                                                   long long threshold, long long index0, long long index1,
                                                   long long index2, long long key0, long long key1) {
    const long long per_row = (columns + 7) / 8;
    const long long stride = (long long)gridDim.x * blockDim.x;
    for (long long b = (long long)blockIdx.x * blockDim.x + threadIdx.x; b < rows * per_row; b += stride) {
        const PhiloxBlock block = philox_block(b, index0, index1, index2, key0, key1);
        const long long row = b / per_row, column = b % per_row * 8;
#pragma unroll
        for (int place = 0; place < 8; ++place) {
            const unsigned int half = (unsigned int)(block.word[place >> 1] >> (place & 1) * 32);
            if (column + place < columns) keep[row * columns + column + place] = (long long)half >= threshold;
        }
    }
}
