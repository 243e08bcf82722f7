"""The examples on images: LeNet on MNIST, a ResNet on a folder, and transfer learning."""

import importlib.util
import re

import pytest

from tests.test_examples import DIGITS, accuracy_of, assert_one_line_of_error, needs_mnist, result_of, run

needs_pillow = pytest.mark.skipif(importlib.util.find_spec("PIL") is None, reason="Pillow is not installed")


@needs_mnist
def test_mnist_lenet_learns_the_digits():
    process = run("mnist_lenet.py", "--data", DIGITS, "--epochs", 1)  # 6 epochs, the default, reach 0.98
    assert accuracy_of(process) >= 0.9
    assert process.stderr.count("\n") == 1 and process.stderr.isascii()


@needs_mnist
def test_frozen_layers_help_to_learn_from_few_images():
    text = result_of(run("transfer_learning.py", "--data", DIGITS, "--epochs", 20, "--images", 2))
    line = r"accuracy on 5 to 9, 10 images, {}: (\d\.\d{{4}})\n"
    found = re.fullmatch(line.format("frozen layers") + line.format("from scratch"), text)
    assert found, text
    transferred, scratch = map(float, found.groups())
    assert transferred > scratch > 0.2


def test_transfer_learning_needs_an_image():
    assert_one_line_of_error(run("transfer_learning.py", "--images", 0), "--images", "1 or more")


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shapes")
    assert result_of(run("image_folder_resnet.py", "--make-data", folder)) == f"4 shapes in {folder}\n"
    return folder


@needs_pillow
def test_image_folder_resnet_learns_the_shapes_it_drew(shapes):
    assert sorted(path.name for path in shapes.iterdir()) == ["circle", "square", "star", "triangle"]
    assert accuracy_of(run("image_folder_resnet.py", "--data", shapes, "--epochs", 3)) >= 0.4  # by chance: 0.25


@needs_pillow
def test_image_folder_resnet_draws_the_same_shapes_again(shapes, tmp_path):
    result_of(run("image_folder_resnet.py", "--make-data", tmp_path))
    for name in ("circle/000.png", "star/149.png"):
        assert (tmp_path / name).read_bytes() == (shapes / name).read_bytes()


@needs_pillow
def test_image_folder_resnet_names_a_damaged_image(tmp_path):
    (tmp_path / "cat").mkdir()
    for number in range(4):
        (tmp_path / "cat" / f"{number}.png").write_bytes(b"no image")
    assert_one_line_of_error(run("image_folder_resnet.py", "--data", tmp_path), "4 images", "5 or more")
    (tmp_path / "cat" / "4.png").write_bytes(b"no image")
    assert_one_line_of_error(run("image_folder_resnet.py", "--data", tmp_path), ".png", "not an image")
