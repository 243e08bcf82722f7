"""__half and __nv_bfloat16 on the emulated device: every value, against NumPy and ml_dtypes."""

import ml_dtypes
import numpy as np
import pytest
from native_runtime import module, requires_compiler, runtime

# Bits of all kinds go through NumPy here, signaling NaNs too.
pytestmark = [requires_compiler, pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")]

SOURCE = r"""
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#define I (blockIdx.x * blockDim.x + threadIdx.x)

template <class T> __global__ void to_float(const T* x, float* y) { y[I] = (float)x[I]; }
template <class T> __global__ void from_float(const float* x, T* y) { y[I] = T(x[I]); }
template <class T> __global__ void from_double(const double* x, T* y) { y[I] = T(x[I]); }
template <class T> __global__ void from_int(const int* x, T* y) { y[I] = T(x[I]); }
template <class T> __global__ void arithmetic(const T* x, const T* z, T* y) {
  unsigned i = I, n = gridDim.x * blockDim.x;
  y[i] = x[i] + z[i];
  y[i + n] = x[i] - z[i];
  y[i + 2 * n] = x[i] * z[i];
  y[i + 3 * n] = x[i] / z[i];
  y[i + 4 * n] = __hfma(x[i], z[i], x[n - 1 - i]);
  y[i + 5 * n] = hsqrt(__habs(x[i]));
}
template <class T, class T2> __global__ void pairs(const T2* x, const T2* z, T2* y) {
  unsigned i = I, n = gridDim.x * blockDim.x;
  y[i] = __hadd2(x[i], z[i]);
  y[i + n] = __hmul2(x[i], z[i]);
  y[i + 2 * n] = __hfma2(x[i], z[i], x[i]);
  y[i + 3 * n] = __hmax2(x[i], z[i]);
  y[i + 4 * n] = -x[i] / z[i];
  y[i + 5 * n] = T2(x[i].y, x[i].x);
}
template <class T> __global__ void comparisons(const T* x, const T* z, unsigned* y) {
  T a = x[I], b = z[I];
  y[I] = (a == b) | (a != b) << 1 | (a < b) << 2 | (a <= b) << 3 | (a > b) << 4 | (a >= b) << 5 | __hisnan(a) << 6 |
         __heq(a, b) << 7 | __hne(a, b) << 8 | __hltu(a, b) << 9 | __hge(a, b) << 10 | (__hisinf(a) != 0) << 11;
}
__global__ void half_roundings(const float* x, __half* y) {
  unsigned i = I, n = gridDim.x * blockDim.x;
  y[i] = __float2half_rz(x[i]);
  y[i + n] = __float2half_rd(x[i]);
  y[i + 2 * n] = __float2half_ru(x[i]);
}
__global__ void bfloat_roundings(const float* x, __nv_bfloat16* y) {
  unsigned i = I, n = gridDim.x * blockDim.x;
  y[i] = __float2bfloat16_rz(x[i]);
  y[i + n] = __float2bfloat16_rd(x[i]);
  y[i + 2 * n] = __float2bfloat16_ru(x[i]);
}
__global__ void mixed(const __half* x, unsigned short* y) {
  __half2 p = __halves2half2(x[0], x[1]);
  float2 f = __half22float2(p);
  p = __floats2half2_rn(f.y, f.x);
  y[0] = __half_as_ushort(__low2half(p));
  y[1] = __half_as_ushort(__high2half(p));
  p = __half2half2(x[0]);
  p += __float2half2_rn(1.0f);
  y[2] = __half_as_ushort(p.x);
  y[3] = __half_as_ushort(__ushort_as_half(0x3c00) + __int2half_rn(2));
  y[4] = (unsigned short)__half2int_rn(__half(2.5f));
  y[5] = (unsigned short)__half2int_rz(__half(-2.5f));
  __half h = 1;
  ++h;
  h *= h;
  h /= __half(8);
  y[6] = __half_as_ushort(h--);
  y[7] = __half_as_ushort(h);
  y[8] = __half_as_ushort(__hmin(__half(NAN), x[0]));
  y[9] = __half_as_ushort(__hmax_nan(__half(NAN), x[0]));
  y[10] = __bfloat16_as_ushort(__float2bfloat16(1.0f));
  y[11] = __bfloat16_as_ushort(__low2bfloat16(__floats2bfloat162_rn(2.0f, 3.0f)));
}
"""
TYPES = {"__half": np.dtype("f2"), "__nv_bfloat16": np.dtype(ml_dtypes.bfloat16)}
PER_TYPE = ("to_float", "from_float", "from_double", "from_int", "arithmetic", "comparisons")
KERNELS = (
    *(f"{kernel}<{name}>" for kernel in PER_TYPE for name in TYPES),
    *(f"pairs<{name}, {name}2>" for name in TYPES),
    *("half_roundings", "bfloat_roundings", "mixed"),
)
ALL = np.arange(65536, dtype="u2")

both = pytest.mark.parametrize("name", TYPES)


def launch(kernel, *inputs, dtype, shape):
    y = runtime().empty(shape, dtype)
    count = len(inputs[0])
    assert count % 256 == 0
    module(SOURCE, KERNELS).launch(kernel, count // 256, 256, *map(runtime().array, inputs), y)
    return y.get()


def bits(values):
    """The bits, with one NaN for all of them."""
    return np.where(np.isnan(values), np.uint16(0x7FFF), values.view("u2"))


def expect_same(got, expected):
    np.testing.assert_array_equal(bits(got), bits(expected))


def hard_floats(dtype):
    """Every value, every midpoint of neighbors, what lies right beside them, and some more."""
    values = np.sort(ALL.view(dtype).astype("f8"))
    values = values[np.isfinite(values)]
    middles = (values[1:] + values[:-1]) / 2
    edge = values[-1] + (values[-1] - values[-2]) / 2  # from here on numbers round to infinity
    exact = np.concatenate([values, middles, [edge, -edge]]).astype("f4")
    floats = np.concatenate([exact, np.nextafter(exact, np.float32(np.inf)), np.nextafter(exact, np.float32(-np.inf))])
    random = np.random.default_rng(0).integers(0, 2**32, 65536, "u4").view("f4")
    floats = np.concatenate([floats, random, np.array([np.inf, -np.inf, np.nan, 0, -0.0, 1e-45, 3e38], "f4")])
    return np.resize(floats, -(-len(floats) // 256) * 256)


@both
def test_every_value_becomes_the_float_it_is(name):
    got = launch(f"to_float<{name}>", ALL.view(TYPES[name]), dtype="f4", shape=65536)
    np.testing.assert_array_equal(got, ALL.view(TYPES[name]).astype("f4"))


@both
def test_every_value_comes_back_from_float(name):
    values = ALL.view(TYPES[name])
    floats = values.astype("f4")
    expect_same(launch(f"from_float<{name}>", floats, dtype=TYPES[name], shape=65536), values)


@both
def test_floats_round_to_nearest_even(name):
    floats = hard_floats(TYPES[name])
    expected = floats.astype(TYPES[name])
    expect_same(launch(f"from_float<{name}>", floats, dtype=TYPES[name], shape=len(floats)), expected)


def test_doubles_round_once():
    floats = hard_floats(np.dtype("f2")).astype("f8")
    doubles = np.concatenate([floats, np.nextafter(floats, np.inf), np.nextafter(floats, -np.inf)])
    expected = doubles.astype("f2")
    expect_same(launch("from_double<__half>", doubles, dtype="f2", shape=len(doubles)), expected)


def test_doubles_beside_a_midpoint_of_bfloat16_round_away_from_it():
    middle = 1 + 2.0**-8
    doubles = np.resize([middle, np.nextafter(middle, 2), np.nextafter(middle, 0), -np.nextafter(middle, 2)], 256)
    got = launch("from_double<__nv_bfloat16>", doubles, dtype=ml_dtypes.bfloat16, shape=256)
    assert got[:4].astype("f8").tolist() == [1, 1 + 2.0**-7, 1, -1 - 2.0**-7]


@both
def test_integers_convert(name):
    numbers = np.concatenate([np.arange(-4096, 4096), 2 ** np.arange(8, 31), -(2 ** np.arange(8, 31)) + 1])
    numbers = np.resize(numbers, 8448).astype("i4")
    expected = numbers.astype("f8").astype(TYPES[name])
    expect_same(launch(f"from_int<{name}>", numbers, dtype=TYPES[name], shape=len(numbers)), expected)


def operands(dtype):
    generator = np.random.default_rng(1)
    x, z = generator.permutation(ALL), generator.permutation(ALL)
    return x.view(dtype), z.view(dtype)


@both
def test_arithmetic_rounds_once(name):
    dtype = TYPES[name]
    x, z = operands(dtype)
    got = launch(f"arithmetic<{name}>", x, z, dtype=dtype, shape=(6, 65536))
    exact, other = x.astype("f8"), z.astype("f8")
    results = [exact + other, exact - other, exact * other, exact / other]
    results += [exact * other + exact[::-1], np.sqrt(np.abs(exact))]
    for i, result in enumerate(results):
        if name == "__half":
            expect_same(got[i], result.astype("f2"))
        else:  # ml_dtypes goes through float, which rounds twice; a unit in the last place is allowed
            expected = result.astype("f4").astype(dtype)
            close = np.abs(bits(got[i]).astype(int) - bits(expected)) <= 1
            assert close.all() and (bits(got[i]) == bits(expected)).mean() > 0.999


@both
def test_pairs_compute_as_two_numbers(name):
    dtype = TYPES[name]
    x, z = operands(dtype)
    y = runtime().empty((6, 65536), dtype)
    arrays = runtime().array(x), runtime().array(z)
    module(SOURCE, KERNELS).launch(f"pairs<{name}, {name}2>", 128, 256, *arrays, y)
    single = launch(f"arithmetic<{name}>", x, z, dtype=dtype, shape=(6, 65536))
    got = y.get()
    expect_same(got[0], single[0])
    expect_same(got[1], single[2])
    expect_same(got[3], np.fmax(x.astype("f4"), z.astype("f4")).astype(dtype))
    expect_same(got[4], (-x.astype("f4") / z.astype("f4")).astype(dtype))
    expect_same(got[5], x.reshape(-1, 2)[:, ::-1].ravel())


@both
def test_comparisons_follow_ieee(name):
    x, z = operands(TYPES[name])
    z[::3] = x[::3]
    got = launch(f"comparisons<{name}>", x, z, dtype="u4", shape=65536)
    a, b = x.astype("f4"), z.astype("f4")
    unordered = np.isnan(a) | np.isnan(b)
    truths = [a == b, a != b, a < b, a <= b, a > b, a >= b, np.isnan(a), a == b, a != b, (a < b) | unordered, a >= b]
    truths += [np.isinf(a)]
    expected = sum(truth.astype("u4") << i for i, truth in enumerate(truths))
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(("kernel", "name"), [("half_roundings", "__half"), ("bfloat_roundings", "__nv_bfloat16")])
def test_directed_roundings_bracket_the_value(kernel, name):
    dtype = TYPES[name]
    floats = hard_floats(dtype)
    zero, down, up = launch(kernel, floats, dtype=dtype, shape=(3, len(floats)))
    low, high, toward = (value.astype("f8") for value in (down, up, zero))
    is_number = ~np.isnan(floats)
    assert (low <= floats)[is_number].all() and (high >= floats)[is_number].all()
    exact = (floats.astype(dtype).astype("f4") == floats) & is_number
    assert ((low == floats) & (high == floats))[exact].all()
    steps = np.abs(down.view("u2").astype(int) - up.view("u2").astype(int))
    same_sign = is_number & ~exact & (np.signbit(low) == np.signbit(high))
    assert (steps[same_sign] == 1).all()
    np.testing.assert_array_equal(toward[is_number], np.where(floats < 0, high, low)[is_number])


def test_named_functions_do_what_their_names_say():
    x = np.resize(np.array([1.5, -2], "f2"), 256)
    y = runtime().empty(12, "u2")
    module(SOURCE, KERNELS).launch("mixed", 1, 1, runtime().array(x), y)
    halves = y.get()[[0, 1, 2, 3, 6, 7, 8]].view("f2").tolist()
    assert halves == [-2, 1.5, 2.5, 3, 0.5, -0.5, 1.5]
    assert y.get()[4:6].view("i2").tolist() == [2, -2]
    assert np.isnan(y.get()[9:10].view("f2")[0])
    assert y.get()[10:].view(ml_dtypes.bfloat16).tolist() == [1, 2]
