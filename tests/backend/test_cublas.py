"""gpudl's binding to cuBLAS against NumPy: element types, strides, accumulation, what it calls, and its errors.

How strides become calls is tested without a device in test_gemm_plan.py.
"""

import threading

import numpy as np
import pytest
from tolerances import assert_close

import gpudl
from gpudl.backend import cublas
from gpudl.backend.device import backend_of, to_host, transfer
from gpudl.ops.gemm import product, product_

DTYPES = ("float16", "bfloat16", "float32", "float64")


@pytest.fixture(autouse=True)
def cupy(device):
    """CuPy, on the device under test."""
    backend = backend_of(gpudl.zeros(1, device=device).array)
    if backend.family != "cuda":
        pytest.skip("about CUDA devices; run with --device sim or cuda")
    return backend.namespace


def dtype_of(name):
    return np.dtype(pytest.importorskip("ml_dtypes").bfloat16) if name == "bfloat16" else np.dtype(name)


def numbers(shape, dtype="float32", seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(dtype_of(dtype))


def exact(x, y):
    return np.matmul(x.astype("float64"), y.astype("float64"))


def check(got, want, dtype, label="product"):
    assert_close(to_host(got), np.asarray(want).astype(dtype_of(dtype)), label, slack=4)


@pytest.fixture
def calls(monkeypatch):
    """The arguments of every call of a product function while the test runs."""
    seen = []
    functions = cublas._library().functions

    def spied(key, function):
        def spy(*args):
            seen.append((key, args))
            return function(*args)

        return spy

    monkeypatch.setattr(cublas._library(), "functions", {key: spied(key, each) for key, each in functions.items()})
    return seen


LAYOUTS = {
    "C": lambda x: x,
    "turned": lambda x: x.swapaxes(-1, -2),
    "part": lambda x: x[..., 1:3],
    "misaligned": lambda x: x.reshape(-1)[1 : 1 + x.size // 7 * 6].reshape((-1, 6)),
    "backward": lambda x: x[::-1],
    "every second": lambda x: x[..., ::2],
    "every second row": lambda x: x[::2],
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_views_are_multiplied_as_numpy_does(layout, dtype, device):
    for shape in ((6, 7), (2, 6, 7), (2, 3, 6, 7)):
        x, y = numbers(shape, dtype), numbers(shape, dtype, 1)
        there = [LAYOUTS[layout](transfer(each, device)) for each in (x, y)]
        x, y = LAYOUTS[layout](x), LAYOUTS[layout](y)
        check(product(there[0], there[1].swapaxes(-1, -2)), exact(x, y.swapaxes(-1, -2)), dtype)
        check(product(there[0].swapaxes(-1, -2), there[1]), exact(x.swapaxes(-1, -2), y), dtype)
        check(product(there[0], there[1].reshape(-1)[: x.shape[-1]]), exact(x, y.reshape(-1)[: x.shape[-1]]), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((4,), (4,)), ((4,), (4, 5)), ((3, 4), (4,)), ((4,), (2, 4, 5)), ((2, 3, 4), (4,)), ((1, 1), (1, 1)),
        ((2, 3, 4), (4, 5)), ((3, 4), (2, 4, 5)), ((2, 1, 3, 4), (3, 4, 5)), ((2, 3, 3, 4), (2, 1, 4, 5)),
        ((0, 4), (4, 3)), ((3, 4), (4, 0)), ((3, 0), (0, 4)), ((2, 3, 0), (2, 0, 4)), ((0, 3, 4), (4, 5)), ((0,), (0,)),
    ],
)  # fmt: skip
def test_shapes_broadcast_as_in_numpy(first, second, dtype, device):
    x, y = numbers(first, dtype), numbers(second, dtype, 1)
    check(product(transfer(x, device), transfer(y, device)), exact(x, y), dtype)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_floats_are_added_up_in_float32(dtype, device):
    ones = np.ones((2, 4096), dtype_of(dtype))
    for shape in ((2, 4096), (1, 2, 4096), (2, 1, 2, 4096)):
        x = transfer(np.broadcast_to(ones, shape).copy(), device)
        assert (to_host(product(x, x.swapaxes(-1, -2))).astype("float32") == 4096).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (0.5, -2.0), (-1.0, 0.0), (1.0, 0.0)])
@pytest.mark.parametrize("inner", [4, 0])
def test_a_product_is_added_to_what_out_holds(alpha, beta, inner, dtype, device):
    for lead in ((), (2,), (2, 3)):
        x, y, z = numbers((*lead, 3, inner), dtype), numbers((inner, 5), dtype, 1), numbers((*lead, 3, 5), dtype, 2)
        old = np.full_like(z, np.nan) if beta == 0 else z
        for turn in (False, True):
            out = transfer(old.swapaxes(-1, -2).copy() if turn else old, device)
            out = out.swapaxes(-1, -2) if turn else out
            assert product_(transfer(x, device), transfer(y, device), out, alpha, beta) is out
            want = alpha * exact(x, y) + (beta * z.astype("float64") if beta else 0)
            check(out, want, dtype, f"{lead} {turn}")


def test_a_product_of_copied_operands_is_added_too(device):
    x, y, z = numbers((3, 8)), numbers((4, 5), seed=1), numbers((3, 5), seed=2)
    out = transfer(z, device)
    product_(transfer(x, device)[:, ::2], transfer(y, device)[::-1], out, 2.0, 3.0)
    check(out, 2 * exact(x[:, ::2], y[::-1]) + 3 * z, "float32")


@pytest.mark.parametrize("beta", [0.0, 1.0, 0.5])
def test_an_out_that_is_no_matrix_is_written_through(beta, device):
    x, y, z = numbers((3, 4)), numbers((4, 5), seed=1), numbers((3, 10), seed=2)
    want = z.astype("float64")
    want[:, ::2] = 2 * exact(x, y) + beta * want[:, ::2]
    if beta == 0:
        z[:, ::2] = np.nan
    there = transfer(z, device)
    product_(transfer(x, device), transfer(y, device), there[:, ::2], 2.0, beta)
    check(there, want, "float32")


def test_transposed_and_batched_operands_are_not_copied(calls, device):
    w, x = transfer(numbers((30, 20)), device), transfer(numbers((4, 6, 20)), device)
    q = transfer(numbers((3, 5, 4, 8)), device).swapaxes(1, 2)
    k = transfer(numbers((3, 4, 9, 8)), device)

    rows = x.reshape(24, 20)
    for a, b, count in ((x, w.T, 1), (rows.T, rows, 1), (w, rows.T, 1), (q, k.swapaxes(-1, -2), 3)):
        calls.clear()
        product(a, b)
        assert len(calls) == count
        addresses = {args[place] for (batched, _), args in calls for place in (7, 11 if batched else 10)}
        assert {a.data.ptr, b.data.ptr} <= addresses, "an operand was copied"


def test_float32_is_multiplied_in_float32_unless_tf32_is_chosen(calls, device):
    x, y = transfer(numbers((3, 4)), device), transfer(numbers((4, 5)), device)
    try:
        for level, compute in (("highest", 68), ("high", 77), ("medium", 77), ("highest", 68)):
            gpudl.set_float32_matmul_precision(level)
            assert gpudl.get_float32_matmul_precision() == level
            calls.clear()
            product(x, y)
            product(transfer(numbers((2, 3, 4)), device), transfer(numbers((2, 4, 5)), device))
            product(x.astype("float64"), y.astype("float64"))
            product(x.astype("float16"), y.astype("float16"))
            assert [args[-2] for _, args in calls] == [compute, compute, 70, 68]
    finally:
        gpudl.set_float32_matmul_precision("highest")
    with pytest.raises(ValueError, match="'lowest'"):
        gpudl.set_float32_matmul_precision("lowest")


def test_sizes_beyond_int32_go_to_the_wide_functions(calls, monkeypatch, device):
    from gpudl.backend import gemm_plan

    monkeypatch.setattr(gemm_plan, "_INT32", 3)
    gemm_plan.plan.cache_clear()
    try:
        for lead in ((), (2,)):
            x, y = numbers((*lead, 3, 4)), numbers((*lead, 4, 5), seed=1)
            check(product(transfer(x, device), transfer(y, device)), exact(x, y), "float32")
    finally:
        gemm_plan.plan.cache_clear()
    assert [key for key, _ in calls] == [(False, True), (True, True)]


def test_each_stream_has_a_workspace_which_is_set_after_it(monkeypatch, cupy, device):
    x = transfer(numbers((3, 4)), device)
    product(x, x.T)
    handle, seen = cublas._threads.handles[0], []
    for name in ("set_stream", "set_workspace"):
        real = getattr(handle.library, name)
        monkeypatch.setattr(
            handle.library, name, lambda *args, name=name, real=real: seen.append((name, args[1])) or real(*args)
        )
    other = cupy.cuda.Stream(non_blocking=True)
    with other:
        product(x, x.T)
        product(x, x.T)
    space = handle.workspaces[other.ptr].ptr
    assert seen == [("set_stream", other.ptr), ("set_workspace", space)]
    product(x, x.T)
    with other:
        product(x, x.T)
    assert [name for name, _ in seen] == ["set_stream", "set_workspace"] * 3
    assert seen[-1] == ("set_workspace", space)
    assert len({each.ptr for each in handle.workspaces.values()}) == len(handle.workspaces)


def test_threads_have_handles_of_their_own_and_leave_them_to_the_next(device):
    x = transfer(numbers((3, 4)), device)
    product(x, x.T)
    found = []

    def work():
        product(x, x.T)
        found.append(cublas._threads.handles[0].address)

    for _ in range(2):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert found[0] == found[1] != cublas._threads.handles[0].address


def test_a_product_can_be_captured_and_replayed(cupy, device):
    x, y = transfer(numbers((2, 3, 4)), device), transfer(numbers((2, 4, 5), seed=1), device)
    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        try:
            stream.begin_capture()
            stream.end_capture()
        except Exception as error:
            pytest.skip(f"this device cannot capture: {error}")
        product(x, y)
        stream.synchronize()
        stream.begin_capture()
        z = product(x, y)
        graph = stream.end_capture()
        x[...] = 2 * x
        graph.launch(stream)
        stream.synchronize()
    check(z, 2 * exact(numbers((2, 3, 4)), numbers((2, 4, 5), seed=1)), "float32")


def test_the_first_product_of_a_stream_is_not_captured(monkeypatch, cupy, device):
    x = transfer(numbers((3, 4)), device)
    product(x, x.T)
    handle = cublas._threads.handles[0]
    monkeypatch.setattr(handle, "workspaces", {})  # a new stream may have the address of an old one
    monkeypatch.setattr(handle, "stream", None)
    monkeypatch.setattr(cublas, "_cupy", lambda: Capturing(cupy))
    with cupy.cuda.Stream(non_blocking=True), pytest.raises(RuntimeError, match="cannot be captured"):
        product(x, x.T)


class Capturing:
    """CuPy, whose streams all say that they are capturing."""

    def __init__(self, cupy):
        self._cupy = cupy

    def __getattr__(self, name):
        if name == "streamIsCapturing":
            return lambda stream: True
        found = getattr(self._cupy, name)
        return Capturing(found) if name in ("cuda", "runtime") else found


def test_a_failure_names_the_status_and_the_shapes(monkeypatch, device):
    x, y = transfer(numbers((3, 4)), device), transfer(numbers((4, 5)), device)
    product(x, y)
    monkeypatch.setattr(cublas._library(), "functions", {(False, False): lambda *args: 13})
    with pytest.raises(RuntimeError, match=r"\(3, 4\) and \(4, 5\).*CUBLAS_STATUS_EXECUTION_FAILED \(13\)"):
        product(x, y)


def test_operands_that_do_not_fit_are_refused(device):
    x = transfer(numbers((3, 4)), device)
    with pytest.raises(ValueError, match=r"shapes \(3, 4\) and \(3, 4\)"):
        product(x, x)
    with pytest.raises(TypeError, match="float32, float64"):
        cublas.gemm(x, x.T.astype("float64"))
    with pytest.raises(TypeError, match="not int64"):
        cublas.gemm(x.astype("int64"), x.T.astype("int64"))


def test_integers_take_cupys_own_way(calls, device):
    x = transfer(np.arange(12).reshape(3, 4), device)
    host = to_host(x)
    np.testing.assert_array_equal(to_host(product(x, x.T)), host @ host.T)
    assert not calls
