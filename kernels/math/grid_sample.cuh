// Where a point of a grid lies among elements, and how much of each of them it takes, along one dimension.

enum { ZEROS, BORDER, REFLECTION };

__device__ __forceinline__ float whole(float x) { return floorf(x); }
__device__ __forceinline__ double whole(double x) { return floor(x); }
__device__ __forceinline__ float nearest(float x) { return rintf(x); }
__device__ __forceinline__ double nearest(double x) { return rint(x); }

// How an image goes on outside: a place moved inside, and the derivative of that.
template <typename A> struct Inside {
    A place, slope;
};

template <typename A>
__device__ __forceinline__ Inside<A> inside(A place, int size, int padding, bool by_centers) {
    A slope = A(1);
    if (padding == ZEROS) return {place, slope};
    if (padding == REFLECTION) {
        const A low = by_centers ? A(0) : A(-0.5), span = by_centers ? A(size - 1) : A(size);
        if (span <= A(0)) return {A(0), A(0)};
        const A sign = place < low ? A(-1) : A(1), flips = whole((place - low) * sign / span);
        const bool odd = flips - whole(flips * A(0.5)) * A(2) == A(1);
        const A inner = (place - low) * sign - flips * span;
        place = odd ? span + low - inner : inner + low;
        slope = odd ? -sign : sign;
    }
    if (place > A(0) && place < A(size - 1)) return {place, slope};
    return {place >= A(size - 1) ? A(size - 1) : A(0), A(0)};
}

// The elements that a point takes of one dimension, -1 for one outside, their weights and the derivatives of these.
template <typename A, int TAPS> struct Taps {
    int at[TAPS];
    A weight[TAPS], slope[TAPS];

    __device__ __forceinline__ void put(int tap, A place, int size) {
        at[tap] = place >= A(0) && place <= A(size - 1) ? int(place) : -1;
    }

    __device__ __forceinline__ void find(A coordinate, int size, int padding, bool by_centers) {
        const A place = by_centers ? (coordinate + A(1)) * (A(size - 1) * A(0.5))
                                   : ((coordinate + A(1)) * A(size) - A(1)) * A(0.5);
        const A scale = by_centers ? A(size - 1) * A(0.5) : A(size) * A(0.5);
        if (TAPS == 4) {  // the cubic of Keys 1981; its neighbors are moved inside one by one
            const A c = A(-0.75), low = whole(place), t = place - low;
#pragma unroll
            for (int tap = 0; tap < TAPS; ++tap) {
                put(tap, inside(low + A(tap - 1), size, padding, by_centers).place, size);
                const A away = tap < 2 ? t + A(1 - tap) : A(tap - 1) - t, sign = tap < 2 ? A(1) : A(-1);
                if (tap == 1 || tap == 2) {
                    weight[tap] = ((c + A(2)) * away - (c + A(3))) * away * away + A(1);
                    slope[tap] = sign * (A(3) * (c + A(2)) * away - A(2) * (c + A(3))) * away * scale;
                } else {
                    weight[tap] = ((c * away - A(5) * c) * away + A(8) * c) * away - A(4) * c;
                    slope[tap] = sign * ((A(3) * c * away - A(10) * c) * away + A(8) * c) * scale;
                }
            }
            return;
        }
        const Inside<A> moved = inside(place, size, padding, by_centers);
        if (TAPS == 1) {
            put(0, nearest(moved.place), size);
            weight[0] = A(1);
            slope[0] = A(0);
            return;
        }
        const A low = whole(moved.place), part = moved.place - low;
        put(0, low, size);
        put(1 % TAPS, low + A(1), size);
        weight[0] = A(1) - part;
        weight[1 % TAPS] = part;
        slope[0] = -moved.slope * scale;
        slope[1 % TAPS] = moved.slope * scale;
    }
};

// The taps of one point in depth, height and width; an image has a depth of 1, of which a point takes all.
template <typename A, int DEEP, int TAPS> struct Point {
    Taps<A, DEEP> deep;
    Taps<A, TAPS> down, across;

    template <typename T>
    __device__ __forceinline__ void find(const T* coordinates, int dims, int depth, int height, int width, int padding,
                                         bool by_centers) {
        across.find(A(coordinates[0]), width, padding, by_centers);
        down.find(A(coordinates[1]), height, padding, by_centers);
        if (dims == 3) {
            deep.find(A(coordinates[2]), depth, padding, by_centers);
        } else {
            deep.at[0] = 0;
            deep.weight[0] = A(1);
            deep.slope[0] = A(0);
        }
    }

    // The element under three taps, -1 for one outside.
    __device__ __forceinline__ int element(int i, int j, int k, int height, int width) const {
        const bool exists = deep.at[i] >= 0 && down.at[j] >= 0 && across.at[k] >= 0;
        return exists ? (deep.at[i] * height + down.at[j]) * width + across.at[k] : -1;
    }

    // Calls body(number of the tap, element, i, j, k) for all taps.
    template <typename Body> __device__ __forceinline__ void each(int height, int width, Body body) const {
#pragma unroll
        for (int i = 0; i < DEEP; ++i)
#pragma unroll
            for (int j = 0; j < TAPS; ++j)
#pragma unroll
                for (int k = 0; k < TAPS; ++k)
                    body((i * TAPS + j) * TAPS + k, element(i, j, k, height, width), i, j, k);
    }
};
