"""All cases run, in both libraries, with the bytes and operations that they are said to need; and can be chosen."""

from __future__ import annotations

from typing import Any

import pytest

import gpudl
from gpudl.bench.case import Case, Make, Parts
from gpudl.bench.suites import SUITES, cases
from gpudl.bench.twin import gpt, models

torch = pytest.importorskip("torch")
ALL = cases(SUITES)
BY_NAME = {case.label: case for case in ALL}


def parts(case: Case, lib: Any = gpudl, place: Any = None) -> Parts:
    return case.build(Make(lib, place or lib.device("cpu")), *case.small)


@pytest.mark.parametrize("case", cases(["ops", "nets"]), ids=lambda case: case.label)
def test_every_part_runs_in_both_libraries(case: Case) -> None:
    ours, theirs = parts(case), parts(case, torch)
    assert list(ours) == list(theirs)
    for name in ours:
        for _ in range(2):
            ours[name].program()
            theirs[name].program()
        mine, other = ours[name], theirs[name]
        assert (mine.bytes, mine.flops, mine.items) == (other.bytes, other.flops, other.items)
        assert mine.bytes is None or mine.bytes > 0


def test_names_are_unique_and_sizes_alike() -> None:
    assert len(BY_NAME) == len(ALL)
    assert {case.suite for case in ALL} == set(SUITES)
    for case in ALL:
        if case.group not in ("optimizers", "crossover"):  # lists of as many as there are
            assert [len(shape) for shape in case.sizes] == [len(shape) for shape in case.small], case.label


@pytest.mark.parametrize(
    ("label", "forward", "backward"),
    [
        ("gemm: matmul", 2 * 32**3, 4 * 32**3),
        ("gemm: bmm", 2 * 2 * 16**3, 4 * 2 * 16**3),
        ("gemm: linear", 2 * 8 * 32 * 32, 4 * 8 * 32 * 32),
        ("conv: conv2d 3x3", 2 * (2 * 4 * 8 * 8) * (4 * 9), 4 * (2 * 4 * 8 * 8) * (4 * 9)),
        ("conv: conv2d 7x7, stride 2", 2 * (2 * 4 * 8 * 8) * (3 * 49), 4 * (2 * 4 * 8 * 8) * (3 * 49)),
        ("conv: conv_transpose2d 4x4, stride 2", 2 * (2 * 4 * 4 * 4) * (2 * 16), 4 * (2 * 4 * 4 * 4) * (2 * 16)),
        ("conv: conv2d 3x3, depthwise", 0, 0),
        ("attention: attention", 2 * 2 * (2 * 8 * 8 * 16), 4 * 2 * (2 * 8 * 8 * 16)),
        ("attention: attention, causal", 2 * (2 * 8 * 8 * 16), 4 * (2 * 8 * 8 * 16)),
        ("rnn: LSTMCell", 2 * 2 * 16 * 32, 4 * 2 * 16 * 32),
        ("rnn: LSTM", 2 * 2 * 3 * 16 * 32, 4 * 2 * 3 * 16 * 32),
    ],
)
def test_operations_of_products_are_counted(label: str, forward: int, backward: int) -> None:
    made = parts(BY_NAME[label])
    assert (made["forward"].flops, made["backward"].flops) == (forward, backward)


PLANE = 4 * 32 * 64


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("elementwise: exp", {"forward": 2 * PLANE, "backward": 3 * PLANE}),
        ("elementwise: mul", {"forward": 3 * PLANE, "backward": 5 * PLANE}),
        ("norms: rms_norm", {"forward": 2 * PLANE + 256, "backward": 3 * PLANE + 512}),
        ("softmax: cross_entropy", {"forward": 2560 + 128 + 4, "backward": 4 + 2560 + 128 + 2560}),
        ("reductions: sum, rows", {"forward": PLANE + 128, "backward": None}),
        ("reductions: argmax, rows", {"forward": PLANE + 256}),
        ("embedding: embedding", {"forward": 160 + 2 * 20 * 64, "backward": 160 + 20 * 64 + 50 * 64}),
        ("optimizers: SGD", {"step": 3 * 4 * 272}),
        ("optimizers: Adam", {"step": 7 * 4 * 272}),
        ("copies: on the device", {"copy": 512}),
        ("copies: host to device", {}),
    ],
)
def test_bytes_are_those_that_must_move(label: str, expected: dict[str, int | None]) -> None:
    assert {name: part.bytes for name, part in parts(BY_NAME[label]).items()} == expected


def test_copies_to_and_from_a_device_cross_to_it() -> None:
    place = gpudl.device("sim")
    try:
        gpudl.ones(1, device=place)
    except gpudl.DeviceError as error:
        pytest.skip(str(error))
    for label in ("copies: host to device", "copies: device to host"):
        (part,) = parts(BY_NAME[label], place=place).values()
        assert part.crosses and part.bytes == 256
    assert not parts(BY_NAME["copies: on the device"], place=place)["copy"].crosses


def test_both_libraries_get_the_same_numbers() -> None:
    ours, theirs = Make(gpudl, gpudl.device("cpu"), 3), Make(torch, torch.device("cpu"), 3)
    for _ in range(2):
        a, b = ours(3, 4), theirs(3, 4)
        assert a.detach().numpy().tolist() == b.detach().numpy().tolist() and a.requires_grad and b.requires_grad
    assert ours.ints(9, high=5).tolist() == theirs.ints(9, high=5).tolist()


@pytest.mark.parametrize(("file", "name"), [("mlp", "MLP"), ("lenet", "LeNet5"), ("resnet", "resnet8")])
def test_networks_are_the_same_in_pytorch(file: str, name: str) -> None:
    given = (16, [8, 10]) if name == "MLP" else ()
    ours, theirs = (getattr(models(lib, file), name)(*given) for lib in (gpudl, torch))
    assert isinstance(theirs, torch.nn.Module)
    assert [(key, tuple(value.shape)) for key, value in ours.state_dict().items()] == [
        (key, tuple(value.shape)) for key, value in theirs.state_dict().items()
    ]


def test_gpt_has_as_many_parameters_in_pytorch() -> None:
    ours, theirs = (gpt(lib, 16, 2, 2, 16, 8) for lib in (gpudl, torch))
    assert sum(each.numel() for each in ours.parameters()) == sum(each.numel() for each in theirs.parameters())


@pytest.mark.parametrize(
    ("patterns", "labels"),
    [
        (["softmax:"], ["softmax: softmax", "softmax: log_softmax", "softmax: cross_entropy"]),
        (["ADAM"], ["optimizers: Adam", "optimizers: AdamW"]),
        (["*: Adam"], ["optimizers: Adam"]),
        (["gru", "rms_norm"], ["norms: rms_norm", "rnn: GRUCell"]),
        (["*: rnn?ell"], ["rnn: RNNCell"]),
    ],
)
def test_patterns_choose_cases(patterns: list[str], labels: list[str]) -> None:
    assert [case.label for case in cases(["ops"], patterns)] == labels


def test_suites_are_in_the_order_of_the_house_and_once() -> None:
    assert cases([*reversed(SUITES), "nets"]) == ALL and {case.suite for case in cases(["nets"])} == {"nets"}


def test_wrong_names_are_told_with_what_there_is() -> None:
    with pytest.raises(ValueError, match=f"no suite 'op'; there are: {', '.join(SUITES)}"):
        cases(["op"])
    with pytest.raises(ValueError, match="no case fits 'xyz' or 'qqq'; groups are: elementwise, gemm, norms, "):
        cases(["ops"], ["xyz", "qqq"])
