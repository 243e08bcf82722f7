"""dirac_, sparse_, half floats, devices and deprecated names, against torch.nn.init."""

import math

import numpy as np
import pytest
from test_init import RANDOM, empty

import gpudl
from gpudl.nn import init
from gpudl.random import manual_seed

torch = pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def _seed():
    manual_seed(0)


def test_all_names_of_torch_are_here():
    assert set(torch.nn.init.__all__) == set(init.__all__)
    assert init.__all__ == sorted(init.__all__)
    assert all(callable(getattr(init, name)) for name in init.__all__)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "int64"])
@pytest.mark.parametrize(
    ("shape", "groups"),
    [
        ((3, 2, 5), 1), ((2, 3, 4), 1), ((4, 2, 3, 3), 1), ((4, 2, 2, 3), 2), ((6, 2, 3, 2, 1), 3), ((6, 5, 1), 2),
        ((6, 1, 3), 6), ((0, 2, 3), 1), ((4, 0, 3), 2),
    ],
)  # fmt: skip
def test_dirac(shape, groups, dtype):
    t = gpudl.zeros(*shape, dtype=dtype)
    assert init.dirac_(t, groups) is t
    oracle = torch.nn.init.dirac_(torch.empty(shape), groups).numpy()
    assert np.array_equal(t.array.astype("float32"), oracle)


def test_dirac_passes_channels_through():
    x = np.random.default_rng(0).normal(size=(2, 3, 6)).astype("float32")
    y = gpudl.nn.functional.conv1d(gpudl.tensor(x), init.dirac_(empty(5, 3, 3)), padding=1).numpy()
    assert np.array_equal(y, np.concatenate([x, np.zeros_like(x[:, :2])], 1))


@pytest.mark.parametrize(("rows", "columns"), [(40, 300), (7, 11), (1, 3), (3, 0), (0, 3)])
@pytest.mark.parametrize("sparsity", [0, 0.1, 0.5, 0.93, 1])
def test_sparse_has_as_many_zeros_in_each_column_as_torchs(sparsity, rows, columns):
    x = init.sparse_(empty(rows, columns), sparsity, std=0.5).array
    oracle = torch.nn.init.sparse_(torch.empty(rows, columns), sparsity).numpy()
    assert np.array_equal((x == 0).sum(0), (oracle == 0).sum(0))
    assert ((x == 0).sum(0) == math.ceil(sparsity * rows)).all()


def test_sparse_places_are_even_and_values_normal():
    x = init.sparse_(empty(50, 4000), 0.3).array
    share = (x == 0).mean(1)
    assert np.abs(share - 0.3).max() < 5 * math.sqrt(0.21 / 4000)
    kept = x[x != 0].astype("f8")
    assert kept.mean() == pytest.approx(0, abs=1e-4)
    assert kept.std() == pytest.approx(0.01, rel=0.01)
    assert (kept**4).mean() / kept.var() ** 2 == pytest.approx(3, abs=0.05)


LOW = {**RANDOM, "sparse_": lambda t: init.sparse_(t, 0.5, 0.5)}
MOMENTS = {
    "uniform_": (0.125, 0.75 / math.sqrt(12)),
    "normal_": (1.0, 0.5),
    "xavier_uniform_": (0, math.sqrt(2 / 600)),
    "xavier_normal_": (0, math.sqrt(2 / 600)),
    "kaiming_uniform_": (0, math.sqrt(1 / 3 / 200)),
    "kaiming_normal_": (0, math.sqrt(2 / 400)),
    "orthogonal_": (0, 1 / 20),
    "sparse_": (0, 0.5 * math.sqrt(0.5)),
}


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", LOW)
def test_half_floats_are_the_rounded_distribution(name, dtype):
    t = gpudl.zeros(400, 200, dtype=dtype)
    assert LOW[name](t) is t
    x = t.array.astype("f8")
    assert t.array.dtype.name == dtype and np.isfinite(x).all()
    if name in MOMENTS:
        mean, deviation = MOMENTS[name]
        assert x.mean() == pytest.approx(mean, abs=0.01 * deviation)
        assert x.std() == pytest.approx(deviation, rel=0.01)
    if name == "orthogonal_":
        assert np.abs(x.T @ x - np.eye(200)).max() < (2e-3 if dtype == "float16" else 1e-2)
    if name == "trunc_normal_":
        oracle = torch.nn.init.trunc_normal_(torch.empty(400, 200), 0.5, 1.0, -1.0, 1.5).double().numpy()
        assert x.min() >= -1 and x.max() <= 1.5
        assert [x.mean(), x.std()] == pytest.approx([oracle.mean(), oracle.std()], abs=0.01)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("name", LOW)
def test_one_seed_gives_one_set_of_weights_on_every_device(name, dtype, device):
    found = []
    for where in (device, "cpu"):
        manual_seed(3)
        found.append([LOW[name](gpudl.zeros(6, 5, dtype=dtype, device=where)).cpu().numpy() for _ in range(2)])
    assert np.array_equal(*found)
    assert not np.array_equal(*found[0])


@pytest.mark.parametrize("shape", [(3, 4), (8, 3, 3, 3), (5, 0)])
def test_sparse_and_dirac_leave_autograd_alone(shape):
    weight = gpudl.nn.Parameter(gpudl.ones(*shape))
    assert init.constant_(weight, 2) is weight and weight.requires_grad and weight.is_leaf
    if len(shape) == 2:
        init.sparse_(weight, 0.2)
    else:
        init.dirac_(weight)
    assert weight.requires_grad and weight.is_leaf


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda lib, t: lib.dirac_(t(3, 4)), "dirac_: needs a tensor of 3, 4 or 5 dimensions"),
        (lambda lib, t: lib.dirac_(t(3, 4, 1, 1, 1, 1)), "dirac_: needs a tensor of 3, 4 or 5 dimensions"),
        (lambda lib, t: lib.dirac_(t(3, 4, 2), 2), "groups=2 does not divide the 3 channels"),
        (lambda lib, t: lib.sparse_(t(3), 0.1), "sparse_: needs a tensor of 2 dimensions"),
        (lambda lib, t: lib.sparse_(t(3, 3, 3), 0.1), "sparse_: needs a tensor of 2 dimensions"),
        (lambda lib, t: lib.sparse_(t(3, 3), 0.1, -1.0), "std"),
    ],
)
def test_errors_of_dirac_and_sparse(use, message):
    with pytest.raises(ValueError, match=message):
        use(init, empty)
    with pytest.raises((ValueError, RuntimeError)):
        use(torch.nn.init, torch.empty)


@pytest.mark.parametrize("sparsity", [-0.1, 1.5, math.nan])
def test_sparsity_is_a_share(sparsity):
    with pytest.raises(ValueError, match=r"sparsity must be in \[0, 1\]"):
        init.sparse_(empty(3, 3), sparsity)
    with pytest.raises(TypeError, match="sparse_: needs a floating point tensor"):
        init.sparse_(empty(3, 3, dtype="int32"), 0.5)
    with pytest.raises(ValueError, match="groups=0"):
        init.dirac_(empty(3, 3, 3), 0)


OLD = sorted(name for name in torch.nn.init.__all__ if hasattr(torch.nn.init, name + "_"))


@pytest.mark.parametrize("name", OLD)
def test_names_without_underscore_are_deprecated(name):
    arguments = {"constant": (3,), "sparse": (0.5,)}.get(name, ())
    shape = (3, 3, 3) if name == "dirac" else (3, 3)
    with pytest.warns(FutureWarning) as theirs:
        getattr(torch.nn.init, name)(torch.empty(shape), *arguments)
    with pytest.warns(FutureWarning) as mine:
        t = empty(*shape)
        assert getattr(init, name)(t, *arguments) is t
    assert str(mine[0].message) == str(theirs[0].message)
    assert mine[0].filename == theirs[0].filename == __file__
    manual_seed(0)
    assert np.array_equal(t.array, getattr(init, name + "_")(empty(*shape), *arguments).array)
    assert getattr(init, name).__name__ == name


def test_generators_of_gpudl_serve_too():
    made = [init.normal_(empty(3, 4), generator=gpudl.Generator().manual_seed(5)).array for _ in range(2)]
    assert np.array_equal(*made)
    generator = gpudl.Generator().manual_seed(5)
    assert not np.array_equal(*(init.sparse_(empty(3, 4), 0.5, generator=generator).array for _ in range(2)))
