// Products of tiles by tensor cores, for half floats. Tiles lie in shared memory, their rows 16 bytes further apart than
// they are long, so that eight of them have no bank in common; while one is multiplied the next one comes.
//
// On the emulated device, and for bfloat16 before sm_80, the same fragments are multiplied by ordinary arithmetic.

#if defined(GPUDL_SIM) || (__CUDA_ARCH__ < 800 && defined(__CUDA_BF16_TYPES_EXIST__))
#define TENSOR_CORES 0
#define TENSOR_FUNCTION __device__ __noinline__
#else
#define TENSOR_CORES 1
#define TENSOR_FUNCTION __device__ __forceinline__
#endif

// sums (16 x 8) += a (16 x 16) b (16 x 8). Of a a lane has rows lane / 4 (parts 0 and 2) and lane / 4 + 8 (1 and 3),
// columns 2 (lane % 4) and the next of the left half (0 and 1) and of the right one (2 and 3); of b column lane / 4,
// rows 2 (lane % 4) and the next of the upper half (0) and of the lower one (1).
template <typename T, int WARPS>
TENSOR_FUNCTION void multiply(float (&sums)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
#if TENSOR_CORES && defined(__CUDA_BF16_TYPES_EXIST__)
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
                 "{%0,%1,%2,%3};"
                 : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#elif TENSOR_CORES && __CUDA_ARCH__ >= 800
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
                 "{%0,%1,%2,%3};"
                 : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#elif TENSOR_CORES
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
                 : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
                 : "r"(a[0]), "r"(a[1]), "r"(b0));
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
                 : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
                 : "r"(a[2]), "r"(a[3]), "r"(b1));
#else
    __shared__ Pack<unsigned, 4> all_a[WARPS][32];  // of the lanes of each warp
    __shared__ Pack<unsigned, 2> all_b[WARPS][32];
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    all_a[warp][lane] = {{a[0], a[1], a[2], a[3]}};
    all_b[warp][lane] = {{b0, b1}};
    __syncwarp();
    for (int k = 0; k < 4; ++k) {
        const Pack<unsigned, 4> of_a = all_a[warp][lane / 4 * 4 + k];
        for (int e = 0; e < 2; ++e) {
            const Pack<unsigned, 2> of_b = all_b[warp][(lane % 4 * 2 + e) * 4 + k];
            for (int part = 0; part < 4; ++part) {
                const T* x = reinterpret_cast<const T*>(&of_a.lane[part]);
                const T* y = reinterpret_cast<const T*>(&of_b.lane[part / 2]);
                sums[part % 2 * 2 + e] += float(x[0]) * float(y[0]) + float(x[1]) * float(y[1]);
            }
        }
    }
    __syncwarp();
#endif
}

// Two neighbors as they stand in a fragment.
template <typename T> __device__ __forceinline__ unsigned paired(float first, float second) {
    const Pack<T, 2> pair = {{T(first), T(second)}};
    return *reinterpret_cast<const unsigned*>(&pair);
}

// Four matrices of 8 x 8 out of shared memory, two by two: what begins there has rows `pitch` apart. Of each a lane gets
// of row lane / 4, columns 2 (lane % 4) and the next; TURNED: of column lane / 4, rows 2 (lane % 4) and the next. DOWN:
// the second matrix lies below the first, the third to its right; else the other way around.
template <bool TURNED, bool DOWN, typename T> struct Matrices {
#if TENSOR_CORES
    unsigned address;  // of the row that this lane names

    __device__ __forceinline__ Matrices(const T* first, int pitch) {
        const int lane = threadIdx.x & 31, one = lane >> 3 & 1, two = lane >> 4;
        const T* row = first + ((lane & 7) + 8 * (DOWN ? one : two)) * pitch + 8 * (DOWN ? two : one);
        address = static_cast<unsigned>(__cvta_generic_to_shared(row));
    }
    __device__ __forceinline__ void get(unsigned (&parts)[4], int offset) const {
        if (TURNED)
            asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                         : "=r"(parts[0]), "=r"(parts[1]), "=r"(parts[2]), "=r"(parts[3])
                         : "r"(address + 2 * offset)
                         : "memory");
        else
            asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                         : "=r"(parts[0]), "=r"(parts[1]), "=r"(parts[2]), "=r"(parts[3])
                         : "r"(address + 2 * offset)
                         : "memory");
    }
#else
    const T* first;
    int pitch;

    __device__ __forceinline__ Matrices(const T* first, int pitch) : first(first), pitch(pitch) {}
    __device__ __noinline__ void get(unsigned (&parts)[4], int offset) const {
        for (int part = 0; part < 4; ++part) {
            const int one = part % 2 * 8, two = part / 2 * 8;
            const T* from = first + offset + (DOWN ? one : two) * pitch + (DOWN ? two : one);
            Pack<T, 2> pair;
            if (TURNED)
                pair = {{from[own_column() * pitch + own_row()], from[(own_column() + 1) * pitch + own_row()]}};
            else
                pair = load<2>(from + own_row() * pitch + own_column());
            parts[part] = *reinterpret_cast<const unsigned*>(&pair);
        }
    }
#endif
};

// 16 bytes from global to shared memory, which `arrive` waits for.
template <typename T> __device__ __forceinline__ void bring(T* to, const T* from) {
#if TENSOR_CORES && __CUDA_ARCH__ >= 800
    const unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(to));
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(address), "l"(from) : "memory");
#else
    store(to, load<8>(from));
#endif
}
__device__ __forceinline__ void arrive() {
#if TENSOR_CORES && __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_all;" ::: "memory");
#endif
}

// As Plain in attention_plain.cuh, for heads up to WIDTH. There are two tiles of COLUMNS rows of the right side; what is
// on the left side stays in registers, or, STORED slots of it, in shared memory.
template <typename T, typename A, int WIDTH, int COLUMNS, int WARPS, int STORED> struct Tensor {
    static constexpr int width = WIDTH, columns = COLUMNS, threads = 32 * WARPS, pitch = WIDTH + 8;
    static constexpr int space = COLUMNS * pitch, row_space = 16 * WARPS * pitch;
    static constexpr int bytes = (2 * space + STORED * row_space) * sizeof(T);

    T *tiles, *rows;
    unsigned held[2][STORED ? 1 : WIDTH / 16][4];

    __device__ __forceinline__ Tensor(void* memory, long long slice) {
        tiles = static_cast<T*>(memory);
        rows = tiles + 2 * space;
    }

    template <int SLOT> __device__ __forceinline__ void hold(Rows<T> from, long long first) {
        if constexpr (STORED > 0) {
            fetch(rows + SLOT * row_space, from, first, blockDim.x / 2);
        } else {
            const long long own = first + threadIdx.x / 32 * 16 + own_row();
#pragma unroll
            for (int k = 0; k < WIDTH / 16; ++k)
#pragma unroll
                for (int part = 0; part < 4; ++part) {
                    const long long row = own + part % 2 * 8, column = 16 * k + part / 2 * 8 + own_column();
                    const T* place = from.first + row * from.stride + column;
                    Pack<T, 2> pair;
#pragma unroll
                    for (int e = 0; e < 2; ++e)
                        pair.lane[e] = row < from.count && column + e < from.width ? place[e] : T(0.0f);
                    held[SLOT][k][part] = *reinterpret_cast<const unsigned*>(&pair);
                }
        }
    }

    template <int SLOT> __device__ __forceinline__ void start(Rows<T> from, long long first) {
        fetch(tiles + SLOT * space, from, first, COLUMNS);
    }
    // Until all that was started is there, for all warps; or until all warps are done with what they had.
    __device__ __forceinline__ void wait() const {
        arrive();
        __syncthreads();
    }
    __device__ __forceinline__ void meet() const { __syncthreads(); }

    template <int SLOT, int OTHER>
    __device__ __forceinline__ void scores(A (&s)[COLUMNS / 8][4], bool active) const {
        if (!active) return;
        const Matrices<false, false, T> tile(tiles, pitch);
        const Matrices<false, true, T> own(rows + threadIdx.x / 32 * 16 * pitch, pitch);
#pragma unroll
        for (int k = 0; k < WIDTH / 16; ++k) {
            unsigned a[4], b[4];
            if constexpr (STORED > 0) {
                own.get(a, SLOT * row_space + 16 * k);
            } else {
#pragma unroll
                for (int part = 0; part < 4; ++part) a[part] = held[SLOT][k][part];
            }
#pragma unroll
            for (int j = 0; j < COLUMNS / 8; j += 2) {
                tile.get(b, OTHER * space + 8 * j * pitch + 16 * k);
                multiply<T, WARPS>(s[j], a, b[0], b[1]);
                multiply<T, WARPS>(s[j + 1], a, b[2], b[3]);
            }
        }
    }

    template <int OTHER>
    __device__ __forceinline__ void mix(A (&sums)[WIDTH / 8][4], const A (&p)[COLUMNS / 8][4], bool active) const {
        if (!active) return;
        const Matrices<true, true, T> tile(tiles, pitch);
#pragma unroll
        for (int k = 0; k < COLUMNS / 16; ++k) {
            const unsigned a[4] = {paired<T>(p[2 * k][0], p[2 * k][1]), paired<T>(p[2 * k][2], p[2 * k][3]),
                                   paired<T>(p[2 * k + 1][0], p[2 * k + 1][1]),
                                   paired<T>(p[2 * k + 1][2], p[2 * k + 1][3])};
            unsigned b[4];
#pragma unroll
            for (int j = 0; j < WIDTH / 8; j += 2) {
                tile.get(b, OTHER * space + 16 * k * pitch + 8 * j);
                multiply<T, WARPS>(sums[j], a, b[0], b[1]);
                multiply<T, WARPS>(sums[j + 1], a, b[2], b[3]);
            }
        }
    }

    // `count` rows and WIDTH features, zeros where there are none.
    __device__ __forceinline__ void fetch(T* to, Rows<T> from, long long first, int count) const {
        constexpr int packs = WIDTH / 8;
        const bool whole = aligned(from.first) && from.stride % 8 == 0;
        for (int i = threadIdx.x; i < count * packs; i += blockDim.x) {
            const int row = i / packs, column = i % packs * 8;
            const T* place = from.first + (first + row) * from.stride + column;
            const long long left = first + row < from.count ? from.width - column : 0;
            T* own = to + row * pitch + column;
            if (whole && left >= 8) {
                bring(own, place);
            } else {
                Pack<T, 8> pack;
#pragma unroll
                for (int k = 0; k < 8; ++k) pack.lane[k] = k < left ? place[k] : T(0.0f);
                store(own, pack);
            }
        }
    }
};
