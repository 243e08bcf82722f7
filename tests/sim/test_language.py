"""CUDA C++ on the host's compiler: types, atomics, intrinsics and math functions as CUDA documents them."""

import math

import numpy as np
import pytest
from native_runtime import KernelError, module, requires_compiler, runtime

pytestmark = requires_compiler

UNARY = [
    *("rsqrt", "rcbrt", "sinpi", "cospi", "erfcx", "erfinv", "erfcinv", "normcdf", "normcdfinv", "exp10", "lgamma"),
    *("tgamma", "erf", "expm1", "log1p", "cbrt", "exp2", "log2"),
]
HURRIED = ["expf", "logf", "log2f", "log10f", "sinf", "cosf", "tanf"]  # with two underscores in front
SOURCE = (
    r"""
#include <cuda_runtime.h>
#include <math_constants.h>
#include <vector_types.h>
#include <cuda_fp16.h>
#include <cuda_bf16.h>
#define KERNEL extern "C" __global__ void
struct Settings { float a; int b[3]; };
enum Mode { A, B };
template <class T> struct Box { T value; };
"""
    + "".join(
        f"KERNEL d_{name}(const double* x, double* y) {{ y[threadIdx.x] = {name}(x[threadIdx.x]); }}\n"
        f"KERNEL f_{name}(const float* x, float* y) {{ y[threadIdx.x] = {name}f(x[threadIdx.x]); }}\n"
        for name in UNARY
    )
    + "".join(
        f"KERNEL h_{name}(const float* x, float* y) {{ y[threadIdx.x] = __{name}(x[threadIdx.x]); }}\n"
        for name in HURRIED
    )
    + r"""
KERNEL sizes(int* y) {
  int i = 0;
#define SIZE(type) y[i++] = sizeof(type), y[i++] = alignof(type);
  SIZE(char2) SIZE(uchar3) SIZE(char4) SIZE(short2) SIZE(ushort4) SIZE(int2) SIZE(uint3) SIZE(int4) SIZE(long2)
  SIZE(ulonglong2) SIZE(longlong4) SIZE(float1) SIZE(float2) SIZE(float3) SIZE(float4) SIZE(double2) SIZE(double3)
  SIZE(double4) SIZE(__half) SIZE(__half2) SIZE(__nv_bfloat16) SIZE(__nv_bfloat162) SIZE(dim3)
}
KERNEL atomics(int* i, unsigned* u, unsigned long long* l, float* f, double* d, __half* h, __nv_bfloat16* b) {
  unsigned t = blockIdx.x * blockDim.x + threadIdx.x;
  atomicAdd(i, (int)t);
  atomicSub(i + 1, (int)t);
  atomicMin(i + 2, -(int)t);
  atomicMax(i + 3, (int)t);
  atomicAnd(u, ~(1u << (t & 31)));
  atomicOr(u + 1, 1u << (t & 31));
  atomicXor(u + 2, t);
  atomicInc(u + 3, 9);
  atomicDec(u + 4, 9);
  atomicAdd(l, 1ull << 33);
  atomicMax(l + 1, (unsigned long long)t << 33);
  atomicAdd(f, 0.5f);
  atomicAdd_block(f + 1, 1.0f);
  atomicAdd(d, 0.25);
  atomicAdd(h, __half(1));
  atomicAdd((__half2*)(h + 2), __half2(1, 2));
  atomicAdd(b, __nv_bfloat16(1));
  unsigned short* s = (unsigned short*)(h + 4);
  unsigned short seen = *s, assumed;
  do {
    assumed = seen;
    seen = atomicCAS(s, assumed, (unsigned short)(assumed + 1));
  } while (seen != assumed);
  if (t == 5) u[5] = atomicExch(u + 6, 7u);
}
KERNEL bits(unsigned* y) {
  int i = 0;
  y[i++] = __popc(0xf0f0);
  y[i++] = __popcll(~0ull);
  y[i++] = __clz(1) + 100 * __clz(0);
  y[i++] = __clzll(1ll << 40);
  y[i++] = __ffs(8) + 100 * __ffsll(1ll << 40);
  y[i++] = __brev(1) | __brev(0x80000000u);
  y[i++] = __brevll(1ull) == 1ull << 63;
  y[i++] = __byte_perm(0x33221100, 0x77665544, 0x7531);
  y[i++] = __byte_perm(0x80, 0, 0x8888);
  y[i++] = __umulhi(0xffffffffu, 0xffffffffu);
  y[i++] = __mulhi(-2, 3);
  y[i++] = __umul24(0xff000003u, 5);
  y[i++] = __mul24(-3, 5);
  y[i++] = __umul64hi(1ull << 63, 4);
  y[i++] = __dp4a((int)0xff02fe01, 0x02020202, 10);
  y[i++] = __dp4a(0xff02fe01u, 0x02020202u, 10u);
  y[i++] = __dp2a_lo((int)0xffff0002, 0x00000305, 1);
  y[i++] = __sad(-3, 4, 1);
  y[i++] = __funnelshift_l(0x80000000u, 1, 1);
  y[i++] = __float_as_uint(1.0f);
  y[i++] = __double2hiint(1.0) + __double2loint(1.0);
  y[i++] = __float2int_rn(2.5f) + 100 * __float2int_rz(2.9f);
  y[i++] = __float2int_rd(-2.1f);
  y[i++] = __float2int_ru(1e20f);
  y[i++] = __float2uint_rn(-5.0f) + __float2int_rn(NAN);
  y[i++] = __double2ll_rn(1e30) == LLONG_MAX;
  y[i++] = min(3, 5u) + max(2, 3);
  y[i++] = isnan(min(NAN, NAN)) && max(NAN, 3.0f) == 3 && CUDART_INF_F > 0;
  y[i++] = __ldg(y) + __ldcs(y + 1);
  __stcs(y + i++, 77u);
  y[i++] = clock64() < clock64();
  y[i++] = __hadd(5, 8);
}
KERNEL loads(const float4* x, float4* y) {
  float4 v = __ldg(x + threadIdx.x);
  y[threadIdx.x] = make_float4(v.w, v.z, v.y, v.x);
}
KERNEL two_results(float* y) {
  float s, c;
  sincosf(1.0f, &s, &c), y[0] = s, y[1] = c;
  sincospif(0.25f, &s, &c), y[2] = s, y[3] = c;
  __sincosf(1.0f, &s, &c), y[4] = s, y[5] = c;
  y[6] = __fdividef(1.0f, 4.0f) + fdividef(1.0f, 4.0f) + __saturatef(7.0f) + __saturatef(NAN);
  y[7] = norm3df(2, 3, 6) + rhypotf(3, 4) + fmaf(2, 3, 4) + __fmaf_rn(1, 1, 1);
}
KERNEL signature_of(const float* a, double* b, const __half* c, __nv_bfloat16* d, int e, unsigned long long f, bool g,
                    Settings h, void* i, const void* j, float const k, Mode l, float** m, signed char n, int2 o) {}
template <class T> __global__ void boxed(Box<T> x, T* y) {
  extern int unused;
  __shared__ T s[2];
  s[0] = x.value;
  y[0] = s[0];
}
template <class T, int N> __global__ void __launch_bounds__(64, 2) with_template(T* __restrict__ y) {
  y[threadIdx.x] = N;
}
KERNEL fails(int n) {
  if (n) __trap();
}
"""
)
NAMES = (
    *(f"{kind}_{name}" for name in UNARY for kind in "df"),
    *(f"h_{name}" for name in HURRIED),
    *("sizes", "atomics", "bits", "loads", "two_results", "signature_of", "boxed<float>", "with_template<double, 3>"),
    "fails",
)


def launch(kernel, *arguments, grid=1, block=1, checked=False):
    return module(SOURCE, NAMES, checked=checked).launch(kernel, grid, block, *arguments)


REFERENCES = {
    "rsqrt": lambda x: 1 / math.sqrt(x),
    "rcbrt": lambda x: 1 / math.cbrt(x) if hasattr(math, "cbrt") else x ** (-1 / 3),
    "sinpi": lambda x: math.sin(math.pi * x),
    "cospi": lambda x: math.cos(math.pi * x),
    "exp10": lambda x: 10.0**x,
    "lgamma": math.lgamma,
    "tgamma": math.gamma,
    "erf": math.erf,
    "expm1": math.expm1,
    "log1p": math.log1p,
    "cbrt": lambda x: math.copysign(abs(x) ** (1 / 3), x),
    "exp2": lambda x: 2.0**x,
    "log2": math.log2,
}
POINTS = {
    "erfinv": np.array([-0.999999, -0.9, -0.3, -1e-9, 0, 1e-12, 0.2, 0.5, 0.99, 0.9999999]),
    "erfcinv": np.array([1e-300, 1e-30, 1e-5, 0.3, 0.9999, 1, 1.0001, 1.5, 1.99, 1.9999999]),
    "normcdfinv": np.array([1e-300, 1e-30, 1e-8, 0.1, 0.4, 0.5, 0.6, 0.9, 0.999, 0.9999999]),
    "normcdf": np.array([-37, -10, -5, -1, -0.1, 0, 0.3, 1, 4, 9.0]),
    "erfcx": np.array([-3, -1, 0, 1e-3, 0.5, 2, 10, 25.9, 26.1, 1e4]),
    "sinpi": np.array([-2.25, -1, -0.75, -0.1, 0.1, 0.3, 0.75, 1.3, 5.6, 10.9]),
    "cospi": np.array([-2.2, -1, -0.75, -0.1, 0.1, 0.3, 0.75, 1.3, 5.6, 10.9]),
}


@pytest.mark.parametrize("name", UNARY)
def test_math_functions_are_right(name):
    special = pytest.importorskip("scipy.special")
    oracles = {
        "erfcx": special.erfcx,
        "erfinv": special.erfinv,
        "erfcinv": special.erfcinv,
        "normcdf": special.ndtr,
        "normcdfinv": special.ndtri,
    }
    reference = oracles.get(name) or REFERENCES[name]
    points = POINTS.get(name, np.array([0.01, 0.1, 0.3, 0.9, 1, 1.5, 2, 3.7, 10, 30.0]))
    for kind, dtype, tolerance in (("d", "f8", 1e-13), ("f", "f4", 3e-7)):
        x = points.astype(dtype)
        if dtype == "f4":
            x = x[np.abs(x) > 1e-37]
        y = runtime().empty(len(x), dtype)
        launch(f"{kind}_{name}", runtime().array(x), y, block=len(x))
        expected = np.array([reference(float(value)) for value in x])
        np.testing.assert_allclose(y.get(), expected, rtol=tolerance, atol=1e-15 if dtype == "f8" else 1e-7)


def test_math_functions_at_their_edges():
    y = runtime().empty(4, "f8")
    launch("d_erfcinv", runtime().array([0, 2, -0.1, math.nan], "f8"), y, block=4)
    assert y.get()[:2].tolist() == [math.inf, -math.inf] and np.isnan(y.get()[2:]).all()
    launch("d_sinpi", runtime().array([1, 1e15 + 1, 0.5, -0.5], "f8"), y, block=4)
    assert y.get().tolist() == [0, 0, 1, -1]
    launch("d_cospi", runtime().array([0.5, 1, -1.5, 1e15], "f8"), y, block=4)
    assert y.get().tolist() == [0, -1, 0, 1]


@pytest.mark.parametrize("name", HURRIED)
def test_hurried_functions_are_exact(name):
    x = np.linspace(0.1, 1.2, 8, dtype="f4")
    y = runtime().empty(8)
    launch(f"h_{name}", runtime().array(x), y, block=8)
    np.testing.assert_allclose(y.get(), getattr(np, name[:-1])(x.astype("f8")), rtol=3e-7)


def test_functions_with_two_results():
    y = runtime().empty(8)
    launch("two_results", y)
    half = math.sqrt(0.5)
    expected = [math.sin(1), math.cos(1), half, half, math.sin(1), math.cos(1), 1.5, 7 + 0.2 + 10 + 2]
    np.testing.assert_allclose(y.get(), expected, rtol=3e-7)


def test_vector_types_have_the_sizes_and_alignments_of_cuda():
    y = runtime().empty(46, "i4")
    launch("sizes", y)
    expected = [(2, 2), (3, 1), (4, 4), (4, 4), (8, 8), (8, 8), (12, 4), (16, 16), (16, 16), (16, 16), (32, 16)]
    expected += [
        (4, 4),
        (8, 8),
        (12, 4),
        (16, 16),
        (16, 16),
        (24, 8),
        (32, 16),
        (2, 2),
        (4, 4),
        (2, 2),
        (4, 4),
        (12, 4),
    ]
    assert [tuple(pair) for pair in y.get().reshape(-1, 2)] == expected


@pytest.mark.parametrize("checked", [False, True])
def test_atomics_compute_what_they_name(checked):
    arrays = [runtime().array(np.zeros(8, dtype)) for dtype in ("i4", "u4", "u8", "f4", "f8", "f2", "u2")]
    arrays[1].set(np.array([0xFFFFFFFF, 0, 0, 0, 0, 0, 3, 0], "u4"))
    launch("atomics", *arrays, grid=4, block=24, checked=checked)
    i, u, wide, f, d, h, b = (array.get() for array in arrays)
    total = 96 * 95 // 2
    assert i[:4].tolist() == [total, -total, -95, 95]
    assert u[:7].tolist() == [0, 0xFFFFFFFF, np.bitwise_xor.reduce(np.arange(96)), 96 % 10, 4, 3, 7]
    assert wide[:2].tolist() == [96 << 33, 95 << 33]
    assert f[:2].tolist() == [48, 96] and d[0] == 24
    assert h[:4].tolist() == [96, 0, 96, 192] and h.view("u2")[4] == 96
    assert b[0] == 0x42C0  # 96 as a bfloat16


def test_integer_intrinsics():
    y = runtime().array(np.zeros(32), "u4")
    launch("bits", y)
    signed = -2
    expected = [8, 64, 31 + 3200, 23, 4 + 4100, 0x80000001, 1, 0x77553311, 0xFFFFFFFF, 0xFFFFFFFE, -1, 15, -15, 2]
    expected += [10 + 2 * (-1 + 2 - 2 + 1), 10 + 2 * (255 + 2 + 254 + 1), 1 + 2 * 5 - 3, 8, 3, 0x3F800000, 0x3FF00000]
    expected += [2 + 200, signed - 1, 2**31 - 1, 0, 1, 6, 1, 72, 77, 1, 6]
    assert y.get().tolist() == [value % 2**32 for value in expected]


def test_vector_loads_move_all_members():
    x = np.arange(32, dtype="f4").reshape(8, 4)
    y = runtime().empty((8, 4))
    launch("loads", runtime().array(x), y, block=8)
    np.testing.assert_array_equal(y.get(), x[:, ::-1])


def test_signatures_tell_types_and_constness():
    codes = module(SOURCE, NAMES).signatures["signature_of"]
    assert codes == "pf4 Pf8 pf2 Pb2 i4 u8 ?1 V16 P*0 p*0 f4 i4 PPf4 i1 V8".split()  # noqa: SIM905
    assert module(SOURCE, NAMES).signatures["boxed<float>"] == ["V4", "Pf4"]


def test_templates_are_instantiated_by_name():
    y = runtime().empty(4, "f8")
    launch("with_template<double, 3>", y, block=4)
    assert y.get().tolist() == [3, 3, 3, 3]


def test_a_trap_names_its_line():
    launch("fails", 0)
    with pytest.raises(KernelError, match=r"\[trap\] kernel 'fails', kernels/test.cu:\d+, block .*__trap\(\)"):
        launch("fails", 1)
