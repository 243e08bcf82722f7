// Running reductions along one dimension, by the Ops of cuda/reduce.cu: y[k] of x[0] o ... o x[k], from the other end
// with `reverse`. A part of a line begins with what reduce_rows or reduce_columns left of the parts before it.

// What a thread at a lower lane of the warp holds.
template <typename State> __device__ __forceinline__ State from_lane_below(const State& own, int distance) {
    union Words {
        State state;
        unsigned word[sizeof(State) / 4];
    } words;
    words.state = own;
    for (int k = 0; k < int(sizeof(State) / 4); ++k)
        words.word[k] = __shfl_up_sync(0xffffffffu, words.word[k], distance);
    return words.state;
}

// The states of the parts before this one of a place, joined in order.
template <typename Op>
__device__ __forceinline__ typename Op::State state_before(const typename Op::State* left, long long outputs,
                                                           long long parts, long long part, long long place,
                                                           bool reverse) {
    typename Op::State state = Op::none();
    if (!left) return state;
    for (long long k = 0; k < part; ++k)
        state = Op::join(state, left[(reverse ? parts - 1 - k : k) * outputs + place]);
    return state;
}

// Rows. A block has a part of a row, blockIdx.y in the order of the sums: tile by tile, eight neighbors a thread. The
// threads' sums run over lanes, then over warps:
//
//     carry | thread 0: 8 elements | thread 1: 8 elements | ... | thread 255 |  -> carry of the next tile
template <typename T, typename A, typename Op>
__global__ void __launch_bounds__(256, 2)
    run_rows(const T* __restrict__ x, typename Op::Out* __restrict__ y, typename Op::More* __restrict__ more,
             const typename Op::State* __restrict__ left, long long rows, long long length, long long parts,
             long long length_of_part, long long reverse) {
    using State = typename Op::State;
    constexpr int EACH = 8;
    __shared__ State shared[8];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    // Parts are cut from the front of the memory, so that they are those of reduce_rows.
    const long long part = reverse ? parts - 1 - blockIdx.y : blockIdx.y, begin = part * length_of_part;
    const long long rest = length - begin, count = rest < length_of_part ? rest : length_of_part;
    for (long long row = blockIdx.x; row < rows; row += gridDim.x) {
        State carry = state_before<Op>(left, rows, parts, blockIdx.y, row, reverse != 0);
        const long long base = row * length + begin;
        for (long long tile = 0; tile < count; tile += 256 * EACH) {
            const long long first = tile + threadIdx.x * EACH;
            State state[EACH];
            State all = Op::none();
            for (int k = 0; k < EACH; ++k) {
                const long long at = reverse ? count - 1 - (first + k) : first + k;
                if (first + k < count) {
                    const A wide[1] = {A(x[base + at])};
                    Op::take(all, wide, begin + at, 1, 0);
                }
                state[k] = all;
            }
            for (int distance = 1; distance < 32; distance *= 2) {  // of all threads up to this one, in its warp
                const State before = from_lane_below(all, distance);
                if (lane >= distance) all = Op::join(before, all);
            }
            __syncthreads();  // until the sums of the tile before are read
            if (lane == 31) shared[warp] = all;
            State before = from_lane_below(all, 1);
            if (lane == 0) before = Op::none();
            __syncthreads();
            State front = carry;
            for (int k = 0; k < 8; ++k) {
                if (k == warp) before = Op::join(front, before);
                front = Op::join(front, shared[k]);
            }
            carry = front;
            for (int k = 0; k < EACH; ++k) {
                if (first + k >= count) break;
                const long long at = reverse ? count - 1 - (first + k) : first + k;
                Op::give(Op::join(before, state[k]), y, more, base + at, 0, 0, 1);
            }
        }
    }
}

// Columns. A thread goes down a column of its block's part, blockIdx.y in the order of the sums.
template <typename T, typename A, typename Op>
__global__ void __launch_bounds__(256, 2)
    run_columns(const T* __restrict__ x, typename Op::Out* __restrict__ y, typename Op::More* __restrict__ more,
                const typename Op::State* __restrict__ left, long long outputs, long long length, long long inner,
                long long parts, long long length_of_part, long long reverse) {
    const long long place = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (place >= outputs) return;
    const long long part = reverse ? parts - 1 - blockIdx.y : blockIdx.y, begin = part * length_of_part;
    const long long later = begin + length_of_part, end = later < length ? later : length;
    const long long start = place / inner * (length - 1) * inner + place;
    typename Op::State state = state_before<Op>(left, outputs, parts, blockIdx.y, place, reverse != 0);
#pragma unroll 4
    for (long long k = 0; k < end - begin; ++k) {
        const long long row = reverse ? end - 1 - k : begin + k;
        const A wide[1] = {A(x[start + row * inner])};
        Op::take(state, wide, row, 1, 0);
        Op::give(state, y, more, start + row * inner, 0, 0, 1);
    }
}
