"""Rotary position embedding: the paper's rotation in complex numbers, gradients, positions, and its tables."""

import copy
import pickle

import numpy as np
import pytest
from tolerances import assert_close
from twins import array, torch

import gpudl
from gpudl import nn
from gpudl.autograd import gradcheck, gradgradcheck
from gpudl.nn.functional import rotary_embedding


def cpu(tensor):
    return tensor.detach().cpu().numpy()


CASES = [((2, 3, 5, 8), 8), ((5, 4), 4), ((2, 5, 10), 6), ((1, 7, 2), 2), ((0, 3, 4), 2)]


def turned(x, positions, dim, base=10000.0, interleaved=False):
    """(a + ib) exp(i position base**(-2 n / dim)) for the pairs (a, b), as in equation 34 of the paper."""
    rest, x = x[..., dim:], np.asarray(x[..., :dim], "float64")
    a, b = (x[..., ::2], x[..., 1::2]) if interleaved else np.split(x, 2, -1)
    angles = np.asarray(positions)[..., None] * float(base) ** (-2 * np.arange(dim // 2) / dim)
    z = (a + 1j * b) * np.exp(1j * angles)
    y = np.stack([z.real, z.imag], -1).reshape(x.shape) if interleaved else np.concatenate([z.real, z.imag], -1)
    return np.concatenate([y.astype(rest.dtype), rest], -1)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize(("shape", "dim"), CASES)
def test_values_are_those_of_the_paper(device, shape, dim, interleaved, dtype):
    x = array(*shape, dtype=dtype)
    layer = nn.RotaryEmbedding(dim, base=500.0, max_seq_len=12, interleaved=interleaved, device=device)
    if dtype == "float64":
        layer = nn.RotaryEmbedding(dim, 500.0, 12, interleaved, device, "float64")
    for offset in (0, 4):
        got = layer(gpudl.tensor(x, device=device), offset)
        want = turned(x, np.arange(offset, offset + shape[-2]), dim, 500.0, interleaved)
        assert got.device is device
        assert_close(cpu(got), want, f"offset {offset}", slack=4)


@pytest.mark.parametrize("interleaved", [False, True])
def test_positions(device, interleaved):
    layer = nn.RotaryEmbedding(4, max_seq_len=50, interleaved=interleaved, device=device)
    x = array(2, 3, 5, 4)
    for positions in (np.array([7, 0, 3, 3, 49]), np.array([[0, 1, 2, 3, 4], [9, 8, 7, 6, 5]])):
        got = layer(gpudl.tensor(x, device=device), positions=gpudl.tensor(positions, device=device))
        full = np.broadcast_to(positions if positions.ndim == 1 else positions[:, None], (2, 3, 5))
        assert_close(cpu(got), turned(x, full, 4, interleaved=interleaved), "positions", slack=4)
    row = layer(gpudl.tensor(x[0, 0], device=device), positions=gpudl.arange(5, device=device))
    assert_close(cpu(row), turned(x[0, 0], np.arange(5), 4, interleaved=interleaved), "row", slack=4)


@pytest.mark.parametrize("interleaved", [False, True])
def test_products_depend_on_distances_alone(device, interleaved):
    layer = nn.RotaryEmbedding(16, 10000.0, 200, interleaved, device, "float64")
    q, k = (gpudl.tensor(array(1, 16, dtype="float64", seed=seed), device=device) for seed in (0, 1))
    products = [float((layer(q, at + 7) * layer(k, at)).sum()) for at in (0, 1, 90, 192)]
    np.testing.assert_allclose(products, products[0], rtol=1e-12)
    assert abs(float((layer(q, 8) * layer(k, 0)).sum()) - products[0]) > 1e-3
    assert_close(cpu(layer(q, 0)), cpu(q), "position 0")


def test_tables_do_not_lose_digits_at_distant_positions():
    """In float32 the angle 131071 is off by 1/64 of a turn's unit; its cosine is right to the last digit."""
    layer = nn.RotaryEmbedding(8, max_seq_len=1 << 17)
    angles = np.arange(1 << 17)[:, None] * 10000.0 ** (-np.arange(0, 8, 2) / 8)
    assert abs(layer.cos.numpy() - np.cos(angles)).max() < 1e-7
    assert abs(layer.sin.numpy() - np.sin(angles)).max() < 1e-7


def as_torch(interleaved):
    def function(x, cos, sin):
        pairs = cos.shape[-1]
        front = x[..., : 2 * pairs]
        a, b = (front[..., ::2], front[..., 1::2]) if interleaved else front.chunk(2, -1)
        parts = [a * cos - b * sin, a * sin + b * cos]
        y = torch.stack(parts, -1).flatten(-2) if interleaved else torch.cat(parts, -1)
        return torch.cat([y, x[..., 2 * pairs :]], -1)

    return function


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize("tables", [(5, 2), (1, 2), (2,), (3, 1, 3), (2, 3, 5, 1)])
def test_gradients_of_the_function(device, tables, interleaved, dtype):
    """Any tables have gradients too, in all shapes that broadcast."""
    arrays = [array(2, 3, 5, 7, dtype=dtype), array(*tables, dtype=dtype, seed=1), array(*tables, dtype=dtype, seed=2)]
    mine = [gpudl.tensor(x, device=device, requires_grad=True) for x in arrays]
    theirs = [torch.tensor(x, requires_grad=True) for x in arrays]
    got, want = rotary_embedding(*mine, interleaved), as_torch(interleaved)(*theirs)
    assert_close(cpu(got), want.detach().numpy(), "output")
    dy = array(2, 3, 5, 7, dtype=dtype, seed=3)
    got.backward(gpudl.tensor(dy, device=device))
    want.backward(torch.tensor(dy))
    for one, two in zip(mine, theirs):
        assert_close(cpu(one.grad), two.grad.numpy(), "gradient", slack=5)


@pytest.mark.parametrize("interleaved", [False, True])
def test_second_gradients(device, interleaved):
    tensors = [
        gpudl.tensor(array(*shape, dtype="float64", seed=seed), device=device, requires_grad=True)
        for seed, shape in enumerate([(2, 3, 5), (3, 2), (3, 2)])
    ]
    gradcheck(lambda *given: rotary_embedding(*given, interleaved), tensors)
    gradgradcheck(lambda *given: rotary_embedding(*given, interleaved), tensors)


def test_half_floats_are_turned_in_float32(device):
    x = array(2, 40, 8, dtype="float16")
    layer = nn.RotaryEmbedding(8, max_seq_len=40, device=device)
    tensor = gpudl.tensor(x, device=device, requires_grad=True)
    y = layer(tensor)
    exact = turned(x.astype("float64"), np.arange(40), 8)
    assert y.dtype == gpudl.float16
    assert abs(cpu(y) - exact).max() < 2e-3
    y.backward(gpudl.tensor(x, device=device))
    assert tensor.grad.dtype == gpudl.float16
    narrow = layer.half()
    assert narrow.cos.dtype == gpudl.float16
    assert narrow(gpudl.tensor(array(2, 3, 8), device=device)).dtype == gpudl.float32
    assert narrow(tensor.to("bfloat16")).dtype == gpudl.bfloat16


def test_inputs_that_are_not_contiguous(device):
    x = array(8, 5, 3, 2)
    layer = nn.RotaryEmbedding(8, max_seq_len=5, device=device)
    got = layer(gpudl.tensor(x, device=device).permute(3, 2, 1, 0))
    assert_close(cpu(got), turned(x.transpose(), np.arange(5), 8), "permuted", slack=4)


def test_tables_are_no_part_of_the_state(device):
    layer = nn.RotaryEmbedding(6, max_seq_len=9, device=device)
    assert layer.state_dict() == {}
    assert list(layer.parameters()) == []
    assert {name: buffer.shape for name, buffer in layer.named_buffers()} == {"cos": (9, 3), "sin": (9, 3)}
    assert layer.cos.device is device
    assert layer.cos.dtype == gpudl.float32
    x = gpudl.tensor(array(2, 5, 6), device=device)
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert gpudl.equal(other(x), layer(x))


def test_repr_and_defaults():
    layer = nn.RotaryEmbedding(4)
    assert repr(layer) == "RotaryEmbedding(4, base=10000.0, max_seq_len=2048)"
    assert (layer.dim, layer.base, layer.max_seq_len, layer.interleaved) == (4, 10000.0, 2048, False)
    gpudl.set_default_dtype("float64")
    try:
        assert nn.RotaryEmbedding(4).cos.dtype == gpudl.float64
    finally:
        gpudl.set_default_dtype("float32")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((3,), ValueError, "dim must be even, got 3"),
        ((0,), ValueError, "dim must be >= 2, got 0"),
        ((4.0,), TypeError, "dim must be an int, got 4.0"),
        ((4, 0.0), ValueError, "base must be positive, got 0.0"),
        ((4, 10.0, 0), ValueError, "max_seq_len must be >= 1, got 0"),
    ],
)
def test_errors_of_construction(arguments, error, message):
    with pytest.raises(error, match=message):
        nn.RotaryEmbedding(*arguments)


def test_errors_of_a_call():
    layer = nn.RotaryEmbedding(4, max_seq_len=8)
    x = gpudl.ones(2, 3, 5, 4)
    for named, error, message in (
        ({"offset": 4}, ValueError, "positions 4 to 8 are not in 0 to 7"),
        ({"offset": -1}, ValueError, "positions -1 to 3 are not in 0 to 7"),
        ({"positions": gpudl.arange(4)}, ValueError, r"positions \(4,\) do not fit an input \(2, 3, 5, 4\)"),
        ({"positions": gpudl.zeros(3, 5, dtype="int64")}, ValueError, r"positions \(3, 5\) do not fit"),
        ({"positions": gpudl.tensor([0, 1, 2, 3, 8])}, IndexError, "8"),
        ({"positions": gpudl.tensor([0, 1, 2, 3, -1])}, IndexError, "-1"),
        ({"positions": gpudl.ones(5)}, RuntimeError, "float32"),
    ):
        with pytest.raises(error, match=message):
            layer(x, **named)
    for shape in ((4,), (5, 3)):
        with pytest.raises(gpudl.ShapeError, match=r"expected \(\.\.\., length, 4 or more\), got"):
            layer(gpudl.ones(*shape))


def test_errors_of_the_function():
    x = gpudl.ones(2, 5, 4)
    for cos, sin in (
        ((5, 3), (5, 3)),
        ((5, 2), (5, 1)),
        ((4, 2), (4, 2)),
        ((), ()),
        ((5, 0), (5, 0)),
        ((1, 2, 5, 2),) * 2,
    ):
        with pytest.raises(gpudl.ShapeError, match="expected cos and sin that broadcast to"):
            rotary_embedding(x, gpudl.ones(cos), gpudl.ones(sin))
    with pytest.raises(RuntimeError, match="must be floating, got int64"):
        rotary_embedding(gpudl.ones(5, 4, dtype="int64"), gpudl.ones(5, 2), gpudl.ones(5, 2))
