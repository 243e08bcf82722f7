// Numbers of a law from the words of a stream, from word `offset` of block `start` on, the same wherever they are made.
// A thread has the next four words, and as many elements as they give:
//
//     words       0 1 2 3 | 4 5 6 7 | ...         offset 0: those of a block; else of two
//     elements    0 ... 3, or 0 ... 7 where each half word gives one
template <typename T, typename A, typename Law>
__global__ void __launch_bounds__(256) random_fill(T* __restrict__ out, long long count, long long start,
                                                   long long offset, long long index0, long long index1,
                                                   long long index2, long long key0, long long key1, long long set0,
                                                   long long set1, long long set2, long long set3) {
    constexpr int elements = 4 * Law::each, lanes = 16 / sizeof(T) < elements ? 16 / sizeof(T) : elements;
    const Settings settings = {{set0, set1, set2, set3}};
    const bool wide = aligned(out);
    const long long stride = (long long)gridDim.x * blockDim.x;
    for (long long group = (long long)blockIdx.x * blockDim.x + threadIdx.x; group * elements < count;
         group += stride) {
        PhiloxBlock block = philox_block(start + group, index0, index1, index2, key0, key1);
        if (offset) {
            const PhiloxBlock next = philox_block(start + group + 1, index0, index1, index2, key0, key1);
            for (int moved = 0; moved < offset; ++moved) {
                block.word[0] = block.word[1];
                block.word[1] = block.word[2];
                block.word[2] = block.word[3];
                block.word[3] = moved == 0 ? next.word[0] : moved == 1 ? next.word[1] : next.word[2];
            }
        }
        T made[elements];
        Law::template make<T, A>(block.word, settings, made);
        T* place = out + group * elements;
        if (wide && group * elements + elements <= count) {
#pragma unroll
            for (int piece = 0; piece < elements / lanes; ++piece) {
                Pack<T, lanes> pack;
#pragma unroll
                for (int k = 0; k < lanes; ++k) pack.lane[k] = made[piece * lanes + k];
                store(place + piece * lanes, pack);
            }
        } else {
#pragma unroll
            for (int k = 0; k < elements; ++k)
                if (group * elements + k < count) place[k] = made[k];
        }
    }
}
