"""Keras' optimizers: its names and defaults for gpudl.optim's, made when a model knows its parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from gpudl import optim
from gpudl.optim import Optimizer

__all__ = [
    "SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "Lion", "Nadam", "OptimizerSpec", "RMSprop", "get",
]  # fmt: skip


class OptimizerSpec:
    """An optimizer and its settings, without parameters yet.

    Args:
        make: a class of gpudl.optim.
        settings: what it is called with.
    """

    def __init__(self, make: Callable[..., Optimizer], **settings: Any) -> None:
        self.make, self.settings = make, settings

    def bind(self, parameters: Iterable[Any]) -> Optimizer:
        """The optimizer of some parameters."""
        return self.make(parameters, **self.settings)

    def __repr__(self) -> str:
        return f"{self.make.__name__}({', '.join(f'{name}={value!r}' for name, value in self.settings.items())})"


def SGD(
    learning_rate: float = 0.01, momentum: float = 0.0, nesterov: bool = False, weight_decay: float | None = None
) -> OptimizerSpec:
    """Stochastic gradient descent; see gpudl.optim.SGD."""
    settings = {"lr": learning_rate, "momentum": momentum, "nesterov": nesterov}
    return OptimizerSpec(optim.SGD, **settings, weight_decay=weight_decay or 0)


def Adam(
    learning_rate: float = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    amsgrad: bool = False,
) -> OptimizerSpec:
    """See gpudl.optim.Adam."""
    return OptimizerSpec(optim.Adam, lr=learning_rate, betas=(beta_1, beta_2), eps=epsilon, amsgrad=amsgrad)


def AdamW(
    learning_rate: float = 0.001,
    weight_decay: float = 0.004,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    amsgrad: bool = False,
) -> OptimizerSpec:
    """See gpudl.optim.AdamW."""
    betas = (beta_1, beta_2)
    settings = {"lr": learning_rate, "betas": betas, "eps": epsilon, "amsgrad": amsgrad}
    return OptimizerSpec(optim.AdamW, **settings, weight_decay=weight_decay)


def Adamax(
    learning_rate: float = 0.001, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-7
) -> OptimizerSpec:
    """See gpudl.optim.Adamax."""
    return OptimizerSpec(optim.Adamax, lr=learning_rate, betas=(beta_1, beta_2), eps=epsilon)


def Nadam(
    learning_rate: float = 0.001, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-7
) -> OptimizerSpec:
    """See gpudl.optim.NAdam."""
    return OptimizerSpec(optim.NAdam, lr=learning_rate, betas=(beta_1, beta_2), eps=epsilon)


def RMSprop(
    learning_rate: float = 0.001,
    rho: float = 0.9,
    momentum: float = 0.0,
    epsilon: float = 1e-7,
    centered: bool = False,
) -> OptimizerSpec:
    """See gpudl.optim.RMSprop; rho is its alpha."""
    settings = {"lr": learning_rate, "alpha": rho, "momentum": momentum, "eps": epsilon, "centered": centered}
    return OptimizerSpec(optim.RMSprop, **settings)


def Adagrad(
    learning_rate: float = 0.001, initial_accumulator_value: float = 0.1, epsilon: float = 1e-7
) -> OptimizerSpec:
    """See gpudl.optim.Adagrad."""
    settings = {"lr": learning_rate, "initial_accumulator_value": initial_accumulator_value, "eps": epsilon}
    return OptimizerSpec(optim.Adagrad, **settings)


def Adadelta(learning_rate: float = 0.001, rho: float = 0.95, epsilon: float = 1e-7) -> OptimizerSpec:
    """See gpudl.optim.Adadelta."""
    return OptimizerSpec(optim.Adadelta, lr=learning_rate, rho=rho, eps=epsilon)


def Lion(learning_rate: float = 0.001, beta_1: float = 0.9, beta_2: float = 0.99) -> OptimizerSpec:
    """See gpudl.optim.Lion."""
    return OptimizerSpec(optim.Lion, lr=learning_rate, betas=(beta_1, beta_2))


_BY_NAME: dict[str, Callable[[], OptimizerSpec]] = {
    each.__name__.lower(): each for each in (SGD, Adam, AdamW, Adamax, Nadam, RMSprop, Adagrad, Adadelta, Lion)
}


def get(identifier: Any) -> OptimizerSpec | Optimizer:
    """An optimizer by its name in any case ("sgd", "adam", ...); what is one already, as it is.

    Raises: ValueError for a name that is not there.
    """
    if isinstance(identifier, (OptimizerSpec, Optimizer)):
        return identifier
    if isinstance(identifier, str) and identifier.lower() in _BY_NAME:
        return _BY_NAME[identifier.lower()]()
    raise ValueError(f"optimizer: expected one of {', '.join(_BY_NAME)}, or an optimizer, got {identifier!r}")
