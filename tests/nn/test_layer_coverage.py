"""Every public class of torch.nn is here, with its arguments, or there is a reason why not."""

import inspect

import pytest

from gpudl import nn

torch = pytest.importorskip("torch")

NOT_HERE = {
    "Container": "deprecated since PyTorch 0.4, and does nothing that Module does not",
    "CrossMapLRN2d": "its running sum drops channels late, and its backward fails; LocalResponseNorm is the formula",
    "DataParallel": "one process for several devices; PyTorch itself advises one process for each",
    "LinearCrossEntropyOptions": "settings of a form of the linear cross-entropy that computes by parts",
    "SyncBatchNorm": "statistics over several processes",
}
# Arguments of PyTorch's classes that are not here: class, or "*" for all -> name -> reason.
LEFT_OUT = {
    "*": dict.fromkeys(("size_average", "reduce"), "deprecated for reduction; what stands behind them goes by name"),
    "LinearCrossEntropyLoss": {"options": "see LinearCrossEntropyOptions"},
}
# Classes whose signature says nothing, or differs: class -> reason.
UNLIKE = dict.fromkeys(("GRU", "LSTM", "RNN"), "PyTorch's take *args")


def classes(space):
    return {name for name in dir(space) if name[0].isupper() and inspect.isclass(getattr(space, name))}


def arguments(cls):
    """Names, kinds and defaults of what makes one; none where there is but Module's own __init__."""
    if cls.__init__ in (nn.Module.__init__, torch.nn.Module.__init__):
        return {}
    if "__signature__" in vars(cls):  # a lazy layer's, that of the layer it becomes
        return dict(inspect.signature(cls).parameters)
    made_by = cls.__init__ if issubclass(cls, (nn.Module, torch.nn.Module)) else cls.__new__
    return {each.name: each for each in list(inspect.signature(made_by).parameters.values())[1:]}


def plain(default):
    """A default, functions by their name: PyTorch's relu is not ours."""
    return default.__name__ if inspect.isfunction(default) or inspect.isbuiltin(default) else default


COMMON = sorted(classes(torch.nn) & classes(nn))


def test_every_class_is_here_or_has_a_reason():
    missing = classes(torch.nn) - classes(nn)
    assert missing - NOT_HERE.keys() == set()


def test_the_lists_name_what_is_not_here():
    assert NOT_HERE.keys() <= classes(torch.nn)
    assert not NOT_HERE.keys() & classes(nn)
    assert UNLIKE.keys() <= set(COMMON)
    assert LEFT_OUT.keys() <= {"*", *COMMON}


@pytest.mark.parametrize("name", [name for name in COMMON if name not in UNLIKE])
def test_arguments_have_the_names_the_order_and_the_defaults_of_torch(name):
    mine, theirs = arguments(getattr(nn, name)), arguments(getattr(torch.nn, name))
    left_out = {**LEFT_OUT["*"], **LEFT_OUT.get(name, {})}
    assert list(mine) == [argument for argument in theirs if argument not in left_out]
    assert LEFT_OUT.get(name, {}).keys() <= theirs.keys()
    behind = False
    for argument, parameter in theirs.items():
        behind |= argument in LEFT_OUT["*"]
        if argument not in left_out:
            assert plain(mine[argument].default) == plain(parameter.default), argument
            # Behind an argument that is not here, a place would mean something else.
            assert mine[argument].kind == (parameter.KEYWORD_ONLY if behind else parameter.kind), argument


@pytest.mark.parametrize("name", COMMON)
def test_forward_has_the_arguments_of_torch(name):
    mine, theirs = getattr(nn, name), getattr(torch.nn, name)
    if not issubclass(mine, nn.Module) or theirs.forward is torch.nn.Module.forward:
        return
    assert list(inspect.signature(mine.forward).parameters) == list(inspect.signature(theirs.forward).parameters)


@pytest.mark.parametrize("name", COMMON)
def test_what_a_class_is_kind_of_in_torch_it_is_here(name):
    kinds = {each.__name__ for each in getattr(torch.nn, name).__mro__}
    assert kinds & set(COMMON) <= {each.__name__ for each in getattr(nn, name).__mro__}


@pytest.mark.parametrize("name", COMMON)
def test_every_class_is_documented(name):
    assert vars(getattr(nn, name)).get("__doc__")
