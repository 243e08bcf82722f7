"""RNNCell, LSTMCell and GRUCell give PyTorch's states and gradients, and those of one step of the layers."""

import copy
import pickle

import numpy as np
import pytest
from twins import array, compare, torch

import gpudl
from gpudl import nn

CELLS = {
    "RNNCell": {},
    "RNNCell-relu": {"nonlinearity": "relu"},
    "LSTMCell": {},
    "GRUCell": {},
}


def maker(name, **more):
    kind = name.partition("-")[0]
    return lambda lib: getattr(lib.nn, kind)(3, 4, **CELLS[name], **more)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch", [(5,), (), (1,), (0,)])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", CELLS)
def test_cells(name, bias, batch, dtype, device):
    x, h = array(*batch, 3, dtype=dtype), array(*batch, 4, dtype=dtype, seed=5)
    hx = (h, array(*batch, 4, dtype=dtype, seed=6)) if name == "LSTMCell" else h
    compare(maker(name, bias=bias), x, device=device, dtype=dtype, modes=["train"], calls=1)
    compare(maker(name, bias=bias), x, hx, device=device, dtype=dtype, modes=["eval"], calls=1)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_cells_make_the_layer_step_by_step(kind):
    layer, cell = getattr(nn, kind)(3, 4), getattr(nn, f"{kind}Cell")(3, 4)
    cell.load_state_dict({name.removesuffix("_l0"): p for name, p in layer.state_dict().items()})
    x, state, outputs = gpudl.tensor(array(6, 2, 3)), None, []
    for each in x:
        state = cell(each, state)
        outputs.append(state[0] if kind == "LSTM" else state)
    want, last = layer(x)
    assert gpudl.allclose(gpudl.stack(outputs), want, atol=1e-6)
    assert gpudl.allclose(state[1] if kind == "LSTM" else state, last[1][0] if kind == "LSTM" else last[0], atol=1e-6)


def test_names_attributes_and_copies():
    for name in CELLS:
        mine, theirs = (maker(name)(lib) for lib in (gpudl, torch))
        assert repr(mine) == repr(theirs)
        assert (mine.input_size, mine.hidden_size, mine.bias) == (3, 4, True)
        assert maker(name, bias=False)(gpudl).bias_ih is None
        for twin in (copy.deepcopy(mine), pickle.loads(pickle.dumps(mine))):
            x = gpudl.ones(2, 3)
            a, b = (each if isinstance(each, tuple) else (each,) for each in (twin(x), mine(x)))
            assert all(gpudl.equal(left, right) for left, right in zip(a, b))


def test_initial_values_are_uniform(device):
    gpudl.manual_seed(0)
    for parameter in nn.LSTMCell(30, 64, device=device).parameters():
        values = parameter.detach().cpu().numpy()
        assert 0.95 / 8 < abs(values).max() <= 1 / 8
        assert abs((values**2).mean() * 192 - 1) < 4 * np.sqrt(0.8 / values.size)


@pytest.mark.parametrize(
    ("name", "shapes", "message"),
    [
        ("RNNCell", [(2, 4)], r"RNNCell: expected \(\*, 3\), got input \(2, 4\)"),
        ("GRUCell", [(2, 2, 3)], r"GRUCell: expected input of 1 or 2 dimensions, got \(2, 2, 3\)"),
        ("GRUCell", [(2, 3), (3, 4)], r"GRUCell: expected a state of shape \(2, 4\), got \(3, 4\)"),
        ("RNNCell", [(2, 3), (2, 5)], r"RNNCell: expected a state of shape \(2, 4\), got \(2, 5\)"),
        ("LSTMCell", [(2, 3), (2, 4), (2, 5)], r"LSTMCell: expected a state of shape \(2, 4\), got \(2, 5\)"),
        ("RNNCell", [(3,), (1, 1, 4)], r"RNNCell: expected a state of shape \(4,\), got \(1, 1, 4\)"),
    ],
)
def test_bad_inputs_name_what_is_expected(name, shapes, message):
    for lib, pattern in ((torch, None), (gpudl, message)):
        x, *hx = (lib.zeros(*shape) for shape in shapes)
        with pytest.raises((ValueError, RuntimeError), match=pattern):
            maker(name)(lib)(x, *([tuple(hx)] if len(hx) == 2 else hx))


def test_bad_settings():
    with pytest.raises(ValueError, match="nonlinearity must be 'tanh' or 'relu', got 'sigmoid'"):
        nn.RNNCell(3, 4, nonlinearity="sigmoid")
    with pytest.raises(TypeError, match="input_size must be an int"):
        nn.GRUCell(3.5, 4)
    with pytest.raises(gpudl.ShapeError, match="hidden_size must be >= 0"):
        nn.LSTMCell(3, -4)
    with pytest.raises(ValueError, match="expected 2 states, got 1"):
        nn.LSTMCell(3, 4)(gpudl.ones(2, 3), (gpudl.ones(2, 4),))


def test_operations_check_their_parameters():
    x, h = gpudl.ones(2, 3), gpudl.ones(2, 4)
    with pytest.raises(gpudl.ShapeError, match=r"gru_cell: expected weight_ih of shape \(12, 3\) .* got \(12, 5\)"):
        gpudl.gru_cell(x, h, gpudl.ones(12, 5), gpudl.ones(12, 4))
    with pytest.raises(gpudl.ShapeError, match=r"expected bias_hh of shape \(4,\) .* got \(1,\)"):
        gpudl.rnn_tanh_cell(x, h, gpudl.ones(4, 3), gpudl.ones(4, 4), gpudl.ones(4), gpudl.ones(1))
    with pytest.raises(gpudl.ShapeError, match="expected states of one width, got 5 and 4"):
        gpudl.lstm_cell(x, (gpudl.ones(2, 5), h), gpudl.ones(16, 3), gpudl.ones(16, 5))
    with pytest.raises(gpudl.ShapeError, match=r"expected a state of 2 rows, as the input, got \(3, 4\)"):
        gpudl.rnn_relu_cell(x, gpudl.ones(3, 4), gpudl.ones(4, 3), gpudl.ones(4, 4))
    with pytest.raises(gpudl.ShapeError, match=r"expected input of 2 dimensions, \(batch, features\), got \(3,\)"):
        gpudl.gru_cell(gpudl.ones(3), h, gpudl.ones(12, 3), gpudl.ones(12, 4))
    with pytest.raises(RuntimeError, match="the input is float32 and weight_hh float64"):
        gpudl.gru_cell(x, h, gpudl.ones(12, 3), gpudl.ones(12, 4, dtype="float64"))
    with pytest.raises(RuntimeError, match="rnn_relu_cell: the input is int64"):
        gpudl.rnn_relu_cell(gpudl.ones(2, 3, dtype="int64"), h, gpudl.ones(4, 3), gpudl.ones(4, 4))
