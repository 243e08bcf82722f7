// Philox4x64-10: random 64-bit words as a function of a counter and a key, the words of gpudl.random.Stream.
// Source: Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3", SC'11.

#if !defined(__CUDACC__) && !defined(__device__)
#define __host__
#define __device__
#endif

struct PhiloxBlock {
    unsigned long long word[4];
};

__host__ __device__ inline unsigned long long philox_multiply_high(unsigned long long x, unsigned long long y) {
#ifdef __CUDA_ARCH__
    return __umul64hi(x, y);
#else
    return (unsigned long long)((unsigned __int128)x * y >> 64);
#endif
}

// Words 4 * block to 4 * block + 3 of the Stream with this key and index.
__host__ __device__ inline PhiloxBlock philox_block(unsigned long long block, unsigned long long index0,
                                                    unsigned long long index1, unsigned long long index2,
                                                    unsigned long long key0, unsigned long long key1) {
    const unsigned long long multiplier0 = 0xD2E7470EE14C6C93ull, multiplier1 = 0xCA5A826395121157ull;
    PhiloxBlock c = {{block, index0, index1, index2}};
#ifdef __CUDACC__
#pragma unroll
#endif
    for (int round = 0; round < 10; ++round) {
        const unsigned long long high0 = philox_multiply_high(multiplier0, c.word[0]);
        const unsigned long long high1 = philox_multiply_high(multiplier1, c.word[2]);
        const unsigned long long low0 = multiplier0 * c.word[0];
        const unsigned long long low1 = multiplier1 * c.word[2];
        c.word[0] = high1 ^ c.word[1] ^ key0;
        c.word[1] = low1;
        c.word[2] = high0 ^ c.word[3] ^ key1;
        c.word[3] = low0;
        key0 += 0x9E3779B97F4A7C15ull;  // golden ratio
        key1 += 0xBB67AE8584CAA73Bull;  // sqrt(3) - 1
    }
    return c;
}

// Float `place` (0 to 7) of a block, in [0, 1): Stream.uniform's element 8 * block + place in float32. With `place`
// known to the compiler (an unrolled loop) the block stays in registers.
__host__ __device__ inline float philox_uniform(const PhiloxBlock& block, int place) {
    const unsigned int half = (unsigned int)(block.word[place >> 1] >> (place & 1) * 32);
    return (float)(half >> 8) * (1.0f / 16777216.0f);
}
