// Of each window of segments of up to three dimensions the largest element, the first of equals and the last nan, and
// its place in the plane. A thread has a window.
template <typename T, typename A>
__global__ void __launch_bounds__(256, 2)
    segment_largest(const T* __restrict__ x, T* __restrict__ y, long long* __restrict__ places, long long planes,
                    long long depth, long long height, long long width, long long out_depth, long long out_height,
                    long long out_width) {
    const long long area = depth * height * width, count = out_depth * out_height * out_width;
    each_in_planes(planes, int(out_depth), int(out_height), int(out_width), [&](long long plane, int d, int h, int w) {
        const T* elements = x + plane * area;
        const int z0 = int(segment_start(d, depth, out_depth)), z1 = int(segment_end(d, depth, out_depth));
        const int v0 = int(segment_start(h, height, out_height)), v1 = int(segment_end(h, height, out_height));
        const int u0 = int(segment_start(w, width, out_width)), u1 = int(segment_end(w, width, out_width));
        int place = (z0 * int(height) + v0) * int(width) + u0;
        A best = A(elements[place]);
        for (int z = z0; z < z1; ++z)
            for (int v = v0; v < v1; ++v)
                for (int u = u0; u < u1; ++u) {
                    const int here = (z * int(height) + v) * int(width) + u;
                    const A seen = A(elements[here]);
                    if (seen > best || seen != seen) {
                        best = seen;
                        place = here;
                    }
                }
        const long long q = plane * count + (d * out_height + h) * out_width + w;
        y[q] = elements[place];
        places[q] = place;
    });
}

// dx: the sum of dy over the windows whose largest element an element is. A thread has an element.
template <typename T, typename A>
__global__ void __launch_bounds__(256, 2)
    segment_largest_backward(const T* __restrict__ dy, const long long* __restrict__ places, T* __restrict__ dx,
                             long long planes, long long depth, long long height, long long width, long long out_depth,
                             long long out_height, long long out_width) {
    const long long area = depth * height * width, count = out_depth * out_height * out_width;
    each_in_planes(planes, int(depth), int(height), int(width), [&](long long plane, int z, int v, int u) {
        const long long here = (z * height + v) * width + u;
        A sum = A(0);
        for (long long d = z * out_depth / depth; d < out_depth && segment_start(d, depth, out_depth) <= z; ++d)
            for (long long h = v * out_height / height; h < out_height && segment_start(h, height, out_height) <= v; ++h)
                for (long long w = u * out_width / width; w < out_width && segment_start(w, width, out_width) <= u; ++w) {
                    const long long q = plane * count + (d * out_height + h) * out_width + w;
                    if (places[q] == here) sum += A(dy[q]);
                }
        dx[plane * area + here] = T(sum);
    });
}
