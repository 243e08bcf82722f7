"""Products where a table does not reach: views, exactness of integers, random equations, and the order of products."""

import itertools
import math

import numpy as np
import pytest
from oracle import assert_same, check_gradients, host, ours, outcome, theirs, torch

import gpudl
import gpudl.linalg
from gpudl.autograd import gradcheck, gradgradcheck
from gpudl.ops.subscripts import contraction_order

rng = np.random.default_rng


def tensor(x, device, grad=True):
    return gpudl.tensor(np.asarray(x, float), device=device, requires_grad=grad)


@pytest.mark.parametrize(("equation", "shape"), [("ij->ji", (2, 3)), ("ij->ij", (2, 3)), ("ii->i", (3, 3))])
def test_einsum_that_neither_sums_nor_multiplies_is_a_view(equation, shape, device):
    mine, other = gpudl.zeros(shape, device=device), torch.zeros(shape)
    gpudl.einsum(equation, mine).fill_(7)
    torch.einsum(equation, other).fill_(7)
    np.testing.assert_array_equal(host(mine), host(other))


def test_diagonal_is_a_view_whose_change_backward_sees(device):
    x = tensor(np.ones((2, 3, 4)), device)
    y = x * 2
    gpudl.linalg.diagonal(y, offset=1).mul_(5)
    y.sum().backward()
    expected = np.full((2, 3, 4), 2.0)
    for i in range(3):
        expected[:, i, i + 1] = 10
    np.testing.assert_array_equal(host(x.grad), expected)


def test_product_that_was_changed_in_place_is_found(device):
    x, y = tensor(np.ones((2, 2)), device), tensor(np.ones((2, 2)), device)
    a = x * 1
    z = gpudl.einsum("ij,jk->ik", a, y)
    a.add_(1)
    with pytest.raises(gpudl.GraphError, match="Contract"):
        z.sum().backward()


def test_integer_products_are_exact(device):
    for dtype, reach in (
        ("int64", 2**20),
        ("int64", 2**27),
        ("int64", 2**31),
        ("int64", 2**62),
        ("int32", 2**30),
        ("int16", 2**14),
        ("uint8", 255),
    ):
        low = 0 if dtype == "uint8" else -reach
        x, y = (rng(seed).integers(low, reach, (50, 50)).astype(dtype) for seed in (0, 1))
        exact = (x.astype(object) @ y.astype(object)) % 2 ** (8 * x.itemsize)
        got = host(gpudl.matmul(ours(x, device), ours(y, device)))
        assert got.dtype == dtype
        np.testing.assert_array_equal(got.astype(object) % 2 ** (8 * x.itemsize), exact)


@pytest.mark.parametrize("name", ["addmm", "addmv", "addr", "addbmm", "baddbmm"])
def test_input_is_not_read_where_beta_is_0(name, device):
    parts = {"addmm": ((2, 3), (3, 2)), "addmv": ((2, 3), (3,)), "addr": ((2,), (2,))}.get(name, ((4, 2, 3), (4, 3, 2)))
    x, y = (tensor(np.ones(shape), device) for shape in parts)
    b = tensor(np.full(2 if name == "addmv" else (2, 2), np.nan), device)
    z = getattr(gpudl, name)(b, x, y, beta=0)
    assert np.isfinite(host(z)).all()
    z.sum().backward()
    assert not host(b.grad).any()
    assert np.isfinite(host(x.grad)).all()


def equations(seed):
    """A random equation of einsum, and shapes for it."""
    random = rng(seed)
    lengths = dict(zip("abcdef", random.integers(1, 4, 6)))
    inputs, shapes = [], []
    for _ in range(random.integers(1, 5)):
        labels = [str(each) for each in random.choice(list("abcdef"), random.integers(0, 4))]
        shapes.append(tuple(1 if random.random() < 0.1 else int(lengths[label]) for label in labels))
        for label in labels:  # a label that stands twice in an operand has one length there
            first = shapes[-1][labels.index(label)]
            shapes[-1] = tuple(first if each == label else n for each, n in zip(labels, shapes[-1]))
        dots = random.random() < 0.3
        inputs.append("..." * dots + "".join(labels))
        shapes[-1] = tuple((3, 2)[2 - random.integers(0, 3) :]) * dots + shapes[-1]
    used = sorted({label for labels in inputs for label in labels if label != "."})
    output = "".join(random.permutation(used)[: random.integers(0, len(used) + 1)]) if used else ""
    arrow = random.random()
    return ",".join(inputs) + ("" if arrow < 0.2 else "->" + "..." * (arrow < 0.8) + output), shapes


@pytest.mark.parametrize("seed", range(300))
def test_random_equations(seed, device):
    equation, shapes = equations(seed)
    arrays = [np.asarray(rng(i).uniform(-1, 1, shape)) for i, shape in enumerate(shapes)]
    mine, other = [ours(x, device, True) for x in arrays], [theirs(x, True) for x in arrays]
    got, want = outcome(gpudl.einsum, equation, *mine), outcome(torch.einsum, equation, *other)
    assert_same(got, want, f"{equation} {shapes}")
    if isinstance(want, torch.Tensor):
        check_gradients(got, want, mine, other, f"{equation} {shapes}")


def test_gradients_of_a_long_product_of_any_order(device):
    parts = [tensor(rng(i).uniform(-1, 1, shape), device) for i, shape in enumerate([(2, 3), (3, 2), (2, 2)])]
    gradcheck(lambda *xs: gpudl.einsum("ij,jk,lk->il", *xs), parts)
    gradgradcheck(lambda *xs: gpudl.einsum("ij,jk,lk->il", *xs), parts)


def cost_of(order, inputs, output, lengths):
    """Multiplications in this order of products."""
    terms, total = [set(labels) for labels in inputs], 0
    for i, j in order:
        second, first = terms.pop(j), terms.pop(i)
        total += math.prod(lengths[label] for label in first | second)
        terms.append((first | second) & set(output).union(*terms))
    return total


@pytest.mark.parametrize("count", [3, 4, 5])
def test_products_are_made_in_the_cheapest_order(count):
    inputs, output = tuple((i, i + 1) for i in range(count)), (0, count)
    for seed in range(5):
        lengths = {label: int(n) for label, n in enumerate(rng(seed).integers(1, 50, count + 1))}
        found = contraction_order(inputs, output, tuple(lengths.items()))
        orders = itertools.product(*(itertools.combinations(range(n), 2) for n in range(count, 1, -1)))
        best = min(cost_of(order, inputs, output, lengths) for order in orders)
        assert cost_of(found, inputs, output, lengths) == best


def test_many_operands_are_multiplied_cheaply():
    inputs = tuple((i, i + 1) for i in range(9))
    lengths = {label: 2 if label % 2 else 50 for label in range(10)}
    found = contraction_order(inputs, (0, 9), tuple(lengths.items()))
    assert cost_of(found, inputs, (0, 9), lengths) < cost_of([(0, 1)] * 8, inputs, (0, 9), lengths) * 2


def test_multi_dot_takes_the_cheapest_order(device, monkeypatch):
    from gpudl.ops import matrix_products

    shapes, multiplications = [], matrix_products.matmul

    def noted(x, y):
        shapes.append((*x.shape, y.shape[1]))
        return multiplications(x, y)

    monkeypatch.setattr(matrix_products, "matmul", noted)
    chain = [
        gpudl.ones(rows, columns, device=device)
        for rows, columns in ((30, 35), (35, 15), (15, 5), (5, 10), (10, 20), (20, 25))
    ]
    gpudl.linalg.multi_dot(chain)
    assert sum(map(math.prod, shapes)) == 15125  # Cormen et al., figure 15.5
