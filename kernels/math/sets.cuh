// How the elements of sets lie in memory, where each set is normalized by its own mean and variance. A set is `pieces`
// runs of `length` elements, that begin `stride` apart: of (samples, channels, places) a channel of all samples, or a
// group of channels of one sample, whose pieces are its channels; or a single run, a row too long for row_norm.cu. A
// team of threads, see team_sum, works on a chunk of `share` elements of a set, of which there are gridDim.y.
//
//     set s:   | piece 0         | piece 1         | ...              factors w, b: of channel first + step * piece, or
//              | chunk 0      | chunk 1      | ...                    where `each` of the place in the run
struct Sets {
    long long sets, pieces, length, stride, apart;  // apart: where one set begins after the other
    long long share, channels, first, step;         // set s has the channels from s * first % channels on
};

template <int WIDTH, typename Body>
__device__ __forceinline__ void each_in_chunk(const Sets& of, Body body) {
    const unsigned length = of.length, step = blockDim.x * WIDTH, pieces = step / length, places = step % length;
    const unsigned count = of.pieces * of.length, low = blockIdx.y * of.share;
    const unsigned high = count - low < of.share ? count : low + (unsigned)of.share;
    unsigned at = low + threadIdx.x * WIDTH, piece = at / length, place = at % length;
#pragma unroll 4
    for (; at < high; at += step) {
        body(piece, place, (long long)piece * of.stride + place);
        piece += pieces;
        place += places;
        if (place >= length) {
            place -= length;
            ++piece;
        }
    }
}
