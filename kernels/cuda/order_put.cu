// y[outer, indices[outer, k, inner], inner] = x[outer, k, inner], for indices that differ along k. T has the elements'
// bits. A thread has an element at a time.
template <typename T>
__global__ void __launch_bounds__(256)
    put_along(const T* __restrict__ x, T* __restrict__ y, const long long* __restrict__ indices, long long count,
              long long line, long long inner, long long length) {
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < count;
         i += (long long)gridDim.x * blockDim.x) {
        const long long outer = quotient(i, line * inner), within = i - quotient(i, inner) * inner;
        y[(outer * length + indices[i]) * inner + within] = x[i];
    }
}
