// Gated products: y = F::forward(gate) * value. Gate and value are arrays of their own, or halves of one whose lines
// of `columns` take turns, and then `gap` is `columns`, else 0:
//
//     | line of the first half | line of the second | line of the first | ...
//       y's elements 0, 1, ...   <---- gap ---->      y's elements columns, columns + 1, ...
//
// The bounds of launches leave float64 as many registers as it takes: GELU's erf at two places takes 153.

// How far the element of a half lies from the half's first one, for element i of y.
__device__ __forceinline__ long long in_half(long long i, long long columns, long long gap) {
    return gap ? i + quotient(i, columns) * gap : i;
}

// y = F::forward(gate) * value. A thread has 16 bytes of each at each of two places.
template <typename T, typename A, typename F>
__global__ void __launch_bounds__(256, sizeof(T) == 8 ? 1 : 3)
    glu_forward(const T* __restrict__ gate, const T* __restrict__ value, T* __restrict__ y, long long count,
                long long columns, long long gap, long long gate_from, long long value_from) {
    gate += gate_from;
    value += value_from;
    const bool wide = aligned(gate) && aligned(value) && aligned(y);  // and so is every line of halves
    each_pair_in_grid<T>(count, wide, [&](int packs, auto lanes, long long start, long long step) {
        constexpr int width = decltype(lanes)::value;
        Pack<T, width> gates[2], values[2];
#pragma unroll
        for (int place = 0; place < 2; ++place) {
            if (place == packs) break;
            const long long from = in_half(start + place * step, columns, gap);
            gates[place] = load<width>(gate + from);
            values[place] = load<width>(value + from);
        }
#pragma unroll
        for (int place = 0; place < 2; ++place) {
            if (place == packs) break;
#pragma unroll
            for (int k = 0; k < width; ++k)
                values[place].lane[k] =
                    T(F::forward(A(gates[place].lane[k])) * A(values[place].lane[k]));
            store(y + start + place * step, values[place]);
        }
    });
}

// dgate = F::backward(dy * value, gate) and dvalue = dy * F::forward(gate), which lie as gate and value do. A thread
// has 16 bytes of each.
template <typename T, typename A, typename F>
__global__ void __launch_bounds__(256, sizeof(T) == 8 ? 1 : 3)
    glu_backward(const T* __restrict__ dy, const T* __restrict__ gate, const T* __restrict__ value,
                 T* __restrict__ dgate, T* __restrict__ dvalue, long long count, long long columns, long long gap,
                 long long gate_from, long long value_from) {
    gate += gate_from;
    value += value_from;
    dgate += gate_from;
    dvalue += value_from;
    const bool wide = aligned(gate) && aligned(value) && aligned(dy) && aligned(dgate) && aligned(dvalue);
    each_in_grid<T>(count, wide, [&](auto lanes, long long start) {
        constexpr int width = decltype(lanes)::value;
        const long long from = in_half(start, columns, gap);
        const auto arriving = load<width>(dy + start);
        auto gates = load<width>(gate + from), values = load<width>(value + from);
#pragma unroll
        for (int k = 0; k < width; ++k) {
            const A gradient = A(arriving.lane[k]), x = A(gates.lane[k]);
            gates.lane[k] = T(F::backward(gradient * A(values.lane[k]), x));
            values.lane[k] = T(gradient * F::forward(x));
        }
        store(dgate + from, gates);
        store(dvalue + from, values);
    });
}
