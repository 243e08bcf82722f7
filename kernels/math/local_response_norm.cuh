// Local response normalization at one place of (samples, channels, places): y = x d**-beta.

__device__ __forceinline__ float raised(float x, float y) { return powf(x, y); }
__device__ __forceinline__ double raised(double x, double y) { return pow(x, y); }

// d**-beta. Roots take less time than powers, and 0.75 is what everybody takes.
template <typename A> __device__ __forceinline__ A response_power(A d, A beta) {
    if (beta == A(0.75)) {
        const A root = square_root(d);
        return A(1) / (root * square_root(root));
    }
    return raised(d, -beta);
}

// d = k + rate * (sum of x**2 over the window of a channel), WIDTH places side by side. x: the place in channel 0.
template <int WIDTH, typename T, typename A>
__device__ __forceinline__ void response_divisors(const T* x, long long channel, long long channels, long long places,
                                                  long long size, A rate, A k, A (&d)[WIDTH]) {
    const long long low = channel - size / 2 > 0 ? channel - size / 2 : 0, last = channel + (size - 1) / 2;
    const long long high = last < channels - 1 ? last : channels - 1;
    for (int i = 0; i < WIDTH; ++i) d[i] = A(0);
    for (long long other = low; other <= high; ++other) {
        const auto pack = load<WIDTH>(x + other * places);
        for (int i = 0; i < WIDTH; ++i) d[i] += A(pack.lane[i]) * A(pack.lane[i]);
    }
    for (int i = 0; i < WIDTH; ++i) d[i] = d[i] * rate + k;
}
