// Both kernels: a row of x belongs to the threads with one threadIdx.y, a few of a warp, a warp or a whole block; rows are
// shared out over all blocks. See group_join.

// Losses of rows, each from one reading of the row: threads keep the largest element so far and the sum of powers
// relative to it, and for label smoothing by how much all elements are below it. Where the losses are summed, each block
// sums those of its rows, and the block that is the last to be done sums what all of them left, in their order; so the
// result is the same in every run. All threads go through the loop alike, those without a row with one of no elements.
template <typename T, typename A>
__global__ void __launch_bounds__(512, 1) cross_entropy_forward(const T* __restrict__ x, const long long* __restrict__ target,
                                      const T* __restrict__ weight, T* __restrict__ loss, A* __restrict__ divisor,
                                      A* __restrict__ high, A* __restrict__ mass, A* left, unsigned* done,
                                      long long rows, long long classes, long long ignore_index, A smoothing,
                                      long long sums, long long divides) {
    __shared__ A shared[32];
    __shared__ bool is_last;
    A losses = A(0), weights = A(0);  // of this row's threads, in the first of them
    for (long long first = (long long)blockIdx.x * blockDim.y; first < rows;
         first += (long long)gridDim.x * blockDim.y) {
        const long long row = first + threadIdx.y;
        const bool here = row < rows;
        const T* given = here ? x + row * classes : x;
        Running<T, A> so_far;
        A below = A(0), heft = A(0);  // the weights so far, and the sum of them times (top - element)
        each_in_row(given, given, here ? classes : 0, [&](auto lanes, long long start) {
            constexpr int width = decltype(lanes)::value;
            const auto pack = load<width>(given + start);
            const A before = so_far.top;
            so_far.add(pack);
            if (smoothing == A(0)) return;
            if (so_far.top != before && before != lowest<A>()) below += heft * (so_far.top - before);
            for (int k = 0; k < width; ++k) {
                const A element = A(pack.lane[k]), factor = weight ? A(weight[start + k]) : A(1);
                heft += factor;
                below += factor * (element == lowest<A>() ? -element : so_far.top - element);
            }
        });
        const A peak = group_join(so_far.top, shared, Largest());
        const A total = group_join(so_far.below(peak), shared, Sum());
        const A above = logarithm(total);  // logsumexp(x) - peak
        A spread = A(0);
        if (smoothing != A(0)) {
            if (so_far.top != peak && so_far.top != lowest<A>()) below += heft * (peak - so_far.top);
            heft = group_join(heft, shared, Sum());
            spread = group_join(below, shared, Sum()) + above * heft;
        }
        if (threadIdx.x == 0 && here) {
            high[row] = peak;
            mass[row] = total;
            const long long label = target[row];
            A own = A(0);
            if (label != ignore_index) {
                const bool exists = label >= 0 && label < classes;
                const A share = !exists ? not_a_number<A>() : weight ? A(weight[label]) : A(1);
                own = (above - (exists ? A(given[label]) - peak : A(0))) * share;
                if (smoothing != A(0)) own = own * (A(1) - smoothing) + spread * (smoothing / A(classes));
                weights += share;
            }
            losses += own;
            if (!sums) loss[row] = T(own);
        }
    }
    if (!sums) return;

    losses = block_join(losses, shared, Sum());
    weights = block_join(weights, shared, Sum());
    const int thread = threadIdx.y * blockDim.x + threadIdx.x, threads = blockDim.x * blockDim.y;
    if (gridDim.x > 1) {
        if (thread == 0) {
            leave(left + 2 * blockIdx.x, losses);
            leave(left + 2 * blockIdx.x + 1, weights);
            __threadfence();  // what was left is there before this block counts as done
            is_last = atomicInc(done, gridDim.x - 1) == gridDim.x - 1;  // the last one leaves 0 for the next launch
            __threadfence();
        }
        __syncthreads();
        if (!is_last) return;
        losses = weights = A(0);
        for (unsigned block = thread; block < gridDim.x; block += threads) {
            losses += found(left + 2 * block);
            weights += found(left + 2 * block + 1);
        }
        losses = block_join(losses, shared, Sum());
        weights = block_join(weights, shared, Sum());
    }
    if (thread == 0) {
        if (divides) *divisor = weights;
        *loss = T(divides ? losses / weights : losses);
    }
}

// Gradients of rows: reads a row of x once and writes one of dx, 16 bytes at a time.
template <typename T, typename A>
__global__ void __launch_bounds__(256, 3) cross_entropy_backward(const T* __restrict__ dloss, const T* __restrict__ x,
                                       const long long* __restrict__ target, const T* __restrict__ weight,
                                       const A* __restrict__ divisor, const A* __restrict__ high,
                                       const A* __restrict__ mass, T* __restrict__ dx, long long rows,
                                       long long classes, long long each_dloss, long long ignore_index,
                                       A smoothing) {
    __shared__ A shared[32];
    const A share = smoothing / A(classes);
    A every = A(0);  // the weight of all classes together
    if (smoothing != A(0)) {
        for (long long k = threadIdx.x; k < classes; k += blockDim.x) every += weight ? A(weight[k]) : A(1);
        every = group_join(every, shared, Sum());
    }
    for (long long row = (long long)blockIdx.x * blockDim.y + threadIdx.y; row < rows;
         row += (long long)gridDim.x * blockDim.y) {
        const T* given = x + row * classes;
        T* result = dx + row * classes;
        const long long label = target[row];
        const bool kept = label != ignore_index, exists = label >= 0 && label < classes;
        A scale = A(dloss[each_dloss ? row : 0]);
        if (divisor) scale /= *divisor;
        if (!kept) scale = A(0);  // times powers, so that nan and infinite elements still give nan
        const A weighs = !exists ? not_a_number<A>() : weight ? A(weight[label]) : A(1);
        const A own = kept ? weighs * (A(1) - smoothing) : A(0);
        const A push = (own + every * share) / mass[row] * scale, pull = own * scale, rest = share * scale;
        const A peak = high[row];
        each_in_row(given, result, classes, [&](auto lanes, long long start) {
            constexpr int width = decltype(lanes)::value;
            auto pack = load<width>(given + start);
            for (int k = 0; k < width; ++k) {
                A element = power_of<T>(A(pack.lane[k]) - peak) * push;
                if (start + k == label) element -= pull;
                if (smoothing != A(0)) element -= rest * (weight ? A(weight[start + k]) : A(1));
                pack.lane[k] = T(element);
            }
            store(result + start, pack);
        });
    }
}
