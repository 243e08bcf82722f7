"""One seed gives the same bits on every device: initial weights, orders, augmentation, masks; and ties fall alike."""

import numpy as np
import pytest

import gpudl
from gpudl import nn
from gpudl.data import DataLoader, TensorDataset
from gpudl.data import transforms as T
from gpudl.data.draws import making


def bits(result):
    """dtype, shape and bytes of every tensor among results."""
    if isinstance(result, (tuple, list)):
        return [bits(each) for each in result]
    if isinstance(result, nn.Module):
        return [bits(each) for each in result.state_dict().values()]
    array = result.detach().cpu().numpy()
    return array.dtype, array.shape, array.tobytes()


def assert_same_bits(make, device):
    """What `make(device)` gives from one seed is that of the CPU; of another seed it is something else."""
    found = []
    for seed, place in ((3, device), (3, "cpu"), (4, "cpu")):
        gpudl.manual_seed(seed)
        found.append(bits(make(place)))
    assert found[0] == found[1]
    assert found[1] != found[2], "nothing is drawn"


def filled(name, *args, shape=(6, 4, 3, 3)):
    def make(device):
        x = gpudl.zeros(shape, device=device)
        return getattr(x, name)(*args) if hasattr(x, name) else getattr(nn.init, name)(x, *args)

    return make


DRAWN = {
    "rand": lambda d: gpudl.rand(1001, device=d),
    "rand, float16": lambda d: gpudl.rand(1001, device=d, dtype=gpudl.float16),
    "rand, float64": lambda d: gpudl.rand(1001, device=d, dtype=gpudl.float64),
    "randn": lambda d: gpudl.randn(1001, device=d),
    "randn, float64": lambda d: gpudl.randn(1001, device=d, dtype=gpudl.float64),
    "randint": lambda d: gpudl.randint(-5, 70_000, (1001,), device=d),
    "randperm": lambda d: gpudl.randperm(1001, device=d),
    "bernoulli": lambda d: gpudl.bernoulli(gpudl.linspace(0, 1, 101).to(d)),
    "normal": lambda d: gpudl.normal(gpudl.zeros(101, device=d), gpudl.ones(101, device=d)),
    "multinomial": lambda d: gpudl.multinomial(gpudl.ones(5, 40, device=d), 30),
    "poisson": lambda d: gpudl.poisson(gpudl.full((101,), 3.5, device=d)),
    "uniform_": filled("uniform_", -1, 2),
    "normal_": filled("normal_", 1, 3),
    "trunc_normal_": filled("trunc_normal_"),
    "xavier_uniform_": filled("xavier_uniform_"),
    "xavier_normal_": filled("xavier_normal_"),
    "kaiming_uniform_": filled("kaiming_uniform_"),
    "kaiming_normal_": filled("kaiming_normal_"),
    "orthogonal_": filled("orthogonal_"),
    "sparse_": filled("sparse_", 0.3, shape=(9, 7)),
    "Linear": lambda d: nn.Linear(7, 5, device=d),
    "Conv2d": lambda d: nn.Conv2d(3, 4, 3, device=d),
    "ConvTranspose1d": lambda d: nn.ConvTranspose1d(3, 4, 3, device=d),
    "Embedding": lambda d: nn.Embedding(9, 4, device=d),
    "LSTM": lambda d: nn.LSTM(4, 3, 2, bidirectional=True, device=d),
    "MultiheadAttention": lambda d: nn.MultiheadAttention(8, 2, device=d),
    "TransformerEncoderLayer": lambda d: nn.TransformerEncoderLayer(8, 2, 12, device=d),
}


@pytest.mark.parametrize("name", DRAWN)
def test_numbers_and_initial_weights_are_the_same_bits(device, name):
    assert_same_bits(DRAWN[name], device)


def ones(d, *shape):
    return gpudl.ones(*shape, device=d, requires_grad=True)


def with_gradient(function, *shape):
    def make(device):
        x = ones(device, *shape)
        y = function(x)
        y.sum().backward()
        return y, x.grad

    return make


MASKED = {
    "dropout": with_gradient(lambda x: nn.functional.dropout(x, 0.3), 40, 33),
    "dropout, twice": with_gradient(lambda x: nn.functional.dropout(nn.functional.dropout(x), 0.1), 1001),
    "dropout2d": with_gradient(lambda x: nn.functional.dropout2d(x, 0.4), 8, 9, 3, 3),
    "alpha_dropout": with_gradient(lambda x: nn.functional.alpha_dropout(x, 0.3, True), 501),
    "feature_alpha_dropout": with_gradient(lambda x: nn.functional.feature_alpha_dropout(x, 0.3, True), 20, 7, 3),
    "rrelu": with_gradient(lambda x: nn.functional.rrelu(-x, training=True), 501),
    "gumbel_softmax": lambda d: nn.functional.gumbel_softmax(gpudl.zeros(30, 5, device=d), hard=True).argmax(1),
    "fractional_max_pool2d": with_gradient(lambda x: nn.functional.fractional_max_pool2d(x, 2, 5), 2, 3, 9, 9),
}


@pytest.mark.parametrize("name", MASKED)
def test_masks_are_the_same_bits(device, name):
    if name == "fractional_max_pool2d":
        gpudl.manual_seed(3)
        one, other = (bits(MASKED[name](place)) for place in (device, device))
        assert one != other, "one draw for all calls"
    assert_same_bits(MASKED[name], device)


def test_the_stream_goes_on_alike_after_drawing_on_either_device(device):
    gpudl.manual_seed(0)
    gpudl.rand(7, device=device)
    nn.functional.dropout(gpudl.ones(5, device=device))
    after = gpudl.rand(3)
    gpudl.manual_seed(0)
    gpudl.rand(7)
    nn.functional.dropout(gpudl.ones(5))
    assert bits(after) == bits(gpudl.rand(3))


def images(count, dtype="float32"):
    return (np.random.default_rng(0).random((count, 3, 9, 12)) * 255).astype(dtype)


AUGMENTED = T.Compose(
    [T.RandomCrop(8, padding=2), T.RandomRotation(30, "bilinear"), T.RandomHorizontalFlip(), T.Cutout(2)]
)


class Augmented:
    """Images as a dataset whose samples are augmented."""

    def __len__(self):
        return 20

    def __getitem__(self, index):
        return AUGMENTED(gpudl.tensor(images(20)[index])), index


@pytest.mark.parametrize("workers", [0, 2])
def test_shuffled_and_augmented_batches_are_the_same_bits(device, workers):
    def make(place):
        loader = DataLoader(Augmented(), 6, shuffle=True, device=place, num_workers=workers)
        return [batch for _ in range(2) for batch in loader]

    assert_same_bits(make, device)


def test_shuffled_batches_of_data_on_the_device_are_the_same_bits(device):
    def make(place):
        data = TensorDataset(gpudl.arange(50, device=place), gpudl.arange(50.0, device=place))
        return list(DataLoader(data, 8, shuffle=True, drop_last=True))

    assert_same_bits(make, device)


EXACT = {
    "crop": T.RandomCrop(8, padding=2),
    "horizontal": T.RandomHorizontalFlip(),
    "vertical": T.RandomVerticalFlip(0.6),
    "jitter": T.ColorJitter(0.4, 0, 0.3, 0.2),
    "erasing": T.RandomErasing(0.8),
    "cutout": T.Cutout(4, holes=2, fill=0.5),
    "rotation": T.RandomRotation(40, "nearest"),
    "apply": T.RandomApply([T.RandomHorizontalFlip(), T.Grayscale(3)], 0.5),
    "choice": T.RandomChoice([T.RandomVerticalFlip(), T.Cutout(5)], [1, 2]),
}


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_batches_augmented_on_the_device_are_the_same_bits(device, name, dtype):
    def make(place):
        with making(1, range(12)):
            return EXACT[name](gpudl.tensor(images(12, dtype), device=place))

    assert_same_bits(make, device)


# Ties within rows and columns, nan, both zeros and infinities.
TIES = {
    "few values": np.random.default_rng(1).integers(-2, 3, (7, 40)),
    "all equal": np.ones((3, 50)),
    "zeros of both signs": np.where(np.random.default_rng(2).random((4, 31)) < 0.5, -0.0, 0.0),
    "nan and inf": np.random.default_rng(3).choice([np.nan, np.inf, -np.inf, 1.0, 2.0], (6, 33)),
    "long rows": np.random.default_rng(4).integers(0, 40, (2, 2100)),
}

ORDERS = {
    "argmax": lambda x: [x.argmax(), x.argmax(0), x.argmax(-1, keepdim=True)],
    "argmin": lambda x: [x.argmin(), x.argmin(0), x.argmin(-1)],
    "max": lambda x: [x.max(0).indices, x.max(1).indices],
    "min": lambda x: [x.min(0).indices, x.min(1).indices],
    "sort": lambda x: [x.sort(), x.sort(0, descending=True), x.sort(stable=True), x.sort(descending=True, stable=True)],
    "argsort": lambda x: [x.argsort(), x.argsort(0), x.argsort(descending=True)],
    "topk": lambda x: [x.topk(5), x.topk(2, 0), x.topk(9, largest=False), x.topk(4, sorted=False)],
    "kthvalue": lambda x: [x.kthvalue(3), x.kthvalue(2, 0)],
    "median": lambda x: [x.median(), x.median(0), x.median(1)],
    "nanmedian": lambda x: [x.nanmedian(), x.nanmedian(1)],
    "mode": lambda x: [x.mode(), x.mode(0)],
    "cummax": lambda x: [x.cummax(0), x.cummin(1)],
    "unique": lambda x: [gpudl.unique(x, return_inverse=True, return_counts=True)],
    "max_pool2d": lambda x: [nn.functional.max_pool1d(x.float()[None], 3, 2, return_indices=True)],
    "searchsorted": lambda x: [gpudl.searchsorted(x.sort().values, x), gpudl.bucketize(x, x[0].sort().values)],
}


@pytest.mark.parametrize("values", TIES)
@pytest.mark.parametrize("name", ORDERS)
def test_ties_fall_alike(device, name, values):
    for dtype in ("float32", "float16", "int64"):
        if dtype == "int64" and values in ("nan and inf", "zeros of both signs"):
            continue
        x = TIES[values].astype(dtype)
        there, here = (ORDERS[name](gpudl.tensor(x, device=place)) for place in (device, "cpu"))
        for one, other in zip(there, here):
            assert_equal(one, other, f"{name} of {dtype}")


def assert_equal(one, other, label):
    """The same numbers, nan among them."""
    if isinstance(one, tuple):
        for mine, theirs in zip(one, other):
            assert_equal(mine, theirs, label)
    else:
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one.cpu().numpy(), other.numpy(), label)
