// Segment q of `size` elements, of `out` in all: from floor(q size / out) up to ceil((q + 1) size / out). See
// gpudl/ops/adaptive_pool.py.

__device__ __forceinline__ long long segment_start(long long q, long long size, long long out) {
    return q * size / out;
}
__device__ __forceinline__ long long segment_end(long long q, long long size, long long out) {
    return ((q + 1) * size + out - 1) / out;
}
