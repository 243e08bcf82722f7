"""Small sets of points that need no file: scikit-learn's names and arguments, as TensorDatasets.

The random numbers are streams of gpudl.random, and every other step is an addition, multiplication, division or square
root of float64 numbers, so the points are the same on every machine. A `seed` of None takes the next stream of
gpudl.rand and its like: calls differ, and repeat after gpudl.manual_seed.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gpudl.autograd.tensor import wrap
from gpudl.backend.dtypes import get_default_dtype
from gpudl.data.dataset import TensorDataset
from gpudl.random import Stream, sampling_stream, stream
from gpudl.random.gauss import cosine_sine

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]


def make_blobs(
    n_samples: int | Sequence[int] = 100,
    n_features: int = 2,
    *,
    centers: int | Any = 3,
    cluster_std: float | Sequence[float] = 1.0,
    center_box: tuple[float, float] = (-10.0, 10.0),
    shuffle: bool = True,
    seed: int | None = None,
) -> TensorDataset:
    """Normally distributed points around centers, one class for each center.

    Args:
        n_samples: in all, spread evenly; or of each class.
        n_features: numbers of a point, unless `centers` are points.
        centers: how many to draw from the box, if n_samples does not say so; or (classes, features), the centers.
        cluster_std: standard deviation, >= 0, of all classes or of each.
        center_box: lowest and highest coordinate of a drawn center.
        shuffle: in random order; else class by class.
        seed: of the points, see the module.
    Returns: points (samples, features) of the default dtype, classes (samples,) int64.
    Raises: ValueError for numbers that do not fit together.
    """
    draws = _stream("make_blobs", seed)
    if isinstance(centers, int):
        classes = len(n_samples) if isinstance(n_samples, Sequence) else _count("make_blobs", "centers", centers, 1)
        middle = draws.uniform((classes, _count("make_blobs", "n_features", n_features, 1)), *center_box, np.float64)
    else:
        middle = np.asarray(centers, np.float64)
    if middle.ndim != 2 or not middle.size:
        raise ValueError(f"make_blobs: centers must be a number or (classes, features), got shape {middle.shape}")
    each = _split("make_blobs", n_samples, len(middle))
    std = np.asarray(cluster_std, np.float64)
    std = np.full(len(middle), std) if std.ndim == 0 else std
    if std.shape != (len(middle),) or not (std >= 0).all():
        need = f"{len(middle)} centers need one or as many cluster_std of 0 or more"
        raise ValueError(f"make_blobs: {need}, got {cluster_std}")
    labels = np.repeat(np.arange(len(middle)), each)
    points = draws.normal((len(labels), middle.shape[1]), dtype=np.float64) * std[labels, None] + middle[labels]
    return _dataset(points, labels, draws if shuffle else None)


def make_moons(
    n_samples: int | tuple[int, int] = 100,
    *,
    shuffle: bool = True,
    noise: float | None = None,
    seed: int | None = None,
) -> TensorDataset:
    """Two interleaving half circles: class 0 the upper one around (0, 0), class 1 the lower around (1, 0.5).

    Args:
        n_samples: in all, or of the two classes.
        shuffle: in random order; else class by class.
        noise: standard deviation of what is added to each coordinate.
        seed: of order and noise, see the module.
    Returns: points (samples, 2) of the default dtype, classes (samples,) int64.
    Raises: ValueError for a negative count or noise.
    """
    outer, inner = _halves("make_moons", n_samples)
    x, y = cosine_sine(_spaced(outer, 1.0, True))
    cosine, sine = cosine_sine(_spaced(inner, 1.0, True))
    points = np.concatenate([np.stack([x, y], 1), np.stack([1 - cosine, 0.5 - sine], 1)])
    return _noisy("make_moons", points, np.repeat([0, 1], [outer, inner]), shuffle, noise, seed)


def make_circles(
    n_samples: int | tuple[int, int] = 100,
    *,
    shuffle: bool = True,
    noise: float | None = None,
    factor: float = 0.8,
    seed: int | None = None,
) -> TensorDataset:
    """A circle of radius 1, class 0, around one of radius `factor`, class 1.

    Args:
        n_samples: in all, or of the two classes.
        shuffle: in random order; else class by class.
        noise: standard deviation of what is added to each coordinate.
        factor: 0 <= factor < 1.
        seed: of order and noise, see the module.
    Returns: points (samples, 2) of the default dtype, classes (samples,) int64.
    Raises: ValueError for a negative count or noise, or a factor out of range.
    """
    if not 0 <= factor < 1:
        raise ValueError(f"make_circles: factor must be in [0, 1), got {factor}")
    outer, inner = _halves("make_circles", n_samples)
    rings = [np.stack(cosine_sine(_spaced(count, 2.0, False)), 1) for count in (outer, inner)]
    points = np.concatenate([rings[0], rings[1] * factor])
    return _noisy("make_circles", points, np.repeat([0, 1], [outer, inner]), shuffle, noise, seed)


def make_spirals(
    n_samples: int | Sequence[int] = 100,
    *,
    n_classes: int = 2,
    turns: float = 1.0,
    shuffle: bool = True,
    noise: float | None = None,
    seed: int | None = None,
) -> TensorDataset:
    """Arms of a spiral around (0, 0), one class for each: the radius grows evenly from 0 to 1 along an arm.

    Args:
        n_samples: in all, spread evenly; or of each class.
        n_classes: arms, 1 or more.
        turns: of each arm around the middle.
        shuffle: in random order; else class by class.
        noise: standard deviation of what is added to each coordinate.
        seed: of order and noise, see the module.
    Returns: points (samples, 2) of the default dtype, classes (samples,) int64.
    Raises: ValueError for a negative count or noise, no class, or as many counts as there are no classes.
    """
    classes = _count("make_spirals", "n_classes", n_classes, 1)
    each = _split("make_spirals", n_samples, classes)
    arms = []
    for arm, count in enumerate(each):
        radius = np.arange(1, count + 1) / max(count, 1)
        arms.append(np.stack(cosine_sine(2 * turns * radius + 2 * arm / classes), 1) * radius[:, None])
    return _noisy("make_spirals", np.concatenate(arms), np.repeat(np.arange(classes), each), shuffle, noise, seed)


def make_regression(
    n_samples: int = 100,
    n_features: int = 100,
    *,
    n_informative: int = 10,
    n_targets: int = 1,
    bias: float = 0.0,
    noise: float = 0.0,
    shuffle: bool = True,
    coef: bool = False,
    seed: int | None = None,
) -> Any:
    """Targets that are a linear function of normally distributed points, plus noise.

    y = x w + bias + noise; w is uniform in [0, 100) for the informative features and 0 for the others.

    Args:
        n_samples, n_features, n_targets: counts.
        n_informative: features that matter; at most all.
        bias: added to every target.
        noise: standard deviation of what is added to each target.
        shuffle: informative features at random places; else they come first.
        coef: return w as well.
        seed: of the points, see the module.
    Returns: points (samples, features) and targets (samples,), or (samples, targets) for several, of the default
        dtype; with `coef` a pair of that and w, NumPy (features,) or (features, targets).
    Raises: ValueError for counts below 1 (n_samples: below 0) or negative noise.
    """
    count = _count("make_regression", "n_samples", n_samples, 0)
    features = _count("make_regression", "n_features", n_features, 1)
    targets = _count("make_regression", "n_targets", n_targets, 1)
    informative = min(features, _count("make_regression", "n_informative", n_informative, 1))
    draws = _stream("make_regression", seed)
    points = draws.normal((count, features), dtype=np.float64)
    weights = np.zeros((features, targets))
    weights[:informative] = draws.uniform((informative, targets), 0, 100, np.float64)
    if shuffle:
        weights = weights[draws.permutation(features)]
    values = np.full((count, targets), float(bias))
    for feature in np.flatnonzero(weights.any(1)):  # one by one: a matrix product does not round alike everywhere
        values += points[:, feature, None] * weights[feature]
    values += draws.normal(values.shape, std=_positive("make_regression", noise), dtype=np.float64)
    if targets == 1:
        values, weights = values[:, 0], weights[:, 0]
    data = _tensors(points, values.astype(get_default_dtype()))
    return (data, weights) if coef else data


def make_classification(
    n_samples: int = 100,
    n_features: int = 20,
    *,
    n_informative: int = 2,
    n_classes: int = 2,
    class_sep: float = 1.0,
    flip_y: float = 0.01,
    shuffle: bool = True,
    seed: int | None = None,
) -> TensorDataset:
    """Normally distributed classes around corners of a cube, among features that tell nothing.

    A light form of scikit-learn's: one cluster a class, of standard deviation 1, at the corner of the cube of half
    side `class_sep` whose signs are the bits of the class's number.

    Args:
        n_samples, n_features: counts.
        n_informative: features that tell the classes apart.
        n_classes: at most 2**n_informative.
        class_sep: half the distance of neighboring classes.
        flip_y: share of the samples whose class is drawn at random, in [0, 1].
        shuffle: samples in random order and features at random places; else class by class, informative ones first.
        seed: of the points, see the module.
    Returns: points (samples, features) of the default dtype, classes (samples,) int64.
    Raises: ValueError for counts that do not fit together or a share out of range.
    """
    features = _count("make_classification", "n_features", n_features, 1)
    informative = _count("make_classification", "n_informative", n_informative, 1)
    classes = _count("make_classification", "n_classes", n_classes, 1)
    if informative > features or classes > 2**informative or not 0 <= flip_y <= 1:
        need = "n_informative <= n_features, n_classes <= 2**n_informative and flip_y in [0, 1]"
        raise ValueError(f"make_classification: needs {need}, got {informative}, {features}, {classes}, {flip_y}")
    draws = _stream("make_classification", seed)
    labels = np.repeat(np.arange(classes), _split("make_classification", n_samples, classes))
    points = draws.normal((len(labels), features), dtype=np.float64)
    points[:, :informative] += class_sep * (2.0 * (labels[:, None] >> np.arange(informative) & 1) - 1)
    flipped = draws.uniform(len(labels), dtype=np.float64) < flip_y
    labels = np.where(flipped, draws.integers(0, classes, len(labels)), labels)
    if shuffle:
        points = points[:, draws.permutation(features)]
    return _dataset(points, labels, draws if shuffle else None)


def _stream(purpose: str, seed: int | None) -> Stream:
    return sampling_stream() if seed is None else stream(purpose, seed=seed)


def _count(caller: str, name: str, value: Any, least: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{caller}: {name} must be an integer, got {value!r}") from None
    if number < least:
        raise ValueError(f"{caller}: {name} must be {least} or more, got {number}")
    return number


def _positive(caller: str, noise: float) -> float:
    if not noise >= 0:
        raise ValueError(f"{caller}: noise must be 0 or more, got {noise}")
    return noise


def _split(caller: str, n_samples: int | Sequence[int], classes: int) -> list[int]:
    """How many samples each class has; of a number in all, the first classes have one more if it does not divide."""
    if isinstance(n_samples, Sequence):
        if len(n_samples) != classes:
            raise ValueError(f"{caller}: n_samples must be one number or {classes}, got {n_samples}")
        return [_count(caller, "n_samples", one, 0) for one in n_samples]
    whole, rest = divmod(_count(caller, "n_samples", n_samples, 0), classes)
    return [whole + (place < rest) for place in range(classes)]


def _halves(caller: str, n_samples: int | Sequence[int]) -> list[int]:
    """As `_split` for two classes, but one sample more is of the second, as in scikit-learn's curves."""
    each = _split(caller, n_samples, 2)
    return each if isinstance(n_samples, Sequence) else each[::-1]


def _spaced(count: int, end: float, included: bool) -> Doubles:
    """`count` numbers from 0 to `end`, evenly."""
    return np.arange(count, dtype=np.float64) * (end / max(count - included, 1))


def _noisy(
    caller: str, points: Doubles, labels: Any, shuffle: bool, noise: float | None, seed: int | None
) -> TensorDataset:
    draws = _stream(caller, seed)
    if noise is not None:
        points = points + draws.normal(points.shape, std=_positive(caller, noise), dtype=np.float64)
    return _dataset(points, labels, draws if shuffle else None)


def _dataset(points: Doubles, labels: NDArray[np.int64], order: Stream | None) -> TensorDataset:
    if order is not None:
        places = order.permutation(len(points))
        points, labels = points[places], labels[places]
    return _tensors(points, labels.astype(np.int64, copy=False))


def _tensors(points: Doubles, targets: NDArray[Any]) -> TensorDataset:
    return TensorDataset(wrap(points.astype(get_default_dtype()), None), wrap(targets, None))
