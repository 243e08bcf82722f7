// Products of matrices by tiles: a block has a tile of the result, sum over k of left[row][k] right[k][column], and goes along k in stages of a few columns of the left matrix and rows of the right one:
//
//     memory -> registers of the next stage        while        shared memory of this stage -> sums in registers
//
// so that there is one barrier a stage. A thread has HIGH x WIDE of the sums, in squares of 4 x 4 that are far apart:
// the threads of a warp then read neighboring packs of shared memory.

template <int DOWN, int ACROSS, int HIGH, int WIDE, int DEPTH> struct Tile {
    static constexpr int down = DOWN, across = ACROSS, high = HIGH, wide = WIDE, depth = DEPTH;
    static constexpr int threads = DOWN * ACROSS, rows = DOWN * HIGH, columns = ACROSS * WIDE;
    static constexpr int left_pitch = rows + 4, right_pitch = columns + 4;  // in other banks from one k to the next
    static constexpr int blocks = threads < 256 ? 3 : 2;                    // that a multiprocessor is to have room for
    static constexpr int lefts = (rows * DEPTH + threads - 1) / threads;    // elements that a thread brings
    static constexpr int rights = columns * DEPTH / threads;
    static __device__ __forceinline__ int row(int i) {
        return i / 4 * DOWN * 4 + int(threadIdx.x) / ACROSS * 4 + i % 4;
    }
    static __device__ __forceinline__ int column(int j) {
        return j / 4 * ACROSS * 4 + int(threadIdx.x) % ACROSS * 4 + j % 4;
    }
};

template <typename A> using Broad = Tile<8, 16, 8, sizeof(A) == 8 ? 4 : 8, 8>;  // 64 x 128, of doubles 64 x 64
template <typename A> using Flat = Tile<4, 64, 4, 4, 8>;                          // 16 x 256, for few rows

template <typename A, typename Form> struct alignas(32) Stages {
    A left[2][Form::depth * Form::left_pitch], right[2][Form::depth * Form::right_pitch];
};

// Adds the product over all stages to `sums`.
//
//     plan(stage)                       leaves in shared memory what left and right need to know of a stage
//     left(stage, row, k), right(stage, k, column)   bring an element
//
// Neighboring threads bring left elements of neighboring k, and right ones of neighboring columns, or where ALONG, k.
template <typename T, bool ALONG, typename Form, typename A, typename Plan, typename Left, typename Right>
__device__ __forceinline__ void multiply(int stages, Stages<A, Form>& shared, A (&sums)[Form::high][Form::wide],
                                         Plan plan, Left left, Right right) {
    constexpr int depth = Form::depth, threads = Form::threads, columns = Form::columns;
    const int thread = threadIdx.x;
    T lefts[Form::lefts], rights[Form::rights];  // of the next stage; not widened yet, which would wait for them
    if (stages <= 0) return;

    const auto bring = [&](int stage) {
#pragma unroll
        for (int i = 0; i < Form::lefts; ++i) {
            const int place = thread + i * threads;
            if (Form::rows * depth % threads == 0 || place < Form::rows * depth)
                lefts[i] = left(stage, place / depth, place % depth);
        }
#pragma unroll
        for (int i = 0; i < Form::rights; ++i) {
            const int place = thread + i * threads;
            rights[i] = ALONG ? right(stage, place % depth, place / depth) : right(stage, place / columns, place % columns);
        }
    };
    const auto put = [&](int stage) {
        const int half = stage & 1;
#pragma unroll
        for (int i = 0; i < Form::lefts; ++i) {
            const int place = thread + i * threads;
            if (Form::rows * depth % threads == 0 || place < Form::rows * depth)
                shared.left[half][place % depth * Form::left_pitch + place / depth] = A(lefts[i]);
        }
#pragma unroll
        for (int i = 0; i < Form::rights; ++i) {
            const int place = thread + i * threads;
            const int k = ALONG ? place % depth : place / columns, column = ALONG ? place / depth : place % columns;
            shared.right[half][k * Form::right_pitch + column] = A(rights[i]);
        }
    };

    plan(0);
    __syncthreads();
    bring(0);
    plan(1);
    put(0);
    __syncthreads();
    for (int stage = 0; stage < stages; ++stage) {
        const bool more = stage + 1 < stages;
        if (more) {
            bring(stage + 1);
            plan(stage + 2);  // into the place of this stage's, which all have read
        }
        const A* of_left = shared.left[stage & 1];
        const A* of_right = shared.right[stage & 1];
#pragma unroll
        for (int k = 0; k < depth; ++k) {
            A l[Form::high], r[Form::wide];
#pragma unroll
            for (int i = 0; i < Form::high; i += 4) {
                const auto pack = load<4>(of_left + k * Form::left_pitch + Form::row(i));
                for (int lane = 0; lane < 4; ++lane) l[i + lane] = pack.lane[lane];
            }
#pragma unroll
            for (int j = 0; j < Form::wide; j += 4) {
                const auto pack = load<4>(of_right + k * Form::right_pitch + Form::column(j));
                for (int lane = 0; lane < 4; ++lane) r[j + lane] = pack.lane[lane];
            }
#pragma unroll
            for (int i = 0; i < Form::high; ++i)
#pragma unroll
                for (int j = 0; j < Form::wide; ++j) sums[i][j] += l[i] * r[j];
        }
        if (more) {
            put(stage + 1);
            __syncthreads();
        }
    }
}
