// One time step of a plain recurrent layer for `rows` sequences. y has the sums of the products and receives the new
// state, as h does; what was in h is kept for the backward. A thread has a cell.
template <typename T, typename A>
__global__ void __launch_bounds__(256, 2)
    rnn_step(T* __restrict__ y, const T* __restrict__ b_ih, const T* __restrict__ b_hh, T* __restrict__ h,
             T* __restrict__ before_h, long long rows, long long columns, long long by_tanh) {
    each_cell(rows, columns, [&](long long row, long long column) {
        const long long place = row * columns + column;
        const A sum = A(y[place]) + bias_of<A>(b_ih, column) + bias_of<A>(b_hh, column);
        const A now = by_tanh ? tangent_h(sum) : sum < A(0) ? A(0) : sum;
        before_h[place] = h[place];
        h[place] = T(now);
        y[place] = T(now);
    });
}

// The gradient of the sums of one time step from that of the output, dy + dh. A thread has a cell.
template <typename T, typename A>
__global__ void __launch_bounds__(256, 2)
    rnn_step_back(const T* __restrict__ dh, const T* __restrict__ dy, const T* __restrict__ y, T* __restrict__ da,
                  long long rows, long long columns, long long by_tanh) {
    each_cell(rows, columns, [&](long long row, long long column) {
        const long long place = row * columns + column;
        const A whole = A(dh[place]) + A(dy[place]), out = A(y[place]);
        da[place] = T(by_tanh ? whole * (A(1) - out * out) : out <= A(0) ? A(0) : whole);
    });
}
