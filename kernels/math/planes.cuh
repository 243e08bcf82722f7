// Windows of pooling over up to three spatial dimensions, as gpudl.ops.windows has them.
//
// Planes of these dimensions follow each other in memory. A block has blockDim.x elements of a plane side by side in
// blockDim.y planes; blockIdx.y goes on over the planes. Within a plane 32 bits suffice for a place.

struct Axis {
    int size, kernel, stride, padding, dilation, out;

    // The position of a tap of window q; padding where it is none of the elements.
    __device__ __forceinline__ int at(int q, int tap) const { return q * stride + tap * dilation - padding; }

    // The first and the last window that may cover an element, and which of its taps does: -1 for none.
    __device__ __forceinline__ int first(int i) const {
        const int past = i + padding - (kernel - 1) * dilation;
        return past > 0 ? (past + stride - 1) / stride : 0;
    }
    __device__ __forceinline__ int last(int i) const {
        const int found = (i + padding) / stride;
        return found < out ? found : out - 1;
    }
    __device__ __forceinline__ int tap(int i, int q) const {
        const int offset = i + padding - q * stride;
        return dilation == 1 ? offset : offset % dilation ? -1 : offset / dilation;
    }
};

// Dimension `number` of a table with six numbers for each of the three.
__device__ __forceinline__ Axis axis_of(const int* __restrict__ table, int number) {
    const int* six = table + 6 * number;
    return {six[0], six[1], six[2], six[3], six[4], six[5]};
}

// Calls body(start of the plane, d, h, w) for each element of planes of depth x height x width that this thread has;
// the start counts planes, not elements.
template <typename Body>
__device__ __forceinline__ void each_in_planes(long long planes, int depth, int height, int width, Body body) {
    const int area = depth * height * width;
    for (long long plane = (long long)blockIdx.y * blockDim.y + threadIdx.y; plane < planes;
         plane += (long long)gridDim.y * blockDim.y)
        for (int place = blockIdx.x * blockDim.x + threadIdx.x; place < area; place += gridDim.x * blockDim.x) {
            const int row = place / width;
            body(plane, depth == 1 ? 0 : row / height, depth == 1 ? row : row % height, place % width);
        }
}
