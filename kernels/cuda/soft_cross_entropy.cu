// Both kernels: a row of x belongs to the threads with one threadIdx.y, a few of a warp, a warp or a whole block; rows are
// shared out over all blocks. See group_join. A class c of a row has the target q = (p (1 - s) + s / classes) weight[c].

// Losses of rows, the sum over c of q (lse - x), from two readings of the row, the second of which the cache has: of
// the largest element and the sum of powers, then of the loss. Where the losses are summed, each block sums those of
// its rows, and the block that is the last to be done sums what all of them left, in their order. All threads go
// through the loop alike, those without a row with one of no elements.
template <typename T, typename A>
__global__ void __launch_bounds__(512, 1)
    soft_cross_entropy_forward(const T* __restrict__ x, const T* __restrict__ p, const T* __restrict__ weight,
                               T* __restrict__ loss, A* __restrict__ high, A* __restrict__ mass, A* __restrict__ heft,
                               A* left, unsigned* done, long long rows, long long classes, A smoothing,
                               long long sums, A divisor) {
    __shared__ A shared[32];
    __shared__ bool is_last;
    const A keeps = A(1) - smoothing, share = smoothing / A(classes);
    A losses = A(0);
    for (long long first = (long long)blockIdx.x * blockDim.y; first < rows;
         first += (long long)gridDim.x * blockDim.y) {
        const long long row = first + threadIdx.y;
        const bool here = row < rows;
        const T *given = here ? x + row * classes : x, *target = here ? p + row * classes : p;
        const long long count = here ? classes : 0;
        Running<T, A> so_far;
        each_in_row(given, given, count, [&](auto lanes, long long start) {
            so_far.add(load<decltype(lanes)::value>(given + start));
        });
        const A peak = group_join(so_far.top, shared, Largest());
        const A total = group_join(so_far.below(peak), shared, Sum());
        const A above = logarithm(total);  // logsumexp(x) - peak
        A wanted = A(0), own = A(0);
        each_in_row(given, target, count, [&](auto lanes, long long start) {
            constexpr int width = decltype(lanes)::value;
            const auto pack = load<width>(given + start), probability = load<width>(target + start);
            for (int k = 0; k < width; ++k) {
                A q = A(probability.lane[k]) * keeps + share;
                if (weight) q *= A(weight[start + k]);
                wanted += q;
                own += q * (above - (A(pack.lane[k]) - peak));
            }
        });
        wanted = group_join(wanted, shared, Sum());
        own = group_join(own, shared, Sum());
        if (threadIdx.x == 0 && here) {
            high[row] = peak;
            mass[row] = total;
            heft[row] = wanted;
            losses += own;
            if (!sums) loss[row] = T(own);
        }
    }
    if (!sums) return;

    losses = block_join(losses, shared, Sum());
    const int thread = threadIdx.y * blockDim.x + threadIdx.x, threads = blockDim.x * blockDim.y;
    if (gridDim.x > 1) {
        if (thread == 0) {
            leave(left + blockIdx.x, losses);
            __threadfence();  // what was left is there before this block counts as done
            is_last = atomicInc(done, gridDim.x - 1) == gridDim.x - 1;  // the last one leaves 0 for the next launch
            __threadfence();
        }
        __syncthreads();
        if (!is_last) return;
        losses = A(0);
        for (unsigned block = thread; block < gridDim.x; block += threads) losses += found(left + block);
        losses = block_join(losses, shared, Sum());
    }
    if (thread == 0) *loss = T(losses / divisor);
}

// Gradients of rows, softmax(x) times the sum of the targets, less the targets: reads a row of x and of p once and writes
// one of dx, 16 bytes at a time.
template <typename T, typename A>
__global__ void __launch_bounds__(256, 3)
    soft_cross_entropy_backward(const T* __restrict__ dloss, const T* __restrict__ x, const T* __restrict__ p,
                                const T* __restrict__ weight, const A* __restrict__ high, const A* __restrict__ mass,
                                const A* __restrict__ heft, T* __restrict__ dx, long long rows, long long classes,
                                long long each_dloss, A smoothing, A divisor) {
    const A keeps = A(1) - smoothing, share = smoothing / A(classes);
    for (long long row = (long long)blockIdx.x * blockDim.y + threadIdx.y; row < rows;
         row += (long long)gridDim.x * blockDim.y) {
        const T *given = x + row * classes, *target = p + row * classes;
        T* result = dx + row * classes;
        const A scale = A(dloss[each_dloss ? row : 0]) / divisor, push = heft[row] / mass[row] * scale;
        const A peak = high[row];
        // One by one unless all three begin at the same distance from a multiple of 16.
        const bool apart = ((reinterpret_cast<size_t>(given) ^ reinterpret_cast<size_t>(result)) & 15) != 0;
        const char* beside = reinterpret_cast<const char*>(target) + apart;
        each_in_row(given, beside, classes, [&](auto lanes, long long start) {
            constexpr int width = decltype(lanes)::value;
            auto pack = load<width>(given + start);
            const auto probability = load<width>(target + start);
            for (int k = 0; k < width; ++k) {
                A q = A(probability.lane[k]) * keeps + share;
                if (weight) q *= A(weight[start + k]);
                pack.lane[k] = T(power_of<T>(A(pack.lane[k]) - peak) * push - q * scale);
            }
            store(result + start, pack);
        });
    }
}
