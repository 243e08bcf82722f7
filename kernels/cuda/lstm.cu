// One time step of an LSTM for `rows` sequences. `gates`, (rows, 4 columns), has the sums of the products and receives
// the gates i, f, g, o. c moves on. What was in h and c before is kept for the backward, and y and h receive the new
// state; without h, y alone does, for a projection. A thread has a cell.
template <typename T, typename A>
__global__ void __launch_bounds__(256, 2)
    lstm_step(T* __restrict__ gates, const T* __restrict__ b_ih, const T* __restrict__ b_hh, T* __restrict__ h,
              T* __restrict__ c, T* __restrict__ y, T* __restrict__ tanh_c, T* __restrict__ before_h,
              T* __restrict__ before_c, long long rows, long long columns) {
    each_cell(rows, columns, [&](long long row, long long column) {
        T* a = gates + row * 4 * columns + column;
        A sums[4];
        for (int gate = 0; gate < 4; ++gate) {
            const long long place = gate * columns + column;
            sums[gate] = A(a[gate * columns]) + bias_of<A>(b_ih, place) + bias_of<A>(b_hh, place);
        }
        const A i = logistic(sums[0]), f = logistic(sums[1]), g = tangent_h(sums[2]), o = logistic(sums[3]);
        a[0] = T(i);
        a[columns] = T(f);
        a[2 * columns] = T(g);
        a[3 * columns] = T(o);
        const long long place = row * columns + column;
        const A before = A(c[place]), now = f * before + i * g, bent = tangent_h(now);
        before_c[place] = T(before);
        c[place] = T(now);
        tanh_c[place] = T(bent);
        if (h) {
            before_h[place] = h[place];
            h[place] = T(o * bent);
        }
        y[place] = T(o * bent);
    });
}

// The gradients of the sums of one time step, (rows, 4 columns), from that of the output, dy if there is one plus dh, and
// that of the cell, dc, which moves back a step. A thread has a cell.
template <typename T, typename A>
__global__ void __launch_bounds__(256, 2)
    lstm_step_back(const T* __restrict__ dh, const T* __restrict__ dy, T* __restrict__ dc, const T* __restrict__ gates,
                   const T* __restrict__ tanh_c, const T* __restrict__ before_c, T* __restrict__ da, long long rows,
                   long long columns) {
    each_cell(rows, columns, [&](long long row, long long column) {
        const long long place = row * columns + column;
        const T* s = gates + row * 4 * columns + column;
        T* to = da + row * 4 * columns + column;
        const A i = A(s[0]), f = A(s[columns]), g = A(s[2 * columns]), o = A(s[3 * columns]), t = A(tanh_c[place]);
        const A whole = A(dh[place]) + (dy ? A(dy[place]) : A(0));
        const A now = A(dc[place]) + whole * o * (A(1) - t * t);
        to[0] = T(now * g * i * (A(1) - i));
        to[columns] = T(now * A(before_c[place]) * f * (A(1) - f));
        to[2 * columns] = T(now * i * (A(1) - g * g));
        to[3 * columns] = T(whole * t * o * (A(1) - o));
        dc[place] = T(now * f);
    });
}
