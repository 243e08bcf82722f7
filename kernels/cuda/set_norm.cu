// Sets of elements, see math/sets.cuh, normalized by their own mean and variance.

// How many elements a chunk has.
__device__ __forceinline__ long long in_chunk(const Sets& of, long long chunk) {
    const long long left = of.pieces * of.length - chunk * of.share;
    return left < of.share ? left : of.share;
}

// The mean of a chunk, less `origin`, and the sum of the squares of what is apart from it. A thread takes everything
// relative to its first element, so that a large mean costs no digits.
template <int WIDTH, typename T, typename A>
__device__ __forceinline__ void chunk_moments(const T* set, const Sets& of, bool exists, bool centers, A origin,
                                              A* shared, A& mean, A& spread) {
    A pivot = A(0), sum = A(0), squares = A(0);
    int count = 0;
    if (exists)
        each_in_chunk<WIDTH>(of, [&](unsigned, unsigned, long long offset) {
            const auto pack = load<WIDTH>(set + offset);
            if (count == 0 && centers) pivot = A(pack.lane[0]);
            for (int k = 0; k < WIDTH; ++k) {
                const A apart = A(pack.lane[k]) - pivot;
                sum += apart;
                squares += apart * apart;
            }
            count += WIDTH;
        });
    const A weight = A(count), own = count && centers ? pivot - origin + sum / weight : A(0);
    if (count && centers) squares -= sum * (sum / weight);
    A joined[2] = {own * weight, weight};
    team_sum(joined, shared);
    mean = joined[0] / joined[1];
    A rest[1] = {count ? squares + weight * (own - mean) * (own - mean) : A(0)};
    team_sum(rest, shared);
    spread = rest[0];
}

// The same of a set, from what is known of its chunks.
template <typename A>
__device__ __forceinline__ void set_moments(const A* parts, const Sets& of, bool exists, A* shared, A& mean,
                                            A& spread) {
    const int chunks = exists ? gridDim.y : 0;
    A joined[1] = {A(0)}, rest[1] = {A(0)};
    for (int chunk = threadIdx.x; chunk < chunks; chunk += blockDim.x)
        joined[0] += parts[2 * chunk] * A(in_chunk(of, chunk));
    team_sum(joined, shared);
    mean = joined[0] / A(of.pieces * of.length);
    for (int chunk = threadIdx.x; chunk < chunks; chunk += blockDim.x) {
        const A apart = parts[2 * chunk] - mean;
        rest[0] += parts[2 * chunk + 1] + apart * apart * A(in_chunk(of, chunk));
    }
    team_sum(rest, shared);
    spread = rest[0];
}

// y = (x - origin - mean) * rstd * w + b for a chunk.
template <int WIDTH, typename T, typename A>
__device__ __forceinline__ void normalize_chunk(const T* x, const void* w, const void* b, T* y, const Sets& of,
                                                long long set, bool each, bool wide, A origin, A mean, A rstd) {
    const long long first = set * of.first % of.channels;
    each_in_chunk<WIDTH>(of, [&](unsigned piece, unsigned place, long long offset) {
        auto pack = load<WIDTH>(x + offset);
        A factor[WIDTH], summand[WIDTH];
        if (each) {
            factors_at<WIDTH, T>(w, wide, place, A(1), factor);
            factors_at<WIDTH, T>(b, wide, place, A(0), summand);
        } else {
            const long long channel = first + piece * of.step;
            const A one = w ? factor_at<T, A>(w, wide, channel) : A(1);
            const A other = b ? factor_at<T, A>(b, wide, channel) : A(0);
            for (int k = 0; k < WIDTH; ++k) {
                factor[k] = one;
                summand[k] = other;
            }
        }
        for (int k = 0; k < WIDTH; ++k)
            pack.lane[k] = T((A(pack.lane[k]) - origin - mean) * rstd * factor[k] + summand[k]);
        store(y + offset, pack);
    });
}

// y, and the mean and the variance (or, where `rooted`, rstd) of each set. In one launch where a set is one chunk, else
// in two: the first finds the moments of each chunk, `parts`, the second joins them. Given a mean and a variance, only
// the second. Running statistics follow those of the sets, by a share of `momentum`, or where that is negative of
// 1 / tracked, which counts the calls. A team has a chunk; the teams of a block have sets side by side.
template <typename T, typename A>
__global__ void __launch_bounds__(512, 2) set_norm_forward(
    const T* __restrict__ x, const void* __restrict__ w, const void* __restrict__ b,
    const void* __restrict__ given_mean, const void* __restrict__ given_var, T* __restrict__ y,
    A* __restrict__ mean_of, A* __restrict__ var_of, A* __restrict__ parts, void* __restrict__ running_mean,
    void* __restrict__ running_var, long long* tracked,
    long long sets, long long pieces, long long length, long long stride, long long apart, long long share,
    long long channels, long long first, long long step, long long finds, long long applies, long long centers,
    long long each, long long wide, long long wide_statistics, long long rooted, A eps, A momentum) {
    __shared__ A shared[64];
    const Sets of = {sets, pieces, length, stride, apart, share, channels, first, step};
    const long long set = (long long)blockIdx.x * blockDim.y + threadIdx.y;
    const bool exists = set < sets, begins = exists && blockIdx.y == 0 && threadIdx.x == 0;
    const T* from = x + (exists ? set : 0) * apart;
    constexpr int lanes = 16 / sizeof(T);
    const bool packed = length % lanes == 0 && apart % lanes == 0 && stride % lanes == 0 && aligned(x) && aligned(y) &&
                        (!each || (aligned(w) && aligned(b)));
    A origin = centers ? A(from[0]) : A(0), mean, spread;
    const A count = A(pieces * length);
    if (finds) {
        if (packed)
            chunk_moments<lanes, T, A>(from, of, exists, centers != 0, origin, shared, mean, spread);
        else
            chunk_moments<1, T, A>(from, of, exists, centers != 0, origin, shared, mean, spread);
        if (tracked && begins && set == 0) ++*tracked;
        if (!applies) {
            if (exists && threadIdx.x == 0) {
                parts[2 * (set * gridDim.y + blockIdx.y)] = mean;
                parts[2 * (set * gridDim.y + blockIdx.y) + 1] = spread;
            }
            return;
        }
    } else if (!given_mean) {
        set_moments(parts + 2 * set * gridDim.y, of, exists, shared, mean, spread);
    }
    if (!exists) return;
    A variance = spread / count;
    if (given_mean) {
        origin = factor_at<T, A>(given_mean, wide_statistics != 0, set);
        mean = A(0);
        variance = factor_at<T, A>(given_var, wide_statistics != 0, set);
    }
    const A rstd = given_mean ? reciprocal_root(variance + eps) : inverse_root(variance, eps);
    if (begins && !given_mean) {
        if (mean_of) mean_of[set] = origin + mean;
        var_of[set] = rooted ? rstd : variance;
        if (running_mean) {
            const A part = momentum < A(0) ? A(1) / A(*tracked) : momentum;
            const A unbiased = count > A(1) ? count - A(1) : A(1);
            const bool wider = wide_statistics != 0;
            const A before = factor_at<T, A>(running_mean, wider, set), was = factor_at<T, A>(running_var, wider, set);
            put_factor<T, A>(running_mean, wider, set, before * (A(1) - part) + (origin + mean) * part);
            put_factor<T, A>(running_var, wider, set, was * (A(1) - part) + spread / unbiased * part);
        }
    }
    if (packed)
        normalize_chunk<lanes, T, A>(from, w, b, y + set * apart, of, set, each != 0, wide != 0, origin, mean, rstd);
    else
        normalize_chunk<1, T, A>(from, w, b, y + set * apart, of, set, each != 0, wide != 0, origin, mean, rstd);
}
