// Products of tiles by ordinary multiplications and additions, for numbers that tensor cores do not take (float32 and
// float64 in full), and for heads too wide for them. Operands pass through shared memory in strips of 32 features, so
// that any width fits.
//
// scores: s += rows * columns^T, 16 rows of each warp with COLUMNS of the other operand; mix: sums += p * columns.
// The blocks' `slice` says which WIDTH columns of the result it makes.
template <typename T, typename A, int WIDTH, int COLUMNS, int WARPS> struct Plain {
    static constexpr int width = WIDTH, columns = COLUMNS, threads = 32 * WARPS;
    static constexpr int strip = 32, gap = 16 / sizeof(A), pitch = strip + gap, spread = COLUMNS + gap;
    static constexpr int row_space = 16 * WARPS * pitch, column_space = COLUMNS * pitch;
    static constexpr int weight_space = 16 * WARPS * spread;
    static constexpr int bytes = (row_space + column_space + weight_space) * sizeof(A);

    A *rows, *others, *weights;
    Rows<T> held[2], next[2];
    long long held_first[2], next_first[2], slice;

    __device__ __forceinline__ Plain(void* memory, long long slice) : slice(slice * WIDTH) {
        rows = static_cast<A*>(memory);
        others = rows + row_space;
        weights = others + column_space;
    }

    // The rows of the left side, from `first` on, and those of the right side: what follows goes through them.
    template <int SLOT> __device__ __forceinline__ void hold(Rows<T> from, long long first) {
        held[SLOT] = from;
        held_first[SLOT] = first;
    }
    template <int SLOT> __device__ __forceinline__ void start(Rows<T> from, long long first) {
        next[SLOT] = from;
        next_first[SLOT] = first;
    }
    __device__ __forceinline__ void wait() const {}
    __device__ __forceinline__ void meet() const {}

    template <int SLOT, int OTHER>
    __device__ __forceinline__ void scores(A (&s)[COLUMNS / 8][4], bool active) const {
        constexpr int lanes = 16 / sizeof(A);
        const A* own = rows + (threadIdx.x / 32 * 16 + own_row()) * pitch;
        const A* other = others + own_column() * pitch;
        for (long long at = 0; at < held[SLOT].width; at += strip) {
            __syncthreads();
            fetch(rows, held[SLOT], held_first[SLOT], blockDim.x / 2, at);
            fetch(others, next[OTHER], next_first[OTHER], COLUMNS, at);
            __syncthreads();
            if (!active) continue;
#pragma unroll 1
            for (int k = 0; k < strip; k += lanes) {
                const auto above = load<lanes>(own + k), below = load<lanes>(own + 8 * pitch + k);
#pragma unroll
                for (int j = 0; j < COLUMNS / 8; ++j) {
#pragma unroll
                    for (int e = 0; e < 2; ++e) {
                        const auto column = load<lanes>(other + (8 * j + e) * pitch + k);
#pragma unroll
                        for (int lane = 0; lane < lanes; ++lane) {
                            s[j][e] += above.lane[lane] * column.lane[lane];
                            s[j][2 + e] += below.lane[lane] * column.lane[lane];
                        }
                    }
                }
            }
        }
    }

    template <int OTHER>
    __device__ __forceinline__ void mix(A (&sums)[WIDTH / 8][4], const A (&p)[COLUMNS / 8][4], bool active) const {
        A* own = weights + (threadIdx.x / 32 * 16 + own_row()) * spread;
        __syncwarp();  // until the weights of a mix before this one are read
#pragma unroll
        for (int j = 0; j < COLUMNS / 8; ++j) {
            store(own + 8 * j + own_column(), Pack<A, 2>{{p[j][0], p[j][1]}});
            store(own + 8 * spread + 8 * j + own_column(), Pack<A, 2>{{p[j][2], p[j][3]}});
        }
#pragma unroll
        for (int part = 0; part < WIDTH / strip; ++part) {
            if (slice + part * strip >= next[OTHER].width) break;
            __syncthreads();
            fetch(others, next[OTHER], next_first[OTHER], COLUMNS, slice + part * strip);
            __syncthreads();
            if (!active) continue;
#pragma unroll 2
            for (int k = 0; k < COLUMNS; ++k) {
                const A above = own[k], below = own[8 * spread + k];
#pragma unroll
                for (int j = 0; j < strip / 8; ++j) {
                    const auto pair = load<2>(others + k * pitch + 8 * j + own_column());
                    A(&sum)[4] = sums[part * (strip / 8) + j];
                    sum[0] += above * pair.lane[0];
                    sum[1] += above * pair.lane[1];
                    sum[2] += below * pair.lane[0];
                    sum[3] += below * pair.lane[1];
                }
            }
        }
    }

    // A strip of `count` rows: features `at` to `at + strip`, zeros where there are none.
    __device__ __forceinline__ void fetch(A* to, Rows<T> from, long long first, int count, long long at) const {
        constexpr int lanes = 16 / sizeof(T), packs = strip / lanes;
        const bool whole = aligned(from.first) && from.stride % lanes == 0;
        for (int i = threadIdx.x; i < count * packs; i += blockDim.x) {
            const int row = i / packs, column = i % packs * lanes;
            const T* place = from.first + (first + row) * from.stride + at + column;
            const long long left = first + row < from.count ? from.width - at - column : 0;
            Pack<A, lanes> wide;
            if (whole && left >= lanes) {
                const auto pack = load<lanes>(place);
#pragma unroll
                for (int k = 0; k < lanes; ++k) wide.lane[k] = A(pack.lane[k]);
            } else {
#pragma unroll
                for (int k = 0; k < lanes; ++k) wide.lane[k] = k < left ? A(place[k]) : A(0);
            }
#pragma unroll
            for (int k = 0; k < lanes; k += gap) {
                Pack<A, gap> part;
#pragma unroll
                for (int e = 0; e < gap; ++e) part.lane[e] = wide.lane[k + e];
                store(to + row * pitch + column + k, part);
            }
        }
    }
};
