// What the steps of recurrent layers share. A block has columns of one row of the batch; blockIdx.y goes down the rows.

template <typename A> __device__ __forceinline__ A logistic(A x) { return A(1) / (A(1) + exponential(-x)); }

// Calls body(row, column) for each of rows x columns.
template <typename Body> __device__ __forceinline__ void each_cell(long long rows, long long columns, Body body) {
    const long long step = (long long)gridDim.x * blockDim.x;
    for (long long row = blockIdx.y; row < rows; row += gridDim.y)
        for (long long column = (long long)blockIdx.x * blockDim.x + threadIdx.x; column < columns; column += step)
            body(row, column);
}

// A bias that may be missing.
template <typename A, typename T> __device__ __forceinline__ A bias_of(const T* b, long long column) {
    return b ? A(b[column]) : A(0);
}
