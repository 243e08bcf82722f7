"""Packing and padding of sequences as in PyTorch, and recurrent layers over packed ones."""

import itertools

import numpy as np
import pytest
from twins import array, compare, torch, twins

import gpudl
from gpudl.autograd import grad, gradcheck, gradgradcheck
from gpudl.nn.utils import rnn

theirs = torch.nn.utils.rnn

LENGTHS = [[4], [3, 3, 3], [4, 2, 1], [2, 4, 1, 4], [1, 1, 5]]


def both(device="cpu", **kwargs):
    """The libraries, and how each makes a tensor."""
    yield gpudl, rnn, lambda values: gpudl.tensor(values, device=device, **kwargs)
    yield torch, theirs, lambda values: torch.tensor(values, **kwargs)


def host(value):
    """Tensors, and tuples and lists of them, as NumPy arrays."""
    if value is None or isinstance(value, (tuple, list)):
        return value if value is None else [host(each) for each in value]
    return value.detach().cpu().numpy()


def assert_equal(got, want):
    """Equal to the bit, with dtypes, through tuples and lists."""
    if want is None or isinstance(want, list):
        assert (got is None) == (want is None)
        assert len(got or []) == len(want or [])
        for each in zip(got or [], want or []):
            assert_equal(*each)
    else:
        assert got.dtype == want.dtype
        np.testing.assert_array_equal(got, want)


def agree(run, device="cpu"):
    """run(module of utilities, tensor maker) gives the same in both."""
    got, want = (host(run(utils, make)) for _, utils, make in both(device))
    assert_equal(got, want)


@pytest.mark.parametrize("rest", [(), (3,), (2, 3)])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
def test_packing_and_padding(lengths, batch_first, rest, device):
    time, batch = max(lengths) + 1, len(lengths)
    x = array(*((batch, time) if batch_first else (time, batch)), *rest)
    agree(lambda utils, make: utils.pack_padded_sequence(make(x), lengths, batch_first, enforce_sorted=False), device)
    if lengths == sorted(lengths, reverse=True):
        agree(
            lambda utils, make: utils.pack_padded_sequence(make(x), torch_or_list(utils, lengths), batch_first), device
        )

    def there_and_back(utils, make, **kwargs):
        packed = utils.pack_padded_sequence(make(x), lengths, batch_first, enforce_sorted=False)
        return utils.pad_packed_sequence(packed, **kwargs)

    for form in ({}, {"batch_first": True}, {"padding_value": -2.5}, {"total_length": time + 2, "batch_first": True}):
        agree(lambda utils, make, form=form: there_and_back(utils, make, **form), device)


def torch_or_list(utils, lengths):
    """Lengths as a tensor, as which they may be given too."""
    return torch.tensor(lengths) if utils is theirs else gpudl.tensor(lengths)


@pytest.mark.parametrize("dtype", ["int64", "bool", "float16"])
def test_any_dtype_can_be_packed(dtype):
    x = array(4, 3, 2).astype(dtype)
    agree(
        lambda utils, make: utils.pad_packed_sequence(utils.pack_padded_sequence(make(x), [4, 2, 1]), padding_value=1.0)
    )


def sequences(make, lengths, rest=(2,)):
    return [make(array(length, *rest, seed=length + i)) for i, length in enumerate(lengths)]


@pytest.mark.parametrize("rest", [(), (2,), (2, 3)])
@pytest.mark.parametrize("lengths", [*LENGTHS, [0, 2]], ids=str)
def test_sequences(lengths, rest, device):
    for form in itertools.product((False, True), (0.0, 1.5), ("left", "right")):
        agree(lambda utils, make, form=form: utils.pad_sequence(sequences(make, lengths, rest), *form), device)
    for batch_first in (False, True):

        def unpadded(utils, make, batch_first=batch_first):
            padded = utils.pad_sequence(sequences(make, lengths, rest), batch_first)
            return utils.unpad_sequence(padded, torch_or_list(utils, lengths), batch_first)

        agree(unpadded, device)
    if min(lengths):
        agree(lambda utils, make: utils.pack_sequence(sequences(make, lengths, rest), enforce_sorted=False), device)
        agree(
            lambda utils, make: utils.unpack_sequence(utils.pack_sequence(sequences(make, lengths, rest), False)),
            device,
        )


def test_gradients_go_through_packing_and_padding():
    x = gpudl.tensor(array(4, 3, 2, dtype="float64"), requires_grad=True)

    def there_and_back(x):
        return rnn.pad_packed_sequence(rnn.pack_padded_sequence(x, [2, 4, 1], False, False), True)[0]

    assert gradcheck(there_and_back, [x])
    assert gradcheck(lambda *xs: rnn.pad_sequence(xs, True, 1.0, "left"), [x[:, 0], x[:2, 1]])
    assert gradcheck(lambda x: tuple(rnn.unpad_sequence(x, [2, 4, 1])), [x])


def test_permutations():
    agree(lambda utils, make: utils.invert_permutation(make([2, 0, 3, 1])))
    assert rnn.invert_permutation(None) is None


def test_a_packed_sequence_is_a_tuple_that_moves(device):
    for lib, utils, make in both(device):
        packed = utils.pack_padded_sequence(make(array(4, 3, 2)), [2, 4, 1], enforce_sorted=False)
        data, batch_sizes, order, back = packed
        assert packed.data is data
        assert batch_sizes.tolist() == [3, 2, 1, 1]
        assert order.tolist() == [1, 0, 2] == back.tolist()
        for name in ("double", "half", "long", "int", "short", "char", "byte"):
            cast = getattr(packed, name)()
            assert type(cast) is type(packed)
            assert str(cast.data.dtype) == str(getattr(data, name)().dtype)
            assert cast.sorted_indices.tolist() == order.tolist()
        assert packed.float() is packed
        assert packed.to(lib.float32) is packed
        assert packed.cpu().batch_sizes is batch_sizes
        assert packed.is_cuda is data.is_cuda
        pair = utils.PackedSequence((data, batch_sizes), sorted_indices=order)
        assert pair.unsorted_indices.tolist() == back.tolist()


@pytest.mark.parametrize(
    ("run", "error", "message"),
    [
        (lambda u, t: u.pack_padded_sequence(t(np.ones((4, 2))), [2, 3]), RuntimeError, r"do not grow, got \[2, 3\]"),
        (lambda u, t: u.pack_padded_sequence(t(np.ones((4, 2))), [3, 0]), RuntimeError, r"from 1 to 4, got \[3, 0\]"),
        (lambda u, t: u.pack_padded_sequence(t(np.ones((4, 2))), [3]), RuntimeError, r"of shape \(2,\), got \(1,\)"),
        (lambda u, t: u.pad_sequence([]), RuntimeError, "at least one sequence"),
        (lambda u, t: u.pad_sequence(3), RuntimeError, "one after the other, got int"),
        (lambda u, t: u.pad_sequence([t([1.0])], padding_side="top"), RuntimeError, "'left' or 'right', got 'top'"),
        (lambda u, t: u.pad_sequence([t([1.0]), t([[1.0]])]), RuntimeError, r"expected sequences of shape \(length"),
        (lambda u, t: u.unpad_sequence(t(np.ones((4, 2))), t([1])), ValueError, r"of shape \(2,\), got \(1,\)"),
    ],
)
def test_bad_arguments(run, error, message):
    with pytest.raises(error):
        run(theirs, torch.tensor)
    with pytest.raises(error, match=message):
        run(rnn, gpudl.tensor)


def test_lengths_must_fit():
    for _, utils, make in both():
        packed = utils.pack_padded_sequence(make(array(4, 2)), [4, 2])
        with pytest.raises(ValueError, match="total_length"):
            utils.pad_packed_sequence(packed, total_length=3)
    with pytest.raises(gpudl.ShapeError, match=r"from 1 to 4, got \[5, 1\]"):  # torch cuts, but not the batch sizes
        rnn.pack_padded_sequence(gpudl.ones(4, 2), [5, 1])
    with pytest.raises(gpudl.ShapeError, match="2 or more dimensions"):
        rnn.pack_padded_sequence(gpudl.ones(4), [4])


def over_packed(lib, lengths, kind, *args, **kwargs):
    """A layer that packs its input and pads its output; it returns all of a packed output besides."""
    utils = lib.nn.utils.rnn

    class Packed(lib.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = getattr(lib.nn, kind)(*args, **kwargs)

        def forward(self, x, hx=None):
            batch_first = kwargs.get("batch_first", False)
            packed = utils.pack_padded_sequence(x, lengths, batch_first, enforce_sorted=False)
            y, last = self.layer(packed, hx)
            assert isinstance(y, utils.PackedSequence)
            return utils.pad_packed_sequence(y, batch_first), last

    return Packed()


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_layers_over_packed_sequences(kind, bidirectional, layers, lengths, device):
    settings = {"bidirectional": bidirectional, "num_layers": layers}
    time, batch = max(lengths) + 1, len(lengths)
    state = [array(layers * (1 + bidirectional), batch, 4, seed=seed) for seed in (5, 6)]
    hx = tuple(state) if kind == "LSTM" else state[0]
    once = {"device": device, "slack": 4, "modes": ["train"], "calls": 1}
    compare(lambda lib: over_packed(lib, lengths, kind, 3, 4, **settings), array(time, batch, 3), hx, **once)
    settings |= {"batch_first": True, "bias": False}
    compare(lambda lib: over_packed(lib, lengths, kind, 3, 4, **settings), array(batch, time, 3), **once)


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
def test_projections_over_packed_sequences(device):
    settings = {"proj_size": 2, "bidirectional": True, "num_layers": 2}
    hx = (array(4, 4, 2, seed=5), array(4, 4, 4, seed=6))
    compare(lambda lib: over_packed(lib, [2, 4, 1, 4], "LSTM", 3, 4, **settings), array(4, 4, 3), hx, slack=4)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_sequences_of_a_batch_do_not_see_each_other(kind):
    """Each packed sequence gives what it gives alone, in both directions."""
    layer, _ = twins(lambda lib: getattr(lib.nn, kind)(2, 4, 2, bidirectional=True))
    given = sequences(gpudl.tensor, [3, 5, 1])
    y, last = layer(rnn.pack_sequence(given, enforce_sorted=False))
    for number, (each, want) in enumerate(zip(rnn.unpack_sequence(y), given)):
        alone, end = layer(want)
        assert gpudl.allclose(each, alone, atol=1e-6)
        assert gpudl.allclose(
            (last[0] if kind == "LSTM" else last)[:, number], end[0] if kind == "LSTM" else end, atol=1e-6
        )


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize(
    ("op", "projected"),
    [("lstm", False), ("lstm", True), ("gru", False), ("rnn_tanh", False), ("rnn_relu", False)],
)
def test_derivatives_over_packed_sequences(op, bidirectional, projected):
    """Backpropagation through time against differences, to the second order, and the same when it is recorded."""
    runs, gates, out = 1 + bidirectional, {"lstm": 4, "gru": 3}.get(op, 1), 1 if projected else 2
    shapes = [(6, 3), (runs, 3, out), *[(runs, 3, 2)] * (op == "lstm")]
    shapes += [(gates * 2, 3), (gates * 2, out), (gates * 2,), (gates * 2,), *[(1, 2)] * projected] * runs
    tensors = [gpudl.tensor(array(*s, dtype="float64", seed=i), requires_grad=True) for i, s in enumerate(shapes)]

    def run(x, *rest):
        hx, params = (rest[:2], rest[2:]) if op == "lstm" else (rest[0], rest[1:])
        return getattr(gpudl, op)(x, hx, params, True, 1, 0.0, True, bidirectional, batch_sizes=(3, 2, 1))

    assert gradcheck(run, tensors)
    assert gradgradcheck(run, tensors)
    y = sum((each * each).sum() for each in run(*tensors))
    recorded = grad(y, tensors, create_graph=True)
    for got, want in zip(recorded, grad(y, tensors)):
        np.testing.assert_allclose(got.detach().numpy(), want.numpy(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("batch", [2, 4])
def test_states_must_fit_the_sequences(batch):
    packed = rnn.pack_sequence(sequences(gpudl.tensor, [3, 5, 1]), enforce_sorted=False)
    with pytest.raises(gpudl.ShapeError, match=rf"expected a state of shape \(1, 3, 4\), got \(1, {batch}, 4\)"):
        gpudl.nn.GRU(2, 4)(packed, gpudl.ones(1, batch, 4))


def test_operations_check_batch_sizes_and_the_number_of_parameters():
    h, w = gpudl.ones(1, 2, 4), [gpudl.ones(12, 3), gpudl.ones(12, 4)]
    for sizes in ([1, 2], [2, 2], [], [2, 1, 0]):
        with pytest.raises(gpudl.ShapeError, match=r"batch sizes that never grow .* got \(3, 3\)"):
            gpudl.gru(gpudl.ones(3, 3), h, w, False, 1, 0.0, False, False, batch_sizes=sizes)
    with pytest.raises(gpudl.ShapeError, match="gru: expected 4 parameters, got 2"):
        gpudl.gru(gpudl.ones(3, 2, 3), h, w, True, 1, 0.0, False, False)
    with pytest.raises(gpudl.ShapeError, match=r"expected a state of shape \(1, 5, \*\), got \(1, 2, 4\)"):
        gpudl.gru(gpudl.ones(3, 5, 3), h, w, False, 1, 0.0, False, False)
    with pytest.raises(gpudl.ShapeError, match="lstm: expected 2 states, got 1"):
        gpudl.lstm(gpudl.ones(3, 2, 3), [h], w, False, 1, 0.0, False, False)
    with pytest.raises(ValueError, match="nonlinearity must be 'tanh' or 'relu'"):
        gpudl.nn.functional.rnn(gpudl.ones(3, 2, 3), h, w, False, 1, 0.0, False, False, nonlinearity="x")
