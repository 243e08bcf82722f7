"""The VAE and the DCGAN of examples/ learn digits, draw them, and fail in one line."""

import importlib.util
import re
import sys

import numpy as np
import pytest
from test_examples import DIGITS, EXAMPLES, assert_one_line_of_error, needs_mnist, result_of, run

import gpudl
from gpudl.data import MNIST, write_idx

PROGRAMS = ("vae.py", "dcgan.py")
RESULTS = {
    "vae.py": r"test ELBO: (-\d+\.\d\d) nats per image\n",
    "dcgan.py": r"inception score: (\d+\.\d\d) of 10 \(real digits \d+\.\d\d\)\n",
}


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """A folder of the first 640 training images and the first 256 test images of the subset."""
    folder = tmp_path_factory.mktemp("digits")
    for train, name, count in ((True, "train", 640), (False, "t10k", 256)):
        dataset = MNIST(DIGITS, train=train)
        write_idx(folder / f"{name}-images-idx3-ubyte", dataset.data[:count].numpy())
        write_idx(folder / f"{name}-labels-idx1-ubyte", dataset.targets[:count].numpy().astype(np.uint8))
    return folder


@pytest.fixture
def example():
    """A program of examples/ as a module, by its name."""

    def load(name):
        spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


def score_of(program, process):
    (found,) = re.fullmatch(RESULTS[program], result_of(process)).groups()
    return float(found)


def losses_of(process, *names):
    """The numbers on the lines of progress, (epochs, names)."""
    pattern = "epoch \\d+: " + ", ".join(f"{name} (\\S+)" for name in names) + "\n"
    return np.array(re.findall(pattern, process.stderr), dtype=float).reshape(-1, len(names))


def assert_picture(path):
    """Pillow reads a picture of 64 digits; gives its pixels in [0, 1]."""
    with pytest.importorskip("PIL.Image").open(path) as picture:
        assert (picture.format, picture.mode, picture.size) == ("PNG", "L", (672, 672))
        return np.asarray(picture) / 255


@needs_mnist
def test_vae_raises_the_bound_and_repeats_itself(digits, tmp_path):
    arguments = ("vae.py", "--data", digits, "--out", tmp_path)
    long = run(*arguments, "--epochs", 8)
    bounds = losses_of(long, "ELBO")[:, 0]
    assert len(bounds) == 8 and (np.diff(bounds) > 0).all()
    # A code that tells nothing leaves the mean of each pixel over all digits: the VAE has to know more than that.
    train, test = (MNIST(digits, train=train).data.double() / 255 for train in (True, False))
    mean = train.mean(0).clamp(0.001, 0.999)
    blind = (test * mean.log() + (1 - test) * (1 - mean).log()).sum((1, 2)).mean().item()
    assert blind + 5 < score_of("vae.py", long) < -100
    assert_picture(tmp_path / "samples.png")
    first, again, other = (run(*arguments, "--epochs", 1, "--seed", seed) for seed in (0, 0, 1))
    assert long.stderr.startswith(first.stderr.partition("wrote")[0])
    assert first.stdout == again.stdout != other.stdout


@needs_mnist
def test_dcgan_learns_from_both_losses(digits, tmp_path):
    process = run("dcgan.py", "--data", digits, "--epochs", 4, "--out", tmp_path / "new" / "folder")
    losses = losses_of(process, "discriminator loss", "generator loss")
    assert losses.shape == (4, 2) and losses.min() > 0
    assert losses[-1, 0] < losses[0, 0] < 2 * np.log(2)  # less than by guessing
    # An untrained generator draws gray, 0.5, everywhere; of the digits' pixels most are black, and 0.13 is the mean.
    pixels = assert_picture(tmp_path / "new" / "folder" / "samples.png")
    assert pixels.mean() < 0.4 and pixels.max() > 0.5
    assert 1 < score_of("dcgan.py", process) < 10


def test_inception_score_is_one_for_one_class_and_ten_for_all_classes(example):
    score = example("dcgan").inception_score
    logits = 100 * gpudl.eye(10).repeat(3, 1)
    assert score(gpudl.nn.Identity(), logits) == pytest.approx(10, rel=1e-4)
    assert score(gpudl.nn.Identity(), logits[:1].repeat(30, 1)) == pytest.approx(1, rel=1e-4)
    assert score(gpudl.nn.Identity(), gpudl.zeros(30, 10)) == pytest.approx(1, rel=1e-4)  # clear digits of no class


@pytest.mark.parametrize("name", ["vae", "dcgan"])
def test_pictures_are_images_with_pillow_and_text_without_it(name, example, tmp_path, monkeypatch):
    images = gpudl.zeros(64, 28, 28)
    images[1] = 1  # the second of the first row, and
    images[8, :14] = 0.5  # the upper half of the first of the second row
    image = example(name).save_picture(images, tmp_path)
    with pytest.importorskip("PIL.Image").open(image) as picture:
        pixels = np.asarray(picture)
    assert pixels[:84, 90:160].mean() > 250 and abs(pixels[90:120, :70].mean() - 127) < 5
    assert pixels.mean() == pytest.approx(255 * 1.25 / 64, rel=0.01)
    monkeypatch.setitem(sys.modules, "PIL", None)
    lines = example(name).save_picture(images, tmp_path).read_text().splitlines()
    blank, full, half = " " * 28, "@" * 28, "=" * 28
    assert lines[:14] == [blank + full + 6 * blank] * 14
    assert lines[14:21] == [half + 7 * blank] * 7
    assert lines[21:] == [8 * blank] * 91


@needs_mnist
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_folder_for_the_picture_that_cannot_be_is_said_before_training(program, tmp_path):
    (tmp_path / "file").write_text("")
    assert_one_line_of_error(run(program, "--data", DIGITS, "--out", tmp_path / "file"), str(tmp_path / "file"))
