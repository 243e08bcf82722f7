"""The rows of README.md's table of examples: what is run, and what counts as its result."""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """One line of the table.

    Attributes:
        name: the example's.
        command: as a user types it in the folder above examples/, where the data is in data/; several are joined by &&.
        result: pattern of what counts on stdout.
        data: what of the data it takes, a path below data/.
        least: the first group of the result is at least this,
        most: and at most this; else the example has failed.
        limit: seconds after which it is ended, and has failed.
    """

    name: str
    command: str
    result: str
    data: str = ""
    least: float = float("-inf")
    most: float = float("inf")
    limit: float = 600


ACCURACY = r"(?:test )?accuracy:? ([\d.]+)"
MNIST, TEXT = "mnist10k", "tinyshakespeare/input.txt"

ROWS = (
    Row("digits", "gpudl train examples/digits.toml", ACCURACY, least=0.95),
    Row("spirals", "gpudl train examples/spirals.toml", ACCURACY, least=0.9),
    Row("own_parts", "python examples/own_parts.py", ACCURACY, least=0.9),
    Row("digits_mlp", "python examples/digits_mlp.py", ACCURACY, least=0.96),
    Row("digits_trainer", "python examples/digits_trainer.py", ACCURACY, least=0.96),
    Row("mnist", "gpudl train examples/mnist.toml --set data.root=data/mnist10k", ACCURACY, MNIST, least=0.92),
    Row("mnist_mlp", "python examples/mnist_mlp.py --data data/mnist10k", ACCURACY, MNIST, least=0.92),
    Row("mnist_lenet", "python examples/mnist_lenet.py --data data/mnist10k", ACCURACY, MNIST, least=0.975),
    Row("lenet", "gpudl train examples/lenet.toml --set data.root=data/mnist10k", ACCURACY, MNIST, least=0.975),
    Row(
        "fashion_mnist",
        "gpudl train examples/fashion_mnist.toml --set data.root=data/fashion_mnist",
        ACCURACY,
        "fashion_mnist",
        least=0.85,
    ),
    Row("csv_mlp", "python examples/csv_mlp.py", ACCURACY, least=0.95),
    Row(
        "image_folder_resnet",
        "python examples/image_folder_resnet.py --make-data shapes"
        " && python examples/image_folder_resnet.py --data shapes",
        ACCURACY,
        least=0.9,
    ),
    Row(
        "transfer_learning",
        "python examples/transfer_learning.py --data data/mnist10k",
        r"accuracy on 5 to 9, .*: (\S+)\naccuracy on 5 to 9, .*",
        MNIST,
        least=0.7,
    ),
    Row(
        "text_classifier",
        "python examples/text_classifier.py Hokkanen Zanetti Nakashima",
        ACCURACY + r"(?:\n\w+: \w+ \([\d.]+\))+",
        least=0.6,
    ),
    Row(
        "char_gpt",
        "python examples/char_gpt.py --data data/tinyshakespeare/input.txt",
        r"validation loss: (\S+)",
        TEXT,
        most=2.0,
        limit=900,
    ),
    Row("forecasting", "python examples/forecasting.py", r"test error: LSTM ([\d.]+), .*", most=3.2),
    Row("vae", "python examples/vae.py --data data/mnist10k", r"test ELBO: (\S+) nats per image", MNIST, least=-125),
    Row("dcgan", "python examples/dcgan.py --data data/mnist10k", r"inception score: (\S+) of 10.*", MNIST, least=3),
    Row("dqn", "python examples/dqn.py", r"mean return .*: (\S+) \(.*\)", least=0.7),
    Row("dqn", "python examples/dqn.py --env cartpole", r"mean return .*: (\S+) \(.*\)", least=450),
    Row("tune", "python examples/tune.py", ACCURACY, least=0.95),
    Row("keras_line", "python examples/keras_line.py", r"slope (\S+), intercept \S+", least=1.9, most=2.1),
    Row(
        "custom_op",
        "python examples/custom_op.py",
        r"Function: mean squared error (\S+)\nPrimitive: mean squared error \S+",
        most=0.01,
    ),
    Row(
        "compare_devices",
        "python examples/compare_devices.py --device sim",
        r"largest difference of \d+ losses: ([^,\s]+).*",
        most=1e-4,
    ),
    Row(
        "own_kernel_test",
        "pytest -p gpudl.testing.plugin --device sim examples/own_kernel_test.py",
        r"(\d+) passed",
        least=8,
    ),
)
