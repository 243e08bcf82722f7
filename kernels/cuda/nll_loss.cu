// Negative log-likelihood: x is (rows, classes, places), target (rows, places). What goes over elements keeps count of
// their row, class and place by addition: a division for each would take longer than the memory.

// Loss of each target, from one element of x, or the sum over all, divided by that of the weights where `divides`. A
// thread has one target at a time; the block that is the last to be done sums what all of them left, in their order.
template <typename T, typename A>
__global__ void __launch_bounds__(512, 1) nll_loss_forward(const T* __restrict__ x, const long long* __restrict__ target,
                                                        const T* __restrict__ weight, T* __restrict__ loss,
                                                        A* __restrict__ divisor, A* left, unsigned* done,
                                                        long long count, long long classes, long long places,
                                                        long long ignore_index, long long sums, long long divides) {
    __shared__ A shared[32];
    __shared__ bool is_last;
    const long long step = (long long)gridDim.x * blockDim.x, rows_ahead = step / places, ahead = step % places;
    long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x, row = i / places, place = i % places;
    A losses = A(0), weights = A(0);
    for (; i < count; i += step) {
        const long long label = target[i];
        A own = A(0);
        if (label != ignore_index) {
            const bool exists = label >= 0 && label < classes;
            const A factor = !exists ? not_a_number<A>() : weight ? A(weight[label]) : A(1);
            own = (exists ? A(x[(row * classes + label) * places + place]) : A(0)) * -factor;
            weights += factor;
        }
        losses += own;
        if (!sums) loss[i] = T(own);
        row += rows_ahead;
        place += ahead;
        if (place >= places) {
            place -= places;
            ++row;
        }
    }
    if (!sums) return;

    losses = block_join(losses, shared, Sum());
    weights = block_join(weights, shared, Sum());
    if (gridDim.x > 1) {
        if (threadIdx.x == 0) {
            leave(left + 2 * blockIdx.x, losses);
            leave(left + 2 * blockIdx.x + 1, weights);
            __threadfence();  // what was left is there before this block counts as done
            is_last = atomicInc(done, gridDim.x - 1) == gridDim.x - 1;  // the last one leaves 0 for the next launch
            __threadfence();
        }
        __syncthreads();
        if (!is_last) return;
        losses = weights = A(0);
        for (unsigned block = threadIdx.x; block < gridDim.x; block += blockDim.x) {
            losses += found(left + 2 * block);
            weights += found(left + 2 * block + 1);
        }
        losses = block_join(losses, shared, Sum());
        weights = block_join(weights, shared, Sum());
    }
    if (threadIdx.x == 0) {
        if (divides) *divisor = weights;
        *loss = T(divides ? losses / weights : losses);
    }
}

// The gradient of x: zeros but for the targets. A thread writes 16 bytes at a time.
template <typename T, typename A>
__global__ void __launch_bounds__(256) nll_loss_backward(const T* __restrict__ dy, const long long* __restrict__ target,
                                                         const T* __restrict__ weight, const A* __restrict__ divisor,
                                                         T* __restrict__ dx, long long count, long long classes,
                                                         long long places, long long ignore_index, long long each_dy) {
    const A share = divisor ? A(1) / *divisor : A(1);
    long long expected = -1, row = 0, kind = 0, place = 0;
    long long rows_ahead = 0, kinds_ahead = 0, ahead = 0;
    each_in_grid<T>(count, aligned(dx), [&](auto lanes, long long start) {
        constexpr int width = decltype(lanes)::value;
        if (start != expected) {  // the first time only
            const long long step = (long long)gridDim.x * blockDim.x * width, line = start / places;
            place = start - line * places;
            row = line / classes;
            kind = line - row * classes;
            ahead = step % places;
            kinds_ahead = step / places % classes;
            rows_ahead = step / places / classes;
        }
        Pack<T, width> pack;
        long long r = row, c = kind, p = place;
        for (int k = 0; k < width; ++k) {
            const long long at = r * places + p, label = target[at];
            A own = A(0);
            if (c == label && label != ignore_index)
                own = A(dy[each_dy ? at : 0]) * share * -(weight ? A(weight[label]) : A(1));
            pack.lane[k] = T(own);
            if (++p == places) {
                p = 0;
                if (++c == classes) {
                    c = 0;
                    ++r;
                }
            }
        }
        store(dx + start, pack);
        expected = start + (long long)gridDim.x * blockDim.x * width;
        place += ahead;
        kind += kinds_ahead;
        row += rows_ahead;
        if (place >= places) {
            place -= places;
            ++kind;
        }
        if (kind >= classes) {
            kind -= classes;
            ++row;
        }
    });
}
