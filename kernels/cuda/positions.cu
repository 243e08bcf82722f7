// Where the elements lie that an index names: index * step, counted from the end where it is negative, and for each
// dimension of the index the element's coordinate times a step s. Dimensions are given the last one first, with their
// lengths n and the index's own strides t; what is left over belongs to the first one. One thread: one element.
template <typename K>
__global__ void __launch_bounds__(256) positions(const K* __restrict__ index, long long* __restrict__ out,
                                                 long long count, long long length, long long step, long long n0,
                                                 long long s0, long long t0, long long n1, long long s1, long long t1,
                                                 long long n2, long long s2, long long t2, long long n3, long long s3,
                                                 long long t3, long long s4, long long t4) {
    const unsigned lengths[4] = {(unsigned)n0, (unsigned)n1, (unsigned)n2, (unsigned)n3};
    const long long steps[4] = {s0, s1, s2, s3}, strides[4] = {t0, t1, t2, t3};
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < count;
         i += (long long)gridDim.x * blockDim.x) {
        unsigned left = (unsigned)i;
        long long place = 0, from = 0;
#pragma unroll
        for (int dim = 0; dim < 4; ++dim) {
            if (lengths[dim] == 1) continue;
            const unsigned rest = left / lengths[dim], here = left - rest * lengths[dim];
            place += here * steps[dim];
            from += here * strides[dim];
            left = rest;
        }
        long long own = (long long)index[from + left * t4];
        if (own < 0) own += length;
        out[i] = place + left * s4 + own * step;
    }
}
