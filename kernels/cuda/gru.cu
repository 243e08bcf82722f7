// One time step of a GRU for `rows` sequences. `gates` and m, (rows, 3 columns), have the products of x and of h; `gates`
// receives the gates r, z, n, and of_n what r scales. What was in h is kept for the backward, and y and h receive the
// new state. A thread has a cell.
template <typename T, typename A>
__global__ void __launch_bounds__(256, 2)
    gru_step(T* __restrict__ gates, const T* __restrict__ m, const T* __restrict__ b_ih, const T* __restrict__ b_hh,
             T* __restrict__ h, T* __restrict__ y, T* __restrict__ of_n, T* __restrict__ before_h, long long rows,
             long long columns) {
    each_cell(rows, columns, [&](long long row, long long column) {
        T* a = gates + row * 3 * columns + column;
        const T* other = m + row * 3 * columns + column;
        A u[3], v[3];
        for (int gate = 0; gate < 3; ++gate) {
            u[gate] = A(a[gate * columns]) + bias_of<A>(b_ih, gate * columns + column);
            v[gate] = A(other[gate * columns]) + bias_of<A>(b_hh, gate * columns + column);
        }
        const A r = logistic(u[0] + v[0]), z = logistic(u[1] + v[1]), n = tangent_h(u[2] + r * v[2]);
        a[0] = T(r);
        a[columns] = T(z);
        a[2 * columns] = T(n);
        const long long place = row * columns + column;
        const A before = A(h[place]), now = n + z * (before - n);
        of_n[place] = T(v[2]);
        before_h[place] = T(before);
        h[place] = T(now);
        y[place] = T(now);
    });
}

// The gradients of both products of one time step, du and dm, (rows, 3 columns), from that of the output, dy + dh. dh
// receives the part of its own gradient that comes past the products. A thread has a cell.
template <typename T, typename A>
__global__ void __launch_bounds__(256, 2)
    gru_step_back(T* __restrict__ dh, const T* __restrict__ dy, const T* __restrict__ gates, const T* __restrict__ of_n,
                  const T* __restrict__ before_h, T* __restrict__ du, T* __restrict__ dm, long long rows,
                  long long columns) {
    each_cell(rows, columns, [&](long long row, long long column) {
        const long long place = row * columns + column, first = row * 3 * columns + column;
        const A r = A(gates[first]), z = A(gates[first + columns]), n = A(gates[first + 2 * columns]);
        const A whole = A(dh[place]) + A(dy[place]);
        const A dz = whole * (A(before_h[place]) - n) * z * (A(1) - z), dn = whole * (A(1) - z) * (A(1) - n * n);
        const A dr = dn * A(of_n[place]) * r * (A(1) - r);
        du[first] = T(dr);
        du[first + columns] = T(dz);
        du[first + 2 * columns] = T(dn);
        dm[first] = T(dr);
        dm[first + columns] = T(dz);
        dm[first + 2 * columns] = T(dn * r);
        dh[place] = T(whole * z);
    });
}
