"""What holds for every transform: samples and batches, devices, dtypes, training and evaluation."""

from __future__ import annotations

import copy
import pickle
from contextlib import nullcontext

import numpy as np
import pytest
from tolerances import assert_close

import gpudl
from gpudl.data import transforms as T
from gpudl.data.draws import making

ROWS, COLUMNS = 9, 12
EVERY = {
    "pad": lambda: T.Pad((1, 2), 0.25),
    "center_crop": lambda: T.CenterCrop((5, 7)),
    "resize": lambda: T.Resize((6, 15)),
    "crop": lambda: T.RandomCrop(8, padding=2),
    "crop_reflect": lambda: T.RandomCrop((9, 12), padding=(3, 2), padding_mode="reflect"),
    "resized_crop": lambda: T.RandomResizedCrop((7, 8)),
    "resized_crop_bicubic": lambda: T.RandomResizedCrop(4, (0.3, 1), interpolation="bicubic"),
    "resized_crop_nearest": lambda: T.RandomResizedCrop(6, interpolation="nearest"),
    "horizontal": lambda: T.RandomHorizontalFlip(),
    "vertical": lambda: T.RandomVerticalFlip(0.6),
    "rotation": lambda: T.RandomRotation(40, "bilinear", fill=(0.1, 0.2, 0.3)),
    "affine": lambda: T.RandomAffine(20, (0.2, 0.1), (0.8, 1.2), (-5, 5, -3, 3), "bilinear"),
    "jitter": lambda: T.ColorJitter(0.4, 0.5, 0.3, 0.2),
    "grayscale": lambda: T.Grayscale(3),
    "blur": lambda: T.GaussianBlur((5, 3)),
    "erasing": lambda: T.RandomErasing(0.8),
    "cutout": lambda: T.Cutout(4, holes=2, fill=0.5),
    "apply": lambda: T.RandomApply([T.RandomHorizontalFlip(), T.Grayscale(3)], 0.5),
    "choice": lambda: T.RandomChoice([T.RandomVerticalFlip(), T.Cutout(5), T.GaussianBlur(3)], [1, 2, 1]),
    "compose": lambda: T.Compose([T.RandomCrop(8, 1), lambda x: x + 0, T.RandomHorizontalFlip(), T.RandomErasing()]),
    "normalize": lambda: T.Normalize((0.5, 0.4, 0.3), (0.2, 0.3, 0.4)),
    "standardize": lambda: T.Standardize((3, 1, 1)).fit(images(20)),
}
RANDOM = {name for name, make in EVERY.items() if name not in ("normalize", "standardize") and make().draws}
FLOATING_ONLY = {"normalize", "standardize"}


def images(count, dtype="float32", seed=0):
    numbers = np.random.default_rng(seed).random((count, 3, ROWS, COLUMNS))
    return (numbers * 255).astype(dtype) if np.dtype(dtype).kind in "iu" else numbers.astype(dtype)


def batched(transform, x, indices, device="cpu"):
    with making(3, indices, 17):
        return transform(gpudl.tensor(x, device=device))


@pytest.fixture(params=EVERY, name="name")
def _name(request):
    return request.param


@pytest.mark.parametrize("dtype", ["float32", "uint8", "float16"])
def test_batch_is_its_samples_one_by_one(name, dtype):
    if dtype == "uint8" and name in FLOATING_ONLY:
        pytest.skip("takes floating images only")
    transform, x, indices = EVERY[name](), images(14, dtype), np.arange(100, 114)
    together = batched(transform, x, indices).numpy()
    assert together.dtype == dtype
    alone = [batched(transform, image, [index]).numpy() for image, index in zip(x, indices)]
    assert np.array_equal(together, np.stack(alone))
    if name in RANDOM:
        assert not np.array_equal(together, batched(transform, x, indices + 1).numpy())


def test_devices_agree_and_nothing_waits(name, device):
    transform, x = EVERY[name](), images(6)
    want = batched(transform, x, range(6)).numpy()
    on_device = gpudl.tensor(x, device=device)
    with making(3, range(6), 17), gpudl.strict(), gpudl.sim.counting() if device.type == "sim" else nullcontext() as c:
        got = transform(on_device)
    assert got.device == device
    assert c is None or (c.synchronizations, c.device_to_host) == (0, 0)
    assert_close(got.cpu().numpy(), want, name, slack=4)


def test_recorded_and_bare_images_come_out_alike(name):
    transform, x = EVERY[name](), images(5)
    with making(3, range(5), 17):
        recorded = transform(gpudl.tensor(x, requires_grad=True))
    assert recorded.requires_grad
    assert_close(recorded.detach().numpy(), batched(transform, x, range(5)).numpy(), name, slack=4)


def test_numpy_arrays_give_numpy_arrays(name):
    transform, x = EVERY[name](), images(3)
    with making(3, range(3), 17):
        got = transform(x)
    assert isinstance(got, np.ndarray)
    assert np.array_equal(got, batched(transform, x, range(3)).numpy())


def test_input_is_not_changed_and_may_be_strided(name):
    transform, x = EVERY[name](), images(4)
    before = x.copy()
    want = batched(transform, x, range(4)).numpy()
    assert np.array_equal(x, before)
    strided = gpudl.tensor(np.ascontiguousarray(x.transpose(3, 0, 1, 2))).permute(1, 2, 3, 0)
    with making(3, range(4), 17):
        got = transform(strided)
    assert np.array_equal(got.numpy(), want)


def test_empty_batch_and_wrong_shapes(name):
    transform = EVERY[name]()
    some = transform(gpudl.tensor(images(2))).shape[1:]
    assert transform(gpudl.tensor(images(0))).shape == (0, *some)
    with pytest.raises((gpudl.ShapeError, ValueError), match=r"expected an image|does not end in|images must be"):
        transform(gpudl.zeros(4))


def test_random_ones_do_nothing_in_evaluation():
    for name in RANDOM:
        transform, x = EVERY[name]().eval(), gpudl.tensor(images(5))
        gpudl.manual_seed(0)
        first = transform(x).numpy()
        assert np.array_equal(first, transform(x).numpy()), name
        if "crop" not in name and name != "compose":
            assert np.array_equal(first, x.numpy()), name
        assert gpudl.random.seed.numbering().get("sample", 0) == 0, name


def test_crops_take_the_middle_in_evaluation():
    x = images(2)
    assert np.array_equal(T.RandomCrop((5, 8), padding=4).eval()(x), x[:, :, 2:7, 2:10])
    assert np.array_equal(T.RandomResizedCrop((5, 8)).eval()(x), T.Resize((5, 8))(x))


def test_outside_of_a_loader_the_seed_decides():
    transform, x = T.RandomCrop(6), images(8)
    gpudl.manual_seed(1)
    first, second = transform(x), transform(x)
    gpudl.manual_seed(1)
    assert np.array_equal(transform(x), first) and not np.array_equal(first, second)


def test_a_layer_of_a_model_learns_through_them(device):
    model = gpudl.nn.Sequential(
        T.RandomHorizontalFlip(), T.RandomCrop(8, 1), T.ColorJitter(0.2), T.Standardize((3, 1, 1)).fit(images(9)),
        gpudl.nn.Flatten(), gpudl.nn.Linear(192, 2),
    ).to(device)  # fmt: skip
    assert [name for name in model.state_dict() if name[0] == "3"] == ["3.mean", "3.std"]
    x = gpudl.tensor(images(4), device=device, requires_grad=True)
    model(x).sum().backward()
    assert x.grad is not None and float(abs(x.grad).sum()) > 0
    model.eval()
    assert np.array_equal(model(x).detach().cpu().numpy(), model(x).detach().cpu().numpy())


def test_state_is_loaded_and_copied():
    fitted = T.Compose([T.RandomHorizontalFlip(), T.Standardize((3, 1, 1)).fit(images(9)), lambda x: x])
    fresh = T.Compose([T.RandomHorizontalFlip(), T.Standardize((3, 1, 1)), lambda x: x])
    fresh.load_state_dict(fitted.state_dict())
    x = images(3)
    assert np.array_equal(fresh.eval()(x), fitted.eval()(x)) and not np.array_equal(fresh(x), x)
    clone = copy.deepcopy(fitted)
    clone.transforms[1].mean.fill_(0)
    assert float(abs(fitted.transforms[1].mean).sum()) > 0
    assert np.array_equal(clone(x), x / fitted.transforms[1].std.numpy())


def test_every_one_can_go_to_another_process(name):
    if name == "compose":
        pytest.skip("holds a lambda, which Python does not pickle")
    transform, x = EVERY[name](), images(2)
    there = pickle.loads(pickle.dumps(transform))
    assert np.array_equal(batched(there, x, range(2)).numpy(), batched(transform, x, range(2)).numpy())
    assert repr(there) == repr(transform) and type(transform).__name__ in repr(transform)
