// Gradients of set_norm.cu.

// Sums over a chunk of g, of g * apart and of apart, with apart = x - mean and g = dy, times w where `each` place has
// its own. Where dx is given, also dx = dy * rate.
template <int WIDTH, typename T, typename A>
__device__ __forceinline__ void chunk_sums(const T* dy, const T* x, const void* w, T* dx, const Sets& of, bool each,
                                           bool wide, A mean, A rate, A (&found)[3]) {
    each_in_chunk<WIDTH>(of, [&](unsigned, unsigned place, long long offset) {
        const auto given = load<WIDTH>(x + offset);
        auto above = load<WIDTH>(dy + offset);
        A factor[WIDTH];
        factors_at<WIDTH, T>(each ? w : nullptr, wide, place, A(1), factor);
        for (int k = 0; k < WIDTH; ++k) {
            const A apart = A(given.lane[k]) - mean, up = A(above.lane[k]), g = up * factor[k];
            found[0] += g;
            found[1] += g * apart;
            found[2] += apart;
            above.lane[k] = T(up * rate);
        }
        if (dx) store(dx + offset, above);
    });
}

// The sums that gradients need, three for each chunk of each set, where `members` sets share a mean. With given
// statistics dx does not depend on the sums, and is made here. A team has a chunk.
template <typename T, typename A>
__global__ void __launch_bounds__(512, 2) set_norm_sums(
    const T* __restrict__ dy, const T* __restrict__ x, const void* __restrict__ w, const void* __restrict__ mean_of,
    const void* __restrict__ var_of, T* __restrict__ dx, A* __restrict__ parts, long long sets, long long pieces,
    long long length, long long stride, long long apart, long long share, long long members, long long each,
    long long wide, long long wide_statistics, A eps) {
    __shared__ A shared[96];
    const Sets of = {sets, pieces, length, stride, apart, share, sets, 1, 0};
    const long long set = (long long)blockIdx.x * blockDim.y + threadIdx.y;
    const bool exists = set < sets;
    constexpr int lanes = 16 / sizeof(T);
    const bool packed = length % lanes == 0 && apart % lanes == 0 && stride % lanes == 0 && aligned(dy) && aligned(x) &&
                        aligned(dx) && (!each || aligned(w));
    A found[3] = {A(0), A(0), A(0)};
    if (exists) {
        const A mean = mean_of ? factor_at<T, A>(mean_of, wide_statistics != 0, set / members) : A(0);
        A rate = A(0);
        if (dx) {
            rate = reciprocal_root(factor_at<T, A>(var_of, wide_statistics != 0, set) + eps);
            if (w) rate *= factor_at<T, A>(w, wide != 0, set);
        }
        const long long at = set * apart;
        T* result = dx ? dx + at : dx;
        if (packed)
            chunk_sums<lanes, T, A>(dy + at, x + at, w, result, of, each != 0, wide != 0, mean, rate, found);
        else
            chunk_sums<1, T, A>(dy + at, x + at, w, result, of, each != 0, wide != 0, mean, rate, found);
    }
    team_sum(found, shared);
    if (exists && threadIdx.x == 0)
        for (int k = 0; k < 3; ++k) parts[3 * (set * gridDim.y + blockIdx.y) + k] = found[k];
}

// dx = (dy * w - level - (x - mean - rest) * slope) * rstd for a chunk.
template <int WIDTH, typename T, typename A>
__device__ __forceinline__ void chunk_gradients(const T* dy, const T* x, const void* w, T* dx, const Sets& of,
                                                long long first, bool each, bool wide, A mean, A rest, A level,
                                                A slope, A rstd) {
    each_in_chunk<WIDTH>(of, [&](unsigned piece, unsigned place, long long offset) {
        const auto given = load<WIDTH>(x + offset);
        auto pack = load<WIDTH>(dy + offset);
        A factor[WIDTH];
        if (each) {
            factors_at<WIDTH, T>(w, wide, place, A(1), factor);
        } else {
            const A one = w ? factor_at<T, A>(w, wide, first + piece * of.step) : A(1);
            for (int k = 0; k < WIDTH; ++k) factor[k] = one;
        }
        for (int k = 0; k < WIDTH; ++k) {
            const A from_mean = A(given.lane[k]) - mean - rest;
            pack.lane[k] = T((A(pack.lane[k]) * factor[k] - level - from_mean * slope) * rstd);
        }
        store(dx + offset, pack);
    });
}

// dx of each set, whose sums are those of its `members`, `chunks` of each; and dw and db, of a channel where that is a
// set (`owns`), else by the blocks after those of the sets, in which a warp has a channel and sums over the samples. A
// team has a chunk. Where dx is null only the sums are wanted.
template <typename T, typename A>
__global__ void __launch_bounds__(512, 2) set_norm_gradients(
    const T* __restrict__ dy, const T* __restrict__ x, const void* __restrict__ w, const void* __restrict__ mean_of,
    const void* __restrict__ var_of, T* __restrict__ dx, void* __restrict__ dw, void* __restrict__ db,
    const A* __restrict__ parts, long long sets, long long pieces, long long length, long long stride, long long apart,
    long long share, long long channels, long long first, long long step, long long members, long long chunks,
    long long owns, long long each, long long wide, long long wide_statistics, long long rooted, A eps) {
    __shared__ A shared[96];
    const Sets of = {sets, pieces, length, stride, apart, share, channels, first, step};
    const long long blocks = (sets + blockDim.y - 1) / blockDim.y;
    if (blockIdx.x >= blocks) {
        const int thread = threadIdx.y * blockDim.x + threadIdx.x, warps = blockDim.x * blockDim.y / 32;
        const long long channel = (blockIdx.x - blocks) * warps + thread / 32;
        if (blockIdx.y || channel >= channels) return;
        A of_w = A(0), of_b = A(0);
        const long long samples = sets * members / channels;
        for (long long sample = thread % 32; sample < samples; sample += 32) {
            const long long plane = sample * channels + channel;
            A found[3] = {A(0), A(0), A(0)};
            for (long long i = plane * chunks; i < (plane + 1) * chunks; ++i)
                for (int k = 0; k < 3; ++k) found[k] += parts[3 * i + k];
            if (members == 1) found[1] -= found[2] / A(length) * found[0];
            of_w += found[1] * inverse_root(factor_at<T, A>(var_of, true, plane / members), eps);
            of_b += found[0];
        }
        of_w = warp_join(of_w, Sum());
        of_b = warp_join(of_b, Sum());
        if (thread % 32) return;
        if (dw) put_factor<T, A>(dw, wide != 0, channel, of_w);
        if (db) put_factor<T, A>(db, wide != 0, channel, of_b);
        return;
    }
    const long long set = (long long)blockIdx.x * blockDim.y + threadIdx.y;
    const bool exists = set < sets;
    const long long start = (exists ? set : 0) * first % channels;
    A found[3] = {A(0), A(0), A(0)};
    if (exists)
        for (unsigned i = threadIdx.x; i < members * chunks; i += blockDim.x) {
            const A weight = w && members > 1 ? factor_at<T, A>(w, wide != 0, start + i / (unsigned)chunks) : A(1);
            const A* own = parts + 3 * (set * members * chunks + i);
            found[0] += own[0] * weight;
            found[1] += own[1] * weight;
            found[2] += own[2];
        }
    team_sum(found, shared);
    if (!exists) return;
    const A count = A(pieces * length), mean = mean_of ? factor_at<T, A>(mean_of, wide_statistics != 0, set) : A(0);
    const A variance = factor_at<T, A>(var_of, wide_statistics != 0, set);
    const A rstd = rooted ? variance : inverse_root(variance, eps);
    const A rest = dx && mean_of ? found[2] / count : A(0), product = found[1] - rest * found[0];
    if (owns && blockIdx.y == 0 && threadIdx.x == 0) {
        if (dw) put_factor<T, A>(dw, wide != 0, set, product * rstd);
        if (db) put_factor<T, A>(db, wide != 0, set, found[0]);
    }
    if (!dx) return;
    const A weight = w && members == 1 && !each ? factor_at<T, A>(w, wide != 0, start) : A(1);
    const A level = mean_of ? found[0] * weight / count : A(0), slope = product * weight / count * rstd * rstd;
    constexpr int lanes = 16 / sizeof(T);
    const long long at = set * apart;
    if (length % lanes == 0 && apart % lanes == 0 && stride % lanes == 0 && aligned(dy) && aligned(x) && aligned(dx) &&
        (!each || aligned(w)))
        chunk_gradients<lanes, T, A>(dy + at, x + at, w, dx + at, of, start, each != 0, wide != 0, mean, rest, level,
                                     slope, rstd);
    else
        chunk_gradients<1, T, A>(dy + at, x + at, w, dx + at, of, start, each != 0, wide != 0, mean, rest, level,
                                 slope, rstd);
}
