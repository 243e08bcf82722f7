"""gpudl's binding to cuBLASLt against NumPy: a product with a bias, a product with sums, and when there is none."""

import numpy as np
import pytest
from on_gpu import gpu  # noqa: F401
from tolerances import assert_close

import gpudl
from gpudl import nn, sim
from gpudl.backend import cublaslt
from gpudl.backend.device import to_host, transfer

DTYPES = ("float16", "bfloat16", "float32")


def numbers(shape, dtype="float32", seed=0):
    kind = pytest.importorskip("ml_dtypes").bfloat16 if dtype == "bfloat16" else dtype
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(kind)


def wide(*arrays):
    return [each.astype("float64") for each in arrays]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1, 1), (5, 3, 4), (64, 32, 16), (33, 65, 17)])
def test_a_product_with_a_bias(gpu, dtype, shape):  # noqa: F811
    count, inner, columns = shape
    x, w, b = numbers((count, inner), dtype), numbers((columns, inner), dtype, 1), numbers((columns,), dtype, 2)
    there = [transfer(each, gpu) for each in (x, w, b)]
    got = cublaslt.product_and_bias(there[0], there[1].T, there[2])
    exact = wide(x, w, b)
    assert_close(to_host(got), (exact[0] @ exact[1].T + exact[2]).astype(x.dtype), "y", slack=4)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("given", [False, True])
def test_a_product_with_the_sums_of_an_operand(gpu, dtype, given):  # noqa: F811
    rows, x = numbers((33, 20), dtype), numbers((33, 9), dtype, 1)
    there = [transfer(each, gpu) for each in (rows, x, np.zeros((20, 9), rows.dtype), np.zeros(20, rows.dtype))]
    got = cublaslt.product_and_sums(there[0].T, there[1], there[3], there[2] if given else None)
    assert (got is there[2]) is given
    exact = wide(rows, x)
    assert_close(to_host(got), (exact[0].T @ exact[1]).astype(rows.dtype), "dw", slack=4)
    assert_close(to_host(there[3]), exact[0].sum(0).astype(rows.dtype), "db", slack=4)


def test_another_bias_of_the_same_product_and_less_aligned_memory(gpu):  # noqa: F811
    x, w, flat = numbers((6, 8)), numbers((4, 8), seed=1), numbers(8, seed=2)
    there = transfer(flat, gpu)
    for start in (0, 4, 1, 3, 0):
        got = cublaslt.product_and_bias(transfer(x, gpu), transfer(w, gpu).T, there[start : start + 4])
        assert_close(to_host(got), x @ w.T + flat[start : start + 4], f"from {start}", slack=4)


def test_where_it_has_no_way_the_answer_is_none_and_the_layer_goes_on(gpu):  # noqa: F811
    x, w, b = (transfer(each, gpu) for each in (numbers((4, 6)), numbers((6, 3), seed=1), numbers(3, seed=2)))
    assert cublaslt.product_and_bias(x, w, b) is not None
    assert cublaslt.product_and_bias(x[::2, ::2], w[::2], b) is None  # would need a copy
    assert cublaslt.product_and_bias(x[:0], w, b) is None
    assert cublaslt.product_and_bias(x, w, transfer(numbers(6), gpu)[::2]) is None
    assert cublaslt.product_and_bias(transfer(numbers((2, 4, 6)), gpu), transfer(numbers((2, 6, 3)), gpu), b) is None
    if gpu.type == "sim":  # a real one may have kernels for it one day
        assert cublaslt.product_and_bias(*(each.astype("float64") for each in (x, w, b))) is None
    layer, twin = nn.Linear(6, 3).to(gpu), nn.Linear(6, 3)
    twin.load_state_dict({name: each.cpu() for name, each in layer.state_dict().items()})
    there = gpudl.tensor(numbers((5, 4, 6))).to(gpu)[:, :, ::2].repeat(1, 1, 2)
    assert_close(layer(there).detach().cpu().numpy(), twin(there.cpu()).detach().numpy(), "y", slack=4)


def test_without_it_all_is_as_before(gpu, monkeypatch):  # noqa: F811
    layer = nn.Linear(6, 3).to(gpu)
    x = gpudl.tensor(numbers((5, 6))).to(gpu)

    def run():
        layer.zero_grad()
        y = layer(x)
        y.sum().backward()
        return [each.detach().cpu().numpy() for each in (y, layer.weight.grad, layer.bias.grad)]

    with_it = run()
    monkeypatch.setattr(cublaslt, "_library", lambda: None)
    for one, other in zip(with_it, run(), strict=True):
        assert_close(one, other, "result", slack=4)


def test_forward_and_gradients_are_a_call_each(gpu):  # noqa: F811
    if gpu.type != "sim":
        pytest.skip(f"{gpu} does not count the kernels that it starts")
    layer = nn.Linear(6, 3).to(gpu)
    x = gpudl.tensor(numbers((5, 6))).to(gpu)
    dy = gpudl.ones(5, 3, device=gpu)
    layer(x).backward(dy)
    with sim.counting() as counted:
        y = layer(x)
    assert counted.library_calls == 1 and counted.launches == 0
    layer.zero_grad()
    with sim.counting() as counted:
        y.backward(dy)
    assert counted.library_calls == 1 and counted.launches == 0


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_nan_and_inf_go_through(gpu, value):  # noqa: F811
    x, w, b = numbers((4, 6)), numbers((3, 6), seed=1), numbers(3, seed=2)
    x[1, 2] = b[0] = float(value)
    got = cublaslt.product_and_bias(transfer(x, gpu), transfer(w, gpu).T, transfer(b, gpu))
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(to_host(got), x @ w.T + b, rtol=1e-5)


def test_a_failure_names_the_status_and_the_shapes(gpu, monkeypatch):  # noqa: F811
    x, w, b = (transfer(each, gpu) for each in (numbers((4, 6)), numbers((6, 3), seed=1), numbers(3, seed=2)))
    cublaslt.product_and_bias(x, w, b)
    monkeypatch.setattr(cublaslt._library(), "multiply", lambda *args: 13)
    with pytest.raises(RuntimeError, match=r"float32 product of \(4, 6\) and \(6, 3\).*EXECUTION_FAILED"):
        cublaslt.product_and_bias(x, w, b)


def test_the_environment_can_leave_it_out(gpu, monkeypatch):  # noqa: F811
    monkeypatch.setenv("GPUDL_CUBLASLT", "0")
    assert cublaslt._library.__wrapped__() is None
    monkeypatch.setenv("GPUDL_CUBLASLT", "1")
    assert cublaslt._library.__wrapped__() is not None
