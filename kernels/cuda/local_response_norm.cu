template <int WIDTH, typename T, typename A>
__device__ __forceinline__ void local_response_norm_places(const T* x, T* y, long long samples, long long channels,
                                                           long long places, long long size, A rate, A beta, A k) {
    const long long channel = (long long)blockIdx.y * blockDim.y + threadIdx.y;
    const long long place = ((long long)blockIdx.x * blockDim.x + threadIdx.x) * WIDTH;
    if (channel >= channels || place >= places) return;
    for (long long sample = blockIdx.z; sample < samples; sample += gridDim.z) {
        const long long start = sample * channels * places + place;
        A d[WIDTH];
        response_divisors<WIDTH, T, A>(x + start, channel, channels, places, size, rate, k, d);
        auto pack = load<WIDTH>(x + start + channel * places);
        for (int i = 0; i < WIDTH; ++i) pack.lane[i] = T(A(pack.lane[i]) * response_power(d[i], beta));
        store(y + start + channel * places, pack);
    }
}

// y = x * d**-beta. A thread has 16 bytes of places of a channel, and reads those of the window, which the threads of
// other channels read as well and so the cache has; threadIdx.y counts channels, blockIdx.z samples.
template <typename T, typename A>
__global__ void __launch_bounds__(256, 3) local_response_norm_forward(const T* __restrict__ x, T* __restrict__ y,
                                                                   long long samples, long long channels,
                                                                   long long places, long long size, long long packed,
                                                                   A rate, A beta, A k) {
    if (packed)
        local_response_norm_places<16 / sizeof(T), T, A>(x, y, samples, channels, places, size, rate, beta, k);
    else
        local_response_norm_places<1, T, A>(x, y, samples, channels, places, size, rate, beta, k);
}

// dx = dy * d**-beta - push * x * (sum of t over the windows that see the channel), t = dy * x * d**-(beta + 1). A
// thread has a place and goes up some channels, with t and d**-beta of `size` channels in a ring of its own:
//
//     ring[.][thread]: t of channel - (size - 1) / 2, ..., channel, ..., channel + size / 2, the newest over the oldest
template <typename T, typename A>
__global__ void __launch_bounds__(128, 4) local_response_norm_backward(const T* __restrict__ dy,
                                                                    const T* __restrict__ x, T* __restrict__ dx,
                                                                    long long samples, long long channels,
                                                                    long long places, long long size,
                                                                    long long share, A rate, A beta,
                                                                    A k, A push) {
    __shared__ A seen[16][128], powers[16][128];
    const long long place = (long long)blockIdx.x * 128 + threadIdx.x, low = blockIdx.y * share;
    const long long high = low + share < channels ? low + share : channels, ahead = size / 2;
    if (place >= places) return;
    for (long long sample = blockIdx.z; sample < samples; sample += gridDim.z) {
        const long long start = sample * channels * places + place;
        int newest = 0;
        for (long long next = low - (size - 1) / 2; next < high + ahead; ++next) {
            A t = A(0), power = A(0);
            if (next >= 0 && next < channels) {
                A d[1];
                response_divisors<1, T, A>(x + start, next, channels, places, size, rate, k, d);
                power = response_power(d[0], beta);
                t = A(dy[start + next * places]) * A(x[start + next * places]) * power / d[0];
            }
            seen[newest][threadIdx.x] = t;
            powers[newest][threadIdx.x] = power;
            const long long channel = next - ahead;
            if (channel >= low) {
                A sum = A(0);
                for (int i = 0; i < size; ++i) sum += seen[i][threadIdx.x];
                const int own = newest < ahead ? newest - ahead + size : newest - ahead;
                const long long at = start + channel * places;
                dx[at] = T(A(dy[at]) * powers[own][threadIdx.x] - push * A(x[at]) * sum);
            }
            newest = newest + 1 < size ? newest + 1 : 0;
        }
    }
}
