"""CUDA text to C++: which kernels there are, and dynamic shared memory."""

from __future__ import annotations

import pytest

from gpudl.sim.text import Kernel, blanked, kernels_in, needs_preprocessor, translation_unit, with_dynamic_shared


def names(text: str) -> list[str]:
    return [kernel.name for kernel in kernels_in(text)]


@pytest.mark.parametrize(
    "text",
    [
        '// extern "C" __global__ void no() {}',
        "// a comment that goes on \\\n__global__ void no() {}",
        '/* extern "C" __global__ void no() {} */',
        'const char* text = "__global__ void no() {}";',
        'const char* text = "\\"__global__ void no() {}";',
        'const char* text = R"mark(\n"__global__ void no() {})mark";',
        "#define KERNEL __global__ void no() {}",
        "#define KERNEL \\\n  __global__ void no() {}",
        "__global__ void no(int n);",
        "template <class T> void f();\ntemplate __global__ void no<float>(float*);",
        "struct S { __global__ void no() {} };",
    ],
)
def test_what_only_looks_like_a_kernel_is_none(text: str) -> None:
    assert names(text) == []


@pytest.mark.parametrize(
    ("text", "kernel"),
    [
        ('extern "C" __global__ void k(float* x) {}', Kernel("k", "k", True, False)),
        ("__global__ void k() {}", Kernel("k", "k", False, False)),
        ('extern "C"\n__global__\nvoid\nk\n(\n)\n{\n}', Kernel("k", "k", True, False)),
        ('extern "C" __global__ void __launch_bounds__(32 * (2 + 6), 1) k() {}', Kernel("k", "k", True, False)),
        ('extern "C" __global__ __launch_bounds__(256) void k() {}', Kernel("k", "k", True, False)),
        ('__launch_bounds__(256) extern "C" __global__ void k() {}', Kernel("k", "k", True, False)),
        ('extern "C" { int other() { return 1; } __global__ void k() {} }', Kernel("k", "k", True, False)),
        ('extern "C" { }\n__global__ void k() {}', Kernel("k", "k", False, False)),
        ("template <class T, int N = 3> __global__ void k(T* x) {}", Kernel("k", "k", False, True)),
        (
            "namespace a { namespace { namespace b::c { __global__ void k() {} } } }",
            Kernel("k", "::a::b::c::k", False, False),
        ),
        ('namespace a { extern "C" __global__ void k() {} }', Kernel("k", "::a::k", True, False)),
        ("int i = 1'000'000; __global__ void k() { char c = '{'; }", Kernel("k", "k", False, False)),
        ("__global__ void k(int n = int{3}) {}", Kernel("k", "k", False, False)),
        ("static __global__ void k() {} // __global__", Kernel("k", "k", False, False)),
    ],
)
def test_kernel_is_found(text: str, kernel: Kernel) -> None:
    assert kernels_in(text) == [kernel]


def test_kernels_keep_their_order_and_come_once() -> None:
    text = "__global__ void b() { if (1) { } }\n__global__ void a() {}\n__global__ void b() {}"
    assert names(text) == ["b", "a"]


def test_blanked_text_keeps_every_position() -> None:
    text = 'int a; // x\n"s\\"t" /* \n */ \'c\' R"(\n)" \n#define A \\\n  B\nint b;'
    clear = blanked(text)
    assert [clear.index("int b"), len(clear), clear.count("\n")] == [text.index("int b"), len(text), text.count("\n")]
    assert "x" not in clear and "B" not in clear and "t" not in clear.replace("int", "")


@pytest.mark.parametrize(
    ("declared", "pointer"),
    [
        ("extern __shared__ float s[];", "float* s = (float*)sim_dynamic_shared();"),
        ("__shared__ extern T s[ ] ;", "T* s = (T*)sim_dynamic_shared();"),
        ("extern __shared__ unsigned char s[];", "unsigned char* s = (unsigned char*)sim_dynamic_shared();"),
        ("extern __shared__ __align__(16) char s[];", "char* s = (char*)sim_dynamic_shared();"),
        ("extern __shared__ alignas(alignof(double)) char s[];", "char* s = (char*)sim_dynamic_shared();"),
        ("extern __shared__ __attribute__((aligned(16))) char s[];", "char* s = (char*)sim_dynamic_shared();"),
        ("extern __shared__ Pair<int, 2> s[];", "Pair<int, 2>* s = (Pair<int, 2>*)sim_dynamic_shared();"),
        ("extern __shared__ ns::T *s[];", "ns::T ** s = (ns::T **)sim_dynamic_shared();"),
    ],
)
def test_dynamic_shared_memory_becomes_a_pointer(declared: str, pointer: str) -> None:
    assert with_dynamic_shared(f"void k() {{ int a; {declared} }}") == f"void k() {{ int a; {pointer} }}"


@pytest.mark.parametrize(
    "text",
    [
        "void k() { __shared__ float s[32]; }",
        "extern float s[];",
        "// extern __shared__ float s[];",
        'const char* text = "extern __shared__ float s[];";',
    ],
)
def test_other_declarations_stay_as_they_are(text: str) -> None:
    assert with_dynamic_shared(text) == text


def test_lines_keep_their_numbers() -> None:
    text = "void k() {\n  extern\n  __shared__ float\n  s[];\n  int last;\n}"
    made = with_dynamic_shared(text)
    assert "sim_dynamic_shared" in made and made.split("\n")[4] == "  int last;"


def test_translation_unit_has_defines_lines_and_entries() -> None:
    unit = translation_unit("text", 'a"b.cu', ["adam<float, 2>", "k"], ["#define N 3"]).split("\n")
    assert unit[:3] == ["#define N 3", '#line 1 "a\\"b.cu"', "text"]
    assert [line for line in unit if line.startswith("SIM_")] == [
        "SIM_IMAGE",
        "SIM_ENTRY(0, adam<float, 2>)",
        "SIM_ENTRY(1, k)",
    ]


@pytest.mark.parametrize(
    ("text", "needed"),
    [
        ('#include <cupy/carray.cuh>\n#include "cupy/float16.cuh"\n#define N 3\n', False),
        ("#if N\n#endif\n", True),
        ("#  ifdef N\n#endif\n", True),
        ("#define K __global__ void\n", True),
        ('#include "mine.cuh"\n', True),
    ],
)
def test_preprocessor_runs_only_where_it_can_matter(text: str, needed: bool) -> None:
    assert needs_preprocessor(text) == needed
