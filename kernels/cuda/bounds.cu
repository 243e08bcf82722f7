// Notes the first index that is not in [low, high) and not the one to be ignored, unless an earlier launch has noted one:
//
//     record: | number of the launch, 0 for none | that index | count - its place, 0 in between |
//
// A thread has one index at a time; the block that is the last to be done writes the record, so that it is the same in
// every run.
template <typename K>
__global__ void __launch_bounds__(256) note_outside(const K* __restrict__ index, long long* record, unsigned* done,
                                                    long long count, long long number, long long low, long long high,
                                                    long long ignores, long long ignored) {
    const long long step = (long long)gridDim.x * blockDim.x;
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += step) {
        const long long own = (long long)index[i];
        if ((own < low || own >= high) && !(ignores && own == ignored)) {
            atomicMax(reinterpret_cast<unsigned long long*>(record + 2), (unsigned long long)(count - i));
            break;
        }
    }
    __threadfence();  // what was found is there before this block counts as done
    __syncthreads();
    if (threadIdx.x != 0) return;
    if (atomicInc(done, gridDim.x - 1) != gridDim.x - 1) return;  // the last one leaves 0 for the next launch
    __threadfence();
    const long long left = (long long)atomicExch(reinterpret_cast<unsigned long long*>(record + 2), 0ull);
    if (left > 0 && record[0] == 0) {
        record[0] = number;
        record[1] = (long long)index[count - left];
    }
}
