// How the windows of a convolution lie, and reading what they cover.
//
// Along each of three dimensions (those that a tensor does not have are of length 1) the taps of window q cover the
// places stride q + dilation t - padding. A convolution goes from windows to places. Its gradient goes back: each
// element is met by every so manieth tap only, the same ones for all elements that are a stride apart. Such elements,
// a phase, are again results of windows, that move on by one. So both are sums over j < taps of what the source has at
//
//     step i + gap j + start

struct Axis {
    int step, gap, start;               // see above
    int count, taps, limit;             // of results i, of taps j, of places in the source
    int first, stride, length;          // result i stands at first + stride i, of length
    int first_tap, tap_stride, kernel;  // tap j has the weight first_tap + tap_stride j, of kernel
};

// What a kernel is told of a dimension: kernel, stride, padding and dilation in 16 bits each; size and windows in 32.
struct Dimension {
    int kernel, stride, padding, dilation, size, out;
    __device__ __forceinline__ Dimension(long long window, long long lengths)
        : kernel(int(window & 0xffff)), stride(int(window >> 16 & 0xffff)), padding(int(window >> 32 & 0xffff)),
          dilation(int(window >> 48 & 0xffff)), size(int(lengths & 0x7fffffff)), out(int(lengths >> 32)) {}

    __device__ __forceinline__ int phases() const { return stride < size ? stride : size; }

    __device__ __forceinline__ Axis forward() const {
        return {stride, dilation, -padding, out, kernel, size, 0, 1, out, 0, 1, kernel};
    }

    __device__ __forceinline__ Axis backward(int phase) const {
        int divisor = stride, rest = dilation;
        while (rest) {
            const int next = divisor % rest;
            divisor = rest;
            rest = next;
        }
        const int every = stride / divisor, met = kernel < every ? kernel : every;
        int tap = 0;
        while (tap < met && (phase + padding - dilation * tap) % stride) ++tap;
        const int taps = tap < met ? (kernel - 1 - tap) / every + 1 : 0;
        const int start = (phase + padding - dilation * tap) / stride;
        return {1, -(dilation / divisor), start, (size - phase + stride - 1) / stride, taps, out, phase, stride, size,
                tap, every, kernel};
    }
};

// A place in the source is the sum of two: that of a result, which may be in any image, and that of a channel and tap.
struct alignas(16) Spot {
    long long at;  // in elements
    int d, h, w;
};
struct alignas(16) Tap {
    int at, d, h, w;
};

constexpr int OUTSIDE = -(1 << 30);  // the d of what is none: no sum with it is inside

template <typename T>
__device__ __forceinline__ T seen(const T* source, const Spot& spot, const Tap& tap, int depth, int height, int width) {
    const bool inside = unsigned(spot.d + tap.d) < unsigned(depth) && unsigned(spot.h + tap.h) < unsigned(height) &&
                        unsigned(spot.w + tap.w) < unsigned(width);
    return inside ? source[spot.at + tap.at] : T(0);
}

// The spot of result number i of an image, in that image.
__device__ __forceinline__ Spot spot_of_result(unsigned i, const Axis* axes) {
    const unsigned w = i % axes[2].count, row = i / axes[2].count;
    const int h = int(row % axes[1].count), d = int(row / axes[1].count);
    const int at_d = axes[0].step * d + axes[0].start, at_h = axes[1].step * h + axes[1].start;
    const int at_w = axes[2].step * int(w) + axes[2].start;
    return {((long long)at_d * axes[1].limit + at_h) * axes[2].limit + at_w, at_d, at_h, at_w};
}

// Where result number i of an image stands among those of all phases.
__device__ __forceinline__ long long place_of_result(unsigned i, const Axis* axes) {
    const unsigned w = i % axes[2].count, row = i / axes[2].count;
    const long long h = row % axes[1].count, d = row / axes[1].count;
    return ((axes[0].first + axes[0].stride * d) * axes[1].length + axes[1].first + axes[1].stride * h) *
               axes[2].length + axes[2].first + axes[2].stride * (long long)w;
}

// Tap number j, counted over all channels, and where its weight stands among those of its row.
__device__ __forceinline__ Tap tap_of(unsigned j, const Axis* axes, int channel_stride, int& weight) {
    const unsigned taps_w = axes[2].taps, taps_h = axes[1].taps, taps_d = axes[0].taps;
    const int w = int(j % taps_w), h = int(j / taps_w % taps_h), d = int(j / (taps_w * taps_h) % taps_d);
    const int channel = int(j / (taps_w * taps_h * taps_d));
    weight = channel * channel_stride +
             ((axes[0].first_tap + axes[0].tap_stride * d) * axes[1].kernel + axes[1].first_tap +
              axes[1].tap_stride * h) * axes[2].kernel + axes[2].first_tap + axes[2].tap_stride * w;
    const int at_d = axes[0].gap * d, at_h = axes[1].gap * h, at_w = axes[2].gap * w;
    return {((channel * axes[0].limit + at_d) * axes[1].limit + at_h) * axes[2].limit + at_w, at_d, at_h, at_w};
}
