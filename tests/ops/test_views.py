"""Views share memory wherever PyTorch's do; writing through one is seen by all others, with the right gradients."""

import itertools

import numpy as np
import pytest
from oracle import Raised, assert_same, gradients, host, ours, outcome, theirs, torch
from tolerances import assert_close

import gpudl


def corners(columns, rows):
    return columns[0], rows[:, 0]


# Each gives one or several tensors of a (4, 6) tensor; whether they share its memory is PyTorch's to say.
VIEWS = {
    "adjoint": lambda lib, x: x.adjoint(),
    "atleast_3d": lambda lib, x: lib.atleast_3d(x),
    "broadcast_tensors": lambda lib, x: lib.broadcast_tensors(x, x[:1])[0],
    "broadcast_to": lambda lib, x: x.broadcast_to((2, 4, 6))[0],
    "chunk": lambda lib, x: x.chunk(3, 1),
    "contiguous": lambda lib, x: x.contiguous(),
    "detach": lambda lib, x: x.detach(),
    "diagonal": lambda lib, x: x.diagonal(1),
    "diagonal of 3": lambda lib, x: x.view(2, 2, 6).diagonal(-1, 2, 0),
    "expand": lambda lib, x: x.expand(2, 4, 6)[1],
    "expand_as": lambda lib, x: x.expand_as(x),
    "flatten": lambda lib, x: x.flatten(),
    "flatten of t": lambda lib, x: x.t().flatten(),
    "flip": lambda lib, x: x.flip(0),
    "H": lambda lib, x: x.H,
    "hsplit": lambda lib, x: x.hsplit(2),
    "index": lambda lib, x: x[1:3, ::2],
    "meshgrid": lambda lib, x: corners(*lib.meshgrid(x[:, 0], x[0], indexing="xy")),
    "mH": lambda lib, x: x.mH,
    "movedim": lambda lib, x: x.movedim(0, 1),
    "narrow": lambda lib, x: x.narrow(1, 2, 3),
    "narrow_copy": lambda lib, x: x.narrow_copy(1, 2, 3),
    "permute": lambda lib, x: x.permute(1, 0),
    "ravel": lambda lib, x: x.ravel(),
    "repeat": lambda lib, x: x.repeat(1, 1),
    "repeat_interleave": lambda lib, x: x.repeat_interleave(1, 0),
    "reshape": lambda lib, x: x.reshape(3, 8),
    "reshape of t": lambda lib, x: x.t().reshape(3, 8),
    "roll": lambda lib, x: x.roll(0, 0),
    "rot90": lambda lib, x: x.rot90(0),
    "select": lambda lib, x: x.select(1, -1),
    "select_copy": lambda lib, x: lib.select_copy(x, 1, -1),
    "split": lambda lib, x: x.split([1, 3]),
    "split_copy": lambda lib, x: lib.split_copy(x, 2),
    "squeeze": lambda lib, x: x[:1].squeeze(),
    "swapdims": lambda lib, x: x.swapdims(0, 1),
    "T": lambda lib, x: x.T,
    "tensor_split": lambda lib, x: x.tensor_split([1, 2]),
    "tile": lambda lib, x: x.tile(1),
    "triu": lambda lib, x: x.triu(),
    "unbind": lambda lib, x: x.unbind(1),
    "unflatten": lambda lib, x: x.unflatten(1, (2, 3)),
    "unfold": lambda lib, x: x.unfold(1, 2, 2),
    "unfold of t": lambda lib, x: x.t().unfold(0, 3, 3),
    "unsqueeze": lambda lib, x: x.unsqueeze(1),
    "view": lambda lib, x: x.view(24),
    "view of dtype": lambda lib, x: x.view(lib.int32),
    "view_as": lambda lib, x: x.view_as(lib.zeros(2, 12)),
    "view_copy": lambda lib, x: lib.view_copy(x, (24,)),
}
WRITTEN = [name for name in VIEWS if name not in ("detach", "view of dtype")]


def listed(result):
    return list(result) if isinstance(result, (tuple, list)) else [result]


@pytest.mark.parametrize("name", VIEWS)
def test_memory_is_shared_where_torch_shares_it(name, device):
    results = []
    for lib, make in ((gpudl, lambda x: ours(x, device)), (torch, theirs)):
        x = make(np.arange(24, dtype="float32").reshape(4, 6))
        views = listed(VIEWS[name](lib, x))
        x.fill_(-7)
        seen = [host(view).copy() for view in views]
        if not name.startswith("view of dtype"):
            for number, view in enumerate(views):
                view.fill_(number + 100)
        results.append((seen, host(x)))
    (seen, x), (wanted, y) = results
    for mine, other in zip(seen, wanted):
        np.testing.assert_array_equal(mine, other, f"{name}: what the view sees of a change of its base")
    np.testing.assert_array_equal(x, y, f"{name}: what the base sees of a change of its view")


PLACES = {
    "chunk": (lambda b: b[:, :2], lambda b: b[:, 2:4]),
    "hsplit": (lambda b: b[:, :3], lambda b: b[:, 3:]),
    "split": (lambda b: b[:1], lambda b: b[1:]),
    "tensor_split": (lambda b: b[:1], lambda b: b[1:2]),
    "unbind": (lambda b: b[:, 0], lambda b: b[:, 1]),
}


def program(name, lib, x, w):
    base = x * 2
    other = base[1]
    for number, view in enumerate(listed(VIEWS[name](lib, base))[:2]):
        view.mul_(w[number])
    return (base * base).sum() + (other * w[2]).sum()


def program_of_slices(name, lib, x, w):
    base = x * 2
    other = base[1]
    for number, place in enumerate(PLACES[name]):
        place(base).mul_(w[number])
    return (base * base).sum() + (other * w[2]).sum()


@pytest.mark.parametrize("name", WRITTEN)
def test_gradients_after_writing_through_a_view(name, device):
    # torch forbids writing through one of several views of one call; slices of the same place it allows
    other_program = program_of_slices if name in PLACES else program
    values = [np.random.default_rng(0).uniform(0.5, 1.5, size) for size in ((4, 6), (3,))]
    mine, other = [ours(v, device, True) for v in values], [theirs(v, True) for v in values]
    got = program(name, gpudl, *mine)
    want = other_program(name, torch, *other)
    assert_close(host(got), host(want), name)
    ones = [ours(np.array(1.0), device)], [theirs(np.array(1.0))]
    for a, b in zip(gradients(gpudl, [got], mine, ones[0]), gradients(torch, [want], other, ones[1])):
        assert_close(host(a), host(b), f"{name}: gradient")


CHAINS = {
    "transpose_": (lambda lib, x: x.transpose_(0, 1),),
    "t_": (lambda lib, x: x.t_(),),
    "unsqueeze_": (lambda lib, x: x.unsqueeze_(0),),
    "squeeze_": (lambda lib, x: x.unsqueeze_(1), lambda lib, x: x.squeeze_()),
    "swapaxes_": (lambda lib, x: x.swapaxes_(0, 1), lambda lib, x: x.swapdims_(0, 1), lambda lib, x: x.t_()),
}


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("of_view", [False, True])
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_shapes_changed_in_place(name, of_view, order, device):
    """Views made before and after, and the tensor itself, written in every order: values and gradients as torch's."""

    def program(lib, x, w):
        base = x * 2
        y = base[1:] if of_view else base
        before = y[1]
        for step in CHAINS[name]:
            assert step(lib, y) is y
        after = y[..., 0]
        for place in order:
            (before, y, after)[place].mul_(w[place])
        return [(base * base).sum() + (before * w[0]).sum() + y.sum() * after.sum(), y, before]

    values = [np.random.default_rng(0).uniform(0.5, 1.5, size) for size in ((4, 3), (3,))]
    mine, other = [ours(v, device, True) for v in values], [theirs(v, True) for v in values]
    got, want = program(gpudl, *mine), program(torch, *other)
    assert_same(got, want, name)
    ones = [ours(np.array(1.0), device)], [theirs(np.array(1.0))]
    for a, b in zip(gradients(gpudl, got[:1], mine, ones[0]), gradients(torch, want[:1], other, ones[1])):
        assert_close(host(a), host(b), f"{name} {order}: gradient")


def test_backward_sees_that_a_saved_tensor_changed_its_shape(device):
    for lib, x in ((gpudl, ours(np.ones((2, 3)), device, True)), (torch, theirs(np.ones((2, 3)), True))):
        y = x * 1
        z = y * y
        y.t_()
        with pytest.raises(RuntimeError, match=r"in place|inplace"):
            z.sum().backward()
        leaf = outcome(lib.Tensor.t_, x)
        assert isinstance(leaf, Raised)
        assert isinstance(leaf.error, RuntimeError)
        assert x.shape == (2, 3)
        assert isinstance(outcome(lib.Tensor.unsqueeze_, x[0], 0), Raised)


def test_inference_tensors_keep_their_shape():
    with gpudl.inference_mode():
        x = gpudl.ones(2, 3)
        assert x.t_().shape == (3, 2)
    with pytest.raises(RuntimeError, match="inference"):
        x.t_()


def test_overlapping_windows_are_written_and_differentiated(device):
    for lib, x in ((gpudl, ours(np.arange(5.0), device)), (torch, theirs(np.arange(5.0)))):
        x.unfold(0, 3, 1)[1].fill_(9)
        np.testing.assert_array_equal(host(x), [0, 9, 9, 9, 4])
        assert lib.is_tensor(x)


def test_detach_cuts_in_place(device):
    x = ours(np.ones(2), device, True)
    y = x * 2
    assert y.detach_() is y
    assert not y.requires_grad
    assert y.is_leaf
    view = (x * 2)[:1]
    with pytest.raises(RuntimeError, match="view"):
        view.detach_()
    assert gpudl.detach_copy(x).requires_grad is False
    copied = gpudl.detach_copy(x)
    copied.fill_(3)
    np.testing.assert_array_equal(host(x), [1, 1])


def test_views_of_another_dtype_share_bytes_and_have_no_gradient(device):
    x = gpudl.tensor([1.0, -2.0], device=device, requires_grad=True)
    bits = x.view(gpudl.int32)
    np.testing.assert_array_equal(host(bits), np.array([1.0, -2.0], "float32").view("int32"))
    assert not bits.requires_grad
    with pytest.raises(RuntimeError, match="4 bytes"):
        x.view(gpudl.float64)


@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_half_floats_are_moved_as_they_are(half, device):
    x = gpudl.arange(24.0, device=device).reshape(2, 3, 4).to(half)
    plain = host(x).astype("float32")
    for move in (
        lambda t: gpudl.cat([t, t], 1),
        lambda t: t.flip(0, 2),
        lambda t: t.roll(1, 2),
        lambda t: t.tril(),
        lambda t: t.repeat_interleave(gpudl.tensor([2, 0, 1], device=device), 1),
        lambda t: t.repeat(2, 1, 1),
        lambda t: t.unfold(2, 2, 1),
        lambda t: gpudl.diag_embed(t),
        lambda t: gpudl.block_diag(t[0], t[1]),
        lambda t: gpudl.stack(t.unbind(1)),
        lambda t: t.select_scatter(t[0], 0, 1),
    ):
        moved = move(x)
        assert moved.dtype == x.dtype
        np.testing.assert_array_equal(host(moved).astype("float32"), host(move(gpudl.tensor(plain, device=device))))


def test_errors_name_the_operation_and_the_fix(device):
    x = gpudl.ones(2, 3, device=device)
    for call, word in (
        (lambda: x.permute(0), "permute"),
        (lambda: x.diag_embed(0, 1, 1), "diag_embed"),
        (lambda: gpudl.diag(gpudl.ones(2, 2, 2)), "diagonal or diag_embed"),
        (lambda: gpudl.cat(x), "list or tuple"),
        (lambda: gpudl.cat([x, 3]), "number 1"),
        (lambda: x.split([1, 2]), r"\(1, 2\)"),
        (lambda: x.narrow(0, 1, 2), "past the end"),
        (lambda: x.unfold(1, 4, 1), r"\[0, 3\]"),
        (lambda: x.repeat_interleave(gpudl.tensor([1, 2, 3], device=device), 0), "3 repeats for 2"),
        (lambda: gpudl.meshgrid(x), "1-d"),
        (lambda: x.reshape(), "missing"),
        (lambda: x.permute((0, 1), dims=(0, 1)), "by name"),
    ):
        with pytest.raises((ValueError, TypeError), match=word):
            call()


def test_what_changes_nothing_is_the_tensor_itself(device):
    for lib, x in ((gpudl, ours(np.ones((2, 3)), device)), (torch, theirs(np.ones((2, 3))))):
        for same in (x.flatten(1, 1), x.contiguous(), lib.atleast_2d(x), x.to(lib.float64), x.double(), x.cpu()):
            assert same is x or x.device is not same.device
        for other in (
            x.flatten(),
            x.reshape(2, 3),
            x.view(2, 3),
            x.squeeze(),
            x.expand(2, 3),
            x.ravel(),
            x.movedim(0, 0),
        ):
            assert other is not x
