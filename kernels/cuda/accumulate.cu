// Rows that go to one place, combined in an order that the arguments fix: out[index[i]] = out[index[i]] o rows[i].
// Adding them with atomics would need no order, but floats would add up differently from run to run.
//
// Few rows are compared with each other, see combine_few. Many are sorted by (place, i), and combined in two steps,
// since a place may have nearly all rows (the most frequent word):
//
//   sorted places    3 3 3 3 | 3 3 3 5 | 5 8 8 8    PART = 4
//   combine_parts    tail    | head  t | h out      a run that lies in one part goes to out; of one that goes beyond
//                                                   parts keep what they have: its tail the first, heads the others
//   combine_places   --------------> --->           adds up the tail and the heads of a run
//
// Columns are combined 16 bytes a thread, where rows begin at multiples of 16; single bytes one a thread.

constexpr int PART = 32, AHEAD = 4, FEW = 2048;

// The rows `first`, `first + step`, ... of a list of `count`, AHEAD of them on their way at a time.
template <class Operation, class T, class A, int WIDTH>
__device__ __forceinline__ void combine_list(Combined<T, A, WIDTH>& all, const T* rows, const int* list, int first,
                                             int step, int count, long long columns) {
    all.set(load<WIDTH>(rows + list[first] * columns));
    for (int i = first + step; i < count; i += step * AHEAD) {
        Pack<T, WIDTH> next[AHEAD];
        for (int k = 0; k < AHEAD; ++k)
            if (i + k * step < count) next[k] = load<WIDTH>(rows + list[i + k * step] * columns);
        for (int k = 0; k < AHEAD; ++k)
            if (i + k * step < count) all.template join<Operation>(next[k]);
    }
}

template <class Operation, int WIDTH, class T, class A>
__device__ __forceinline__ void combine_listed(const T* rows, T* out, const int* list, int count, long long columns,
                                               bool fresh, bool divides) {
    __shared__ Combined<T, A, WIDTH> left[256];
    Combined<T, A, WIDTH> all;
    const int groups = blockDim.y, thread = threadIdx.y * blockDim.x + threadIdx.x;
    if (count <= groups) {  // each group has columns of its own
        for (long long column = (long long)thread * WIDTH; column < columns; column += 256 * WIDTH) {
            combine_list<Operation>(all, rows + column, list, 0, 1, count, columns);
            all.template finish<Operation>(out + column, fresh, divides ? count : 0);
        }
        return;
    }
    for (long long start = 0; start < columns; start += blockDim.x * WIDTH) {  // each group has rows of its own
        const long long column = start + threadIdx.x * WIDTH;
        if (column < columns) {
            combine_list<Operation>(all, rows + column, list, threadIdx.y, groups, count, columns);
            left[thread] = all;
        }
        __syncthreads();
        if (column < columns && threadIdx.y == 0) {
            for (int group = 1; group < groups; ++group)
                all.template join<Operation>(left[group * blockDim.x + threadIdx.x]);
            all.template finish<Operation>(out + column, fresh, divides ? count : 0);
        }
        __syncthreads();
    }
}

// Up to FEW rows: a block for each of them, which does the work for its place if it is the first row there.
template <class T, class A, class Operation>
__global__ void __launch_bounds__(256, 2) combine_few(T* __restrict__ out, const T* __restrict__ rows,
                                                   const void* __restrict__ index, long long wide, long long count,
                                                   long long columns, long long length, long long skipped,
                                                   long long fresh, long long divides) {
    __shared__ int list[FEW];
    __shared__ int in_warp[8];
    const int thread = threadIdx.y * blockDim.x + threadIdx.x, warp = thread / 32, lane = thread % 32;
    const int own = blockIdx.x;
    const long long place = number_at(index, own, wide != 0);
    if (place < 0 || place >= length || place == skipped) return;
    int found = 0;
    for (int start = 0; start < count; start += 256) {
        const int i = start + thread;
        const bool here = i < count && number_at(index, i, wide != 0) == place;
        const unsigned warps_own = __ballot_sync(0xffffffffu, here);
        if (lane == 0) in_warp[warp] = __popc(warps_own);
        __syncthreads();
        int before = found;
        for (int other = 0; other < 8; ++other) {
            if (other < warp) before += in_warp[other];
            found += in_warp[other];
        }
        if (here) list[before + __popc(warps_own & ((1u << lane) - 1))] = i;
        __syncthreads();
        if (found && list[0] != own) return;
    }
    constexpr int lanes = lanes_of<T>();
    T* to = out + place * columns;
    const int* all = list + (Operation::last_only ? found - 1 : 0);
    found = Operation::last_only ? 1 : found;
    if (columns % lanes == 0 && aligned(rows) && aligned(out))
        combine_listed<Operation, lanes, T, A>(rows, to, all, found, columns, fresh, divides);
    else
        combine_listed<Operation, 1, T, A>(rows, to, all, found, columns, fresh, divides);
}

// What sorts the rows: their places above `bits` bits of their own numbers, and `length` for those without a place.
template <class K>
__global__ void __launch_bounds__(256) combine_keys(K* __restrict__ keys, const void* __restrict__ index,
                                                    long long wide, long long count, long long length,
                                                    long long skipped, long long bits) {
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < count;
         i += (long long)gridDim.x * blockDim.x) {
        const long long place = number_at(index, i, wide != 0);
        const bool exists = place >= 0 && place < length && place != skipped;
        keys[i] = K((exists ? place : length) << bits | i);
    }
}

// The number of keys below one.
__device__ __forceinline__ long long below(const void* keys, bool wide, long long count, long long key) {
    long long low = 0, high = count;
    while (low < high) {
        const long long middle = (low + high) / 2;
        if (number_at(keys, middle, wide) < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

// The end of a run in a part: to its place where all of it lies there, else to what the part keeps.
template <class Operation, int WIDTH, class T, class A>
__device__ __forceinline__ void combine_end(Combined<T, A, WIDTH>& all, T* out, A* kept, long long place,
                                            long long before, long long after, long long columns, int often,
                                            bool fresh, bool divides) {
    if (place < 0) return;
    if (place != before && place != after) {
        all.template finish<Operation>(out + place * columns, fresh, divides ? often : 0);
    } else {
        A* to = kept + (place != before ? columns : 0);
        for (int k = 0; k < WIDTH; ++k) to[k] = all.lane[k];
    }
}

template <class Operation, int WIDTH, class T, class A>
__device__ __forceinline__ void combine_part(const T* rows, const void* keys, bool wide, T* out, A* kept,
                                             long long part, long long count, long long columns, long long length,
                                             int bits, bool fresh, bool divides) {
    const long long mask = (1ll << bits) - 1, first = part * PART;
    const int entries = count - first < PART ? int(count - first) : PART;
    const long long before = first ? number_at(keys, first - 1, wide) >> bits : -1;
    const long long after = first + entries < count ? number_at(keys, first + entries, wide) >> bits : -1;
    Combined<T, A, WIDTH> all;
    long long place = -1;
    int often = 0;
    for (int start = 0; start < entries; start += AHEAD) {
        long long places[AHEAD];
        Pack<T, WIDTH> row[AHEAD];
#pragma unroll
        for (int k = 0; k < AHEAD; ++k) {
            places[k] = length;
            if (start + k < entries) {
                const long long key = number_at(keys, first + start + k, wide);
                places[k] = key >> bits;
                if (places[k] < length) row[k] = load<WIDTH>(rows + (key & mask) * columns);
            }
        }
#pragma unroll
        for (int k = 0; k < AHEAD; ++k) {
            if (places[k] >= length) continue;  // behind all others
            if (places[k] == place) {
                all.template join<Operation>(row[k]);
                ++often;
            } else {
                combine_end<Operation>(all, out, kept, place, before, -1, columns, often, fresh, divides);
                all.set(row[k]);
                place = places[k];
                often = 1;
            }
        }
    }
    combine_end<Operation>(all, out, kept, place, before, after, columns, often, fresh, divides);
}

// Step one of many rows: the threads with one threadIdx.y combine the runs of a part, 16 bytes of columns each.
template <class T, class A, class Operation>
__global__ void __launch_bounds__(256, 2) combine_parts(T* __restrict__ out, const T* __restrict__ rows,
                                                     const void* __restrict__ keys, A* __restrict__ kept,
                                                     long long wide, long long count, long long columns,
                                                     long long length, long long bits, long long fresh,
                                                     long long divides) {
    constexpr int lanes = lanes_of<T>();
    const bool in_packs = columns % lanes == 0 && aligned(rows) && aligned(out);
    const long long step = (long long)gridDim.x * blockDim.x * (in_packs ? lanes : 1);
    long long column = ((long long)blockIdx.x * blockDim.x + threadIdx.x) * (in_packs ? lanes : 1);
    for (; column < columns; column += step)
        for (long long part = (long long)blockIdx.y * blockDim.y + threadIdx.y; part * PART < count;
             part += (long long)gridDim.y * blockDim.y) {
            A* own = kept + 2 * part * columns + column;
            if (in_packs)
                combine_part<Operation, lanes>(rows + column, keys, wide != 0, out + column, own, part, count,
                                               columns, length, int(bits), fresh != 0, divides != 0);
            else
                combine_part<Operation, 1>(rows + column, keys, wide != 0, out + column, own, part, count, columns,
                                           length, int(bits), fresh != 0, divides != 0);
        }
}

// Step two: a block looks at the last run of each of its parts. If that began there and goes beyond, threads with one
// threadIdx.y add up some of what its parts kept, and the first of them what these have, in their order.
template <class T, class A, class Operation>
__global__ void __launch_bounds__(256, 4) combine_places(T* __restrict__ out, const A* __restrict__ kept,
                                                      const void* __restrict__ keys, long long wide, long long count,
                                                      long long columns, long long length, long long bits,
                                                      long long fresh, long long divides) {
    __shared__ Combined<T, A, 1> left[256];
    const int thread = threadIdx.y * blockDim.x + threadIdx.x, groups = blockDim.y;
    for (long long part = blockIdx.y; (part + 1) * PART < count; part += gridDim.y) {
        const long long first = part * PART, place = number_at(keys, first + PART - 1, wide != 0) >> bits;
        if (place >= length || number_at(keys, first + PART, wide != 0) >> bits != place) continue;
        if (first && number_at(keys, first - 1, wide != 0) >> bits == place) continue;  // an earlier part's
        const long long end = below(keys, wide != 0, count, (place + 1) << bits);
        const long long often = end - below(keys, wide != 0, count, place << bits);
        const long long pieces = (end - 1) / PART - part + 1;
        for (long long start = (long long)blockIdx.x * blockDim.x; start < columns;
             start += (long long)gridDim.x * blockDim.x) {
            const long long column = start + threadIdx.x;
            Combined<T, A, 1> all;
            if (column < columns && threadIdx.y < pieces) {
                const A* own = kept + 2 * part * columns + column;  // heads; in front of them the tail of the first
                all.lane[0] = own[threadIdx.y ? 2 * threadIdx.y * columns : columns];
                if (Operation::last_only) all.lane[0] = own[2 * (pieces - 1) * columns];
                for (long long piece = threadIdx.y + groups; piece < pieces && !Operation::last_only;
                     piece += groups * AHEAD) {
                    A next[AHEAD];
#pragma unroll
                    for (int k = 0; k < AHEAD; ++k)
                        if (piece + k * groups < pieces) next[k] = own[2 * (piece + k * groups) * columns];
#pragma unroll
                    for (int k = 0; k < AHEAD; ++k)
                        if (piece + k * groups < pieces) all.lane[0] = Operation::of(all.lane[0], next[k]);
                }
                left[thread] = all;
            }
            __syncthreads();
            if (column < columns && threadIdx.y == 0) {
                for (int group = 1; group < groups && group < pieces && !Operation::last_only; ++group)
                    all.template join<Operation>(left[group * blockDim.x + threadIdx.x]);
                all.template finish<Operation>(out + place * columns + column, fresh != 0, divides ? often : 0);
            }
            __syncthreads();
        }
    }
}

// out[index[i]] += 1. Whole numbers add up alike in any order: first a block's own, for up to 4096 places, then all.
template <class K>
__global__ void __launch_bounds__(256) count_places(K* __restrict__ out, const void* __restrict__ index,
                                                    long long wide, long long count, long long length) {
    constexpr int most = 4096;
    __shared__ unsigned own[most];
    const bool apart = length <= most;
    if (apart) {
        for (int place = threadIdx.x; place < length; place += blockDim.x) own[place] = 0;
        __syncthreads();
    }
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < count;
         i += (long long)gridDim.x * blockDim.x) {
        const long long place = number_at(index, i, wide != 0);
        if (place < 0 || place >= length) continue;
        if (apart)
            atomicAdd(own + place, 1u);
        else
            atomicAdd(reinterpret_cast<unsigned long long*>(out + place), 1ull);
    }
    if (!apart) return;
    __syncthreads();
    for (int place = threadIdx.x; place < length; place += blockDim.x)
        if (own[place]) atomicAdd(reinterpret_cast<unsigned long long*>(out + place), (unsigned long long)own[place]);
}
