"""Loading and saving by parts: hooks, extra state, versions, assignment; PyTorch runs the same programs."""

import copy
import pickle

import numpy as np
import pytest
from programs import both, listed

import gpudl
from gpudl import nn

torch = pytest.importorskip("torch")


def network(lib, value=1.0):
    net = lib.nn.Sequential(lib.nn.Linear(1, 1), lib.nn.Sequential(lib.nn.Linear(1, 1, bias=False)))
    with lib.no_grad():
        for number, p in enumerate(net.parameters()):
            p.fill_(value + number)
    return net


def test_hooks_see_what_is_saved():
    def program(lib, log):
        net = network(lib)
        for name, module in net.named_modules():
            module.register_state_dict_pre_hook(
                lambda m, prefix, keep, name=name: log.append(("pre", name, prefix, keep, type(m).__name__))
            )
            module.register_state_dict_post_hook(
                lambda m, state, prefix, meta, name=name: log.append(("post", name, prefix, list(state), dict(meta)))
            )
        net.register_state_dict_post_hook(lambda m, state, prefix, meta: state.update(extra=1))
        log.append(listed(net.state_dict(prefix="top.")))
        net[1].register_state_dict_post_hook(lambda m, state, prefix, meta: state)
        with pytest.raises(RuntimeError, match="must return None"):
            net.state_dict()

    assert both(program)[8]["extra"] == 1


def test_hooks_come_off_again():
    def program(lib, log):
        net = network(lib)
        handles = [
            net.register_state_dict_pre_hook(lambda *_: log.append("save pre")),
            net.register_state_dict_post_hook(lambda *_: log.append("save post")),
            net.register_load_state_dict_pre_hook(lambda *_: log.append("load pre")),
            net.register_load_state_dict_post_hook(lambda *_: log.append("load post")),
        ]
        net.load_state_dict(net.state_dict())
        for handle in handles:
            handle.remove()
        net.load_state_dict(net.state_dict())

    assert both(program) == ["save pre", "save post", "load pre", "load post"]


def test_hooks_may_rename_what_is_loaded():
    def program(lib, log):
        net = network(lib)

        def rename(module, state, prefix, meta, strict, missing, unexpected, errors):
            log.append((prefix, sorted(state), strict, missing, unexpected, errors))
            if prefix + "old" in state:
                state[prefix + "weight"] = state.pop(prefix + "old")

        net[0].register_load_state_dict_pre_hook(rename)
        state = dict(network(lib, 5.0).state_dict())
        state["0.old"] = state.pop("0.weight")
        result = net.load_state_dict(state)
        log.append((result.missing_keys, result.unexpected_keys, str(result), "0.old" in state))
        log.append(listed(net.state_dict()))

    assert both(program)[-2] == ([], [], "<All keys matched successfully>", True)


@pytest.mark.parametrize("strict", [True, False])
def test_hooks_afterwards_may_forgive_and_blame(strict):
    def program(lib, log):
        net = network(lib)

        def judge(module, keys):
            log.append((type(module).__name__, list(keys.missing_keys), list(keys.unexpected_keys)))
            keys.missing_keys.clear()

        net[0].register_load_state_dict_post_hook(judge)
        net.register_load_state_dict_post_hook(judge)
        state = dict(network(lib, 5.0).state_dict())
        del state["0.weight"]
        log.append(net.load_state_dict(state, strict=strict).missing_keys)
        log.append(listed(net.state_dict()))
        state["none"] = state["0.bias"]
        try:
            log.append(net.load_state_dict(state, strict=strict).unexpected_keys)
        except RuntimeError as error:
            log.append('Unexpected key(s) in state_dict: "none"' in str(error))

    both(program)


def test_a_hook_afterwards_must_return_nothing():
    for lib in (gpudl, torch):
        net = network(lib)
        net.register_load_state_dict_post_hook(lambda module, keys: keys)
        with pytest.raises((RuntimeError, AssertionError)):
            net.load_state_dict(net.state_dict())


@pytest.mark.parametrize("spoil", ["missing", "unexpected", "shape", "value"])
def test_nothing_is_loaded_unless_all_of_it_fits(spoil):
    calls = []

    class Extra(nn.Module):
        def get_extra_state(self):
            return 3

        def set_extra_state(self, state):
            calls.append(state)

    net = network(gpudl).append(Extra())
    state = dict(network(gpudl, 5.0).append(Extra()).state_dict())
    if spoil == "missing":
        del state["1.0.weight"]
    else:
        name = "none.such" if spoil == "unexpected" else "1.0.weight"
        state[name] = "word" if spoil == "value" else gpudl.ones(7)
    before = listed(net.state_dict())
    for assign in (True, False):
        with pytest.raises(RuntimeError):
            net.load_state_dict(state, assign=assign)
        assert listed(net.state_dict()) == before
        assert calls == []


def test_entries_of_a_module_that_is_none_are_unexpected():
    net = nn.ModuleList([None])
    with pytest.raises(RuntimeError, match=r'Unexpected key\(s\) in state_dict: "0.weight"'):
        net.load_state_dict({"0.weight": gpudl.ones(1)})


class Versions:
    """A module that stores its weight under another name since version 2, as users write them."""

    @staticmethod
    def make(lib):
        class Versioned(lib.nn.Module):
            _version = 2

            def __init__(self):
                super().__init__()
                self.weight = lib.nn.Parameter(lib.ones(2))

            def _save_to_state_dict(self, destination, prefix, keep_vars):
                super()._save_to_state_dict(destination, prefix, keep_vars)
                destination[prefix + "kind"] = "versioned"

            def _load_from_state_dict(
                self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
            ):
                if local_metadata.get("version", 1) < 2:
                    state_dict[prefix + "weight"] = state_dict.pop(prefix + "w") * 10
                if state_dict.pop(prefix + "kind", "versioned") != "versioned":
                    error_msgs.append("of another kind")
                super()._load_from_state_dict(
                    state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
                )

        return Versioned()


def test_users_may_save_and_load_in_their_own_way():
    def program(lib, log):
        net = lib.nn.Sequential(Versions.make(lib))
        state = net.state_dict()
        log.append(({name: dict(meta) for name, meta in state._metadata.items()}, listed(state)))
        net.load_state_dict(state)
        net.load_state_dict({"0.w": lib.tensor([3.0, 4.0])})
        log.append(listed(net.state_dict()))
        try:
            net.load_state_dict({"0.w": lib.zeros(2), "0.kind": "another"})
        except RuntimeError as error:
            log.append(str(error).split("\n\t"))

    log = both(program)
    assert log[1]["0.weight"] == [30, 40]
    assert log[2][1:] == ["of another kind"]


def test_what_users_refuse_leaves_the_module_as_it_was():
    net = nn.Sequential(Versions.make(gpudl))
    with pytest.raises(RuntimeError, match="of another kind"):
        net.load_state_dict({"0.w": gpudl.zeros(2), "0.kind": "another"})
    assert net[0].weight.tolist() == [1, 1]


def test_one_module_alone_may_be_loaded_by_its_own_method():
    def program(lib, log):
        layer = lib.nn.Linear(1, 1)
        missing, unexpected, errors = [], [], []
        state = {"a.weight": lib.tensor([[3.0]]), "a.none": lib.ones(1), "b": lib.ones(1)}
        layer._load_from_state_dict(state, "a.", {}, True, missing, unexpected, errors)
        log.append((layer.weight.tolist(), missing, unexpected, errors))

    assert both(program) == [([[3.0]], ["a.bias"], ["a.none"], [])]


def extra(lib, value):
    class Extra(lib.nn.Module):
        def get_extra_state(self):
            return {"value": value}

        def set_extra_state(self, state):
            self.value = state["value"]

    return Extra()


def test_extra_state_travels_along():
    def program(lib, log):
        net = lib.nn.Sequential(lib.nn.ReLU(), extra(lib, 3))
        state = net.state_dict()
        log.append(dict(state))
        other = lib.nn.Sequential(lib.nn.ReLU(), extra(lib, 4))
        other.load_state_dict(state)
        log.append(other[1].value)
        log.append(other.load_state_dict({}, strict=False).missing_keys)
        log.append(lib.nn.Sequential(lib.nn.ReLU()).load_state_dict({"0._extra_state": 1}, strict=False))

    assert both(program)[:2] == [{"1._extra_state": {"value": 3}}, 3]


@pytest.mark.parametrize("keep_vars", [True, False])
def test_assigned_tensors_take_the_place_of_the_modules_own(keep_vars):
    def program(lib, log):
        net = lib.nn.Sequential(lib.nn.Linear(1, 2))
        net[0].bias.requires_grad_(False)
        net.register_buffer("mean", lib.zeros(1))
        net.register_buffer("scratch", lib.zeros(1), persistent=False)
        other = copy.deepcopy(net).double()
        before = list(net.parameters())
        state = other.state_dict(keep_vars=keep_vars)
        net.load_state_dict(state, assign=True)
        log.append([a is b for a, b in zip(before, net.parameters())])
        log.append([a is b for a, b in zip(other.parameters(), net.parameters())])
        log.append([(type(p).__name__, p.requires_grad, str(p.dtype)[-7:]) for p in net.parameters()])
        log.append([str(buffer.dtype)[-7:] for buffer in net.buffers()])
        log.append(list(net.state_dict()))
        with lib.no_grad():
            other[0].weight.fill_(7)
        log.append(net[0].weight.tolist())

    assert both(program)[-1] == [[7.0], [7.0]]


def test_what_is_tied_stays_tied_when_assigned():
    net, other = (nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)) for _ in range(2))
    for each in (net, other):
        each[1].weight = each[0].weight
    net.load_state_dict(other.state_dict(), assign=True)
    assert net[0].weight is net[1].weight
    assert len(list(net.parameters())) == 3
    assert gpudl.equal(net[0].weight, other[0].weight)


def test_integers_cannot_be_assigned_to_what_is_trained():
    net = nn.Linear(1, 1)
    with pytest.raises(RuntimeError, match="weight: only floating point"):
        net.load_state_dict({"weight": gpudl.ones(1, 1, dtype="int64"), "bias": gpudl.ones(1)}, assign=True)
    assert net.weight.dtype == gpudl.float32


def test_a_destination_is_filled_and_returned():
    def program(lib, log):
        mine = {"first": 1}
        log.append(network(lib).state_dict(destination=mine, prefix="a.") is mine)
        log.append(list(mine))

    assert both(program) == [True, ["first", "a.0.weight", "a.0.bias", "a.1.0.weight"]]


def test_a_scalar_may_come_as_one_element():
    for lib in (gpudl, torch):
        net = lib.nn.Module()
        net.gain = lib.nn.Parameter(lib.zeros(()))
        net.load_state_dict({"gain": lib.ones(1)})
        assert net.gain.tolist() == 1
        with pytest.raises(RuntimeError, match="size mismatch for gain"):
            net.load_state_dict({"gain": lib.ones(1, 1)})
        net.gain = lib.nn.Parameter(lib.zeros(2))
        with pytest.raises(RuntimeError, match="size mismatch for gain"):
            net.load_state_dict({"gain": lib.ones(1)})


def test_a_state_may_be_pickled():
    state = pickle.loads(pickle.dumps(network(gpudl).state_dict()))
    net = network(gpudl, 9.0)
    net.load_state_dict(state)
    assert np.array_equal(net[0].weight.detach().numpy(), [[1]])


def test_what_did_not_match_is_shown():
    result = network(gpudl).load_state_dict({"none": gpudl.ones(1)}, strict=False)
    assert "unexpected_keys=['none']" in repr(result)
    assert repr(result).startswith("IncompatibleKeys(missing_keys=['0.weight', '0.bias', '1.0.weight']")
