"""Module.summary: rows, numbers, the table, and a model that stays as it was."""

from __future__ import annotations

import pytest

import gpudl
from gpudl import nn


def rows(found):
    return [(row.class_name, row.depth, row.depth_idx) for row in found.summary_list]


def counted(module, *shapes, **options):
    return module.summary(input_size=list(shapes), verbose=0, **options).total_mult_adds


TABLE = """\
========================================================================================================================
Layer (type:depth-idx)                   Input Shape          Output Shape         Param #              Mult-Adds
========================================================================================================================
Sequential                               [1, 1, 6, 6]         [1, 10]              --                   --
├─Conv2d: 1-1                            [1, 1, 6, 6]         [1, 2, 4, 4]         20                   320
├─Sequential: 1-2                        [1, 2, 4, 4]         [1, 10]              --                   --
│    └─Flatten: 2-1                      [1, 2, 4, 4]         [1, 32]              --                   --
│    └─Linear: 2-2                       [1, 32]              [1, 10]              (330)                330
========================================================================================================================
Total params: 350
Trainable params: 20
Non-trainable params: 330
Total mult-adds (M): 0.00
========================================================================================================================
Input size (MB): 0.00
Forward/backward pass size (MB): 0.00
Params size (MB): 0.00
Estimated Total Size (MB): 0.00
========================================================================================================================
"""


def small():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Sequential(nn.Flatten(), nn.Linear(32, 10)))
    model[1].requires_grad_(False)
    return model


def test_table_has_the_layout_of_torchinfo(capsys):
    found = small().summary((1, 6, 6), col_width=20)
    assert capsys.readouterr().out == TABLE
    assert str(found) == TABLE[:-1] and "350 parameters, 650 mult-adds" in repr(found)
    assert found.trainable_params == 20 and found.total_input == 144
    assert found.total_output_bytes == 2 * 4 * (32 + 10)


def test_options_of_the_table(capsys):
    columns = ("kernel_size", "num_params", "params_percent", "trainable")
    text = str(small().summary((1, 6, 6), col_names=columns, row_settings=("var_names", "ascii_only"), verbose=0))
    lines = [line.split() for line in text.splitlines()]
    assert ["+", "Conv2d", "(0)", "[3,", "3]", "20", "5.71%", "True"] in lines
    assert ["|", "+", "Linear", "(1)", "--", "(330)", "94.29%", "False"] in lines
    assert ["Sequential", "(Sequential)", "--", "--", "--", "Partial"] in lines
    shallow = str(small().summary((1, 6, 6), depth=1, verbose=0))
    assert "Linear" not in shallow
    assert shallow.split("Sequential: 1-2")[1].splitlines()[0].split()[-2:] == ["(330)", "330"]  # of what is inside
    assert capsys.readouterr().out == ""
    small().summary((1, 6, 6), verbose=2)
    assert "└─bias" in capsys.readouterr().out


def test_without_input_there_are_parameters_only():
    found = small().summary(verbose=0)
    assert rows(found) == rows(small().summary((1, 6, 6), verbose=0))
    assert found.total_params == 350 and "mult-adds" not in str(found)


class Shared(nn.Module):
    """One layer twice, one table for two parameters, and containers that nobody calls."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(7, 4)
        self.blocks = nn.ModuleList([nn.Linear(4, 4), nn.ModuleDict({"a": nn.Linear(4, 4)})])
        self.head = nn.Linear(4, 7, bias=False)
        self.head.weight = self.table.weight

    def forward(self, numbers, times=2):
        x = self.table(numbers)
        for _ in range(times):
            x = self.blocks[0](x)
        return {"scores": self.head(self.blocks[1]["a"](x)), "state": x}


def test_shared_and_repeated_modules_count_once():
    found = Shared().summary((5,), dtypes=[gpudl.int64], verbose=0, depth=5)
    assert rows(found) == [
        ("Shared", 0, 1),
        ("Embedding", 1, 1),
        ("ModuleList", 1, 2),
        ("Linear", 2, 1),
        ("Linear", 2, 2),
        ("ModuleDict", 2, 3),
        ("Linear", 3, 1),
        ("Linear", 1, 3),
    ]
    assert found.total_params == 28 + 20 + 20 == sum(each.numel() for each in Shared().parameters())
    assert [row.is_recursive for row in found.summary_list] == [False] * 4 + [True] + [False] * 3
    assert str(found).count("(recursive)") == 1
    assert found.total_mult_adds == 5 * (20 + 20 + 20 + 28)
    assert found.summary_list[0].output_size == [1, 5, 7]
    thrice = Shared().summary(input_data={"numbers": gpudl.tensor([[1, 2]])}, times=3, verbose=0)
    assert thrice.total_mult_adds == 2 * (3 * 20 + 20 + 28)


def test_mult_adds_are_as_many_as_products():
    assert counted(nn.Conv2d(4, 6, 3, groups=2), (2, 4, 8, 8)) == 2 * 6 * 36 * (2 * 9 + 1)
    assert counted(nn.Conv1d(4, 6, 3, stride=2, bias=False), (4, 9)) == 6 * 4 * 4 * 3  # no batch
    assert counted(nn.ConvTranspose2d(4, 6, 2, stride=2), (1, 4, 8, 8)) == 64 * 4 * 6 * 4 + 6 * 256
    assert counted(nn.Linear(5, 3), (2, 7, 5)) == 14 * (15 + 3)
    assert counted(nn.Linear(5, 3), (5,)) == 18
    assert counted(nn.Embedding(9, 4), (2, 7), dtypes=["int64"]) == 0
    assert counted(nn.ReLU(), (2, 7)) == counted(nn.MaxPool2d(2), (1, 4, 4)) == 0
    lstm = nn.LSTM(5, 4, num_layers=2, bidirectional=True)
    assert counted(lstm, (7, 2, 5)) == 14 * sum(each.numel() for each in lstm.parameters())
    assert counted(nn.GRUCell(5, 4), (3, 5)) == 3 * (12 * 5 + 12 * 4 + 24)
    assert counted(nn.utils.parametrizations.weight_norm(nn.Linear(5, 3)), (2, 5)) == 2 * 18


@pytest.mark.parametrize("batch_first", [False, True])
def test_attention_counts_projections_and_both_products(batch_first):
    batch, length, keys, wide = 2, 5, 7, 8
    layer = nn.MultiheadAttention(wide, 2, kdim=3, vdim=4, batch_first=batch_first)
    shapes = [(batch, n, f) if batch_first else (n, batch, f) for n, f in ((length, wide), (keys, 3), (keys, 4))]
    projections = length * (wide * wide + wide) * 2 + keys * (wide * 3 + wide * 4 + 2 * wide)
    assert counted(layer, *shapes) == batch * (projections + 2 * length * keys * wide)
    causal = nn.CausalSelfAttention(8, 2)
    assert counted(causal, (2, 5, 8)) == 2 * (5 * (8 * 24 + 24 + 8 * 8 + 8) + 2 * 5 * 5 * 8)
    cache = causal.make_cache(1, 10)
    with gpudl.no_grad():
        causal(gpudl.zeros(1, 6, 8), cache)
    found = causal.summary(input_data=[gpudl.zeros(1, 1, 8), cache], verbose=0).total_mult_adds
    assert found == 8 * 24 + 24 + 8 * 8 + 8 + 2 * 7 * 8
    wider = nn.MultiheadAttention(8, 2, add_bias_kv=True, add_zero_attn=True, batch_first=True)
    assert counted(wider, *[(1, 5, 8)] * 3) == 5 * 4 * (64 + 8) + 2 * 5 * 7 * 8
    encoder = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    feed_forward = 2 * 5 * (8 * 16 + 16 + 16 * 8 + 8)
    attention = 2 * (5 * 4 * (64 + 8) + 2 * 5 * 5 * 8)
    assert counted(encoder, (2, 5, 8)) == attention + feed_forward + 2 * 2 * 16  # and two normalizations


def test_recurrent_tuples_and_packed_sequences():
    found = nn.LSTM(5, 4).summary(input_size=(7, 2, 5), verbose=0)
    (row,) = found.summary_list
    assert row.output_size == [7, 2, 4] and row.output_bytes == 4 * (56 + 8 + 8)
    packed = nn.utils.rnn.pack_padded_sequence(gpudl.zeros(4, 2, 5), [4, 1])
    layer = nn.RNN(5, 4)
    assert counted_of(layer, [packed]) == 5 * sum(each.numel() for each in layer.parameters())


def counted_of(module, data):
    return module.summary(input_data=data, verbose=0).total_mult_adds


class Drawing(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.drop = nn.BatchNorm1d(3), nn.Dropout(0.5)
        self.register_buffer("calls", gpudl.zeros(()))

    def forward(self, x):
        self.calls = self.calls + 1
        return self.drop(self.norm(x)) + gpudl.rand(3, device=x.device)


@pytest.mark.parametrize("mode", ["eval", "train", "same"])
def test_model_stays_as_it_was(mode, device):
    model = Drawing().to(device)
    model.drop.eval()
    calls = model.calls
    before = {name: buffer.cpu().numpy().copy() for name, buffer in model.named_buffers()}
    gpudl.manual_seed(5)
    wanted = gpudl.rand(4).numpy()
    gpudl.manual_seed(5)
    model.summary(input_size=(4, 3), mode=mode, verbose=0)
    assert (gpudl.rand(4).numpy() == wanted).all()
    assert model.training and model.norm.training and not model.drop.training
    assert all((buffer.cpu().numpy() == before[name]).all() for name, buffer in model.named_buffers())
    assert model.calls is calls and not any(module._hooks for module in model.modules())
    assert all(each.grad is None for each in model.parameters())


def test_lazy_statistics_stay_as_they_begin():
    model = nn.LazyBatchNorm1d()
    model.summary((3, 5), mode="train", verbose=0)
    assert model.running_mean.tolist() == [0, 0, 0] and model.num_batches_tracked.item() == 0 and model.training


def test_error_leaves_no_trace():
    model = small()
    with pytest.raises(gpudl.ShapeError, match="1.1"):
        model.summary((1, 7, 6), verbose=0)
    assert model.training and not any(module._hooks for module in model.modules())


def test_inputs_come_in_many_forms(device):
    class Sum(nn.Module):
        def forward(self, a, b, *, factor=1):
            return (a + b) * factor

    add = Sum()
    assert add.summary([(3,), (3,)], verbose=0).summary_list[0].output_size == [1, 3]
    assert add.summary(input_size=[(3, 4), (4,)], batch_dim=-1, verbose=0).total_input == 4 * 16
    given = (gpudl.zeros(2, 3), gpudl.zeros(2, 1).numpy())
    assert add.summary(input_data=given, factor=2, verbose=0).summary_list[0].output_size == [2, 3]
    layer = nn.Linear(3, 2).to(device)
    assert layer.summary(input_data=gpudl.zeros(5, 3), verbose=0).summary_list[0].output_size == [5, 2]
    assert layer.half().summary((3,), dtypes=["float16"], verbose=0).total_param_bytes == 16
    lazy = nn.Sequential(nn.LazyLinear(4))
    assert lazy.summary(verbose=0).total_params == 0
    assert lazy.summary((3,), verbose=0).total_params == 16
    assert nn.Linear(3, 2).summary(input_size=(0, 3), verbose=0).total_mult_adds == 0


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"input_shape": (3,), "input_size": (1, 3)}, ValueError, "one of"),
        ({"input_shape": (3,), "col_names": ["shape"]}, ValueError, "col_names: expected input_size"),
        ({"input_shape": (3,), "mode": "test"}, ValueError, "mode: expected"),
        ({"input_shape": (3,), "verbose": 3}, ValueError, "verbose"),
        ({"input_shape": (3,), "depth": -1}, ValueError, "depth"),
        ({"input_shape": "3"}, TypeError, "expected shapes"),
        ({"input_shape": (3,), "dtypes": ["float32"] * 2}, ValueError, "1 inputs, but 2 dtypes"),
        ({"col_names": ["mult_adds"]}, ValueError, "need input_shape"),
    ],
)
def test_arguments_that_cannot_be(options, error, says):
    with pytest.raises(error, match=says):
        nn.Linear(3, 2).summary(**options)
