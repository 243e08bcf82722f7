// Losses of elements, fused with their sum or mean, and their gradients. Loss, from kernels/math, has two functions of an
// element x, its target t, a third number v (1 where there is none) and two settings:
//
//     A value(A x, A t, A v, A a, A b)                                      the loss
//     void slopes(A x, A t, A v, A a, A b, A& dx, A& dt, A& dv)             its derivatives

// An operand that repeats itself: element i of the others goes with i % period; with a period of 0 it has an element for
// each, and without data it is 1. From one call to the next of a loop over the grid its place is had without a division.
template <typename T> struct Repeated {
    const T* data;
    long long period, place = 0, hop = 0, expected = -1;

    __device__ __forceinline__ Repeated(const T* data, long long period) : data(data), period(period) {}

    __device__ __forceinline__ bool is_aligned() const { return period != 0 || aligned(data); }

    template <int WIDTH> __device__ __forceinline__ Pack<T, WIDTH> at(long long start) {
        Pack<T, WIDTH> pack;
        if (!data) {
            for (int k = 0; k < WIDTH; ++k) pack.lane[k] = T(1.0f);
            return pack;
        }
        if (period == 0) return load<WIDTH>(data + start);
        const long long step = (long long)gridDim.x * blockDim.x * WIDTH;
        if (start != expected) {
            place = start % period;
            hop = step % period;
        }
        long long at = place;
        for (int k = 0; k < WIDTH; ++k) {
            pack.lane[k] = data[at];
            if (++at == period) at = 0;
        }
        expected = start + step;
        place += hop;
        if (place >= period) place -= period;
        return pack;
    }
};

// The losses, or their sum over `divisor`. Each thread takes 16 bytes at a time of what has an element for each; each
// block sums its losses, and the block that is the last to be done sums what all of them left, in their order.
template <typename T, typename A, typename Loss>
__global__ void __launch_bounds__(512, 1) loss_forward(const T* __restrict__ x, const T* __restrict__ t,
                                                    const T* __restrict__ v, const T* __restrict__ w,
                                                    T* __restrict__ loss, A* left, unsigned* done, long long count,
                                                    long long v_period, long long w_period, long long sums, A divisor,
                                                    A a, A b) {
    __shared__ A shared[32];
    __shared__ bool is_last;
    Repeated<T> third(v, v_period), factor(w, w_period);
    A total = A(0);
    const bool alike = aligned(x) && aligned(t) && (sums || aligned(loss)) && third.is_aligned() && factor.is_aligned();
    each_in_grid<T>(count, alike, [&](auto lanes, long long start) {
        constexpr int width = decltype(lanes)::value;
        auto pack = load<width>(x + start);
        const auto target = load<width>(t + start), number = third.template at<width>(start);
        const auto weight = factor.template at<width>(start);
        for (int k = 0; k < width; ++k) {
            A own = Loss::value(A(pack.lane[k]), A(target.lane[k]), A(number.lane[k]), a, b);
            if (w) own *= A(weight.lane[k]);
            if (sums)
                total += own;
            else
                pack.lane[k] = T(own);
        }
        if (!sums) store(loss + start, pack);
    });
    if (!sums) return;

    total = block_join(total, shared, Sum());
    if (gridDim.x > 1) {
        if (threadIdx.x == 0) {
            leave(left + blockIdx.x, total);
            __threadfence();  // what was left is there before this block counts as done
            is_last = atomicInc(done, gridDim.x - 1) == gridDim.x - 1;  // the last one leaves 0 for the next launch
            __threadfence();
        }
        __syncthreads();
        if (!is_last) return;
        total = A(0);
        for (unsigned block = threadIdx.x; block < gridDim.x; block += blockDim.x) total += found(left + block);
        total = block_join(total, shared, Sum());
    }
    if (threadIdx.x == 0) *loss = T(total / divisor);
}

// The gradients of x, t and v, of those that are not null: dy over `divisor`, times the weight, times the derivative. A
// thread reads and writes 16 bytes at a time. dy is one number where each_dy is 0.
template <typename T, typename A, typename Loss>
__global__ void __launch_bounds__(256, 3) loss_backward(const T* __restrict__ dy, const T* __restrict__ x,
                                                     const T* __restrict__ t, const T* __restrict__ v,
                                                     const T* __restrict__ w, T* __restrict__ dx, T* __restrict__ dt,
                                                     T* __restrict__ dv, long long count, long long v_period,
                                                     long long w_period, long long each_dy, A divisor, A a, A b) {
    Repeated<T> third(v, v_period), factor(w, w_period);
    const A one = each_dy || !count ? A(0) : A(dy[0]) / divisor;
    const bool alike = aligned(x) && aligned(t) && aligned(dx) && aligned(dt) && aligned(dv) && third.is_aligned() &&
                       factor.is_aligned() && (!each_dy || aligned(dy));
    each_in_grid<T>(count, alike, [&](auto lanes, long long start) {
        constexpr int width = decltype(lanes)::value;
        auto of_x = load<width>(x + start), of_t = load<width>(t + start), of_v = third.template at<width>(start);
        const auto weight = factor.template at<width>(start);
        const auto given = each_dy ? load<width>(dy + start) : of_x;
        for (int k = 0; k < width; ++k) {
            const A above = (each_dy ? A(given.lane[k]) / divisor : one) * (w ? A(weight.lane[k]) : A(1));
            A to_x, to_t, to_v;
            Loss::slopes(A(of_x.lane[k]), A(of_t.lane[k]), A(of_v.lane[k]), a, b, to_x, to_t, to_v);
            of_x.lane[k] = T(above * to_x);
            of_t.lane[k] = T(above * to_t);
            of_v.lane[k] = T(above * to_v);
        }
        if (dx) store(dx + start, of_x);
        if (dt) store(dt + start, of_t);
        if (dv) store(dv + start, of_v);
    });
}
